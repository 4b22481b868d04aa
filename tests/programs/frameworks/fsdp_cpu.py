"""Fully sharded data parallel training on the CPU over gloo, for `torchrun --nproc-per-node 2`."""

import time

BEGAN = time.perf_counter()

import gc
import os

import torch
import torch._dynamo
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader, DistributedSampler

from small import SlowSamples, arguments, finish, make_model
from stopwatch import Stopwatch

IMPORTED = time.perf_counter()


def main() -> None:
    options = arguments()
    watch = Stopwatch(BEGAN, IMPORTED)
    torch.set_num_threads(1)
    torch.manual_seed(7)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    model = make_model(width=256, layers=2)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    samples = SlowSamples(1200, 0.003)
    sampler: DistributedSampler[object] = DistributedSampler(samples, shuffle=True, seed=3)
    loader = DataLoader(samples, batch_size=8, sampler=sampler, num_workers=options.workers, collate_fn=samples.collate)
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
        del x, y
        watch.ask()
    watch.exhausted()
    sees = ["startup.imports+startup.setup", "startup.workers", "startup.first_step", "input.wait"]
    sees += ["compute.forward", "compute.backward+sync", "compute.optimizer", "host"]
    finish(watch, options.truth, sees, f"rank-{rank}")
    os.write(1, f"rank {rank} loss {loss.item():.6f}\n".encode())
    dist.barrier()  # or gloo hangs in its end now and then, with nobody watching
    del model, optimizer, mesh, out, loss  # what still holds the group at the end of Python can abort there
    gc.collect()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
