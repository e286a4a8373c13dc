"""Draw the points of a chart with Vega-Lite, and make a picture of it.

In: a QueryResult and a ChartChoice. Out: an Altair chart; PNG or SVG bytes. Pure functions; `app.results` puts the
chart on the page. The data get neutral names (`x`, `y`, `colour`): a column name such as `a.b:Q` means something of its
own to Vega-Lite.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import altair as alt
import pandas as pd

from app.charts import (
    ISO_DATE,
    MAX_BARS,
    MAX_COLOURS,
    MAX_SLICES,
    OTHERS,
    ChartChoice,
    Point,
    figure_title,
    find_points,
    is_number,
)
from assistant.types import Cell, QueryResult

MAX_TITLE_CHARS = 28
"""Longest title of an axis that a phone shows whole."""
Picture = Literal["png", "svg"]
"""Kinds of pictures."""
VALUE_COLOUR = "#6f7f7c"
"""Of the figures beside the bars: reads on white and on black, for a chart is not told which theme it is in."""
COLOURS = {
    False: ("#0f8a7f", "#b45309", "#4338ca", "#be185d", "#4d7c0f", "#0369a1"),
    True: ("#2bb8a8", "#f59e0b", "#818cf8", "#f472b6", "#a3e635", "#38bdf8"),
}
"""Whether it is dark -> colours of the marks, those of the page's theme."""


def build_chart(result: QueryResult, choice: ChartChoice) -> alt.Chart | alt.LayerChart | None:
    """Turn a choice into a chart; None when nothing can be measured."""
    places = [choice.x, *(place for place in (choice.y, choice.colour) if place is not None)]
    if not all(0 <= place < len(result.columns) for place in places):
        return None
    points = find_points(result, choice)
    if not points:
        return None
    points = _with_few_colours(points)
    match choice.mark:
        case "bar":
            return _bars(points, result, choice)
        case "pie":
            return _pie(points, result, choice)
        case "point":
            return _dots(points, result, choice)
        case _:
            return _line(points, result, choice)


def can_render() -> bool:
    """Say whether PNG and SVG can be made here; without it, the chart's own menu does it in the browser."""
    return importlib.util.find_spec("vl_convert") is not None


def render(chart: alt.Chart | alt.LayerChart, kind: Picture, *, is_dark: bool) -> bytes:
    """Draw a chart as a picture, without a browser or a network."""
    import vl_convert

    spec = chart.configure(**_look(is_dark)).properties(width=720).to_dict()
    if kind == "svg":
        return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])).encode()
    return bytes(vl_convert.vegalite_to_png(spec, scale=2, allowed_base_urls=[]))


def as_title(name: str) -> str:
    """Shorten the name of a column for an axis: an expression without a name of its own can be long."""
    return name if len(name) <= MAX_TITLE_CHARS else name[: MAX_TITLE_CHARS - 1] + "…"


def _bars(points: list[Point], result: QueryResult, choice: ChartChoice) -> alt.Chart | alt.LayerChart:
    """Lay bars flat: names are read without tilting the head, and keep the order of the rows."""
    kept = set(list(dict.fromkeys(_as_name(point.x) for point in points))[:MAX_BARS])
    points = [point for point in points if _as_name(point.x) in kept]
    data = _frame(points, choice)
    number, title = _number_format(points), figure_title(result, choice)
    names = alt.Axis(labelLimit=220, ticks=False, domain=False, labelPadding=8)
    height = 32 * len(kept) + 50
    tooltip = _tooltip(result, choice, "x:N", number)
    y = alt.Y("x:N", sort=None, title=None, axis=names)
    if choice.colour is not None:
        colour = _colour(result, choice)
        axis = alt.Axis(format="~s", tickCount=5)
        base = alt.Chart(data).encode(y=y, color=colour, tooltip=tooltip)
        if choice.is_stacked:
            chart = base.mark_bar(height={"band": 0.72}).encode(x=alt.X("y:Q", title=as_title(title), axis=axis))
            return chart.properties(height=height + 40)
        many = len({point.colour for point in points})
        chart = base.mark_bar().encode(
            x=alt.X("y:Q", title=as_title(title), axis=axis, stack=None), yOffset=alt.YOffset("colour:N", sort=None)
        )
        return chart.properties(height=max(32, 14 * many + 8) * len(kept) + 90)
    values = [point.y for point in points]
    # Figures beside the bars say more than an axis; they need room at the end, also on a phone.
    # Bars to both sides keep the axis, and so do bars of which several share a line.
    has_figures = min(values) >= 0 < max(values) and len(points) == len(kept)
    scale = alt.Scale(domainMax=max(values) * 1.45, nice=False) if has_figures else alt.Scale()
    axis = alt.Axis(labels=not has_figures, grid=not has_figures, ticks=False, domain=False, format="~s", tickCount=5)
    base = alt.Chart(data).encode(y=y, x=alt.X("y:Q", title=as_title(title), scale=scale, axis=axis), tooltip=tooltip)
    bars = base.mark_bar(cornerRadiusEnd=3, height={"band": 0.72})
    figures = base.mark_text(align="left", dx=6, color=VALUE_COLOUR, opacity=1.0 if has_figures else 0.0)
    return (bars + figures.encode(text=alt.Text("y:Q", format=number))).properties(height=height)


