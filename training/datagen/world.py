"""What a sampler knows of a database: its words, the values of its columns, and a source of chance.

In: a lexicon and a SQLite connection to a copy of the data. Out: a World, which draws tables, columns, words and
wordings. Makes no SQL of its own but for reading the values.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from assistant import writing
from training.datagen.lexicon import Key, Lexicon, Relation, ref
from training.datagen.patterns import Slot, choose, say

Path = tuple[Relation, ...]
"""Relations followed upwards, the first one first; empty for the table itself."""

MAX_TEXTS = 2000
MAX_NUMBERS = 400
MAX_CATEGORIES = 60
"""A text column with at most this many different values is a category."""
MIN_LIKEABLE = 30
"""A text column with more different values than this can be searched by a part of them."""


@dataclass
class World:
    """What a sampler needs to know: words, values and chance."""

    lexicon: Lexicon
    rng: random.Random
    texts: dict[Key, list[str]] = field(default_factory=dict)
    numbers: dict[Key, list[float]] = field(default_factory=dict)
    days: dict[Key, tuple[date, date]] = field(default_factory=dict)
    nullable: set[Key] = field(default_factory=set)
    """Columns in which a NULL really occurs."""

    def categories(self, table: str) -> list[str]:
        """List the text columns of a table with few values, each used often."""
        found = []
        for column in self.lexicon.table(table).columns:
            values = self.texts.get((table, column.name), [])
            is_label = column.name == self.lexicon.labels.get(table)
            if column.kind == "text" and 1 < len(values) <= MAX_CATEGORIES and not is_label:
                found.append(column.name)
        return found

    def likeable(self, table: str) -> list[str]:
        """List the text columns of a table with so many values that people search for a part of one."""
        return [
            column.name
            for column in self.lexicon.table(table).columns
            if column.kind == "text" and len(self.texts.get((table, column.name), [])) > MIN_LIKEABLE
        ]

    def figures(self, table: str) -> list[str]:
        """List the numeric columns of a table that are no keys and no flags."""
        return [
            column.name
            for column in self.lexicon.table(table).columns
            if (table, column.name) in self.numbers and not self.lexicon.is_key(table, column.name)
        ]

    def dates(self, table: str) -> list[str]:
        """List the date columns of a table."""
        return [column.name for column in self.lexicon.table(table).columns if (table, column.name) in self.days]

    def shown_columns(self, table: str) -> list[str]:
        """List the columns of a table that people ask to see: no flags, and of the keys only the table's own."""
        own_key = self.lexicon.key_of(table)
        return [
            column.name
            for column in self.lexicon.table(table).columns
            if column.kind != "boolean" and (column.name == own_key or not self.lexicon.is_key(table, column.name))
        ]

    def label(self, table: str) -> str | None:
        """Name the column that a list of the table shows: its label, else its key."""
        return self.lexicon.labels.get(table) or self.lexicon.key_of(table)

    def paths(self, table: str, depth: int = 3) -> list[Path]:
        """List the ways up from a table, the empty one first."""
        found: list[Path] = [()]
        frontier: list[tuple[str, Path]] = [(table, ())]
        for _ in range(depth):
            following = []
            for at, path in frontier:
                if path and "#" in path[-1].instance:
                    continue  # nobody speaks of what lies beyond a second road
                for relation in self.lexicon.relations.get(at, []):
                    if relation.target not in {table, *(r.target for r in path)}:
                        following.append((relation.target, (*path, relation)))
            found += [path for _, path in following]
            frontier = following
        return found

    def path_to(self, table: str, target: str) -> Path:
        """Give the first way up from a table to another one; empty when it is the same."""
        return next((path for path in self.paths(table) if path and path[-1].target == target), ())

    def children(self, table: str) -> list[Relation]:
        """List the relations by which rows of other tables point at a table."""
        return [
            relation
            for relations in self.lexicon.relations.values()
            for relation in relations
            if relation.target == table and relation.child_columns
        ]

    def event_date(self, table: str) -> tuple[Path, str] | None:
        """Find the date that "in 2025" means for rows of a table: their own main date, else that of the nearest parent.

        A date that may be missing, or that says when a record was made, is no event.
        """
        for path in self.paths(table, 1):
            at = path[-1].target if path else table
            for column in self.dates(at):
                if (at, column) not in self.nullable and (not path or path[-1].child_columns):
                    return path, column
        return None

    def draw_table(self, fits: Callable[[str], bool]) -> str | None:
        """Draw a table that fits, those that people ask about most often."""
        names = [table.name for table in self.lexicon.schema.tables if fits(table.name)]
        return self.rng.choices(names, [self._weight(name) for name in names])[0] if names else None

    def _weight(self, table: str) -> float:
        """Weigh a table by how much people ask about it: many relations, a name, dates."""
        links = len(self.lexicon.relations.get(table, [])) + len(self.children(table))
        named = table in self.lexicon.labels or any(key[0] == table for key in self.lexicon.named_keys)
        return (1 + links) * (2.5 if named else 1) * (1.6 if self.dates(table) else 1)

    def draw_details(self, table: str) -> list[str]:
        """Draw one to four columns that people ask to see."""
        names = self.shown_columns(table)
        count = self.rng.choices((1, 2, 3, 4), (45, 28, 18, 9))[0]
        return self.rng.sample(names, min(len(names), count))

    def draw_figure(self, table: str) -> tuple[str, str] | None:
        """Draw a numeric column or named figure of a table: its words and its SQL."""
        options = [(self.say(table, column), ref(table, column)) for column in self.figures(table)]
        options += [(self.rng.choice(f.words), f.sql) for f in self.lexicon.figures.get(table, [])]
        return self.rng.choice(options) if options else None

    def say(self, table: str, column: str) -> str:
        """Draw a word for a column, the usual one most often."""
        words = self.lexicon.words[(table, column)]
        return self.rng.choices(words, [max(1, len(words))] + [1] * (len(words) - 1))[0]

    def saying(self, table: str, column: str) -> Callable[[], str]:
        """Give a slot that draws a word for a column anew in each pattern."""
        return partial(self.say, table, column)

    def noun(self, table: str, *, plural: bool = True) -> str:
        """Draw a noun for the rows of a table, the usual one most often."""
        nouns = self.lexicon.nouns[table]
        noun = self.rng.choices(nouns, [2 * len(nouns) + 2] + [1] * (len(nouns) - 1))[0]
        return writing.plural(noun) if plural else noun

    def join_words(self, words: list[str]) -> str:
        """Join words as people do: "a, b and c", "a + b", "a, b, c"."""
        if len(words) == 1:
            return words[0]
        style = self.rng.choices(("and", "comma", "plus", "slash"), (14, 3, 2, 1))[0]
        if style == "and":
            return self.word("join.last", first=", ".join(words[:-1]), last=words[-1])
        return {"comma": ", ", "plus": " + ", "slash": "/"}[style].join(words)

    def word(self, *names: str, **slots: Slot) -> str:
        """Draw a wording and fill it, see `patterns.say`."""
        return say(self.rng, *names, **slots)

    def pattern(self, *names: str) -> str:
        """Draw a wording to be filled later, see `patterns.choose`."""
        return choose(self.rng, *names)


