"""What a report says, before it is laid out: figures, groups, the comparison with an older run, the worst questions.

In: the scores and metrics of one run, and of an older one to hold it against. Out: Findings, which Markdown and the
page both show. Judges nothing and draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.errors import mask_secrets
from assistant.writing import counted
from evaluation.gate import GateRecord
from evaluation.metrics import Metrics
from evaluation.rates import Rate
from evaluation.records import Score
from evaluation.reporting.comparison import compare
from evaluation.reporting.questions import rank_worst, summarise_worst
from evaluation.reporting.records import Breakdown, Findings, GateFindings, Line
from evaluation.reporting.text import NOTHING, best_first, format_ms, one_line, visible, write_interval, write_share

MAX_PLOTTED_GROUPS = 40
"""Groups beyond this have a table and no picture."""


def find(
    metrics: Metrics,
    scores: Sequence[Score],
    *,
    gate: GateRecord | None = None,
    old: tuple[Metrics, Sequence[Score]] | None = None,
    max_worst: int,
) -> Findings:
    """Gather what a report says.

    Args:
        metrics: Figures of the run.
        scores: Its scores.
        gate: Verdict of its gate.
        old: Metrics and scores of an older run.
        max_worst: How many wrong questions to show.

    Raises:
        DataError: The two runs have no question in common.
    """
    wrong = rank_worst(scores)
    run = metrics.run
    return Findings(
        title=one_line(f"Evaluation of {run.model} on {run.database}"),
        summary=_summarise(metrics),
        metrics=metrics,
        facts=_list_facts(metrics),
        headline=_list_headline(metrics),
        costs=_list_costs(metrics),
        breakdowns=_break_down(metrics),
        confidence=_list_confidence(metrics),
        times_ms=tuple(score.prediction.latency_ms for score in scores),
        gate=_show_gate(gate) if gate else None,
        comparison=compare(metrics, scores, *old, old_facts=_list_facts(old[0])) if old else None,
        worst=wrong[:max_worst],
        worst_summary=summarise_worst(len(wrong), max_worst),
    )


def _summarise(metrics: Metrics) -> str:
    rate = metrics.accuracy
    if rate.rate is None:
        return "No question of this run expects an answer."
    sentence = (
        f"{write_share(rate.rate)} of the {rate.n:,} questions and turns that can be answered were answered right "
        f"(95 % interval {write_interval(rate)})."
    )
    if metrics.n_variants:
        variants = counted(metrics.n_variants, "variant")
        sentence += f" Right means: the result of the gold SQL, on the database and on up to {variants} of it."
    return sentence


def _list_facts(metrics: Metrics) -> tuple[Line, ...]:
    run = metrics.run
    first = f", the first {run.limit}" if run.limit else ""
    untranslated = (
        f", {metrics.untranslated:,} not to be had in this dialect and left out" if metrics.untranslated else ""
    )
    gold = f"{metrics.empty_gold:,} without rows, {metrics.tied_gold:,} whose LIMIT cuts between ties{untranslated}"
    facts = (
        ("Model", f"{run.model} ({run.backend})"),
        ("Model SHA-256", run.model_sha256),
        ("Database", run.database),
        ("Schema fingerprint", run.schema_fingerprint),
        ("Variants of each database", f"{run.variants:,}"),
        ("Examples", f"{run.examples}{first}: {metrics.n_examples:,}, with {metrics.n_asks:,} asks"),
        ("Examples SHA-256", run.examples_sha256),
        ("Gold results", gold),
        ("Asked at the same time", counted(run.jobs, "question")),
        ("Code", run.git_commit or "unknown"),
        ("Command", run.command),
        ("Time", f"{run.started_at} to {run.finished_at}"),
    )
    # An address in the command may hold a password.
    return tuple(Line(name=name, value=visible(mask_secrets(value))) for name, value in facts if value)


def _list_headline(metrics: Metrics) -> tuple[Line, ...]:
    m = metrics
    rates: tuple[tuple[str, Rate | float | None], ...] = (
        ("Execution accuracy", m.accuracy),
        ("Accuracy on the database alone, without its variants", m.accuracy_original),
        ("Accuracy where the gold result has rows", m.accuracy_nonempty_gold),
        ("Accuracy with extra columns allowed", m.accuracy_with_extra_columns),
        ("Accuracy of single questions", m.accuracy_single),
        ("Accuracy of conversation turns", m.accuracy_turns),
        ("Conversations right in every turn", m.accuracy_conversations),
        ("Wrong results that only a variant shows", m.caught_by_variants),
        ("Same SQL text as the gold SQL", m.exact_match),
        ("Words of the gold SQL found in the prediction, mean", m.token_match),
        ("Valid SQL", m.valid_sql),
        ("Valid SQL at the first draft", m.valid_first_draft),
        ("Wrongly declined", m.wrongly_declined),
        ("Unanswerable: said so", m.unanswerable),
        ("Forbidden: refused", m.refused),
        ("Unanswerable or forbidden: declined in either way", m.declined),
        ("Unanswerable or forbidden: no query run", m.no_query_run),
        ("Ambiguous: asked back", m.clarified),
        ("Ended without an answer", m.failed),
    )
    return tuple(
        Line.of(name, rate) if isinstance(rate, Rate) else Line(name=name, value=write_share(rate))
        for name, rate in rates
        if rate is m.accuracy or (rate.n if isinstance(rate, Rate) else rate is not None)
    )


def _list_costs(metrics: Metrics) -> tuple[Line, ...]:
    m = metrics
    lines = (
        ("Time per ask, median", format_ms(m.latency.p50_ms)),
        ("Time per ask, 95th percentile", format_ms(m.latency.p95_ms)),
        ("Drafts per ask, mean", NOTHING if m.mean_attempts is None else f"{m.mean_attempts:.2f}"),
        ("Tokens read", f"{m.prompt_tokens:,}"),
        ("Tokens written", f"{m.completion_tokens:,}"),
        ("Asks that broke", f"{m.errors:,}"),
    )
    return tuple(Line(name=name, value=value) for name, value in lines)


def _break_down(metrics: Metrics) -> tuple[Breakdown, ...]:
    m = metrics
    all_of_them = (
        Breakdown(title="By kind", column="Kind", rates=best_first(m.by_kind), is_plotted=True),
        Breakdown(title="By difficulty", column="Difficulty", rates=m.by_difficulty, is_plotted=True),
        Breakdown(title="By style", column="Style", rates=best_first(m.by_style), is_plotted=True),
        Breakdown(title="By turn of a conversation", column="Turn", rates=m.by_turn, is_plotted=False),
        Breakdown(title="By database", column="Database", rates=best_first(m.by_db), is_plotted=True),
        Breakdown(title="By dialect", column="Dialect", rates=best_first(m.by_dialect), is_plotted=False),
    )
    # One group says no more than the whole; very many make a picture that nobody can take in.
    return tuple(
        found.model_copy(update={"is_plotted": found.is_plotted and len(found.rates) <= MAX_PLOTTED_GROUPS})
        for found in all_of_them
        if len(found.rates) > 1
    )


def _list_confidence(metrics: Metrics) -> tuple[Line, ...]:
    found = metrics.calibration
    if found is None:
        return ()
    order = NOTHING if found.discrimination is None else f"{found.discrimination:.2f}"
    return (
        Line(name="Answers with a confidence", value=f"{found.n:,}"),
        Line(name="Mean confidence", value=write_share(found.mean_confidence)),
        Line.of("Right", found.accuracy),
        Line(name="Expected calibration error (0 is best)", value=f"{found.expected_error:.3f}"),
        Line(name="Brier score (0 is best, always saying 50 % gives 0.25)", value=f"{found.brier:.3f}"),
        Line(name="Chance that a right answer is surer than a wrong one (0.5 tells nothing)", value=order),
    )


def _show_gate(record: GateRecord) -> GateFindings:
    words = {True: "met", False: "not met", None: "not checked"}
    against = f", held against {record.served.model} ({record.served.backend})" if record.served else ""
    return GateFindings(
        verdict=f"The gate was {'passed' if record.is_passed else 'not passed'}{against}.",
        checks=tuple((check.name, words[check.is_passed], check.reason) for check in record.checks),
    )
