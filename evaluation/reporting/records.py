"""What a report says, as records: the one thing that Markdown and the page are both made of.

In and out: nothing. Finds, renders and draws nothing.
"""

from __future__ import annotations

from assistant.types import Record
from evaluation.metrics import Metrics
from evaluation.rates import Rate
from evaluation.records import Score
from evaluation.reporting.text import write_counts, write_interval, write_share


class Line(Record):
    """One figure with its name, in words."""

    name: str
    """What it is."""
    value: str
    """The figure."""
    counts: str = ""
    """How many of how many; empty where it is no share."""
    interval: str = ""
    """Its 95 % interval; empty where there is none."""

    @classmethod
    def of(cls, name: str, rate: Rate) -> Line:
        """Put a rate into words."""
        return cls(name=name, value=write_share(rate.rate), counts=write_counts(rate), interval=write_interval(rate))


class Breakdown(Record):
    """Execution accuracy by one property of the questions."""

    title: str
    """Which property: `By kind`."""
    column: str
    """What a group is called: `Kind`."""
    rates: dict[str, Rate]
    """Group -> rate, in the order to show."""
    is_plotted: bool
    """Whether a picture says more than the table."""


class Change(Record):
    """A question that only one of two runs got right."""

    new: Score
    """This run's score."""
    old: Score
    """The older run's score."""


class Comparison(Record):
    """This run against an older one, over the questions that both were asked."""

    verdict: str
    """Won, lost, the difference and whether it is more than chance, in words."""
    lines: tuple[Line, ...]
    """The same as figures."""
    facts: tuple[Line, ...]
    """What the older run measured, with what."""
    cautions: tuple[str, ...]
    """What could not be compared, and what else differs between the runs; empty when nothing."""
    lost: tuple[Change, ...]
    """Right before, wrong now."""
    won: tuple[Change, ...]
    """Wrong before, right now."""
    new_by_kind: dict[str, Rate]
    """Share that is right now, by kind, over the questions of both."""
    old_by_kind: dict[str, Rate]
    """The same before."""


class GateFindings(Record):
    """The verdict of the gate."""

    verdict: str
    """In a sentence."""
    checks: tuple[tuple[str, str, str], ...]
    """What is demanded, whether it is met, and why."""


class Findings(Record):
    """All that a report says."""

    title: str
    """Heading."""
    summary: str
    """The result in a sentence or two."""
    metrics: Metrics
    """All figures of the run."""
    facts: tuple[Line, ...]
    """What was measured, with what."""
    headline: tuple[Line, ...]
    """The figures that matter, shares first."""
    costs: tuple[Line, ...]
    """Time, drafts and tokens."""
    breakdowns: tuple[Breakdown, ...]
    """Accuracy by group."""
    confidence: tuple[Line, ...]
    """How well the confidence is calibrated; empty when there is none."""
    times_ms: tuple[float, ...]
    """Milliseconds of each ask."""
    gate: GateFindings | None
    """Verdict of the gate, when it was asked."""
    comparison: Comparison | None
    """Against the older run, when there is one."""
    worst: tuple[Score, ...]
    """The most telling of what went wrong."""
    worst_summary: str
    """How many that are, and how many more there are."""
