"""Cells and kinds are the same whatever driver they come from."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from assistant.drivers.cells import kind_of_values, normalise_cell, normalise_rows
from assistant.types import Cell, ColumnKind


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        ("x", "x"),
        (Decimal("12.50"), 12.5),
        (Decimal("12.00"), 12.0),
        (Decimal("123"), 123),
        (Decimal("1E+3"), 1000),
        (Decimal("NaN"), "NaN"),
        (float("inf"), "inf"),
        (date(2026, 6, 30), "2026-06-30"),
        (datetime(2026, 6, 30, 8, 5), "2026-06-30 08:05:00"),
        (datetime(2026, 6, 30, 8, 5, tzinfo=UTC), "2026-06-30 08:05:00+00:00"),
        (time(8, 5), "08:05:00"),
        (timedelta(hours=30), "1 day, 6:00:00"),
        (b"abc", "<3 bytes, sha256 ba7816bf>"),
        (memoryview(b"abc"), "<3 bytes, sha256 ba7816bf>"),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_value_of_a_driver_becomes_a_cell(value: object, cell: Cell) -> None:
    found = normalise_cell(value)
    assert found == cell
    assert type(found) is type(cell)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([], "null"),
        ([None, None], "null"),
        ([None, 1], "integer"),
        ([True, False], "boolean"),
        ([1, 2.5], "float"),
        ([Decimal("1.0")], "float"),
        ([Decimal("1")], "integer"),
        (["2026-06-30", None], "date"),
        (["2026-06-30 08:00:00", "2026-06-30T08:00:00Z"], "datetime"),
        (["2026-06-30", "2026-06-30 08:00:00"], "datetime"),
        (["2026-06"], "text"),
        (["2026-06-30", "soon"], "text"),
        ([1, "x"], "text"),
        ([date(2026, 6, 30)], "date"),
        ([datetime(2026, 6, 30)], "datetime"),
        ([b""], "blob"),
    ],
)
def test_the_kind_of_a_column_comes_from_its_values(values: list[object], kind: ColumnKind) -> None:
    assert kind_of_values(values) == kind


def test_a_column_of_whole_and_broken_numbers_is_all_floats() -> None:
    rows, kinds = normalise_rows([(12, 1), (12.5, 2), (None, 3), (2**60, 4)], 2)
    assert kinds == ["float", "integer"]
    assert rows == [(12.0, 1), (12.5, 2), (None, 3), (2**60, 4)]
    assert [type(row[0]) for row in rows] == [float, float, type(None), int]
