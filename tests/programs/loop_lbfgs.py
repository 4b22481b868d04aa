"""LBFGS: the optimizer calls forward and backward itself, up to twenty times in one step."""

from planted import Program, mlp

import torch

program = Program()
watch = program.watch
model = mlp()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1)
watch.ask()
for x, y in program.loader(num_workers=1):
    watch.receive(int(y[0]))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        with watch.inside("compute.forward"):
            out = model(x)
        loss: torch.Tensor = (out - x[:, :1]).pow(2).mean()
        with watch.inside("compute.backward"):
            loss.backward()
        program.losses.append(loss.item())
        return loss

    watch.to("compute.optimizer")
    optimizer.step(closure)
    watch.stepped()
    watch.ask()
watch.exhausted()
program.finish(model)
