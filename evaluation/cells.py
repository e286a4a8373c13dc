"""When two columns of result values are the same: numbers within a tolerance, dates by value, text exactly.

In: the values of one column of the gold result and of one column of the predicted result. Out: `Profile`, a column read
once, and `align`, which gives both columns comparable identifiers. Knows no rows, no SQL and no database.

Which values are equal depends on the pair of columns, because a number may be written as text:

- a pair with a number on either side is compared as numbers, and text that spells one ('2025', '05') counts as it;
- a pair without any number is compared as text, so the codes '05' and '5' differ;
- numbers differ when they are further apart than `RELATIVE_TOLERANCE`, except that whole numbers are compared exactly
  when both columns hold nothing else: counts and keys have no rounding;
- TRUE is 1, -0.0 is 0, NULL equals only NULL, NaN only NaN, and '2025-01-01' is '2025-01-01 00:00:00'.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property

from assistant.types import Cell

RELATIVE_TOLERANCE = 1e-6
"""Largest difference of equal numbers, as a share of the larger; sums in another order differ far less."""

ABSOLUTE_TOLERANCE = 1e-9
"""Largest difference of equal numbers near zero, where a share means nothing."""

Token = tuple[str, str]
"""A value that is compared exactly: what it is, and its text in one spelling."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)
_MAX_EXACT_FLOAT = 2.0**53
_MAX_NUMBER_CHARS = 300


def as_number(text: str) -> int | float | None:
    """Read text that spells a finite decimal number; None when it spells none."""
    if len(text) > _MAX_NUMBER_CHARS or not _NUMBER.fullmatch(text):
        return None
    number = int(text) if text.lstrip("+-").isdigit() else float(text)
    return number if isinstance(number, int) or math.isfinite(number) else None


def as_moment(text: str) -> str | None:
    """Read ISO text of a date or a moment and give it in one spelling; None when it is neither.

    A date is its midnight. A moment with an offset is given in UTC and never equals one without.
    """
    if len(text) < 10 or not _DATE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.isoformat() if moment.tzinfo is None else moment.astimezone(UTC).isoformat()


def is_close(left: float, right: float) -> bool:
    """Tell whether two finite numbers are equal but for rounding."""
    return math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)


class Profile:
    """One column, read once: each value as a number or an exact token, under both ways of comparing."""

    def __init__(self, values: Sequence[Cell]) -> None:
        self.values = tuple(values)
        self.has_number = any(isinstance(value, int | float) for value in self.values)

    @cached_property
    def as_text(self) -> list[int | float | Token]:
        """The values, text as text. Only columns without numbers are compared this way."""
        return _read_all(self.values, is_numeric=False)

    @cached_property
    def as_numbers(self) -> list[int | float | Token]:
        """The values, text that spells a number as that number."""
        return _read_all(self.values, is_numeric=True)

    @cached_property
    def text_summary(self) -> Summary:
        """What the column holds, text as text."""
        return Summary(self.as_text)

    @cached_property
    def number_summary(self) -> Summary:
        """What the column holds, text that spells a number as that number."""
        return Summary(self.as_numbers)


class Summary:
    """What a column holds, whatever the order of its rows."""

    def __init__(self, keys: Sequence[int | float | Token]) -> None:
        self.tokens = Counter(key for key in keys if isinstance(key, tuple))
        self.numbers = sorted(key for key in keys if not isinstance(key, tuple))
        self.is_whole = all(isinstance(number, int) for number in self.numbers)

    def matches(self, other: Summary) -> bool:
        """Tell whether both hold the same values the same number of times."""
        if len(self.numbers) != len(other.numbers) or self.tokens != other.tokens:
            return False
        if self.is_whole and other.is_whole:
            return self.numbers == other.numbers
        # Sorted numbers pair up if any pairing does: the numbers close to one are an interval that moves with it.
        return all(map(is_close, self.numbers, other.numbers))


