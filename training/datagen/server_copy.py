"""Copy a server's database to a SQLite file: the same tables and columns, all rows or a sample of them.

In: an Executor on a PostgreSQL, MySQL or MariaDB database, and a path. Out: the file, and what it holds. Whatever is
read passes the guard and the read-only connection like every other statement. Values are written as results show them:
dates as ISO text, a BLOB as its size and hash, so that both sides show the same. Views become tables.

A table of more rows than `MAX_TABLE_ROWS` is sampled: rows spread over its key where that is a number, else the first
ones, and then the rows that other rows of the copy point at. Does not cover: foreign keys that run in a circle through
several tables (such a row may point at one that is not in the sample); how the server's text is collated.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from assistant.errors import DatabaseError
from assistant.naming import quote_name
from assistant.types import Cell, Column, ColumnKind, DatabaseSchema, Dialect, Rejection, Table
from evaluation.execution import Executor
from evaluation.progress import narrate
from evaluation.variation.contents import order_tables

MAX_TABLE_ROWS = 100_000
"""Rows of a table beyond which a sample is taken."""
READ_TIMEOUT_S = 120.0
"""Longest reading of one table."""
MIN_SPREAD_ROWS = MAX_TABLE_ROWS // 10
"""A spread sample of fewer rows is worse than the first rows: the keys have a step of their own."""
MAX_ROUNDS = 10
"""Steps up a table that points at itself."""
_KEYS_PER_QUERY = 60
"""The guard bounds the length of a statement."""

_TYPES: Mapping[ColumnKind, str] = {
    "boolean": "BOOLEAN", "integer": "INTEGER", "float": "REAL", "date": "DATE", "datetime": "DATETIME", "blob": "BLOB",
}  # fmt: skip
"""A DECIMAL is a REAL: SQLite would keep 12.00 as an integer, and divide it as one."""

Row = tuple[Cell, ...]
Keys = set[Row]


class ServerCopy(NamedTuple):
    """A copy and what it holds."""

    path: Path
    schema: DatabaseSchema
    """The server's, in SQLite's types, without what could not be copied; `row_estimate` is the rows in the copy."""
    unreadable: Mapping[str, str]
    """Tables that are not in it, with the reasons."""
    sampled: tuple[str, ...]
    """Tables of which it holds a sample."""
    content: str
    """Digest of all rows."""

    @property
    def is_complete(self) -> bool:
        """Whether both sides hold the same rows."""
        return not self.sampled


def copy_server(server: Executor, path: Path, *, max_rows: int = MAX_TABLE_ROWS) -> ServerCopy:
    """Copy a database.

    Args:
        server: On the source; its `max_rows` must not be below `max_rows`.
        path: File to write; an old one is replaced.
        max_rows: Rows of a table beyond which a sample is taken.

    Raises:
        DatabaseError: The server cannot be read at all, or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            copied = _Copying(server, target, max_rows).copy()
    except (sqlite3.Error, OSError) as error:
        raise DatabaseError(
            f"Cannot copy the database '{server.schema.db_id}' to '{path}': {str(error).rstrip('.')}.",
            "Check that the folder may be written and has room for it.",
        ) from error
    if copied.sampled:
        narrate(
            f"Of {', '.join(copied.sampled)} only a sample was copied, as there are more than {max_rows:,} rows: "
            "SQL is run on the server, but what it gives is not held against the copy."
        )
    for name, reason in copied.unreadable.items():
        narrate(f"'{name}' is left out: {reason}.")
    return copied._replace(path=path)


