"""Numbers in what people write: digits, and words of English.

In: text. Out: the numbers that it may mean. Reads generously: "twenty twenty-six" means 20, 26 and 2026. Knows neither
units nor SQL.
"""

from __future__ import annotations

import re

_DIGITS = re.compile(
    r"(?<![\w.,])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:(k|m)\b)?|(\d+(?:\.\d+)?)", re.IGNORECASE
)
_SUFFIXES = {"": 1, "k": 1_000, "m": 1_000_000}
_WORD = re.compile(r"[^\W\d_]+")
_ONES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_LARGE = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_OTHER = {
    "no": 0, "none": 0, "never": 0, "once": 1, "single": 1, "twice": 2, "both": 2, "couple": 2, "pair": 2, "second": 2,
    "double": 2, "half": 0.5, "third": 3, "thrice": 3, "triple": 3, "fourth": 4, "quarter": 0.25, "dozen": 12,
    "hundreds": 100, "thousands": 1_000, "millions": 1_000_000,
}  # fmt: skip


def read_numbers(text: str) -> frozenset[float]:
    """List what numbers a text may mean, those in words included.

    Example:
        >>> sorted(read_numbers("more than twenty-five, before two thousand nine; 1,250.50"))
        [2.0, 9.0, 20.0, 25.0, 1000.0, 1250.5, 2000.0, 2009.0]
    """
    words = [word.casefold() for word in _WORD.findall(text)]
    found = set(read_digits(text))
    place = 0
    while place < len(words):
        length = 0
        while place + length < len(words) and (
            words[place + length] in _ONES or words[place + length] in _TENS or words[place + length] in _LARGE
        ):
            length += 1
        if length:
            found |= _readings(words[place : place + length])
        elif words[place] in _OTHER:
            found.add(float(_OTHER[words[place]]))
        place += max(length, 1)
    return frozenset(found)


def read_digits(text: str) -> list[float]:
    """List the numbers that a text has in digits, in their order."""
    found = []
    for match in _DIGITS.finditer(text):
        number = float((match[1] or match[3]).replace(",", ""))
        found.append(number * _SUFFIXES[(match[2] or "").lower()])
    return found


def _readings(words: list[str]) -> set[float]:
    """Read a run of number words: each for itself, added up, and as a year in two halves."""
    found = {float(_ONES.get(word, _TENS.get(word, _LARGE.get(word, 0)))) for word in words}
    total = current = 0
    halves: list[int] = []
    for word in words:
        if word in _LARGE:
            current = max(current, 1) * _LARGE[word]
            if _LARGE[word] >= 1000:
                total, current = total + current, 0
        elif word in _TENS or (word in _ONES and _ONES[word] >= 10) or current % 10:
            value = _TENS.get(word, _ONES.get(word, 0))
            if 0 < current < 100:
                halves.append(current)
                current = value
            else:
                current += value
        else:
            current += _ONES[word]
        found.add(float(total + current))
    if halves:
        found |= {float(half) for half in halves} | {float(halves[-1] * 100 + current)}
    return found
