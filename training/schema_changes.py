"""What has changed between two schemas of one database, in words that a maintainer reads.

In: the schema that the served model was trained on, and the one now. Out: Changes, and the renames that are guessed
from names that went and others that came. A guess is always called one: a rename cannot be told for certain from a
column that was dropped and another one that was added. Opens no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from assistant.types import Column, DatabaseSchema, ForeignKey, Record, Table

LEAST_ALIKE = 0.6
"""Share of the columns that two tables must have in common for one to be guessed the new name of the other."""


class Rename(NamedTuple):
    """A guessed rename: of a table, or of a column."""

    table: str
    """Old name of the table."""
    column: str
    """Old name of the column; empty for a rename of the table."""
    new_table: str
    """Name of the table now."""
    new_column: str = ""
    """Name of the column now."""


class Change(Record):
    """One thing that is different."""

    action: Literal["added", "removed", "renamed", "changed"]
    """What happened to it."""
    what: Literal["table", "column", "type", "primary key", "foreign key"]
    """What it is."""
    table: str
    """Table as it is called now, or was when it is gone."""
    column: str = ""
    """Column as it is called now, or was when it is gone; empty for what belongs to the table."""
    detail: str = ""
    """From what to what."""
    is_guess: bool = False
    """Whether it only looks so."""

    def describe(self) -> str:
        """Say it in one line."""
        name = f"{self.table}.{self.column}" if self.column else self.table
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.action} {self.what} {name}{detail}{' (a guess)' if self.is_guess else ''}"


class SchemaChanges(Record):
    """Everything that is different."""

    changes: tuple[Change, ...] = ()
    """In the order of the tables."""
    renames: tuple[Rename, ...] = ()
    """Those among them that are guessed renames, to rewrite SQL by."""

    @property
    def new_tables(self) -> frozenset[str]:
        """Tables that the old schema did not have under this name."""
        return frozenset(
            change.table for change in self.changes if change.what == "table" and change.action in ("added", "renamed")
        )

    @property
    def new_columns(self) -> frozenset[str]:
        """Columns, as `table.column`, that are new, renamed or of another type."""
        return frozenset(
            f"{change.table}.{change.column}" for change in self.changes if change.column and change.action != "removed"
        )


def compare_schemas(
    old: DatabaseSchema, new: DatabaseSchema, *, do_values_fit: Callable[[Rename], bool] = lambda _: True
) -> SchemaChanges:
    """List what has changed from one schema to another.

    Args:
        old: The schema before.
        new: The schema now.
        do_values_fit: Asked about each rename of a column whose type and place fit; says no where the values do not.
    """
    before, now = ({table.name: table for table in schema.tables} for schema in (old, new))
    gone = [table for name, table in before.items() if name not in now]
    come = [table for name, table in now.items() if name not in before]
    renamed = dict(_pair_tables(gone, come))
    changes: list[Change] = []
    renames: list[Rename] = []
    for table in gone:
        if table.name not in renamed:
            changes.append(Change(action="removed", what="table", table=table.name))
    new_names = {old_name: found.name for old_name, found in renamed.items()}
    old_names = {new_name: old_name for old_name, new_name in new_names.items()}
    for name, table in now.items():
        earlier = before.get(old_names.get(name, name))
        if earlier is None:
            columns = ", ".join(column.name for column in table.columns)
            changes.append(Change(action="added", what="table", table=name, detail=columns))
            continue
        if earlier.name != name:
            changes.append(
                Change(action="renamed", what="table", table=name, detail=f"was {earlier.name}", is_guess=True)
            )
            renames.append(Rename(earlier.name, "", name))
        pairs = {
            column: found
            for column, found in _pair_columns(earlier, table)
            if do_values_fit(Rename(earlier.name, column, name, found))
        }
        renames += [Rename(earlier.name, column, name, found) for column, found in pairs.items()]
        changes += _compare_columns(earlier, table, pairs)
        changes += _compare_keys(earlier, table, pairs, new_names)
    return SchemaChanges(changes=tuple(changes), renames=tuple(renames))


def _pair_tables(gone: Iterable[Table], come: list[Table]) -> Iterator[tuple[str, Table]]:
    """Guess which table that came is one that went: the most columns of one name and kind in common, and enough."""
    left = list(come)
    for table in gone:
        mine = {(column.name, column.kind) for column in table.columns}
        shares = [(_share_in_common(mine, {(c.name, c.kind) for c in other.columns}), other) for other in left]
        share, best = max(shares, key=lambda pair: pair[0], default=(0.0, None))
        if best is not None and share >= LEAST_ALIKE:
            left.remove(best)
            yield table.name, best


def _share_in_common(ours: Set[tuple[str, str]], theirs: Set[tuple[str, str]]) -> float:
    return len(ours & theirs) / max(1, len(ours | theirs))


def _pair_columns(old: Table, new: Table) -> Iterator[tuple[str, str]]:
    """Guess which column that came is one that went: the same type, in the same place or between the same columns."""
    old_names, new_names = _names(old), _names(new)
    taken: set[str] = set()
    for column in old.columns:
        if column.name in new_names:
            continue
        fitting = [
            other
            for other in new.columns
            if other.name not in old_names and other.name not in taken and _is_same_type(column, other)
        ]
        places = [other for other in fitting if _is_same_place(old_names, column.name, new_names, other.name)]
        if places:
            best = max(places, key=lambda other: SequenceMatcher(None, column.name, other.name).ratio())
            taken.add(best.name)
            yield column.name, best.name


def _is_same_type(one: Column, other: Column) -> bool:
    return one.sql_type.casefold() == other.sql_type.casefold() and one.kind == other.kind


def _is_same_place(old_names: list[str], old: str, new_names: list[str], new: str) -> bool:
    """Tell whether two columns stand at the same place, or have the same neighbour before or after."""
    here, there = old_names.index(old), new_names.index(new)
    if here == there:
        return True
    return ["", *old_names][here] == ["", *new_names][there] or (
        [*old_names, ""][here + 1] == [*new_names, ""][there + 1]
    )


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _compare_columns(old: Table, new: Table, pairs: dict[str, str]) -> Iterator[Change]:
    before = {pairs.get(column.name, column.name): column for column in old.columns}
    now = {column.name: column for column in new.columns}
    for name in before:
        if name not in now:
            yield Change(action="removed", what="column", table=new.name, column=name)
    for name, column in now.items():
        earlier = before.get(name)
        if earlier is None:
            yield Change(action="added", what="column", table=new.name, column=name, detail=column.sql_type)
            continue
        if earlier.name != name:
            was = f"was {earlier.name}"
            yield Change(action="renamed", what="column", table=new.name, column=name, detail=was, is_guess=True)
        if earlier.sql_type != column.sql_type or earlier.is_nullable != column.is_nullable:
            detail = f"{_type_of(earlier)} -> {_type_of(column)}"
            yield Change(action="changed", what="type", table=new.name, column=name, detail=detail)


def _type_of(column: Column) -> str:
    return column.sql_type + ("" if column.is_nullable else " NOT NULL")


def _compare_keys(old: Table, new: Table, pairs: dict[str, str], tables: dict[str, str]) -> Iterator[Change]:
    primary = tuple(pairs.get(name, name) for name in old.primary_key)
    if primary != new.primary_key:
        detail = f"{_listed(old.primary_key)} -> {_listed(new.primary_key)}"
        yield Change(action="changed", what="primary key", table=new.name, detail=detail)
    before = {
        (tuple(pairs.get(name, name) for name in key.columns), tables.get(key.ref_table, key.ref_table))
        for key in old.foreign_keys
    }
    now = {(key.columns, key.ref_table): key for key in new.foreign_keys}
    for columns, target in sorted(before - set(now)):
        detail = f"({', '.join(columns)}) -> {target}"
        yield Change(action="removed", what="foreign key", table=new.name, detail=detail)
    for found, key in now.items():
        if found not in before:
            yield Change(action="added", what="foreign key", table=new.name, detail=_describe_key(key))


def _describe_key(key: ForeignKey) -> str:
    return f"({', '.join(key.columns)}) -> {key.ref_table}({', '.join(key.ref_columns)})"


def _listed(names: tuple[str, ...]) -> str:
    return f"({', '.join(names)})" if names else "none"
