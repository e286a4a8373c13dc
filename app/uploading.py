"""Files that a person drops on the page, made into a SQLite database.

In: CSV, Excel or Parquet files. Out: a SQLite file with a table for each file or sheet: names that can be typed, the
original ones as comments, and a type for each column that all its values have. It is there whole or not at all. The
files stay on this machine.

Covers: separators and encodings of CSV; numbers with grouped digits; dates in one reading only (03/04/2025 stays text
where no day tells the order); numbers that are codes, such as 00123, stay text.
Does not cover: formulas without a kept value, several tables on one sheet, .xls of before 2007.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

from assistant.errors import UsageError
from assistant.types import Record

MAX_BYTES = 50_000_000
"""Largest file; a larger one belongs into a database of its own."""
MAX_ROWS, MAX_COLUMNS, MAX_TABLES = 1_000_000, 300, 30
MAX_UNPACKED_BYTES = 600_000_000
"""Largest an Excel file may become when it is unpacked."""
ENDINGS = ("csv", "tsv", "txt", "xlsx", "xlsm", "parquet")

_TOO_LARGE = "Drop a part of it, or load it into a database and add that one."
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d{0,17})$")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?$")
_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})*,\d+$|[+-]?\d+,\d+$")
_CODE = re.compile(r"[+-]?0\d")
_NOTHING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
_DATE_FORMS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")
_MOMENT_FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M")
_TRUTH = {"true": 1, "false": 0, "yes": 1, "no": 0}
_WORDS = frozenset(
    {"select", "from", "where", "group", "order", "by", "table", "index", "values", "limit", "join", "to"}
)

Value = str | int | float | None


class LoadedTable(Record):
    """A table that was made."""

    name: str
    """Its name."""
    columns: int
    """How many columns."""
    rows: int
    """How many rows."""


class _Sheet(Record):
    """Rows before their types are known."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def load_files(files: Sequence[tuple[str, bytes]], target: Path) -> tuple[LoadedTable, ...]:
    """Make a database of files.

    Args:
        files: Name and content of each.
        target: Where the SQLite file is made; its folder is made too.

    Raises:
        UsageError: A file is too large, of another kind, empty, or cannot be read; nothing is made then.
    """
    sheets: list[_Sheet] = []
    for name, content in files:
        sheets += _read(name, content)
    if not sheets:
        raise UsageError("There is no table in these files.", "The first row names the columns, the others are rows.")
    if len(sheets) > MAX_TABLES:
        raise UsageError(f"These files hold {len(sheets)} tables; at most {MAX_TABLES} are read.", _TOO_LARGE)
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(partial)) as connection:
            loaded = tuple(_write(connection, sheet, name) for sheet, name in _with_names(sheets))
            connection.commit()
        partial.chmod(0o600)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise UsageError(f"Cannot write '{target.name}': {error}.", "Make room on the disk, then try again.") from error
    finally:
        partial.unlink(missing_ok=True)
    return loaded


def clean_name(text: str, taken: Iterable[str] = (), *, fallback: str = "column") -> str:
    """Make a name that can be typed without quotes, and that none of `taken` is.

    Example:
        >>> clean_name("Größe (m²)"), clean_name("2024 Umsatz"), clean_name("")
        ('groesse_m2', 'n2024_umsatz', 'column')
    """
    spelled = text.replace("ß", "ss")
    for umlaut, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue")):
        spelled = spelled.replace(umlaut, letters)
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:60] or fallback
    if name[0].isdigit():
        name = f"n{name}"
    if name in _WORDS or name.startswith("sqlite_"):
        name = f"{name}_"
    used, number, unique = set(taken), 2, name
    while unique in used:
        unique, number = f"{name}_{number}", number + 1
    return unique


