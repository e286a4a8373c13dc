"""Values near one that a query mentions, written the way their column writes values.

In: a Mention and the values that its column holds. Out: values that meet the condition, and values that just miss it.
A column keeps its habits: whole numbers stay whole, prices keep their decimals, dates their spelling. Knows no rows.

Covers: numbers, text, dates and moments as the driver gives them or as ISO text, and parts of dates (a year, a month,
'2025-03', '12-24').
Does not cover: text in another case, which a database that spells its values in one way does not hold; other types.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from evaluation.variation.invariants import as_key
from evaluation.variation.mentions import Mention

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d)?")
_PART = re.compile(r"(?P<year>\d{4})(-(?P<month>\d\d))?|(?P<of_year>\d\d)(-(?P<day>\d\d))?")
_PLAUSIBLE_YEARS = range(1900, 2101)
_MAX_DECIMALS = 4
FEW_VALUES = 12
"""A column with at most so many values holds codes: values between them mean nothing."""
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


class Nearby(NamedTuple):
    """Values around a mention."""

    hits: tuple[object, ...] = ()
    """Values that meet the condition."""
    misses: tuple[object, ...] = ()
    """Values at its edge or just beyond."""


class Habits:
    """How one column writes its values. Studied once."""

    def __init__(self, values: Sequence[object]) -> None:
        """Take what the column holds, without NULL."""
        self.values = values
        self.decimals = count_decimals(values)
        numbers = [value for value in values if isinstance(value, int | float | Decimal)]
        self.is_moment = bool(values) and read_moment(values[0]) is not None
        self.low = min(numbers, default=0)
        self.high = max(numbers, default=0)
        self.has_whole = any(isinstance(value, int) for value in numbers)
        self.top = max((value for value in numbers if isinstance(value, int)), default=0)
        self.distinct = {as_key(value) for value in values}
        self.by_folded_text = {value.casefold(): value for value in values if isinstance(value, str)}

    @property
    def is_varied(self) -> bool:
        """Whether there are more values than codes have."""
        return len(self.distinct) > FEW_VALUES


def find_nearby(mention: Mention, habits: Habits, rng: random.Random) -> Nearby:
    """Give values that meet a condition, and values at its edge.

    Args:
        mention: The condition.
        habits: Of the mentioned column.
        rng: Chooses among existing values.
    """
    if not habits.values:
        return Nearby()
    example = rng.choice(habits.values)
    if mention.kind == "null":
        return Nearby((example,), (None,))
    if read_moment(example) is not None:
        return _near_moment(mention, example)
    if isinstance(example, bool):
        return Nearby((bool(mention.value),), (not mention.value,))
    if isinstance(example, int | float | Decimal):
        return _near_number(mention, example, habits, rng)
    if isinstance(example, str):
        return _near_text(mention, habits, rng)
    return Nearby()


def read_moment(value: object) -> datetime | None:
    """Read a date or a moment, as the driver gives it or as ISO text; None when it is neither."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return None


def write_moment(moment: datetime, example: object) -> object:
    """Write a moment the way `example` is written."""
    if isinstance(example, datetime):
        return moment.replace(tzinfo=example.tzinfo)
    if isinstance(example, date):
        return moment.date()
    text = str(example)
    return moment.date().isoformat() if len(text) == 10 else moment.isoformat(sep=text[10])


def is_in_period(value: object, period: int | float | str) -> bool:
    """Tell whether a date or moment lies in a year (2025), month ('2025-03', '03'), day, or day of a year ('12-24')."""
    moment = read_moment(value)
    text = f"{period:02d}" if isinstance(period, int) else str(period)
    if moment is None:
        return False
    written = moment.isoformat(sep=" ")
    return written.startswith(text) if len(text) in (4, 7, 10, 19) else written[5:10].startswith(text)


def count_decimals(values: Sequence[object]) -> int:
    """Count the decimals that numbers of a column are written with."""
    most = 0
    for value in values[:200]:
        exponent = Decimal(str(value)).normalize().as_tuple().exponent if isinstance(value, float | Decimal) else 0
        most = max(most, -exponent if isinstance(exponent, int) else 0)
    return min(most, _MAX_DECIMALS)


