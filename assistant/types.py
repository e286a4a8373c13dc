"""The records that flow: Question -> SchemaContext -> SqlDraft -> GuardedQuery -> QueryResult -> Answer.

All are frozen and refuse unknown fields. Each field is documented under itself, with its unit. Nothing here does work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Cell = str | int | float | bool | None
"""One result value after normalising: dates are ISO text, decimals are floats, a BLOB is its size and a short hash."""

Dialect = Literal["sqlite", "postgres", "mysql"]
"""sqlglot's name for the SQL flavour of a database."""

ColumnKind = Literal["text", "integer", "float", "boolean", "date", "datetime", "blob", "null"]
"""What the values of a column are, whatever the database calls its type."""

PromptLayout = Literal["full", "listed", "compact"]
"""What a model is told: `full` carries the schema as DDL, `listed` the names that the question is likely to need,
`compact` matched values only; its weights know the rest."""

Status = Literal["answered", "clarify", "unanswerable", "refused", "failed"]
"""How a question ended. Only `answered` has a result."""


class Record(BaseModel):
    """A value that flows through QueryForge: immutable, no unknown fields, documented field by field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ForeignKey(Record):
    """Columns of one table that point at the key of another."""

    columns: tuple[str, ...]
    """Referring columns, in key order."""
    ref_table: str
    """Table that is referred to."""
    ref_columns: tuple[str, ...]
    """Referred columns, in key order."""


class Column(Record):
    """One column of a table."""

    name: str
    """Name as the database spells it."""
    sql_type: str
    """Type as the database spells it, such as VARCHAR(50)."""
    kind: ColumnKind
    """What the values are."""
    is_nullable: bool = True
    """Whether NULL may occur."""
    comment: str = ""
    """Meaning of the column, from the database or the schema file."""
    samples: tuple[str, ...] = ()
    """A few frequent values as text; empty where the column is masked or free text."""
    is_masked: bool = False
    """Whether nobody may see its values: no model, no person, no export. See `masking`."""


class Table(Record):
    """One table or view."""

    name: str
    """Name as the database spells it."""
    columns: tuple[Column, ...]
    """Columns in the order of the database."""
    primary_key: tuple[str, ...] = ()
    """Columns of the primary key; empty when there is none."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    """Keys that point at other tables."""
    comment: str = ""
    """Meaning of the table."""
    row_estimate: int | None = None
    """About how many rows; None when unknown."""


class GlossaryEntry(Record):
    """One business term of the user's domain."""

    term: str
    """The word people use, such as "revenue"."""
    synonyms: tuple[str, ...] = ()
    """Other words for the same."""
    meaning: str
    """What it means, in a sentence or two."""
    sql: str = ""
    """SQL expression or condition for it, where one can be given."""


class DatabaseSchema(Record):
    """Everything known about a database without looking at its rows, plus a few sample values."""

    db_id: str
    """Short name of the database."""
    dialect: Dialect
    """SQL flavour."""
    tables: tuple[Table, ...]
    """Tables and views, by name."""
    fingerprint: str
    """SHA-256 (hex) of names, types and keys; changes when and only when the schema does."""
    glossary: tuple[GlossaryEntry, ...] = ()
    """Domain terms."""


class Turn(Record):
    """One earlier exchange of the same conversation."""

    question: str
    """What was asked."""
    sql: str
    """The query that answered it; empty when none was run."""


class Question(Record):
    """What a person asks, with what belongs to it."""

    text: str
    """The question in the person's own words."""
    db_id: str = ""
    """Database it is about; empty for the only one."""
    evidence: str = ""
    """A hint that comes with the question."""
    history: tuple[Turn, ...] = ()
    """Earlier turns, oldest first."""
    chosen_sql: str = ""
    """The reading of it that the person chose: checked and run in place of a draft. Empty to let the model write."""


class MatchedValue(Record):
    """A word of the question that is a value in a column."""

    table: str
    """Table of the column."""
    column: str
    """Column that holds the value."""
    value: str
    """Value as it is stored."""
    mention: str
    """The words of the question."""
    score: float
    """Closeness of mention and value, 0 to 100."""


class KnownPair(Record):
    """A question with SQL that is known to answer it."""

    question: str
    """The question."""
    sql: str
    """SQL that answers it; it may have been written for an older schema."""
    source: Literal["approved", "generated"]
    """Approved by a person, or made and verified for this database when its model was trained."""


