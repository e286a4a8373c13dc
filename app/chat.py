"""The conversation on the page: questions, the work on them, and answers with everything behind them.

In: the Assistant and the exchanges so far. Out: what is drawn, and an exchange that has its answer or its error. Only
draws; what a question means is the assistant's business.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import streamlit as st

from app.conversation import turns_of
from app.corrections import draw_opinion, draw_readings, draw_sql
from app.display import count_rows
from app.downloads import draw_downloads, file_name
from app.explanations import draw_explanation, draw_step, draw_trace, next_step_name, step_name
from app.literal import literal
from app.results import draw_chart_tab, draw_table, find_signs, has_chart
from app.session import try_memory_again
from assistant.errors import QueryForgeError
from assistant.types import Answer, DatabaseSchema, MatchedValue, Question, Status, StepEvent

if TYPE_CHECKING:
    from assistant.agent import Assistant
    from assistant.memory.records import Verdict

SHOP_QUESTIONS = (
    "How many customers do we have?",
    "Which 5 products brought in the most revenue in 2025?",
    "Customers without an email",
)
"""Offered at the start when the database is the demo shop."""

ICON_OF_STATUS: dict[Status, str] = {
    "answered": ":material/check_circle:",
    "clarify": ":material/help:",
    "unanswerable": ":material/search_off:",
    "refused": ":material/block:",
    "failed": ":material/error:",
}

USER_AVATAR, ASSISTANT_AVATAR = ":material/person:", ":material/database:"


@dataclass
class Exchange:
    """One question of the conversation on the page and what became of it."""

    number: int
    """Counted from 1; part of the keys of its widgets."""
    text: str
    """The question as it was typed."""
    steps: list[StepEvent] = field(default_factory=list)
    """What was reported while it was worked on, without the SQL in the making."""
    is_started: bool = False
    """Whether work has begun; started without an outcome means it was stopped."""
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set to stop the work on it."""
    answer: Answer | None = None
    """The answer, once there is one."""
    error: QueryForgeError | None = None
    """What broke instead."""
    values: tuple[MatchedValue, ...] = ()
    """The words of the question that were found in the data."""
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    """Tells its widgets from those of other conversations."""
    earlier: list[Answer] = field(default_factory=list)
    """Answers that a choice or a correction of the person replaced, oldest first."""
    is_edited: bool = False
    """Whether a person wrote the SQL of the answer."""
    verdict: Verdict | None = None
    """The person's thumb."""
    said_of_pair: str = ""
    """What was said when the person saved the answer as correct."""
    fault: QueryForgeError | None = None
    """Why a thumb or a pair could not be saved."""

    @property
    def is_pending(self) -> bool:
        """Whether it still has to be worked on."""
        return not self.is_started

    def replace(self, answer: Answer, *, is_edited: bool = False) -> None:
        """Take another answer, which a person chose or wrote; the one before can be had back."""
        if self.answer is not None:
            self.earlier.append(self.answer)
        self.answer, self.is_edited = answer, is_edited
        self.verdict, self.said_of_pair, self.fault = None, "", None

    def go_back(self) -> None:
        """Take the answer before."""
        if self.earlier:
            self.answer, self.is_edited = self.earlier.pop(), False
            self.verdict, self.said_of_pair, self.fault = None, "", None


Asker = Callable[[str], None]
"""Puts a question into the conversation; runs before the page is drawn again."""


def draw_exchange(exchange: Exchange, ask: Asker, *, is_last: bool, assistant: Assistant | None = None) -> None:
    """Draw a question and its outcome; without an Assistant, there is nothing to correct or to choose."""
    draw_question(exchange)
    with st.chat_message("assistant", avatar=ASSISTANT_AVATAR):
        if exchange.answer is not None:
            draw_answer(exchange, exchange.answer, is_last=is_last, assistant=assistant)
        elif exchange.error is not None:
            draw_error(exchange.error)
            _draw_again(exchange, ask)
        else:
            st.text("Stopped before there was an answer.")
            _draw_again(exchange, ask)


def draw_question(exchange: Exchange) -> None:
    """Draw what the person typed."""
    with st.chat_message("user", avatar=USER_AVATAR):
        st.text(exchange.text)


