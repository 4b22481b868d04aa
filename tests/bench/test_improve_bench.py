"""What bench/improve makes of what it measured."""

from __future__ import annotations

from accuracy.cases import Point
from common import Verdict
from improve.run import Outcome, criteria_of, point_of


def outcome(name: str, applied: float, by_hand: float, seconds: float = 100) -> Outcome:
    """One whose grid has a best of 200 samples a second."""
    grid = {Point(0, 2): [100.0, 102.0], Point(2, 1): [200.0, 200.0, 260.0]}
    proven = [{"arguments": "num_workers=2, threads=1"}]
    return Outcome(name, 300, seconds, proven, grid, [applied] * 3, [by_hand] * 3)


def test_the_setting_by_arguments() -> None:
    """What improve proved is a point of the program's own arguments, where it has all of them."""
    proven = [{"arguments": "num_workers=2, persistent_workers=True, threads=1"}, {"arguments": "prefetch_factor=4"}]
    assert point_of(proven) == Point(2, 1, prefetch=4, persistent=True)
    assert point_of([]) == Point(0, 2)
    assert point_of([{"arguments": "cache_bytes=100"}]) is None


def test_the_share_and_the_cost() -> None:
    """By medians."""
    one = outcome("decode", 190, 192)
    assert one.best == Point(2, 1)
    assert one.share == 0.95
    assert one.cost is not None
    assert abs(one.cost - 2 / 192) < 1e-12


def test_the_criteria() -> None:
    """Each of them can fail."""
    good = [outcome(str(number), 199, 199) for number in range(5)]
    assert {one.verdict for one in criteria_of(good)} == {Verdict.PASS}
    verdicts = [one.verdict for one in criteria_of([*good[:4], outcome("late", 180, 199, seconds=301)])]
    assert verdicts == [Verdict.PASS, Verdict.FALLS_SHORT, Verdict.FALLS_SHORT, Verdict.PASS]
    assert criteria_of(good[:4])[0].verdict is Verdict.FALLS_SHORT
    assert criteria_of([outcome("dear", 195, 199)])[3].verdict is Verdict.FALLS_SHORT
