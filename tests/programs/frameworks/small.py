"""What the programs of this folder share: a small made-up data set that costs time, and the end of a program.

Each program measures itself with the stopwatch that train.py uses too; the folder above is on PYTHONPATH for it. What a
framework hides from its user a program cannot measure: `finish` names the entries that it does see, several joined by
`+` where it sees only their sum.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from stopwatch import Stopwatch

CLASSES = 4
FEATURES = 64
Sample = tuple[torch.Tensor, torch.Tensor]


def arguments() -> argparse.Namespace:
    """--truth: the folder for the program's own measurements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    return parser.parse_args()


class SlowSamples(Dataset[Sample]):
    """Random features with a class each; a sample sleeps as if it came from a slow disk.

    With a stopwatch the first sample of a batch asks and `collate` receives: all that a user sees of a loader's wait.
    """

    def __init__(self, count: int, sleep_seconds: float, watch: Stopwatch | None = None) -> None:
        self.count = count
        self.sleep_seconds = sleep_seconds
        self.watch = watch
        self.asked = False
        generator = torch.Generator().manual_seed(7)
        self.features = torch.randn(count, FEATURES, generator=generator)
        self.classes = torch.randint(CLASSES, (count,), generator=generator)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if self.watch is not None and not self.asked:
            self.watch.ask()
            self.asked = True
        time.sleep(self.sleep_seconds)
        return self.features[index], self.classes[index]

    def collate(self, samples: Sequence[Sample]) -> Sample:
        """Stacks a batch."""
        batch = torch.stack([sample[0] for sample in samples]), torch.stack([sample[1] for sample in samples])
        if self.watch is not None:
            self.watch.receive(0)
            self.asked = False
        return batch


def make_model(width: int = 256, layers: int = 2) -> nn.Sequential:
    """A small perceptron."""
    middle: list[nn.Module] = []
    for _ in range(layers):
        middle += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU(), *middle, nn.Linear(width, CLASSES))


def digest(model: nn.Module) -> str:
    """A hash of all parameters: what must not depend on who is watching."""
    weights = b"".join(p.detach().cpu().contiguous().numpy().tobytes() for p in model.parameters())
    return hashlib.sha256(weights).hexdigest()[:16]


def finish(watch: Stopwatch, folder: Path | None, sees: Sequence[str], name: str = "program") -> None:
    """Leaves the seconds of the entries that the program sees in `folder`, if one is given."""
    watch.to("teardown")
    if folder is None:
        return
    entries = {key: sum(watch.seconds.get(entry, 0.0) for entry in key.split("+")) for key in sees}
    record = {"pid": os.getpid(), "began": watch.began, "ended": time.perf_counter(), "entries": entries}
    (folder / f"{name}.json").write_text(json.dumps(record))
