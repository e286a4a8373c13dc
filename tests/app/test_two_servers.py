"""Two servers of the page on one memory, as behind a balancer: what is said on one is there on the other."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from app.chat import Exchange
from app.remembered import bring_back, keep
from assistant.memory.store import Memory
from assistant.types import Answer, Question
from tests.app.conftest import Script
from tests.browser import ChatPage, missing, open_browser, serve_chat
from tests.servers import ServerMissing, postgres_server

COUNT = "SELECT COUNT(*) AS customers FROM customer"
WRONG = "SELECT 17 AS wrong FROM customer"
QUESTION = "How many customers?"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """An empty database of a PostgreSQL server."""
    context = postgres_server()
    try:
        url = context.__enter__()
    except ServerMissing as error:
        missing(str(error))
    try:
        yield url
    finally:
        context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def box(chat: ChatPage) -> Locator:
    return chat.page.get_by_test_id("stChatInputTextArea")


def messages(chat: ChatPage) -> Locator:
    return chat.page.get_by_test_id("stChatMessage")


@pytest.mark.postgres
@pytest.mark.browser
def test_what_is_said_on_one_server_is_there_on_the_other(script: Script, browser: Browser, store: str) -> None:
    environment = script(COUNT, WRONG) | {"QUERYFORGE_MEMORY_URL": store}
    with serve_chat([], environment) as one, serve_chat([], environment) as two:
        first = ChatPage(browser, one)
        assert "800" in first.ask(QUESTION)
        expect(first.page).to_have_url(re.compile("conversation="))
        link = first.page.url.partition("?")[2]
        first.page.get_by_role("button", name="Good", exact=True).click()
        first.page.get_by_role("button", name="Send", exact=True).click()
        expect(messages(first).last).to_contain_text("You said: helpful")
        first.page.get_by_role("button", name="Save as correct").click()
        expect(messages(first).last).to_contain_text("a maintainer reviews it")

        second = ChatPage(browser, two)
        second.page.locator(".st-key-sidebar-conversations button").first.click()
        expect(messages(second)).to_have_count(2)
        expect(messages(second).last).to_contain_text("800")
        second.page.get_by_test_id("stSidebarNavLink").filter(has_text="Maintain").click()
        second.page.get_by_test_id("stButtonGroup").get_by_text("Review", exact=True).click()
        second.page.get_by_role("button", name="Approve").click()
        expect(second.page.get_by_test_id("stMainBlockContainer")).to_contain_text("Nothing waits for review")
        second.page.get_by_test_id("stSidebarNavLink").filter(has_text="Ask").click()
        expect(messages(second)).to_have_count(2)

        # The pair was approved on the other server; the model of this one would be wrong.
        assert "800" in first.ask(QUESTION)
        # Both go on with the same conversation at the same time, each without knowing of the other.
        for chat, question in ((first, "Asked on one?"), (second, "Asked on two?")):
            box(chat).fill(question)
            box(chat).press("Enter")
        first.outcome(6)
        second.outcome(4)
        first.page.goto(f"{one}/?{link}")
        expect(messages(first)).to_have_count(8)
        asked = [messages(first).nth(place).inner_text().splitlines()[-1] for place in (0, 2, 4, 6)]
        assert asked[:2] == [QUESTION, QUESTION]
        assert set(asked[2:]) == {"Asked on one?", "Asked on two?"}
        assert first.faults == second.faults == []
    with Memory(store) as memory:
        assert [thumb.verdict for thumb in memory.feedback.list("shop")] == ["up"]
        assert [pair.question for pair in memory.list_pairs("shop", "approved")] == [QUESTION]
        assert memory.audit.count() >= 4


@pytest.mark.postgres
def test_many_tabs_of_two_servers_lose_nothing_in_one_conversation(store: str) -> None:
    tabs, each = 4, 10
    with Memory(store) as opened:
        begun = opened.conversations.begin("Crowd", db_id="crowd")
    faults: list[BaseException] = []

    def go_on(tab: int) -> None:
        try:
            with Memory(store) as memory:  # as a process of its own: nothing is shared but the store
                talk = bring_back(begun, ())
                for number in range(each):
                    text = f"{tab}-{number}?"
                    answer = Answer(question=Question(text=text), status="unanswerable", text="No.")
                    place = len(talk.exchanges) + 1
                    talk.exchanges.append(Exchange(number=place, text=text, is_started=True, answer=answer))
                    keep(talk, memory, db_id="crowd", source_id="", author="")
                    talk.exchanges[-1].answer = answer.model_copy(update={"text": "Corrected."})
                    keep(talk, memory, db_id="crowd", source_id="", author="")
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=go_on, args=(tab,)) for tab in range(tabs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with Memory(store) as memory:
        turns = memory.conversations.read_turns(begun.conversation_id)
    assert sorted(turn.question for turn in turns) == sorted(f"{a}-{b}?" for a in range(tabs) for b in range(each))
    assert [turn.number for turn in turns] == list(range(1, tabs * each + 1))
    assert {turn.text for turn in turns} == {"Corrected."}
    for tab in range(tabs):
        own = [turn.question for turn in turns if turn.question.startswith(f"{tab}-")]
        assert own == [f"{tab}-{number}?" for number in range(each)]
