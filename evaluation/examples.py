"""The questions that answers are graded by: one JSON object a line, read into frozen records.

In: a JSONL file whose lines have `id, question, gold_sql, expect, clarify_about, turns, ordered, kind, style, db_id,
evidence`. Only `id`, `question` and, where an answer is expected, `gold_sql` are needed; other fields are ignored.
Out: the Examples, in the order of the file. Runs nothing: whether gold SQL works is found by `evaluation.scoring`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from assistant.errors import DataError, UsageError
from assistant.types import Record

Expectation = Literal["answer", "unanswerable", "refuse", "clarify"]
"""What is right: rows, or one of the three ways to decline."""


class ExampleTurn(Record):
    """One turn of a conversation. Every turn has gold SQL."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, use_attribute_docstrings=True)

    question: str = Field(min_length=1)
    """What is asked in this turn."""
    gold_sql: str = Field(min_length=1)
    """SQL with the right result."""
    is_ordered: bool | None = Field(default=None, alias="ordered", strict=True)
    """Whether the order of the rows counts, where the gold SQL orders them; None: it does."""


class Example(Record):
    """One question, or one conversation."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, use_attribute_docstrings=True)

    id: str = Field(min_length=1, coerce_numbers_to_str=True)
    """Name of the example, once in a file."""
    question: str = Field(min_length=1)
    """What is asked; of a conversation, the first turn."""
    gold_sql: str | None = None
    """SQL with the right result; None where no answer is expected."""
    expect: Expectation = "answer"
    """What is right."""
    clarify_about: str = ""
    """What to ask back, for people who read the scores."""
    turns: tuple[ExampleTurn, ...] = ()
    """Turns of a conversation; empty for a single question."""
    is_ordered: bool | None = Field(default=None, alias="ordered", strict=True)
    """Whether the order of the rows counts, where the gold SQL orders them; None: it does."""
    db_id: str = ""
    """Database that is asked; empty where there is only one."""
    evidence: str = ""
    """Hint that comes with the question."""
    kind: str = "unnamed"
    """What the SQL needs, such as `group_by`."""
    style: str = "unnamed"
    """How the question is worded, such as `typo`."""

    @field_validator("turns", "clarify_about", "db_id", "evidence", "kind", "style", "expect", mode="before")
    @classmethod
    def _null_is_absent(cls, value: object, info: object) -> object:
        name = getattr(info, "field_name", "")
        return cls.model_fields[name].default if value is None else value

    @model_validator(mode="after")
    def _has_gold_where_needed(self) -> Self:
        if self.expect == "answer" and not self.turns and not (self.gold_sql or "").strip():
            raise ValueError("gold_sql is needed where expect is 'answer'")
        if self.expect != "answer" and self.turns:
            raise ValueError("expect must be 'answer' for a conversation")
        return self


class Ask(NamedTuple):
    """One thing that is asked and judged: a single question, or one turn of a conversation."""

    example: Example
    """What it belongs to."""
    turn: int | None
    """Turn, counted from 1; None for a single question."""
    question: str
    """What is asked."""
    gold_sql: str | None
    """SQL with the right result; None where no answer is expected."""
    is_ordered: bool | None
    """Whether the order of the rows counts, where the gold SQL orders them; None: it does."""

    @property
    def key(self) -> tuple[str, int | None]:
        """Name of the ask within its file."""
        return self.example.id, self.turn

    @property
    def name(self) -> str:
        """Name of the ask for people."""
        return self.example.id if self.turn is None else f"{self.example.id} turn {self.turn}"


def list_asks(example: Example) -> tuple[Ask, ...]:
    """List what is asked in an example, in order."""
    if not example.turns:
        gold_sql = example.gold_sql if example.expect == "answer" else None
        return (Ask(example, None, example.question, gold_sql, example.is_ordered),)
    return tuple(
        Ask(example, number, turn.question, turn.gold_sql, turn.is_ordered)
        for number, turn in enumerate(example.turns, start=1)
    )


def read_examples(path: Path) -> tuple[Example, ...]:
    """Read a file of examples.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        DataError: A line is malformed (named by file, line and field), an id comes twice, or there are no examples.
    """
    found: dict[str, Example] = {}
    lines: dict[str, int] = {}
    for number, line in _read_lines(path):
        example = _read_example(line, f"'{path}', line {number}")
        if example.id in found:
            raise DataError(
                f"'{path}', line {number}: id: '{example.id}' was used in line {lines[example.id]}.",
                "Give every example an id of its own.",
            )
        found[example.id] = example
        lines[example.id] = number
    if not found:
        raise DataError(f"'{path}' holds no examples.", "Write one JSON object a line.")
    return tuple(found.values())


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        # Split at newlines alone: JSON text may hold other characters that str.splitlines() splits at.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"Cannot read examples from '{path}': {error}.", "Give --examples a JSONL file in UTF-8."
        ) from error
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _read_example(line: str, place: str) -> Example:
    hint = 'Each line is one JSON object with id, question and gold_sql; see the README, "How good is it?".'
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}.", hint) from error
    if not isinstance(fields, dict):
        raise DataError(f"{place}: not a JSON object.", hint)
    try:
        return Example.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        shown = f" (got {first.get('input')!r:.80})" if field and first["type"] != "missing" else ""
        raise DataError(f"{place}: {field + ': ' if field else ''}{message}{shown}.", hint) from error
