"""Values as a person reads them."""

from __future__ import annotations

import pytest

from app.display import count_rows, format_cell, pretty_sql, printable, render_table
from assistant.types import Cell, QueryResult, ResultColumn


def result(*columns: tuple[str, str], rows: tuple[tuple[Cell, ...], ...], is_truncated: bool = False) -> QueryResult:
    named = tuple(ResultColumn(name=name, kind=kind) for name, kind in columns)  # type: ignore[arg-type]
    return QueryResult(columns=named, rows=rows, is_truncated=is_truncated, elapsed_ms=1.0)


@pytest.mark.parametrize(
    ("value", "column", "shown"),
    [
        (1234567, "orders", "1,234,567"),
        (1234567, "order_key", "1234567"),
        (2025, "year", "2025"),
        (2025.0, "year", "2025"),
        (1234.5, "revenue", "1,234.50"),
        (-1234.5, "revenue", "-1,234.50"),
        (0.00123, "share", "0.00123"),
        (0.0, "share", "0.00"),
        (float("inf"), "share", "inf"),
        (True, "is_active", "yes"),
        (None, "email", "NULL"),
        ("00123", "postal_code", "00123"),
    ],
)
def test_cell_is_written_as_people_write_it(value: Cell, column: str, shown: str) -> None:
    assert format_cell(value, column) == shown


def test_table_is_aligned_with_numbers_to_the_right() -> None:
    rows = (("Tea", 5), ("Coffee beans", 1200))
    assert render_table(result(("name", "text"), ("units", "integer"), rows=rows), max_rows=20).splitlines() == [
        "name          units",
        "------------  -----",
        "Tea               5",
        "Coffee beans  1,200",
        "(2 rows)",
    ]


def test_wide_letters_keep_the_columns_aligned() -> None:
    wide = result(("a", "text"), ("b", "text"), rows=(("日本", "x"), ("ab", "x")))
    lines = render_table(wide, max_rows=5).splitlines()
    assert lines[2] == "日本  x"
    assert lines[3] == "ab    x"


def test_table_says_what_it_leaves_out() -> None:
    many = result(("n", "integer"), rows=tuple((n,) for n in range(85)))
    assert render_table(many, max_rows=20).endswith("(the first 20 of 85 rows)")


def test_truncated_result_says_that_there_are_more() -> None:
    cut = result(("n", "integer"), rows=tuple((n,) for n in range(1000)), is_truncated=True)
    assert count_rows(cut) == "the first 1,000 rows; there are more"
    assert count_rows(cut, shown=20) == "the first 20 of the first 1,000 rows; there are more"


def test_empty_result_keeps_its_header() -> None:
    assert render_table(result(("name", "text"), rows=()), max_rows=20) == "name\n----\n(0 rows)"


@pytest.mark.parametrize("code", ["\x1b[2J", "\x07", "\u202e", "\x9b", "\ud800", "\u2028"])
def test_nothing_a_terminal_would_obey_is_printed(code: str) -> None:
    shown = printable(f"a{code}b")
    assert code not in shown
    assert shown.startswith("a\\")
    assert code not in render_table(result((f"c{code}", "text"), rows=((f"v{code}",),)), max_rows=5)


def test_line_breaks_of_a_cell_stay_in_its_row() -> None:
    lines = render_table(result(("a", "text"), rows=(("one\ntwo\r\nthree",),)), max_rows=5).splitlines()
    assert lines[2] == "one two three"


def test_sql_is_laid_out_on_lines_and_harmless_to_a_terminal() -> None:
    lines = pretty_sql("select name from t where a <> 'x''y\x1b[2J' limit 5").splitlines()
    assert lines == ["SELECT name", "FROM t", "WHERE a <> 'x''y\\x1b[2J'", "LIMIT 5"]
