"""What stands under an answer in a real browser: correct, choose, chart, take away, thumb."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from assistant.memory.store import Memory
from tests.app.conftest import Script
from tests.browser import ChatPage, open_browser, serve_chat

pytestmark = pytest.mark.browser

CHANNELS = "SELECT channel, COUNT(*) AS orders FROM sales_order GROUP BY channel ORDER BY orders DESC"
STATES = "SELECT status, COUNT(*) AS orders FROM sales_order GROUP BY status ORDER BY orders DESC"
COUNT = "SELECT COUNT(*) AS orders FROM sales_order"
LINES = "SELECT order_line_key, order_key, '=1+1' AS note, quantity FROM order_line"
HOSTILE = "<img src=x onerror=alert(1)> **x** $a$ :red[y] www.a.example"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def settled(page: Page) -> None:
    expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)


def test_query_is_edited_saved_and_judged(script: Script, browser: Browser) -> None:
    environment = script(CHANNELS)
    with serve_chat([], environment) as url:
        chat = ChatPage(browser, url)
        chat.ask("Orders by channel")
        chat.open_tab("SQL")
        chat.page.get_by_role("button", name="Edit").last.click()
        box = chat.page.get_by_role("textbox", name="SQL")
        box.fill("DELETE FROM sales_order")
        chat.page.get_by_role("button", name="Run", exact=True).click()
        expect(chat.page.get_by_text("Only reading is allowed")).to_be_visible()
        expect(box).to_have_value("DELETE FROM sales_order")
        box.fill(STATES)
        chat.page.get_by_role("button", name="Run", exact=True).click()
        expect(chat.page.get_by_text("From the query as you changed it")).to_be_visible()
        chat.open_tab("Table")
        assert "delivered" in chat.cells()
        chat.page.get_by_role("button", name="Save as correct").click()
        expect(chat.page.get_by_text("a maintainer reviews it")).to_be_visible()
        chat.page.locator("[class*='-thumb-down'] button:visible").first.click()
        chat.page.get_by_text("Wrong rows").click()
        chat.page.get_by_placeholder("In your words").last.fill(HOSTILE)
        chat.page.get_by_role("button", name="Send", exact=True).last.click()
        expect(chat.page.get_by_text("You said: not right")).to_be_visible()
        assert chat.faults == []
        assert chat.foreign_requests == []
    with Memory(environment["QUERYFORGE_MEMORY_URL"]) as memory:
        (pair,) = memory.list_pairs("shop")
        (entry,) = memory.feedback.list("shop")
    assert (pair.state, pair.sql) == ("pending", STATES)
    assert (entry.verdict, entry.reason) == ("down", f"Wrong rows. {HOSTILE}")


def test_chart_is_changed_and_saved_as_a_picture(script: Script, browser: Browser) -> None:
    pytest.importorskip("vl_convert")
    with serve_chat([], script(CHANNELS)) as url:
        chat = ChatPage(browser, url)
        chat.ask("Orders by channel")
        chat.open_tab("Chart")
        chart = chat.page.get_by_test_id("stVegaLiteChart")
        expect(chart.locator("canvas, svg").first).to_be_visible()
        chat.page.get_by_text("Pie", exact=True).click()
        settled(chat.page)
        expect(chart.locator("canvas, svg").first).to_be_visible()
        for kind, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
            with chat.page.expect_download() as download:
                chat.page.get_by_role("button", name=kind, exact=True).click()
            assert download.value.suggested_filename == f"orders-by-channel.{kind.lower()}"
            assert Path(download.value.path()).read_bytes().startswith(start)
        assert chat.faults == []
        assert chat.foreign_requests == []


def test_all_rows_are_taken_and_not_only_those_on_the_screen(script: Script, browser: Browser) -> None:
    with serve_chat(["--max-rows", "10"], script(LINES)) as url:
        chat = ChatPage(browser, url)
        chat.ask("All order lines")
        expect(chat.page.get_by_text("The first 10 rows; there are more", exact=True)).to_be_visible()
        chat.page.get_by_role("button", name="Download", exact=True).click()
        chat.page.get_by_role("button", name="Make the file").click()
        with chat.page.expect_download() as download:
            chat.page.get_by_role("button", name="Save CSV").click()
        rows = list(csv.reader(Path(download.value.path()).read_text().splitlines()))
        assert len(rows) > 10_000
        assert {row[2] for row in rows[1:]} == {"'=1+1"}
        assert chat.page.get_by_role("button", name="Download as CSV").count() == 0
        assert chat.faults == []


def test_reading_is_chosen_at_a_press(script: Script, browser: Browser) -> None:
    # The first draft finds nothing, which puts it in doubt; of the others, no two agree.
    empty = "SELECT status FROM sales_order WHERE status = 'nothing like it'"
    with serve_chat([], script(empty, STATES, CHANNELS, COUNT, f"{STATES} LIMIT 2")) as url:
        chat = ChatPage(browser, url)
        chat.ask("Orders by kind")
        buttons = chat.page.get_by_role("button", name="I mean this")
        expect(buttons.first).to_be_visible()
        assert buttons.count() >= 2
        expect(chat.page.get_by_test_id("stDataFrame").nth(1)).to_be_visible()
        first = chat.page.get_by_test_id("stDataFrame").first.locator('[role="gridcell"]').first
        expect(first).to_have_text("delivered")
        buttons.first.click()
        expect(buttons).to_have_count(0)
        settled(chat.page)
        assert "delivered" in chat.cells()
        expect(chat.page.get_by_role("button", name="Other readings")).to_be_visible()
        assert chat.faults == []
