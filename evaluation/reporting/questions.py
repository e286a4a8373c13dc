"""The questions of a report: which wrong ones are the most telling, and what to say of each.

In: scores. Out: an order, and words. Judges nothing; renders nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from assistant.writing import counted
from evaluation.difficulty import LEVELS
from evaluation.records import Score
from evaluation.reporting.text import format_ms, one_line


def rank_worst(scores: Iterable[Score]) -> tuple[Score, ...]:
    """Order the wrong ones so that the most telling come first.

    A wrong result before no result, as a person would have believed it; then the surest first, in steps of a tenth;
    then the easiest; then as they came. An answer where none is possible counts as a wrong result of an easy question.
    """
    wrong = [score for score in scores if not score.is_correct]
    return tuple(sorted(wrong, key=_telling))


def _telling(score: Score) -> tuple[bool, float, int]:
    confidence = score.prediction.confidence
    ease = 0 if score.difficulty is None else LEVELS.index(score.difficulty)
    return score.prediction.status != "answered", -round(confidence or 0.0, 1), ease


def describe(score: Score) -> str:
    """Tell the properties of a question in one line: `join_2, full, easy`."""
    parts = [score.kind, score.style, score.difficulty or f"expected: {score.expect}"]
    return one_line(", ".join(parts))


def list_remarks(score: Score) -> tuple[str, ...]:
    """Say what else there is to know of a judged question, beside its reason."""
    prediction = score.prediction
    remarks = []
    if score.is_correct_on_original and not score.is_correct:
        remarks.append(
            "On the database itself the result is right; only a variant of it shows that the query is another one."
        )
    if score.is_correct_with_extra_columns and not score.is_correct:
        remarks.append("Right but for columns that were not asked for.")
    if score.has_gold_ties:
        remarks.append("LIMIT cuts between rows that tie, so a right query may give others.")
    if score.is_gold_empty:
        remarks.append("The gold result has no rows, so an empty result proves little.")
    spent = f"{format_ms(prediction.latency_ms)}, {counted(prediction.attempts, 'draft')}"
    sure = "" if prediction.confidence is None else f"{prediction.confidence * 100:.0f} % sure, "
    remarks.append(f"{sure}{spent}.")
    return tuple(remarks)


def summarise_worst(n_wrong: int, max_worst: int) -> str:
    """Say how many wrong ones are shown, and how many there are."""
    if not n_wrong:
        return "None: everything was answered or declined as it should be."
    if n_wrong <= max_worst:
        return f"All {n_wrong:,} that went wrong, the most telling first."
    return f"{max_worst:,} of {n_wrong:,} that went wrong, the most telling first. The others are in scores.jsonl."
