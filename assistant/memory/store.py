"""What QueryForge remembers: question-SQL pairs with their review here, and one part for each other subject.

In: what people said and made. Out: the same, later, from any process that shares the database. It stores and does not
judge: whoever approves or imports a pair has run its SQL through the guard and the database before. Whoever builds a
prompt or training data takes approved pairs only, from `find_exact` or `list_pairs(state="approved")`.

Each verb is one short transaction (an import is several): when it has returned, its effect is on the disk; when the
process is killed before, nothing is half there. Safe to use from several threads, processes and machines at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import func, select

from assistant.memory.audit import AuditLog
from assistant.memory.conversations import Conversations
from assistant.memory.feedback import Feedback
from assistant.memory.opening import Store
from assistant.memory.pairs import (
    find_approved,
    find_one,
    find_pair,
    insert_pair,
    keep_review,
    merge_pairs,
    replace_others,
    with_id,
)
from assistant.memory.records import Imported, Pair, PairSource, PairState
from assistant.memory.rows import list_records, make_record, make_row
from assistant.memory.saved import SavedQuestions
from assistant.memory.setup import Setup
from assistant.memory.tables import PAIRS
from assistant.types import Turn

BATCH_PAIRS = 500
"""Pairs that are imported in one transaction: about 0.1 s in SQLite, 0.4 s on a server."""


class Memory:
    """An open memory; close it, or use it in a `with` block.

    Example:
        >>> with Memory("memory.sqlite") as memory:
        ...     pair = memory.propose_pair("How many orders?", "SELECT count(*) FROM sales_order", db_id="shop",
        ...                                schema_fingerprint=schema.fingerprint, source="written")
        ...     memory.approve(pair.pair_id, reviewer="ana", schema_fingerprint=schema.fingerprint)
    """

    def __init__(self, url: str) -> None:
        """Open memory; a SQLite file and all tables are made when they are not there.

        Args:
            url: SQLAlchemy URL of a SQLite, PostgreSQL, MySQL or MariaDB database, or the path of a SQLite file.

        Raises:
            UsageError: The address cannot be used.
            DatabaseError: The database cannot be reached, entered or written, or holds something else.
        """
        self._store = Store(url)
        self.feedback = Feedback(self._store)
        """What people say of answers."""
        self.saved = SavedQuestions(self._store)
        """Questions under a name."""
        self.conversations = Conversations(self._store)
        """What people asked, and what brings the answers back."""
        self.setup = Setup(self._store)
        """Databases that people added, and their choices."""
        self.audit = AuditLog(self._store)
        """Who ran what."""

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back what is held open; calling it twice is harmless."""
        self._store.close()

    def propose_pair(
        self,
        question: str,
        sql: str,
        *,
        db_id: str,
        schema_fingerprint: str,
        source: PairSource,
        history: Sequence[Turn] = (),
        weight: float = 1.0,
        author: str = "",
        note: str = "",
    ) -> Pair:
        """Keep a pair for review; the arguments are the fields of `Pair`.

        The same pair proposed again is the one that is there, as it is: approved, rejected or still pending.

        Raises:
            UsageError: A text is empty or cannot be stored, or the weight is out of range.
            DatabaseError: Memory failed.
        """
        pair = with_id(
            make_record(
                Pair,
                pair_id="",
                question=question,
                sql=sql,
                db_id=db_id,
                schema_fingerprint=schema_fingerprint,
                source=source,
                created_at=_now(),
                history=tuple(history),
                weight=weight,
                author=author,
                note=note,
            )
        )
        with self._store.writing() as connection:
            known = find_pair(connection, pair.pair_id)
            if known is None:
                insert_pair(connection, pair)
        return known or pair

    def read_pair(self, identifier: str) -> Pair:
        """Read one pair by its identifier or the beginning of it.

        Raises:
            UsageError: There is no such pair, or more than one.
            DatabaseError: Memory failed.
        """
        with self._store.reading() as connection:
            return find_one(connection, identifier)

    def approve(
        self,
        identifier: str,
        *,
        schema_fingerprint: str,
        reviewer: str = "",
        note: str = "",
        weight: float | None = None,
    ) -> Pair:
        """Approve a pair whose SQL the caller has seen to work.

        A question has one approved SQL: another one that was approved for it before is rejected, with a note.

        Args:
            identifier: Of the pair, or the beginning of it.
            schema_fingerprint: Schema under which the SQL was seen to work.
            reviewer: Who approves.
            note: Replaces the note of the pair, unless it is empty.
            weight: Replaces the weight of the pair.

        Raises:
            UsageError: There is no such pair, more than one, or a value cannot be used.
            DatabaseError: Memory failed.
        """
        changes: dict[str, object] = {"state": "approved", "schema_fingerprint": schema_fingerprint}
        if weight is not None:
            changes["weight"] = weight
        return self._review(identifier, reviewer, note, changes)

    def reject(self, identifier: str, *, reviewer: str = "", note: str = "") -> Pair:
        """Reject a pair, also one that was approved; it stays, so that it is not proposed anew.

        Raises:
            UsageError: There is no such pair, or more than one.
            DatabaseError: Memory failed.
        """
        return self._review(identifier, reviewer, note, {"state": "rejected"})

    def list_pairs(self, db_id: str | None = None, state: PairState | None = None) -> tuple[Pair, ...]:
        """List pairs in the order in which they were proposed.

        Args:
            db_id: Only on this database.
            state: Only in this state; what builds a prompt or training data asks for `approved`.
        """
        order = PAIRS.c.created_at, PAIRS.c.pair_id
        with self._store.reading() as connection:
            return list_records(connection, Pair, PAIRS, order, db_id=db_id, state=state)

    def stamp(self, db_id: str) -> tuple[object, ...]:
        """Give a value that changes when a pair of a database is added or reviewed; takes less than a millisecond.

        Raises:
            DatabaseError: Memory failed.
        """
        columns = PAIRS.c.state, func.count(), func.max(PAIRS.c.reviewed_at), func.min(PAIRS.c.pair_id)
        query = select(*columns).where(PAIRS.c.db_id == db_id).group_by(PAIRS.c.state).order_by(PAIRS.c.state)
        with self._store.reading() as connection:
            return tuple(tuple(row) for row in connection.execute(query))

    def find_exact(self, question: str, db_id: str, history: Sequence[Turn] = ()) -> Pair | None:
        """Find the approved pair whose question is this one; case, white space and final punctuation do not count.

        Its `schema_fingerprint` may be an older one: the caller guards and runs the SQL like any other.

        Args:
            question: The question.
            db_id: Database it is about.
            history: Earlier turns that it depends on; a pair matches only with the same turns.
        """
        with self._store.reading() as connection:
            return next(iter(find_approved(connection, question, db_id, history)), None)

    def import_pairs(self, pairs: Sequence[Pair]) -> Imported:
        """Take over pairs from another machine. Whoever calls has seen the approved ones work here.

        A pair that is known here takes over the review from there if that is the later one. Where two approved pairs
        answer the same question, the one that was reviewed last stays approved. Many pairs are taken over in several
        transactions, so that others can write in between; what an interrupted call left out, the next one takes over.

        Raises:
            DatabaseError: Memory failed.
        """
        counts = [Imported(added=0, updated=0, unchanged=0)]
        for first in range(0, len(pairs), BATCH_PAIRS):
            with self._store.writing() as connection:
                counts.append(merge_pairs(connection, pairs[first : first + BATCH_PAIRS]))
        return Imported(**{name: sum(getattr(count, name) for count in counts) for name in Imported.model_fields})

    def _review(self, identifier: str, reviewer: str, note: str, changes: Mapping[str, object]) -> Pair:
        with self._store.writing() as connection:
            pair = find_one(connection, identifier)
            fields = make_row(pair) | {
                "reviewer": reviewer,
                "reviewed_at": _now(),
                "note": note or pair.note,
                **changes,
            }
            reviewed = make_record(Pair, **fields)
            keep_review(connection, reviewed)
            if reviewed.state == "approved":
                replace_others(connection, reviewed)
        return reviewed


def _now() -> datetime:
    return datetime.now(UTC)
