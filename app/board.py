"""Saved questions and the board of the pinned ones.

In: saved questions, and the Assistant that runs their SQL. Out: what is drawn. Rows are kept in the browser tab's
session only, until they are asked for anew; a figure says when it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from app.chat import draw_broken, draw_error
from app.display import format_cell, pretty_sql
from app.literal import literal
from app.results import draw_chart, draw_table, has_chart
from app.session import open_session, tell_failure
from app.sidebar import draw_sidebar
from assistant.errors import QueryForgeError, UsageError
from assistant.types import Answer, Question, Rejection

if TYPE_CHECKING:
    from app.session import Session
    from assistant.agent import Assistant
    from assistant.memory.records import SavedQuestion

MAX_PINNED = 12
"""Cards of the board; each is a query when the page is opened."""

Read = tuple[Answer | QueryForgeError, datetime]


def draw_saved_page() -> None:
    """Draw the board, then the list."""
    with st.container(key="wide"):
        st.title("Saved questions", anchor=False)
    try:
        session = open_session()
        assistant = session.assistant()
        db_id = assistant.schema().db_id
        if session.memory is None:
            raise UsageError(session.fault or "Memory cannot be opened.", "Saved questions are kept there.")
        saved = session.memory.saved.list(db_id, author=session.user)
    except QueryForgeError as error:
        draw_broken(error)
        return
    if not saved:
        st.text(f"Nothing is saved for '{db_id}' yet. Under an answer on the page Ask, press “Save question”.")
        st.page_link("pages/ask.py", label="Ask something", icon=":material/chat:")
    else:
        _draw_board([found for found in saved if found.is_pinned][:MAX_PINNED], assistant, session)
        _draw_list(saved, assistant, session)
    _draw_undo(session)
    draw_sidebar(session, assistant)


def _draw_board(pinned: Sequence[SavedQuestion], assistant: Assistant, session: Session) -> None:
    if not pinned:
        st.text("No question is pinned. Pin one below, and its newest figures stand here.")
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(f"{len(pinned)} pinned. Figures are read when the page is opened, and when you refresh.")
        st.button("Refresh all", icon=":material/refresh:", on_click=_forget, args=(pinned,))
    for first in range(0, len(pinned), 2):
        for column, found in zip(st.columns(2), pinned[first : first + 2], strict=False):
            with column, st.container(border=True, key=f"card-{found.saved_id}"):
                _draw_card(found, assistant, session)


def _draw_card(found: SavedQuestion, assistant: Assistant, session: Session) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", wrap=False):
        st.markdown(f"**{literal(found.name)}**")
        st.button(
            "",
            key=f"refresh-{found.saved_id}",
            icon=":material/refresh:",
            type="tertiary",
            help="Refresh",
            on_click=_forget,
            args=((found,),),
        )
    outcome, moment = _read(found, assistant)
    if isinstance(outcome, QueryForgeError):
        draw_error(outcome)
    else:
        _draw_outcome(outcome, key=f"card-{found.saved_id}")
    st.caption(f"Read at {moment:%H:%M:%S}")


def _draw_outcome(answer: Answer, *, key: str) -> None:
    result = answer.result
    assert result is not None  # an answer of run_sql has rows
    if len(result.rows) == 1 and len(result.columns) == 1:
        name = result.columns[0].name
        st.metric(literal(name), format_cell(result.rows[0][0], name))
    elif answer.chart is not None and has_chart(result, answer.chart):
        draw_chart(result, answer.chart, key=f"{key}-chart")
    else:
        draw_table(result, key=key)


def _draw_list(saved: Sequence[SavedQuestion], assistant: Assistant, session: Session) -> None:
    st.subheader("All saved questions", anchor=False)
    for found in saved:
        with st.expander(literal(found.name), icon=":material/keep:" if found.is_pinned else None):
            st.text(found.question)
            st.code(pretty_sql(found.sql), language="sql", wrap_lines=True)
            with st.container(horizontal=True):
                st.button(
                    "Unpin" if found.is_pinned else "Pin",
                    key=f"pin-{found.saved_id}",
                    icon=":material/keep_off:" if found.is_pinned else ":material/keep:",
                    on_click=_pin,
                    args=(found, session),
                )
                st.button(
                    "Delete",
                    key=f"delete-{found.saved_id}",
                    icon=":material/delete:",
                    on_click=_delete,
                    args=(found, session),
                )
                is_open = st.toggle("Show rows", key=f"show-{found.saved_id}")
            if is_open:
                outcome, _ = _read(found, assistant)
                if isinstance(outcome, QueryForgeError):
                    draw_error(outcome)
                elif outcome.result is not None:
                    draw_table(outcome.result, key=f"list-{found.saved_id}")


def _draw_undo(session: Session) -> None:
    if gone := st.session_state.get("deleted-saved"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Deleted: {literal(gone.name)}")
            st.button("Undo", key="undo-saved", icon=":material/undo:", on_click=_undo, args=(session,))


def _read(found: SavedQuestion, assistant: Assistant) -> Read:
    """Run a question's SQL, once until it is refreshed or changed."""
    kept: dict[tuple[str, str], Read] = st.session_state.setdefault("board", {})
    key = found.saved_id, found.sql
    if key not in kept:
        outcome: Answer | QueryForgeError
        try:
            ran = assistant.run_sql(Question(text=found.question), found.sql)
            outcome = UsageError(ran.message, ran.hint) if isinstance(ran, Rejection) else ran
        except QueryForgeError as error:
            outcome = error
        kept[key] = outcome, datetime.now()
    return kept[key]


def _forget(saved: Sequence[SavedQuestion]) -> None:
    kept = st.session_state.get("board", {})
    for found in saved:
        kept.pop((found.saved_id, found.sql), None)


def _pin(found: SavedQuestion, session: Session) -> None:
    if session.memory is None:
        return
    try:
        session.memory.saved.pin(found.saved_id, is_pinned=not found.is_pinned)
    except QueryForgeError as error:
        tell_failure(error)


def _delete(found: SavedQuestion, session: Session) -> None:
    if session.memory is None:
        return
    try:
        if session.memory.saved.delete(found.saved_id):
            st.session_state["deleted-saved"] = found
    except QueryForgeError as error:
        tell_failure(error)


def _undo(session: Session) -> None:
    gone = st.session_state["deleted-saved"]
    if session.memory is None:
        return
    try:
        back = session.memory.saved.save(gone.name, gone.question, gone.sql, db_id=gone.db_id, author=gone.author)
        session.memory.saved.pin(back.saved_id, is_pinned=gone.is_pinned)
    except QueryForgeError as error:
        tell_failure(error)
        return
    del st.session_state["deleted-saved"]