class SchemaContext(Record):
    """What the model and the guard get to see of the schema for one question."""

    db_id: str
    """Database."""
    dialect: Dialect
    """SQL flavour to write."""
    tables: tuple[Table, ...]
    """Linked tables; the guard accepts no others."""
    listing: tuple[Table, ...] = ()
    """Of the linked tables and their columns, the few that a model of the `listed` layout is shown."""
    values: tuple[MatchedValue, ...] = ()
    """Values of the question, best first."""
    glossary: tuple[GlossaryEntry, ...] = ()
    """Domain terms that the question touches."""
    omitted_tables: tuple[str, ...] = ()
    """Tables that exist but were left out."""
    examples: tuple[KnownPair, ...] = ()
    """Similar questions with their SQL, most similar first; only for models that are told so many."""


class Message(Record):
    """One message to or from a model."""

    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    content: str
    """What is said."""


class Prompt(Record):
    """What is sent to a model. Made by `prompts.render_prompt` and nowhere else."""

    messages: tuple[Message, ...]
    """For backends that render the chat themselves (Ollama)."""
    text: str
    """The same, rendered up to where the model goes on writing (embedded)."""


class Sampling(Record):
    """How a reply is drawn at random instead of taking the likeliest token each time."""

    seed: int
    """The same seed gives the same reply where the backend can hold to it."""
    temperature: float = Field(default=0.8, gt=0)
    """Above 1 the unlikely becomes likelier; towards 0 it is as if nothing were drawn."""
    min_p: float = Field(default=0.05, ge=0, le=1)
    """Tokens less likely than this part of the likeliest one are not drawn."""


class ModelInfo(Record):
    """What a model says of itself."""

    name: str
    """File name or tag."""
    backend: str
    """What serves it."""
    prompt_layout: PromptLayout = "full"
    """The layout it was trained with (GGUF key `queryforge.prompt_layout`)."""
    context_tokens: int = 2048
    """Longest prompt and reply together, in tokens."""
    trained_db_id: str = ""
    """Database it was fine-tuned for (GGUF key `queryforge.db_id`); empty for any."""
    trained_fingerprint: str = ""
    """Schema fingerprint it was fine-tuned for (GGUF key `queryforge.schema_fingerprint`); empty for any."""
    examples: int | None = None
    """Similar questions that it was trained to find in its prompt (GGUF key `queryforge.examples`); None when it does
    not say."""
    size_bytes: int = 0
    """Size of the weights; 0 when unknown."""
    path: Path | None = None
    """File or folder of the weights; None when a server holds them."""


class Reply(Record):
    """What a model said, read: SQL, or why there is none."""

    kind: Literal["sql", "unanswerable", "refused", "clarify"]
    """SQL, or one of the three ways to decline."""
    text: str
    """The SQL, or the reason in words."""


class Completion(Record):
    """What a backend gave back for one prompt."""

    text: str
    """Text as the model wrote it, end tokens removed."""
    model: str
    """File name or tag of the model."""
    prompt_tokens: int = 0
    """Tokens of the prompt."""
    completion_tokens: int = 0
    """Tokens written."""
    latency_ms: float = 0.0
    """Wall time of the call."""
    log_probability: float | None = None
    """Sum of natural-log probabilities of the tokens written; None when the backend does not tell."""
    rejected_tokens: int = 0
    """How often the model's first choice could not stand where it wanted it: a sign of doubt."""
    unconstrained_reason: str = ""
    """Why the reply was written without the rules for names after all; empty when they held, or none were given."""


class SqlDraft(Record):
    """SQL as the model wrote it."""

    sql: str
    """The statement; code fences removed."""
    attempt: int
    """Counted from 1."""
    completion: Completion
    """The call it came from."""
    is_drawn: bool = False
    """Whether it was drawn at random, because the first one was in doubt."""


