"""What is known already: SQL that a person approved for a question, and similar questions with their SQL.

In: approved pairs from memory, verified pairs that came with the model, then a question at a time. Out: Recalled. What
a model wrote is never in it before a person has approved it. Pairs that change in memory count from the next question
on. Memory or a server for embeddings that cannot be used keeps no question from being answered; `faults` says so.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from assistant.database import Database
from assistant.errors import QueryForgeError
from assistant.examples import Embed, ExampleIndex, make_key
from assistant.guard import check
from assistant.memory.approved import ApprovedPairs
from assistant.memory.records import Pair
from assistant.settings import Settings
from assistant.types import (
    Completion,
    DatabaseSchema,
    GuardedQuery,
    KnownPair,
    MatchedValue,
    QueryResult,
    Question,
    Record,
    Rejection,
    SchemaContext,
    SqlDraft,
    Turn,
)

MAX_EXAMPLES = 3
"""Similar questions for a model of the full layout that does not say how many it was trained with."""
CHARS_PER_TOKEN = 3.5
RETRY_S = 60.0
"""How long a server for embeddings that failed is left alone."""
_CACHED_VECTORS = 20_000

_Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


class Recalled(Record):
    """What is known about a question."""

    exact: KnownPair | None = None
    """What a person approved for this very question."""
    similar: tuple[KnownPair, ...] = ()
    """Others, the most similar first."""


class _Known(NamedTuple):
    stamp: object
    exact: dict[_Key, KnownPair]
    examples: ExampleIndex


class Recall:
    """The pairs that are known for one database; safe to use from several threads."""

    def __init__(
        self,
        approved: ApprovedPairs | None,
        bank: Callable[[], Sequence[KnownPair]] = tuple,
        *,
        max_examples: int = 0,
        max_tokens: int = 400,
        embed: Embed | None = None,
    ) -> None:
        """Take where pairs come from; nothing is read before the first question.

        Args:
            approved: Those of memory; None to do without.
            bank: Gives those that came with the model; called once, and only when examples are wanted.
            max_examples: Similar questions for each question; with 0 only the same question is looked for.
            max_tokens: Most tokens they may take together, estimated.
            embed: Gives vectors of texts, to order the similar ones by meaning too.
        """
        self._approved = approved
        self._read_bank = bank
        self._bank: tuple[KnownPair, ...] | None = None
        self._max_examples = max_examples
        self._max_chars = max_tokens * CHARS_PER_TOKEN
        self._embed = None if embed is None else _Remembering(embed)
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def faults(self) -> tuple[str, ...]:
        """Say what cannot be used at the moment."""
        embedding = "" if self._embed is None else self._embed.fault
        memory = "" if self._approved is None else self._approved.fault
        return tuple(fault for fault in (memory, embedding) if fault)

    def __call__(self, question: Question, values: tuple[MatchedValue, ...]) -> Recalled:
        """Find what is known about a question.

        Args:
            question: With the turns that it goes on from, and no others.
            values: Values matched in it.
        """
        known = self._renewed()
        exact = None if question.evidence.strip() else known.exact.get(_key(question.text, question.history))
        if exact is not None or not self._max_examples or question.history:
            # A follow-up says too little to be compared by its words.
            return Recalled(exact=exact)
        embed = self._embed if self._embed is not None and self._embed.is_usable() else None
        try:
            found = known.examples.find(question.text, values, limit=2 * self._max_examples, embed=embed)
        except QueryForgeError:
            found = known.examples.find(question.text, values, limit=2 * self._max_examples)
        similar: list[KnownPair] = []
        chars = 0
        for pair, _ in found:
            size = len(pair.question) + len(pair.sql) + 6
            if len(similar) < self._max_examples and chars + size <= self._max_chars:
                similar.append(pair)
                chars += size
        return Recalled(similar=tuple(similar))

    def _renewed(self) -> _Known:
        with self._lock:
            stamp, pairs = ((), ()) if self._approved is None else self._approved.read()
            if self._known is None or self._known.stamp != stamp:
                self._known = _Known(stamp, _by_question(pairs), ExampleIndex(self._list_examples(pairs)))
            return self._known

    def _list_examples(self, pairs: Sequence[Pair]) -> list[KnownPair]:
        if not self._max_examples:
            return []
        if self._bank is None:
            self._bank = tuple(self._read_bank())
        return [*(_known_pair(pair) for pair in pairs if not pair.history), *self._bank]


def run_approved(
    pair: KnownPair,
    schema: DatabaseSchema,
    database: Database,
    settings: Settings,
    *,
    stopped: threading.Event | None = None,
) -> tuple[GuardedQuery, QueryResult] | Rejection:
    """Check and run the SQL that was approved for a question; it may have been written for an older schema.

    Raises:
        DatabaseError: The database failed.
    """
    whole = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)
    query = check(as_draft(pair), whole, max_rows=settings.max_rows)
    if isinstance(query, Rejection):
        return query
    outcome = database.run(query, timeout_s=settings.query_timeout_s, stopped=stopped)
    return outcome if isinstance(outcome, Rejection) else (query, outcome)


def as_draft(pair: KnownPair) -> SqlDraft:
    """Put known SQL as a draft, so that the guard can judge it; no model wrote it."""
    return SqlDraft(sql=pair.sql, attempt=1, completion=Completion(text=pair.sql, model=""))


class _Remembering:
    """Asks for each vector once."""

    def __init__(self, embed: Embed) -> None:
        self.fault = ""
        self._embed = embed
        self._retry_at = 0.0
        self._vectors: OrderedDict[str, Sequence[float]] = OrderedDict()
        self._lock = threading.Lock()

    def is_usable(self) -> bool:
        return time.monotonic() >= self._retry_at

    def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        with self._lock:
            missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if missing:
            try:
                vectors = self._embed(missing)
            except QueryForgeError as error:
                self.fault, self._retry_at = error.message, time.monotonic() + RETRY_S
                raise
            self.fault = ""
            with self._lock:
                self._vectors.update(zip(missing, vectors, strict=True))
        with self._lock:
            found = [self._vectors[text] for text in texts]
            while len(self._vectors) > _CACHED_VECTORS:
                self._vectors.popitem(last=False)
        return found


def _by_question(pairs: Sequence[Pair]) -> dict[_Key, KnownPair]:
    # The last review wins where questions differ in punctuation alone.
    ordered = sorted(pairs, key=lambda pair: (pair.reviewed_at or pair.created_at, pair.pair_id))
    return {_key(pair.question, pair.history): _known_pair(pair) for pair in ordered}


def _key(question: str, history: Sequence[Turn]) -> _Key:
    return make_key(question), tuple((make_key(turn.question), " ".join(turn.sql.split())) for turn in history)


def _known_pair(pair: Pair) -> KnownPair:
    return KnownPair(question=pair.question, sql=pair.sql, source="approved")
