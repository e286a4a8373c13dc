"""What people say of answers: a thumb, and why.

In: a verdict, and what it is about. Out: the same, later, from any process that shares the database. Judges nothing and
is shown to no model.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from assistant.memory.opening import Store
from assistant.memory.records import FeedbackEntry, Verdict
from assistant.memory.rows import list_records, make_record, make_row
from assistant.memory.tables import FEEDBACK
from assistant.types import Status, Turn


class Feedback:
    """The thumbs of all people in one memory."""

    def __init__(self, store: Store) -> None:
        """Take the open store."""
        self._store = store

    def add(
        self,
        verdict: Verdict,
        *,
        question: str,
        db_id: str,
        status: Status,
        sql: str = "",
        history: Sequence[Turn] = (),
        schema_fingerprint: str = "",
        model: str = "",
        reason: str = "",
        author: str = "",
    ) -> FeedbackEntry:
        """Keep a thumb; the arguments are the fields of `FeedbackEntry`.

        Raises:
            UsageError: A text is empty or cannot be stored.
            DatabaseError: Memory failed.
        """
        entry = make_record(
            FeedbackEntry,
            feedback_id=uuid.uuid4().hex,
            verdict=verdict,
            question=question,
            db_id=db_id,
            status=status,
            created_at=datetime.now(UTC),
            sql=sql,
            history=tuple(history),
            schema_fingerprint=schema_fingerprint,
            model=model,
            reason=reason,
            author=author,
        )
        with self._store.writing() as connection:
            connection.execute(FEEDBACK.insert(), make_row(entry))
        return entry

    def list(
        self, db_id: str | None = None, *, verdict: Verdict | None = None, limit: int | None = None
    ) -> tuple[FeedbackEntry, ...]:
        """List feedback, the latest first.

        Args:
            db_id: Only on this database.
            verdict: Only these thumbs.
            limit: At most so many.

        Raises:
            DatabaseError: Memory failed.
        """
        order = FEEDBACK.c.created_at.desc(), FEEDBACK.c.feedback_id
        with self._store.reading() as connection:
            return list_records(connection, FeedbackEntry, FEEDBACK, order, limit, db_id=db_id, verdict=verdict)
