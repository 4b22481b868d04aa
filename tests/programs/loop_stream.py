"""An IterableDataset that is shared out over two workers."""

from collections.abc import Iterator

from planted import Program, Sample, Samples, mlp

import torch
from torch.utils.data import IterableDataset, get_worker_info


class Stream(IterableDataset[Sample]):
    """Every second sample in each of two workers."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __iter__(self) -> Iterator[Sample]:
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        for index in range(first, len(self.samples), step):
            yield self.samples.make(index)


program = Program()
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    program.epoch(program.loader(Stream(Samples(program.log)), num_workers=2), model, optimizer)
program.finish(model)
