"""The only door: a question in, an Answer out.

Holds what lasts from question to question (database, model, index of values, compiled graph) and is safe to use from
several threads. Judges nothing itself; the steps are in `graph.py`, which is imported when the first question is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from assistant.backends.base import Backend
from assistant.backends.choose import choose_backend
from assistant.database import Database, connect
from assistant.errors import UsageError
from assistant.settings import Settings
from assistant.types import Answer, DatabaseSchema, ModelInfo, Question, StepEvent
from assistant.values import ValueIndex

if TYPE_CHECKING:
    from assistant.graph import AgentContext, AgentGraph


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
        self.backend_reason = "Given by the caller."
        self._owned: list[Backend | Database] = []
        self._lock = threading.Lock()
        self._prepared: tuple[AgentGraph, AgentContext] | None = None
        if backend is None:
            backend, self.backend_reason = choose_backend(settings)
            self._owned.append(backend)
        self._backend = backend
        if database is None:
            database = connect(settings.database_url, glossary_path=settings.glossary_path)
            self._owned.append(database)
        self._database = database

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

        graph, context = self._prepare()
        return answer_question(graph, asked, _for_one_question(context))

    def stream(self, question: Question | str) -> Generator[StepEvent | Answer, None, None]:
        """Answer one question, telling each step as it goes; the last item is the Answer.

        Closing the iterator cancels the question: the model stops at its next token.

        Raises:
            UsageError: The question is empty or too long.
            BackendError: While iterating: the model cannot be used, or failed.
            DatabaseError: While iterating: the database failed.
        """
        return self._stream(self._checked(question))

    def schema(self) -> DatabaseSchema:
        """Describe the database."""
        return self._database.schema()

    def model_info(self) -> ModelInfo:
        """Say which model answers; loads or contacts it.

        Raises:
            BackendError: It cannot be loaded or reached.
        """
        return self._backend.info()

    def warnings(self) -> tuple[str, ...]:
        """Say why answers may be wrong although everything works; empty when there is nothing to say.

        Raises:
            BackendError: The model cannot be loaded or reached.
        """
        return describe_mismatch(self.model_info(), self.schema())

    def close(self) -> None:
        """Close what this object opened; calling it twice is harmless."""
        with self._lock:
            owned, self._owned = self._owned, []
            self._prepared = None
        for resource in owned:
            resource.close()

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
        return asked

    def _stream(self, question: Question) -> Generator[StepEvent | Answer, None, None]:
        from assistant.graph import stream_question

        graph, context = self._prepare()
        yield from stream_question(graph, question, _for_one_question(context))

    def _prepare(self) -> tuple[AgentGraph, AgentContext]:
        """Load the model, index the database's values and compile the graph, once."""
        from assistant.graph import AgentContext, build_graph

        with self._lock:
            if self._prepared is None:
                info, schema = self._backend.info(), self._database.schema()
                index = ValueIndex.build(self._database, schema)
                context = AgentContext(
                    backend=self._backend,
                    database=self._database,
                    schema=schema,
                    match_values=index.match,
                    prompt_layout=info.prompt_layout,
                    settings=self.settings,
                    warnings=describe_mismatch(info, schema),
                )
                self._prepared = build_graph(), context
            return self._prepared


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


def _for_one_question(context: AgentContext) -> AgentContext:
    return replace(context, cancelled=threading.Event())
