"""The gate: is this model good enough to be served?

In: the Metrics and Scores of a finished run, those of the model now served if there is one, and GateSettings. Out: a
GateRecord, which is gate.json in the run's folder: retraining and the pipeline both read it. Asks and judges nothing.

The gate is passed when no check failed. A check that cannot be made, because the examples hold no such question or no
served run was given, is skipped, and the record and the table say so by name and reason. Accuracy is never skipped:
with too few questions there is no verdict, and no verdict is no pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from assistant.errors import DataError, UsageError
from assistant.files import write_whole
from assistant.types import Record
from evaluation.gate_checks import GateCheck, check_least, check_loss, check_most, check_size
from evaluation.metrics import Metrics, RunFacts
from evaluation.paired import PairedResult, compare_runs
from evaluation.rates import Rate
from evaluation.records import Score


class GateSettings(Record):
    """What a model has to do to be served."""

    min_accuracy: float = Field(default=0.6, ge=0, le=1)
    """Least execution accuracy, 0 to 1."""
    min_declined: float | None = Field(default=0.5, ge=0, le=1)
    """Least share of unanswerable or forbidden questions that are declined, 0 to 1; none to leave it open."""
    max_wrongly_declined: float | None = Field(default=0.2, ge=0, le=1)
    """Largest share of answerable questions that are declined or asked back about, 0 to 1; none to leave it open."""
    max_failed: float | None = Field(default=0.2, ge=0, le=1)
    """Largest share of all questions that end without an answer, 0 to 1; none to leave it open."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """A loss against the served model counts when its one-sided p is below this."""
    min_examples: int = Field(default=30, ge=1)
    """Fewest answerable questions and turns for a verdict; with 30, an accuracy is known to about 17 points."""


class GatedModel(Record):
    """A model and the run that it was judged by."""

    model: str
    """File name or tag."""
    backend: str
    """What served it."""
    sha256: str
    """SHA-256 of the file; empty when the backend has no file."""
    accuracy: Rate
    """Its execution accuracy."""
    finished_at: str
    """End of its run in UTC, ISO text."""


class GateRecord(Record):
    """The verdict. Written as gate.json."""

    is_passed: bool
    """Whether the model may be served: no check failed."""
    checks: tuple[GateCheck, ...]
    """Every check, the skipped ones too."""
    candidate: GatedModel
    """The model that was judged."""
    served: GatedModel | None
    """The model it was held against; None when there was none."""
    against_served: PairedResult | None
    """The two, question by question, over answerable questions and turns; None without a served model."""
    examples: str
    """File of examples."""
    examples_sha256: str
    """Its SHA-256."""
    settings: GateSettings
    """What was demanded."""
    decided_at: str
    """When, in UTC, ISO text."""


def decide(
    metrics: Metrics,
    scores: Sequence[Score],
    settings: GateSettings,
    served: tuple[Metrics, Sequence[Score]] | None = None,
) -> GateRecord:
    """Judge whether a model may be served.

    Args:
        metrics: Numbers of its run.
        scores: Scores of its run.
        settings: What is demanded.
        served: Run of the model now served, on the same examples.

    Raises:
        DataError: The two runs cannot be compared: other examples, database or variants.
    """
    answering = declining = None
    if served is not None:
        _demand_the_same(metrics.run, served[0].run)
        answering = compare_runs(*(_select(run, is_answerable=True) for run in (scores, served[1])))
        declining = compare_runs(*(_select(run, is_answerable=False) for run in (scores, served[1])))
    checks = (
        check_size(metrics.accuracy.n, settings.min_examples),
        check_least("execution accuracy", metrics.accuracy, settings.min_accuracy),
        check_loss("no loss in answering", answering, settings.alpha),
        check_loss("no loss in declining", declining, settings.alpha),
        check_least("declines what has no answer", metrics.declined, settings.min_declined),
        check_most("declines what has an answer", metrics.wrongly_declined, settings.max_wrongly_declined),
        check_most("ends without an answer", metrics.failed, settings.max_failed),
    )
    return GateRecord(
        is_passed=all(check.is_passed is not False for check in checks),
        checks=checks,
        candidate=_name(metrics),
        served=None if served is None else _name(served[0]),
        against_served=answering,
        examples=metrics.run.examples,
        examples_sha256=metrics.run.examples_sha256,
        settings=settings,
        decided_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def write_gate(folder: Path, record: GateRecord) -> Path:
    """Write gate.json into the folder of the run, whole or not at all; return its path.

    Raises:
        UsageError: The folder cannot be written.
    """
    path = folder / "gate.json"
    try:
        write_whole(path, record.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"Cannot write '{path}': {error}.", "Make the folder of the run writable.") from error
    return path


def render_gate(record: GateRecord) -> str:
    """Render the verdict for a terminal."""
    words = {True: "passed", False: "FAILED", None: "skipped"}
    width = max(len(check.name) for check in record.checks)
    served = "none given" if record.served is None else _render_model(record.served)
    return "\n".join(
        [
            f"gate       {'PASSED' if record.is_passed else 'FAILED'}",
            f"candidate  {_render_model(record.candidate)}",
            f"served     {served}",
            "",
            *(f"{words[check.is_passed]:<7}  {check.name:<{width}}  {check.reason}" for check in record.checks),
        ]
    )


def add_gate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the gate to a parser: `--gate`, `--against DIR`, and one for each of the settings."""
    group = parser.add_argument_group("gate")
    group.add_argument("--gate", action="store_true", help="decide whether the model may be served; exit code 1 if not")
    group.add_argument(
        "--against", type=Path, metavar="DIR", help="finished run of the model now served, to hold against"
    )
    add_demands(group)


