"""Two ranks of one group that train together over Gloo: each sample sleeps 3 ms on the average, by chance."""

from __future__ import annotations

import multiprocessing
import os
import random
import socket
import sys

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

import work

RANKS, BATCH, STEPS = 2, 8, 60


class Samples(Dataset[tuple[torch.Tensor, int]]):
    """Random features that a slow store gives."""

    def __len__(self) -> int:
        return BATCH * STEPS

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        work.wait(random.uniform(1e-3, 5e-3))
        return torch.full((32,), index / len(self)), index % 10


def train(rank: int, port: int) -> None:
    """What each rank does."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=RANKS)
    torch.set_num_threads(1)
    random.seed(rank)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10)))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for features, classes in DataLoader(Samples(), BATCH):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(features), classes).backward()
        optimizer.step()
    torch.distributed.destroy_process_group()


def main() -> None:
    """Starts the ranks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    ranks = [context.Process(target=train, args=(rank, port)) for rank in range(RANKS)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    sys.exit(max(abs(rank.exitcode or 0) for rank in ranks))


if __name__ == "__main__":
    main()
