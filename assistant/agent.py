"""The only door: a question in, an Answer out.

Holds what lasts from question to question (database, model, index of values, compiled graph) and is safe to use from
several threads. A model that is registered for the database meanwhile answers from the next question on; questions that
are being answered keep the one they began with. Judges nothing itself; the steps are in `graph.py`, which is imported
when the first question is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assistant.backends.base import Backend
from assistant.backends.choose import choose_backend, choose_weights, embed_model
from assistant.backends.embeddings import OllamaEmbedder
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.bank import bank_path, read_bank
from assistant.confidence import read_table
from assistant.database import Database, connect_as_set
from assistant.errors import BackendError, BackendGone, UsageError
from assistant.masking import without_values
from assistant.memory.approved import ApprovedPairs
from assistant.recall import MAX_EXAMPLES, Recall
from assistant.served import ServedModels, Serving
from assistant.settings import Settings
from assistant.types import Answer, DatabaseSchema, KnownPair, MatchedValue, ModelInfo, Question, StepEvent
from assistant.values import ValueIndex

if TYPE_CHECKING:
    from assistant.graph import AgentContext, AgentGraph

MAX_EXAMPLE_TOKENS = 400
"""Most tokens that similar questions may take in a prompt; an eighth of the context where that is less."""
MAX_CHOICES = 256
"""Questions whose chosen reading is remembered; the oldest is forgotten first."""


@dataclass
class _Engine:
    """A model and what is prepared for it."""

    backend: Backend
    reason: str
    """Why this one."""
    is_ours: bool
    """Whether it is closed by this object."""
    prepared: tuple[AgentGraph, AgentContext] | None = None
    """None until the first question."""
    questions: int = 0
    """Questions that it is answering."""
    is_replaced: bool = False
    """Whether another one answers new questions; the last question it answers closes it."""


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
        self._renewing = threading.Lock()
        self._is_closed = False
        self._standing_in = threading.Lock()
        self._stand_in: _Engine | None = None
        self._opened: Database | None = None
        if database is None:
            database = self._opened = connect_as_set(settings)
        self._database = database
        self._approved = ApprovedPairs(settings.memory_url, database.db_id)
        try:
            if backend is None:
                self._stamp = self._find_stamp()
                backend, reason = choose_backend(settings, self._find_serving())
                self._engine = _Engine(backend, reason, is_ours=True)
            else:
                self._engine = _Engine(backend, "Given by the caller.", is_ours=False)
        except BaseException:
            if self._opened is not None:
                self._opened.close()
            raise
        is_embedded = self._engine.is_ours and isinstance(self._engine.backend, LlamaCppBackend)
        self._is_following = is_embedded and settings.model_path is None

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
            with self._working() as (graph, context):
                return answer_question(graph, asked, context)
        except BackendGone as error:
            graph, context, notice = self._fall_back(error)
        return _with_notice(answer_question(graph, asked, context), notice)

    def stream(self, question: Question | str) -> Generator[StepEvent | Answer, None, None]:
        """Answer one question, telling each step as it goes; the last item is the Answer.

        Closing the iterator cancels the question: the model stops at its next token.

        Raises:
            UsageError: The question is empty or too long.
            BackendError: While iterating: the model cannot be used, or failed.
            DatabaseError: While iterating: the database failed.
        """
        return self._stream(self._checked(question))

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

    @property
    def backend_reason(self) -> str:
        """Why this model answers."""
        return self._engine.reason

    def schema(self) -> DatabaseSchema:
        """Describe the database."""
        return self._database.schema()

    def model_info(self) -> ModelInfo:
        """Say which model answers; loads or contacts it.

        Raises:
            BackendError: It cannot be loaded or reached.
        """
        return self._engine.backend.info()

    def warnings(self) -> tuple[str, ...]:
        """Say why answers may be wrong although everything works; empty when there is nothing to say.

        Raises:
            BackendError: The model cannot be loaded or reached.
        """
        prepared = self._engine.prepared
        faults = prepared[1].recall.faults() if prepared and isinstance(prepared[1].recall, Recall) else ()
        return (*describe_mismatch(self.model_info(), self.schema()), *self._database.warnings(), *faults)

    def close(self) -> None:
        """Close what this object opened; calling it twice is harmless."""
        with self._lock:
            self._is_closed = True
            engine = self._engine
            engine.prepared = None
        if engine.is_ours:
            engine.backend.close()
        with self._standing_in:
            if self._stand_in is not None:
                self._stand_in.backend.close()
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

    def _stream(self, question: Question) -> Generator[StepEvent | Answer, None, None]:
        from assistant.graph import stream_question

        try:
            with self._working() as (graph, context):
                yield from stream_question(graph, question, context)
            return
        except BackendGone as error:
            graph, context, notice = self._fall_back(error)
        yield StepEvent(step="generate_sql", detail=notice)
        for event in stream_question(graph, question, context):
            yield _with_notice(event, notice) if isinstance(event, Answer) else event

    def _fall_back(self, gone: BackendGone) -> tuple[AgentGraph, AgentContext, str]:
        """Give what the embedded model needs to answer in place of one that is gone, and what to say of it.

        Raises:
            BackendGone: `gone`, when that is not allowed, the model has never answered, or the other cannot be used.
        """
        # One that was never there is a wrong setting, which another model would only hide.
        has_answered = self._engine.is_ours and self._engine.prepared is not None
        if not self.settings.falls_back or not has_answered:
            raise gone
        with self._standing_in:
            if self._stand_in is None:
                settings = self.settings.model_copy(update={"backend": "llamacpp", "model_path": None})
                backend, reason = embed_model(settings, self._find_serving(), "in place of a server that is gone")
                engine = _Engine(backend, reason, is_ours=True)
                try:
                    engine.prepared = self._prepare(backend)
                except BackendError as error:
                    backend.close()
                    raise gone from error
                self._stand_in = engine
            prepared = self._stand_in.prepared
        assert prepared is not None  # set above, once
        graph, context = prepared
        notice = f"{gone.message} The embedded model '{context.backend.info().name}' answered instead."
        return graph, replace(context, cancelled=threading.Event()), notice

    @contextmanager
    def _working(self) -> Iterator[tuple[AgentGraph, AgentContext]]:
        """Give what one question needs, and keep the model open until it is answered."""
        self._renew()
        with self._lock:
            engine = self._engine
            if engine.prepared is None:
                engine.prepared = self._prepare(engine.backend)
            graph, context = engine.prepared
            engine.questions += 1
        try:
            yield graph, replace(context, cancelled=threading.Event())
        finally:
            with self._lock:
                engine.questions -= 1
                is_last = engine.is_replaced and engine.questions == 0
            if is_last:
                engine.backend.close()

    def _prepare(self, backend: Backend, *, refresh: bool = False) -> tuple[AgentGraph, AgentContext]:
        """Load the model, index the database's values and compile the graph."""
        from assistant.graph import AgentContext, build_graph

        info, schema = backend.info(), self._database.schema(refresh)
        sends_values = self.settings.send_values
        match = ValueIndex.build(self._database, schema).match if sends_values else _match_nothing
        context = AgentContext(
            backend=backend,
            database=self._database,
            # The steps see of the schema what the model may see: nothing later can send what is not there.
            schema=schema if sends_values else without_values(schema),
            match_values=match,
            prompt_layout=info.prompt_layout,
            settings=self.settings,
            recall=self._prepare_recall(info),
            confidence_table=read_table(info),
            warnings=describe_mismatch(info, schema),
        )
        return build_graph(), context

    def _prepare_recall(self, info: ModelInfo) -> Recall:
        """Make ready what is known already, and see to it that a model is told only what it can make use of."""
        settings = self.settings
        trained = info.examples if info.examples is not None else MAX_EXAMPLES if info.prompt_layout == "full" else 0
        # Examples hold values, which somebody once asked for or which were drawn from the data.
        most = trained if settings.send_values else 0
        embed = OllamaEmbedder(settings.ollama_host, settings.embedding_model) if settings.embedding_model else None
        return Recall(
            self._approved if settings.recalls else None,
            lambda: self._read_bank(info),
            max_examples=most,
            max_tokens=min(MAX_EXAMPLE_TOKENS, info.context_tokens // 8),
            embed=embed,
        )

    def _read_bank(self, info: ModelInfo) -> tuple[KnownPair, ...]:
        """Read the pairs that came with the model; for one on a server, those of the model that would be embedded."""
        path = info.path if info.path is not None else choose_weights(self.settings, self._find_serving())
        return read_bank(bank_path(path), self._database.db_id, self._database.dialect)

    def _renew(self) -> None:
        """Change to the model that was registered since the last look, if there is one.

        One question waits until it is loaded; others go on with the model there is. A model that cannot be loaded
        changes nothing.
        """
        if not self._is_following or self._find_stamp() == self._stamp:
            return
        if not self._renewing.acquire(blocking=False):
            return
        try:
            stamp = self._find_stamp()
            backend, reason = embed_model(self.settings, self._find_serving(), "registered while this was running")
            engine = _Engine(backend, reason, is_ours=True)
            try:
                # The model is mostly trained again because the schema has changed.
                engine.prepared = self._prepare(backend, refresh=True)
            except BackendError as error:
                backend.close()
                self._engine.reason += f" A newer one cannot be used: {error.message}"
            else:
                self._replace(engine)
            self._stamp = stamp
        finally:
            self._renewing.release()

    def _replace(self, engine: _Engine) -> None:
        with self._lock:
            if self._is_closed:
                old = engine
            else:
                old, self._engine = self._engine, engine
            old.is_replaced = True
            is_idle = old.questions == 0
        if is_idle:
            old.backend.close()

    def _find_stamp(self) -> tuple[int, int, int] | None:
        return ServedModels(self.settings.models_path).stamp(self._database.db_id, self._database.dialect)

    def _find_serving(self) -> Serving:
        return ServedModels(self.settings.models_path).current(self._database.db_id, self._database.dialect)


def _with_notice(answer: Answer, notice: str) -> Answer:
    return answer.model_copy(update={"notices": (*answer.notices, notice)})


def _without_choice(question: Question) -> Question:
    return question.model_copy(update={"chosen_sql": ""})


def _match_nothing(text: str) -> tuple[MatchedValue, ...]:
    return ()


def describe_mismatch(info: ModelInfo, schema: DatabaseSchema) -> tuple[str, ...]:
    """Say how the database differs from the one the model was fine-tuned for; empty when it does not."""
    if info.trained_db_id and info.trained_db_id != schema.db_id:
        return (
            f"The model '{info.name}' was trained for the database '{info.trained_db_id}', not for '{schema.db_id}': "
            "its answers here will mostly be wrong. Train one for this database, or choose another model.",
        )
    if info.trained_fingerprint and info.trained_fingerprint != schema.fingerprint:
        return (
            f"The schema of '{schema.db_id}' has changed since the model '{info.name}' was trained for it: "
            "answers that touch the change may be wrong. Train it again.",
        )
    return ()
