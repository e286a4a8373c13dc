"""The rows of a database and what they must obey: what variants are made from.

In: the rows of all tables with their keys and constraints. Out: Facts, everything about a table that a change of its
rows has to know. Studied once for all variants. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import NamedTuple

from assistant.types import ForeignKey, Table
from evaluation.variation.invariants import as_key, find_invariants
from evaluation.variation.nearby import Habits

Row = tuple[object, ...]
"""The values of one row, in the order of the stored columns."""

Key = tuple[Hashable, ...]
"""The values of a key's columns, none of them NULL."""

MAX_BROKEN = 0.05
"""Share of values that may point nowhere in a foreign key that is kept all the same."""


class Content(NamedTuple):
    """The rows of one table, and what they must obey."""

    table: Table
    """Columns that can be stored, and keys."""
    rows: Sequence[Sequence[object]]
    """Values in the order of the columns."""
    unique: tuple[tuple[str, ...], ...] = ()
    """Sets of columns that are unique together, beside the primary key."""
    checked: tuple[tuple[str, ...], ...] = ()
    """Columns under one CHECK: they only take values that they hold together in another row."""


class Facts:
    """What is known of one table of the source. Studied once for all variants."""

    def __init__(self, content: Content, broken: Collection[tuple[str, ForeignKey]] = ()) -> None:
        """Study a table.

        Args:
            content: Its rows.
            broken: Foreign keys that need not hold, by table.
        """
        table = content.table
        self.table = table
        self.rows = content.rows
        self.position = {column.name: i for i, column in enumerate(table.columns)}
        """Column -> its place in a row."""
        self.habits = [
            Habits([row[i] for row in content.rows if row[i] is not None]) for i in range(len(table.columns))
        ]
        """How each column writes its values."""
        self.pointers: list[tuple[ForeignKey, list[int]]] = [
            (key, self.places(key.columns))
            for key in table.foreign_keys
            if (table.name, key) not in broken and len(self.places(key.columns)) == len(key.columns)
        ]
        """Foreign keys that are kept, with the places of their columns."""
        self.invariants = find_invariants(table, content.rows)
        self.primary = set(self.places(table.primary_key))
        self.pointing = {place for _, places in self.pointers for place in places}
        self.unique = [
            tuple(self.places(key))
            for key in (table.primary_key, *content.unique)
            if key and len(self.places(key)) == len(key)
        ]
        """Places that are unique together, declared or found."""
        self.unique += [(once.column,) for once in self.invariants.once if once.marker is None]
        self.once = [(once.column, once.marker, once.kind) for once in self.invariants.once if once.marker is not None]
        """Places of values that occur once in rows where the marker has that kind."""
        self.checks = [tuple(self.places(group)) for group in content.checked]
        self.checked = {place for group in self.checks for place in group}
        self.unique_places = {place for key in self.unique for place in key}
        self.fixed = self.unique_places | self.checked
        """Places that are not changed one by one."""
        self.tied = self._find_tied()
        """For each place those that an invariant or a CHECK ties to it, and itself."""

    def places(self, columns: Sequence[str]) -> list[int]:
        """Find the places of columns; those that are not stored are left out."""
        return [self.position[name] for name in columns if name in self.position]

    def forget(self, source: int, target: int) -> None:
        """Let go of what was found of one column deciding the value of another."""
        left = [rule for rule in self.invariants.implications if (rule.source, rule.target) != (source, target)]
        self.invariants = self.invariants._replace(implications=tuple(left))

    def _find_tied(self) -> list[set[int]]:
        tied: list[set[int]] = [{place} for place in range(len(self.position))]
        pairs = [(rule.source, rule.target) for rule in self.invariants.implications]
        pairs += self.invariants.orders
        pairs += [(one, other) for group in self.checks for one in group for other in group]
        for one, other in pairs:
            tied[one].add(other)
            tied[other].add(one)
        return tied


def study(contents: Sequence[Content]) -> dict[str, Facts]:
    """Study all tables; parents come before children, as far as foreign keys run in no circle.

    A foreign key that the source itself breaks need not hold: SQLite does not look, and there are files in which no
    value points anywhere. A few rows that break one are left out of variants instead.
    """
    broken = set(_find_broken(contents))
    facts = {content.table.name: Facts(content, broken) for content in contents}
    return {table.name: facts[table.name] for table in order_tables([content.table for content in contents])}


def order_tables(tables: Sequence[Table]) -> list[Table]:
    """Put parents before children, as far as foreign keys run in no circle."""
    ordered: dict[str, Table] = {}
    waiting = {table.name: table for table in sorted(tables, key=lambda table: table.name)}
    while waiting:
        ready = [
            table
            for name, table in waiting.items()
            if all(key.ref_table == name or key.ref_table not in waiting for key in table.foreign_keys)
        ]
        for table in ready or list(waiting.values())[:1]:
            ordered[table.name] = waiting.pop(table.name)
    return list(ordered.values())


def _find_broken(contents: Sequence[Content]) -> Iterator[tuple[str, ForeignKey]]:
    by_name = {content.table.name: content for content in contents}
    for content in contents:
        for key in content.table.foreign_keys:
            parent = by_name.get(key.ref_table)
            columns = [column.name for column in content.table.columns]
            owned = [column.name for column in parent.table.columns] if parent else []
            if parent is None or not set(key.columns) <= set(columns) or not set(key.ref_columns) <= set(owned):
                yield content.table.name, key
                continue
            places, ref_places = list(map(columns.index, key.columns)), list(map(owned.index, key.ref_columns))
            known = {key_in(row, ref_places) for row in parent.rows}
            targets = [target for row in content.rows if (target := key_in(row, places)) is not None]
            if sum(target not in known for target in targets) > MAX_BROKEN * len(targets):
                yield content.table.name, key


def key_in(row: Sequence[object], places: Sequence[int]) -> Key | None:
    """Give the key that a row has in some places; None when a part of it is NULL, which points at nothing."""
    if len(places) == 1:
        value = row[places[0]]
        return None if value is None else (as_key(value),)
    key = tuple(as_key(row[place]) for place in places)
    return None if not key or None in key else key
