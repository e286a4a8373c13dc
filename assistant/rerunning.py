"""Run SQL that a person has before them: a statement they edited, or all the rows of an answer.

In: SQL, or an Answer whose rows were cut. Out: an Answer or the Rejection of the guard or the database; all the rows in
batches. No model takes part. What runs has passed the guard in this very call, against the whole schema: a person may
read tables that were not linked to the question.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing

from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.database import Database
from assistant.describing import describe_result, label_columns
from assistant.drivers.streaming import RowBatch
from assistant.errors import UsageError
from assistant.explain import explain_query
from assistant.grammar import TooComplex, read_statements, read_tokens, write
from assistant.guard import check
from assistant.roles import choose_chart
from assistant.settings import Settings
from assistant.types import (
    Answer,
    Completion,
    GuardedQuery,
    Question,
    Rejection,
    SchemaContext,
    SqlDraft,
    StepTiming,
)

WRITTEN_BY = "written by a person"
"""Stands in place of the model's name in a draft that a person wrote."""
EXPORT_TIMES = 40
"""How many times longer than a question an export may keep the database busy."""


def run_sql(question: Question, sql: str, database: Database, settings: Settings) -> Answer | Rejection:
    """Check and run what a person wrote as the answer to a question.

    Args:
        question: What it answers; decides only how the result is put into words.
        sql: The statement; a semicolon at its end does not count.
        database: Where it runs.
        settings: Limits of rows and time.

    Raises:
        UsageError: There is no SQL.
        DatabaseError: The time limit was reached, or the database failed.
    """
    text = sql.strip().rstrip("; \t\r\n")
    if not text:
        raise UsageError("There is no SQL.", "Write a SELECT statement.")
    draft = SqlDraft(sql=text, attempt=1, completion=Completion(text=text, model=WRITTEN_BY))
    started = time.perf_counter()
    query = _check(draft, database, settings.max_rows)
    checked = time.perf_counter()
    if isinstance(query, Rejection):
        return query
    result = database.run(query, timeout_s=settings.query_timeout_s)
    if isinstance(result, Rejection):
        return result
    timings = (
        StepTiming(step="guard_sql", elapsed_ms=(checked - started) * 1000),
        StepTiming(step="execute_sql", elapsed_ms=(time.perf_counter() - checked) * 1000),
    )
    labelled = label_columns(query, result)
    return Answer(
        question=question,
        status="answered",
        text=describe_result(question, query, result),
        explanation=explain_query(query, database.schema()),
        query=query,
        result=labelled,
        chart=choose_chart(labelled),
        drafts=(draft,),
        timings=timings,
    )


def stream_answer(answer: Answer, database: Database, settings: Settings) -> Generator[RowBatch, None, None]:
    """Run the query of an answer again and give all its rows, up to `max_export_rows`, under the names it shows.

    Raises:
        UsageError: The answer has no rows, or the guard does not let its query through any more.
        DatabaseError: The time limit was reached, or the database failed.
    """
    if answer.query is None or answer.result is None:
        raise UsageError("This answer has no rows.", "Ask something that is answered with rows.")
    draft = SqlDraft(sql=find_sql(answer), attempt=1, completion=Completion(text="", model=WRITTEN_BY))
    query = _check(draft, database, settings.max_export_rows)
    if isinstance(query, Rejection):
        raise UsageError(query.message, query.hint)
    shown = tuple(column.name for column in answer.result.columns)
    batches = database.stream(query, timeout_s=settings.query_timeout_s * EXPORT_TIMES)
    with closing(batches):
        for batch in batches:
            names = shown if len(shown) == len(batch.names) else batch.names
            yield RowBatch(names, batch.kinds, batch.rows, batch.is_cut)


def find_sql(answer: Answer) -> str:
    """Return the SQL behind an answer as it was written, without the row limit that the guard adds.

    Raises:
        UsageError: No query was run.
    """
    if answer.query is None:
        raise UsageError("No query was run for this answer.", "Ask something that is answered with rows.")
    return answer.drafts[-1].sql if answer.drafts else _without_own_limit(answer.query)


def _check(draft: SqlDraft, database: Database, max_rows: int) -> GuardedQuery | Rejection:
    schema = database.schema()
    whole = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)
    return check(draft, whole, max_rows=max_rows)


def _without_own_limit(query: GuardedQuery) -> str:
    """Take away a limit of exactly one row more than may be returned: nobody but the guard writes that."""
    try:
        tokens = read_tokens(query.sql, query.dialect)
        (tree,) = (part for part in read_statements(tokens, query.sql, query.dialect) if part is not None)
        limit = tree.args.get("limit")
        count = limit.expression if isinstance(limit, exp.Limit) else None
        if isinstance(count, exp.Literal) and count.name == str(query.max_rows + 1):
            tree.set("limit", None)
            return write(tree, query.dialect)
    except (SqlglotError, TooComplex, ValueError):
        pass
    return query.sql
