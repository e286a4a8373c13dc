"""What an evaluation writes down about each question: the prediction, and the score with its reasons.

In and out: nothing; these are the lines of predictions.jsonl and scores.jsonl. Judges nothing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from assistant.types import Cell, Dialect, QueryResult, Record, Status
from evaluation.examples import Expectation

PREVIEW_ROWS = 10
"""Rows of a result that are kept for people who read the scores."""

Difficulty = Literal["easy", "medium", "hard", "extra"]
"""How much the gold SQL needs; `evaluation.difficulty` says how it is counted."""


class Prediction(Record):
    """What the assistant made of one question or turn: a line of predictions.jsonl."""

    id: str
    """Example it belongs to."""
    turn: int | None = None
    """Turn of a conversation, from 1; None for a single question."""
    sql: str
    """SQL of the query that was run, as the model wrote it; empty when none was run."""
    status: Status
    """How it ended."""
    latency_ms: float
    """Wall time from question to answer."""
    attempts: int = 0
    """Drafts written one after another; those that were drawn beside them are not counted."""
    prompt_tokens: int = 0
    """Tokens read by the model, over all drafts."""
    completion_tokens: int = 0
    """Tokens written by the model, over all drafts."""
    confidence: float | None = Field(default=None, ge=0, le=1)
    """How sure the assistant was, 0 to 1; None where it does not say."""
    raw_confidence: float | None = Field(default=None, ge=0, le=1)
    """The same before the table of the model; `evaluation.fitting` makes the table of it."""
    text: str = ""
    """What the person was told."""
    rejected_sql: str = ""
    """Last draft, where no query came of it."""
    error: str = ""
    """What broke, when no answer came at all."""

    @property
    def key(self) -> tuple[str, int | None]:
        """Name of the prediction within its run."""
        return self.id, self.turn


class ResultPreview(Record):
    """The first rows of a result."""

    columns: tuple[str, ...]
    """Names of the columns."""
    rows: tuple[tuple[Cell, ...], ...]
    """At most `PREVIEW_ROWS` rows."""
    n_rows: int
    """Rows of the whole result."""

    @classmethod
    def of(cls, result: QueryResult) -> ResultPreview:
        """Cut a result to what people look at."""
        names = tuple(column.name for column in result.columns)
        return cls(columns=names, rows=result.rows[:PREVIEW_ROWS], n_rows=len(result.rows))


class Score(Record):
    """One prediction, judged: a line of scores.jsonl."""

    id: str
    """Example."""
    turn: int | None = None
    """Turn of a conversation, from 1; None for a single question."""
    db_id: str = ""
    """Database that was asked."""
    dialect: Dialect = "sqlite"
    """Its dialect."""
    kind: str
    """What the gold SQL needs."""
    difficulty: Difficulty | None = None
    """How much of it; None where no answer is expected."""
    style: str
    """How the question is worded."""
    question: str
    """What was asked."""
    expect: Expectation
    """What was right."""
    is_correct: bool
    """Same result as the gold SQL on the database and on every variant of it, or declined in the way expected."""
    is_correct_on_original: bool
    """The same on the database itself, whatever its variants say."""
    is_correct_with_extra_columns: bool
    """As `is_correct`, columns beside the gold ones left out of account."""
    n_variants: int = 0
    """Variants on which the prediction was judged: those where the gold SQL has one certain result."""
    failed_variant: int | None = None
    """First variant, counted from 1, on which the prediction differs; None when it agrees on all."""
    is_gold_empty: bool
    """Whether the gold result has no rows, which a wrong query meets easily."""
    has_gold_ties: bool = False
    """Whether LIMIT cuts between rows that tie in the gold's sort order, so that a right query may give others."""
    exact_match: bool | None = None
    """Same SQL text after normalisation; None where no answer is expected."""
    token_match: float | None = None
    """Share of the gold SQL's words found in the prediction; None where no answer is expected."""
    reason: str
    """Why, in words."""
    gold_sql: str | None
    """SQL with the right result, in the dialect that was asked."""
    gold_result: ResultPreview | None = None
    """What the gold SQL gives; None where no answer is expected."""
    predicted_result: ResultPreview | None = None
    """What the prediction gives; None when nothing ran."""
    prediction: Prediction
    """What was judged."""
