"""Saved questions: a name for a question with its SQL, to be asked again or put on the board.

In: names, questions and their SQL. Out: the same, later, from any process that shares the database. Runs nothing: a
saved question is checked and run like any other.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from assistant.memory.opening import Store
from assistant.memory.records import SavedQuestion, make_saved_id
from assistant.memory.rows import list_records, make_record, make_row
from assistant.memory.tables import SAVED


class SavedQuestions:
    """The saved questions of all people in one memory."""

    def __init__(self, store: Store) -> None:
        """Take the open store."""
        self._store = store

    def save(self, name: str, question: str, sql: str, *, db_id: str, author: str = "") -> SavedQuestion:
        """Save a question under a name; what the same person saved under it for this database before is replaced.

        Raises:
            UsageError: A text is empty, too long or cannot be stored.
            DatabaseError: Memory failed.
        """
        now = datetime.now(UTC)
        saved = make_record(
            SavedQuestion,
            saved_id="",
            name=name,
            question=question,
            sql=sql,
            db_id=db_id,
            author=author,
            created_at=now,
            changed_at=now,
        )
        saved = saved.model_copy(update={"saved_id": make_saved_id(saved.name, saved.db_id, saved.author)})
        is_this = SAVED.c.saved_id == saved.saved_id
        with self._store.writing() as connection:
            known = connection.execute(select(SAVED.c.created_at, SAVED.c.is_pinned).where(is_this)).first()
            if known is None:
                connection.execute(SAVED.insert(), make_row(saved))
            else:
                saved = saved.model_copy(update={"created_at": known[0], "is_pinned": bool(known[1])})
                connection.execute(SAVED.update().where(is_this).values(make_row(saved)))
        return saved

    def list(self, db_id: str | None = None, *, author: str | None = None) -> tuple[SavedQuestion, ...]:
        """List saved questions by name.

        Args:
            db_id: Only on this database.
            author: Only of this person.

        Raises:
            DatabaseError: Memory failed.
        """
        order = (SAVED.c.saved_id,)
        with self._store.reading() as connection:
            found = list_records(connection, SavedQuestion, SAVED, order, db_id=db_id, author=author)
        return tuple(sorted(found, key=lambda saved: (saved.name.casefold(), saved.name)))

    def delete(self, identifier: str) -> bool:
        """Delete a saved question; return whether there was one."""
        with self._store.writing() as connection:
            return connection.execute(SAVED.delete().where(SAVED.c.saved_id == identifier)).rowcount > 0

    def pin(self, identifier: str, *, is_pinned: bool) -> bool:
        """Put a saved question on the board, or take it off; return whether there was one."""
        change = SAVED.update().where(SAVED.c.saved_id == identifier).values(is_pinned=int(is_pinned))
        with self._store.writing() as connection:
            return connection.execute(change).rowcount > 0
