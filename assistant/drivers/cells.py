"""Normalise cells once, at the database's edge.

In: rows as a driver returns them. Out: rows of `Cell`, and a `ColumnKind` for each column taken from its values. The
same for every database, so that nothing above has to know a driver. Never reads anything.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal

from assistant.types import Cell, ColumnKind

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?")
_KINDS: dict[type, ColumnKind] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    date: "date",
    datetime: "datetime",
    bytes: "blob",
    bytearray: "blob",
    memoryview: "blob",
}
_EXACT_INTEGERS = 2**53
"""Beyond this a float cannot hold every integer."""


def normalise_rows(rows: Sequence[Sequence[object]], width: int) -> tuple[list[tuple[Cell, ...]], list[ColumnKind]]:
    """Turn driver rows into cells, and say what each column holds.

    A column of integers and fractions becomes a column of floats: SQLite keeps 12.00 in a DECIMAL column as 12.

    Args:
        rows: Rows of a driver.
        width: Number of columns, needed when there are no rows.
    """
    columns: list[list[Cell]] = []
    kinds: list[ColumnKind] = []
    for i in range(width):
        raw = [row[i] for row in rows]
        kind = kind_of_values(raw)
        cells = [normalise_cell(value) for value in raw]
        kinds.append(kind)
        columns.append([_as_float(cell) for cell in cells] if kind == "float" else cells)
    return list(zip(*columns, strict=True)), kinds


def normalise_cell(value: object) -> Cell:
    """Turn one driver value into a `Cell`.

    Decimals become floats, or integers when their type has no fraction; dates and times become ISO text; bytes become
    their size and the first 8 hex digits of their SHA-256; infinity and not-a-number become text, as JSON has no number
    for them.
    """
    if value is None or isinstance(value, str | int):  # bool is an int
        return value
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return _from_decimal(value)
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            data = bytes(value)
            return f"<{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:8]}>"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)


def kind_of_values(values: Iterable[object]) -> ColumnKind:
    """Say what a column holds: `null` when it holds nothing, `text` when its values are of several kinds."""
    kinds = {_kind_of_value(value) for value in values} - {"null"}
    if len(kinds) <= 1:
        return kinds.pop() if kinds else "null"
    if kinds == {"integer", "float"}:
        return "float"
    return "datetime" if kinds == {"date", "datetime"} else "text"


def _kind_of_value(value: object) -> ColumnKind:
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind
    cell = normalise_cell(value)
    if isinstance(cell, str):
        # Dates come as text from SQLite. Most text does not start with a digit, and this is asked of every cell.
        if not cell[:1].isdigit():
            return "text"
        return "date" if _DATE.fullmatch(cell) else "datetime" if _DATETIME.fullmatch(cell) else "text"
    return "float" if isinstance(cell, float) else _KINDS[type(cell)]


def _from_decimal(value: Decimal) -> Cell:
    if not value.is_finite():
        return str(value)
    exponent = value.as_tuple().exponent
    return int(value) if isinstance(exponent, int) and exponent >= 0 else float(value)


def _as_float(cell: Cell) -> Cell:
    return float(cell) if isinstance(cell, int) and abs(cell) <= _EXACT_INTEGERS else cell
