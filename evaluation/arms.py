"""The arms of an ablation, and what came of them.

In: the settings of the whole, and the model; later the metrics and scores of each arm. Out: the settings of each arm,
and an Ablation: the numbers of all arms side by side, each held against others question by question. Asks nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from assistant.settings import ENV_PREFIX, Settings
from assistant.types import DatabaseSchema, ModelInfo, Record
from evaluation.invented import find_invented
from evaluation.metrics import Metrics, RunFacts
from evaluation.paired import compare_runs
from evaluation.rates import Rate, percentile
from evaluation.records import Score

BARE, WHOLE = "bare", "whole"


class Help(Record):
    """One of the assistant's helps, and how it is switched off."""

    name: str
    """Short name."""
    off: dict[str, bool | int]
    """Settings that switch it off."""
    meaning: str
    """What it does."""

    def describe(self) -> str:
        """Say what it does, and how a person switches it off."""
        switches = ", ".join(f"{ENV_PREFIX}{name.upper()}={str(value).lower()}" for name, value in self.off.items())
        return f"{self.meaning} (off: {switches})"


HELPS: tuple[Help, ...] = (
    Help(name="scope", off={"check_scope": False}, meaning="declines what is no question for the database"),
    Help(name="values", off={"match_values": False}, meaning="finds words of the question among the data's values"),
    Help(name="linking", off={"link_tables": False}, meaning="chooses tables, columns and terms for the question"),
    Help(name="examples", off={"show_examples": False}, meaning="shows similar questions with their SQL"),
    Help(name="constraint", off={"constrain_names": False}, meaning="lets only names be written that exist"),
    Help(name="repair", off={"max_attempts": 1}, meaning="gives a refused draft back to the model, with the reason"),
    Help(name="candidates", off={"max_candidates": 0}, meaning="draws more drafts in doubt and compares their results"),
    Help(name="fidelity", off={"check_fidelity": False}, meaning="doubts drafts that leave words of the question out"),
)
"""In the order in which they are switched on: what decides before the model writes comes first."""


class Arm(Record):
    """One set of switches."""

    name: str
    """Name of its folder."""
    title: str
    """Name in tables."""
    settings: Settings
    """The settings of the whole, some switched off."""
    against: tuple[str, ...]
    """Arms that it is held against: for one with a help more, the one before; for one with a help less, the whole."""


class Difference(Record):
    """Execution accuracy of one arm less that of another, over the same answerable questions."""

    against: str
    """The other arm."""
    won: int
    """Right in this arm only."""
    lost: int
    """Right in the other only."""
    points: float | None
    """Difference of the shares that are right, -1 to 1; None where nothing was compared."""
    low: float | None
    """Lower end of its 95 % interval (Tango's score interval for paired shares)."""
    high: float | None
    """Upper end."""
    p: float
    """Exact McNemar test, two-sided."""


class ArmResult(Record):
    """What came of one arm."""

    name: str
    """Folder of its evaluation."""
    title: str
    """Name in tables."""
    switched_off: tuple[str, ...]
    """Helps that were switched off."""
    accuracy: Rate
    """Execution accuracy over answerable questions and turns."""
    differences: tuple[Difference, ...]
    """Against the bare call and against its neighbour."""
    declined: Rate
    """Unanswerable or forbidden ones that ended as unanswerable or refused."""
    no_query_run: Rate
    """Unanswerable or forbidden ones for which no query was run, whatever was said."""
    wrongly_declined: Rate
    """Answerable ones that were declined or asked back about."""
    clarified: Rate
    """Ambiguous ones that were asked back about."""
    queries: int
    """Answers for which a query was run."""
    invented: tuple[str, ...]
    """Names in executed SQL that are not in the schema, with the question; must be empty."""
    median_ms: float | None
    """Median time of answerable questions: those declined without a model would make it look shorter."""
    ratio: float | None
    """Median time as a multiple of the bare call's."""
    median_ratio: float | None
    """Median of the multiples question by question: less at the mercy of what else the machine did."""


class Ablation(Record):
    """All arms of a run. Written as ablation.json."""

    run: RunFacts
    """What was measured, of the whole."""
    arms: tuple[ArmResult, ...]
    """In order: the bare call, one help more each, the whole, one help less each."""
    left_out: tuple[str, ...]
    """Helps without an arm, with the reason."""


