"""The sidebar: which database, which model, a new conversation, and what this page does with your data.

In: the Assistant and the settings. Out: what is drawn. Names and comments come from the database and are shown
literally.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from app.literal import literal
from app.privacy import privacy_note
from assistant.errors import QueryForgeError
from assistant.types import DatabaseSchema, ModelInfo, Table

if TYPE_CHECKING:
    from assistant.agent import Assistant
    from assistant.settings import Settings

DIALECT_NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MySQL"}
BACKEND_NAMES = {
    "llamacpp": "embedded",
    "ollama": "Ollama",
    "huggingface": "unquantised",
    "scripted": "scripted replies",
    "openai": "OpenAI-compatible server",
    "sagemaker": "SageMaker",
}


def draw_sidebar(assistant: Assistant, settings: Settings, start_anew: Callable[[], None]) -> None:
    """Draw the sidebar; a part that cannot be read says so and leaves the rest of the page alone."""
    with st.sidebar:
        st.button("New conversation", key="new", on_click=start_anew, icon=":material/add:", width="stretch")
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
        st.caption(literal(privacy_note(settings, info)))


def _draw_database(schema: DatabaseSchema) -> None:
    with st.container(key="sidebar-database", gap="xsmall"):
        st.caption("DATABASE")
        st.markdown(f"**{literal(schema.db_id)}**")
        st.caption(f"{DIALECT_NAMES[schema.dialect]}, {len(schema.tables)} tables")
    with st.container(key="sidebar-tables", gap=None):
        for table in schema.tables:
            with st.expander(literal(table.name), type="compact"):
                _draw_table(table)


def _draw_table(table: Table) -> None:
    if table.comment:
        st.text(table.comment)
    if table.row_estimate is not None:
        st.caption(f"About {table.row_estimate:,} rows")
    refers = {
        column: f"{key.ref_table}.{ref}"
        for key in table.foreign_keys
        for column, ref in zip(key.columns, key.ref_columns, strict=True)
    }
    lines = []
    for column in table.columns:
        notes = [column.sql_type.lower()]
        notes += ["key"] if column.name in table.primary_key else []
        notes += [f"refers to {refers[column.name]}"] if column.name in refers else []
        notes += [column.comment] if column.comment else []
        lines.append(f"{literal(column.name)}  \n:gray[:small[{literal(' · '.join(notes))}]]")
    st.markdown("\n\n".join(lines))


def _draw_model(info: ModelInfo, reason: str) -> None:
    size = f", {info.size_bytes / 1e6:,.0f} MB" if info.size_bytes else ""
    with st.container(key="sidebar-model", gap="xsmall"):
        st.caption("MODEL")
        st.markdown(f"**{literal(info.name)}**")
        st.caption(literal(f"{BACKEND_NAMES.get(info.backend, info.backend)}{size}"))
        if reason:
            st.caption(literal(reason))
