"""What the programs of this benchmark train on, one class for each way in which input can be slow.

A dataset gives (features, class) for any index below 2**30, always the same for the same index but where it says so.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

CLASSES = 10
ENDLESS = 1 << 30


class Source(Dataset[Any]):
    """What all of them share: they have no end, and images of a size."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size

    def __len__(self) -> int:
        return ENDLESS

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.features(index), index % CLASSES

    def features(self, index: int) -> torch.Tensor:
        """The tensor of a sample."""
        raise NotImplementedError


class Photos(Source):
    """JPEG files, decoded and resized: CPU time in C."""

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__(folder, size)
        self.files = sorted(folder.rglob("*.JPEG"))

    def features(self, index: int) -> torch.Tensor:
        """An image of shape (3, size, size)."""
        image = Image.open(self.files[index % len(self.files)]).convert("RGB").resize((self.size, self.size))
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float()


class RemotePhotos(Photos):
    """The same from a store that takes some milliseconds to answer."""

    def features(self, index: int) -> torch.Tensor:
        """An image of shape (3, size, size)."""
        time.sleep(0.003 + index * 7919 % 1000 * 2e-6)
        return super().features(index)


class Words(Source):
    """Work in Python for each sample."""

    def features(self, index: int) -> torch.Tensor:
        """An image of shape (3, size, size)."""
        value = 0
        for k in range(4000 + index * 7919 % 3000):
            value = (value * 31 + k) % 65521
        return torch.full((3, self.size, self.size), value / 65521)


class Remote(Source):
    """A store that answers after some milliseconds, now and then after many."""

    def features(self, index: int) -> torch.Tensor:
        """An image of shape (3, size, size)."""
        time.sleep(0.001 + index * 7919 % 1000 * 1e-6 + (0.02 if index % 97 == 0 else 0))
        return torch.full((3, self.size, self.size), 0.5)


class Arrays(Source):
    """Samples that are there already: only collation is left."""

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__(folder, size)
        self.data = torch.rand(512, 3, size, size)

    def features(self, index: int) -> torch.Tensor:
        """An image of shape (3, size, size)."""
        return self.data[index % 512]


class Spectra(Source):
    """A second of sound, as a spectrogram: NumPy's FFT, which lets other threads run."""

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__(folder, size)
        self.sound = np.random.default_rng(0).standard_normal(64 * 16000).astype(np.float32)

    def features(self, index: int) -> torch.Tensor:
        """An image of shape (3, size, size)."""
        begin = index * 7919 % (63 * 16000)
        frames = np.lib.stride_tricks.sliding_window_view(self.sound[begin : begin + 16000], 512)[::160]
        power = np.log1p(np.abs(np.fft.rfft(frames * np.hanning(512))))[: self.size, : self.size]
        image = np.zeros((3, self.size, self.size), dtype=np.float32)
        image[:, : power.shape[0], : power.shape[1]] = power
        return torch.from_numpy(image)


class Packed(Source):
    """Arrays in NumPy's own compressed files, kept in memory: zlib."""

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__(folder, size)
        generator = np.random.default_rng(0)
        self.files = []
        for _ in range(64):
            file = io.BytesIO()
            np.savez_compressed(file, x=generator.integers(0, 16, (3, size, size)).astype(np.uint8))
            self.files.append(file.getvalue())

    def features(self, index: int) -> torch.Tensor:
        """An image of shape (3, size, size)."""
        with np.load(io.BytesIO(self.files[index % 64])) as file:
            return torch.from_numpy(file["x"]).float()


class Texts(Source):
    """Sentences that are cut into words of a vocabulary in Python, and padded in the collation."""

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__(folder, size)
        self.vocabulary = {f"w{number}": number for number in range(5000)}

    def features(self, index: int) -> torch.Tensor:
        """Numbers of words, of shape (length,)."""
        text = " ".join(f"w{(index * 31 + k * 7919) % 6000}" for k in range(60 + index % 200))
        words = [self.vocabulary.get(word.lower().strip(".,;"), 1) for word in text.split()]
        return torch.tensor(words)


class Finite(Photos):
    """Photos that every pass prepares in the same way again."""

    def __len__(self) -> int:
        return min(len(self.files), 320)


def padded(samples: Sequence[tuple[torch.Tensor, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of sentences as one tensor of shape (batch, longest), in Python."""
    longest = max(len(words) for words, _ in samples)
    rows = [words.tolist() + [0] * (longest - len(words)) for words, _ in samples]
    return torch.tensor(rows), torch.tensor([label for _, label in samples])


# Of each kind: its source, the size of its images, its collation.
KINDS: dict[str, tuple[type[Source], int, Callable[..., Any] | None]] = {
    "decode": (Photos, 64, None),
    "python": (Words, 64, None),
    "storage": (Remote, 64, None),
    "arrays": (Arrays, 128, None),
    "compute": (Arrays, 96, None),
    "remote": (RemotePhotos, 64, None),
    "spectra": (Spectra, 64, None),
    "packed": (Packed, 64, None),
    "text": (Texts, 0, padded),
    "memory": (Arrays, 8, None),
    "passes": (Finite, 64, None),
}
