"""A training loop of one of several kinds, whose loader and threads its arguments choose; it times its own steps.

The last line is JSON: the samples that it saw (their labels' sum) and the mean time of a step once the loader's queues
have been filled twice.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

BATCH = 32


class Photos(Dataset[Any]):
    """JPEG files, decoded and resized: CPU time in C."""

    def __init__(self, folder: Path, size: int) -> None:
        self.files = sorted(folder.rglob("*.JPEG"))
        self.size = size

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = Image.open(self.files[index % len(self.files)]).convert("RGB").resize((self.size, self.size))
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float(), index % 10


class Words(Dataset[Any]):
    """Work in Python for each sample."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        value = 0
        for k in range(4000 + index * 7919 % 3000):
            value = (value * 31 + k) % 65521
        return torch.full((3, self.size, self.size), value / 65521), index % 10


class Remote(Dataset[Any]):
    """A store that answers after some milliseconds, now and then after many."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        time.sleep(0.001 + index * 7919 % 1000 * 1e-6 + (0.02 if index % 97 == 0 else 0))
        return torch.full((3, self.size, self.size), 0.5), index % 10


class Arrays(Dataset[Any]):
    """Samples that are there already: only collation is left."""

    def __init__(self, size: int) -> None:
        self.data = torch.rand(512, 3, size, size)

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.data[index % 512], index % 10


def make(kind: str, folder: Path) -> tuple[Dataset[Any], int]:
    """The dataset of a kind, and the size of its images."""
    if kind == "decode":
        return Photos(folder, 64), 64
    if kind == "python":
        return Words(64), 64
    if kind == "storage":
        return Remote(64), 64
    return (Arrays(128), 128) if kind == "arrays" else (Arrays(96), 96)


def model_of(kind: str, size: int) -> nn.Module:
    """A small network; for `compute` one that takes longer than its loader."""
    width = 32 if kind == "compute" else 8
    return nn.Sequential(
        nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(2 * width * (size // 4) ** 2, 10),
    )  # fmt: skip


def main() -> None:
    """Trains for some seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", required=True, choices=["decode", "python", "storage", "arrays", "compute"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--prefetch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    dataset, size = make(options.kind, options.data)
    model = model_of(options.kind, size)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    ahead: dict[str, Any] = {"prefetch_factor": options.prefetch} if options.workers else {}
    loader = DataLoader(dataset, BATCH, num_workers=options.workers, **ahead)
    fill = 2 * options.workers * options.prefetch + 1
    begin = steps = labels = 0.0
    for images, classes in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), classes).backward()
        optimizer.step()
        steps += 1
        labels += int(classes.sum())
        if steps == fill:
            begin = time.perf_counter()
        if steps >= fill + 20 and time.perf_counter() - begin > options.seconds:
            break
    took = (time.perf_counter() - begin) / (steps - fill)
    print(json.dumps({"step_seconds": took, "mean_label": labels / steps / BATCH}))


if __name__ == "__main__":
    main()
