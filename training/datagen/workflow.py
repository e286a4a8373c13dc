"""The making of training data as a LangGraph graph; with `assistant.graph` the only one that knows LangGraph.

    understand_schema -> plan -> generate -> validate -> update_coverage
                          ^                                    |
                          +---- more is wanted or missing -----+----> finish

In: a Job. Out: files in a folder and a DatagenSummary. The state is the coverage: each round plans what is still
missing, asks the generator for a batch of drafts that aims at it, verifies them, and keeps what is new. It ends when
the wanted number is reached and every item of the plan is covered or given up, or when nothing new comes any more.

Each round writes one slice, whole (`slices`), and depends on nothing but the slices before it and its number: killed at
any point, the same job goes on and writes the same files. Judges no draft itself.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypedDict, cast

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from assistant.errors import DataError
from assistant.files import write_whole
from assistant.types import DatabaseSchema
from evaluation.progress import Progress, narrate
from training.datagen.coverage import Coverage, Tried, least_hits
from training.datagen.coverage_text import render_coverage
from training.datagen.division import divide
from training.datagen.drafts import BatchRequest, Draft, Generator, Item, Target
from training.datagen.keeping import Keeper
from training.datagen.rule_out import Readable
from training.datagen.slices import SliceNote, WorkFolder, writing_to
from training.datagen.summary import DatagenSummary
from training.datagen.triples import Dropped, Triple

SLICE_DRAFTS = 1500
"""Drafts of a round: what a kill loses at most, a few seconds of work."""
MIN_SLICE_DRAFTS = 50
IDLE_ROUNDS = 8
"""Rounds with hardly anything new after which the database is said to give no more."""
IDLE_SHARE = 0.02
"""Share of the drafts that are new, below which a round is idle."""


class Validate(Protocol):
    """Verifies drafts, in order; `validation.Validator.validate`, or several of them in processes."""

    def __call__(self, drafts: Sequence[Draft], seed: str) -> list[Triple | Dropped]:
        """Verify drafts."""
        ...


@dataclass(frozen=True)
class Job:
    """What the rounds work with."""

    out: Path
    """Folder of the files."""
    count: int
    """Examples wanted."""
    seed: int
    """Decides everything that is drawn."""
    schema: DatabaseSchema
    """Of the database."""
    readable: Readable
    """What there is to ask about."""
    generator: Generator
    """Who writes the drafts."""
    validate: Validate
    """Who verifies them."""
    work: WorkFolder
    """Where slices are kept."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set it to stop after the round under way."""


class State(TypedDict, total=False):
    """What the rounds have reached."""

    coverage: Coverage
    keeper: Keeper
    progress: Progress
    targets: tuple[Target, ...]
    number: int
    """Of the slice under way."""
    started: float
    drafts: tuple[Draft, ...]
    verdicts: tuple[Triple | Dropped, ...]
    idle: int
    """Rounds without anything new, the last ones."""
    summary: DatagenSummary


Step = Callable[[State, Job], State]


def run_workflow(job: Job) -> DatagenSummary:
    """Make the data.

    Raises:
        DataError: Nothing can be asked about the database.
        UsageError: The folder cannot be written.
        KeyboardInterrupt: `job.stop` was set; what is there is kept.
    """
    graph: Any = StateGraph(State, context_schema=Job)
    steps: tuple[Step, ...] = (understand_schema, plan, generate, validate, update_coverage, finish)
    for step in steps:
        graph.add_node(step.__name__, _as_node(step))
    graph.add_edge(START, "understand_schema")
    graph.add_conditional_edges("understand_schema", _next)
    graph.add_edge("plan", "generate")
    graph.add_edge("generate", "validate")
    graph.add_edge("validate", "update_coverage")
    graph.add_conditional_edges("update_coverage", _next)
    graph.add_edge("finish", END)
    # A round is four steps, and each keeps something or counts as idle: there is no other bound on their number.
    most = 100 + 4 * (IDLE_ROUNDS + 2) * (job.count + len(job.generator.kinds) + 100)
    state = graph.compile().invoke({}, context=job, config={"recursion_limit": most})
    if "summary" not in state:
        narrate(f"Stopped after {state['keeper'].kept:,} examples. The same command goes on from here.")
        raise KeyboardInterrupt
    return cast(DatagenSummary, state["summary"])


def understand_schema(_: State, job: Job) -> State:
    """List what should be covered, and take over what an earlier call made."""
    readable = job.readable
    coverage = Coverage(readable.schema, job.generator.kinds, readable.ruled_out, least=least_hits(job.count))
    keeper = Keeper()
    for triple in job.work.triples():
        keeper.remember(triple)
        coverage.add((triple,))
    for note in job.work.notes:
        coverage.note(note.tried)
    aspects = Counter(item.aspect for item in coverage.items)
    narrate(
        f"Plan for '{job.schema.db_id}': {aspects['table']} tables, {aspects['column']} columns, {aspects['path']} join"
        f" paths, {aspects['kind']} kinds of questions, each at least {coverage.least} times."
    )
    if keeper.kept:
        narrate(f"Going on after {keeper.kept:,} examples in {len(job.work.notes)} slices.")
    idle = 0
    for note in job.work.notes:
        idle = idle + 1 if _is_idle(note) else 0
    progress = Progress(job.count, done=min(keeper.kept, job.count), verb="made")
    return {"coverage": coverage, "keeper": keeper, "progress": progress, "idle": idle}


