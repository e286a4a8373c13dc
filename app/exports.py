"""All the rows of an answer as a file: CSV, Excel or Parquet, of any length with little memory.

In: batches of rows, as the Assistant gives them. Out: a file on disk. The rows are first put on disk as they come, so
that the database is done soon and each column is known whole; then they are written batch by batch.

Covers: texts that a spreadsheet would run as a formula (CSV marks them with an apostrophe, Excel gets them as text);
columns of mixed kinds, which are written as text; the limits of Excel.
Does not cover: what may be read, which is decided where the rows come from; masked cells arrive covered.
"""

from __future__ import annotations

import csv
import marshal
import re
import shutil
import weakref
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from app.scratch import make_folder
from assistant.errors import UsageError
from assistant.types import Cell, ColumnKind, QueryResult

if TYPE_CHECKING:
    from assistant.drivers.streaming import RowBatch

FileKind = Literal["csv", "xlsx", "parquet"]
"""Kinds of files, by their ending."""

MIME_OF_KIND: dict[FileKind, str] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
ZIP_BYTES = 32_000_000
"""Size from which a CSV file is put into a ZIP archive."""
MAX_FILE_BYTES = 64_000_000
"""Largest file that is handed over: the server has it in memory while it is sent."""
MAX_SHEET_ROWS = 1_048_575
"""Most rows of a sheet of Excel, below its heading."""
MAX_SHEET_CHARS = 32_767
"""Longest text in a cell of Excel."""
EXACT_IN_SHEET = 10**15
"""Whole numbers from here on lose digits in Excel, so they are written as text."""
PARQUET_BATCHES = 10
"""Batches of one row group."""

