"""The second generator: a chat model asks what the grammar's statements answer in its own words, and thinks of others.

In: the grammar and a chat model. Out: Drafts. Two ways:

    rephrase   the grammar draws SQL with a question; the teacher writes other wordings of it
    free       the teacher thinks of questions and their SQL, about the targets of the request

What it wrote is believed only after a round trip: the teacher is shown the question alone, with the schema, and the SQL
that it then writes must give the same result, on the data and on a variant (`teacher_round_trip`). The grammar's own
wording of each statement is drafted too, and what has no single SQL (follow-ups, repairs, what must be declined) comes
from the grammar alone, so that the plan is covered whatever the teacher is worth.

A request that gives nothing usable is counted and skipped. Chance is the grammar's; what a chat model writes nobody can
promise, so it is kept on disk (`teacher_replies`).
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from assistant.prompts import parse_reply
from assistant.types import DatabaseSchema
from evaluation.progress import narrate
from training.datagen.drafts import BatchRequest, Draft, Generator, Item, Target
from training.datagen.statement import StatementReader
from training.datagen.teacher_masks import Masked, mask
from training.datagen.teacher_model import Broken, ChatTeacher
from training.datagen.teacher_prompts import ask_freely, ask_rephrasings, ask_statements
from training.datagen.teacher_round_trip import RoundTrip

REPHRASINGS = 4
"""Wordings asked for of each statement."""
BATCH = 5
"""Statements in a request, and questions in one for SQL; no two of them have the same statement."""
FREE_EVERY = 3
"""After so many requests for wordings, one for questions of the teacher's own."""
MAX_DRAFTS = 300
"""Of a round, beside those that aim at targets: what is asked for takes long."""
FREE_KIND = "teacher_free"
STYLE = "teacher"
_TELL_EVERY_S = 30.0
_QUOTED = re.compile(r"'((?:[^']|'')*)'")


class Pair(NamedTuple):
    """A question that the teacher wrote, with its SQL."""

    draft: Draft
    sent: str
    """The question as the teacher sees it."""
    masked: Masked


