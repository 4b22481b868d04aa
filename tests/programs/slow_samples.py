"""A training whose samples wait for storage, as its user wrote it first: no workers. It logs each epoch."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Samples(Dataset[torch.Tensor]):
    """So many numbers, each of which takes its time."""

    def __init__(self, count: int, milliseconds: float) -> None:
        self.count = count
        self.seconds = milliseconds / 1000

    def __len__(self) -> int:
        """How many there are."""
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        """Wait, as for a file on a slow disk."""
        time.sleep(self.seconds)
        return torch.full((16,), float(index))


def main() -> int:
    """Train, and tell what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=480)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--wait-ms", type=float, default=2)
    parser.add_argument("--step-ms", type=float, default=1)
    parser.add_argument("--log", type=Path, default=Path("log.txt"))
    options = parser.parse_args()
    torch.manual_seed(0)
    model = nn.Linear(16, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-7)
    loader = DataLoader(Samples(options.samples, options.wait_ms), batch_size=8, shuffle=True)
    order = hashlib.sha256()
    for epoch in range(options.epochs):
        for batch in loader:
            order.update(batch[:, 0].numpy().tobytes())
            time.sleep(options.step_ms / 1000)
            loss = model(batch).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with options.log.open("a", encoding="utf-8") as log:
            log.write(f"{epoch}\n")
    print(f"workers {loader.num_workers} threads {torch.get_num_threads()}")
    print(f"order {order.hexdigest()} loss {loss.item():.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
