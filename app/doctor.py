"""`queryforge doctor`: is everything in place? One line for each part, with a remedy where something is missing.

In: the settings and this machine. Out: lines on stdout, and 0 if the chat can work. `ok` is as it should be, `note` is
missing but not needed for the chat, `fault` keeps the chat from working. Changes nothing and prints no secret.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.display import printable
from app.flags import add_settings_flags, load_settings
from app.privacy import MAX_SHOWN_ROWS, describe_sending, describe_wording
from assistant.errors import BackendGone, QueryForgeError

if TYPE_CHECKING:
    from assistant.settings import Settings
    from assistant.types import DatabaseSchema, ModelInfo

OLDEST_PYTHON = (3, 11)
OLLAMA_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0
"""How long the server of the answer model, which may be far away, may take to say what it has."""
EXTRAS: dict[str, tuple[str, ...]] = {
    "train": ("torch", "transformers", "peft"),
    "export": ("gguf", "safetensors"),
    "postgres": ("psycopg",),
    "mysql": ("pymysql",),
}
"""Extra -> packages that tell whether it is installed."""


@dataclass(frozen=True)
class Finding:
    """What was found out about one part."""

    state: Literal["ok", "note", "fault"]
    """As it should be; missing but not needed for the chat; keeps the chat from working."""
    part: str
    """What was looked at."""
    text: str
    """What was found."""
    remedy: str = ""
    """What to do; empty when there is nothing to do."""


def main(argv: Sequence[str]) -> int:
    """Look at everything; return 0 if the chat can work, else 1."""
    arguments = build_parser().parse_args(argv)
    settings = load_settings(arguments)
    has_fault = False
    for finding in examine(settings):
        print(render(finding), flush=True)  # noqa: T201
        has_fault = has_fault or finding.state == "fault"
    print("The chat cannot work yet." if has_fault else "The chat can work: queryforge chat", file=sys.stderr)  # noqa: T201
    return 1 if has_fault else 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge doctor",
        description="Check the model, the database and this machine: one line each, with a remedy for each fault.",
    )
    add_settings_flags(parser)
    return parser


def render(finding: Finding) -> str:
    """Write a finding as a line, and its remedy as a second one."""
    line = f"{finding.state:<5}  {finding.part:<9}  {finding.text}"
    return printable(line + (f"\n{'':<18}{finding.remedy}" if finding.remedy else ""))


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at one part after the other; a fault in one does not hide the next."""
    yield _python()
    yield _page()
    schema, finding = _database(settings)
    yield finding
    info, findings = _model(settings, schema)
    yield from findings
    if schema is not None and info is not None:
        yield _match(info, schema)
    if info is not None:
        yield _privacy(settings, info, schema)
    yield _answers(settings)
    yield _ollama(settings)
    yield _gpu()
    yield _aws()
    for extra, packages in EXTRAS.items():
        yield _extra(extra, packages)


def _python() -> Finding:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("fault", "Python", text, f"Install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer.")
    return Finding("ok", "Python", text)


def _page() -> Finding:
    if _is_installed("streamlit"):
        return Finding("ok", "Chat page", "Streamlit is installed")
    return Finding("fault", "Chat page", "Streamlit is not installed", "Install it: pip install -e .")


def _database(settings: Settings) -> tuple[DatabaseSchema | None, Finding]:
    from assistant.database import connect_as_set

    try:
        with closing(connect_as_set(settings)) as database:
            schema = database.schema()
    except QueryForgeError as error:
        return None, Finding("fault", "Database", error.message, error.hint)
    rows = sum(table.row_estimate or 0 for table in schema.tables)
    text = f"'{schema.db_id}' ({schema.dialect}), {len(schema.tables)} tables, about {rows:,} rows, opened read-only"
    if not schema.tables:
        return schema, Finding("fault", "Database", text, "There is nothing to ask about; set QUERYFORGE_DATABASE_URL.")
    return schema, Finding("ok", "Database", text)


def _model(settings: Settings, schema: DatabaseSchema | None) -> tuple[ModelInfo | None, list[Finding]]:
    from assistant.backends.choose import choose_backend
    from assistant.served import ServedModels

    serving = ServedModels(settings.models_path).current(schema.db_id, schema.dialect) if schema else None
    try:
        backend, reason = choose_backend(settings, serving)
    except QueryForgeError as error:
        return None, [Finding("fault", "Backend", error.message, error.hint)]
    is_damaged = serving is not None and serving.warnings and settings.model_path is None
    remedy = "Register a model again: queryforge register --help" if is_damaged else ""
    findings = [Finding("note" if is_damaged else "ok", "Backend", reason, remedy)]
    try:
        with closing(backend):
            info = backend.info()
    except QueryForgeError as error:
        return None, [*findings, Finding("fault", "Model", error.message, error.hint)]
    size = f", {info.size_bytes / 1e6:,.0f} MB" if info.size_bytes else ""
    trained = f", trained for '{info.trained_db_id}'" if info.trained_db_id else ", trained for no one database"
    text = f"'{info.name}'{size}, {info.prompt_layout} prompts, {info.context_tokens:,} tokens{trained}"
    return info, [*findings, Finding("ok", "Model", text)]


