"""Made-up values for one column.

In: a column with its name, kind and samples, and what its table is called. Out: as many values as asked for. Samples
that look like categories are used again, with those that come first more often; others are the pattern or the words
that new values are made of; numbers stay in the range of the samples. Dates are `row_dates`'. Knows no keys and
no other tables, and puts no NULLs anywhere.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from assistant.types import Cell, Column
from assistant.words import word_set
from training.datagen.lexicon import PEOPLE
from training.datagen.spoken import name_words

WORDS_FILE = Path(__file__).with_name("row_words.toml")
MOST_CATEGORIES = 25
"""Different values of a column of places, colours and the like."""

_ORGANISATIONS = word_set(
    """company supplier vendor organisation organization firm manufacturer publisher sponsor carrier insurer bank client
    contractor brand airline operator partner dealer distributor provider shipper label studio broadcaster"""
)
_FREE_TEXT = word_set(
    """description note notes comment comments remark remarks details text content biography bio body message summary
    feedback reason instructions"""
)
_NAMES = word_set("name title label subject headline caption")
_CODES = word_set(
    """code number isbn sku barcode plate iban reference identifier serial license licence id key vin tag ticker version
    badge batch msisdn office room"""
)
_PERSON_ROLES = PEOPLE | word_set(
    """contact owner manager coach director composer writer editor supervisor captain father mother spouse winner
    chairman president guardian mayor principal secretary referee artist conductor leader founder
    passenger rider subscriber citizen scholar lecturer pupil physician adjuster policyholder farmer vet viewer listener
    musician filmmaker athlete diner chef realtor buyer attendee presenter scientist curator painter reader librarian
    volunteer attorney judge ranger seafarer trainer speaker resident tenant landlord engineer technician nurse"""
)
_PLACE_POOLS = {
    "city": "cities", "town": "cities", "hometown": "cities", "country": "countries", "nation": "countries",
    "nationality": "nationalities", "citizenship": "nationalities", "state": "states", "province": "states",
    "county": "states", "language": "languages", "currency": "currencies", "colour": "colours", "color": "colours",
}  # fmt: skip
_ALIKE = word_set("city town country nation nationality state province county region language")
"""Columns whose samples are mixed with the pool: there are more such places than five."""
_FLAGS = ({"y", "n"}, {"yes", "no"}, {"t", "f"}, {"true", "false"}, {"0", "1"})


class Person(NamedTuple):
    """Whom a row is about: all its columns of names agree."""

    first: str
    last: str


class Pools(NamedTuple):
    """What `row_words.toml` holds."""

    words: dict[str, tuple[str, ...]]
    """Words and phrases by list."""
    categories: dict[str, tuple[str, ...]]
    """Values by a word of a column's name."""
    ranges: dict[str, tuple[float, float]]
    """Lowest and highest number by a word of a column's name."""


@lru_cache(maxsize=1)
def read_pools() -> Pools:
    """Read `row_words.toml`."""
    raw = tomllib.loads(WORDS_FILE.read_text(encoding="utf-8"))
    categories = {word: tuple(values) for word, values in raw.pop("categories").items()}
    ranges = {word: (low, high) for word, (low, high) in raw.pop("ranges").items()}
    words = {name: tuple(found.split() if isinstance(found, str) else found) for name, found in raw.items()}
    return Pools(words, categories, ranges)


def draw_people(count: int, rng: random.Random) -> list[Person]:
    """Draw people, few of the same name."""
    words = read_pools().words
    return [Person(rng.choice(words["first_names"]), rng.choice(words["last_names"])) for _ in range(count)]


def make_values(column: Column, noun: str, people: Sequence[Person], rng: random.Random) -> list[Cell]:
    """Make a value for each row.

    Args:
        column: The column; its samples decide first, then the words of its name.
        noun: What a row of the table is called.
        people: Whom each row is about.
        rng: Chance.
    """
    count = len(people)
    if column.kind == "blob":
        return [f"{rng.getrandbits(64):016x}" for _ in range(count)]
    if column.kind == "boolean" or _is_flag(column):
        return _flags(column, count, rng)
    if column.kind in ("integer", "float") and not _has_texts(column):
        return _numbers(column, noun, count, rng)
    return list(_texts(column, noun, people, rng))


