"""The page Maintain: its parts, and of them the gaps and the reports.

In: the session, and what memory has. Out: what is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.audit_list import draw_audit
from app.chat import draw_broken, draw_error
from app.gaps import NO_TABLE, find_gaps
from app.literal import literal
from app.model_upkeep import draw_model
from app.reviewing import draw_review
from app.session import may, open_session
from app.sidebar import draw_sidebar
from app.upkeep import list_reports
from assistant.errors import QueryForgeError, UsageError

if TYPE_CHECKING:
    from app.session import Session
    from assistant.memory.store import Memory
    from assistant.types import DatabaseSchema

SECTIONS = ("Model", "Gaps", "Review", "Reports", "Audit log")
REVIEWER_SECTIONS = ("Review", "Gaps")
SHOWN_FEEDBACK = 500


def draw_maintain_page() -> None:
    """Draw the page, for those who may maintain; those who may approve see what they need for that."""
    with st.container(key="wide"):
        st.title("Maintain", anchor=False)
    session = None
    try:
        session = open_session()
        if not may(session.user, "approve"):
            st.text("This page is for those who look after the model.")
            return
        assistant = session.assistant()
        schema = assistant.schema()
    except QueryForgeError as error:
        draw_broken(error)
        return
    sections = SECTIONS if may(session.user, "maintain") else REVIEWER_SECTIONS
    section = st.segmented_control(
        "Part of the page", sections, default=sections[0], required=True, key="part", label_visibility="collapsed"
    )
    try:
        if section == "Gaps":
            _draw_gaps(_memory(session), schema)
        elif section == "Review":
            draw_review(_memory(session), session, assistant, schema)
        elif section == "Reports":
            _draw_reports()
        elif section == "Audit log":
            draw_audit(_memory(session), session)
        else:
            draw_model(session, assistant, schema)
    except QueryForgeError as error:
        draw_error(error)
    draw_sidebar(session, assistant)


def _memory(session: Session) -> Memory:
    if session.memory is None:
        raise UsageError(session.fault or "Memory cannot be opened.", "What people said is kept there.")
    return session.memory


def _draw_gaps(memory: Memory, schema: DatabaseSchema) -> None:
    turns = memory.conversations.list_gaps(schema.db_id)
    thumbs = memory.feedback.list(schema.db_id, limit=SHOWN_FEEDBACK)
    outcomes = memory.conversations.count_outcomes(schema.db_id)
    up = sum(thumb.verdict == "up" for thumb in thumbs)
    with st.container(horizontal=True, gap="large", key="figures"):
        st.metric("Questions", f"{sum(outcomes.values()):,}", width="content")
        st.metric("Answered", f"{outcomes.get('answered', 0):,}", width="content")
        st.metric("Thumbs up", f"{up:,}", width="content")
        st.metric("Thumbs down", f"{len(thumbs) - up:,}", width="content")
    gaps = find_gaps(turns, thumbs, schema.dialect)
    if not gaps:
        st.text("No gaps: no question was declined, mended or disliked in the conversations that are kept.")
        return
    frame = pd.DataFrame(
        {
            "table": [gap.table or "(no SQL)" for gap in gaps],
            "columns": [", ".join(gap.columns) for gap in gaps],
            "declined": [gap.declined for gap in gaps],
            "mended": [gap.repaired for gap in gaps],
            "thumbs down": [gap.thumbs_down for gap in gaps],
        }
    )
    st.dataframe(frame, hide_index=True, width="stretch", height="content", key="gaps")
    for gap in gaps:
        with st.expander(f"{literal(gap.table) if gap.table != NO_TABLE else 'No SQL'} :gray[{gap.total}]"):
            st.text("\n".join(f"• {question}" for question in gap.questions))
    st.caption(
        "From the questions, SQL and outcomes of the conversations that are kept on this machine or server, and from "
        "thumbs. What people delete is gone from here too."
    )


def _draw_reports() -> None:
    reports = list_reports()
    if not reports:
        st.text("There is no report yet. Every retraining writes one; of your own questions, make one in a terminal:")
        st.code(
            "queryforge eval --examples questions.jsonl --out runs/first\nqueryforge report runs/first", language=None
        )
    for place, report in enumerate(reports):
        with st.container(border=True, key=f"report-{place}"):
            st.markdown(f"**{literal(report.name)}**")
            accuracy = f" · execution accuracy {report.accuracy}" if report.accuracy else ""
            st.caption(f"{report.written_at:%Y-%m-%d %H:%M} UTC{accuracy}")
            st.download_button(
                "Download the page", data=report.html.read_bytes, file_name=f"report-{report.html.parent.name}.html",
                mime="text/html", key=f"report-{place}-download", icon=":material/download:", on_click="ignore",
            )  # fmt: skip
