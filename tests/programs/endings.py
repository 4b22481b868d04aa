"""A training that ends in many ways; it says in the file `ready` when it is in the middle of its loop."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

WAYS = ("return", "raise", "exit", "interrupted-exit", "_exit", "kill", "abort", "segfault", "wait", "late")


def end(way: str) -> None:
    """Ends the program in the middle of its loop."""
    if way == "raise":
        raise RuntimeError("as asked")
    if way == "exit":
        sys.exit(4)
    if way == "interrupted-exit":
        sys.exit(130)
    if way == "_exit":
        os._exit(3)
    if way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "abort":
        os.abort()
    if way == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if way == "wait":
        time.sleep(60)  # for a signal from outside


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=WAYS, default="return")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--step-ms", type=float, default=0, help="sleep in each step")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    data = TensorDataset(torch.arange(8.0 * options.steps).reshape(-1, 4).remainder(7))
    for step, (x,) in enumerate(DataLoader(data, batch_size=2, num_workers=options.workers)):
        optimizer.zero_grad()
        loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        time.sleep(options.step_ms * 1e-3)
        if step % 10 == 0:
            print("step", step, repr(loss.item()), flush=True)
        if step == 40:
            Path("ready.new").write_text(str(os.getpid()))
            Path("ready.new").rename("ready")
            end(options.way)
    print("weights", model.weight.tolist(), file=sys.stderr)
    if options.way == "late":
        sys.exit("a message at the end")


if __name__ == "__main__":
    main()
