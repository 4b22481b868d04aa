"""Programs of the real frameworks: their ledger against their own measurements, and unchanged behaviour."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from environment import Environment
from harness import PROGRAMS, Audited, Ran, audit, run
from outside_truth import check_outside
from rows import note_identity, note_report
from test_truth import best_of
from truth_of_frameworks import POINTS, Truth, check, load, seconds, seconds_waited

pytestmark = pytest.mark.slow
FOLDER = PROGRAMS / "frameworks"

# What differs between any two runs: durations, rates, dates, process ids, ports, addresses.
VOLATILE = (
    (r"\b\d+(\.\d+)?(e[-+]?\d+)? ?(us|ms|s|it/s|s/it|seconds|steps/s)\b", "T"),
    (r"'?\b(train|eval)_(runtime|samples_per_second|steps_per_second)'?: '?[\d.e+-]+'?", "T"),
    (r"\b[IWE]?\d{4}[- ]?\d\d-?\d\d[ T]\d\d:\d\d:\d\d([.,]\d+)?( \d+)?", "DATE"),
    (r"\b[IWE]\d{4} \d\d:\d\d:\d\d\.\d+ \d+", "DATE"),
    (r"\bpid[ =:(]*\d+", "pid N"),
    (r"0x[0-9a-f]{6,}", "0xN"),
    (r"\bport \d+|localhost:\d+|127\.0\.0\.1:\d+", "PORT"),
)


@dataclass(frozen=True)
class Program:
    """One program and how it is started."""

    file: str
    needs: tuple[str, ...] = ()
    ranks: int = 1
    torchrun: bool = False
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    def command(self, python: str, truth: Path | None) -> list[str]:
        """The command line."""
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if self.torchrun else []
        more = ["--truth", str(truth)] if truth else []
        return [python, *launcher, str(FOLDER / self.file), *self.arguments, *more]


INSIDE = {
    "hf-trainer": Program("hf_trainer.py", ("transformers", "accelerate")),
    "hf-trainer-2-workers": Program("hf_trainer.py", ("transformers", "accelerate"), arguments=("--workers", "2")),
    "accelerate": Program("accelerate_loop.py", ("accelerate",)),
    "accelerate-2-workers": Program("accelerate_loop.py", ("accelerate",), arguments=("--workers", "2")),
    "lightning-trainer": Program("lightning_trainer.py", ("lightning",)),
    "lightning-fabric": Program("fabric_loop.py", ("lightning",)),
    "ddp": Program("ddp.py", ranks=2, torchrun=True),
    "fsdp": Program("fsdp_cpu.py", ranks=2, torchrun=True),
    "hogwild": Program("hogwild.py", ranks=2),
    "keras-torch": Program("keras_torch.py", ("keras",), environment=(("KERAS_BACKEND", "torch"),)),
    "ray-train": Program("ray_train.py", ("ray", "pandas"), ranks=2),
}
OUTSIDE = {
    "scikit-learn": Program("sklearn_forest.py", ("scikit-learn",)),
    "lightgbm": Program("lightgbm_trees.py", ("lightgbm",)),
    "xgboost": Program("xgboost_trees.py", ("xgboost-cpu",)),
    "jax": Program("jax_loop.py", ("jax",)),
    "keras-jax": Program("keras_fit.py", ("keras", "jax"), environment=(("KERAS_BACKEND", "jax"),)),
}


def parameters(programs: dict[str, Program], table: str) -> list[object]:
    """Each program under its name, skipped where its packages are not there; it is a row of a table of docs."""
    row = pytest.mark.row(table)
    return [pytest.param(p, id=name, marks=[row, pytest.mark.needs(*p.needs)]) for name, p in programs.items()]


OF_INSIDE, OF_OUTSIDE = parameters(INSIDE, "Frameworks"), parameters(OUTSIDE, "Programs without torch")


def surroundings(tested: Program, folder: Path) -> dict[str, str]:
    """The environment of a program: its own home, so that no framework reads or leaves anything in the user's."""
    home = folder / "user"
    home.mkdir(exist_ok=True)
    mine = {"PYTHONPATH": str(PROGRAMS), "HOME": str(home), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "100"}
    mine["RAY_USAGE_STATS_ENABLED"] = "0"
    return mine | dict(tested.environment)


def masked(text: bytes) -> list[str]:
    """Output without timings; the lines in order of the alphabet, because ranks print as they come."""
    plain = text.decode()
    for pattern, replacement in VOLATILE:
        plain = re.sub(pattern, replacement, plain)
    return sorted(plain.splitlines())


