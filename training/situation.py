"""What a retraining finds: the database now, the model that serves it, and what lies between the two.

In: a RetrainConfig. Out: a Situation, and the lines that tell a person about it. Reads only: nothing is trained,
written or swapped here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from assistant.backends.choose import PROBE_TIMEOUT_S
from assistant.backends.ollama import has_model, installed_models
from assistant.database import connect
from assistant.errors import QueryForgeError, UsageError
from assistant.masking import read_patterns
from assistant.memory.records import Pair
from assistant.served import ServedModel, ServedModels
from assistant.settings import SHIPPED_MODEL, Settings
from assistant.types import DatabaseSchema, Rejection
from evaluation.execution import Executor
from training.breakage import Broken, find_broken, read_memory
from training.datagen.results import digest_result
from training.modelfile import read_gguf_facts
from training.retrain_config import RetrainConfig
from training.retrain_data import read_pool
from training.retrain_state import Run, list_runs
from training.rewriting import rewrite_names
from training.schema_changes import Rename, SchemaChanges, compare_schemas
from training.stale_terms import mend_glossary

SHIPPED_SCHEMA = SHIPPED_MODEL.parent / "queryforge-shop.schema.json"
"""Schema that the small model that ships was trained on: `queryforge schema --json` on the demo database."""
TRIED_PER_RENAME = 20
"""Earlier statements that are rewritten and run to see whether the values of a renamed column fit."""

Server = Literal["ollama", "llamacpp"]


class Situation(NamedTuple):
    """What there is."""

    schema: DatabaseSchema
    """Of the database now, with a glossary in which every term holds."""
    server: Server
    """What serves models here."""
    served: ServedModel | None
    """The registered model; None when none was registered for this database."""
    served_path: Path | None
    """The file that answers for this database now, registered or shipped; None when there is none."""
    served_fingerprint: str
    """Fingerprint of the schema that it was trained on; empty when unknown."""
    changes: SchemaChanges | None
    """What has changed since; None when the schema it was trained on is not known."""
    pairs: tuple[Pair, ...]
    """Approved pairs that hold."""
    broken: tuple[Broken, ...]
    """What memory keeps that does not hold."""
    pair_keys: tuple[str, ...]
    """All approved pairs with their weights."""
    new_pairs: int
    """Pairs that were approved, changed or withdrawn since the last training."""
    source: Run | None
    """The retraining that the served model came from, or the last finished one: its examples may be kept."""
    notes: tuple[str, ...]
    """What a person should know besides."""

    @property
    def is_schema_changed(self) -> bool:
        """Whether the model was made for another schema, or there is none."""
        return self.served_fingerprint != self.schema.fingerprint

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to retrain for."""
        return self.is_schema_changed or self.new_pairs > 0

    def find_weights(self) -> Path | None:
        """Find the trained weights of the served model on this machine."""
        if self.served is None or self.source is None or self.source.fact("export", "sha256") != self.served.sha256:
            return None
        # An adapter is no start: the next one is trained over the base anew.
        folder = self.source.folder / "trained" / "model"
        is_whole = self.source.fact("train", "result") == "model" and (folder / "config.json").exists()
        return folder.resolve() if is_whole else None


def look_around(config: RetrainConfig) -> Situation:
    """Find out what there is.

    Raises:
        UsageError: An address or setting cannot be used.
        DatabaseError: The database cannot be opened or has no tables; or memory cannot be read.
    """
    settings = config.settings
    masked = read_patterns(settings.masked_columns)
    with closing(connect(settings.database_url, glossary_path=settings.glossary_path, masked=masked)) as database:
        schema = database.schema()
    server = choose_server(settings)
    serving = ServedModels(settings.models_path).current(schema.db_id, schema.dialect)
    notes = list(serving.warnings)
    if settings.model_path is not None:
        notes.append(
            f"QUERYFORGE_MODEL_PATH names '{settings.model_path}', which goes on answering whatever is served."
        )
    path, fingerprint = serving.path, serving.model.schema_fingerprint if serving.model else ""
    old_schema = serving.model.trained_schema if serving.model else None
    if serving.model is None and SHIPPED_MODEL.exists():
        with contextlib.suppress(QueryForgeError):
            facts = read_gguf_facts(SHIPPED_MODEL)
            if facts.db_id == schema.db_id and facts.dialect == schema.dialect:
                path, fingerprint = SHIPPED_MODEL, facts.schema_fingerprint
                old_schema = _read_shipped_schema(fingerprint)
    runs = [run for run in list_runs(config.runs, schema.db_id, schema.dialect) if run.state.outcome]
    sha256 = serving.model.sha256 if serving.model else ""
    source = next((run for run in runs if sha256 and run.fact("export", "sha256") == sha256), None)
    pairs, saved = read_memory(settings, schema.db_id)
    pair_keys = tuple(sorted(f"{pair.pair_id} {pair.weight:g}" for pair in pairs))
    with closing(
        Executor(settings.database_url, timeout_s=settings.query_timeout_s, max_rows=settings.max_rows)
    ) as executor:
        changes = (
            _compare(old_schema, schema, source, executor) if fingerprint != schema.fingerprint else SchemaChanges()
        )
        remembered = find_broken(pairs, saved, executor, old_schema, changes.renames if changes else ())
    glossary, stale = mend_glossary(schema, changes.renames if changes else ())
    schema = schema.model_copy(update={"glossary": glossary})
    if source is not None:
        new_pairs = len(set(source.state.pairs) ^ set(pair_keys))
    else:
        since = serving.model.installed_at if serving.model else ""
        new_pairs = sum(pair.reviewed_at is not None and pair.reviewed_at.isoformat() > since for pair in pairs)
    return Situation(
        schema=schema,
        server=server,
        served=serving.model,
        served_path=path,
        served_fingerprint=fingerprint if path is not None else "",
        changes=changes,
        pairs=remembered.holding,
        broken=remembered.broken,
        pair_keys=pair_keys,
        new_pairs=new_pairs,
        source=source or next((run for run in runs if run.state.outcome == "installed"), None),
        notes=(*notes, *stale),
    )


