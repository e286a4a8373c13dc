"""The models that answer: the one that was chosen, a newer one as soon as it is registered, and one that stands in.

In: the settings, the database and what is remembered of it. Out: a compiled graph with all that one question needs,
kept open until it is answered. Questions that are being answered keep the model they began with. Judges nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assistant.backends.base import Backend
from assistant.backends.choose import choose_backend, choose_weights, embed_model
from assistant.backends.embeddings import OllamaEmbedder
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.bank import bank_path, read_bank
from assistant.confidence import read_table
from assistant.database import Database
from assistant.errors import BackendError, BackendGone
from assistant.masking import without_values
from assistant.memory.approved import ApprovedPairs
from assistant.recall import MAX_EXAMPLES, Recall
from assistant.served import ServedModels, Serving
from assistant.settings import Settings
from assistant.types import DatabaseSchema, KnownPair, MatchedValue, ModelInfo

if TYPE_CHECKING:
    from assistant.graph import AgentGraph
    from assistant.steps import AgentContext

MAX_EXAMPLE_TOKENS = 400
"""Most tokens that similar questions may take in a prompt; an eighth of the context where that is less."""


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


@dataclass(frozen=True)
class Known:
    """What a question is answered with beside the model; it lasts as long as the Engines."""

    database: Database
    approved: ApprovedPairs
    """What persons approved."""
    match_values: Callable[[str], tuple[MatchedValue, ...]]
    """Finds the words of a question that are values in the database."""
    renew_values: Callable[[], None]
    """Has them read again, because the schema has changed."""
    answer_model: Backend | None
    """Puts answers into words; None to leave them as they are."""


class Engines:
    """The models of one Assistant; safe to use from several threads."""

    def __init__(self, settings: Settings, known: Known, backend: Backend | None = None) -> None:
        """Choose the model, which is loaded by the first question.

        Args:
            settings: Every choice.
            known: What it is used with.
            backend: A model instead of the one the settings choose; the caller closes it.

        Raises:
            UsageError: A setting cannot be used.
        """
        self._settings = settings
        self._known = known
        self._database = known.database
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._is_closed = False
        self._standing_in = threading.Lock()
        self._stand_in: _Engine | None = None
        if backend is None:
            self._stamp = self._find_stamp()
            backend, reason = choose_backend(settings, self._find_serving())
            self._engine = _Engine(backend, reason, is_ours=True)
        else:
            self._engine = _Engine(backend, "Given by the caller.", is_ours=False)
        is_embedded = self._engine.is_ours and isinstance(self._engine.backend, LlamaCppBackend)
        self._is_following = is_embedded and settings.model_path is None

    @property
    def reason(self) -> str:
        """Why this model answers."""
        return self._engine.reason

    def info(self) -> ModelInfo:
        """Say which model answers; loads or contacts it.

        Raises:
            BackendError: It cannot be loaded or reached.
        """
        return self._engine.backend.info()

    def faults(self) -> tuple[str, ...]:
        """Say what of memory and examples cannot be used at the moment."""
        prepared = self._engine.prepared
        return prepared[1].recall.faults() if prepared and isinstance(prepared[1].recall, Recall) else ()

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

    @contextmanager
    def working(self) -> Iterator[tuple[AgentGraph, AgentContext]]:
        """Give what one question needs, and keep the model open until it is answered.

        Raises:
            BackendError: The model cannot be used.
        """
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

    def fall_back(self, gone: BackendGone) -> tuple[AgentGraph, AgentContext, str]:
        """Give what the embedded model needs to answer in place of one that is gone, and what to say of it.

        Raises:
            BackendGone: `gone`, when that is not allowed, the model has never answered, or the other cannot be used.
        """
        # One that was never there is a wrong setting, which another model would only hide.
        has_answered = self._engine.is_ours and self._engine.prepared is not None
        if not self._settings.falls_back or not has_answered:
            raise gone
        with self._standing_in:
            if self._stand_in is None:
                settings = self._settings.model_copy(update={"backend": "llamacpp", "model_path": None})
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

    def _prepare(self, backend: Backend, *, refresh: bool = False) -> tuple[AgentGraph, AgentContext]:
        """Load the model and compile the graph."""
        from assistant.graph import build_graph
        from assistant.steps import AgentContext

        info, schema = backend.info(), self._database.schema(refresh)
        sends_values = self._settings.send_values
        if refresh:
            self._known.renew_values()
        context = AgentContext(
            backend=backend,
            database=self._database,
            # The steps see of the schema what the model may see: nothing later can send what is not there.
            schema=schema if sends_values else without_values(schema),
            match_values=self._known.match_values,
            prompt_layout=info.prompt_layout,
            settings=self._settings,
            recall=self._prepare_recall(info),
            confidence_table=read_table(info),
            warnings=describe_mismatch(info, schema),
            answer_model=self._known.answer_model,
        )
        return build_graph(), context

    def _prepare_recall(self, info: ModelInfo) -> Recall:
        """Make ready what is known already, and see to it that a model is told only what it can make use of."""
        settings = self._settings
        trained = info.examples if info.examples is not None else MAX_EXAMPLES if info.prompt_layout == "full" else 0
        # Examples hold values, which somebody once asked for or which were drawn from the data.
        most = trained if settings.send_values and settings.show_examples else 0
        embed = OllamaEmbedder(settings.ollama_host, settings.embedding_model) if settings.embedding_model else None
        return Recall(
            self._known.approved if settings.recalls else None,
            lambda: self._read_bank(info),
            max_examples=most,
            max_tokens=min(MAX_EXAMPLE_TOKENS, info.context_tokens // 8),
            embed=embed,
        )

    def _read_bank(self, info: ModelInfo) -> tuple[KnownPair, ...]:
        """Read the pairs that came with the model; for one on a server, those of the model that would be embedded."""
        path = info.path if info.path is not None else choose_weights(self._settings, self._find_serving())
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
            backend, reason = embed_model(self._settings, self._find_serving(), "registered while this was running")
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
        return ServedModels(self._settings.models_path).stamp(self._database.db_id, self._database.dialect)

    def _find_serving(self) -> Serving:
        return ServedModels(self._settings.models_path).current(self._database.db_id, self._database.dialect)


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
