"""A team's history of 200 runs in run folders, and what is true of it, kept account of while it is made up.

Nothing here asks headrace how something is counted: the figures are those that the plan was made of.
"""

from __future__ import annotations

import datetime
import json
import random
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEGIN = datetime.datetime(2026, 8, 3, tzinfo=datetime.timezone.utc)
WEEKS = 8
UNTIL = (BEGIN + datetime.timedelta(weeks=WEEKS)).strftime("%Y-%m-%dT%H:%M:%SZ")
LEDGER = [
    "startup.launch",
    "startup.imports",
    "startup.setup",
    "startup.workers",
    "startup.first_step",
    "input.wait",
    "transfer",
    "compute.forward",
    "compute.backward",
    "compute.optimizer",
    "compute.device_wait",
    "sync",
    "host",
    "evaluation",
    "checkpoint",
    "logging",
    "teardown",
    "unattributed",
]
STAGES = ["storage", "read", "decode", "collate", "transport", "workers"]
# Of the time of each finished run, in thousandths; what is missing to 1,000 the command took beside its ledger.
SHARES = {"startup.imports": 20, "input.wait": 400, "compute.forward": 200, "compute.backward": 250, "evaluation": 90}
PLAN = (
    ["validated"] * 118
    + ["unvalidated"] * 17
    + ["unseen"] * 4
    + ["untrained"] * 6
    + ["repeated"] * 14
    + ["failed"] * 23
    + ["killed"] * 9
    + ["interrupted"] * 5
    + ["comparison"] * 4
)
MINUTE = 60


@dataclass
class Planned:
    """One run as it was planned."""

    number: int
    user: str
    what: str
    begin: int  # minutes since BEGIN
    minutes: int
    program: str
    experiment: str
    result_minutes: int | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.begin + self.minutes

    @property
    def seconds(self) -> int:
        return self.minutes * MINUTE

    @property
    def started(self) -> str:
        return (BEGIN + datetime.timedelta(minutes=self.begin)).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def id(self) -> str:
        moment = BEGIN + datetime.timedelta(minutes=self.begin)
        return f"{moment.strftime('%Y%m%dT%H%M%S')}.000Z-{self.number:08x}"

    @property
    def finished(self) -> bool:
        return self.what in ("validated", "unvalidated", "unseen", "untrained", "repeated")


def plan(seed: int = 11) -> list[Planned]:
    """200 runs of two users, each of whom runs one after the other: the two overlap."""
    chance = random.Random(seed)
    kinds = PLAN[:]
    chance.shuffle(kinds)
    # Nothing can be repeated before something was validated.
    first = kinds.index("validated")
    kinds[0], kinds[first] = kinds[first], kinds[0]
    clock = {"ada": 0, "ben": 30}
    runs: list[Planned] = []
    lost: list[str] = []  # experiments that failed or were killed, and are tried again
    for number, what in enumerate(kinds):
        user = min(clock, key=lambda name: clock[name])
        begin = clock[user] + chance.randint(1, 90)
        minutes = chance.randint(20, 1300)
        if what == "repeated" and not any(run.what == "validated" and run.end <= begin for run in runs):
            begin = min(run.end for run in runs if run.what == "validated") + 1
        experiment, program = f"experiment {number}", chance.choice(["train.py", "train.py", "finetune.py"])
        if what == "repeated":
            model = chance.choice([run for run in runs if run.what == "validated" and run.end <= begin])
            experiment, program = model.experiment, model.program
        elif what == "comparison":
            experiment = chance.choice(runs).experiment
        elif what == "validated" and lost and chance.random() < 0.5:
            again = lost.pop(0)
            before = next(run for run in runs if run.experiment == again)
            if before.end <= begin:  # a retry begins when the one before is over
                experiment, program = again, before.program
        run = Planned(number, user, what, begin, minutes, program, experiment)
        if what in ("validated", "repeated"):
            run.result_minutes = minutes - chance.randint(1, 10)
        if what in ("failed", "killed"):
            lost.append(experiment)
        runs.append(run)
        clock[user] = run.end
    end = WEEKS * 7 * 24 * 60
    assert max(run.end for run in runs) < end, "the plan fits into its weeks"
    return runs