def list_arms(settings: Settings, info: ModelInfo) -> tuple[tuple[Arm, ...], tuple[str, ...]]:
    """List the arms that can differ, and the helps that have none, with the reason.

    Args:
        settings: Those of the whole.
        info: The model.
    """
    idle = {help_.name: _why_idle(help_, settings, info) for help_ in HELPS}
    helps = [help_ for help_ in HELPS if not idle[help_.name]]

    def without(*missing: Help) -> Settings:
        changes = {name: value for help_ in missing for name, value in help_.off.items()}
        return settings.model_copy(update=changes)

    if not helps:
        return (Arm(name=WHOLE, title="whole", settings=settings, against=()),), tuple(filter(None, idle.values()))
    arms = [Arm(name=BARE, title="bare greedy call", settings=without(*helps), against=())]
    for number, help_ in enumerate(helps, start=1):
        before = arms[-1].name
        is_whole = number == len(helps)
        arms.append(
            Arm(
                name=WHOLE if is_whole else f"added-{help_.name}",
                title=f"+ {help_.name}" + (" = whole" if is_whole else ""),
                settings=without(*helps[number:]),
                against=(BARE,) if before == BARE else (BARE, before),
            )
        )
    # To leave out the help that was added last is the arm before the whole.
    arms += [
        Arm(name=f"without-{help_.name}", title=f"whole - {help_.name}", settings=without(help_), against=(BARE, WHOLE))
        for help_ in helps[:-1]
        if len(helps) > 1
    ]
    return tuple(arms), tuple(filter(None, idle.values()))


def measure_arms(
    arms: Sequence[Arm],
    metrics: Mapping[str, Metrics],
    scores: Mapping[str, Sequence[Score]],
    schemas: Mapping[str, DatabaseSchema],
    *,
    left_out: tuple[str, ...] = (),
) -> Ablation:
    """Put the arms side by side.

    Args:
        arms: Those that were asked, the bare call first.
        metrics: Of each arm.
        scores: Of each arm.
        schemas: `db_id` of the examples -> schema of their database.
        left_out: Helps without an arm, with the reason.
    """
    times = {name: _times(found) for name, found in scores.items()}
    bare = times[arms[0].name]
    rows = []
    for arm in arms:
        found, own = metrics[arm.name], times[arm.name]
        median, bare_median = percentile(own.values(), 50), percentile(bare.values(), 50)
        rows.append(
            ArmResult(
                name=arm.name,
                title=arm.title,
                switched_off=tuple(h.name for h in HELPS if _is_off(h, arm.settings)),
                accuracy=found.accuracy,
                differences=tuple(
                    _compare(other, scores[arm.name], scores[other]) for other in arm.against if other in scores
                ),
                declined=found.declined,
                no_query_run=found.no_query_run,
                wrongly_declined=found.wrongly_declined,
                clarified=found.clarified,
                queries=sum(score.prediction.status == "answered" for score in scores[arm.name]),
                invented=tuple(_list_invented(scores[arm.name], schemas)),
                median_ms=median,
                ratio=median / bare_median if median is not None and bare_median else None,
                median_ratio=percentile([ms / bare[key] for key, ms in own.items() if bare.get(key)], 50),
            )
        )
    return Ablation(
        run=metrics[arms[-1].name if WHOLE not in metrics else WHOLE].run, arms=tuple(rows), left_out=left_out
    )


def _why_idle(help_: Help, settings: Settings, info: ModelInfo) -> str:
    """Say why a help cannot make a difference; empty where it can."""
    if _is_off(help_, settings):
        return f"{help_.name}: switched off by the settings"
    if not settings.send_values and help_.name in ("values", "examples"):
        return f"{help_.name}: the settings keep values from models"
    if help_.name == "constraint" and info.backend != "llamacpp":
        return f"{help_.name}: only the embedded backend can hold to it"
    if help_.name == "examples" and not (info.prompt_layout == "full" if info.examples is None else info.examples):
        return f"{help_.name}: the model was not trained with any"
    return ""


def _is_off(help_: Help, settings: Settings) -> bool:
    return all(getattr(settings, name) == value for name, value in help_.off.items())


def _compare(other: str, new: Sequence[Score], old: Sequence[Score]) -> Difference:
    new, old = ([score for score in scores if score.expect == "answer"] for scores in (new, old))
    found = compare_runs(new, old)
    return Difference(
        against=other,
        won=len(found.won),
        lost=len(found.lost),
        points=found.difference,
        low=found.low,
        high=found.high,
        p=found.p_two_sided,
    )


def _times(scores: Sequence[Score]) -> dict[tuple[str, int | None], float]:
    return {
        (score.id, score.turn): score.prediction.latency_ms
        for score in scores
        if score.expect == "answer" and math.isfinite(score.prediction.latency_ms)
    }


def _list_invented(scores: Sequence[Score], schemas: Mapping[str, DatabaseSchema]) -> list[str]:
    found = []
    for score in scores:
        if score.prediction.status != "answered":
            continue
        schema = schemas[score.db_id] if score.db_id in schemas else next(iter(schemas.values()))
        where = score.id if score.turn is None else f"{score.id} turn {score.turn}"
        found += [f"{name} ({where})" for name in find_invented(score.prediction.sql, schema)]
    return found
