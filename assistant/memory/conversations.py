"""Conversations of people: what was asked, and what brings the answers back.

In: questions with their outcomes. Out: the same, later, from any process that shares the database. A conversation is
its author's: every verb takes the author, and whatever belongs to somebody else is as if it were not there. Keeps no
rows; see `assistant.memory.kept`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, String, func, or_, select, type_coerce

from assistant.memory.kept import Conversation, KeptTurn, Outcome, Repair, make_turn_id
from assistant.memory.opening import Store
from assistant.memory.rows import make_record, make_row, read_record
from assistant.memory.tables import CONVERSATIONS, KEPT_TURNS

MAX_TITLE_CHARS = 120
"""Longest title that is made of a question."""


class Conversations:
    """The conversations of all people in one memory."""

    def __init__(self, store: Store) -> None:
        """Take the open store."""
        self._store = store

    def begin(self, title: str, *, db_id: str, source_id: str = "", author: str = "") -> Conversation:
        """Begin a conversation; its title is the first question, shortened.

        Raises:
            UsageError: The title is empty or cannot be stored.
            DatabaseError: Memory failed.
        """
        now = datetime.now(UTC)
        begun = make_record(
            Conversation,
            conversation_id=uuid.uuid4().hex,
            title=_shorten(title),
            db_id=db_id,
            source_id=source_id,
            author=author,
            created_at=now,
            changed_at=now,
        )
        with self._store.writing() as connection:
            connection.execute(CONVERSATIONS.insert(), make_row(begun))
        return begun

    def keep_turn(
        self,
        conversation_id: str,
        number: int | None,
        *,
        author: str = "",
        question: str,
        outcome: Outcome,
        sql: str = "",
        text: str = "",
        repairs: Sequence[Repair] = (),
        model: str = "",
        elapsed_ms: float = 0.0,
    ) -> int:
        """Keep a turn; the arguments are the fields of `KeptTurn`.

        With a number it takes the place of what had it. Without one it comes behind all others, also behind those that
        another tab or server has kept meanwhile.

        Returns:
            Its number; 0 when the author has no such conversation, and nothing is kept.

        Raises:
            UsageError: A text is empty or cannot be stored.
            DatabaseError: Memory failed.
        """
        now = datetime.now(UTC)
        with self._store.writing() as connection:
            if not _touch(connection, conversation_id, author, changed_at=now):
                return 0
            if number is None:
                last = select(func.max(KEPT_TURNS.c.number)).where(KEPT_TURNS.c.conversation_id == conversation_id)
                number = int(connection.execute(last).scalar() or 0) + 1
            turn = make_record(
                KeptTurn,
                turn_id=make_turn_id(conversation_id, number),
                conversation_id=conversation_id,
                number=number,
                question=question,
                outcome=outcome,
                sql=sql,
                text=text,
                repairs=tuple(repairs),
                model=model,
                elapsed_ms=elapsed_ms,
                asked_at=now,
            )
            connection.execute(KEPT_TURNS.delete().where(KEPT_TURNS.c.turn_id == turn.turn_id))
            connection.execute(KEPT_TURNS.insert(), make_row(turn))
        return number

    def list(self, *, author: str = "", search: str = "", limit: int | None = None) -> tuple[Conversation, ...]:
        """List a person's conversations, the last changed first.

        Args:
            author: Whose.
            search: Only those with this text in the title or in a question; case does not count.
            limit: At most so many.

        Raises:
            DatabaseError: Memory failed.
        """
        query = select(CONVERSATIONS).where(CONVERSATIONS.c.author == author)
        if wanted := search.strip():
            asked = select(KEPT_TURNS.c.conversation_id).where(KEPT_TURNS.c.question.icontains(wanted, autoescape=True))
            is_found = CONVERSATIONS.c.conversation_id.in_(asked)
            query = query.where(or_(CONVERSATIONS.c.title.icontains(wanted, autoescape=True), is_found))
        query = query.order_by(CONVERSATIONS.c.changed_at.desc(), CONVERSATIONS.c.conversation_id).limit(limit)
        with self._store.reading() as connection:
            return tuple(read_record(Conversation, row) for row in connection.execute(query).mappings())

    def find(self, conversation_id: str, *, author: str = "") -> Conversation | None:
        """Find one of a person's conversations; None when they have no such one.

        Raises:
            DatabaseError: Memory failed.
        """
        with self._store.reading() as connection:
            row = connection.execute(select(CONVERSATIONS).where(*_is_theirs(conversation_id, author))).mappings()
            found = row.first()
        return None if found is None else read_record(Conversation, found)

    def read_turns(self, conversation_id: str, *, author: str = "") -> tuple[KeptTurn, ...]:
        """Read the turns of one of a person's conversations, in order.

        Raises:
            DatabaseError: Memory failed.
        """
        theirs = select(CONVERSATIONS.c.conversation_id).where(*_is_theirs(conversation_id, author))
        query = select(KEPT_TURNS).where(KEPT_TURNS.c.conversation_id.in_(theirs)).order_by(KEPT_TURNS.c.number)
        with self._store.reading() as connection:
            return tuple(read_record(KeptTurn, row) for row in connection.execute(query).mappings())

    def rename(self, conversation_id: str, title: str, *, author: str = "") -> bool:
        """Give a conversation another title; return whether the author has it.

        Raises:
            UsageError: The title is empty, too long or cannot be stored.
            DatabaseError: Memory failed.
        """
        found = self.find(conversation_id, author=author)
        if found is None:
            return False
        named = make_record(Conversation, **make_row(found) | {"title": title})
        with self._store.writing() as connection:
            return _touch(connection, conversation_id, author, title=named.title)

    def clear(self, conversation_id: str, *, author: str = "") -> bool:
        """Delete the turns and keep the conversation; return whether the author has it.

        Raises:
            DatabaseError: Memory failed.
        """
        with self._store.writing() as connection:
            if not _touch(connection, conversation_id, author, changed_at=datetime.now(UTC)):
                return False
            connection.execute(KEPT_TURNS.delete().where(KEPT_TURNS.c.conversation_id == conversation_id))
        return True

    def delete(self, conversation_id: str, *, author: str = "") -> tuple[Conversation, tuple[KeptTurn, ...]] | None:
        """Delete a conversation and give back what it was, for `restore`; None when the author has no such one.

        Raises:
            DatabaseError: Memory failed.
        """
        found = self.find(conversation_id, author=author)
        if found is None:
            return None
        turns = self.read_turns(conversation_id, author=author)
        with self._store.writing() as connection:
            connection.execute(CONVERSATIONS.delete().where(*_is_theirs(conversation_id, author)))
            connection.execute(KEPT_TURNS.delete().where(KEPT_TURNS.c.conversation_id == conversation_id))
        return found, turns

    def restore(self, conversation: Conversation, turns: Sequence[KeptTurn]) -> None:
        """Put back what `delete` gave; harmless when it is there.

        Raises:
            DatabaseError: Memory failed.
        """
        is_this = CONVERSATIONS.c.conversation_id == conversation.conversation_id
        with self._store.writing() as connection:
            if connection.execute(select(func.count()).select_from(CONVERSATIONS).where(is_this)).scalar():
                return
            connection.execute(CONVERSATIONS.insert(), make_row(conversation))
            if turns:
                connection.execute(KEPT_TURNS.insert(), [make_row(turn) for turn in turns])

    def list_gaps(self, db_id: str, *, limit: int = 500) -> tuple[KeptTurn, ...]:
        """List what went wrong on a database, whoever asked, the latest first: no answer, or one after refusals.

        Raises:
            DatabaseError: Memory failed.
        """
        about = select(CONVERSATIONS.c.conversation_id).where(CONVERSATIONS.c.db_id == db_id)
        went_wrong = or_(
            KEPT_TURNS.c.outcome.in_(("unanswerable", "refused", "failed", "clarify")),
            type_coerce(KEPT_TURNS.c.repairs, String) != "[]",
        )
        query = select(KEPT_TURNS).where(KEPT_TURNS.c.conversation_id.in_(about), went_wrong)
        query = query.order_by(KEPT_TURNS.c.asked_at.desc(), KEPT_TURNS.c.turn_id).limit(limit)
        with self._store.reading() as connection:
            return tuple(read_record(KeptTurn, row) for row in connection.execute(query).mappings())

    def count_outcomes(self, db_id: str) -> dict[str, int]:
        """Count the questions that were asked of a database by how they ended, whoever asked.

        Raises:
            DatabaseError: Memory failed.
        """
        about = select(CONVERSATIONS.c.conversation_id).where(CONVERSATIONS.c.db_id == db_id)
        query = select(KEPT_TURNS.c.outcome, func.count()).where(KEPT_TURNS.c.conversation_id.in_(about))
        with self._store.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(KEPT_TURNS.c.outcome))}


def _is_theirs(conversation_id: str, author: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return CONVERSATIONS.c.conversation_id == conversation_id, CONVERSATIONS.c.author == author


def _touch(connection: Connection, conversation_id: str, author: str, **changes: object) -> bool:
    """Change a conversation; return whether the author has it."""
    change = CONVERSATIONS.update().where(*_is_theirs(conversation_id, author)).values(**changes)
    return connection.execute(change).rowcount > 0


def _shorten(question: str) -> str:
    line = " ".join(question.split())
    return line if len(line) <= MAX_TITLE_CHARS else line[: MAX_TITLE_CHARS - 1].rstrip() + "…"
