"""More drafts of a question whose first one is in doubt, and what they come to together.

In: the first draft with its query and rows, or one that declined or was refused; the prompt it was written for, and
what runs a draft. Out: an Opinion: the draft to believe, the readings to choose from, or neither. Each draft passes the
guard and runs on the database as the first did; one that is refused, or fails, counts as one that agrees with nobody.
`candidates` decides, this module does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from assistant.backends.base import Backend
from assistant.candidates import (
    MAX_EXTRA_S,
    MAX_READINGS,
    Candidate,
    Group,
    find_probability,
    find_readings,
    group,
    is_repaired,
    is_settled,
    needs_choice,
)
from assistant.constraint.draft import SqlConstraint
from assistant.database import Database
from assistant.describing import describe_result, label_columns
from assistant.errors import BackendError, BackendGone, DatabaseError
from assistant.explain import explain_query
from assistant.guard import check
from assistant.prompts import parse_reply
from assistant.settings import Settings
from assistant.types import DatabaseSchema, Prompt, Question, Reading, Rejection, Sampling, SchemaContext, SqlDraft

PREVIEW_ROWS = 3
"""Rows of a reading that are shown."""


class _Drawn(NamedTuple):
    draft: SqlDraft
    candidate: Candidate | None
    """What came of it; None where it declines, is refused or fails."""
    declines: bool


@dataclass(frozen=True)
class Opinion:
    """What several drafts of a question come to."""

    chosen: Candidate | None
    """The draft to believe; None when the person has to choose, or the model still declines."""
    probability: float | None
    """What the model gives to the drafts with the result believed, or the likeliest; None where it does not tell."""
    agreement: float
    """Part of the drafts that came to that result."""
    others: tuple[SqlDraft, ...]
    """The drawn drafts that were not chosen."""
    readings: tuple[Reading, ...] = ()
    """To choose from, where nothing was chosen."""


@dataclass(frozen=True)
class Drafting:
    """What a draft is written and run with."""

    backend: Backend
    database: Database
    settings: Settings
    linked: SchemaContext
    prompt: Prompt
    on_text: Callable[[str], None]
    """Called with each draft as it grows; what it raises ends the work."""
    find_doubts: Callable[[str], tuple[str, ...]]
    """Says what of the question a statement leaves out, or adds to it."""
    stopped: threading.Event
    """Breaks off the query that is running, when it is set."""
    repair: Prompt | None = None
    """Tells the model what is in doubt about the first draft; None where nothing is."""

    def compare(self, draft: SqlDraft, first: Candidate | None, question: Question, schema: DatabaseSchema) -> Opinion:
        """Draw more drafts and hold their results against each other.

        Args:
            draft: The one that is in doubt.
            first: What came of it; None where it declined, or was refused.
            question: What was asked.
            schema: For readings in words.
        """
        ran, drawn = [first] if first else [], list[SqlDraft]()
        declined = int(parse_reply(draft.completion.text).kind != "sql")
        for another, candidate, declines in self._draw(draft, first):
            drawn.append(another)
            declined += declines
            if candidate is not None:
                ran.append(candidate)
                if is_repaired(candidate, first):
                    break
            if first is not None and is_settled(ran, self.settings.max_candidates - len(drawn)):
                break
        if first is None and len(ran) <= declined:
            probability = find_probability([draft.completion])
            return Opinion(None, probability, declined / (1 + len(drawn)), tuple(drawn))
        groups = group(ran, 1 + len(drawn))
        probability, agreement = groups[0].probability, groups[0].agreement
        if needs_choice(groups):
            readings = tuple(_read(found, question, schema) for found in find_readings(groups)[:MAX_READINGS])
            return Opinion(None, probability, agreement, tuple(drawn), readings)
        # Who came first to the result is as right as the likeliest, and has been shown already.
        best = groups[0].best
        chosen = first if first in groups[0].members and first and len(first.doubts) == len(best.doubts) else best
        others = tuple(draft for draft in drawn if draft is not chosen.draft)
        return Opinion(chosen, probability, agreement, others)

    def _draw(self, begun: SqlDraft, first: Candidate | None) -> Iterator[_Drawn]:
        """Draw drafts one by one, and run each that is SQL."""
        ends_at = time.perf_counter() + MAX_EXTRA_S
        known = {_plain(begun.sql): first} if first else {}
        # Told what is in doubt, the model is not asked to vary: its likeliest reply is wanted.
        wanted: list[tuple[Prompt, Sampling | None]] = [] if self.repair is None else [(self.repair, None)]
        wanted += [(self.prompt, Sampling(seed=seed)) for seed in range(1, self.settings.max_candidates + 1)]
        for number, (prompt, sampling) in enumerate(wanted, start=1):
            left_s = ends_at - time.perf_counter()
            if left_s <= 0:
                return
            try:
                completion = self.backend.complete(
                    prompt,
                    max_tokens=self.settings.max_reply_tokens,
                    on_text=self.on_text,
                    constraint=SqlConstraint(self.linked) if self.settings.constrain_names else None,
                    sampling=sampling,
                )
            except BackendGone:
                return  # what there is stands; the next question will find out
            except BackendError:
                continue  # this one was cut: others need not be
            reply = parse_reply(completion.text)
            attempt, is_drawn = begun.attempt + number, sampling is not None
            draft = SqlDraft(sql=reply.text, attempt=attempt, completion=completion, is_drawn=is_drawn)
            if reply.kind != "sql":
                yield _Drawn(draft, None, declines=True)
                continue
            same = known.get(_plain(draft.sql))
            candidate = replace(same, draft=draft) if same else self._run(draft, left_s)
            if candidate is not None:
                known[_plain(draft.sql)] = candidate
            yield _Drawn(draft, candidate, declines=False)

    def _run(self, draft: SqlDraft, left_s: float) -> Candidate | None:
        query = check(draft, self.linked, max_rows=self.settings.max_rows)
        if isinstance(query, Rejection):
            return None
        try:
            limit_s = min(self.settings.query_timeout_s, left_s)
            result = self.database.run(query, timeout_s=limit_s, stopped=self.stopped)
        except DatabaseError:
            return None
        if isinstance(result, Rejection):
            return None
        return Candidate(draft, query, result, self.find_doubts(draft.sql))


def _read(found: Group, question: Question, schema: DatabaseSchema) -> Reading:
    query, result = found.best.query, found.best.result
    labelled = label_columns(query, result)
    preview = labelled.model_copy(
        update={
            "rows": labelled.rows[:PREVIEW_ROWS],
            "is_truncated": labelled.is_truncated or len(labelled.rows) > PREVIEW_ROWS,
        }
    )
    text = explain_query(query, schema) or describe_result(question, query, result)
    return Reading(text=text, sql=found.best.draft.sql, preview=preview, share=found.agreement)


def _plain(sql: str) -> str:
    return " ".join(sql.split())