class _Copying:
    """One copy under way, children before parents: what a table has to hold is known once its children are there."""

    def __init__(self, server: Executor, target: sqlite3.Connection, max_rows: int) -> None:
        self._server = server
        self._dialect: Dialect = server.schema.dialect
        self._target = target
        self._max_rows = max_rows
        self._wanted: defaultdict[str, defaultdict[tuple[str, ...], Keys]] = defaultdict(lambda: defaultdict(set))
        """Table -> columns -> keys that rows of other tables point at."""
        self._unreadable: dict[str, str] = {}
        self._sampled: list[str] = []
        self._digests: dict[str, str] = {}

    def copy(self) -> ServerCopy:
        schema = self._server.schema
        tables = [_without_twins(table) for table in self._without_twins(schema.tables)]
        copied: dict[str, Table] = {}
        self._target.execute("BEGIN")
        for table in reversed(order_tables(tables)):
            found = self._read(table)
            if isinstance(found, str):
                self._unreadable[table.name] = found
                continue
            copied[table.name] = self._write(table, found)
        self._target.execute("COMMIT")
        if not copied:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self._unreadable.items())
            raise DatabaseError(f"No table of '{schema.db_id}' can be read: {reasons}.", "Check the user's rights.")
        kept = tuple(_keep_keys(copied[table.name], copied) for table in tables if table.name in copied)
        content = hashlib.sha256(repr(sorted(self._digests.items())).encode()).hexdigest()
        shown = schema.model_copy(update={"dialect": "sqlite", "tables": kept})
        return ServerCopy(Path(), shown, self._unreadable, tuple(sorted(self._sampled)), content)

    def _without_twins(self, tables: Iterable[Table]) -> Iterator[Table]:
        """Leave out tables that SQLite cannot tell apart."""
        seen: set[str] = set()
        for table in tables:
            if table.name.casefold() in seen:
                self._unreadable[table.name] = "another table's name differs from its name in capitals only"
            else:
                seen.add(table.name.casefold())
                yield table

    def _read(self, table: Table) -> list[Row] | str:
        """Read a table or a sample of it, or say why it cannot be read."""
        key = ", ".join(self._quoted(name) for name in table.primary_key)
        select = self._select(table)
        found = self._run(f"{select} ORDER BY {key}" if key else select)
        if isinstance(found, str):
            return found
        rows, is_truncated = found
        if is_truncated:
            self._sampled.append(table.name)
            rows = self._complete(table, self._spread(table) or rows)
        for foreign in table.foreign_keys:
            if foreign.ref_table != table.name:
                self._wanted[foreign.ref_table][foreign.ref_columns] |= _keys(table, rows, foreign.columns)
        return rows

    def _spread(self, table: Table) -> list[Row] | None:
        """Read rows that are spread over the key; None where that cannot be done."""
        kinds = {column.name: column.kind for column in table.columns}
        if len(table.primary_key) != 1 or kinds[table.primary_key[0]] != "integer":
            return None
        key = self._quoted(table.primary_key[0])
        counted = self._run(f"SELECT COUNT(*) FROM {self._quoted(table.name)}")
        count = table.row_estimate or 0 if isinstance(counted, str) else int(counted[0][0][0] or 0)
        step = max(2, -(-count // self._max_rows))
        found = self._run(f"{self._select(table)} WHERE MOD({key}, {step}) = 0 ORDER BY {key}")
        least = min(MIN_SPREAD_ROWS, self._max_rows // 10)
        return None if isinstance(found, str) or len(found[0]) < least else found[0]

    def _complete(self, table: Table, rows: list[Row]) -> list[Row]:
        """Add the rows that others of the copy point at."""
        for columns, keys in self._wanted[table.name].items():
            rows = [*rows, *self._fetch(table, columns, keys - _keys(table, rows, columns))]
        for foreign in table.foreign_keys:
            newest = rows if foreign.ref_table == table.name else []
            for _ in range(MAX_ROUNDS):
                missing = _keys(table, newest, foreign.columns) - _keys(table, rows, foreign.ref_columns)
                newest = self._fetch(table, foreign.ref_columns, missing)
                if not newest:
                    break
                rows = [*rows, *newest]
        return rows

    def _fetch(self, table: Table, columns: Sequence[str], keys: Keys) -> list[Row]:
        """Read the rows with some keys; what cannot be read is left to point at nothing."""
        rows: list[Row] = []
        ordered = sorted(keys, key=repr)
        for start in range(0, len(ordered), _KEYS_PER_QUERY):
            conditions = [
                " AND ".join(f"{self._quoted(c)} = {_literal(v)}" for c, v in zip(columns, key, strict=True))
                for key in ordered[start : start + _KEYS_PER_QUERY]
                if not any(isinstance(value, str) and "\\" in value for value in key)  # escapes differ
            ]
            if conditions:
                found = self._run(f"{self._select(table)} WHERE ({') OR ('.join(conditions)})")
                rows += [] if isinstance(found, str) else found[0]
        return rows

    def _write(self, table: Table, rows: list[Row]) -> Table:
        """Make the table and fill it."""
        columns = tuple(
            column.model_copy(update={"sql_type": _TYPES.get(column.kind, "TEXT")}) for column in table.columns
        )
        parts = [
            f"{quote_name(column.name)} {column.sql_type}{'' if _is_nullable(column, n, rows) else ' NOT NULL'}"
            for n, column in enumerate(columns)
        ]
        if table.primary_key:
            parts.append(f"PRIMARY KEY ({', '.join(map(quote_name, table.primary_key))})")
        for key in table.foreign_keys:
            own, theirs = ", ".join(map(quote_name, key.columns)), ", ".join(map(quote_name, key.ref_columns))
            parts.append(f"FOREIGN KEY ({own}) REFERENCES {quote_name(key.ref_table)} ({theirs})")
        # A column a line, as people write it: introspection looks for comments at the ends of lines.
        self._target.execute(f"CREATE TABLE {quote_name(table.name)} (\n" + ",\n".join(parts) + "\n)")
        # A row that was asked for twice is there once.
        statement = f"INSERT OR IGNORE INTO {quote_name(table.name)} VALUES ({', '.join('?' * len(columns))})"
        self._target.executemany(statement, (tuple(map(_stored, row)) for row in rows))
        digest = sum(int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=8).digest()) for row in rows)
        self._digests[table.name] = f"{len(rows)} {digest % 2**64:x}"  # in whatever order they came
        return table.model_copy(update={"columns": columns, "row_estimate": len(rows)})

    def _select(self, table: Table) -> str:
        return f"SELECT {', '.join(self._quoted(c.name) for c in table.columns)} FROM {self._quoted(table.name)}"

    def _run(self, sql: str) -> tuple[list[Row], bool] | str:
        try:
            found = self._server.run(sql)
        except DatabaseError as error:
            return error.message.rstrip(".")
        if isinstance(found, Rejection):
            return found.message.rstrip(".")
        rows = list(found.result.rows)
        return rows[: self._max_rows], found.result.is_truncated or len(rows) > self._max_rows

    def _quoted(self, name: str) -> str:
        return quote_name(name) if self._dialect != "mysql" else "`" + name.replace("`", "``") + "`"


def _without_twins(table: Table) -> Table:
    """Leave out columns that SQLite cannot tell apart, and keys that need them."""
    columns: dict[str, Column] = {}
    for column in table.columns:
        columns.setdefault(column.name.casefold(), column)
    left = {column.name for column in columns.values()}
    return table.model_copy(
        update={
            "columns": tuple(columns.values()),
            "primary_key": table.primary_key if left.issuperset(table.primary_key) else (),
            "foreign_keys": tuple(key for key in table.foreign_keys if left.issuperset(key.columns)),
        }
    )


def _keep_keys(table: Table, copied: Mapping[str, Table]) -> Table:
    """Leave out foreign keys to what is not there."""
    keys = [
        key
        for key in table.foreign_keys
        if key.ref_table in copied and {c.name for c in copied[key.ref_table].columns}.issuperset(key.ref_columns)
    ]
    return table.model_copy(update={"foreign_keys": tuple(keys)})


def _keys(table: Table, rows: Iterable[Row], columns: Sequence[str]) -> Keys:
    names = [column.name for column in table.columns]
    if not set(columns) <= set(names):
        return set()
    places = [names.index(name) for name in columns]
    return {key for row in rows if None not in (key := tuple(row[place] for place in places))}


def _is_nullable(column: Column, place: int, rows: Iterable[Row]) -> bool:
    # MySQL's date of zeros is NULL to its driver, whatever the column says.
    return column.is_nullable or any(row[place] is None for row in rows)


def _stored(cell: Cell) -> Cell:
    return float(cell) if isinstance(cell, int) and not -(2**63) <= cell < 2**63 else cell


def _literal(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    return "'" + cell.replace("'", "''") + "'" if isinstance(cell, str) else str(cell)
