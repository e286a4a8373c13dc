"""The list of a person's conversations, in the sidebar.

In: memory. Out: what is drawn. Titles are what people typed and are shown literally.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.literal import literal
from app.remembered import Talk
from app.session import Session, tell_failure
from assistant.errors import QueryForgeError

FIRST_SHOWN, MORE_SHOWN = 12, 50
"""Conversations in the list at first, and how many more with each press."""
MAX_LABEL_CHARS = 34
"""Longest title that fits the sidebar on one line."""


def draw_conversations(
    session: Session, talk: Talk, start_anew: Callable[[], None], go_to: Callable[[str], None]
) -> None:
    """Draw the button for a new one, the search and the list."""
    st.button("New conversation", key="new", on_click=start_anew, icon=":material/add:", width="stretch")
    if session.memory is None:
        return
    try:
        _draw_list(session, talk, go_to)
    except QueryForgeError as error:
        st.error(literal(error.message), icon=":material/error:")


def _draw_list(session: Session, talk: Talk, go_to: Callable[[str], None]) -> None:
    assert session.memory is not None
    _draw_undo(session, go_to)
    talks = session.memory.conversations
    shown = st.session_state.setdefault("conversations-shown", FIRST_SHOWN)
    found = talks.list(author=session.user, limit=shown + 1)
    search = ""
    if found:
        search = (
            st.text_input(
                "Search conversations",
                key="conversation-search",
                placeholder="Search conversations",
                icon=":material/search:",
                label_visibility="collapsed",
            )
            or ""
        )
    if search.strip():
        found = talks.list(author=session.user, search=search, limit=shown + 1)
    current = talk.conversation.conversation_id if talk.conversation else ""
    with st.container(key="sidebar-conversations", gap=None):
        for conversation in found[:shown]:
            title = conversation.title
            is_current = conversation.conversation_id == current
            st.button(
                literal(title if len(title) <= MAX_LABEL_CHARS else title[: MAX_LABEL_CHARS - 1].rstrip() + "…"),
                key=f"open-{conversation.conversation_id}",
                help=literal(title) if len(title) > MAX_LABEL_CHARS else None,
                on_click=go_to,
                args=(conversation.conversation_id,),
                type="secondary" if is_current else "tertiary",
                width="stretch",
            )
    if search.strip() and not found:
        st.caption("No conversation has these words.")
    if len(found) > shown:
        st.button("Show more", key="more-conversations", type="tertiary", on_click=_show_more)


def _draw_undo(session: Session, go_to: Callable[[str], None]) -> None:
    deleted = st.session_state.get("deleted")
    if deleted is None:
        return
    with st.container(key="undo", border=True, gap="xsmall"):
        st.caption(f"Deleted: {literal(deleted[0].title[:60])}")
        with st.container(horizontal=True):
            st.button("Undo", key="undo-delete", icon=":material/undo:", on_click=_undo, args=(session, go_to))
            st.button("Close", key="forget-delete", type="tertiary", on_click=_forget)


def _undo(session: Session, go_to: Callable[[str], None]) -> None:
    conversation, turns = st.session_state["deleted"]
    if session.memory is None:
        return
    try:
        session.memory.conversations.restore(conversation, turns)
    except QueryForgeError as error:
        tell_failure(error)
        return
    _forget()
    go_to(conversation.conversation_id)


def _forget() -> None:
    st.session_state.pop("deleted", None)


def _show_more() -> None:
    st.session_state["conversations-shown"] += MORE_SHOWN
