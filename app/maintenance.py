"""The parts of the page Maintain.

In: the session, the model that serves and what memory has. Out: what is drawn. No pair is approved whose SQL was not
guarded and run on the database in this very press of the button.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.audit import write_csv
from app.chat import draw_broken, draw_error
from app.display import pretty_sql
from app.gaps import NO_TABLE, find_gaps
from app.literal import literal
from app.session import may, open_session
from app.sidebar import draw_sidebar
from app.upkeep import (
    can_retrain,
    find_changes,
    list_reports,
    read_course,
    roll_back,
    start_retraining,
    stop_retraining,
)
from assistant.errors import QueryForgeError, UsageError
from assistant.memory.audit import AuditAction, AuditFilter, AuditOutcome
from assistant.served import ServedModels
from assistant.types import Question, Rejection

if TYPE_CHECKING:
    from app.session import Session
    from assistant.agent import Assistant
    from assistant.memory.records import Pair
    from assistant.memory.store import Memory
    from assistant.served import ServedModel
    from assistant.types import DatabaseSchema

SECTIONS = ("Model", "Gaps", "Review", "Reports", "Audit log")
REVIEWER_SECTIONS = ("Review", "Gaps")
POLL_S = 2.0
SHOWN_PAIRS = 20
SHOWN_FEEDBACK = 500
SHOWN_ENTRIES = 200
ACTIONS: dict[AuditAction, str] = {
    "ask": "Question", "choose": "Reading chosen", "run": "SQL run as it stands", "export": "Rows taken away",
}  # fmt: skip
PERIODS = {"Any time": None, "Last 24 hours": 1, "Last 7 days": 7, "Last 30 days": 30}
LOCAL_USER = "local user"
OUTCOMES: tuple[AuditOutcome, ...] = ("answered", "clarify", "unanswerable", "refused", "failed", "rejected", "error",
                                      "stopped")  # fmt: skip
SAID = "said-by-maintenance"
ENDS = {
    "done": ("success", "The last retraining is done: its model serves.", ":material/check_circle:"),
    "refused": ("warning", "The last retraining did not change what serves; why stands below.", ":material/block:"),
    "stopped": ("info", "The last retraining was stopped; the next goes on from there.", ":material/pause:"),
    "failed": ("error", "The last retraining failed; why stands below.", ":material/error:"),
}  # fmt: skip


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
            _draw_review(_memory(session), session, assistant, schema)
        elif section == "Reports":
            _draw_reports()
        elif section == "Audit log":
            _draw_audit(_memory(session), session)
        else:
            _draw_model(session, assistant, schema)
    except QueryForgeError as error:
        draw_error(error)
    draw_sidebar(session, assistant)


def _memory(session: Session) -> Memory:
    if session.memory is None:
        raise UsageError(session.fault or "Memory cannot be opened.", "What people said is kept there.")
    return session.memory


def _draw_model(session: Session, assistant: Assistant, schema: DatabaseSchema) -> None:
    if said := st.session_state.pop(SAID, ""):
        st.success(literal(said), icon=":material/check_circle:")
    served = ServedModels(session.settings.models_path)
    serving = served.current(schema.db_id, schema.dialect)
    for warning in serving.warnings:
        st.warning(literal(warning), icon=":material/warning:")
    _draw_served(assistant, serving.model)
    changes = find_changes(schema, serving.model)
    st.subheader("Schema", anchor=False)
    if changes is None:
        st.text("Which schema the model was trained on is not known: it was made for another database, or for any.")
    elif not changes:
        st.markdown(":material/check_circle: The model was trained on the schema as it is now.")
    else:
        st.markdown(f":material/difference: **{len(changes)} changes** since the model was trained")
        st.code("\n".join(changes), language=None, wrap_lines=True)
    st.subheader("Retrain", anchor=False)
    _draw_retraining(session, schema)
    history = served.history(schema.db_id, schema.dialect)
    if history:
        st.subheader("Models", anchor=False)
        _draw_history(history)
        with st.popover("Roll back", icon=":material/history:"):
            before = f"'{history[1].file}'" if len(history) > 1 else "the model that ships, or none"
            st.text(f"Let {before} serve '{schema.db_id}' again?")
            st.button("Yes, roll back", type="primary", key="roll-back", on_click=_roll_back, args=(session,))


def _draw_served(assistant: Assistant, model: ServedModel | None) -> None:
    info = assistant.model_info()
    accuracy = model.accuracy if model is not None else None
    with st.container(horizontal=True, gap="large", key="figures"):
        st.metric("Size", f"{info.size_bytes / 1e6:,.0f} MB" if info.size_bytes else "–", width="content")
        st.metric("Accuracy at the gate", f"{accuracy.rate:.1%}" if accuracy else "–", width="content")
        since = datetime.fromisoformat(model.installed_at) if model is not None else None
        st.metric("Serves since", f"{since:%Y-%m-%d %H:%M}" if since else "–", width="content")
    st.text(f"{info.name}\n{assistant.backend_reason}")
    if accuracy:
        st.caption(f"95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}, on {accuracy.n:,} questions")
    elif model is None:
        st.caption("No model was registered for this database on this machine; what ships, or a server, answers.")


def _draw_history(history: Sequence[ServedModel]) -> None:
    rows = [
        {
            "model": model.file,
            "installed": model.installed_at.replace("T", " ")[:16],
            "accuracy": f"{model.accuracy.rate:.1%}" if model.accuracy else "",
            "MB": round(model.size_bytes / 1e6, 1),
            "serves": "now" if place == 0 else "",
        }
        for place, model in enumerate(history)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height="content", key="history")


def _roll_back(session: Session) -> None:
    try:
        st.session_state[SAID] = roll_back(session.settings)
    except QueryForgeError as error:
        st.toast(literal(error.message), icon=":material/warning:")


def _draw_retraining(session: Session, schema: DatabaseSchema) -> None:
    course = read_course(session.settings, schema)
    if course.state == "running":
        _follow(session, schema)
        return
    if course.state in ENDS:
        kind, words, icon = ENDS[course.state]
        {"success": st.success, "warning": st.warning, "info": st.info, "error": st.error}[kind](words, icon=icon)
        with st.expander("What it said", expanded=course.state in ("failed", "refused")):
            st.code("\n".join(course.lines) or "Nothing.", language=None, wrap_lines=True)
    if not can_retrain():
        st.text("Training needs more packages. In a terminal: pip install 'queryforge[train]'")
        return
    st.text(
        "Makes examples from the schema and the approved pairs, trains, and judges. The new model serves only if it "
        "passes the gate; the one before answers meanwhile."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        minutes = st.number_input(
            "Minutes of training", 0.1, 1440.0, 20.0, step=5.0, format="%g", key="minutes", width=180
        )
        st.button("Retrain", type="primary", icon=":material/model_training:", on_click=_start,
                  args=(session, schema, float(minutes)))  # fmt: skip


@st.fragment(run_every=POLL_S)
def _follow(session: Session, schema: DatabaseSchema) -> None:
    """Draw what the running retraining says, every few seconds, until it has ended."""
    course = read_course(session.settings, schema)
    if course.state != "running" or course.launch is None:
        st.rerun()
    with st.status("Retraining", expanded=True):
        started = datetime.fromisoformat(course.launch.started_at)
        st.caption(
            f"Since {started:%H:%M} UTC, {course.launch.minutes:g} minutes of training. This page may be closed."
        )
        st.code("\n".join(course.lines) or "Starting", language=None, wrap_lines=True)
    st.button("Stop", icon=":material/stop_circle:", key="stop-retraining", on_click=stop_retraining,
              args=(session.settings, schema))  # fmt: skip


def _start(session: Session, schema: DatabaseSchema, minutes: float) -> None:
    try:
        start_retraining(session.settings, schema, minutes=minutes)
    except QueryForgeError as error:
        st.toast(literal(f"{error.message} {error.hint}"), icon=":material/warning:")


def _draw_gaps(memory: Memory, schema: DatabaseSchema) -> None:
    turns = memory.conversations.list_gaps(schema.db_id)
    thumbs = memory.list_feedback(schema.db_id, limit=SHOWN_FEEDBACK)
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


def _draw_review(memory: Memory, session: Session, assistant: Assistant, schema: DatabaseSchema) -> None:
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


def _draw_reports() -> None:
    reports = list_reports()
    if not reports:
        st.text("There is no report yet. Make one: queryforge eval, then queryforge report.")
    for place, report in enumerate(reports):
        with st.container(border=True, key=f"report-{place}"):
            st.markdown(f"**{literal(report.name)}**")
            accuracy = f" · execution accuracy {report.accuracy}" if report.accuracy else ""
            st.caption(f"{report.written_at:%Y-%m-%d %H:%M} UTC{accuracy}")
            st.download_button(
                "Download the page", data=report.html.read_bytes, file_name=f"report-{report.html.parent.name}.html",
                mime="text/html", key=f"report-{place}-download", icon=":material/download:", on_click="ignore",
            )  # fmt: skip


def _draw_audit(memory: Memory, session: Session) -> None:
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
    st.dataframe(frame, hide_index=True, width="stretch", key="audit")
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
