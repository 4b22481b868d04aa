"""However a program ends, its run is complete, its outcome named, and its exit code is headrace's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Audited, Ran, audit, headrace_command, program, report_again, run
from shared import fill_up, mounted

STEPS = 41  # optimizer steps of endings.py up to its end in the middle of the loop
ALL_STEPS = 60  # and when it goes on

slow = pytest.mark.slow


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> int:
    """Waits until the program is in its loop; returns its process id."""
    while not path.exists():
        assert process.poll() is None, "the program ended before it was ready"
        time.sleep(0.01)
    return int(path.read_text())


def check_complete(audited: Audited, outcome: str, code: int | None, number: int | None) -> dict[str, Any]:
    """The run says how it ended, and its ledger is whole."""
    report = audited.report
    facts = report["run"]
    assert (facts["outcome"], facts["exit_code"], facts["signal"]) == (outcome, code, number)
    ledger = report["ledger"]
    whole = sum(entry["seconds"] for entry in ledger["entries"])
    assert whole == pytest.approx(ledger["wall_seconds"], rel=1e-3)
    assert facts["wall_seconds"] > 0
    assert (audited.folder / "run.db").stat().st_size > 0
    return report


@pytest.mark.parametrize(
    ("way", "outcome", "code", "number"),
    [
        pytest.param(*("return", "finished", 0, None), marks=slow),
        ("raise", "failed", 1, None),
        pytest.param(*("exit", "failed", 4, None), marks=slow),
        pytest.param(*("late", "failed", 1, None), marks=slow),
        ("_exit", "failed", 3, None),
        ("interrupted-exit", "interrupted", 130, None),
        ("kill", "killed", None, signal.SIGKILL),
        pytest.param(*("abort", "killed", None, signal.SIGABRT), marks=slow),
        pytest.param(*("segfault", "killed", None, signal.SIGSEGV), marks=slow),
    ],
)
def test_the_program_ends_itself(way: str, outcome: str, code: int | None, number: int | None, tmp_path: Path) -> None:
    """By its own doing, from inside the loop; every step until then was recorded."""
    audited = audit(program("endings.py", "--way", way), home=tmp_path / "home", cwd=tmp_path)
    assert audited.returncode == (128 + number if number else code)
    report = check_complete(audited, outcome, code, number)
    steps = ALL_STEPS if way in ("return", "late") else STEPS
    assert report["steady"]["steps"] == steps - 1  # the first is start-up
    assert audited.stdout.startswith(b"step 0 ")


def to_program(number: int) -> Callable[[subprocess.Popen[bytes], int], None]:
    """Sends a signal to the program alone."""
    return lambda process, pid: os.kill(pid, number)


def to_group(number: int) -> Callable[[subprocess.Popen[bytes], int], None]:
    """Sends a signal to the whole process group, as a terminal does."""
    return lambda process, pid: os.killpg(process.pid, number)


def to_headrace(number: int) -> Callable[[subprocess.Popen[bytes], int], None]:
    """Sends a signal to headrace alone, as a scheduler does that knows no other process."""
    return lambda process, pid: os.kill(process.pid, number)


@pytest.mark.parametrize(
    "send", [to_program, pytest.param(to_group, marks=slow), pytest.param(to_headrace, marks=slow)]
)
@pytest.mark.parametrize(("number", "outcome"), [(signal.SIGTERM, "killed"), (signal.SIGINT, "interrupted")])
def test_a_signal_from_outside(
    send: Callable[[int], Callable[[subprocess.Popen[bytes], int], None]], number: int, outcome: str, tmp_path: Path
) -> None:
    """The program dies of it, and headrace finishes the run and says so."""

    def interrupt(process: subprocess.Popen[bytes]) -> None:
        send(number)(process, wait_for(tmp_path / "ready", process))

    command = program("endings.py", "--way", "wait")
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path, while_running=interrupt)
    assert audited.returncode == 128 + number
    # Python turns SIGINT into KeyboardInterrupt, says so, and then dies of the signal.
    assert (b"KeyboardInterrupt" in audited.stderr) == (number == signal.SIGINT)
    report = check_complete(audited, outcome, None, number)
    assert report["steady"]["steps"] == STEPS - 1


def test_headrace_is_killed(tmp_path: Path) -> None:
    """The program goes on unharmed, and `headrace report` finishes the run from its spool."""
    during: list[Ran] = []

    def kill(process: subprocess.Popen[bytes]) -> None:
        wait_for(tmp_path / "ready", process)
        process.kill()
        during.append(report_again(tmp_path / "home", tmp_path))

    command = program("endings.py", "--step-ms", "25")
    plain = run(command, cwd=tmp_path)
    (tmp_path / "ready").unlink()
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path, while_running=kill)
    assert audited.returncode == -signal.SIGKILL
    assert (audited.stdout, audited.stderr) == (plain.stdout, plain.stderr)
    assert during[0].returncode == 0, during[0].stderr
    again = report_again(tmp_path / "home", tmp_path)
    assert again.returncode == 0, again.stderr
    assert (audited.folder / "run.db").stat().st_size > 0
    report = audited.report
    assert report["steady"]["steps"] == ALL_STEPS - 1
    whole = sum(entry["seconds"] for entry in report["ledger"]["entries"])
    assert whole == pytest.approx(report["ledger"]["wall_seconds"], rel=1e-3)


@slow
def test_all_are_killed(tmp_path: Path) -> None:
    """As by a machine that runs out of memory: the steps until then are in the run."""

    def kill(process: subprocess.Popen[bytes]) -> None:
        wait_for(tmp_path / "ready", process)
        os.killpg(process.pid, signal.SIGKILL)

    command = program("endings.py", "--way", "wait")
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path, while_running=kill)
    assert audited.returncode == -signal.SIGKILL
    again = report_again(tmp_path / "home", tmp_path)
    assert again.returncode == 0, again.stderr
    assert audited.report["steady"]["steps"] == STEPS - 1


def test_max_steps(tmp_path: Path) -> None:
    """The recording ends, the program does not."""
    command = program("endings.py", "--step-ms", "5")
    plain = run(command, cwd=tmp_path)
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path, options=("--quiet", "--max-steps", "30"))
    assert (audited.returncode, audited.stdout, audited.stderr) == (0, plain.stdout, plain.stderr)
    report = check_complete(audited, "finished", 0, None)
    assert report["steady"]["steps"] == 30 - 1
    assert report["ledger"]["wall_seconds"] < report["run"]["wall_seconds"]


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of as many KiB as the test's parameter says, the smallest one (a page) full already."""
    with mounted(tmp_path / "disk", f"size={request.param}k") as folder:
        if request.param == 4:
            fill_up(folder)
        yield folder


