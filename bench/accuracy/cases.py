"""The programs of this benchmark, the points at which they are audited, and what was asked of the predictions."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import ROOT, Criterion, Verdict

PROGRAMS = Path(__file__).resolve().parent / "programs"
WORTH_SEEING = 1.15  # a gain that anybody would want
RESTLESS = 0.06  # what turns of a fix may differ by; where it is more there are twice as many
NEAR = 0.9  # of the best rate: which of two such points is the faster needs more runs
FEWEST_CASES, FEWEST_PROGRAMS, FEWEST_JOINT = 60, 14, 6


@dataclass(frozen=True)
class Point:
    """Where a program stands."""

    workers: int
    threads: int
    prefetch: int = 2
    batch: int = 32
    persistent: bool = False

    def changed(self, parameters: dict[str, Any]) -> Point:
        """The point of a loader fix; what is null in it stays."""
        workers = self.workers if parameters["workers"] is None else parameters["workers"]
        prefetch = self.prefetch if parameters["prefetch_factor"] is None else parameters["prefetch_factor"]
        return Point(
            workers,
            self.threads if parameters["threads"] is None else parameters["threads"],
            prefetch if workers else 2,
            self.batch if parameters["batch_size"] is None else parameters["batch_size"],
            bool(workers) and (self.persistent or bool(parameters["persistent_workers"])),
        )

    @property
    def words(self) -> str:
        """For a table."""
        more = f", prefetch {self.prefetch}" if self.prefetch != 2 else ""
        more += ", staying" if self.persistent else ""
        return f"w{self.workers} t{self.threads}{more}" + (f" b{self.batch}" if self.batch != 32 else "")


@dataclass(frozen=True)
class Program:
    """A program and the points at which it is audited."""

    name: str
    what: str
    script: Path
    arguments: tuple[str, ...]
    points: tuple[Point, ...]
    frameworks: bool = False  # needs the environment that has them
    own_clock: bool = True  # takes its own steps' times; otherwise trials measure it
    combinations: tuple[Point, ...] = ()  # all of workers and threads, among which the advice is to be the best

    def command(self, point: Point, data: Path, seconds: float) -> list[str]:
        """What is run after the interpreter."""
        if not self.own_clock:
            return [str(self.script), "--data", str(data), "--workers", str(point.workers), *self.arguments]
        words = [str(self.script), *self.arguments, "--data", str(data), "--seconds", str(seconds)]
        for name in ("workers", "threads", "prefetch", "batch"):
            words += [f"--{name}", str(getattr(point, name))]
        return [*words, "--persistent"] if point.persistent else words


def grid(workers: Iterable[int], threads: Iterable[int], batch: int = 32) -> tuple[Point, ...]:
    """All combinations."""
    return tuple(Point(number, one, batch=batch) for one in threads for number in workers)


def loop(kind: str, what: str, points: tuple[Point, ...], combinations: tuple[Point, ...] = ()) -> Program:
    """One of the kinds of programs/loop.py."""
    return Program(kind, what, PROGRAMS / "loop.py", ("--kind", kind), points, combinations=combinations)


ALL = grid(range(5), (1, 2))
SOME = grid((0, 1, 2), (2,)) + grid((0,), (1,))
MORE = (*SOME, Point(4, 1))
LIST = (
    loop("decode", "JPEG decoding", MORE, ALL),
    loop("python", "samples made in Python", MORE, ALL),
    loop("storage", "a slow store", MORE, ALL),
    loop("arrays", "large samples in memory", MORE, ALL),
    loop("compute", "a step that outweighs its input", MORE, ALL),
    loop("spectra", "spectrograms by NumPy", MORE, ALL),
    loop("remote", "JPEG decoding from a slow store", SOME),
    loop("packed", "compressed arrays", SOME),
    loop("text", "words and padding in Python", SOME),
    loop("memory", "an MLP in memory", grid((0, 1), (1, 2)) + grid((0,), (2,), batch=4)),
    loop("passes", "the same preparation in each pass", grid((0, 1, 2), (1,))),
    Program(
        "crowded", "too many threads", PROGRAMS / "loop.py", ("--kind", "compute"), grid((0, 1, 2), (8,)),
    ),
    Program("trainer", "Hugging Face Trainer", PROGRAMS / "trainer.py", (), SOME, frameworks=True),
    Program("lightning", "Lightning", PROGRAMS / "lightning_fit.py", (), SOME, frameworks=True),
    Program("ranks", "two ranks", PROGRAMS / "ranks.py", (), grid((0, 1), (1,))),
    Program(
        "demo", "the demo", ROOT / "examples" / "train_resnet.py", ("--epochs", "4"), grid((0, 1, 2), (2,)),
        own_clock=False,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A finding that predicts a gain, or none, or a refusal, of one audit."""

    program: str
    point: Point
    finding: str = ""  # its id; empty: the audit found nothing to win
    fix: str = ""
    to: Point | None = None
    refused: str | None = None
    predicted: float = 1
    low: float = 1
    high: float = 1
    measured: float | None = None
    promises: bool = False  # it can be measured

    @property
    def counts(self) -> bool:
        """Whether there is a prediction and what it is compared with."""
        return bool(self.finding) and self.measured is not None

    @property
    def inside(self) -> bool:
        """Whether the interval held what was measured."""
        return self.measured is not None and self.low <= self.measured <= self.high

    @property
    def error(self) -> float:
        """Of the prediction, relative to what was measured."""
        return abs(self.predicted / (self.measured or 1) - 1)

    @property
    def error_of_one(self) -> float:
        """That of saying that nothing is ever won."""
        return abs(1 / (self.measured or 1) - 1)


