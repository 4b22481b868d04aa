"""Gradients of four batches are added up before each optimizer step."""

from planted import Program, mlp

import torch

program = Program()
watch = program.watch
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    watch.ask()
    for number, (x, y) in enumerate(program.loader(num_workers=1)):
        watch.receive(int(y[0]))
        watch.to("compute.forward")
        out = model(x)
        watch.to("host")
        loss = out.pow(2).mean() / 4
        watch.to("compute.backward")
        loss.backward()
        watch.to("host")
        program.losses.append(loss.item())
        if number % 4 == 3:
            watch.to("compute.optimizer")
            optimizer.step()
            watch.stepped()
            optimizer.zero_grad()
        watch.ask()
    watch.exhausted()
program.finish(model)
