"""Prints what a program can find out about its own interpreter as one object of JSON."""

import builtins
import gc
import inspect
import json
import logging
import os
import random
import signal
import sys
import threading
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def looks(thing: Any) -> dict[str, Any]:
    """How a function or class presents itself."""
    facts: dict[str, Any] = {"type": type(thing).__name__, "repr_is_of_it": thing.__name__ in repr(thing)}
    for name in ("__name__", "__qualname__", "__module__", "__defaults__", "__kwdefaults__"):
        facts[name] = repr(getattr(thing, name, None))
    facts["doc"] = (thing.__doc__ or "")[:60]
    try:
        facts["signature"] = str(inspect.signature(thing))
    except (TypeError, ValueError) as error:
        facts["signature"] = str(error)
    try:
        facts["source"] = len(inspect.getsource(thing))
    except (TypeError, OSError) as error:
        facts["source"] = str(error)
    return facts


def touched() -> dict[str, Any]:
    """Everything a watcher is tempted to replace."""
    things = {
        "print": print,
        "__import__": builtins.__import__,
        "torch.save": torch.save,
        "torch.load": torch.load,
        "backward": torch.Tensor.backward,
        "autograd.backward": torch.autograd.backward,
        "Module.__call__": nn.Module.__call__,
        "Module.train": nn.Module.train,
        "Module.eval": nn.Module.eval,
        "DataLoader": DataLoader,
        "DataLoader.__iter__": DataLoader.__iter__,
        "SGD.step": torch.optim.SGD.step,
        "Optimizer.zero_grad": torch.optim.Optimizer.zero_grad,
        "Logger.info": logging.Logger.info,
        "Logger.handle": logging.Logger.handle,
        "os.fork": os.fork,
        "os._exit": os._exit,
        "Thread.start": threading.Thread.start,
    }
    return {name: looks(thing) for name, thing in things.items()}


def train() -> dict[str, Any]:
    """A short training, and what the objects of it look like."""
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(torch.arange(32.0).reshape(8, 4)), batch_size=4, num_workers=1)
    iterator = iter(loader)
    facts: dict[str, Any] = {
        "iterator": type(iterator).__name__,
        "iterator_module": type(iterator).__module__,
        "iterator_mro": [kind.__name__ for kind in type(iterator).__mro__],
    }
    for (x,) in iterator:
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
    facts["model"] = {name: repr(value)[:40] for name, value in vars(model).items() if "hooks" in name}
    facts["optimizer"] = sorted(vars(optimizer))
    facts["step"] = type(optimizer.step).__name__
    return facts


def main() -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    facts: dict[str, Any] = {"training": train(), "functions": touched()}
    facts["sys.path"] = sys.path
    facts["sys.meta_path"] = [getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path]
    facts["sys.path_hooks"] = len(sys.path_hooks)
    facts["sys.modules"] = sorted(sys.modules)
    facts["sys.flags"] = repr(sys.flags)
    facts["sys.argv"] = sys.argv[1:]
    facts["trace and profile"] = [repr(sys.gettrace()), repr(sys.getprofile())]
    facts["threads"] = sorted(thread.name for thread in threading.enumerate())
    facts["kernel threads"] = len(os.listdir("/proc/self/task"))
    facts["signals"] = {
        name.name: repr(signal.getsignal(name)) for name in signal.valid_signals() if hasattr(name, "name")
    }
    facts["descriptors"] = len(os.listdir("/proc/self/fd"))
    facts["environment"] = dict(os.environ)
    facts["gc callbacks"] = len(gc.callbacks)
    facts["umask"] = os.umask(0o22)
    facts["recursion limit"] = sys.getrecursionlimit()
    facts["forward hooks"] = len(torch.nn.modules.module._global_forward_hooks)
    facts["random"] = [random.random(), float(np.random.random()), float(torch.rand(1))]
    print(json.dumps(facts, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
