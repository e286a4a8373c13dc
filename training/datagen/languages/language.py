"""One language: its wordings, and how it writes numbers, days and lists.

In: the name of a list of wordings and words for its slots; a number, a span of time. Out: text. The wordings are in the
folder named by the language's code. Knows no schema and no statement.
"""

from __future__ import annotations

import calendar
import random
import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache

from training.datagen.languages.meaning import Span
from training.datagen.patterns import FOLDER, Slot, Wording, fill, load_wordings, split

CLAUSE_END = "\x04"
"""Stands behind a clause; becomes a comma where the sentence goes on, in languages that part clauses by commas."""
_VOWELS = "aeiouyàâäéèêëîïôöûü"
_DE_SLOT = re.compile(r"\b([dD])e \{(\w+)\}")
_OPEN_CLAUSE = re.compile(rf"{CLAUSE_END}(?=\s*(?:[?.!,:;)]|$))")
_SPELLED = 12


class Language:
    """Draws wordings of one language."""

    def __init__(self, code: str) -> None:
        """Read the wordings.

        Raises:
            UsageError: They are malformed.
        """
        self.code = code
        self._wordings: dict[str, Wording] = load_wordings(FOLDER / "languages" / code)
        self.months = self._words("word.months", 12)
        self._numbers = self._words("word.numbers", _SPELLED + 1)
        self._ordinals = self._words("word.ordinals", 4)
        self._first_day = "1er" if code == "fr" else "1"
        self._decimal, self._thousands = split(self._wordings["word.separators"].patterns[0], 2)

    def word(self, rng: random.Random, name: str, **slots: Slot) -> str:
        """Draw a wording and fill it."""
        wording = self._wordings[name]
        pattern = rng.choices(wording.patterns, wording.weights)[0]
        if self.code == "fr":
            pattern = _DE_SLOT.sub(lambda m: self._elide(m, slots), pattern)
            after = re.search(r"\{highest\} \{(\w+)\}", pattern)
            if after and str(slots["highest"]).endswith(" de") and _begins_with_vowel(slots[after.group(1)]):
                pattern = pattern.replace("{highest} ", "{highest}")
                slots["highest"] = str(slots["highest"]).removesuffix("e") + "'"
        if self.code == "es" and str(slots.get("other", ""))[:1].lower() == "o":
            pattern = pattern.replace(" o {other}", " u {other}")
        if self.code == "es" and re.match("hi?i|i", str(slots.get("last", "")), re.IGNORECASE):
            pattern = pattern.replace(" y {last}", " e {last}")
        return fill(pattern, **slots)

    def every(self, name: str) -> tuple[str, ...]:
        """List all wordings of a name."""
        return self._wordings[name].patterns

    def join(self, rng: random.Random, words: Sequence[str]) -> str:
        """List words: "a, b and c"."""
        if len(words) == 1:
            return words[0]
        return self.word(rng, "piece.and", first=", ".join(words[:-1]), last=words[-1])

    def finish(self, text: str) -> str:
        """Close clauses, and tidy up."""
        closed = _OPEN_CLAUSE.sub("", text).replace(CLAUSE_END, "," if self.code == "de" else "")
        return re.sub(r" +,", ",", re.sub(r"\s+", " ", closed)).replace(".?", "?").replace("?.", "?").strip()

    def number(self, rng: random.Random, text: str) -> str:
        """Say a number as the SQL writes it: with the language's comma, now and then parted or in words."""
        whole, _, decimals = text.partition(".")
        decimals = decimals.rstrip("0")
        if not decimals and whole.isdigit() and int(whole) <= _SPELLED and rng.random() < 0.2:
            return self._numbers[int(whole)]
        if whole.isdigit() and int(whole) >= 1000 and rng.random() < 0.4:
            whole = f"{int(whole):,}".replace(",", self._thousands)
        return f"{whole}{self._decimal}{decimals}" if decimals else whole

    def span(self, rng: random.Random, span: Span) -> str:
        """Say a span of time."""
        if span.relative == "last_days":
            return self.word(rng, "span.last_days", days=span.number)
        if span.relative == "month_of_any_year":
            return self.word(rng, "span.month_of_any_year", month=self.months[span.number - 1])
        if span.relative == "day_of_any_year":
            said = self._first_day if span.day == 1 else span.day
            return self.word(rng, "span.day_of_any_year", day=said, month=self.months[span.number - 1])
        if span.relative:
            return self.word(rng, f"span.{span.relative}")
        if span.first and span.end:
            return self._closed(rng, span.first, span.end)
        day = span.first or span.end
        assert day is not None
        name = "since" if span.first else "before"
        if (day.month, day.day) == (1, 1) and rng.random() < 0.8:
            return self.word(rng, f"span.{name}_year", year=day.year)
        return self.word(rng, f"span.{name}", day=self.day(rng, day))

    def _closed(self, rng: random.Random, first: date, end: date) -> str:
        last = end - timedelta(days=1)
        year = first.year
        if first == last:
            return self.word(rng, "span.on", day=self.day(rng, first))
        is_whole = first.day == 1 and last.day == calendar.monthrange(last.year, last.month)[1]
        if is_whole and first.month == 1 and last.month == 12:
            if year == last.year:
                return self.word(rng, "span.year", year=year)
            return self.word(rng, "span.years", first=year, last=last.year)
        if is_whole and year == last.year:
            count = last.month - first.month + 1
            if count == 1:
                return self.word(
                    rng, "span.month", month=self.months[first.month - 1], year=year, number=f"{first.month:02}"
                )
            for name, length in (("quarter", 3), ("half", 6)):
                if count == length and (first.month - 1) % length == 0:
                    number = (first.month - 1) // length + 1
                    return self.word(
                        rng, f"span.{name}", number=number, ordinal=self._ordinals[number - 1], year=year
                    )  # fmt: skip
            start, stop = self.months[first.month - 1], self.months[last.month - 1]
            return self.word(rng, "span.months", first=start, last=stop, year=year)
        state = rng.getstate()
        said = self.day(rng, first)
        rng.setstate(state)  # both days in one way
        return self.word(rng, "span.between", first=said, last=self.day(rng, last))

    def day(self, rng: random.Random, day: date) -> str:
        """Say a day."""
        return self.word(
            rng, "span.day", day=self._first_day if day.day == 1 else day.day, month=self.months[day.month - 1],
            year=day.year, two=f"{day.day:02}", number=f"{day.month:02}", iso=day.isoformat(),
        )  # fmt: skip

    def _words(self, name: str, count: int) -> list[str]:
        return split(self._wordings[name].patterns[0], count)

    def _elide(self, matched: re.Match[str], slots: dict[str, Slot]) -> str:
        """Write d'orders, not de orders."""
        if _begins_with_vowel(slots.get(matched.group(2), "")):
            return f"{matched.group(1)}'{{{matched.group(2)}}}"
        return matched.group()


def _begins_with_vowel(slot: Slot) -> bool:
    return str(slot)[:1].lower() in tuple(_VOWELS)


@cache
def open_language(code: str) -> Language:
    """Read a language once a process."""
    return Language(code)
