"""The steps from a question to an answer, as a LangGraph graph: the only module that knows LangGraph.

    link_schema -> check_scope -> generate_sql -> guard_sql -> execute_sql -> compare_drafts -> write_answer
      |     ^           |              ^              |             |   |           in doubt:        ^
      |     |           |              +-- rejected --+-------------+   |           draw more        |
      |     |           |                  until `Settings.max_attempts`+-- not in doubt ------------+
      |     |           |              (then, or where it declines in doubt: compare_drafts)         |
      |     |           +-- no question for this database -------------------------------------------+
      +-> recall_pair   a person approved SQL for this very question --------------------------------+

and after write_answer, where an answer model is set, phrase_answer.

In: a Question and an AgentContext (model, database, settings). Out: an Answer, or StepEvents and then an Answer. A
rejected draft goes back to the model with the reason; a model that is sure to decline ends the run. One run
answers one question: there is no checkpointer, so nothing of an earlier question can leak into a later one. Nothing is
compiled at import, and nothing here judges a question or a statement: that is the model's and the guard's part.
"""

from __future__ import annotations

import operator
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, TypeAlias, TypedDict, cast

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langsmith import tracing_context

from assistant.backends.base import Backend
from assistant.candidates import Candidate, find_probability, is_doubtful, is_doubtful_decline
from assistant.confidence import ConfidenceTable, mix
from assistant.constraint.draft import SqlConstraint
from assistant.conversation import relevant_history
from assistant.database import Database
from assistant.drafting import Drafting, Opinion
from assistant.explain import choose_chart, describe_result, explain_query, label_columns
from assistant.guard import check
from assistant.linking import prepare_context
from assistant.prompts import parse_reply, render_prompt
from assistant.recall import Recalled, run_approved
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
    StepEvent,
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
    has_repeated: bool
    opinion: Opinion
    drafts: Annotated[tuple[SqlDraft, ...], operator.add]
    rejections: Annotated[tuple[Rejection, ...], operator.add]
    timings: Annotated[tuple[StepTiming, ...], operator.add]
    answer: Answer


def _recall_nothing(question: Question, values: tuple[MatchedValue, ...]) -> Recalled:
    return Recalled()


@dataclass(frozen=True)
class AgentContext:
    """What the steps work with; the same for every question, apart from `cancelled`."""

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


AgentGraph: TypeAlias = "CompiledStateGraph[AgentState, AgentContext, AgentState, AgentState]"
Step: TypeAlias = Callable[[AgentState, AgentContext], tuple[AgentState, str]]


def build_graph() -> AgentGraph:
    """Build and compile the graph; takes a few milliseconds, and the result serves any number of threads."""
    graph = StateGraph(AgentState, context_schema=AgentContext)
    steps: tuple[Step, ...] = (
        *(link_schema, recall_pair, check_scope, generate_sql, guard_sql, execute_sql),
        *(compare_drafts, write_answer, phrase_answer),
    )
    for step in steps:
        graph.add_node(step.__name__, _as_node(step))
    graph.add_edge(START, "link_schema")
    graph.add_conditional_edges("link_schema", route_after_link_schema)
    graph.add_conditional_edges("recall_pair", route_after_recall_pair)
    graph.add_conditional_edges("check_scope", route_after_check_scope)
    graph.add_conditional_edges("generate_sql", route_after_generate_sql)
    graph.add_conditional_edges("guard_sql", route_after_guard_sql)
    graph.add_conditional_edges("execute_sql", route_after_execute_sql)
    graph.add_edge("compare_drafts", "write_answer")
    graph.add_conditional_edges("write_answer", route_after_write_answer)
    graph.add_edge("phrase_answer", END)
    return graph.compile()


def answer_question(graph: AgentGraph, question: Question, context: AgentContext) -> Answer:
    """Run the graph to its end.

    Raises:
        QueryForgeError: The model or the database broke.
    """
    with tracing_context(enabled=False):  # LangChain would send all of it to a service if the environment asks for it
        final = graph.invoke(AgentState(question=question), _limits(context), context=context)
    return _with_timings(final["answer"], final["timings"])


