"""A copy of the data, its foreign keys indexed, so that verifying is quick and the database is left alone.

In: a SQLite file. Out: another one, and a connection that reads its values. Statements that are verified do not go this
way: `validation` opens the copy as every other database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from assistant.errors import DatabaseError
from assistant.types import Table
from training.datagen.masks import mask_copy
from training.datagen.world import quote_name


class DataCopy:
    """An open copy; what it holds is the source at the time it was made."""

    def __init__(self, source: Path, folder: Path, tables: Sequence[Table]) -> None:
        """Copy a file.

        Args:
            source: SQLite file; only read.
            folder: Where the copy goes, under the source's name, so that it has the same `db_id`.
            tables: Whose foreign keys are indexed, and whose masked columns are noted beside the copy.

        Raises:
            DatabaseError: The source cannot be read, or the copy cannot be written.
        """
        self.path = folder / source.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)
            with (
                closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as original,
                closing(sqlite3.connect(self.path, isolation_level=None)) as copy,
            ):
                copy.execute("PRAGMA synchronous = OFF")
                original.backup(copy)
                _index(copy, tables)
            mask_copy(self.path, tables)
            self.connection = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(
                f"Cannot copy the database '{source}' to '{folder}': {str(error).rstrip('.')}.",
                "Check that it is readable, and that the folder may be written and has room for it.",
            ) from error

    def close(self) -> None:
        """Close the connection; the file stays. Calling it twice is harmless."""
        self.connection.close()


def _index(connection: sqlite3.Connection, tables: Sequence[Table]) -> None:
    """Index foreign keys: without, a correlated subquery reads a whole table for each row."""
    connection.execute("PRAGMA journal_mode = OFF")
    for table in tables:
        for number, key in enumerate(table.foreign_keys):
            columns = ", ".join(quote_name(column) for column in key.columns)
            index = quote_name(f"fk_{table.name}_{number}")
            try:
                connection.execute(f"CREATE INDEX {index} ON {quote_name(table.name)} ({columns})")
            except sqlite3.OperationalError as error:
                if "may not be indexed" not in str(error):  # a view or a virtual table
                    raise
    connection.execute("ANALYZE")