def add_findings(runs: list[Planned]) -> None:
    """train.py has two findings that exclude one another in its newest finished run, finetune.py one."""
    for run in runs:
        if run.finished:
            run.findings = [finding("input.workers", 0.10, 0.05, run)]
    newest = newest_of(runs, "train.py")
    newest.findings = [finding("input.workers", 0.20, 0.10, newest), finding("compute.threads", 0.25, 0.02, newest)]


def newest_of(runs: list[Planned], program: str) -> Planned:
    return max((run for run in runs if run.finished and run.program == program), key=lambda run: run.end)


def finding(kind: str, likely: float, low: float, run: Planned) -> dict[str, Any]:
    """One that saves such shares of its run."""
    return {"id": kind, "workers": 4, "likely": likely * run.seconds, "low": low * run.seconds}


def ledger_of(run: Planned) -> dict[str, float]:
    return {entry: SHARES.get(entry, 0) * run.seconds / 1000 for entry in LEDGER}


def figures_of(run: Planned) -> dict[str, Any]:
    """What docs/formats/run.md lists under `figure`."""
    trained = run.what != "untrained"
    result = None if run.result_minutes is None else run.result_minutes * MINUTE * 1.0
    figures: dict[str, Any] = {
        "wall_seconds": run.seconds * 1.0,
        "framework": "torch 2.13.0",
        "processes": 1,
        "trained": int(trained),
        "stopped": int(run.what == "unseen"),
        "device_peak_bytes": None,
        "result_seconds": result,
        "result_unseen": int(run.what == "unseen"),
        "steady.steps": 100,
        "ranks": 1,
        "loaders": 0,
        "limits": 0,
        "marked": 0,
        "ranks.0.rank": None,
        "ranks.0.pid": 100,
        "ranks.0.host": "workbench",
        "ranks.0.command": "",
        "ranks.0.wall_seconds": sum(ledger_of(run).values()),
        "findings": len(run.findings),
        "overhead.seconds": 0.0,
        "overhead.share": 0.0,
        "overhead.per_step_seconds": None,
        "overhead.hooks_disabled": 0,
    }
    steady = ("step_seconds_median", "step_seconds_p95", "samples_per_second", "tokens_per_second", "batch_size")
    sample = ("wall", "cpu", "run_queue", "blocked")
    figures |= {f"steady.{name}": None for name in steady}
    figures |= {f"per_sample.{name}_seconds": None for name in sample}
    figures |= {f"per_sample.bytes_{name}": None for name in ("requested", "from_storage")}
    figures |= {f"ranks.0.ledger.{entry}": seconds for entry, seconds in ledger_of(run).items()}
    figures |= {f"ranks.0.input_wait.{stage}": 0.0 for stage in STAGES}
    for number, one in enumerate(run.findings):
        figures |= finding_figures(f"findings.{number}", one)
    return figures


