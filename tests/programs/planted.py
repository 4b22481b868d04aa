"""What the programs loop_*.py share: samples whose cost is known, a small model, and the program's own stopwatch.

Each of those programs is one kind of training loop. With --truth FOLDER it leaves there what it measured of itself
(stopwatch.py); what it prints does not depend on who is watching.
"""

import time

BEGAN = time.perf_counter()

import argparse
import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # torch.optim imports it at its first use; here, so that all import time is in one place
from torch import nn
from torch.utils.data import DataLoader, Dataset

import work
from stopwatch import FetchLog, Stopwatch

FEATURES = 32
Sample = tuple[torch.Tensor, int]
Model = Callable[[torch.Tensor], torch.Tensor]


class Samples(Dataset[Sample]):
    """Random features; a sample sleeps and computes. The label is its number, from `first` on."""

    def __init__(self, log: FetchLog | None, count: int = 192, sleep_ms: float = 3, cpu_ms: float = 1, first: int = 0):
        self.log = log
        self.count = count
        self.sleep_ms = sleep_ms
        self.cpu_ms = cpu_ms
        self.first = first
        self.features = torch.randn(64, FEATURES, generator=torch.Generator().manual_seed(7 + first))

    def __len__(self) -> int:
        return self.count

    def make(self, index: int) -> Sample:
        """The sample, with its costs."""
        number = self.first + index
        if self.log:
            self.log.sample_begins(number)
            with self.log.part("storage"):
                work.wait(self.sleep_ms * 1e-3)
            with self.log.part("decode"):
                work.compute(self.cpu_ms * 1e-3)
        else:
            work.wait(self.sleep_ms * 1e-3)
            work.compute(self.cpu_ms * 1e-3)
        sample = self.features[index % 64], number
        if self.log:
            self.log.sample_ends()
        return sample

    def __getitem__(self, index: int) -> Sample:
        return self.make(index)


class Collate:
    """Stacks a batch and ends its line in the log."""

    def __init__(self, log: FetchLog | None) -> None:
        self.log = log

    def __call__(self, samples: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
        if self.log is None:
            return self.stack(samples)
        with self.log.part("collate"):
            batch = self.stack(samples)
        self.log.batch_ends()
        return batch

    @staticmethod
    def stack(samples: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (batch, 32) and numbers (batch)."""
        return torch.stack([x for x, _ in samples]), torch.tensor([y for _, y in samples])


class Program:
    """The arguments, the stopwatch and the seeds of one program."""

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--truth", type=Path, help="folder for the program's own measurements")
        self.truth: Path | None = parser.parse_args().truth
        self.watch = Stopwatch(BEGAN, time.perf_counter())  # all imports stand above this
        self.log = FetchLog(self.truth) if self.truth else None
        self.losses: list[float] = []
        torch.set_num_threads(1)
        torch.manual_seed(0)
        random.seed(0)

    def loader(self, data: Dataset[Any] | None = None, **options: Any) -> DataLoader[Any]:
        """A loader of batches of 8 over `data`, or over samples of the usual cost."""
        data = data if data is not None else Samples(self.log)
        return DataLoader(data, **{"batch_size": 8, "collate_fn": Collate(self.log), **options})

    def epoch(self, batches: Iterable[Any], model: Model, optimizer: torch.optim.Optimizer) -> None:
        """One pass of the plain loop: a step for every batch."""
        self.watch.ask()
        for x, y in batches:
            self.watch.receive(int(y[0]))
            self.watch.to("compute.forward")
            out = model(x)
            self.watch.to("host")
            loss = out.pow(2).mean()
            self.update(loss, optimizer)
            self.watch.ask()
        self.watch.exhausted()

    def update(self, loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        """The end of a plain step: a backward and an optimizer step."""
        optimizer.zero_grad()
        self.watch.to("compute.backward")
        loss.backward()
        self.watch.to("compute.optimizer")
        optimizer.step()
        self.watch.stepped()
        self.losses.append(loss.item())

    def finish(self, *models: nn.Module) -> None:
        """Leaves the measurements and prints the results."""
        if self.truth:
            self.watch.write(self.truth)
        weights = b"".join(p.detach().numpy().tobytes() for model in models for p in model.parameters())
        print(f"losses {hashlib.sha256(repr(self.losses).encode()).hexdigest()} of {len(self.losses)}")
        print(f"weights {hashlib.sha256(weights).hexdigest()}")
        print(f"random {random.random()!r} {torch.rand(1).item()!r}")


def mlp(width: int = 256, outputs: int = 1) -> nn.Sequential:
    """A small network from features (batch, 32) to (batch, outputs)."""
    return nn.Sequential(
        nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )
