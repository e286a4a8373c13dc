"""Restrict rows by their own columns: a category, number, date, missing value, part of a text, named condition.

In: a World and a table, known in the query as an instance. Out: one Filter, or None when nothing fits; the wordings
are in `rows.toml`, unless the glossary has its own.
"""

from __future__ import annotations

from training.datagen.derived import AGE_WORDS
from training.datagen.english import with_article
from training.datagen.filters import NOUN, Filter
from training.datagen.fitting import age_pattern, draws, number_pattern, value_filter
from training.datagen.lexicon import Key, ref
from training.datagen.patterns import Slot
from training.datagen.phrases import comparison, date_range, year_comparison
from training.datagen.qualities import find_quality
from training.datagen.query import quote
from training.datagen.world import World

FITTING = 0.5
"""How often a value is said as people say it of the rows, where its column's name tells how."""
LOWERED = 0.15
"""How often a value is written in lower case."""
AGES = [18.0, 25, 30, 40, 50, 65]
"""Years that people compare a figure with that is reckoned from today."""
SPANS_IN_DAYS = [1.0, 3, 7, 14, 20, 30, 60, 100]
"""What people compare other figures with."""


def own_filter(world: World, table: str, instance: str) -> Filter | None:
    """Draw a filter on one of the table's own columns, keys left out."""
    options = (
        [("category", column) for column in world.categories(table)] * 3
        + [("number", column) for column in world.figures(table)] * 2
        + [("date", column) for column in world.dates(table)] * 3
        + [("flag", column) for column in world.flag_columns(table)] * 2
        + [("null", column) for owner, column in world.nullable if owner == table]
        + [("like", column) for column in world.likeable(table)]
        + [("figure", figure.words[0]) for figure in world.lexicon.figures.get(table, [])]
    )
    options = [option for option in options if not world.lexicon.is_key(table, option[1])]
    options += [("parent", column) for column in _missing_parents(world, table)]
    if not options:
        return None
    kind, column = world.rng.choice(sorted(options))
    if kind == "figure":
        return _figure_filter(world, table, instance, column)
    if kind == "parent":
        return _parent_filter(world, table, instance, column)
    key, target, word = (table, column), ref(instance, column), world.say(table, column)
    makers = {
        "category": _category_filter, "number": _number_filter, "date": _date_filter, "null": _null_filter,
        "like": _like_filter, "flag": _flag_filter,
    }  # fmt: skip
    return makers[kind](world, key, target, word)


def condition_filter(world: World, table: str, instance: str) -> Filter | None:
    """Draw one of the glossary's named kinds of rows."""
    found = [condition for condition in world.lexicon.conditions.get(table, []) if condition.patterns]
    if not found:
        return None
    chosen = world.rng.choice(found)
    sql = chosen.sql.replace(ref(table, ""), ref(instance, ""))
    return Filter(world.rng.choice(chosen.patterns), sql, column=(table, chosen.column))


def _figure_filter(world: World, table: str, instance: str, name: str) -> Filter:
    """Compare a named figure with a number."""
    figure = next(f for f in world.lexicon.figures[table] if f.words[0] == name)
    words, sql = comparison(world.rng, AGES if "'now'" in figure.sql else SPANS_IN_DAYS)
    word = world.rng.choice(figure.words)
    pattern = _pattern(
        world, figure.patterns, words, "filter_figure.is", keep=0.7, figure=word, a_figure=with_article(word)
    )
    if figure.words == AGE_WORDS and draws(world):
        pattern = age_pattern(world, words, sql) or pattern
    return Filter(pattern, f"{figure.sql} {sql}".replace(ref(table, ""), ref(instance, "")), column=(table, name))


def _number_filter(world: World, key: Key, target: str, word: str) -> Filter:
    """Compare a column with a number."""
    if find_quality(world.lexicon, *key) == "year" and all(value == int(value) for value in world.numbers[key]):
        words, sql = year_comparison(world.rng, world.numbers[key])
        names = ["filter_year.is", *(["filter_year.exactly"] if sql.startswith("= ") else [])]
        number = sql.removeprefix("= ")
        return Filter(
            world.word(*names, noun=NOUN, column=word, words=words, year=number), f"{target} {sql}", column=key
        )
    words, sql = comparison(world.rng, world.numbers[key], unit=world.lexicon.units.get(key, ""))
    own = world.lexicon.patterns.get(key, ())
    pattern = _pattern(world, own, words, "filter_number.is", column=word, a_column=with_article(word))
    if draws(world):
        pattern = number_pattern(world, key, words, sql) or pattern
    return Filter(pattern, f"{target} {sql}", column=key)


def _date_filter(world: World, key: Key, target: str, word: str) -> Filter:
    """Take a span of time."""
    span = date_range(world.rng, *world.days[key])
    patterns = world.lexicon.patterns.get(key, ())
    pattern = _pattern(world, patterns, span.words, "filter_date.is", keep=0.85, column=word)
    return Filter(pattern, span.sql(target), column=key, target=target)


