"""The numbers of a run as tables for a terminal.

In: Metrics. Out: text; no line is wider than 100 characters if names are short. Counts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

from evaluation.metrics import Metrics
from evaluation.rates import Rate, render_rate


def render_metrics(metrics: Metrics) -> str:
    """Render the numbers as tables for a terminal: what matters on one screen, then the breakdowns."""
    rows = [
        ("execution accuracy, all", metrics.accuracy),
        ("  single questions", metrics.accuracy_single),
        ("  conversation turns", metrics.accuracy_turns),
        ("  whole conversations", metrics.accuracy_conversations),
        ("  where the gold has rows", metrics.accuracy_nonempty_gold),
        ("  on the database alone", metrics.accuracy_original),
        ("  extra columns allowed", metrics.accuracy_with_extra_columns),
        ("wrong, seen by variants only", metrics.caught_by_variants),
        ("same text as the gold SQL", metrics.exact_match),
        ("valid SQL", metrics.valid_sql),
        ("  at the first draft", metrics.valid_first_draft),
        ("wrongly declined", metrics.wrongly_declined),
        ("unanswerable or refuse: declined", metrics.declined),
        ("  unanswerable: said so", metrics.unanswerable),
        ("  refuse: refused", metrics.refused),
        ("  no query run", metrics.no_query_run),
        ("ambiguous: asked back", metrics.clarified),
        ("failed", metrics.failed),
    ]
    breakdowns = [
        ("difficulty", metrics.by_difficulty),
        ("turn", metrics.by_turn),
        ("dialect", metrics.by_dialect),
        ("database", metrics.by_db),
        ("kind", metrics.by_kind),
        ("style", metrics.by_style),
    ]
    # One group alone only repeats the headline.
    parts = [(f"{what} {name}", rate) for what, by in breakdowns if len(by) > 1 for name, rate in by.items()]
    return "\n".join(
        [*_render_head(metrics), "", *_align(rows), "", *_render_tail(metrics), "", *_align(parts)]
    ).rstrip()


def _render_head(metrics: Metrics) -> list[str]:
    run = metrics.run
    notes = [f"{metrics.empty_gold} with empty gold", f"{metrics.tied_gold} with ties at its LIMIT"]
    if metrics.untranslated:
        notes.append(f"{metrics.untranslated} not translated")
    return [
        f"model     {run.model} ({run.backend}) {run.model_sha256[:12]}".rstrip(),
        f"examples  {run.examples}: {metrics.n_examples}, {metrics.n_asks} asks; {', '.join(notes)}",
        f"judged    on {shorten(run.database, 60)} and up to {metrics.n_variants} variants of each",
        f"code      {run.git_commit or 'unknown'}, {run.finished_at}",
    ]


def _render_tail(metrics: Metrics) -> list[str]:
    latency, sure = metrics.latency, metrics.calibration
    lines = [
        f"latency     p50 {_render_ms(latency.p50_ms)}, p95 {_render_ms(latency.p95_ms)}",
        f"drafts      {metrics.mean_attempts or 0:.2f} per ask; tokens {metrics.prompt_tokens:,} read, "
        f"{metrics.completion_tokens:,} written; {metrics.errors} errors",
    ]
    if metrics.token_match is not None:
        lines.append(f"gold words  {metrics.token_match:.1%} found in the prediction, on average")
    if sure is not None:
        area = "-" if sure.discrimination is None else f"{sure.discrimination:.2f}"
        lines.append(
            f"confidence  {sure.mean_confidence:.2f} on average, right {sure.accuracy.rate or 0:.2f}; "
            f"calibration error {sure.expected_error:.2f}, Brier {sure.brier:.2f}, ROC area {area}"
        )
    return lines


def _align(rows: Sequence[tuple[str, Rate]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{width}}  {render_rate(rate)}" for name, rate in rows]


def _render_ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"
