"""The smallest training that has a ledger: a loader, a linear model, half a second. Arguments: its name, its steps."""

import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset


class Samples(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Samples that sleep."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        time.sleep(0.002)
        return torch.full((4,), index / self.count), torch.tensor([float(index % 2)])


def train(name: str, steps: int) -> None:
    """Trains and says what it reached."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(Samples(4 * steps), batch_size=4):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
    print(f"{name}: loss {loss.item():.6f} weight {model.weight.sum().item():.6f}")


def main() -> None:
    """Name and steps from the command line."""
    name, steps = sys.argv[1:] if len(sys.argv) > 2 else ("small", "60")
    train(name, int(steps))


if __name__ == "__main__":
    main()
