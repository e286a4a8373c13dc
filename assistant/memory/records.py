"""The records of memory: feedback, question-SQL pairs, saved questions; and what makes two of them the same.

In: fields as people and programs give them. Out: frozen records that any database can hold, and keys that are equal for
the same content on every machine. Reads and writes nothing.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from assistant.memory.texts import Filled, History, Moment, Name, Statement, Text
from assistant.types import Record, Status, Turn

Verdict = Literal["up", "down"]
"""A thumb."""

PairSource = Literal["correction", "thumb", "written"]
"""Where a pair comes from: a person mended the SQL, liked an answer, or wrote both."""

PairState = Literal["pending", "approved", "rejected"]
"""What a reviewer said. Only approved pairs may reach training or a prompt."""

MAX_WEIGHT = 100.0
"""Largest weight of a pair."""

_FINAL_PUNCTUATION = ".?!。;:, "
"""Marks at the end of a question that change nothing; `%` and brackets do, and stay."""

_ID_DIGITS = 32
"""Hex digits of an identifier made from content: 128 bits of SHA-256."""


class FeedbackEntry(Record):
    """What a person said about one answer."""

    feedback_id: str
    """Identifier, 32 hex digits."""
    verdict: Verdict
    """The thumb."""
    question: Filled
    """What was asked."""
    db_id: Name
    """Database that was asked."""
    status: Status
    """How the answer ended."""
    created_at: Moment
    """When it was said, in UTC."""
    sql: Text = ""
    """The query that was run, as the model wrote it; empty when there was none."""
    history: History = ()
    """Earlier turns that the question depends on, oldest first."""
    schema_fingerprint: Text = ""
    """Schema of the database at that time."""
    model: Text = ""
    """File name or tag of the model that answered."""
    reason: Text = ""
    """Why, in the person's words."""
    author: Text = ""
    """Who said it; empty for the local user."""


class Pair(Record):
    """A question with the SQL that answers it. Question, SQL, database and history never change; the review may."""

    pair_id: str
    """Identifier, 32 hex digits; the same for the same content on every machine."""
    question: Filled
    """The question in a person's words."""
    sql: Statement
    """SQL that answers it, as it was written: no row limit of the guard's."""
    db_id: Name
    """Database it is about."""
    schema_fingerprint: Text
    """Schema under which the SQL was last seen to work."""
    source: PairSource
    """Where it comes from."""
    created_at: Moment
    """When it was proposed, in UTC."""
    history: History = ()
    """Earlier turns that the question depends on, oldest first; empty for a question that stands by itself."""
    state: PairState = "pending"
    """What the reviewer said."""
    weight: float = Field(default=1.0, gt=0, le=MAX_WEIGHT, allow_inf_nan=False)
    """How much it counts in training; 1 is as much as a generated example."""
    author: Text = ""
    """Who proposed it; empty for the local user."""
    reviewer: Text = ""
    """Who approved or rejected it; empty while it is pending, or for the local user."""
    reviewed_at: Moment | None = None
    """When it was approved or rejected, in UTC; None while it is pending."""
    note: Text = ""
    """A remark of the author's or the reviewer's."""

    @model_validator(mode="after")
    def _is_reviewed_when_decided(self) -> Self:
        if (self.state == "pending") != (self.reviewed_at is None):
            raise ValueError("reviewed_at is needed when, and only when, the state is approved or rejected")
        return self


class SavedQuestion(Record):
    """A question that a person wants to ask again. Its name is theirs: once for each person and database."""

    saved_id: str
    """Identifier, 32 hex digits."""
    name: Name
    """What the person calls it."""
    question: Filled
    """The question."""
    sql: Statement
    """SQL that answers it."""
    db_id: Name
    """Database it is about."""
    author: Text = ""
    """Whose it is; empty for the local user."""
    created_at: Moment
    """When it was first saved, in UTC."""
    changed_at: Moment
    """When it was last saved, in UTC."""
    is_pinned: bool = False
    """Whether it stands on the board."""


class Imported(Record):
    """What became of pairs from another machine."""

    added: int
    """Not known here before."""
    updated: int
    """Known here, but reviewed later there."""
    unchanged: int
    """Known here, and as old or older there."""


def normalise_question(text: str) -> str:
    """Return what is left of a question when case, white space and the punctuation at its end do not count.

    Example:
        >>> normalise_question("How many  Customers do we have ?")
        'how many customers do we have'
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return folded.rstrip(_FINAL_PUNCTUATION) or folded


def make_question_key(question: str, db_id: str, history: Sequence[Turn] = ()) -> str:
    """Make the key under which a question is found: equal for questions that ask the same thing in the same place."""
    turns = [[normalise_question(turn.question), turn.sql.strip()] for turn in history]
    return _digest([db_id, normalise_question(question), turns])


def make_pair_id(question: str, sql: str, db_id: str, history: Sequence[Turn] = ()) -> str:
    """Make the identifier of a pair from its content."""
    return _digest([make_question_key(question, db_id, history), sql])


def make_saved_id(name: str, db_id: str, author: str) -> str:
    """Make the identifier of a saved question from what it is called, where and by whom."""
    return _digest([name, db_id, author])


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_ID_DIGITS]
