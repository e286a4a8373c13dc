"""Results, kept from run to run: the same query on the same content need not run again.

In: a result with the fingerprint of the database's content and the SQL it came from. Out: the same result, later. Only
SQLite files have a fingerprint of their content; nothing is kept of a server, whose content may change unseen, nor of
SQL that depends on the clock or on chance. A cache that cannot be read or written is no fault: the query runs again.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import zlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from assistant.settings import PROJECT_ROOT
from assistant.types import QueryResult, ResultColumn

CODE = PROJECT_ROOT / "assistant"
"""What decides how SQL is guarded, run and normalised: its source is part of every key."""

MAX_ENTRY_BYTES = 4_000_000
"""Largest result that is kept, compressed; larger ones are read no faster than run."""

MAX_CACHE_BYTES = 256_000_000
"""Size of the file at which it is emptied."""

MAX_WAITING = 200
"""Results that wait to be written together."""

_VOLATILE = re.compile(
    r"now|current_|random|localtime"
    r"|\b(?:date|time|datetime|julianday|unixepoch)\s*\(\s*\)"
    r"|\bstrftime\s*\(\s*'[^']*'\s*\)",
    re.IGNORECASE,
)


class Execution(NamedTuple):
    """A query that ran."""

    result: QueryResult
    """What it gave."""
    is_ordered: bool
    """Whether its outermost node orders the rows."""


class ResultCache:
    """A file of results; safe to use from several processes at once, each with an object of its own."""

    def __init__(self, path: Path) -> None:
        """Open the file, or go without when that cannot be done."""
        self._connection: sqlite3.Connection | None = None
        self._waiting: dict[bytes, bytes] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size > MAX_CACHE_BYTES:
                path.unlink()
            self._connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
            # Losing the last results in a power cut costs nothing; waiting for the disk at each one does.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute("CREATE TABLE IF NOT EXISTS result (key BLOB PRIMARY KEY, value BLOB NOT NULL)")
        except (OSError, sqlite3.Error):
            self.close()

    def close(self) -> None:
        """Write what waits and close the file; calling it twice is harmless."""
        self.flush()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, content: str, sql: str, max_rows: int) -> Execution | None:
        """Give a kept result, or None."""
        if self._connection is None:
            return None
        key = _key(content, sql, max_rows)
        try:
            packed = self._waiting.get(key)
            if packed is None:
                found = self._connection.execute("SELECT value FROM result WHERE key = ?", (key,)).fetchone()
                packed = None if found is None else found[0]
            return None if packed is None else _unpack(packed)
        except (sqlite3.Error, zlib.error, ValueError, KeyError, TypeError):
            return None

    def put(self, content: str, sql: str, max_rows: int, execution: Execution) -> None:
        """Keep a result; it is written with others, by `flush` at the latest."""
        if self._connection is None:
            return
        packed = _pack(execution)
        if len(packed) > MAX_ENTRY_BYTES:
            return
        self._waiting[_key(content, sql, max_rows)] = packed
        if len(self._waiting) >= MAX_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one transaction: processes that write one by one wait for each other all the time."""
        waiting, self._waiting = self._waiting, {}
        if self._connection is None or not waiting:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO result VALUES (?, ?)", waiting.items())
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._connection.close()
            self._connection = None


def is_volatile(sql: str) -> bool:
    """Tell whether the result of SQLite's SQL may change although the database does not. Says yes when in doubt."""
    return _VOLATILE.search(sql) is not None


def fingerprint_content(path: Path) -> str:
    """Digest the content of a SQLite file, with what is still in its write-ahead log.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    for part in (path, path.with_name(path.name + "-wal")):
        if part.exists():
            with part.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
    return digest.hexdigest()


def _key(content: str, sql: str, max_rows: int) -> bytes:
    return hashlib.sha256(f"{_digest_code()}\n{content}\n{max_rows}\n{sql}".encode()).digest()


@cache
def _digest_code() -> str:
    digest = hashlib.sha256(version("sqlglot").encode())
    for path in sorted(CODE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _pack(execution: Execution) -> bytes:
    result = execution.result
    # Python's JSON, unlike the standard's, knows NaN, infinity and integers of any size.
    fields = [
        [[column.name, column.kind] for column in result.columns],
        result.rows,
        result.is_truncated,
        result.elapsed_ms,
        execution.is_ordered,
    ]
    return zlib.compress(json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass"), level=1)


def _unpack(packed: bytes) -> Execution:
    columns, rows, is_truncated, elapsed_ms, is_ordered = json.loads(
        zlib.decompress(packed).decode("utf-8", "surrogatepass")
    )
    result = QueryResult(
        columns=tuple(ResultColumn(name=name, kind=kind) for name, kind in columns),
        rows=tuple(map(tuple, rows)),
        is_truncated=is_truncated,
        elapsed_ms=elapsed_ms,
    )
    return Execution(result, is_ordered)
