"""Questions with an either-or: a column below one limit or above another, one of some values, one thing or another."""

from __future__ import annotations

from datetime import timedelta

from training.datagen.english import with_article
from training.datagen.filters import NOUN, Filter, noun_phrase, restrict
from training.datagen.fitting import draws, outside_pattern, values_pattern
from training.datagen.lexicon import Key, ref
from training.datagen.phrases import plausible_pair, say_day, say_number, sql_number
from training.datagen.qualities import find_quality
from training.datagen.query import Asked, Query, quote
from training.datagen.relation_filters import draw_few
from training.datagen.shown import show_rows
from training.datagen.world import World

MIN_YEARS = 3
"""Between so many years, two are taken as limits."""
_STRICT = 0.8
"""How often limits are not part of the two sides."""


def either_range(world: World) -> Asked | None:
    """Rows below one limit or above another: "priced below 5 or above 50", "made before 2000 or after 2010"."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t) or world.dates(t)))
    if not table:
        return None
    column = rng.choice([*world.figures(table), *world.dates(table)])
    maker = _outside_days if (table, column) in world.days else _outside_numbers
    found = maker(world, (table, column))
    return Asked("either_range", *_ask(world, table, found)) if found else None


def either_value(world: World) -> Asked | None:
    """Rows with one of two or three values: "from Spain or Italy", "a salary of 1,000 or 2,000"."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.categories(t) or world.figures(t)))
    if not table:
        return None
    column = rng.choice([*world.categories(table) * 2, *world.figures(table)])
    maker = _one_of_texts if (table, column) in world.texts else _one_of_numbers
    found = maker(world, (table, column))
    return Asked("either_value", *_ask(world, table, found)) if found else None


def either_column(world: World) -> Asked | None:
    """Rows of which one thing or another is true: "whose colour is red or whose price is above 50"."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.categories(t)) and len(world.categories(t) + world.figures(t)) > 1)
    if not table:
        return None
    first = rng.choice(world.categories(table))
    second = rng.choice([column for column in world.categories(table) + world.figures(table) if column != first])
    sides = [_side(world, (table, first)), _side(world, (table, second))]
    rng.shuffle(sides)
    pattern = world.word("either_column.is", noun=NOUN, first=sides[0][0], second=sides[1][0])
    found = Filter(pattern, " OR ".join(sql for _, sql in sides), column=(table, first))
    return Asked("either_column", *_ask(world, table, found))


def _ask(world: World, table: str, found: Filter) -> tuple[str, str]:
    """Ask for rows of which an either-or is true; among others only in brackets."""
    filters = [f for f in draw_few(world, table, (75, 25)) if f.column != found.column and " or " not in f.words]
    query = restrict(Query(world.lexicon, table), filters)
    query.filter(f"({found.sql})" if filters and " OR " in found.sql else found.sql)
    return show_rows(world, query, noun_phrase(world.noun(table), [*filters, found])), query.sql()


def _outside_numbers(world: World, key: Key) -> Filter | None:
    rng, target = world.rng, ref(*key)
    pair = plausible_pair(rng, world.numbers[key])
    if pair is None:
        return None
    is_strict = rng.random() < _STRICT
    less, more = ("<", ">") if is_strict else ("<=", ">=")
    low, high = (_say(world, key, number) for number in pair)
    sql = f"{target} {less} {sql_number(pair[0])} OR {target} {more} {sql_number(pair[1])}"
    fitting = outside_pattern(world, key, low, high) if is_strict and draws(world, 0.6) else None
    if fitting:
        return Filter(fitting, sql, column=key)
    words = world.word("either_range.strict" if is_strict else "either_range.inclusive", low=low, high=high)
    word = world.say(*key)
    pattern = world.word("either_range.is", noun=NOUN, column=word, a_column=with_article(word), words=words)
    return Filter(pattern, sql, column=key)


def _outside_days(world: World, key: Key) -> Filter:
    """Take what lies before one year or day or after another."""
    rng, target = world.rng, ref(*key)
    first, last = world.days[key]
    voice = world.voice or rng
    if last.year - first.year > MIN_YEARS and rng.random() < 0.8:
        low, high = sorted(rng.sample(range(first.year + 1, last.year), 2))
        words = world.word("either_range.days", low=low, high=high)
        start, following = f"{low}-01-01", f"{high + 1}-01-01"
    else:
        begin, end = sorted(first + timedelta(days=rng.randint(0, (last - first).days)) for _ in range(2))
        words = world.word("either_range.days", low=say_day(voice, begin), high=say_day(voice, end))
        start, following = begin.isoformat(), (end + timedelta(days=1)).isoformat()
    own = world.lexicon.patterns.get(key, ())
    if own and draws(world, 0.6):
        pattern = f"{NOUN} {voice.choice(list(own)).replace('{}', words)}"
    else:
        pattern = world.word("filter_date.is", noun=NOUN, column=world.say(*key), words=words)
    return Filter(pattern, f"{target} < '{start}' OR {target} >= '{following}'", column=key)


def _one_of_texts(world: World, key: Key) -> Filter | None:
    rng, target = world.rng, ref(*key)
    count = rng.choice((2, 2, 3))
    if len(world.texts[key]) <= count:
        return None
    values = rng.sample(world.texts[key], count)
    both = _say_either(world, values)
    fitting = values_pattern(world, key, target, values, both) if draws(world, 0.6) else None
    pattern = fitting or world.word("filter_category.is_either", noun=NOUN, column=world.say(*key), value=both)
    # The values are sorted so that the same question has one SQL.
    return Filter(pattern, f"{target} IN ({', '.join(sorted(map(quote, values)))})", column=key)


def _one_of_numbers(world: World, key: Key) -> Filter | None:
    known = sorted(set(world.numbers[key]))
    if len(known) < 3:
        return None
    pair = sorted(world.rng.sample(known, 2))
    word, both = world.say(*key), _say_either(world, [_say(world, key, number) for number in pair])
    pattern = world.word("either_value.number", noun=NOUN, column=word, a_column=with_article(word), words=both)
    return Filter(pattern, f"{ref(*key)} IN ({', '.join(map(sql_number, pair))})", column=key)


def _side(world: World, key: Key) -> tuple[str, str]:
    """Say one of two things: that a column has a value, or a number above or below one; with its SQL."""
    rng, target, word = world.rng, ref(*key), world.say(*key)
    if key in world.texts:
        value = rng.choice(world.texts[key])
        return world.word("either_column.value", column=word, value=value), f"{target} = {quote(value)}"
    number, is_over = plausible_pair(rng, world.numbers[key]) or (world.numbers[key][0],), rng.random() < 0.6
    name = "number.over" if is_over else "number.under"
    words = world.word(name, number=_say(world, key, number[0]))
    said = world.word("either_column.number", column=word, words=words)
    return said, f"{target} {'>' if is_over else '<'} {sql_number(number[0])}"


def _say_either(world: World, values: list[str]) -> str:
    """Join values by "or"."""
    *others, last = values
    return world.word("either_value.words", values=", ".join(others), last=last)


def _say(world: World, key: Key, number: float) -> str:
    """Say a number of a column; years are said as they are."""
    if find_quality(world.lexicon, *key) == "year" or world.lexicon.words[key][0].endswith("year"):
        return sql_number(number)
    return say_number(world.voice or world.rng, number, unit=world.lexicon.units.get(key, ""))
