"""Each step takes a batch from a loader with labels and one from a slower loader without."""

from planted import Program, Samples, mlp

import torch

program = Program()
watch = program.watch
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
labelled = program.loader(Samples(program.log), num_workers=1)
others = program.loader(Samples(program.log, sleep_ms=5, first=1000), num_workers=1)
for _ in range(2):
    watch.ask()
    iterator = iter(others)
    for x, y in labelled:
        watch.receive(int(y[0]))
        watch.ask()
        more, numbers = next(iterator)
        watch.receive(int(numbers[0]))
        x = torch.cat([x, more])
        watch.to("compute.forward")
        out = model(x)
        watch.to("host")
        loss = out.pow(2).mean()
        program.update(loss, optimizer)
        watch.ask()
    watch.exhausted()
program.finish(model)
