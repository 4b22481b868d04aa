"""What a program of tests/programs/frameworks measured of itself, beside a ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rows import note, worst

POINTS = 0.02  # of the wall time, for each entry
MOST_UNATTRIBUTED = 0.03


@dataclass(frozen=True)
class Truth:
    """The seconds of the entries that a program sees; several joined by `+` where it sees their sum."""

    pid: int
    began: float
    ended: float
    entries: dict[str, float]


def load(folder: Path) -> list[Truth]:
    """What each process that trained left, in the order of their ranks."""
    names = sorted(path for path in folder.glob("*.json") if not path.name.startswith("backwards"))
    return [Truth(**json.loads(path.read_text())) for path in names]


def seconds(ledger: dict[str, Any]) -> dict[str, float]:
    """A ledger's entries."""
    return {entry["name"]: entry["seconds"] for entry in ledger["entries"]}


def table(found: dict[str, float], true: dict[str, float], wall: float) -> str:
    """Both sides in per cent of the wall time."""
    lines = [f"{'':40}{'true':>8}{'found':>8}"]
    for key in [*found, *(key for key in true if key not in found)]:
        of_truth = f"{100 * true[key] / wall:8.2f}" if key in true else " " * 8
        lines.append(f"{key:40}{of_truth}{100 * sum_of(found, key) / wall:8.2f}")
    return "\n".join(lines)


def sum_of(found: dict[str, float], key: str) -> float:
    """The seconds of an entry, or of several joined by `+`."""
    return sum(found[entry] for entry in key.split("+"))


def check(ledger: dict[str, Any], true: dict[str, float]) -> None:
    """A ledger adds up, leaves little unattributed, and each entry that the program sees is its own measurement."""
    found, wall = seconds(ledger), ledger["wall_seconds"]
    message = table(found, true, wall)
    print(message)
    assert abs(sum(found.values()) - wall) <= 0.001 * wall, message
    assert found["unattributed"] < MOST_UNATTRIBUTED * wall, message
    errors = {key: abs(sum_of(found, key) - of_truth) / wall for key, of_truth in true.items()}
    note(difference=worst(errors))
    for key, error in errors.items():
        assert error <= POINTS, f"{key}\n{message}"


def seconds_waited(folder: Path) -> tuple[float, float]:
    """For each of two ranks, how long its backwards waited for the other's, from the second step on.

    Both meet at the same all-reduce, so a rank waits from its own begin to the other's, for as long as its backward
    lasts.
    """
    ranks = [json.loads((folder / f"backwards-{rank}.json").read_text())[1:] for rank in (0, 1)]
    assert len(ranks[0]) == len(ranks[1])
    waited = [0.0, 0.0]
    for spans in zip(*ranks, strict=True):
        first = 0 if spans[0][0] <= spans[1][0] else 1
        begin, end = spans[first]
        waited[first] += min(spans[1 - first][0], end) - begin
    return waited[0], waited[1]
