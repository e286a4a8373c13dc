"""More drafts of a question whose first one is in doubt, and what they come to together.

In: the first draft with its query and rows, or one that declined or was refused; the prompt it was written for, and
what runs a draft. Out: an Opinion: the draft to believe, the readings to choose from, or neither. Each draft passes the
guard and runs on the database as the first did; one that is refused, or fails, counts as one that agrees with nobody.
`candidates` decides, this module does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from assistant.backends.base import Backend
from assistant.candidates import (
    MAX_EXTRA_S,
    MAX_READINGS,
    Candidate,
    Group,
    find_probability,
    group,
    is_settled,
    needs_choice,
    says_nothing,
)
from assistant.constraint.draft import SqlConstraint
from assistant.database import Database
from assistant.errors import BackendError, BackendGone, DatabaseError
from assistant.explain import describe_result, explain_query, label_columns
from assistant.guard import check
from assistant.prompts import parse_reply
from assistant.settings import Settings
from assistant.types import DatabaseSchema, Prompt, Question, Reading, Rejection, Sampling, SchemaContext, SqlDraft

PREVIEW_ROWS = 3
"""Rows of a reading that are shown."""


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

    def compare(self, draft: SqlDraft, first: Candidate | None, question: Question, schema: DatabaseSchema) -> Opinion:
        """Draw more drafts and hold their results against each other.

        Args:
            draft: The one that is in doubt.
            first: What came of it; None where it declined, or was refused.
            question: What was asked.
            schema: For readings in words.
        """
        ran, drawn = [first] if first else [], list[SqlDraft]()
        declined = int(_declines(draft))
        for another, candidate in self._draw(draft, first):
            drawn.append(another)
            declined += _declines(another)
            if candidate is not None:
                ran.append(candidate)
            if first is not None and is_settled(ran, self.settings.max_candidates - len(drawn)):
                break
        if first is None and len(ran) <= declined:
            probability = find_probability([draft.completion])
            return Opinion(None, probability, declined / (1 + len(drawn)), tuple(drawn))
        groups = group(ran, 1 + len(drawn))
        probability, agreement = groups[0].probability, groups[0].agreement
        if needs_choice(groups):
            readings = tuple(_read(found, question, schema) for found in _offered(groups))
            return Opinion(None, probability, agreement, tuple(drawn), readings)
        # Who came first to the result is as right as the likeliest, and has been shown already.
        chosen = first if first in groups[0].members else groups[0].best
        others = tuple(draft for draft in drawn if draft is not chosen.draft)
        return Opinion(chosen, probability, agreement, others)

    def _draw(self, begun: SqlDraft, first: Candidate | None) -> Iterator[tuple[SqlDraft, Candidate | None]]:
        """Give drafts one by one; without a candidate where one is refused, declines or fails."""
        ends_at = time.perf_counter() + MAX_EXTRA_S
        known = {_plain(begun.sql): first} if first else {}
        for seed in range(1, self.settings.max_candidates + 1):
            left_s = ends_at - time.perf_counter()
            if left_s <= 0:
                return
            try:
                completion = self.backend.complete(
                    self.prompt,
                    max_tokens=self.settings.max_reply_tokens,
                    on_text=self.on_text,
                    constraint=SqlConstraint(self.linked) if self.settings.constrain_names else None,
                    sampling=Sampling(seed=seed),
                )
            except BackendGone:
                return  # what there is stands; the next question will find out
            except BackendError:
                continue  # this one was cut: others need not be
            reply = parse_reply(completion.text)
            attempt = begun.attempt + seed
            draft = SqlDraft(sql=reply.text, attempt=attempt, completion=completion, is_drawn=True)
            if reply.kind != "sql":
                yield draft, None
                continue
            same = known.get(_plain(draft.sql))
            candidate = Candidate(draft, same.query, same.result) if same else self._run(draft, left_s)
            if candidate is not None:
                known[_plain(draft.sql)] = candidate
            yield draft, candidate

    def _run(self, draft: SqlDraft, left_s: float) -> Candidate | None:
        query = check(draft, self.linked, max_rows=self.settings.max_rows)
        if isinstance(query, Rejection):
            return None
        try:
            result = self.database.run(query, timeout_s=min(self.settings.query_timeout_s, left_s))
        except DatabaseError:
            return None
        return None if isinstance(result, Rejection) else Candidate(draft, query, result)


def _offered(groups: Sequence[Group]) -> tuple[Group, ...]:
    # A reading that finds something comes before one that finds nothing; the order stays otherwise.
    return tuple(sorted(groups, key=lambda found: says_nothing(found.best.result))[:MAX_READINGS])


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


def _declines(draft: SqlDraft) -> bool:
    return parse_reply(draft.completion.text).kind != "sql"


def _plain(sql: str) -> str:
    return " ".join(sql.split())
