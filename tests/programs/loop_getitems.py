"""A dataset that gives a whole batch of samples at once, by __getitems__."""

from planted import Program, Sample, Samples, mlp

import torch


class AtOnce(Samples):
    """The samples of a batch in one call."""

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        return [self.make(index) for index in indices]


program = Program()
watch = program.watch
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for workers in (0, 1):
    watch.ask()
    for x, y in program.loader(AtOnce(program.log), num_workers=workers):
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
