"""Drills: many names asked for at once, so that a model learns to find a name by its words and to copy it.

In: a schema. Out: rows whose question says columns in plain words and whose SQL is little else than their names. In an
ordinary question two or three names are to be copied; here it is five or more, which is what the base learns slowest.
The SQL follows from the question by construction; none of it is run, unlike what the grammar asks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from assistant.naming import aliases, write_name
from assistant.prompts import render_prompt
from assistant.types import Column, DatabaseSchema, ForeignKey, MatchedValue, Question, SchemaContext, Table
from assistant.writing import plural
from training.corpus.human import TrainingRow
from training.datagen.query import quote
from training.datagen.spoken import say_column, say_table

MAX_COLUMNS = 9
MAX_SHOWN = 10
"""Columns listed of a table."""

_LISTS = (
    "{columns} of all {rows}", "List {columns} of each of the {rows}.", "Show {columns} for every {row}",
    "For each {row}: {columns}", "What are {columns} of the {rows}?", "{rows}: {columns}", "{rows} with {columns}",
    "Give me all {rows} with {columns}.", "I need {columns} of the {rows}", "please list {rows} including {columns}",
)  # fmt: skip
_ALL = (
    "every column of {rows}",
    "Show all columns of the {rows}, one by one.",
    "all we know about each {row}, by column",
)
_SORTED = (" sorted by {column}", ", by {column}", " ordered by {column}", ", lowest {column} first")
_FALLING = (" sorted by {column} descending", ", highest {column} first", " by {column} from high to low")
_EQUAL = (" where {column} is {value}", " with {column} {value}", " whose {column} is {value}", " ({column}: {value})")
_ABOVE = (" where {column} is above {value}", " with {column} over {value}", " whose {column} exceeds {value}")
_BELOW = (" where {column} is below {value}", " with {column} under {value}", " with less than {value} {column}")
_MISSING = (" where {column} is missing", " without {column}", " that have no {column}")


class _Place(NamedTuple):
    table: Table
    column: Column


def drill(schema: DatabaseSchema, count: int, rng: random.Random) -> Iterator[TrainingRow]:
    """Make rows about a schema; fewer where the words of its columns are ambiguous.

    Args:
        schema: Any schema; rows are not needed.
        count: How many to try.
        rng: Where chance comes from.
    """
    given = aliases(tuple(table.name for table in schema.tables))
    words = {table.name: _say_columns(table) for table in schema.tables}
    for _ in range(count):
        table = rng.choice(schema.tables)
        key = rng.choice(table.foreign_keys) if table.foreign_keys and rng.random() < 0.5 else None
        parent = next((other for other in schema.tables if key and other.name == key.ref_table != table.name), None)
        row = _drill_one(schema, table, key if parent else None, parent, words, given, rng)
        if row is not None:
            yield row


def _drill_one(
    schema: DatabaseSchema,
    table: Table,
    key: ForeignKey | None,
    parent: Table | None,
    words: dict[str, dict[str, list[str]]],
    given: Mapping[str, str],
    rng: random.Random,
) -> TrainingRow | None:
    places = [_Place(table, column) for column in _draw(table, words, rng)]
    if parent is not None:
        places += [_Place(parent, column) for column in _draw(parent, words, rng)[:3]]
        rng.shuffle(places)
    is_whole = parent is None and rng.random() < 0.1
    if is_whole:
        places = [_Place(table, column) for column in table.columns[:MAX_SHOWN]]
    chosen = places[: rng.randint(2, MAX_COLUMNS)] if not is_whole else places
    if not chosen or not any(place.table is table for place in chosen):
        return None
    has_parent = parent is not None and any(place.table is parent for place in chosen)

    def spell(place: _Place) -> str:
        name = write_name(place.column.name)
        return f"{given[place.table.name]}.{name}" if has_parent else name

    def say(place: _Place) -> str:
        said = rng.choice(words[place.table.name][place.column.name])
        return f"{_noun(place.table, rng)} {said}" if place.table is not table else said

    row = _noun(table, rng)
    rows = plural(row)
    if is_whole:
        text = rng.choice(_ALL).format(row=row, rows=rows)
    else:
        text = rng.choice(_LISTS).format(row=row, rows=rows, columns=_join([say(place) for place in chosen], rng))
    where, order = "", ""
    values: tuple[MatchedValue, ...] = ()
    if (rest := [place for place in places if place not in chosen]) and rng.random() < 0.4:
        clause = _filter(rng.choice(rest), say, spell, rng)
        if clause.place.table is table or has_parent:
            text, where, values = text.rstrip(".?") + clause.said, f" WHERE {clause.sql}", clause.values
    if rng.random() < 0.2:
        by, is_falling = rng.choice(chosen), rng.random() < 0.5
        text = text.rstrip(".?") + rng.choice(_FALLING if is_falling else _SORTED).format(column=say(by))
        order = f" ORDER BY {spell(by)}{' DESC' if is_falling else ''}"
    source = write_name(table.name)
    if has_parent and key is not None and parent is not None:
        child_alias, parent_alias = given[table.name], given[parent.name]
        pairs = zip(key.ref_columns, key.columns, strict=True)
        on = " AND ".join(f"{parent_alias}.{write_name(a)} = {child_alias}.{write_name(b)}" for a, b in pairs)
        source = f"{source} {child_alias} JOIN {write_name(parent.name)} {parent_alias} ON {on}"
    sql = f"SELECT {', '.join(map(spell, chosen))} FROM {source}{where}{order}"
    needed = [*places, *([_Place(parent, column) for column in parent.columns] if has_parent and parent else [])]
    context = SchemaContext(
        db_id=schema.db_id,
        dialect=schema.dialect,
        tables=schema.tables,
        listing=_list(schema, table, parent, needed, rng),
        values=values,
    )
    question = Question(text=_recase(text, rng))
    return TrainingRow(render_prompt(question, context, "listed").messages, sql, "drill", question.text, schema.db_id)


class _Clause(NamedTuple):
    place: _Place
    said: str
    sql: str
    values: tuple[MatchedValue, ...] = ()


def _filter(place: _Place, say: Callable[[_Place], str], spell: Callable[[_Place], str], rng: random.Random) -> _Clause:
    """Draw a condition on a column."""
    column, name, said = place.column, spell(place), say(place)
    texts = [sample for sample in column.samples if 1 < len(sample) < 30]
    if column.kind == "text" and texts and rng.random() < 0.8:
        value = rng.choice(texts)
        shown = value.lower() if rng.random() < 0.3 else value
        match = MatchedValue(table=place.table.name, column=column.name, value=value, mention=shown, score=100)
        return _Clause(place, rng.choice(_EQUAL).format(column=said, value=shown), f"{name} = {quote(value)}", (match,))
    if column.kind in ("integer", "float") and rng.random() < 0.8:
        number = rng.randint(1, 10 ** rng.randint(1, 4))
        pattern, sign = rng.choice(((_ABOVE, ">"), (_BELOW, "<"), (_EQUAL, "=")))
        return _Clause(place, rng.choice(pattern).format(column=said, value=number), f"{name} {sign} {number}")
    return _Clause(place, rng.choice(_MISSING).format(column=said), f"{name} IS NULL")


def _draw(table: Table, words: dict[str, dict[str, list[str]]], rng: random.Random) -> list[Column]:
    """Draw columns of a table that can be told by their words, in any order."""
    told = [column for column in table.columns if words[table.name].get(column.name)]
    return rng.sample(told, min(len(told), MAX_COLUMNS))


def _say_columns(table: Table) -> dict[str, list[str]]:
    """Give the words for each column that no other column of the table has."""
    noun = say_table(table.name, table.comment, frozenset())[0]
    said = {column.name: say_column(column.name, column.comment, noun, frozenset())[:3] for column in table.columns}
    counts: dict[str, int] = {}
    for options in said.values():
        for option in options:
            counts[option] = counts.get(option, 0) + 1
    return {name: [option for option in options if counts[option] == 1] for name, options in said.items()}


def _noun(table: Table, rng: random.Random) -> str:
    return rng.choice(say_table(table.name, table.comment, frozenset())[:2])


def _list(
    schema: DatabaseSchema, table: Table, parent: Table | None, needed: Sequence[_Place], rng: random.Random
) -> tuple[Table, ...]:
    """List the tables that are asked about among up to three others, each with what is needed and some more."""
    others = [other for other in schema.tables if other is not table and other is not parent]
    shown = [table, *([parent] if parent is not None else []), *rng.sample(others, min(len(others), rng.randint(0, 3)))]
    rng.shuffle(shown)
    names = {other.name for other in shown}
    listed = []
    for each in shown:
        keys = tuple(key for key in each.foreign_keys if key.ref_table in names)
        wanted = {place.column.name for place in needed if place.table is each}
        wanted |= {*each.primary_key, *(name for key in keys for name in key.columns)}
        spare = [column.name for column in each.columns if column.name not in wanted]
        wanted |= set(rng.sample(spare, min(len(spare), max(0, MAX_SHOWN - len(wanted)))))
        columns = tuple(column for column in each.columns if column.name in wanted)
        listed.append(each.model_copy(update={"columns": columns, "foreign_keys": keys}))
    return tuple(listed)


def _join(words: Sequence[str], rng: random.Random) -> str:
    """Join words as people do: "a, b and c", "a / b / c"."""
    if len(words) == 1:
        return words[0]
    kind = rng.random()
    if kind < 0.7:
        last = rng.choice((" and ", ", ", " and the ", " as well as "))
        return f"{', '.join(words[:-1])}{last}{words[-1]}"
    return rng.choice((" / ", " and ", " + ", "; ")).join(words)


def _recase(text: str, rng: random.Random) -> str:
    """Begin with a capital, or write all in small letters, as it comes."""
    kind = rng.random()
    if kind < 0.6:
        return text[:1].upper() + text[1:]
    return text.lower() if kind < 0.7 else text
