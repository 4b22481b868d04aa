"""The view from outside beside what a program without training knows of itself."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from rows import note, note_report, worst

POINTS = 0.05  # of the wall time, for each kind of phase
CPU = 0.05  # of the CPU time

# What a phase of a program may be called; files are written and read by turns.
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


def errors_of(name: str, true: list[list[Any]], found: list[dict[str, Any]], started: float) -> tuple[float, float]:
    """Seconds in which a kind of part was there and not seen, and seen where the program was at another one."""
    missing = wrong = 0.0
    for true_name, begin, end, *_ in true:
        for phase in found:
            shared = overlap(phase, begin - started, end - started)
            if true_name == name and phase["what"] not in NAMES[name]:
                missing += shared
            elif phase["what"] in NAMES[name] - NAMES[true_name]:
                wrong += shared
    return missing, wrong


def check_outside(report: dict[str, Any], truth: dict[str, Any], started: float) -> None:
    """The phases, the CPU time, and that the report says what it could not see.

    `truth` holds the phases as [name, begin, end] of perf_counter and cpu_seconds; `started` is the command's begin.
    """
    outside, wall = report["outside"], report["run"]["wall_seconds"]
    message = json.dumps([truth, outside], indent=1)
    note_report(report)
    check_phases(outside, wall)
    errors = {}
    for name in dict.fromkeys(phase[0] for phase in truth["phases"]):
        missing, wrong = errors_of(name, truth["phases"], outside["phases"], started)
        errors[f"{name} not seen"], errors[f"{name} seen where it was not"] = missing / wall, wrong / wall
    cpu = outside["cpu_seconds"] / truth["cpu_seconds"] - 1
    note(phase_difference=worst(errors), cpu_difference=[abs(cpu), "too much" if cpu > 0 else "too little"])
    for what, error in errors.items():
        assert error <= POINTS, f"{what}\n{message}"
    assert outside["cpu_seconds"] == pytest.approx(truth["cpu_seconds"], rel=CPU), message
    assert report["limits"], "it says what could not be seen"
