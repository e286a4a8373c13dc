"""A picture of tables and their keys, as text in Graphviz' language; the browser draws it.

In: the tables of a schema. Out: DOT. Small schemas show key columns; in large ones, tables without keys are left out of
the picture, and around one table only its neighbours are shown: sixty tables with all their columns are a carpet.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.types import Table

MAX_DETAILED = 14
"""Tables up to which key columns are shown in the boxes."""
MAX_COLUMNS = 6
"""Columns in a box."""


def draw_keys(tables: Sequence[Table], *, around: str = "", is_dark: bool = False) -> str:
    """Write the picture.

    Args:
        tables: All tables.
        around: Show this table and those it is joined with; empty for all.
        is_dark: Whether the page is dark.
    """
    shown = _neighbours(tables, around) if around else tables
    is_detailed = len(shown) <= MAX_DETAILED
    joined = {name for table in shown for key in table.foreign_keys for name in (table.name, key.ref_table)}
    boxes = [table for table in shown if is_detailed or table.name in joined]
    names = {table.name for table in boxes}
    ink, line, fill = ("#e8eaec", "#8b959d", "#1d2226") if is_dark else ("#1a1f24", "#6b747c", "#f5f6f7")
    lines = [
        "digraph {",
        f'graph [rankdir={"LR" if is_detailed else "TB"} bgcolor="transparent" nodesep=0.25 ranksep=0.5]',
        f'node [shape=plain fontname="sans-serif" fontsize=11 fontcolor="{ink}"]',
        f'edge [color="{line}" arrowsize=0.6 penwidth=1]',
    ]
    lines += [
        f"{_quote(table.name)} [label={_box(table, is_detailed, line, fill, table.name == around)}]" for table in boxes
    ]
    pairs = {(table.name, key.ref_table) for table in boxes for key in table.foreign_keys if key.ref_table in names}
    lines += [f"{_quote(one)} -> {_quote(other)}" for one, other in sorted(pairs)]
    return "\n".join([*lines, "}"])


def describe_keys(tables: Sequence[Table]) -> str:
    """Say in words which table refers to which, for those who do not see the picture."""
    said = [
        f"{table.name} refers to {', '.join(sorted({key.ref_table for key in table.foreign_keys}))}"
        for table in tables
        if table.foreign_keys
    ]
    return "; ".join(said) + "." if said else "No table refers to another."


def _neighbours(tables: Sequence[Table], around: str) -> list[Table]:
    near = {around}
    for table in tables:
        refs = {key.ref_table for key in table.foreign_keys}
        if table.name == around:
            near |= refs
        elif around in refs:
            near.add(table.name)
    return [table for table in tables if table.name in near]


def _box(table: Table, is_detailed: bool, line: str, fill: str, is_centre: bool) -> str:
    border = 2 if is_centre else 1
    rows = [f'<tr><td bgcolor="{fill}"><b>{_escape(table.name)}</b></td></tr>']
    if is_detailed:
        referring = {column for key in table.foreign_keys for column in key.columns}
        keys = [column.name for column in table.columns if column.name in table.primary_key or column.name in referring]
        for name in keys[:MAX_COLUMNS]:
            sign = "key" if name in table.primary_key else "→"
            rows.append(f'<tr><td align="left">{_escape(name)} <font color="{line}">{sign}</font></td></tr>')
        if len(table.columns) > len(keys[:MAX_COLUMNS]):
            more = len(table.columns) - len(keys[:MAX_COLUMNS])
            rows.append(f'<tr><td align="left"><font color="{line}">{more} more</font></td></tr>')
    look = f'border="{border}" color="{line}" cellborder="0" cellspacing="0" cellpadding="4"'
    return f"<<table {look}>{''.join(rows)}</table>>"


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
