"""A training whose step costs what it is told to, for the findings that a probe gives.

Each step computes --fixed-ms, and --sample-ms for each of its samples, beside a small model. With --autocast its
forward and loss run under bfloat16 autocast as a user writes it. What it prints depends on the arguments alone.
"""

import argparse
import contextlib
import hashlib
import random

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

import work


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fixed-ms", type=float, default=0)
    parser.add_argument("--sample-ms", type=float, default=0)
    parser.add_argument("--width", type=int, default=16, help="of the matrices that a step multiplies")
    parser.add_argument("--convolutions", action="store_true")
    parser.add_argument("--autocast", action="store_true")
    parser.add_argument("--teacher", action="store_true", help="a model in eval mode that each step asks, too")
    parser.add_argument("--eval-mode", action="store_true", help="train the model in eval mode")
    return parser.parse_args()


class Images(Dataset[tuple[torch.Tensor, int]]):
    """Random ones that cost next to nothing."""

    def __init__(self, size: int, channels: int) -> None:
        self.size = size
        self.images = torch.randn(64, channels, 12, 12, generator=torch.Generator().manual_seed(1))

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.images[index % 64], index % 10


def make_model(options: argparse.Namespace) -> nn.Module:
    if options.convolutions:
        return nn.Sequential(
            nn.Conv2d(16, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 10),
        )
    return nn.Sequential(nn.Flatten(), nn.Linear(16 * 144, options.width), nn.ReLU(), nn.Linear(options.width, 10))


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    random.seed(0)
    torch.manual_seed(0)
    model, teacher = make_model(options), make_model(options).eval()
    model.train(not options.eval_mode)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loader = DataLoader(Images(options.steps * options.batch, 16), batch_size=options.batch, shuffle=True)
    losses = []
    for images, labels in loader:
        optimizer.zero_grad()
        inside = torch.autocast("cpu", dtype=torch.bfloat16) if options.autocast else contextlib.nullcontext()
        with inside:
            loss = F.cross_entropy(model(images), labels)
        if options.teacher:
            with torch.no_grad():
                losses.append(teacher(images).sum().item())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        seconds = (options.fixed_ms + options.sample_ms * len(labels)) * 1e-3
        if seconds:
            work.compute(seconds)
    weights = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters()))
    print(f"losses {hashlib.sha256(repr(losses).encode()).hexdigest()} of {len(losses)}")
    print(f"weights {weights.hexdigest()} autocast {torch.is_autocast_enabled('cpu')}")


if __name__ == "__main__":
    main()
