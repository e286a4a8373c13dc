"""A run against an older one, for the report: the paired test in figures, and the questions that were won and lost.

In: scores and metrics of both. Out: a Comparison. The statistics are `evaluation.paired`'s; nothing is judged here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from assistant.errors import DataError
from assistant.writing import counted, join_words
from evaluation.metrics import Metrics
from evaluation.paired import PairedResult, compare_runs, render_p
from evaluation.rates import Rate, rate_of, wilson
from evaluation.records import Score
from evaluation.reporting.records import Change, Comparison, Line
from evaluation.reporting.text import NOTHING, best_first, one_line


def compare(
    new: Metrics, new_scores: Sequence[Score], old: Metrics, old_scores: Sequence[Score], *, old_facts: tuple[Line, ...]
) -> Comparison:
    """Hold a run against an older one, question by question.

    Raises:
        DataError: The two runs have no question in common.
    """
    paired = compare_runs(new_scores, old_scores)
    if not paired.n:
        raise DataError(
            f"The two runs have no question in common: {_list_unmatched(paired)}",
            "Give --against a run over the same examples, asked in the same dialect.",
        )
    news = {(score.id, score.turn): score for score in new_scores}
    olds = {(score.id, score.turn): score for score in old_scores}
    left_out = {*paired.changed, *paired.only_new}
    both = [key for key in news if key not in left_out]
    return Comparison(
        verdict=paired.verdict,
        lines=_list_comparison(paired),
        facts=old_facts,
        cautions=_list_cautions(new, old, paired),
        lost=tuple(Change(new=news[key], old=olds[key]) for key in paired.lost),
        won=tuple(Change(new=news[key], old=olds[key]) for key in paired.won),
        new_by_kind=best_first(_count_by_kind(news[key] for key in both)),
        # The kind is read from this run: a question that was only filed elsewhere is still the same question.
        old_by_kind=_count_by_kind(olds[key].model_copy(update={"kind": news[key].kind}) for key in both),
    )


def _count_by_kind(scores: Iterable[Score]) -> dict[str, Rate]:
    outcomes: defaultdict[str, list[bool]] = defaultdict(list)
    for score in scores:
        outcomes[score.kind].append(score.is_correct)
    return {kind: rate_of(found) for kind, found in outcomes.items()}


def _list_comparison(paired: PairedResult) -> tuple[Line, ...]:
    before, now = (wilson(paired.both_right + len(only_right), paired.n) for only_right in (paired.lost, paired.won))
    difference = NOTHING if paired.difference is None else f"{paired.difference * 100:+.1f} points"
    low, high = paired.low, paired.high
    interval = NOTHING if low is None or high is None else f"{low * 100:+.1f} to {high * 100:+.1f} points"
    return (
        Line.of("Right before", before),
        Line.of("Right now", now),
        Line(name="Difference", value=difference, counts=f"{paired.n:,}", interval=interval),
        Line(name="Won: right now only", value=f"{len(paired.won):,}"),
        Line(name="Lost: right before only", value=f"{len(paired.lost):,}"),
        Line(name="Right in both", value=f"{paired.both_right:,}"),
        Line(name="Wrong in both", value=f"{paired.both_wrong:,}"),
        Line(name="Exact McNemar test, two-sided", value=render_p(paired.p_two_sided)),
        Line(name="The same, one-sided, for a loss", value=render_p(paired.p_loss)),
    )


def _list_cautions(new: Metrics, old: Metrics, paired: PairedResult) -> tuple[str, ...]:
    cautions = []
    if paired.changed or paired.only_new or paired.only_old:
        cautions.append(f"Left out of the comparison: {_list_unmatched(paired)}")
    if new.run.schema_fingerprint != old.run.schema_fingerprint:
        cautions.append("The runs asked databases with different schemas.")
    if new.run.variants != old.run.variants:
        cautions.append(
            f"This run was judged with {counted(new.run.variants, 'variant')} of each database, the older one with "
            f"{old.run.variants:,}: more variants find more wrong answers."
        )
    return tuple(cautions)


def _list_unmatched(paired: PairedResult) -> str:
    """Say what is not in both runs, the first few by name."""
    parts = [
        f"{len(keys):,} {where} ({', '.join(_name_key(key) for key in keys[:3])}{', …' if len(keys) > 3 else ''})"
        for keys, where in (
            (paired.changed, "with another question, gold SQL or expectation"),
            (paired.only_new, "in this run only"),
            (paired.only_old, "in the older run only"),
        )
        if keys
    ]
    return f"{join_words(parts)}."


def _name_key(key: tuple[str, int | None]) -> str:
    return one_line(key[0]) if key[1] is None else f"{one_line(key[0])} turn {key[1]}"
