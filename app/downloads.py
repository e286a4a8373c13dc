"""Take the rows of an answer away: CSV, Excel or Parquet, all of them and not only those on the screen.

In: an Answer, and the Assistant, which runs its query again where the screen shows only the first rows. Out: what is
drawn, and files on disk until the next one is made or the browser tab is closed. Nothing is written before a person
asks for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import streamlit as st

from app.exports import MIME_OF_KIND, FileKind, Rows, rows_of, take_rows, write_file
from app.literal import literal
from assistant.errors import QueryForgeError, UsageError
from assistant.types import Answer, QueryResult

if TYPE_CHECKING:
    from assistant.agent import Assistant

LABELS: dict[FileKind, str] = {"csv": "CSV", "xlsx": "Excel", "parquet": "Parquet"}
MAX_NAME_CHARS = 40
MADE = "export-made"
"""Where the last file of this browser tab is kept: one, so that the disk does not fill."""


@dataclass
class Made:
    """A file that waits to be saved."""

    key: str
    """Of the answer that it belongs to."""
    rows: Rows
    """What it was made from; holds the folder."""
    kind: FileKind
    path: Path


def draw_downloads(answer: Answer, assistant: Assistant | None, *, key: str) -> None:
    """Draw the button that opens the choice of files."""
    assert answer.result is not None
    with st.popover("Download", icon=":material/download:", type="tertiary", key=f"{key}-download"):
        if answer.result.is_truncated and assistant is not None:
            _draw_making(answer, answer.result, assistant, key)
        else:
            _draw_ready(answer, answer.result, key)


def file_name(question: str) -> str:
    """Make a file name, without its ending, of a question."""
    plain = unicodedata.normalize("NFKD", question).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_NAME_CHARS].strip("-") or "queryforge"


def _draw_ready(answer: Answer, result: QueryResult, key: str) -> None:
    """Offer what is on the screen: it is all there is."""
    rows = len(result.rows)
    st.caption(f"All {rows:,} rows" if rows != 1 else "The one row")
    for kind, label in LABELS.items():
        st.download_button(
            label,
            data=_writer(result, kind),
            file_name=f"{file_name(answer.question.text)}.{kind}",
            mime=MIME_OF_KIND[kind],
            key=f"{key}-save-{kind}",
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
        )
    if result.is_truncated:
        st.caption("There are more rows, which cannot be had here.")
    st.caption(literal("Text that a spreadsheet would run as a formula is marked with an apostrophe in CSV."))


def _writer(result: QueryResult, kind: FileKind) -> Callable[[], bytes]:
    def write() -> bytes:
        with rows_of(result) as rows:
            return write_file(rows, kind).read_bytes()

    return write


def _draw_making(answer: Answer, result: QueryResult, assistant: Assistant, key: str) -> None:
    """Make a file of all rows, which takes a while, and offer it then."""
    most = assistant.settings.max_export_rows
    st.text(f"The table shows the first {len(result.rows):,} rows. A file holds all, up to {most:,}.")
    kinds = list(LABELS)
    chosen = st.segmented_control(
        "Kind of file", kinds, default="csv", format_func=LABELS.__getitem__, key=f"{key}-kind", width="stretch"
    )
    kind: FileKind = chosen or "csv"
    made: Made | None = st.session_state.get(MADE)
    if made is not None and (made.key, made.kind) == (key, kind) and made.path.exists():
        _draw_made(answer, made)
        return
    if not st.button("Make the file", key=f"{key}-make", icon=":material/play_arrow:", width="stretch", type="primary"):
        return
    _forget()
    try:
        st.session_state[MADE] = _make(answer, assistant, kind, key)
    except QueryForgeError as error:
        with st.container(key=f"error-{key}-download", gap="xsmall"):
            st.text(error.message)
            st.text(error.hint)
    else:
        st.rerun()


def _make(answer: Answer, assistant: Assistant, kind: FileKind, key: str) -> Made:
    bar = st.progress(0.0, "Running the query")
    try:
        # Telling of it is also where a person who presses something else ends it; the query is closed with it.
        with closing(assistant.stream_rows(answer)) as batches:
            rows = take_rows(batches, lambda count: _tell(bar.progress, count, assistant.settings.max_export_rows))
        try:
            bar.progress(0.9, f"Writing {rows.count:,} rows")
            return Made(key, rows, kind, write_file(rows, kind, file_name(answer.question.text)))
        except BaseException:
            rows.close()
            raise
    except OSError as error:
        raise UsageError(
            f"The file cannot be written: {error.strerror or error}.", "Make room in the folder for temporary files."
        ) from error
    finally:
        bar.empty()


def _tell(show: Callable[[float, str], object], count: int, most: int) -> None:
    show(min(0.85, count / most), f"{count:,} rows so far")


def _draw_made(answer: Answer, made: Made) -> None:
    size = made.path.stat().st_size / 1e6
    rows = (
        f"The first {made.rows.count:,} rows; there are more" if made.rows.is_cut else f"All {made.rows.count:,} rows"
    )
    st.caption(f"{rows} · {size:,.1f} MB")
    st.download_button(
        f"Save {LABELS[made.kind]}",
        data=cast("Callable[[], BinaryIO]", lambda: made.path.open("rb")),
        file_name=f"{file_name(answer.question.text)}{''.join(made.path.suffixes)}",
        mime="application/zip" if made.path.suffix == ".zip" else MIME_OF_KIND[made.kind],
        key=f"{made.key}-save",
        icon=":material/download:",
        on_click="ignore",
        type="primary",
        width="stretch",
    )


def _forget() -> None:
    made: Made | None = st.session_state.pop(MADE, None)
    if made is not None:
        made.rows.close()
