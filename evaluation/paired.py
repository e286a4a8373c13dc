"""Two runs over the same questions, question by question: what was won, what was lost, and whether that is noise.

In: the Scores of a new and an old run. Out: a PairedResult. Reads no files, judges no answers.

Questions are matched by id and turn. Only those that both runs judged by the same question and gold SQL count. The
tests take the questions for independent; turns of one conversation are not quite, which makes p a little too small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from assistant.errors import DataError
from assistant.types import Record
from evaluation.rates import Z_95
from evaluation.records import Score

SIGNIFICANT_P = 0.05
"""Below this two-sided p, the verdict in words calls a difference real."""

Key = tuple[str, int | None]
"""Id of the example, and turn of a conversation."""


class PairedResult(Record):
    """How a new run did against an old one."""

    n: int
    """Asks that both runs judged by the same question and gold SQL."""
    won: tuple[Key, ...]
    """Right in the new run only."""
    lost: tuple[Key, ...]
    """Right in the old run only."""
    both_right: int
    """Right in both."""
    both_wrong: int
    """Right in neither."""
    changed: tuple[Key, ...]
    """In both runs, with another question, gold SQL or expectation: left out."""
    only_new: tuple[Key, ...]
    """In the new run only: left out."""
    only_old: tuple[Key, ...]
    """In the old run only: left out."""
    difference: float | None
    """Share that is right, new minus old; None when there is nothing to compare."""
    low: float | None
    """Lower end of its 95 % interval (`score_interval`)."""
    high: float | None
    """Upper end of its 95 % interval."""
    p_two_sided: float
    """Exact McNemar test: chance of a split of won and lost at least as uneven, if both are equally good."""
    p_loss: float
    """The same, one-sided: chance of at least as many lost among those that differ, if both are equally good."""
    verdict: str
    """All this in words."""


def compare_runs(new: Sequence[Score], old: Sequence[Score]) -> PairedResult:
    """Hold a run against an older one.

    Raises:
        DataError: A question stands in a run twice.
    """
    news, olds = _by_key(new, "new"), _by_key(old, "old")
    pairs = {key: (score, olds[key]) for key, score in news.items() if key in olds}
    same = {key: pair for key, pair in pairs.items() if _asks_of(pair[0]) == _asks_of(pair[1])}
    won = tuple(key for key, (after, before) in same.items() if after.is_correct and not before.is_correct)
    lost = tuple(key for key, (after, before) in same.items() if before.is_correct and not after.is_correct)
    both_right = sum(after.is_correct and before.is_correct for after, before in same.values())
    n = len(same)
    low, high = score_interval(len(won), len(lost), n) if n else (None, None)
    difference = (len(won) - len(lost)) / n if n else None
    p_two_sided = mcnemar(len(won), len(lost))
    return PairedResult(
        n=n,
        won=won,
        lost=lost,
        both_right=both_right,
        both_wrong=n - both_right - len(won) - len(lost),
        changed=tuple(key for key in pairs if key not in same),
        only_new=tuple(key for key in news if key not in olds),
        only_old=tuple(key for key in olds if key not in news),
        difference=difference,
        low=low,
        high=high,
        p_two_sided=p_two_sided,
        p_loss=mcnemar_loss(len(won), len(lost)),
        verdict=_say(len(won), len(lost), n, difference, low, high, p_two_sided),
    )


def mcnemar(won: int, lost: int) -> float:
    """Test whether two paired runs differ: the exact, two-sided form of McNemar's test (1947).

    Of the questions that only one run has right, each is as likely to be won as lost if both are equally good.
    """
    return min(1.0, 2 * _lower_tail(min(won, lost), won + lost))


def mcnemar_loss(won: int, lost: int) -> float:
    """Test, one-sided, whether a run is worse than the one before it."""
    return _lower_tail(won, won + lost)


def score_interval(won: int, lost: int, n: int) -> tuple[float, float]:
    """Give the 95 % score interval of a difference of paired shares.

    The ends are the differences that the score test just does not reject (Tango, Statistics in Medicine 17, 1998,
    891-908). Other than the usual standard error it holds for few questions, stays within -1 and 1, and has a width
    when nothing was won or lost.

    Args:
        won: Pairs that only the first has right.
        lost: Pairs that only the second has right.
        n: All pairs, at least 1.
    """

    def deviation(difference: float) -> float:
        # The share of lost pairs that is most likely if this is the true difference: a root of a quadratic.
        linear = (2 * n - won + lost) * difference - won - lost
        constant = -lost * difference * (1 - difference)
        share_lost = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
        variance = n * (2 * share_lost + difference * (1 - difference))
        excess = won - lost - n * difference
        if variance > 0:
            return excess / math.sqrt(variance)
        return math.copysign(math.inf, excess) if excess else 0.0

    # With all pairs won or all lost the difference is at its limit, and so is that end.
    low = -1.0 if lost == n else _cross(lambda difference: deviation(difference) - Z_95)
    high = 1.0 if won == n else _cross(lambda difference: deviation(difference) + Z_95)
    return low, high


def _cross(falling: Callable[[float], float]) -> float:
    """Find where a falling function passes 0 between -1 and 1, by halving."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _lower_tail(k: int, n: int) -> float:
    """Give P(X <= k) for X successes of n at even odds; in whole numbers, so exact for any n until the division."""
    total = term = 1
    for i in range(k):
        term = term * (n - i) // (i + 1)
        total += term
    return total / (1 << n)


def _by_key(scores: Sequence[Score], which: str) -> dict[Key, Score]:
    found: dict[Key, Score] = {}
    for score in scores:
        key = score.id, score.turn
        if key in found:
            raise DataError(f"The {which} run has {_name(key)} twice.", "Run the evaluation again in a new folder.")
        found[key] = score
    return found


def _asks_of(score: Score) -> tuple[str, str | None, str]:
    return score.question, score.gold_sql, score.expect


def _name(key: Key) -> str:
    return f"'{key[0]}'" if key[1] is None else f"'{key[0]}' turn {key[1]}"


def _say(won: int, lost: int, n: int, difference: float | None, low: float | None, high: float | None, p: float) -> str:
    if difference is None or low is None or high is None:
        return "No question is in both runs: nothing to compare."
    if p >= SIGNIFICANT_P:
        summary = "no significant difference"
    else:
        summary = "significantly better" if won > lost else "significantly worse"
    return (
        f"Won {won} and lost {lost} of {n}: {100 * difference:+.1f} points, 95 % interval {100 * low:+.1f} to "
        f"{100 * high:+.1f}, {render_p(p)}: {summary}."
    )


def render_p(p: float) -> str:
    """Render a p value for people."""
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
