"""The ways to join tables along foreign keys: what coverage counts as a join path.

In: a schema. Out: its paths by name. A path follows foreign keys from the referring table to the one referred to, over
at most `MAX_HOPS` of them: order line -> order -> customer. Two foreign keys to one table are two paths. A table that
points at itself is followed again and again (an employee, the manager, the manager's manager); apart from that no key
occurs twice in a path. A query that goes down and up again (customers of the orders of a product) joins two paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from assistant.types import DatabaseSchema

MAX_HOPS = 3


class Hop(NamedTuple):
    """One foreign key."""

    table: str
    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...]

    @property
    def is_ladder(self) -> bool:
        """Whether the table points at itself."""
        return self.table == self.ref_table


JoinPath = tuple[Hop, ...]


def list_hops(schema: DatabaseSchema) -> tuple[Hop, ...]:
    """List the foreign keys whose tables and columns are all in the schema."""
    known = {table.name: {column.name for column in table.columns} for table in schema.tables}
    return tuple(
        Hop(table.name, key.columns, key.ref_table, key.ref_columns)
        for table in schema.tables
        for key in table.foreign_keys
        if set(key.columns) <= known[table.name] and set(key.ref_columns) <= known.get(key.ref_table, set())
    )


def list_paths(schema: DatabaseSchema) -> dict[str, JoinPath]:
    """List all join paths of a schema by name, the short ones first."""
    hops = list_hops(schema)
    found: list[JoinPath] = [(hop,) for hop in hops]
    longest = found
    for _ in range(MAX_HOPS - 1):
        longest = [(*path, hop) for path in longest for hop in _onward(path, hops)]
        found += longest
    return {name_path(path): path for path in found}


def name_path(path: JoinPath) -> str:
    """Name a path.

    Example:
        >>> name_path((Hop("line", ("order_id",), "orders", ("id",)), Hop("orders", ("a", "b"), "client", ("a", "b"))))
        'line.order_id -> orders.(a, b) -> client'
    """
    return " -> ".join((*(f"{hop.table}.{_name_columns(hop)}" for hop in path), path[-1].ref_table))


def _name_columns(hop: Hop) -> str:
    return hop.columns[0] if len(hop.columns) == 1 else f"({', '.join(hop.columns)})"


def _onward(path: JoinPath, hops: tuple[Hop, ...]) -> Iterator[Hop]:
    """Give the foreign keys that lead on from the end of a path."""
    for hop in hops:
        if hop.table == path[-1].ref_table and (hop not in path or hop.is_ladder):
            yield hop
