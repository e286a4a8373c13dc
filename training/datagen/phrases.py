"""Say a date, a number or a comparison the way people do, with the SQL that means the same.

In: a random generator and the values a column holds. Out: pairs of words and SQL fragments; the wordings are in
`phrases.toml`. Knows no tables.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from assistant.writing import MONTHS
from training.datagen.english import ORDINALS, in_words, month_name, ordinal_day, year_in_words
from training.datagen.patterns import choose, fill, say

SPANS = {
    "year": 34, "month": 14, "quarter": 9, "half": 4, "since": 6, "after": 4, "before": 7, "until": 2, "between": 5,
    "years": 4, "relative": 4, "months": 3, "day": 6, "month_of_any_year": 1.5, "day_of_any_year": 1.5,
}  # fmt: skip
"""How often each kind of span is drawn."""
SIGNS = {"over": ">", "at_least": ">=", "under": "<", "at_most": "<=", "exactly": "="}

RELATIVE: dict[str, tuple[str, str | None]] = {
    "this_month": ("date('now', 'start of month')", "date('now', 'start of month', '+1 month')"),
    "last_month": ("date('now', 'start of month', '-1 month')", "date('now', 'start of month')"),
    "this_year": ("date('now', 'start of year')", "date('now', 'start of year', '+1 year')"),
    "last_year": ("date('now', 'start of year', '-1 year')", "date('now', 'start of year')"),
    "last_days": ("", None),
}
"""Spans reckoned from today: the first day and the day after the last one, in SQL."""


@dataclass(frozen=True)
class DateRange:
    """Words for a span of time, such as "in March 2025"; `first` to the day before `end`; None is open."""

    words: str
    first: str | None
    end: str | None
    month_day: str | None = None
    is_relative: bool = False
    """Whether `first` and `end` are reckoned from today, in SQL."""

    def sql(self, column: str) -> str:
        """Write the condition on a column that holds ISO dates."""
        if self.month_day:
            return f"strftime('{'%m-%d' if '-' in self.month_day else '%m'}', {column}) = '{self.month_day}'"
        if self.is_relative:
            parts = [f"{column} >= {self.first}"] if self.first else []
            return " AND ".join(parts + ([f"{column} < {self.end}"] if self.end else []))
        parts = [f"{column} >= '{self.first}'"] if self.first else []
        return " AND ".join(parts + ([f"{column} < '{self.end}'"] if self.end else []))


def date_range(rng: random.Random, low: date, high: date) -> DateRange:
    """Draw a span between two days and say it."""
    year = rng.randint(low.year, high.year)
    kind = rng.choices(list(SPANS), list(SPANS.values()))[0]
    if kind == "year":
        said = say(rng, "date.year_name", year=year, spelled=year_in_words(year))
        return DateRange(say(rng, "date.year", said=said, year=year), f"{year}-01-01", f"{year + 1}-01-01")
    if kind in ("month", "months", "month_of_any_year"):
        return _months(rng, kind, year)
    if kind == "quarter":
        quarter = rng.randint(1, 4)
        words = say(rng, "date.quarter", quarter=quarter, ordinal=ORDINALS[quarter - 1], year=year)
        return DateRange(words, _first_of(year, 3 * quarter - 2), _first_of(year, 3 * quarter + 1))
    if kind == "half":
        half = rng.randint(1, 2)
        words = say(rng, "date.half", half=half, ordinal=ORDINALS[half - 1], year=year)
        return DateRange(words, _first_of(year, 6 * half - 5), _first_of(year, 6 * half + 1))
    if kind == "years":
        last = rng.randint(year, high.year)
        return DateRange(say(rng, "date.years", first=year, last=last), f"{year}-01-01", f"{last + 1}-01-01")
    if kind == "relative":
        return _relative(rng)
    day = low + timedelta(days=rng.randint(0, max(0, (high - low).days)))
    if kind == "day_of_any_year":
        words = say(rng, "date.day_of_any_year", day=day.day, month=month_name(day))
        return DateRange(words, None, None, f"{day.month:02}-{day.day:02}")
    if kind == "between":
        other = day + timedelta(days=rng.randint(1, 200))
        pattern = choose(rng, "date.between")
        words = fill(pattern, first=say_day(rng, day), last=say_day(rng, other))
        return DateRange(words, day.isoformat(), _day_after(other))
    if kind == "day":
        return DateRange(say(rng, "date.on", day=say_day(rng, day)), day.isoformat(), _day_after(day))
    return _open_span(rng, kind, year, day)


def _relative(rng: random.Random) -> DateRange:
    """Draw a span that is reckoned from today: last month, this year, the last 30 days."""
    name = rng.choice(list(RELATIVE))
    if name == "last_days":
        days = rng.choice((7, 14, 30, 30, 60, 90))
        words = say(rng, "date.last_days", days=days)
        return DateRange(words, f"date('now', '-{days} days')", None, is_relative=True)
    first, end = RELATIVE[name]
    return DateRange(say(rng, f"date.{name}"), first, end, is_relative=True)


def _months(rng: random.Random, kind: str, year: int) -> DateRange:
    """Draw one month, several months of a year, or a month of any year."""
    month = rng.randint(1, 12)
    name = MONTHS[month - 1]
    if kind == "month_of_any_year":
        return DateRange(say(rng, "date.month_of_any_year", month=name), None, None, f"{month:02}")
    if kind == "months":
        last = rng.randint(month, 12)
        words = say(rng, "date.months", first=name, last=MONTHS[last - 1], year=year)
        return DateRange(words, _first_of(year, month), _first_of(year, last + 1))
    words = say(
        rng, "date.month", month=name, short=name[:3], year=year, spelled=year_in_words(year), number=f"{month:02}"
    )
    return DateRange(words, _first_of(year, month), _first_of(year, month + 1))


def _open_span(rng: random.Random, kind: str, year: int, day: date) -> DateRange:
    """Draw a span that is open at one side; it starts or ends at a year as often as at a day."""
    by_year = rng.random() < 0.55
    first = date(year, 1, 1) if by_year else day
    if kind == "since":
        if by_year:
            return DateRange(say(rng, "date.since_year", year=year), first.isoformat(), None)
        pattern = choose(rng, "date.since")
        return DateRange(fill(pattern, day=say_day(rng, day)), first.isoformat(), None)
    following = f"{year + 1}-01-01" if by_year else _day_after(day)
    if kind == "until" and by_year:
        return DateRange(say(rng, "date.until_year", year=year), None, following)
    words = say(rng, f"date.{kind}", day=str(year) if by_year else say_day(rng, day))
    if kind == "after":
        return DateRange(words, following, None)
    return DateRange(words, None, first.isoformat() if kind == "before" else following)


def say_day(rng: random.Random, day: date) -> str:
    """Say a day: "24 December 2025", "December 24, 2025", "2025-12-24", "the 24th of December 2025"."""
    return say(
        rng,
        "date.day",
        day=day.day,
        month=month_name(day),
        year=day.year,
        iso=day.isoformat(),
        ordinal=ordinal_day(day),
        number=day.month,
    )


def _first_of(year: int, month: int) -> str:
    """Write the first day of a month; month 13 is January of the next year."""
    return f"{year + (month - 1) // 12}-{(month - 1) % 12 + 1:02}-01"


def _day_after(day: date) -> str:
    """Write the day after a day."""
    return (day + timedelta(days=1)).isoformat()


def say_number(rng: random.Random, value: float, *, unit: str = "", may_spell: bool = True) -> str:
    """Say a number: 5000, 5,000, 5k, "five thousand", with its unit."""
    if value != int(value):
        text = f"{value:g}" if abs(value) < 10000 else f"{value:.2f}"
    else:
        whole = int(value)
        options = [str(whole)] * 6
        if whole >= 1000:
            options += [f"{whole:,}"] * 5
            if whole % 1000 == 0:
                options.append(f"{whole // 1000}k")
        if may_spell and (whole <= 20 or whole % 5 == 0) and 0 <= whole < 1_000_000:
            options += [in_words(whole)] * (4 if whole <= 20 else 2)
        text = rng.choice(options)
    return f"{text} {unit}".strip() if unit and rng.random() < 0.7 else text


def year_comparison(rng: random.Random, values: list[float]) -> tuple[str, str]:
    """Draw a comparison of a column of years with one or two of them: words such as "after 2005", and its SQL."""
    first, last = (int(value) for value in sorted(rng.choices(values, k=2)))
    kind = rng.choices((*SIGNS, "between"), (22, 12, 18, 6, 34, 14))[0]
    if kind == "between":
        last += first == last
        return say(rng, "year.between", low=first, high=last), f"BETWEEN {first} AND {last}"
    return say(rng, f"year.{kind}", year=first), f"{SIGNS[kind]} {first}"


def comparison(rng: random.Random, values: list[float], *, unit: str = "", is_count: bool = False) -> tuple[str, str]:
    """Draw a comparison with a plausible number: words such as "more than 50", and its SQL such as "> 50"."""
    pick = _plausible(rng, values)
    said = say_number(rng, pick, unit=unit)
    kind = rng.choices((*SIGNS, "between"), (30, 22, 20, 8, 8 if is_count else 3, 9))[0]
    if kind == "between":
        other = _plausible(rng, values)
        low, high = sorted((pick, other))
        if low == high:
            high = low + (1 if low == int(low) else 0.5)
        pattern = choose(rng, "number.between")
        said_low = say_number(rng, low, may_spell=False)
        text = fill(pattern, low=said_low, high=say_number(rng, high, unit=unit, may_spell=False))
        return text, f"BETWEEN {sql_number(low)} AND {sql_number(high)}"
    name = f"count.{kind}" if is_count else f"number.{kind}"
    return say(rng, name, number=said), f"{SIGNS[kind]} {sql_number(pick)}"


def plausible_pair(rng: random.Random, values: list[float]) -> tuple[float, float] | None:
    """Draw two limits from sorted values, one of the lower half and a higher one; None when they come out equal."""
    half = len(values) // 2
    low, high = _plausible(rng, values[: half or 1]), _plausible(rng, values[half:])
    return (low, high) if low < high else None


def sql_number(value: float) -> str:
    """Write a number in SQL, whole ones without a point."""
    return str(int(value)) if value == int(value) else repr(value)


def _plausible(rng: random.Random, values: list[float]) -> float:
    """Draw a number between two of the values, rounded as people round."""
    low, high = sorted(rng.choices(values, k=2))
    raw = rng.uniform(low, high)
    size = max(abs(raw), abs(high), 1e-9)
    if size <= 1:
        return round(raw * 20) / 20
    if all(value == int(value) for value in (low, high)) and size < 60:
        return float(round(raw))
    digits = len(str(int(size)))
    step = 10 ** max(0, digits - rng.choice((1, 2, 2, 3)))
    if rng.random() < 0.3:
        step = max(1, step // 2)
    is_rounded, is_whole = rng.random() < 0.92, all(value == int(value) for value in (low, high))
    return float(round(raw / step) * step) if is_rounded else round(raw, 0 if is_whole else 2)
