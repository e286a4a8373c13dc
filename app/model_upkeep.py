"""The model on the page Maintain: which one serves, whether the schema has changed, a retraining, and the way back.

In: the session, the Assistant and the schema. Out: what is drawn, a retraining that is started or stopped, and a
rollback. The work is done by commands of their own, which the page may be closed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.chat import draw_error
from app.literal import literal
from app.retraining import (
    Course,
    Wishes,
    can_retrain,
    default_wishes,
    read_course,
    start_retraining,
    stop_retraining,
)
from app.session import tell_failure
from app.upkeep import find_changes, roll_back
from assistant.errors import QueryForgeError
from assistant.served import ServedModels

if TYPE_CHECKING:
    from app.session import Session
    from assistant.agent import Assistant
    from assistant.served import ServedModel
    from assistant.types import DatabaseSchema

POLL_S = 2.0
SAID = "said-by-maintenance"
ENDS = {
    "done": ("success", "The last retraining passed the gate, and its model was installed.", ":material/check_circle:"),
    "refused": ("warning", "The gate refused the new model. What served before goes on serving.", ":material/block:"),
    "stopped": ("info", "The last retraining was stopped; the next goes on from there.", ":material/pause:"),
    "failed": ("error", "The last retraining failed; why stands below. Nothing has changed.", ":material/error:"),
}  # fmt: skip
GATE = {
    "min_accuracy": ("Least right answers, %", "Of the examples to judge by that can be answered"),
    "min_declined": ("Least declined, %", "Of what the data cannot answer, or nobody may do"),
    "max_wrongly_declined": ("Most wrongly declined, %", "Of what can be answered"),
    "max_failed": ("Most without an answer, %", "Of all: no query that runs was found"),
}
"""Demand of the gate -> its label and what it counts."""


def draw_model(session: Session, assistant: Assistant, schema: DatabaseSchema) -> None:
    """Draw the model that serves, what has changed since it was made, and the way to another."""
    if said := st.session_state.pop(SAID, ""):
        st.success(literal(said), icon=":material/check_circle:")
    served = ServedModels(session.settings.models_path)
    serving = served.current(schema.db_id, schema.dialect)
    for warning in serving.warnings:
        st.warning(literal(warning), icon=":material/warning:")
    _draw_served(session, assistant, serving.model)
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
        _draw_way_back(session, schema, history)


def _draw_served(session: Session, assistant: Assistant, model: ServedModel | None) -> None:
    info = assistant.model_info()
    name, size, reason = info.name, info.size_bytes, assistant.backend_reason
    if model is not None and info.path is not None and info.path.name != model.file:
        if session.settings.model_path is None:
            # It was registered since the last question, and is loaded by the next.
            name, size, reason = model.file, model.size_bytes, "Registered; it answers from the next question on."
        else:
            model = None
    accuracy = model.accuracy if model is not None else None
    with st.container(horizontal=True, gap="large", key="figures"):
        st.metric("Size", _say_size(size) if size else "–", width="content")
        st.metric("Accuracy at the gate", f"{accuracy.rate:.1%}" if accuracy else "–", width="content")
        since = datetime.fromisoformat(model.installed_at) if model is not None else None
        st.metric("Serves since", f"{since:%Y-%m-%d %H:%M}" if since else "–", width="content")
    st.text(f"{name}\n{reason}")
    if accuracy:
        st.caption(f"95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}, on {accuracy.n:,} questions")
    elif model is None:
        st.caption("This model was not made by a retraining here, so its accuracy is not known to this page.")


def _say_size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB" if size_bytes >= 10e6 else f"{size_bytes / 1e6:,.1f} MB"


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


def _draw_way_back(session: Session, schema: DatabaseSchema, history: Sequence[ServedModel]) -> None:
    with st.popover("Roll back", icon=":material/history:", key="way-back"):
        before = f"'{history[1].file}'" if len(history) > 1 else "the model that ships, or none"
        st.text(f"Let {before} serve '{schema.db_id}' again?")
        if not st.button("Yes, roll back", type="primary", key="roll-back"):
            return
        try:
            with st.spinner("Rolling back"):
                st.session_state[SAID] = roll_back(session.settings)
        except QueryForgeError as error:
            draw_error(error)
            return
    st.rerun()


def _draw_retraining(session: Session, schema: DatabaseSchema) -> None:
    course = read_course(session.settings, schema)
    if course.is_running:
        _follow(session, schema)
        return
    if course.state in ENDS:
        _draw_end(course)
    if not can_retrain():
        st.text("Training needs more packages. In a terminal: pip install 'queryforge[train]'")
        return
    st.text(
        "Makes examples from the schema and the approved pairs, trains, and judges. The new model serves only if it "
        "passes the gate; the one before answers meanwhile."
    )
    usual = course.launch.wishes if course.launch else default_wishes()
    with st.container(horizontal=True, vertical_alignment="bottom", key="retrain-row"):
        minutes = st.number_input(
            "Minutes of training", 0.1, 1440.0, usual.minutes, step=5.0, format="%g", key="minutes", width=180
        )
        options = st.popover("Options", icon=":material/tune:", key="retrain-options")
        with options:
            wishes = _choose(usual.model_copy(update={"minutes": float(minutes)}))
        st.button("Retrain", type="primary", icon=":material/model_training:", key="retrain", on_click=_start,
                  args=(session, schema, wishes))  # fmt: skip


def _choose(usual: Wishes) -> Wishes:
    """Draw what is seldom changed."""
    count = st.number_input("Examples to make", 1, 1_000_000, usual.count, step=10_000, key="retrain-count",
                            help="More of them teach more, in more minutes")  # fmt: skip
    judged = st.number_input("Examples to judge by", 1, 5_000, usual.judge_examples, step=50, key="retrain-judged",
                             help="Set aside and not learned from; the gate wants at least 30")  # fmt: skip
    st.caption("What the gate demands before a new model serves")
    demands = {
        name: st.number_input(label, 0, 100, round(getattr(usual, name) * 100), step=5, key=f"gate-{name}", help=help)
        / 100
        for name, (label, help) in GATE.items()
    }
    return usual.model_copy(update={"count": int(count), "judge_examples": int(judged), **demands})


def _draw_end(course: Course) -> None:
    kind, words, icon = ENDS[course.state]
    ended = f" ({course.ended_at:%Y-%m-%d %H:%M} UTC)" if course.ended_at else ""
    draw = {"success": st.success, "warning": st.warning, "info": st.info, "error": st.error}[kind]
    draw(f"{words}{ended}", icon=icon)
    if course.refusals:
        st.text("\n".join(f"• {why[0].upper()}{why[1:]}" for why in course.refusals))
        st.caption("Train for more minutes or on more examples; or demand less, under Options.")
    with st.expander("What it said", expanded=course.state == "failed"):
        st.code("\n".join(course.lines) or "Nothing.", language=None, wrap_lines=True)


@st.fragment(run_every=POLL_S)
def _follow(session: Session, schema: DatabaseSchema) -> None:
    """Draw what the running retraining says, every few seconds, until it has ended."""
    course = read_course(session.settings, schema)
    if not course.is_running or course.launch is None:
        st.rerun()
    is_stopping = course.state == "stopping"
    with st.container(border=True, key="retraining", gap="small"):
        step = course.step
        done = 0.0 if step is None else (step.number - 1) / step.of
        left = f" · {step.left}" if step is not None and step.left else ""
        words = "Starting" if step is None else f"Step {step.number} of {step.of}: {step.title}{left}"
        st.progress(done, literal("Stopping; what is done is kept" if is_stopping else words))
        started = datetime.fromisoformat(course.launch.started_at)
        st.caption(
            f"Retraining since {started:%H:%M} UTC, with {course.launch.wishes.minutes:g} minutes of training. "
            "This page may be closed."
        )
        with st.expander("What it says"):
            st.code("\n".join(course.lines) or "Nothing yet", language=None, wrap_lines=True)
        st.button("Stop", icon=":material/stop_circle:", key="stop-retraining", disabled=is_stopping,
                  on_click=stop_retraining, args=(session.settings, schema))  # fmt: skip


def _start(session: Session, schema: DatabaseSchema, wishes: Wishes) -> None:
    try:
        start_retraining(session.settings, schema, wishes)
    except QueryForgeError as error:
        tell_failure(error)
