"""What a person says to an answer: which reading they meant, better SQL, a thumb, and that it is right.

In: an exchange, its Answer and the Assistant. Out: what is drawn; another Answer in the exchange; feedback and proposed
pairs in memory. SQL that a person writes is checked and run like any draft. What is saved here is only proposed: a
maintainer reviews it before it answers anybody or trains a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.display import pretty_sql
from app.literal import literal
from app.results import draw_preview
from assistant.conversation import relevant_history
from assistant.errors import QueryForgeError
from assistant.types import Answer, Rejection

if TYPE_CHECKING:
    from app.chat import Exchange
    from assistant.agent import Assistant
    from assistant.memory.records import Pair, Verdict

REASONS = ("Wrong rows", "Wrong period", "Wrong columns", "Misunderstood", "Not answered")
"""What a person may say is wrong, at one press."""


def draw_readings(exchange: Exchange, answer: Answer, assistant: Assistant | None, *, key: str, is_open: bool) -> None:
    """Draw the readings of a question that can be understood in several ways, each with its first rows."""
    for place, reading in enumerate(answer.alternatives):
        with st.container(border=True, key=f"{key}-reading-box-{place}", gap="small"):
            st.text(reading.text)
            draw_preview(reading.preview, key=f"{key}-preview-{place}")
            pressed = st.button(
                "I mean this",
                key=f"{key}-reading-{place}",
                disabled=assistant is None or not is_open,
                icon=":material/check:",
                help=None if is_open else "Only the last question can be answered so; ask it again.",
            )
        if pressed and assistant is not None:
            try:
                with st.spinner("Running this reading"):
                    chosen = assistant.choose(answer, place)
            except QueryForgeError as error:
                _draw_refusal(error.message, error.hint, key=f"{key}-reading")
                continue
            exchange.replace(chosen)
            st.rerun()


def draw_sql(exchange: Exchange, answer: Answer, assistant: Assistant | None, *, key: str) -> None:
    """Draw the query, and the way to change it."""
    shown = _shown_sql(answer)
    if not st.session_state.get(f"{key}-is-editing") or assistant is None:
        if shown:
            st.code(shown, language="sql", wrap_lines=True)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            if answer.query is not None:
                st.caption("Only reads: this query cannot change the database.")
            st.button(
                "Edit",
                key=f"{key}-edit",
                icon=":material/edit:",
                type="tertiary",
                on_click=_begin_editing,
                args=(key, shown),
                disabled=assistant is None,
                help="Change the SQL and run it again",
            )
        return
    _draw_editor(exchange, answer, assistant, key=key)


def draw_opinion(exchange: Exchange, answer: Answer, assistant: Assistant | None, *, key: str) -> None:
    """Draw the thumbs, the button that saves the answer as correct, and the way back to the answer before."""
    if assistant is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}-opinion", gap="small"):
        if exchange.verdict is None:
            _draw_thumb(exchange, answer, assistant, "up", key=key)
            _draw_thumb(exchange, answer, assistant, "down", key=key)
        else:
            said = "helpful" if exchange.verdict == "up" else "not right"
            st.caption(f":material/thumb_{exchange.verdict}: You said: {said}. Thank you.")
        if answer.status == "answered" and answer.drafts and not exchange.said_of_pair:
            st.button(
                "Save as correct",
                key=f"{key}-save-pair",
                icon=":material/bookmark_add:",
                type="tertiary",
                on_click=_propose,
                args=(exchange, answer, assistant),
                help="Proposes question and SQL as a pair; a maintainer reviews it before it is used",
            )
        if exchange.earlier:
            clarified = exchange.earlier[-1].status == "clarify"
            st.button(
                "Other readings" if clarified else "Previous answer",
                key=f"{key}-back",
                icon=":material/undo:",
                type="tertiary",
                on_click=exchange.go_back,
            )
    if exchange.said_of_pair:
        st.caption(f":material/bookmark: {literal(exchange.said_of_pair)}")
    if exchange.fault is not None:
        _draw_refusal(exchange.fault.message, exchange.fault.hint, key=f"{key}-opinion")


def keep_thumb(assistant: Assistant, answer: Answer, verdict: Verdict, reason: str, author: str = "") -> None:
    """Keep a thumb in memory.

    Raises:
        DatabaseError: Memory failed.
    """
    from assistant.memory.store import Memory

    schema = assistant.schema()
    draft = answer.drafts[-1] if answer.drafts else None
    with Memory(assistant.settings.memory_url) as memory:
        memory.feedback.add(
            verdict,
            question=answer.question.text,
            db_id=schema.db_id,
            status=answer.status,
            sql=draft.sql if draft else answer.query.sql if answer.query else "",
            history=relevant_history(answer.question, schema),
            schema_fingerprint=schema.fingerprint,
            model=draft.completion.model if draft else "",
            reason=reason,
            author=author,
        )


def propose(assistant: Assistant, answer: Answer, *, is_corrected: bool, author: str = "") -> Pair:
    """Propose question and SQL of an answer for review; nothing uses them before that.

    Raises:
        UsageError: The answer has no SQL.
        DatabaseError: Memory failed.
    """
    from assistant.memory.store import Memory
    from assistant.rerunning import find_sql

    schema = assistant.schema()
    with Memory(assistant.settings.memory_url) as memory:
        return memory.propose_pair(
            answer.question.text,
            find_sql(answer),
            db_id=schema.db_id,
            schema_fingerprint=schema.fingerprint,
            source="correction" if is_corrected else "thumb",
            history=relevant_history(answer.question, schema),
            author=author,
        )


def _draw_thumb(exchange: Exchange, answer: Answer, assistant: Assistant, verdict: Verdict, *, key: str) -> None:
    name = "Good" if verdict == "up" else "Bad"
    with st.popover(name, icon=f":material/thumb_{verdict}:", type="tertiary", key=f"{key}-thumb-{verdict}"):
        st.text("What was good?" if verdict == "up" else "What is wrong?")
        with st.form(f"{key}-form-{verdict}", border=False):
            if verdict == "down":
                st.pills("Reasons", REASONS, selection_mode="multi", key=f"{key}-reasons", label_visibility="collapsed")
            st.text_area(
                "In your words, if you like",
                key=f"{key}-reason-{verdict}",
                max_chars=1000,
                height=90,
                placeholder="In your words, if you like",
                label_visibility="collapsed",
            )
            st.form_submit_button(
                "Send",
                key=f"{key}-send-{verdict}",
                type="primary",
                on_click=_send,
                args=(exchange, answer, assistant, verdict, key),
            )


def _send(exchange: Exchange, answer: Answer, assistant: Assistant, verdict: Verdict, key: str) -> None:
    chosen = st.session_state.get(f"{key}-reasons", ()) if verdict == "down" else ()
    words = str(st.session_state.get(f"{key}-reason-{verdict}") or "").strip()
    exchange.fault = None
    try:
        keep_thumb(assistant, answer, verdict, ". ".join(filter(None, ["; ".join(chosen), words])), _author())
    except QueryForgeError as error:
        exchange.fault = error
    else:
        exchange.verdict = verdict


def _propose(exchange: Exchange, answer: Answer, assistant: Assistant) -> None:
    exchange.fault = None
    try:
        pair = propose(assistant, answer, is_corrected=exchange.is_edited, author=_author())
    except QueryForgeError as error:
        exchange.fault = error
        return
    exchange.said_of_pair = {
        "pending": "Saved, and proposed: a maintainer reviews it before it answers others or trains a model.",
        "approved": "This answer is approved already.",
        "rejected": "A maintainer has rejected this answer before; it stays rejected.",
    }[pair.state]


def _draw_editor(exchange: Exchange, answer: Answer, assistant: Assistant, *, key: str) -> None:
    lines = int(st.session_state.get(f"{key}-lines", 1))
    # A form: what is typed goes with the press of Run, and the page does not move under the pointer before.
    with st.form(f"{key}-sql-form", border=False):
        text = st.text_area(
            "SQL",
            key=f"{key}-sql-text",
            height=min(420, max(120, 40 + 21 * (lines + 1))),
            help="One statement that reads. It is checked like any other and cannot change the database.",
        )
        with st.container(horizontal=True):
            run = st.form_submit_button("Run", key=f"{key}-run", type="primary", icon=":material/play_arrow:")
            st.form_submit_button("Cancel", key=f"{key}-cancel", type="tertiary", on_click=_end_editing, args=(key,))
    if not run:
        return
    try:
        with st.spinner("Running the query"):
            outcome = assistant.run_sql(answer.question, text or "")
    except QueryForgeError as error:
        _draw_refusal(error.message, error.hint, key=f"{key}-run")
        return
    if isinstance(outcome, Rejection):
        _draw_refusal(outcome.message, outcome.hint, key=f"{key}-run")
        return
    exchange.replace(outcome, is_edited=True)
    _end_editing(key)
    st.rerun()


def _begin_editing(key: str, sql: str) -> None:
    st.session_state[f"{key}-is-editing"] = True
    st.session_state[f"{key}-sql-text"] = sql
    st.session_state[f"{key}-lines"] = sql.count("\n") + 1


def _end_editing(key: str) -> None:
    st.session_state[f"{key}-is-editing"] = False


def _shown_sql(answer: Answer) -> str:
    """Return the SQL to show: what was run, as it was written; or the draft that was refused."""
    if answer.drafts:
        return pretty_sql(answer.drafts[-1].sql)
    return pretty_sql(answer.query.sql) if answer.query is not None else ""


def _draw_refusal(message: str, hint: str, *, key: str) -> None:
    with st.container(key=f"error-{key}", gap="xsmall"):
        st.markdown(":material/error: **This did not work**")
        st.text(message)
        if hint:
            st.text(hint)


def _author() -> str:
    from app.session import user_id

    return user_id()
