"""The way from a question to an answer, as a LangGraph graph: the only module that knows LangGraph.

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
compiled at import. What a step does is in `assistant.steps`; here is only which one is next, and how a run is started,
watched and ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langsmith import tracing_context

from assistant.candidates import is_doubtful, is_doubtful_decline
from assistant.steps import (
    CHOSEN_BY,
    AgentContext,
    AgentState,
    Cancelled,
    check_scope,
    compare_drafts,
    execute_sql,
    generate_sql,
    guard_sql,
    link_schema,
    phrase_answer,
    recall_pair,
    stop_if_cancelled,
    write_answer,
)
from assistant.types import Answer, Question, StepEvent, StepTiming

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

    Closing the iterator cancels the run; `context.cancelled` does so from another thread, and then no Answer comes.

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
    except Cancelled:
        return
    except GeneratorExit:
        # Closing the graph's stream waits for the running step; the event makes the model stop at its next token.
        context.cancelled.set()
        raise
    finally:
        events.close()
    yield _with_timings(final["answer"], final["timings"])


def _next_untraced(events: Iterator[tuple[str, Any]]) -> tuple[str, Any] | None:
    # Not around the whole stream: between two events, other code runs in this context.
    with tracing_context(enabled=False):
        return next(events, None)


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
    if (
        runtime.context.settings.max_candidates
        and completion.model != CHOSEN_BY
        and is_doubtful(completion, result, state.get("doubts", ()))
    ):
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
        def show(text: str) -> None:
            runtime.stream_writer(StepEvent(step=step.__name__, detail=text, is_partial=True))

        stop_if_cancelled(runtime.context)
        started = time.perf_counter()
        update, detail = step(state, replace(runtime.context, show=show))
        elapsed_ms = (time.perf_counter() - started) * 1000
        runtime.stream_writer(StepEvent(step=step.__name__, detail=detail, elapsed_ms=elapsed_ms))
        update["timings"] = (StepTiming(step=step.__name__, elapsed_ms=elapsed_ms),)
        return update

    return node


def _with_timings(answer: Answer, timings: tuple[StepTiming, ...]) -> Answer:
    return answer.model_copy(update={"timings": timings})


def _limits(context: AgentContext) -> RunnableConfig:
    # Three steps an attempt, the first three and the last three, and one to spare.
    return RunnableConfig(recursion_limit=3 * context.settings.max_attempts + 7)
