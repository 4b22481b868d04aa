"""How near do predictions come to runs that have the fix?

Runs programs/loop.py with every number of workers, audited and plain by turns. Each audit predicts; the plain runs of
the point that it advises say what that point is worth. Ends with 0, with 1 when a criterion falls short.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, Criterion, Progress, Verdict, clean_environment, exit_code, machine, print_table

KINDS = ("decode", "python", "storage", "arrays", "compute")
PROGRAM = Path(__file__).resolve().parent / "programs" / "loop.py"
PYTHON = ROOT / ".venv" / "bin" / "python"
WORTH_SEEING = 1.15


@dataclass(frozen=True)
class Point:
    """A program and where it stands."""

    kind: str
    workers: int
    threads: int
    prefetch: int = 2


@dataclass(frozen=True)
class Case:
    """An audited point, what the audit advises, and what that was worth."""

    point: Point
    to: Point | None  # None: the audit advises nothing
    refused: str | None
    predicted: float = 1
    low: float = 1
    high: float = 1
    measured: float = 1

    @property
    def inside(self) -> bool:
        """Whether the interval held what was measured."""
        return self.low <= self.measured <= self.high

    @property
    def error(self) -> float:
        """Of the prediction, relative."""
        return abs(self.predicted / self.measured - 1)


class Bench:
    """Runs points and remembers what they took."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.plain: dict[Point, list[float]] = {}
        self.reports: dict[Point, dict[str, Any]] = {}

    def command(self, point: Point) -> list[str]:
        """The program at a point."""
        arguments = {"kind": point.kind, "workers": point.workers, "prefetch": point.prefetch, "threads": point.threads}
        words = [str(PYTHON), str(PROGRAM), "--data", str(self.options.data), "--seconds", str(self.options.seconds)]
        return words + [word for name, value in arguments.items() for word in (f"--{name}", str(value))]

    def run_plain(self, point: Point) -> None:
        """Runs it and keeps the time of a step."""
        done = subprocess.run(
            self.command(point), env=clean_environment(), check=True, stdout=subprocess.PIPE, cwd=self.options.place
        )
        self.plain.setdefault(point, []).append(json.loads(done.stdout)["step_seconds"])

    def audit(self, point: Point) -> None:
        """Audits it and keeps the report."""
        report = Path(self.options.place) / "report.json"
        probe = [f"--probe={self.options.probe}"] if self.options.probe else []
        audit = [str(self.options.headrace), "audit", "--quiet", *probe, "--json", str(report), "--"]
        command = [*audit, *self.command(point)]
        subprocess.run(command, env=clean_environment(), check=True, stdout=subprocess.DEVNULL, cwd=self.options.place)
        self.reports[point] = json.loads(report.read_text(encoding="utf-8"))

    def step(self, point: Point) -> float:
        """The time of a step, seconds."""
        return statistics.median(self.plain[point])


def advice_of(report: dict[str, Any]) -> dict[str, Any] | None:
    """The finding that names a joint point."""
    return next((one for one in report["findings"] if one["id"] in ("input.workers", "compute.threads")), None)


def advised(point: Point, report: dict[str, Any]) -> Point | None:
    """The point that a report advises."""
    finding = advice_of(report)
    if finding is None:
        return None
    change = finding["fix"]["parameters"]
    workers = point.workers if change["workers"] is None else change["workers"]
    threads = point.threads if change["threads"] is None else change["threads"]
    prefetch = point.prefetch if change["prefetch_factor"] is None else change["prefetch_factor"]
    return Point(point.kind, workers, threads, prefetch if workers else 2)


def case_of(bench: Bench, point: Point) -> Case:
    """What was predicted beside what was measured."""
    report = bench.reports[point]
    to = advised(point, report)
    if to is None:
        return Case(point, None, None if report["prediction"]["valid"] else report["prediction"]["reason"])
    finding = advice_of(report)
    assert finding is not None
    ratio = finding["gain"]["ratio"]
    return Case(point, to, None, ratio["predicted"], ratio["low"], ratio["high"], bench.step(point) / bench.step(to))


def off_the_best(bench: Bench, case: Case) -> float:
    """How much slower the advised point is than the fastest one of its program that was measured."""
    fastest = min(bench.step(point) for point in bench.plain if point.kind == case.point.kind)
    return bench.step(case.to or case.point) / fastest - 1


def joint_criterion(bench: Bench, cases: list[Case]) -> Criterion:
    """Asked of audits with a probe, which compare numbers of threads too."""
    off = [off_the_best(bench, case) for case in cases]
    near = sum(one <= 0.05 for one in off)
    detail = f"{near} of {len(off)}; worst {100 * max(off):.0f} %"
    return Criterion("the advised point within 5 % of the best", verdict(near == len(off)), detail)


