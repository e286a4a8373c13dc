"""Pairs within one transaction: find, keep, review, merge.

In: a connection that reads, or the only writer's. Out: Pairs. Knows no transactions: `assistant.memory.store` opens and
ends them, so that each verb there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from assistant.errors import UsageError
from assistant.memory.records import Imported, Pair, make_pair_id, make_question_key
from assistant.memory.rows import make_row, read_record
from assistant.memory.tables import PAIRS
from assistant.types import Turn

SHORTEST_ID = 6
"""Digits of an identifier that a person has to type at least."""

_REVIEW = ("state", "reviewer", "reviewed_at", "note", "weight", "schema_fingerprint")
"""The fields of a pair that a review may change."""

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def with_id(pair: Pair) -> Pair:
    """Give a pair the identifier of its content, whatever it had."""
    return pair.model_copy(update={"pair_id": make_pair_id(pair.question, pair.sql, pair.db_id, pair.history)})


def find_pair(connection: Connection, identifier: str) -> Pair | None:
    """Find a pair by its whole identifier."""
    row = connection.execute(select(PAIRS).where(PAIRS.c.pair_id == identifier)).mappings().first()
    return None if row is None else read_record(Pair, row)


def find_one(connection: Connection, identifier: str) -> Pair:
    """Find a pair by its identifier or the beginning of it.

    Raises:
        UsageError: There is no such pair, or more than one.
    """
    start = identifier.strip().lower()
    if len(start) < SHORTEST_ID or set(start) - set("0123456789abcdef"):
        raise UsageError(
            f"'{identifier[:40]}' is no identifier of a pair.",
            f"It has at least {SHORTEST_ID} digits, 0-9 and a-f; 'queryforge pairs list' shows them.",
        )
    rows = connection.execute(select(PAIRS).where(PAIRS.c.pair_id.startswith(start)).limit(2)).mappings().all()
    if len(rows) != 1:
        number = "no pair" if not rows else "more than one pair"
        raise UsageError(f"There is {number} '{start[:40]}'.", "'queryforge pairs list' shows all.")
    return read_record(Pair, rows[0])


def find_approved(connection: Connection, question: str, db_id: str, history: Sequence[Turn]) -> tuple[Pair, ...]:
    """Find the approved pairs of a question, the one that was reviewed last first."""
    key = make_question_key(question, db_id, history)
    query = select(PAIRS).where(PAIRS.c.question_key == key, PAIRS.c.state == "approved")
    rows = connection.execute(query.order_by(PAIRS.c.reviewed_at.desc(), PAIRS.c.pair_id)).mappings()
    return tuple(read_record(Pair, row) for row in rows)


def insert_pair(connection: Connection, pair: Pair) -> None:
    """Keep a new pair."""
    key = make_question_key(pair.question, pair.db_id, pair.history)
    connection.execute(PAIRS.insert(), make_row(pair) | {"question_key": key})


def keep_review(connection: Connection, pair: Pair) -> None:
    """Keep what a review says of a pair that is there."""
    review = {name: getattr(pair, name) for name in _REVIEW}
    connection.execute(PAIRS.update().where(PAIRS.c.pair_id == pair.pair_id).values(review))


def replace_others(connection: Connection, winner: Pair) -> None:
    """Reject what else is approved for the question of an approved pair: two answers to one question teach neither."""
    for other in find_approved(connection, winner.question, winner.db_id, winner.history):
        if other.pair_id != winner.pair_id:
            note = f"{other.note} Replaced by {winner.pair_id[:12]}.".strip()
            # The winner's review, not one of now: the same on every machine that gets to know both.
            review = {"state": "rejected", "reviewer": winner.reviewer, "reviewed_at": winner.reviewed_at, "note": note}
            keep_review(connection, other.model_copy(update=review))


def merge_pairs(connection: Connection, pairs: Iterable[Pair]) -> Imported:
    """Take over pairs from another machine: of two reviews of a pair, and of two answers to a question, the later."""
    added = updated = unchanged = 0
    for pair in map(with_id, pairs):
        known = find_pair(connection, pair.pair_id)
        if known is None:
            added += 1
            insert_pair(connection, pair)
        elif (pair.reviewed_at or _LONG_AGO) > (known.reviewed_at or _LONG_AGO):
            updated += 1
            keep_review(connection, pair)
        else:
            unchanged += 1
            continue
        approved = find_approved(connection, pair.question, pair.db_id, pair.history)
        if len(approved) > 1:
            replace_others(connection, approved[0])
    return Imported(added=added, updated=updated, unchanged=unchanged)
