"""Read the values of a database into a World.

In: a lexicon and a SQLite connection to a copy of the data. Out: a World: texts as they are, a sample of numbers, first
and last days. What a column holds counts, not what it is declared as: SQLite keeps any value in any column. Where no
name says it, the values also tell which column names the rows of a table. Asks nothing.
"""

from __future__ import annotations

import random
import re
import sqlite3
from datetime import date

from assistant.naming import quote_name
from assistant.types import Column, Table
from training.datagen.lexicon import Key, Lexicon
from training.datagen.spoken import split_words
from training.datagen.world import World

MAX_TEXTS = 2000
MAX_NUMBERS = 400
MAX_SAID_CHARS = 60
"""Longer texts are not put into questions."""
MIN_NAMED_ROWS = 5
"""Tables with fewer rows are too small to tell a column of names from any other."""
_ISO_DAY = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])-\d\d([ T]\d\d:\d\d.*)?")
_FLAG_WORDS = frozenset({"is", "has", "can", "was", "flag"})


def read_world(lexicon: Lexicon, connection: sqlite3.Connection, rng: random.Random) -> World:
    """Read the values of each column."""
    world = World(lexicon, rng)
    for table in lexicon.schema.tables:
        source = quote_name(table.name)
        (world.rows[table.name],) = connection.execute(f"SELECT COUNT(*) FROM {source}").fetchone()
        for column in table.columns:
            _read_column(world, connection, (table.name, column.name), column)
    world.texts = {key: values for key, values in world.texts.items() if values}
    world.numbers = {key: numbers for key, numbers in world.numbers.items() if numbers}
    for values in world.texts.values():
        for value in values:
            world.owners[value.casefold()] = world.owners.get(value.casefold(), 0) + 1
    for table in lexicon.schema.tables:
        if table.name not in lexicon.spoken:
            _find_label(world, table)
    return world


def _read_column(world: World, connection: sqlite3.Connection, key: Key, column: Column) -> None:
    name, source = quote_name(key[1]), quote_name(key[0])
    if connection.execute(f"SELECT 1 FROM {source} WHERE {name} IS NULL LIMIT 1").fetchone():
        world.nullable.add(key)
    if column.is_masked:
        return  # nobody may see a value, and nothing can be asked by one
    if column.kind == "text":
        found = connection.execute(
            f"SELECT DISTINCT {name} FROM {source} WHERE {name} IS NOT NULL ORDER BY 1 LIMIT {MAX_TEXTS}"
        )
        values = [str(row[0]) for row in found]
        if values and all(_ISO_DAY.fullmatch(value) for value in values):
            _read_days(world, connection, key)
        else:
            world.distinct[key] = len(values)
            world.texts[key] = [value for value in values if value.strip() and len(value) <= MAX_SAID_CHARS]
    elif column.kind in ("integer", "float"):
        found = connection.execute(
            f"SELECT {name} FROM {source} WHERE typeof({name}) IN ('integer', 'real') ORDER BY {name}"
        )
        numbers = [float(row[0]) for row in found]
        is_flag = not _FLAG_WORDS.isdisjoint(split_words(key[1])) and set(numbers) == {0.0, 1.0}
        if is_flag:
            world.flags.add(key)
        else:
            world.numbers[key] = numbers[:: max(1, len(numbers) // MAX_NUMBERS)]
    elif column.kind == "boolean":
        found = connection.execute(f"SELECT COUNT(DISTINCT {name}) FROM {source} WHERE {name} IN (0, 1)")
        if found.fetchone()[0] == 2:
            world.flags.add(key)
    elif column.kind in ("date", "datetime"):
        _read_days(world, connection, key)


def _read_days(world: World, connection: sqlite3.Connection, key: Key) -> None:
    """Read the first and the last day, of what SQLite takes for dates."""
    name, source = quote_name(key[1]), quote_name(key[0])
    days = f"SELECT MIN(date({name})), MAX(date({name})) FROM {source} WHERE typeof({name}) = 'text'"
    low, high = connection.execute(days).fetchone()
    if low and high and _ISO_DAY.fullmatch(low) and _ISO_DAY.fullmatch(high):
        world.days[key] = (date.fromisoformat(low), date.fromisoformat(high))


def _find_label(world: World, table: Table) -> None:
    """Take the first column of texts as names, where all are there, short and different, and no name says it."""
    lexicon, rows = world.lexicon, world.rows[table.name]
    if table.name in lexicon.labels or rows < MIN_NAMED_ROWS:
        return
    for column in table.columns:
        key = (table.name, column.name)
        values = world.texts.get(key, [])
        is_whole = key not in world.nullable and not lexicon.is_key(*key)
        if is_whole and len(values) == world.distinct.get(key) and len(values) >= 0.9 * min(rows, MAX_TEXTS):
            lexicon.labels[table.name] = column.name
            return
