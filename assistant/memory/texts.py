"""Kinds of fields that every database can hold: texts, statements, points in time.

In: values from outside. Out: pydantic types that refuse what PostgreSQL, MySQL or SQLite could not give back as it was.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from assistant.types import Turn


def _storable(text: str) -> str:
    # PostgreSQL has no NUL in texts, and no database has halves of characters.
    if "\x00" in text or any("\ud800" <= ch <= "\udfff" for ch in text):
        raise ValueError("it holds characters that are no text")
    return text


def _filled(text: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise ValueError("it is empty")
    return stripped


def _statement(text: str) -> str:
    return _filled(text.strip().rstrip("; \t\r\n"))


def _storable_turns(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    for turn in turns:
        _storable(turn.question)
        _storable(turn.sql)
    return turns


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("it is too far from today") from error


Text = Annotated[str, AfterValidator(_storable)]
"""Text that every database can hold; may be empty."""
Filled = Annotated[Text, AfterValidator(_filled)]
"""Text with something in it, without white space around it."""
Name = Annotated[Filled, Field(max_length=255)]
"""Filled text that is short enough to be indexed everywhere."""
Statement = Annotated[Text, AfterValidator(_statement)]
"""SQL, without the semicolon at its end."""
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A point in time, in UTC."""
History = Annotated[tuple[Turn, ...], AfterValidator(_storable_turns)]
"""Earlier turns of a conversation, oldest first."""
