"""Calibration against numbers worked out by hand, and laws that hold for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.calibration import Calibration, calibrate
from evaluation.rates import wilson

PAIRS = [(0.95, True), (0.9, True), (0.85, False), (0.6, True), (0.3, False), (0.25, True), (0.0, False)]


def measured(pairs: list[tuple[float, bool]]) -> Calibration:
    calibration = calibrate(pairs)
    assert calibration is not None
    return calibration


def test_the_figures_are_those_worked_out_by_hand() -> None:
    calibration = measured(PAIRS)
    assert (calibration.n, calibration.accuracy) == (7, wilson(4, 7))
    assert calibration.mean_confidence == pytest.approx(3.85 / 7)
    # (0.05^2 + 0.1^2 + 0.85^2 + 0.4^2 + 0.3^2 + 0.75^2 + 0) / 7
    assert calibration.brier == pytest.approx((0.0025 + 0.01 + 0.7225 + 0.16 + 0.09 + 0.5625) / 7)
    # By bin: (0.9, 1] 1 of 1, (0.8, 0.9] 1 of 2 at 0.875, (0.5, 0.6] 1 of 1, (0.2, 0.3] 1 of 2 at 0.275, [0, 0.1] none.
    assert calibration.expected_error == pytest.approx((0.05 + 2 * 0.375 + 0.4 + 2 * 0.225 + 0) / 7)
    # Of 4 x 3 pairs of right and wrong: 0.95 and 0.9 beat three each, 0.6 beats two, 0.25 beats one.
    assert calibration.discrimination == pytest.approx(9 / 12)


def test_bins_are_open_below_and_closed_above() -> None:
    edges = [number / 10 for number in range(11)]
    bins = measured([(edge, True) for edge in edges]).bins
    assert len(bins) == 10
    assert [part.n for part in bins] == [2] + [1] * 9
    assert [(part.low, part.high) for part in bins] == list(zip(edges, edges[1:], strict=False))
    assert [part.mean_confidence for part in bins[1:]] == edges[2:]


def test_empty_bins_are_there_and_have_no_mean() -> None:
    bins = measured([(0.95, True)]).bins
    assert [part.n for part in bins] == [0] * 9 + [1]
    assert bins[0].mean_confidence is None
    assert bins[0].accuracy.rate is None


def test_no_confidences_give_no_calibration() -> None:
    assert calibrate([]) is None


@pytest.mark.parametrize("confidence", [-0.01, 1.01, float("nan"), float("inf")])
def test_what_is_no_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="not within 0 and 1"):
        calibrate([(0.5, True), (confidence, True)])


@pytest.mark.parametrize("is_right", [True, False])
def test_without_both_outcomes_nothing_can_be_told_apart(is_right: bool) -> None:
    assert measured([(0.1, is_right), (0.9, is_right)]).discrimination is None


def test_ties_tell_nothing() -> None:
    assert measured([(0.5, True), (0.5, False), (0.5, False)]).discrimination == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=1, max_size=40))
def test_the_figures_agree_with_their_definitions(pairs: list[tuple[float, bool]]) -> None:
    calibration = measured(pairs)
    assert sum(part.n for part in calibration.bins) == len(pairs)
    assert sum(part.accuracy.hits for part in calibration.bins) == sum(right for _, right in pairs)
    assert 0 <= calibration.expected_error <= 1
    assert 0 <= calibration.brier <= 1
    orders = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high, is_right in pairs
        if is_right
        for low, is_also_right in pairs
        if not is_also_right
    ]
    expected = sum(orders) / len(orders) if orders else None
    assert calibration.discrimination == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_certainty_that_is_always_right_has_no_error(outcomes: list[bool]) -> None:
    calibration = measured([(float(is_right), is_right) for is_right in outcomes])
    assert (calibration.expected_error, calibration.brier) == (0, 0)
