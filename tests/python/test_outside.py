"""The view from outside against what programs without training know of themselves."""

from __future__ import annotations

import json
import re
import resource
import shutil
import sys
import time
from pathlib import Path

import pytest
from harness import PROGRAMS, Audited, audit, program, run
from outside_truth import CPU, POINTS, check_outside
from rows import note_identity
from test_truth import best_of


def same_but_for_numbers(command: list[str], folder: Path) -> Audited:
    """Audits a program that prints times; it prints and ends as without headrace."""
    plain = run(command, cwd=folder)
    audited = audit(command, home=folder / "home", cwd=folder)
    note_identity(plain, audited, without_numbers)
    assert without_numbers(audited.stdout) == without_numbers(plain.stdout)
    assert (audited.stderr, audited.returncode) == (plain.stderr, 0), audited.stderr.decode()
    return audited


def without_numbers(text: bytes) -> bytes:
    """What does not differ between any two runs."""
    return re.sub(rb"-?\d+(\.\d+)?(e-?\d+)?", b"N", text)


@pytest.mark.alone
@pytest.mark.row("Programs without torch")
@pytest.mark.parametrize(
    "options",
    [[], *(pytest.param(options, marks=pytest.mark.slow) for options in (["-S"], ["-I", "-S"]))],
    ids=["known-phases", "known-phases -S", "known-phases -I -S"],
)
def test_phases_of_a_program_without_training(options: list[str], tmp_path: Path) -> None:
    """One core, sleep, two children, files: each kind of phase has its share of the time, and the CPU time is right."""
    if options == ["-I", "-S"]:  # nothing is on its path but what it puts there itself
        start = f"import sys; sys.path.insert(0, {str(PROGRAMS)!r}); import outside_phases; outside_phases.main()"
        command = [sys.executable, *options, "-c", start]
    else:
        command = [sys.executable, *options, *program("outside_phases.py")[1:]]
    best_of(lambda folder: check_known_phases(command, folder), tmp_path)


def check_known_phases(command: list[str], folder: Path) -> None:
    """Audits it once and compares."""
    audited = same_but_for_numbers(command, folder)
    assert audited.watched is not None
    truth = json.loads(audited.stdout)
    report = audited.report
    outside = report["outside"]
    wall = report["run"]["wall_seconds"]
    message = json.dumps([truth, outside], indent=1)
    check_outside(report, truth, audited.watched.started)
    assert outside["written_bytes"] == pytest.approx(truth["written_bytes"], rel=CPU), message
    slept = truth["phases"][1][2] - truth["phases"][1][1]
    assert outside["idle_share"] == pytest.approx(slept / wall, abs=POINTS), message
    assert len([p for p in outside["processes"] if p["cpu_seconds"] > 0.2]) == 3, message


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="the script needs coreutils")
@pytest.mark.alone
@pytest.mark.row("Programs without torch", name="shell script")
def test_phases_of_a_shell_script(tmp_path: Path) -> None:
    """Many short processes: most of them are never looked at, and their CPU time is in the sum all the same."""
    best_of(check_shell_script, tmp_path)


def check_shell_script(folder: Path) -> None:
    """Audits it once, below a program that measures its CPU time, and compares."""
    script = ["sh", str(PROGRAMS / "outside_shell.sh")]
    audited = same_but_for_numbers([sys.executable, str(PROGRAMS / "measured.py"), "cpu.json", *script], folder)
    assert audited.watched is not None
    began, slept, ended = (float(line) for line in audited.stdout.split())
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    parts = [["sleep", began - since_boot, slept - since_boot], ["compute", slept - since_boot, ended - since_boot]]
    report = audited.report
    truth = json.loads((folder / "cpu.json").read_text()) | {"phases": parts}
    check_outside(report, truth, audited.watched.started)
    assert any("start it without" in limit or "To see more" in limit for limit in report["limits"])


def test_the_screen_shows_the_view_from_outside(tmp_path: Path) -> None:
    """In 40 lines, with what to do to see more."""
    audited = audit(["sh", "-c", "sleep 0.5"], home=tmp_path / "home", cwd=tmp_path, options=())
    text = audited.stderr.decode()
    assert "Outside view" in text
    assert "idle" in text
    assert "To see more" in text
    assert len(text.splitlines()) <= 40


def test_a_short_program_has_its_view(tmp_path: Path) -> None:
    """Also one that ends before the first look."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    outside = audit(["true"], home=tmp_path / "home", cwd=tmp_path).report["outside"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(outside["phases"]) == 1
    assert 0 < outside["cpu_seconds"] <= after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
