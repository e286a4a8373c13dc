"""Are two results the same? The one judge of execution accuracy.

In: the result of the gold SQL, the result of the predicted SQL, and whether the order of rows counts. Out: a Verdict
with its reason in words. Runs nothing, reads no SQL.

Two results are the same when the columns of one can be put in an order that makes both the same bag of rows: duplicates
count, column names do not, the order of rows only where asked. When two values are the same is decided in
`evaluation.comparing.cells`, and the columns are found in `evaluation.comparing.matching`.

Most results that are the same are so to the last digit, and those are told without a look at any value. Only when that
fails are values read and compared with a tolerance; the second look alone would give the same verdicts.

A result that was cut is never correct: what was cut off cannot be judged.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

from assistant.types import QueryResult, Record
from evaluation.comparing.cells import Column
from evaluation.comparing.close_search import CloseSearch
from evaluation.comparing.matching import Matching, Table

Columns = Sequence[tuple[Hashable, ...]]
"""The cells of a result by column."""

Outcome = Literal["same", "different", "given up"]
"""What a search for the columns came to; given up at a limit of `evaluation.comparing.matching`."""


class Verdict(Record):
    """Whether a prediction's result is the gold result."""

    is_correct: bool
    """Same rows and same columns."""
    is_correct_with_extra_columns: bool
    """Same rows after leaving out columns of the prediction that the gold result does not have."""
    reason: str
    """What differs first, in words."""


def same_result(
    gold: QueryResult, predicted: QueryResult, is_ordered: bool, *, tie_groups: Sequence[int] | None = None
) -> Verdict:
    """Judge a predicted result against the gold result.

    Args:
        gold: Result of the gold SQL.
        predicted: Result of the predicted SQL.
        is_ordered: Whether the rows have to come in the same order.
        tie_groups: With `is_ordered`, one number per gold row: neighbouring rows with the same number tie in the gold's
            sort order, so that their order among themselves does not count. Without it, every row has a place.

    Raises:
        ValueError: `tie_groups` are given without `is_ordered`, or are not those of the gold rows.
    """
    if tie_groups is not None:
        _check_tie_groups(tie_groups, len(gold.rows), is_ordered=is_ordered)
    if gold.is_truncated or predicted.is_truncated:
        return _wrong(f"The {'gold' if gold.is_truncated else 'predicted'} result was cut at its row limit.")
    extra = len(predicted.columns) - len(gold.columns)
    if extra < 0:
        return _wrong(f"{_count(len(predicted.columns), 'column')} instead of {len(gold.columns)}.")
    if len(gold.rows) != len(predicted.rows):
        return _wrong(f"{_count(len(predicted.rows), 'row')} instead of {len(gold.rows)}.")
    marks = _mark_rows(len(gold.rows), tie_groups, is_ordered=is_ordered)
    if gold.rows == predicted.rows and not extra:
        return Verdict(is_correct=True, is_correct_with_extra_columns=True, reason="Same rows.")
    columns, predicted_columns = _transpose(gold), _transpose(predicted)
    exactly = match_exactly(columns, predicted_columns, marks)
    if exactly != "same":
        names = [column.name for column in gold.columns]
        failure = match_closely(columns, predicted_columns, marks, names=names, exactly=exactly)
        if failure:
            return _wrong(failure)
    reason = f"Same rows, and {_count(extra, 'column')} too many." if extra else "Same rows."
    return Verdict(is_correct=not extra, is_correct_with_extra_columns=True, reason=reason)


def _check_tie_groups(tie_groups: Sequence[int], rows: int, *, is_ordered: bool) -> None:
    if not is_ordered:
        raise ValueError("tie_groups mean something only where the order of rows counts.")
    if len(tie_groups) != rows:
        raise ValueError(f"{_count(len(tie_groups), 'tie group')} for {_count(rows, 'gold row')}.")
    starts = sum(1 for i, group in enumerate(tie_groups) if i == 0 or tie_groups[i - 1] != group)
    if starts != len(set(tie_groups)):
        raise ValueError("Rows of one tie group have to be neighbours.")


def _mark_rows(rows: int, tie_groups: Sequence[int] | None, *, is_ordered: bool) -> Sequence[int]:
    """Mark rows by place: only rows with the same mark may be paired."""
    if not is_ordered:
        return [0] * rows
    return range(rows) if tie_groups is None else tie_groups


def _wrong(reason: str) -> Verdict:
    return Verdict(is_correct=False, is_correct_with_extra_columns=False, reason=reason)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def match_exactly(gold: Columns, predicted: Columns, marks: Sequence[int]) -> Outcome:
    """Compare the columns of two results by Python's `==`: what it finds the same is so by all rules.

    Args:
        gold: Columns of the gold result.
        predicted: Columns of the predicted result; as many rows, and at least as many columns.
        marks: One per row; only rows with the same mark may be paired.

    Returns:
        Whether they are the same, if that was found out.
    """
    matching = Matching(
        *(Table(columns, marks, kinds=[0] * len(columns), contents=columns) for columns in (gold, predicted))
    )
    if any(True for _ in matching.find()):
        return "same"
    return "given up" if matching.is_given_up else "different"


def match_closely(
    gold: Columns, predicted: Columns, marks: Sequence[int], *, names: Sequence[str], exactly: Outcome | None = None
) -> str:
    """Compare the columns of two results by the rules of `evaluation.comparing.cells`.

    Args:
        gold: Columns of the gold result.
        predicted: Columns of the predicted result; as many rows, and at least as many columns.
        marks: One per row; only rows with the same mark may be paired.
        names: Names of the gold columns, for the words.
        exactly: What `match_exactly` made of them, if anything: where no value is near another or spelled in another
            way, that is the last word.

    Returns:
        What differs, in words; empty when the results are the same.
    """
    search = CloseSearch([Column(values) for values in gold], [Column(values) for values in predicted])
    lonely = search.find_lonely()
    if lonely is not None:
        return f"No column of the prediction holds the values of gold column {lonely + 1}, '{names[lonely]}'."
    is_done = exactly is not None and search.is_exact
    if not is_done and search.is_same(marks):
        return ""
    if search.is_given_up or (is_done and exactly == "given up"):
        return "No match found among the many ways to pair columns that hold the same values."
    if len(set(marks)) > 1 and search.is_same([0] * len(marks)):
        return "The rows are the same, in another order."
    return "The columns hold the same values, the rows do not."


def _transpose(result: QueryResult) -> Columns:
    return list(zip(*result.rows, strict=True)) if result.rows else [()] * len(result.columns)