def draw_skewed(options: Sequence[str], count: int, rng: random.Random, *, steepness: float = 0.7) -> list[str]:
    """Draw from options, the earlier ones more often."""
    weights = [1 / (place + 1) ** steepness for place in range(len(options))]
    return rng.choices(options, weights, k=count)


def vary_code(code: str, rng: random.Random) -> str:
    """Make a code of the same pattern: other digits, and other letters where there are no digits."""
    has_digits = any(letter.isdigit() for letter in code)
    made: list[str] = []
    for letter in code:
        if letter.isdigit():
            made.append(rng.choice("0123456789" if made else "123456789"))
        elif not has_digits and letter.isascii() and letter.isalpha():
            drawn = rng.choice("ABCDEFGHIJKLMNOPRSTUVW")
            made.append(drawn if letter.isupper() else drawn.lower())
        else:
            made.append(letter)
    return "".join(made)


def is_code(text: str) -> bool:
    """Tell whether a text is a code rather than words: digits in it, or short and all capitals."""
    has_digits = any(letter.isdigit() for letter in text)
    return " " not in text.strip() and (has_digits or (text.isupper() and len(text) <= 5))


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdigit() and "1500" <= text <= "2100"


def _is_flag(column: Column) -> bool:
    found = {sample.lower() for sample in column.samples}
    words = name_words(column.name).split()
    return any(found == flag for flag in _FLAGS) or (
        not found and column.kind == "integer" and bool(words) and words[0] in ("is", "has", "can", "was")
    )


def _flags(column: Column, count: int, rng: random.Random) -> list[Cell]:
    share = rng.choice((0.15, 0.3, 0.5, 0.7, 0.85))
    values: list[Cell] = list(column.samples[:2])
    if column.kind == "boolean" and any(value not in ("T", "F", "Y", "N") for value in values):
        values = []
    if len(values) < 2 or set(values) == {"0", "1"}:
        values = [1, 0] if column.kind != "text" else ["1", "0"]
    return [values[0] if rng.random() < share else values[1] for _ in range(count)]


def _read_numbers(column: Column) -> list[float]:
    found = []
    for sample in column.samples:
        try:
            found.append(float(sample))
        except ValueError:
            continue
    return [number for number in found if abs(number) < 1e15]


def _has_texts(column: Column) -> bool:
    return len(_read_numbers(column)) * 2 < len(column.samples)