@pytest.mark.parametrize(
    ("small_disk", "way"),
    [
        (4, "return"),
        (192, "raise"),
        *(pytest.param(size, way, marks=slow) for size in (16, 64, 400, 1024) for way in ("return", "raise")),
    ],
    indirect=["small_disk"],
)
def test_a_full_disk(small_disk: Path, way: str, tmp_path: Path) -> None:
    """Recording ends where the space does; the program prints and returns what it does without headrace."""
    work = tmp_path / "work"
    work.mkdir()
    command = program("endings.py", "--way", way)
    plain = run(command, cwd=work)
    audited = audit(command, home=small_disk / "home", cwd=work)
    assert audited.returncode == plain.returncode
    assert audited.stdout == plain.stdout
    assert audited.stderr.startswith(plain.stderr)
    ours = audited.stderr[len(plain.stderr) :].decode()
    assert ours == "" or ours.startswith("headrace"), ours
    check_kept(small_disk / "home", audited.returncode, work)


def check_kept(home: Path, exit_code: int, folder: Path) -> None:
    """What is there of the run says how the program ended, though the run could not be stored."""
    if not list(home.glob("runs/*")):
        return
    listed = run([str(headrace_command()), "report", "--list", "--dir", str(home), "--json", "-"], cwd=folder)
    [entry] = json.loads(listed.stdout)
    assert (entry["outcome"], entry["exit_code"]) == ("failed" if exit_code else "finished", exit_code)
    again = report_again(home, folder)
    assert again.returncode == 0, again.stderr
    shown = json.loads(again.stdout)
    assert (shown["run"]["outcome"], shown["run"]["exit_code"]) == (entry["outcome"], exit_code)
    assert shown["run"]["wall_seconds"] == pytest.approx(entry["wall_seconds"])
    assert not any("killed" in limit for limit in shown["limits"]), shown["limits"]


def test_a_signal_at_the_begin_leaves_a_run_that_can_be_read(tmp_path: Path) -> None:
    """However early headrace is ended, there is no folder of a run without its run.db."""
    delay = 1e-3  # s; grows until enough signals have come after the folder was made, however slow the machine is
    runs: list[Path] = []
    command = [str(headrace_command()), "audit", "--quiet", "--dir", str(tmp_path), "--", "sleep", "60"]
    while len(runs) < 20:
        process = subprocess.Popen(command)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        runs = [path for path in (tmp_path / "runs").glob("*") if path.is_dir()]
        assert [path for path in runs if not (path / "run.db").exists()] == []
        delay *= 1.05
        assert delay < 60, "headrace never made a folder"
