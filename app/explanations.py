"""How an answer came about: tables, values, drafts, refusals, how sure it is, time and tokens of each step.

In: an Answer, and what was reported while it was worked on, if that is still known. Out: what is drawn. A conversation
that was taken up again has its answers and not their reports; then the steps come from the Answer alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.display import pretty_sql
from app.literal import literal
from assistant.confidence import describe_confidence
from assistant.types import Answer, Completion, MatchedValue, Rejection, StepEvent

STEP_NAMES = {
    "link_schema": "Choosing tables",
    "recall_pair": "Looking at approved answers",
    "check_scope": "Checking what is asked",
    "generate_sql": "Writing SQL",
    "guard_sql": "Checking that it only reads",
    "execute_sql": "Running the query",
    "compare_drafts": "Comparing several drafts",
    "write_answer": "Writing the answer",
}
"""What a person calls the steps, in their order."""

_TABLES = "Tables: "
_SAID_ELSEWHERE = ("link_schema", "generate_sql", "write_answer")
"""Steps whose SQL or words are shown in another place."""
_STEP_OF_STAGE = {"guard": "guard_sql", "database": "execute_sql"}


def step_name(step: str) -> str:
    """Return what a person calls a step."""
    return STEP_NAMES.get(step, step.replace("_", " ").capitalize())


def next_step_name(step: str) -> str:
    """Return what a person calls the step after this one."""
    names = [name for name in STEP_NAMES if name != "recall_pair"]
    after = names.index(step) + 1 if step in names else len(names)
    return STEP_NAMES[names[after]] if after < len(names) else "Done"


def describe_tokens(completions: Sequence[Completion]) -> str:
    """Say how many tokens were read and written; empty when no model was asked."""
    read = sum(completion.prompt_tokens for completion in completions)
    written = sum(completion.completion_tokens for completion in completions)
    return f"{read:,} tokens read, {written:,} written" if read or written else ""


def describe_time(elapsed_ms: float) -> str:
    """Say how long something took: `320 ms`, `1.4 s`."""
    return f"{elapsed_ms:,.0f} ms" if elapsed_ms < 1000 else f"{elapsed_ms / 1000:,.1f} s"


def draw_step(event: StepEvent) -> None:
    """Draw a finished step while it is worked on; what its SQL or its words are is shown elsewhere."""
    detail = "" if event.step in ("generate_sql", "write_answer") else event.detail
    _draw_line(event.step, detail, describe_time(event.elapsed_ms))


def draw_explanation(answer: Answer) -> None:
    """Draw what the query does, in words."""
    st.text(answer.explanation or "There is no explanation for this query.")


def draw_trace(answer: Answer, events: Sequence[StepEvent], values: Sequence[MatchedValue], *, key: str) -> None:
    """Draw the way to the answer."""
    with st.container(key=f"{key}-trace", gap="small"):
        _draw_facts(answer, events, values)
        _draw_steps(answer, events)
        st.caption(literal(describe_work(answer)))


def describe_work(answer: Answer) -> str:
    """Say which model answered, and how long it took in all."""
    total_ms = sum(timing.elapsed_ms for timing in answer.timings)
    model = answer.drafts[-1].completion.model if answer.drafts else ""
    tokens = describe_tokens([draft.completion for draft in (*answer.drafts, *answer.candidates)])
    return " · ".join(filter(None, [model, tokens, f"{describe_time(total_ms)} in all"]))


def _draw_facts(answer: Answer, events: Sequence[StepEvent], values: Sequence[MatchedValue]) -> None:
    linked = next((event.detail for event in events if event.step == "link_schema"), "").removeprefix(_TABLES)
    read = ", ".join(answer.query.tables) if answer.query is not None else ""
    facts = [("Tables looked at", linked), ("Tables read", read)]
    facts.append(("Values found", "\n".join(map(_describe_value, values))))
    if sure := describe_confidence(answer):
        facts.append(("How sure", f"{sure} ({answer.confidence:.0%})" if answer.is_calibrated else sure))
    if answer.agreement is not None:
        facts.append(("Drafts that agree", f"{answer.agreement:.0%}"))
    for title, text in facts:
        if text:
            st.markdown(f":gray[:small[{literal(title)}]]  \n{_lines(text)}")


def _lines(text: str) -> str:
    return "  \n".join(map(literal, text.splitlines()))


def _describe_value(value: MatchedValue) -> str:
    """Say what was found for words of the question: `“germany” is Germany in address.country`."""
    stored = f"{value.value} in {value.table}.{value.column}"
    return f"“{value.mention}” is {stored}"


def _draw_steps(answer: Answer, events: Sequence[StepEvent]) -> None:
    steps = [(event.step, event.elapsed_ms, event.detail) for event in events] or [
        (timing.step, timing.elapsed_ms, "") for timing in answer.timings
    ]
    drafts, rejections = list(answer.drafts), list(answer.rejections)
    for step, elapsed_ms, detail in steps:
        if step == "generate_sql" and drafts:
            draft = drafts.pop(0)
            _draw_line(step, "", describe_time(elapsed_ms), describe_tokens([draft.completion]))
            st.code(pretty_sql(draft.sql), language="sql", wrap_lines=True)
            continue
        tokens = describe_tokens([other.completion for other in answer.candidates]) if step == "compare_drafts" else ""
        said = "" if step in _SAID_ELSEWHERE else detail
        rejection = None
        if rejections and step == _STEP_OF_STAGE[rejections[0].stage]:
            is_its = detail == rejections[0].message if detail else _is_last_try(step, steps, elapsed_ms)
            rejection = rejections.pop(0) if is_its else None
        _draw_line(step, "" if rejection else said, describe_time(elapsed_ms), tokens)
        if rejection:
            _draw_rejection(rejection)
        if step == "compare_drafts" and drafts:  # another one was chosen
            st.code(pretty_sql(drafts.pop(0).sql), language="sql", wrap_lines=True)
    for draft in drafts:  # of a person: nothing wrote it
        st.code(pretty_sql(draft.sql), language="sql", wrap_lines=True)
    for rejection in rejections:
        _draw_rejection(rejection)


def _is_last_try(step: str, steps: Sequence[tuple[str, float, str]], elapsed_ms: float) -> bool:
    """Tell, without reports, whether a step ended a try: a draft was written after it, or the answer at once."""
    at = next(place for place, known in enumerate(steps) if known[:2] == (step, elapsed_ms))
    after = steps[at + 1][0] if at + 1 < len(steps) else "write_answer"
    return after == "generate_sql" or (step == "guard_sql" and after == "write_answer")


def _draw_rejection(rejection: Rejection) -> None:
    st.text(f"Sent back by the {rejection.stage}, rule {rejection.rule}: {rejection.message} {rejection.hint}".strip())


def _draw_line(step: str, detail: str, *notes: str) -> None:
    """Draw a step: its name, what it took, and what came of it."""
    said = " · ".join(filter(None, notes))
    text = f"**{literal(step_name(step))}** :gray[:small[{literal(said)}]]"
    st.markdown(f"{text}  \n{literal(detail)}" if detail else text)
