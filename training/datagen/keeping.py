"""Decide which verified examples are kept: no question twice, and of poor results a small share only.

In: Triples, one after the other. Out: for each, nothing or the reason why it is dropped. No chance is involved: the
same triples in the same order are decided alike, so that those of an earlier call, read again, restore the state.

A small database soon has nothing new to ask, but everything can be said in yet other words, and any number of questions
can be declined: both are limited, so that what is kept stays a mixture.

A duplicate is a result that another statement gave before. A single figure may be equal by chance, so figures are
limited apart: one and the same figure may be the result of a small share of the examples only.
"""

from __future__ import annotations

import hashlib
from collections import Counter

from training.datagen.triples import Flaw, Triple
from training.datagen.validation import normalise

FLAW_SHARES: dict[Flaw, float] = {
    "empty result": 0.02,
    "constant result": 0.02,
    "duplicate result": 0.04,
    "told from a look-alike by nothing": 0.01,
}
"""Most of the examples kept that may have each flaw."""
MAX_FIGURE_SHARE = 0.01
"""Most of the examples kept that may have one and the same figure as their result..."""
MIN_SAME_FIGURES = 5
"""...but so many always."""
MAX_DECLINED_SHARE = 0.3
"""Most of the examples kept that may be declined; a grammar draws about half of that."""
MAX_STATEMENT_SHARE = 0.01
"""Most of the examples kept that may have one and the same statement..."""
MIN_SAME_STATEMENTS = 20
"""...but so many always."""
MIN_DECLINED = 10
"""So many may be declined always."""


class Keeper:
    """Remembers what was kept."""

    def __init__(self) -> None:
        self.kept = 0
        self.flaws: Counter[str] = Counter()
        self._asked: set[bytes] = set()
        self._declined = 0
        self._statements: Counter[bytes] = Counter()
        self._statement_of: dict[str, bytes] = {}
        self._figures: Counter[str] = Counter()

    def judge(self, triple: Triple) -> Triple | str:
        """Keep an example, perhaps with a flaw that others of its kind show; or give the reason to drop it."""
        if _identity(triple) in self._asked:
            return "asked before"
        if reason := self._find_surplus(triple):
            return reason
        if triple.sql and not triple.flaw:
            if triple.is_figure:
                most = max(MIN_SAME_FIGURES, MAX_FIGURE_SHARE * (self.kept + 1))
                if self._figures[triple.result_digest] >= most:
                    return "figure given too often"
            elif self._statement_of.get(triple.result_digest, _digest(triple.sql)) != _digest(triple.sql):
                triple = triple.model_copy(update={"flaw": "duplicate result"})
        if triple.flaw and self.flaws[triple.flaw] + 1 > FLAW_SHARES[triple.flaw] * (self.kept + 1):
            return triple.flaw
        self.remember(triple)
        return triple

    def _find_surplus(self, triple: Triple) -> str:
        """Say of what there is enough, in proportion; empty when it is welcome."""
        if not triple.sql:
            is_enough = self._declined >= max(MIN_DECLINED, MAX_DECLINED_SHARE * (self.kept + 1))
            return "declined often enough" if is_enough else ""
        most = max(MIN_SAME_STATEMENTS, MAX_STATEMENT_SHARE * (self.kept + 1))
        return "statement asked for often enough" if self._statements[_digest(triple.sql)] >= most else ""

    def remember(self, triple: Triple) -> None:
        """Count an example that is kept."""
        self.kept += 1
        self._asked.add(_identity(triple))
        if triple.sql:
            self._statements[_digest(triple.sql)] += 1
        else:
            self._declined += 1
        if triple.flaw:
            self.flaws[triple.flaw] += 1
        if triple.sql and triple.is_figure:
            self._figures[triple.result_digest] += 1
        elif triple.sql:
            self._statement_of.setdefault(triple.result_digest, _digest(triple.sql))


def _identity(triple: Triple) -> bytes:
    """Tell examples apart: by the question, the one before it, and whether there was a refused draft."""
    before = triple.history[-1].question if triple.history else ""
    return _digest(f"{normalise(triple.question)}|{before}|{triple.kind == 'repair'}")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
