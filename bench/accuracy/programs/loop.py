"""A training loop of one of several kinds, whose loader and threads its arguments choose; it times its own steps.

The last line is JSON: the mean time of a step once the loader's queues have been filled twice, the samples of a step,
and the mean of the labels that it saw.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from sources import CLASSES, KINDS
from timed import Steps, arguments, loader_arguments
from torch import nn
from torch.utils.data import DataLoader


def model_of(kind: str, size: int) -> nn.Module:
    """A small network; for `compute` one that takes longer than its loader, for `memory` one of small layers."""
    if kind == "text":
        return nn.Sequential(nn.EmbeddingBag(5000, 256), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, CLASSES))
    if kind == "memory":
        layers: list[nn.Module] = [nn.Flatten(), nn.Linear(3 * size * size, 256), nn.ReLU()]
        for _ in range(6):
            layers += [nn.Linear(256, 256), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(256, CLASSES))
    width = 32 if kind == "compute" else 8
    return nn.Sequential(
        nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(2 * width * (size // 4) ** 2, CLASSES),
    )  # fmt: skip


def passes_of(loader: DataLoader[Any], many: bool) -> Any:
    """The batches of one pass, or of pass after pass."""
    yield from loader
    while many:
        yield from loader


def main() -> None:
    """Trains for some seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", required=True, choices=list(KINDS))
    options = arguments(parser)
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    source, size, collate = KINDS[options.kind]
    dataset = source(options.data, size)
    model = model_of(options.kind, size)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loader = DataLoader(dataset, options.batch, collate_fn=collate, **loader_arguments(options))
    steps = Steps(options)
    labels, seen = 0, 0
    for images, classes in passes_of(loader, options.kind == "passes"):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), classes).backward()
        optimizer.step()
        labels += int(classes.sum())
        seen += len(classes)
        if steps.stepped():
            break
    steps.tell(mean_label=labels / seen)


if __name__ == "__main__":
    main()