def shift_number(value: int | float | Decimal, steps: int, decimals: int) -> int | float | Decimal:
    """Move a number by steps of its last decimal, in its own type."""
    if isinstance(value, Decimal):
        return value + Decimal(steps).scaleb(-decimals)
    if isinstance(value, int) and decimals == 0:
        return value + steps
    return round(float(value) + steps / 10.0**decimals, decimals)


def _near_number(mention: Mention, example: int | float | Decimal, habits: Habits, rng: random.Random) -> Nearby:
    try:
        number = round(float(mention.value), habits.decimals)
    except ValueError:
        return Nearby()
    # The column may be scaled in the query: 100.0 * share. A value far outside says nothing about this column.
    low, high = float(habits.low), float(habits.high)
    if not low - (high - low) - 1 <= number <= high + (high - low) + 1:
        return Nearby()
    base: int | float | Decimal = number
    if isinstance(example, Decimal):
        base = Decimal(str(number))
    elif number.is_integer() and habits.has_whole:
        base = int(number)
    below, above = (shift_number(base, step, habits.decimals) for step in (-1, 1))
    if mention.kind in ("above", "below"):
        return Nearby((above if mention.kind == "above" else below,), (base, below, above))
    others = _others(base, habits, rng)
    return Nearby((base,), (*others, below, above) if habits.is_varied else others)


def _near_text(mention: Mention, habits: Habits, rng: random.Random) -> Nearby:
    text = str(mention.value)
    if mention.kind != "pattern":
        same = habits.by_folded_text.get(text.casefold())
        return Nearby() if same is None else Nearby((same,), _others(same, habits, rng))
    core = text.strip("%")
    if not core or "%" in core:
        return Nearby()
    hits = sorted(value for folded, value in habits.by_folded_text.items() if core.casefold() in folded)
    other = str(rng.choice(habits.values))
    half = len(other) // 2
    around = (f"{core}{other[half:]}", f"{other[:half]}{core}", f"{other[:half]}{core}{other[half:]}")
    return Nearby(
        tuple(rng.sample(hits, min(2, len(hits)))), (*around, core.strip(), f"{core.strip()[:-1]}{other[half:]}")
    )


def _near_moment(mention: Mention, example: object) -> Nearby:
    moments = _edges(mention.value, read_moment(example) or datetime.min)
    if not moments:
        return Nearby()
    is_date = not isinstance(example, datetime) and (isinstance(example, date) or len(str(example)) == 10)
    written = tuple(dict.fromkeys(write_moment(moment, example) for moment in moments))
    if mention.kind in ("above", "below"):
        step = _DAY if is_date else timedelta(hours=5)
        inside = moments[0] + step if mention.kind == "above" else moments[0] - step
        return Nearby((write_moment(inside, example),), written)
    return Nearby(written[:1], written[1:])


def _edges(literal: int | float | str, some: datetime) -> list[datetime]:
    """List the moment or period that a literal names: its first moment, then the ones around its ends."""
    text = f"{literal:02d}" if isinstance(literal, int) else str(literal)
    whole = read_moment(text)
    try:
        if whole is not None:
            if len(text) > 10:
                return [whole, whole - _SECOND, whole + _SECOND]
            return [whole, whole - _SECOND, whole + _DAY - _SECOND, whole + _DAY, whole - _DAY]
        part = _PART.fullmatch(text)
        if part is None:
            return []
        if part["year"]:
            if int(part["year"]) not in _PLAUSIBLE_YEARS:
                return []
            start = datetime(int(part["year"]), int(part["month"] or 1), 1)
            end = start + timedelta(days=31 if part["month"] else 366)
            end = datetime(end.year, end.month if part["month"] else 1, 1)
            return [start, start - _SECOND, end - _SECOND, end]
        if part["day"]:
            day = some.replace(month=int(part["of_year"]), day=int(part["day"]))
            return [day, day - _DAY, day + _DAY]
        month = some.replace(month=int(part["of_year"]), day=1)
        return [month, month - _DAY, month + timedelta(days=27), month + timedelta(days=31)]
    except (ValueError, OverflowError):
        return []


def _others(value: object, habits: Habits, rng: random.Random) -> tuple[object, ...]:
    drawn = dict.fromkeys(rng.choice(habits.values) for _ in range(8))
    return tuple(other for other in drawn if other != value)[:2]
