"""The steps of a retraining, each of which goes on where an earlier call was killed.

    data -> split -> train -> export -> judge the new model -> judge the served model -> gate -> install -> report

In: a RetrainConfig, the Situation and the folder of the run. Out: files in that folder; at the end another model that
serves, or the same one as before. Every step has a key, the digest of what it works on, and gives facts for the later
ones. A step resumes by the means of what it calls: generation by its slices, training by its checkpoints, judging by
the answers that are there, installation by replacing in one go. Decides neither their order nor whether they are done.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from assistant.bank import BankHead
from assistant.confidence import table_path
from assistant.drivers.engines import parse_url
from assistant.errors import DataError, UsageError
from assistant.files import write_whole
from assistant.masking import masked_columns
from assistant.served import ServedAccuracy, ServedModels
from assistant.types import Record
from evaluation.finished import read_run
from evaluation.fitting import fit_model
from evaluation.gate import GateRecord, decide, render_gate, write_gate
from evaluation.progress import narrate
from evaluation.report import write_report
from training.base import BaseReport
from training.datagen.data_copy import DataCopy
from training.datagen.generate import DEMO_QUESTIONS, DatagenConfig, generate, read_excluded
from training.datagen.slices import read_triples
from training.example_bank import write_examples
from training.finetune_config import FinetuneReport
from training.gguf import GgufConfig, convert
from training.interruption import watch_interruption
from training.register import describe_gguf, register_embedded, register_in_ollama
from training.retrain_config import RetrainConfig
from training.retrain_data import fill_pool
from training.retrain_judging import judge_candidate, judge_served
from training.retrain_plan import find_layout, is_finetuning, plan_training, prepare_start
from training.retrain_split import list_learned, split_pool
from training.retrain_work import Facts, Work, digest, digest_content
from training.stale_terms import write_glossary
from training.train import train


class Step(NamedTuple):
    """One step."""

    name: str
    """In the state file."""
    title: str
    """For people."""
    make_key: Callable[[Work], str]
    """Digest of what it works on."""
    do: Callable[[Work], Facts]
    """Does it; gives what later steps need to know."""
    estimate_s: Callable[[RetrainConfig], float]
    """About how long it takes on two cores, in seconds."""


def make_data(work: Work) -> Facts:
    """Generate what is new, try again what there was, and add approved pairs."""
    config, situation = work.config, work.situation
    before = situation.source.folder / "data" / "pool.jsonl" if situation.source else None
    url, schema = config.settings.database_url, situation.schema
    layout = find_layout(config, situation)
    # What people wrote about tables and columns has become their comments.
    write_glossary(work.run.folder / "glossary.toml", schema.glossary, schema.tables)
    with watch_interruption() as stop:
        # Named by what it is made of: rows may change between a kill and the call that goes on.
        folder = work.run.folder / f"generated-{digest(digest_content(url), situation.schema.fingerprint)[:8]}"
        generate_afresh(
            DatagenConfig(
                database_url=url,
                out=folder,
                count=config.count,
                seed=config.seed,
                workers=config.workers,
                exclude=(config.examples,) if config.examples else (),
                languages=config.languages,
                masked=masked_columns(schema),
                glossary_path=work.run.folder / "glossary.toml",
                layout=layout,
            ),
            stop,
        )
        generated = (triple for name in ("train", "eval") for triple in read_triples(folder / f"{name}.jsonl"))
        paths = [path for path in (config.examples, DEMO_QUESTIONS) if path is not None and path.is_file()]
        with _quick_copy(work) as copy_url:
            counts = fill_pool(
                work.data / "pool.jsonl",
                generated,
                database_url=copy_url,
                schema=situation.schema,
                changes=work.changes,
                before=before,
                most_kept=config.count,
                pairs=situation.pairs,
                excluded=read_excluded(*paths),
                layout=layout,
                stop=stop,
            )
    narrate(
        f"{counts.new:,} new examples, {counts.focus:,} of them about what has changed; {counts.kept:,} kept, "
        f"{counts.lost:,} do not hold any more; {counts.pairs} approved pairs."
    )
    return {"layout": layout, **{name: str(n) for name, n in counts._asdict().items()}}


def generate_afresh(config: DatagenConfig, stop: threading.Event) -> None:
    """Generate, or go on; what was begun with other rows, of a server say, or by another version is begun anew.

    Raises:
        QueryForgeError: See `generate`.
        KeyboardInterrupt: `stop` was set.
    """
    try:
        generate(config, stop=stop)
    except UsageError as error:
        if "holds the beginnings of other data" not in error.message:
            raise
        narrate(f"{error.message} It is made anew.")
        shutil.rmtree(config.out)
        generate(config, stop=stop)


def split_data(work: Work) -> Facts:
    """Divide the examples."""
    counts = split_pool(
        work.data / "pool.jsonl",
        work.data,
        work.changes,
        judge_examples=work.config.judge_examples,
        has_weights=is_finetuning(work.config, work.situation),
        neighbours=work.config.neighbours,
    )
    narrate(f"{counts.train:,} examples to learn from, {counts.dev:,} to look at, {counts.test:,} to judge by.")
    return {name: str(n) for name, n in counts._asdict().items()}


def train_model(work: Work) -> Facts:
    """Train, for as long as was asked for."""
    examples = int(work.run.fact("split", "train") or 1)
    plan = plan_training(work.config, work.situation, work.run.folder, examples)
    narrate(f"Starting from {plan.start}; {work.config.minutes:g} minutes.")
    prepare_start(plan)
    report: Record
    if work.config.where == "sagemaker":
        from training.sagemaker_training import train_on_sagemaker

        report = train_on_sagemaker(work.config, plan, work.run.folder)
    else:
        report = train(plan.recipe)
    if isinstance(report, FinetuneReport):
        result, steps, minutes = report.result_dir, report.steps, report.minutes
    else:
        assert isinstance(report, BaseReport)
        result, steps, minutes = report.model_dir, report.steps, report.minutes
    return {
        "result": result.name,
        "base_model": plan.start,
        "steps": str(steps),
        "minutes": f"{minutes:.2f}",
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def export_model(work: Work) -> Facts:
    """Write the file that will be served, and beside it the pairs that it may be shown as examples."""
    schema = work.situation.schema
    report = convert(
        GgufConfig(
            model_dir=work.run.folder / "trained" / work.run.fact("train", "result"),
            out_path=work.gguf,
            type=work.config.type,
            name=f"queryforge-{schema.db_id}",
            prompt_layout="listed" if work.run.fact("data", "layout") == "listed" else "compact",
            db_id=schema.db_id,
            schema_fingerprint=schema.fingerprint,
            dialect=schema.dialect,
            examples=work.config.neighbours,
        )
    )
    learned = list_learned(work.data / "pool.jsonl", work.changes, judge_examples=work.config.judge_examples)
    head = BankHead(db_id=schema.db_id, dialect=schema.dialect, schema_fingerprint=schema.fingerprint)
    pairs = write_examples(work.gguf, learned, head)
    return {"sha256": report.sha256, "size_bytes": str(report.size_bytes), "bank_pairs": str(pairs)}


def pass_gate(work: Work) -> Facts:
    """Decide on each file of questions, and tell."""
    if fault := work.run.fact("judge candidate", "fault"):
        narrate(f"The new model cannot even be judged: {fault}")
        return {"is_passed": "False"}
    records: dict[str, GateRecord] = {}
    for name, demands in (("made", work.config.gate), ("human", work.config.human_gate)):
        if not (folder := work.run.fact("judge candidate", name)):
            continue
        against = work.run.fact("judge served", name)
        metrics, scores = read_run(Path(folder))
        records[name] = decide(metrics, scores, demands, read_run(Path(against)) if against else None)
        write_gate(Path(folder), records[name])
        title = "generated examples" if name == "made" else f"questions of people, '{work.config.examples}'"
        narrate(f"\n{title}\n{render_gate(records[name])}")
    is_passed = all(record.is_passed for record in records.values())
    return {"is_passed": str(is_passed)}


def install_model(work: Work) -> Facts:
    """Swap, if the gate was passed. What served before is kept to go back to."""
    if work.run.fact("gate", "is_passed") != "True":
        is_served = work.situation.served_path is not None
        narrate(f"The gate was not passed: {'what served before goes on serving' if is_served else 'no model serves'}.")
        return {"outcome": "refused"}
    _write_confidence(work)
    situation, sha256 = work.situation, work.run.fact("export", "sha256")
    if situation.server == "ollama":
        register_in_ollama(work.gguf, work.settings, situation.schema)
    models = ServedModels(work.settings.models_path)
    serving = models.current(situation.schema.db_id, situation.schema.dialect).model
    if serving is None or serving.sha256 != sha256:
        made = "human" if work.run.fact("judge candidate", "human") else "made"
        metrics, _ = read_run(Path(work.run.fact("judge candidate", made)))
        rate = metrics.accuracy
        accuracy = (
            ServedAccuracy(rate=rate.rate, n=rate.n, low=rate.low, high=rate.high)
            if rate.rate is not None and rate.low is not None and rate.high is not None
            else None
        )
        trained = describe_gguf(work.gguf, situation.schema).model_copy(
            update={
                "trained_at": work.run.fact("train", "trained_at"),
                "base_model": work.run.fact("train", "base_model"),
                "accuracy": accuracy,
                "examples_sha256": metrics.run.examples_sha256,
                "note": f"retrained in {work.run.folder.name}",
            }
        )
        register_embedded(work.gguf, work.settings, situation.schema, trained)
    return {"outcome": "installed"}


def _write_confidence(work: Work) -> None:
    """Write beside the file how far its confidence can be believed, by people's questions if there are enough."""
    for name in ("human", "made"):
        if not (folder := work.run.fact("judge candidate", name)):
            continue
        metrics, scores = read_run(Path(folder))
        try:
            table = fit_model(metrics, scores, work.gguf)
        except (DataError, UsageError) as error:
            narrate(f"Note: no table of confidence from the {name} questions: {error.message}")
            continue
        write_whole(table_path(work.gguf), table.model_dump_json(indent=1) + "\n")
        return


