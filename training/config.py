"""A job's configuration: one TOML file, checked by a record, overridden by `--set key=value`; and the run folder.

In: a TOML file and overrides. Out: a frozen record; and, in the run folder, what is needed to repeat the run:
`config.json` (resolved) and `versions.json` (commit, packages). Knows no job.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from assistant.errors import UsageError
from assistant.files import write_whole
from assistant.settings import PROJECT_ROOT
from assistant.types import Record

Config = TypeVar("Config", bound=Record)

_PACKAGES = ("queryforge", "torch", "transformers", "tokenizers", "peft", "bitsandbytes", "gguf", "numpy", "sqlglot")


def load_config(kind: type[Config], path: Path | None, overrides: Mapping[str, object] | None = None) -> Config:
    """Read and check a job's configuration.

    Args:
        kind: Record that describes it.
        path: TOML file; None for defaults alone.
        overrides: Values that replace those of the file; None values are ignored.

    Raises:
        UsageError: The file cannot be read, a key is unknown, or a value does not fit.
    """
    source = str(path) if path else "the command line"
    values: dict[str, object] = {}
    if path:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(
                f"Cannot read the config '{path}': {error}.", "See training/configs for examples."
            ) from error
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    for key in values:
        if key not in kind.model_fields:
            close = get_close_matches(key, kind.model_fields, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known keys: {', '.join(kind.model_fields)}."
            raise UsageError(f"{source}: unknown key '{key}'.", hint)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "config"
        is_missing = first["type"] == "missing"
        complaint = "is missing" if is_missing else f"cannot be {first.get('input')!r}: {first['msg']}"
        raise UsageError(f"{source}: '{name}' {complaint}.", _field_text(kind, name)) from error


def parse_overrides(pairs: Sequence[str]) -> dict[str, object]:
    """Read `key=value` pairs; a value is TOML where it can be, else text.

    Raises:
        UsageError: A pair has no equals sign.
    """
    values: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"Cannot read '--set {pair}'.", "Write it as --set key=value.")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text
    return values


def write_run_record(folder: Path, config: Record) -> None:
    """Write the resolved config, git commit and versions into the run folder, before the work starts.

    Raises:
        UsageError: The folder cannot be written.
    """
    record = {
        "command": sys.argv,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "config.json", config.model_dump_json(indent=2) + "\n")
        write_whole(folder / "versions.json", json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"Cannot write the run folder '{folder}': {error}.", "Choose another --out.") from error


def _field_text(kind: type[Record], name: str) -> str:
    field = kind.model_fields.get(name.split(".")[0])
    return (field.description or "") if field else ""


def _git_commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
