"""Conversations, added databases and choices: each is its author's, is there again, and came from older tables too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, inspect, text

from assistant.drivers.engines import parse_url
from assistant.errors import UsageError
from assistant.memory import tables
from assistant.memory.conversations import MAX_TITLE_CHARS
from assistant.memory.kept import Repair
from assistant.memory.store import Memory
from tests.assistant.test_memory import AWKWARD, EVERY, SHARED, address, empty_mysql_url, propose

__all__ = ["address", "empty_mysql_url"]


@pytest.fixture
def memory(address: str) -> Iterator[Memory]:  # noqa: F811
    with Memory(address) as opened:
        yield opened


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_a_conversation_comes_back_with_its_turns_in_order(address: str) -> None:  # noqa: F811
    repairs = (Repair(rule="unknown-column", message=AWKWARD), Repair(rule="type"))
    with Memory(address) as memory:
        begun = memory.conversations.begin(AWKWARD, db_id="shop", source_id="s", author="ana")
        for number in (2, 1):
            assert memory.conversations.keep_turn(
                begun.conversation_id, number, author="ana", question=f"{number} {AWKWARD}", outcome="answered",
                sql=AWKWARD, repairs=repairs, model="m", elapsed_ms=1.5,
            )  # fmt: skip
    with Memory(address) as memory:
        found = memory.conversations.find(begun.conversation_id, author="ana")
        turns = memory.conversations.read_turns(begun.conversation_id, author="ana")
    assert found is not None
    assert (found.title, found.source_id) == (" ".join(AWKWARD.split()), "s")
    assert [turn.question for turn in turns] == [f"1 {AWKWARD}", f"2 {AWKWARD}"]
    assert turns[0].repairs == repairs
    assert turns[0].sql == AWKWARD


@pytest.mark.parametrize("address", SHARED, indirect=True)
def test_nobody_else_sees_or_changes_a_conversation(memory: Memory) -> None:
    talks = memory.conversations
    begun = talks.begin("Secret?", db_id="shop", author="ana").conversation_id
    talks.keep_turn(begun, 1, author="ana", question="Secret?", outcome="answered")
    for author in ("", "ben"):
        assert talks.list(author=author) == ()
        assert talks.find(begun, author=author) is None
        assert talks.read_turns(begun, author=author) == ()
        assert not talks.keep_turn(begun, 1, author=author, question="Mine", outcome="answered")
        assert not talks.rename(begun, "Mine", author=author)
        assert not talks.clear(begun, author=author)
        assert talks.delete(begun, author=author) is None
    assert [turn.question for turn in talks.read_turns(begun, author="ana")] == ["Secret?"]


@pytest.mark.parametrize("address", SHARED, indirect=True)
def test_conversations_are_listed_last_changed_first_and_found_by_title_or_question(memory: Memory) -> None:
    talks = memory.conversations
    one = talks.begin("Revenue", db_id="shop").conversation_id
    two = talks.begin("x" * 500, db_id="shop").conversation_id
    assert [found.conversation_id for found in talks.list()] == [two, one]
    talks.keep_turn(one, 1, question="100% of the STOCK_items?", outcome="answered")
    assert [found.conversation_id for found in talks.list()] == [one, two]
    assert [found.conversation_id for found in talks.list(limit=1)] == [one]
    assert [found.conversation_id for found in talks.list(search="100% OF")] == [one]
    assert [found.conversation_id for found in talks.list(search="stock_")] == [one]
    assert talks.list(search="100_") == ()
    assert len(talks.list(search="xxx")[0].title) == MAX_TITLE_CHARS
    assert talks.rename(two, "Costs")
    assert [found.title for found in talks.list(search="cost")] == ["Costs"]
    with pytest.raises(UsageError, match="title"):
        talks.rename(two, "  ")


@pytest.mark.parametrize("address", SHARED, indirect=True)
def test_what_is_deleted_is_gone_and_can_be_put_back(memory: Memory) -> None:
    talks = memory.conversations
    begun = talks.begin("One", db_id="shop")
    talks.keep_turn(begun.conversation_id, 1, question="One", outcome="answered", sql="SELECT 1")
    before = talks.list(), talks.read_turns(begun.conversation_id)
    deleted = talks.delete(begun.conversation_id)
    assert deleted is not None
    assert talks.list() == ()
    with memory._store.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM queryforge_turn")).scalar() == 0
    for _ in range(2):
        talks.restore(*deleted)
    assert (talks.list(), talks.read_turns(begun.conversation_id)) == before
    assert talks.clear(begun.conversation_id)
    assert talks.read_turns(begun.conversation_id) == ()
    assert len(talks.list()) == 1


@pytest.mark.parametrize("address", SHARED, indirect=True)
def test_gaps_are_refusals_and_repairs_on_one_database(memory: Memory) -> None:
    talks = memory.conversations
    shop, other = (talks.begin("t", db_id=name).conversation_id for name in ("shop", "other"))
    repairs = (Repair(rule="unknown-column"),)
    talks.keep_turn(shop, 1, question="fine", outcome="answered")
    talks.keep_turn(shop, 2, question="mended", outcome="answered", repairs=repairs)
    talks.keep_turn(shop, 3, question="declined", outcome="unanswerable")
    talks.keep_turn(other, 1, question="elsewhere", outcome="failed")
    assert [turn.question for turn in talks.list_gaps("shop")] == ["declined", "mended"]
    assert talks.count_outcomes("shop") == {"answered": 2, "unanswerable": 1}


@pytest.mark.parametrize("address", SHARED, indirect=True)
def test_added_databases_and_choices_are_their_persons(memory: Memory) -> None:
    setup = memory.setup
    added = setup.add_source("Sales", "postgresql://u:${PW}@h/sales", kind="server", password_in="environment")
    with pytest.raises(UsageError, match="already"):
        setup.add_source("Sales", "other.sqlite", kind="file")
    setup.add_source("Sales", "other.sqlite", kind="file", author="ben")
    assert setup.list_sources() == (added,)
    assert not setup.remove_source(added.source_id, author="ben")
    assert setup.remove_source(added.source_id)
    assert setup.list_sources() == ()
    for value in ("seen", "seen again"):
        setup.choose("tour", value)
    assert (setup.chosen("tour"), setup.chosen("tour", author="ben")) == ("seen again", "")


@pytest.mark.parametrize("address", SHARED, indirect=True)
def test_a_pin_stays_when_the_question_is_saved_again(memory: Memory) -> None:
    saved = memory.saved.save("Count", "How many?", "SELECT 1", db_id="shop")
    assert not saved.is_pinned
    assert memory.saved.pin(saved.saved_id, is_pinned=True)
    assert memory.saved.save("Count", "How many now?", "SELECT 2", db_id="shop").is_pinned
    assert memory.saved.list("shop")[0].is_pinned
    assert not memory.saved.pin("nothing", is_pinned=True)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_a_memory_of_version_1_keeps_everything_and_gets_the_new_tables(address: str) -> None:  # noqa: F811
    """Also when it was cut off in the middle: MySQL keeps every change of a table at once."""
    with Memory(address) as memory:
        pair = propose(memory)
        memory.saved.save("Count", "How many?", "SELECT 1", db_id="shop")
    engine = create_engine(parse_url(address)[0])
    added = (tables.CONVERSATIONS, tables.KEPT_TURNS, tables.SOURCES, tables.PREFERENCES)
    for is_cut_off in (False, True):
        with engine.begin() as connection:
            connection.execute(text("UPDATE queryforge_version SET version = 1"))
            if not is_cut_off:
                connection.execute(text("ALTER TABLE queryforge_saved_question DROP COLUMN is_pinned"))
                for table in added:
                    table.drop(connection)
        with Memory(address) as memory:
            assert memory.list_pairs() == (pair,)
            assert [(saved.name, saved.is_pinned) for saved in memory.saved.list()] == [("Count", False)]
            begun = memory.conversations.begin("One", db_id="shop")
            assert memory.conversations.delete(begun.conversation_id)
    assert {table.name for table in added} <= set(inspect(engine).get_table_names())
    engine.dispose()
