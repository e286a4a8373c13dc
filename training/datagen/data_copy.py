"""A copy of the data in memory, so that verifying a statement is quick and the database is left alone.

In: the path of a SQLite file. Out: the first rows of a statement, or a `sqlite3.Error`; nothing can be written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from assistant.errors import DatabaseError
from assistant.types import Table
from training.datagen.world import quote_name

STEP_LIMIT = 4_000_000
"""SQLite virtual-machine steps after which a statement is dropped as too slow."""
MAX_ROWS = 200
_STEPS_BETWEEN_CALLS = 20_000


class DataCopy:
    """All tables of a SQLite file in memory, their foreign keys indexed."""

    def __init__(self, path: Path, tables: Sequence[Table]) -> None:
        self.connection = sqlite3.connect(":memory:")
        try:
            source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            source.backup(self.connection)
            source.close()
        except sqlite3.Error as error:
            raise DatabaseError(f"Cannot copy the database '{path}': {error}.", "Check that it is readable.") from error
        for table in tables:
            for i, key in enumerate(table.foreign_keys):
                columns = ", ".join(quote_name(column) for column in key.columns)
                index = quote_name(f"fk_{table.name}_{i}")
                self.connection.execute(f"CREATE INDEX {index} ON {quote_name(table.name)} ({columns})")
        self.connection.execute("ANALYZE")
        self.connection.execute("PRAGMA query_only=ON")
        self._steps_left = 0

    def run(self, sql: str) -> list[tuple[object, ...]]:
        """Run a statement for at most `STEP_LIMIT` steps and return its first rows.

        Raises:
            sqlite3.Error: It failed, or took too long ("interrupted").
        """
        self._steps_left = STEP_LIMIT
        # Only statements that are verified are limited: reading the values of a large table takes longer.
        self.connection.set_progress_handler(self._count_steps, _STEPS_BETWEEN_CALLS)
        try:
            return self.connection.execute(sql).fetchmany(MAX_ROWS)
        finally:
            self.connection.set_progress_handler(None, 0)

    def close(self) -> None:
        """Free the memory."""
        self.connection.close()

    def _count_steps(self) -> int:
        """Interrupt the statement once its steps are used up."""
        self._steps_left -= _STEPS_BETWEEN_CALLS
        return int(self._steps_left < 0)
