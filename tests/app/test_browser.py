"""The chat page in a real browser, served by the real command."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from app.chat import SHOP_QUESTIONS
from assistant.settings import PROJECT_ROOT
from tests.app.conftest import Script
from tests.browser import ChatPage, missing, open_browser, serve_chat

pytestmark = pytest.mark.browser

MODEL = PROJECT_ROOT / "modelfiles" / "queryforge-shop-q8_0.gguf"
COUNT = "SELECT COUNT(*) AS customers FROM customer"
CHANNELS = "SELECT channel, COUNT(*) AS orders FROM sales_order GROUP BY channel ORDER BY orders DESC"
HOSTILE = "<img src=x onerror=alert(1)> **x** $a$ :red[y] www.a.example"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def test_conversation_from_the_first_question_to_the_download(script: Script, browser: Browser) -> None:
    environment = script(COUNT, CHANNELS, "x " * 1000)
    with serve_chat([], environment) as url:
        chat = ChatPage(browser, url)
        assert "800" in chat.press(SHOP_QUESTIONS[0])
        assert "800" in chat.cells()
        chat.ask("Orders by channel")
        chat.open_tab("Chart")
        expect(chat.page.get_by_test_id("stVegaLiteChart").last.locator("canvas, svg").first).to_be_visible()
        chat.open_tab("SQL")
        expect(chat.page.get_by_test_id("stCode").last).to_contain_text("sales_order")
        chat.open_tab("How I got there")
        expect(chat.page.get_by_test_id("stChatMessage").last).to_contain_text("Writing SQL")
        chat.open_tab("Table")
        chat.page.get_by_role("button", name="Download", exact=True).last.click()
        with chat.page.expect_download() as download:
            chat.page.get_by_role("button", name="CSV", exact=True).last.click()
        assert Path(download.value.path()).read_text().startswith("channel,orders")
        assert "only reads" in chat.ask("Delete all customers")
        assert "did not work" in chat.ask("Something too long")
        assert chat.page.get_by_test_id("stChatMessage").count() == 8
        assert chat.faults == []
        assert chat.foreign_requests == []


def test_hostile_values_do_nothing_in_the_page(script: Script, browser: Browser) -> None:
    environment = script(f"SELECT '{HOSTILE}' AS \"{HOSTILE}\", COUNT(*) AS n FROM customer", f"-- clarify: {HOSTILE}")
    with serve_chat([], environment) as url:
        chat = ChatPage(browser, url)
        shown = chat.ask(HOSTILE)
        assert HOSTILE in chat.cells()
        assert HOSTILE in chat.page.get_by_test_id("stChatMessage").first.inner_text()
        assert HOSTILE in chat.ask("Well?")
        messages = chat.page.get_by_test_id("stChatMessage")
        assert messages.locator("img, a[href*='a.example'], .katex, strong:text-is('x')").count() == 0
        assert shown
        assert chat.faults == []
        assert chat.foreign_requests == []


def test_page_fits_a_phone(script: Script, browser: Browser) -> None:
    with serve_chat([], script(CHANNELS)) as url:
        chat = ChatPage(browser, url)
        chat.page.set_viewport_size({"width": 380, "height": 780})
        chat.ask("Orders by channel")
        overflow = chat.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow == 0


def test_missing_model_is_told_in_place(script: Script, browser: Browser, tmp_path: Path) -> None:
    environment = script(COUNT) | {"QUERYFORGE_BACKEND": "llamacpp"}
    with serve_chat(["--model", str(tmp_path / "none.gguf")], environment) as url:
        chat = ChatPage(browser, url)
        shown = chat.ask("How many customers?")
        assert "none.gguf" in shown
        assert "Traceback" not in chat.page.inner_text("body")


@pytest.mark.model
def test_shipped_model_answers_the_three_example_questions(shop_db_path: Path, browser: Browser) -> None:
    if not MODEL.is_file():
        missing(f"There is no {MODEL.name}")
    with sqlite3.connect(shop_db_path) as database:
        customers = database.execute("SELECT COUNT(*) FROM customer").fetchone()[0]
        best = database.execute(
            "SELECT p.product_name, SUM(l.quantity * l.unit_price * (1 - l.discount)) AS revenue FROM order_line AS l "
            "JOIN sales_order AS o USING (order_key) JOIN product AS p USING (product_key) "
            "WHERE o.status <> 'cancelled' AND o.order_date >= '2025-01-01' AND o.order_date < '2026-01-01' "
            "GROUP BY p.product_key ORDER BY revenue DESC LIMIT 5"
        ).fetchall()
        reachable = "SELECT customer_key FROM contact WHERE email IS NOT NULL"
        silent = f"SELECT COUNT(*) FROM customer WHERE customer_key NOT IN ({reachable})"
        without = database.execute(silent).fetchone()[0]
        rows_without = database.execute("SELECT COUNT(*) FROM contact WHERE email IS NULL").fetchone()[0]
    database.close()
    with serve_chat(["--db", str(shop_db_path), "--model", str(MODEL)]) as url:
        chat = ChatPage(browser, url)
        assert f"{customers:,}" in chat.ask(SHOP_QUESTIONS[0])
        chat.ask(SHOP_QUESTIONS[1])
        cells = chat.cells()
        figures = [round(float(cell), 2) for cell in cells if re.fullmatch(r"[\d.]+", cell)]
        for name, revenue in best:
            assert name in cells
            assert round(revenue, 2) in figures
        shown = chat.ask(SHOP_QUESTIONS[2])
        assert f"{without:,}" in shown or f"{rows_without:,}" in shown
        assert chat.faults == []
        assert chat.foreign_requests == []
