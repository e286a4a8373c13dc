"""The audit log: what people run on the pages is written down, filtered, taken away and bounded."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from app.audit import Recorder, WatchedAssistant, write_csv
from app.suggestions import suggest_questions
from assistant.agent import Assistant
from assistant.errors import DatabaseError
from assistant.memory import audit, tables
from assistant.memory.audit import AuditEntry, AuditFilter, make_entry_id
from assistant.memory.store import Memory
from assistant.settings import Settings
from assistant.types import Answer, Question, Rejection
from tests.app.conftest import Script
from tests.app.test_pages import _fresh, ask, open_tab
from tests.assistant.test_memory import EVERY, address, empty_mysql_url

__all__ = ["_fresh", "address", "empty_mysql_url"]

COUNT = "SELECT COUNT(*) AS customers FROM customer"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(number: int = 0, **fields: object) -> AuditEntry:
    given = {"author": "ana", "action": "ask", "db_id": "shop", "question": f"Question {number}?", "sql": COUNT}
    given |= {"outcome": "answered", "row_count": 1, "entry_id": make_entry_id()}
    given |= {"happened_at": NOON + timedelta(minutes=number)}
    return AuditEntry.model_validate(given | fields)


@pytest.fixture
def watched(script: Script) -> Iterator[tuple[WatchedAssistant, list[AuditEntry]]]:
    script(COUNT, "-- unanswerable: no", "x " * 1000)
    entries: list[AuditEntry] = []
    with Assistant(Settings.load()) as inner:
        yield WatchedAssistant(inner, "ana", entries.append), entries


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_entries_are_filtered_read_in_parts_and_bounded(
    address: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit, "BATCH_ENTRIES", 3)
    entries = [entry(number) for number in range(7)]
    entries += [entry(7, author="ben", question="100% of 'STOCK'?"), entry(7, action="run", outcome="error", db_id="b")]
    with Memory(address) as memory:
        log = memory.audit
        log.add(entries)
        log.add(entries[:2])  # as after an answer that was lost on the way back
        assert log.count() == 9
        assert sorted(found.entry_id for found in log.read_all()) == sorted(found.entry_id for found in entries)
        assert log.list(limit=1)[0].happened_at == entries[-1].happened_at
        assert log.list(AuditFilter(author="ben"))[0] == entries[7]
        assert [found.db_id for found in log.list(AuditFilter(outcome="error"))] == ["b"]
        assert [found.author for found in log.list(AuditFilter(search="100% of 'stock"))] == ["ben"]
        assert log.count(AuditFilter(search="_")) == 0
        assert log.count(AuditFilter(since=NOON + timedelta(minutes=5), until=NOON + timedelta(minutes=7))) == 2
        assert log.list_authors() == ("ana", "ben")
        assert log.prune(20) == 0
        assert log.prune(4) == 5
        assert {found.question for found in log.read_all()} == {
            "Question 5?", "Question 6?", "100% of 'STOCK'?", "Question 7?"
        }  # fmt: skip
        assert log.prune(0) == 4


def test_memory_of_the_version_before_gets_the_log(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"
    with Memory(str(path)) as memory, memory._store.writing() as connection:
        tables.AUDIT.drop(connection)
        connection.execute(text("UPDATE queryforge_version SET version = 2"))
    with Memory(str(path)) as memory:
        memory.audit.add([entry()])
        with memory._store.reading() as connection:
            assert "queryforge_audit_when" in {
                index["name"] for index in inspect(connection).get_indexes("queryforge_audit")
            }


def test_what_a_person_runs_is_written_down_with_its_outcome(
    watched: tuple[WatchedAssistant, list[AuditEntry]],
) -> None:
    assistant, entries = watched
    (*_, answer) = assistant.stream("How many customers?")
    assert isinstance(answer, Answer)
    list(assistant.stream("How old\x00 is the moon?"))
    with pytest.raises(Exception, match="cut"):
        list(assistant.stream("Something long"))
    assert isinstance(assistant.run_sql(Question(text="Mine"), "DELETE FROM customer"), Rejection)
    assistant.run_sql(Question(text="Mine"), "SELECT 1 AS one UNION SELECT 2")
    with closing(assistant.stream_rows(answer)) as batches:
        assert sum(len(batch.rows) for batch in batches) == 1
    found = [(done.action, done.question, done.outcome, done.row_count) for done in entries]
    assert found == [
        ("ask", "How many customers?", "answered", 1),
        ("ask", "How old\ufffd is the moon?", entries[1].outcome, None),
        ("ask", "Something long", "error", None),
        ("run", "Mine", "rejected", None),
        ("run", "Mine", "answered", 2),
        ("export", "How many customers?", "answered", 1),
    ]
    assert entries[1].outcome in ("unanswerable", "refused")
    assert entries[0].sql == entries[5].sql == COUNT
    assert entries[3].sql == "DELETE FROM customer"
    assert {done.author for done in entries} == {"ana"}
    assert {done.db_id for done in entries} == {"shop"}
    unsteady = {"entry_id", "happened_at", "elapsed_ms"}
    assert all("800" not in done.model_dump_json(exclude=unsteady) for done in entries)  # the figure of the answer


def test_a_question_that_is_stopped_is_written_down(watched: tuple[WatchedAssistant, list[AuditEntry]]) -> None:
    assistant, entries = watched
    with closing(assistant.stream("How many customers?")) as events:
        next(events)
    assert [done.outcome for done in entries] == ["stopped"]


def test_what_the_page_tries_by_itself_is_nobodys(watched: tuple[WatchedAssistant, list[AuditEntry]]) -> None:
    assistant, entries = watched
    assert suggest_questions(assistant, most=2)
    assert entries == []


def test_entries_wait_while_memory_is_away_and_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    recorder = Recorder(keep=3)
    with Memory(str(tmp_path / "memory.sqlite")) as memory:
        for number in range(2):
            recorder.add(entry(number), None)
        assert memory.audit.count() == 0
        recorder.add(entry(2), memory)
        assert memory.audit.count() == 3
        with memory._store.writing() as connection:
            tables.AUDIT.drop(connection)
        recorder.add(entry(3), memory)
        assert "queryforge_audit" in recorder.fault
        with memory._store.writing() as connection:
            tables.AUDIT.create(connection)
        recorder.flush(memory)
        assert recorder.fault == ""
        assert [found.question for found in memory.audit.list()] == ["Question 3?"]
        for number in range(4, 4 + 2 * 100):
            recorder.add(entry(number), memory)
        assert memory.audit.count() < 3 + 100
        assert memory.audit.list(limit=1)[0].question == "Question 203?"


def test_nothing_is_recorded_when_nothing_may_be_kept(tmp_path: Path) -> None:
    with Memory(str(tmp_path / "memory.sqlite")) as memory:
        Recorder(keep=0).add(entry(), memory)
        assert memory.audit.count() == 0


def test_formulas_of_a_question_do_nothing_in_a_spreadsheet() -> None:
    lines = list(csv.reader(io.StringIO("".join(write_csv([entry(question='=cmd|"x"!A1', row_count=None)])))))
    assert lines[0][:3] == ["happened_at", "author", "action"]
    assert lines[1][:2] == ["2026-03-01T12:00:00.000+00:00", "ana"]
    assert lines[1][4] == '\'=cmd|"x"!A1'
    assert lines[1][7] == ""


def test_maintainers_see_filter_and_take_away_the_log(script: Script) -> None:
    environment = script(COUNT, "SELECT COUNT(*) AS orders FROM sales_order")
    page = open_tab()
    ask(page, "How many customers?")
    ask(page, "How many orders?")
    page = open_tab("maintain")
    page.segmented_control(key="part").set_value("Audit log").run()
    assert not page.exception
    frame = page.dataframe[0].value
    assert list(frame["question"]) == ["How many orders?", "How many customers?"]
    assert list(frame["who"]) == ["local user"] * 2
    assert list(frame["database"]) == ["shop"] * 2
    assert frame["SQL"].iloc[1] == COUNT
    page.text_input(key="audit-search").set_value("SALES_order").run()
    assert list(page.dataframe[0].value["question"]) == ["How many orders?"]
    page.selectbox(key="audit-outcome").set_value("error").run()
    assert any("No entry fits" in element.value for element in page.text)
    with Memory(environment["QUERYFORGE_MEMORY_URL"]) as memory:
        conversation = memory.conversations.list()[0].conversation_id
        memory.conversations.delete(conversation)
        assert memory.audit.count() == 2  # what was run stays written down


def test_memory_that_fails_keeps_nobody_from_asking(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script(COUNT)

    def fail(*_: object) -> None:
        raise DatabaseError("Cannot write to memory 'm': no room.", "Make room.")

    monkeypatch.setattr(audit.AuditLog, "add", fail)
    page = open_tab()
    ask(page, "How many customers?")
    assert "800" in "\n".join(element.value for element in page.text)
    page.switch_page("pages/maintain.py").run()
    page.segmented_control(key="part").set_value("Audit log").run()
    assert any("no room" in element.value for element in page.warning)
