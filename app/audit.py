"""Write down who ran what: the Assistant as one person uses it, and the entries on their way to memory.

In: what a person asks, chooses, runs or takes away on a page. Out: entries of the audit log, and the log as lines of
CSV. No rows of results. What cannot be written at once, because memory is away, is written as soon as it is back, as
long as this server lives; answers do not wait for that.
"""

from __future__ import annotations

import csv
import io
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.exports import safe_text
from assistant.agent import Assistant
from assistant.errors import QueryForgeError
from assistant.memory.audit import AuditAction, AuditEntry, AuditOutcome, make_entry_id
from assistant.types import Answer, Question, Rejection, StepEvent

if TYPE_CHECKING:
    from assistant.drivers.streaming import RowBatch
    from assistant.memory.store import Memory

MAX_WAITING = 10_000
"""Entries that wait for memory at most; the oldest are lost first, and the log of the server says so."""
PRUNE_EVERY = 100
"""Entries between two looks at whether there are too many."""

COLUMNS = ("happened_at", "author", "action", "db_id", "question", "sql", "outcome", "row_count", "model", "elapsed_ms")

_log = logging.getLogger(__name__)


class Recorder:
    """The way of entries into one memory; safe to use from several threads."""

    def __init__(self, *, keep: int) -> None:
        """Take how many entries may be kept; with 0 nothing is recorded."""
        self._keep = keep
        self._waiting: deque[AuditEntry] = deque(maxlen=MAX_WAITING)
        self._written = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self.fault = ""
        """Why entries wait; empty when none do."""

    def add(self, entry: AuditEntry, memory: Memory | None) -> None:
        """Write an entry and what waited before it; memory that is away or fails is tried with the next one."""
        if not self._keep:
            return
        with self._lock:
            if len(self._waiting) == MAX_WAITING:
                _log.warning("The audit log has lost an entry: memory is away for too long.")
            self._waiting.append(entry)
        self.flush(memory)

    def flush(self, memory: Memory | None) -> None:
        """Write what waits. Where another thread is writing, it is left for the next time: nobody waits for the log."""
        if memory is None or not self._waiting or not self._writing.acquire(blocking=False):
            return
        try:
            with self._lock:
                entries = list(self._waiting)
            memory.audit.add(entries)
            written = {entry.entry_id for entry in entries}
            with self._lock:
                while self._waiting and self._waiting[0].entry_id in written:
                    self._waiting.popleft()
            self._prune(memory, len(entries))
        except QueryForgeError as error:
            self.fault = error.message
        else:
            self.fault = ""
        finally:
            self._writing.release()

    def _prune(self, memory: Memory, written: int) -> None:
        if self._written % PRUNE_EVERY == 0 or self._written % PRUNE_EVERY + written >= PRUNE_EVERY:
            memory.audit.prune(self._keep)
        self._written += written


Writer = Callable[[AuditEntry], None]
"""Takes an entry to the audit log."""


