"""The view from outside against what programs without training know of themselves."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from harness import PROGRAMS, audit, program

POINTS = 0.05  # of the wall time, for each kind of phase
CPU = 0.05  # of the CPU time

# What a phase of outside_phases.py may be called; files are written and read by turns.
NAMES = {
    "compute": {"computing"},
    "sleep": {"idle"},
    "children": {"computing"},
    "files": {"mixed", "reading", "writing"},
}


def overlap(phase: dict[str, Any], begin: float, end: float) -> float:
    """Seconds of a phase between two times, both since the start of the command."""
    return max(0.0, min(float(phase["end_seconds"]), end) - max(float(phase["begin_seconds"]), begin))


def check_phases(outside: dict[str, Any], wall: float) -> None:
    """They cover the run once, in order."""
    phases = outside["phases"]
    assert phases[0]["begin_seconds"] == pytest.approx(0, abs=1e-3)
    assert phases[-1]["end_seconds"] == pytest.approx(wall, abs=1e-3)
    for before, after in itertools.pairwise(phases):
        assert before["end_seconds"] == after["begin_seconds"]
        assert before["begin_seconds"] < before["end_seconds"]


@pytest.mark.parametrize("options", [[], ["-S"], ["-I", "-S"]], ids=["seen", "-S", "-I -S"])
def test_phases_of_a_program_without_training(options: list[str], tmp_path: Path) -> None:
    """One core, sleep, two children, files: each kind of phase has its share of the time, and the CPU time is right."""
    if options == ["-I", "-S"]:  # nothing is on its path but what it puts there itself
        start = f"import sys; sys.path.insert(0, {str(PROGRAMS)!r}); import outside_phases; outside_phases.main()"
        command = [sys.executable, *options, "-c", start]
    else:
        command = [sys.executable, *options, *program("outside_phases.py")[1:]]
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert audited.returncode == 0, audited.stderr.decode()
    truth = json.loads(audited.stdout)
    report = audited.report
    outside = report["outside"]
    wall = report["run"]["wall_seconds"]
    check_phases(outside, wall)
    assert audited.watched is not None
    message = json.dumps([truth, outside], indent=1)
    for name, names in NAMES.items():
        missing = wrong = 0.0
        for true_name, begin, end, _ in truth["phases"]:
            since, until = begin - audited.watched.started, end - audited.watched.started
            for phase in outside["phases"]:
                if (true_name == name) != (phase["what"] in names) and true_name not in NAMES[name]:
                    shared = overlap(phase, since, until)
                    if true_name == name:
                        missing += shared
                    elif phase["what"] in names - NAMES[true_name]:
                        wrong += shared
        assert missing <= POINTS * wall, f"{name} was not seen\n{message}"
        assert wrong <= POINTS * wall, f"{name} was seen where there was none\n{message}"
    assert outside["cpu_seconds"] == pytest.approx(truth["cpu_seconds"], rel=CPU, abs=0.05), message
    assert outside["written_bytes"] == pytest.approx(truth["written_bytes"], rel=CPU), message
    slept = truth["phases"][1][2] - truth["phases"][1][1]
    assert outside["idle_share"] == pytest.approx(slept / wall, abs=POINTS), message
    assert len([p for p in outside["processes"] if p["cpu_seconds"] > 0.2]) == 3, message
    assert report["limits"], "it says what could not be seen"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="the script needs coreutils")
def test_phases_of_a_shell_script(tmp_path: Path) -> None:
    """Many short processes: most of them are never looked at, and their CPU time is in the sum all the same."""
    audited = audit(["sh", str(PROGRAMS / "outside_shell.sh")], home=tmp_path / "home", cwd=tmp_path)
    assert audited.returncode == 0
    began, slept, ended = (float(line) for line in audited.stdout.split())
    report = audited.report
    outside = report["outside"]
    wall = report["run"]["wall_seconds"]
    check_phases(outside, wall)
    idle = sum(p["end_seconds"] - p["begin_seconds"] for p in outside["phases"] if p["what"] == "idle")
    computing = sum(p["end_seconds"] - p["begin_seconds"] for p in outside["phases"] if p["what"] == "computing")
    assert idle == pytest.approx(slept - began, abs=POINTS * wall), outside
    assert computing == pytest.approx(ended - slept, abs=POINTS * wall), outside
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
    outside = audit(["true"], home=tmp_path / "home", cwd=tmp_path).report["outside"]
    assert len(outside["phases"]) == 1
    assert 0 < outside["cpu_seconds"] < 0.5
