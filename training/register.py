"""`queryforge register`: let a GGUF file serve, through Ollama or embedded, or go back to the model before it.

In: a GGUF that `queryforge export` made. Out: a tag in Ollama, or a model that the embedded backend serves for the
database; and a record of it on stdout. The file has answered a question before it takes the place of another, and that
one is kept to go back to. Killed or failing at any point, it leaves a working model in that place. Judges no model:
that is the gate's.

    queryforge register out.gguf --db data/shop.sqlite
    queryforge register out.gguf --backend ollama --tag queryforge
    queryforge register --rollback

In Ollama a model is made under a tag of its own, `queryforge:registering-...`, asked there, and only then copied to the
tag that answers; what answered before moves to `queryforge:previous-1`, and that to `-2` and `-3`.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from assistant.backends.choose import choose_weights
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.backends.ollama import OllamaBackend, has_model, installed_models
from assistant.errors import QueryForgeError, TrainingError, UsageError
from assistant.files import digest_file
from assistant.served import ServedModels, TrainedModel
from assistant.settings import Settings
from assistant.types import DatabaseSchema, Record
from training.modelfile import GgufFacts, read_gguf_facts, read_modelfile_config, refuse_other_database
from training.ollama_previous import beside, close_up, keep_previous, step_back
from training.ollama_tags import OllamaTags, full_name
from training.smoke import ask_model, check_reply, smoke_question

RegisterBackend = Literal["auto", "ollama", "llamacpp"]
PROBE_TIMEOUT_S = 2.0
"""How long Ollama may take to say that it is there."""


class Registration(Record):
    """What serves now."""

    backend: Literal["ollama", "llamacpp"]
    """What serves it."""
    model: str
    """Tag in Ollama, or name of the file; empty when the model that ships serves again."""
    sha256: str = ""
    """SHA-256 of the GGUF; empty for a rollback in Ollama, which does not tell."""
    question: str = ""
    """What it was asked first; empty for a rollback."""
    reply: str = ""
    """What it wrote."""
    previous: tuple[str, ...] = ()
    """Tags or files that can be gone back to, the last one first."""


def describe_gguf(gguf: Path, schema: DatabaseSchema | None) -> TrainedModel:
    """Gather what the list of served models wants to know of a file; figures and dates are the caller's to add.

    Args:
        gguf: A file of `queryforge export`.
        schema: The database as it is now; kept with the model when it is the one that it was trained on.

    Raises:
        UsageError: The file cannot be used, or belongs to another database.
    """
    facts = read_gguf_facts(gguf)
    refuse_other_database(gguf, facts, schema)
    if not facts.db_id and schema is None:
        raise UsageError(f"'{gguf}' was trained for no one database.", "Name the one it is to answer for with --db.")
    is_trained_on = schema is not None and facts.schema_fingerprint == schema.fingerprint
    return TrainedModel(
        sha256=digest_file(gguf),
        size_bytes=gguf.stat().st_size,
        db_id=facts.db_id if schema is None else schema.db_id,
        dialect=facts.dialect if schema is None else schema.dialect,
        schema_fingerprint=facts.schema_fingerprint,
        trained_schema=schema if is_trained_on else None,
    )


def register_embedded(
    gguf: Path, settings: Settings, schema: DatabaseSchema | None, trained: TrainedModel | None = None
) -> Registration:
    """Let the embedded backend serve a file.

    Args:
        gguf: A file of `queryforge export`.
        settings: Where models are kept, and how long an answer may take.
        schema: The database, if it can be read.
        trained: What is known of the file; by default what it says itself.

    Raises:
        QueryForgeError: It cannot be loaded, did not answer with SQL, or cannot be copied; nothing has changed.
    """
    facts = read_gguf_facts(gguf)
    trained = trained or describe_gguf(gguf, schema)
    question = smoke_question(schema)
    with contextlib.closing(LlamaCppBackend(settings.model_copy(update={"model_path": gguf}))) as backend:
        reply = ask_model(backend, question, facts, schema, max_tokens=settings.max_reply_tokens)
    check_reply(reply, question, trained.dialect)
    models = ServedModels(settings.models_path)
    served = models.install(gguf, trained)
    before = models.history(served.db_id, served.dialect)[1:]
    return Registration(
        backend="llamacpp",
        model=served.file,
        sha256=served.sha256,
        question=question,
        reply=reply,
        previous=tuple(model.file for model in before),
    )


def register_in_ollama(gguf: Path, settings: Settings, schema: DatabaseSchema | None) -> Registration:
    """Let Ollama serve a file under the tag of the settings.

    Args:
        gguf: A file of `queryforge export`.
        settings: Server and tag.
        schema: The database; needed by a model of the full layout, which has to be told it.

    Raises:
        QueryForgeError: The server is not there or refused, or the model did not answer with SQL; what the tag stood
            for it stands for still.
    """
    facts = read_gguf_facts(gguf)
    config = read_modelfile_config(gguf, schema)
    if config.omitted_tables:
        _narrate(f"In a terminal the model will not know of {', '.join(config.omitted_tables)}: there is no room.")
    sha256 = digest_file(gguf)
    tag, question = full_name(settings.model), smoke_question(schema)
    trial = f"{beside(tag, 'registering-')}{sha256[:12]}"
    with OllamaTags(settings.ollama_host) as tags:
        for stale in tags.digests():
            if stale.startswith(beside(tag, "registering-")):  # of a registration that was killed
                tags.delete(stale)
        _narrate("Uploaded." if tags.upload(gguf, sha256) else "Ollama has the file already.")
        try:
            tags.create(trial, sha256, config)
            _check_keys(trial, settings, facts)
            reply = tags.ask(trial, question)
            check_reply(reply, question, facts.dialect if schema is None else schema.dialect)
            keep_previous(tags, tag, new=tags.digest(trial))
            tags.copy(trial, tag)
        finally:
            with contextlib.suppress(QueryForgeError):  # not made yet, or the server is gone: the next one removes it
                tags.delete(trial)
        try:
            previous = close_up(tags, tag)
        except QueryForgeError as error:
            _narrate(f"Note: '{tag}' is the new model, but those before it were not put in order: {error.message}")
            previous = ()
    return Registration(backend="ollama", model=tag, sha256=sha256, question=question, reply=reply, previous=previous)


def roll_back_in_ollama(settings: Settings) -> Registration:
    """Let the tag of the settings stand for the model before; the one it stood for is kept as `...:withdrawn`.

    Whatever an earlier call was killed at is finished first, and counts as this rollback.

    Raises:
        UsageError: There is no model before.
        QueryForgeError: The server is not there or refused.
    """
    tag = full_name(settings.model)
    with OllamaTags(settings.ollama_host) as tags:
        if not step_back(tags, tag):
            _narrate("An earlier registration or rollback was interrupted; it is finished now.")
        return Registration(backend="ollama", model=tag, previous=close_up(tags, tag))


def _check_keys(tag: str, settings: Settings, facts: GgufFacts) -> None:
    """Demand that Ollama hands out what the file says of itself: the chat prompts the model by it."""
    with contextlib.closing(OllamaBackend(settings.model_copy(update={"model": tag}))) as backend:
        info = backend.info()
    told = (info.prompt_layout, info.trained_db_id, info.context_tokens)
    if told != (facts.prompt_layout, facts.db_id, facts.context_tokens):
        raise TrainingError(
            f"Ollama says of the model: layout, database and context are {told}, and not what the file says.",
            "Update Ollama, or serve the model without it: --backend llamacpp.",
        )


def _narrate(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def main(argv: Sequence[str]) -> int:
    """Run the command; give the exit code."""
    arguments = build_parser().parse_args(argv)
    if arguments.rollback and arguments.gguf:
        raise UsageError("--rollback goes back to the model before and takes no file.", "Leave out one of the two.")
    settings = Settings.load({"database_url": arguments.database_url, "model": arguments.tag})
    backend = _choose(arguments.backend, settings, is_rollback=arguments.rollback)
    if arguments.rollback:
        done = roll_back_in_ollama(settings) if backend == "ollama" else _roll_back_embedded(settings)
    else:
        schema = _read_schema(settings, is_demanded=arguments.database_url is not None)
        gguf = arguments.gguf or _find_embedded(settings, schema, backend)
        schema = _same_database(gguf, schema, is_demanded=arguments.database_url is not None)
        done = (register_in_ollama if backend == "ollama" else register_embedded)(gguf, settings, schema)
    print(done.model_dump_json(indent=2))  # noqa: T201
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    fields = Settings.model_fields
    parser = argparse.ArgumentParser(
        prog="queryforge register",
        description="Let a GGUF file serve, in Ollama or embedded, once it has answered a question; or roll back.",
    )
    parser.add_argument(
        "gguf", nargs="?", type=Path, metavar="GGUF",
        help="file made by 'queryforge export'; for Ollama by default the one that serves embedded",
    )  # fmt: skip
    parser.add_argument("--backend", choices=get_args(RegisterBackend), default="auto",
        help="where it is to serve: in Ollama, embedded (llamacpp), or auto: in Ollama if it answers")  # fmt: skip
    parser.add_argument("--tag", metavar="TAG", help=fields["model"].description)
    parser.add_argument("--db", dest="database_url", metavar="URL", help=fields["database_url"].description)
    parser.add_argument("--rollback", action="store_true", help="go back to the model that served before")
    return parser


def _choose(wanted: RegisterBackend, settings: Settings, *, is_rollback: bool) -> Literal["ollama", "llamacpp"]:
    if wanted == "auto" and settings.backend in ("ollama", "llamacpp"):
        wanted = "ollama" if settings.backend == "ollama" else "llamacpp"
    if wanted != "auto":
        return wanted
    installed = installed_models(settings.ollama_host, timeout_s=PROBE_TIMEOUT_S)
    if installed is None:
        _narrate(f"No Ollama answers at {settings.ollama_host}: the embedded backend it is.")
        return "llamacpp"
    # A rollback concerns what the chat uses, and without the tag it uses the embedded model.
    return "llamacpp" if is_rollback and not has_model(installed, settings.model) else "ollama"


def _read_schema(settings: Settings, *, is_demanded: bool) -> DatabaseSchema | None:
    """Read the schema; a database that nobody named on the command line may be missing."""
    from assistant.database import connect

    try:
        with contextlib.closing(connect(settings.database_url, glossary_path=settings.glossary_path)) as database:
            return database.schema()
    except QueryForgeError:
        if is_demanded:
            raise
        return None


def _find_embedded(settings: Settings, schema: DatabaseSchema | None, backend: str) -> Path:
    if backend == "llamacpp":
        raise UsageError("Which file is to serve?", "Give a GGUF file made by 'queryforge export'.")
    serving = ServedModels(settings.models_path).current(schema.db_id, schema.dialect) if schema else None
    return choose_weights(settings, serving)


def _same_database(gguf: Path, schema: DatabaseSchema | None, *, is_demanded: bool) -> DatabaseSchema | None:
    """Give the schema if it is the one of the file's database, and say how it differs from what it was trained on."""
    facts = read_gguf_facts(gguf)
    try:
        refuse_other_database(gguf, facts, schema)
    except UsageError:
        if is_demanded:
            raise
        return None
    if schema is not None and facts.schema_fingerprint not in ("", schema.fingerprint):
        _narrate(f"Note: the schema of '{schema.db_id}' has changed since the model was trained. Train it again.")
    return schema


def _roll_back_embedded(settings: Settings) -> Registration:
    schema = _read_schema(settings, is_demanded=True)
    assert schema is not None  # or it would have raised
    models = ServedModels(settings.models_path)
    served = models.rollback(schema.db_id, schema.dialect)
    if served is None:
        _narrate("The model that ships serves again.")
    return Registration(
        backend="llamacpp",
        model=served.file if served else "",
        sha256=served.sha256 if served else "",
        previous=tuple(model.file for model in models.history(schema.db_id, schema.dialect)[1:]),
    )
