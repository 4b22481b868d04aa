"""What a watcher that is careless changes: names bound in classes, lifetimes, exceptions, a fetcher's own attributes.

Prints nothing that differs between two runs.
"""

import enum
import gc
import sys
from collections.abc import Generator, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset


class Config:
    """A built-in function as an attribute of a class is no method."""

    log = print


class Level(enum.Enum):
    """Nor does it become anything but a member."""

    SHOW = print


class Stream(IterableDataset[int]):
    """Says when its generator is closed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __iter__(self) -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            print(self.name, "closed", flush=True)


class Ends(IterableDataset[int]):
    """Its iterator ends with words of its own."""

    def __iter__(self) -> Generator[int, None, int]:
        yield 1
        return 2


class NoGroups(Dataset[int]):
    """Has the attribute that fetches groups of samples, and none behind it."""

    __getitems__ = False

    def __init__(self, first: int = 0) -> None:
        self.first = first

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> int:
        return self.first + index


class Tracked(TensorDataset):
    """Says when it goes."""

    def __del__(self) -> None:
        print("a data set goes", flush=True)


class Tokens(Dataset[dict[str, Any]]):
    """Batches as language models have them."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": torch.zeros(8, dtype=torch.long)}


class Log(TorchFunctionMode):
    """Sees every call of torch."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        print("torch function", getattr(function, "__name__", function))
        return function(*args, **(kwargs or {}))


def names() -> None:
    """What binds and what does not."""
    config: Any = Config()
    config.log("said by an attribute of a class")
    print([level.name for level in Level], hasattr(print, "__get__"))


def lifetimes() -> None:
    """What is let go of is gone, without a collection."""
    for workers in (0, 1):
        for _ in DataLoader(Stream(f"a stream with {workers} workers"), batch_size=2, num_workers=workers):
            break
        print("after the stream")

    def evaluate() -> None:
        for _ in DataLoader(Tracked(torch.zeros(64, 2)), batch_size=2):
            pass

    gc.disable()
    evaluate()
    print("after the evaluation")
    gc.enable()


def exceptions() -> None:
    """The program's own come as they are."""
    iterator: Any = iter(DataLoader(Ends(), batch_size=None))
    next(iterator)
    try:
        next(iterator)
    except StopIteration as end:
        print("ended with", end.value, repr(end))


def fetchers() -> None:
    """Their attributes are the program's, during an iteration too."""
    print("sum of samples", sum(int(batch.sum()) for batch in DataLoader(NoGroups(), batch_size=8)))
    loader: Any = DataLoader(NoGroups(), batch_size=2)
    iterator: Any = iter(loader)
    seen = []
    for number in range(32):
        fetcher = iterator._dataset_fetcher
        if number == 3:
            fetcher.dataset = NoGroups(1000)
            fetcher.dataset.first = 2000
            replaced = fetcher.dataset
        ours = loader.dataset if number < 3 else replaced
        assert fetcher.dataset is ours and fetcher.collate_fn is loader.collate_fn and "fetch" not in vars(fetcher)
        seen.append(int(next(iterator)[0]))
    print("samples", seen)
    streams: Any = iter(DataLoader(Stream("a stream of the loop's own"), batch_size=2))
    next(streams)
    print(type(streams._dataset_fetcher.dataset_iter).__name__)


names()
lifetimes()
exceptions()
fetchers()
found = [finder.find_spec("no_such_module_anywhere", None) for finder in sys.meta_path]
print("of no finder", set(found))
with Log():
    for _ in DataLoader(Tokens(), batch_size=2):
        pass
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
handle = optimizer.register_step_post_hook(lambda *_: None)
print("handle", handle.id, model.register_forward_hook(lambda *_: None).id)
