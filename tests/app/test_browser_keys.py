"""The keyboard in a real browser: Enter sends, Up brings the last question back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.app.conftest import Script
from tests.browser import ChatPage, open_browser, serve_chat

pytestmark = pytest.mark.browser

COUNT = "SELECT COUNT(*) AS customers FROM customer"
FIRST, HOSTILE = "How many customers?", "<img src=x onerror=alert(1)> how many?"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def test_up_in_the_empty_box_edits_the_last_question_and_enter_sends_it(script: Script, browser: Browser) -> None:
    with serve_chat([], script(COUNT)) as url:
        chat = ChatPage(browser, url)
        box = chat.page.get_by_test_id("stChatInputTextArea")
        chat.ask(FIRST)
        chat.ask(HOSTILE)
        box.focus()
        expect(box).to_have_attribute("aria-description", "Press Up to edit your last question.")
        box.press("ArrowUp")
        expect(box).to_have_value(HOSTILE)
        expect(chat.page.locator(".st-key-recall [role=status]")).to_have_text(f"Question 2 of 2: {HOSTILE}")
        box.press("ArrowUp")
        expect(box).to_have_value(FIRST)
        box.press("ArrowUp")
        expect(box).to_have_value(FIRST)
        box.press("ArrowDown")
        box.press("ArrowDown")
        expect(box).to_have_value("")
        box.press("ArrowUp")
        box.press_sequentially(" And now?")
        box.press("ArrowUp")  # the caret moves in what was changed; nothing else is brought back
        expect(box).to_have_value(f"{HOSTILE} And now?")
        box.press("Enter")
        assert "800" in chat.outcome(6)
        assert chat.page.get_by_test_id("stChatMessage").nth(4).inner_text().endswith(f"{HOSTILE} And now?")
        expect(box).to_have_value("")
        assert chat.faults == []
        assert chat.foreign_requests == []
