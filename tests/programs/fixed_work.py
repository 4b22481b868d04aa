"""A training whose steps do a fixed amount of work, so that a slower machine makes it slower and a planted part more.

What it costs is counted in products of two matrices, not in time. It ends as --end says, and appends a line to --log.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


MATRIX = torch.full((160, 160), 0.01)


def work(products: int) -> None:
    """So many products of two matrices: some 0.1 ms each."""
    for _ in range(products):
        torch.mm(MATRIX, MATRIX)


def main() -> int:
    """Train, and evaluate where that is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--work", type=int, default=20, help="matrix products in each step")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--evaluate", action="store_true")
    parser.add_argument("--end", type=int, default=0, help="exit code")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    features = torch.randn(options.steps * options.batch, 8)
    loader = DataLoader(TensorDataset(features), batch_size=options.batch)
    for _ in range(options.epochs):
        for (batch,) in loader:
            work(options.work)
            loss = model(batch).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    if options.evaluate:
        model.eval()
        with torch.no_grad():
            for (batch,) in DataLoader(TensorDataset(features), batch_size=options.batch):
                model(batch)
    print(f"loss {loss.item():.6f}")
    if options.log:
        with options.log.open("a", encoding="utf-8") as log:
            log.write(f"{options.work} {sys.stdin.read()!r}\n")
    if options.end:
        print("it went wrong", file=sys.stderr)
    return int(options.end)


if __name__ == "__main__":
    sys.exit(main())
