"""The page Maintain in a real browser: a model is retrained, refused, served and rolled back, for real."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from assistant.served import ServedModels
from assistant.settings import Settings
from evaluation.execution import read_schema
from tests.browser import ChatPage, open_browser, serve_chat
from tests.training.retrain_library import make_base, make_library
from tests.training.toy import require
from training.gguf import GgufConfig, convert
from training.register import register_embedded

require("torch", "llama_cpp")
pytestmark = [pytest.mark.browser, pytest.mark.train]

QUESTION = "How many cities are there?"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A small database, and a small model that serves it badly, so that the next cannot be worse."""
    database = make_library(tmp_path / "library.sqlite")
    settings = Settings(database_url=str(database), models_path=tmp_path / "kept" / "models", max_reply_tokens=80)
    schema = read_schema(str(database))
    file = tmp_path / "first.gguf"
    told = {"db_id": schema.db_id, "schema_fingerprint": schema.fingerprint, "dialect": schema.dialect}
    base = make_base(database, tmp_path / "making", max_steps=200, is_confused=True)
    convert(GgufConfig(model_dir=base, out_path=file, **told))
    register_embedded(file, settings, schema)
    values = {
        "database_url": database, "models_path": settings.models_path, "memory_url": tmp_path / "memory.sqlite",
        "cache_path": tmp_path / "cache", "backend": "llamacpp", "threads": 1, "max_attempts": 1, "max_candidates": 0,
        "max_reply_tokens": 80,
    }  # fmt: skip
    # Compiling takes a minute, and this training is over in seconds.
    given = {"TORCHDYNAMO_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    return {f"QUERYFORGE_{name.upper()}": str(value) for name, value in values.items()} | given


def served_files(environment: dict[str, str]) -> list[str]:
    """Files of the models that are kept for the database, the one that serves first."""
    models = ServedModels(Path(environment["QUERYFORGE_MODELS_PATH"]))
    return [model.file for model in models.history("library", "sqlite")]


def go_to(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNavLink").filter(has_text=name).click()


def ask_on(chat: ChatPage, *, messages: int) -> str:
    """Go back to the conversation, as far as it has come, and ask."""
    go_to(chat.page, "Ask")
    expect(chat.page.get_by_test_id("stChatMessage")).to_have_count(messages)
    return chat.ask(QUESTION)


def fill(page: Page, values: dict[str, str]) -> None:
    """Fill in fields of the retraining, most of which are behind Options."""
    page.get_by_role("button", name="Options").click()
    for label, value in values.items():
        box = page.get_by_label(label, exact=True)
        box.fill(value)
        box.press("Enter")
        expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)
    page.keyboard.press("Escape")


def retrain(page: Page) -> None:
    page.locator(".st-key-retrain button").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator(".st-key-retraining")).to_contain_text("This page may be closed")


@pytest.mark.timeout(600)
def test_a_model_is_retrained_on_the_page_then_answers_and_is_rolled_back(
    environment: dict[str, str], browser: Browser, tmp_path: Path
) -> None:
    (first,) = served_files(environment)
    with serve_chat([], environment, tmp_path) as url:
        chat = ChatPage(browser, url)
        page, shown = chat.page, chat.page.get_by_test_id("stMainBlockContainer")
        assert "There are 4" in chat.ask(QUESTION)
        go_to(page, "Maintain")
        expect(shown).to_contain_text(first)

        # Too few to judge by: the gate refuses, and says why.
        demands = {"Least right answers, %": "0", "Least declined, %": "0", "Most wrongly declined, %": "100"}
        demands |= {"Most without an answer, %": "100"}
        fill(page, {"Minutes of training": "0.2", "Examples to make": "1200", "Examples to judge by": "10", **demands})
        retrain(page)
        page.reload()
        expect(page.locator(".st-key-retraining")).to_contain_text(re.compile("Step [1-9] of 9"))
        expect(shown).to_contain_text("The gate refused the new model. What served before goes on serving.")
        expect(shown).to_contain_text("Enough questions: ")
        expect(shown).to_contain_text("too few for a verdict")
        assert served_files(environment) == [first]

        # What was chosen is still there; only the judges become more. Stopped, it is gone on with.
        fill(page, {"Examples to judge by": "60"})
        retrain(page)
        page.locator(".st-key-stop-retraining button").click()
        expect(shown).to_contain_text("was stopped; the next goes on from there")
        assert served_files(environment) == [first]
        retrain(page)
        expect(shown).to_contain_text("The last retraining passed the gate, and its model was installed.")
        second, before = served_files(environment)
        assert before == first
        expect(shown).to_contain_text(f"{second} Registered; it answers from the next question on.")

        # How good it is does not matter here; that it answers does. The reload began another conversation.
        assert "did not work" not in ask_on(chat, messages=0)
        go_to(page, "Maintain")
        expect(shown).to_contain_text(second)
        assert "from the next question on" not in shown.inner_text()

        page.locator(".st-key-way-back button").click()
        page.locator(".st-key-roll-back button").click()
        expect(shown).to_contain_text(re.compile("serves.+library.+again"))
        assert served_files(environment) == [first]
        assert "There are 4" in ask_on(chat, messages=2)
        assert chat.faults == []
    runs = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("retrain-*/state.json")]
    assert sorted(run["outcome"] for run in runs) == ["installed", "refused"]
