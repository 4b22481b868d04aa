"""Pickles and copies what a watcher may have touched, and uses it afterwards."""

import copy
import io
import multiprocessing
import pickle
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Loader(DataLoader[Any]):
    """A subclass with a state of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rounds = 0

    def __iter__(self) -> Any:
        self.rounds += 1
        return super().__iter__()


def call(function: Any, *args: Any) -> Any:
    """What a pool's process does with a pickled function."""
    return function(*args)


def main() -> None:
    torch.manual_seed(0)
    for thing in (print, torch.save, DataLoader, Loader, nn.Module.train, torch.Tensor.backward, torch.optim.SGD):
        data = pickle.dumps(thing)
        print(pickle.loads(data) is thing or pickle.loads(data) == thing, len(data), data.hex())
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = Loader(TensorDataset(torch.arange(32.0).reshape(8, 4)), batch_size=4)
    for (x,) in loader:
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
    model_again, optimizer_again = pickle.loads(pickle.dumps((model, optimizer)))
    print(repr(model_again(torch.ones(1, 4)).item() - model(torch.ones(1, 4)).item()), len(optimizer_again.state))
    loader_again = pickle.loads(pickle.dumps(loader))
    print(loader_again.rounds, sum(float(x.sum()) for (x,) in loader_again), loader_again.rounds)
    deep = copy.deepcopy(model)
    print(repr(deep(torch.ones(1, 4)).item()), sorted(vars(deep)), sorted(vars(loader)), sorted(vars(optimizer)))
    file = io.BytesIO()
    torch.save(model, file)
    whole = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    print(len(file.getvalue()), repr(whole(torch.ones(1, 4)).item()))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(call, (len, [1, 2, 3])), pool.apply(call, (print, "printed by a pool")))


if __name__ == "__main__":
    main()
