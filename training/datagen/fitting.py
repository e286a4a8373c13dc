"""Words that fit what a column is about, instead of its name: "cheapest", "longer than 90 minutes", "open invoices".

In: a World, and a column with what is said of it. Out: words or patterns, or None, and then the usual wording is due.
Drawn from the voice: the same thing is asked either way. What a column is about is read in `qualities`, the wordings
are in `adjectives.toml`.
"""

from __future__ import annotations

import random
import re

from training.datagen.filters import NOUN, Filter, noun_phrase
from training.datagen.lexicon import Key, ref
from training.datagen.patterns import Slot, knows
from training.datagen.phrases import say_number
from training.datagen.qualities import find_money, find_quality, find_unit_word, find_value_class, is_person_noun
from training.datagen.spoken import plural_noun
from training.datagen.world import World

SHARE = 0.35
"""How often the words that fit are taken where there are some."""
_COMPARED = re.compile(r"([<>]) (-?[\d.]+)")
_PLAIN_VALUE = re.compile(r"[A-Za-z][a-z]{2,}(?:[ -][A-Za-z]?[a-z]+)?")
_OF_ROWS = frozenset(("of", "whose", "where", "that", "which", "with", "having", "belonging", "over", "under"))
"""What words begin with that can only stand behind a noun."""
_PAID = re.compile(r"\b(?:paid|made) (?=\w+)")
_YEAR = re.compile(r"= ?'(\d{4})-01-01' AND \S+ < '(\d{4})-01-01'")


def draws(world: World, share: float = SHARE) -> bool:
    """Draw whether to take the words that fit, without a change to what is asked."""
    return (world.voice or world.rng).random() < share


def superlative(world: World, table: str, column: str, *, is_top: bool) -> str | None:
    """Say as an adjective that rows are first by a column: "cheapest"."""
    return _say(world, table, column, "most" if is_top else "least")


def compared_to_average(world: World, table: str, column: str, rows: str, *, is_above: bool) -> str | None:
    """Say of rows that they are above or below the average: "drugs that are cheaper than average"."""
    more = _say(world, table, column, "more" if is_above else "less")
    return more and world.word("adjective.than_average", rows=rows, more=more)


def comparative(world: World, table: str, column: str, *, is_more: bool) -> str | None:
    """Say as an adjective that rows have more or less of what a column measures: "cheaper"."""
    return _say(world, table, column, "more" if is_more else "less")


def outdoing(world: World, table: str, column: str, *, is_more: bool) -> str | None:
    """Say the same as what rows do: "earn more"."""
    return _say(world, table, column, "does_more" if is_more else "does_less")


def outside_pattern(world: World, key: Key, low: str, high: str) -> str | None:
    """Say of rows that they are below one number or above another: "{} cheaper than 5 or more expensive than 50"."""
    quality, unit = find_quality(world.lexicon, *key), find_unit_word(world.lexicon, *key)
    name = f"adjective.outside_{quality}"
    if unit and unit not in high:
        high = f"{high} {unit}"
    return world.word(name, noun=NOUN, low=low, high=high) if knows(name) else None


def values_pattern(world: World, key: Key, target: str, values: list[str], said: str) -> str | None:
    """Say that a column has one of some values as people say one of them of the rows: "{} from Basel or Lahr".

    Args:
        world: Words and chance.
        key: The column.
        target: The column in SQL.
        values: The values.
        said: All of them, joined.
    """
    name = find_value_class(world.lexicon, *key)
    if name in ("", "role") or not all(value_filter(world, key, target, value) for value in values):
        return None
    said = said if name in ("home", "place") else said.lower()
    return world.word(f"either_value.{'place' if name in ('home', 'place') else 'kind'}", noun=NOUN, value=said)


def extreme_question(
    world: World, table: str, column: str, *, is_top: bool, count: int, slots: dict[str, str]
) -> str | None:
    """Ask for the first rows by a column in words of what it measures; None where there are none.

    Args:
        world: Words and chance.
        table: Table of the rows.
        column: What they are ranked by.
        is_top: Whether the highest come first.
        count: How many are asked for.
        slots: Words for `row`, `rows`, `number` and `tail`.
    """
    quality = find_quality(world.lexicon, table, column)
    which = superlative(world, table, column, is_top=is_top)
    row, rows, number, tail = (slots[name] for name in ("row", "rows", "number", "tail"))
    own = f"adjective.one_{'most' if is_top else 'least'}_{quality}"
    if count == 1 and quality and knows(own) and (not which or draws(world)):
        return world.word(own, row=row, tail=tail)
    if not which:
        return None
    if count == 1:
        if draws(world):
            return world.word("adjective.one", row=row, which=which, tail=tail)
        return world.word("extreme_rows.one_by_date", row=row, which=which, tail=tail)
    names = ["extreme_rows.several_by_date"]
    if draws(world):
        names = ["adjective.several"]
    return world.word(*names, number=number, row=row, rows=rows, which=which, tail=tail)