def add_demands(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add a flag for each of the settings; of one that is not given nothing is kept."""
    for name, field in GateSettings.model_fields.items():
        parser.add_argument(
            flag_of(name),
            type=int if field.annotation is int else _read_number,
            default=argparse.SUPPRESS,
            metavar="N" if field.annotation is int else "X",
            help=f"{field.description} (default: {field.default})".replace("%", "%%"),
        )


def gate_settings_from(arguments: argparse.Namespace) -> GateSettings | None:
    """Read the settings of the gate from parsed arguments; None without `--gate`.

    Raises:
        UsageError: A value is out of range, or a flag of the gate was given without `--gate`.
    """
    given = {name: getattr(arguments, name) for name in GateSettings.model_fields if hasattr(arguments, name)}
    if not arguments.gate:
        if given or arguments.against is not None:
            flag = flag_of(next(iter(given), "against"))
            raise UsageError(f"{flag} is a demand of the gate, but there is no --gate.", "Add --gate, or leave it out.")
        return None
    try:
        return GateSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            f"{flag_of(str(first['loc'][0]))} {first['input']}: {first['msg']}.", "Shares go from 0 to 1."
        ) from error


def flag_of(name: str) -> str:
    """Spell the flag of a setting."""
    return "--" + name.replace("_", "-")


def _read_number(text: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from error


def _demand_the_same(candidate: RunFacts, served: RunFacts) -> None:
    """Refuse to compare runs whose scores mean different things."""
    for name, words in (
        ("examples_sha256", "other examples"),
        ("limit", "another --limit"),
        ("schema_fingerprint", "a database with another schema"),
        ("variants", "another number of variants"),
    ):
        ours, theirs = getattr(candidate, name), getattr(served, name)
        if ours != theirs:
            raise DataError(
                f"The run of the served model was made with {words} ({name} {theirs!r:.20}, here {ours!r:.20}).",
                "Evaluate the served model again in the same way, and give that run.",
            )


def _select(scores: Sequence[Score], *, is_answerable: bool) -> list[Score]:
    return [score for score in scores if (score.expect == "answer") is is_answerable]


def _name(metrics: Metrics) -> GatedModel:
    run = metrics.run
    return GatedModel(
        model=run.model,
        backend=run.backend,
        sha256=run.model_sha256,
        accuracy=metrics.accuracy,
        finished_at=run.finished_at,
    )


def _render_model(model: GatedModel) -> str:
    return f"{model.model} ({model.backend}) {model.sha256[:12]}".rstrip()
