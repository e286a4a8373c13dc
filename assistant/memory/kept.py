"""The records of conversations and of what people set up on the page: kept turns, databases, and their identifiers.

In: fields as people and programs give them. Out: frozen records that any database can hold. Reads and writes nothing.

What is kept of an answer is the least that brings it back: its question and its SQL. Its rows, and the words made from
them, are not kept: the SQL is guarded and run again, so that a conversation shows what may be seen today (a column that
was masked since stays covered), grows by a few hundred bytes a question, and holds no second copy of the data.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from assistant.memory.texts import Filled, Moment, Name, Text
from assistant.types import Record, Status

Outcome = Status | Literal["error", "stopped"]
"""How a question ended: the status of its answer, or that something broke, or that a person stopped it."""

SourceKind = Literal["server", "file", "upload"]
"""A database on a server, a SQLite file of the person's, or one that was made from a file they dropped."""

PasswordPlace = Literal["nowhere", "environment", "keyring"]
"""Where the password of a database is: there is none, in a variable that the address names, or in the keyring."""


class Repair(Record):
    """One refusal on the way to an answer."""

    rule: str
    """Name of the rule, such as `unknown-column`."""
    message: str = ""
    """What was wrong; empty where it may quote a value of a row."""


class Conversation(Record):
    """A conversation, without its turns."""

    conversation_id: str
    """Identifier, 32 hex digits, drawn at random."""
    title: Name
    """What it is called: its first question, until the person gives it a name."""
    db_id: Name
    """Database it is about."""
    source_id: Text = ""
    """Which of the databases that were added on the page that is; empty for the one of the settings."""
    author: Text = ""
    """Whose it is; empty for the local user."""
    created_at: Moment
    """When it began, in UTC."""
    changed_at: Moment
    """When something was last asked or renamed, in UTC."""


class KeptTurn(Record):
    """One question of a conversation and what brings its answer back."""

    turn_id: str
    """Identifier, 32 hex digits, made of the conversation and the number."""
    conversation_id: str
    """Conversation it belongs to."""
    number: int
    """Place in the conversation, from 1."""
    question: Filled
    """What was asked."""
    outcome: Outcome
    """How it ended."""
    sql: Text = ""
    """The last draft, as the model or the person wrote it; empty when there was none."""
    text: Text = ""
    """Why there is no result, in words; empty for an answer, whose words are made from its rows again."""
    repairs: tuple[Repair, ...] = ()
    """Refusals on the way."""
    model: Text = ""
    """File name or tag of the model."""
    elapsed_ms: float = 0.0
    """Time it took."""
    asked_at: Moment
    """When its outcome was kept, in UTC."""


class Source(Record):
    """A database that a person added on the page."""

    source_id: str
    """Identifier, 32 hex digits, drawn at random."""
    name: Name
    """What it is called; once for each person."""
    address: Filled
    """SQLAlchemy URL or path, never with a password in clear: it may name a variable, `${NAME}`."""
    password_in: PasswordPlace = "nowhere"
    """Where the password is."""
    kind: SourceKind
    """What it is."""
    author: Text = ""
    """Whose it is; empty for the local user."""
    created_at: Moment
    """When it was added, in UTC."""


def make_turn_id(conversation_id: str, number: int) -> str:
    """Make the identifier of a turn."""
    return _digest([conversation_id, number])


def make_preference_id(author: str, name: str) -> str:
    """Make the identifier of a person's choice."""
    return _digest([author, name])


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
