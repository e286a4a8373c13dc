"""Login with OpenID Connect: who may ask, approve and maintain, and that nobody sees what is another's."""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import Browser, Page, expect

from app import session
from assistant.memory.store import Memory
from tests.app.conftest import Script
from tests.browser import open_browser, serve_chat

COUNT = "SELECT COUNT(*) AS customers FROM customer"
ROLES = """
ask = ["ben@example.com"]
approve = ["dee@example.com"]
maintain = ["Ana@Example.com"]
"""


@pytest.fixture
def roles(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    monkeypatch.setattr(st, "secrets", found)
    return found


def test_the_local_user_may_do_everything(roles: dict[str, dict[str, list[str]]]) -> None:
    roles["roles"] = {"ask": ["ben"], "maintain": ["ana"]}
    assert all(session.may("", role) for role in ("ask", "approve", "maintain"))


def test_whoever_maintains_may_approve_and_whoever_approves_may_ask(roles: dict[str, dict[str, list[str]]]) -> None:
    roles["roles"] = {"ask": ["ben"], "approve": ["dee"], "maintain": ["Ana"]}
    found = {user: [role for role in ("ask", "approve", "maintain") if session.may(user, role)]
             for user in ("ana", "dee", "ben", "eve")}  # fmt: skip
    assert found == {"ana": ["ask", "approve", "maintain"], "dee": ["ask", "approve"], "ben": ["ask"], "eve": []}


def test_without_a_list_everybody_who_is_logged_in_may_ask_and_nothing_else(
    roles: dict[str, dict[str, list[str]]],
) -> None:
    assert session.may("eve", "ask")
    assert not session.may("eve", "approve")
    roles["roles"] = {"maintain": ["ana"]}
    assert session.may("eve", "ask")
    assert not session.may("eve", "maintain")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def go_to(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNavLink").filter(has_text=name).click()


@pytest.mark.browser
def test_people_log_in_with_their_roles_and_see_only_what_is_theirs(
    script: Script, browser: Browser, tmp_path: Path
) -> None:
    pytest.importorskip("authlib", reason="needs Authlib")
    from tests.app.oidc_double import OidcDouble

    with OidcDouble() as provider:
        path, own = tmp_path / "secrets.toml", tmp_path / "own.sqlite"
        path.write_text(provider.secrets_toml(ROLES))
        with closing(sqlite3.connect(own)) as database:
            database.execute("CREATE TABLE part (id INTEGER PRIMARY KEY, label TEXT)")
            database.commit()
        environment = script(COUNT) | {"STREAMLIT_SECRETS_FILES": str(path), "NO_PROXY": "127.0.0.1"}

        def log_in(url: str, name: str, **claims: object) -> Page:
            provider.claims = {"sub": f"subject-{name}", "email": f"{name}@example.com", **claims}
            page = browser.new_context().new_page()
            page.set_default_timeout(120_000)
            page.goto(url)
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_role("button", name="Log out")).to_be_visible()
            return page

        with serve_chat([], environment) as url:
            ana = log_in(url, "ana", email_verified=True)
            ana.get_by_test_id("stChatInputTextArea").fill("How many customers?")
            ana.get_by_test_id("stChatInputTextArea").press("Enter")
            expect(ana.get_by_test_id("stMainBlockContainer")).to_contain_text("800")
            expect(ana).to_have_url(re.compile("conversation="))
            link = ana.url
            go_to(ana, "Maintain")
            ana.get_by_test_id("stButtonGroup").get_by_text("Audit log", exact=True).click()
            expect(ana.get_by_test_id("stDataFrame")).to_contain_text("ana@example.com")
            # A database that she adds is hers, and asked at once.
            go_to(ana, "Databases")
            ana.get_by_test_id("stButtonGroup").get_by_text("All databases", exact=True).click()
            ana.get_by_label("Name", exact=True).fill("Parts")
            ana.get_by_label("Address", exact=True).fill(str(own))
            ana.get_by_role("button", name="Test and add").click()
            expect(ana.get_by_test_id("stMainBlockContainer")).to_contain_text(
                re.compile("Parts.*Asked now", re.DOTALL)
            )
            ana.get_by_role("button", name="Log out").click()
            expect(ana.get_by_role("button", name="Log in")).to_be_visible()

            ben = log_in(url, "ben")
            ben.goto(link)
            expect(ben.get_by_test_id("stMainBlockContainer")).to_contain_text("no such conversation of yours")
            assert ben.locator(".st-key-sidebar-conversations button").count() == 0
            go_to(ben, "Maintain")
            expect(ben.get_by_test_id("stMainBlockContainer")).to_contain_text("for those who look after the model")

            dee = log_in(url, "dee")
            go_to(dee, "Maintain")
            expect(dee.get_by_test_id("stButtonGroup")).to_contain_text("Review")
            assert "Audit log" not in dee.get_by_test_id("stButtonGroup").inner_text()

            for stranger in (log_in(url, "eve"), log_in(url, "ana", email_verified=False)):
                expect(stranger.get_by_test_id("stMainBlockContainer")).to_contain_text("may not ask here")
                assert stranger.get_by_test_id("stChatInputTextArea").count() == 0
    with Memory(environment["QUERYFORGE_MEMORY_URL"]) as memory:
        assert [talk.title for talk in memory.conversations.list(author="ana@example.com")] == ["How many customers?"]
        assert memory.audit.list_authors() == ("ana@example.com",)
        assert [source.name for source in memory.setup.list_sources(author="ana@example.com")] == ["Parts"]
        assert memory.setup.list_sources() == ()


@pytest.mark.browser
def test_a_login_that_cannot_work_is_told_where_it_was_pressed(
    script: Script, browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "secrets.toml"
    address = "http://127.0.0.1:{port}/oauth2callback"
    path.write_text(f'[auth]\nredirect_uri = "{address}"\ncookie_secret = "{secrets.token_hex()}"\n')
    with serve_chat([], script(COUNT) | {"STREAMLIT_SECRETS_FILES": str(path)}) as url:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(url)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_test_id("stAlert")).to_contain_text("Nobody can log in")
        assert page.get_by_test_id("stException").count() == 0
        page.close()
