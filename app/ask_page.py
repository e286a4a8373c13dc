"""The parts of the page Ask: one conversation, and the list of all.

In: questions of a person. Out: the conversation as it stands. A question is worked on in the run after it was asked.
"""

from __future__ import annotations

import streamlit as st

from app.chat import Exchange, draw_broken, draw_exchange, draw_question, work
from app.conversation_list import draw_conversations
from app.conversation_menu import draw_menu
from app.folded import draw_folded, run_last_again
from app.literal import literal
from app.recall import draw_recall
from app.remembered import Talk, bring_back, keep
from app.saving import draw_saving
from app.session import Session, choose_source, forget_widgets, open_session
from app.sidebar import draw_sidebar
from app.start import draw_start
from assistant.agent import Assistant
from assistant.errors import QueryForgeError
from assistant.types import Answer, Question

PARAMETER = "conversation"
"""Names the conversation in the page's address."""


def talk_of_tab() -> Talk:
    """Return the conversation of this browser tab."""
    talk: Talk = st.session_state.setdefault("talk", Talk())
    return talk


def ask(text: str, sql: str = "") -> None:
    """Put a question at the end of the conversation."""
    talk_of_tab().add(text, sql)


def ask_typed() -> None:
    """Put what was typed at the end of the conversation."""
    ask(st.session_state["typed"] or "")


def start_anew() -> None:
    """Leave the conversation; it stays in the list."""
    st.session_state["talk"] = Talk()
    forget_widgets()
    st.query_params.pop(PARAMETER, None)


def open_conversation(identifier: str) -> None:
    """Go to a conversation of the list; it is read when the page is drawn."""
    st.query_params[PARAMETER] = identifier


def draw_ask_page() -> None:
    """Draw everything, and work on the question that waits."""
    session = None
    try:
        session = _resume(open_session())
        assistant = session.assistant()
    except QueryForgeError as error:
        if session is not None:
            draw_sidebar(session, None)
        _draw_exchanges(None, None, talk_of_tab())
        draw_broken(error)
        return
    _draw_with(session, assistant)


def _draw_with(session: Session, assistant: Assistant) -> None:
    talk = talk_of_tab()
    waiting = talk.waiting
    is_elsewhere = talk.conversation is not None and talk.conversation.db_id != assistant.schema().db_id
    st.chat_input(
        "Ask about your data",
        key="typed",
        on_submit=ask_typed,
        max_chars=session.settings.max_question_chars,
        disabled=waiting is not None or is_elsewhere,
    )
    draw_recall([exchange.text for exchange in talk.exchanges])
    if talk.conversation is not None and session.memory is not None:
        draw_menu(talk, session, start_anew)
    start = st.empty()  # always there, so that the start is gone the moment the first question is worked on
    if not talk.exchanges:
        with start.container():
            draw_start(session, assistant, ask)
    if is_elsewhere and talk.conversation is not None:
        st.warning(
            f"This conversation is about another database, '{talk.conversation.db_id}', which is not open here.",
            icon=":material/database_off:",
        )
    elif waiting is None:
        run_last_again(talk, assistant)
    _draw_exchanges(session, None if is_elsewhere else assistant, talk)
    draw_sidebar(session, assistant, lambda: draw_conversations(session, talk, start_anew, open_conversation))
    if waiting is not None:
        draw_question(waiting)
        if sql := talk.given.get(waiting.number):
            _answer_with(assistant, waiting, sql)
        if waiting.is_pending:
            work(assistant, waiting, talk.exchanges[:-1])
        _keep(session, assistant, talk)
        st.rerun()
    _keep(session, assistant, talk)


def _answer_with(assistant: Assistant, waiting: Exchange, sql: str) -> None:
    """Answer with SQL that is known to fit; where it does not any more, the question stays one for the model."""
    try:
        found = assistant.run_sql(Question(text=waiting.text), sql)
    except QueryForgeError as error:
        waiting.is_started, waiting.error = True, error
        return
    if isinstance(found, Answer):
        waiting.is_started, waiting.answer = True, found


def _resume(session: Session) -> Session:
    """Bring back the conversation that the address names, with its database."""
    wanted, talk = st.query_params.get(PARAMETER, ""), talk_of_tab()
    known = talk.conversation.conversation_id if talk.conversation else ""
    if wanted == known or session.memory is None:
        return session
    if not wanted:
        if known:  # another page was visited meanwhile; the tab goes on where it was
            st.query_params[PARAMETER] = known
        return session
    found = session.memory.conversations.find(wanted, author=session.user)
    if found is None:
        st.query_params.pop(PARAMETER, None)
        st.warning("There is no such conversation of yours; it may have been deleted.", icon=":material/search_off:")
        return session
    turns = session.memory.conversations.read_turns(wanted, author=session.user)
    st.session_state["talk"] = bring_back(found, turns)
    forget_widgets()
    if found.source_id != session.source_id:
        choose_source(found.source_id)
        return open_session()
    return session


def _keep(session: Session, assistant: Assistant, talk: Talk) -> None:
    """Keep what is new; answers do not depend on whether that works."""
    if session.memory is None:
        if talk.exchanges:
            st.caption(":material/warning: Not kept at the moment: the sidebar says why, and what to do.")
        return
    try:
        keep(talk, session.memory, db_id=assistant.schema().db_id, source_id=session.source_id, author=session.user)
    except QueryForgeError as error:
        words = f"This conversation is not kept, or not all of it: {error.message} {error.hint}"
        st.warning(literal(words.strip()), icon=":material/warning:")
    if talk.conversation is not None:
        st.query_params[PARAMETER] = talk.conversation.conversation_id


def _draw_exchanges(session: Session | None, assistant: Assistant | None, talk: Talk) -> None:
    for exchange in talk.exchanges:
        if exchange.is_pending:
            continue
        if exchange.number in talk.folded:
            draw_folded(talk, exchange, assistant)
        else:
            draw_exchange(exchange, ask, is_last=exchange is talk.exchanges[-1], assistant=assistant)
            if session is not None and assistant is not None:
                draw_saving(exchange, session, assistant)