def read_world(lexicon: Lexicon, connection: sqlite3.Connection, rng: random.Random) -> World:
    """Read the values of each column: texts as they are, a sample of numbers, the first and last day."""
    world = World(lexicon, rng)
    for table in lexicon.schema.tables:
        for column in table.columns:
            key = (table.name, column.name)
            name, source = quote_name(column.name), quote_name(table.name)
            if connection.execute(f"SELECT 1 FROM {source} WHERE {name} IS NULL LIMIT 1").fetchone():
                world.nullable.add(key)
            if column.kind == "text":
                found = connection.execute(
                    f"SELECT DISTINCT {name} FROM {source} WHERE {name} IS NOT NULL ORDER BY 1 LIMIT {MAX_TEXTS}"
                )
                world.texts[key] = [str(row[0]) for row in found]
            elif column.kind in ("integer", "float"):
                found = connection.execute(f"SELECT {name} FROM {source} WHERE {name} IS NOT NULL ORDER BY {name}")
                values = [float(row[0]) for row in found]
                world.numbers[key] = values[:: max(1, len(values) // MAX_NUMBERS)]
            elif column.kind in ("date", "datetime"):
                low, high = connection.execute(f"SELECT MIN(date({name})), MAX(date({name})) FROM {source}").fetchone()
                if low and high:
                    world.days[key] = (date.fromisoformat(low), date.fromisoformat(high))
    world.texts = {key: values for key, values in world.texts.items() if values}
    world.numbers = {key: values for key, values in world.numbers.items() if values}
    return world


def quote_name(name: str) -> str:
    """Quote the name of a table or column for SQLite."""
    return '"' + name.replace('"', '""') + '"'
