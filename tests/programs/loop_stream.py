"""An IterableDataset that is shared out over its workers: two, or as many as the first argument says."""

import sys
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


WORKERS = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 2
program = Program()
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    program.epoch(program.loader(Stream(Samples(program.log)), num_workers=WORKERS), model, optimizer)
program.finish(model)
