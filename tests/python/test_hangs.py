"""A loader that gets stuck: the wait for it has its cause, whoever ends it, and also while it lasts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from harness import audit, program, report_again

slow = pytest.mark.slow
alone = pytest.mark.alone  # what computes has a core all the time
STUCK_FOR = 4.0  # seconds, at the least, before anything happens
BATCH = 8  # of the program
STEPS = 25  # before it is stuck


def stages(report: dict[str, Any]) -> dict[str, float]:
    """The shares of the wait."""
    return {stage["stage"]: stage["share"] for stage in report["input"]["wait"]}


def waited(report: dict[str, Any]) -> float:
    """Seconds of input.wait."""
    return next(float(entry["seconds"]) for entry in report["ledger"]["entries"] if entry["name"] == "input.wait")


def live_report(home: Path) -> dict[str, Any] | None:
    """Of the run that goes on; none where there is none yet."""
    shown = report_again(home, home.parent)
    report: dict[str, Any] | None = json.loads(shown.stdout) if shown.returncode == 0 else None
    return report


def when_stuck(home: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The report of a program that has been stuck for some seconds."""
    for _ in range(600):
        report = live_report(home)
        if report and report["steady"]["steps"] >= STEPS - 1:
            time.sleep(STUCK_FOR)
            report = live_report(home)
            assert report
            return report
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError("the program did not come to its last step")


@pytest.mark.parametrize(
    ("way", "workers", "number", "stage"),
    [
        ("waiting", 1, signal.SIGTERM, "storage"),
        pytest.param(*("waiting", 2, signal.SIGKILL, "storage"), marks=slow),
        pytest.param(*("waiting", 1, signal.SIGINT, "storage"), marks=slow),
        pytest.param(*("waiting", 0, signal.SIGTERM, "storage"), marks=slow),
        pytest.param(*("computing", 2, signal.SIGTERM, "decode"), marks=[slow, alone]),
        pytest.param(*("computing", 0, signal.SIGKILL, "decode"), marks=[slow, alone]),
    ],
)
def test_a_stuck_loader_that_is_ended(way: str, workers: int, number: int, stage: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    seen: list[dict[str, Any]] = []

    def end(process: subprocess.Popen[bytes]) -> None:
        seen.append(when_stuck(home, process))
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            os.kill(int((tmp_path / "pid").read_text()), number)

    command = program("hangs.py", "--way", way, "--workers", str(workers))
    audited = audit(command, home=home, cwd=tmp_path, while_running=end)
    report = audited.report
    assert report["run"]["outcome"] == ("killed" if number != signal.SIGINT else "interrupted")
    for one in (report, *seen):
        assert waited(one) > STUCK_FOR - 0.5
        assert stages(one)[stage] > 0.9, stages(one)


@slow
def test_a_loader_that_gives_up(tmp_path: Path) -> None:
    command = program("hangs.py", "--workers", "1", "--timeout", "5")
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert audited.returncode == 1
    assert waited(audited.report) > 4.5
    assert stages(audited.report)["storage"] > 0.9


@slow
@pytest.mark.parametrize(
    "options",
    [
        ("--stuck", "200"),
        ("--stuck", str(BATCH)),
        ("--disorder", "--workers", "2"),
        ("--iterable", "--workers", "2"),
        ("--catch", "--stuck", "200", "208", "--steps", "50"),
    ],
    ids=" ".join,
)
def test_samples_that_raise_after_a_while(options: tuple[str, ...], tmp_path: Path) -> None:
    """Their batches are handed over as any other, and the waits for them give none."""
    audited = audit(program("hangs.py", "--way", "raising", *options), home=tmp_path / "home", cwd=tmp_path)
    assert audited.returncode == (0 if "--catch" in options else 1)
    assert waited(audited.report) > (9 if "--catch" in options else 4.5)
    assert stages(audited.report)["storage"] > 0.8, stages(audited.report)  # of all waits, the usual ones too


@slow
@pytest.mark.parametrize(
    "options",
    [
        # What the other worker handed over last is no batch.
        ("--workers", "2", "--iterable"),
        ("--workers", "2", "--iterable", "--disorder"),
        # Another loader, without workers, was asked last before: a worker is two batches ahead, and the evaluation
        # comes after the step before the one that is stuck.
        ("--workers", "1", "--evaluate-at", str(STEPS - 1)),
    ],
    ids=" ".join,
)
def test_what_is_stuck_beside_something_that_ended(options: tuple[str, ...], tmp_path: Path) -> None:
    home = tmp_path / "home"
    seen: list[dict[str, Any]] = []

    def end(process: subprocess.Popen[bytes]) -> None:
        seen.append(when_stuck(home, process))
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    audited = audit(program("hangs.py", *options), home=home, cwd=tmp_path, while_running=end)
    for one in (audited.report, *seen):
        assert waited(one) > STUCK_FOR - 0.5
        assert stages(one)["storage"] > 0.9, stages(one)


@slow
def test_a_launcher_does_not_hide_that_its_program_is_stuck(tmp_path: Path) -> None:
    """The training process is not the command's own; up to now is up to now for it too."""
    home = tmp_path / "home"
    seen: list[dict[str, Any]] = []

    def look(process: subprocess.Popen[bytes]) -> None:
        seen.append(when_stuck(home, process))

    command = ["timeout", "-s", "KILL", "40", *program("hangs.py", "--workers", "1")]
    audited = audit(command, home=home, cwd=tmp_path, while_running=look)
    assert audited.returncode == 137  # what timeout itself ends with
    [live] = seen
    assert live["ledger"]["wall_seconds"] > live["run"]["wall_seconds"] - 1
    for one in (live, audited.report):
        assert waited(one) > STUCK_FOR - 0.5
        assert stages(one)["storage"] > 0.9


@slow
def test_a_worker_that_is_stuck_in_its_first_batch(tmp_path: Path) -> None:
    """The second one, which has handed nothing over yet."""
    command = program("hangs.py", "--workers", "2", "--stuck", str(BATCH), "--timeout", "5")
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert audited.returncode == 1
    assert waited(audited.report) > 4.5
    assert stages(audited.report)["storage"] > 0.9


def test_workers_that_were_not_recorded(tmp_path: Path) -> None:
    """The causes of the wait are not made up."""
    command = program("hangs.py", "--workers", "2", "--method", "spawn", "--hide", "--steps", "20")
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert audited.returncode == 0, audited.stderr
    report = audited.report
    assert waited(report) > 0
    assert set(stages(report).values()) == {0}
    [limit] = [limit for limit in report["limits"] if "workers" in limit]
    assert limit.endswith("was not recorded: input.wait is not divided by cause.")
