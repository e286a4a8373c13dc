"""Pairs as lines of JSON, to carry them from one machine to another.

In: Pairs, or the lines of a file. Out: lines, or Pairs. Judges nothing and writes into no database: whoever imports
approved pairs holds them against the database first, and then gives them to `Memory.import_pairs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from assistant.errors import DataError
from assistant.memory.records import Pair


def export_pairs(pairs: Iterable[Pair]) -> Iterator[str]:
    """Write each pair as one line of JSON, line end included."""
    for pair in pairs:
        yield pair.model_dump_json() + "\n"


def read_pairs(lines: Iterable[str], *, source: str) -> tuple[Pair, ...]:
    """Read pairs from lines of JSON; blank lines are skipped.

    Args:
        lines: The lines.
        source: Where they come from, for messages.

    Raises:
        DataError: A line is no pair; with its number, the field and the reason.
    """
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(Pair.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise DataError(
                f"'{source}', line {number}: {field + ': ' if field else ''}{first['msg']}.",
                "Each line is one pair as 'queryforge pairs export' writes it.",
            ) from error
    return tuple(found)
