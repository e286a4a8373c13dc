"""Rows of a query on the page: the table and the chart.

In: a QueryResult and, for the chart, a ChartSpec. Out: what is drawn, and the person's choices of a chart. Cells are
shown literally: nothing in them is formatted, linked or run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app.charts import (
    AGGREGATES,
    MARKS,
    ChartChoice,
    Mark,
    default_choice,
    describe_cut,
    figures_of,
)
from app.display import count_rows, is_label
from app.exports import unique_names
from app.vega import Picture, build_chart, can_render, render
from assistant.types import Answer, Cell, ChartSpec, DatabaseSchema, QueryResult

EXACT_IN_BROWSER = 2**53
"""Whole numbers beyond this lose digits in a browser, so they are shown as text."""
MAX_TABLE_ROWS, TABLE_PX = 12, 420
"""Rows up to which a table is as high as its rows; beyond, it scrolls in this height."""
NARROW_COLUMNS = 3
"""Columns up to which a table is as wide as its contents rather than the page."""
SIGNS = {
    "eur": "€", "euro": "€", "euros": "€", "usd": "$", "dollar": "$", "dollars": "$", "gbp": "£", "pounds": "£",
    "yen": "¥", "jpy": "¥", "chf": "CHF ", "francs": "CHF ",
}  # fmt: skip
"""Word in the name or comment of a column -> sign before its figures."""
NOTHING = -1
"""Choice of no column."""
PICTURES: dict[Picture, str] = {"png": "image/png", "svg": "image/svg+xml"}
"""Kind of picture -> its MIME type."""
MARK_ICONS: dict[Mark, str] = {
    "bar": ":material/bar_chart:",
    "line": ":material/show_chart:",
    "area": ":material/area_chart:",
    "point": ":material/scatter_plot:",
    "pie": ":material/pie_chart:",
}


def draw_table(result: QueryResult, *, key: str, signs: Mapping[int, str] | None = None) -> None:
    """Draw the rows; `signs` are the signs of money by the place of the column."""
    if not result.rows:
        st.text("No rows match.")
        return
    st.dataframe(
        to_frame(result),
        hide_index=True,
        placeholder="–",
        width="content" if len(result.columns) <= NARROW_COLUMNS else "stretch",
        height="content" if len(result.rows) <= MAX_TABLE_ROWS else TABLE_PX,
        column_config=_column_configs(result, signs or {}),
        key=f"{key}-table",
    )


def draw_preview(result: QueryResult, *, key: str) -> None:
    """Draw the first rows of a reading."""
    if not result.rows:
        st.caption("No rows")
        return
    draw_table(result, key=key)
    words = count_rows(result)
    st.caption(words[0].upper() + words[1:])


def draw_chart(result: QueryResult, spec: ChartSpec, *, key: str) -> None:
    """Draw the chart that suits the rows, as it is, and say what it leaves out."""
    choice = default_choice(result, spec)
    if choice is None:
        st.text("These rows do not make a chart.")
        return
    _draw_choice(result, choice, key=key)


def has_chart(result: QueryResult, spec: ChartSpec | None) -> bool:
    """Tell whether the rows can be drawn at all."""
    return default_choice(result, spec) is not None


def draw_chart_tab(result: QueryResult, spec: ChartSpec | None, *, key: str, name: str) -> None:
    """Draw the chart with everything a person may change of it, and the pictures to take away.

    Args:
        result: The rows.
        spec: What the assistant found to suit them, if anything.
        key: Of the answer.
        name: Of the files, without ending.
    """
    first = default_choice(result, spec)
    if first is None:
        st.text("These rows do not make a chart.")
        return
    choice = _choose(result, first, key)
    chart = _draw_choice(result, choice, key=key)
    if chart is None or not can_render():
        return
    is_dark = st.context.theme.type == "dark"
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        for kind in PICTURES:
            st.download_button(
                kind.upper(),
                data=partial(render, chart, kind, is_dark=is_dark),
                file_name=f"{name}.{kind}",
                mime=PICTURES[kind],
                key=f"{key}-chart-{kind}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
            )


def find_signs(answer: Answer, schema: DatabaseSchema | None = None) -> dict[int, str]:
    """Find the columns of money: by a currency in their name, or in the comment of the column that they show."""
    if answer.result is None:
        return {}
    comments: dict[str, set[str]] = {}
    tables = answer.query.tables if answer.query is not None else ()
    for table in schema.tables if schema is not None else ():
        for column in table.columns if table.name in tables else ():
            comments.setdefault(column.name.lower(), set()).add(_sign_of(column.comment))
    found = {}
    for at, shown in enumerate(answer.result.columns):
        said = comments.get(shown.name.lower(), set())
        sign = _sign_of(shown.name) or (next(iter(said)) if len(said) == 1 else "")
        if sign and shown.kind in ("integer", "float") and not is_label(shown.name):
            found[at] = sign
    return found


def to_frame(result: QueryResult) -> pd.DataFrame:
    """Put the rows in a frame, each column of one type."""
    cells = zip(*result.rows, strict=True) if result.rows else [()] * len(result.columns)
    names = unique_names([column.name for column in result.columns])
    series = [_to_series(list(values), column.kind) for values, column in zip(cells, result.columns, strict=True)]
    return pd.DataFrame(dict(zip(names, series, strict=True)))


def _choose(result: QueryResult, first: ChartChoice, key: str) -> ChartChoice:
    """Let the person change the chart."""
    names = dict(enumerate(unique_names([column.name for column in result.columns])))
    figures = figures_of(result)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        mark = st.segmented_control(
            "Kind of chart",
            list(MARKS),
            default=first.mark,
            format_func=lambda mark: f"{MARK_ICONS[mark]} {MARKS[mark]}",
            key=f"{key}-mark",
            label_visibility="collapsed",
        )
        options = st.popover("Options", icon=":material/tune:", type="tertiary", key=f"{key}-chart-options")
    mark = mark or first.mark

    def name_of(at: int) -> str:
        return "None" if at == NOTHING else names[at]

    with options:
        x = st.selectbox(
            "Slices" if mark == "pie" else "Along", list(names), first.x, format_func=name_of, key=f"{key}-x"
        )
        y_options = [*figures, NOTHING]
        y = st.selectbox(
            "Figures",
            y_options,
            y_options.index(NOTHING if first.y is None else first.y),
            format_func=lambda at: AGGREGATES["count"] if at == NOTHING else names[at],
            key=f"{key}-y",
        )
        colour = NOTHING
        if mark != "pie":
            colours = [NOTHING, *names]
            colour = st.selectbox("Colour", colours, 0, format_func=name_of, key=f"{key}-colour")
        choice = ChartChoice(mark=mark, x=x, y=None if y == NOTHING else y)
        choice = replace(choice, colour=None if colour == NOTHING else colour)
        ways = [way for way in AGGREGATES if way != "none" or mark != "pie"]
        way = "sum" if mark == "pie" and first.aggregate == "none" else first.aggregate
        if y == NOTHING:
            choice = replace(choice, aggregate="count")
        else:
            chosen = st.selectbox(
                "Combine rows by",
                ways,
                ways.index(way),
                format_func=AGGREGATES.__getitem__,
                key=f"{key}-way-{'pie' if mark == 'pie' else 'other'}",
            )
            choice = replace(choice, aggregate=chosen)
        if mark in ("bar", "area") and choice.colour is not None:
            choice = replace(choice, is_stacked=st.toggle("Stacked", value=True, key=f"{key}-stacked"))
    return choice


def _draw_choice(result: QueryResult, choice: ChartChoice, *, key: str) -> Any:
    chart = build_chart(result, choice)
    if chart is None:
        st.text("These rows do not make such a chart. Choose another kind, or other columns under Options.")
        return None
    st.altair_chart(chart, width="stretch", key=f"{key}-chart")
    if cut := describe_cut(result, choice):
        st.caption(cut)
    return chart


def _to_series(values: list[Cell], kind: str) -> pd.Series[Any]:
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, bool) for value in present):
        return pd.Series(values, dtype="boolean")
    if present and all(isinstance(value, int) and not isinstance(value, bool) for value in present):
        if all(abs(value) <= EXACT_IN_BROWSER for value in present if isinstance(value, int)):
            return pd.Series(values, dtype="Int64")
    elif present and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        return pd.Series([None if value is None else float(value) for value in values], dtype="Float64")
    elif present and kind in ("date", "datetime") and (moments := _to_moments(values)):
        return pd.Series(moments, dtype="object")
    # One column of SQLite may mix numbers and text; as text every value is shown as it is.
    return pd.Series([None if value is None else str(value) for value in values], dtype="object")


def _to_moments(values: list[Cell]) -> list[date | datetime | None]:
    """Read dates, or moments where any has a time; empty when one cannot be read, or says its time zone."""
    try:
        moments = [None if value is None else datetime.fromisoformat(str(value)) for value in values]
    except ValueError:
        return []
    known = [moment for moment in moments if moment is not None]
    if any(moment.tzinfo is not None for moment in known):
        return []
    if all(moment.time() == datetime.min.time() for moment in known):
        return [None if moment is None else moment.date() for moment in moments]
    return list(moments)


def _column_configs(result: QueryResult, signs: Mapping[int, str]) -> dict[str, Any]:
    """Say how numbers and dates are written. A column without an entry keeps its looks; one of None would hide it."""
    configs: dict[str, Any] = {}
    names = unique_names([column.name for column in result.columns])
    for position, (name, column) in enumerate(zip(names, result.columns, strict=True)):
        values = [row[position] for row in result.rows]
        sign = signs.get(position, "")
        if column.kind == "integer":
            form = "%d" if is_label(column.name) else f"{sign}%,d"
            configs[name] = st.column_config.NumberColumn(format=form)
        elif column.kind == "float":
            has_tiny = any(isinstance(value, float) and 0 < abs(value) < 0.01 for value in values)
            configs[name] = st.column_config.NumberColumn(format=f"{sign}%,.6f" if has_tiny else f"{sign}%,.2f")
        elif column.kind in ("date", "datetime") and (moments := _to_moments(values)):
            if any(isinstance(moment, datetime) for moment in moments):
                has_seconds = any(isinstance(moment, datetime) and moment.second for moment in moments)
                form = "D MMM YYYY, HH:mm:ss" if has_seconds else "D MMM YYYY, HH:mm"
                configs[name] = st.column_config.DatetimeColumn(format=form)
            else:
                configs[name] = st.column_config.DateColumn(format="D MMM YYYY")
    return configs


def _sign_of(text: str) -> str:
    found = {SIGNS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in SIGNS}
    return found.pop() if len(found) == 1 else ""
