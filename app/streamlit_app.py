"""The chat page: `queryforge chat` serves it; `streamlit run app/streamlit_app.py` does too.

In: the settings and a person's questions. Out: the page. Keeps the conversation of one browser tab; one Assistant
serves all tabs. Runs from top to bottom at every press of a button; a question is worked on in the run after it was
asked.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.chat import Exchange, draw_error, draw_exchange, draw_question, draw_start, work
from app.sidebar import draw_sidebar
from assistant.agent import Assistant
from assistant.errors import QueryForgeError
from assistant.settings import Settings

HERE = Path(__file__).parent


@st.cache_resource(show_spinner="Opening the database")
def open_assistant(settings_json: str, _settings: Settings) -> Assistant:
    """Open the one Assistant for these settings; an error is not kept, so the next run tries again."""
    return Assistant(_settings)


def conversation() -> list[Exchange]:
    """Return the exchanges of this browser tab."""
    exchanges: list[Exchange] = st.session_state.setdefault("exchanges", [])
    return exchanges


def ask(text: str) -> None:
    """Put a question at the end of the conversation."""
    if text.strip():
        conversation().append(Exchange(number=len(conversation()) + 1, text=text.strip()))


def ask_typed() -> None:
    """Put what was typed at the end of the conversation."""
    ask(st.session_state["typed"] or "")


def start_anew() -> None:
    """Forget the conversation."""
    conversation().clear()


def draw_page() -> None:
    """Draw everything, and work on the question that waits."""
    st.set_page_config(page_title="QueryForge", page_icon=str(HERE / "icon.svg"), layout="centered")
    st.html(HERE / "page.css")
    st.logo(str(HERE / "logo.svg"), icon_image=str(HERE / "icon.svg"), size="large")
    exchanges = conversation()
    waiting = exchanges[-1] if exchanges and exchanges[-1].is_pending else None
    try:
        settings = Settings.load()
        assistant = open_assistant(settings.model_dump_json(), settings)
    except QueryForgeError as error:
        _draw_done(exchanges)
        draw_error(error)
        st.button("Try again", icon=":material/refresh:")
        return
    st.chat_input(
        "Ask about your data",
        key="typed",
        on_submit=ask_typed,
        max_chars=settings.max_question_chars,
        disabled=waiting is not None,
    )
    start = st.empty()  # always there, so that the start is gone the moment the first question is worked on
    if not exchanges:
        with start.container():
            _draw_start(assistant)
    _draw_done(exchanges[:-1] if waiting else exchanges)
    draw_sidebar(assistant, settings, start_anew)
    if waiting is not None:
        draw_question(waiting)
        work(assistant, waiting, exchanges[:-1])
        st.rerun()


def _draw_start(assistant: Assistant) -> None:
    try:
        draw_start(assistant.schema(), ask)
    except QueryForgeError as error:
        draw_error(error)


def _draw_done(exchanges: list[Exchange]) -> None:
    for exchange in exchanges:
        draw_exchange(exchange, ask, is_last=exchange is exchanges[-1])


draw_page()
