"""Gold SQL: what the right answer to a question is, and whether that is certain.

In: the gold SQL of an ask, and the open databases: the one that is judged on, the one that the gold SQL is written for,
and variants. Out: what it gives there, each statement run once; and the verdict on another result beside it. Gold that
does not work is an error that names the example: a score against it would mean nothing. Sees no prediction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from assistant.errors import DatabaseError, DataError
from assistant.types import QueryResult, Rejection
from evaluation.cache import Execution
from evaluation.compare import Verdict, same_result
from evaluation.dialects import translate
from evaluation.examples import Ask
from evaluation.execution import Executor
from evaluation.ties import break_ties, expose_sort_keys, tie_groups

_LIMIT = re.compile(r"\b(?:limit|offset|fetch)\b", re.IGNORECASE)
"""Without one of these words there is no LIMIT, and no need to read the tree."""


class Gold(NamedTuple):
    """Gold SQL that works."""

    sql: str
    """In the dialect of the database that is judged on."""
    execution: Execution
    """What it gives."""
    has_ties: bool
    """Whether LIMIT cuts between rows that tie."""


class GoldQueries:
    """The gold SQL of one database, each run when it is first needed."""

    def __init__(self, here: Executor, source: Executor, *, max_rows: int) -> None:
        """Take the open databases.

        Args:
            here: Where it is judged.
            source: What the gold SQL is written for; the same one, or another with the same content.
            max_rows: Rows that a result may have, for the message where it has more.
        """
        self._here, self._source, self._max_rows = here, source, max_rows
        self._found: dict[str, Gold | None] = {}
        self._on_variants: dict[tuple[int, str], Execution | None] = {}

    def find(self, ask: Ask) -> Gold | None:
        """Give the gold of an ask that has some; None where it cannot be carried into the dialect with the same result.

        Raises:
            DataError: It was rejected, failed, ran past its time or has too many rows; names the example.
        """
        assert ask.gold_sql is not None
        if ask.gold_sql not in self._found:
            self._found[ask.gold_sql] = self._run(ask.gold_sql, f"The gold SQL of '{ask.name}'")
        return self._found[ask.gold_sql]

    def find_on_variant(self, number: int, variant: Executor, sql: str) -> Execution | None:
        """Run gold SQL on a variant; None where it does not work or has no certain result there."""
        key = number, sql
        if key not in self._on_variants:
            try:
                found = variant.run(sql)
            except DatabaseError:
                found = None
            if isinstance(found, Rejection) or found is None or found.result.is_truncated:
                self._on_variants[key] = None
            else:
                self._on_variants[key] = found if _is_certain(variant, sql, found) else None
        return self._on_variants[key]

    def _run(self, sql: str, name: str) -> Gold | None:
        execution = self._run_certainly(self._source, sql, name)
        if self._source is not self._here:
            translated = self._carry_over(sql, execution)
            if translated is None:
                return None
            sql, execution = translated
        has_ties = not _is_certain(self._here, sql, execution)
        return Gold(sql, execution, has_ties)

    def _run_certainly(self, executor: Executor, sql: str, name: str) -> Execution:
        try:
            execution = executor.run(sql)
        except DatabaseError as error:
            raise DataError(f"{name} failed: {error.message}", "Correct it, or fit it to the database.") from error
        if isinstance(execution, Rejection):
            raise DataError(
                f"{name} was rejected by the {execution.stage} ({execution.rule}): {execution.message}",
                execution.hint or "Correct it; gold SQL takes the same road as the model's.",
            )
        if execution.result.is_truncated:
            raise DataError(
                f"{name} has more than {self._max_rows:,} rows.", "Ask for fewer; a cut result cannot be judged."
            )
        return execution

    def _carry_over(self, sql: str, execution: Execution) -> tuple[str, Execution] | None:
        """Translate gold SQL into the dialect of the database; None unless it gives the same there."""
        try:
            translated = translate(sql, self._source.schema, self._here.schema)
            carried = self._here.run(translated)
        except (DataError, DatabaseError):
            return None
        if isinstance(carried, Rejection):
            return None
        verdict = compare_with_gold(self._source, sql, execution, carried.result, is_ordered=execution.is_ordered)
        return (translated, carried) if verdict.is_correct else None


def compare_with_gold(
    executor: Executor, gold_sql: str, gold: Execution, predicted: QueryResult, *, is_ordered: bool
) -> Verdict:
    """Hold a result against that of gold SQL.

    Args:
        executor: The database that the gold SQL ran on.
        gold_sql: The gold SQL.
        gold: What it gives there.
        predicted: The other result.
        is_ordered: Whether the order of rows counts, as far as the gold SQL decides it.
    """
    verdict = same_result(gold.result, predicted, is_ordered)
    if verdict.is_correct or not is_ordered or not same_result(gold.result, predicted, False).is_correct:
        return verdict
    # The same rows in another order: right all the same where the gold's order does not decide between them.
    groups = _read_ties(executor, gold_sql, gold)
    return verdict if groups is None else same_result(gold.result, predicted, True, tie_groups=groups)


def _is_certain(executor: Executor, sql: str, execution: Execution) -> bool:
    """Tell whether the rows of gold SQL do not depend on how its LIMIT breaks ties."""
    if not _LIMIT.search(sql):
        return True
    results = []
    for is_ascending in (True, False):
        n_columns = len(execution.result.columns)
        broken = break_ties(sql, executor.schema.dialect, is_ascending=is_ascending, n_columns=n_columns)
        if broken is None:
            return True
        try:
            found = executor.run(broken)
        except DatabaseError:
            return True
        if isinstance(found, Rejection):
            return True
        results.append(found.result)
    return same_result(results[0], results[1], is_ordered=False).is_correct


def _read_ties(executor: Executor, sql: str, gold: Execution) -> Sequence[int] | None:
    """Number the rows of an ordered gold result by what they are sorted by; None where that cannot be told."""
    keys = expose_sort_keys(sql, executor.schema.dialect)
    if keys is None:
        return None
    try:
        found = executor.run(keys.sql)
    except DatabaseError:
        return None
    if isinstance(found, Rejection) or len(found.result.rows) != len(gold.result.rows):
        return None
    return tie_groups(found.result.rows, keys.positions)
