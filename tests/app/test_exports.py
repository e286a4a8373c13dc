"""Rows as files: what is in them, what a spreadsheet would make of it, and the limits."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app import exports
from app.downloads import file_name
from app.exports import FileKind, Rows, merge_kinds, rows_of, safe_text, take_rows, write_file
from assistant.drivers.streaming import RowBatch
from assistant.errors import UsageError
from assistant.types import Cell, ColumnKind, QueryResult, ResultColumn

ATTACKS = (
    "=1+1",
    "+SUM(A1)",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    " =1+1",
    '=HYPERLINK("http://x.example","click")',
    "＝1+1",
    "\ufeff=1+1",
    "%0A=1",
)


def result(*columns: tuple[str, str], rows: tuple[tuple[Cell, ...], ...]) -> QueryResult:
    named = tuple(ResultColumn(name=name, kind=kind) for name, kind in columns)  # type: ignore[arg-type]
    return QueryResult(columns=named, rows=rows, is_truncated=False, elapsed_ms=1.0)


def batch(kinds: tuple[ColumnKind, ...], *rows: tuple[Cell, ...], is_cut: bool = False) -> RowBatch:
    return RowBatch(tuple(f"c{at}" for at in range(len(kinds))), kinds, rows, is_cut)


def sheet_of(path: Path) -> str:
    with zipfile.ZipFile(path) as book:
        return book.read("xl/worksheets/sheet1.xml").decode()


def test_csv_holds_the_rows_as_the_database_gave_them() -> None:
    rows: tuple[tuple[Cell, ...], ...] = (('say "hi", x', 1234.5), (None, 0))
    with rows_of(result(("a,b", "text"), ("n", "float"), rows=rows)) as found:
        text = write_file(found, "csv").read_bytes().decode()
    assert list(csv.reader(io.StringIO(text))) == [["a,b", "n"], ['say "hi", x', "1234.5"], ["", "0"]]


@pytest.mark.parametrize("attack", ATTACKS)
def test_formula_is_text_in_csv_and_in_excel(attack: str) -> None:
    with rows_of(result((attack, "text"), ("n", "integer"), rows=((attack, -5),))) as rows:
        text = write_file(rows, "csv").read_bytes().decode()
        header, line = csv.reader(io.StringIO(text, newline=""))
        assert header[0] == line[0] == f"'{attack}"
        assert line[1] == "-5"
        sheet = sheet_of(write_file(rows, "xlsx"))
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet.partition("</sheetData>")[2].lower()
    assert sheet.count('t="inlineStr"') == 3  # both names, and the attack


@pytest.mark.parametrize("text", ["-5", "+49", "-1.5", "Müller-Lüdenscheidt", "a=b", "2025-01-31", ""])
def test_plain_text_and_numbers_are_not_marked(text: str) -> None:
    assert safe_text(text) == text


def test_columns_are_what_all_their_batches_are() -> None:
    batches = [
        batch(("integer", "date", "integer"), (1, "2025-01-31", 1)),
        batch(("float", "null", "text"), (2.5, None, "x")),
    ]
    with take_rows(batches) as rows:
        assert rows.kinds == ("float", "date", "text")
        table = pq.read_table(write_file(rows, "parquet"))
    assert [str(kind) for kind in table.schema.types] == ["double", "date32[day]", "string"]
    assert table.to_pylist() == [
        {"c0": 1.0, "c1": date(2025, 1, 31), "c2": "1"},
        {"c0": 2.5, "c1": None, "c2": "x"},
    ]


@pytest.mark.parametrize(
    ("kinds", "whole"),
    [
        ((), "null"),
        (("null", "null"), "null"),
        (("integer", "null"), "integer"),
        (("integer", "float"), "float"),
        (("date", "datetime"), "datetime"),
        (("integer", "date"), "text"),
    ],
)
def test_kinds_merge_as_values_do(kinds: tuple[ColumnKind, ...], whole: ColumnKind) -> None:
    assert merge_kinds(kinds) == whole


def test_parquet_keeps_numbers_dates_truths_and_twins() -> None:
    kinds = (("n", "integer"), ("n", "datetime"), ("b", "boolean"), ("", "null"))
    shown = result(*kinds, rows=((2**40, "2025-01-31 10:30:00.5", True, None),))
    with rows_of(shown) as rows:
        (row,) = pq.read_table(write_file(rows, "parquet")).to_pylist()
    assert row == {"n": 2**40, "n (2)": datetime(2025, 1, 31, 10, 30, 0, 500000), "b": True, "column": None}


def test_what_no_type_can_hold_is_text() -> None:
    shown = result(("big", "integer"), ("day", "date"), rows=((2**70, "2025-02-30"), (1, "2025-02-01")))
    with rows_of(shown) as rows:
        assert pq.read_table(write_file(rows, "parquet")).to_pylist()[0] == {"big": str(2**70), "day": "2025-02-30"}
        sheet = sheet_of(write_file(rows, "xlsx"))
    assert str(2**70) in sheet
    assert "2025-02-30" in sheet


def test_excel_has_numbers_dates_and_a_head_that_stays() -> None:
    shown = result(("n", "integer"), ("d", "date"), ("old", "date"), rows=((42, "2025-01-31", "1815-12-10"),))
    with rows_of(shown) as rows:
        sheet = sheet_of(write_file(rows, "xlsx"))
    assert "<v>42</v>" in sheet
    assert "<v>45688</v>" in sheet  # 2025-01-31 as Excel counts days
    assert "1815-12-10" in sheet
    assert 'state="frozen"' in sheet


def test_more_rows_than_a_sheet_holds_are_told_before_any_is_written() -> None:
    with rows_of(result(("n", "integer"), rows=((1,),))) as rows:
        rows.count = exports.MAX_SHEET_ROWS + 1
        with pytest.raises(UsageError, match="1,048,575"):
            write_file(rows, "xlsx")


def test_text_that_excel_cannot_hold_is_cut() -> None:
    with rows_of(result(("t", "text"), rows=(("x" * 40_000,),))) as rows:
        sheet = sheet_of(write_file(rows, "xlsx"))
    assert "x" * exports.MAX_SHEET_CHARS in sheet
    assert "x" * (exports.MAX_SHEET_CHARS + 1) not in sheet


def test_rows_are_taken_as_they_come_and_not_kept_in_memory() -> None:
    alive: list[int] = []

    def batches() -> Iterator[RowBatch]:
        for number in range(3):
            alive.append(number)
            yield batch(("integer",), (number,))

    seen: list[tuple[int, int]] = []
    with take_rows(batches(), lambda count: seen.append((count, len(alive)))) as rows:
        assert seen == [(1, 1), (2, 2), (3, 3)]
        assert [row for part in rows.batches() for row in part] == [(0,), (1,), (2,)]


def test_interrupted_export_leaves_nothing_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_rows([batch(("integer",), (1,))], stop)
    assert list(tmp_path.iterdir()) == []


def test_closing_deletes_the_files() -> None:
    rows = rows_of(result(("n", "integer"), rows=((1,),)))
    path = write_file(rows, "csv")
    assert path.exists()
    rows.close()
    rows.close()
    assert not path.exists()


def test_large_csv_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ZIP_BYTES", 100)
    with rows_of(result(("t", "text"), rows=(("x" * 500,),))) as rows:
        path = write_file(rows, "csv", "orders")
        assert path.name == "orders.csv.zip"
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["orders.csv"]
            assert b"x" * 500 in archive.read("orders.csv")


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_file_that_is_too_large_is_refused_with_a_remedy(kind: FileKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_FILE_BYTES", 10)
    with rows_of(result(("t", "text"), rows=(("x" * 50,),))) as rows:
        with pytest.raises(UsageError) as caught:
            write_file(rows, kind)
        assert "fewer rows" in caught.value.hint
        assert [path.name for path in rows.folder.iterdir()] == ["rows"]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_empty_result_is_a_file_with_its_columns(kind: FileKind) -> None:
    with rows_of(result(("a", "text"), ("b", "null"), rows=())) as rows:
        assert isinstance(rows, Rows)
        path = write_file(rows, kind)
        assert path.stat().st_size > 0
        if kind == "csv":
            assert path.read_text() == "a,b\n"


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Orders by channel?", "orders-by-channel"),
        ("Umsätze für Köln", "umsatze-fur-koln"),
        ("../../etc/passwd", "etc-passwd"),
        ("顧客は何人？", "queryforge"),
        ("x" * 100, "x" * 40),
    ],
)
def test_file_is_named_after_the_question(question: str, name: str) -> None:
    assert file_name(question) == name
