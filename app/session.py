"""What every page needs: who is there, the settings with the database they chose, memory, and the one Assistant for it.

In: the settings, Streamlit's login where one is set up, and what this browser tab chose. Out: a Session. One Assistant
serves all tabs that ask the same database with the same settings.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import streamlit as st
from streamlit.errors import StreamlitAuthError

from app.audit import Recorder, WatchedAssistant
from app.literal import literal
from app.sources import settings_for
from assistant.agent import Assistant
from assistant.errors import QueryForgeError
from assistant.memory.store import Memory
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.memory.kept import Source

Role = Literal["ask", "approve", "maintain"]
"""What a person may do: ask; also review pairs; also look after models, databases and the audit log."""
HERE = Path(__file__).parent
MAX_ASSISTANTS = 8
"""Databases that are open at once; the one that was opened first is given up for a further one."""
RETRY_S = 30.0
"""How long memory that cannot be opened is left alone: a server that is gone takes seconds to say so."""


@dataclass
class Session:
    """What one run of a page works with."""

    settings: Settings
    """The settings, with the database that was chosen."""
    configured: Settings
    """The settings as they were given."""
    user: str
    """Who is there; empty for the local user."""
    memory: Memory | None
    """What is remembered; None when it cannot be opened."""
    fault: str
    """Why it cannot, and what to do; empty when it can."""
    sources: tuple[Source, ...]
    """Databases that the person added."""
    source: Source | None
    """The one that is chosen; None for the configured one."""

    @property
    def source_id(self) -> str:
        """Identifier of the chosen database; empty for the configured one."""
        return self.source.source_id if self.source else ""

    def assistant(self) -> Assistant:
        """Open the Assistant, or give the one that is open; what this person runs with it is written down.

        Raises:
            QueryForgeError: A setting cannot be used, or the database cannot be opened.
        """
        inner = _open_assistant(self.settings.model_dump_json(), self.settings)
        recorder = self.recorder
        return WatchedAssistant(inner, self.user, lambda entry: recorder.add(entry, self.memory))

    @property
    def recorder(self) -> Recorder:
        """The way into the audit log."""
        return _open_recorder(self.configured.memory_url, self.configured.audit_entries)


@st.cache_resource(show_spinner="Opening the database", max_entries=MAX_ASSISTANTS)
def _open_assistant(settings_json: str, _settings: Settings) -> Assistant:
    """Open the one Assistant for these settings; an error is not kept, so the next run tries again."""
    return Assistant(_settings)


@st.cache_resource(show_spinner=False)
def _open_recorder(url: str, keep: int) -> Recorder:
    return Recorder(keep=keep)


@st.cache_resource(show_spinner=False)
def _open_memory(url: str) -> Memory:
    return Memory(url)


def open_early() -> None:
    """Open the configured database and memory before anybody visits, so that the first visitor does not wait for it.

    Raises:
        QueryForgeError: One of them cannot be opened; nothing of that is kept, and a visit tries again.
    """
    settings = Settings.load()
    try:
        assistant = _open_assistant(settings.model_dump_json(), settings)
        assistant.schema()
        assistant.model_info()
    finally:
        _open_memory(settings.memory_url)


def open_session() -> Session:
    """Find out who is there, what they chose and what is remembered.

    Raises:
        QueryForgeError: A setting cannot be used, or the password of the chosen database is missing.
    """
    configured = Settings.load()
    user = user_id()
    memory, fault = _find_memory(configured.memory_url)
    sources: tuple[Source, ...] = ()
    if memory is not None:
        try:
            sources = memory.setup.list_sources(author=user)
        except QueryForgeError as error:
            memory, fault = None, _note_fault(error)
        else:
            st.session_state["sources-known"] = sources
    if memory is None:
        # What was chosen stays chosen: without memory, nobody is to be led to another database without a word.
        sources = st.session_state.get("sources-known", ())
    chosen = st.session_state.get("source_id", "")
    source = next((found for found in sources if found.source_id == chosen), None)
    settings = configured if source is None else settings_for(configured, source)
    session = Session(settings, configured, user, memory, fault, sources, source)
    session.recorder.flush(memory)
    return session


def user_id() -> str:
    """Say who is there: the e-mail address or subject of the login, empty for the local user where there is none."""
    if not is_login_configured():
        return ""
    user = st.user.to_dict()
    # An address that the provider has not verified may be anybody's.
    email = "" if user.get("email_verified") is False else user.get("email")
    return str(email or user.get("sub") or "")


def is_login_configured() -> bool:
    """Tell whether people have to log in (`[auth]` in Streamlit's secrets)."""
    return hasattr(st.user, "is_logged_in")


def needs_login() -> bool:
    """Tell whether nobody is logged in although somebody has to be."""
    return is_login_configured() and not (st.user.is_logged_in and user_id())


def may(user: str, role: Role) -> bool:
    """Tell whether a person has a role, or one that holds it.

    The local user may do everything. Others may do what the lists `ask`, `approve` and `maintain` under `[roles]` of
    Streamlit's secrets name them for, whatever the case of the letters; whoever approves may ask, and whoever maintains
    may do both. Where there is no list `ask`, everybody who is logged in may ask.
    """
    if not user:
        return True
    roles = st.secrets.get("roles", {})
    if role == "ask" and "ask" not in roles:
        return True
    ranks: tuple[Role, ...] = ("ask", "approve", "maintain")
    granting = ranks[ranks.index(role) :]
    return any(user.casefold() == str(name).casefold() for rank in granting for name in roles.get(rank, ()))


def may_maintain(user: str) -> bool:
    """Tell whether a person may look after models, and add databases by address."""
    return may(user, "maintain")


def log_in() -> None:
    """Send the person to the login; what keeps that from working is shown where they are."""
    try:
        st.login()
    except StreamlitAuthError as error:
        st.session_state["login-fault"] = str(error)


def choose_source(source_id: str) -> None:
    """Ask another database from now on, in this browser tab."""
    st.session_state["source_id"] = source_id


def forget_widgets() -> None:
    """Forget what was opened, chosen or typed in the answers of a conversation: in another, the same numbers return."""
    for key in [key for key in st.session_state if str(key).startswith("exchange-")]:
        del st.session_state[key]


def try_memory_again() -> None:
    """Look for memory at once, and not only when it is its time."""
    st.session_state.pop("memory_fault", None)


def tell_failure(error: QueryForgeError) -> None:
    """Say beside the page what a press of a button could not do, and what to do about it."""
    st.toast(literal(f"{error.message} {error.hint}".strip()), icon=":material/warning:")


def reopen() -> None:
    """Open databases anew with the next question, as after a change of what is known about them."""
    _open_assistant.clear()


def _find_memory(url: str) -> tuple[Memory | None, str]:
    retry_at, fault = st.session_state.get("memory_fault", (0.0, ""))
    if time.monotonic() < retry_at:
        return None, fault
    try:
        return _open_memory(url), ""
    except QueryForgeError as error:
        return None, _note_fault(error)


def _note_fault(error: QueryForgeError) -> str:
    fault = f"{error.message} {error.hint}".strip()
    st.session_state["memory_fault"] = (time.monotonic() + RETRY_S, fault)
    return fault
