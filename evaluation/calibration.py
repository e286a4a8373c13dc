"""Does the assistant know when it is right? Its confidence held against what came out.

In: pairs of a confidence and whether the answer was right. Out: a Calibration. Judges no answer.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby

from assistant.types import Record
from evaluation.rates import Rate, mean_of, rate_of

N_BINS = 10
"""Bins of equal width."""


class CalibrationBin(Record):
    """The answers whose confidence lies in one interval, open below and closed above; 0 is in the first."""

    low: float
    """Lower end."""
    high: float
    """Upper end."""
    n: int
    """Answers."""
    mean_confidence: float | None
    """Their mean confidence; None without answers."""
    accuracy: Rate
    """How many of them were right."""


class Calibration(Record):
    """How far confidence can be believed (Guo et al., On Calibration of Modern Neural Networks, ICML 2017)."""

    n: int
    """Answers with a confidence."""
    mean_confidence: float
    """Mean over all of them; above their accuracy, the assistant is too sure of itself."""
    accuracy: Rate
    """How many of them were right."""
    bins: tuple[CalibrationBin, ...]
    """All bins in order, the empty ones too."""
    expected_error: float
    """Expected calibration error: distance of accuracy and mean confidence, over bins by their size (eq. 3)."""
    brier: float
    """Mean squared distance of confidence and outcome (Brier, 1950): 0 is best; always saying 0.5 gives 0.25."""
    discrimination: float | None
    """Probability that a right answer is more confident than a wrong one, ties counted half: the area under the ROC
    curve. 0.5 tells nothing; None when all are right or all wrong."""


def calibrate(pairs: Sequence[tuple[float, bool]]) -> Calibration | None:
    """Hold confidences against outcomes.

    Args:
        pairs: Confidence, 0 to 1, and whether the answer was right.

    Returns:
        None when there are no pairs.

    Raises:
        ValueError: A confidence is not within 0 and 1.
    """
    if not pairs:
        return None
    for confidence, _ in pairs:
        if not 0 <= confidence <= 1:
            raise ValueError(f"A confidence of {confidence} is not within 0 and 1.")
    binned: list[list[tuple[float, bool]]] = [[] for _ in range(N_BINS)]
    # Against the ends themselves: confidence * 10 would put 0.7 above 7.
    ends = [number / N_BINS for number in range(1, N_BINS + 1)]
    for pair in pairs:
        binned[bisect_left(ends, pair[0])].append(pair)
    return Calibration(
        n=len(pairs),
        mean_confidence=_mean_confidence(pairs),
        accuracy=rate_of([is_right for _, is_right in pairs]),
        bins=tuple(
            CalibrationBin(
                low=number / N_BINS,
                high=ends[number],
                n=len(members),
                mean_confidence=mean_of([confidence for confidence, _ in members]),
                accuracy=rate_of([is_right for _, is_right in members]),
            )
            for number, members in enumerate(binned)
        ),
        expected_error=math.fsum(_distance(members) * len(members) for members in binned if members) / len(pairs),
        brier=math.fsum((confidence - is_right) ** 2 for confidence, is_right in pairs) / len(pairs),
        discrimination=_discrimination(pairs),
    )


def _mean_confidence(pairs: Sequence[tuple[float, bool]]) -> float:
    return math.fsum(confidence for confidence, _ in pairs) / len(pairs)


def _distance(pairs: Sequence[tuple[float, bool]]) -> float:
    return abs(sum(is_right for _, is_right in pairs) / len(pairs) - _mean_confidence(pairs))


def _discrimination(pairs: Sequence[tuple[float, bool]]) -> float | None:
    """Count the pairs of a right and a wrong answer that are in order, from the bottom up (Mann and Whitney, 1947)."""
    n_right = sum(is_right for _, is_right in pairs)
    n_wrong = len(pairs) - n_right
    if not n_right or not n_wrong:
        return None
    wrong_below = 0
    halves_in_order = 0
    for _, equals in groupby(sorted(pairs), key=lambda pair: pair[0]):
        outcomes = [is_right for _, is_right in equals]
        right, wrong = sum(outcomes), len(outcomes) - sum(outcomes)
        halves_in_order += right * (2 * wrong_below + wrong)
        wrong_below += wrong
    return halves_in_order / (2 * n_right * n_wrong)
