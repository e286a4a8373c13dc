"""Scores and facts of a run, made by hand, for tests of what is counted from them."""

from __future__ import annotations

from assistant.types import Dialect, Status
from evaluation.examples import Expectation
from evaluation.metrics import RunFacts
from evaluation.records import Difficulty, Prediction, Score

FACTS = RunFacts(
    command="queryforge eval --examples e.jsonl --out runs/e",
    examples="e.jsonl",
    examples_sha256="ab" * 32,
    limit=None,
    model="tiny.gguf",
    model_sha256="cd" * 32,
    backend="llamacpp",
    database="shop",
    schema_fingerprint="ef" * 32,
    git_commit="0123abc",
    started_at="2026-01-01T00:00:00+00:00",
    finished_at="2026-01-01T00:01:00+00:00",
    max_rows=100_000,
    max_attempts=3,
)


def score(
    name: str,
    status: Status,
    *,
    is_correct: bool,
    expect: Expectation = "answer",
    turn: int | None = None,
    db_id: str = "",
    dialect: Dialect = "sqlite",
    kind: str = "k",
    difficulty: Difficulty | None = None,
    style: str = "s",
    latency_ms: float = 100.0,
    attempts: int = 1,
    on_original: bool | None = None,
    with_extra: bool | None = None,
    n_variants: int = 0,
    is_gold_empty: bool = False,
    has_gold_ties: bool = False,
    exact_match: bool | None = None,
    token_match: float | None = None,
    confidence: float | None = None,
    question: str = "Q?",
    gold_sql: str | None = None,
    error: str = "",
) -> Score:
    return Score(
        id=name,
        turn=turn,
        db_id=db_id,
        dialect=dialect,
        kind=kind,
        difficulty=difficulty,
        style=style,
        question=question,
        expect=expect,
        is_correct=is_correct,
        is_correct_on_original=is_correct if on_original is None else on_original,
        is_correct_with_extra_columns=is_correct if with_extra is None else with_extra,
        n_variants=n_variants,
        is_gold_empty=is_gold_empty,
        has_gold_ties=has_gold_ties,
        exact_match=exact_match,
        token_match=token_match,
        reason="",
        gold_sql=gold_sql,
        prediction=Prediction(
            id=name,
            turn=turn,
            sql="",
            status=status,
            latency_ms=latency_ms,
            attempts=attempts,
            prompt_tokens=10,
            completion_tokens=4,
            confidence=confidence,
            error=error,
        ),
    )


def scores_of(outcomes: str) -> list[Score]:
    """Make one answerable score a letter: `+` right, `-` wrong, each with its place as its id."""
    return [
        score(f"q{place}", "answered", is_correct=letter == "+", gold_sql=f"SELECT {place}")
        for place, letter in enumerate(outcomes)
    ]
