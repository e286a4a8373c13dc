"""Variants of a SQLite file, as files.

In: the source file, its schema, what gold queries mention, and a seed for each variant. Out: their paths. Each is a
file of the source's name, so that it goes by the same `db_id`, in a folder named by what decides its content: source,
gold queries, seed and version. It is there whole or not at all, and a second run finds it. The folders may be deleted
at any time. The source is only ever read.

Tables, views and indexes are made by the source's own DDL. Left out: triggers, as nothing is ever written again, and
the rows of virtual tables that take none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from assistant.errors import DatabaseError, UsageError
from assistant.naming import quote_name
from assistant.types import DatabaseSchema, Table
from evaluation.cache import fingerprint_content
from evaluation.variation.checks import find_checks
from evaluation.variation.contents import Content, Facts, Row, order_tables
from evaluation.variation.mentions import Mentions
from evaluation.variation.mutation import MUTATION_VERSION, Mutator
from evaluation.variation.sheets import fill
from evaluation.variation.thinning import gather

KEPT_DAYS = 30
"""Days after its last use at which a variant is removed."""


class _Layout(NamedTuple):
    """What a SQLite file is made of."""

    statements: list[tuple[str, str, str]]
    """Kind, name and DDL of tables, indexes and views, in the order in which they were made."""
    contents: list[Content]
    """Tables whose rows are changed."""
    virtual: dict[str, list[Row]]
    """Rows of virtual tables, which stay as they are."""


def make_files(
    source: Path,
    schema: DatabaseSchema,
    queries: Sequence[Mentions],
    folder: Path,
    seeds: Sequence[int],
    say: Callable[[str], None],
) -> list[str]:
    """Make the variants of a file that are not there yet.

    Args:
        source: The file.
        schema: Its schema.
        queries: What gold queries mention, sorted.
        folder: Where the variants are kept; made when missing.
        seeds: One for each variant.
        say: Told what is being done.

    Returns:
        The path of each variant.

    Raises:
        UsageError: The folder cannot be made.
        DatabaseError: The source cannot be read, or a variant cannot be written.
    """
    try:
        content = fingerprint_content(source)
        basis = f"{MUTATION_VERSION}\n{schema.fingerprint}\n{content}\n{queries!r}"
        digests = [hashlib.sha256(f"{basis}\n{seed}".encode()).hexdigest()[:20] for seed in seeds]
    except OSError as error:
        raise DatabaseError(f"Cannot read '{source}': {error}.", "Check the file and its permissions.") from error
    paths = [folder / digest / source.name for digest in digests]
    missing = [(seed, path) for seed, path in zip(seeds, paths, strict=True) if not path.exists()]
    if missing:
        say(f"Reading '{source.name}' to make {len(missing)} variants of it.")
        with _translating(f"read '{source}'"), closing(_open(source)) as connection:
            layout = _read(connection, schema, queries)
        mutator = Mutator(layout.contents, queries)
        for number, (seed, path) in enumerate(missing, start=1):
            _write_whole(path, layout, mutator, seed)
            say(f"Variant {number} of {len(missing)} is made.")
        _drop_unused(folder)
    for path in paths:
        os.utime(path.parent)
    return [str(path) for path in paths]


def _drop_unused(folder: Path) -> None:
    """Remove variants that no run has used for long; what cannot be removed stays."""
    oldest = time.time() - KEPT_DAYS * 86_400
    for old in folder.iterdir():
        if old.is_dir() and old.stat().st_mtime < oldest:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _translating(doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DatabaseError(
            f"Cannot {doing}: {error}.", "Check that the file is whole and that the disk has room."
        ) from error


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
    connection.text_factory = _read_text
    return connection


def _read_text(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _read(connection: sqlite3.Connection, schema: DatabaseSchema, queries: Sequence[Mentions]) -> _Layout:
    shadows = set()  # made again by their virtual table
    if sqlite3.sqlite_version_info >= (3, 37):
        shadows = {name for (name,) in connection.execute("SELECT name FROM pragma_table_list WHERE type = 'shadow'")}
    statements: list[tuple[str, str, str]] = [
        row
        for row in connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'index', 'view') AND sql IS NOT NULL"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
        )
        if row[1] not in shadows
    ]
    ddl = {name: text for kind, name, text in statements if kind == "table"}
    known = [_stored(connection, table) for table in schema.tables if table.name in ddl]
    virtual = {table.name for table in known if ddl[table.name].lstrip().upper().startswith("CREATE VIRTUAL")}

    def read(table: Table) -> Iterator[Row]:
        columns = ", ".join(quote_name(column.name) for column in table.columns)
        return iter(connection.execute(f"SELECT {columns} FROM {quote_name(table.name)}"))

    def count(table: Table) -> int:
        return int(connection.execute(f"SELECT count(*) FROM {quote_name(table.name)}").fetchone()[0])

    tables = order_tables([table for table in known if table.name not in virtual])
    rows = gather(tables, read, count, queries)
    return _Layout(
        statements,
        [
            Content(
                table, rows[table.name], _read_unique(connection, table), find_checks(ddl[table.name], table, "sqlite")
            )
            for table in tables
        ],
        {table.name: list(read(table)) for table in known if table.name in virtual},
    )


def _stored(connection: sqlite3.Connection, table: Table) -> Table:
    """Leave out generated columns, which take no values."""
    rows = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (table.name,))
    stored = {name for (name,) in rows}
    return table.model_copy(update={"columns": tuple(column for column in table.columns if column.name in stored)})


def _read_unique(connection: sqlite3.Connection, table: Table) -> tuple[tuple[str, ...], ...]:
    """Read the columns of unique indexes; those on expressions or on a part of the rows are left to the database."""
    names = connection.execute('SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial', (table.name,))
    found = []
    for (name,) in names.fetchall():
        columns = [row[0] for row in connection.execute("SELECT name FROM pragma_index_info(?)", (name,))]
        if None not in columns:
            found.append(tuple(columns))
    return tuple(found)


def _write_whole(path: Path, layout: _Layout, mutator: Mutator, seed: int) -> None:
    partial = path.with_name(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"Cannot make the folder '{path.parent}': {error}.", "Name one that can be written to."
        ) from error
    try:
        with _translating(f"write '{path}'"):
            _write(partial, layout, mutator, seed)
        os.replace(partial, path)
    except OSError as error:
        raise DatabaseError(f"Cannot write '{path}': {error}.", "Check that the disk has room.") from error
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, layout: _Layout, mutator: Mutator, seed: int) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for _, _, statement in layout.statements:
            connection.execute(statement)

        def insert(name: str, rows: Sequence[Row]) -> list[Row]:
            return _insert(connection, mutator.facts[name], rows)

        def clear() -> None:
            for name in mutator.facts:
                connection.execute(f"DELETE FROM {quote_name(name)}")

        fill(mutator.facts, mutator.make(seed), insert, clear)
        for name, rows in layout.virtual.items():
            _fill_virtual(connection, name, rows)
        connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, facts: Facts, rows: Sequence[Row]) -> list[Row]:
    """Insert rows; give those that a constraint refuses."""
    names = ", ".join(quote_name(column.name) for column in facts.table.columns)
    marks = ", ".join("?" for _ in facts.table.columns)
    statement = f"INSERT INTO {quote_name(facts.table.name)} ({names}) VALUES ({marks})"
    refused = []
    for row in rows:
        try:
            connection.execute(statement, row)
        except sqlite3.IntegrityError:
            refused.append(row)
    return refused


def _fill_virtual(connection: sqlite3.Connection, name: str, rows: Sequence[Row]) -> None:
    if rows:
        marks = ", ".join("?" for _ in rows[0])
        try:
            connection.executemany(f"INSERT INTO {quote_name(name)} VALUES ({marks})", rows)
        except sqlite3.Error:
            connection.execute(f"DELETE FROM {quote_name(name)}")
