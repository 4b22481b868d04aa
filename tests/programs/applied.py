"""A training that tells, as one line of JSON, what a fix would change in it, and what it must not change."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

MADE = torch.zeros(1, dtype=torch.int64).share_memory_()  # samples, by all processes


class Samples(Dataset[torch.Tensor]):
    """Each of them its own number."""

    def __len__(self) -> int:
        """So many."""
        return 24

    def __getitem__(self, index: int) -> torch.Tensor:
        """Costs nothing."""
        MADE[0] += 1
        return torch.full((4,), float(index))


def main() -> int:
    """Train for two epochs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--exit", type=int, default=0)
    parser.add_argument("--sleep", type=float, default=0)
    parser.add_argument("--no-loader", action="store_true")
    parser.add_argument("--batch-sampler", action="store_true")
    options = parser.parse_args()
    if options.sleep:
        print("ready", flush=True)
        time.sleep(options.sleep)
    torch.manual_seed(3)
    if options.threads:
        torch.set_num_threads(options.threads)
    samples = Samples()
    if options.no_loader:
        loader = DataLoader(samples, batch_size=8)
    elif options.batch_sampler:
        loader = DataLoader(samples, batch_sampler=BatchSampler(RandomSampler(samples), 4, False))
    else:
        loader = DataLoader(samples, batch_size=4, shuffle=True, num_workers=options.workers)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    order: list[float] = []
    dtype = ""
    for _ in range(2):
        for batch in loader:
            order += batch[:, 0].tolist()
            output = model(batch)
            dtype = str(output.dtype)
            output.square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    told = {
        "workers": loader.num_workers,
        "persistent_workers": loader.persistent_workers,
        "prefetch_factor": loader.prefetch_factor,
        "threads": torch.get_num_threads(),
        "order": order,
        "dtype": dtype,
        "made": int(MADE[0]),
        "weights": [round(value, 6) for value in model.weight.flatten().tolist()],
        "modules": [name for name in sys.modules if "headrace" in name],
        "path": [entry for entry in sys.path if "headrace" in entry],
        "parent": os.getppid(),
    }
    print(json.dumps(told))
    return int(options.exit)


if __name__ == "__main__":
    sys.exit(main())
