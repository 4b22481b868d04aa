"""A loop whose loader gets stuck in one sample, as when a file server does not answer or a decoder never ends."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, get_worker_info

BATCH = 8


class Samples(Dataset[torch.Tensor]):
    """The samples `stuck` take an hour, waiting or computing, or wait 5 s and raise; the others wait a little."""

    def __init__(self, way: str, stuck: Sequence[int]) -> None:
        self.way = way
        self.stuck = stuck

    def __len__(self) -> int:
        return 4000

    def __getitem__(self, index: int) -> torch.Tensor:
        if index in self.stuck:
            end, parent = time.monotonic() + (5 if self.way == "raising" else 3600), os.getppid()
            while time.monotonic() < end and os.getppid() == parent:  # a worker must not outlive the test
                if self.way == "computing":
                    sum(range(1_000_000))
                else:
                    time.sleep(0.5)
            assert self.way != "raising", "the sample cannot be read"
        time.sleep(0.002)
        return torch.full((16,), float(index))


class Stream(IterableDataset[torch.Tensor]):
    """The same one after the other in the first worker; in the other ones two batches."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __iter__(self) -> Iterator[torch.Tensor]:
        worker = get_worker_info()
        for index in range(2 * BATCH if worker and worker.id else len(self.samples)):
            yield self.samples[index]


def batches(loader: DataLoader[torch.Tensor], catch: bool) -> Iterator[torch.Tensor]:
    """Of one pass; goes on after what raises where `catch` is set."""
    iterator = iter(loader)
    while True:
        try:
            yield next(iterator)
        except StopIteration:
            return
        except AssertionError:
            if not catch:
                raise


def evaluate(model: nn.Module) -> None:
    """Over a few samples, by a loader of its own."""
    model.eval()
    with torch.no_grad():
        for x in DataLoader(Subset(Samples("waiting", ()), range(4 * BATCH)), BATCH):
            model(x)


def main() -> None:
    """Trains until it hangs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=("waiting", "computing", "raising"), default="waiting")
    parser.add_argument("--stuck", type=int, nargs="+", default=[200])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=0, help="of the loader, in seconds")
    parser.add_argument("--method", default="fork")
    parser.add_argument("--hide", action="store_true", help="start the workers with an empty environment")
    parser.add_argument("--iterable", action="store_true", help="an iterable dataset, of uneven length in its workers")
    parser.add_argument("--catch", action="store_true", help="go on after a sample that raised")
    parser.add_argument("--disorder", action="store_true", help="take the batches as they come")
    parser.add_argument("--evaluate-at", type=int, help="evaluate after this step, without workers")
    parser.add_argument("--steps", type=int, default=10**9)
    options = parser.parse_args()
    Path("pid").write_text(str(os.getpid()))
    torch.set_num_threads(1)
    model = nn.Linear(16, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    if options.hide:
        os.environ.clear()
    method = options.method if options.workers else None
    samples = Samples(options.way, options.stuck)
    loader = DataLoader(
        Stream(samples) if options.iterable else samples,
        BATCH,
        in_order=not options.disorder,
        num_workers=options.workers,
        timeout=options.timeout,
        multiprocessing_context=method,
    )
    for step, x in enumerate(batches(loader, options.catch)):
        if step == options.steps:
            break
        model.train()
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
        print("step", step, flush=True)
        if step == options.evaluate_at:
            evaluate(model)


if __name__ == "__main__":
    main()