def finding_figures(name: str, one: dict[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "id": one["id"],
        "area": one["id"].split(".")[0],
        "title": "",
        "evidence": "",
        "changes": "nothing",
        "remedy": "",
        "fix.workers": one["workers"],
        "gain": 1,
        "gain.ratio.predicted": 1.25,
        "gain.ratio.low": 1.1,
        "gain.ratio.high": 1.5,
        "gain.seconds_per_run.predicted": one["likely"],
        "gain.seconds_per_run.low": one["low"],
        "gain.seconds_per_run.high": 2 * one["likely"],
        "loader": 1,
        "loader.file": "train.py",
        "loader.line": 7,
        "loader.sampler": "RandomSampler",
        "loader.library": 0,
    }
    figures |= {f"fix.{part}": None for part in ("threads", "prefetch_factor", "persistent_workers", "batch_size")}
    return {f"{name}.{key}": value for key, value in figures.items()}


def meta_of(run: Planned) -> dict[str, Any]:
    """What docs/formats/run.md lists under `meta`."""
    outcome = run.what if run.what in ("failed", "killed", "interrupted") else "finished"
    signals = {"killed": 9, "interrupted": 2}
    return {
        "id": run.id,
        "name": "",
        "directory": "/team",
        "started": run.started,
        "headrace_version": "0.1.0",
        "parent_pid": 99,
        "child_pid": 100,
        "started_ns": 10**9,
        "ended_ns": 10**9 * (1 + run.seconds),
        "exit_code": None if outcome in signals else int(outcome == "failed"),
        "signal": signals.get(outcome),
        "outcome": outcome,
        "max_steps": 100 if run.what == "unseen" else None,
        "host_peak_bytes": 0,
        "monitor_cpu_ns": 0,
        "looks": 0,
        "host": "workbench",
        "system": "Linux",
        "cpu": "a processor",
        "cores_usable": 8.0,
        "cores": 8,
        "memory_bytes": 16 * 2**30,
        "git_commit": None,
        "dirty": None,
        "code_digest": "a digest",
        "experiment": run.experiment,
        "user": run.user,
        "purpose": "compare" if run.what == "comparison" else "audit",
    }


TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE meta_list(key TEXT, position INTEGER, value TEXT, PRIMARY KEY(key, position)) WITHOUT ROWID;
CREATE TABLE process(id INTEGER PRIMARY KEY, pid, parent_pid, start_ns, end_ns, command, cpu_ns);
CREATE TABLE thread(id INTEGER PRIMARY KEY, pid, tid, parent_pid, main_thread, opened_ns, process_start_ns, rank,
    local_rank, full, dropped, hooks, self_ns, disabled, call_cost_ns, spans, recorded, full_error);
CREATE TABLE span(id INTEGER PRIMARY KEY, thread_id, seq, kind, start_ns, duration_ns, a, b, open, text);
CREATE TABLE hot_line(id INTEGER PRIMARY KEY, context, file, line, function, count);
CREATE TABLE figure(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
PRAGMA application_id = 1213355342;
PRAGMA user_version = 2;
"""


def write_run(home: Path, run: Planned) -> Path:
    """Its folder, as an audit leaves it."""
    folder = home / "runs" / run.id
    folder.mkdir(parents=True)
    database = sqlite3.connect(folder / "run.db")
    database.executescript(TABLES)
    database.executemany("INSERT INTO meta VALUES(?, ?)", meta_of(run).items())
    command = ["python", run.program, "--of", run.experiment]
    database.executemany("INSERT INTO meta_list VALUES('command', ?, ?)", enumerate(command))
    database.executemany("INSERT INTO figure VALUES(?, ?)", figures_of(run).items())
    database.commit()
    database.close()
    return folder


def trial_of(run: Planned, number: int, fix: str, measured: tuple[float, float, float]) -> dict[str, Any]:
    """A trial of one of its findings, as `try` leaves it."""
    parameters = dict.fromkeys(("threads", "prefetch_factor", "persistent_workers", "batch_size", "precision"))
    value, low, high = measured
    return {
        "schema": "headrace.trial/1",
        "id": f"20260901T00000{number}Z-0000000{number}",
        "run": run.id,
        "started": f"2026-09-01T00:00:0{number}Z",
        "fix": fix,
        "parameters": parameters | {"workers": 4, "cache_bytes": None},
        "predicted": {"ratio": 1.25, "low": 1.1, "high": 1.5},
        "interval_scale": 1.0,
        "measured": {"ratio": value, "low": low, "high": high},
        "inside": 1.1 <= value <= 1.5,
        "pairs": [{"without_step_seconds": 0.2, "with_step_seconds": 0.1}],
        "steps": 100,
        "warm_up_steps": 10,
        "sandbox": True,
        "machine": {"host": "workbench", "cpu": "a processor", "cores_usable": 8.0},
    }


@dataclass
class Team:
    """The made-up history and its plan."""

    home: Path
    runs: list[Planned]
    trials: list[dict[str, Any]]

    def of(self, *kinds: str) -> list[Planned]:
        return [run for run in self.runs if run.what in kinds]


def make_team(home: Path) -> Team:
    """Writes the run folders, without a history."""
    runs = plan()
    add_findings(runs)
    folders = {run.id: write_run(home, run) for run in runs}
    train, finetune = newest_of(runs, "train.py"), newest_of(runs, "finetune.py")
    trials = [
        trial_of(train, 1, "compute.threads", (1.05, 0.98, 1.12)),  # not proven
        trial_of(finetune, 2, "input.workers", (1.3, 1.2, 1.4)),  # proven
        trial_of(train, 3, "input.workers,compute.threads", (1.6, 1.5, 1.7)),  # of two as one
    ]
    for trial in trials:
        kept = folders[trial["run"]] / "trials"
        kept.mkdir(exist_ok=True)
        (kept / f"{trial['id']}.json").write_text(json.dumps(trial))
    return Team(home, runs, trials)
