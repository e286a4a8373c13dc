"""Save a question with its SQL, to ask it again on the page Saved.

In: an exchange that has an answer. Out: what is drawn, and the saved question in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.literal import literal
from app.remembered import sql_of
from assistant.errors import QueryForgeError

if TYPE_CHECKING:
    from app.chat import Exchange
    from app.session import Session
    from assistant.agent import Assistant

MAX_NAME_CHARS = 255


def draw_saving(exchange: Exchange, session: Session, assistant: Assistant) -> None:
    """Draw the button under an answer that has rows."""
    if session.memory is None or exchange.answer is None or exchange.answer.result is None:
        return
    key = f"exchange-{exchange.number}-save"
    with (
        st.container(key=f"{key}-row", horizontal=True, horizontal_alignment="right"),
        st.popover("Save question", icon=":material/keep:", type="tertiary", key=key),
    ):
        st.text_input("Name", value=exchange.text[:MAX_NAME_CHARS], key=f"{key}-name", max_chars=MAX_NAME_CHARS)
        st.checkbox("Pin to the board", value=True, key=f"{key}-pin")
        st.button("Save", key=f"{key}-do", type="primary", on_click=_save, args=(exchange, session, assistant, key))


def _save(exchange: Exchange, session: Session, assistant: Assistant, key: str) -> None:
    if session.memory is None:
        return
    name = str(st.session_state.get(f"{key}-name") or exchange.text[:MAX_NAME_CHARS])
    try:
        saved = session.memory.saved.save(
            name, exchange.text, sql_of(exchange), db_id=assistant.schema().db_id, author=session.user
        )
        session.memory.saved.pin(saved.saved_id, is_pinned=bool(st.session_state.get(f"{key}-pin", True)))
    except QueryForgeError as error:
        st.toast(literal(f"Not saved: {error.message}"), icon=":material/warning:")
        return
    st.toast(literal(f"Saved as “{saved.name}”; it is on the page Saved."), icon=":material/keep:")
