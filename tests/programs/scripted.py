"""TorchScript code that takes gradients, prints and calls a module."""

import torch


@torch.jit.script
def force(x: torch.Tensor) -> torch.Tensor:
    energy = (x * x).sum()
    gradient = torch.autograd.grad([energy], [x])[0]
    if gradient is None:
        return x
    print("a force")
    return -gradient


@torch.jit.script
def accumulate(x: torch.Tensor) -> None:
    torch.autograd.backward([(x * x).sum()])


point = torch.ones(3, requires_grad=True)
print(force(point))
accumulate(point)
print(point.grad)
print(torch.jit.script(torch.nn.Linear(2, 1))(torch.zeros(1, 2)).shape)
