"""What an evaluation comes to before anything is asked, and what judges it afterwards.

In: a file of examples and addresses of databases, later the predictions in a folder. Out: a Plan and a Jury, then
scores.jsonl and metrics.json in that folder. All gold SQL runs when the jury is made, so that a fault in the data costs
seconds and no answers. Asks nothing; how an answer is judged is `evaluation.scoring`'s part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assistant.backends.choose import choose_weights
from assistant.engines import describe_mismatch
from assistant.served import ServedModels
from assistant.settings import Settings
from assistant.types import DatabaseSchema, ModelInfo
from evaluation.databases import locate
from evaluation.examples import Ask, Example, list_asks, read_examples
from evaluation.execution import read_schema
from evaluation.folder import Identity, RunFolder
from evaluation.metrics import Metrics, RunFacts, measure
from evaluation.panel import Panel
from evaluation.progress import Progress, narrate
from evaluation.scoring import MAX_JUDGED_ROWS, JudgeConfig, Preparation
from evaluation.variants import DEFAULT_VARIANTS, make_variants

if TYPE_CHECKING:
    from evaluation.runner import EvalConfig

JUDGING_PATIENCE = 4
"""Judging may take so many times the query's time limit: a query that ran when it was asked must not fail here."""


@dataclass(frozen=True)
class Plan:
    """What an evaluation comes to before anything is asked."""

    examples: tuple[Example, ...]
    asks: list[Ask]
    """Single questions and turns, in their order."""
    urls: Mapping[str, str]
    """`db_id` -> address of the database."""
    settings: Settings
    """Those of the evaluation, with the row limit that judging needs."""
    schemas: Mapping[str, DatabaseSchema]
    """`db_id` -> schema of the database."""


@dataclass(frozen=True)
class Jury:
    """What judges the answers to a plan."""

    panel: Panel
    judges: Mapping[str, JudgeConfig]
    """`db_id` -> what its judge works with."""
    preparations: Mapping[str, Preparation]
    """`db_id` -> what came of the gold SQL."""


def make_plan(config: EvalConfig) -> Plan:
    """Read the questions and find their databases.

    Raises:
        UsageError: A file or an address cannot be used.
        DataError: An example is malformed, or its database is not there.
        DatabaseError: A database cannot be used.
    """
    examples = read_examples(config.examples)[: config.limit]
    urls = locate(examples, config.databases or (config.settings.database_url,))
    settings = config.settings.model_copy(update={"max_rows": max(config.settings.max_rows, MAX_JUDGED_ROWS)})
    return Plan(
        examples=examples,
        asks=[ask for example in examples for ask in list_asks(example)],
        urls=urls,
        settings=settings,
        schemas={name: read_schema(url) for name, url in urls.items()},
    )


def prepare_jury(config: EvalConfig, plan: Plan, panel: Panel, stack: ExitStack) -> Jury:
    """Run all gold SQL and make the variants, which last until `stack` is closed.

    Raises:
        DataError: Gold SQL does not work; names the example.
    """
    judges = _plan_judges(config, plan)
    preparations = panel.prepare(judges, plan.asks)
    _narrate_preparations(preparations)
    judges = {
        name: _add_variants(config, judge, plan.schemas[name], plan.asks, stack) for name, judge in judges.items()
    }
    return Jury(panel=panel, judges=judges, preparations=preparations)


def judge(
    config: EvalConfig,
    plan: Plan,
    jury: Jury,
    folder: RunFolder,
    identity: Identity,
    *,
    started_at: str,
    progress: Progress,
) -> Metrics:
    """Judge what is in a folder, measure it and write both down there."""
    pairs = [(ask, folder.predictions[ask.key]) for ask in plan.asks]
    seen = 0

    def count(done: int) -> None:
        nonlocal seen
        progress.step(folder.path.name, by=done - seen)
        seen = done

    found = jury.panel.score(jury.judges, pairs, count)
    scores = [score for score in found if score is not None]
    facts = RunFacts(
        command=config.command,
        examples=config.examples.name,
        limit=config.limit,
        started_at=started_at,
        finished_at=now(),
        variants=max((len(judge.variant_urls) for judge in jury.judges.values()), default=0),
        untranslated=sum(len(preparation.untranslated) for preparation in jury.preparations.values()),
        jobs=config.jobs,
        **identity.model_dump(include=set(Identity.model_fields) & set(RunFacts.model_fields)),
    )
    metrics = measure(scores, facts)
    folder.write_results(scores, metrics)
    return metrics


def name_weights(settings: Settings, schemas: Sequence[DatabaseSchema]) -> Settings:
    """Settle which weights are judged, before anything is asked: those served for the database, if it is only one."""
    if len(schemas) > 1:
        return settings.model_copy(update={"model_path": choose_weights(settings)})
    serving = ServedModels(settings.models_path).current(schemas[0].db_id, schemas[0].dialect)
    return settings.model_copy(update={"model_path": choose_weights(settings, serving)})


def _plan_judges(config: EvalConfig, plan: Plan) -> dict[str, JudgeConfig]:
    gold_urls = locate(plan.examples, config.gold_databases) if config.gold_databases else {}
    return {
        name: JudgeConfig(
            db_id=name,
            url=url,
            gold_url=gold_urls.get(name),
            timeout_s=plan.settings.query_timeout_s * JUDGING_PATIENCE,
            max_rows=plan.settings.max_rows,
            cache_path=plan.settings.cache_path.expanduser() / "results.sqlite",
        )
        for name, url in plan.urls.items()
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


def narrate_mismatches(info: ModelInfo, schemas: Sequence[DatabaseSchema]) -> None:
    """Say on stderr what the model was not trained for."""
    for schema in schemas:
        for warning in describe_mismatch(info, schema):
            narrate(f"Note: {warning}")


def now() -> str:
    """Give the time in UTC, as ISO text."""
    return datetime.now(UTC).isoformat(timespec="seconds")
