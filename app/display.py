"""Values and SQL as a person reads them: numbers grouped, control characters made visible, a table for the terminal.

In: cells of a QueryResult. Out: text. Pure functions; the terminal and the page share the rules for numbers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from assistant.types import Cell, ColumnKind, QueryResult
from assistant.writing import is_label_number

MAX_CELL_CHARS = 60
"""Widest cell of a terminal table, in characters."""

_NUMERIC: frozenset[ColumnKind] = frozenset({"integer", "float"})
# Cc control, Cf format (direction overrides), Cs lone surrogates, Zl and Zp line breaks: none may reach a terminal.
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def format_cell(value: Cell, column: str) -> str:
    """Write one value: `1,234`, `56.78`, `2025` in a column of years, `yes`; nothing for NULL is `NULL`."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if is_label(column) else f"{value:,}"
    if isinstance(value, float):
        return _format_float(value, column)
    return value


def is_label(column: str) -> bool:
    """Tell whether the numbers of a column name something, as a key or a year does, rather than count it."""
    return is_label_number(column)


def printable(text: str) -> str:
    """Replace what a terminal would act upon (escape sequences, direction marks) by its visible escape."""
    if text.isprintable():
        return text
    return "".join(
        ch if ch == "\n" or unicodedata.category(ch) not in _UNPRINTABLE else ch.encode("unicode_escape").decode()
        for ch in text
    )


def render_table(result: QueryResult, *, max_rows: int) -> str:
    """Render the first rows as aligned columns, numbers to the right, and say what was left out."""
    names = [_one_line(column.name) for column in result.columns]
    shown = [
        [_one_line(format_cell(value, column.name)) for value, column in zip(row, result.columns, strict=True)]
        for row in result.rows[:max_rows]
    ]
    widths = [max(map(_width, cells)) for cells in zip(names, *shown, strict=True)]
    to_right = [column.kind in _NUMERIC for column in result.columns]
    lines = [_join(names, widths, to_right), _join(["-" * width for width in widths], widths, to_right)]
    lines += [_join(row, widths, to_right) for row in shown]
    return "\n".join([*lines, f"({count_rows(result, shown=len(shown))})"])


def pretty_sql(sql: str) -> str:
    """Lay a statement out on several lines, with nothing in it that a terminal would obey."""
    from assistant.guard import format_sql

    return printable(format_sql(sql))


def count_rows(result: QueryResult, *, shown: int | None = None) -> str:
    """Say how many rows there are: `1 row`, `the first 20 of 85 rows`, `the first 1,000 rows; there are more`."""
    total = len(result.rows)
    shown = total if shown is None else shown
    if result.is_truncated:
        rest = f" of the first {total:,}" if shown < total else ""
        return f"the first {shown:,}{rest} rows; there are more"
    if shown < total:
        return f"the first {shown:,} of {total:,} rows"
    return f"{total:,} row{'' if total == 1 else 's'}"


def _format_float(value: float, column: str) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    if value.is_integer() and is_label(column):
        return str(int(value))
    if value != 0 and abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:,.2f}"


def _one_line(text: str) -> str:
    line = printable(" ".join(text.split()) if "\n" in text or "\r" in text or "\t" in text else text)
    return line if len(line) <= MAX_CELL_CHARS else line[: MAX_CELL_CHARS - 1] + "…"


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(ch) else 2 if unicodedata.east_asian_width(ch) in "WF" else 1 for ch in text)


def _join(cells: Sequence[str], widths: Sequence[int], to_right: Sequence[bool]) -> str:
    padded = []
    for cell, width, right in zip(cells, widths, to_right, strict=True):
        gap = " " * (width - _width(cell))
        padded.append(gap + cell if right else cell + gap)
    return "  ".join(padded).rstrip()
