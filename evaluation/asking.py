"""Ask the assistant every example, one after another or several at a time.

In: examples, the address of each database, settings, a folder that may hold answers of an earlier call. Out: a
Prediction for each ask, in the folder as soon as it exists. The assistant is asked through its only door and sees
neither gold SQL nor what is expected; in a conversation its history holds its own earlier SQL, right or wrong, as in
real use. Judges nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

from assistant.agent import Assistant
from assistant.backends.base import Backend
from assistant.errors import QueryForgeError
from assistant.settings import Settings
from assistant.types import Question, Turn
from evaluation.examples import Ask, Example, list_asks
from evaluation.folder import RunFolder
from evaluation.progress import Progress, narrate
from evaluation.records import Prediction

MAX_BREAKAGES = 10
"""So many questions in a row may break before the run is stopped: by then it is the model's server, not a question."""


def ask_all(
    examples: Sequence[Example],
    urls: Mapping[str, str],
    folder: RunFolder,
    *,
    settings: Settings,
    backend: Backend,
    jobs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Ask what has no prediction yet.

    Args:
        examples: Questions and conversations; the turns of a conversation are asked in order by one worker.
        urls: `db_id` -> address of the database.
        folder: Where predictions are found and kept.
        settings: Limits, and the backend that further workers open for themselves.
        backend: Model of the first worker; stays open.
        jobs: Workers, each with a backend and a database connection of its own.
        progress: Where answers are counted, of several calls together; by default each call counts its own.

    Raises:
        BackendError: The model cannot be used, or broke too often.
        DatabaseError: A database cannot be opened, or broke too often.
    """
    asks = [ask for example in examples for ask in list_asks(example)]
    done = sum(ask.key in folder.predictions for ask in asks)
    if done and progress is None:
        narrate(f"{done} of {len(asks)} are answered already.")
    left = [example for example in examples if any(ask.key not in folder.predictions for ask in list_asks(example))]
    # Grouped by database, so that a worker seldom opens another.
    order = {name: place for place, name in enumerate(urls)}
    queue = deque(sorted(left, key=lambda example: order[example.db_id]))
    counter = progress or Progress(len(asks), done=done, verb="answered")
    stop = threading.Event()
    workers = [
        _Worker(queue, urls, folder, counter, stop, settings=settings, backend=backend if number == 0 else None)
        for number in range(max(1, min(jobs, len(left))))
    ]
    if len(workers) == 1:
        workers[0].work()
    else:
        _run_together(workers, stop)
    if progress is None:
        counter.end()
    for worker in workers:
        if worker.fault is not None:
            raise worker.fault


class _Worker:
    """Takes examples from the queue until it is empty or something breaks for good."""

    def __init__(
        self,
        queue: deque[Example],
        urls: Mapping[str, str],
        folder: RunFolder,
        progress: Progress,
        stop: threading.Event,
        *,
        settings: Settings,
        backend: Backend | None,
    ) -> None:
        self.fault: Exception | None = None
        self._queue = queue
        self._urls = urls
        self._folder = folder
        self._progress = progress
        self._stop = stop
        self._settings = settings
        self._backend = backend
        self._assistant: Assistant | None = None
        self._db_id = ""
        self._breakages = 0

    def work(self) -> None:
        """Ask until there is nothing left; what stops it is in `fault`."""
        try:
            while not self._stop.is_set():
                try:
                    example = self._queue.popleft()
                except IndexError:
                    return
                self._ask_example(example)
        except Exception as error:  # Handed to the thread that waits, which raises it.
            self.fault = error
        finally:
            if self.fault is not None:
                self._stop.set()
            if self._assistant is not None:
                self._assistant.close()

    def _ask_example(self, example: Example) -> None:
        assistant = self._assistant_for(example.db_id)
        for ask in list_asks(example):
            if self._stop.is_set():
                return
            if ask.key in self._folder.predictions:
                continue
            prediction, breakage = predict(assistant, ask, self._history(example, ask))
            self._folder.add(prediction)
            self._progress.step(ask.name)
            self._breakages = self._breakages + 1 if breakage else 0
            if breakage and self._breakages >= MAX_BREAKAGES:
                raise breakage

    def _assistant_for(self, db_id: str) -> Assistant:
        if self._assistant is None or self._db_id != db_id:
            if self._assistant is not None:
                self._assistant.close()
            url = self._urls[db_id]
            # The glossary of the settings belongs to the one database of the settings.
            glossary_path = self._settings.glossary_path if len(self._urls) == 1 else None
            # The model that is judged answers, or none does.
            changes = {"database_url": url, "glossary_path": glossary_path, "falls_back": False}
            settings = self._settings.model_copy(update=changes)
            # What a person approved on this machine says nothing about how good the answers are elsewhere.
            # What is found of the values must not hang on how busy the machine is.
            # Words are not judged, and their time would be counted as the answer's.
            settings = settings.model_copy(update={"recalls": False, "answer_model": "", "values_timeout_s": 3600.0})
            self._assistant = Assistant(settings, backend=self._backend)
            self._db_id = db_id
        return self._assistant

    def _history(self, example: Example, ask: Ask) -> tuple[Turn, ...]:
        """Give the earlier turns of a conversation that were answered, with the assistant's own SQL."""
        earlier = [self._folder.predictions[before.key] for before in list_asks(example)[: (ask.turn or 1) - 1]]
        return tuple(
            Turn(question=turn.question, sql=prediction.sql)
            for turn, prediction in zip(example.turns, earlier, strict=False)
            if prediction.status == "answered"
        )


def _run_together(workers: Sequence[_Worker], stop: threading.Event) -> None:
    threads = [threading.Thread(target=worker.work, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(timeout=0.1)
    except KeyboardInterrupt:
        # Each worker finishes the question it is at, so that nothing is torn.
        stop.set()
        for thread in threads:
            thread.join()
        raise


def predict(assistant: Assistant, ask: Ask, history: tuple[Turn, ...]) -> tuple[Prediction, QueryForgeError | None]:
    """Ask one question. What breaks is a failed prediction, and handed back to be counted."""
    started = time.perf_counter()
    try:
        answer = assistant.ask(Question(text=ask.question, evidence=ask.example.evidence, history=history))
    except QueryForgeError as error:
        latency_ms = (time.perf_counter() - started) * 1000
        broken = Prediction(
            id=ask.example.id, turn=ask.turn, sql="", status="failed", latency_ms=latency_ms, error=str(error)
        )
        return broken, error
    latency_ms = (time.perf_counter() - started) * 1000
    is_answered = answer.status == "answered"
    last_sql = answer.drafts[-1].sql if answer.drafts else ""
    written = (*answer.drafts, *answer.candidates)
    prediction = Prediction(
        id=ask.example.id,
        turn=ask.turn,
        sql=last_sql if is_answered else "",
        status=answer.status,
        latency_ms=round(latency_ms, 3),
        attempts=sum(not draft.is_drawn for draft in answer.drafts),
        prompt_tokens=sum(draft.completion.prompt_tokens for draft in written),
        completion_tokens=sum(draft.completion.completion_tokens for draft in written),
        confidence=answer.confidence,
        raw_confidence=answer.raw_confidence,
        text=answer.text,
        rejected_sql="" if is_answered or answer.status != "failed" else last_sql,
    )
    return prediction, None
