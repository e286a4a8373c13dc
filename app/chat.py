"""The conversation on the page: questions, the work on them, and answers with everything behind them.

In: the Assistant and the exchanges so far. Out: what is drawn, and an exchange that has its answer or its error. Only
draws; what a question means is the assistant's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import streamlit as st

from app.conversation import turns_of
from app.display import pretty_sql
from app.literal import literal
from app.results import draw_chart, draw_table
from assistant.confidence import describe_confidence
from assistant.errors import QueryForgeError
from assistant.types import Answer, DatabaseSchema, Question, Status, StepEvent

if TYPE_CHECKING:
    from assistant.agent import Assistant

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

STEP_NAMES = {
    "link_schema": "Choosing tables",
    "check_scope": "Checking what is asked",
    "generate_sql": "Writing SQL",
    "guard_sql": "Checking that it only reads",
    "execute_sql": "Running the query",
    "compare_drafts": "Comparing several drafts",
    "write_answer": "Writing the answer",
}
"""What a person calls the steps, in their order."""

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
    answer: Answer | None = None
    """The answer, once there is one."""
    error: QueryForgeError | None = None
    """What broke instead."""

    @property
    def is_pending(self) -> bool:
        """Whether it still has to be worked on."""
        return not self.is_started


Asker = Callable[[str], None]
"""Puts a question into the conversation; runs before the page is drawn again."""


def example_questions(schema: DatabaseSchema) -> tuple[str, ...]:
    """Return questions to start with: those of the demo shop, or counts of the first tables."""
    if schema.db_id == "shop":
        return SHOP_QUESTIONS
    return tuple(f"How many rows does {table.name} have?" for table in schema.tables[:3])


def draw_start(schema: DatabaseSchema, ask: Asker) -> None:
    """Draw the empty conversation: what this is, and three questions to begin with."""
    st.title("Ask your database", anchor=False)
    st.text("Type a question in plain words. You get the answer, the rows behind it and the SQL that found them.")
    st.caption("For example")
    for position, question in enumerate(example_questions(schema)):
        st.button(
            literal(question),
            key=f"example-{position}",
            on_click=ask,
            args=(question,),
            icon=":material/arrow_outward:",
        )


def draw_exchange(exchange: Exchange, ask: Asker, *, is_last: bool) -> None:
    """Draw a question and its outcome."""
    draw_question(exchange)
    with st.chat_message("assistant", avatar=ASSISTANT_AVATAR):
        if exchange.answer is not None:
            draw_answer(exchange, exchange.answer, ask, is_last=is_last)
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
        st.button("Stop", key="stop", icon=":material/stop_circle:", type="tertiary")
        try:
            with closing(assistant.stream(question)) as events:
                for event in events:
                    if isinstance(event, Answer):
                        exchange.answer = event
                    elif event.is_partial:
                        status.update(label=_step_name(event.step), expanded=True)
                        sql.code(event.detail, language="sql", wrap_lines=True)
                    else:
                        exchange.steps.append(event)
                        status.update(label=_next_step_name(event.step), expanded=True)
                        with log:
                            _draw_step(event)
        except QueryForgeError as error:
            exchange.error = error


def draw_error(error: QueryForgeError) -> None:
    """Draw what failed and what to do about it, as text that can be copied."""
    with st.container(key=f"error-{id(error)}", gap="xsmall"):
        st.markdown(":material/error: **This did not work**")
        st.text(error.message)
        if error.hint:
            st.text(error.hint)


def draw_answer(exchange: Exchange, answer: Answer, ask: Asker, *, is_last: bool) -> None:
    """Draw an answer: the words first, then what is behind them."""
    key = f"exchange-{exchange.number}"
    if answer.status != "answered":
        st.markdown(f"{ICON_OF_STATUS[answer.status]} **{_headline(answer.status)}**")
    with st.container(key=f"{key}-words"):
        st.text(answer.text)
    for notice in answer.notices:
        st.warning(literal(notice), icon=":material/warning:")
    for position, reading in enumerate(answer.alternatives):
        st.button(
            literal(reading.text),
            key=f"{key}-reading-{position}",
            on_click=ask,
            args=(reading.text,),
            disabled=not is_last,
        )
    if answer.result is None:
        if exchange.steps or answer.drafts:
            with st.expander("How I got there", icon=":material/account_tree:"):
                _draw_trace(exchange, answer)
        return
    names = ["Table", *(["Chart"] if answer.chart else []), "SQL", "Explanation", "How I got there"]
    tabs = dict(zip(names, st.tabs(names, key=f"{key}-tabs"), strict=True))
    with tabs["Table"]:
        draw_table(answer.result, key=key)
    if answer.chart:
        with tabs["Chart"]:
            draw_chart(answer.result, answer.chart, key=key)
    with tabs["SQL"]:
        if answer.query is not None:
            st.code(pretty_sql(answer.query.sql), language="sql", wrap_lines=True)
        st.caption("Only reads: this query cannot change the database.")
    with tabs["Explanation"]:
        st.text(answer.explanation or "There is no explanation for this query.")
    with tabs["How I got there"]:
        _draw_trace(exchange, answer)


def _step_name(step: str) -> str:
    return STEP_NAMES.get(step, step.replace("_", " ").capitalize())


def _next_step_name(step: str) -> str:
    names = list(STEP_NAMES)
    after = names.index(step) + 1 if step in names else len(names)
    return STEP_NAMES[names[after]] if after < len(names) else "Done"


def _draw_step(event: StepEvent) -> None:
    """Draw a finished step; what its SQL or its words are is shown elsewhere."""
    st.markdown(f"**{literal(_step_name(event.step))}** :gray[:small[{event.elapsed_ms:,.0f} ms]]")
    if event.step not in ("generate_sql", "write_answer"):
        st.text(event.detail)


def _draw_trace(exchange: Exchange, answer: Answer) -> None:
    """Draw the way to the answer: each step, each draft with what was wrong with it, then the model."""
    drafts, rejections = list(answer.drafts), list(answer.rejections)
    with st.container(key=f"exchange-{exchange.number}-trace", gap="xsmall"):
        for event in exchange.steps:
            _draw_step(event)
            if event.step in ("generate_sql", "compare_drafts") and drafts:
                st.code(pretty_sql(drafts.pop(0).sql), language="sql", wrap_lines=True)
            elif rejections and event.detail == rejections[0].message:
                rejection = rejections.pop(0)
                st.text(f"Sent back by the {rejection.stage}, rule {rejection.rule}. {rejection.hint}".strip())
        if answer.drafts:
            st.caption(literal(_describe_work(answer)))


def _describe_work(answer: Answer) -> str:
    last = answer.drafts[-1].completion
    parts = [last.model, f"{last.prompt_tokens:,} tokens read", f"{last.completion_tokens:,} written"]
    if words := describe_confidence(answer):
        parts.append(f"{words} ({answer.confidence:.0%})" if answer.is_calibrated else words)
    total_s = sum(timing.elapsed_ms for timing in answer.timings) / 1000
    return " · ".join([*parts, f"{total_s:.1f} s in all"])


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
