"""Program B: what headrace adds to a whole training command, examples/train_resnet.py on the photo corpus."""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common import (
    ROOT,
    Criterion,
    Progress,
    Verdict,
    at_most,
    estimate,
    percent,
    print_table,
    ratios,
)
from overhead.cases import headrace_command
from overhead.slices import Ended, side_by_side

CORPUS = ROOT / ".cache" / "corpus"
PROGRAM = ROOT / "examples" / "train_resnet.py"
SHARE_LIMIT = 0.01


@dataclass(frozen=True)
class Command:
    """One whole command that has ended, without the time in which it was stopped.

    CPU seconds are those of all its processes.
    """

    answer: str
    wall_seconds: float
    cpu_seconds: float
    stated_share: float | None  # what headrace says of itself


@dataclass
class Result:
    """The pairs, each of them plain and audited."""

    epochs: int
    pairs: list[tuple[Command, Command]] = field(default_factory=list)
    different: bool = False


def require_corpus() -> None:
    """Ends the benchmark with a sentence where the photos are not there."""
    if not any(CORPUS.glob("*/*.JPEG")):
        print(
            f"{CORPUS} holds no photos: make them with `make corpus`, or leave resnet out with --only", file=sys.stderr
        )
        raise SystemExit(2)


def answer(log: str) -> str:
    """The lines of the program's log without the time of day and the seconds an epoch took."""
    lines = [line.partition(" ")[2] for line in log.splitlines()]
    return "\n".join(re.sub(r", [0-9.]+ s$|, saved as .*$", "", line) for line in lines)


def command_line(audited: bool, epochs: int, folder: Path) -> list[str]:
    """The program as it is, or below an audit."""
    plain = [sys.executable, str(PROGRAM), "--data", str(CORPUS), "--epochs", str(epochs), "--out", str(folder / "out")]
    audit = [headrace_command(), "audit", "--dir", str(folder / "headrace"), "--quiet", "--"]
    return [*audit, *plain] if audited else plain


def result_of(ended: Ended, command: Sequence[str], folder: Path) -> Command:
    """What a command has left, or the end of the benchmark where it failed."""
    if ended.returncode:
        last = ended.stderr.strip().splitlines()[-1:]
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}: {last}")
    reports = list((folder / "headrace" / "runs").glob("*/report.json"))
    stated = [float(json.loads(path.read_text(encoding="utf-8"))["overhead"]["share"]) for path in reports]
    return Command(answer(ended.stderr), ended.wall_seconds, ended.cpu_seconds, stated[0] if stated else None)


def run(which: Sequence[bool], epochs: int) -> list[Command]:
    """Runs the program to its end, once for each of `which`, audited or not, by turns of a fraction of a second."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        commands = []
        for number, audited in enumerate(which):
            folder = Path(name) / str(number)
            folder.mkdir()
            commands.append((command_line(audited, epochs, folder), folder))
        ended = side_by_side(commands)
        return [result_of(one, *command) for one, command in zip(ended, commands, strict=True)]


def measure(pairs: int, epochs: int) -> Result:
    """Runs plain and audited side by side, in every second pair the other one first; stops when an answer differs."""
    result = Result(epochs)
    run([False], epochs=1)  # the photos come into the page cache
    progress = Progress("program B, pairs", pairs)
    while len(result.pairs) < pairs and not result.different:
        which = [False, True] if len(result.pairs) % 2 == 0 else [True, False]
        ran = dict(zip(which, run(which, epochs), strict=True))
        result.pairs.append((ran[False], ran[True]))
        result.different = ran[False].answer != result.pairs[0][0].answer or ran[True].answer != ran[False].answer
        progress.advance()
    return result


def shares(result: Result) -> dict[str, list[float]]:
    """What an audit adds, a value for each pair: to the wall time, to the CPU time."""
    plain, audited = zip(*result.pairs, strict=True)
    return {
        "wall time of the command": ratios([one.wall_seconds for one in audited], [one.wall_seconds for one in plain]),
        "CPU time of all its processes": ratios(
            [one.cpu_seconds for one in audited], [one.cpu_seconds for one in plain]
        ),
        "as headrace itself states": [one.stated_share for one in audited if one.stated_share is not None],
    }


def criteria(result: Result) -> list[Criterion]:
    """The answers first, then the limit."""
    same = Verdict.FALLS_SHORT if result.different else Verdict.PASS
    found = [Criterion("the demo program gives the same answer audited", same, "losses and accuracies of its log")]
    if result.different:
        return found
    wall = estimate(shares(result)["wall time of the command"])
    text = "an audit adds at most 1 % to the demo program's wall time"
    return [*found, Criterion(text, at_most(wall, SHARE_LIMIT), percent(wall))]


def show(result: Result) -> None:
    """Prints the ratios with their spread."""
    walls: Sequence[float] = [plain.wall_seconds for plain, _ in result.pairs]
    print(f"Program B: {len(result.pairs)} pairs of {result.epochs} epochs")
    print(f"plain command: {statistics.median(walls):.2f} s ({min(walls):.2f} to {max(walls):.2f})\n")
    rows = [["an audit adds", "pseudo-median (90 % interval)", "least and greatest pair"]]
    for what, values in shares(result).items():
        if values:
            rows.append([what, percent(estimate(values)), f"{100 * min(values):.2f} % and {100 * max(values):.2f} %"])
    print_table(rows)
