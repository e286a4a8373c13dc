"""What a database's rows rule out: nothing can be asked about a table that cannot be read, or a column without a value.

In: an Executor on the database and its schema. Out: the schema of what can be read, and the items that cannot be
covered, with the reasons. Each table is read once, by a statement that passes the guard like all others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from assistant.errors import DatabaseError, DataError
from assistant.types import DatabaseSchema, Rejection, Table
from evaluation.execution import Executor
from training.datagen.drafts import Item
from training.datagen.join_paths import list_paths
from training.datagen.world import quote_name


class Readable(NamedTuple):
    """What there is to ask about."""

    schema: DatabaseSchema
    """Tables that can be read."""
    ruled_out: Mapping[Item, str]
    """What cannot be covered, and why."""


def find_readable(
    schema: DatabaseSchema,
    executor: Executor,
    connection: sqlite3.Connection,
    unreadable: Mapping[str, str] | None = None,
) -> Readable:
    """Read how many values each column has.

    Args:
        schema: As it was introspected, which leaves views out that are broken.
        executor: Runs statements on it.
        connection: To the same file, for the names and errors of broken views.
        unreadable: Tables that were left out before, with the reasons.

    Raises:
        DataError: No table has a row.
    """
    ruled_out = {Item("table", name): reason for name, reason in _broken_views(schema, connection)}
    ruled_out |= {Item("table", name): f"it cannot be read: {reason}" for name, reason in (unreadable or {}).items()}
    tables: list[Table] = []
    counts: dict[tuple[str, str], int] = {}
    rows: dict[str, int] = {}
    for table in schema.tables:
        found = _count(table, executor)
        if isinstance(found, str):
            reason = f"it cannot be read: {found}"
            ruled_out[Item("table", table.name)] = reason
            ruled_out |= {Item("column", f"{table.name}.{column.name}"): reason for column in table.columns}
            continue
        tables.append(table)
        rows[table.name] = found[0]
        counts |= {(table.name, column.name): n for column, n in zip(table.columns, found[1:], strict=True)}
    if not any(rows.values()):
        raise DataError(f"Database '{schema.db_id}' has no rows.", "Fill some of its tables first.")
    for (name, column), count in counts.items():
        if not count:
            reason = "every value is NULL" if rows[name] else "its table has no rows"
            ruled_out[Item("column", f"{name}.{column}")] = reason
    readable = schema.model_copy(update={"tables": tuple(tables)})
    for name, path in list_paths(readable).items():
        empty = next((hop for hop in path if not all(counts[hop.table, column] for column in hop.columns)), None)
        if empty is not None:
            ruled_out[Item("path", name)] = f"{empty.table} has no value in {', '.join(empty.columns)}"
        elif not rows[path[-1].ref_table]:
            ruled_out[Item("path", name)] = f"{path[-1].ref_table} has no rows"
    for name in set(list_paths(schema)) - set(list_paths(readable)):
        ruled_out[Item("path", name)] = "one of its tables cannot be read"
    return Readable(readable, dict(sorted(ruled_out.items())))


def _count(table: Table, executor: Executor) -> list[int] | str:
    """Count the rows of a table and the values of its columns; or say why it cannot be read."""
    counted = ", ".join(["COUNT(*)", *(f"COUNT({quote_name(column.name)})" for column in table.columns)])
    try:
        found = executor.run(f"SELECT {counted} FROM {quote_name(table.name)}")
    except DatabaseError as error:
        return error.message.rstrip(".")
    if isinstance(found, Rejection):
        return found.message.rstrip(".")
    return [int(cell or 0) for cell in found.result.rows[0]]


def _broken_views(schema: DatabaseSchema, connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """List the views that introspection left out, with what SQLite says of them."""
    known = {table.name for table in schema.tables}
    broken = []
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name").fetchall():
        if name not in known:
            try:
                connection.execute(f"SELECT 1 FROM {quote_name(name)} LIMIT 1")
                reason = "it shows no columns that can be read"
            except sqlite3.Error as error:
                reason = str(error)
            broken.append((str(name), f"the view cannot be read: {reason}"))
    return broken
