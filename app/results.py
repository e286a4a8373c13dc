"""Rows of a query on the page: the table, the chart and the CSV file.

In: a QueryResult and, for the chart, a ChartSpec. Out: what is drawn. The frames and the chart are made by pure
functions; `draw_table` and `draw_chart` alone touch the page. Cells are shown literally: nothing in them is formatted,
linked or run.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from app.display import count_rows, is_label
from assistant.types import Cell, ChartSpec, QueryResult, ResultColumn

MAX_BARS = 30
"""Most bars that stay readable; more are left out, and the page says so."""
MAX_TITLE_CHARS = 28
"""Longest title of an axis that a phone shows whole."""
EXACT_IN_BROWSER = 2**53
"""Whole numbers beyond this lose digits in a browser, so they are shown as text."""
MAX_TABLE_ROWS, TABLE_PX = 12, 420
"""Rows up to which a table is as high as its rows; beyond, it scrolls in this height."""
NARROW_COLUMNS = 3
"""Columns up to which a table is as wide as its contents rather than the page."""
VALUE_COLOUR = "#6f7f7c"
"""Of the figures beside the bars: reads on white and on black, for a chart is not told which theme it is in."""

_ISO_DATE = re.compile(r"^\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?$")


def draw_table(result: QueryResult, *, key: str) -> None:
    """Draw the rows, how many there are, and the button that saves them."""
    if not result.rows:
        st.text("No rows match.")
        return
    frame = to_frame(result)
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="–",
        width="content" if len(result.columns) <= NARROW_COLUMNS else "stretch",
        height="content" if len(result.rows) <= MAX_TABLE_ROWS else TABLE_PX,
        column_config=_column_configs(result),
        key=f"{key}-table",
    )
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        words = count_rows(result)
        st.caption(words[0].upper() + words[1:])
        st.download_button(
            "Download CSV",
            data=to_csv(result),
            file_name="queryforge.csv",
            mime="text/csv",
            key=f"{key}-csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )


def draw_chart(result: QueryResult, spec: ChartSpec, *, key: str) -> None:
    """Draw the chart, and say what it leaves out."""
    chart = build_chart(result, spec)
    if chart is None:
        st.text("These rows do not make a chart.")
        return
    st.altair_chart(chart, width="stretch", key=f"{key}-chart")
    if spec.mark == "bar" and len(result.rows) > MAX_BARS:
        st.caption(f"The first {MAX_BARS} of {len(result.rows):,} rows")


def unique_names(columns: tuple[ResultColumn, ...]) -> list[str]:
    """Name the columns so that no two are alike: SQL allows twins and empty names, tables on the page do not."""
    names: list[str] = []
    for column in columns:
        name, number = column.name or "column", 1
        while name in names:
            number += 1
            name = f"{column.name or 'column'} ({number})"
        names.append(name)
    return names


def to_frame(result: QueryResult) -> pd.DataFrame:
    """Put the rows in a frame, each column of one type."""
    cells = zip(*result.rows, strict=True) if result.rows else [()] * len(result.columns)
    series = [_to_series(list(values)) for values in cells]
    return pd.DataFrame(dict(zip(unique_names(result.columns), series, strict=True)))


def to_csv(result: QueryResult) -> str:
    """Write the rows as CSV with a header, exactly as the database gave them; NULL is empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([column.name for column in result.columns])
    writer.writerows(result.rows)
    return out.getvalue()


def build_chart(result: QueryResult, spec: ChartSpec) -> alt.Chart | alt.LayerChart | None:
    """Turn a ChartSpec into a chart; None when its columns are missing or nothing can be measured.

    The data get the neutral names `x` and `y`: a column name such as `a.b:Q` means something of its own to Vega-Lite.
    """
    names = [column.name for column in result.columns]
    if spec.x not in names or spec.y not in names:
        return None
    at_x, at_y = names.index(spec.x), names.index(spec.y)
    points = [(row[at_x], row[at_y]) for row in result.rows if isinstance(row[at_y], int | float)]
    if not points:
        return None
    if spec.mark == "line":
        return _line(points, spec)
    return _bars(points[:MAX_BARS], spec)


