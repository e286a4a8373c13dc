"""The empty conversation: what this is, three questions that work, and a short tour for who is here the first time.

In: the Assistant and memory. Out: what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.chat import SHOP_QUESTIONS, draw_error
from app.literal import literal
from app.session import Session
from app.suggestions import Suggestion, suggest_questions
from assistant.agent import Assistant
from assistant.errors import QueryForgeError

Asker = Callable[[str, str], None]
"""Puts a question, with SQL that is known to answer it or none, into the conversation."""
TOUR = "tour"
SEEN = "seen"
STEPS = (
    ("Ask", ":material/chat:", "Type a question below, in plain words, and press Enter. Go on with “and in 2024?”."),
    (
        "Check",
        ":material/fact_check:",
        "Every answer shows its rows, a chart you can change, and its SQL. You can mend the SQL and run it again.",
    ),
    (
        "Say what you think",
        ":material/thumb_up:",
        "A thumb, or a corrected query, helps: once approved on the page Maintain, the next training learns it.",
    ),
    (
        "Keep",
        ":material/keep:",
        "Conversations stay in the list on the left. Save a question, and the page Saved shows its newest figures.",
    ),
    (
        "Bring your own",
        ":material/database:",
        "On the page Databases, add a database, or drop a CSV, Excel or Parquet file. Your data are only read.",
    ),
)


def draw_start(session: Session, assistant: Assistant, ask: Asker) -> None:
    """Draw the title, the examples and, until it was seen, the tour."""
    st.title("Ask your database", anchor=False)
    st.text("Type a question in plain words. You get the answer, the rows behind it and the SQL that found them.")
    try:
        examples = _examples(assistant)
    except QueryForgeError as error:
        draw_error(error)
        return
    if examples:
        st.caption("For example")
    for position, found in enumerate(examples):
        st.button(
            literal(found.question),
            key=f"example-{position}",
            on_click=ask,
            args=(found.question, found.sql),
            icon=":material/arrow_outward:",
        )
    if _is_new(session):
        _draw_tour(session)


def _examples(assistant: Assistant) -> tuple[Suggestion, ...]:
    """Choose three questions that work: of the demo shop, its model's; of any other database, made and tried."""
    schema = assistant.schema()
    if schema.db_id == "shop":
        return tuple(Suggestion(question=question, sql="") for question in SHOP_QUESTIONS)
    return cached_suggestions(assistant, schema.fingerprint, 3)


@st.cache_data(show_spinner="Looking for questions to begin with", max_entries=64, ttl=3600)
def cached_suggestions(_assistant: Assistant, fingerprint: str, most: int) -> tuple[Suggestion, ...]:
    """Make questions once an hour; the same schema asks the same."""
    return suggest_questions(_assistant, most=most)


def _is_new(session: Session) -> bool:
    """Tell whether the tour is to be shown; without memory it is not, for it would come back every time."""
    if session.memory is None:
        return False
    if TOUR not in st.session_state:
        try:
            st.session_state[TOUR] = session.memory.setup.chosen(TOUR, author=session.user)
        except QueryForgeError:
            st.session_state[TOUR] = SEEN
    return bool(st.session_state[TOUR] != SEEN)


def _draw_tour(session: Session) -> None:
    step = min(st.session_state.setdefault("tour-step", 0), len(STEPS) - 1)
    name, icon, words = STEPS[step]
    with st.container(border=True, key="tour", gap="small"):
        st.caption(f"A SHORT TOUR, {step + 1} OF {len(STEPS)}")
        st.markdown(f"{icon} **{name}**")
        st.text(words)
        with st.container(horizontal=True, vertical_alignment="center"):
            if step:
                st.button("Back", key="tour-back", on_click=_go, args=(step - 1,))
            if step < len(STEPS) - 1:
                st.button("Next", key="tour-next", type="primary", on_click=_go, args=(step + 1,))
                st.button("Skip the tour", key="tour-skip", type="tertiary", on_click=_end, args=(session,))
            else:
                st.button("Done", key="tour-done", type="primary", on_click=_end, args=(session,))


def _go(step: int) -> None:
    st.session_state["tour-step"] = step


def _end(session: Session) -> None:
    st.session_state[TOUR] = SEEN
    if session.memory is None:
        return
    try:
        session.memory.setup.choose(TOUR, SEEN, author=session.user)
    except QueryForgeError as error:
        st.toast(literal(error.message), icon=":material/warning:")
