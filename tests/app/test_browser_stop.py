"""Stop on the page ends the work of the model and of the database, and the conversation goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, expect

from assistant.drivers.engines import open_engine, parse_url
from tests.app.conftest import Script
from tests.app.outages import OllamaProcess, assert_calm, open_postgres
from tests.browser import ChatPage, open_browser, serve_chat
from tests.conftest import DEMO

pytestmark = pytest.mark.browser

COUNT = "SELECT COUNT(*) AS customers FROM customer"
ENDLESS = "SELECT COUNT(*) FROM order_line a CROSS JOIN order_line b CROSS JOIN order_line c"
"""A million million rows: no machine ends it while a test waits."""
STOPPED = "Stopped before there was an answer."


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def begin(chat: ChatPage, question: str) -> None:
    box = chat.page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")
    expect(chat.page.locator(".st-key-stop")).to_be_visible()


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


@pytest.mark.postgres
def test_a_query_that_would_run_for_hours_ends_at_the_server_of_the_database(script: Script, browser: Browser) -> None:
    environment = script(ENDLESS, COUNT)
    with open_postgres() as server:
        subprocess.run([sys.executable, DEMO / "load.py", server.url], check=True, stderr=subprocess.DEVNULL)
        environment |= {"QUERYFORGE_DATABASE_URL": server.url, "QUERYFORGE_QUERY_TIMEOUT_S": "600"}
        watch = open_engine(*parse_url(server.url))

        def is_running() -> bool:
            with closing(watch.raw_connection()) as connection, closing(connection.cursor()) as cursor:
                cursor.execute(
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%CROSS JOIN%' "
                    "AND pid <> pg_backend_pid()"
                )
                return bool(cursor.fetchone()[0])

        try:
            with serve_chat([], environment) as url:
                chat = ChatPage(browser, url)
                begin(chat, "How many order lines are there?")
                wait_until(is_running)
                chat.page.locator(".st-key-stop button").click()
                expect(chat.page.get_by_test_id("stChatMessage").last).to_contain_text(STOPPED)
                wait_until(lambda: not is_running())
                assert "800" in chat.ask("How many customers?")
                assert STOPPED in chat.page.get_by_test_id("stChatMessage").nth(1).inner_text()
                assert_calm(chat)
        finally:
            watch.dispose()


def test_a_model_in_the_middle_of_its_answer_is_left(script: Script, browser: Browser) -> None:
    with OllamaProcess(COUNT) as ollama:
        environment = script() | {
            "QUERYFORGE_BACKEND": "ollama", "QUERYFORGE_OLLAMA_HOST": ollama.host, "QUERYFORGE_FALLS_BACK": "false",
        }  # fmt: skip
        ollama.kill()
        ollama.start("slow")  # hangs for half a minute once it has begun to write
        with serve_chat([], environment) as url:
            chat = ChatPage(browser, url)
            begin(chat, "How many customers?")
            chat.page.wait_for_timeout(1500)
            chat.page.locator(".st-key-stop button").click()
            expect(chat.page.get_by_test_id("stChatMessage").last).to_contain_text(STOPPED)
            ollama.kill()
            ollama.start()
            assert "800" in chat.ask("How many customers do we have?")
            assert_calm(chat)