def _match(info: ModelInfo, schema: DatabaseSchema) -> Finding:
    from assistant.engines import describe_mismatch

    warnings = describe_mismatch(info, schema)
    if warnings:
        return Finding("note", "Match", " ".join(warnings))
    if info.trained_fingerprint:
        return Finding("ok", "Match", f"the model was trained for this schema ({schema.fingerprint[:12]})")
    return Finding("ok", "Match", "the model takes any schema")


def _privacy(settings: Settings, info: ModelInfo, schema: DatabaseSchema | None) -> Finding:
    from assistant.masking import masked_columns, read_patterns, unused_patterns

    text = describe_sending(settings, info) or "nothing is sent to another machine."
    if not text.startswith("Sent") and not settings.send_values:
        text += " The model sees no values of the data."
    if schema is not None:
        masked = masked_columns(schema)
        text += f" Masked: {', '.join(masked[:10])}{' ...' if len(masked) > 10 else ''}." if masked else ""
        if unused := unused_patterns(schema, read_patterns(settings.masked_columns)):
            remedy = "Correct QUERYFORGE_MASKED_COLUMNS."
            return Finding("note", "Privacy", f"{text} No column is masked by: {', '.join(unused)}.", remedy)
    return Finding("note" if text.startswith("Sent") else "ok", "Privacy", text)


def _answers(settings: Settings) -> Finding:
    """Look for the model that puts answers into words; without it they keep the words that QueryForge finds."""
    from assistant.backends.choose import choose_answer_backend

    model = settings.answer_model
    if not model:
        return Finding("ok", "Answers", "in QueryForge's own words; no answer model is set")
    if not settings.send_values:
        text = f"the answer model '{model}' is not asked: models may see no values of the data"
        return Finding("note", "Answers", text, "Set QUERYFORGE_SEND_VALUES=true to use it.")
    try:
        backend = choose_answer_backend(
            settings.model_copy(update={"answer_timeout_s": min(settings.answer_timeout_s, ANSWER_TIMEOUT_S)})
        )
    except QueryForgeError as error:
        return Finding("fault", "Answers", error.message, error.hint)  # nothing starts with such an address
    try:
        with closing(backend):
            backend.info()
    except QueryForgeError as error:
        is_ollama = settings.answer_backend == "ollama"
        if isinstance(error, BackendGone):
            remedy = f"Start the server, or correct QUERYFORGE_{'OLLAMA_HOST' if is_ollama else 'OPENAI_URL'}."
        else:
            # Backends name what sets the model that writes SQL.
            remedy = error.hint.replace("QUERYFORGE_MODEL", "QUERYFORGE_ANSWER_MODEL")
            remedy = remedy.replace("queryforge register", f"ollama pull {model}")
        return Finding("note", "Answers", f"no words from the answer model '{model}': {error.message}", remedy)
    where = "another machine" if describe_wording(settings) else "this machine"
    text = f"'{model}' puts them into words; it sees your questions and {MAX_SHOWN_ROWS} rows of each result"
    return Finding("ok", "Answers", f"{text}, on {where}")


def _ollama(settings: Settings) -> Finding:
    from assistant.backends.ollama import has_model, installed_models

    try:
        installed = installed_models(settings.ollama_host, timeout_s=OLLAMA_TIMEOUT_S)
    except QueryForgeError as error:
        return Finding("note", "Ollama", error.message, error.hint)
    if installed is None:
        return Finding("note", "Ollama", f"does not answer at {settings.ollama_host}; the embedded model needs none")
    if has_model(installed, settings.model):
        return Finding("ok", "Ollama", f"answers and has '{settings.model}'")
    text = f"answers but has no model '{settings.model}' (it has {len(installed)})"
    return Finding("note", "Ollama", text, "Create it: queryforge register; or set QUERYFORGE_MODEL.")


def _gpu() -> Finding:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding("note", "GPU", "none found; the chat needs none, training a large model does")
    try:
        listed = subprocess.run(
            [program, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return Finding("note", "GPU", "nvidia-smi is there but does not answer", "Check the driver: nvidia-smi")
    return Finding("ok", "GPU", "; ".join(listed.stdout.split("\n")).strip("; "))


def _aws() -> Finding:
    if not _is_installed("boto3"):
        return Finding("note", "AWS", "boto3 is not installed; only SageMaker needs it", "pip install '.[aws]'")
    has_credentials = bool(os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_PROFILE"))
    if has_credentials or (Path.home() / ".aws" / "credentials").is_file():
        return Finding("ok", "AWS", "boto3 is installed and credentials are set (not tried)")
    return Finding(
        "note", "AWS", "boto3 is installed, credentials are not set", "Set AWS_PROFILE or run 'aws configure'."
    )


def _extra(extra: str, packages: tuple[str, ...]) -> Finding:
    missing = [package for package in packages if not _is_installed(package)]
    part = extra.capitalize()
    if missing:
        return Finding("note", part, f"{', '.join(missing)} not installed", f"pip install '.[{extra}]'")
    return Finding("ok", part, f"{', '.join(packages)} installed")


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
