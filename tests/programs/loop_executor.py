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
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    program.epoch(ahead(program.loader(num_workers=1)), model, optimizer)
program.finish(model)