class Teacher:
    """A generator of drafts, see `drafts.Generator`; close it at the end."""

    name = "teacher"

    def __init__(
        self,
        chat: ChatTeacher,
        grammar: Generator,
        round_trip: RoundTrip,
        schema: DatabaseSchema,
        *,
        has_values: bool,
        stop: threading.Event,
        languages: str = "",
    ) -> None:
        """Set up; asks nothing yet.

        Args:
            chat: Who is asked.
            grammar: Who draws the statements.
            round_trip: Who compares results.
            schema: Of the database, as the teacher may see it.
            has_values: Whether values of the data may be sent.
            stop: Set it to end a round early.
            languages: What rewordings are written in, such as `German and French`; empty for English.
        """
        self.kinds: Mapping[str, str] = {**grammar.kinds, FREE_KIND: "a teacher whose SQL stands the round trip"}
        self.kept = 0
        self.dropped: Counter[str] = Counter()
        self._chat = chat
        self._grammar = grammar
        self._round_trip = round_trip
        self._reader = StatementReader(schema)
        self._schema = schema
        self._has_values = has_values
        self._languages = languages
        self._public = frozenset(text for entry in schema.glossary for text in _QUOTED.findall(entry.sql))
        self._stop = stop
        self._told = time.monotonic()

    def close(self) -> None:
        """Close what is open; calling it twice is harmless."""
        self._chat.close()
        self._round_trip.close()

    def draw(self, request: BatchRequest) -> Iterator[Draft]:
        """Draft what aims at targets first, then any.

        Raises:
            BackendError: The teacher gives nothing usable any more.
            DatabaseError: The database no longer answers.
        """
        targets = [target for target in request.targets if target.item.name != FREE_KIND]
        is_free_wanted = len(targets) < len(request.targets)
        chance = random.Random(f"{request.seed}:teacher")
        waiting: list[tuple[Draft, Masked]] = []
        asked = made = 0
        drawn = self._grammar.draw(request._replace(targets=tuple(targets)))
        for _, group in groupby(
            drawn, key=lambda draft: (draft.reply, draft.history, draft.kind == "repair", draft.refused_sql)
        ):
            drafts = list(group)
            if self._stop.is_set() or (drafts[0].aim is None and made >= min(request.drafts, MAX_DRAFTS)):
                break
            masked = self._prepare(drafts)
            yield drafts[0]
            made += 1
            if masked:
                waiting.append((drafts[0], masked))
            if len(waiting) < BATCH:
                continue
            for draft in self._rephrase(waiting):
                yield draft
                made += 1
            waiting = []
            asked += 1
            if asked % FREE_EVERY == 1:
                for draft in self._think(chance.sample(targets, min(3, len(targets))), f"{request.seed}:{asked}"):
                    yield draft
                    made += 1
        if waiting and not self._stop.is_set():
            yield from self._rephrase(waiting)
        if not asked and (targets or is_free_wanted) and not self._stop.is_set():
            yield from self._think(chance.sample(targets, min(3, len(targets))), request.seed)

    def say_report(self) -> str:
        """Say what was asked and what came of it."""
        chat = self._chat
        tokens = f", {chat.tokens_in:,} tokens read and {chat.tokens_out:,} written" if chat.tokens_in else ""
        lines = [
            f"Teacher '{chat.spec}': {chat.requests:,} requests{tokens}; {self.kept:,} questions stood the round trip."
        ]
        for title, counts in (("Requests skipped", chat.broken), ("Questions dropped", self.dropped)):
            if counts := +counts:
                lines.append(f"  {title}: " + ", ".join(f"{reason} ({n:,})" for reason, n in counts.most_common()))
        return "\n".join(lines)

    def _prepare(self, drafts: Sequence[Draft]) -> Masked | None:
        """Choose the wording to be said anew, and take the values out of it; None for what is not asked for."""
        first = drafts[0]
        if first.history or first.kind == "repair" or parse_reply(first.reply).kind != "sql":
            return None
        if self._round_trip.find_fault(first.reply):
            return None
        for draft in sorted(drafts, key=lambda draft: draft.style != "plain"):
            masked = (
                Masked(draft.question, draft.reply)
                if self._has_values
                else mask(draft.question, draft.reply, self._schema.dialect, self._public)
            )
            if masked:
                return masked
        return None

    def _rephrase(self, batch: Sequence[tuple[Draft, Masked]]) -> Iterator[Draft]:
        found = self._chat.ask(ask_rephrasings([masked for _, masked in batch], REPHRASINGS, self._languages))
        if isinstance(found, Broken):
            return
        pairs: list[list[Pair]] = []
        for (draft, masked), texts in zip(batch, found, strict=True):
            restored = [(text, masked.restore(text)) for text in texts]
            self.dropped["a name or number was lost"] += sum(1 for _, question in restored if question is None)
            pairs.append(
                [
                    Pair(draft.model_copy(update={"question": question, "style": STYLE}), text, masked)
                    for text, question in restored
                    if question is not None
                ]
            )
        # One wording of each statement at a time: none is seen beside another that says the same.
        for number in range(REPHRASINGS):
            yield from self._verify([of_one[number] for of_one in pairs if number < len(of_one)])

    def _think(self, targets: Sequence[Target], seed: str) -> Iterator[Draft]:
        found = self._chat.ask(ask_freely(targets, BATCH, self._schema, _tables_of(targets), seed))
        if isinstance(found, Broken):
            return
        pairs: list[Pair] = []
        for question, written in found:
            reply = parse_reply(written)
            fault = self._round_trip.find_fault(reply.text) if reply.kind == "sql" else f"its own SQL: {reply.kind}"
            if fault:
                self.dropped[f"its own SQL: {fault}"] += 1
                continue
            aim = Item("kind", FREE_KIND)
            draft = Draft(kind=FREE_KIND, question=question, reply=reply.text, style=STYLE, aim=aim)
            pairs.append(Pair(draft, question, Masked(question, reply.text)))
        yield from self._verify(pairs)

    def _verify(self, pairs: Sequence[Pair]) -> Iterator[Draft]:
        """Give the drafts whose question alone leads to the same result."""
        if not pairs:
            return
        tables = {table for pair in pairs for table in self._reader.read(pair.draft.reply).tables}
        found = self._chat.ask(ask_statements([pair.sent for pair in pairs], self._schema, tables))
        if isinstance(found, Broken):
            self.dropped["no SQL came back"] += len(pairs)
            return
        for pair, written in zip(pairs, found, strict=True):
            fault = self._round_trip.compare(pair.draft.reply, pair.masked.restore_sql(written))
            if fault:
                self.dropped[fault] += 1
                continue
            self.kept += 1
            yield pair.draft
        if time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            narrate(f"Teacher: {self._chat.requests:,} requests, {self.kept:,} questions stood the round trip.")


def _tables_of(targets: Iterable[Target]) -> set[str]:
    """Name the tables that targets are about."""
    return {
        target.item.name.partition(".")[0] for target in targets if target.item.aspect in ("table", "column", "path")
    }
