"""What stands under one answer, without a browser: tabs, corrections, readings, charts, files, thumbs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.chat import Exchange
from assistant.memory.store import Memory
from assistant.types import Answer, Question, Reading
from tests.app.conftest import Script

CHANNELS = "SELECT channel, COUNT(*) AS orders FROM sales_order GROUP BY channel ORDER BY orders DESC"
STATES = "SELECT status, COUNT(*) AS orders FROM sales_order GROUP BY status ORDER BY orders DESC"
LINES = "SELECT order_line_key, order_key, quantity, unit_price FROM order_line"
HOSTILE = ("**x** <script>alert(1)</script>", "$a$ :red[y] :material/home:", "[l](https://x.example) -> :+1:")


@pytest.fixture(autouse=True)
def _fresh_assistant() -> Iterator[None]:
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def open_page() -> AppTest:
    page = AppTest.from_file(str(Path(__file__).with_name("answer_page.py")), default_timeout=90)
    page.run()
    assert not page.exception
    return page


def ask(page: AppTest, question: str = "Orders by channel") -> AppTest:
    page.chat_input[0].set_value(question).run()
    assert not page.exception
    return page


def last(page: AppTest) -> Exchange:
    exchange: Exchange = page.session_state["exchanges"][-1]
    return exchange


def part(page: AppTest, kind: str, ending: str):
    """Find the last widget of a kind whose key ends so."""
    found = [widget for widget in page.get(kind) if str(widget.key).endswith(ending)]
    assert found, f"no {kind} ends with {ending}: {[widget.key for widget in page.get(kind)]}"
    return found[-1]


def press(page: AppTest, ending: str) -> None:
    part(page, "button", ending).click().run()
    assert not page.exception


def keys(page: AppTest, kind: str) -> list[str]:
    return [str(widget.key) for widget in page.get(kind)]


def texts(page: AppTest) -> list[str]:
    return [element.value for element in page.text]


def edit(page: AppTest, sql: str) -> None:
    if not any(key.endswith("-sql-text") for key in keys(page, "text_area")):
        press(page, "-edit")
    part(page, "text_area", "-sql-text").set_value(sql)  # in a form: goes with the press
    press(page, "-run")


def memory(tmp_path: Path) -> Memory:
    return Memory(str(tmp_path / "kept" / "memory.sqlite"))


def test_answer_has_its_tabs_and_no_chart_where_there_is_nothing_to_draw(script: Script) -> None:
    script(CHANNELS, "SELECT COUNT(*) AS n FROM customer")
    page = ask(open_page())
    assert [tab.label for tab in page.tabs] == ["Table", "Chart", "SQL", "Explanation", "How I got there"]
    ask(page, "How many customers?")
    assert [tab.label for tab in page.tabs][5:] == ["Table", "SQL", "Explanation", "How I got there"]


def test_way_to_the_answer_tells_tables_values_refusals_time_and_tokens(script: Script) -> None:
    script("SELECT surname FROM customer", "SELECT COUNT(*) AS n FROM address WHERE country = 'Germany'")
    page = ask(open_page(), "How many addresses are in Germany?")
    lines = [element.value.replace("\u2060", "").replace("\\", "") for element in page.markdown]
    assert any(line.startswith(":gray[:small[Tables looked at]]") and "address" in line for line in lines)
    assert any("“Germany” is Germany in address.country" in line for line in lines)
    assert sum("Writing SQL" in line and "tokens read" in line and "ms" in line for line in lines) == 2
    assert any("Sent back by the guard, rule unknown-column" in text for text in texts(page))
    assert [code.value for code in page.code if "surname" in code.value]


def test_edited_sql_is_run_by_the_guard_and_replaces_the_answer(script: Script) -> None:
    script(CHANNELS)
    page = ask(open_page())
    edit(page, STATES)
    assert list(page.dataframe[0].value.columns) == ["status", "orders"]
    assert any("as you changed it" in caption.value for caption in page.caption)
    assert last(page).answer.drafts[-1].sql == STATES
    press(page, "-back")
    assert list(page.dataframe[0].value.columns) == ["channel", "orders"]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DELETE FROM customer", "Only reading is allowed"),
        ("SELECT nothing FROM customer", "nothing"),
        ("SELECT 1; DROP TABLE customer", "one"),
        ("  ;", "There is no SQL"),
        ("SELECT * FROM sqlite_master", "sqlite_master"),
    ],
)
def test_refused_sql_is_told_in_place_and_nothing_is_lost(sql: str, told: str, script: Script) -> None:
    script(CHANNELS)
    page = ask(open_page())
    before = last(page).answer
    edit(page, sql)
    assert any(told in text for text in texts(page))
    assert part(page, "text_area", "-sql-text").value == sql
    assert last(page).answer == before
    edit(page, STATES)
    assert last(page).answer.drafts[-1].sql == STATES


def test_query_that_failed_can_be_written_by_hand(script: Script) -> None:
    script("SELECT nothing FROM customer", "SELECT nothing2 FROM customer", "SELECT nothing3 FROM customer")
    page = ask(open_page(), "Well?")
    assert last(page).answer.status == "failed"
    edit(page, STATES)
    assert last(page).answer.status == "answered"


def test_saved_correction_is_proposed_and_neither_approved_nor_used(script: Script, tmp_path: Path) -> None:
    script(CHANNELS)
    page = ask(open_page())
    edit(page, STATES)
    press(page, "-save-pair")
    assert any("maintainer reviews it" in caption.value for caption in page.caption)
    with memory(tmp_path) as kept:
        (pair,) = kept.list_pairs("shop")
    assert (pair.state, pair.source, pair.question, pair.sql) == ("pending", "correction", "Orders by channel", STATES)
    ask(page)
    assert last(page).answer.drafts[-1].sql == CHANNELS


def test_thumb_down_is_kept_with_its_reason(script: Script, tmp_path: Path) -> None:
    script(CHANNELS)
    page = ask(open_page())
    part(page, "button_group", "-reasons").set_value(["Wrong rows"])
    part(page, "text_area", "-reason-down").set_value("returned orders <b>count</b>")
    press(page, "-send-down")
    assert any("You said: not right" in caption.value for caption in page.caption)
    with memory(tmp_path) as kept:
        (entry,) = kept.feedback.list("shop")
    assert (entry.verdict, entry.sql, entry.status) == ("down", CHANNELS, "answered")
    assert entry.reason == "Wrong rows. returned orders <b>count</b>"
    assert not any(key.endswith("-send-down") for key in keys(page, "button"))


def test_thumb_up_is_kept_for_a_refusal_too(script: Script, tmp_path: Path) -> None:
    script(CHANNELS)
    page = ask(open_page(), "Delete all customers")
    press(page, "-send-up")
    with memory(tmp_path) as kept:
        (entry,) = kept.feedback.list("shop")
    assert (entry.verdict, entry.status, entry.sql) == ("up", "refused", "")


def test_thumb_that_cannot_be_kept_says_so_and_can_be_given_again(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(CHANNELS)
    monkeypatch.setenv("QUERYFORGE_MEMORY_URL", str(tmp_path))  # a folder
    page = ask(open_page())
    press(page, "-send-up")
    assert any("memory" in text for text in texts(page))
    assert any(key.endswith("-send-up") for key in keys(page, "button"))
    assert len(page.dataframe) == 1


def offer(page: AppTest, first: str, second: str, words: str = "Orders for each state") -> None:
    """Put an answer that asks back in the place of the last one."""
    exchange = last(page)
    assert exchange.answer is not None
    assert exchange.answer.result is not None
    preview = exchange.answer.result
    readings = tuple(
        Reading(text=text, sql=sql, preview=preview, share=0.5) for text, sql in ((words, first), ("Others", second))
    )
    exchange.answer = Answer(
        question=Question(text=exchange.text), status="clarify", text="Which one do you mean?", alternatives=readings
    )
    page.run()


def test_chosen_reading_is_answered_without_the_model_and_remembered(script: Script) -> None:
    script(CHANNELS)
    page = ask(open_page(), "Orders by kind")
    offer(page, STATES, CHANNELS)
    assert "Orders for each state" in texts(page)
    assert len(page.dataframe) == 2
    press(page, "-reading-0")
    answer = last(page).answer
    assert answer.status == "answered"
    assert list(page.dataframe[0].value.columns) == ["status", "orders"]
    assert answer.drafts[-1].completion.completion_tokens == 0
    ask(page, "Orders by kind")
    assert last(page).answer.drafts[-1].sql != CHANNELS or last(page).answer.question.history
    page.session_state["exchanges"].pop()
    page.run()
    press(page, "-back")
    assert last(page).answer.status == "clarify"


def test_readings_of_an_earlier_question_cannot_be_chosen(script: Script) -> None:
    script(CHANNELS)
    page = ask(open_page(), "Orders by kind")
    offer(page, STATES, CHANNELS)
    ask(page)
    assert [button.disabled for button in page.button if "-reading-" in str(button.key)] == [True, True]


def test_chart_is_changed_by_the_person(script: Script) -> None:
    script("SELECT status, channel, COUNT(*) AS orders FROM sales_order GROUP BY status, channel")
    page = ask(open_page(), "Orders by status and channel")
    for mark in ("line", "area", "point", "pie", "bar"):
        part(page, "button_group", "-mark").set_value(mark).run()
        assert not page.exception
    part(page, "selectbox", "-colour").set_value(1).run()
    assert part(page, "toggle", "-stacked").value is True
    part(page, "selectbox", "-y").set_value(-1).run()
    assert not page.exception
    assert page.get("vega_lite_chart")


def test_cut_result_is_taken_whole(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script(LINES)
    monkeypatch.setenv("QUERYFORGE_MAX_ROWS", "10")
    page = ask(open_page(), "All order lines")
    assert any(caption.value == "The first 10 rows; there are more" for caption in page.caption)
    press(page, "-make")
    made = page.session_state["export-made"]
    lines = list(csv.reader(io.StringIO(made.path.read_text())))
    assert lines[0] == ["order_line_key", "order_key", "quantity", "unit_price"]
    assert len(lines) - 1 == made.rows.count > 10_000
    assert any(caption.value.startswith(f"All {made.rows.count:,} rows") for caption in page.caption)
    part(page, "button_group", "-kind").set_value("parquet").run()
    press(page, "-make")
    assert not made.path.exists()
    assert page.session_state["export-made"].path.suffix == ".parquet"


def test_masked_column_stays_masked_in_the_file(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script("SELECT customer_key, email FROM contact")
    monkeypatch.setenv("QUERYFORGE_MAX_ROWS", "5")
    monkeypatch.setenv("QUERYFORGE_MASKED_COLUMNS", "*.email")
    page = ask(open_page(), "All addresses of customers")
    press(page, "-make")
    text = page.session_state["export-made"].path.read_text()
    assert "•••" in text
    assert "@" not in text


def test_failing_export_is_told_in_place(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script(LINES)
    monkeypatch.setenv("QUERYFORGE_MAX_ROWS", "10")
    monkeypatch.setattr("app.exports.MAX_FILE_BYTES", 1000)
    page = ask(open_page(), "All order lines")
    press(page, "-make")
    assert any("handed over" in text for text in texts(page))
    assert "export-made" not in page.session_state
    assert len(page.dataframe) == 1


def test_empty_result_says_so_and_offers_no_file(script: Script) -> None:
    script("SELECT full_name FROM customer WHERE source = 'nothing'")
    page = ask(open_page(), "Customers from nowhere")
    assert "No rows match." in texts(page)
    assert not any(key.endswith("-download") for key in keys(page, "download_button"))


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_names_and_readings_are_shown_literally(value: str, script: Script) -> None:
    quoted, named = value.replace("'", "''"), value.replace('"', '""')
    sql = f"SELECT '{quoted}' AS \"{named}\", channel, COUNT(*) AS n FROM sales_order GROUP BY channel"
    script(sql)
    page = ask(open_page(), f"Orders of {value}")
    part(page, "selectbox", "-colour").set_value(0).run()
    press(page, "-save-pair")
    edit(page, f"SELECT 1 AS a, nothing_{value}")
    offer(page, sql, sql, value)
    assert not page.exception
    assert value in texts(page)
    for element in (*page.markdown, *page.caption, *page.warning):
        assert value not in element.value
    assert value not in [button.label for button in page.button]
