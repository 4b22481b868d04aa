"""Programs that end with a traceback: in a worker, in the collation, in the loop, or in a hook of the model.

The traceback is part of what the program prints, so nobody who watches may add a frame to it.
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Damaged(Dataset[torch.Tensor]):
    """Sample 13 cannot be read."""

    def __init__(self, damaged: bool) -> None:
        self.damaged = damaged

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> torch.Tensor:
        if self.damaged and index == 13:
            raise ValueError(f"sample {index} is damaged")
        return torch.full((4,), float(index))


def collate(samples: list[torch.Tensor]) -> torch.Tensor:
    """Refuses the batch that holds sample 13."""
    if any(int(sample[0]) == 13 for sample in samples):
        raise RuntimeError("sample 13 does not fit")
    return torch.stack(samples)


class Picky(nn.Module):
    """A model that does not take sample 13."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if (x == 13).any():
            raise ArithmeticError("13 in the model")
        out: torch.Tensor = self.linear(x)
        return out


def refuse_gradient(gradient: torch.Tensor) -> torch.Tensor:
    """A tensor hook that raises inside backward."""
    raise OverflowError("the gradient is refused")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--where", choices=["sample", "collate", "forward", "backward", "loop"], required=True)
    parser.add_argument("--workers", type=int, default=0)
    where = parser.parse_args().where
    workers = parser.parse_args().workers
    torch.manual_seed(0)
    model = Picky() if where == "forward" else nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    loader = DataLoader(
        Damaged(where == "sample"),
        batch_size=4,
        num_workers=workers,
        collate_fn=collate if where == "collate" else None,
    )
    for step, x in enumerate(loader):
        optimizer.zero_grad()
        out = model(x)
        if where == "backward" and step == 2:
            out.register_hook(refuse_gradient)
        loss = out.pow(2).mean()
        loss.backward()
        optimizer.step()
        print("step", step, repr(loss.item()), flush=True)
        if where == "loop" and step == 2:
            raise KeyError("step 2")


if __name__ == "__main__":
    main()
