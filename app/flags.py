"""The flags that every command shares, and the Settings that come of them.

Their help is the text of the settings' own fields. Flags win over the environment, the environment over `.env`.
"""

from __future__ import annotations

import argparse
from typing import get_args

from assistant.settings import BackendChoice, Settings, choose_model


def add_settings_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose database, model and limits."""
    group = parser.add_argument_group("database and model")
    group.add_argument("--db", dest="database_url", metavar="URL", help=_describe("database_url"))
    group.add_argument("--backend", choices=get_args(BackendChoice), help=_describe("backend"))
    group.add_argument(
        "--model",
        metavar="PATH_OR_TAG",
        help="A GGUF file, a folder of unquantised weights, or the tag of a model in Ollama.",
    )
    group.add_argument("--max-rows", type=int, metavar="N", help=_describe("max_rows"))
    group.add_argument("--timeout", dest="query_timeout_s", type=float, metavar="S", help=_describe("query_timeout_s"))


def load_settings(arguments: argparse.Namespace) -> Settings:
    """Resolve the settings from parsed flags.

    Raises:
        UsageError: A value does not fit.
    """
    return Settings.load(chosen_flags(arguments))


def chosen_flags(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the settings that were typed, by the name of their field."""
    flags: dict[str, object] = {
        name: value
        for name in ("database_url", "max_rows", "query_timeout_s")
        if (value := getattr(arguments, name)) is not None
    }
    return flags | choose_model(arguments.model, arguments.backend)


def _describe(name: str) -> str:
    text = Settings.model_fields[name].description or ""
    return text.replace("%", "%%")
