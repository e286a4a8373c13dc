"""Take screenshots of the chat page, to be looked at before a release.

    python scripts/screenshots.py OUT [--only dark-380] [--port N] [-- flags of `queryforge chat`]

In: a folder, and whatever the page should be served with. Out: PNG files: every page with its parts, an answer with
table, chart, SQL, explanation and trace, a refusal, an error, and what is still empty; in light and dark, at 1280 and
380 pixels. Needs Chromium and the `dev` extra.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
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
LOOKS = {
    f"{scheme}-{size['width']}": (size, scheme)
    for size, scheme in itertools.product((DESKTOP, PHONE), ("light", "dark"))
}
"""Name of a series -> size and scheme."""
COUNT = "How many customers do we have?"
REVENUE = "Which 5 products brought in the most revenue in 2025?"
TABS = ["Table", "Chart", "SQL", "Explanation", "How I got there"]
PAGES = {
    "Saved": (),
    "Databases": ("Tables", "Picture", "What can I ask?", "Terms", "All databases"),
    "Maintain": ("Model", "Gaps", "Review", "Reports", "Audit log"),
}
"""Pages beside Ask -> their parts."""
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
    expect(page.locator(".st-key-stop")).to_have_count(0)
    expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)
    page.wait_for_timeout(1500)  # charts and tables are painted after the page says it is done


def shoot(page: Page, out: Path, name: str) -> None:
    """Save what is visible."""
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_timeout(700)
    page.screenshot(path=out / f"{name}.png")
    print(out / f"{name}.png")


def go_to(page: Page, name: str) -> None:
    """Go to another page; on a phone the way leads through the sidebar, which is closed again."""
    link = page.get_by_test_id("stSidebarNavLink").filter(has_text=name)
    is_phone = page.viewport_size is not None and page.viewport_size["width"] < 700
    if is_phone:
        page.get_by_test_id("stExpandSidebarButton").click()
        page.wait_for_timeout(700)  # it slides in
    link.click()
    page.wait_for_timeout(1500)
    close = page.get_by_test_id("stSidebarCollapseButton").locator("button")
    if is_phone:
        close.click()
    settle(page)


def settle(page: Page) -> None:
    """Wait until nothing is worked on."""
    page.wait_for_timeout(500)
    expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)
    page.wait_for_timeout(700)


def tell_story(browser: Browser, url: str, out: Path, *, size: dict[str, int], scheme: str) -> None:
    """Go through all pages as a visitor would."""
    suffix = f"{scheme}-{size['width']}"
    page = open_page(browser, url, size=size, scheme=scheme)
    settle(page)
    shoot(page, out, f"ask-start-{suffix}")
    go_to(page, "Saved")
    shoot(page, out, f"saved-empty-{suffix}")
    go_to(page, "Ask")
    ask(page, COUNT)
    shoot(page, out, f"ask-count-{suffix}")
    ask(page, REVENUE)
    for tab in TABS:
        tabs = page.get_by_role("tab", name=tab)
        if tabs.count():
            tabs.last.click()
            page.wait_for_timeout(500)
            page.get_by_test_id("stChatMessage").last.scroll_into_view_if_needed()
            shoot(page, out, f"ask-{tab.lower().replace(' ', '-')}-{suffix}")
    for number in (1, 2):
        page.locator(f".st-key-exchange-{number}-save button").first.click()
        page.locator(f".st-key-exchange-{number}-save-do button").click()
        settle(page)
        page.keyboard.press("Escape")
    ask(page, "Please delete all customers")
    page.get_by_test_id("stChatMessage").last.scroll_into_view_if_needed()
    shoot(page, out, f"ask-refusal-{suffix}")
    for name, sections in PAGES.items():
        go_to(page, name)
        for section in sections or ("",):
            if section:
                page.get_by_test_id("stButtonGroup").first.get_by_text(section, exact=True).click()
                settle(page)
            if section == "Picture":
                page.locator("[data-testid=stGraphVizChart] svg").wait_for()
            words = re.sub(r"\W+", "-", f"{name} {section}".lower()).strip("-")
            shoot(page, out, f"{words}-{suffix}")
    page.context.close()


def main() -> int:
    """Serve the page, visit it, save what is seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the PNG files")
    parser.add_argument("--only", choices=LOOKS, default="", help="one series, such as dark-380, instead of all four")
    parser.add_argument("--port", type=int, default=8599)
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM") or shutil.which("chromium"))
    parser.add_argument("flags", nargs="*", help="flags of `queryforge chat`, after --")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=CHROMIUM_FLAGS)
        for number, (name, (size, scheme)) in enumerate(LOOKS.items()):
            if arguments.only not in ("", name):
                continue
            # A memory of its own: nothing of whoever runs this is seen, and every visitor is new.
            with tempfile.TemporaryDirectory() as kept:
                os.environ |= {
                    "QUERYFORGE_MEMORY_URL": f"{kept}/memory.sqlite",
                    "QUERYFORGE_MODELS_PATH": f"{kept}/models",
                }
                with serve(arguments.port + number, arguments.flags) as url:
                    tell_story(browser, url, arguments.out, size=size, scheme=scheme)
                missing = ["--backend", "llamacpp", "--model", f"{kept}/missing.gguf"]
                with serve(arguments.port + len(LOOKS) + number, missing) as url:
                    page = open_page(browser, url, size=size, scheme=scheme)
                    ask(page, COUNT)
                    shoot(page, arguments.out, f"ask-error-{name}")
                    page.context.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
