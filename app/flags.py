"""The flags that every command shares, and the Settings that come of them.

Their help is the text of the settings' own fields. Flags win over the environment, the environment over `.env`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from assistant.settings import BackendChoice, Settings


def add_settings_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose database, model and limits."""
    group = parser.add_argument_group("database and model")
    group.add_argument("--db", dest="database_url", metavar="URL", help=_describe("database_url"))
    group.add_argument("--backend", choices=get_args(BackendChoice), help=_describe("backend"))
    group.add_argument("--model", metavar="PATH_OR_TAG", help="A GGUF file, or the tag of a model in Ollama.")
    group.add_argument("--max-rows", type=int, metavar="N", help=_describe("max_rows"))
    group.add_argument("--timeout", dest="query_timeout_s", type=float, metavar="S", help=_describe("query_timeout_s"))


def load_settings(arguments: argparse.Namespace) -> Settings:
    """Resolve the settings from parsed flags.

    Raises:
        UsageError: A value does not fit.
    """
    return Settings.load(chosen_flags(arguments))


def chosen_flags(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the settings that were typed, by the name of their field.

    A model that looks like a file goes to the embedded backend, any other is a tag in Ollama: who names a model wants
    that one and no substitute.
    """
    flags: dict[str, object] = {
        name: value
        for name in ("database_url", "backend", "max_rows", "query_timeout_s")
        if (value := getattr(arguments, name)) is not None
    }
    model: str | None = arguments.model
    if model is None:
        return flags
    is_file = model.lower().endswith(".gguf") or Path(model).is_file()
    flags["model_path" if is_file else "model"] = model
    flags.setdefault("backend", "llamacpp" if is_file else "ollama")
    return flags


def _describe(name: str) -> str:
    text = Settings.model_fields[name].description or ""
    return text.replace("%", "%%")
