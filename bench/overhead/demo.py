"""Program B: what headrace adds to a whole training command, examples/train_resnet.py on the photo corpus."""

from __future__ import annotations

import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common import (
    ROOT,
    Criterion,
    Progress,
    Verdict,
    at_most,
    clean_environment,
    estimate,
    percent,
    print_table,
    ratios,
)
from overhead.cases import headrace_command

CORPUS = ROOT / ".cache" / "corpus"
PROGRAM = ROOT / "examples" / "train_resnet.py"
SHARE_LIMIT = 0.01
EPOCH = re.compile(r"epoch \d+: .*, ([0-9.]+) s$")


@dataclass(frozen=True)
class Command:
    """One whole command that has ended. CPU seconds are those of all its processes."""

    answer: str
    wall_seconds: float
    cpu_seconds: float
    epoch_seconds: list[float]  # as the program itself logs them, to a tenth of a second
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


def epoch_seconds(log: str) -> list[float]:
    """The seconds of each epoch in the program's log."""
    return [float(found[1]) for found in map(EPOCH.search, log.splitlines()) if found]


def run(audited: bool, epochs: int) -> Command:
    """Runs the program once to its end."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        command = [
            sys.executable,
            str(PROGRAM),
            "--data",
            str(CORPUS),
            "--epochs",
            str(epochs),
            "--out",
            str(folder / "out"),
        ]
        if audited:
            command = [headrace_command(), "audit", "--dir", str(folder / "headrace"), "--quiet", "--", *command]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(
                f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
            )
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        share = None
        if audited:
            (report,) = (folder / "headrace" / "runs").glob("*/report.json")
            share = float(json.loads(report.read_text(encoding="utf-8"))["overhead"]["share"])
        return Command(answer(done.stderr), wall, cpu, epoch_seconds(done.stderr), share)


def measure(pairs: int, epochs: int) -> Result:
    """Runs plain and audited by turns, every second pair in the other order; stops when an answer differs."""
    result = Result(epochs)
    run(audited=False, epochs=1)  # the photos come into the page cache
    progress = Progress("program B, pairs", pairs)
    while len(result.pairs) < pairs and not result.different:
        audited_first = len(result.pairs) % 2 == 1
        ran = {audited: run(audited, epochs) for audited in (audited_first, not audited_first)}
        result.pairs.append((ran[False], ran[True]))
        result.different = ran[False].answer != result.pairs[0][0].answer or ran[True].answer != ran[False].answer
        progress.advance()
    return result


def shares(result: Result) -> dict[str, list[float]]:
    """What an audit adds, a value for each pair: to the wall time, to the CPU time, to the median epoch."""
    plain, audited = zip(*result.pairs, strict=True)
    return {
        "wall time of the command": ratios([one.wall_seconds for one in audited], [one.wall_seconds for one in plain]),
        "CPU time of all its processes": ratios(
            [one.cpu_seconds for one in audited], [one.cpu_seconds for one in plain]
        ),
        "an epoch, by the program's log": ratios(
            [statistics.median(one.epoch_seconds) for one in audited],
            [statistics.median(one.epoch_seconds) for one in plain],
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
    rows = [["an audit adds", "median (90 % interval)", "least and greatest pair"]]
    for what, values in shares(result).items():
        if values:
            rows.append([what, percent(estimate(values)), f"{100 * min(values):.2f} % and {100 * max(values):.2f} %"])
    print_table(rows)
