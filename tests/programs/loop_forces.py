"""Learns forces, the gradients of an energy: its evaluation goes backward too, between eval() and train()."""

from planted import Program, Samples, mlp

import torch

program = Program()
watch = program.watch
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
held_out = program.loader(Samples(None, count=96, sleep_ms=4), collate_fn=None)


def forces(x: torch.Tensor) -> torch.Tensor:
    x.requires_grad_()
    watch.to("compute.forward")
    energy = model(x).sum()
    watch.to("compute.backward")
    return torch.autograd.grad(energy, x, create_graph=model.training)[0]


def evaluate() -> float:
    model.eval()
    total = 0.0
    for x, _ in held_out:
        x.requires_grad_()
        total += torch.autograd.grad(model(x).sum(), x)[0].pow(2).mean().item()
    model.train()
    return total


for _ in range(2):
    watch.ask()
    for x, y in program.loader(num_workers=1):
        watch.receive(int(y[0]))
        loss = forces(x).pow(2).mean()
        watch.to("host")
        program.update(loss, optimizer)
        watch.ask()
    watch.exhausted()
    with watch.inside("evaluation"):
        program.losses.append(evaluate())
program.finish(model)