def choose_server(settings: Settings) -> Server:
    """Say what a new model has to be registered with: what answers now.

    Raises:
        UsageError: The settings name a backend that serves no GGUF file.
    """
    if settings.backend in ("huggingface", "scripted"):
        raise UsageError(
            f"The backend '{settings.backend}' serves no GGUF file, which a retraining makes.",
            "Give --backend llamacpp, ollama or auto.",
        )
    if settings.backend == "auto":
        installed = installed_models(settings.ollama_host, timeout_s=PROBE_TIMEOUT_S)
        return "ollama" if installed is not None and has_model(installed, settings.model) else "llamacpp"
    return "ollama" if settings.backend == "ollama" else "llamacpp"


def describe_situation(situation: Situation) -> Iterator[str]:
    """Give the lines that tell what has changed and what it breaks."""
    schema = situation.schema
    if situation.served_path is None:
        yield f"No model serves the database '{schema.db_id}' ({schema.dialect}) yet."
    elif not situation.is_schema_changed:
        yield f"The schema of '{schema.db_id}' is the one that '{situation.served_path.name}' was trained on."
    elif situation.changes is None:
        yield (
            f"The schema of '{schema.db_id}' is not the one that '{situation.served_path.name}' was trained on; which "
            "one that was is not known."
        )
    else:
        yield f"The schema of '{schema.db_id}' has changed since '{situation.served_path.name}' was trained:"
        yield from (f"  {change.describe()}" for change in situation.changes.changes)
    if situation.new_pairs:
        yield f"{situation.new_pairs} approved pairs are new, changed or withdrawn since the last training."
    if situation.broken:
        yield f"{len(situation.broken)} kept questions do not hold any more and are left out of the training:"
        yield from (f"  {line}" for broken in situation.broken for line in broken.describe())
    yield from (f"Note: {note}" for note in situation.notes)


def _read_shipped_schema(fingerprint: str) -> DatabaseSchema | None:
    """Read the schema that the shipped model was trained on; None where it does not ship, or is of another model."""
    with contextlib.suppress(OSError, ValidationError):
        found = DatabaseSchema.model_validate_json(SHIPPED_SCHEMA.read_bytes())
        return found if found.fingerprint == fingerprint else None
    return None


def _compare(
    old: DatabaseSchema | None, new: DatabaseSchema, source: Run | None, executor: Executor
) -> SchemaChanges | None:
    if old is None:
        return None
    pool = source.folder / "data" / "pool.jsonl" if source is not None else None
    statements = _read_statements(pool)

    def do_values_fit(rename: Rename) -> bool:
        return _fits(rename, statements, old, executor)

    return compare_schemas(old, new, do_values_fit=do_values_fit)


def _read_statements(pool: Path | None) -> list[tuple[str, str, tuple[str, ...]]]:
    """Give statements of the examples before, with the digests of their results and their columns."""
    if pool is None or not pool.exists():
        return []
    with contextlib.suppress(QueryForgeError):
        found = {line.triple.sql: line.triple for line in read_pool(pool) if line.triple.sql and not line.triple.flaw}
        return [(sql, triple.result_digest, triple.columns) for sql, triple in found.items()]
    return []


def _fits(
    rename: Rename, statements: Sequence[tuple[str, str, tuple[str, ...]]], old: DatabaseSchema, executor: Executor
) -> bool:
    """Tell whether values speak for a rename: earlier statements about the column, rewritten, give what they gave.

    Rows may have changed since, so they only need to do so half as often as statements about the rest of the table.
    Without statements there is nothing that speaks against a rename.
    """
    name = f"{rename.table}.{rename.column}"
    renames = [Rename(rename.table, "", rename.new_table)] if rename.table != rename.new_table else []
    about = [(sql, digest) for sql, digest, columns in statements if name in columns]
    others = [
        (sql, digest)
        for sql, digest, columns in statements
        if name not in columns and any(column.startswith(f"{rename.table}.") for column in columns)
    ]
    same, usual = (
        _measure_same(found, old, executor, wanted)
        for found, wanted in ((about, [rename, *renames]), (others, renames))
    )
    return same is None or usual is None or same >= usual / 2


def _measure_same(
    statements: Sequence[tuple[str, str]], old: DatabaseSchema, executor: Executor, renames: Sequence[Rename]
) -> float | None:
    """Give the share of statements that give what they gave before; None without any."""
    tried = same = 0
    for sql, digest in statements[:TRIED_PER_RENAME]:
        rewritten = rewrite_names(sql, old, renames) or sql
        with contextlib.suppress(QueryForgeError):
            found = executor.run(rewritten)
            tried += 1
            same += not isinstance(found, Rejection) and digest_result(found) == digest
    return same / tried if tried else None
