"""What can be done with the conversation on the page: its name, a link to it, a transcript, clear, delete.

In: the conversation and memory. Out: what is drawn, and the change in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.literal import literal
from app.remembered import Talk
from app.session import Session, forget_widgets, tell_failure
from app.transcript import write_html, write_markdown
from assistant.errors import QueryForgeError


def draw_menu(talk: Talk, session: Session, start_anew: Callable[[], None]) -> None:
    """Draw the title and the menu."""
    assert talk.conversation is not None
    title = talk.conversation.title
    with st.container(key="conversation-head", horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{literal(title)}**")
        with st.popover("", icon=":material/more_horiz:", type="tertiary", help="Name, link, transcript, delete"):
            st.text_input("Name", value=title, key="conversation-title", max_chars=255)
            st.button("Rename", icon=":material/edit:", on_click=_rename, args=(talk, session), width="stretch")
            st.caption("Link to this conversation")
            st.code(_link_to(talk.conversation.conversation_id), language=None, wrap_lines=True)
            for name, ending, write in (("Markdown", "md", write_markdown), ("HTML", "html", write_html)):
                st.download_button(
                    f"Transcript as {name}",
                    data=_writer(write, title, talk),
                    file_name=f"conversation.{ending}",
                    mime=f"text/{'markdown' if ending == 'md' else ending}",
                    key=f"transcript-{ending}",
                    icon=":material/description:",
                    on_click="ignore",
                    width="stretch",
                )
            st.button(
                "Clear", icon=":material/ink_eraser:", on_click=_clear, args=(talk, session), width="stretch",
                help="Forget the questions and keep the conversation",
            )  # fmt: skip
            st.button(
                "Delete", icon=":material/delete:", on_click=_delete, args=(talk, session, start_anew), width="stretch"
            )


def _writer(write: Callable[..., str], title: str, talk: Talk) -> Callable[[], str]:
    # Written only when it is wanted: a conversation with large tables takes a moment.
    return lambda: write(title, talk.exchanges)


def _link_to(identifier: str) -> str:
    address = (st.context.url or "").partition("?")[0]
    return f"{address}?conversation={identifier}"


def _rename(talk: Talk, session: Session) -> None:
    title = str(st.session_state.get("conversation-title") or "")
    if talk.conversation is None or session.memory is None or not title.strip():
        return
    try:
        session.memory.conversations.rename(talk.conversation.conversation_id, title, author=session.user)
    except QueryForgeError as error:
        tell_failure(error)
        return
    talk.conversation = talk.conversation.model_copy(update={"title": title.strip()})


def _clear(talk: Talk, session: Session) -> None:
    if talk.conversation is None or session.memory is None:
        return
    try:
        session.memory.conversations.clear(talk.conversation.conversation_id, author=session.user)
    except QueryForgeError as error:
        tell_failure(error)
        return
    talk.clear()
    forget_widgets()


def _delete(talk: Talk, session: Session, start_anew: Callable[[], None]) -> None:
    if talk.conversation is None or session.memory is None:
        return
    identifier = talk.conversation.conversation_id
    try:
        st.session_state["deleted"] = session.memory.conversations.delete(identifier, author=session.user)
    except QueryForgeError as error:
        tell_failure(error)
        return
    start_anew()