def criteria_of(cases: list[Case]) -> Iterable[Criterion]:
    """What was asked of the predictions."""
    told = [case for case in cases if case.to is not None]
    refused = sum(case.refused is not None for case in cases) / len(cases)
    yield Criterion("refused at most 15 %", verdict(refused <= 0.15), f"{100 * refused:.0f} % of {len(cases)}")
    if not told:
        return
    inside = sum(case.inside for case in told) / len(told)
    yield Criterion(
        "inside the interval at least 85 %", verdict(inside >= 0.85), f"{100 * inside:.0f} % of {len(told)}"
    )
    width = statistics.median((case.high - case.low) / case.predicted for case in told)
    yield Criterion("median width of the interval at most 0.20", verdict(width <= 0.2), f"{width:.2f}")
    error = statistics.median(case.error for case in told)
    yield Criterion("median error at most 6 %", verdict(error <= 0.06), f"{100 * error:.1f} %")
    worst = max(case.error for case in told)
    yield Criterion("no error above 25 %", verdict(worst <= 0.25), f"worst {100 * worst:.0f} %")
    seen = sum(case.measured > WORTH_SEEING for case in told) / len(told)
    yield Criterion(f"half with a gain above {WORTH_SEEING}", verdict(seen >= 0.5), f"{100 * seen:.0f} %")


def verdict(kept: bool) -> Verdict:
    """Of a criterion that has no spread."""
    return Verdict.PASS if kept else Verdict.FALLS_SHORT


def best_of(bench: Bench, points: list[Point]) -> list[list[str]]:
    """For each kind and number of threads, the fastest point that was measured with prefetch 2."""
    rows = [["program", "threads", "step, by workers", "fastest"]]
    for kind, threads in dict.fromkeys((point.kind, point.threads) for point in points):
        these = [point for point in points if (point.kind, point.threads) == (kind, threads)]
        fastest = min(these, key=bench.step)
        steps = ", ".join(f"{1e3 * bench.step(point):.1f} ms" for point in these)
        rows.append([kind, str(threads), steps, f"{fastest.workers} workers"])
    return rows


def shown(case: Case) -> list[str]:
    """A row of the table."""
    point = f"{case.point.workers} workers, {case.point.threads} threads"
    if case.to is None:
        return [case.point.kind, point, "refused" if case.refused else "nothing to win", case.refused or "", "", ""]
    to = f"{case.to.workers} workers, prefetch {case.to.prefetch}"
    if case.to.threads != case.point.threads:
        to += f", {case.to.threads} threads"
    predicted = f"{case.predicted:.2f} ({case.low:.2f} to {case.high:.2f})"
    return [case.point.kind, point, to, predicted, f"{case.measured:.2f}", "inside" if case.inside else "OUTSIDE"]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), metavar="KIND,...")
    parser.add_argument("--most-workers", type=int, default=3, metavar="W")
    parser.add_argument("--threads", default="1,2", metavar="T,...")
    parser.add_argument("--repeat", type=int, default=3, help="plain runs of each point (3)")
    parser.add_argument("--seconds", type=float, default=5, help="of a run, once it is steady (5)")
    parser.add_argument("--probe", type=int, default=0, metavar="SECONDS", help="of each audit; 0: none (0)")
    parser.add_argument("--data", type=Path, default=ROOT / ".cache" / "corpus", help="the photos")
    parser.add_argument("--headrace", type=Path, default=ROOT / ".venv" / "bin" / "headrace")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every case to this file as well")
    return parser.parse_args()


def main() -> int:
    """Measures, prints, and gives the exit code."""
    options = arguments()
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, kernel {here['kernel']}, headrace {here['headrace']}")
    points = [
        Point(kind, workers, int(threads))
        for kind in options.kinds.split(",")
        for threads in options.threads.split(",")
        for workers in range(options.most_workers + 1)
    ]
    with tempfile.TemporaryDirectory(prefix="headrace-accuracy-") as place:
        options.place = place
        bench = Bench(options)
        progress = Progress("audits", len(points))
        for point in points:
            bench.audit(point)
            progress.advance()
        to = [advised(point, bench.reports[point]) for point in points]
        measured = list(dict.fromkeys(points + [point for point in to if point is not None]))
        progress = Progress("plain runs", len(measured) * options.repeat)
        for _ in range(options.repeat):
            for point in measured:
                bench.run_plain(point)
                progress.advance()
    cases = [case_of(bench, point) for point in points]
    print_table([["program", "recorded", "advised", "predicted", "measured", ""], *map(shown, cases)])
    print()
    print_table(best_of(bench, points))
    print("\nCriteria")
    criteria = list(criteria_of(cases))
    if options.probe:
        criteria.append(joint_criterion(bench, cases))
    for one in criteria:
        print(f"{one.verdict.value.upper():13} {one.text}: {one.detail}")
    if options.json:
        content = [dataclasses.asdict(case) for case in cases]
        plain = [[dataclasses.asdict(point), steps] for point, steps in bench.plain.items()]
        options.json.write_text(json.dumps({"machine": here, "cases": content, "plain": plain}), encoding="utf-8")
    return exit_code(one.verdict for one in criteria)


if __name__ == "__main__":
    sys.exit(main())
