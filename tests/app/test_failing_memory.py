"""Buttons whose effect memory cannot keep: told beside the page with the remedy, and nothing on the page is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from streamlit.testing.v1 import AppTest

from assistant.errors import DatabaseError
from assistant.memory.opening import Store
from assistant.memory.store import Memory
from tests.app.conftest import Script
from tests.app.test_pages import _fresh, ask, open_tab

__all__ = ["_fresh"]

COUNT = "SELECT COUNT(*) AS customers FROM customer"
MESSAGE, REMEDY = "Cannot write to memory: no room left.", "Make room on the disk."


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let writing fail while the list holds True, as where a disk is full and reading goes on."""
    switch = [False]
    writing = Store.writing

    @contextmanager
    def write(self: Store) -> Iterator[object]:
        if switch[0]:
            raise DatabaseError(MESSAGE, REMEDY)
        with writing(self) as connection:
            yield connection

    monkeypatch.setattr(Store, "writing", write)
    return switch


def press(page: AppTest, label: str, key: str = "") -> None:
    button = page.button(key=key) if key else next(found for found in page.button if found.label == label)
    button.click().run()
    assert not page.exception


def toasts(page: AppTest) -> str:
    return " ".join(toast.value.replace("\u2060", "").replace("\\", "") for toast in page.toast)


def test_a_conversation_that_cannot_be_changed_stays_as_it_is(script: Script, fail: list[bool]) -> None:
    script(COUNT)
    page = open_tab()
    ask(page, "How many customers?")
    fail[0] = True
    for label in ("Clear", "Delete"):
        press(page, label)
        assert REMEDY in toasts(page)
        assert len(page.chat_message) == 2
    page.text_input(key="conversation-title").set_value("Another")
    press(page, "Rename")
    assert REMEDY in toasts(page)
    ask(page, "And now?")
    warning = page.main.warning[0].value.replace("\u2060", "").replace("\\", "")
    assert "not kept" in warning
    assert REMEDY in warning
    fail[0] = False
    page.run()
    assert not page.main.warning
    press(page, "Delete")
    fail[0] = True
    press(page, "", "undo-delete")
    assert REMEDY in toasts(page)
    fail[0] = False
    press(page, "", "undo-delete")
    assert len(page.chat_message) == 4


def test_a_saved_question_that_cannot_be_changed_stays_as_it_is(script: Script, fail: list[bool]) -> None:
    environment = script(COUNT)
    with Memory(environment["QUERYFORGE_MEMORY_URL"]) as memory:
        saved = memory.saved.save("Customers", "How many customers?", COUNT, db_id="shop").saved_id
        memory.saved.pin(saved, is_pinned=True)
    page = open_tab("saved")
    fail[0] = True
    for key in (f"pin-{saved}", f"delete-{saved}"):
        press(page, "", key)
        assert REMEDY in toasts(page)
        assert len(page.metric) == 1
    fail[0] = False
    press(page, "", f"delete-{saved}")
    assert not page.metric
    fail[0] = True
    press(page, "", "undo-saved")
    assert REMEDY in toasts(page)
    fail[0] = False
    press(page, "", "undo-saved")
    assert len(page.metric) == 1


def test_the_chosen_database_stays_chosen_while_memory_is_away(
    script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    import sqlite3
    from contextlib import closing
    from pathlib import Path

    from assistant.memory.setup import Setup

    path = Path(str(tmp_path)) / "own.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE part (id INTEGER PRIMARY KEY, label TEXT)")
        database.commit()
    environment = script(COUNT)
    with Memory(environment["QUERYFORGE_MEMORY_URL"]) as memory:
        source = memory.setup.add_source("Parts", str(path), kind="file")
    page = open_tab()
    page.selectbox(key="database-choice").set_value(source.source_id).run()
    assert "own" in " ".join(element.value for element in page.sidebar.markdown)

    def fail(*_: object, **__: object) -> None:
        raise DatabaseError(MESSAGE, REMEDY)

    monkeypatch.setattr(Setup, "list_sources", fail)
    page.run()
    assert "own" in " ".join(element.value for element in page.sidebar.markdown)
    assert REMEDY in page.sidebar.warning[0].value.replace("\u2060", "").replace("\\", "")
    monkeypatch.undo()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    page.button(key="memory-again").click().run()
    assert not page.sidebar.warning
