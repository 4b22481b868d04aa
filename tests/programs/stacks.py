"""Looks at its own stack wherever it can: nobody who watches may stand in it.

Workers look while they make the first batch: the main process waits for it then, and what both print keeps its order.
"""

import inspect
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

log = logging.getLogger("stacks")


def show(place: str) -> None:
    """Prints the stack, and the way logging, warnings and inspect see it."""
    print("stack of", place, file=sys.stderr, flush=True)
    traceback.print_stack()
    log.warning("from %s", place)
    log.warning("from %s and its caller", place, stacklevel=2)
    warnings.warn(f"from {place}", stacklevel=2)
    frames = inspect.stack()
    print(place, len(frames), [(frame.function, frame.lineno) for frame in frames], file=sys.stderr, flush=True)


class Looking(Dataset[torch.Tensor]):
    """Shows its stack for one sample, after its pickling in a worker too."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == 1:
            show("__getitem__")
        return torch.full((4,), float(index))


class LookingStream(IterableDataset[torch.Tensor]):
    """The same for a stream of samples."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        for index in range(8):
            if index == 1:
                show("__iter__ of a stream")
            yield torch.full((4,), float(index))


def collate(samples: list[torch.Tensor]) -> torch.Tensor:
    """Shows its stack for one batch."""
    if int(samples[0][0]) == 0:
        show("collate")
    return torch.stack(samples)


class Model(nn.Module):
    """Shows its stack in forward, and in a forward hook and a gradient hook."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 1)
        self.looked = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.linear(x)
        if not self.looked:
            self.looked = True
            show("forward")
            out.register_hook(lambda _: show("gradient"))
        return out


class Plain:
    """An object that shows the stack of whoever saves it."""

    def __getstate__(self) -> dict[str, int]:
        show("__getstate__ in torch.save")
        return {"one": 1}


class Loader(DataLoader[Any]):
    """A loader of the user's own."""

    def __iter__(self) -> Any:
        show("__iter__ of a loader")
        return super().__iter__()


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(filename)s:%(lineno)d %(funcName)s %(message)s")
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    optimizer.register_step_post_hook(lambda *_: show("step") if model.looked else None)
    for data, workers in ((Looking(), 0), (Looking(), 1), (LookingStream(), 1)):
        for x in Loader(data, batch_size=4, num_workers=workers, collate_fn=collate):
            optimizer.zero_grad()
            loss = model(x).sum()
            loss.backward()
            optimizer.step()
            print(repr(loss.item()), flush=True)
    torch.save({"plain": Plain()}, "plain.pt")


if __name__ == "__main__":
    main()
