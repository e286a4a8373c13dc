"""Made-up rows for a schema whose data are not there: a SQLite file that questions can be made about.

In: a DatabaseSchema, and values that must occur. Out: a file with its tables, keys, comments and rows: few in code
tables, many in tables that refer to others. Foreign keys hold, some parents have no children, optional keys and columns
are NULL in places, some values are far more frequent than others. The same schema, literals and chance make the same
file, byte for byte. `row_keys` makes the rows; here the file is written.

Does not cover: views, triggers, checks and defaults.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from assistant.errors import DatabaseError
from assistant.naming import quote_name
from assistant.types import DatabaseSchema, Table
from training.corpus.row_keys import Literals, RowMaker, referred_columns


def build_database(schema: DatabaseSchema, path: Path, rng: random.Random, *, literals: Literals | None = None) -> None:
    """Write a SQLite file with the tables of a schema and made-up rows.

    Args:
        schema: What the tables are; samples of its columns decide what the values look like.
        path: The file; one that is there is replaced.
        rng: Chance.
        literals: Values that must occur, by table and column; a number or a date as text.

    Raises:
        DatabaseError: The file cannot be written, or SQLite does not take the schema.
    """
    rows = RowMaker(schema, rng, literals or {}).make()
    try:
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            for table in schema.tables:
                connection.execute(_write_table(table, referred_columns(schema, table)))
            for table in schema.tables:
                names = ", ".join(quote_name(column.name) for column in table.columns)
                marks = ", ".join("?" for _ in table.columns)
                values = zip(*(rows[table.name][column.name] for column in table.columns), strict=True)
                connection.executemany(f"INSERT INTO {quote_name(table.name)} ({names}) VALUES ({marks})", values)
            connection.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise DatabaseError(
            f"Cannot make the database '{path}' of the schema '{schema.db_id}': {error}.",
            "Check that the folder can be written, and that the schema's names and types are SQLite's.",
        ) from error


def _write_table(table: Table, unique: Sequence[tuple[str, ...]]) -> str:
    """Write the DDL of a table; comments go where `assistant.drivers.comments` reads them."""
    lines = []
    for column in table.columns:
        rest = f"{column.sql_type}{'' if column.is_nullable or column.name in table.primary_key else ' NOT NULL'}"
        lines.append((f"{quote_name(column.name)} {rest}".rstrip() + " ", column.comment))
    if table.primary_key:
        lines.append((f"PRIMARY KEY ({_list(table.primary_key)})", ""))
    lines += [(f"UNIQUE ({_list(columns)})", "") for columns in unique]
    for key in table.foreign_keys:
        target = f"{quote_name(key.ref_table)} ({_list(key.ref_columns)})"
        lines.append((f"FOREIGN KEY ({_list(key.columns)}) REFERENCES {target}", ""))
    last = len(lines) - 1
    body = "\n".join(
        f"    {text.rstrip()}{',' if place < last else ''}{_comment(comment)}"
        for place, (text, comment) in enumerate(lines)
    )
    return f"CREATE TABLE {quote_name(table.name)} ({_comment(table.comment)}\n{body}\n)"


def _comment(text: str) -> str:
    return f"  -- {' '.join(text.split())}" if text.strip() else ""


def _list(names: Sequence[str]) -> str:
    return ", ".join(quote_name(name) for name in names)