def number_pattern(world: World, key: Key, words: str, sql: str) -> str | None:
    """Say a comparison with a number in words of what the column measures: "{} costing more than 50"."""
    quality = find_quality(world.lexicon, *key)
    return _compared(world, quality, words, sql, find_unit_word(world.lexicon, *key)) if quality else None


def age_pattern(world: World, words: str, sql: str) -> str | None:
    """Say how old rows are, by a date of birth: "{} younger than 30"."""
    return _compared(world, "age", words, sql, "")


def _compared(world: World, quality: str, words: str, sql: str, unit: str) -> str | None:
    found = _COMPARED.fullmatch(sql)
    voice = world.voice or world.rng
    name = f"adjective.{'over' if found and found.group(1) == '>' else 'under'}_{quality}"
    if found and knows(name):
        if quality == "year":
            return world.word(name, noun=NOUN, number=found.group(2))
        return world.word(name, noun=NOUN, number=_say_number(voice, float(found.group(2)), unit))
    own = f"adjective.is_{quality}"
    said = words if not unit or unit in words else f"{words} {unit}"
    return world.word(own, noun=NOUN, words=said) if knows(own) else None


def _say_number(voice: random.Random, number: float, unit: str) -> str:
    said = say_number(voice, number)
    return f"{said} {unit}" if unit else said


def entity_question(world: World, table: str, column: str, entity: str) -> str | None:
    """Ask for one value of one row in words of what it measures: "How much does Aspirin cost?"."""
    name = f"adjective.ask_{find_quality(world.lexicon, table, column)}"
    return world.word(name, entity=entity) if knows(name) else None


def value_filter(world: World, key: Key, target: str, value: str) -> Filter | None:
    """Say that a column has a value as people say it of the rows: "open {}", "{} from Basel", or a noun: "surgeon"."""
    lexicon = world.lexicon
    if key[0] in lexicon.spoken and lexicon.patterns.get(key):
        return None  # the glossary has its own words
    name = find_value_class(lexicon, *key)
    if not name or not _means_one_column(world, key, value):
        return None
    if name == "kind" and key[1].lower().endswith("state") and not value.islower():
        return None  # rather a part of a country than a condition
    said, noun, sql = value, "", f"{target} = '{value.replace(chr(39), chr(39) * 2)}'"
    if name == "role":
        if not is_person_noun(value):
            return None
        said = value.lower()
        noun = said if draws(world, 0.75) else ""
        if not noun:
            return Filter(
                world.word("value_class.role", noun=NOUN, value=said, values=plural_noun(said)), sql, column=key,
                target=target, value=value,
            )  # fmt: skip
    elif name not in ("home", "place"):
        if not _PLAIN_VALUE.fullmatch(value):
            return None
        said = value.lower()
    elif value.islower() or not value[:1].isalpha():
        return None
    pattern = f"{said} {NOUN}" if noun else world.word(f"value_class.{name}", noun=NOUN, value=said)
    return Filter(pattern, sql, column=key, target=target, value=value, noun=noun)


def _means_one_column(world: World, key: Key, value: str) -> bool:
    """Tell whether no other column of the table has the value too."""
    known = value.casefold()
    if world.owners.get(known, 1) == 1:
        return True
    others = (column.name for column in world.lexicon.table(key[0]).columns if column.name != key[1])
    return all(known not in map(str.casefold, world.texts.get((key[0], other), ())) for other in others)


def money_question(world: World, table: str, target: str, filters: tuple[Filter, ...]) -> str | None:
    """Ask for a sum of money without its column: "How much money is on open invoices?"; None where it is not clear.

    Args:
        world: Words and chance.
        table: Table of the rows.
        target: What is added up, in SQL.
        filters: What the rows are restricted by.
    """
    column, kind = find_money(world.lexicon, table)
    if not column or target.replace(f"SUM({ref(table, column)})", ref(table, column)) != ref(table, column):
        return None
    plain = [found.for_rows for found in filters]
    tail = " ".join(found.words for found in plain)
    is_behind = all(not f.is_before and not f.noun and f.words.split()[0] not in _OF_ROWS for f in plain)
    if kind == "received" and plain and is_behind and draws(world, 0.6):
        return world.word("money_sum.paid", tail=_PAID.sub("", tail))
    return world.word(f"money_sum.{kind}", rows=noun_phrase(world.noun(table), plain))


def each_period(
    world: World, period: str, group: str, filters: tuple[Filter, ...]
) -> tuple[str, tuple[Filter, ...]] | None:
    """Say a period and the year that its date is in as one: "each month of 2025"; gives the filters left, too."""
    for found in filters:
        dates = _YEAR.search(found.sql)
        if dates and int(dates.group(2)) == int(dates.group(1)) + 1 and found.target and found.target in group:
            left = tuple(other for other in filters if other is not found)
            return world.word(f"each_of.{period}", year=dates.group(1)), left
    return None


def _say(world: World, table: str, column: str, name: str) -> str | None:
    """Draw an adjective of what a column measures."""
    wording = f"adjective.{name}_{find_quality(world.lexicon, table, column)}"
    slots: dict[str, Slot] = {}
    return world.word(wording, **slots) if knows(wording) else None
