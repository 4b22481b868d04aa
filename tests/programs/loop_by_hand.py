"""Weights are updated by hand, with no optimizer object."""

from planted import Program, mlp

import torch

program = Program()
watch = program.watch
model = mlp(width=512)
watch.ask()
for x, y in program.loader(num_workers=1):
    watch.receive(int(y[0]))
    watch.to("compute.forward")
    out = model(x)
    watch.to("host")
    loss = out.pow(2).mean()
    watch.to("compute.backward")
    loss.backward()
    watch.stepped()
    with torch.no_grad():
        for p in model.parameters():
            assert p.grad is not None
            p.sub_(0.01 * p.grad)
            p.grad = None
    program.losses.append(loss.item())
    watch.ask()
watch.exhausted()
program.finish(model)
