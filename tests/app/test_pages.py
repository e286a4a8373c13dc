"""The pages without a browser: conversations that stay, saved questions, databases, maintenance."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import app
from assistant.memory.store import Memory
from assistant.settings import Settings
from tests.app.conftest import Script

ENTRY = Path(app.__file__).parent / "streamlit_app.py"
COUNT = "SELECT COUNT(*) AS customers FROM customer"
CHANNELS = "SELECT channel, COUNT(*) AS orders FROM sales_order GROUP BY channel ORDER BY orders DESC"
HOSTILE = "<b>x</b> **y** $z$ :red[w]"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for cache in (st.cache_resource, st.cache_data):
        cache.clear()
    yield
    for cache in (st.cache_resource, st.cache_data):
        cache.clear()


def open_tab(page_name: str = "", **query: str) -> AppTest:
    """Open the page as a new tab does, which is all that is left after a restart of the server too."""
    page = AppTest.from_file(str(ENTRY), default_timeout=120)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    if page_name:
        page.switch_page(f"pages/{page_name}.py").run()
    assert not page.exception
    return page


def press(page: AppTest, key: str) -> None:
    page.button(key=key).click().run()
    assert not page.exception


def ask(page: AppTest, question: str) -> None:
    page.chat_input[0].set_value(question).run()
    assert not page.exception


def texts(page: AppTest) -> str:
    return "\n".join(
        str(element.value) for kind in ("text", "markdown", "caption", "code") for element in page.get(kind)
    )


def memory() -> Memory:
    return Memory(Settings.load().memory_url)


def test_a_conversation_is_resumed_by_its_link_with_the_figures_of_now(
    script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script(COUNT, CHANNELS, "-- refused: no")
    page = open_tab()
    for question in ("How many customers?", "Orders by channel", "How old is the moon?"):
        ask(page, question)
    with memory() as kept:
        (conversation,) = kept.conversations.list()
        turns = kept.conversations.read_turns(conversation.conversation_id)
    assert conversation.title == "How many customers?"
    assert [turn.sql for turn in turns][:2] == [COUNT, CHANNELS]
    assert [turn.text for turn in turns][:2] == ["", ""], "rows and words made of rows are not kept"
    st.cache_resource.clear()
    # What was masked meanwhile stays covered.
    monkeypatch.setenv("QUERYFORGE_MASKED_COLUMNS", "sales_order.channel")
    resumed = open_tab(conversation=conversation.conversation_id)
    assert resumed.dataframe[0].value.iloc[0, 0] == 800
    shown = texts(resumed)
    assert "How many customers?" in shown
    assert "How old is the moon?" in shown
    assert len(resumed.dataframe) == 1
    ask(resumed, "And now?")
    with memory() as kept:
        assert [turn.number for turn in kept.conversations.read_turns(conversation.conversation_id)] == [1, 2, 3, 4]


def test_older_answers_of_a_long_conversation_wait_until_they_are_wanted(script: Script) -> None:
    script(COUNT)
    with memory() as kept:
        begun = kept.conversations.begin("Long", db_id="shop").conversation_id
        for number in range(1, 6):
            kept.conversations.keep_turn(begun, number, question=f"Question {number}", outcome="answered", sql=COUNT)
    page = open_tab(conversation=begun)
    assert len(page.dataframe) == 3
    press(page, "unfold-1")
    assert len(page.dataframe) == 4
    assert "Question 2" in texts(page)


def test_a_foreign_or_deleted_conversation_is_not_shown(script: Script) -> None:
    script(COUNT)
    with memory() as kept:
        begun = kept.conversations.begin("Secret plan", db_id="shop", author="ana@a.example").conversation_id
    page = open_tab(conversation=begun)
    assert "no such conversation" in page.warning[0].value
    assert "Secret plan" not in texts(page) + "".join(button.label for button in page.button)


def test_conversations_are_listed_searched_renamed_cleared_and_deleted_with_undo(script: Script) -> None:
    script(COUNT)
    page = open_tab()
    ask(page, f"How many customers? {HOSTILE}")
    press(page, "new")
    ask(page, "Second question")
    listed = [button for button in page.sidebar.button if str(button.key).startswith("open-")]
    assert len(listed) == 2
    assert "<b>" not in listed[1].label
    page.sidebar.text_input(key="conversation-search").set_value("customers").run()
    found = [button for button in page.sidebar.button if str(button.key).startswith("open-")]
    assert [button.key for button in found] == [listed[1].key]
    press(page, str(found[0].key))
    assert HOSTILE in texts(page)
    page.text_input(key="conversation-title").set_value("Customers").run()
    next(button for button in page.button if button.label == "Rename").click().run()
    next(button for button in page.button if button.label == "Delete").click().run()
    with memory() as kept:
        assert [found.title for found in kept.conversations.list()] == ["Second question"]
    press(page, "undo-delete")
    with memory() as kept:
        assert {found.title for found in kept.conversations.list()} == {"Second question", "Customers"}
    assert HOSTILE in texts(page)
    next(button for button in page.button if button.label == "Clear").click().run()
    assert HOSTILE not in texts(page)


def test_memory_that_cannot_be_opened_leaves_asking_alone(
    script: Script, monkeypatch: pytest.MonkeyPatch, shop_db_path: Path
) -> None:
    script(COUNT)
    monkeypatch.setenv("QUERYFORGE_MEMORY_URL", str(shop_db_path))  # holds something else
    page = open_tab()
    ask(page, "How many customers?")
    assert page.dataframe[0].value.iloc[0, 0] == 800
    assert any("Nothing is kept" in warning.value for warning in page.sidebar.warning)


def test_the_tour_is_shown_until_it_was_dismissed(script: Script) -> None:
    script(COUNT)
    page = open_tab()
    press(page, "tour-next")
    assert "2 OF" in texts(page)
    press(page, "tour-skip")
    assert "SHORT TOUR" not in texts(page) + texts(open_tab())


def test_a_saved_question_stands_on_the_board_and_is_refreshed(script: Script, tmp_path: Path) -> None:
    script(COUNT)
    path = tmp_path / "own.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE customer (id INTEGER PRIMARY KEY)")
        database.executemany("INSERT INTO customer VALUES (?)", [(1,), (2,)])
        database.commit()
        pytest.MonkeyPatch().setenv("QUERYFORGE_DATABASE_URL", str(path))
        page = open_tab()
        ask(page, "How many customers?")
        press(page, "exchange-1-save-do")
        page = open_tab("saved")
        assert page.metric[0].value == "2"
        database.execute("INSERT INTO customer VALUES (3)")
        database.commit()
        page.run()
        assert page.metric[0].value == "2"
        with memory() as kept:
            (saved,) = kept.saved.list()
        press(page, f"refresh-{saved.saved_id}")
        assert page.metric[0].value == "3"
        press(page, f"pin-{saved.saved_id}")
        assert len(page.metric) == 0
        press(page, f"delete-{saved.saved_id}")
        press(page, "undo-saved")
        with memory() as kept:
            assert [found.name for found in kept.saved.list()] == ["How many customers?"]


def test_databases_page_shows_columns_and_hides_masked_values(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script(COUNT)
    monkeypatch.setenv("QUERYFORGE_MASKED_COLUMNS", "address.city")
    page = open_tab("databases")
    assert len(page.expander) == 10
    frames = {frame.value["column"][0]: frame.value for frame in page.dataframe}
    city = frames["address_key"].set_index("column").loc["city"]
    assert city["values"] == "masked"
    page.text_input(key="find-table").set_value("ticket").run()
    assert "support_ticket" in page.expander[-1].label.replace("\\", "").replace("\u2060", "")


def test_suggested_questions_return_rows_and_are_asked_with_their_own_sql(script: Script) -> None:
    script("-- clarify: never asked")
    page = open_tab("databases")
    page.button_group(key="section").set_value("What can I ask?").run()
    offered = [button for button in page.button if str(button.key).startswith("suggestion-")]
    assert len(offered) >= 8
    from app.suggestions import suggest_questions
    from assistant.agent import Assistant
    from assistant.types import Answer, Question

    with Assistant(Settings.load()) as assistant:
        for found in suggest_questions(assistant, most=8):
            answer = assistant.run_sql(Question(text=found.question), found.sql)
            assert isinstance(answer, Answer)
            assert answer.result is not None
            assert answer.result.rows


def test_a_database_is_added_by_address_and_switched_and_removed(script: Script, tmp_path: Path) -> None:
    script(COUNT)
    path = tmp_path / "own.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE part (id INTEGER PRIMARY KEY, label TEXT)")
        database.commit()
    page = open_tab("databases")
    page.button_group(key="section").set_value("All databases").run()
    page.text_input(key="add-name").set_value("Parts")
    page.text_input(key="add-address").set_value("postgresql://u:geheim@127.0.0.1:1/x")
    next(button for button in page.button if button.label == "Test and add").click().run()
    assert any("did not work" in element.value for element in page.markdown)
    page.text_input(key="add-address").set_value(str(path))
    next(button for button in page.button if button.label == "Test and add").click().run()
    assert not page.exception
    with memory() as kept:
        (source,) = kept.setup.list_sources()
    assert page.session_state["source_id"] == source.source_id
    assert "own" in texts(page)
    press(page, f"remove-{source.source_id}")
    assert page.session_state["source_id"] == ""
    assert path.exists()
    stored = Path(Settings.load().memory_url).read_bytes()
    assert b"geheim" not in stored


def test_terms_are_written_beside_the_database_and_read_by_the_next_question(
    script: Script, tmp_path: Path, shop_db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.glossary_file import make_terms, read_glossary_file, write_glossary_file
    from assistant.database import connect
    from assistant.errors import UsageError

    path = tmp_path / "own.glossary.toml"
    path.write_text('masked = ["part.secret"]\n[[term]]\nterm = "old"\nmeaning = "gone"\n')
    with closing(sqlite3.connect(tmp_path / "own.sqlite")) as database:
        database.execute("CREATE TABLE part (id INTEGER PRIMARY KEY, label TEXT, secret TEXT)")
        database.execute("INSERT INTO part VALUES (1, 'a', 's')")
        database.commit()
    terms = make_terms([{"term": HOSTILE, "synonyms": "a, b", "meaning": 'x "y" \\ \n z', "sql": None}, {"term": ""}])
    texts_of = {("part", ""): "Parts we sell", ("part", "label"): "What it says"}
    write_glossary_file(path, read_glossary_file(path).model_copy(update={"terms": terms, "descriptions": texts_of}))
    with closing(connect(str(tmp_path / "own.sqlite"))) as opened:
        schema = opened.schema()
    assert schema.glossary == terms
    assert schema.tables[0].comment == "Parts we sell"
    assert [column.comment for column in schema.tables[0].columns][1] == "What it says"
    assert schema.tables[0].columns[2].is_masked
    with pytest.raises(UsageError, match="no meaning"):
        make_terms([{"term": "x", "meaning": ""}])


def test_pairs_are_approved_only_when_their_sql_runs(script: Script) -> None:
    script(COUNT)
    with memory() as kept:
        good, bad = (
            kept.propose_pair(question, sql, db_id="shop", schema_fingerprint="", source="correction")
            for question, sql in (("How many?", COUNT), ("Broken?", "SELECT nothing FROM customer"))
        )
    page = open_tab("maintain")
    page.button_group(key="part").set_value("Review").run()
    press(page, f"approve-{bad.pair_id}")
    assert "Not approved" in texts(page)
    press(page, f"approve-{good.pair_id}")
    press(page, f"decline-{bad.pair_id}")
    with memory() as kept:
        assert {pair.question: pair.state for pair in kept.list_pairs()} == {
            "How many?": "approved",
            "Broken?": "rejected",
        }


def test_gaps_are_grouped_by_table(script: Script) -> None:
    script("SELECT nonsense FROM customer", COUNT, "-- unanswerable: no weather here")
    page = open_tab()
    ask(page, "How many customers?")
    ask(page, "Revenue by planet")
    page = open_tab("maintain")
    page.button_group(key="part").set_value("Gaps").run()
    table = page.dataframe[0].value.set_index("table")
    assert table.loc["customer", "mended"] == 1
    assert table["declined"].sum() == 1


def test_a_changed_schema_is_told_with_what_changed(
    script: Script, tmp_path: Path, shop_db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(COUNT)
    copy = tmp_path / "shop.sqlite"
    copy.write_bytes(shop_db_path.read_bytes())
    with closing(sqlite3.connect(copy)) as database:
        database.execute("ALTER TABLE customer ADD COLUMN nickname TEXT")
        database.commit()
    monkeypatch.setenv("QUERYFORGE_DATABASE_URL", str(copy))
    page = open_tab("maintain")
    assert "customer.nickname" in texts(page)
