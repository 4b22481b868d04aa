"""What the hooks see where a program imports or loops in a way of its own."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
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


COUNTS = """
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, SequentialSampler, TensorDataset
class Tuples(BatchSampler):
    def __iter__(self):
        return map(tuple, super().__iter__())
class Nested(Dataset):
    inner = DataLoader(TensorDataset(torch.ones(8, 4)), batch_size=2)
    def __len__(self):
        return 64 * 40
    def __getitem__(self, index):
        return sum(x.sum(0) for (x,) in self.inner) if index % 64 == 0 else torch.ones(4)
data = TensorDataset(torch.ones(64 * 40, 4))
tuples = DataLoader(data, batch_sampler=Tuples(SequentialSampler(data), 64, False))
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for loader in (tuples, DataLoader(Nested(), batch_size=64)):
    for x in loader:
        model(x[0] if loader is tuples else x).sum().backward()
        optimizer.step()
"""


def test_samples_are_counted_once(tmp_path: Path) -> None:
    """Also where a batch's indices are no list, and where a sample loads a data set of its own."""
    ended = audit([sys.executable, "-c", COUNTS], home=tmp_path / "home", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr.decode()
    [database] = (tmp_path / "home").glob("runs/*/run.db")
    with closing(sqlite3.connect(database)) as run:
        fetched = run.execute("SELECT b FROM span WHERE kind = 9 ORDER BY id").fetchall()
        collated = run.execute("SELECT count(*) FROM span WHERE kind = 12").fetchall()
    assert fetched == [(64,)] * 80
    assert collated == [(80,)]


NESTED = """
import torch
model = torch.nn.Linear(4, 1)
class Outer(torch.optim.Optimizer):
    def __init__(self, inner):
        self.inner = inner
        super().__init__(inner.param_groups, {})
    def step(self, closure=None):
        self.inner.step()
        torch.randn(300, 300) @ torch.randn(300, 300)
optimizer = Outer(torch.optim.SGD(model.parameters(), lr=0.1))
failing = torch.optim.SGD(model.parameters(), lr=0.1)
try:
    failing.step(lambda: 1 / 0)
except ZeroDivisionError:
    pass
for _ in range(20):
    model(torch.randn(8, 4)).sum().backward()
    optimizer.step()
"""


def test_an_optimizer_that_runs_another_one(tmp_path: Path) -> None:
    """The outer one's own work is its time, too, and both together are one step."""
    ended = audit([sys.executable, "-c", NESTED], home=tmp_path / "home", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr.decode()
    assert ended.report["steady"]["steps"] == 19
    [database] = (tmp_path / "home").glob("runs/*/run.db")
    with closing(sqlite3.connect(database)) as run:
        steps = run.execute(
            "SELECT a, start_ns, start_ns + duration_ns FROM span WHERE kind = 19 AND NOT open ORDER BY start_ns"
        )
        found = steps.fetchall()
    assert len(found) == 40
    for (outer, begin, end), (inner, inner_begin, inner_end) in zip(found[::2], found[1::2], strict=True):
        assert outer != inner and begin <= inner_begin <= inner_end < end


def test_max_steps_counts_the_steps_of_each_rank(tmp_path: Path) -> None:
    """Of two ranks that train at once, the one that is furthest ends the recording."""
    train = (
        "import os, time, torch\n"
        + TRAINS
        + "rank = int(os.environ['RANK'])\n"
        + "open(f'rank-{rank}', 'w').close()\n"
        + "while not os.path.exists(f'rank-{1 - rank}'):\n    time.sleep(0.001)\n"
        + "for _ in range(40):\n    for (x,) in loader:\n        step(x)\n        time.sleep(0.002)\n"
    )
    ranks = (
        "import os, subprocess, sys\n"
        f"ranks = [subprocess.Popen([sys.executable, '-c', {train!r}], env=dict(os.environ, RANK=str(rank)))"
        " for rank in range(2)]\n"
        "sys.exit(max(rank.wait() for rank in ranks))\n"
    )
    options = ("--quiet", "--max-steps", "100")
    ended = audit([sys.executable, "-c", ranks], options=options, home=tmp_path / "home", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr.decode()
    assert len(ended.report["ranks"]) == 2
    [database] = (tmp_path / "home").glob("runs/*/run.db")
    with closing(sqlite3.connect(database)) as run:
        found = run.execute("SELECT count(*) FROM span WHERE kind = 18 GROUP BY thread_id").fetchall()
    assert max(found) == (100,)
