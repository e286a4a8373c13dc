"""`queryforge eval`: ask the assistant every example, judge what it answers, write down the numbers.

    queryforge eval --examples questions.jsonl --db shop.sqlite --out runs/eval-shop

In: a file of examples, a database, a model. Out: predictions.jsonl, scores.jsonl and metrics.json in the folder, the
metrics as a table on stdout, progress on stderr. The assistant is asked through its only door and sees neither gold SQL
nor what is expected; in a conversation its history holds its own earlier SQL, right or wrong, as in real use.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from assistant.agent import Assistant
from assistant.backends.base import Backend
from assistant.database import connect
from assistant.errors import QueryForgeError, UsageError
from assistant.settings import BackendChoice, Settings
from assistant.types import Question, Record, Turn
from evaluation.examples import Ask, Example, list_asks, read_examples
from evaluation.folder import Identity, RunFolder, identify
from evaluation.metrics import Metrics, RunFacts, measure, render_metrics
from evaluation.scoring import MAX_JUDGED_ROWS, Judge, Prediction

MAX_BREAKAGES = 10
"""So many questions in a row may break before the run is stopped: by then it is the model's server, not a question."""

JUDGING_PATIENCE = 4
"""Judging may take so many times the query's time limit: a query that ran when it was asked must not fail here."""

INTERRUPTED = 130


class EvalConfig(Record):
    """One evaluation, fully described."""

    examples: Path
    """JSONL file of examples."""
    out: Path
    """Folder of the run; made if need be, gone on with if it holds the same run."""
    settings: Settings
    """Database, model and limits. `max_rows` is raised to what judging needs."""
    limit: int | None = None
    """Use only so many examples, from the start; None for all."""
    is_resume: bool = False
    """Insist that there is a run in the folder to go on with."""
    command: str = ""
    """Command line, for the record."""


def main(argv: Sequence[str]) -> int:
    """Run an evaluation; return the exit code."""
    arguments = build_parser().parse_args(argv)
    config = EvalConfig(
        examples=arguments.examples,
        out=arguments.out,
        settings=Settings.load(_chosen_settings(arguments)),
        limit=arguments.limit,
        is_resume=arguments.resume,
        command=shlex.join(["queryforge", "eval", *argv]),
    )
    try:
        metrics = run(config)
    except KeyboardInterrupt:
        _narrate(f"\nInterrupted. What is answered is kept in '{config.out}'; the same command goes on from there.")
        return INTERRUPTED
    print(render_metrics(metrics))  # noqa: T201
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge eval",
        description="Grade the answers to a file of questions with known results.",
        epilog="A run that was interrupted goes on when the same command is given again.",
    )
    parser.add_argument("--examples", type=Path, required=True, metavar="FILE", help="JSONL file of examples")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for predictions and metrics")
    parser.add_argument("--limit", type=_positive, metavar="N", help="use only the first N examples")
    parser.add_argument("--resume", action="store_true", help="fail if DIR holds no run to go on with")
    group = parser.add_argument_group("database and model")
    group.add_argument("--db", dest="database_url", metavar="URL", help=_describe("database_url"))
    group.add_argument("--backend", choices=get_args(BackendChoice), help=_describe("backend"))
    group.add_argument("--model", metavar="PATH_OR_TAG", help="A GGUF file, or the tag of a model in Ollama.")
    return parser


def run(config: EvalConfig, *, backend: Backend | None = None) -> Metrics:
    """Ask, judge and measure; go on with the run in the folder if there is one.

    Args:
        config: The evaluation.
        backend: A model instead of the one the settings choose; the caller closes it.

    Raises:
        UsageError: A file, folder or setting cannot be used, or the folder belongs to another run.
        DataError: An example is malformed, or gold SQL does not work.
        BackendError: The model cannot be used.
        DatabaseError: The database cannot be used.
    """
    started_at = _now()
    if config.is_resume and not (config.out / "run.json").exists():
        raise UsageError(f"There is no run in '{config.out}' to go on with.", "Leave out --resume to begin one.")
    examples = read_examples(config.examples)[: config.limit]
    asks = [ask for example in examples for ask in list_asks(example)]
    settings = config.settings.model_copy(update={"max_rows": max(config.settings.max_rows, MAX_JUDGED_ROWS)})
    with (
        closing(connect(settings.database_url, glossary_path=settings.glossary_path)) as database,
        Assistant(settings, backend=backend, database=database) as assistant,
    ):
        judge = Judge(database, timeout_s=settings.query_timeout_s * JUDGING_PATIENCE, max_rows=settings.max_rows)
        gold = judge.run_gold(asks)
        _narrate(f"{len(gold)} gold queries work, {sum(not result.rows for result in gold.values())} of them empty.")
        identity = identify(config.examples, settings, assistant)
        for warning in assistant.warnings():
            _narrate(f"Note: {warning}")
        with RunFolder(config.out, identity) as folder:
            _ask_all(assistant, examples, folder)
            scores = [judge.score(ask, folder.predictions[ask.key], gold.get(ask.key)) for ask in asks]
            facts = RunFacts(
                command=config.command,
                examples=config.examples.name,
                limit=config.limit,
                started_at=started_at,
                finished_at=_now(),
                **identity.model_dump(include=set(Identity.model_fields) & set(RunFacts.model_fields)),
            )
            metrics = measure(scores, facts)
            folder.write_results(scores, metrics)
    return metrics


