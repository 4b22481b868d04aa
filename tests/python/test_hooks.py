"""What the hooks see where a program imports or loops in a way of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from harness import audit

TRAINS = """
from torch.utils.data import DataLoader, TensorDataset
model = torch.nn.Linear(4, 1)
optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for _ in range(2)]
loader = DataLoader(TensorDataset(torch.randn(64, 4)), batch_size=8)
def step(x):
    model(x).sum().backward()
    for optimizer in optimizers:
        optimizer.step()
"""

# As the finders of Weights & Biases and of wrapt do.
FINDS_FIRST = """
import importlib, importlib.util, sys
class Finder:
    within = False
    def find_spec(self, name, path=None, target=None):
        if name not in ("torch", "queue") or self.within:
            return None
        self.within = True
        try:
            return importlib.util.find_spec(name)
        finally:
            self.within = False
sys.meta_path.insert(0, Finder())
import logging, torch
importlib.reload(logging)
"""


def test_another_finder_finds_first(tmp_path: Path) -> None:
    """A finder that asks importlib.util.find_spec within the import, and a module that is loaded again."""
    check = "\nassert type(vars(logging.Logger)['handle']).__name__ == 'Hook', 'not hooked again'\n"
    loop = "for (x,) in loader:\n    step(x)\n"
    ended = audit([sys.executable, "-c", FINDS_FIRST + check + TRAINS + loop], home=tmp_path / "home", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr.decode()
    assert ended.report["steady"]["steps"] == 7
    assert ended.report["overhead"]["hooks_disabled"] == 0


def test_max_steps_counts_the_steps_of_the_ledger(tmp_path: Path) -> None:
    """Two optimizers step for each batch, and the batches come from the loader in the first epoch only."""
    loop = (
        "import itertools, torch\n"
        + TRAINS
        + "for (x,) in itertools.islice(itertools.cycle(loader), 60):\n    step(x)\n"
    )
    command = [sys.executable, "-c", loop]
    for steps in (6, 40):
        options = ("--quiet", "--max-steps", str(steps))
        ended = audit(command, options=options, home=tmp_path / str(steps), cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr.decode()
        assert ended.report["steady"]["steps"] == steps - 1
