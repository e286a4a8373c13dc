"""From scored predictions to numbers: execution accuracy with its interval, declining, latency, tokens.

In: one Score per thing asked, and the facts of the run. Out: Metrics. Judges nothing itself, and draws no tables
(`evaluation.metrics_text`); every rate carries its counts and its 95 % interval, so that nobody compares noise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from pydantic import Field

from assistant.types import Record, Status
from evaluation.calibration import Calibration, calibrate
from evaluation.difficulty import LEVELS
from evaluation.rates import NOT_COUNTED, Latency, Rate, mean_of, rate_of
from evaluation.records import Score


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
    variants: int = 0
    """Variants made of each database, beside the database itself."""
    untranslated: int = 0
    """Gold SQL that could not be carried into the asked dialect with the same result: left out, and not asked."""
    jobs: int = 1
    """Questions asked at the same time."""


class Metrics(Record):
    """All numbers of a run. Written as metrics.json. A file of an older run may lack those with a default."""

    run: RunFacts
    """What was measured."""
    n_examples: int
    """Lines of the file that were used."""
    n_asks: int
    """Single questions and turns."""
    accuracy: Rate
    """Execution accuracy, on the database and all its variants, over answerable questions and turns together."""
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
    accuracy_original: Rate = NOT_COUNTED
    """As `accuracy`, on the database alone, whatever its variants say: what most evaluations report."""
    accuracy_nonempty_gold: Rate = NOT_COUNTED
    """As `accuracy`, over those whose gold result has rows."""
    caught_by_variants: Rate = NOT_COUNTED
    """Wrong answers to answerable ones, by a query that ran, that are right on the database and wrong on a variant."""
    exact_match: Rate = NOT_COUNTED
    """Answerable ones with the gold SQL's text (`evaluation.text_match`)."""
    token_match: float | None = None
    """Mean share of the gold SQL's words found in the prediction, over answerable ones."""
    by_kind: dict[str, Rate]
    """Execution accuracy by what the SQL needs."""
    by_style: dict[str, Rate]
    """Execution accuracy by how the question is worded."""
    by_difficulty: dict[str, Rate] = {}
    """Execution accuracy by how much the SQL needs, easiest first (`evaluation.difficulty`)."""
    by_db: dict[str, Rate] = {}
    """Execution accuracy by database."""
    by_dialect: dict[str, Rate] = {}
    """Execution accuracy by the dialect that was asked."""
    by_turn: dict[str, Rate] = {}
    """Execution accuracy by turn of the conversation: 1, 2 and so on."""
    calibration: Calibration | None = None
    """How far confidence can be believed, over answerable ones that were answered; None where none has one."""
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
    unanswerable: Rate = NOT_COUNTED
    """Unanswerable ones that ended as unanswerable."""
    refused: Rate = NOT_COUNTED
    """Forbidden ones that were refused."""
    no_query_run: Rate
    """Unanswerable or forbidden ones for which no query was run, whatever was said."""
    clarified: Rate
    """Ambiguous ones that were asked back about."""
    empty_gold: int
    """Answerable ones whose gold result has no rows."""
    tied_gold: int = 0
    """Answerable ones where LIMIT cuts between rows that tie, so that a right query may give others."""
    n_variants: int = 0
    """Variants that judged the prediction judged by most of them."""
    untranslated: int = 0
    """Gold SQL left out because it could not be carried into the asked dialect."""
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
    answered = [score for score in answerable if score.prediction.status == "answered"]
    conversations: defaultdict[str, list[bool]] = defaultdict(list)
    for score in turns:
        conversations[score.id].append(score.is_correct)
    predictions = [score.prediction for score in scores]
    return Metrics(
        run=facts,
        n_examples=len({score.id for score in scores}),
        n_asks=len(scores),
        accuracy=_share(answerable, _is_correct),
        accuracy_single=_share(singles, _is_correct),
        accuracy_turns=_share(turns, _is_correct),
        accuracy_conversations=rate_of([all(all_right) for all_right in conversations.values()]),
        accuracy_with_extra_columns=_share(answerable, lambda score: score.is_correct_with_extra_columns),
        accuracy_single_with_extra_columns=_share(singles, lambda score: score.is_correct_with_extra_columns),
        accuracy_original=_share(answerable, lambda score: score.is_correct_on_original),
        accuracy_nonempty_gold=_share([score for score in answerable if not score.is_gold_empty], _is_correct),
        caught_by_variants=_share(
            [score for score in answered if not score.is_correct], lambda score: score.is_correct_on_original
        ),
        exact_match=rate_of([score.exact_match for score in answerable if score.exact_match is not None]),
        token_match=mean_of([score.token_match for score in answerable if score.token_match is not None]),
        by_kind=_by(answerable, lambda score: score.kind),
        by_style=_by(answerable, lambda score: score.style),
        by_difficulty=_by(answerable, lambda score: score.difficulty, order=LEVELS.index),
        by_db=_by(answerable, lambda score: score.db_id or None),
        by_dialect=_by(answerable, lambda score: score.dialect),
        by_turn=_by(turns, lambda score: str(score.turn), order=int),
        calibration=calibrate(
            [
                (score.prediction.confidence, score.is_correct)
                for score in answered
                if score.prediction.confidence is not None
            ]
        ),
        valid_sql=_share(answerable, _has_status("answered")),
        valid_first_draft=_share(
            answerable, lambda score: score.prediction.status == "answered" and score.prediction.attempts <= 1
        ),
        wrongly_declined=_share(answerable, _has_status("clarify", "unanswerable", "refused")),
        failed=_share(scores, _has_status("failed")),
        declined=_share(forbidden, _has_status("unanswerable", "refused")),
        declined_as_expected=_share(forbidden, _is_correct),
        unanswerable=_share([s for s in forbidden if s.expect == "unanswerable"], _has_status("unanswerable")),
        refused=_share([s for s in forbidden if s.expect == "refuse"], _has_status("refused")),
        no_query_run=rate_of([score.prediction.status != "answered" for score in forbidden]),
        clarified=_share(ambiguous, _is_correct),
        empty_gold=sum(score.is_gold_empty for score in answerable),
        tied_gold=sum(score.has_gold_ties for score in answerable),
        n_variants=max((score.n_variants for score in answerable), default=0),
        untranslated=facts.untranslated,
        latency=Latency.of([prediction.latency_ms for prediction in predictions]),
        mean_attempts=mean_of([prediction.attempts for prediction in predictions]),
        prompt_tokens=sum(prediction.prompt_tokens for prediction in predictions),
        completion_tokens=sum(prediction.completion_tokens for prediction in predictions),
        errors=sum(bool(prediction.error) for prediction in predictions),
    )


def _is_correct(score: Score) -> bool:
    return score.is_correct


def _has_status(*wanted: Status) -> Callable[[Score], bool]:
    return lambda score: score.prediction.status in wanted


def _share(scores: Sequence[Score], is_hit: Callable[[Score], bool]) -> Rate:
    return rate_of([is_hit(score) for score in scores])


def _by(
    scores: Sequence[Score],
    name_of: Callable[[Score], str | None],
    *,
    order: Callable[[str], int | str] = str,
) -> dict[str, Rate]:
    """Give the accuracy of each group, in order; scores without a name belong to none."""
    groups: defaultdict[str, list[bool]] = defaultdict(list)
    for score in scores:
        name = name_of(score)
        if name is not None:
            groups[name].append(score.is_correct)
    return {name: rate_of(groups[name]) for name in sorted(groups, key=order)}
