"""Intervals and percentiles against numbers worked out by hand, and laws that hold for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.rates import Z_95, Latency, percentile, rate_of, render_rate, wilson


# Ends found by bisection of (p - hits/n)^2 n = z^2 p (1 - p), which is what the interval solves, with z = 1.959964.
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (8, 10, 0.490162, 0.943318),
        (1, 2, 0.094531, 0.905469),
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (50, 100, 0.403832, 0.596168),
        (96, 120, 0.719633, 0.861755),
    ],
)
def test_the_interval_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    rate = wilson(hits, n)
    assert rate.low == pytest.approx(low, abs=2e-6)
    assert rate.high == pytest.approx(high, abs=2e-6)


def test_a_rate_of_nothing_is_not_zero() -> None:
    rate = wilson(0, 0)
    assert (rate.rate, rate.low, rate.high) == (None, None, None)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([5.0], 95, 5.0), ([1.0, 2.0], 50, 1.5), ([4.0, 1.0, 3.0, 2.0], 50, 2.5), ([0.0, 10.0], 95, 9.5), ([], 50, None)],
)
def test_percentiles_are_linear_between_values(values: list[float], percent: float, expected: float | None) -> None:
    assert percentile(values, percent) == (None if expected is None else pytest.approx(expected))


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_each_end_of_the_interval_is_the_share_that_is_just_not_rejected(case: tuple[int, int]) -> None:
    hits, n = case
    rate = wilson(hits, n)
    assert rate.rate is not None
    assert rate.low is not None
    assert rate.high is not None
    assert 0 <= rate.low <= rate.rate <= rate.high <= 1
    for end in (rate.low, rate.high):
        assert n * (end - rate.rate) ** 2 == pytest.approx(Z_95**2 * end * (1 - end), abs=1e-9)


def test_outcomes_and_times_are_summarised() -> None:
    assert rate_of([True, False, True]) == wilson(2, 3)
    assert Latency.of([100, 200, 600]) == Latency(p50_ms=200, p95_ms=560, mean_ms=300)
    assert Latency.of([]) == Latency(p50_ms=None, p95_ms=None, mean_ms=None)


def test_a_rate_is_shown_with_counts_and_interval_and_nothing_as_a_dash() -> None:
    assert render_rate(wilson(3, 4)) == " 75.0%     3/4     [30.1%, 95.4%]"
    assert render_rate(wilson(0, 0)).strip() == "-"
