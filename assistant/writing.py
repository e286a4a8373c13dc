"""How names, numbers and days are written for people.

In: a name of the schema, a number, a cell or a pair of days. Out: English words. Knows no query and no result; the
numbers it writes are those it is given, rounded to two decimals at most.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

from assistant.types import Cell
from assistant.words import split_name, word_set

_WORDS_FOR = {"avg": "average", "num": "number", "cnt": "count", "qty": "quantity", "amt": "amount", "pct": "percent"}
_WORDS_FOR |= {"dateofbirth": "date of birth", "n": "number", "min": "lowest", "max": "highest", "yr": "year"}
_UNCOUNTED = word_set("key id ids no nr number code zip postcode year phone")
_SAME_IN_PLURAL = word_set("revenue sales turnover stock news data information staff people money time series")
_IRREGULAR = {"person": "people", "man": "men", "woman": "women", "child": "children", "quantity": "quantities"}
MONTHS: tuple[str, ...] = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_QUARTERS = {1: "first", 4: "second", 7: "third", 10: "fourth"}
ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[ T]00:00(?::00(?:\.0+)?)?)?")


def humanise(name: str) -> str:
    """Put a name of a schema into words: `avg_unitPrice` becomes `average unit price`."""
    words = [_WORDS_FOR.get(word, word) for word in split_name(name)]
    return " ".join(words) or name


def plural(noun: str) -> str:
    """Put the last word of a noun phrase into the plural: `sales order` becomes `sales orders`."""
    head, _, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last in _SAME_IN_PLURAL or (last.endswith("s") and not last.endswith(("ss", "us"))):
        pass
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = f"{last[:-1]}ies"
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        last = f"{last}es"
    else:
        last = f"{last}s"
    return f"{head} {last}".strip()


def counted(count: int, noun: str) -> str:
    """Say how many: `1 city`, `1,200 cities`."""
    return f"{count:,} {noun if count == 1 else plural(noun)}"


def join_words(parts: Sequence[str], last: str = "and") -> str:
    """List parts in a sentence: `a, b and c`."""
    if len(parts) <= 1:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def is_label_number(name: str) -> bool:
    """Tell whether numbers of a column name things (keys, years, codes) and are not counted or measured."""
    words = split_name(name)
    # `number_of_orders` is a count; `order_number` is a name.
    return bool(words) and (words[-1] in _UNCOUNTED) and words != ("number",) and words != ("no",)


def format_number(value: float, *, is_label: bool = False) -> str:
    """Write a number for people: thousands parted by commas, two decimals if any, three digits if it is tiny."""
    if isinstance(value, int):
        return str(value) if is_label else f"{value:,}"
    if value != value or value in (float("inf"), float("-inf")):
        return "not a number"
    if value and abs(value) < 0.01:
        digits = 3
        while digits < 15 and round(abs(value), digits) < 10 ** (2 - digits):
            digits += 1
        text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
        return text if float(text) else "0"
    rounded = round(value, 2)
    if rounded == int(rounded):
        return str(int(rounded)) if is_label else f"{int(rounded):,}"
    return f"{rounded:.2f}" if is_label else f"{rounded:,.2f}"


def format_cell(cell: Cell, name: str) -> str:
    """Write one cell of the column `name`."""
    if cell is None:
        return "unknown"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | float):
        return format_number(cell, is_label=is_label_number(name))
    day = ISO_DATE.fullmatch(cell)
    return cell[:10] if day else cell


def spoken_day(day: date) -> str:
    """Write a day: `1 March 2025`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def spoken_span(first: date, after: date) -> str:
    """Name the days from `first` to the one before `after`, as a year, quarter or month where they are one."""
    starts_month = first.day == 1 and after.day == 1
    months = (after.year - first.year) * 12 + after.month - first.month
    if starts_month and months == 12 and first.month == 1:
        return f"in {first.year}"
    if starts_month and months == 3 and first.month in _QUARTERS:
        return f"in the {_QUARTERS[first.month]} quarter of {first.year}"
    if starts_month and months == 1:
        return f"in {MONTHS[first.month - 1]} {first.year}"
    if starts_month and first.month == 1 and months % 12 == 0:
        return f"from {first.year} to {after.year - 1}"
    last = after - timedelta(days=1)
    return f"on {spoken_day(first)}" if last == first else f"from {spoken_day(first)} to {spoken_day(last)}"


def spoken_period(text: str) -> str:
    """Name the year, month or day that a text such as `2025-03` means; empty when it means none."""
    if re.fullmatch(r"\d{4}", text):
        return f"in {text}"
    if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        return f"in {MONTHS[int(text[5:]) - 1]} {text[:4]}"
    try:
        return f"on {spoken_day(date.fromisoformat(text))}"
    except ValueError:
        return ""
