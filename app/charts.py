"""Charts of a result: which one suits its columns, what a person may change, and the points to be drawn.

In: a QueryResult. Out: a ChartChoice, and the points that it makes of the rows. Figures are added up here rather than
in the browser, so that little is sent and each is exact. Pure functions; `app.vega` draws the points.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Literal

from app.display import is_label
from assistant.types import Cell, ChartSpec, QueryResult

Mark = Literal["bar", "line", "area", "point", "pie"]
"""Kinds of charts."""
Aggregate = Literal["none", "sum", "mean", "median", "min", "max", "count"]
"""How the figures of rows with the same place on the x axis become one."""

MARKS: dict[Mark, str] = {"bar": "Bars", "line": "Line", "area": "Area", "point": "Points", "pie": "Pie"}
AGGREGATES: dict[Aggregate, str] = {
    "none": "Each row",
    "sum": "Sum",
    "mean": "Average",
    "median": "Median",
    "min": "Smallest",
    "max": "Largest",
    "count": "Number of rows",
}
MAX_BARS = 30
"""Most bars that stay readable; more are left out, and the page says so."""
MAX_SLICES = 6
"""Most slices of a pie; the smaller ones become one."""
MAX_COLOURS = 6
"""Most colours that can be told apart; the rest share one."""
OTHERS = "All others"
ISO_DATE = re.compile(r"^\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?$")
"""A month, a day or a moment."""
_WAYS: dict[Aggregate, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "mean": fmean,
    "median": median,
    "min": min,
    "max": max,
    "count": len,
}


@dataclass(frozen=True)
class ChartChoice:
    """A chart as a person may change it; columns by their place in the result."""

    mark: Mark
    """Kind of chart."""
    x: int
    """Column of names, periods or, for points, figures."""
    y: int | None
    """Column of figures; None to count rows."""
    colour: int | None = None
    """Column that parts the figures; None for one colour."""
    aggregate: Aggregate = "none"
    """What is made of rows with the same x and colour."""
    is_stacked: bool = True
    """Whether bars and areas of several colours stand on one another."""


@dataclass(frozen=True)
class Point:
    """One mark of a chart."""

    x: Cell
    y: float
    colour: Cell = None


def figures_of(result: QueryResult) -> list[int]:
    """List the columns that hold numbers."""
    return [
        at
        for at in range(len(result.columns))
        if any(is_number(row[at]) for row in result.rows)
        and all(row[at] is None or is_number(row[at]) for row in result.rows)
    ]


def default_choice(result: QueryResult, spec: ChartSpec | None) -> ChartChoice | None:
    """Choose a chart by the kinds of the columns; None where nothing can be drawn.

    Args:
        result: The rows.
        spec: What the assistant found to suit them, if anything.
    """
    names = [column.name for column in result.columns]
    if spec is not None and spec.x in names and spec.y in names:
        x, y = names.index(spec.x), names.index(spec.y)
        if y in figures_of(result):
            return _with_aggregate(result, ChartChoice(mark=spec.mark, x=x, y=y))
    figures = figures_of(result)
    measures = [at for at in figures if not is_label(names[at])]
    labels = [at for at in range(len(names)) if at not in measures]
    if len(result.rows) < 2 or not names or not figures:
        return None
    periods = [at for at in labels if _is_period(result, at)]
    if periods and measures:
        return _with_aggregate(result, ChartChoice(mark="line", x=periods[0], y=measures[0]))
    if labels and measures:
        words = [at for at in labels if at not in figures]
        return _with_aggregate(result, ChartChoice(mark="bar", x=(words or labels)[0], y=measures[0]))
    if len(measures) > 1:
        return ChartChoice(mark="point", x=measures[0], y=measures[1])
    return None


def find_points(result: QueryResult, choice: ChartChoice) -> list[Point]:
    """Put the rows together as the choice says, in the order in which they come."""
    groups: dict[tuple[Cell, Cell], list[float]] = {}
    points: list[Point] = []
    for row in result.rows:
        x = row[choice.x]
        colour = None if choice.colour is None else row[choice.colour]
        y = 1 if choice.y is None else row[choice.y]
        if choice.aggregate == "count":
            y = 1
        if not is_number(y) or (choice.mark == "point" and x is None):
            continue
        assert isinstance(y, int | float)
        if choice.aggregate == "none":
            points.append(Point(x, y, colour))
        else:
            groups.setdefault((x, colour), []).append(y)
    if choice.aggregate == "none":
        return points
    way = _WAYS[choice.aggregate]
    return [Point(x, way(values), colour) for (x, colour), values in groups.items()]


def describe_cut(result: QueryResult, choice: ChartChoice) -> str:
    """Say what a chart leaves out; empty when it shows all there is."""
    points = find_points(result, choice)
    bars = len(dict.fromkeys(point.x for point in points))
    said = []
    if choice.mark == "bar" and bars > MAX_BARS:
        said.append(f"The first {MAX_BARS} of {bars:,} bars.")
    if choice.mark == "pie" and any(point.y < 0 for point in points):
        said.append("Negative figures are left out: a pie has no place for them.")
    if result.is_truncated:
        said.append(f"Drawn from the first {len(result.rows):,} rows; there are more.")
    return " ".join(said)


def figure_title(result: QueryResult, choice: ChartChoice) -> str:
    """Name what is measured."""
    if choice.y is None or choice.aggregate == "count":
        return AGGREGATES["count"]
    name = result.columns[choice.y].name
    return name if choice.aggregate in ("none", "sum") else f"{AGGREGATES[choice.aggregate]}: {name}"


def _with_aggregate(result: QueryResult, choice: ChartChoice) -> ChartChoice:
    """Add up where several rows share a place."""
    places = [(row[choice.x], None if choice.colour is None else row[choice.colour]) for row in result.rows]
    return choice if len(set(places)) == len(places) else replace(choice, aggregate="sum")


def is_number(cell: object) -> bool:
    """Tell whether a cell can be measured."""
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _is_period(result: QueryResult, at: int) -> bool:
    if result.columns[at].kind in ("date", "datetime"):
        return True
    cells = [row[at] for row in result.rows if row[at] is not None]
    return bool(cells) and all(isinstance(cell, str) and ISO_DATE.match(cell) for cell in cells)
