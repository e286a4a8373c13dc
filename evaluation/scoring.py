"""From predictions to scores: gold SQL and predicted SQL take the same road, and their results are compared.

In: what was asked, what the assistant made of it, and an open database. Out: one Score per prediction, with its reason.
All SQL goes through the guard and is run read-only, gold SQL too, under a row limit that no fair result reaches.
Gold that does not work stops the run: a score against it would mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.database import Database
from assistant.errors import DatabaseError, DataError
from assistant.guard import check
from assistant.types import Completion, QueryResult, Record, Rejection, SchemaContext, SqlDraft, Status
from evaluation.compare import Verdict, same_result
from evaluation.examples import Ask, Expectation

MAX_JUDGED_ROWS = 100_000
"""Most rows of a gold or predicted result: far above what people read, so that no right result is cut."""

RIGHT_STATUS: dict[Expectation, Status] = {
    "answer": "answered",
    "unanswerable": "unanswerable",
    "refuse": "refused",
    "clarify": "clarify",
}
"""What is expected -> how the question should end."""


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
    """Drafts written."""
    prompt_tokens: int = 0
    """Tokens read by the model, over all drafts."""
    completion_tokens: int = 0
    """Tokens written by the model, over all drafts."""
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


class Score(Record):
    """One prediction, judged: a line of scores.jsonl."""

    id: str
    """Example."""
    turn: int | None
    """Turn of a conversation, from 1; None for a single question."""
    kind: str
    """What the gold SQL needs."""
    style: str
    """How the question is worded."""
    question: str
    """What was asked."""
    expect: Expectation
    """What was right."""
    is_correct: bool
    """Same result as the gold SQL, or declined in the way that was expected."""
    is_correct_with_extra_columns: bool
    """As above, columns beside the gold ones left out of account."""
    is_gold_empty: bool
    """Whether the gold result has no rows, which a wrong query meets easily."""
    reason: str
    """Why, in words."""
    gold_sql: str | None
    """SQL with the right result."""
    prediction: Prediction
    """What was judged."""


class Judge:
    """Runs gold and predicted SQL on one database and compares what comes out."""

    def __init__(self, database: Database, *, timeout_s: float, max_rows: int = MAX_JUDGED_ROWS) -> None:
        """Take the database.

        Args:
            database: Open database; it stays open.
            timeout_s: Seconds after which a query is stopped.
            max_rows: Rows that a result may have.
        """
        schema = database.schema()
        self._database = database
        self._timeout_s = timeout_s
        self._max_rows = max_rows
        # The whole schema: which tables a draft was allowed to see is the assistant's business.
        self._context = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)

    def run_sql(self, sql: str) -> QueryResult | Rejection:
        """Run SQL on the road of a draft: guard, then database.

        Raises:
            DatabaseError: It ran past its time, or the database failed.
        """
        draft = SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model=""))
        query = check(draft, self._context, max_rows=self._max_rows)
        if isinstance(query, Rejection):
            return query
        return self._database.run(query, timeout_s=self._timeout_s)

    def run_gold(self, asks: Sequence[Ask]) -> dict[tuple[str, int | None], QueryResult]:
        """Run all gold SQL.

        Raises:
            DataError: Gold SQL was rejected, failed, ran past its time or has too many rows; names the example.
        """
        results: dict[tuple[str, int | None], QueryResult] = {}
        for ask in asks:
            if ask.gold_sql is None:
                continue
            fault = f"The gold SQL of '{ask.name}'"
            try:
                result = self.run_sql(ask.gold_sql)
            except DatabaseError as error:
                raise DataError(f"{fault} failed: {error.message}", "Correct it, or fit it to the database.") from error
            if isinstance(result, Rejection):
                raise DataError(
                    f"{fault} was rejected by the {result.stage} ({result.rule}): {result.message}",
                    result.hint or "Correct it; gold SQL takes the same road as the model's.",
                )
            if result.is_truncated:
                raise DataError(
                    f"{fault} has more than {self._max_rows:,} rows.", "Ask for fewer; a cut result cannot be judged."
                )
            results[ask.key] = result
        return results

    def score(self, ask: Ask, prediction: Prediction, gold: QueryResult | None) -> Score:
        """Judge one prediction.

        Args:
            ask: What was asked.
            prediction: What the assistant made of it.
            gold: Result of the gold SQL; None where no answer is expected.

        Raises:
            DatabaseError: The predicted SQL, which ran when it was asked, does not any more.
        """
        verdict = self._judge(ask, prediction, gold)
        return Score(
            id=ask.example.id,
            turn=ask.turn,
            kind=ask.example.kind,
            style=ask.example.style,
            question=ask.question,
            expect=ask.example.expect,
            is_correct=verdict.is_correct,
            is_correct_with_extra_columns=verdict.is_correct_with_extra_columns,
            is_gold_empty=gold is not None and not gold.rows,
            reason=verdict.reason,
            gold_sql=ask.gold_sql,
            prediction=prediction,
        )

    def _judge(self, ask: Ask, prediction: Prediction, gold: QueryResult | None) -> Verdict:
        right = RIGHT_STATUS[ask.example.expect]
        if prediction.status != right:
            return _plain(False, f"Ended as {prediction.status} instead of {right}. {prediction.error}".strip())
        if gold is None:
            return _plain(True, f"Ended as {prediction.status}.")
        result = self.run_sql(prediction.sql)
        if isinstance(result, Rejection):
            return _plain(False, f"Rejected by the {result.stage} when judged: {result.message}")
        return same_result(gold, result, is_ordered=ask.is_ordered)


def _plain(is_correct: bool, reason: str) -> Verdict:
    return Verdict(is_correct=is_correct, is_correct_with_extra_columns=is_correct, reason=reason)