def in_empty_folder(work: Path) -> Path:
    """The working directory, the same one for both runs."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    return work


def compare(plain: Ran, audited: Ran) -> None:
    """The same output, errors and exit code."""
    note_identity(plain, audited, masked)
    assert masked(audited.stdout) == masked(plain.stdout)
    assert masked(audited.stderr) == masked(plain.stderr)
    assert audited.returncode == plain.returncode


def audit_with_truth(tested: Program, python: str, folder: Path) -> tuple[Audited, list[Truth]]:
    """Audits a program that measures itself."""
    records = folder / "truth"
    records.mkdir()
    command = tested.command(python, records)
    work = in_empty_folder(folder / "work")
    audited = audit(command, home=folder / "home", cwd=work, env=surroundings(tested, folder))
    assert audited.returncode == 0, audited.stderr.decode()
    return audited, load(records)


def add_ends(true: dict[str, float], truth: Truth, audited: Audited) -> dict[str, float]:
    """Launch and end of a process, which the harness saw where it is the command's own."""
    watched = audited.watched
    if watched is None or watched.pid != truth.pid:
        return true
    return true | {"startup.launch": truth.began - watched.started, "teardown": watched.exited - truth.ended}


@pytest.mark.alone
@pytest.mark.parametrize("tested", OF_INSIDE)
def test_ledger_is_the_truth(tested: Program, environment: Environment, tmp_path: Path) -> None:
    """Every rank's ledger adds up, leaves under 3 % unattributed and is within 2 points of what the program saw."""
    best_of(lambda folder: check_from_inside(tested, environment.python, folder), tmp_path)


def check_from_inside(tested: Program, python: str, folder: Path) -> None:
    """Audits a program once and compares."""
    audited, truths = audit_with_truth(tested, python, folder)
    report = audited.report
    note_report(report)
    assert report["run"]["outcome"] == "finished"
    assert report["overhead"]["hooks_disabled"] == 0
    assert len(truths) == len(report["ranks"]) == tested.ranks
    for rank, truth in zip(report["ranks"], truths, strict=True):
        check(rank, add_ends(truth.entries, truth, audited))


@pytest.mark.alone
def test_a_late_rank_is_sync_in_the_others_ledger(environment: Environment, tmp_path: Path) -> None:
    """Rank 0 waits in its backward for rank 1, which sleeps before each of its own: that is sync, within 2 points."""
    audited, _ = audit_with_truth(INSIDE["ddp"], environment.python, tmp_path)
    waited = seconds_waited(tmp_path / "truth")
    ledgers = audited.report["ranks"]
    assert waited[0] > 0.15 * ledgers[0]["wall_seconds"]  # the lateness is there to be seen
    for ledger, true in zip(ledgers, waited, strict=True):
        found = seconds(ledger)
        assert abs(found["sync"] - true) <= POINTS * ledger["wall_seconds"], f"{true} s of waiting, found {found}"


@pytest.mark.alone
@pytest.mark.parametrize("tested", OF_OUTSIDE)
def test_outside_view_is_the_truth(tested: Program, environment: Environment, tmp_path: Path) -> None:
    """Where the program slept and where it trained, and the CPU time of all its life, within 5 points."""
    best_of(lambda folder: check_from_outside(tested, environment.python, folder), tmp_path)


def check_from_outside(tested: Program, python: str, folder: Path) -> None:
    """Audits a program that notes its parts, below one that measures its CPU time."""
    command = [python, str(PROGRAMS / "measured.py"), str(folder / "cpu.json"), *tested.command(python, folder)]
    work = in_empty_folder(folder / "work")
    audited = audit(command, home=folder / "home", cwd=work, env=surroundings(tested, folder))
    assert audited.returncode == 0, audited.stderr.decode()
    assert audited.watched is not None
    truth = json.loads((folder / "parts.json").read_text()) | json.loads((folder / "cpu.json").read_text())
    check_outside(audited.report, truth, audited.watched.started)


@pytest.mark.parametrize("tested", [*OF_INSIDE, *OF_OUTSIDE])
def test_behaviour_is_the_same(tested: Program, environment: Environment, tmp_path: Path) -> None:
    """Output, errors, exit code, and what is printed of losses and weights; and the audit ends well."""
    command = tested.command(environment.python, None)
    env = surroundings(tested, tmp_path)
    plain = run(command, cwd=in_empty_folder(tmp_path / "work"), env=env)
    assert plain.returncode == 0, plain.stderr.decode()
    audited = audit(command, home=tmp_path / "home", cwd=in_empty_folder(tmp_path / "work"), env=env)
    compare(plain, audited)
    report = audited.report
    assert report["run"]["outcome"] == "finished"
    assert sum(seconds(report["ledger"]).values()) == pytest.approx(report["ledger"]["wall_seconds"], rel=1e-3)
