"""A pool with one thread takes the next batch from the loader while the loop uses the one before."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from planted import Program, mlp

import torch


def ahead(loader: Iterable[Any]) -> Iterator[Any]:
    """The batches of a loader, each asked for while the one before is used."""
    batches = iter(loader)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, batches, None)
        while (batch := future.result()) is not None:
            future = pool.submit(next, batches, None)
            yield batch


program = Program()
watch = program.watch
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    watch.ask()
    for x, y in ahead(program.loader(num_workers=1)):
        watch.receive(int(y[0]))
        watch.to("compute.forward")
        out = model(x)
        watch.to("host")
        loss = out.pow(2).mean()
        optimizer.zero_grad()
        watch.to("compute.backward")
        loss.backward()
        watch.to("compute.optimizer")
        optimizer.step()
        watch.stepped()
        program.losses.append(loss.item())
        watch.ask()
    watch.exhausted()
program.finish(model)
