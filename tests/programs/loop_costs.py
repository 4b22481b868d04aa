"""A training loop whose input costs what its kind says: pictures, small files, a collation, a dataset to be sent."""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

BATCH, STEPS, SIZE = 8, 160, 32


class Samples(Dataset[Any]):
    """Ready-made tensors; the other kinds add to it."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.iterdir())

    def __len__(self) -> int:
        return BATCH * STEPS

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((3, SIZE, SIZE), float(index))


class Pictures(Samples):
    """Large JPEG files that are scaled down."""

    def __getitem__(self, index: int) -> torch.Tensor:
        image = Image.open(self.files[index % len(self.files)]).convert("RGB")
        image = image.resize((SIZE, SIZE), Image.Resampling.NEAREST)  # others cost more than the decoding itself
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float()


class SmallFiles(Samples):
    """A small file each, that takes its time to be opened."""

    def __getitem__(self, index: int) -> torch.Tensor:
        time.sleep(0.002)
        text = self.files[index % len(self.files)].read_bytes()
        return torch.full((3, SIZE, SIZE), float(len(text)))


class Long(Samples):
    """Many names in Python lists."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.names = [[f"a name of a sample, number {k}", {"k": k}] for k in range(500_000)]


def in_python(samples: Sequence[torch.Tensor]) -> torch.Tensor:
    """Puts a batch together element by element."""
    rows = [sample.flatten().tolist() for sample in samples]
    return torch.tensor([[value + 1.0 for value in row] for row in rows]).view(-1, 3, SIZE, SIZE)


class Prepared(Samples):
    """Its files are read and worked on before the training."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sizes = [len(file.read_bytes()) for file in self.files]
        time.sleep(1.5)


KINDS: dict[str, tuple[type[Samples], Callable[..., Any] | None]] = {
    "plain": (Samples, None),
    "pictures": (Pictures, None),
    "files": (SmallFiles, None),
    "collate": (Samples, in_python),
    "sent": (Long, None),
    "setup": (Prepared, None),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=list(KINDS), required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    source, collate = KINDS[options.kind]
    spawned: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": "spawn"} if options.kind == "sent" else {}
    loader = DataLoader(source(options.data), BATCH, collate_fn=collate, **spawned)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    total = 0.0
    for images in loader:
        optimizer.zero_grad()
        loss = model(images).square().mean()
        loss.backward()
        optimizer.step()
        total += float(loss.detach())
        time.sleep(0.002)
    print(total)


if __name__ == "__main__":
    main()
