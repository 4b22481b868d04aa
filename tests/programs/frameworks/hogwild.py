"""Hogwild: two spawned children train one shared model without locks; the parent only waits.

Its results depend on who comes first, so what is printed is what does hold: the steps of each child, and that it
learns.
"""

import time

BEGAN = time.perf_counter()

import argparse
import os

import torch
import torch._dynamo
from torch.multiprocessing.spawn import spawn
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from small import SlowSamples, arguments, finish, make_model
from stopwatch import Stopwatch

IMPORTED = time.perf_counter()


def train(number: int, model: nn.Module, options: argparse.Namespace) -> None:
    """What each child runs."""
    watch = Stopwatch(BEGAN, IMPORTED)
    torch.set_num_threads(1)
    torch.manual_seed(number)
    samples = SlowSamples(480, 0.002)
    loader = DataLoader(samples, batch_size=8, shuffle=True, collate_fn=samples.collate)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    steps = 0
    for _ in range(2):
        watch.ask()
        for x, y in loader:
            watch.receive(0)
            optimizer.zero_grad()
            watch.to("compute.forward")
            out = model(x)
            watch.to("host")
            loss = F.cross_entropy(out, y)
            watch.to("compute.backward")
            loss.backward()
            watch.to("compute.optimizer")
            optimizer.step()
            watch.stepped()
            steps += 1
            del x, y
            watch.ask()
        watch.exhausted()
    sees = ["startup.setup", "startup.workers", "startup.first_step", "input.wait", "compute.forward"]
    sees += ["compute.backward", "compute.optimizer", "host"]
    finish(watch, options.truth, sees, f"child-{number}")
    time.sleep(0.3 * number)  # so that their lines come in order
    os.write(1, f"child {number} made {steps} steps, learned {loss.item() < 2}\n".encode())


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(8)
    model = make_model(width=384, layers=2)
    model.share_memory()
    spawn(train, args=(model, options), nprocs=2)
    print("finite", all(bool(p.isfinite().all()) for p in model.parameters()))


if __name__ == "__main__":
    main()
