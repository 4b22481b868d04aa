"""A training whose samples take CPU time to make and hold every kind of thing; the same ones in every epoch, or not.

It prints a digest of each batch, with --log also to that file, one line with its process id. Its collation changes the
samples in place before it stacks them.
"""

import argparse
import dataclasses
import hashlib
import os
import random
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

import work

Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Label:
    """What a sample shows."""

    number: int
    name: str


class Opaque:
    """Something of the program's own."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--make-ms", type=float, default=4)
    parser.add_argument("--wait-ms", type=float, default=0)
    parser.add_argument("--host-ms", type=float, default=8)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--method", choices=["fork", "spawn", "forkserver"], default="fork")
    parser.add_argument("--persistent", action="store_true")
    parser.add_argument("--kind", choices=["same", "augmented", "rarely", "opaque", "draws"], default="same")
    parser.add_argument("--at-once", action="store_true", help="the samples of a batch by __getitems__")
    parser.add_argument("--log", type=Path)
    return parser.parse_args()


class Samples(Dataset[dict[str, Any]]):
    """Each takes CPU time and depends on its index alone, but for what --kind says."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    def __len__(self) -> int:
        return int(self.options.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        options = self.options
        work.compute(options.make_ms * 1e-3)
        if options.wait_ms:
            time.sleep(options.wait_ms * 1e-3)
        own = np.random.default_rng(index)
        image = own.integers(0, 255, (40, 30, 3), dtype=np.uint8)
        tensor = torch.from_numpy(own.standard_normal((3, 32, 24)).astype(np.float32)).permute(1, 2, 0)
        if options.kind == "augmented" or (options.kind == "rarely" and random.random() < 0.2):
            tensor = tensor + torch.rand(1)
        if options.kind == "draws":
            random.random()
        sample: dict[str, Any] = {
            "x": tensor,
            "nested": {"half": tensor[..., 0].half(), "list": [index, float(index), None, True, "café", b"\0\1"]},
            "point": Point(own.standard_normal(3), np.float32(index)),
            "label": Label(index, f"sample {index}"),
            "image": Image.fromarray(image),
            "crop": image[2:20:2, 1:9],
        }
        if options.kind == "opaque":
            sample["own"] = Opaque()
        return sample


class AtOnce(Samples):
    """The samples of a batch in one call."""

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        return [self[index] for index in indices]


def described(value: Any) -> bytes:
    """All of a value that a program can see: type, dtype, shape, strides and content."""
    if isinstance(value, torch.Tensor):
        shape = f"{type(value)} {value.dtype} {value.shape} {value.stride()} "
        return shape.encode() + value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    if isinstance(value, np.ndarray):
        shape = f"{value.dtype} {value.shape} {value.strides} {value.flags.writeable} "
        return shape.encode() + value.tobytes()
    if isinstance(value, Image.Image):
        return f"{type(value)} {value.mode} {value.size} {value.info}".encode() + value.tobytes()
    if isinstance(value, dict):
        return b"{" + b",".join(described(key) + described(item) for key, item in value.items()) + b"}"
    if isinstance(value, list | tuple):
        return repr(type(value)).encode() + b",".join(map(described, value))
    if isinstance(value, Label):
        return b"label" + described(vars(value))
    return b"opaque" if isinstance(value, Opaque) else repr((type(value), value)).encode()


def collate(samples: list[dict[str, Any]]) -> tuple[torch.Tensor, str]:
    digest = hashlib.sha256(b";".join(map(described, samples))).hexdigest()
    for sample in samples:  # what was handed out is the program's own
        sample["x"] += 1
        sample["crop"][:] = 0
        sample["nested"]["list"].append("changed")
        sample["image"].putpixel((0, 0), (1, 2, 3))
        sample["label"].number = -1
    return torch.stack([sample["x"].flatten() for sample in samples]), digest


def main() -> None:
    options = parse()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    loader = DataLoader(
        (AtOnce if options.at_once else Samples)(options),
        batch_size=options.batch,
        shuffle=True,
        num_workers=options.workers,
        collate_fn=collate,
        persistent_workers=options.persistent,
        multiprocessing_context=options.method if options.workers else None,
    )
    model = nn.Linear(32 * 24 * 3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    for epoch in range(options.epochs):
        for step, (x, digest) in enumerate(loader):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            work.compute(options.host_ms * 1e-3)
            state = hashlib.sha256(repr(random.getstate()).encode()).hexdigest()[:8] if not options.workers else ""
            line = f"{epoch} {step} {digest} {loss.item()!r} {state}"
            print(line)
            if options.log:
                with options.log.open("a") as file:
                    file.write(f"{os.getpid()} {line}\n")


if __name__ == "__main__":
    main()
