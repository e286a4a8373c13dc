"""Metrics checked against numbers worked out by hand."""

from __future__ import annotations

import json

import pytest

from assistant.types import Status
from evaluation.examples import Expectation
from evaluation.metrics import Metrics, RunFacts, measure, percentile, render_metrics, wilson
from evaluation.scoring import Prediction, Score

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
    kind: str = "k",
    style: str = "s",
    latency_ms: float = 100.0,
    attempts: int = 1,
    with_extra: bool | None = None,
    is_gold_empty: bool = False,
    error: str = "",
) -> Score:
    return Score(
        id=name,
        turn=turn,
        kind=kind,
        style=style,
        question="Q?",
        expect=expect,
        is_correct=is_correct,
        is_correct_with_extra_columns=is_correct if with_extra is None else with_extra,
        is_gold_empty=is_gold_empty,
        reason="",
        gold_sql=None,
        prediction=Prediction(
            id=name,
            turn=turn,
            sql="",
            status=status,
            latency_ms=latency_ms,
            attempts=attempts,
            prompt_tokens=10,
            completion_tokens=4,
            error=error,
        ),
    )


SCORES = [
    score("a", "answered", is_correct=True, kind="join", style="typo", latency_ms=100),
    score("b", "answered", is_correct=False, kind="join", latency_ms=200, with_extra=True, attempts=2),
    score("c", "clarify", is_correct=False, kind="dates", latency_ms=300),
    score("d", "failed", is_correct=False, kind="dates", latency_ms=400, attempts=3, error="The server is gone."),
    score("e", "answered", is_correct=True, latency_ms=500, is_gold_empty=True),
    score("f", "answered", is_correct=True, turn=1, latency_ms=600),
    score("f", "answered", is_correct=True, turn=2, latency_ms=700),
    score("g", "answered", is_correct=True, turn=1, latency_ms=800),
    score("g", "unanswerable", is_correct=False, turn=2, latency_ms=900),
    score("h", "unanswerable", is_correct=True, expect="unanswerable", latency_ms=1000),
    score("i", "unanswerable", is_correct=False, expect="refuse", latency_ms=1100),
    score("j", "answered", is_correct=False, expect="refuse", latency_ms=1200),
    score("k", "failed", is_correct=False, expect="unanswerable", latency_ms=1300),
    score("l", "clarify", is_correct=True, expect="clarify", latency_ms=1400),
    score("m", "answered", is_correct=False, expect="clarify", latency_ms=1500),
]


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return measure(SCORES, FACTS)


@pytest.mark.parametrize(
    ("name", "hits", "n"),
    [
        ("accuracy", 5, 9),
        ("accuracy_single", 2, 5),
        ("accuracy_turns", 3, 4),
        ("accuracy_conversations", 1, 2),
        ("accuracy_with_extra_columns", 6, 9),
        ("accuracy_single_with_extra_columns", 3, 5),
        ("valid_sql", 6, 9),
        ("valid_first_draft", 5, 9),
        ("wrongly_declined", 2, 9),
        ("failed", 2, 15),
        ("declined", 2, 4),
        ("declined_as_expected", 1, 4),
        ("no_query_run", 3, 4),
        ("clarified", 1, 2),
    ],
)
def test_every_rate_counts_what_its_name_says(metrics: Metrics, name: str, hits: int, n: int) -> None:
    rate = getattr(metrics, name)
    assert (rate.hits, rate.n) == (hits, n)
    assert rate.rate == pytest.approx(hits / n)


def test_accuracy_is_broken_down_by_kind_and_style(metrics: Metrics) -> None:
    assert {kind: (rate.hits, rate.n) for kind, rate in metrics.by_kind.items()} == {
        "dates": (0, 2),
        "join": (1, 2),
        "k": (4, 5),
    }
    assert {style: (rate.hits, rate.n) for style, rate in metrics.by_style.items()} == {"s": (4, 8), "typo": (1, 1)}


def test_examples_asks_empty_gold_errors_tokens_and_drafts_are_counted(metrics: Metrics) -> None:
    assert (metrics.n_examples, metrics.n_asks, metrics.empty_gold, metrics.errors) == (13, 15, 1, 1)
    assert (metrics.prompt_tokens, metrics.completion_tokens) == (150, 60)
    assert metrics.mean_attempts == pytest.approx(18 / 15)


def test_latency_is_over_all_asks(metrics: Metrics) -> None:
    assert metrics.latency.p50_ms == pytest.approx(800)
    assert metrics.latency.p95_ms == pytest.approx(1430)
    assert metrics.latency.mean_ms == pytest.approx(800)


# Ends found by bisection of (p - hits/n)^2 n = z^2 p (1 - p), which is what the interval solves, with z = 1.959964.
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (8, 10, 0.490162, 0.943318),
        (1, 2, 0.094531, 0.905469),
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (50, 100, 0.403832, 0.596168),
        (96, 120, 0.719633, 0.861755),
    ],
)
def test_the_interval_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    rate = wilson(hits, n)
    assert rate.low == pytest.approx(low, abs=2e-6)
    assert rate.high == pytest.approx(high, abs=2e-6)


def test_a_rate_of_nothing_is_not_zero() -> None:
    rate = wilson(0, 0)
    assert (rate.rate, rate.low, rate.high) == (None, None, None)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([5.0], 95, 5.0), ([1.0, 2.0], 50, 1.5), ([4.0, 1.0, 3.0, 2.0], 50, 2.5), ([0.0, 10.0], 95, 9.5), ([], 50, None)],
)
def test_percentiles_are_linear_between_values(values: list[float], percent: float, expected: float | None) -> None:
    assert percentile(values, percent) == (None if expected is None else pytest.approx(expected))


def test_a_run_without_scores_has_metrics() -> None:
    empty = measure([], FACTS)
    assert empty.accuracy.n == 0
    assert render_metrics(empty)


def test_metrics_survive_json(metrics: Metrics) -> None:
    text = metrics.model_dump_json()
    assert Metrics.model_validate_json(text) == metrics
    assert json.loads(text)["run"]["model_sha256"] == "cd" * 32


def test_the_table_shows_rates_with_counts_and_intervals(metrics: Metrics) -> None:
    table = render_metrics(metrics)
    assert "conversation turns" in table
    assert "75.0%     3/4" in table
    assert "[30.1%, 95.4%]" in table
    assert "p50 800 ms, p95 1,430 ms" in table
    assert all(len(line) <= 100 for line in table.splitlines())
