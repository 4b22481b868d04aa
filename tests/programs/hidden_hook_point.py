"""A sitecustomize that hides one attribute of torch (HIDDEN_HOOK_POINT) from whoever looks for it at import time.

It stands for a release of torch in which that attribute has another name: the program still works, because the
attribute comes back once the module's import has ended.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import threading
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

POINT = os.environ["HIDDEN_HOOK_POINT"].split(".")


class Hiding(importlib.abc.Loader):
    """Executes the module, takes the attribute away, and gives it back a moment later."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self.loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        owner: Any = module
        for name in POINT[len(module.__name__.split(".")) : -1]:
            owner = getattr(owner, name)
        if POINT[-1] not in vars(owner):
            return
        value = vars(owner)[POINT[-1]]
        delattr(owner, POINT[-1])
        back = threading.Timer(0.2, setattr, (owner, POINT[-1], value))
        back.daemon = True
        back.start()


class Finder(importlib.abc.MetaPathFinder):
    """Finds the one module that holds the attribute."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != ".".join(POINT[: len(name.split("."))]) or len(name.split(".")) >= len(POINT):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Hiding(spec.loader)
        return spec


sys.meta_path.insert(1, Finder())  # whoever watches imports stands before it and sees what it leaves
