"""What bench/accuracy makes of reports and times that are made up."""

from __future__ import annotations

import argparse
from typing import Any

from accuracy.run import (
    Bench,
    Case,
    Point,
    advised,
    best_of,
    case_of,
    criteria_of,
    joint_criterion,
    off_the_best,
)
from common import Verdict


def report(
    workers: int | None, prefetch: int | None = None, valid: bool = True, threads: int | None = None
) -> dict[str, Any]:
    """A report that advises so many workers; None: nothing."""
    findings: list[dict[str, Any]] = []
    if workers is not None:
        parameters = {"workers": workers, "prefetch_factor": prefetch, "threads": threads}
        gain = {"ratio": {"predicted": 1.5, "low": 1.4, "high": 1.6}}
        findings = [{"id": "input.workers", "fix": {"parameters": parameters}, "gain": gain}]
    return {"findings": findings, "prediction": {"valid": valid, "reason": None if valid else "It is odd."}}


def test_the_advised_point_has_what_stays_as_it_was() -> None:
    point = Point("decode", 1, 2)
    assert advised(point, report(3)) == Point("decode", 3, 2)
    assert advised(point, report(3, 4)) == Point("decode", 3, 2, 4)
    assert advised(point, report(0)) == Point("decode", 0, 2)
    assert advised(point, report(2, threads=1)) == Point("decode", 2, 1)
    assert advised(point, report(None)) is None


def test_a_case_compares_the_prediction_with_the_runs() -> None:
    bench = Bench(argparse.Namespace())
    point, other = Point("decode", 0, 1), Point("decode", 2, 1)
    bench.plain = {point: [0.3, 0.9, 0.3], other: [0.2, 0.2, 0.1]}
    bench.reports[point] = report(2)
    case = case_of(bench, point)
    assert (case.to, case.refused) == (other, None)
    assert abs(case.measured - 1.5) < 1e-12
    assert case.inside
    assert case.error < 1e-12
    assert best_of(bench, [point, other])[1] == ["decode", "1", "300.0 ms, 200.0 ms", "2 workers"]
    bench.reports[point] = report(None, valid=False)
    assert case_of(bench, point).refused == "It is odd."
    bench.reports[point] = report(None)
    assert case_of(bench, point) == Case(point, None, None)


def test_advice_is_compared_with_the_best_of_all_points() -> None:
    bench = Bench(argparse.Namespace())
    slow, other, best = Point("decode", 0, 2), Point("decode", 2, 2), Point("decode", 2, 1)
    bench.plain = {slow: [0.3], other: [0.22], best: [0.2], Point("storage", 0, 1): [0.01]}
    good, bad = Case(slow, best, None), Case(slow, other, None)
    assert abs(off_the_best(bench, bad) - 0.1) < 1e-12
    assert joint_criterion(bench, [good]).verdict is Verdict.PASS
    assert joint_criterion(bench, [good, bad]).verdict is Verdict.FALLS_SHORT


def test_every_criterion_can_fail() -> None:
    point, to = Point("decode", 0, 1), Point("decode", 2, 1)
    good = Case(point, to, None, 1.5, 1.4, 1.6, 1.52)
    assert {one.verdict for one in criteria_of([good] * 10)} == {Verdict.PASS}
    bad = Case(point, to, None, 2.0, 1.2, 2.4, 1.1)
    refused = Case(point, None, "It is odd.")
    verdicts = {one.text: one.verdict for one in criteria_of([bad] * 3 + [refused])}
    assert len(verdicts) == 6
    assert verdicts.pop("inside the interval at least 85 %") is Verdict.FALLS_SHORT
    assert set(verdicts.values()) == {Verdict.FALLS_SHORT}