def _ask_all(assistant: Assistant, examples: Sequence[Example], folder: RunFolder) -> None:
    """Ask what has no prediction yet, in order."""
    asks = [(ask, example) for example in examples for ask in list_asks(example)]
    done = sum(ask.key in folder.predictions for ask, _ in asks)
    if done:
        _narrate(f"{done} of {len(asks)} are answered already.")
    progress = _Progress(done, len(asks))
    breakages = 0
    for ask, example in asks:
        if ask.key in folder.predictions:
            continue
        progress.show(ask.name)
        prediction, breakage = _predict(assistant, ask, _history(example, ask, folder))
        folder.add(prediction)
        progress.step()
        breakages = breakages + 1 if breakage else 0
        if breakage and breakages >= MAX_BREAKAGES:
            progress.end()
            raise breakage
    progress.end()


def _history(example: Example, ask: Ask, folder: RunFolder) -> tuple[Turn, ...]:
    """Give the earlier turns of a conversation that were answered, with the assistant's own SQL."""
    earlier = [folder.predictions[before.key] for before in list_asks(example)[: (ask.turn or 1) - 1]]
    return tuple(
        Turn(question=turn.question, sql=prediction.sql)
        for turn, prediction in zip(example.turns, earlier, strict=False)
        if prediction.status == "answered"
    )


def _predict(assistant: Assistant, ask: Ask, history: tuple[Turn, ...]) -> tuple[Prediction, QueryForgeError | None]:
    """Ask one question. What breaks is a failed prediction, and handed back to be counted."""
    started = time.perf_counter()
    try:
        answer = assistant.ask(Question(text=ask.question, history=history))
    except QueryForgeError as error:
        latency_ms = (time.perf_counter() - started) * 1000
        broken = Prediction(
            id=ask.example.id, turn=ask.turn, sql="", status="failed", latency_ms=latency_ms, error=str(error)
        )
        return broken, error
    latency_ms = (time.perf_counter() - started) * 1000
    is_answered = answer.status == "answered"
    last_sql = answer.drafts[-1].sql if answer.drafts else ""
    prediction = Prediction(
        id=ask.example.id,
        turn=ask.turn,
        sql=last_sql if is_answered else "",
        status=answer.status,
        latency_ms=round(latency_ms, 3),
        attempts=len(answer.drafts),
        prompt_tokens=sum(draft.completion.prompt_tokens for draft in answer.drafts),
        completion_tokens=sum(draft.completion.completion_tokens for draft in answer.drafts),
        text=answer.text,
        rejected_sql="" if is_answered or answer.status != "failed" else last_sql,
    )
    return prediction, None


class _Progress:
    """A bar on stderr for a person, a line for each tenth for a log."""

    def __init__(self, done: int, total: int) -> None:
        self.done = done
        self.total = total
        self.asked = 0
        self.started = time.monotonic()
        self.is_terminal = sys.stderr.isatty()

    def show(self, name: str) -> None:
        if not self.is_terminal:
            return
        filled = 30 * self.done // self.total
        left = ""
        if self.asked:
            left = f", {(time.monotonic() - self.started) / self.asked * (self.total - self.done):,.0f} s left"
        bar = f"[{'#' * filled}{'.' * (30 - filled)}] {self.done}/{self.total}{left}  {name}"
        print(f"\r{bar[:110]:<110}", end="", file=sys.stderr, flush=True)  # noqa: T201

    def step(self) -> None:
        self.done += 1
        self.asked += 1
        if not self.is_terminal and self.done * 10 // self.total > (self.done - 1) * 10 // self.total:
            _narrate(f"{self.done}/{self.total} answered.")

    def end(self) -> None:
        if self.is_terminal:
            self.show("done")
            _narrate("")


def _chosen_settings(arguments: argparse.Namespace) -> dict[str, object]:
    flags: dict[str, object] = {"database_url": arguments.database_url, "backend": arguments.backend}
    model: str | None = arguments.model
    if model is not None:
        # Who names a model wants that one and no substitute: a file is embedded, any other name is a tag.
        is_file = model.lower().endswith(".gguf") or Path(model).is_file()
        flags["model_path" if is_file else "model"] = model
        flags["backend"] = arguments.backend or ("llamacpp" if is_file else "ollama")
    return flags


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _describe(name: str) -> str:
    return (Settings.model_fields[name].description or "").replace("%", "%%")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _narrate(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201
