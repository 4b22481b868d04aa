"""A thread of the program takes batches from the loader ahead of the loop and hands them over by a queue."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from planted import Program, mlp

import torch


def ahead(loader: Iterable[Any], most: int = 4) -> Iterator[Any]:
    """The batches of a loader, taken by a thread."""
    batches: queue.Queue[Any] = queue.Queue(most)

    def fill() -> None:
        for batch in loader:
            batches.put(batch)
        batches.put(None)

    threading.Thread(target=fill, daemon=True).start()
    while (batch := batches.get()) is not None:
        yield batch


program = Program()
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    program.epoch(ahead(program.loader(num_workers=1)), model, optimizer)
program.finish(model)
