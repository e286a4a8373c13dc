"""The review on the page Maintain: pairs of question and SQL that people corrected or liked.

In: memory, and the Assistant to run a pair with. Out: what is drawn, and the verdicts. No pair is approved whose SQL
was not guarded and run on the database in this very press of the button.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.chat import draw_error
from app.display import pretty_sql
from app.literal import literal
from assistant.errors import QueryForgeError, UsageError
from assistant.types import Question, Rejection

if TYPE_CHECKING:
    from app.session import Session
    from assistant.agent import Assistant
    from assistant.memory.records import Pair
    from assistant.memory.store import Memory
    from assistant.types import DatabaseSchema

SHOWN_PAIRS = 20


def draw_review(memory: Memory, session: Session, assistant: Assistant, schema: DatabaseSchema) -> None:
    """Draw the pairs that wait, and those that were approved."""
    pending = memory.list_pairs(schema.db_id, "pending")
    approved = memory.list_pairs(schema.db_id, "approved")
    st.text(
        "Question and SQL that people corrected or liked. Approved ones answer the same question at once, and are "
        "learnt by the next training."
    )
    if not pending:
        st.markdown(":material/check_circle: Nothing waits for review.")
    for pair in pending[:SHOWN_PAIRS]:
        with st.container(border=True, key=f"pair-{pair.pair_id}"):
            _draw_pair(pair)
            with st.container(horizontal=True):
                st.button("Approve", key=f"approve-{pair.pair_id}", type="primary", icon=":material/check:",
                          on_click=_approve, args=(pair, memory, session, assistant))  # fmt: skip
                st.button("Decline", key=f"decline-{pair.pair_id}", icon=":material/close:",
                          on_click=_decline, args=(pair, memory, session))  # fmt: skip
            if fault := st.session_state.get(f"review-fault-{pair.pair_id}"):
                draw_error(fault)
    if len(pending) > SHOWN_PAIRS:
        st.caption(f"The first {SHOWN_PAIRS} of {len(pending):,}")
    if approved:
        with st.expander(f"{len(approved):,} approved"):
            for pair in approved[-SHOWN_PAIRS:][::-1]:
                _draw_pair(pair)
                st.button("Withdraw", key=f"withdraw-{pair.pair_id}", on_click=_decline, args=(pair, memory, session))
                st.divider()


def _draw_pair(pair: Pair) -> None:
    for turn in pair.history:
        st.caption(literal(f"after: {turn.question}"))
    st.markdown(f"**{literal(pair.question)}**")
    st.code(pretty_sql(pair.sql), language="sql", wrap_lines=True)
    said = f"{pair.source}, {pair.author or 'local user'}, {pair.created_at:%Y-%m-%d}"
    st.caption(literal(f"{said}. {pair.note}" if pair.note else said))


def _approve(pair: Pair, memory: Memory, session: Session, assistant: Assistant) -> None:
    """Approve a pair, once its SQL has passed the guard and run."""
    key = f"review-fault-{pair.pair_id}"
    st.session_state.pop(key, None)
    try:
        found = assistant.run_sql(Question(text=pair.question), pair.sql)
        if isinstance(found, Rejection):
            raise UsageError(f"Not approved: {found.message}", found.hint)
        memory.approve(pair.pair_id, schema_fingerprint=assistant.schema().fingerprint, reviewer=session.user)
    except QueryForgeError as error:
        st.session_state[key] = error
        return
    rows = len(found.result.rows) if found.result is not None else 0
    st.toast(f"Approved: it runs and returns {rows:,} rows.", icon=":material/check:")


def _decline(pair: Pair, memory: Memory, session: Session) -> None:
    try:
        memory.reject(pair.pair_id, reviewer=session.user)
    except QueryForgeError as error:
        st.session_state[f"review-fault-{pair.pair_id}"] = error
