"""`queryforge eval`: ask the assistant every example, judge what it answers, write down the numbers.

    queryforge eval --examples questions.jsonl --db shop.sqlite --out runs/eval-shop

In: a file of examples, one or more databases, and a model or a file of predictions. Out: predictions.jsonl,
scores.jsonl and metrics.json in the folder, gate.json where a gate is asked for, the metrics as a table on stdout,
progress on stderr. The order of things: all gold SQL runs before the first question is asked, so that a fault in the
data costs seconds; what is answered is kept at once; judging is last and can be repeated on other variants.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from assistant.backends.base import Backend
from assistant.backends.choose import choose_backend
from assistant.errors import UsageError, mask_secrets
from assistant.settings import Settings, choose_model
from assistant.types import DatabaseSchema, ModelInfo, Record
from evaluation.arguments import add_run_arguments
from evaluation.asking import ask_all
from evaluation.finished import read_run, read_scores
from evaluation.folder import Identity, RunFolder, identify, sha256_of
from evaluation.gate import add_gate_arguments, decide, gate_settings_from, render_gate, write_gate
from evaluation.jury import judge, make_plan, name_weights, narrate_mismatches, now, prepare_jury
from evaluation.metrics import Metrics
from evaluation.metrics_text import render_metrics
from evaluation.panel import Panel
from evaluation.progress import Progress, narrate
from evaluation.submitted import read_predictions

INTERRUPTED = 130


class EvalConfig(Record):
    """One evaluation, fully described."""

    examples: Path
    """JSONL file of examples."""
    out: Path
    """Folder of the run; made if need be, gone on with if it holds the same run."""
    settings: Settings
    """Model and limits, and the database where `databases` is empty. `max_rows` is raised to what judging needs."""
    databases: tuple[str, ...] = ()
    """Addresses, as `--db` takes them: one, or several as NAME=ADDRESS, or a folder."""
    gold_databases: tuple[str, ...] = ()
    """The same, of the databases that the gold SQL is written for; empty when they are those that are asked."""
    predictions: Path | None = None
    """File of predictions that are judged instead of asking a model."""
    variants: int | None = None
    """Variants of each database; None for the default, which is none on a server without `scratch_url`."""
    scratch_url: str | None = None
    """Server on which databases for variants may be created and dropped."""
    jobs: int = 1
    """Questions that are asked at the same time."""
    limit: int | None = None
    """Use only so many examples, from the start; None for all."""
    is_resume: bool = False
    """Insist that there is a run in the folder to go on with."""
    command: str = ""
    """Command line, for the record."""


def main(argv: Sequence[str]) -> int:
    """Run an evaluation; return the exit code."""
    arguments = build_parser().parse_args(argv)
    config = config_from(arguments, ["queryforge", "eval", *argv]).model_copy(
        update={"predictions": arguments.predictions, "is_resume": arguments.resume}
    )
    gate = gate_settings_from(arguments)
    served = None if arguments.against is None else read_run(arguments.against)
    try:
        metrics = run(config)
    except KeyboardInterrupt:
        narrate(f"\nInterrupted. What is answered is kept in '{config.out}'; the same command goes on from there.")
        return INTERRUPTED
    print(render_metrics(metrics))  # noqa: T201
    if gate is None:
        return 0
    record = decide(metrics, read_scores(config.out), gate, served)
    write_gate(config.out, record)
    print(f"\n{render_gate(record)}")  # noqa: T201
    return 0 if record.is_passed else 1


def config_from(arguments: argparse.Namespace, command: Sequence[str]) -> EvalConfig:
    """Read what `add_run_arguments` added."""
    return EvalConfig(
        examples=arguments.examples,
        out=arguments.out,
        settings=Settings.load(choose_model(arguments.model, arguments.backend)),
        databases=tuple(arguments.db),
        gold_databases=tuple(arguments.gold_db),
        variants=arguments.variants,
        scratch_url=arguments.scratch,
        jobs=arguments.jobs,
        limit=arguments.limit,
        command=mask_secrets(shlex.join(command)),
    )


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge eval",
        description="Grade the answers to a file of questions with known results.",
        epilog="A run that was interrupted goes on when the same command is given again.",
    )
    group = add_run_arguments(parser)
    parser.add_argument("--resume", action="store_true", help="fail if DIR holds no run to go on with")
    group.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="judge this file (JSON lines with id, sql and, in conversations, turn) instead of asking a model",
    )
    add_gate_arguments(parser)
    return parser


def run(config: EvalConfig, *, backend: Backend | None = None) -> Metrics:
    """Ask, judge and measure; go on with the run in the folder if there is one.

    Args:
        config: The evaluation.
        backend: A model instead of the one the settings choose; the caller closes it.

    Raises:
        UsageError: A file, folder or setting cannot be used, or the folder belongs to another run.
        DataError: An example is malformed, its database is not there, or gold SQL does not work.
        BackendError: The model cannot be used.
        DatabaseError: A database cannot be used.
    """
    started_at = now()
    if config.is_resume and not (config.out / "run.json").exists():
        raise UsageError(f"There is no run in '{config.out}' to go on with.", "Leave out --resume to begin one.")
    plan = make_plan(config)
    settings, schemas = plan.settings, list(plan.schemas.values())
    with ExitStack() as stack:
        panel = stack.enter_context(Panel(n_asks=len(plan.asks)))
        jury = prepare_jury(config, plan, panel, stack)
        model: Backend | None = None
        if config.predictions is None:
            settings = name_weights(settings, schemas)
            model = backend or stack.enter_context(closing(choose_backend(settings)[0]))
            identity = identify(config.examples, settings, model.info(), schemas)
            narrate_mismatches(model.info(), schemas)
        else:
            identity = _identify_submission(config, settings, config.predictions, schemas)
        folder = stack.enter_context(RunFolder(config.out, identity))
        if model is None:
            for prediction in read_predictions(config.predictions or Path(), plan.asks):
                if prediction.key not in folder.predictions:
                    folder.add(prediction)
        else:
            is_in_order = backend is not None or identity.backend == "scripted"
            jobs = 1 if is_in_order else config.jobs
            shared = settings.model_copy(update={"threads": max(1, settings.threads // jobs)})
            ask_all(plan.examples, plan.urls, folder, settings=shared, backend=model, jobs=jobs)
        progress = Progress(len(plan.asks), verb="judged")
        metrics = judge(config, plan, jury, folder, identity, started_at=started_at, progress=progress)
        progress.end()
    return metrics


def _identify_submission(
    config: EvalConfig, settings: Settings, predictions: Path, schemas: Sequence[DatabaseSchema]
) -> Identity:
    info = ModelInfo(name=predictions.name, backend="file", context_tokens=0)
    identity = identify(config.examples, settings, info, schemas)
    return identity.model_copy(update={"model_sha256": sha256_of(predictions)})
