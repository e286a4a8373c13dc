"""What the page needs fails while it is open, and comes back: told in place, nothing lost, no reload."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from assistant.memory.store import Memory
from tests.app.conftest import Script
from tests.app.outages import OllamaProcess, ask_again, assert_calm, no_room, open_postgres
from tests.browser import ChatPage, open_browser, serve_chat
from tests.conftest import DEMO
from tests.tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.browser

COUNT = "SELECT COUNT(*) AS customers FROM customer"
QUESTION = "How many customers?"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def kept_questions(environment: dict[str, str]) -> list[list[str]]:
    """Read the questions of all conversations that memory has."""
    with Memory(environment["QUERYFORGE_MEMORY_URL"]) as memory:
        talks = memory.conversations.list()
        return [[turn.question for turn in memory.conversations.read_turns(talk.conversation_id)] for talk in talks]


def test_ollama_is_killed_between_and_in_the_middle_of_answers_and_comes_back(script: Script, browser: Browser) -> None:
    with OllamaProcess(COUNT) as ollama:
        environment = script() | {
            "QUERYFORGE_BACKEND": "ollama", "QUERYFORGE_OLLAMA_HOST": ollama.host, "QUERYFORGE_FALLS_BACK": "false",
        }  # fmt: skip
        with serve_chat([], environment) as url:
            chat = ChatPage(browser, url)
            assert "800" in chat.ask(QUESTION)
            ollama.kill()
            told = chat.ask("And now?")
            assert "No Ollama answers" in told
            assert "ollama serve" in told
            assert_calm(chat)
            ollama.start("slow")
            chat.page.get_by_test_id("stChatInputTextArea").fill("In the middle?")
            chat.page.get_by_test_id("stChatInputTextArea").press("Enter")
            expect(chat.page.locator(".st-key-stop")).to_be_visible()
            chat.page.wait_for_timeout(1500)  # it hangs for half a minute once it has begun to write
            ollama.kill()
            told = chat.outcome(6)
            assert "Ollama" in told
            assert "Ask again" in told
            assert_calm(chat)
            ollama.start()
            assert "800" in ask_again(chat)
            assert "800" in chat.page.get_by_test_id("stChatMessage").nth(1).inner_text()
            assert_calm(chat)
    assert kept_questions(environment) == [[QUESTION, "And now?", "In the middle?", "In the middle?"]]


def test_the_file_of_the_database_is_gone_and_comes_back(script: Script, browser: Browser, tmp_path: Path) -> None:
    path, away = tmp_path / "shop.sqlite", tmp_path / "away.sqlite"
    environment = script(COUNT)
    shutil.copy(environment["QUERYFORGE_DATABASE_URL"], path)
    with serve_chat([], environment | {"QUERYFORGE_DATABASE_URL": str(path)}) as url:
        chat = ChatPage(browser, url)
        assert "800" in chat.ask(QUESTION)
        path.rename(away)
        told = chat.ask("And now?")
        assert "unable to open database file" in told
        assert "ask again" in told
        assert_calm(chat)
        assert not path.exists()
        chat.page.get_by_test_id("stSidebarNavLink").filter(has_text="Databases").click()
        assert_calm(chat)
        chat.page.get_by_test_id("stSidebarNavLink").filter(has_text="Ask").click()
        away.rename(path)
        expect(chat.page.get_by_test_id("stChatMessage")).to_have_count(4)
        assert "800" in ask_again(chat)
        assert_calm(chat)


@pytest.mark.postgres
def test_the_servers_of_data_and_memory_crash_and_come_back(script: Script, browser: Browser) -> None:
    environment = script(COUNT)
    with open_postgres() as server:
        subprocess.run([sys.executable, DEMO / "load.py", server.url], check=True, stderr=subprocess.DEVNULL)
        store = _other_database(server.url, "kept")
        environment |= {"QUERYFORGE_DATABASE_URL": server.url, "QUERYFORGE_MEMORY_URL": store}
        with serve_chat([], environment) as url:
            chat = ChatPage(browser, url)
            assert "800" in chat.ask(QUESTION)
            server.stop()
            told = chat.ask("And now?")
            assert "Database 'shop' failed" in told
            assert "running and reachable" in told
            assert_calm(chat)
            sidebar = chat.page.get_by_test_id("stSidebar")
            notice = sidebar.get_by_test_id("stAlert").filter(has_text="Nothing is kept")
            expect(notice).to_contain_text("running and reachable")
            assert "quiet-Fjord7" not in chat.page.content()
            server.start()
            sidebar.get_by_role("button", name="Try again").click()
            expect(notice).to_have_count(0)
            assert "800" in ask_again(chat)
            assert_calm(chat)
        assert kept_questions(environment) == [[QUESTION, "And now?", "And now?"]]


def test_a_database_that_is_away_at_first_is_asked_as_soon_as_it_is_there(
    script: Script, browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "shop.sqlite"
    environment = script(COUNT)
    with serve_chat([], environment | {"QUERYFORGE_DATABASE_URL": str(path)}) as url:
        page = browser.new_page()
        page.goto(url)
        expect(page.get_by_test_id("stMainBlockContainer")).to_contain_text("there is no such file")
        shutil.copy(environment["QUERYFORGE_DATABASE_URL"], path)
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_test_id("stChatInputTextArea")).to_be_enabled()
        page.close()


def test_the_model_file_is_deleted_and_restored(script: Script, browser: Browser, tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "tiny.gguf", ("SELECT", " COUNT(*)", " AS", " n", " FROM", " customer"))
    away = tmp_path / "away"
    environment = script() | {"QUERYFORGE_BACKEND": "llamacpp", "QUERYFORGE_CONSTRAIN_NAMES": "false"}
    model.rename(away)
    with serve_chat(["--model", str(model)], environment) as url:
        chat = ChatPage(browser, url)
        told = chat.ask(QUESTION)
        assert "No model file at" in told
        assert "Set" in told or "Name" in told or "Choose" in told
        assert_calm(chat)
        shutil.copy(away, model)
        assert "800" in ask_again(chat)
        model.unlink()  # it is in memory: what is open goes on
        assert "800" in chat.ask("And now?")
        shutil.copy(away, model)
        assert "800" in chat.ask("And then?")
        assert_calm(chat)


def test_a_full_disk_keeps_nobody_from_asking_and_what_was_asked_is_kept_later(
    script: Script, browser: Browser
) -> None:
    environment = script(COUNT)
    with serve_chat([], environment) as url:
        chat = ChatPage(browser, url)
        assert "800" in chat.ask(QUESTION)
        expect(chat.page).to_have_url(re.compile("conversation="))
        sidebar = chat.page.get_by_test_id("stSidebar")
        notice = sidebar.get_by_test_id("stAlert").filter(has_text="Nothing is kept")
        with no_room(url):
            assert "800" in chat.ask("On a full disk?")
            expect(notice).to_contain_text("Make room on the disk")
            expect(chat.page.get_by_test_id("stMainBlockContainer")).to_contain_text("Not kept at the moment")
            assert_calm(chat)
        assert kept_questions(environment) == [[QUESTION]]
        sidebar.get_by_role("button", name="Try again").click()
        expect(notice).to_have_count(0)
        expect(chat.page.get_by_test_id("stMainBlockContainer")).not_to_contain_text("Not kept at the moment")
        assert_calm(chat)
        assert kept_questions(environment) == [[QUESTION, "On a full disk?"]]
        assert "800" in chat.ask("With room again?")
        assert_calm(chat)
    assert kept_questions(environment) == [[QUESTION, "On a full disk?", "With room again?"]]


def _other_database(url: str, name: str) -> str:
    from sqlalchemy import create_engine, text

    engine = create_engine(url.replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{url.rpartition('/')[0]}/{name}"
