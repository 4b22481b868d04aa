"""Two ranks that train together over Gloo on photos that are decoded for each step. See loop.py."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import sys

import torch
import torch.distributed
from sources import CLASSES, Photos
from timed import Steps, arguments, loader_arguments
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

SIZE, RANKS = 48, 2


def train(rank: int, port: int, options: argparse.Namespace) -> None:
    """What each rank does."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=RANKS)
    torch.set_num_threads(options.threads)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(32 * (SIZE // 4) ** 2, CLASSES),
    )  # fmt: skip
    model = DistributedDataParallel(network)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loader = DataLoader(Photos(options.data, SIZE), options.batch, **loader_arguments(options))
    steps = Steps(options)
    enough = torch.zeros(1)
    for images, classes in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), classes).backward()
        optimizer.step()
        enough += float(steps.stepped())
        torch.distributed.all_reduce(enough)
        if enough.item():
            break
    if rank == 0:
        steps.tell()
    torch.distributed.destroy_process_group()


def main() -> None:
    """Starts the ranks."""
    options = arguments(argparse.ArgumentParser())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    ranks = [context.Process(target=train, args=(rank, port, options)) for rank in range(RANKS)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    sys.exit(max(abs(rank.exitcode or 0) for rank in ranks))


if __name__ == "__main__":
    main()
