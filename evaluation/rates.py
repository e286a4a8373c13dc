"""Rates with their intervals, and percentiles: the small statistics that every figure of a run is made of.

In: counts and outcomes. Out: Rates, numbers, and a Rate as text. Knows nothing of questions and answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from assistant.types import Record

Z_95 = 1.959964
"""Standard normal quantile of 97.5 %, for two-sided 95 % intervals."""


class Rate(Record):
    """How many of how many, with the 95 % Wilson score interval (E. B. Wilson, 1927)."""

    hits: int
    """How many."""
    n: int
    """Of how many."""
    rate: float | None
    """hits / n; None for n = 0."""
    low: float | None
    """Lower end of the interval."""
    high: float | None
    """Upper end of the interval."""


class Latency(Record):
    """Wall time per ask, in milliseconds. The first ask of a call includes what is loaded for it."""

    p50_ms: float | None
    """Median."""
    p95_ms: float | None
    """95th percentile."""
    mean_ms: float | None
    """Mean."""

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Latency:
        """Summarise times in milliseconds."""
        return cls(p50_ms=percentile(times_ms, 50), p95_ms=percentile(times_ms, 95), mean_ms=mean_of(times_ms))


def wilson(hits: int, n: int) -> Rate:
    """Give a rate with its 95 % Wilson score interval, which stays within 0 and 1 and holds for few cases."""
    if n == 0:
        return Rate(hits=0, n=0, rate=None, low=None, high=None)
    share = hits / n
    shrink = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / shrink
    half = Z_95 / shrink * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n * n))
    # With none or all of them right the end of the interval is exact; rounding must not move it.
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == n else min(1.0, centre + half)
    return Rate(hits=hits, n=n, rate=share, low=low, high=high)


NOT_COUNTED = wilson(0, 0)
"""The rate of nothing: what a record holds that was written before the rate was counted."""


def rate_of(outcomes: Sequence[bool]) -> Rate:
    """Give the rate of what is true."""
    return wilson(sum(outcomes), len(outcomes))


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Give a percentile, linear between the two nearest values; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def mean_of(values: Sequence[float]) -> float | None:
    """Give the mean; None of nothing."""
    return math.fsum(values) / len(values) if values else None


def render_rate(rate: Rate) -> str:
    """Render a rate for a table: share, counts and interval, or a dash where nothing was counted."""
    if rate.rate is None or rate.low is None or rate.high is None:
        return "     -"
    return f"{rate.rate:6.1%}  {rate.hits:>4}/{rate.n:<4}  [{rate.low:.1%}, {rate.high:.1%}]"
