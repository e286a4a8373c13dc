"""From predictions to scores: gold SQL and predicted SQL take the same road, and their results are compared.

In: what was asked, what the assistant made of it, and the addresses of a database, of its variants and, where the gold
SQL is written for another database, of that one. Out: one Score per prediction, with its reason. Gold that does not
work stops the run (`evaluation.gold`). Who answered, and how, is not this file's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from assistant.errors import DatabaseError
from assistant.types import QueryResult, Record, Rejection, Status
from evaluation.cache import ResultCache
from evaluation.compare import Verdict
from evaluation.difficulty import measure_difficulty
from evaluation.examples import Ask, Expectation
from evaluation.execution import Executor
from evaluation.gold import Gold, GoldQueries, compare_with_gold
from evaluation.records import Prediction, ResultPreview, Score
from evaluation.text_match import exact_match, token_match

MAX_JUDGED_ROWS = 100_000
"""Most rows of a gold or predicted result: far above what people read, so that no right result is cut."""

RIGHT_STATUS: dict[Expectation, Status] = {
    "answer": "answered",
    "unanswerable": "unanswerable",
    "refuse": "refused",
    "clarify": "clarify",
}
"""What is expected -> how the question should end."""


class JudgeConfig(Record):
    """What a Judge works with; small, so that it can be sent to another process."""

    db_id: str
    """Name of the database among those of the run."""
    url: str
    """Its address."""
    gold_url: str | None = None
    """Address of the database that the gold SQL is written for, when that is another one with the same content."""
    variant_urls: tuple[str, ...] = ()
    """Addresses of its variants."""
    timeout_s: float
    """Seconds after which a query is stopped."""
    max_rows: int = MAX_JUDGED_ROWS
    """Rows that a result may have."""
    cache_path: Path | None = None
    """File in which results are kept; None to keep none."""


class Preparation(Record):
    """What came of running all gold SQL of one database."""

    n_gold: int
    """Gold queries that work."""
    n_empty: int
    """Of them, those without rows."""
    tied: tuple[str, ...]
    """Asks whose gold LIMIT cuts between rows that tie."""
    untranslated: tuple[str, ...]
    """Asks whose gold SQL could not be carried into the database's dialect with the same result."""


