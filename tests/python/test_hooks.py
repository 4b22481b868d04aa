"""What the hooks see where a program imports or loops in a way of its own."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from harness import PROGRAMS, audit, run
from test_truth import best_of


def ask(home: Path, *questions: str) -> list[list[tuple[Any, ...]]]:
    """What the one run of a home answers to each SQL question."""
    [database] = home.glob("runs/*/run.db")
    with closing(sqlite3.connect(database)) as connection:
        return [connection.execute(question).fetchall() for question in questions]


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
    fetched, collated = ask(
        tmp_path / "home",
        "SELECT b FROM span WHERE kind IN (9, 36) ORDER BY id",
        "SELECT count(*) FROM span WHERE kind IN (12, 36)",
    )
    assert fetched == [(64,)] * 80
    assert collated == [(80,)]


BRIEF = """
import time, torch
from torch.utils.data import DataLoader, Dataset
def work(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
class Samples(Dataset):
    def __len__(self):
        return 4 * 400
    def __getitem__(self, index):
        work(5e-6)
        return index
collated = []
def collate(samples):
    collated.append(len(samples))
    work(60e-6 if len(collated) != 200 else 20e-3)
    return torch.ones(4, 4)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x in DataLoader(Samples(), batch_size=4, collate_fn=collate, num_workers=WORKERS):
    model(x).sum().backward()
    optimizer.step()
assert collated == ([4] * 400 if WORKERS == 0 else [])
"""


@pytest.mark.alone
@pytest.mark.parametrize("workers", [0, 1])
def test_collations_of_brief_batches_have_the_share_of_those_that_were_timed(workers: int, tmp_path: Path) -> None:
    """Until one batch is long: then all of them are timed again."""
    best_of(lambda folder: check_brief(workers, folder), tmp_path)  # another program can make one of the first long


def check_brief(workers: int, folder: Path) -> None:
    """One try."""
    program = BRIEF.replace("WORKERS", str(workers))
    ended = audit([sys.executable, "-c", program], home=folder / "home", cwd=folder)
    assert ended.returncode == 0, ended.stderr.decode()
    brief, timed = ask(
        folder / "home",
        "SELECT start_ns, 1.0 * a / duration_ns, b FROM span WHERE kind = 36",
        "SELECT start_ns, duration_ns FROM span WHERE kind = 12 ORDER BY id",
    )
    assert len(brief) + len(timed) == 400
    assert {samples for _, _, samples in brief} == {4}
    long, _ = max(timed, key=lambda span: span[1])
    assert all(start < long for start, _, _ in brief)
    assert len(brief) > 50
    assert 0.5 < statistics.median(share for _, share, _ in brief) < 0.85


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
    [found] = ask(
        tmp_path / "home",
        "SELECT a, start_ns, start_ns + duration_ns FROM span WHERE kind = 19 AND NOT open ORDER BY start_ns",
    )
    assert len(found) == 40
    for (outer, begin, end), (inner, inner_begin, inner_end) in zip(found[::2], found[1::2], strict=True):
        assert outer != inner and begin <= inner_begin <= inner_end < end


COMPILED = """
import torch, torch._dynamo
model = torch.nn.Linear(4, 1)
with torch.no_grad():
    model.weight.fill_(1), model.bias.fill_(0)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def step(update):
    optimizer.zero_grad()
    model(torch.ones(2, 4)).sum().backward()
    update()
step(optimizer.step)
compiled = torch.compile(optimizer.step, backend="eager")
for _ in range(3):
    step(compiled)
step(optimizer.step)
print(model.weight.tolist(), torch._dynamo.utils.counters["graph_break"], torch._dynamo.utils.counters["stats"])
"""


@pytest.mark.parametrize("options", [(), ("--max-steps", "1")])
def test_an_optimizer_whose_step_is_compiled(options: tuple[str, ...], tmp_path: Path) -> None:
    """The compiler makes the same graphs of it, also where steps had been recorded before, or are no longer."""
    command = [sys.executable, "-W", "ignore", "-c", COMPILED]
    plain = run(command, cwd=tmp_path)
    ended = audit(command, options=("--quiet", *options), home=tmp_path / "home", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, plain.stdout), ended.stderr.decode()
    assert b"unique_graphs" in plain.stdout
    assert ended.report["overhead"]["hooks_disabled"] == 0


# The device is not there: torch is told that its CUDA is up, which is when the hooks for it go in.
HAS_A_DEVICE = """
import torch
torch.cuda._initialized = True
torch.cuda._lazy_init()
ones = torch.ones(3)
print(ones.sum().item(), ones.tolist(), ones.numpy(), ones.cpu() is ones, ones.to(torch.float64), bool(ones[0]))
print(torch.nn.Parameter(ones).to(torch.float64), torch.nn.Parameter(ones).tolist())
torch.cuda._initialized = False  # what asks it for its memory at the end would find none
"""


def test_tensors_of_the_host_are_no_device(tmp_path: Path) -> None:
    """What asks a tensor for its numbers waits for a device only where one has it; other types are not asked."""
    command = [sys.executable, "-c", HAS_A_DEVICE]
    plain = run(command, cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr.decode()
    ended = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, plain.stdout), ended.stderr.decode()
    [waits], [transfers] = ask(
        tmp_path / "home", "SELECT count(*) FROM span WHERE kind = 23", "SELECT count(*) FROM span WHERE kind = 24"
    )
    assert (waits, transfers) == ((1,), (1,))  # of the parameters


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
    [found] = ask(tmp_path / "home", "SELECT count(*) FROM span WHERE kind = 18 GROUP BY thread_id")
    assert max(found) == (100,)


MAKES_PICKLE = """
import pickle, sys, torch.optim.optimizer as module
sys.stdout.buffer.write(pickle.dumps([module._global_optimizer_pre_hooks, module._global_optimizer_post_hooks]))
"""
USES_PICKLE = """
import pickle, sys
for hooks in pickle.load(sys.stdin.buffer):
    [hook] = hooks.values()
    assert hook(object(), (), {}) is None
"""


def test_hooks_of_steps_pickle_by_value(tmp_path: Path) -> None:
    """As cloudpickle meets them in the wrapped step of a program's own optimizer; loaded where there is no headrace."""
    ended = audit([sys.executable, "-c", MAKES_PICKLE], home=tmp_path / "home", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr.decode()
    line = [sys.executable, "-c", USES_PICKLE]
    loaded = subprocess.run(line, input=ended.stdout, capture_output=True, check=False)
    assert loaded.returncode == 0, loaded.stderr.decode()


def test_a_program_that_replaces_itself(tmp_path: Path) -> None:
    """Each of its two trainings has a ledger of its own."""
    command = [sys.executable, str(PROGRAMS / "replaces_itself.py")]
    ended = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr.decode()
    first, second = ended.report["ranks"]
    assert first["pid"] == second["pid"]
    for rank in (first, second):
        entries = {entry["name"]: entry["share"] for entry in rank["entries"]}
        assert entries["startup.imports"] > 0.5  # of torch, in both
        assert entries["input.wait"] > 0
        assert entries["unattributed"] < 0.03
        assert abs(sum(entries.values()) - 1) < 0.001
    assert any("exec" in limit for limit in ended.report["limits"])
