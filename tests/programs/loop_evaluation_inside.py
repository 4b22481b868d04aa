"""Evaluates every ten steps inside the epoch, while the training loader goes on loading."""

from planted import Program, Samples, mlp

import torch

program = Program()
watch = program.watch
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
held_out = program.loader(Samples(None, count=48, sleep_ms=4), collate_fn=None)


@torch.no_grad()
def evaluate() -> float:
    model.eval()
    total = 0.0
    for x, _ in held_out:
        total += model(x).pow(2).mean().item()
    model.train()
    return total


for _ in range(2):
    watch.ask()
    for step, (x, y) in enumerate(program.loader(num_workers=1)):
        watch.receive(int(y[0]))
        watch.to("compute.forward")
        out = model(x)
        watch.to("host")
        loss = out.pow(2).mean()
        program.update(loss, optimizer)
        if step % 10 == 9:
            with watch.inside("evaluation"):
                program.losses.append(evaluate())
        watch.ask()
    watch.exhausted()
program.finish(model)
