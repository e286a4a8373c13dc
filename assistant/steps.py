"""The steps from a question to an answer, one function each; `assistant.graph` puts them in order.

In: what is known so far of one question (AgentState), and what every question is answered with (AgentContext). Out:
what the step adds, and a line about it for those who watch. No step decides which one is next, and none knows
LangGraph. None judges a question or a statement either: that is the model's and the guard's part.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, TypedDict

from assistant.backends.base import Backend
from assistant.candidates import DOUBTED, Candidate, find_probability
from assistant.confidence import ConfidenceTable, mix
from assistant.constraint.draft import SqlConstraint
from assistant.conversation import relevant_history
from assistant.database import Database
from assistant.describing import describe_result, label_columns
from assistant.drafting import Drafting, Opinion
from assistant.explain import explain_query
from assistant.fidelity import as_rejection, find_doubts
from assistant.guard import check
from assistant.linking import prepare_context
from assistant.prompts import parse_reply, render_prompt
from assistant.recall import Recalled, run_approved
from assistant.roles import choose_chart
from assistant.scope import check_scope as find_reason_to_decline
from assistant.settings import Settings
from assistant.types import (
    Answer,
    Completion,
    DatabaseSchema,
    GuardedQuery,
    KnownPair,
    MatchedValue,
    Prompt,
    PromptLayout,
    QueryResult,
    Question,
    Rejection,
    Reply,
    SchemaContext,
    SqlDraft,
    Status,
    StepTiming,
)
from assistant.wording import word_answer

CANNOT_ANSWER = "I can't answer that from this database."
READS_ONLY = "I can only read this database; I don't change anything in it."
ASKS_BACK = "That can be read in more than one way."
CHOICE = f"{ASKS_BACK} Which one do you mean?"
CHOSEN_BY = "chosen by a person"
RECALLED = "A person approved this query for this question; no model wrote it."
NOT_RECALLED = "The query that was approved for this question does not work any more, so it was written anew:"
MAY_MISS = "This query may not say what you asked."
NO_QUERY = "I could not write a query for this that the database accepts."


class Cancelled(Exception):
    """Nobody waits for the answer any more; ends a run whose stream is being closed, so it is never seen outside."""


class AgentState(TypedDict, total=False):
    """What is known so far of one question; the caller gives `question`, each step adds its part."""

    question: Question
    context: SchemaContext
    recalled: KnownPair
    notices: Annotated[tuple[str, ...], operator.add]
    prompt: Prompt
    reply: Reply
    query: GuardedQuery | None
    result: QueryResult | None
    doubts: tuple[str, ...]
    has_repeated: bool
    opinion: Opinion
    drafts: Annotated[tuple[SqlDraft, ...], operator.add]
    rejections: Annotated[tuple[Rejection, ...], operator.add]
    timings: Annotated[tuple[StepTiming, ...], operator.add]
    answer: Answer


def _recall_nothing(question: Question, values: tuple[MatchedValue, ...]) -> Recalled:
    return Recalled()


def _show_nobody(text: str) -> None:
    pass


@dataclass(frozen=True)
class AgentContext:
    """What the steps work with; the same for every question, apart from `cancelled` and `show`."""

    backend: Backend
    database: Database
    schema: DatabaseSchema
    match_values: Callable[[str], tuple[MatchedValue, ...]]
    """Find the words of a question that are values in the database."""
    prompt_layout: PromptLayout
    settings: Settings
    recall: Callable[[Question, tuple[MatchedValue, ...]], Recalled] = _recall_nothing
    """Find the SQL that was approved for a question, and similar questions."""
    confidence_table: ConfidenceTable | None = None
    """What was measured of the model's confidence."""
    warnings: tuple[str, ...] = ()
    """Why answers may be wrong, such as a model that was trained for another schema."""
    answer_model: Backend | None = None
    """Puts answers into words; None to leave them as they are."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set it to stop the run at the next token or step."""
    show: Callable[[str], None] = _show_nobody
    """Called with the draft as it grows; each run of the graph puts its own here."""


def stop_if_cancelled(context: AgentContext) -> None:
    """End the run where nobody waits for it any more.

    Raises:
        Cancelled: Nobody does.
    """
    if context.cancelled.is_set():
        raise Cancelled


