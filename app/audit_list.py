"""The audit log on the page Maintain: who asked or ran what, narrowed down and taken away.

In: memory and what is chosen. Out: what is drawn, and the log as CSV. Writes no entry: that is `app.audit`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.audit import write_csv
from app.literal import literal
from assistant.memory.audit import AuditAction, AuditFilter, AuditOutcome

if TYPE_CHECKING:
    from app.session import Session
    from assistant.memory.store import Memory

SHOWN_ENTRIES = 200
ACTIONS: dict[AuditAction, str] = {
    "ask": "Question", "choose": "Reading chosen", "run": "SQL run as it stands", "export": "Rows taken away",
}  # fmt: skip
PERIODS = {"Any time": None, "Last 24 hours": 1, "Last 7 days": 7, "Last 30 days": 30}
LOCAL_USER = "local user"
OUTCOMES: tuple[AuditOutcome, ...] = ("answered", "clarify", "unanswerable", "refused", "failed", "rejected", "error",
                                      "stopped")  # fmt: skip


def draw_audit(memory: Memory, session: Session) -> None:
    """Draw the entries, the latest first."""
    keep = session.configured.audit_entries
    st.text("Who asked or ran what, when, on which database. Rows of results are not kept.")
    if not keep:
        st.warning("Nothing is recorded: QUERYFORGE_AUDIT_ENTRIES is 0.", icon=":material/warning:")
    if session.recorder.fault:
        st.warning(
            literal(f"The last entries are not written yet: {session.recorder.fault}"), icon=":material/warning:"
        )
    wanted = _choose_entries(memory)
    entries = memory.audit.list(wanted, limit=SHOWN_ENTRIES)
    count = memory.audit.count(wanted)
    if not entries:
        st.text("No entry fits.")
        return
    frame = pd.DataFrame(
        {
            "when (UTC)": [f"{entry.happened_at:%Y-%m-%d %H:%M:%S}" for entry in entries],
            "who": [entry.author or LOCAL_USER for entry in entries],
            "database": [entry.db_id for entry in entries],
            "what": [ACTIONS[entry.action] for entry in entries],
            "question": [entry.question for entry in entries],
            "outcome": [entry.outcome for entry in entries],
            "rows": pd.array([entry.row_count for entry in entries], dtype="Int64"),
            "SQL": [entry.sql for entry in entries],
            "ms": [round(entry.elapsed_ms) for entry in entries],
        }
    )
    st.dataframe(frame, hide_index=True, width="stretch", key="audit", placeholder="–")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        shown = f"The latest {len(entries):,} of {count:,}" if count > len(entries) else f"All {count:,}"
        st.caption(f"{shown}. At most {keep:,} are kept (QUERYFORGE_AUDIT_ENTRIES).")
        st.download_button(
            "Download as CSV", data=lambda: "".join(write_csv(memory.audit.read_all(wanted))), mime="text/csv",
            file_name=f"audit-{datetime.now(UTC):%Y-%m-%d}.csv", key="audit-download", icon=":material/download:",
            on_click="ignore",
        )  # fmt: skip


def _choose_entries(memory: Memory) -> AuditFilter:
    with st.container(horizontal=True, key="audit-filter"):
        search = st.text_input("Question or SQL", key="audit-search", width=220)
        author = st.selectbox("Who", [None, *memory.audit.list_authors()], key="audit-author", width=180,
                              format_func=lambda name: "Everybody" if name is None else name or LOCAL_USER)  # fmt: skip
        action = st.selectbox("What", [None, *ACTIONS], key="audit-action", width=180,
                              format_func=lambda name: "Everything" if name is None else ACTIONS[name])  # fmt: skip
        outcome = st.selectbox("Outcome", [None, *OUTCOMES], key="audit-outcome", width=150,
                               format_func=lambda name: name or "Any")  # fmt: skip
        period = st.selectbox("When", list(PERIODS), key="audit-period", width=150)
    days = PERIODS[period]
    since = None if days is None else datetime.now(UTC) - timedelta(days=days)
    return AuditFilter(search=search or "", author=author, action=action, outcome=outcome, since=since)
