"""Columns of wide tables that need few examples each, or they would fill the data.

In: a schema. Out: for each such column, with which others it is asked for together, and which share of the usual
examples it needs. Thin are the columns of a family (the same name and type with a running number: m001 to m098), which
together count as a few columns, and those behind the first ones of a table. Every one of them is still to be hit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from assistant.types import Column, DatabaseSchema, Table

MIN_FAMILY = 8
"""Fewest columns with the same name and a running number that are a family."""
FAMILY_WEIGHT = 5
"""A family needs as many examples as so many columns."""
FULL_COLUMNS = 30
"""The first columns of a table, which are no family, need examples like all others."""
SURPLUS_SHARE = 0.2
"""Share of the usual examples that each of the columns behind them needs."""
_NUMBER = re.compile(r"\d+")


class Thin(NamedTuple):
    """How much a column of a wide table needs."""

    group: str
    """Which columns it may be asked for together with."""
    share: float
    """Of the examples that other columns need."""


def find_thin(schema: DatabaseSchema) -> Mapping[str, Thin]:
    """Give the thin columns of a schema as `table.column`."""
    return {f"{table.name}.{name}": thin for table in schema.tables for name, thin in _find_thin(table)}


def _find_thin(table: Table) -> Iterator[tuple[str, Thin]]:
    families: dict[tuple[str, str], list[Column]] = {}
    for column in table.columns:
        if _NUMBER.search(column.name):
            families.setdefault((_NUMBER.sub("#", column.name), column.kind), []).append(column)
    in_family: set[str] = set()
    for (pattern, _), members in families.items():
        if len(members) >= MIN_FAMILY:
            thin = Thin(f"{table.name}.{pattern}", FAMILY_WEIGHT / len(members))
            in_family.update(column.name for column in members)
            yield from ((column.name, thin) for column in members)
    others = [column.name for column in table.columns if column.name not in in_family]
    yield from ((name, Thin(f"{table.name}.", SURPLUS_SHARE)) for name in others[FULL_COLUMNS:])
