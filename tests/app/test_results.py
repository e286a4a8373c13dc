"""Rows as a frame, a CSV file and a chart, without a page."""

from __future__ import annotations

import csv
import io
import json

import pytest

from app.results import MAX_BARS, build_chart, to_csv, to_frame, unique_names
from assistant.types import Cell, ChartSpec, QueryResult, ResultColumn


def result(*columns: tuple[str, str], rows: tuple[tuple[Cell, ...], ...]) -> QueryResult:
    named = tuple(ResultColumn(name=name, kind=kind) for name, kind in columns)  # type: ignore[arg-type]
    return QueryResult(columns=named, rows=rows, is_truncated=False, elapsed_ms=1.0)


def spec_of(chart: object) -> dict:
    return json.loads(chart.to_json())  # type: ignore[attr-defined]


def test_columns_of_the_same_name_and_without_name_are_told_apart() -> None:
    columns = tuple(ResultColumn(name=name, kind="text") for name in ("name", "name", "", "", "name (2)"))
    names = unique_names(columns)
    assert names[:4] == ["name", "name (2)", "column", "column (2)"]
    assert len(set(names)) == 5


def test_numbers_with_null_stay_numbers() -> None:
    frame = to_frame(result(("n", "integer"), ("x", "float"), rows=((1, 1.5), (None, None), (3, 2))))
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "Float64"]


def test_numbers_too_long_for_a_browser_are_shown_as_text() -> None:
    frame = to_frame(result(("n", "integer"), rows=((9007199254740993,),)))
    assert frame["n"].tolist() == ["9007199254740993"]


def test_column_of_mixed_values_shows_each_as_it_is() -> None:
    frame = to_frame(result(("v", "text"), rows=((1,), ("one",), (1.5,), (None,))))
    assert frame["v"].tolist()[:3] == ["1", "one", "1.5"]


def test_empty_result_gives_an_empty_frame_with_its_columns() -> None:
    frame = to_frame(result(("a", "text"), ("b", "integer"), rows=()))
    assert list(frame.columns) == ["a", "b"]
    assert len(frame) == 0


def test_csv_holds_the_rows_as_the_database_gave_them() -> None:
    rows: tuple[tuple[Cell, ...], ...] = (('say "hi", x', 1234.5), (None, 0))
    text = to_csv(result(("a,b", "text"), ("n", "float"), rows=rows))
    assert list(csv.reader(io.StringIO(text))) == [["a,b", "n"], ['say "hi", x', "1234.5"], ["", "0"]]


def test_bars_keep_the_order_of_the_rows_and_show_their_figures() -> None:
    two = result(("p", "text"), ("r", "float"), rows=(("b", 2.5), ("a", 1.0)))
    spec = spec_of(build_chart(two, ChartSpec(mark="bar", x="p", y="r")))
    assert spec["layer"][0]["encoding"]["y"]["sort"] is None
    assert next(iter(spec["datasets"].values())) == [{"x": "b", "y": 2.5}, {"x": "a", "y": 1.0}]


def test_column_names_that_mean_something_to_vega_are_only_titles() -> None:
    odd = result(("a.b:Q", "text"), ("[x]", "integer"), rows=(("u", 1), ("v", 2)))
    spec = spec_of(build_chart(odd, ChartSpec(mark="bar", x="a.b:Q", y="[x]")))
    assert spec["layer"][0]["encoding"]["x"]["field"] == "y"
    assert spec["layer"][0]["encoding"]["x"]["title"] == "[x]"


def test_too_many_bars_are_cut() -> None:
    rows = tuple((f"p{n}", n) for n in range(MAX_BARS + 10))
    spec = spec_of(build_chart(result(("p", "text"), ("n", "integer"), rows=rows), ChartSpec(mark="bar", x="p", y="n")))
    assert len(next(iter(spec["datasets"].values()))) == MAX_BARS


@pytest.mark.parametrize("months", [("2025-01", "2025-02"), ("2025-01-31", "2025-02-28"), ("2025-01-01 10:00:00",)])
def test_dates_on_a_line_are_not_moved_by_the_time_zone_of_the_browser(months: tuple[str, ...]) -> None:
    by_month = result(("m", "text"), ("n", "integer"), rows=tuple((month, 1) for month in months))
    spec = spec_of(build_chart(by_month, ChartSpec(mark="line", x="m", y="n")))
    assert spec["encoding"]["x"]["type"] == "temporal"
    assert spec["encoding"]["x"]["scale"]["type"] == "utc"


def test_years_on_a_line_are_steps_not_dates() -> None:
    by_year = result(("y", "integer"), ("n", "integer"), rows=((2024, 1), (2025, 2)))
    spec = spec_of(build_chart(by_year, ChartSpec(mark="line", x="y", y="n")))
    assert spec["encoding"]["x"]["type"] == "ordinal"


@pytest.mark.parametrize("spec", [ChartSpec(mark="bar", x="p", y="gone"), ChartSpec(mark="line", x="p", y="t")])
def test_chart_without_numbers_or_columns_is_no_chart(spec: ChartSpec) -> None:
    assert build_chart(result(("p", "text"), ("t", "text"), rows=(("a", "b"),)), spec) is None
