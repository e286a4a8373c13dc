"""Which database each question is about: addresses by name, from what the person gave.

In: the examples, and the `--db` arguments: one address for all questions, or several `NAME=ADDRESS`, or a folder of
SQLite files named like the `db_id`s (`DIR/NAME.sqlite` or `DIR/NAME/NAME.sqlite`, also `.db` and `.sqlite3`). Out: an
address for every `db_id`. Opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from assistant.errors import DataError, UsageError
from evaluation.examples import Example

_NAMED = re.compile(r"(?P<name>[\w.-]+)=(?P<address>.+)", re.DOTALL)
_SUFFIXES = (".sqlite", ".db", ".sqlite3")
_HINT = "Give --db NAME=ADDRESS once for every db_id, or --db FOLDER with a file NAME.sqlite for each."


def locate(examples: Sequence[Example], given: Sequence[str]) -> dict[str, str]:
    """Find the address of every database that the examples name.

    Args:
        examples: Questions; a `db_id` of "" stands for the only database.
        given: At least one address, named address or folder.

    Returns:
        `db_id` -> address, in the order in which the examples first name them.

    Raises:
        UsageError: Named and unnamed addresses are mixed, or a name comes twice.
        DataError: An example names a database that was not given.
    """
    wanted = list(dict.fromkeys(example.db_id for example in examples))
    named = [found for found in map(_NAMED.fullmatch, given) if found]
    if not named and len(given) == 1 and not Path(given[0]).is_dir():
        if len(wanted) > 1:
            raise DataError(
                f"The examples are about {len(wanted)} databases ({_list(wanted)}), but one was given.", _HINT
            )
        return {wanted[0]: given[0]}
    if named and len(named) < len(given):
        raise UsageError("Some of the --db arguments have a name and some have not.", _HINT)
    known = {found["name"]: found["address"] for found in named} if named else _list_files(given)
    if named and len(known) < len(named):
        raise UsageError("Two --db arguments have the same name.", _HINT)
    for example in examples:
        if example.db_id not in known:
            raise DataError(f"Example '{example.id}': {_describe_unknown(example.db_id, list(known))}", _HINT)
    return {name: known[name] for name in wanted}


def _list_files(folders: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise UsageError(f"Several databases were given, and '{folder}' has no name.", _HINT)
        files = [*folder.iterdir(), *(file for inner in folder.iterdir() if inner.is_dir() for file in inner.iterdir())]
        for file in sorted(files):
            is_nested = file.parent != folder
            if file.suffix in _SUFFIXES and file.is_file() and (not is_nested or file.stem == file.parent.name):
                found.setdefault(file.stem, str(file))
    return found


def _describe_unknown(name: str, known: Sequence[str]) -> str:
    if not name:
        return f"it has no db_id, and there are several databases ({_list(known)})."
    close = get_close_matches(name, known, n=1)
    guess = f" Did you mean '{close[0]}'?" if close else f" Known: {_list(known)}." if known else ""
    return f"the database '{name}' was not given.{guess}"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(name or "(none)" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
