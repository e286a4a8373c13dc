"""Metrics checked against numbers worked out by hand."""

from __future__ import annotations

import json

import pytest

from evaluation.calibration import Calibration
from evaluation.metrics import Metrics, measure
from evaluation.metrics_text import render_metrics
from evaluation.rates import Rate
from tests.evaluation.scored import FACTS, score

SCORES = [
    score("a", "answered", is_correct=True, kind="join", style="typo", latency_ms=100, n_variants=2, confidence=0.9),
    score("b", "answered", is_correct=False, kind="join", latency_ms=200, with_extra=True, attempts=2),
    score("c", "clarify", is_correct=False, kind="dates", latency_ms=300),
    score("d", "failed", is_correct=False, kind="dates", latency_ms=400, attempts=3, error="The server is gone."),
    score("e", "answered", is_correct=True, latency_ms=500, is_gold_empty=True),
    score("f", "answered", is_correct=True, turn=1, latency_ms=600, has_gold_ties=True),
    score("f", "answered", is_correct=True, turn=2, latency_ms=700),
    score("g", "answered", is_correct=True, turn=1, latency_ms=800, n_variants=3, confidence=0.7),
    score("g", "unanswerable", is_correct=False, turn=2, latency_ms=900, confidence=0.1),
    score("h", "unanswerable", is_correct=True, expect="unanswerable", latency_ms=1000, confidence=0.2),
    score("i", "unanswerable", is_correct=False, expect="refuse", latency_ms=1100),
    score("j", "answered", is_correct=False, expect="refuse", latency_ms=1200),
    score("k", "failed", is_correct=False, expect="unanswerable", latency_ms=1300),
    score("l", "clarify", is_correct=True, expect="clarify", latency_ms=1400),
    score("m", "answered", is_correct=False, expect="clarify", latency_ms=1500),
    score("n", "answered", is_correct=False, on_original=True, n_variants=1, latency_ms=800, confidence=0.8),
    score("o", "refused", is_correct=True, expect="refuse", latency_ms=800),
]


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return measure(SCORES, FACTS)


@pytest.mark.parametrize(
    ("name", "hits", "n"),
    [
        ("accuracy", 5, 10),
        ("accuracy_single", 2, 6),
        ("accuracy_turns", 3, 4),
        ("accuracy_conversations", 1, 2),
        ("accuracy_with_extra_columns", 6, 10),
        ("accuracy_single_with_extra_columns", 3, 6),
        ("accuracy_original", 6, 10),
        ("accuracy_nonempty_gold", 4, 9),
        ("caught_by_variants", 1, 2),
        ("valid_sql", 7, 10),
        ("valid_first_draft", 6, 10),
        ("wrongly_declined", 2, 10),
        ("failed", 2, 17),
        ("declined", 3, 5),
        ("declined_as_expected", 2, 5),
        ("unanswerable", 1, 2),
        ("refused", 1, 3),
        ("no_query_run", 4, 5),
        ("clarified", 1, 2),
    ],
)
def test_every_rate_counts_what_its_name_says(metrics: Metrics, name: str, hits: int, n: int) -> None:
    rate = getattr(metrics, name)
    assert (rate.hits, rate.n) == (hits, n)
    assert rate.rate == pytest.approx(hits / n)


def counts(by: dict[str, Rate]) -> dict[str, tuple[int, int]]:
    return {name: (rate.hits, rate.n) for name, rate in by.items()}


def test_accuracy_is_broken_down_by_kind_style_and_turn(metrics: Metrics) -> None:
    assert counts(metrics.by_kind) == {"dates": (0, 2), "join": (1, 2), "k": (4, 6)}
    assert counts(metrics.by_style) == {"s": (4, 9), "typo": (1, 1)}
    assert counts(metrics.by_turn) == {"1": (2, 2), "2": (1, 2)}
    assert counts(metrics.by_dialect) == {"sqlite": (5, 10)}


