"""A real browser and a real server for the tests of the chat page."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

ANSWER_TIMEOUT_MS = 120_000
"""Long, for a machine that does other things at the same time."""
expect.set_options(timeout=ANSWER_TIMEOUT_MS)
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing(reason: str) -> None:
    """Skip the test, or fail it where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI must not skip")
    pytest.skip(reason)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium without a window."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("There is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serve_chat(
    flags: Sequence[str], environment: dict[str, str] | None = None, folder: Path | None = None
) -> Iterator[str]:
    """Run `queryforge chat` on a free port, in a folder of its own if one is given, and give its address."""
    command = [sys.executable, "-m", "app.cli", "chat", "--port", str(free_port()), *flags]
    given = os.environ | (environment or {})
    server = subprocess.Popen(
        command, env=given, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        assert url, "queryforge chat did not start"
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
        server.stdout.close()


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ChatPage:
    """The page as a person uses it; remembers what it asked of the network and what went wrong in it."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.foreign_requests: list[str] = []
        self.faults: list[str] = []
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.page.set_default_timeout(ANSWER_TIMEOUT_MS)
        self.page.on("request", self._note_request)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.faults.append(dialog.message), dialog.dismiss()))
        self.page.goto(url)
        self._box.wait_for()

    def ask(self, question: str) -> str:
        """Type a question, wait for its outcome and return what is shown of it."""
        before = self._messages.count()
        self._box.fill(question)
        self._box.press("Enter")
        return self.outcome(before + 2)

    def press(self, name: str) -> str:
        """Press a button that asks something, and return what is shown of the outcome."""
        before = self._messages.count()
        self.page.get_by_role("button", name=name).last.click()
        return self.outcome(before + 2)

    def outcome(self, messages: int) -> str:
        """Wait until the conversation has so many messages and nothing is worked on; return the text of the last."""
        expect(self._messages).to_have_count(messages)
        # The box opens first when the outcome is drawn, and what was there before goes as it is drawn over.
        expect(self._box).to_be_enabled(timeout=ANSWER_TIMEOUT_MS)
        expect(self.page.locator("[data-test-script-state=notRunning]")).to_have_count(1)
        expect(self.page.locator(".st-key-stop")).to_have_count(0)
        return self._messages.last.inner_text()

    def open_tab(self, name: str) -> None:
        """Open a tab of the last answer."""
        self.page.get_by_role("tab", name=name).last.click()

    def cells(self) -> list[str]:
        """Read the last table the way a screen reader does: numbers in full, without their commas."""
        cells = self.page.get_by_test_id("stDataFrame").last.locator('[role="gridcell"]')
        expect(cells.first).to_be_attached()
        return [re.sub(r"\s+", " ", text).strip() for text in cells.all_text_contents()]

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.foreign_requests.append(request.url)

    @property
    def _box(self):
        return self.page.get_by_test_id("stChatInputTextArea")

    @property
    def _messages(self):
        return self.page.get_by_test_id("stChatMessage")
