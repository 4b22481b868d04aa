"""A loop whose loader gets stuck in one sample, as when a file server does not answer or a decoder never ends."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

BATCH = 8


class Samples(Dataset[torch.Tensor]):
    """The sample `stuck` takes an hour, waiting or computing; the others wait a little."""

    def __init__(self, way: str, stuck: int) -> None:
        self.way = way
        self.stuck = stuck

    def __len__(self) -> int:
        return 4000

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == self.stuck:
            end, parent = time.monotonic() + 3600, os.getppid()
            while time.monotonic() < end and os.getppid() == parent:  # a worker must not outlive the test
                if self.way == "waiting":
                    time.sleep(0.5)
                else:
                    sum(range(1_000_000))
        time.sleep(0.002)
        return torch.full((16,), float(index))


def main() -> None:
    """Trains until it hangs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=("waiting", "computing"), default="waiting")
    parser.add_argument("--stuck", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=0, help="of the loader, in seconds")
    parser.add_argument("--method", default="fork")
    parser.add_argument("--hide", action="store_true", help="start the workers with an empty environment")
    parser.add_argument("--steps", type=int, default=10**9)
    options = parser.parse_args()
    Path("pid").write_text(str(os.getpid()))
    torch.set_num_threads(1)
    model = nn.Linear(16, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    if options.hide:
        os.environ.clear()
    method = options.method if options.workers else None
    loader = DataLoader(
        Samples(options.way, options.stuck),
        BATCH,
        num_workers=options.workers,
        timeout=options.timeout,
        multiprocessing_context=method,
    )
    for step, x in enumerate(loader):
        if step == options.steps:
            break
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
        print("step", step, flush=True)


if __name__ == "__main__":
    main()
