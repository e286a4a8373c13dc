"""Regular English: articles, numbers in words, days. Plurals and names of months are those of `assistant.writing`.

In: a word or a number. Out: text. Knows no schema; whoever writes the wordings in another language replaces this file
too.
"""

from __future__ import annotations

from datetime import date

from assistant.writing import MONTHS

ORDINALS = ("first", "second", "third", "fourth")
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def with_article(noun: str) -> str:
    """Put "a" or "an" before a noun, by its first letter; nothing before a plural, such as "hours"."""
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is", "as")) and len(noun) > 3:
        return noun
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


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
    """Spell a year: 2024 is "twenty twenty-four", 2009 "two thousand nine"."""
    return f"twenty {in_words(year - 2000)}" if year >= 2010 else in_words(year)


def ordinal_day(day: date) -> str:
    """Give the day of a month with its ending: 1st, 12th, 23rd."""
    suffix = "th" if 10 < day.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return f"{day.day}{suffix}"


def month_name(day: date) -> str:
    """Name the month of a day."""
    return MONTHS[day.month - 1]
