"""What was made: summary.json."""

from __future__ import annotations

from assistant.types import Record
from training.datagen.drafts import Aspect
from training.datagen.slices import Identity


class DatagenSummary(Record):
    """What was made."""

    kept: int
    """Examples written."""
    held_out: int = 0
    """Of these, those in eval.jsonl."""
    drawn: int
    """Questions drawn, those dropped included."""
    kinds: dict[str, int]
    """Examples by kind."""
    languages: dict[str, int] = {}
    """Examples by the language of the question, as its code."""
    flaws: dict[str, int] = {}
    """Examples kept with a poor result, by what is poor about it."""
    dropped: dict[str, int]
    """Questions dropped, by reason."""
    covered: dict[Aspect, tuple[int, int]] = {}
    """Items hit, and all items, by aspect; coverage.md lists them."""
    uncovered: dict[str, str] = {}
    """Items that nothing hits, with the reason."""
    elapsed_s: float
    """Time it took, without the time between an interruption and its continuation."""
    identity: Identity | None = None
    """What decided the examples: the same command has nothing left to do."""
