"""What bench/accuracy makes of reports and rates that are made up."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from accuracy.cases import LIST, Case, Joint, Measured, Point, cases_of, criteria_of, joint_of, near_best
from accuracy.run import Kept, shown
from common import Verdict

DECODE = next(program for program in LIST if program.name == "decode")


def report(
    workers: int | None, prefetch: int | None = None, valid: bool = True, threads: int | None = None
) -> dict[str, Any]:
    """A report that advises so many workers; None: nothing."""
    findings: list[dict[str, Any]] = []
    if workers is not None:
        names = ("workers", "prefetch_factor", "threads", "persistent_workers", "batch_size")
        parameters = dict(zip(names, (workers, prefetch, threads, None, None), strict=True))
        gain = {"ratio": {"predicted": 1.5, "low": 1.4, "high": 1.6}}
        fix = {"kind": "loader", "parameters": parameters}
        findings = [{"id": "input.workers", "fix": fix, "gain": gain}]
    return {"findings": findings, "prediction": {"valid": valid, "reason": None if valid else "It is odd."}}


def test_the_advised_point_has_what_stays_as_it_was() -> None:
    names = ("prefetch_factor", "threads", "batch_size", "persistent_workers")
    parameters = {"workers": 3} | dict.fromkeys(names)
    assert Point(1, 2).changed(parameters) == Point(3, 2)
    assert Point(1, 2).changed(parameters | {"prefetch_factor": 4}) == Point(3, 2, 4)
    assert Point(1, 2, 4).changed(parameters | {"workers": 0, "threads": 1}) == Point(0, 1)
    assert Point(1, 2).changed(parameters | {"batch_size": 64}) == Point(3, 2, 2, 64)
    assert Point(1, 2).changed(parameters | {"persistent_workers": True}) == Point(3, 2, persistent=True)
    assert Point(1, 2, persistent=True).changed(parameters | {"workers": 0}) == Point(0, 2)


def test_a_case_compares_the_prediction_with_the_runs() -> None:
    point, other = Point(0, 1), Point(2, 1)
    turns = [{point: 100.0, other: 150.0}, {other: 900.0, point: 300.0}, {point: 200.0, other: 280.0}, {point: 1.0}]
    measured = Measured({point: report(2)}, {point: turns, other: [{other: 1000.0}]})
    (case,) = cases_of(DECODE, measured)
    assert (case.to, case.refused, case.measured, case.inside) == (other, None, 1.5, True)
    assert case.counts
    assert shown(case)[3:] == ["1.50 (1.40 to 1.60)", "1.50", "inside"]
    (refused,) = cases_of(DECODE, Measured({point: report(None, valid=False)}))
    assert (refused.refused, refused.counts) == ("It is odd.", False)
    (nothing,) = cases_of(DECODE, Measured({point: report(None)}))
    assert nothing == Case("decode", point)


def test_what_no_argument_sets_is_measured_by_a_trial() -> None:
    cached = report(2)
    cached["findings"][0] |= {"id": "prep.cache", "fix": {"kind": "sample_cache", "parameters": {"cache_bytes": 9}}}
    (case,) = cases_of(DECODE, Measured({Point(0, 1): cached}, {}, {(Point(0, 1), "prep.cache: cache_bytes 9"): 1.3}))
    assert (case.to, case.measured, case.inside, case.fix) == (None, 1.3, False, "cache_bytes 9")
    cached["findings"][0]["gain"] = None
    (nothing,) = cases_of(DECODE, Measured({Point(0, 1): cached}))
    assert not nothing.finding


def test_advice_is_compared_with_the_best_of_all_points() -> None:
    slow, other, best = Point(0, 2), Point(2, 2), Point(2, 1)
    measured = Measured(
        {slow: report(2), other: report(2, threads=1)}, {slow: [{slow: 50, other: 100}], best: [{best: 110}]}
    )
    first, second = joint_of(DECODE, measured)
    assert (first.to, first.best) == (other, best)
    assert abs(first.off - 0.1) < 1e-12
    assert second.off == 0


def test_points_that_may_be_the_fastest_are_run_again() -> None:
    points = {Point(number, 2): [{Point(number, 2): rate}] for number, rate in enumerate((100.0, 91.0, 89.0))}
    assert near_best(DECODE, Measured({}, points)) == [Point(0, 2), Point(1, 2)]
    assert near_best(LIST[-1], Measured({}, points)) == []
    assert near_best(DECODE, Measured()) == []


def test_every_criterion_can_fail() -> None:
    names = [program.name for program in LIST]
    good = [Case(name, Point(0, 1), "input.workers", "", None, None, 1.5, 1.4, 1.6, 1.52) for name in names] * 5
    near = [Joint(name, Point(0, 1), Point(2, 1), 0.05, Point(2, 1)) for name in names]
    assert {one.verdict for one in criteria_of(good, near)} == {Verdict.PASS}
    bad = Case("decode", Point(0, 1), "input.workers", "", None, None, 2.0, 1.2, 2.4, 1.1)
    refused = Case("decode", Point(1, 1), refused="It is odd.")
    untold = Case("decode", Point(0, 1), "compute.batch", "", None, None, 1.5, 1.4, 1.6, None, promises=True)
    far = Joint("decode", Point(0, 1), Point(2, 2), 0.06, Point(2, 1))
    verdicts = {one.text: one.verdict for one in criteria_of([bad, bad, bad, untold, refused], [*near, far])}
    assert len(verdicts) == 10
    outside = Case("decode", Point(0, 1), "input.workers", "", None, None, 1.5, 1.4, 1.6, 1.39)
    assert verdicts.pop("inside the interval at least 85 %") is Verdict.PASS or not bad.inside
    assert set(verdicts.values()) == {Verdict.FALLS_SHORT}
    inside = {one.text: one.verdict for one in criteria_of([outside], [])}["inside the interval at least 85 %"]
    assert inside is Verdict.FALLS_SHORT


def test_a_later_run_goes_on_with_what_was_kept(tmp_path: Path) -> None:
    kept, point = Kept(tmp_path / "kept.jsonl"), Point(1, 2)
    kept.add("report", DECODE, point, report(2))
    kept.add("turn", DECODE, point, [(asdict(point), 12.5), (asdict(Point(2, 2)), 25.0)])
    kept.add("trial", DECODE, point, 1.25, "prep.cache")
    again = Kept(tmp_path / "kept.jsonl").programs["decode"]
    assert again == kept.programs["decode"]
    assert (again.rates[point], again.won(point, Point(2, 2))) == (12.5, [2.0])
    assert again.trials[point, "prep.cache"] == 1.25
