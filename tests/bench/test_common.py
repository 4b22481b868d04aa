"""Estimates and verdicts on samples that are made up."""

from __future__ import annotations

import random
import re
import statistics

import pytest
from common import (
    Estimate,
    Verdict,
    at_most,
    estimate,
    exit_code,
    less_than_zero,
    microseconds,
    not_above_zero,
    percent,
    ratios,
    signed_rank_cut,
)
from hypothesis import given
from hypothesis import strategies as st

PASS, FALLS_SHORT, CANNOT_SAY = Verdict.PASS, Verdict.FALLS_SHORT, Verdict.CANNOT_SAY


def between(low: float, high: float, samples: int = 12) -> Estimate:
    return Estimate((low + high) / 2, low, high, samples)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_an_estimate_lies_inside_an_interval_of_the_samples(values: list[float]) -> None:
    found = estimate(values)
    assert min(values) <= found.low <= found.median <= found.high <= max(values)
    assert found == estimate(values)


def test_an_estimate_of_symmetric_samples_is_their_median() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 12.0, 14.0, 15.0]
    assert estimate(values).median == statistics.median(values)


@pytest.mark.parametrize(("count", "cut"), [(4, 0), (5, 1), (10, 11), (20, 61), (50, 467)])
def test_the_cut_is_that_of_the_printed_tables(count: int, cut: int) -> None:
    """Of Wilcoxon's signed ranks at a one-sided level of 5 %: their critical value is the last sum that is outside."""
    assert signed_rank_cut(count) == cut


def test_an_interval_leaves_out_what_is_rare_and_narrows_with_more_samples() -> None:
    few, many = estimate([*range(1, 12), 1000.0]), estimate([float(value) for value in range(1, 401)])
    assert few.high < 12
    assert (few.high - few.low) / 12 > (many.high - many.low) / 400


def test_the_interval_holds_the_true_median_about_nine_times_out_of_ten() -> None:
    numbers = random.Random(1)
    held = [
        found.low <= 0 <= found.high
        for found in (estimate([numbers.gauss(0, 1) for _ in range(12)]) for _ in range(100))
    ]
    assert 82 <= sum(held) <= 99


def test_an_estimate_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        estimate([])


def test_ratios_are_of_pairs() -> None:
    assert ratios([101, 99], [100, 100]) == pytest.approx([0.01, -0.01])
    with pytest.raises(ValueError, match="shorter"):
        ratios([1, 2], [1])


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (between(10, 20), PASS),
        (between(10, 20.1), CANNOT_SAY),
        (between(20, 21), CANNOT_SAY),
        (between(20.1, 21), FALLS_SHORT),
        (between(10, 12, samples=4), CANNOT_SAY),
        (between(30, 40, samples=4), CANNOT_SAY),
    ],
)
def test_a_limit_is_kept_when_the_whole_interval_keeps_it(value: Estimate, verdict: Verdict) -> None:
    assert at_most(value, 20) == verdict


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (between(-3, -1), PASS),
        (between(-3, 0), CANNOT_SAY),
        (between(-3, 3), CANNOT_SAY),
        (between(0, 1), FALLS_SHORT),
        (between(1, 3), FALLS_SHORT),
        (between(-3, -1, samples=4), CANNOT_SAY),
    ],
)
def test_less_needs_the_whole_interval_below_zero(value: Estimate, verdict: Verdict) -> None:
    assert less_than_zero(value) == verdict


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (between(-3, 1), PASS),
        (between(-30, 1), CANNOT_SAY),
        (between(-30, 0), PASS),
        (between(0.1, 1), FALLS_SHORT),
        (between(-3, 1, samples=4), CANNOT_SAY),
    ],
)
def test_not_more_needs_an_interval_that_reaches_zero_and_is_narrow(value: Estimate, verdict: Verdict) -> None:
    assert not_above_zero(value, widest=10) == verdict


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([], 0),
        ([PASS, Verdict.NOT_MEASURED], 0),
        ([PASS, CANNOT_SAY], 3),
        ([CANNOT_SAY, FALLS_SHORT, PASS], 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst(verdicts: list[Verdict], code: int) -> None:
    assert exit_code(verdicts) == code


def test_figures_carry_their_unit_and_their_spread() -> None:
    value = Estimate(12.34e-6, 10.06e-6, 0.00001449, 12)
    assert microseconds(value) == "12.3 µs (10.1 to 14.5)"
    assert re.fullmatch(r"1\.00 % \(-2\.00 to 4\.00\)", percent(between(-0.02, 0.04)))