def link_schema(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Choose the tables and find the values that the question is about."""
    question = state["question"]
    values = context.match_values(f"{question.text}\n{question.evidence}".strip())
    asked = _asked(state, context)
    known = context.recall(asked, values)
    linked = prepare_context(
        asked,
        context.schema,
        values,
        known.similar,
        settings=context.settings,
        layout=context.prompt_layout,
        context_tokens=context.backend.info().context_tokens,
        count_tokens=context.backend.count_tokens,
    )
    update = AgentState(context=linked)
    if known.exact is not None and not question.chosen_sql:
        update["recalled"] = known.exact
    return update, "Tables: " + ", ".join(table.name for table in linked.tables)


def recall_pair(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Run the SQL that a person approved for this question; if that fails, the model writes as for any other."""
    try:
        outcome = run_approved(
            state["recalled"], context.schema, context.database, context.settings, stopped=context.cancelled
        )
    finally:
        stop_if_cancelled(context)  # as in `execute_sql`
    if isinstance(outcome, Rejection):
        return {"notices": (f"{NOT_RECALLED} {outcome.message}",)}, outcome.message
    query, result = outcome
    return {"query": query, "result": result, "notices": (RECALLED,)}, query.sql


def check_scope(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Decline, or ask back, where that can be told without the model; nothing is written or run then."""
    if not context.settings.check_scope:
        return {}, "Not looked at: switched off."
    declined = find_reason_to_decline(state["question"], context.schema, state["context"].values)
    return ({"reply": declined}, declined.text) if declined else ({}, "May be answered.")


def generate_sql(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Let the model write a draft, or decline."""
    drafts, rejections = state.get("drafts", ()), state.get("rejections", ())
    question = state["question"]
    if question.chosen_sql and not drafts:
        return _take_choice(question.chosen_sql), question.chosen_sql
    prompt = _render(state, context, tuple(zip(drafts, rejections, strict=True)))

    def show(text: str) -> None:
        stop_if_cancelled(context)
        context.show(text)

    constraint = SqlConstraint(state["context"]) if context.settings.constrain_names else None
    completion = context.backend.complete(
        prompt, max_tokens=context.settings.max_reply_tokens, on_text=show, constraint=constraint
    )
    reply = parse_reply(completion.text)
    sql = reply.text if reply.kind == "sql" else completion.text.strip()
    draft = SqlDraft(sql=sql, attempt=len(drafts) + 1, completion=completion)
    # Decoding is greedy: a draft that comes a second time would come a third time.
    has_repeated = any(earlier.sql.split() == draft.sql.split() for earlier in drafts)
    return {"prompt": prompt, "reply": reply, "drafts": (draft,), "has_repeated": has_repeated}, sql


def guard_sql(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Let the guard turn the draft into a query, or refuse it; and hold it against the words of the question."""
    draft = state["drafts"][-1]
    checked = check(draft, state["context"], max_rows=context.settings.max_rows)
    if isinstance(checked, Rejection):
        return {"query": None, "rejections": (checked,)}, checked.message
    doubts = () if draft.completion.model == CHOSEN_BY else _doubt(state, context, draft.sql)
    return {"query": checked, "doubts": doubts}, " ".join(("May be run.", *doubts))


def execute_sql(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Run the query; the database may still refuse it."""
    query = state["query"]
    assert query is not None  # the route leads here only with a query
    try:
        outcome = context.database.run(query, timeout_s=context.settings.query_timeout_s, stopped=context.cancelled)
    finally:
        stop_if_cancelled(context)  # what the database says of a query that was stopped is for nobody
    if isinstance(outcome, Rejection):
        return {"query": None, "rejections": (outcome,)}, outcome.message
    rows = "1 row" if len(outcome.rows) == 1 else f"{len(outcome.rows)} rows"
    return {"result": outcome}, f"More than {rows}" if outcome.is_truncated else rows


def compare_drafts(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Draw more drafts, and let their results decide; if they do not, the person has to."""
    query, result, draft = state.get("query"), state.get("result"), state["drafts"][-1]
    doubts = state.get("doubts", ())
    first = None if query is None or result is None else Candidate(draft, query, result, doubts)
    drafting = Drafting(
        backend=context.backend,
        database=context.database,
        settings=context.settings,
        linked=state["context"],
        prompt=state["prompt"],
        on_text=lambda _: stop_if_cancelled(context),
        find_doubts=lambda sql: _doubt(state, context, sql),
        stopped=context.cancelled,
        repair=_render(state, context, ((draft, as_rejection(doubts)),)) if first is not None and doubts else None,
    )
    opinion = drafting.compare(draft, first, state["question"], context.schema)
    update = AgentState(opinion=opinion)
    if first is None and opinion.chosen is None and not opinion.readings:
        return update, f"{opinion.agreement:.0%} of the drafts decline."
    if opinion.chosen is None:
        update |= {"query": None, "result": None, "reply": Reply(kind="clarify", text=CHOICE)}
    elif opinion.chosen is not first:
        chosen = opinion.chosen
        update |= {"query": chosen.query, "result": chosen.result, "drafts": (chosen.draft,), "doubts": chosen.doubts}
        update["reply"] = Reply(kind="sql", text=chosen.draft.sql)
    return update, f"{opinion.agreement:.0%} of the drafts agree."


def write_answer(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Put into words what came out, or why nothing did."""
    question, drafts, rejections = state["question"], state.get("drafts", ()), state.get("rejections", ())
    query, result = state.get("query"), state.get("result")
    if query is not None and result is not None:
        status: Status = "answered"
        text = describe_result(question, query, result)
        result = label_columns(query, result)
        explanation, chart = explain_query(query, context.schema), choose_chart(result)
    else:
        status, text = _decline(state["reply"], rejections, context.warnings)
        explanation, chart = "", None
    opinion = state.get("opinion")
    agreement = None if opinion is None else opinion.agreement
    probability = find_probability([drafts[-1].completion]) if drafts and opinion is None else None
    raw = mix(probability if opinion is None else opinion.probability, agreement)
    notices = state.get("notices", ())
    if status == "answered" and (doubts := state.get("doubts", ())):
        raw = None if raw is None else raw * DOUBTED
        notices = (*notices, " ".join((MAY_MISS, *doubts)))
    table = context.confidence_table if status == "answered" else None
    answer = Answer(
        question=question,
        status=status,
        text=text,
        explanation=explanation,
        query=query,
        result=result,
        chart=chart,
        confidence=raw if raw is None or table is None else table.look_up(raw),
        is_calibrated=raw is not None and table is not None,
        raw_confidence=raw,
        agreement=agreement,
        alternatives=() if opinion is None else opinion.readings,
        drafts=drafts,
        candidates=() if opinion is None else opinion.others,
        rejections=rejections,
        notices=notices,
    )
    return {"answer": answer}, text


def phrase_answer(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Let a general model put the answer into words; they count only if the result bears them out."""
    assert context.answer_model is not None  # the route leads here only with one
    answer = word_answer(state["answer"], context.answer_model, on_text=lambda _: stop_if_cancelled(context))
    return {"answer": answer}, answer.text


def _asked(state: AgentState, context: AgentContext) -> Question:
    """Give the question with the turns that it goes on from, and no others."""
    question = state["question"]
    return question.model_copy(update={"history": relevant_history(question, context.schema)})


def _render(state: AgentState, context: AgentContext, attempts: tuple[tuple[SqlDraft, Rejection], ...]) -> Prompt:
    return render_prompt(_asked(state, context), state["context"], context.prompt_layout, attempts)


def _doubt(state: AgentState, context: AgentContext, sql: str) -> tuple[str, ...]:
    if not context.settings.check_fidelity:
        return ()
    return find_doubts(_asked(state, context), state["context"], sql, context.schema.glossary)


def _decline(reply: Reply, rejections: tuple[Rejection, ...], warnings: tuple[str, ...]) -> tuple[Status, str]:
    if reply.kind == "unanswerable":
        return "unanswerable", _sentences(CANNOT_ANSWER, reply.text)
    if reply.kind == "refused":
        return "refused", _sentences(READS_ONLY, reply.text)
    if reply.kind == "clarify":
        return "clarify", reply.text or ASKS_BACK
    # The hint is left out: it tells the model how to write SQL.
    refusal = f"The last attempt was refused: {rejections[-1].message}"
    return "failed", _sentences(NO_QUERY, refusal, *warnings)


def _sentences(*parts: str) -> str:
    """Join parts as sentences: each starts with a capital letter and ends with a sign."""
    texts = (part.strip() for part in parts)
    ended = (text if text.endswith((".", "?", "!")) else f"{text}." for text in texts if text)
    return " ".join(text[0].upper() + text[1:] for text in ended)


def _take_choice(sql: str) -> AgentState:
    """Go on with the reading that a person chose, as if a model had written it: it is checked all the same."""
    draft = SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model=CHOSEN_BY))
    return {"reply": Reply(kind="sql", text=sql), "drafts": (draft,), "has_repeated": False}
