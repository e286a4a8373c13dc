"""Dropped files become tables with clean names and the types that all values have."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from app import uploading
from app.uploading import clean_name, load_files
from assistant.database import connect
from assistant.errors import UsageError


def load(
    tmp_path: Path, *files: tuple[str, bytes]
) -> dict[str, tuple[list[tuple[str, str]], list[tuple[object, ...]]]]:
    target = tmp_path / "made" / "own.sqlite"
    load_files(files, target)
    found = {}
    with closing(sqlite3.connect(target)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master").fetchall():
            columns = [(row[1], row[2]) for row in database.execute(f"PRAGMA table_info({name})")]
            found[name] = columns, database.execute(f"SELECT * FROM {name}").fetchall()
    assert not list(target.parent.glob("*.partial"))
    return found


def types_of(tmp_path: Path, *values: str) -> tuple[str, list[object]]:
    text = "v;w\n" + "".join(f'"{value}";x\n' for value in values)
    columns, rows = load(tmp_path, ("t.csv", text.encode()))["t"]
    return columns[0][1], [row[0] for row in rows]


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (("1", "-20", ""), "INTEGER", [1, -20, None]),
        (("1,234", "5"), "INTEGER", [1234, 5]),
        (("1,234.5", "0.25"), "REAL", [1234.5, 0.25]),
        (("1.234,50", "2,5"), "REAL", [1234.5, 2.5]),
        (("00123", "45"), "TEXT", ["00123", "45"]),
        (("99999999999999999999",), "REAL", [1e20]),
        (("2025-01-31", "N/A"), "DATE", ["2025-01-31", None]),
        (("31.01.2025", "01.02.2025"), "DATE", ["2025-01-31", "2025-02-01"]),
        (("31/01/2025", "01/02/2025"), "DATE", ["2025-01-31", "2025-02-01"]),
        (("03/04/2025", "05/06/2025"), "TEXT", ["03/04/2025", "05/06/2025"]),
        (("2025-01-31 10:00:00",), "TIMESTAMP", ["2025-01-31 10:00:00"]),
        (("yes", "No"), "BOOLEAN", [1, 0]),
        (("1", "one"), "TEXT", ["1", "one"]),
    ],
)
def test_a_column_gets_the_type_that_all_its_values_have(
    tmp_path: Path, values: tuple[str, ...], kind: str, read: list[object]
) -> None:
    assert types_of(tmp_path, *values) == (kind, read)


def test_names_are_cleaned_and_the_original_is_the_comment(tmp_path: Path) -> None:
    text = "Größe (m²),Größe m2,order,,2024\n1,2,3,4,5\n"
    columns, rows = load(tmp_path, ("My; DROP TABLE x--.csv", text.encode("cp1252", "replace")))["my_drop_table_x"]
    assert [name for name, _ in columns] == ["groesse_m2", "groesse_m2_2", "order_", "column", "n2024"]
    assert rows == [(1, 2, 3, 4, 5)]
    with closing(connect(str(tmp_path / "made" / "own.sqlite"))) as opened:
        comments = [column.comment for column in opened.schema().tables[0].columns]
    assert comments == ["Größe (m²)", "Größe m2", "order", "", "2024"]


def test_excel_sheets_become_tables_with_dates_and_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Sales 2025"
    for row in (("Day", "Amount", "Note"), (datetime(2025, 1, 31), 1.5, "a"), (None, 2, "=1+1"), (None, None, None)):
        book.active.append(row)
    book.create_sheet("Empty")
    book.create_sheet("People").append(["name"])
    book["People"].append(["Ana"])
    out = io.BytesIO()
    book.save(out)
    found = load(tmp_path, ("book.xlsx", out.getvalue()))
    assert found["sales_2025"] == (
        [("day", "DATE"), ("amount", "REAL"), ("note", "TEXT")],
        [("2025-01-31", 1.5, "a"), (None, 2.0, None)],
    )
    assert found["people"][1] == [("Ana",)]


def test_parquet_keeps_numbers_dates_and_lists(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, None], "d": [date(2025, 1, 31), None], "l": [[1, 2], None], "t": ["a\x00b", "NULL"]})
    out = io.BytesIO()
    frame.to_parquet(out)
    columns, rows = load(tmp_path, ("p.parquet", out.getvalue()))["p"]
    assert [kind for _, kind in columns] == ["REAL", "DATE", "TEXT", "TEXT"]
    assert rows == [(1.0, "2025-01-31", "[1, 2]", "ab"), (None, None, None, None)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "no rows"),
        ("a.csv", b"only,a,header\n", "no rows"),
        ("a.xlsx", b"no zip file", "cannot be read"),
        ("a.parquet", b"no parquet", "cannot be read"),
        ("a.exe", b"x", "no file that can be asked"),
        ("a.csv", b"a\n" + b"1\n" * 30, "more than 20 rows"),
        ("a.csv", b",".join(b"c" for _ in range(400)) + b"\n" + b",".join(b"1" for _ in range(400)), "400 columns"),
        ("a.csv", b"a,b\n" + b"1,22222222\n" * 15 + b"x" * 2000, "MB"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_message_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, said: str
) -> None:
    monkeypatch.setattr(uploading, "MAX_ROWS", 20)
    monkeypatch.setattr(uploading, "MAX_BYTES", 2000)
    with pytest.raises(UsageError, match=said):
        load_files([("fine.csv", b"a,b\n1,2\n"), (name, content)], tmp_path / "own.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_names_are_unique_and_never_empty() -> None:
    assert clean_name("A b", ["a_b", "a_b_2"]) == "a_b_3"
    assert clean_name("日本") == "column"
    assert clean_name("sqlite_x") == "sqlite_x_"
