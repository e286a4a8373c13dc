"""The approved pairs of one database, read again when they have changed.

In: where memory is, and the name of the database. Out: its approved pairs, and a stamp that changes with them. A look
at the stamp is one small query. Memory that is not there yet is empty, and is not made; memory that cannot be read is
as it was, and left alone for a while: answers do not depend on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from assistant.drivers.engines import parse_url
from assistant.errors import QueryForgeError
from assistant.memory.records import Pair
from assistant.memory.store import Memory

RETRY_S = 60.0
"""How long memory that failed is left alone: a server that is gone takes seconds to say so."""


class ApprovedPairs:
    """The approved pairs of one database; safe to use from several threads. Close it."""

    def __init__(self, url: str, db_id: str) -> None:
        """Take the address; nothing is opened before `read`."""
        self.fault = ""
        """Why memory cannot be used; empty when it can."""
        self._url = url
        self._db_id = db_id
        self._memory: Memory | None = None
        self._stamp: tuple[object, ...] = ()
        self._pairs: tuple[Pair, ...] = ()
        self._retry_at = 0.0
        self._lock = threading.Lock()

    def read(self) -> tuple[tuple[object, ...], Sequence[Pair]]:
        """Give a stamp that changes whenever the pairs do, and the pairs."""
        with self._lock:
            if time.monotonic() < self._retry_at:
                return self._stamp, self._pairs
            try:
                self._renew()
            except QueryForgeError as error:
                self.fault, self._retry_at = error.message, time.monotonic() + RETRY_S
            else:
                self.fault = ""
            return self._stamp, self._pairs

    def close(self) -> None:
        """Give back what is held open; calling it twice is harmless."""
        with self._lock:
            if self._memory is not None:
                self._memory.close()
            self._memory = None

    def _renew(self) -> None:
        if self._memory is None:
            if not _is_there(self._url):
                self._stamp, self._pairs = (), ()
                return
            self._memory = Memory(self._url)
        stamp = self._memory.stamp(self._db_id)
        if stamp != self._stamp:
            self._stamp, self._pairs = stamp, self._memory.list_pairs(self._db_id, "approved")


def _is_there(url: str) -> bool:
    """Tell whether memory was ever written; a server is asked itself."""
    parsed, dialect = parse_url(url)
    path = Path(parsed.database or "")
    return dialect != "sqlite" or (path.is_file() and path.stat().st_size > 0)