def _line(points: list[Point], result: QueryResult, choice: ChartChoice) -> alt.Chart:
    title_x, number = as_title(result.columns[choice.x].name), _number_format(points)
    is_time = all(isinstance(point.x, str) and ISO_DATE.match(point.x) for point in points)
    if is_time:
        # Read and shown as UTC: the browser's time zone must not move a date.
        x = alt.X("x:T", title=title_x, scale=alt.Scale(type="utc"))
        data = _frame(points, choice, _as_utc)
    else:
        x = alt.X("x:O", sort=None, title=title_x, axis=alt.Axis(labelOverlap="greedy", labelAngle=0))
        data = _frame(points, choice)
    stack: Any = "zero" if choice.is_stacked else None
    encoding: dict[str, Any] = {
        "x": x,
        "y": alt.Y(
            "y:Q",
            title=as_title(figure_title(result, choice)),
            axis=alt.Axis(format="~s", tickCount=5),
            **({"stack": stack} if choice.mark == "area" else {}),
        ),
        "tooltip": _tooltip(result, choice, "x:T" if is_time else "x:O", number),
    }
    if choice.colour is not None:
        encoding["color"] = _colour(result, choice)
    base = alt.Chart(data)
    if choice.mark == "area":
        drawn = base.mark_area(opacity=0.85 if choice.is_stacked else 0.45, line=not choice.is_stacked)
    else:
        drawn = base.mark_line(point=len(points) <= 60, strokeWidth=2.5)
    return drawn.encode(**encoding).properties(height=340)


