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
