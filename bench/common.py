"""What all benchmarks share: an estimate with its spread, a criterion with its verdict, the machine, progress."""

from __future__ import annotations

import enum
import functools
import importlib.metadata
import itertools
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEVEL = 0.9
FEWEST_SAMPLES = 5  # of fewer, the least and the greatest do not enclose the middle with 90 %


@dataclass(frozen=True)
class Estimate:
    """A pseudo-median and the interval that holds it with 90 %; all three in the unit of the samples."""

    median: float
    low: float
    high: float
    samples: int

    @property
    def enough(self) -> bool:
        """Whether there were samples enough for the interval to mean what it says."""
        return self.samples >= FEWEST_SAMPLES


@functools.cache
def signed_rank_cut(count: int) -> int:
    """How many of the ordered Walsh averages of `count` samples lie outside the interval, on each side; 0: none can.

    The greatest c with P(W < c) at most (1 - LEVEL) / 2 under Wilcoxon's signed-rank distribution, counted exactly.
    """
    ways = [1]  # in which a subset of the ranks 1 to n has each sum
    for rank in range(1, count + 1):
        longer = ways + [0] * rank
        for total, number in enumerate(ways):
            longer[total + rank] += number
        ways = longer
    allowed, below, cut = (1 - LEVEL) / 2 * 2**count, 0, 0
    while cut < len(ways) and below + ways[cut] <= allowed:
        below += ways[cut]
        cut += 1
    return cut


def estimate(values: Sequence[float]) -> Estimate:
    """The pseudo-median of independent samples with its exact interval (Hodges and Lehmann 1963).

    It is the median of the averages of all pairs: where samples lie symmetrically it is their median, and known a
    fifth more closely than from their own middle; a few samples that are far off do not move it. ValueError when there
    are none.
    """
    if not values:
        raise ValueError("an estimate needs at least one sample")
    averages = sorted((one + other) / 2 for one, other in itertools.combinations_with_replacement(values, 2))
    outside = max(0, signed_rank_cut(len(values)) - 1)
    return Estimate(statistics.median(averages), averages[outside], averages[-1 - outside], len(values))


def ratios(with_it: Sequence[float], without: Sequence[float]) -> list[float]:
    """Of each pair the part that is added: 0.01 where the one is 1 % more than the other."""
    return [one / other - 1 for one, other in zip(with_it, without, strict=True)]


class Verdict(enum.Enum):
    """What the samples say about a criterion."""

    PASS = "pass"
    FALLS_SHORT = "falls short"
    CANNOT_SAY = "cannot say"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Criterion:
    """What was asked, what the samples say, and the figures or the reason behind it."""

    text: str
    verdict: Verdict
    detail: str


def at_most(value: Estimate, limit: float) -> Verdict:
    """Whether a value keeps a limit: the whole interval has to lie on one side of it."""
    if not value.enough or value.low <= limit < value.high:
        return Verdict.CANNOT_SAY
    return Verdict.PASS if value.high <= limit else Verdict.FALLS_SHORT


def less_than_zero(difference: Estimate) -> Verdict:
    """Whether a difference is a gain: the whole interval lies below 0."""
    if not difference.enough or difference.low < 0 <= difference.high:
        return Verdict.CANNOT_SAY
    return Verdict.PASS if difference.high < 0 else Verdict.FALLS_SHORT


def not_above_zero(difference: Estimate, widest: float) -> Verdict:
    """Whether a difference is no loss: the interval reaches 0, and is not wider than `widest`."""
    if not difference.enough:
        return Verdict.CANNOT_SAY
    if difference.low > 0:
        return Verdict.FALLS_SHORT
    return Verdict.PASS if difference.high <= 0 or difference.high - difference.low <= widest else Verdict.CANNOT_SAY


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """1 when anything falls short, else 3 when the spread is too large to say, else 0."""
    found = set(verdicts)
    if Verdict.FALLS_SHORT in found:
        return 1
    return 3 if Verdict.CANNOT_SAY in found else 0


def microseconds(value: Estimate) -> str:
    """An estimate in seconds as text, for example `12.3 µs (10.1 to 14.5)`."""
    median, low, high = (1e6 * part for part in (value.median, value.low, value.high))
    return f"{median:.1f} µs ({low:.1f} to {high:.1f})"


def percent(value: Estimate) -> str:
    """An estimate of a share as text, for example `0.62 % (0.51 to 0.73)`."""
    median, low, high = (100 * part for part in (value.median, value.low, value.high))
    return f"{median:.2f} % ({low:.2f} to {high:.2f})"


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows, the first of them the heading, in columns that line up."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_markdown(rows: Sequence[Sequence[str]]) -> None:
    """The same as a table of Markdown."""
    head, *rest = rows
    for row in [head, ["---"] * len(head), *rest]:
        print(f"| {' | '.join(row)} |")


def machine() -> dict[str, object]:
    """What a figure has to name: the machine, the versions, and how busy the machine was before."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "headrace": (ROOT / "VERSION").read_text(encoding="utf-8").strip(),
        "load_average": os.getloadavg()[0],
    }


def busy_seconds() -> float:
    """CPU time that all programs of this machine, and the hypervisor's other guests, have taken from it since boot."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for what is measured: this one without what would make two runs differ."""
    environment = dict(os.environ)
    for name in ("PYTHONPATH", "HEADRACE_DIR", "HEADRACE_SPOOL", "COVERAGE_PROCESS_START"):
        environment.pop(name, None)
    environment.update({"PYTHONHASHSEED": "0", **(extra or {})})
    return environment


class Progress:
    """Says on a terminal how far a long measurement is and how long it will still take; in a pipe it is silent."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._started = time.monotonic()
        self._tell("")

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        left = (time.monotonic() - self._started) / self._done * (self._total - self._done)
        self._tell(f", {left / 60:.0f} min left" if left > 90 else f", {left:.0f} s left")

    def _tell(self, left: str) -> None:
        if sys.stderr.isatty():
            end = "\n" if self._done == self._total else ""
            print(f"\r\x1b[K{self._what}: {self._done} of {self._total}{left}", end=end, file=sys.stderr, flush=True)
