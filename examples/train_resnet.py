"""Trains a small ResNet to tell the classes of a folder of photos apart.

The folder holds one subfolder per class with the JPEG files of that class in it:

    python train_resnet.py --data photos

Every fifth photo is held out for validation. After each epoch the model is validated and saved, and the best one is
kept as best.pt in the folder --out.
"""

import argparse
import logging
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

log = logging.getLogger("train_resnet")

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def random_resized_crop(image: Image.Image, size: int) -> Image.Image:
    """Cuts out a random part of at least a quarter of the image, near a square, and scales it to size x size."""
    width, height = image.size
    area = width * height * random.uniform(0.25, 1.0)
    ratio = random.uniform(3 / 4, 4 / 3)
    w = min(width, round((area * ratio) ** 0.5))
    h = min(height, round((area / ratio) ** 0.5))
    left = random.randint(0, width - w)
    top = random.randint(0, height - h)
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h))


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """Cuts out the largest square in the middle and scales it to size x size."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


class PhotoFolder(Dataset[tuple[Tensor, int]]):
    """Photos in one folder per class, decoded and augmented when they are asked for."""

    def __init__(self, files: list[tuple[Path, int]], size: int, augment: bool) -> None:
        self.files = files
        self.size = size
        self.augment = augment

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One photo as a normalised float tensor of shape (3, size, size), and its class."""
        path, label = self.files[index]
        with Image.open(path) as file:
            image = file.convert("RGB")
        if self.augment:
            image = random_resized_crop(image, self.size)
            if random.random() < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        else:
            image = centre_crop(image, self.size)
        pixels = (np.asarray(image, dtype=np.float32) / 255 - MEAN) / STD
        return torch.from_numpy(pixels).permute(2, 0, 1), label


def find_photos(folder: Path) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]], int]:
    """The photos to train on, those to validate on, and the number of classes."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [
        (file, label)
        for label, path in enumerate(classes)
        for file in sorted(path.iterdir())
        if file.suffix.lower() in (".jpg", ".jpeg")
    ]
    train = [entry for i, entry in enumerate(files) if i % 5]
    return train, files[::5], len(classes)


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Halves height and width when the stride is 2."""
        out = F.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    """A ResNet of four stages, small enough for a CPU."""

    def __init__(self, classes: int, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.stages = nn.Sequential(
            Block(width, width, 1),
            Block(width, 2 * width, 2),
            Block(2 * width, 4 * width, 2),
            Block(4 * width, 8 * width, 2),
        )
        self.head = nn.Linear(8 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, 3, height, width) to logits (batch, classes)."""
        features = self.stages(self.stem(x))
        logits: Tensor = self.head(features.mean(dim=(2, 3)))
        return logits


def train_epoch(
    model: nn.Module, loader: DataLoader[tuple[Tensor, int]], optimizer: torch.optim.Optimizer, epoch: int
) -> float:
    """One pass over the training photos; returns the mean loss."""
    model.train()
    total = 0.0
    for step, (images, labels) in enumerate(loader):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
        if step % 20 == 0:
            log.info("epoch %d step %d of %d: loss %.4f", epoch, step, len(loader), loss.item())
    return total / len(loader)


@torch.no_grad()
def validate(model: nn.Module, loader: DataLoader[tuple[Tensor, int]]) -> float:
    """The share of validation photos whose class the model gets right."""
    model.eval()
    right = seen = 0
    for images, labels in loader:
        right += int((model(images).argmax(dim=1) == labels).sum())
        seen += len(labels)
    return right / seen


def save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, accuracy: float) -> None:
    """Writes all that is needed to go on from here."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch, "accuracy": accuracy}
    torch.save(state, path)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train a small ResNet on a folder of photos.")
    parser.add_argument("--data", type=Path, required=True, help="folder with one subfolder of JPEG files per class")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1, help="processes that load photos")
    parser.add_argument("--size", type=int, default=64, help="height and width of the images after cropping")
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("checkpoints"), help="folder for the saved models")
    return parser.parse_args()


def main() -> None:
    """Trains, validates and saves."""
    args = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    # The processes that load photos need cores too.
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - args.workers))
    args.out.mkdir(parents=True, exist_ok=True)

    train_files, validation_files, classes = find_photos(args.data)
    train_set = PhotoFolder(train_files, args.size, augment=True)
    validation_set = PhotoFolder(validation_files, args.size, augment=False)
    train_loader = DataLoader(
        train_set, batch_size=args.batch_size, shuffle=True, drop_last=True, num_workers=args.workers
    )
    validation_loader = DataLoader(validation_set, batch_size=args.batch_size, num_workers=args.workers)
    log.info("%d photos to train on, %d to validate on, %d classes", len(train_set), len(validation_set), classes)

    model = ResNet(classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)

    best = 0.0
    for epoch in range(args.epochs):
        begin = time.perf_counter()
        loss = train_epoch(model, train_loader, optimizer, epoch)
        schedule.step()
        accuracy = validate(model, validation_loader)
        seconds = time.perf_counter() - begin
        log.info("epoch %d: loss %.4f, validation accuracy %.1f %%, %.1f s", epoch, loss, 100 * accuracy, seconds)
        save(args.out / "last.pt", model, optimizer, epoch, accuracy)
        if accuracy >= best:
            best = accuracy
            save(args.out / "best.pt", model, optimizer, epoch, accuracy)
    log.info("best validation accuracy %.1f %%, saved as %s", 100 * best, args.out / "best.pt")


if __name__ == "__main__":
    main()
