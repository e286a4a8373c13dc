"""Rates, cells, SQL and foreign text as a report writes them, in Markdown and on the page alike.

In: figures of a run, cells of a result, text that a model or a file of examples supplied. Out: plain text that shows
what is there and does nothing: control characters and marks that turn the direction of writing become visible. Not
escaped for Markdown or HTML; that is the renderers' business.
"""

from __future__ import annotations

from collections.abc import Mapping

from assistant.guard import format_sql
from assistant.types import Cell
from evaluation.rates import Rate
from evaluation.records import Score

NOTHING = "–"
"""Stands where there is no figure."""

MAX_CELL_CHARS = 120
"""Longer cells are cut."""


def visible(text: str) -> str:
    """Replace characters that are not seen but obeyed, such as terminal escapes, by their escape sequence."""
    if text.isprintable():
        return text
    return "".join(ch if ch.isprintable() or ch in "\n\t" else ch.encode("unicode_escape").decode() for ch in text)


def one_line(text: str) -> str:
    """Fold white space, so that text fits a heading or the cell of a table."""
    return visible(" ".join(text.split()))


def write_sql(sql: str | None) -> str:
    """Lay SQL out on several lines; empty for none."""
    return visible(format_sql(sql)) if sql else ""


def write_cell(cell: Cell) -> str:
    """Write a cell so that values that differ look different: NULL, 'NULL', '' and '1' are not NULL, 1 or nothing."""
    if cell is None:
        return "NULL"
    if not isinstance(cell, str):
        return str(cell)
    shown = visible(cell).replace("\n", "\\n").replace("\t", "\\t")
    if len(shown) > MAX_CELL_CHARS:
        shown = shown[: MAX_CELL_CHARS - 1] + "…"
    return f"'{shown}'" if _looks_like_another(cell) else shown


def write_share(share: float | None) -> str:
    """Write a share of 1 in percent: `43.7 %`."""
    return NOTHING if share is None else f"{share * 100:.1f} %"


def write_interval(rate: Rate) -> str:
    """Write the 95 % interval: `35.8 to 51.9 %`."""
    return NOTHING if rate.low is None or rate.high is None else f"{rate.low * 100:.1f} to {rate.high * 100:.1f} %"


def write_counts(rate: Rate) -> str:
    """Write how many of how many: `62 of 142`."""
    return f"{rate.hits:,} of {rate.n:,}"


def format_ms(value: float | None) -> str:
    """Write a time for people: `0.4 ms`, `25 ms`, `1.3 s`."""
    if value is None:
        return NOTHING
    if value >= 1000:
        return f"{value / 1000:,.1f} s"
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def best_first(rates: Mapping[str, Rate]) -> dict[str, Rate]:
    """Sort groups by their rate; of equals the larger first."""
    return dict(sorted(rates.items(), key=lambda item: (-(item[1].rate or 0.0), -item[1].n, item[0])))


def name_of(score: Score) -> str:
    """Name a judged question for people: `demo-001 turn 2`."""
    return one_line(score.id) if score.turn is None else f"{one_line(score.id)} turn {score.turn}"


def _looks_like_another(text: str) -> bool:
    if not text or text != text.strip() or text.upper() in ("NULL", "TRUE", "FALSE"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
