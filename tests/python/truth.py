"""The truth about a run of tests/programs/train.py, made of what the program measured of itself.

Nothing here knows what headrace recorded. The entries come from the program's stopwatch, launch and teardown from the
process's begin and end as the harness saw them. The stages of input.wait come from the intervals that the samples and
the collation noted in the worker: what the awaited batch's worker was doing during the wait is the overlap of the two.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from harness import Watched

STAGES = ("storage", "read", "decode", "collate", "transport", "workers")


@dataclass(frozen=True)
class Part:
    """One stretch of a batch's making: `seconds` of it were the stage, for the rest the thread waited for a core."""

    stage: str
    start: float
    end: float
    seconds: float


@dataclass(frozen=True)
class Batch:
    """A batch as its worker made it; the parts are in order and do not overlap."""

    first_sample: int
    begin: float
    samples_end: float
    queued: float  # seconds of the samples in which the thread waited for a core
    parts: tuple[Part, ...]

    @property
    def queued_between(self) -> float:
        """The share of the time between the samples' parts in which the thread waited for a core."""
        of_samples = [part for part in self.parts if part.end <= self.samples_end]
        between = self.samples_end - self.begin - sum(part.end - part.start for part in of_samples)
        queued = self.queued - sum(part.end - part.start - part.seconds for part in of_samples)
        return min(1.0, max(0.0, queued / between)) if between > 1e-6 else 0.0

    @property
    def end(self) -> float:
        """When the batch was collated."""
        return self.parts[-1].end


@dataclass(frozen=True)
class Truth:
    """Seconds of every entry that the program spent, the stages of its input wait, and its wall time."""

    wall: float
    entries: dict[str, float]
    stages: dict[str, float]


def read_batches(folder: Path) -> list[Batch]:
    """Every batch that any process made, in the order in which they were ready."""
    batches = []
    for file in folder.glob("batches-*.jsonl"):
        for line in file.read_bytes().rstrip(b"\0").splitlines():
            first, begin, end, queued, parts = json.loads(line)
            batches.append(Batch(first, begin, end, queued, tuple(Part(*part) for part in parts)))
    return sorted(batches, key=lambda batch: batch.end)


def delivered(batches: list[Batch], first_sample: int, received: float) -> Batch:
    """The batch that the loop received: the last one with that first sample that was ready by then."""
    ready = [batch for batch in batches if batch.first_sample == first_sample and batch.end <= received]
    assert ready, f"no worker noted the batch that begins with sample {first_sample}"
    return ready[-1]


def overlap(start: float, end: float, asked: float, received: float) -> float:
    """Seconds that two intervals have in common."""
    return max(0.0, min(end, received) - max(start, asked))


def split(batch: Batch, asked: float, received: float) -> dict[str, float]:
    """Divides one wait by what the worker of the awaited batch was doing."""
    stages: dict[str, float] = defaultdict(float)
    stages["workers"] += overlap(asked, batch.begin, asked, received)
    stages["transport"] += overlap(batch.end, received, asked, received)
    covered = stages["workers"] + stages["transport"]
    for part in batch.parts:
        common = overlap(part.start, part.end, asked, received)
        share = part.seconds / (part.end - part.start) if part.end > part.start else 1.0
        stages[part.stage] += common * share
        stages["workers"] += common * (1 - share)
        covered += common
    between = received - asked - covered  # the samples' own Python between the parts
    stages["workers"] += between * batch.queued_between
    stages["decode"] += between * (1 - batch.queued_between)
    return stages


def load(folder: Path, watched: Watched) -> Truth:
    """The truth of the run that left its records in `folder`."""
    record = json.loads((folder / "program.json").read_text())
    entries = dict(record["seconds"])
    entries["startup.launch"] = record["began"] - watched.started
    entries["teardown"] = watched.exited - record["ended"]
    stages = dict.fromkeys(STAGES, 0.0)
    batches = read_batches(folder)
    for first_sample, asked, received in record["waits"]:
        if first_sample < 0:  # the end of an epoch: no batch was awaited, so none had been begun
            stages["workers"] += received - asked
            continue
        for stage, seconds in split(delivered(batches, first_sample, received), asked, received).items():
            stages[stage] += seconds
    return Truth(watched.exited - watched.started, entries, stages)
