"""A dataset that gives a whole batch of samples at once, by __getitems__."""

from planted import Program, Sample, Samples, mlp

import torch


class AtOnce(Samples):
    """The samples of a batch in one call."""

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        return [self.make(index) for index in indices]


program = Program()
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for workers in (0, 1):
    program.epoch(program.loader(AtOnce(program.log), num_workers=workers), model, optimizer)
program.finish(model)