def test_difficulties_come_in_their_order_and_turns_by_number() -> None:
    scores = [
        score("a", "answered", is_correct=True, difficulty="extra", db_id="zoo", dialect="mysql"),
        score("b", "answered", is_correct=False, difficulty="easy", db_id="shop", dialect="postgres"),
        score("c", "answered", is_correct=True, difficulty="hard", db_id="shop", dialect="mysql"),
        score("d", "answered", is_correct=True, difficulty="medium", db_id="shop"),
        score("e", "refused", is_correct=True, expect="refuse", db_id="shop"),
        *(score("f", "answered", is_correct=True, turn=turn) for turn in range(1, 12)),
    ]
    metrics = measure(scores, FACTS)
    assert list(metrics.by_difficulty) == ["easy", "medium", "hard", "extra"]
    assert counts(metrics.by_db) == {"shop": (2, 3), "zoo": (1, 1)}
    assert counts(metrics.by_dialect) == {"mysql": (2, 2), "postgres": (0, 1), "sqlite": (12, 12)}
    assert list(metrics.by_turn) == [str(turn) for turn in range(1, 12)]


def test_text_matches_are_over_answerable_ones_that_have_them() -> None:
    scores = [
        score("a", "answered", is_correct=True, exact_match=True, token_match=1.0),
        score("b", "failed", is_correct=False, exact_match=False, token_match=0.25),
        score("c", "refused", is_correct=True, expect="refuse"),
    ]
    metrics = measure(scores, FACTS)
    assert (metrics.exact_match.hits, metrics.exact_match.n) == (1, 2)
    assert metrics.token_match == pytest.approx(0.625)


def test_calibration_is_over_answerable_ones_that_were_answered(metrics: Metrics) -> None:
    calibration = metrics.calibration
    assert isinstance(calibration, Calibration)
    assert calibration.n == 3
    assert (calibration.accuracy.hits, calibration.mean_confidence) == (2, pytest.approx(0.8))


def test_examples_asks_gold_variants_errors_tokens_and_drafts_are_counted(metrics: Metrics) -> None:
    assert (metrics.n_examples, metrics.n_asks, metrics.errors) == (15, 17, 1)
    assert (metrics.empty_gold, metrics.tied_gold, metrics.n_variants) == (1, 1, 3)
    assert (metrics.prompt_tokens, metrics.completion_tokens) == (170, 68)
    assert metrics.mean_attempts == pytest.approx(20 / 17)


def test_gold_that_could_not_be_translated_is_taken_from_the_facts() -> None:
    facts = FACTS.model_copy(update={"untranslated": 4, "variants": 3})
    metrics = measure(SCORES, facts)
    assert metrics.untranslated == 4
    assert "4 not translated" in render_metrics(metrics)


def test_latency_is_over_all_asks(metrics: Metrics) -> None:
    assert metrics.latency.p50_ms == pytest.approx(800)
    assert metrics.latency.p95_ms == pytest.approx(1420)
    assert metrics.latency.mean_ms == pytest.approx(13600 / 17)


def test_a_run_without_scores_has_metrics() -> None:
    empty = measure([], FACTS)
    assert empty.accuracy.n == 0
    assert render_metrics(empty)


def test_metrics_survive_json(metrics: Metrics) -> None:
    text = metrics.model_dump_json()
    assert Metrics.model_validate_json(text) == metrics
    assert json.loads(text)["run"]["model_sha256"] == "cd" * 32


def test_metrics_of_an_older_run_can_still_be_read(metrics: Metrics) -> None:
    fields = json.loads(metrics.model_dump_json())
    for name, field in Metrics.model_fields.items():
        if not field.is_required():
            del fields[name]
    for name in ("variants", "untranslated", "jobs"):
        del fields["run"][name]
    older = Metrics.model_validate(fields)
    assert older.accuracy == metrics.accuracy
    assert older.accuracy_original.rate is None
    assert (older.run.variants, older.run.jobs) == (0, 1)
    assert render_metrics(older)


def test_the_table_shows_rates_with_counts_and_intervals(metrics: Metrics) -> None:
    table = render_metrics(metrics)
    assert "conversation turns" in table
    assert "75.0%     3/4" in table
    assert "[30.1%, 95.4%]" in table
    assert "p50 800 ms, p95 1,420 ms" in table
    assert all(len(line) <= 100 for line in table.splitlines())


def test_the_essentials_fit_one_screen_and_come_before_the_breakdowns(metrics: Metrics) -> None:
    lines = render_metrics(metrics).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("turn 1"))
    assert first <= 30
    assert sum(line.startswith(("turn ", "kind ", "style ")) for line in lines[first:]) == len(lines) - first == 7


def test_a_breakdown_of_one_group_is_not_shown(metrics: Metrics) -> None:
    assert "dialect sqlite" not in render_metrics(metrics)
