"""The only door: a question in, an Answer out.

Holds what lasts from question to question (database, index of values, choices of persons; the models are in `engines`)
and is safe to use from several threads. Judges nothing itself; the steps are in `graph.py`, which is imported when the
first question is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from assistant.backends.base import Backend
from assistant.database import Database, connect_as_set
from assistant.drivers.streaming import RowBatch
from assistant.engines import Engines, Known, describe_mismatch
from assistant.errors import BackendGone, UsageError
from assistant.indexing import LiveValues
from assistant.memory.approved import ApprovedPairs
from assistant.settings import Settings
from assistant.types import (
    Answer,
    DatabaseSchema,
    MatchedValue,
    ModelInfo,
    Question,
    Rejection,
    StepEvent,
)
from assistant.wording import open_answer_model

if TYPE_CHECKING:
    pass

MAX_CHOICES = 256
"""Questions whose chosen reading is remembered; the oldest is forgotten first."""


class Assistant:
    """Answers questions about one database with one model; close it, or use it in a `with` block.

    Example:
        >>> with Assistant(Settings.load()) as assistant:
        ...     print(assistant.ask("How many orders are there?").text)
    """

    def __init__(self, settings: Settings, *, backend: Backend | None = None, database: Database | None = None) -> None:
        """Connect to the database and choose the model, which is loaded by the first question.

        Args:
            settings: Every choice.
            backend: A model instead of the one the settings choose; the caller closes it.
            database: A connection instead of the one the settings name; the caller closes it.

        Raises:
            UsageError: A setting cannot be used.
            DatabaseError: The database cannot be opened.
        """
        self.settings = settings
        self._lock = threading.Lock()
        self._choices: dict[Question, str] = {}
        self._opened: Database | None = None
        if database is None:
            database = self._opened = connect_as_set(settings)
        self._database = database
        self._approved = ApprovedPairs(settings.memory_url, database.db_id)
        self._answer_model: Backend | None = None
        is_matching = settings.send_values and settings.match_values
        self._values = LiveValues(database, wait_s=settings.values_timeout_s) if is_matching else None
        try:
            self._answer_model = open_answer_model(settings)
            known = Known(
                database=database,
                approved=self._approved,
                match_values=self.match_values,
                renew_values=self._renew_values,
                answer_model=self._answer_model,
            )
            self._engines = Engines(settings, known, backend)
        except BaseException:
            if self._opened is not None:
                self._opened.close()
            raise
        if self._values is not None:
            self._values.start()

    def __enter__(self) -> Assistant:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, question: Question | str) -> Answer:
        """Answer one question.

        A question that cannot be answered is an Answer too; its status says why.

        Raises:
            UsageError: The question is empty or too long.
            BackendError: The model cannot be used, or failed.
            DatabaseError: The database failed.
        """
        asked = self._checked(question)
        from assistant.graph import answer_question

        try:
            with self._engines.working() as (graph, context):
                notices = self._wait_for_values()
                return _with_notices(answer_question(graph, asked, context), *notices)
        except BackendGone as error:
            graph, context, notice = self._engines.fall_back(error)
        return _with_notices(answer_question(graph, asked, context), notice)

    def stream(
        self, question: Question | str, *, stopped: threading.Event | None = None
    ) -> Generator[StepEvent | Answer, None, None]:
        """Answer one question, telling each step as it goes; the last item is the Answer.

        Closing the iterator cancels the question: the model stops at its next token.

        Args:
            question: The question.
            stopped: Set it in another thread to cancel the question also while the database works on it, which then
                breaks the query off; no Answer comes.

        Raises:
            UsageError: The question is empty or too long.
            BackendError: While iterating: the model cannot be used, or failed.
            DatabaseError: While iterating: the database failed.
        """
        return self._stream(self._checked(question), stopped or threading.Event())

    def choose(self, answer: Answer, index: int) -> Answer:
        """Answer a question that was asked back about, in the reading that the person chose.

        The choice holds for this question as long as this object does: asked again, it is answered so at once.

        Args:
            answer: One with `alternatives`.
            index: Place of the chosen one among them, from 0.

        Raises:
            UsageError: There is no such reading.
            DatabaseError: The database failed.
            BackendError: The reading does not run any more, and the model that was to write another failed.
        """
        if not 0 <= index < len(answer.alternatives):
            raise UsageError(
                f"There is no reading {index + 1}: the answer offers {len(answer.alternatives)}.",
                "Choose one that it shows."
                if answer.alternatives
                else "Only an answer that asks back can be chosen from.",
            )
        question = answer.question.model_copy(update={"chosen_sql": answer.alternatives[index].sql})
        chosen = self.ask(question)
        with self._lock:
            self._choices.pop(_without_choice(question), None)
            self._choices[_without_choice(question)] = question.chosen_sql
            while len(self._choices) > MAX_CHOICES:
                self._choices.pop(next(iter(self._choices)))
        return chosen

    def run_sql(self, question: Question, sql: str) -> Answer | Rejection:
        """Answer a question with SQL that a person wrote: checked and run like any draft, and no model is asked.

        Raises:
            UsageError: There is no SQL.
            DatabaseError: The time limit was reached, or the database failed.
        """
        from assistant.rerunning import run_sql

        return run_sql(question, sql, self._database, self.settings)

    def stream_rows(self, answer: Answer) -> Generator[RowBatch, None, None]:
        """Run the query of an answer again and give all its rows in batches, not only those that it shows.

        Close the generator in the thread that began it.

        Raises:
            UsageError: While iterating: the answer has no rows, or its query may not be run any more.
            DatabaseError: While iterating: the time limit was reached, or the database failed.
        """
        from assistant.rerunning import stream_answer

        return stream_answer(answer, self._database, self.settings)

    def match_values(self, text: str) -> tuple[MatchedValue, ...]:
        """Find the words of a question that are values in the database; none before these have been read."""
        return () if self._values is None else self._values.match(text)

    @property
    def backend_reason(self) -> str:
        """Why this model answers."""
        return self._engines.reason

    def schema(self) -> DatabaseSchema:
        """Describe the database."""
        return self._database.schema()

    def model_info(self) -> ModelInfo:
        """Say which model answers; loads or contacts it.

        Raises:
            BackendError: It cannot be loaded or reached.
        """
        return self._engines.info()

    def warnings(self) -> tuple[str, ...]:
        """Say why answers may be wrong although everything works; empty when there is nothing to say.

        Raises:
            BackendError: The model cannot be loaded or reached.
        """
        return (
            *describe_mismatch(self.model_info(), self.schema()),
            *self._database.warnings(),
            *self._engines.faults(),
        )

    def close(self) -> None:
        """Close what this object opened; calling it twice is harmless."""
        self._engines.close()
        if self._answer_model is not None:
            self._answer_model.close()
        if self._values is not None:
            self._values.close()
        self._approved.close()
        if self._opened is not None:
            self._opened.close()

    def _checked(self, question: Question | str) -> Question:
        asked = Question(text=question) if isinstance(question, str) else question
        if not asked.text.strip():
            raise UsageError(
                "The question is empty.", "Ask something about the data, such as: How many rows are there?"
            )
        length = len(asked.text) + len(asked.evidence)
        if length > self.settings.max_question_chars:
            raise UsageError(
                f"The question has {length} characters; at most {self.settings.max_question_chars} are read.",
                "Ask it in fewer words, or raise QUERYFORGE_MAX_QUESTION_CHARS.",
            )
        with self._lock:
            chosen_sql = asked.chosen_sql or self._choices.get(asked, "")
        return asked.model_copy(update={"chosen_sql": chosen_sql})

    def _stream(self, question: Question, stopped: threading.Event) -> Generator[StepEvent | Answer, None, None]:
        from assistant.graph import stream_question

        try:
            with self._engines.working() as (graph, context):
                notices = self._wait_for_values()
                for event in stream_question(graph, question, replace(context, cancelled=stopped)):
                    yield _with_notices(event, *notices) if isinstance(event, Answer) else event
            return
        except BackendGone as error:
            graph, context, notice = self._engines.fall_back(error)
        yield StepEvent(step="generate_sql", detail=notice)
        for event in stream_question(graph, question, replace(context, cancelled=stopped)):
            yield _with_notices(event, notice) if isinstance(event, Answer) else event

    def _renew_values(self) -> None:
        if self._values is not None:
            self._values.renew()

    def _wait_for_values(self) -> tuple[str, ...]:
        """Give what is to be said of values that are not read yet."""
        notice = "" if self._values is None else self._values.wait()
        return (notice,) if notice else ()


def _with_notices(answer: Answer, *notices: str) -> Answer:
    return answer.model_copy(update={"notices": (*answer.notices, *notices)}) if notices else answer


def _without_choice(question: Question) -> Question:
    return question.model_copy(update={"chosen_sql": ""})
