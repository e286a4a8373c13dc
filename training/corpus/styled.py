"""A statement that was read once and can be written under any names.

In: what `house_style` read. Out: SQL. Reads none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from assistant.naming import aliases, write_name
from assistant.types import DatabaseSchema


class Ref(NamedTuple):
    """A place in a statement where a name of the schema stands."""

    table: str
    """Name of the table."""
    column: str = ""
    """Name of the column; empty for the table itself."""
    number: int = -1
    """Which use of the table in the query, from 0, where its alias stands; -1 where the name itself does."""


class Literal(NamedTuple):
    """A text or number that a column is compared with."""

    table: str
    """Table of the column."""
    column: str
    """Column."""
    text: str
    """The literal, without quotes."""
    is_number: bool
    """Whether it is written as a number."""
    is_pattern: bool
    """Whether it stands behind LIKE."""


@dataclass(frozen=True)
class Names:
    """What tables and columns are called now, by the names that a query was read with."""

    tables: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]
    aliases: Mapping[str, str]
    """By the new name of the table."""

    @classmethod
    def of(cls, schema: DatabaseSchema) -> Names:
        """Leave every name of a schema as it is."""
        tables = {table.name: table.name for table in schema.tables}
        columns = {(table.name, column.name): column.name for table in schema.tables for column in table.columns}
        return cls(tables, columns, aliases(tuple(tables)))

    def spell(self, ref: Ref) -> str:
        """Write what stands at a place."""
        if ref.column:
            return write_name(self.columns[ref.table, ref.column])
        name = self.tables[ref.table]
        if ref.number < 0:
            return write_name(name)
        return f"{self.aliases[name]}{ref.number + 1 if ref.number else ''}"


@dataclass(frozen=True)
class StyledQuery:
    """A statement in the house style, to be written under any names."""

    parts: tuple[str | Ref, ...]
    """Text and names, in order."""
    tables: frozenset[str]
    """Tables it reads."""
    columns: frozenset[tuple[str, str]]
    """Columns it names, as table and column."""
    asked: frozenset[tuple[str, str]]
    """Those of them that stand elsewhere than in join conditions: what the question must speak of."""
    literals: tuple[Literal, ...]
    """What columns are compared with, each once."""

    def write(self, names: Names) -> str:
        """Write the statement."""
        return "".join(part if isinstance(part, str) else names.spell(part) for part in self.parts)
