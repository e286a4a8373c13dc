"""When two values of results are the same: numbers but for rounding, dates by value, text exactly.

In: the values of one column. Out: `Column`, the same values as keys that compare by these rules; `may_match`, which
tells whether two columns can hold the same; `label`, which writes equal keys alike. Knows no rows, no SQL, no database.

- Whole numbers are compared exactly: counts and keys have no rounding. TRUE is 1, and 1.0 is 1.
- A number with a fraction, or a float of a billion and more, equals what is within `RELATIVE_TOLERANCE` of it.
- Text that a whole number would be shown as is that number: the year '2025' is 2025. The codes '05' and '5.0' are text,
  for a number does not keep their zeros.
- '2025-01-01' is '2025-01-01 00:00:00', and moments with offsets are compared in UTC.
- NULL equals only NULL, NaN only NaN, -0.0 is 0. All other text is compared exactly.

Whether two values are equal depends on nothing but the two. It does not carry over, for a chain of near numbers ends
far from where it began, so equal labels may have to be checked once more: see `Labelled.loose`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property, lru_cache, partial
from itertools import chain, compress, count, islice
from typing import NamedTuple, TypeGuard, cast

from assistant.drivers.cells import normalise_cell

RELATIVE_TOLERANCE = 1e-6
"""Largest difference of equal numbers, as a share of the larger; sums in another order differ far less."""

ABSOLUTE_TOLERANCE = 1e-9
"""Largest difference of equal numbers near zero, where a share means nothing."""

NOISE_TOLERANCE = 4e-9
"""Share by which rounding really changes a number at most. Near numbers of one column rarely lie this close."""

MAX_EXACT_FLOAT = 1e9
"""Whole floats are compared exactly below this: noise of a billionth cannot turn one whole number into another."""

Key = Hashable
"""A value as it is compared: equal keys are equal values, and so are numbers that are near."""

# Longer digits than a 64-bit integer surely holds are codes.
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)
_NUMBER_TYPES = frozenset({int, float, bool})
_CELL_TYPES = _NUMBER_TYPES | {str, type(None)}

_is_close = partial(math.isclose, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)


def read_text(text: str) -> str | int:
    """Read text that spells a whole number, a date or a moment; give any other as it is.

    A midnight is written as its date, a moment with an offset in UTC.
    """
    if not ("0" <= text[:1] <= "9" or text[:1] == "-"):
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    return _read_moment(text) if _MOMENT.fullmatch(text) else text


# The same days come again in every column and every result.
@lru_cache(maxsize=1 << 16)
def _read_moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        # At the ends of the calendar a moment may have no date in UTC.
        moment = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return text
    return moment.isoformat(sep=" ").removesuffix(" 00:00:00")


def are_equal(left: Key, right: Key) -> bool:
    """Tell whether two keys are the same value."""
    if left == right:
        return True
    if not (_is_number(left) and _is_number(right)):
        return False
    return (_is_rounded(left) or _is_rounded(right)) and _is_close(left, right)


def _is_number(key: Key) -> TypeGuard[float]:
    return isinstance(key, int | float)


def _is_rounded(number: float) -> bool:
    """Tell whether a number is one that may come out rounded in another way."""
    return isinstance(number, float) and not (number.is_integer() and abs(number) < MAX_EXACT_FLOAT)


class Column:
    """One column, read once."""

    keys: tuple[Key, ...]
    """The values of all rows in the form they are compared in."""
    is_as_given: bool
    """Whether each key is the value itself."""
    rounded: frozenset[float]
    """Distinct numbers that are compared with a tolerance."""
    n_numbers: int
    """Rows that hold a number."""

    def __init__(self, values: Sequence[object]) -> None:
        """Take the values of all rows: cells, or what a driver gives before they are made of it."""
        self.keys, self.is_as_given = _read(values)
        self._types = frozenset(map(type, self.keys))
        if self._types <= _NUMBER_TYPES:
            self.n_numbers = len(self.keys)
        else:
            self.n_numbers = sum(map(_NUMBER_TYPES.__contains__, map(type, self.keys)))
        floats = {key for key in self.keys if isinstance(key, float)} if float in self._types else set()
        whole = filter(float.is_integer, floats)
        self.rounded = frozenset(floats.difference(number for number in whole if abs(number) < MAX_EXACT_FLOAT))

    @cached_property
    def integers(self) -> frozenset[int]:
        """Distinct integers."""
        return frozenset(key for key in self.keys if isinstance(key, int)) if int in self._types else frozenset()

    @cached_property
    def numbers(self) -> list[float]:
        """Numbers of all rows, the smallest first."""
        is_all = self.n_numbers == len(self.keys)
        return sorted(cast(tuple[float, ...], self.keys) if is_all else filter(_is_number, self.keys))

    @cached_property
    def bag(self) -> int:
        """A number that does not depend on the order of rows, and differs only where keys do."""
        return sum(map(hash, zip(self.keys)))

    @cached_property
    def bag_beside_numbers(self) -> int:
        """As `bag`, of all that is not a number."""
        return sum(hash((key,)) for key in self.keys if not _is_number(key))


def _read(values: Sequence[object]) -> tuple[tuple[Key, ...], bool]:
    types = set(map(type, values))
    is_as_given = types <= _CELL_TYPES
    if not is_as_given:
        values = [value if type(value) in _CELL_TYPES else normalise_cell(value) for value in values]
    elif str not in types and _are_finite(filter(None, values)):
        return tuple(values), True
    changed: dict[object, Key] = {}
    for value in set(values):
        if isinstance(value, str):
            key = read_text(value)
            if key != value:
                changed[value] = key
        elif value and not _are_finite([value]):
            # No number can come near these, so they are no numbers here.
            changed[value] = (value,) if value == value else ("NaN",)
    return tuple(map(changed.get, values, values)), is_as_given and not changed


def _are_finite(numbers: Iterable[object]) -> bool:
    try:
        return all(map(math.isfinite, cast(Iterable[float], numbers)))
    except OverflowError:
        return False


def may_match(gold: Column, predicted: Column) -> bool:
    """Tell whether two columns can hold the same values in some order of rows; False is certain."""
    if not (gold.rounded or predicted.rounded):
        return gold.bag == predicted.bag
    if gold.n_numbers != predicted.n_numbers:
        return False
    if gold.n_numbers < len(gold.keys) and gold.bag_beside_numbers != predicted.bag_beside_numbers:
        return False
    # If any pairing has only near numbers, that of the sorted ones has.
    return all(map(_is_close, gold.numbers, predicted.numbers))


class Labelled(NamedTuple):
    """Columns whose near numbers are written alike."""

    columns: list[tuple[Key, ...]]
    """The columns: equal values have equal labels."""
    is_changed: bool
    """Whether any label differs from its key."""
    loose: frozenset[Key]
    """Labels that values share though some of them differ, so that `are_equal` has the last word."""


def label(columns: Sequence[Column], tolerance: float = RELATIVE_TOLERANCE) -> Labelled:
    """Write near numbers of some columns alike: each as the smallest of its chain.

    Args:
        columns: Columns that may match one another.
        tolerance: Share within which numbers are put in one chain. Below `RELATIVE_TOLERANCE`, equal values may get
            different labels.
    """
    rounded = frozenset[float]().union(*(column.rounded for column in columns))
    integers = frozenset[int]().union(*(column.integers for column in columns))
    # The lists are sorted, so this merely merges them.
    numbers = list(dict.fromkeys(sorted(chain(*(column.numbers for column in columns))))) if rounded else []
    is_near = partial(math.isclose, rel_tol=tolerance, abs_tol=ABSOLUTE_TOLERANCE)
    heads: dict[Key, Key] = {}
    loose: set[Key] = set()
    head = last_rounded = -math.inf
    n_exact, end = 0, -1
    # Only neighbours that are near can be in one chain.
    for i in compress(count(1), map(is_near, numbers, islice(numbers, 1, None))):
        number = numbers[i]
        if i - 1 != end:
            head = numbers[i - 1]
            last_rounded = head if head in rounded else -math.inf
            n_exact = int(head not in rounded or head in integers)
        end = i
        # Two exact numbers are not linked, however near; a rounded one links all that are near it.
        if number in rounded:
            heads[number] = head
            last_rounded = number
            n_exact += number in integers
        elif is_near(number, last_rounded):
            heads[number] = head
            n_exact += 1
        else:
            head, last_rounded, n_exact = number, -math.inf, 1
        if n_exact > 1 or not _is_close(head, number):
            loose.add(head)
    if not heads:
        return Labelled([column.keys for column in columns], is_changed=False, loose=frozenset())
    labels = [tuple(map(heads.get, column.keys, column.keys)) for column in columns]
    return Labelled(labels, is_changed=True, loose=frozenset(loose))