def plan(state: State, job: Job) -> State:
    """Choose what the next batch should aim at."""
    return {"targets": state["coverage"].plan(), "number": len(job.work.notes) + 1, "started": time.monotonic()}


def generate(state: State, job: Job) -> State:
    """Have questions and SQL drafted."""
    missing = job.count - state["keeper"].kept
    count = 0 if missing <= 0 else min(SLICE_DRAFTS, max(MIN_SLICE_DRAFTS, missing * 5 // 4))
    request = BatchRequest(f"{job.seed}:{state['number']}", count, state["targets"])
    return {"drafts": tuple(job.generator.draw(request))}


def validate(state: State, job: Job) -> State:
    """Verify the drafts."""
    return {"verdicts": tuple(job.validate(state["drafts"], f"{job.seed}:{state['number']}"))}


def update_coverage(state: State, job: Job) -> State:
    """Keep what is new and good, count what it covers, and write the slice."""
    coverage, keeper = state["coverage"], state["keeper"]
    kept: list[Triple] = []
    dropped: Counter[str] = Counter()
    outcomes: defaultdict[Item, Counter[str]] = defaultdict(Counter)
    for draft, verdict in zip(state["drafts"], state["verdicts"], strict=True):
        reason = verdict.reason if isinstance(verdict, Dropped) else ""
        if isinstance(verdict, Triple):
            is_over = keeper.kept >= job.count and not coverage.needs(verdict)
            if is_over or coverage.is_enough(draft.aim, verdict):
                reason = "enough"
            else:
                judged = keeper.judge(verdict)
                if isinstance(judged, str):
                    reason = judged
                else:
                    kept.append(judged)
                    coverage.add((judged,))
        if reason:
            dropped[reason] += 1
        if draft.aim is not None:
            is_hit = isinstance(verdict, Triple) and not reason and draft.aim in verdict.items
            outcomes[draft.aim]["" if is_hit else reason or "it did not fit the question"] += 1
    tried = tuple(_sum_up(target.item, outcomes[target.item]) for target in state["targets"])
    coverage.note(tried)
    note = SliceNote(
        number=state["number"],
        drafts=len(state["drafts"]),
        kept=len(kept),
        sha256="",
        dropped=dict(dropped.most_common()),
        tried=tried,
        elapsed_s=round(time.monotonic() - state["started"], 3),
    )
    job.work.write(note, kept)
    before = keeper.kept - len(kept)
    if step := min(keeper.kept, job.count) - min(before, job.count):
        state["progress"].step(by=step)
    return {"idle": state["idle"] + 1 if _is_idle(note) else 0}


def finish(state: State, job: Job) -> State:
    """Divide, write all files, and say what they hold."""
    state["progress"].end()
    work, coverage = job.work, state["coverage"]
    division = divide(work.triples, job.schema, job.out)
    report = coverage.report(division.train, division.held_out)
    dropped: Counter[str] = Counter()
    for note in work.notes:
        dropped.update(note.dropped)
    if division.left_out:
        dropped["held-out statement in an earlier turn"] = division.left_out
    summary = DatagenSummary(
        kept=division.n_train + division.n_held_out,
        held_out=division.n_held_out,
        drawn=sum(note.drafts for note in work.notes),
        kinds=dict(division.kinds.most_common()),
        languages=dict(division.languages.most_common()),
        flaws=dict(state["keeper"].flaws.most_common()),
        dropped=dict(dropped.most_common()),
        covered=report.hit,
        uncovered={f"{item.aspect} {item.name}": item.reason for item in report.uncovered},
        elapsed_s=round(sum(note.elapsed_s for note in work.notes), 1),
        identity=work.identity,
    )
    with writing_to(job.out):
        write_whole(job.out / "coverage.json", report.model_dump_json(indent=1) + "\n")
        write_whole(job.out / "coverage.md", render_coverage(report, division.languages))
        write_whole(job.out / "summary.json", summary.model_dump_json(indent=2) + "\n")
    work.remove()
    if state["keeper"].kept < job.count:
        narrate(f"Only {summary.kept:,} of {job.count:,} examples: the database gives no more different questions.")
    return {"summary": summary}


def _next(state: State, runtime: Runtime[Job]) -> str:
    """Go on while something is wanted or missing."""
    job = runtime.context
    if job.stop.is_set():
        return END
    is_enough = state["keeper"].kept >= job.count
    if is_enough and not state["coverage"].plan():
        return "finish"
    if state["idle"] >= IDLE_ROUNDS:
        if not state["keeper"].kept:
            raise DataError(
                f"No question fits the database '{job.schema.db_id}'.", "It needs tables with rows and varied values."
            )
        return "finish"
    return "plan"


def _is_idle(note: SliceNote) -> bool:
    return note.kept <= IDLE_SHARE * note.drafts


def _sum_up(item: Item, outcomes: Counter[str]) -> Tried:
    dropped = {reason: count for reason, count in outcomes.items() if reason}
    return Tried(item, outcomes.total(), outcomes[""], dropped)


def _as_node(step: Step) -> Callable[[State, Runtime[Job]], State]:
    def node(state: State, runtime: Runtime[Job]) -> State:
        return step(state, runtime.context)

    return node
