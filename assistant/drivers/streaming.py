"""Rows of a query in batches, so that a large result is never whole in memory.

In: an engine and SQL that passed the guard. Out: batches of normalised rows. A server is told to keep the result on its
side; SQLite finds the rows as they are fetched. Close the generator in the thread that began it: the transaction ends
with it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Engine

from assistant.drivers.cells import normalise_rows
from assistant.drivers.engines import reading
from assistant.types import Cell, ColumnKind, Dialect

BATCH_ROWS = 5_000
"""Rows of one batch: a few MB at most for ordinary rows."""


@dataclass(frozen=True)
class RowBatch:
    """Some of the rows of a result, in their order."""

    names: tuple[str, ...]
    """Names of the columns, as the database returned them."""
    kinds: tuple[ColumnKind, ...]
    """What the columns hold in this batch."""
    rows: tuple[tuple[Cell, ...], ...]
    """The rows."""
    is_cut: bool = False
    """Whether there were more rows than may be returned; only in the last batch."""


def stream_rows(
    engine: Engine, dialect: Dialect, sql: str, *, max_rows: int, timeout_s: float
) -> Generator[RowBatch, None, None]:
    """Run a query and give at most `max_rows` of its rows; at least one batch, which may be empty.

    Args:
        engine: From `open_engine`.
        dialect: Of the same database.
        sql: What the guard let through; its limit is one row more than `max_rows`.
        max_rows: Rows that may be returned.
        timeout_s: Seconds for all of it on SQLite; for each statement on a server.
    """
    with reading(engine, dialect, timeout_s) as connection:
        options = {"no_parameters": True, "sqlite_raw_colnames": True, "stream_results": dialect != "sqlite"}
        result = connection.execution_options(**options).exec_driver_sql(sql)
        with closing(result):  # before the transaction ends: MySQL reads what is left of the rows then
            names = tuple(result.keys())
            left, is_first = max_rows, True
            while (raw := [tuple(row) for row in result.fetchmany(min(BATCH_ROWS, left + 1))]) or is_first:
                is_cut, is_first = len(raw) > left, False
                rows, kinds = normalise_rows(raw[:left], len(names))
                left -= len(rows)
                yield RowBatch(names, tuple(kinds), tuple(rows), is_cut)
                if is_cut:
                    break
