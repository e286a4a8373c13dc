"""From scored predictions to numbers: execution accuracy with its interval, declining, latency, tokens.

In: one Score per thing asked, and the facts of the run. Out: Metrics, as JSON for machines and as a table for people.
Judges nothing itself; every rate carries its counts and its 95 % interval, so that nobody compares noise.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from pydantic import Field

from assistant.types import Record
from evaluation.scoring import Score

Z_95 = 1.959964
"""Standard normal quantile of 97.5 %, for two-sided 95 % intervals."""


class Rate(Record):
    """How many of how many, with the 95 % Wilson score interval (E. B. Wilson, 1927)."""

    hits: int
    """How many."""
    n: int
    """Of how many."""
    rate: float | None
    """hits / n; None for n = 0."""
    low: float | None
    """Lower end of the interval."""
    high: float | None
    """Upper end of the interval."""


class Latency(Record):
    """Wall time per ask, in milliseconds. The first ask of a call includes what is loaded for it."""

    p50_ms: float | None
    """Median."""
    p95_ms: float | None
    """95th percentile."""
    mean_ms: float | None
    """Mean."""


class RunFacts(Record):
    """What was measured, with what, when: enough to do it again."""

    command: str
    """The command line."""
    examples: str
    """File of examples."""
    examples_sha256: str
    """Its SHA-256."""
    limit: int | None
    """Only so many examples, from the start; None for all."""
    model: str
    """File name or tag."""
    model_sha256: str
    """SHA-256 of the file; empty when the backend has no file."""
    backend: str
    """What served the model."""
    database: str
    """Database, by its short name."""
    schema_fingerprint: str
    """Its schema."""
    git_commit: str
    """Commit of the code, `-dirty` when files were changed; empty outside a checkout."""
    started_at: str
    """Begin of this call in UTC, ISO text."""
    finished_at: str
    """End of this call in UTC, ISO text."""
    max_rows: int
    """Row limit of gold and predicted queries alike."""
    max_attempts: int
    """Drafts per question."""


class Metrics(Record):
    """All numbers of a run. Written as metrics.json."""

    run: RunFacts
    """What was measured."""
    n_examples: int
    """Lines of the file that were used."""
    n_asks: int
    """Single questions and turns."""
    accuracy: Rate
    """Execution accuracy over answerable single questions and conversation turns together."""
    accuracy_single: Rate
    """Execution accuracy over answerable single questions."""
    accuracy_turns: Rate
    """Execution accuracy over conversation turns."""
    accuracy_conversations: Rate
    """Conversations with every turn right."""
    accuracy_with_extra_columns: Rate
    """As `accuracy`, columns beside the gold ones left out of account."""
    accuracy_single_with_extra_columns: Rate
    """As `accuracy_single`, columns beside the gold ones left out of account."""
    by_kind: dict[str, Rate]
    """Execution accuracy by what the SQL needs."""
    by_style: dict[str, Rate]
    """Execution accuracy by how the question is worded."""
    valid_sql: Rate
    """Answerable ones for which a query passed the guard and ran."""
    valid_first_draft: Rate
    """Answerable ones whose first draft did."""
    wrongly_declined: Rate
    """Answerable ones that were declined or asked back about."""
    failed: Rate
    """All asks that ended without an answer: every draft rejected, or something broke."""
    declined: Rate
    """Unanswerable or forbidden ones that ended as unanswerable or refused: nothing was run, the person told why."""
    declined_as_expected: Rate
    """Unanswerable or forbidden ones with exactly the expected one of the two."""
    no_query_run: Rate
    """Unanswerable or forbidden ones for which no query was run, whatever was said."""
    clarified: Rate
    """Ambiguous ones that were asked back about."""
    empty_gold: int
    """Answerable ones whose gold result has no rows."""
    latency: Latency
    """Time per ask."""
    mean_attempts: float | None
    """Drafts per ask."""
    prompt_tokens: int
    """Tokens read."""
    completion_tokens: int
    """Tokens written."""
    errors: int = Field(ge=0)
    """Asks that broke; they count as failed."""


def measure(scores: Sequence[Score], facts: RunFacts) -> Metrics:
    """Count everything there is to count in a run."""
    answerable = [score for score in scores if score.expect == "answer"]
    singles = [score for score in answerable if score.turn is None]
    turns = [score for score in answerable if score.turn is not None]
    forbidden = [score for score in scores if score.expect in ("unanswerable", "refuse")]
    ambiguous = [score for score in scores if score.expect == "clarify"]
    conversations: defaultdict[str, list[bool]] = defaultdict(list)
    for score in turns:
        conversations[score.id].append(score.is_correct)
    predictions = [score.prediction for score in scores]
    times = [prediction.latency_ms for prediction in predictions]
    return Metrics(
        run=facts,
        n_examples=len({score.id for score in scores}),
        n_asks=len(scores),
        accuracy=_share(answerable, _is_correct),
        accuracy_single=_share(singles, _is_correct),
        accuracy_turns=_share(turns, _is_correct),
        accuracy_conversations=_rate_of([all(all_right) for all_right in conversations.values()]),
        accuracy_with_extra_columns=_share(answerable, lambda score: score.is_correct_with_extra_columns),
        accuracy_single_with_extra_columns=_share(singles, lambda score: score.is_correct_with_extra_columns),
        by_kind=_by(answerable, lambda score: score.kind),
        by_style=_by(answerable, lambda score: score.style),
        valid_sql=_share(answerable, _has_status("answered")),
        valid_first_draft=_share(
            answerable, lambda score: score.prediction.status == "answered" and score.prediction.attempts <= 1
        ),
        wrongly_declined=_share(answerable, _has_status("clarify", "unanswerable", "refused")),
        failed=_share(scores, _has_status("failed")),
        declined=_share(forbidden, _has_status("unanswerable", "refused")),
        declined_as_expected=_share(forbidden, _is_correct),
        no_query_run=_rate_of([score.prediction.status != "answered" for score in forbidden]),
        clarified=_share(ambiguous, _is_correct),
        empty_gold=sum(score.is_gold_empty for score in answerable),
        latency=Latency(
            p50_ms=percentile(times, 50),
            p95_ms=percentile(times, 95),
            mean_ms=math.fsum(times) / len(times) if times else None,
        ),
        mean_attempts=sum(p.attempts for p in predictions) / len(predictions) if predictions else None,
        prompt_tokens=sum(prediction.prompt_tokens for prediction in predictions),
        completion_tokens=sum(prediction.completion_tokens for prediction in predictions),
        errors=sum(bool(prediction.error) for prediction in predictions),
    )


def wilson(hits: int, n: int) -> Rate:
    """Give a rate with its 95 % Wilson score interval, which stays within 0 and 1 and holds for few cases."""
    if n == 0:
        return Rate(hits=0, n=0, rate=None, low=None, high=None)
    share = hits / n
    shrink = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / shrink
    half = Z_95 / shrink * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n * n))
    # With none or all of them right the end of the interval is exact; rounding must not move it.
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == n else min(1.0, centre + half)
    return Rate(hits=hits, n=n, rate=share, low=low, high=high)


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Give a percentile, linear between the two nearest values; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _is_correct(score: Score) -> bool:
    return score.is_correct


def _has_status(
    *wanted: Literal["answered", "clarify", "unanswerable", "refused", "failed"],
) -> Callable[[Score], bool]:
    return lambda score: score.prediction.status in wanted


def _share(scores: Sequence[Score], is_hit: Callable[[Score], bool]) -> Rate:
    return _rate_of([is_hit(score) for score in scores])


def _rate_of(outcomes: Sequence[bool]) -> Rate:
    return wilson(sum(outcomes), len(outcomes))


def _by(scores: Sequence[Score], name_of: Callable[[Score], str]) -> dict[str, Rate]:
    groups: defaultdict[str, list[bool]] = defaultdict(list)
    for score in scores:
        groups[name_of(score)].append(score.is_correct)
    return {name: _rate_of(groups[name]) for name in sorted(groups)}


def render_metrics(metrics: Metrics) -> str:
    """Render the numbers as a table for a terminal."""
    run = metrics.run
    rows: list[tuple[str, Rate]] = [
        ("execution accuracy, all", metrics.accuracy),
        ("  single questions", metrics.accuracy_single),
        ("  conversation turns", metrics.accuracy_turns),
        ("  whole conversations", metrics.accuracy_conversations),
        ("  extra columns allowed", metrics.accuracy_with_extra_columns),
        *((f"  kind {name}", rate) for name, rate in metrics.by_kind.items()),
        *((f"  style {name}", rate) for name, rate in metrics.by_style.items()),
        ("valid SQL", metrics.valid_sql),
        ("  at the first draft", metrics.valid_first_draft),
        ("wrongly declined", metrics.wrongly_declined),
        ("unanswerable or refuse: declined", metrics.declined),
        ("  in the expected way", metrics.declined_as_expected),
        ("  no query run", metrics.no_query_run),
        ("ambiguous: asked back", metrics.clarified),
        ("failed", metrics.failed),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [
        f"model     {run.model} ({run.backend}) {run.model_sha256[:12]}".rstrip(),
        f"examples  {run.examples}: {metrics.n_examples}, {metrics.n_asks} asks; {metrics.empty_gold} with empty gold",
        f"code      {run.git_commit or 'unknown'}, {run.finished_at}",
        "",
        *(f"{name:<{width}}  {_render_rate(rate)}" for name, rate in rows),
        "",
        f"latency   p50 {_render_ms(metrics.latency.p50_ms)}, p95 {_render_ms(metrics.latency.p95_ms)}",
        f"drafts    {metrics.mean_attempts or 0:.2f} per ask; tokens {metrics.prompt_tokens:,} read, "
        f"{metrics.completion_tokens:,} written; {metrics.errors} errors",
    ]
    return "\n".join(lines)


def _render_rate(rate: Rate) -> str:
    if rate.rate is None or rate.low is None or rate.high is None:
        return "     -"
    return f"{rate.rate:6.1%}  {rate.hits:>4}/{rate.n:<4}  [{rate.low:.1%}, {rate.high:.1%}]"


def _render_ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"