def _dots(points: list[Point], result: QueryResult, choice: ChartChoice) -> alt.Chart:
    number = _number_format(points)
    title = as_title(result.columns[choice.x].name)
    if all(is_number(point.x) for point in points):
        data = _frame(points, choice, lambda x: x)
        x, kind = alt.X("x:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(format="~s", tickCount=6)), "x:Q"
    elif all(isinstance(point.x, str) and ISO_DATE.match(point.x) for point in points):
        data, kind = _frame(points, choice, _as_utc), "x:T"
        x = alt.X("x:T", title=title, scale=alt.Scale(type="utc"))
    else:
        data, kind = _frame(points, choice), "x:O"
        x = alt.X("x:O", sort=None, title=title, axis=alt.Axis(labelOverlap="greedy", labelLimit=120))
    encoding: dict[str, Any] = {
        "x": x,
        "y": alt.Y(
            "y:Q",
            title=as_title(figure_title(result, choice)),
            axis=alt.Axis(format="~s", tickCount=5),
            scale=alt.Scale(zero=False),
        ),
        "tooltip": _tooltip(result, choice, kind, number),
    }
    if choice.colour is not None:
        encoding["color"] = _colour(result, choice)
    return alt.Chart(data).mark_circle(size=70, opacity=0.75).encode(**encoding).properties(height=360)


def _pie(points: list[Point], result: QueryResult, choice: ChartChoice) -> alt.Chart | None:
    totals: dict[str, float] = {}
    for point in points:
        if point.y > 0:
            totals[_as_name(point.x)] = totals.get(_as_name(point.x), 0) + point.y
    if not totals:
        return None
    largest = sorted(totals, key=lambda name: -totals[name])
    slices = {name: totals[name] for name in largest[: MAX_SLICES if len(largest) <= MAX_SLICES else MAX_SLICES - 1]}
    if rest := sum(totals[name] for name in largest[len(slices) :]):
        slices[OTHERS] = slices.get(OTHERS, 0) + rest
    whole = sum(slices.values())
    data = pd.DataFrame(
        {"x": list(slices), "y": list(slices.values()), "share": [value / whole for value in slices.values()]}
    )
    title = result.columns[choice.x].name
    legend = alt.Legend(title=as_title(title), labelLimit=140, orient="bottom", columns=3)
    return (
        alt.Chart(data)
        .mark_arc(innerRadius=62, padAngle=0.012, cornerRadius=3)
        .encode(
            theta=alt.Theta("y:Q", stack=True),
            order=alt.Order("y:Q", sort="descending"),
            color=alt.Color("x:N", sort=None, legend=legend),
            tooltip=[
                alt.Tooltip("x:N", title=title),
                alt.Tooltip("y:Q", title=figure_title(result, choice), format=_number_format(points)),
                alt.Tooltip("share:Q", title="Share", format=".1%"),
            ],
        )
        .properties(height=360)
    )


def _with_few_colours(points: list[Point]) -> list[Point]:
    names = list(dict.fromkeys(point.colour for point in points))
    if len(names) <= MAX_COLOURS:
        return points
    kept = set(names[: MAX_COLOURS - 1])
    return [point if point.colour in kept else replace(point, colour=OTHERS) for point in points]


def _colour(result: QueryResult, choice: ChartChoice) -> alt.Color:
    assert choice.colour is not None
    legend = alt.Legend(title=as_title(result.columns[choice.colour].name), orient="bottom", columns=3, labelLimit=140)
    return alt.Color("colour:N", sort=None, legend=legend)


def _tooltip(result: QueryResult, choice: ChartChoice, x: str, number: str) -> list[Any]:
    name = result.columns[choice.x].name
    first = alt.Tooltip(x, title=name, format="%Y-%m-%d") if x == "x:T" else alt.Tooltip(x, title=name)
    parts = [first, alt.Tooltip("y:Q", title=figure_title(result, choice), format=number)]
    if choice.colour is not None:
        parts.append(alt.Tooltip("colour:N", title=result.columns[choice.colour].name))
    return parts


def _frame(points: list[Point], choice: ChartChoice, write: Callable[[Cell], Cell] | None = None) -> pd.DataFrame:
    columns: dict[str, list[Cell]] = {
        "x": [(write or _as_name)(point.x) for point in points],
        "y": [point.y for point in points],
    }
    if choice.colour is not None:
        columns["colour"] = [_as_name(point.colour) for point in points]
    return pd.DataFrame(columns)


def _look(is_dark: bool) -> dict[str, Any]:
    text, line = ("#e8eaec", "#2e353b") if is_dark else ("#1a1f24", "#e2e5e8")
    labels = {"labelColor": text, "titleColor": text, "labelFontSize": 12, "titleFontSize": 12}
    colours = list(COLOURS[is_dark])
    return {
        "background": "#121518" if is_dark else "#ffffff",
        "padding": 16,
        "font": "sans-serif",
        "axis": {**labels, "gridColor": line, "domainColor": line, "tickColor": line},
        "legend": labels,
        "view": {"stroke": None},
        "range": {"category": colours},
        "mark": {"color": colours[0]},
    }


def _number_format(points: list[Point]) -> str:
    return ",d" if all(isinstance(point.y, int) for point in points) else ",.2f"


def _as_name(value: Cell) -> str:
    return "NULL" if value is None else str(value)


def _as_utc(value: Cell) -> str:
    text = str(value)
    return text.replace(" ", "T") + "Z" if ":" in text else text
