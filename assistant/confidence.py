"""How sure an answer is: from probability and agreement to a share of right answers, and to words.

In: what the model gives to the drafts behind an answer, how many of them agree, and, where the model was measured, the
table that lies beside its file. Out: a number from 0 to 1 and words for it. What a model thinks of its own drafts is
not how often it is right; the table says how often answers that looked as sure were. `evaluation.fitting` makes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from assistant.files import CONFIDENCE_SUFFIX
from assistant.types import Answer, ModelInfo, Record

WORDS = ((0.9, "very sure"), (0.7, "fairly sure"), (0.4, "not sure"), (0.0, "guessing"))
"""From which share of right answers on which words are used."""
SIGNS = ((0.75, "some doubt"), (0.0, "in doubt"))
"""The same for the part of the drafts that agree, where nothing was measured."""


class Point(Record):
    """Answers that looked about as sure, and how often they were right."""

    raw: float = Field(ge=0, le=1)
    """Their mean confidence before the table."""
    share: float = Field(ge=0, le=1)
    """How many of them were right."""
    n: int = Field(ge=1)
    """How many there were."""


class ConfidenceTable(Record):
    """What a judged run says of one model's confidence."""

    model: str
    """File of the model."""
    size_bytes: int
    """Its size: a table does not speak for another file of the same name."""
    examples_sha256: str = ""
    """SHA-256 of the questions of the run."""
    points: tuple[Point, ...] = Field(min_length=1)
    """Neither value falls from one to the next."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        for values in ([point.raw for point in self.points], [point.share for point in self.points]):
            if values != sorted(values):
                raise ValueError("the points of a table must rise")
        return self

    def look_up(self, raw: float) -> float:
        """Return how often answers that looked so sure were right, on a straight line between two points."""
        first, last = self.points[0], self.points[-1]
        if raw <= first.raw:
            return first.share
        for low, high in zip(self.points, self.points[1:], strict=False):
            if raw < high.raw:
                part = (raw - low.raw) / (high.raw - low.raw)
                return low.share + part * (high.share - low.share)
        return last.share


def table_path(model: Path) -> Path:
    """Return where the table of a model's file lies, whether it is there or not."""
    return model.with_suffix(CONFIDENCE_SUFFIX)


def read_table(info: ModelInfo) -> ConfidenceTable | None:
    """Read the table that lies beside a model's file; None when there is none for this very file."""
    if info.path is None:
        return None
    try:
        table = ConfidenceTable.model_validate_json(table_path(info.path).read_bytes())
    except (OSError, ValidationError):
        return None  # an answer is not worth less for want of it
    return table if table.size_bytes == info.size_bytes else None


def mix(probability: float | None, agreement: float | None) -> float | None:
    """Join the two signs of certainty into one number, which orders answers but promises nothing.

    Args:
        probability: What the model gives to the drafts with this result; None where the backend does not tell.
        agreement: Part of the drafts that came to it; None when there was no reason to ask for more.
    """
    if probability is None or agreement is None:
        return agreement if probability is None else probability
    # Probability orders answers by itself nearly as well; drafts that go apart take up to half of it away.
    return probability * (1 + agreement) / 2


def describe_confidence(answer: Answer) -> str:
    """Say how sure an answer is; empty when nothing is known. No word promises more than was measured."""
    if answer.status != "answered" or answer.confidence is None:
        return ""
    if answer.is_calibrated:
        return next(words for least, words in WORDS if answer.confidence >= least)
    if answer.agreement is None:
        return "no sign of doubt"
    return next(words for least, words in SIGNS if answer.agreement >= least)