def _read(name: str, content: bytes) -> list[_Sheet]:
    ending = Path(name).suffix.lower().lstrip(".")
    if len(content) > MAX_BYTES:
        raise UsageError(
            f"'{name}' has {len(content) / 1e6:,.0f} MB; at most {MAX_BYTES / 1e6:,.0f} are read.", _TOO_LARGE
        )
    stem = Path(name).stem
    try:
        if ending in ("csv", "tsv", "txt"):
            return [_checked(name, stem, *_read_csv(content))]
        if ending in ("xlsx", "xlsm"):
            return list(_read_excel(name, stem, content))
        if ending == "parquet":
            return [_checked(name, stem, *_read_parquet(name, content))]
    except UsageError:
        raise
    except (ValueError, KeyError, OSError, csv.Error, zipfile.BadZipFile, TypeError, EOFError) as error:
        raise UsageError(
            f"'{name}' cannot be read: {str(error)[:120]}.", "Save it anew, such as a CSV file."
        ) from error
    raise UsageError(f"'{name}' is no file that can be asked.", f"Drop one of these: {', '.join(ENDINGS)}.")


def _read_csv(content: bytes) -> tuple[list[str], list[tuple[object, ...]]]:
    for encoding in (
        "utf-8-sig",
        "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig",
        "cp1252",
        "latin-1",
    ):
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    first = text[:20_000]
    lines = [line for line in first.splitlines() if line.strip()][:50]
    counts = {sign: [line.count(sign) for line in lines] for sign in ",;\t|"}
    separator = max(counts, key=lambda sign: (min(counts[sign], default=0) > 0, sum(counts[sign])))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header = next(rows, [])
    return header, [tuple(row) for row in rows if any(cell.strip() for cell in row)]


def _read_excel(name: str, stem: str, content: bytes) -> Iterator[_Sheet]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        size = sum(part.file_size for part in packed.infolist())
    if size > MAX_UNPACKED_BYTES:
        raise UsageError(f"'{name}' unpacks to {size / 1e6:,.0f} MB; that is too much.", _TOO_LARGE)
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        for sheet in book.worksheets:
            rows = (row for row in sheet.iter_rows(values_only=True) if any(cell not in (None, "") for cell in row))
            header = next(rows, None)
            if header is None:
                continue
            body = []
            for row in rows:
                body.append(tuple(row))
                if len(body) > MAX_ROWS:
                    break
            if body:
                title = stem if len(book.worksheets) == 1 else sheet.title
                yield _checked(name, title, ["" if cell is None else str(cell) for cell in header], body)
    finally:
        book.close()


