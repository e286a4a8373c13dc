"""The arguments that say what is asked of which model, for every command that asks.

In: a parser. Out: the parser with these arguments, the same names and words everywhere. Reads no files.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from assistant.settings import BackendChoice, Settings
from evaluation.variants import DEFAULT_VARIANTS


def add_run_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the questions, the folder, the databases and the model; return the group of the model."""
    parser.add_argument("--examples", type=Path, required=True, metavar="FILE", help="JSONL file of examples")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for predictions and metrics")
    parser.add_argument("--limit", type=_positive, metavar="N", help="use only the first N examples")
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
    return group


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
