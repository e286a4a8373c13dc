"""Rows as a frame, and how its columns are written, without a page."""

from __future__ import annotations

from datetime import date, datetime

from app.exports import unique_names
from app.results import find_signs, to_frame
from assistant.types import (
    Answer,
    Cell,
    Column,
    DatabaseSchema,
    GuardedQuery,
    QueryResult,
    Question,
    ResultColumn,
    Table,
)


def result(*columns: tuple[str, str], rows: tuple[tuple[Cell, ...], ...]) -> QueryResult:
    named = tuple(ResultColumn(name=name, kind=kind) for name, kind in columns)  # type: ignore[arg-type]
    return QueryResult(columns=named, rows=rows, is_truncated=False, elapsed_ms=1.0)


def test_columns_of_the_same_name_and_without_name_are_told_apart() -> None:
    names = unique_names(("name", "name", "", "", "name (2)"))
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


def test_dates_are_dates_and_moments_keep_their_time() -> None:
    rows: tuple[tuple[Cell, ...], ...] = (("2025-01-31", "2025-01-31 10:30:00"), (None, "2025-02-01 00:00:00"))
    frame = to_frame(result(("d", "date"), ("t", "datetime"), rows=rows))
    assert frame["d"].tolist() == [date(2025, 1, 31), None]
    assert frame["t"].tolist() == [datetime(2025, 1, 31, 10, 30), datetime(2025, 2, 1)]


def test_days_kept_as_midnights_are_shown_as_days() -> None:
    frame = to_frame(result(("d", "datetime"), rows=(("2025-01-31 00:00:00",),)))
    assert frame["d"].tolist() == [date(2025, 1, 31)]


def test_what_only_looks_like_a_date_stays_as_it_is() -> None:
    frame = to_frame(result(("d", "date"), rows=(("2025-02-30",), ("2025-02-01",))))
    assert frame["d"].tolist() == ["2025-02-30", "2025-02-01"]


def answer_of(shown: QueryResult) -> Answer:
    query = GuardedQuery.model_validate(
        {"sql": "", "dialect": "sqlite", "tables": ("payment",), "is_ordered": False, "max_rows": 10}
    )
    return Answer(question=Question(text="q"), status="answered", text="a", query=query, result=shown)


def test_money_is_known_by_the_name_or_the_comment_of_its_column() -> None:
    amount = Column(name="amount", sql_type="DECIMAL", kind="float", comment="in euros; negative for a refund")
    table = Table(name="payment", columns=(amount,))
    schema = DatabaseSchema(db_id="d", dialect="sqlite", tables=(table,), fingerprint="")
    kinds = (("amount", "float"), ("total_usd", "integer"), ("euro", "text"), ("n", "integer"), ("eur_key", "integer"))
    shown = result(*kinds, rows=((1.5, 2, "x", 3, 4),))
    assert find_signs(answer_of(shown), schema) == {0: "€", 1: "$"}
    assert find_signs(answer_of(shown)) == {1: "$"}
