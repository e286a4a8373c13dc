"""Say a date, a number or a comparison the way people do, with the SQL that means the same.

In: a random generator and the values a column holds. Out: pairs of words and SQL fragments. Knows no tables.
"""

from __future__ import annotations

import calendar
import random
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
ORDINALS = ("first", "second", "third", "fourth")
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def in_words(number: int) -> str:
    """Spell a whole number below a million.

    Example:
        >>> in_words(5250)
        'five thousand two hundred fifty'
    """
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    unit, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    head, rest = divmod(number, unit)
    return f"{in_words(head)} {name}" + (f" {in_words(rest)}" if rest else "")


def year_in_words(year: int) -> str:
    """Spell a year: 2024 is "two thousand twenty-four" or, from 2010, also "twenty twenty-four"."""
    return f"twenty {in_words(year - 2000)}" if year >= 2010 else in_words(year)


@dataclass(frozen=True)
class DateRange:
    """Words for a span of time, such as "in March 2025"; `first` to the day before `end`; None is open."""

    words: str
    first: str | None
    end: str | None
    month_day: str | None = None

    def sql(self, column: str) -> str:
        """Write the condition on a column that holds ISO dates."""
        if self.month_day:
            return f"strftime('{'%m-%d' if '-' in self.month_day else '%m'}', {column}) = '{self.month_day}'"
        parts = [f"{column} >= '{self.first}'"] if self.first else []
        return " AND ".join(parts + ([f"{column} < '{self.end}'"] if self.end else []))


def date_range(rng: random.Random, low: date, high: date) -> DateRange:
    """Draw a span between two days and say it."""
    year = rng.randint(low.year, high.year)
    kind = rng.choices(
        ("year", "month", "quarter", "half", "since", "after", "before", "until", "between", "years", "months", "day",
         "month_any", "day_any"),
        (34, 14, 9, 4, 6, 4, 7, 2, 5, 4, 3, 6, 1.5, 1.5),
    )[0]  # fmt: skip
    if kind == "year":
        said = rng.choices((str(year), year_in_words(year), f"the year {year}"), (20, 2, 2))[0]
        words = rng.choices((f"in {said}", f"during {said}", f"{year}"), (12, 2, 1))[0]
        return DateRange(words, f"{year}-01-01", f"{year + 1}-01-01")
    if kind in ("month", "months", "month_any"):
        month = rng.randint(1, 12)
        name = MONTHS[month - 1]
        if kind == "month_any":
            return DateRange(
                rng.choice((f"in {name} of any year", f"in any {name}", f"in {name}, whatever the year")),
                None,
                None,
                f"{month:02}",
            )
        if kind == "months":
            last = rng.randint(month, 12)
            words = rng.choice(("from {} to {} {}", "between {} and {} {}", "from {} through {} {}"))
            return DateRange(words.format(name, MONTHS[last - 1], year), _month(year, month), _month(year, last + 1))
        short = name[:3]
        words = rng.choices(
            (f"in {name} {year}", f"in {short} {year}", f"during {name} {year}", f"in {name} of {year}", f"in {year}-{month:02}",
             f"in {name} {year_in_words(year)}"), (14, 2, 3, 3, 2, 2))[0]  # fmt: skip
        return DateRange(words, _month(year, month), _month(year, month + 1))
    if kind == "quarter":
        quarter = rng.randint(1, 4)
        words = rng.choice(
            (
                f"in Q{quarter} {year}",
                f"in the {ORDINALS[quarter - 1]} quarter of {year}",
                f"in quarter {quarter} of {year}",
                f"in {year} Q{quarter}",
            )
        )
        return DateRange(words, _month(year, 3 * quarter - 2), _month(year, 3 * quarter + 1))
    if kind == "half":
        half = rng.randint(1, 2)
        words = rng.choice((f"in the {ORDINALS[half - 1]} half of {year}", f"in H{half} {year}"))
        return DateRange(words, _month(year, 6 * half - 5), _month(year, 6 * half + 1))
    if kind == "years":
        last = rng.randint(year, high.year)
        words = rng.choice(
            ("from {} to {}", "between {} and {}", "from {} until the end of {}", "in the years {} to {}")
        )
        return DateRange(words.format(year, last), f"{year}-01-01", f"{last + 1}-01-01")
    day = low + timedelta(days=rng.randint(0, max(0, (high - low).days)))
    if kind == "day_any":
        words = rng.choice(
            (
                f"on {day.day} {MONTHS[day.month - 1]} of any year",
                f"on {MONTHS[day.month - 1]} {day.day}, in any year",
                f"on {day.day} {MONTHS[day.month - 1]}, whatever the year",
            )
        )
        return DateRange(words, None, None, f"{day.month:02}-{day.day:02}")
    if kind == "between":
        other = day + timedelta(days=rng.randint(1, 200))
        words = rng.choice(("between {} and {}", "from {} to {}"))
        return DateRange(words.format(say_day(rng, day), say_day(rng, other)), day.isoformat(), _next(other))
    if kind == "day":
        return DateRange(f"on {say_day(rng, day)}", day.isoformat(), _next(day))
    # The open spans start or end at a year as often as at a day.
    by_year = rng.random() < 0.55
    first = date(year, 1, 1) if by_year else day
    if kind == "since":
        words = (
            rng.choice((f"in {year} or later", f"since {year}", f"since the start of {year}", f"from {year} on"))
            if by_year
            else rng.choice(("since {}", "from {} on", "on or after {}")).format(say_day(rng, day))
        )
        return DateRange(words, first.isoformat(), None)
    if kind == "after":
        words = f"after {year}" if by_year else f"after {say_day(rng, day)}"
        return DateRange(words, f"{year + 1}-01-01" if by_year else _next(day), None)
    if kind == "before":
        return DateRange(f"before {year}" if by_year else f"before {say_day(rng, day)}", None, first.isoformat())
    words = (
        rng.choice((f"until the end of {year}", f"up to {year}", f"in {year} or earlier"))
        if by_year
        else f"up to {say_day(rng, day)}"
    )
    return DateRange(words, None, f"{year + 1}-01-01" if by_year else _next(day))