def stream_question(graph: AgentGraph, question: Question, context: AgentContext) -> Iterator[StepEvent | Answer]:
    """Run the graph, yielding each step as it ends and the SQL while it is written; the last item is the Answer.

    Closing the iterator cancels the run.

    Raises:
        QueryForgeError: The model or the database broke.
    """
    events = cast(
        "Generator[tuple[str, Any], None, None]",
        graph.stream(
            AgentState(question=question), _limits(context), context=context, stream_mode=["custom", "values"]
        ),
    )
    final: AgentState = {}
    try:
        while (event := _next_untraced(events)) is not None:
            mode, item = event
            if mode == "custom":
                yield item
            else:
                final = item
    finally:
        # Closing the graph's stream waits for the running step; the event makes the model stop at its next token.
        context.cancelled.set()
        events.close()
    yield _with_timings(final["answer"], final["timings"])


def _next_untraced(events: Iterator[tuple[str, Any]]) -> tuple[str, Any] | None:
    # Not around the whole stream: between two events, other code runs in this context.
    with tracing_context(enabled=False):
        return next(events, None)


def link_schema(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Choose the tables and find the values that the question is about."""
    question = state["question"]
    values = context.match_values(f"{question.text}\n{question.evidence}".strip())
    asked = question.model_copy(update={"history": relevant_history(question, context.schema)})
    known = context.recall(asked, values)
    linked = prepare_context(
        question,
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
    outcome = run_approved(state["recalled"], context.schema, context.database, context.settings)
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
    attempts = tuple(zip(drafts, rejections, strict=True))
    question = state["question"]
    if question.chosen_sql and not drafts:
        return _take_choice(question.chosen_sql), question.chosen_sql
    asked = question.model_copy(update={"history": relevant_history(question, context.schema)})
    prompt = render_prompt(asked, state["context"], context.prompt_layout, attempts)
    write = get_stream_writer()

    def show(text: str) -> None:
        _stop_if_cancelled(context)
        write(StepEvent(step="generate_sql", detail=text, is_partial=True))

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
    """Let the guard turn the draft into a query, or refuse it."""
    checked = check(state["drafts"][-1], state["context"], max_rows=context.settings.max_rows)
    if isinstance(checked, Rejection):
        return {"query": None, "rejections": (checked,)}, checked.message
    return {"query": checked}, "May be run."


def execute_sql(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Run the query; the database may still refuse it."""
    query = state["query"]
    assert query is not None  # the route leads here only with a query
    outcome = context.database.run(query, timeout_s=context.settings.query_timeout_s)
    if isinstance(outcome, Rejection):
        return {"query": None, "rejections": (outcome,)}, outcome.message
    rows = "1 row" if len(outcome.rows) == 1 else f"{len(outcome.rows)} rows"
    return {"result": outcome}, f"More than {rows}" if outcome.is_truncated else rows


def compare_drafts(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Draw more drafts, and let their results decide; if they do not, the person has to."""
    query, result, draft = state.get("query"), state.get("result"), state["drafts"][-1]
    first = None if query is None or result is None else Candidate(draft, query, result)
    drafting = Drafting(
        backend=context.backend,
        database=context.database,
        settings=context.settings,
        linked=state["context"],
        prompt=state["prompt"],
        on_text=lambda _: _stop_if_cancelled(context),
    )
    opinion = drafting.compare(draft, first, state["question"], context.schema)
    update = AgentState(opinion=opinion)
    if first is None and opinion.chosen is None and not opinion.readings:
        return update, f"{opinion.agreement:.0%} of the drafts decline."
    if opinion.chosen is None:
        update |= {"query": None, "result": None, "reply": Reply(kind="clarify", text=CHOICE)}
    elif opinion.chosen is not first:
        chosen = opinion.chosen
        update |= {"query": chosen.query, "result": chosen.result, "drafts": (chosen.draft,)}
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
        notices=state.get("notices", ()),
    )
    return {"answer": answer}, text


def phrase_answer(state: AgentState, context: AgentContext) -> tuple[AgentState, str]:
    """Let a general model put the answer into words; they count only if the result bears them out."""
    assert context.answer_model is not None  # the route leads here only with one
    answer = word_answer(state["answer"], context.answer_model, on_text=lambda _: _stop_if_cancelled(context))
    return {"answer": answer}, answer.text


def route_after_link_schema(state: AgentState) -> Literal["recall_pair", "check_scope"]:
    """Look no further where a person has approved SQL for the question."""
    return "recall_pair" if "recalled" in state else "check_scope"


def route_after_recall_pair(state: AgentState) -> Literal["check_scope", "write_answer"]:
    """Answer with its rows, if it still works."""
    return "write_answer" if "result" in state else "check_scope"


def route_after_check_scope(state: AgentState) -> Literal["generate_sql", "write_answer"]:
    """Let the model write, unless the question was declined without it."""
    return "write_answer" if "reply" in state else "generate_sql"


def route_after_generate_sql(
    state: AgentState, runtime: Runtime[AgentContext]
) -> Literal["guard_sql", "compare_drafts", "write_answer"]:
    """Go on with a statement; look again where the model repeats itself or declines in doubt; else stop."""
    if state["reply"].kind == "sql":
        return _give_up(state, runtime.context) if state["has_repeated"] else "guard_sql"
    in_doubt = runtime.context.settings.max_candidates and is_doubtful_decline(state["drafts"][-1].completion)
    return "compare_drafts" if in_doubt else "write_answer"


def route_after_guard_sql(
    state: AgentState, runtime: Runtime[AgentContext]
) -> Literal["execute_sql", "generate_sql", "compare_drafts", "write_answer"]:
    """Run what may be run; otherwise let the model try again while it may."""
    if state["query"] is not None:
        return "execute_sql"
    return _try_again(state, runtime.context)


def route_after_execute_sql(
    state: AgentState, runtime: Runtime[AgentContext]
) -> Literal["generate_sql", "compare_drafts", "write_answer"]:
    """Answer with the rows, after a second look where they are in doubt; otherwise let the model try again."""
    result = state.get("result")
    if state["query"] is None or result is None:
        return _try_again(state, runtime.context)
    completion = state["drafts"][-1].completion
    if runtime.context.settings.max_candidates and completion.model != CHOSEN_BY and is_doubtful(completion, result):
        return "compare_drafts"
    return "write_answer"


def route_after_write_answer(state: AgentState, runtime: Runtime[AgentContext]) -> Literal["phrase_answer", "__end__"]:
    """Put an answer with rows into words, if there is a model for it."""
    result = state["answer"].result
    has_rows = result is not None and bool(result.rows)
    return "phrase_answer" if has_rows and runtime.context.answer_model is not None else "__end__"


def _try_again(state: AgentState, context: AgentContext) -> Literal["generate_sql", "compare_drafts", "write_answer"]:
    return "generate_sql" if len(state["drafts"]) < context.settings.max_attempts else _give_up(state, context)


def _give_up(state: AgentState, context: AgentContext) -> Literal["compare_drafts", "write_answer"]:
    """Let chance try where no more likely draft is accepted; what a person chose is not replaced."""
    is_chosen = state["drafts"][-1].completion.model == CHOSEN_BY
    return "compare_drafts" if context.settings.max_candidates and not is_chosen else "write_answer"


class _Node(Protocol):
    def __call__(self, state: AgentState, *, runtime: Runtime[AgentContext]) -> AgentState: ...


def _as_node(step: Step) -> _Node:
    """Make a node of a step: stop if nobody waits any more, time it, and tell that it is done."""

    def node(state: AgentState, *, runtime: Runtime[AgentContext]) -> AgentState:
        _stop_if_cancelled(runtime.context)
        started = time.perf_counter()
        update, detail = step(state, runtime.context)
        elapsed_ms = (time.perf_counter() - started) * 1000
        runtime.stream_writer(StepEvent(step=step.__name__, detail=detail, elapsed_ms=elapsed_ms))
        update["timings"] = (StepTiming(step=step.__name__, elapsed_ms=elapsed_ms),)
        return update

    return node


def _stop_if_cancelled(context: AgentContext) -> None:
    if context.cancelled.is_set():
        raise Cancelled


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


def _with_timings(answer: Answer, timings: tuple[StepTiming, ...]) -> Answer:
    return answer.model_copy(update={"timings": timings})


def _limits(context: AgentContext) -> RunnableConfig:
    # Three steps an attempt, the first three and the last three, and one to spare.
    return RunnableConfig(recursion_limit=3 * context.settings.max_attempts + 7)
