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
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from assistant.agent import describe_mismatch
from assistant.backends.base import Backend
from assistant.backends.choose import choose_backend, choose_weights
from assistant.errors import UsageError, mask_secrets
from assistant.served import ServedModels
from assistant.settings import BackendChoice, Settings, choose_model
from assistant.types import DatabaseSchema, ModelInfo, Record
from evaluation.asking import ask_all
from evaluation.databases import locate
from evaluation.examples import Ask, Example, list_asks, read_examples
from evaluation.execution import read_schema
from evaluation.finished import read_run, read_scores
from evaluation.folder import Identity, RunFolder, identify, sha256_of
from evaluation.gate import add_gate_arguments, decide, gate_settings_from, render_gate, write_gate
from evaluation.metrics import Metrics, RunFacts, measure
from evaluation.metrics_text import render_metrics
from evaluation.panel import Panel
from evaluation.progress import Progress, narrate
from evaluation.records import Prediction, Score
from evaluation.scoring import MAX_JUDGED_ROWS, JudgeConfig, Preparation
from evaluation.submitted import read_predictions
from evaluation.variants import make_variants

JUDGING_PATIENCE = 4
"""Judging may take so many times the query's time limit: a query that ran when it was asked must not fail here."""

DEFAULT_VARIANTS = 3
"""Variants of a SQLite database, unless another number is asked for."""

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
    config = EvalConfig(
        examples=arguments.examples,
        out=arguments.out,
        settings=Settings.load(choose_model(arguments.model, arguments.backend)),
        databases=tuple(arguments.db),
        gold_databases=tuple(arguments.gold_db),
        predictions=arguments.predictions,
        variants=arguments.variants,
        scratch_url=arguments.scratch,
        jobs=arguments.jobs,
        limit=arguments.limit,
        is_resume=arguments.resume,
        command=mask_secrets(shlex.join(["queryforge", "eval", *argv])),
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


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge eval",
        description="Grade the answers to a file of questions with known results.",
        epilog="A run that was interrupted goes on when the same command is given again.",
    )
    parser.add_argument("--examples", type=Path, required=True, metavar="FILE", help="JSONL file of examples")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for predictions and metrics")
    parser.add_argument("--limit", type=_positive, metavar="N", help="use only the first N examples")
    parser.add_argument("--resume", action="store_true", help="fail if DIR holds no run to go on with")
    group = parser.add_argument_group("databases")
    group.add_argument(
        "--db",
        action="append",
        default=[],
        metavar="URL",
        help="database to ask; for examples with a db_id, NAME=URL once for each, or a folder of SQLite files",
    )
    group.add_argument(
        "--gold-db",
        action="append",
        default=[],
        metavar="URL",
        help="database that the gold SQL is written for, when it is another one with the same rows: the SQL is "
        "translated and must give the same result on both",
    )
    group.add_argument(
        "--variants",
        type=_not_negative,
        metavar="K",
        help=f"judge on K changed copies of each database too (default {DEFAULT_VARIANTS}; on a server 0, unless "
        "--scratch is given)",
    )
    group.add_argument(
        "--scratch",
        metavar="URL",
        help="PostgreSQL or MySQL server on which databases for the variants may be created and dropped",
    )
    group = parser.add_argument_group("model")
    group.add_argument("--backend", choices=get_args(BackendChoice), help=_describe("backend"))
    group.add_argument(
        "--model",
        metavar="PATH_OR_TAG",
        help="a GGUF file, a folder of unquantised weights, or the tag of a model in Ollama",
    )
    group.add_argument(
        "--jobs",
        type=_positive,
        default=1,
        metavar="N",
        help="questions asked at the same time, each with a connection and an embedded model of its own (default 1)",
    )
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
    started_at = _now()
    if config.is_resume and not (config.out / "run.json").exists():
        raise UsageError(f"There is no run in '{config.out}' to go on with.", "Leave out --resume to begin one.")
    examples = read_examples(config.examples)[: config.limit]
    asks = [ask for example in examples for ask in list_asks(example)]
    urls = locate(examples, config.databases or (config.settings.database_url,))
    settings = config.settings.model_copy(update={"max_rows": max(config.settings.max_rows, MAX_JUDGED_ROWS)})
    with ExitStack() as stack:
        schemas = {name: read_schema(url) for name, url in urls.items()}
        panel = stack.enter_context(Panel(n_asks=len(asks)))
        judges = _plan_judges(config, settings, urls, examples)
        preparations = panel.prepare(judges, asks)
        _narrate_preparations(preparations)
        judges = {name: _add_variants(config, judge, schemas[name], asks, stack) for name, judge in judges.items()}
        model: Backend | None = None
        if config.predictions is None:
            settings = _name_weights(settings, list(schemas.values()))
            model = backend or stack.enter_context(closing(choose_backend(settings)[0]))
            identity = identify(config.examples, settings, model.info(), list(schemas.values()))
            _narrate_mismatches(model.info(), schemas)
        else:
            identity = _identify_submission(config, settings, config.predictions, list(schemas.values()))
        folder = stack.enter_context(RunFolder(config.out, identity))
        if model is None:
            for prediction in read_predictions(config.predictions or Path(), asks):
                if prediction.key not in folder.predictions:
                    folder.add(prediction)
        else:
            is_in_order = backend is not None or identity.backend == "scripted"
            jobs = 1 if is_in_order else config.jobs
            shared = settings.model_copy(update={"threads": max(1, settings.threads // jobs)})
            ask_all(examples, urls, folder, settings=shared, backend=model, jobs=jobs)
        scores = _judge(panel, judges, [(ask, folder.predictions[ask.key]) for ask in asks])
        facts = RunFacts(
            command=config.command,
            examples=config.examples.name,
            limit=config.limit,
            started_at=started_at,
            finished_at=_now(),
            variants=max((len(judge.variant_urls) for judge in judges.values()), default=0),
            untranslated=sum(len(preparation.untranslated) for preparation in preparations.values()),
            jobs=config.jobs,
            **identity.model_dump(include=set(Identity.model_fields) & set(RunFacts.model_fields)),
        )
        metrics = measure(scores, facts)
        folder.write_results(scores, metrics)
    return metrics


def _name_weights(settings: Settings, schemas: Sequence[DatabaseSchema]) -> Settings:
    """Settle which weights are judged, before anything is asked: those served for the database, if it is only one."""
    if len(schemas) > 1:
        return settings.model_copy(update={"model_path": choose_weights(settings)})
    serving = ServedModels(settings.models_path).current(schemas[0].db_id, schemas[0].dialect)
    return settings.model_copy(update={"model_path": choose_weights(settings, serving)})


def _plan_judges(
    config: EvalConfig, settings: Settings, urls: Mapping[str, str], examples: Sequence[Example]
) -> dict[str, JudgeConfig]:
    gold_urls = locate(examples, config.gold_databases) if config.gold_databases else {}
    return {
        name: JudgeConfig(
            db_id=name,
            url=url,
            gold_url=gold_urls.get(name),
            timeout_s=settings.query_timeout_s * JUDGING_PATIENCE,
            max_rows=settings.max_rows,
            cache_path=settings.cache_path.expanduser() / "results.sqlite",
        )
        for name, url in urls.items()
    }


def _add_variants(
    config: EvalConfig, judge: JudgeConfig, schema: DatabaseSchema, asks: Sequence[Ask], stack: ExitStack
) -> JudgeConfig:
    """Make the variants of a database; on a server they last until `stack` is closed."""
    count = config.variants
    if count is None:
        count = 0 if schema.dialect != "sqlite" and config.scratch_url is None else DEFAULT_VARIANTS
    if count == 0:
        return judge
    folder = config.settings.cache_path.expanduser() / "variants"
    gold_sql = sorted({ask.gold_sql for ask in asks if ask.gold_sql and ask.example.db_id == judge.db_id})
    variants = stack.enter_context(
        make_variants(judge.url, gold_sql, folder, count=count, scratch_url=config.scratch_url, narrate=narrate)
    )
    return judge.model_copy(update={"variant_urls": variants.urls})


def _judge(panel: Panel, judges: Mapping[str, JudgeConfig], pairs: Sequence[tuple[Ask, Prediction]]) -> list[Score]:
    progress = Progress(len(pairs), verb="judged")
    seen = 0

    def count(done: int) -> None:
        nonlocal seen
        progress.step(by=done - seen)
        seen = done

    scores = panel.score(judges, pairs, count)
    progress.end()
    return [score for score in scores if score is not None]


def _narrate_preparations(preparations: Mapping[str, Preparation]) -> None:
    found = list(preparations.values())
    narrate(f"{sum(p.n_gold for p in found)} gold queries work, {sum(p.n_empty for p in found)} of them empty.")
    tied = [name for p in found for name in p.tied]
    _narrate_names(tied, "have a LIMIT between rows that tie, so a right query may give others")
    untranslated = [name for p in found for name in p.untranslated]
    _narrate_names(untranslated, "could not be translated with the same result and are left out")


def _narrate_names(names: Sequence[str], what: str) -> None:
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        narrate(f"Note: {len(names)} of the gold queries {what}: {', '.join(names[:5])}{more}.")


def _narrate_mismatches(info: ModelInfo, schemas: Mapping[str, DatabaseSchema]) -> None:
    for schema in schemas.values():
        for warning in describe_mismatch(info, schema):
            narrate(f"Note: {warning}")


def _identify_submission(
    config: EvalConfig, settings: Settings, predictions: Path, schemas: Sequence[DatabaseSchema]
) -> Identity:
    info = ModelInfo(name=predictions.name, backend="file", context_tokens=0)
    identity = identify(config.examples, settings, info, schemas)
    return identity.model_copy(update={"model_sha256": sha256_of(predictions)})


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _describe(name: str) -> str:
    return (Settings.model_fields[name].description or "").replace("%", "%%")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