class GuardedQuery(Record):
    """A query that passed the guard. Made by `guard.check` and nowhere else; the database runs nothing else."""

    sql: str
    """Statement in the dialect, with its row limit."""
    dialect: Dialect
    """SQL flavour."""
    tables: tuple[str, ...]
    """Tables it reads."""
    is_ordered: bool
    """Whether its outermost node orders the rows."""
    max_rows: int
    """Rows that may be returned; one more is fetched to know that it was cut."""
    width: int = 0
    """How many columns the result has, as the guard reads it."""
    masked: tuple[int, ...] = ()
    """Places (from 0) of the result columns that come from masked columns; the database shows a sign in their cells."""


class ResultColumn(Record):
    """Name and kind of a result column."""

    name: str
    """Name as the database returned it; in an Answer, words where that was a bare expression."""
    kind: ColumnKind
    """What its values are."""


class QueryResult(Record):
    """Rows of a query, normalised at the database's edge."""

    columns: tuple[ResultColumn, ...]
    """Columns, in order."""
    rows: tuple[tuple[Cell, ...], ...]
    """Rows, in the order of the database."""
    is_truncated: bool
    """Whether there were more rows than `max_rows`."""
    elapsed_ms: float
    """Time in the database."""


class Rejection(Record):
    """Why a draft was not run, or could not be: fed back to the model, shown to the person."""

    stage: Literal["guard", "database", "question"]
    """Who refused; `question` where a draft does not say what was asked."""
    rule: str
    """Name of the rule, such as `read-only` or `unknown-column`."""
    message: str
    """What is wrong, with the name or value."""
    hint: str = ""
    """What would be right."""


class Reading(Record):
    """One way to understand a question whose drafts disagree."""

    text: str
    """What its query does, in plain words."""
    sql: str
    """The draft, as the model wrote it."""
    preview: QueryResult
    """Its first rows; `is_truncated` where there are more."""
    share: float
    """Part of the drafts that came to this result, 0 to 1."""


class ChartSpec(Record):
    """A chart that suits a result; the screen turns it into Vega-Lite."""

    mark: Literal["bar", "line"]
    """Kind of mark."""
    x: str
    """Result column on the x axis."""
    y: str
    """Result column on the y axis."""


class StepTiming(Record):
    """How long one step of the graph took."""

    step: str
    """Node of the graph."""
    elapsed_ms: float
    """Wall time."""


class StepEvent(Record):
    """A sign of life while a question is worked on."""

    step: str
    """Node of the graph that has finished, or is writing."""
    detail: str
    """One line for the person: linked tables, the SQL so far, the rows found."""
    elapsed_ms: float = 0.0
    """Time of the finished step; 0 while it is under way."""
    is_partial: bool = False
    """Whether `detail` is the SQL so far, still being written."""


class Answer(Record):
    """All there is to say about one question."""

    question: Question
    """What was asked."""
    status: Status
    """How it ended."""
    text: str
    """The answer, or the reason there is none, in words; every number in it is in the result."""
    explanation: str = ""
    """What the query does, in words."""
    query: GuardedQuery | None = None
    """The query that was run."""
    result: QueryResult | None = None
    """Its rows."""
    chart: ChartSpec | None = None
    """A chart that suits them."""
    confidence: float | None = None
    """0 to 1: how likely it is to be right; None when the backend does not tell."""
    is_calibrated: bool = False
    """Whether `confidence` was held against what was measured of the model; if not, it only orders answers."""
    raw_confidence: float | None = None
    """0 to 1: what the model gives to the drafts with this result, less where the drafts go apart; `confidence` before
    it was held against what was measured. `queryforge calibrate` reads it."""
    agreement: float | None = None
    """Part of the drafts that came to this result, 0 to 1; None when the first was not in doubt."""
    alternatives: tuple[Reading, ...] = ()
    """Readings to choose from when the status is `clarify`, the likeliest first; see `Assistant.choose`."""
    drafts: tuple[SqlDraft, ...] = ()
    """Every draft on the way to the answer, in order; the last one is what was run."""
    candidates: tuple[SqlDraft, ...] = ()
    """Further drafts, drawn at random because the first was in doubt, that were not chosen."""
    rejections: tuple[Rejection, ...] = ()
    """Every refusal, in order."""
    timings: tuple[StepTiming, ...] = ()
    """Time per step, in order."""
    wording: Completion | None = None
    """What the answer model wrote, with its tokens and time, whether its words were used or not; None without one."""
    notices: tuple[str, ...] = ()
    """What happened on the way that a person should know, such as that another model had to answer."""
