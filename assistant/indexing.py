"""The index of the data's values, made and kept fresh beside the questions, never in their way.

In: a database. Out: what `ValueIndex.match` finds. A thread reads the values when it is started, and again when they
are old and a question comes; the questions meanwhile use the index there is. The first questions wait for it a short
while, then go on without it, and are told so.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from assistant.types import DatabaseSchema, MatchedValue
from assistant.values import ValueIndex, ValueSource

MAX_AGE_S = 600.0
"""Older values are read again with the next question, or later where reading them takes long: see `MAX_SHARE`."""
MAX_SHARE = 0.05
"""Most of the time that reading values again may take."""
CLOSING_S = 5.0
"""How long closing waits for the column that is being read."""
NOT_READY = (
    "The values of the data are still being read: this question was answered without looking its words up in them."
)


class Source(ValueSource, Protocol):
    """What is needed of a database."""

    def schema(self, refresh: bool = ..., /) -> DatabaseSchema:
        """Describe it."""
        ...


class _Closed(Exception):
    """Nobody needs the values any more."""


class LiveValues:
    """The values of a database, to be found in questions at any time; safe to use from several threads."""

    def __init__(self, source: Source, *, wait_s: float, max_age_s: float = MAX_AGE_S) -> None:
        """Take the database; nothing is read before `start`, or the first question.

        Args:
            source: The database.
            wait_s: Seconds that a question waits for the first index.
            max_age_s: Seconds after which values are read again.
        """
        self._source = source
        self._wait_s = wait_s
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._index: ValueIndex | None = None
        self._fault: Exception | None = None
        self._thread: threading.Thread | None = None
        self._is_settled = threading.Event()
        self._renew_at = 0.0
        self._is_closed = False

    def start(self) -> None:
        """Begin to read the values, unless that is under way, or they are fresh."""
        with self._lock:
            is_fresh = self._index is not None and time.monotonic() < self._renew_at
            if self._is_closed or self._thread is not None or is_fresh:
                return
            if self._index is None:
                self._is_settled.clear()
            self._thread = threading.Thread(target=self._read, name="queryforge-values", daemon=True)
            self._thread.start()

    def wait(self) -> str:
        """Wait for the first index, a short while; say so if a question has to do without.

        Raises:
            DatabaseError: The values could not be read. The next call tries again.
        """
        self.start()
        is_settled = self._is_settled.wait(self._wait_s)
        with self._lock:
            if self._index is not None:
                return ""
            fault, self._fault = self._fault, None
        if is_settled and fault is not None:
            raise fault
        return NOT_READY

    def match(self, text: str) -> tuple[MatchedValue, ...]:
        """Find the values that a text names, with the index there is; none before there is one."""
        index = self._index
        return () if index is None else index.match(text)

    def renew(self) -> None:
        """Have the values read again with the next question, because the schema has changed."""
        with self._lock:
            self._renew_at = 0.0

    def close(self) -> None:
        """Stop reading; calling it twice is harmless."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._is_settled.set()
        if thread is not None:
            thread.join(CLOSING_S)

    def distinct_values(self, table: str, column: str, /, *, limit: int) -> tuple[str, ...] | None:
        """Give the values of a column, unless nobody needs them any more."""
        if self._is_closed:
            raise _Closed
        return self._source.distinct_values(table, column, limit=limit)

    def _read(self) -> None:
        started = time.monotonic()
        index, fault = None, None
        try:
            index = ValueIndex.build(self, self._source.schema())
        except _Closed:
            pass
        except Exception as error:  # Handed to the question that waits, which raises it.
            fault = error
        took_s = time.monotonic() - started
        with self._lock:
            self._thread = None
            # A failed renewal changes nothing: the old values are better than none.
            self._index = index if index is not None else self._index
            self._fault = fault if self._index is None else None
            self._renew_at = time.monotonic() + max(self._max_age_s, took_s / MAX_SHARE)
        self._is_settled.set()
