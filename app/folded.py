"""Answers that came back from memory and were not run again yet.

In: the conversation, and the Assistant where its database is open. Out: what is drawn; an answer that was run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.chat import ASSISTANT_AVATAR, draw_error, draw_question
from app.display import pretty_sql
from app.remembered import Talk, last_folded, run_again, sql_of

if TYPE_CHECKING:
    from app.chat import Exchange
    from assistant.agent import Assistant


def run_last_again(talk: Talk, assistant: Assistant) -> None:
    """Run the last answers of a conversation that was just resumed again; the older ones wait to be wanted."""
    if not talk.is_resumed:
        return
    talk.is_resumed = False
    if wanted := last_folded(talk):
        with st.spinner("Running the last queries again"):
            for number in wanted:
                run_again(talk, number, assistant)


def draw_folded(talk: Talk, exchange: Exchange, assistant: Assistant | None) -> None:
    """Draw a question with its SQL, and the button that brings its answer."""
    draw_question(exchange)
    with st.chat_message("assistant", avatar=ASSISTANT_AVATAR):
        st.caption("Answered before. Rows are not kept: its query is run again when you want to see them.")
        st.code(pretty_sql(sql_of(exchange)), language="sql", wrap_lines=True)
        if fault := talk.faults.get(exchange.number):
            draw_error(fault)
        if assistant is not None:
            st.button(
                "Show the answer",
                key=f"unfold-{exchange.number}",
                icon=":material/refresh:",
                on_click=run_again,
                args=(talk, exchange.number, assistant),
            )
