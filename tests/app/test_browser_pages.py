"""Conversations, dropped files and other databases in a real browser, served by the real command."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.app.conftest import Script
from tests.browser import ChatPage, open_browser, serve_chat

pytestmark = pytest.mark.browser

COUNT = "SELECT COUNT(*) AS customers FROM customer"
HOSTILE = "<img src=x onerror=alert(1)>"
CSV = f"Name,Amount (€),Day\n{HOSTILE},12.5,2025-01-31\nBen,7,2025-02-01\n"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def go_to(chat: ChatPage, page_name: str) -> None:
    chat.page.get_by_test_id("stSidebarNavLink").filter(has_text=page_name).click()


def test_a_conversation_goes_on_after_a_restart_of_the_server(script: Script, browser: Browser) -> None:
    environment = script(COUNT, "SELECT COUNT(*) AS orders FROM sales_order")
    with serve_chat([], environment) as url:
        chat = ChatPage(browser, url)
        assert "800" in chat.ask("How many customers?")
        expect(chat.page).to_have_url(re.compile("conversation="))
        link = chat.page.url.partition("?")[2]
        with chat.page.expect_download() as download:
            chat.page.locator(".st-key-conversation-head button").first.click()
            chat.page.get_by_role("button", name="Transcript as Markdown").click()
        assert "SELECT" in Path(download.value.path()).read_text()
    with serve_chat([], environment) as url:
        chat = ChatPage(browser, f"{url}/?{link}")
        expect(chat.page.get_by_test_id("stChatMessage")).to_have_count(2)
        expect(chat.page.get_by_test_id("stChatMessage").last).to_contain_text("800")
        chat.ask("And again?")
        assert chat.page.get_by_test_id("stChatMessage").count() == 4
        chat.page.locator(".st-key-new button").click()
        expect(chat.page.get_by_test_id("stChatMessage")).to_have_count(0)
        chat.page.locator(".st-key-sidebar-conversations button").first.click()
        expect(chat.page.get_by_test_id("stChatMessage")).to_have_count(4)
        assert chat.faults == []
        assert chat.foreign_requests == []


def test_a_dropped_csv_is_asked_and_the_database_before_is_there_again(script: Script, browser: Browser) -> None:
    environment = script("SELECT name, amount FROM parts ORDER BY amount DESC")
    with serve_chat([], environment) as url:
        chat = ChatPage(browser, url)
        go_to(chat, "Databases")
        chat.page.get_by_test_id("stButtonGroup").get_by_text("All databases", exact=True).click()
        chat.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
            {"name": "Parts.csv", "mimeType": "text/csv", "buffer": CSV.encode()}
        )
        chat.page.get_by_role("button", name="Load and ask it").click()
        expect(chat.page.get_by_test_id("stAlert")).to_contain_text("2 rows")
        go_to(chat, "Ask")
        expect(chat.page.get_by_test_id("stSidebar")).to_contain_text("SQLite, 1 table")
        chat.ask("Which parts are dearest?")
        assert HOSTILE in chat.cells()
        chat.page.get_by_test_id("stSidebar").get_by_test_id("stSelectbox").get_by_role("combobox").click()
        chat.page.get_by_role("option", name="As configured").click()
        expect(chat.page.get_by_test_id("stSidebar")).to_contain_text("SQLite, 10 tables")
        chat.page.locator(".st-key-sidebar-conversations button").first.click()
        expect(chat.page.get_by_test_id("stSidebar")).to_contain_text("SQLite, 1 table")
        expect(chat.page.get_by_test_id("stChatMessage")).to_have_count(2)
        assert HOSTILE in chat.cells()
        assert chat.page.locator("img[src=x]").count() == 0
        assert chat.faults == []
        assert chat.foreign_requests == []


def test_another_database_is_added_and_switched_to(script: Script, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "own.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE part (id INTEGER PRIMARY KEY, label TEXT)")
        database.execute("INSERT INTO part VALUES (1, 'bolt')")
        database.commit()
    with serve_chat([], script("SELECT label FROM part")) as url:
        chat = ChatPage(browser, url)
        go_to(chat, "Databases")
        chat.page.get_by_test_id("stButtonGroup").get_by_text("All databases", exact=True).click()
        chat.page.get_by_label("Name", exact=True).fill("Parts")
        chat.page.get_by_label("Address", exact=True).fill(str(path))
        chat.page.get_by_role("button", name="Test and add").click()
        expect(chat.page.get_by_test_id("stAlert")).to_contain_text("1 table")
        go_to(chat, "Ask")
        assert "bolt" in chat.ask("Which parts?")
        assert chat.faults == []


def test_every_page_fits_a_phone(script: Script, browser: Browser) -> None:
    with serve_chat([], script(COUNT)) as url:
        chat = ChatPage(browser, url)
        chat.ask("How many customers?")
        for name in ("Saved", "Databases", "Maintain", "Ask"):
            chat.page.set_viewport_size({"width": 1280, "height": 900})
            go_to(chat, name)
            expect(chat.page.locator("[data-test-script-state=notRunning]")).to_have_count(1)
            chat.page.set_viewport_size({"width": 380, "height": 780})
            overflow = chat.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow == 0, name
        assert chat.faults == []
