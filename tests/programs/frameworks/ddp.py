"""DistributedDataParallel over gloo, for `torchrun --nproc-per-node 2`: rank 1 is late to every backward.

What hides in rank 0's backward is its wait for rank 1. Each rank notes when its backwards began; they meet at the same
all-reduce, so rank 0 waits for as long as rank 1 began later (tests/frameworks/test_frameworks.py adds it up).
"""

import time

BEGAN = time.perf_counter()

import json
import os

import torch
import torch._dynamo
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

from small import SlowSamples, arguments, digest, finish, make_model
from stopwatch import Stopwatch

IMPORTED = time.perf_counter()
LATENESS_SECONDS = 0.03


def main() -> None:
    options = arguments()
    watch = Stopwatch(BEGAN, IMPORTED)
    torch.set_num_threads(1)
    torch.manual_seed(6)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    samples = SlowSamples(1600, 0.001)
    model = DistributedDataParallel(make_model(width=256, layers=2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    sampler: DistributedSampler[object] = DistributedSampler(samples, shuffle=True, seed=3)
    loader = DataLoader(samples, batch_size=8, sampler=sampler, num_workers=options.workers, collate_fn=samples.collate)
    backwards = []
    for epoch in range(1):
        sampler.set_epoch(epoch)
        watch.ask()
        for x, y in loader:
            watch.receive(0)
            optimizer.zero_grad()
            watch.to("compute.forward")
            out = model(x)
            watch.to("host")
            loss = F.cross_entropy(out, y)
            if rank == 1:
                time.sleep(LATENESS_SECONDS)
            watch.to("compute.backward")
            begin = time.perf_counter()
            loss.backward()
            backwards.append((begin, time.perf_counter()))
            watch.to("compute.optimizer")
            optimizer.step()
            watch.stepped()
            del x, y
            watch.ask()
        watch.exhausted()
    if rank == 0:
        with watch.inside("checkpoint"):
            torch.save(model.state_dict(), "checkpoint.pt")
    sees = ["startup.imports+startup.setup", "startup.workers", "startup.first_step", "input.wait", "compute.forward"]
    sees += ["compute.backward+sync", "compute.optimizer", "host", "checkpoint"]
    finish(watch, options.truth, sees, f"rank-{rank}")
    if options.truth:
        (options.truth / f"backwards-{rank}.json").write_text(json.dumps(backwards))
    os.write(1, f"rank {rank} weights {digest(model)} loss {loss.item():.6f}\n".encode())
    dist.barrier()  # or gloo hangs in its end now and then, with nobody watching
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