@dataclass
class Measured:
    """What was measured of one program: audits' reports, and runs without headrace."""

    reports: dict[Point, dict[str, Any]] = field(default_factory=dict)
    # By the audited point, samples a second: in each turn that point and some of those that its findings name, one
    # after the other. Machines change their pace within minutes, so only such rates are compared for a finding.
    turns: dict[Point, list[dict[Point, float]]] = field(default_factory=dict)
    trials: dict[tuple[Point, str], float] = field(default_factory=dict)  # by key_of a finding

    def won(self, point: Point, to: Point) -> list[float]:
        """The ratio of the rates of two points, in each turn that had both."""
        turns = self.turns.get(point, [])
        return [turn[to] / turn[point] for turn in turns if to in turn and point in turn]

    @property
    def runs(self) -> dict[Point, list[float]]:
        """Samples a second of all runs of each point, whatever they were run for."""
        runs: dict[Point, list[float]] = {}
        for turns in self.turns.values():
            for turn in turns:
                for point, rate in turn.items():
                    runs.setdefault(point, []).append(rate)
        return runs

    @property
    def rates(self) -> dict[Point, float]:
        """The median of each point's runs."""
        return {point: statistics.median(all_of_one) for point, all_of_one in self.runs.items()}


def predictions(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings that predict a gain of the steps."""
    with_gain = [one for one in report["findings"] if one["gain"] is not None]
    return [one for one in with_gain if one["gain"]["ratio"]["low"] != one["gain"]["ratio"]["high"]]


def target(point: Point, finding: dict[str, Any]) -> Point | None:
    """Where a fix leads, where it can be reached by arguments."""
    return point.changed(finding["fix"]["parameters"]) if finding["fix"]["kind"] == "loader" else None


def words_of(finding: dict[str, Any]) -> str:
    """What a fix sets."""
    parameters = finding["fix"]["parameters"].items()
    return ", ".join(f"{name} {value}" for name, value in parameters if value is not None) or finding["fix"]["kind"]


def key_of(finding: dict[str, Any]) -> str:
    """A finding and what it sets: a trial is of that and no other."""
    return f"{finding['id']}: {words_of(finding)}"


def cases_of(program: Program, measured: Measured) -> list[Case]:
    """What was predicted of a program beside what was measured."""
    cases = []
    for point, report in measured.reports.items():
        found = predictions(report)
        if not found:
            refused = None if report["prediction"]["valid"] else report["prediction"]["reason"]
            cases.append(Case(program.name, point, refused=refused))
        for finding in found:
            to, ratio = target(point, finding), finding["gain"]["ratio"]
            turns = measured.won(point, to) if to else []
            won = statistics.median(turns) if turns else measured.trials.get((point, key_of(finding)))
            figures = (ratio["predicted"], ratio["low"], ratio["high"], won)
            promises = to is not None or finding.get("try") is not None
            cases.append(Case(program.name, point, finding["id"], words_of(finding), to, None, *figures, promises))
    return cases


def near_best(program: Program, measured: Measured) -> list[Point]:
    """The points of which it is not clear whether they are the fastest; none where not all combinations are run."""
    rates = measured.rates
    if not program.combinations or not rates:
        return []
    return [point for point, rate in rates.items() if rate > NEAR * max(rates.values())]


@dataclass(frozen=True)
class Joint:
    """How far the advice of an audit is from the fastest of all combinations."""

    program: str
    point: Point
    to: Point
    off: float  # of its speed, relative
    best: Point


def joint_of(program: Program, measured: Measured) -> list[Joint]:
    """For each audit of a program of which all combinations were measured."""
    rates = measured.rates
    if not program.combinations or not rates:
        return []
    found = []
    for point, report in measured.reports.items():
        advice = [one for one in predictions(report) if one["id"] in ("input.workers", "compute.threads")]
        to = target(point, advice[0]) if advice else point
        all_of_them = [one for one in rates if one in program.combinations or one == to]
        best = max(all_of_them, key=lambda one: rates[one])
        if report["prediction"]["valid"] and to in rates:
            found.append(Joint(program.name, point, to, rates[best] / rates[to] - 1, best))
    return found


def verdict(kept: bool) -> Verdict:
    """Of a criterion that has no spread."""
    return Verdict.PASS if kept else Verdict.FALLS_SHORT


def criteria_of(cases: Sequence[Case], joint: Sequence[Joint]) -> Iterable[Criterion]:
    """What was asked of the predictions."""
    told = [case for case in cases if case.counts]
    programs = len({case.program for case in cases})
    enough = len(told) >= FEWEST_CASES and programs >= FEWEST_PROGRAMS
    size = f"at least {FEWEST_CASES} cases of {FEWEST_PROGRAMS} programs"
    yield Criterion(size, verdict(enough), f"{len(told)} of {programs}")
    audits = {(case.program, case.point): case.refused is not None for case in cases}
    refused = sum(audits.values()) / max(1, len(audits))
    yield Criterion("refused at most 15 %", verdict(refused <= 0.15), f"{100 * refused:.0f} % of {len(audits)} audits")
    open_cases = sum(case.promises and case.measured is None for case in cases)
    yield Criterion("every prediction that can be tried is measured", verdict(open_cases == 0), f"{open_cases} are not")
    if told:
        yield from criteria_of_predictions(told)
    if joint:
        near = sum(one.off <= 0.05 for one in joint)
        programs = len({one.program for one in joint})
        detail = f"{near} of {len(joint)} audits of {programs} programs; worst {100 * max(x.off for x in joint):.0f} %"
        kept = near == len(joint) and programs >= FEWEST_JOINT
        yield Criterion("the advised point within 5 % of the best", verdict(kept), detail)


def criteria_of_predictions(told: Sequence[Case]) -> Iterable[Criterion]:
    """Those about cases with a prediction and a measurement."""
    seen = sum((case.measured or 0) > WORTH_SEEING for case in told) / len(told)
    yield Criterion(f"half with a gain above {WORTH_SEEING}", verdict(seen >= 0.5), f"{100 * seen:.0f} %")
    inside = sum(case.inside for case in told) / len(told)
    yield Criterion(
        "inside the interval at least 85 %", verdict(inside >= 0.85), f"{100 * inside:.0f} % of {len(told)}"
    )
    width = statistics.median((case.high - case.low) / case.predicted for case in told)
    yield Criterion("median width of the interval at most 0.20", verdict(width <= 0.2), f"{width:.2f}")
    error = statistics.median(case.error for case in told)
    yield Criterion("median error at most 6 %", verdict(error <= 0.06), f"{100 * error:.1f} %")
    constant = statistics.median(case.error_of_one for case in told)
    yield Criterion(
        "at most a third of that of 1.0", verdict(error <= constant / 3), f"that of 1.0 is {100 * constant:.1f} %"
    )
    worst = max(told, key=lambda case: case.error)
    detail = f"worst {100 * worst.error:.0f} %, {worst.program} {worst.point.words}"
    yield Criterion("no error above 25 %", verdict(worst.error <= 0.25), detail)
