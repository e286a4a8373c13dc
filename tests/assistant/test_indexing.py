"""The index of values is made beside the questions, waited for a short while, and kept fresh."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.backends.scripted import ScriptedBackend
from assistant.database import Database, connect
from assistant.errors import DatabaseError
from assistant.indexing import NOT_READY, LiveValues
from assistant.settings import Settings
from assistant.types import Answer, DatabaseSchema

SQL = "SELECT count(*) FROM boats"
ASKED = "How many boats are in Narvik?"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE boats (boat_id INTEGER PRIMARY KEY, home_port TEXT);"
            "INSERT INTO boats VALUES (1, 'Bergen'), (2, 'Narvik');"
        )
    connection.close()
    return path


@pytest.fixture
def harbour(path: Path) -> Iterator[Database]:
    database = connect(str(path))
    yield database
    database.close()


class Gated:
    """A database whose values come when they are let through, or fail."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.gate = threading.Event()
        self.fault: Exception | None = None
        self.reads = 0

    def schema(self, refresh: bool = False, /) -> DatabaseSchema:
        return self.database.schema(refresh)

    def distinct_values(self, table: str, column: str, /, *, limit: int) -> tuple[str, ...] | None:
        self.reads += 1
        assert self.gate.wait(30)
        if self.fault is not None:
            raise self.fault
        return self.database.distinct_values(table, column, limit=limit)


@pytest.fixture
def gated(harbour: Database) -> Gated:
    return Gated(harbour)


def found(values: LiveValues, text: str = ASKED) -> list[str]:
    return [match.value for match in values.match(text)]


def test_values_are_found_once_they_are_read(gated: Gated) -> None:
    values = LiveValues(gated, wait_s=0.05)
    values.start()
    assert found(values) == []
    assert values.wait() == NOT_READY
    gated.gate.set()
    waited = LiveValues(gated, wait_s=30)
    assert waited.wait() == ""
    assert found(waited) == ["Narvik"]
    values.close()
    waited.close()


def test_fresh_values_are_not_read_again_and_old_ones_are_beside_the_questions(gated: Gated, path: Path) -> None:
    gated.gate.set()
    fresh = LiveValues(gated, wait_s=30)
    for _ in range(5):
        fresh.wait()
    assert gated.reads == 1
    fresh.renew()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO boats VALUES (3, 'Tromsø')")
    connection.close()
    gated.gate.clear()
    # The old values serve until the new ones are there.
    assert fresh.wait() == ""
    assert found(fresh) == ["Narvik"]
    assert found(fresh, "And in Tromsø?") == []
    thread = fresh._thread
    assert thread is not None
    gated.gate.set()
    thread.join(30)
    assert found(fresh, "And in Tromsø?") == ["Tromsø"]
    fresh.close()


def test_values_that_cannot_be_read_fail_the_question_and_the_next_one_tries_again(gated: Gated) -> None:
    gated.gate.set()
    gated.fault = DatabaseError("The disk is gone.", "Bring it back.")
    values = LiveValues(gated, wait_s=30)
    with pytest.raises(DatabaseError, match="disk is gone"):
        values.wait()
    gated.fault = None
    assert values.wait() == ""
    # A renewal that fails changes nothing.
    gated.fault = DatabaseError("The disk is gone.", "Bring it back.")
    values.renew()
    values.wait()
    values.close()
    assert values.wait() == ""
    assert found(values) == ["Narvik"]


def test_a_database_without_values_is_ready_too(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    sqlite3.connect(path).execute("CREATE TABLE t (n INTEGER)").connection.close()
    database = connect(str(path))
    values = LiveValues(database, wait_s=30)
    assert values.wait() == ""
    values.close()
    database.close()


def test_closing_stops_the_reading(gated: Gated) -> None:
    values = LiveValues(gated, wait_s=0)
    values.start()
    thread = values._thread
    assert thread is not None
    gated.gate.set()
    values.close()
    values.close()
    assert not thread.is_alive()
    values.start()
    assert values._thread is None


def test_the_first_question_goes_on_without_values_and_says_so(
    harbour: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    read = harbour.distinct_values

    def slow(*names: str, limit: int) -> tuple[str, ...] | None:
        assert gate.wait(30)
        return read(*names, limit=limit)

    monkeypatch.setattr(harbour, "distinct_values", slow)
    backend = ScriptedBackend([SQL])
    settings = Settings(values_timeout_s=0.05, check_fidelity=False)  # the draft does not say what is asked
    with Assistant(settings, backend=backend, database=harbour) as assistant:
        first = assistant.ask(ASKED)
        *_, streamed = assistant.stream(ASKED)
        assert isinstance(streamed, Answer)
        assert (first.status, first.notices, streamed.notices) == ("answered", (NOT_READY,), (NOT_READY,))
        assert backend.prompts[0].messages[-1].content == ASKED
        gate.set()
        thread = assistant._values._thread if assistant._values else None
        if thread is not None:
            thread.join(30)
        assert assistant.ask(ASKED).notices == ()
        assert "Narvik'" in backend.prompts[-1].messages[-1].content


def test_values_are_read_from_the_start_and_not_at_all_where_they_are_not_wanted(harbour: Database) -> None:
    with Assistant(Settings(), backend=ScriptedBackend([SQL]), database=harbour) as assistant:
        assert assistant._values is not None
        assert assistant._values.wait() == ""
        assert [match.value for match in assistant.match_values(ASKED)] == ["Narvik"]
    for changes in ({"send_values": False}, {"match_values": False}):
        with Assistant(Settings.model_validate(changes), backend=ScriptedBackend([SQL]), database=harbour) as assistant:
            assert assistant._values is None
            assert assistant.match_values(ASKED) == ()
            assert assistant.ask(ASKED).notices == ()