def say_day(rng: random.Random, day: date) -> str:
    """Say a day: "24 December 2025", "December 24, 2025", "2025-12-24", "the 24th of December 2025"."""
    month = MONTHS[day.month - 1]
    suffix = "th" if 10 < day.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return rng.choices(
        (f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}", day.isoformat(),
         f"the {day.day}{suffix} of {month} {day.year}", f"{day.day}.{day.month}.{day.year}"), (6, 3, 5, 2, 1))[0]  # fmt: skip


def _month(year: int, month: int) -> str:
    return f"{year + (month - 1) // 12}-{(month - 1) % 12 + 1:02}-01"


def _next(day: date) -> str:
    return (day + timedelta(days=1)).isoformat()


def last_day(year: int, month: int) -> int:
    """Count the days of a month."""
    return calendar.monthrange(year, month)[1]


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


OVER = ("more than {}", "over {}", "above {}", "greater than {}", "higher than {}", "> {}", "exceeding {}")
AT_LEAST = ("at least {}", "{} or more", "no less than {}", ">= {}", "{} and more", "{} and above", "a minimum of {}")
UNDER = ("less than {}", "under {}", "below {}", "lower than {}", "< {}", "fewer than {}", "not even {}")
AT_MOST = ("at most {}", "up to {}", "no more than {}", "{} or less", "<= {}", "{} at most", "a maximum of {}")
EXACTLY = ("exactly {}", "{}", "of exactly {}")


def comparison(rng: random.Random, values: list[float], *, unit: str = "", is_count: bool = False) -> tuple[str, str]:
    """Draw a comparison with a plausible number: words such as "more than 50", and its SQL such as "> 50"."""
    pick = _plausible(rng, values)
    said = say_number(rng, pick, unit=unit)
    kind = rng.choices(
        ("over", "at_least", "under", "at_most", "exactly", "between"), (30, 22, 20, 8, 8 if is_count else 3, 9)
    )[0]
    number = f"{pick:g}" if pick == int(pick) and abs(pick) < 1e6 else repr(pick)
    if pick == int(pick):
        number = str(int(pick))
    if kind == "between":
        other = _plausible(rng, values)
        low, high = sorted((pick, other))
        if low == high:
            high = low + (1 if low == int(low) else 0.5)
        words = rng.choice(("between {} and {}", "from {} to {}", "between {} and {} (both included)", "{} to {}"))
        text = words.format(say_number(rng, low, may_spell=False), say_number(rng, high, unit=unit, may_spell=False))
        return text, f"BETWEEN {_sql_number(low)} AND {_sql_number(high)}"
    words, sign = {
        "over": (OVER, ">"), "at_least": (AT_LEAST, ">="), "under": (UNDER, "<"), "at_most": (AT_MOST, "<="),
        "exactly": (EXACTLY, "="),
    }[kind]  # fmt: skip
    return rng.choices(words, [3, 3, 2] + [1] * (len(words) - 3))[0].format(said), f"{sign} {number}"


def _sql_number(value: float) -> str:
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
    return float(round(raw / step) * step) if rng.random() < 0.92 else round(raw, 2)
