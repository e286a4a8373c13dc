"""Several drafts of one question: when they are wanted, which of them say the same, and which group is believed.

In: the first draft with its result, and drafts that were drawn with theirs. Out: whether the first is in doubt; then
groups of drafts, the one to believe first, and whether the person had better choose. Two drafts agree when their
results hold the same rows, whatever the order of rows and columns. Runs nothing and asks no model; `drafting` does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.types import Cell, Completion, GuardedQuery, QueryResult, SqlDraft

SURE_PROBABILITY = 0.3
"""Probability of a whole draft below which it is in doubt. It tells right from wrong better than that of the mean token
does; at 0.3 about a third of questions are in doubt, and few of those drafts right."""
SURE_TO_DECLINE = 0.5
"""Probability of a whole reply that declines, below which it is in doubt."""
MAX_EXTRA_S = 12.0
"""No further draft is begun when those that were drawn have taken so long: a large model on a slow machine."""
DOUBT_WEIGHT = 0.03
"""What is left of a draft's weight with each doubt about it (`assistant.fidelity`): of the first drafts for the public
questions one in nine of those in doubt was right, of the others two in three."""
DOUBTED = 0.2
"""What is left of the confidence in an answer whose query is still in doubt; about what those drafts were right."""
SURE_AFTER = 3
"""Drafts, the first included, that end the drawing when all of them agree."""
MIN_TO_ASK_BACK = 4
"""Drafts with a result, below which nobody is asked back: too few to say that there is no majority."""
MAX_READINGS = 3
"""Readings that are offered."""
DIGITS = 6
"""Significant digits in which two numbers have to be equal."""

ResultKey = tuple[int, tuple[tuple[tuple[str, str], ...], ...]]


@dataclass(frozen=True)
class Candidate:
    """A draft that ran."""

    draft: SqlDraft
    query: GuardedQuery
    result: QueryResult
    doubts: tuple[str, ...] = ()
    """What of the question it leaves out, or adds to it."""


@dataclass(frozen=True)
class Group:
    """Drafts that came to the same result."""

    members: tuple[Candidate, ...]
    """The likeliest of the least doubted first."""
    probability: float | None
    """What the model gives to its distinct drafts together; None where the backend does not tell."""
    agreement: float
    """Part of all drafts."""

    @property
    def best(self) -> Candidate:
        """The likeliest of the least doubted members."""
        return self.members[0]

    @property
    def weight(self) -> float:
        """How much is to be said for it: probability, else agreement; less with doubts, or where a result is empty."""
        weight = self.agreement if self.probability is None else self.probability
        weight *= DOUBT_WEIGHT**self.doubts
        return weight / 2 if says_nothing(self.best.result) else weight

    @property
    def doubts(self) -> int:
        """How many doubts there are about the least doubted member."""
        return len(self.best.doubts)


def is_doubtful(completion: Completion, result: QueryResult, doubts: Sequence[str] = ()) -> bool:
    """Tell whether a draft that ran had better be compared with others."""
    probability = find_probability([completion])
    return (
        bool(doubts)
        or (probability is not None and probability < SURE_PROBABILITY)
        or completion.rejected_tokens > 0
        or bool(completion.unconstrained_reason)
        or says_nothing(result)
    )


def is_doubtful_decline(completion: Completion) -> bool:
    """Tell whether a model that declined had better be asked again."""
    probability = find_probability([completion])
    return probability is not None and probability < SURE_TO_DECLINE


def says_nothing(result: QueryResult) -> bool:
    """Tell whether a result has no rows, or nothing but NULL in them."""
    return all(cell is None for row in result.rows for cell in row)


def is_settled(candidates: Sequence[Candidate], still_to_come: int) -> bool:
    """Tell whether further drafts can hardly change what the drafts so far agree on."""
    counts = sorted(Counter(_key(candidate.result) for candidate in candidates).values(), reverse=True)
    if len(candidates) >= SURE_AFTER and len(counts) == 1:
        return True
    second = counts[1] if len(counts) > 1 else 0
    return bool(counts) and counts[0] > second + still_to_come


def group(candidates: Sequence[Candidate], drafts: int) -> tuple[Group, ...]:
    """Put drafts with the same result together, the group with the largest weight first.

    Args:
        candidates: Those that ran.
        drafts: How many there were, those included that were refused or declined: they agree with nobody.
    """
    by_result: dict[ResultKey, list[Candidate]] = {}
    for candidate in candidates:
        by_result.setdefault(_key(candidate.result), []).append(candidate)
    groups = [
        Group(
            members=tuple(sorted(members, key=lambda member: (len(member.doubts), -_likelihood(member)))),
            probability=find_probability([member.draft.completion for member in members]),
            agreement=len(members) / drafts,
        )
        for members in by_result.values()
    ]
    return tuple(sorted(groups, key=lambda found: found.weight, reverse=True))


def needs_choice(groups: Sequence[Group]) -> bool:
    """Tell whether the drafts disagree so much that only the person can say what was meant."""
    telling = find_readings(groups)
    drafts = sum(len(found.members) for found in groups)
    # Asking back is no answer: it is kept for drafts of which no two agree.
    return len(telling) > 1 and drafts >= MIN_TO_ASK_BACK and max(len(found.members) for found in groups) == 1


def find_readings(groups: Sequence[Group]) -> list[Group]:
    """List the groups that may be what was meant: those with something to show and no more doubts than any other."""
    telling = [found for found in groups if not says_nothing(found.best.result)]
    least = min((found.doubts for found in telling), default=0)
    return [found for found in telling if found.doubts == least]


def is_repaired(candidate: Candidate, first: Candidate | None) -> bool:
    """Tell whether a draft ends the doubts about the first one, and is likely enough to look no further."""
    probability = find_probability([candidate.draft.completion])
    is_sure = probability is None or probability >= SURE_PROBABILITY
    return first is not None and bool(first.doubts) and not candidate.doubts and is_sure


def find_probability(completions: Sequence[Completion]) -> float | None:
    """Return what a model gives to several replies together, each counted once; None when the backend does not tell.

    A reply that was drawn twice is no second opinion: its probability already says how often it comes.
    """
    told = {completion.text: completion.log_probability for completion in completions}
    known = [value for value in told.values() if value is not None]
    return min(1.0, math.fsum(math.exp(value) for value in known)) if known and len(known) == len(told) else None


def _likelihood(candidate: Candidate) -> float:
    value = candidate.draft.completion.log_probability
    return 0.0 if value is None else value


def _key(result: QueryResult) -> ResultKey:
    """Return the same for results that hold the same rows, in whatever order of rows and columns."""
    columns = [[_normalise(row[place]) for row in result.rows] for place in range(len(result.columns))]
    columns.sort(key=sorted)  # by what is in them, not by where in the rows it stands
    return len(columns), tuple(sorted(zip(*columns, strict=True)))


def _normalise(cell: Cell) -> tuple[str, str]:
    if cell is None:
        return "", ""
    if isinstance(cell, str):
        return "text", cell
    # 3, 3.0 and TRUE come out of different SQL for the same thing.
    return "number", f"{float(cell):.{DIGITS}g}"