class WatchedAssistant(Assistant):
    """The Assistant as one person uses it: it answers as the one it is made of, and what they run is written down."""

    def __init__(self, inner: Assistant, author: str, write: Writer) -> None:
        """Take the Assistant that all share. Whoever opened that one closes it, not this."""
        # Not made anew: the same database, models and choices, seen by one person.
        self.__dict__.update(inner.__dict__)
        self.unwatched = inner
        """The one that all share, for what the page tries by itself."""
        self._author = author
        self._write = write

    def ask(self, question: Question | str) -> Answer:
        """Answer one question; see `Assistant.ask`."""
        asked = Question(text=question) if isinstance(question, str) else question
        note = _Note(self, "choose" if asked.chosen_sql else "ask", asked.text, asked.chosen_sql)
        try:
            answer = super().ask(question)
        except BaseException as error:
            note.end_by(error)
            raise
        note.end_with(answer)
        return answer

    def stream(
        self, question: Question | str, *, stopped: threading.Event | None = None
    ) -> Generator[StepEvent | Answer, None, None]:
        """Answer one question, telling each step; see `Assistant.stream`."""
        return self._watch(question, super().stream(question, stopped=stopped))

    def run_sql(self, question: Question, sql: str) -> Answer | Rejection:
        """Answer a question with SQL that is there; see `Assistant.run_sql`."""
        note = _Note(self, "run", question.text, sql)
        try:
            found = super().run_sql(question, sql)
        except BaseException as error:
            note.end_by(error)
            raise
        if isinstance(found, Rejection):
            note.end("rejected")
        else:
            note.end_with(found)
        return found

    def stream_rows(self, answer: Answer) -> Generator[RowBatch, None, None]:
        """Give all rows of an answer; see `Assistant.stream_rows`."""
        note = _Note(self, "export", answer.question.text, _sql_of(answer))
        count = 0
        try:
            with closing(super().stream_rows(answer)) as batches:
                for batch in batches:
                    count += len(batch.rows)
                    yield batch
        except BaseException as error:
            note.end_by(error, rows=count)
            raise
        note.end("answered", rows=count)

    def close(self) -> None:
        """Do nothing: the one that all share stays open."""

    def _watch(
        self, question: Question | str, events: Generator[StepEvent | Answer, None, None]
    ) -> Generator[StepEvent | Answer, None, None]:
        text = question if isinstance(question, str) else question.text
        note = _Note(self, "ask", text)
        answer: Answer | None = None
        try:
            with closing(events):
                for event in events:
                    if isinstance(event, Answer):
                        answer = event
                        note.end_with(event)
                    elif event.step == "generate_sql" and not event.is_partial:
                        note.sql = event.detail
                    yield event
        except BaseException as error:
            if answer is None:
                note.end_by(error)
            raise
        if answer is None:
            note.end("stopped")


class _Note:
    """One thing that a person runs, while it lasts."""

    def __init__(self, owner: WatchedAssistant, action: AuditAction, question: str, sql: str = "") -> None:
        self._owner = owner
        self._action: AuditAction = action
        self._question = question
        self._started = time.perf_counter()
        self.sql = sql

    def end_with(self, answer: Answer) -> None:
        """Write it down with its answer."""
        self.sql = _sql_of(answer) or self.sql
        model = answer.drafts[-1].completion.model if answer.drafts else ""
        self.end(answer.status, rows=len(answer.result.rows) if answer.result is not None else None, model=model)

    def end_by(self, error: BaseException, *, rows: int | None = None) -> None:
        """Write it down with what broke it off: a fault, or whoever waited has gone."""
        self.end("error" if isinstance(error, Exception) else "stopped", rows=rows)

    def end(self, outcome: AuditOutcome, *, rows: int | None = None, model: str = "") -> None:
        """Write it down."""
        self._owner._write(
            AuditEntry(
                entry_id=make_entry_id(),
                happened_at=datetime.now(UTC),
                author=_storable(self._owner._author),
                action=self._action,
                db_id=self._owner._database.db_id,
                question=_storable(self._question),
                sql=_storable(self.sql),
                outcome=outcome,
                row_count=rows,
                model=_storable(model),
                elapsed_ms=(time.perf_counter() - self._started) * 1000,
            )
        )


def write_csv(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Write entries as lines of CSV, the names of the columns first; formulas are marked as in other exports."""
    yield _line(COLUMNS)
    for entry in entries:
        cells = [getattr(entry, name) for name in COLUMNS]
        cells[0] = entry.happened_at.isoformat(timespec="milliseconds")
        cells[-1] = round(entry.elapsed_ms)
        yield _line([safe_text(cell) if isinstance(cell, str) else cell for cell in cells])


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _sql_of(answer: Answer) -> str:
    if answer.drafts:
        return answer.drafts[-1].sql
    return answer.query.sql if answer.query is not None else ""


def _storable(text: str) -> str:
    """Make text that every database can hold: what was asked is to be seen even where it is no proper text."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
