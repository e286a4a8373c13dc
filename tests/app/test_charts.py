"""Charts of a result, without a page: which one is chosen, what it is made of, its picture."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from app.charts import (
    AGGREGATES,
    MARKS,
    MAX_BARS,
    MAX_COLOURS,
    MAX_SLICES,
    OTHERS,
    ChartChoice,
    Point,
    default_choice,
    describe_cut,
    figures_of,
    find_points,
)
from app.vega import build_chart, render
from assistant.types import Cell, ChartSpec, QueryResult, ResultColumn


def result(*columns: tuple[str, str], rows: tuple[tuple[Cell, ...], ...]) -> QueryResult:
    named = tuple(ResultColumn(name=name, kind=kind) for name, kind in columns)  # type: ignore[arg-type]
    return QueryResult(columns=named, rows=rows, is_truncated=False, elapsed_ms=1.0)


def spec_of(shown: QueryResult, chart: ChartSpec | ChartChoice) -> dict:
    choice = chart if isinstance(chart, ChartChoice) else default_choice(shown, chart)
    assert choice is not None
    built = build_chart(shown, choice)
    assert built is not None
    return json.loads(built.to_json())


def data_of(spec: dict) -> list[dict]:
    return next(iter(spec["datasets"].values()))


SALES = result(
    ("month", "text"),
    ("channel", "text"),
    ("revenue", "float"),
    ("order_key", "integer"),
    rows=(
        ("2025-01", "web", 10.0, 1),
        ("2025-01", "app", 5.0, 2),
        ("2025-02", "web", 20.0, 3),
        ("2025-02", "web", 2.0, 4),
    ),
)


def test_bars_keep_the_order_of_the_rows_and_show_their_figures() -> None:
    two = result(("p", "text"), ("r", "float"), rows=(("b", 2.5), ("a", 1.0)))
    spec = spec_of(two, ChartSpec(mark="bar", x="p", y="r"))
    assert spec["layer"][0]["encoding"]["y"]["sort"] is None
    assert data_of(spec) == [{"x": "b", "y": 2.5}, {"x": "a", "y": 1.0}]


def test_column_names_that_mean_something_to_vega_are_only_titles() -> None:
    odd = result(("a.b:Q", "text"), ("[x]", "integer"), rows=(("u", 1), ("v", 2)))
    spec = spec_of(odd, ChartSpec(mark="bar", x="a.b:Q", y="[x]"))
    assert spec["layer"][0]["encoding"]["x"]["field"] == "y"
    assert spec["layer"][0]["encoding"]["x"]["title"] == "[x]"


def test_too_many_bars_are_cut() -> None:
    rows = tuple((f"p{n}", n) for n in range(MAX_BARS + 10))
    spec = spec_of(result(("p", "text"), ("n", "integer"), rows=rows), ChartSpec(mark="bar", x="p", y="n"))
    assert len(data_of(spec)) == MAX_BARS


@pytest.mark.parametrize("months", [("2025-01", "2025-02"), ("2025-01-31", "2025-02-28"), ("2025-01-01 10:00:00",)])
def test_dates_on_a_line_are_not_moved_by_the_time_zone_of_the_browser(months: tuple[str, ...]) -> None:
    by_month = result(("m", "text"), ("n", "integer"), rows=tuple((month, 1) for month in months))
    spec = spec_of(by_month, ChartSpec(mark="line", x="m", y="n"))
    assert spec["encoding"]["x"]["type"] == "temporal"
    assert spec["encoding"]["x"]["scale"]["type"] == "utc"


def test_years_on_a_line_are_steps_not_dates() -> None:
    by_year = result(("y", "integer"), ("n", "integer"), rows=((2024, 1), (2025, 2)))
    spec = spec_of(by_year, ChartSpec(mark="line", x="y", y="n"))
    assert spec["encoding"]["x"]["type"] == "ordinal"


@pytest.mark.parametrize("spec", [ChartSpec(mark="bar", x="p", y="gone"), ChartSpec(mark="line", x="p", y="t"), None])
def test_rows_without_numbers_make_no_chart(spec: ChartSpec | None) -> None:
    assert default_choice(result(("p", "text"), ("t", "text"), rows=(("a", "b"), ("c", "d"))), spec) is None


def test_single_row_makes_no_chart() -> None:
    assert default_choice(result(("n", "integer"), rows=((800,),)), None) is None


def test_kinds_of_the_columns_choose_the_chart() -> None:
    assert default_choice(SALES, None) == ChartChoice(mark="line", x=0, y=2, aggregate="sum")
    names = result(("p", "text"), ("n", "integer"), rows=(("a", 1), ("b", 2)))
    assert default_choice(names, None) == ChartChoice(mark="bar", x=0, y=1)
    pairs = result(("price", "float"), ("cost", "float"), rows=((1.0, 2.0), (3.0, 4.0)))
    assert default_choice(pairs, None) == ChartChoice(mark="point", x=0, y=1)


def test_keys_and_texts_are_no_figures_of_a_chosen_chart() -> None:
    assert figures_of(SALES) == [2, 3]
    keys = result(("order_key", "integer"), ("customer_key", "integer"), rows=((1, 2), (3, 4)))
    assert default_choice(keys, None) is None


@pytest.mark.parametrize(
    ("way", "figures"),
    [
        ("sum", [10.0, 5.0, 22.0]),
        ("mean", [10.0, 5.0, 11.0]),
        ("median", [10.0, 5.0, 11.0]),
        ("min", [10.0, 5.0, 2.0]),
        ("max", [10.0, 5.0, 20.0]),
        ("count", [1, 1, 2]),
        ("none", [10.0, 5.0, 20.0, 2.0]),
    ],
)
def test_rows_of_the_same_place_become_one_as_was_chosen(way: str, figures: list[float]) -> None:
    choice = ChartChoice(mark="bar", x=0, y=2, colour=1, aggregate=way)  # type: ignore[arg-type]
    assert [point.y for point in find_points(SALES, choice)] == figures
    assert len(AGGREGATES) == 7


def test_rows_can_be_counted_without_a_column_of_figures() -> None:
    points = find_points(SALES, ChartChoice(mark="bar", x=1, y=None, aggregate="count"))
    assert points == [Point("web", 3), Point("app", 1)]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("colour", [None, 1])
def test_every_kind_of_chart_is_drawn_of_neutral_names(mark: str, colour: int | None) -> None:
    choice = ChartChoice(mark=mark, x=0, y=2, colour=colour, aggregate="sum")  # type: ignore[arg-type]
    spec = spec_of(SALES, choice)
    fields = {key for row in data_of(spec) for key in row}
    assert fields <= {"x", "y", "colour", "share"}
    assert sum(row["y"] for row in data_of(spec)) == 37.0


@pytest.mark.parametrize(("mark", "channel"), [("bar", "x"), ("area", "y")])
def test_colours_stand_on_one_another_or_side_by_side(mark: str, channel: str) -> None:
    choice = ChartChoice(mark=mark, x=0, y=2, colour=1, aggregate="sum")  # type: ignore[arg-type]
    assert spec_of(SALES, choice)["encoding"][channel].get("stack", "zero") == "zero"
    apart = spec_of(SALES, replace(choice, is_stacked=False))
    assert apart["encoding"][channel]["stack"] is None
    assert ("yOffset" in apart["encoding"]) == (mark == "bar")


def test_pie_shows_the_largest_slices_and_one_for_the_others() -> None:
    rows = tuple((f"p{n}", n + 1) for n in range(20))
    many = result(("p", "text"), ("n", "integer"), rows=rows)
    slices = data_of(spec_of(many, ChartChoice(mark="pie", x=0, y=1)))
    assert len(slices) == MAX_SLICES
    assert (slices[0]["x"], slices[-1]["x"]) == ("p19", OTHERS)
    assert sum(part["share"] for part in slices) == pytest.approx(1)


def test_pie_says_that_negative_figures_are_left_out() -> None:
    mixed = result(("p", "text"), ("n", "integer"), rows=(("a", 3), ("b", -1)))
    choice = ChartChoice(mark="pie", x=0, y=1)
    assert [part["x"] for part in data_of(spec_of(mixed, choice))] == ["a"]
    assert "Negative" in describe_cut(mixed, choice)
    assert build_chart(result(("p", "text"), ("n", "integer"), rows=(("a", -3),)), choice) is None


def test_colours_that_cannot_be_told_apart_become_one() -> None:
    rows = tuple((f"m{n % 3}", f"c{n}", n) for n in range(30))
    many = result(("m", "text"), ("c", "text"), ("n", "integer"), rows=rows)
    data = data_of(spec_of(many, ChartChoice(mark="line", x=0, y=2, colour=1)))
    assert len({row["colour"] for row in data}) == MAX_COLOURS
    assert OTHERS in {row["colour"] for row in data}


def test_chart_of_a_cut_result_says_so() -> None:
    cut = SALES.model_copy(update={"is_truncated": True})
    assert "there are more" in describe_cut(cut, ChartChoice(mark="line", x=0, y=2))
    rows = tuple((f"p{n}", n) for n in range(MAX_BARS + 10))
    many = result(("p", "text"), ("n", "integer"), rows=rows)
    assert describe_cut(many, ChartChoice(mark="bar", x=0, y=1)) == f"The first {MAX_BARS} of {MAX_BARS + 10} bars."


@pytest.mark.parametrize("place", [-2, 4])
def test_column_that_is_not_there_makes_no_chart(place: int) -> None:
    assert build_chart(SALES, ChartChoice(mark="bar", x=place, y=2)) is None


def test_picture_is_made_in_light_and_dark_and_shows_names_as_text() -> None:
    pytest.importorskip("vl_convert")
    hostile = "<script>alert(1)</script>"
    shown = result((hostile, "text"), ("n", "integer"), rows=((hostile, 1), ("b", 2)))
    chart = build_chart(shown, ChartChoice(mark="bar", x=0, y=1))
    assert chart is not None
    light, dark = (render(chart, "svg", is_dark=is_dark).decode() for is_dark in (False, True))
    assert "#ffffff" in light
    assert "#121518" in dark
    assert "<script" not in light
    assert "&lt;script" in light
    assert render(chart, "png", is_dark=True).startswith(b"\x89PNG")