def hold_the_same(gold: Profile, predicted: Profile, *, is_ordered: bool) -> bool:
    """Tell whether two columns hold the same values, and with `is_ordered` in the same order."""
    if is_ordered:
        left, right = _comparable(gold, predicted)
        is_whole = _is_whole(left) and _is_whole(right)
        return all(_is_same(a, b, is_whole=is_whole) for a, b in zip(left, right, strict=True))
    if gold.has_number or predicted.has_number:
        return gold.number_summary.matches(predicted.number_summary)
    return gold.text_summary.matches(predicted.text_summary)


class Alignment:
    """Two columns with one identifier per value: values with different identifiers differ.

    Values with the same identifier are equal, unless `is_loose`: then a chain of near numbers shares an identifier
    though its ends differ, and `are_equal` has the last word.
    """

    def __init__(self, gold: Profile, predicted: Profile) -> None:
        self.gold_keys, self.predicted_keys = _comparable(gold, predicted)
        self.is_whole = _is_whole(self.gold_keys) and _is_whole(self.predicted_keys)
        ids, self.is_loose = _identify(self.gold_keys, self.predicted_keys, is_whole=self.is_whole)
        self.gold_ids = [ids[key] for key in self.gold_keys]
        self.predicted_ids = [ids[key] for key in self.predicted_keys]

    def are_equal(self, gold_row: int, predicted_row: int) -> bool:
        """Tell whether the values in two rows are the same."""
        return _is_same(self.gold_keys[gold_row], self.predicted_keys[predicted_row], is_whole=self.is_whole)


def _comparable(gold: Profile, predicted: Profile) -> tuple[list[int | float | Token], list[int | float | Token]]:
    if gold.has_number or predicted.has_number:
        return gold.as_numbers, predicted.as_numbers
    return gold.as_text, predicted.as_text


def _read_all(values: Sequence[Cell], *, is_numeric: bool) -> list[int | float | Token]:
    texts: dict[str, int | float | Token] = {}
    keys: list[int | float | Token] = []
    for value in values:
        if isinstance(value, str):
            key = texts.get(value)
            if key is None:
                key = texts[value] = _read_text(value, is_numeric=is_numeric)
            keys.append(key)
        elif value is None:
            keys.append(("null", ""))
        else:
            keys.append(_read_number(value))
    return keys


def _read_text(text: str, *, is_numeric: bool) -> int | float | Token:
    number = as_number(text) if is_numeric else None
    if number is not None:
        return _read_number(number)
    moment = as_moment(text)
    return ("text", text) if moment is None else ("moment", moment)


def _read_number(value: int | float) -> int | float | Token:
    if isinstance(value, int):
        number = int(value)
        # Beyond the range of floats there is nothing to be close to.
        return number if abs(number) < 10**300 else ("number", hex(number))
    if not math.isfinite(value):
        return ("number", str(value))
    return int(value) if value.is_integer() and abs(value) < _MAX_EXACT_FLOAT else value


def _is_whole(keys: Sequence[int | float | Token]) -> bool:
    return not any(isinstance(key, float) for key in keys)


def _is_same(left: int | float | Token, right: int | float | Token, *, is_whole: bool) -> bool:
    if is_whole or isinstance(left, tuple) or isinstance(right, tuple):
        return left == right
    return is_close(left, right)


def _identify(
    gold: Sequence[int | float | Token], predicted: Sequence[int | float | Token], *, is_whole: bool
) -> tuple[dict[int | float | Token, int], bool]:
    """Number the distinct values of two columns, near numbers alike; tell whether a chain of them is too long."""
    distinct = {*gold, *predicted}
    ids: dict[int | float | Token, int] = {}
    for key in distinct:
        if is_whole or isinstance(key, tuple):
            ids[key] = len(ids)
    if is_whole:
        return ids, False
    is_loose = False
    current = len(ids)
    first: int | float | None = None
    last: int | float | None = None
    for number in sorted(key for key in distinct if not isinstance(key, tuple)):
        if first is None or last is None or not is_close(last, number):
            current += 1
            first = number
        elif not is_close(first, number):
            is_loose = True
        ids[number] = current
        last = number
    return ids, is_loose