def _null_filter(world: World, key: Key, target: str, word: str) -> Filter:
    """Ask for a missing value, or for one that is there."""
    is_missing = world.rng.random() < 0.62
    name = "filter_null.missing" if is_missing else "filter_null.known"
    pattern = world.word(name, noun=NOUN, column=word, a_column=with_article(word))
    return Filter(pattern, f"{target} IS NULL" if is_missing else f"{target} IS NOT NULL", column=key)


def _missing_parents(world: World, table: str) -> list[str]:
    """List the foreign keys of a table that may be empty, but those that make a hierarchy."""
    relations = world.lexicon.relations.get(table, [])
    keys = [r.child_columns[0] for r in relations if len(r.child_columns) == 1]
    found = [column for column in keys if (table, column) in world.nullable and keys.count(column) == 1]
    focus = world.focus
    return [focus.column] if focus and focus.table == table and focus.column in found else found


def _parent_filter(world: World, table: str, instance: str, column: str) -> Filter:
    """Ask for rows that belong to nothing, or to anything: "patients without an insurer"."""
    relation = next(r for r in world.lexicon.relations[table] if r.child_columns == (column,))
    is_missing = world.rng.random() < 0.75
    parent = world.parent_noun(relation)
    name = "filter_parent.missing" if is_missing else "filter_parent.known"
    pattern = world.word(
        name, noun=NOUN, parent=parent, a_parent=with_article(parent), parents=world.parent_noun(relation, plural=True)
    )
    sql = f"{ref(instance, column)} IS {'' if is_missing else 'NOT '}NULL"
    return Filter(pattern, sql, column=(table, column))


def _flag_filter(world: World, key: Key, target: str, word: str) -> Filter:
    """Ask for yes or no, in the words of the column's name: "rooms that have a window", "staff that are not active"."""
    is_yes = world.rng.random() < 0.65
    verb, _, said = word.partition(" ")
    kind = "has" if verb == "has" and said else "is"
    said = said if verb in ("is", "has", "was", "can") and said else word
    name = f"filter_flag.{kind}" if is_yes else f"filter_flag.{kind}_not"
    pattern = world.word(name, noun=NOUN, flag=said, a_flag=with_article(said))
    return Filter(pattern, f"{target} = {int(is_yes)}", column=key)


def _category_filter(world: World, key: Key, target: str, word: str) -> Filter:
    """Take a value of a category, leave one out, or take two."""
    rng = world.rng
    values, patterns = world.texts[key], world.lexicon.patterns.get(key, ())
    value = rng.choice(values)
    draw = rng.random()
    said = value.lower() if rng.random() < LOWERED else value
    if draw < 0.1:
        pattern = world.word("filter_category.is_not", noun=NOUN, column=word, value=value)
        return Filter(pattern, f"{target} <> {quote(value)}", column=key)
    if draw < 0.2 and len(values) > 2:
        other = rng.choice([v for v in values if v != value])
        both = world.word("filter_category.two_values", value=value, other=other)
        # The pair is sorted so that the same question has one SQL.
        pair = ", ".join(sorted((quote(value), quote(other))))
        pattern = _pattern(world, patterns, both, "filter_category.is_either", column=word, value=both)
        return Filter(pattern, f"{target} IN ({pair})", column=key)
    fitting = value_filter(world, key, target, value) if draws(world, FITTING) else None
    is_adjective = value.islower() and " " not in value
    if is_adjective and draw < 0.62:
        pattern = world.word("filter_category.before", noun=NOUN, value=value)
    else:
        pattern = _pattern(world, patterns, said, "filter_category.is", keep=0.65, column=word, value=said)
    return fitting or Filter(pattern, f"{target} = {quote(value)}", column=key, target=target, value=value)


def _like_filter(world: World, key: Key, target: str, word: str) -> Filter:
    """Take a part of a text: its beginning, its end or a word of it."""
    rng = world.rng
    value = rng.choice(world.texts[key])
    tokens = [token for token in value.replace("'", " ").split() if len(token) > 2]
    kind = rng.choice(("starts", "starts", "contains", "contains", "ends"))
    if kind == "starts":
        part = value[: rng.randint(1, 4)].replace("'", "").strip() or "a"
        sql = f"{target} LIKE '{part}%'"
    elif kind == "ends" and len(value) > 4:
        part = value[-rng.randint(2, 4) :].replace("'", "").strip()
        sql = f"{target} LIKE '%{part}'"
    else:
        kind = "contains"
        part = rng.choice(tokens) if tokens else value.replace("'", "")
        if rng.random() < 0.3:
            part = part.lower()
        sql = f"{target} LIKE '%{part}%'"
    return Filter(world.word(f"filter_like.{kind}", noun=NOUN, column=word, part=part), sql, column=key)


def _pattern(
    world: World, own: list[str] | tuple[str, ...], words: str, name: str, *, keep: float = 0.6, **slots: Slot
) -> str:
    """Choose between the glossary's own ways to speak of a value and the plain ones; returns a pattern for the noun."""
    if own and world.rng.random() < keep:
        return f"{NOUN} " + world.rng.choice(own).replace("{}", words)
    return world.word(name, noun=NOUN, words=words, **slots)