def report_run(work: Work) -> Facts:
    """Write the pages that show the new model against the served one."""
    facts = {}
    for name in ("made", "human"):
        if not (folder := work.run.fact("judge candidate", name)):
            continue
        against = work.run.fact("judge served", name)
        out = work.run.folder / f"report-{name}"
        try:
            write_report(Path(folder), against=Path(against) if against else None, out=out)
        except UsageError as error:
            narrate(f"Note: {error}")
        facts[name] = str(out)
    return facts


def _key_of(*names: str) -> Callable[[Work], str]:
    """Make the key of a step from the keys and facts of earlier ones."""

    def make(work: Work) -> str:
        found = (work.run.state.steps.get(name) for name in names)
        return digest(*(step.model_dump_json(include={"key", "facts"}) if step else "" for step in found))

    return make


def _key_of_served(work: Work) -> str:
    path = work.situation.served_path
    return digest(
        _key_of("split")(work), work.situation.server, "" if path is None else f"{path} {path.stat().st_mtime_ns}"
    )


def _training_s(config: RetrainConfig) -> float:
    # A machine of SageMaker takes some minutes to come.
    return config.minutes * 60 + (20 if config.where == "local" else 600)


def _judging_s(config: RetrainConfig) -> float:
    return 10 + config.judge_examples / 2