class Judge:
    """Judges the predictions for one database; use it in a `with` block."""

    def __init__(self, config: JudgeConfig) -> None:
        """Open the databases.

        Raises:
            UsageError: An address cannot be used.
            DatabaseError: A database cannot be opened.
        """
        self._config = config
        self._cache = ResultCache(config.cache_path) if config.cache_path else None
        self._opened: list[Executor] = []
        try:
            self._here = self._open(config.url)
            source = self._open(config.gold_url) if config.gold_url else self._here
            self._variants = [self._open(url) for url in config.variant_urls]
        except BaseException:
            self.close()
            raise
        self._golds = GoldQueries(self._here, source, max_rows=config.max_rows)
        self.schema = self._here.schema

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the databases; calling it twice is harmless."""
        for executor in self._opened:
            executor.close()
        if self._cache is not None:
            self._cache.close()

    def prepare(self, asks: Iterable[Ask]) -> Preparation:
        """Run all gold SQL.

        Raises:
            DataError: Gold SQL was rejected, failed, ran past its time or has too many rows; names the example.
        """
        n_gold = n_empty = 0
        tied: list[str] = []
        untranslated: list[str] = []
        for ask in asks:
            if ask.gold_sql is None:
                continue
            gold = self._golds.find(ask)
            if gold is None:
                untranslated.append(ask.name)
                continue
            n_gold += 1
            n_empty += not gold.execution.result.rows
            if gold.has_ties:
                tied.append(ask.name)
        if self._cache is not None:
            self._cache.flush()
        return Preparation(n_gold=n_gold, n_empty=n_empty, tied=tuple(tied), untranslated=tuple(untranslated))

    def score_all(self, pairs: Iterable[tuple[Ask, Prediction]]) -> list[Score | None]:
        """Judge predictions; as `score`."""
        scores = [self.score(ask, prediction) for ask, prediction in pairs]
        if self._cache is not None:
            self._cache.flush()
        return scores

    def score(self, ask: Ask, prediction: Prediction) -> Score | None:
        """Judge one prediction; None where its gold SQL cannot be carried into the dialect.

        Raises:
            DataError: The gold SQL does not work.
            DatabaseError: The database failed.
        """
        gold: Gold | None = None
        if ask.gold_sql is not None:
            gold = self._golds.find(ask)
            if gold is None:
                return None
        verdict, predicted = self._judge(ask, prediction, gold)
        on_variants, n_variants, failed_variant = verdict, 0, None
        if gold is not None and verdict.is_correct_with_extra_columns and predicted is not None:
            on_variants, n_variants, failed_variant = self._judge_on_variants(ask, prediction, gold, verdict)
        return Score(
            id=ask.example.id,
            turn=ask.turn,
            db_id=self._config.db_id or self.schema.db_id,
            dialect=self.schema.dialect,
            kind=ask.example.kind,
            difficulty=None if gold is None else measure_difficulty(gold.sql, self.schema.dialect),
            style=ask.example.style,
            question=ask.question,
            expect=ask.example.expect,
            is_correct=on_variants.is_correct,
            is_correct_on_original=verdict.is_correct,
            is_correct_with_extra_columns=on_variants.is_correct_with_extra_columns,
            n_variants=n_variants,
            failed_variant=failed_variant,
            is_gold_empty=gold is not None and not gold.execution.result.rows,
            has_gold_ties=gold is not None and gold.has_ties,
            exact_match=None if gold is None else exact_match(gold.sql, prediction.sql),
            token_match=None if gold is None else token_match(gold.sql, prediction.sql),
            reason=on_variants.reason,
            gold_sql=None if gold is None else gold.sql,
            gold_result=None if gold is None else ResultPreview.of(gold.execution.result),
            predicted_result=None if predicted is None else ResultPreview.of(predicted),
            prediction=prediction,
        )

    def _open(self, url: str) -> Executor:
        config = self._config
        executor = Executor(url, timeout_s=config.timeout_s, max_rows=config.max_rows, cache=self._cache)
        self._opened.append(executor)
        return executor

    def _judge(self, ask: Ask, prediction: Prediction, gold: Gold | None) -> tuple[Verdict, QueryResult | None]:
        right = RIGHT_STATUS[ask.example.expect]
        if prediction.status != right:
            reason = f"Ended as {prediction.status} instead of {right}. {prediction.error}".strip()
            return _plain(False, reason), self._look(prediction)
        if gold is None:
            return _plain(True, f"Ended as {prediction.status}."), None
        if prediction.sql.strip() == gold.sql.strip():
            return _plain(True, "Same SQL."), gold.execution.result
        found = self._try(self._here, prediction.sql)
        if isinstance(found, str):
            return _plain(False, found), None
        is_ordered = gold.execution.is_ordered and ask.is_ordered is not False
        return compare_with_gold(self._here, gold.sql, gold.execution, found, is_ordered=is_ordered), found

    def _judge_on_variants(
        self, ask: Ask, prediction: Prediction, gold: Gold, verdict: Verdict
    ) -> tuple[Verdict, int, int | None]:
        """Judge on the variants what is right on the database: the verdict, on how many, and the first that differs."""
        is_same_sql = prediction.sql.strip() == gold.sql.strip()
        n_variants = 0
        for number, variant in enumerate(self._variants, start=1):
            execution = self._golds.find_on_variant(number, variant, gold.sql)
            if execution is None:
                continue
            n_variants += 1
            if is_same_sql:
                continue
            found = self._try(variant, prediction.sql)
            if isinstance(found, str):
                return _plain(False, f"On variant {number} of the database: {found}"), n_variants, number
            is_ordered = execution.is_ordered and ask.is_ordered is not False
            there = compare_with_gold(variant, gold.sql, execution, found, is_ordered=is_ordered)
            if not there.is_correct_with_extra_columns or (verdict.is_correct and not there.is_correct):
                reason = f"Right on the database, wrong on variant {number} of it: {there.reason}"
                return there.model_copy(update={"reason": reason}), n_variants, number
        return verdict, n_variants, None

    def _try(self, executor: Executor, sql: str) -> QueryResult | str:
        """Run predicted SQL; where that fails, say why. What ran when it was asked may fail here, and is wrong then."""
        try:
            found = executor.run(sql)
        except DatabaseError as error:
            return f"Failed when judged: {error.message}"
        if isinstance(found, Rejection):
            return f"Rejected by the {found.stage} when judged: {found.message}"
        return found.result

    def _look(self, prediction: Prediction) -> QueryResult | None:
        """Run SQL of a prediction that is wrong anyway, for people who read the scores."""
        found = self._try(self._here, prediction.sql) if prediction.sql else ""
        return None if isinstance(found, str) else found


def _plain(is_correct: bool, reason: str) -> Verdict:
    return Verdict(is_correct=is_correct, is_correct_with_extra_columns=is_correct, reason=reason)
