"""The chat page without a browser: the real script, the real assistant, a model with replies from a file."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import app
from app.sidebar import privacy_note
from assistant.settings import Settings
from assistant.types import ModelInfo
from tests.app.conftest import Script

FOLDER = Path(app.__file__).parent
COUNT = "SELECT COUNT(*) AS customers FROM customer"
HOSTILE = ("**x** <script>alert(1)</script>", "$a$ :red[y] :material/home:", "[l](https://x.example) -> :+1:")


@pytest.fixture(autouse=True)
def _fresh_assistant() -> Iterator[None]:
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def open_page() -> AppTest:
    page = AppTest.from_file(str(FOLDER / "streamlit_app.py"), default_timeout=90)
    page.run()
    assert not page.exception
    return page


def ask(page: AppTest, question: str) -> None:
    page.chat_input[0].set_value(question).run()
    assert not page.exception


def texts(page: AppTest) -> list[str]:
    return [element.value for element in page.text]


def test_page_opens_with_three_questions_and_the_name_of_the_database(script: Script) -> None:
    script(COUNT)
    page = open_page()
    assert [button.key for button in page.button if str(button.key).startswith("example-")] == [
        "example-0",
        "example-1",
        "example-2",
    ]
    assert any("shop" in element.value for element in page.sidebar.markdown)


def test_question_is_answered_with_words_table_and_sql(script: Script) -> None:
    script(COUNT)
    page = open_page()
    ask(page, "How many customers?")
    assert any("800" in text for text in texts(page))
    assert page.dataframe[0].value.iloc[0, 0] == 800
    assert any("FROM customer" in code.value for code in page.code)
    assert [tab.label for tab in page.tabs] == ["Table", "SQL", "Explanation", "How I got there"]
    assert page.chat_input[0].disabled is False


def test_example_is_asked_at_the_press_of_its_button(script: Script) -> None:
    script(COUNT)
    page = open_page()
    page.button(key="example-0").click().run()
    assert "How many customers do we have?" in texts(page)
    assert page.dataframe[0].value.iloc[0, 0] == 800


def test_result_of_names_and_figures_gets_a_chart(script: Script) -> None:
    script("SELECT channel, COUNT(*) AS orders FROM sales_order GROUP BY channel ORDER BY orders DESC")
    page = open_page()
    ask(page, "Orders by channel")
    assert "Chart" in [tab.label for tab in page.tabs]


def test_refusal_says_why_and_runs_nothing(script: Script) -> None:
    script("-- refused: deleting would change data")
    page = open_page()
    ask(page, "Delete all customers")
    assert any("don't change anything" in text for text in texts(page))
    ask(page, "How many customers can go?")  # nothing that rules would refuse: here the model does
    assert any("deleting would change data" in text.lower() for text in texts(page))
    assert any("only reads" in element.value for element in page.markdown)
    assert len(page.dataframe) == 0


def test_cut_result_says_that_there_are_more_rows(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script("SELECT full_name FROM customer")
    monkeypatch.setenv("QUERYFORGE_MAX_ROWS", "10")
    page = open_page()
    ask(page, "Everyone")
    assert len(page.dataframe[0].value) == 10
    assert any(caption.value == "The first 10 rows; there are more" for caption in page.caption)


def test_error_appears_in_place_and_the_conversation_stays(script: Script) -> None:
    script(COUNT, "x " * 1000, COUNT)  # the second reply is longer than a draft may be
    page = open_page()
    ask(page, "How many customers?")
    ask(page, "And orders?")
    assert any("did not work" in element.value for element in page.markdown)
    assert any("800" in text for text in texts(page))
    assert "And orders?" in texts(page)
    page.button(key="again-2").click().run()
    assert len(page.dataframe) == 2


def test_missing_database_is_told_on_the_page_with_a_remedy(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(COUNT)
    monkeypatch.setenv("QUERYFORGE_DATABASE_URL", str(tmp_path / "none.sqlite"))
    page = open_page()
    assert any("none.sqlite" in text for text in texts(page))
    assert len(page.chat_input) == 0
    assert "Try again" in [button.label for button in page.button]


def test_wrong_setting_is_told_on_the_page(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script(COUNT)
    monkeypatch.setenv("QUERYFORGE_MAX_ROWS", "many")
    assert any("max_rows" in text for text in texts(open_page()))


@pytest.mark.parametrize("value", HOSTILE)
def test_values_names_and_questions_are_shown_literally(value: str, script: Script) -> None:
    quoted, named = value.replace("'", "''"), value.replace('"', '""')
    script(f"SELECT '{quoted}' AS \"{named}\", customer_key FROM customer LIMIT 1")
    page = open_page()
    question = f"Which customers are called {value}"
    ask(page, question)
    frame = page.dataframe[0].value
    assert frame.iloc[0, 0] == value
    assert question in texts(page)  # through st.text
    assert [element.value for element in page.markdown if value in element.value] == []
    assert [element.value for element in page.caption if value in element.value] == []


def test_reason_of_the_model_is_shown_literally(script: Script) -> None:
    script(f"-- unanswerable: {HOSTILE[0]}")
    page = open_page()
    ask(page, "Well?")
    assert any(HOSTILE[0] in text for text in texts(page))
    assert [element.value for element in page.markdown if HOSTILE[0] in element.value] == []


def test_follow_up_is_asked_with_the_turns_before_it(script: Script) -> None:
    script(COUNT)
    page = open_page()
    ask(page, "How many customers?")
    ask(page, "And now?")
    exchanges = page.session_state["talk"].exchanges
    assert [turn.sql for turn in exchanges[1].answer.question.history] == [COUNT]


def test_new_conversation_forgets_the_old_one(script: Script) -> None:
    script(COUNT)
    page = open_page()
    ask(page, "How many customers?")
    page.button(key="new").click().run()
    assert "How many customers?" not in texts(page)
    assert len(page.dataframe) == 0
    ask(page, "Again?")
    assert page.session_state["talk"].exchanges[0].answer.question.history == ()


def test_two_visitors_share_the_assistant_and_nothing_else(script: Script) -> None:
    script(COUNT)
    one, two = open_page(), open_page()
    ask(one, "How many customers?")
    two.run()
    assert "How many customers?" not in texts(two)
    started = time.monotonic()
    ask(two, "How many customers?")
    assert time.monotonic() - started < 10


def test_no_screen_lets_data_in_as_html() -> None:
    sources = {path.name: path.read_text() for path in FOLDER.glob("*.py")}
    assert len(sources) >= 10
    assert [name for name, text in sources.items() if "unsafe_allow" in text] == []
    html = [call for text in sources.values() for call in re.findall(r"st\.html\((.*)\)", text)]
    assert html == ['HERE / "page.css"']


@pytest.mark.parametrize(
    ("changes", "backend", "told"),
    [
        ({}, "llamacpp", "do not leave it"),
        ({"ollama_host": "http://gpu.example:11434"}, "ollama", "gpu.example"),
        ({"ollama_host": "gpu.example"}, "ollama", "gpu.example"),
        ({"database_url": "postgresql://u:p@db.example/shop"}, "llamacpp", "db.example"),
        ({}, "sagemaker", "AWS"),
        ({"openai_url": "https://api.example/v1"}, "openai", "api.example"),
        ({}, "openai", "do not leave it"),
        ({"model": "gpt-oss:120b-cloud"}, "ollama", "Ollama's cloud"),
        ({"ollama_host": "gpu.example", "send_values": "false"}, "ollama", "Values of the data are not sent"),
        ({"ollama_host": "gpu.example", "embedding_model": "nomic-embed-text"}, "llamacpp", "gpu.example, to compare"),
        ({"embedding_model": "nomic-embed-text"}, "llamacpp", "do not leave it"),
        ({"ollama_host": "gpu.example"}, "ollama", "known questions like it"),
        ({"ollama_host": "gpu.example"}, "ollama", "Values of the data that a question names, and samples, are sent"),
    ],
)
def test_footer_is_honest_about_where_things_are(changes: dict[str, str], backend: str, told: str) -> None:
    note = privacy_note(Settings.model_validate(changes), ModelInfo(name="m", backend=backend))
    assert told in note
    assert ("do not leave it" in note) == (told == "do not leave it")
