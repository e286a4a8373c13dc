"""Take screenshots of the chat page, to be looked at before a release.

    python scripts/screenshots.py OUT [--port N] [-- flags of `queryforge chat`]

In: a folder, and whatever the page should be served with. Out: PNG files: the start, an answer with table, chart, SQL,
explanation and trace, the dark theme, a phone's width, and an error. Needs Chromium and the `dev` extra.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 380, "height": 780}
COUNT = "How many customers do we have?"
REVENUE = "Which 5 products brought in the most revenue in 2025?"
TABS = ["Table", "Chart", "SQL", "Explanation", "How I got there"]
ANSWER_TIMEOUT_MS = 180_000
expect.set_options(timeout=ANSWER_TIMEOUT_MS)


@contextmanager
def serve(port: int, flags: list[str]) -> Iterator[str]:
    """Run `queryforge chat` and give its address."""
    command = [sys.executable, "-m", "app.cli", "chat", "--port", str(port), *flags]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        if not url:
            raise SystemExit("The page did not start.")
        yield url
    finally:
        server.terminate()
        server.wait()


def open_page(browser: Browser, url: str, *, size: dict[str, int], scheme: str = "light") -> Page:
    """Open the page as a new visitor."""
    context = browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=1.5,
    )
    page = context.new_page()
    page.set_default_timeout(ANSWER_TIMEOUT_MS)
    page.goto(url)
    page.get_by_test_id("stChatInput").wait_for()
    return page


def ask(page: Page, question: str) -> None:
    """Ask, and wait for the outcome."""
    answers = page.get_by_test_id("stChatMessage").count()
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")
    expect(page.get_by_test_id("stChatMessage")).to_have_count(answers + 2)
    expect(box).to_be_enabled(timeout=ANSWER_TIMEOUT_MS)
    page.wait_for_timeout(1500)  # charts and tables are painted after the page says it is done


def shoot(page: Page, out: Path, name: str) -> None:
    """Save what is visible."""
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_timeout(700)
    page.screenshot(path=out / f"{name}.png")
    print(out / f"{name}.png")


def tell_story(browser: Browser, url: str, out: Path) -> None:
    """Go through the page as a visitor would."""
    page = open_page(browser, url, size=DESKTOP)
    page.wait_for_timeout(1500)
    shoot(page, out, "1-start")
    page.get_by_test_id("stSidebar").get_by_text("customer", exact=True).first.click()
    shoot(page, out, "1-start-schema")
    ask(page, COUNT)
    shoot(page, out, "2-count")
    ask(page, REVENUE)
    for tab in TABS:
        tabs = page.get_by_role("tab", name=tab)
        if tabs.count():
            tabs.last.click()
            page.wait_for_timeout(500)
            page.get_by_test_id("stChatMessage").last.scroll_into_view_if_needed()
            shoot(page, out, f"3-{tab.lower().replace(' ', '-')}")
    ask(page, "Please delete all customers")
    page.get_by_test_id("stChatMessage").last.scroll_into_view_if_needed()
    shoot(page, out, "4-refusal")
    page.close()
    for name, size, scheme in (("5-dark", DESKTOP, "dark"), ("6-phone", PHONE, "light")):
        page = open_page(browser, url, size=size, scheme=scheme)
        page.wait_for_timeout(1500)
        shoot(page, out, f"{name}-start")
        ask(page, REVENUE)
        shoot(page, out, name)
        chart = page.get_by_role("tab", name="Chart")
        if chart.count():
            chart.last.click()
            page.wait_for_timeout(500)
            shoot(page, out, f"{name}-chart")
        page.close()


def main() -> int:
    """Serve the page, visit it, save what is seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the PNG files")
    parser.add_argument("--port", type=int, default=8599)
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM") or shutil.which("chromium"))
    parser.add_argument("flags", nargs="*", help="flags of `queryforge chat`, after --")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=CHROMIUM_FLAGS)
        with serve(arguments.port, arguments.flags) as url:
            tell_story(browser, url, arguments.out)
        with serve(arguments.port + 1, ["--model", str(arguments.out / "missing.gguf")]) as url:
            page = open_page(browser, url, size=DESKTOP)
            ask(page, COUNT)
            shoot(page, arguments.out, "7-error")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
