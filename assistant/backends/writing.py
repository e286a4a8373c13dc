"""The tokens of one reply: which one comes next, and how the way back is found when none fits.

In: the logits behind the last token, and how a token is spelled. Out: the likeliest token or a drawn one, or the first
that a constraint lets stand. Tokens are tried in the order of their likelihood: the first one fits nearly always, so a
constraint costs one trial a token. Knows nothing of the library that computes the logits, nor of SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from assistant.backends.base import END_OF_REPLY
from assistant.backends.drawing import Drawing
from assistant.constraint.draft import Draft, SqlConstraint, StepBack
from assistant.types import Sampling

END = -1
"""Choice: the reply is complete."""
MAX_STEPS_BACK = 12
"""Steps back in one reply, before the constraint is given up."""
MAX_TRIED = 20_000
"""Tokens tried at one place before it counts as a dead end."""
MAX_SURPRISE = 30.0
"""Natural-log probability that the reply may lose to the constraint. Beyond it, what the model means does not exist
here: a query it never meant would run and look like an answer."""
LOST = 0.05
"""Probability of the best ending of a name, below which another name is tried."""
FEW = 32
"""Tokens put in order at first; the whole vocabulary only if none of them fits."""

Spell = Callable[[int], bytes | None]
"""Gives the bytes of a token; None where it ends the reply."""


class GaveUp(Exception):
    """The constraint leaves no way to go on; the message says why."""


class Writing:
    """One reply, growing and, under a constraint, sometimes shrinking."""

    def __init__(
        self,
        constraint: SqlConstraint | None,
        sampling: Sampling | None = None,
        *,
        rejected: int = 0,
        unconstrained_reason: str = "",
    ) -> None:
        self.tokens: list[int] = []
        self.rejected = rejected
        """How often the likeliest token could not stand."""
        self.unconstrained_reason = unconstrained_reason
        self._drawing = None if sampling is None else Drawing(sampling)
        self._written = bytearray()
        self._lengths = [0]  # bytes before each token
        self._log_probabilities: list[float] = []
        self._surprises: list[float] = []  # what each token cost against the one that was wanted
        self._drafts: list[Draft] = [] if constraint is None else [constraint.start()]
        self._banned: dict[int, set[int]] = {}  # position -> tokens that lead nowhere
        self._steps_back = 0

    @property
    def is_constrained(self) -> bool:
        """Whether a constraint rules."""
        return bool(self._drafts)

    @property
    def log_probability(self) -> float:
        """Sum of the natural-log probabilities of the tokens chosen, the end included."""
        return sum(self._log_probabilities)

    @property
    def count(self) -> int:
        """Tokens chosen, the end included."""
        return len(self._log_probabilities)

    def text(self, errors: str = "ignore") -> str:
        """Return the text so far, up to where a reply ends."""
        return self._written.decode(errors=errors).partition(END_OF_REPLY)[0]

    def has_ended(self) -> bool:
        """Tell whether the text holds the end of a reply, spelled as plain text."""
        return END_OF_REPLY.encode() in self._written

    def choose(self, logits: np.ndarray[Any, Any], spell: Spell) -> int | None:
        """Choose the next token and add it.

        Args:
            logits: One for each token of the vocabulary, behind the last token.
            spell: Spells a token.

        Returns:
            The token; `END`; or None after a step back: `tokens` is shorter, and the logits behind it are wanted.

        Raises:
            GaveUp: Nothing fits.
        """
        scores = logits if self._drawing is None else self._drawing.score(logits)
        wanted = int(scores.argmax())
        if not self._drafts:
            return self._add(wanted, logits, spell(wanted), None)
        place = len(self.tokens)
        banned = self._banned.get(place, set())
        draft = self._drafts[-1]
        for token in _by_score(scores, wanted):
            piece = spell(token)
            if token in banned or piece == b"":
                continue
            is_end = piece is None or piece == END_OF_REPLY.encode()
            longer = _try(draft, None if is_end else piece)
            if longer is None:
                continue
            self.rejected += token != wanted or isinstance(longer, StepBack)
            if isinstance(longer, StepBack):
                self._step_back(longer)
                return None
            if token != wanted and longer.name_start == draft.name_start and self._is_lost(draft, logits, token):
                return None
            self._surprises.append(max(0.0, float(logits[wanted] - logits[token])))
            if sum(self._surprises) > MAX_SURPRISE:
                raise GaveUp("The model means something that is not in these tables.")
            return self._add(token, logits, None if is_end else piece, longer)
        if place == 0:
            raise GaveUp("No beginning of a reply fits.")
        self._count_step("No token fits")
        self._banned.setdefault(place - 1, set()).add(self.tokens[-1])
        self._shorten(place - 1)
        return None

    def _add(self, token: int, logits: np.ndarray[Any, Any], piece: bytes | None, draft: Draft | None) -> int:
        self._log_probabilities.append(_log_probability(logits, token))
        if piece is None:
            return END
        self.tokens.append(token)
        self._written += piece
        self._lengths.append(len(self._written))
        if draft is not None:
            self._drafts.append(draft)
        return token

    def _step_back(self, step: StepBack) -> None:
        """Go back to the token in which the name begins, knowing what it must be."""
        self._count_step("A name has no meaning")
        self._shorten(self._place(step.length))
        self._drafts[-1] = self._drafts[-1].limited(step)

    def _is_lost(self, draft: Draft, logits: np.ndarray[Any, Any], token: int) -> bool:
        """Step back to where a name begins if what it began as is hardly how the model would end it.

        The model wants `so.order_date` where only `source` begins with `so`: another beginning is better than `source`.
        """
        begun = draft.name_start
        if begun is None or self._steps_back >= MAX_STEPS_BACK or np.exp(_log_probability(logits, token)) >= LOST:
            return False
        place = self._place(begun)
        self._steps_back += 1
        first = self.tokens[place]
        self._shorten(place)
        self._banned.setdefault(place, set()).add(first)
        return True

    def _place(self, length: int) -> int:
        """Return the number of the token that holds the byte at `length`."""
        return max(place for place, before in enumerate(self._lengths[:-1]) if before <= length)

    def _count_step(self, reason: str) -> None:
        self._steps_back += 1
        if self._steps_back > MAX_STEPS_BACK:
            raise GaveUp(f"{reason}, after {MAX_STEPS_BACK} steps back.")

    def _shorten(self, place: int) -> None:
        for later in [known for known in self._banned if known > place]:
            del self._banned[later]
        del self.tokens[place:]
        del self._log_probabilities[place:]
        del self._surprises[place:]
        del self._drafts[place + 1 :]
        del self._written[self._lengths[place] :]
        del self._lengths[place + 1 :]


def _try(draft: Draft, piece: bytes | None) -> Draft | StepBack | None:
    try:
        return draft.ended() if piece is None else draft.extended(piece)
    except Exception as error:  # An answer must not fail for a fault in the rules; the guard judges it all the same.
        raise GaveUp(f"The rules broke ({type(error).__name__}: {error}).") from error


def _by_score(scores: np.ndarray[Any, Any], wanted: int) -> Iterator[int]:
    yield wanted
    few = min(FEW, len(scores) - 1)
    first = np.argpartition(scores, -few)[-few:]
    ordered = [int(token) for token in first[np.argsort(-scores[first], kind="stable")]]
    yield from (token for token in ordered if token != wanted)
    tried = {wanted, *ordered}
    for token in np.argsort(-scores, kind="stable")[: MAX_TRIED + few]:
        if int(token) not in tried:
            yield int(token)


def _log_probability(logits: np.ndarray[Any, Any], token: int) -> float:
    highest = logits.max()
    return float(logits[token] - highest - np.log(np.exp(logits - highest).sum()))
