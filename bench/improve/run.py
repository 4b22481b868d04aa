"""How near does `headrace improve` come to the best of a full grid, and what does `headrace apply` cost?

Five programs of the accuracy table, started as their users would: no workers, torch's own number of threads. Each is
improved within a budget; then rounds of plain runs at every combination of 0 to 4 workers and 1 to 2 threads, and of
the program under `headrace apply`. Ends with 0, with 1 when a criterion falls short.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from accuracy.cases import ALL, LIST, Point, Program
from common import ROOT, Criterion, Progress, Verdict, clean_environment, exit_code, machine, print_table

NAMES = ("decode", "python", "storage", "arrays", "compute")
START = Point(0, 2)
NEAR, COST = 0.95, 0.01
CLOSE = 0.9  # of the best rate of the first round: what is below is not run again


@dataclass
class Outcome:
    """What was measured of one program."""

    program: str
    budget: float
    seconds: float = 0  # that improve took
    proven: list[dict[str, Any]] = field(default_factory=list)
    grid: dict[Point, list[float]] = field(default_factory=dict)  # samples a second
    applied: list[float] = field(default_factory=list)
    by_hand: list[float] = field(default_factory=list)  # the same setting by arguments, beside `applied`

    @property
    def best(self) -> Point:
        """Of the grid."""
        return max(self.grid, key=lambda point: statistics.median(self.grid[point]))

    @property
    def share(self) -> float:
        """Of the best rate, what the program has under apply."""
        return statistics.median(self.applied) / statistics.median(self.grid[self.best])

    @property
    def cost(self) -> float | None:
        """Of apply: the middle of what the pairs lost."""
        lost = [1 - one / other for one, other in zip(self.applied, self.by_hand, strict=False)]
        return statistics.median(lost) if lost else None


class Bench:
    """Runs all of it for one program after the other."""

    def __init__(self, options: argparse.Namespace, place: Path) -> None:
        self.options = options
        self.place = place

    def run(self, words: list[str]) -> str:
        """Runs a command to its end; its output."""
        done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True, cwd=self.place)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def rate(self, program: Program, point: Point, *before: str) -> float:
        """Samples a second of one run, with these words before it."""
        words = [*before, sys.executable, *program.command(point, self.options.data, self.options.seconds)]
        told = json.loads(self.run(words).splitlines()[-1])
        return float(told["samples"] / told["step_seconds"])

    def improve(self, program: Program) -> Outcome:
        """What it proves, which it leaves in headrace.toml."""
        (self.place / "headrace.toml").unlink(missing_ok=True)
        document = self.place / "improve.json"
        options = ["--budget", f"{self.options.budget:.0f}s", "--json", str(document), "--quiet"]
        command = program.command(START, self.options.data, self.options.budget)  # longer than it is looked at
        begin = time.monotonic()
        self.run([str(self.options.headrace), "improve", *options, "--", sys.executable, *command])
        outcome = Outcome(program.name, self.options.budget, time.monotonic() - begin)
        outcome.proven = json.loads(document.read_text(encoding="utf-8"))["proven"]
        return outcome

    def measure(self, program: Program) -> Outcome:
        """Improves it, then measures."""
        outcome = self.improve(program)
        apply = [str(self.options.headrace), "apply", "--quiet", "--"] if outcome.proven else []
        by_hand = point_of(outcome.proven)
        progress = Progress(program.name, self.options.rounds)
        for number in range(self.options.rounds):
            points = list(ALL)
            if number > 0:
                bound = CLOSE * statistics.median(outcome.grid[outcome.best])
                points = [point for point in ALL if statistics.median(outcome.grid[point]) >= bound]
            for point in points if number % 2 == 0 else reversed(points):
                outcome.grid.setdefault(point, []).append(self.rate(program, point))
            outcome.applied.append(self.rate(program, START, *apply))
            if apply and by_hand is not None:
                outcome.by_hand.append(self.rate(program, by_hand))
            progress.advance()
        return outcome


def point_of(proven: list[dict[str, Any]]) -> Point | None:
    """The setting by the program's own arguments; none where a part of it has no argument."""
    names = {"num_workers": "workers", "threads": "threads", "prefetch_factor": "prefetch", "batch_size": "batch"}
    values: dict[str, Any] = {"workers": START.workers, "threads": START.threads}
    for fix in proven:
        for word in fix["arguments"].split(", "):
            name, _, value = word.partition("=")
            if name == "persistent_workers":
                values["persistent"] = value == "True"
            elif name in names:
                values[names[name]] = int(value)
            else:
                return None
    return Point(**values)


def shown(outcome: Outcome) -> list[str]:
    """A row of the table."""
    proven = "; ".join(fix["arguments"] for fix in outcome.proven) or "nothing"
    cost = outcome.cost
    return [
        outcome.program,
        f"{outcome.seconds:.0f} of {outcome.budget:.0f} s",
        proven,
        outcome.best.words,
        f"{100 * outcome.share:.0f} %",
        "" if cost is None else f"{100 * cost:.1f} %",
    ]


def criteria_of(outcomes: list[Outcome]) -> list[Criterion]:
    """What was asked."""

    def judged(text: str, good: bool, detail: str) -> Criterion:
        return Criterion(text, Verdict.PASS if good else Verdict.FALLS_SHORT, detail)

    late = [one.program for one in outcomes if one.seconds > one.budget]
    shares = {one.program: one.share for one in outcomes}
    costs = [one.cost for one in outcomes if one.cost is not None]
    worst = min(shares, key=lambda name: shares[name])
    return [
        judged("five programs", len(outcomes) >= len(NAMES), f"{len(outcomes)}"),
        judged("improve ends within its budget", not late, ", ".join(late) or "all"),
        judged(
            f"{NEAR:.2f} of the best rate of the grid", shares[worst] >= NEAR, f"worst {shares[worst]:.2f}, {worst}"
        ),
        judged(
            "apply costs at most 1 %",
            bool(costs) and statistics.median(costs) <= COST,
            f"{100 * statistics.median(costs):.1f} %" if costs else "nothing was applied",
        ),
    ]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default=",".join(NAMES), metavar="NAME,...")
    parser.add_argument("--budget", type=float, default=300, metavar="SECONDS", help="of each improve (300)")
    parser.add_argument("--rounds", type=int, default=3, help="of plain runs (3)")
    parser.add_argument("--seconds", type=float, default=5, help="of a plain run, once it is steady (5)")
    parser.add_argument("--data", type=Path, default=ROOT / ".cache" / "corpus", help="the photos")
    parser.add_argument("--headrace", type=Path, default=ROOT / ".venv" / "bin" / "headrace")
    return parser.parse_args()


def main() -> int:
    """Measures, prints, and gives the exit code."""
    options = arguments()
    wanted = options.programs.split(",")
    programs = [one for one in LIST if one.name in wanted]
    if unknown := set(wanted) - {one.name for one in programs}:
        raise SystemExit(f"--programs: there is no {', '.join(sorted(unknown))}")
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, kernel {here['kernel']}, headrace {here['headrace']}", flush=True)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="headrace-improve-") as place:
        for program in programs:
            outcomes.append(Bench(options, Path(place)).measure(program))
            print_table(
                [["program", "took", "proven", "best of the grid", "share of it", "apply costs"], shown(outcomes[-1])]
            )
            sys.stdout.flush()
    print("\nCriteria")
    criteria = criteria_of(outcomes)
    for one in criteria:
        print(f"{one.verdict.value.upper():13} {one.text}: {one.detail}")
    return exit_code(one.verdict for one in criteria)


if __name__ == "__main__":
    sys.exit(main())
