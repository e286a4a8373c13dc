"""The audit log: who ran what, when, on which database, and how it ended.

In: entries, as they happen. Out: the same, filtered, the latest first. No rows of results and no words made of rows are
kept. Entries are never changed; the oldest go when there are more than may be kept. Unlike conversations, they are
nobody's own: who may read them is decided by the caller, and deleting a conversation leaves them as they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, and_, func, or_, select

from assistant.memory.kept import Outcome
from assistant.memory.opening import Store
from assistant.memory.rows import make_row, read_record
from assistant.memory.tables import AUDIT
from assistant.memory.texts import Moment, Name, Text
from assistant.types import Record

AuditAction = Literal["ask", "choose", "run", "export"]
"""A question for the model, a reading that was chosen, SQL that was run as it stands, all rows taken away."""
AuditOutcome = Outcome | Literal["rejected"]
"""How it ended; `rejected` is SQL that the guard or the database did not take."""
BATCH_ENTRIES = 1000
"""Entries that are read at once."""


class AuditEntry(Record):
    """One thing that a person ran."""

    entry_id: str
    """Identifier, 32 hex digits, drawn at random."""
    happened_at: Moment
    """When it ended, in UTC."""
    author: Text = ""
    """Who; empty for the local user."""
    action: AuditAction
    """What."""
    db_id: Name
    """Database that was asked."""
    question: Text = ""
    """The question in the person's words."""
    sql: Text = ""
    """What was run, or the last draft that was not; empty when there was none."""
    outcome: AuditOutcome
    """How it ended."""
    row_count: int | None = None
    """How many rows came back; None when none could."""
    model: Text = ""
    """What wrote the SQL; empty when it is not known."""
    elapsed_ms: float = 0.0
    """Time it took."""


class AuditFilter(Record):
    """Which entries are wanted; all of these must fit."""

    author: str | None = None
    """Only of this person."""
    db_id: str | None = None
    """Only on this database."""
    action: AuditAction | None = None
    """Only this."""
    outcome: AuditOutcome | None = None
    """Only with this end."""
    search: str = ""
    """Only with this text in the question or the SQL; case does not count."""
    since: datetime | None = None
    """Only from this moment on."""
    until: datetime | None = None
    """Only before this moment."""


def make_entry_id() -> str:
    """Draw the identifier of an entry."""
    return uuid.uuid4().hex


class AuditLog:
    """The audit log of one memory."""

    def __init__(self, store: Store) -> None:
        """Take the open store."""
        self._store = store

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Write entries; one that is there already is left as it is.

        Raises:
            DatabaseError: Memory failed; then none of them is written.
        """
        if not entries:
            return
        with self._store.writing() as connection:
            wanted = [entry.entry_id for entry in entries]
            known = set(connection.execute(select(AUDIT.c.entry_id).where(AUDIT.c.entry_id.in_(wanted))).scalars())
            rows = [make_row(entry) for entry in entries if entry.entry_id not in known]
            if rows:
                connection.execute(AUDIT.insert(), rows)

    def list(self, wanted: AuditFilter | None = None, *, limit: int | None = None) -> tuple[AuditEntry, ...]:
        """List entries, the latest first.

        Raises:
            DatabaseError: Memory failed.
        """
        query = select(AUDIT).where(*_conditions(wanted)).order_by(*_LATEST_FIRST).limit(limit)
        with self._store.reading() as connection:
            return tuple(read_record(AuditEntry, row) for row in connection.execute(query).mappings())

    def read_all(self, wanted: AuditFilter | None = None) -> Iterator[AuditEntry]:
        """Give all entries, the latest first, a part at a time: there may be many.

        Raises:
            DatabaseError: While iterating: memory failed.
        """
        after: AuditEntry | None = None
        while True:
            query = select(AUDIT).where(*_conditions(wanted)).order_by(*_LATEST_FIRST).limit(BATCH_ENTRIES)
            if after is not None:
                query = query.where(_is_older(after.happened_at, after.entry_id))
            with self._store.reading() as connection:
                found = [read_record(AuditEntry, row) for row in connection.execute(query).mappings()]
            yield from found
            if len(found) < BATCH_ENTRIES:
                return
            after = found[-1]

    def count(self, wanted: AuditFilter | None = None) -> int:
        """Count entries.

        Raises:
            DatabaseError: Memory failed.
        """
        query = select(func.count()).select_from(AUDIT).where(*_conditions(wanted))
        with self._store.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def list_authors(self) -> tuple[str, ...]:
        """List the people who have entries.

        Raises:
            DatabaseError: Memory failed.
        """
        with self._store.reading() as connection:
            return tuple(sorted(connection.execute(select(AUDIT.c.author).distinct()).scalars()))

    def prune(self, keep: int) -> int:
        """Delete the oldest entries that are more than may be kept; return how many.

        Raises:
            DatabaseError: Memory failed.
        """
        order = select(AUDIT.c.happened_at, AUDIT.c.entry_id).order_by(*_LATEST_FIRST)
        with self._store.reading() as connection:
            if keep > 0 and connection.execute(order.offset(keep).limit(1)).first() is None:
                return 0
        with self._store.writing() as connection:
            if keep <= 0:
                return connection.execute(AUDIT.delete()).rowcount
            oldest_kept = connection.execute(order.offset(keep - 1).limit(1)).first()
            if oldest_kept is None:
                return 0
            return connection.execute(AUDIT.delete().where(_is_older(*oldest_kept))).rowcount


_LATEST_FIRST = AUDIT.c.happened_at.desc(), AUDIT.c.entry_id.desc()


def _is_older(happened_at: datetime, entry_id: str) -> ColumnElement[bool]:
    same = and_(AUDIT.c.happened_at == happened_at, AUDIT.c.entry_id < entry_id)
    return or_(AUDIT.c.happened_at < happened_at, same)


def _conditions(wanted: AuditFilter | None) -> list[ColumnElement[bool]]:
    if wanted is None:
        return []
    found: list[ColumnElement[bool]] = []
    for name in ("author", "db_id", "action", "outcome"):
        value = getattr(wanted, name)
        if value is not None:
            found.append(AUDIT.c[name] == value)
    if text := wanted.search.strip():
        found.append(or_(*(AUDIT.c[name].icontains(text, autoescape=True) for name in ("question", "sql"))))
    if wanted.since is not None:
        found.append(AUDIT.c.happened_at >= wanted.since)
    if wanted.until is not None:
        found.append(AUDIT.c.happened_at < wanted.until)
    return found
