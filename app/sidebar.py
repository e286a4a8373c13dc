"""The sidebar: what belongs to the page, which database, which model, and what this page does with your data.

In: the session, and the Assistant where there is one. Out: what is drawn. Names come from the database and from people
and are shown literally.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from app.literal import literal
from app.privacy import privacy_note
from app.session import choose_source, forget_widgets, is_login_configured, try_memory_again
from assistant.errors import QueryForgeError
from assistant.types import DatabaseSchema, ModelInfo

if TYPE_CHECKING:
    from app.session import Session
    from assistant.agent import Assistant

DIALECT_NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MySQL"}
BACKEND_NAMES = {
    "llamacpp": "embedded",
    "ollama": "Ollama",
    "huggingface": "unquantised",
    "scripted": "scripted replies",
    "openai": "OpenAI-compatible server",
    "sagemaker": "SageMaker",
}


def draw_sidebar(session: Session, assistant: Assistant | None, draw_own: Callable[[], None] | None = None) -> None:
    """Draw the sidebar; a part that cannot be read says so and leaves the rest of the page alone.

    Args:
        session: Who is there and what they chose.
        assistant: Of the chosen database; None when it cannot be opened.
        draw_own: Draws what belongs to the page, at the top.
    """
    with st.sidebar:
        if draw_own is not None:
            draw_own()
        if session.fault:
            st.warning(literal(f"Nothing is kept: {session.fault}"), icon=":material/warning:")
            st.button("Try again", key="memory-again", icon=":material/refresh:", on_click=try_memory_again)
        _draw_choice(session)
        if assistant is not None:
            _draw_place(session, assistant)
        if is_login_configured():
            st.divider()
            st.caption(literal(session.user))
            st.button("Log out", icon=":material/logout:", type="tertiary", on_click=st.logout)


def switch_database(source_id: str) -> None:
    """Ask another database, in a new conversation; the one before stays in the list."""
    choose_source(source_id)
    st.session_state.pop("talk", None)
    st.query_params.clear()
    forget_widgets()


def _draw_choice(session: Session) -> None:
    """Draw the choice of the database where there is more than one."""
    if not session.sources:
        return
    names = {"": "As configured", **{source.source_id: source.name for source in session.sources}}
    st.session_state["database-choice"] = session.source_id
    st.selectbox(
        "Database to ask",
        list(names),
        format_func=names.__getitem__,
        key="database-choice",
        on_change=lambda: switch_database(st.session_state["database-choice"]),
    )


def _draw_place(session: Session, assistant: Assistant) -> None:
    try:
        _draw_database(assistant.schema())
        info = assistant.model_info()
        _draw_model(info, assistant.backend_reason)
        for warning in assistant.warnings():
            st.warning(literal(warning), icon=":material/warning:")
    except QueryForgeError as error:
        st.error(literal(error.message), icon=":material/error:")
        return
    st.divider()
    st.caption(literal(privacy_note(session.settings, info)))


def _draw_database(schema: DatabaseSchema) -> None:
    with st.container(key="sidebar-database", gap="xsmall"):
        st.caption("DATABASE")
        st.markdown(f"**{literal(schema.db_id)}**")
        tables = f"{len(schema.tables)} table{'' if len(schema.tables) == 1 else 's'}"
        st.caption(f"{DIALECT_NAMES[schema.dialect]}, {tables}")


def _draw_model(info: ModelInfo, reason: str) -> None:
    size = f", {info.size_bytes / 1e6:,.0f} MB" if info.size_bytes else ""
    with st.container(key="sidebar-model", gap="xsmall"):
        st.caption("MODEL")
        st.markdown(f"**{literal(info.name)}**")
        st.caption(literal(f"{BACKEND_NAMES.get(info.backend, info.backend)}{size}"))
        if reason:
            st.caption(literal(reason))