_FORMULA = re.compile(r"^[\s\x00-\x1f\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]|^[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_MIXED: ColumnKind = "text"


def safe_text(text: str) -> str:
    """Mark text that a spreadsheet would take for a formula with an apostrophe; plain numbers stay.

    Example:
        >>> safe_text("=1+1"), safe_text("-5")
        ("'=1+1", '-5')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def merge_kinds(kinds: Iterable[ColumnKind]) -> ColumnKind:
    """Say what a column holds of which parts are known, as `kind_of_values` does for its values."""
    found = set(kinds) - {"null"}
    if len(found) <= 1:
        return found.pop() if found else "null"
    if found == {"integer", "float"}:
        return "float"
    return "datetime" if found == {"date", "datetime"} else _MIXED


@dataclass
class Rows:
    """All the rows of a result, kept on disk; close it, or use it in a `with` block."""

    names: tuple[str, ...] = ()
    """Names of the columns."""
    kinds: tuple[ColumnKind, ...] = ()
    """What the columns hold."""
    count: int = 0
    """How many rows there are."""
    is_cut: bool = False
    """Whether there were more rows than may be taken."""
    folder: Path = field(default_factory=make_folder)
    """Folder of the files, for this user only; it goes with `close`, or when nothing holds this object any more."""

    def __post_init__(self) -> None:
        self._delete = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete what is on disk; calling it twice is harmless."""
        self._delete()

    def batches(self) -> Iterator[list[tuple[Cell, ...]]]:
        """Give the rows, batch by batch."""
        with (self.folder / "rows").open("rb") as file:
            while (batch := marshal.load(file)) is not None:  # our own file, of a folder that only we can read
                yield batch


def take_rows(batches: Iterable[RowBatch], progress: Callable[[int], None] = lambda count: None) -> Rows:
    """Put rows on disk as they come.

    Args:
        batches: The rows, as `Assistant.stream_rows` gives them.
        progress: Told how many rows there are so far.
    """
    rows = Rows()
    kinds: list[set[ColumnKind]] = []
    try:
        with (rows.folder / "rows").open("wb") as file:
            for batch in batches:
                rows.names = rows.names or batch.names
                kinds = kinds or [set() for _ in batch.names]
                for known, kind, at in zip(kinds, batch.kinds, range(len(kinds)), strict=True):
                    known.add(_true_kind(kind, [row[at] for row in batch.rows]))
                marshal.dump(list(batch.rows), file)
                rows.count += len(batch.rows)
                rows.is_cut = batch.is_cut
                progress(rows.count)
            marshal.dump(None, file)
    except BaseException:
        rows.close()
        raise
    rows.kinds = tuple(map(merge_kinds, kinds))
    return rows


def rows_of(result: QueryResult) -> Rows:
    """Put rows that are known already where `take_rows` puts them."""
    from assistant.drivers.streaming import RowBatch

    names = tuple(column.name for column in result.columns)
    kinds = tuple(column.kind for column in result.columns)
    return take_rows([RowBatch(names, kinds, result.rows, result.is_truncated)])


def write_file(rows: Rows, kind: FileKind, name: str = "rows") -> Path:
    """Write the rows as a file of the kind into their folder; a large CSV file becomes a ZIP archive.

    Raises:
        UsageError: The file is too large to be handed over, or a sheet does not hold so many rows.
    """
    if kind == "xlsx" and rows.count > MAX_SHEET_ROWS:
        raise UsageError(
            f"A sheet of Excel holds {MAX_SHEET_ROWS:,} rows, and these are {rows.count:,}.", "Take CSV or Parquet."
        )
    path = rows.folder / f"{name}.{kind}"
    if kind == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            _write_csv(rows, file)
        if path.stat().st_size > ZIP_BYTES:
            path = _zip(path)
    elif kind == "xlsx":
        _write_excel(rows, path)
    else:
        _write_parquet(rows, path)
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        path.unlink()
        raise UsageError(
            f"The file would have {size / 1e6:,.0f} MB; at most {MAX_FILE_BYTES / 1e6:,.0f} MB are handed over.",
            "Ask for fewer rows or columns, or take Parquet, which is the smallest.",
        )
    return path


def unique_names(names: Sequence[str]) -> list[str]:
    """Name columns so that no two are alike: SQL allows twins and empty names, tables and files do not."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        unique, number = name or "column", 1
        while unique in taken:
            number += 1
            unique = f"{name or 'column'} ({number})"
        taken.add(unique)
        found.append(unique)
    return found


def _write_csv(rows: Rows, file: IO[str]) -> None:
    writer = csv.writer(file)
    writer.writerow([safe_text(name) for name in rows.names])
    for batch in rows.batches():
        writer.writerows([safe_text(cell) if isinstance(cell, str) else cell for cell in row] for row in batch)


def _write_excel(rows: Rows, path: Path) -> None:
    import xlsxwriter

    options = {"constant_memory": True, "tmpdir": str(rows.folder), "strings_to_formulas": False}
    options |= {"strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet("Rows")
        bold = book.add_format({"bold": True})
        day, moment = (
            book.add_format({"num_format": "yyyy-mm-dd"}),
            book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        )
        sheet.freeze_panes(1, 0)
        for at, name in enumerate(rows.names):
            sheet.set_column(at, at, max(10, min(40, len(name) + 4)))
            sheet.write_string(0, at, name[:MAX_SHEET_CHARS], bold)
        line = 0
        for batch in rows.batches():
            for row in batch:
                line += 1
                for at, (cell, kind) in enumerate(zip(row, rows.kinds, strict=True)):
                    if cell is None:
                        continue
                    if isinstance(cell, bool):
                        sheet.write_boolean(line, at, cell)
                    elif isinstance(cell, int | float) and abs(cell) < EXACT_IN_SHEET:
                        sheet.write_number(line, at, cell)
                    elif kind in ("date", "datetime") and isinstance(cell, str) and cell >= "1900-03":
                        sheet.write_datetime(line, at, datetime.fromisoformat(cell), day if kind == "date" else moment)
                    else:
                        sheet.write_string(line, at, str(cell)[:MAX_SHEET_CHARS])


def _write_parquet(rows: Rows, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types: dict[ColumnKind, Any] = {"integer": pa.int64(), "float": pa.float64(), "boolean": pa.bool_()}
    types |= {"date": pa.date32(), "datetime": pa.timestamp("us"), "null": pa.null()}
    schema = pa.schema(
        [(name, types.get(kind, pa.string())) for name, kind in zip(unique_names(rows.names), rows.kinds, strict=True)]
    )
    pool = pa.system_memory_pool()  # gives memory back at once; the default pool keeps it
    with pq.ParquetWriter(path, schema, compression="zstd", memory_pool=pool) as writer:
        for group in _grouped(rows.batches(), PARQUET_BATCHES):
            columns = [
                pa.array([_as_value(row[at], kind) for row in group], type=part.type, memory_pool=pool)
                for at, (kind, part) in enumerate(zip(rows.kinds, schema, strict=True))
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _grouped(batches: Iterable[list[tuple[Cell, ...]]], many: int) -> Iterator[list[tuple[Cell, ...]]]:
    group: list[tuple[Cell, ...]] = []
    for number, batch in enumerate(batches, start=1):
        group.extend(batch)
        if number % many == 0:
            yield group
            group = []
    if group:
        yield group


def _as_value(cell: Cell, kind: ColumnKind) -> object:
    if cell is None:
        return None
    match kind:
        case "integer" | "boolean":
            return cell
        case "float":
            return float(cell)
        case "date":
            return date.fromisoformat(str(cell))
        case "datetime":
            return datetime.fromisoformat(str(cell))
        case _:
            return str(cell)


def _true_kind(kind: ColumnKind, cells: Sequence[Cell]) -> ColumnKind:
    """Look closer at what a file has a type of its own for: `2025-02-30` looks like a date and is none."""
    if kind == "integer":
        return kind if all(cell is None or -(2**63) <= int(cell) < 2**63 for cell in cells) else _MIXED
    if kind in ("date", "datetime"):
        return kind if all(cell is None or _is_moment(str(cell), kind) for cell in cells) else _MIXED
    return kind


def _is_moment(text: str, kind: ColumnKind) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is None and (kind == "datetime" or len(text) == len("2025-01-31"))
    except ValueError:
        return False


def _zip(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        archive.write(path, path.name)
    path.unlink()
    return packed