STEPS: tuple[Step, ...] = (
    Step("data", "Data", lambda work: "", make_data, lambda c: 15 + c.count / 300),
    Step("split", "Split", _key_of("data"), split_data, lambda c: 2 + c.count / 5000),
    Step("train", "Train", _key_of("split"), train_model, _training_s),
    Step("export", "Export", _key_of("train"), export_model, lambda c: 5),
    Step("judge candidate", "Judge the new model", _key_of("split", "export"), judge_candidate, _judging_s),
    Step("judge served", "Judge the served model", _key_of_served, judge_served, _judging_s),
    Step("gate", "Gate", _key_of("judge candidate", "judge served"), pass_gate, lambda c: 1),
    Step("install", "Install", _key_of("gate", "export"), install_model, lambda c: 5),
    Step("report", "Report", _key_of("gate", "install"), report_run, lambda c: 5),
)  # fmt: skip
"""In their order."""


@contextlib.contextmanager
def _quick_copy(work: Work) -> Iterator[str]:
    """Copy a SQLite database with its foreign keys indexed; a server is asked itself."""
    url, dialect = parse_url(work.config.settings.database_url)
    if dialect != "sqlite":
        yield work.config.settings.database_url
        return
    tables = work.situation.schema.tables
    with closing(DataCopy(Path(url.database or ""), work.run.folder / "copy", tables)) as copy:
        yield str(copy.path)
