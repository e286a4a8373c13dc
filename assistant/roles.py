"""What the columns of a result are to a reader, and the chart that suits them.

In: a QueryResult. Out: a role for each column, and a ChartSpec or none. Looks at kinds, names and cells alone: knows no
query, draws nothing.
"""

from __future__ import annotations

import re
from typing import Literal

from assistant.types import ChartSpec, QueryResult
from assistant.words import split_name
from assistant.writing import is_label_number

MIN_BARS, MAX_BARS = 2, 40

_DATE = re.compile(r"\d{4}(?:-(?:Q[1-4]|W?\d{1,2}))?(?:-\d{2})?(?:[ T]\d{2}:\d{2}(?::\d{2})?)?")
_PERIOD_WORDS = frozenset(("year", "month", "quarter", "week", "day", "date", "hour", "period"))

Role = Literal["label", "period", "figure", "key"]
"""A name of something, a time, a number to compare, or a number that only tells things apart."""


def choose_chart(result: QueryResult) -> ChartSpec | None:
    """Choose a chart: bars for a label and its figure, a line for a period and its figure, else none."""
    roles = find_roles(result)
    names = [place for place, role in enumerate(roles) if role in ("label", "period")]
    figures = [place for place, role in enumerate(roles) if role == "figure"]
    if len(names) != 1 or not figures or len(result.rows) < MIN_BARS:
        return None
    label, figure = result.columns[names[0]].name, result.columns[figures[0]].name
    cells = [row[names[0]] for row in result.rows]
    if label == figure or len(set(cells)) < len(cells) or all(row[figures[0]] is None for row in result.rows):
        return None
    if roles[names[0]] == "period" and is_in_order(result, names[0]):
        return ChartSpec(mark="line", x=label, y=figure)
    if len(result.rows) > MAX_BARS or result.is_truncated:
        return None
    return ChartSpec(mark="bar", x=label, y=figure)


def is_in_order(result: QueryResult, place: int) -> bool:
    """Tell whether the periods of a result follow one another; those of a ranking do not."""
    cells = [str(row[place]) for row in result.rows if row[place] is not None]
    return cells in (sorted(cells), sorted(cells, reverse=True))


def find_roles(result: QueryResult) -> list[Role]:
    """Find the role of each column."""
    return [_role(result, place) for place in range(len(result.columns))]


def _role(result: QueryResult, place: int) -> Role:
    column = result.columns[place]
    words = split_name(column.name)
    cells = [row[place] for row in result.rows if row[place] is not None]
    if column.kind in ("date", "datetime"):
        return "period"
    numbers = [cell for cell in cells if isinstance(cell, int | float) and not isinstance(cell, bool)]
    if not cells and column.kind in ("integer", "float"):
        return "figure"
    if cells and len(numbers) == len(cells):
        named_period = _PERIOD_WORDS & set(words)
        is_year = all(isinstance(cell, int) and 1900 <= cell <= 2100 for cell in cells)
        if is_year and "year" in words:
            return "period"
        if named_period and words[-1] in _PERIOD_WORDS and all(isinstance(cell, int) for cell in cells):
            return "period"
        return "key" if is_label_number(column.name) else "figure"
    if cells and all(isinstance(cell, str) and _DATE.fullmatch(cell) for cell in cells):
        return "period"
    return "label"