def _bars(points: list[tuple[Cell, Cell]], spec: ChartSpec) -> alt.LayerChart:
    """Lay bars flat: names are read without tilting the head, and keep the order of the rows."""
    data = pd.DataFrame({"x": [_as_name(x) for x, _ in points], "y": [y for _, y in points]})
    number = _number_format(points)
    values = [y for _, y in points if isinstance(y, int | float)]
    names = alt.Axis(labelLimit=220, ticks=False, domain=False, labelPadding=8)
    # Figures beside the bars say more than an axis; they need room at the end, also on a phone.
    # Bars to both sides keep the axis.
    has_figures = min(values) >= 0 < max(values)
    scale = alt.Scale(domainMax=max(values) * 1.45, nice=False) if has_figures else alt.Scale()
    axis = alt.Axis(labels=not has_figures, grid=not has_figures, ticks=False, domain=False, format="~s", tickCount=5)
    base = alt.Chart(data).encode(
        y=alt.Y("x:N", sort=None, title=None, axis=names),
        x=alt.X("y:Q", title=_as_title(spec.y), scale=scale, axis=axis),
        tooltip=[alt.Tooltip("x:N", title=spec.x), alt.Tooltip("y:Q", title=spec.y, format=number)],
    )
    bars = base.mark_bar(cornerRadiusEnd=3, height={"band": 0.72})
    figures = base.mark_text(align="left", dx=6, color=VALUE_COLOUR, opacity=1.0 if has_figures else 0.0)
    return (bars + figures.encode(text=alt.Text("y:Q", format=number))).properties(height=32 * len(points) + 50)


def _line(points: list[tuple[Cell, Cell]], spec: ChartSpec) -> alt.Chart:
    is_time = all(isinstance(x, str) and _ISO_DATE.match(x) for x, _ in points)
    if is_time:
        # Read and shown as UTC: the browser's time zone must not move a date.
        x = alt.X("x:T", title=spec.x, scale=alt.Scale(type="utc"))
        data = pd.DataFrame({"x": [_as_utc(str(x)) for x, _ in points], "y": [y for _, y in points]})
    else:
        x = alt.X("x:O", sort=None, title=spec.x, axis=alt.Axis(labelOverlap="greedy", labelAngle=0))
        data = pd.DataFrame({"x": [_as_name(x) for x, _ in points], "y": [y for _, y in points]})
    number = _number_format(points)
    tooltip: list[Any] = [
        alt.Tooltip("x:T", title=spec.x, format="%Y-%m-%d") if is_time else alt.Tooltip("x:O", title=spec.x),
        alt.Tooltip("y:Q", title=spec.y, format=number),
    ]
    return (
        alt.Chart(data)
        .mark_line(point=len(points) <= 60, strokeWidth=2.5)
        .encode(x=x, y=alt.Y("y:Q", title=_as_title(spec.y), axis=alt.Axis(format="~s", tickCount=5)), tooltip=tooltip)
        .properties(height=340)
    )


def _number_format(points: list[tuple[Cell, Cell]]) -> str:
    return ",d" if all(isinstance(y, int) for _, y in points) else ",.2f"


def _to_series(values: list[Cell]) -> pd.Series[Any]:
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, bool) for value in present):
        return pd.Series(values, dtype="boolean")
    if present and all(isinstance(value, int) and not isinstance(value, bool) for value in present):
        if all(abs(value) <= EXACT_IN_BROWSER for value in present if isinstance(value, int)):
            return pd.Series(values, dtype="Int64")
    elif present and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        return pd.Series([None if value is None else float(value) for value in values], dtype="Float64")
    # One column of SQLite may mix numbers and text; as text every value is shown as it is.
    return pd.Series([None if value is None else str(value) for value in values], dtype="object")


def _column_configs(result: QueryResult) -> dict[str, Any]:
    """Say how numbers are written. A column without an entry keeps its looks; an entry of None would hide it."""
    configs: dict[str, Any] = {}
    for position, (name, column) in enumerate(zip(unique_names(result.columns), result.columns, strict=True)):
        if column.kind == "integer":
            configs[name] = st.column_config.NumberColumn(format="%d" if is_label(column.name) else "%,d")
        elif column.kind == "float":
            values = [row[position] for row in result.rows]
            has_tiny = any(isinstance(value, float) and 0 < abs(value) < 0.01 for value in values)
            configs[name] = st.column_config.NumberColumn(format="%,.6f" if has_tiny else "%,.2f")
    return configs


def _as_title(column: str) -> str:
    """Shorten the name of a column for an axis: an expression without a name of its own can be long."""
    return column if len(column) <= MAX_TITLE_CHARS else column[: MAX_TITLE_CHARS - 1] + "…"


def _as_name(value: Cell) -> str:
    return "NULL" if value is None else str(value)


def _as_utc(text: str) -> str:
    return text.replace(" ", "T") + "Z" if ":" in text else text