def _read_parquet(name: str, content: bytes) -> tuple[list[str], list[tuple[object, ...]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        if file.metadata.num_rows > MAX_ROWS:
            raise UsageError(
                f"'{name}' has {file.metadata.num_rows:,} rows; at most {MAX_ROWS:,} are read.", _TOO_LARGE
            )
        table = file.read()
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error
    columns = [column.to_pylist() for column in table.columns]
    return list(table.column_names), list(zip(*columns, strict=True)) if columns else []


def _checked(name: str, title: str, header: Sequence[str], rows: Sequence[tuple[object, ...]]) -> _Sheet:
    """Bring rows to the width of the header, and refuse what is too much."""
    width = max([len(header), *(len(row) for row in rows[:1000])], default=0)
    while width and width > len(header) and all(row[width - 1 :] in ((), ("",), (None,)) for row in rows):
        width -= 1
    if not width or not rows:
        raise UsageError(f"'{name}' holds no rows.", "The first row names the columns, the others are rows.")
    if len(rows) > MAX_ROWS:
        raise UsageError(f"'{name}' has more than {MAX_ROWS:,} rows; that is too much.", _TOO_LARGE)
    if width > MAX_COLUMNS:
        raise UsageError(f"'{name}' has {width:,} columns; at most {MAX_COLUMNS} are read.", _TOO_LARGE)
    padded = [str(cell) for cell in header] + [""] * (width - len(header))
    return _Sheet(
        name=title,
        header=tuple(padded[:width]),
        rows=tuple((*row[:width], *(None,) * (width - len(row))) for row in rows),
    )


def _with_names(sheets: Sequence[_Sheet]) -> Iterator[tuple[_Sheet, str]]:
    taken: list[str] = []
    for sheet in sheets:
        taken.append(clean_name(sheet.name, taken, fallback="table"))
        yield sheet, taken[-1]


def _write(connection: sqlite3.Connection, sheet: _Sheet, name: str) -> LoadedTable:
    names: list[str] = []
    for text in sheet.header:
        names.append(clean_name(text, names))
    typed = [_type_values([row[place] for row in sheet.rows]) for place in range(len(names))]
    lines = [
        f'  "{column}" {kind}{"," if place < len(names) - 1 else ""}{_comment(title, column)}'
        for place, (column, title, (kind, _)) in enumerate(zip(names, sheet.header, typed, strict=True))
    ]
    connection.execute(f'CREATE TABLE "{name}" (\n' + "\n".join(lines) + "\n)")
    marks = ", ".join("?" * len(names))
    connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', zip(*(values for _, values in typed), strict=True))
    return LoadedTable(name=name, columns=len(names), rows=len(sheet.rows))


def _comment(title: str, column: str) -> str:
    line = " ".join(title.split())
    return f" -- {line}" if line and line != column else ""


def _type_values(cells: Sequence[object]) -> tuple[str, list[Value]]:
    """Find the narrowest type that all values have, and bring them to it."""
    plain = [_as_plain(cell) for cell in cells]
    present = [cell for cell in plain if cell is not None]
    if not present:
        return "TEXT", plain
    if all(isinstance(cell, bool) for cell in present):
        return "BOOLEAN", [None if cell is None else int(cell) for cell in plain]
    if all(isinstance(cell, int) for cell in present):
        fits = all(abs(cell) < 2**63 for cell in present if isinstance(cell, int))
        return ("INTEGER", plain) if fits else ("TEXT", [None if cell is None else str(cell) for cell in plain])
    if all(isinstance(cell, int | float) for cell in present):
        return "REAL", [None if cell is None else float(cell) for cell in plain]
    texts = [None if cell is None else str(cell) for cell in plain]
    return _type_texts(texts)


def _as_plain(cell: object) -> Value:
    """Turn what the readers give into what SQLite holds; dates become ISO text."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return None
    if isinstance(cell, datetime):
        if cell.time() == time() and cell.tzinfo is None:
            return cell.date().isoformat()
        return cell.replace(microsecond=0).isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, bytes):
        return f"{len(cell)} bytes"
    if isinstance(cell, str):
        stripped = cell.strip().replace("\x00", "")
        return None if stripped.lower() in _NOTHING else stripped
    if isinstance(cell, list | dict | tuple):
        return json.dumps(cell, default=str, ensure_ascii=False)
    return cell if isinstance(cell, bool | int | float) else str(cell)


def _type_texts(texts: Sequence[str | None]) -> tuple[str, list[Value]]:
    present = [text for text in texts if text is not None]
    if not any(_CODE.match(text) and not re.match(r"[+-]?0\d*[.,]", text) for text in present):
        if all(_INTEGER.match(text) for text in present):
            return "INTEGER", [None if text is None else int(text) for text in texts]
        if all(_INTEGER.match(text) or _GROUPED.match(text) for text in present):
            values = [None if text is None else float(text.replace(",", "")) for text in texts]
            if all("." not in text for text in present):
                return "INTEGER", [None if value is None else int(value) for value in values]
            return "REAL", list(values)
        if all(_FLOAT.match(text) or _GROUPED.match(text) for text in present):
            return "REAL", [None if text is None else float(text.replace(",", "")) for text in texts]
        if all(_COMMA.match(text) or _INTEGER.match(text) for text in present):
            return "REAL", [None if text is None else float(text.replace(".", "").replace(",", ".")) for text in texts]
    if all(text.lower() in _TRUTH for text in present):
        return "BOOLEAN", [None if text is None else _TRUTH[text.lower()] for text in texts]
    for kind, forms, length in (("DATE", _DATE_FORMS, 10), ("TIMESTAMP", _MOMENT_FORMS, 19)):
        fitting = [form for form in forms if all(_parse(text, form) for text in present)]
        if len(fitting) == 1:
            moments = [None if text is None else _parse(text, fitting[0]) for text in texts]
            return kind, [None if moment is None else moment.isoformat(" ")[:length] for moment in moments]
    return "TEXT", list(texts)


def _parse(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)
    except ValueError:
        return None