def _numbers(column: Column, noun: str, count: int, rng: random.Random) -> list[Cell]:
    words = name_words(column.name).split()
    samples = _read_numbers(column)
    decimals = max((len(s.partition(".")[2].rstrip("0")) for s in column.samples if "e" not in s.lower()), default=0)
    if "year" in words and (not samples or all(1000 <= number <= 2100 for number in samples)):
        low, high = (min(samples), max(samples)) if len(set(samples)) > 1 else (1990.0, 2024.0)
        return [int(rng.triangular(low, max(high, low + 6), high)) for _ in range(count)]
    if len(set(samples)) > 1:
        low, high = min(samples), max(samples)
        high += (high - low) * rng.choice((0.0, 0.1, 0.4))
    else:
        low, high = _usual_range(words, samples)
        decimals = decimals if samples else (2 if isinstance(low, float) and column.kind == "float" else 0)
    is_whole = column.kind == "integer" or decimals == 0
    if is_whole and low >= 0 and high <= 12:
        mode = rng.uniform(low, high)
        return [min(int(high), int(rng.triangular(low, high + 1, mode))) for _ in range(count)]
    if low > 0 and high > 12 * low:
        spread = [low * (high / low) ** rng.betavariate(2, 2) for _ in range(count)]
    else:
        mode = rng.uniform(low, low + (high - low) * 0.6)
        spread = [rng.triangular(low, high, mode) for _ in range(count)]
    step = 10 ** max(0, len(str(int(abs(high)))) - 3) if is_whole and all(n % 10 == 0 for n in samples or [1]) else 1
    return [int(n // step * step) if is_whole else round(n, min(decimals, 4)) for n in spread]


def _usual_range(words: Sequence[str], samples: Sequence[float]) -> tuple[float, float]:
    ranges = read_pools().ranges
    found = next((ranges[word] for word in reversed(words) if word in ranges), None)
    if samples and (found is None or not found[0] <= samples[0] <= found[1]):
        return samples[0] * 0.5, max(samples[0] * 1.6, samples[0] + 5)
    return found or (1, 500)


def _texts(column: Column, noun: str, people: Sequence[Person], rng: random.Random) -> list[str]:
    """Make texts by the words of the column's name, else by its samples."""
    count = len(people)
    words = name_words(column.name).split() or [""]
    last, said, samples = words[-1], set(words), [s for s in column.samples if s.strip()]
    made = _by_name(words, noun, people, samples, rng)
    if made is not None:
        return made
    pool = next((_PLACE_POOLS[word] for word in (last, words[0]) if word in _PLACE_POOLS), "")
    if pool and not (samples and all(len(sample) <= 3 for sample in samples)):
        options = list(read_pools().words[pool])
        rng.shuffle(options)
        known = samples if not said.isdisjoint(_ALIKE) else samples[:0] or samples
        extra = rng.randint(3, 14) if not samples or not said.isdisjoint(_ALIKE) else 0
        return draw_skewed(list(dict.fromkeys([*known, *options[:extra]]))[:MOST_CATEGORIES], count, rng)
    if samples:
        is_coded = all(is_code(sample) for sample in samples) and not all(_is_year(sample) for sample in samples)
        has_digits = all(any(letter.isdigit() for letter in sample) for sample in samples)
        if is_coded and len(samples) >= 5 and (has_digits or not said.isdisjoint(_CODES)):
            return [vary_code(rng.choice(samples), rng) for _ in range(count)]
        if not said.isdisjoint(_NAMES) and len(samples) >= 3:
            return mix_phrases(samples, count, rng)
        if len(samples) >= 5 and all(len(sample.split()) > 1 for sample in samples):
            options = list(dict.fromkeys([*samples, *mix_phrases(samples, 6, rng)]))
            return draw_skewed(options, count, rng)
        return draw_skewed(samples, count, rng)
    categories = read_pools().categories
    found = next((categories[word] for word in reversed(words) if word in categories), None)
    if found and not (last == "title" and noun.split()[-1] not in PEOPLE):
        options = list(found)
        rng.shuffle(options)
        return draw_skewed(options, count, rng)
    if not said.isdisjoint(_CODES):
        pattern = rng.choice(("{0}-000", "{0}00000", "000000", "{0}{0}-0000")).format(noun[:1].upper() or "N")
        return [vary_code(pattern, rng) for _ in range(count)]
    return mix_phrases(_phrases(rng), count, rng) if said & _NAMES else draw_skewed(_phrases(rng)[:8], count, rng)


def _by_name(
    words: list[str], noun: str, people: Sequence[Person], samples: list[str], rng: random.Random
) -> list[str] | None:
    """Make what is recognised by the column's name alone."""
    pools, last, said = read_pools().words, words[-1], set(words)
    makers: list[tuple[bool, Callable[[Person], str]]] = [
        (bool(said & {"email", "mail"}), lambda one: _mail(one, rng)),
        (bool(said & {"phone", "mobile", "fax", "telephone", "cell"}), lambda one: _phone(samples, rng)),
        (bool(said & {"url", "website", "homepage", "web"}), lambda one: f"www.{one.last.lower()}.example.com"),
        (last in ("address", "street") or words[-2:] == ["line", "1"], lambda one: _address(rng)),
        (bool(said & {"zip", "postcode"}) or "postal" in said, lambda one: str(rng.randint(10000, 99999))),
        (words in (["first", "name"], ["given", "name"], ["forename"], ["firstname"]), lambda one: one.first),
        (words in (["last", "name"], ["surname"], ["family", "name"], ["lastname"]), lambda one: one.last),
        (bool(said & {"login", "username", "nickname"}), lambda one: f"{one.first}{rng.randint(1, 99)}".lower()),
    ]  # fmt: skip
    for is_meant, make in makers:
        if is_meant and not (samples and _are_categories(samples)):
            return [make(one) for one in people]
    if words[-2:] in (["first", "name"], ["given", "name"]):
        return [one.first for one in people]
    if words[-2:] in (["last", "name"], ["family", "name"]):
        return [one.last for one in people]
    if last == "name" or last in _PERSON_ROLES:
        whose = words[-2] if len(words) > 1 and last == "name" else last if last != "name" else noun.split()[-1]
        if whose in ("full", "name", "complete"):
            whose = noun.split()[-1] if words[0] == "name" or noun.split()[-1] not in _ORGANISATIONS else "person"
            whose = "person" if "full" in said else whose
        if whose == "person" or whose in _PERSON_ROLES and not _look_like_things(samples):
            return [f"{one.first} {one.last}" for one in people]
        if whose in _ORGANISATIONS and (len(samples) < 6 or last != "name"):
            ends = pools["company_ends"]
            return [f"{rng.choice(pools['company_names'])} {rng.choice(ends)}" for _ in people]
    if not said.isdisjoint(_FREE_TEXT) and not _are_categories(samples):
        starts, ends = pools["sentence_starts"], pools["sentence_ends"]
        return [f"{rng.choice(starts)} {rng.choice(ends)}".strip() for _ in people]
    return None


def _are_categories(samples: Sequence[str]) -> bool:
    """Tell whether samples are few short words, whatever the column is called."""
    return bool(samples) and len(samples) < 5 and all(len(sample) <= 20 for sample in samples)


def _look_like_things(samples: Sequence[str]) -> bool:
    """Tell whether samples are no names of people: not two or three capitalised words each."""
    people = [s for s in samples if 2 <= len(s.split()) <= 4 and all(part[0].isupper() for part in s.split())]
    return bool(samples) and len(people) * 2 < len(samples)


def mix_phrases(samples: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """Make phrases of the beginnings and ends of others; samples themselves come too."""
    parts = [sample.split() for sample in samples if len(sample) <= 60]
    long = [part for part in parts if len(part) > 1]
    if not long:
        if len(samples) < 5 or len(samples) * 4 > count:  # fewer than five are all there were
            return draw_skewed(samples, count, rng, steepness=0.2)
        words = read_pools().words["adjectives"]
        drawn = [rng.choice(samples) for _ in range(count)]
        return [each if rng.random() < 0.3 else f"{rng.choice(words)} {each}" for each in drawn]
    heads, tails = [part[:-1] for part in long], [part[-1] for part in long]
    made = []
    for _ in range(count):
        if rng.random() < 0.25:
            made.append(rng.choice(samples))
        elif rng.random() < 0.75 or len(long) > 8:
            made.append(" ".join([*rng.choice(heads), rng.choice(tails)]))
        else:
            made.append(f"{rng.choice(read_pools().words['adjectives'])} {rng.choice(tails)}")
    return made


def _phrases(rng: random.Random) -> list[str]:
    pools = read_pools().words
    return [f"{rng.choice(pools['adjectives'])} {rng.choice(pools['nouns'])}" for _ in range(30)]


def _mail(one: Person, rng: random.Random) -> str:
    host = rng.choice(read_pools().words["mail_hosts"])
    return f"{one.first.lower()}.{one.last.lower()}{rng.choice(('', '', str(rng.randint(1, 99))))}@{host}"


def _phone(samples: Sequence[str], rng: random.Random) -> str:
    if samples:
        return re.sub(
            r"\d", lambda found: rng.choice("0123456789") if found.start() else found.group(), rng.choice(samples)
        )
    return f"+{rng.choice((1, 34, 44, 49))} {rng.randint(100, 999)} {rng.randint(100_000, 999_999)}"


def _address(rng: random.Random) -> str:
    return f"{rng.randint(1, 190)} {rng.choice(read_pools().words['streets'])}"