def work(assistant: Assistant, exchange: Exchange, earlier: Sequence[Exchange]) -> None:
    """Work on a question before the person's eyes; afterwards the exchange has its answer or its error."""
    exchange.is_started = True
    answers = [done.answer for done in earlier if done.answer is not None]
    question = Question(text=exchange.text, history=turns_of(answers))
    with st.chat_message("assistant", avatar=ASSISTANT_AVATAR):
        status = st.status("Reading the question", expanded=True)
        log = status.container(key="work-log", gap="xsmall")
        sql = status.empty()
        # Pressing it runs the page anew; Streamlit breaks off this run at its next step, which closes the stream.
        # Until then this run may wait for the database, which is told by the event.
        st.button("Stop", key="stop", icon=":material/stop_circle:", type="tertiary", on_click=exchange.stopped.set)
        try:
            with closing(assistant.stream(question, stopped=exchange.stopped)) as events:
                for event in events:
                    if isinstance(event, Answer):
                        exchange.answer = event
                        exchange.values = assistant.match_values(exchange.text)
                    elif event.is_partial:
                        status.update(label=step_name(event.step), expanded=True)
                        sql.code(event.detail, language="sql", wrap_lines=True)
                    else:
                        exchange.steps.append(event)
                        status.update(label=next_step_name(event.step), expanded=True)
                        with log:
                            draw_step(event)
        except QueryForgeError as error:
            exchange.error = error


def draw_error(error: QueryForgeError) -> None:
    """Draw what failed and what to do about it, as text that can be copied."""
    with st.container(key=f"error-{id(error)}", gap="xsmall"):
        st.markdown(":material/error: **This did not work**")
        st.text(error.message)
        if error.hint:
            st.text(error.hint)


def draw_broken(error: QueryForgeError) -> None:
    """Draw why there is no page at the moment, and the way to look again."""
    draw_error(error)
    st.button("Try again", key="try-again", icon=":material/refresh:", on_click=try_memory_again)


def draw_answer(
    exchange: Exchange, answer: Answer, *, is_last: bool = True, assistant: Assistant | None = None
) -> None:
    """Draw an answer: the words first, then what is behind them, then what the person says to it."""
    # An answer that replaces another gets widgets of its own: what was typed for the one before is not for it.
    key = f"exchange-{exchange.number}-{exchange.token}-{len(exchange.earlier)}"
    if answer.status != "answered" and not answer.alternatives:  # with readings, the words say it
        st.markdown(f"{ICON_OF_STATUS[answer.status]} **{_headline(answer.status)}**")
    with st.container(key=f"{key}-words"):
        st.text(answer.text)
    if exchange.is_edited:
        st.caption(":material/edit: From the query as you changed it")
    for notice in answer.notices:
        st.warning(literal(notice), icon=":material/warning:")
    draw_readings(exchange, answer, assistant, key=key, is_open=is_last)
    if answer.result is not None:
        _draw_tabs(exchange, answer, assistant, key)
    elif exchange.steps or answer.drafts:
        with st.expander("How I got there", icon=":material/account_tree:"):
            draw_trace(answer, exchange.steps, exchange.values, key=key)
        if answer.status == "failed" and answer.drafts and assistant is not None:
            with st.expander("Write the query yourself", icon=":material/edit:"):
                draw_sql(exchange, answer, assistant, key=key)
    draw_opinion(exchange, answer, assistant, key=key)


def _draw_tabs(exchange: Exchange, answer: Answer, assistant: Assistant | None, key: str) -> None:
    result = answer.result
    assert result is not None
    chart = ["Chart"] if has_chart(result, answer.chart) else []
    names = ["Table", *chart, "SQL", "Explanation", "How I got there"]
    tabs = dict(zip(names, st.tabs(names, key=f"{key}-tabs"), strict=True))
    with tabs["Table"]:
        draw_table(result, key=key, signs=find_signs(answer, _schema_of(assistant)))
        if result.rows:
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                words = count_rows(result)
                st.caption(words[0].upper() + words[1:])
                draw_downloads(answer, assistant, key=key)
    if chart:
        with tabs["Chart"]:
            draw_chart_tab(result, answer.chart, key=key, name=file_name(answer.question.text))
    with tabs["SQL"]:
        draw_sql(exchange, answer, assistant, key=key)
    with tabs["Explanation"]:
        draw_explanation(answer)
    with tabs["How I got there"]:
        # The steps that were reported are those of the first answer.
        draw_trace(answer, () if exchange.earlier else exchange.steps, exchange.values, key=key)


def _schema_of(assistant: Assistant | None) -> DatabaseSchema | None:
    try:
        return None if assistant is None else assistant.schema()
    except QueryForgeError:
        return None


def _draw_again(exchange: Exchange, ask: Asker) -> None:
    st.button(
        "Ask again", key=f"again-{exchange.number}", on_click=ask, args=(exchange.text,), icon=":material/refresh:"
    )


def _headline(status: Status) -> str:
    match status:
        case "answered":
            return "Answer"
        case "clarify":
            return "This can be read in more than one way"
        case "unanswerable":
            return "The database does not hold this"
        case "refused":
            return "Not done: QueryForge only reads"
        case "failed":
            return "No answer found"
        case _ as never:
            assert_never(never)
