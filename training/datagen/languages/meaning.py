"""What a statement asks, apart from any language.

In and out: nothing; these are the records that `reading_sql` makes of a statement and `wording` puts into words. What
has no place here is asked in English only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Form = Literal["count", "list", "distinct", "figures", "group", "top", "extreme", "having", "share"]


@dataclass(frozen=True)
class Use:
    """A table as a statement uses it."""

    table: str
    speaker: str = ""
    """What its columns are said to be of: the table, or what it is to the rows; empty for the rows' own."""
    is_role: bool = False
    """Whether the speaker is a role's name, not a table."""


@dataclass(frozen=True)
class Term:
    """What a row has: a column, or an expression with a name."""

    use: Use
    column: str = ""
    words: tuple[str, ...] = ()
    """The names of an expression; empty for a column."""
    period: str = ""
    """Of a date: the year, month, quarter ... it is in."""
    is_date: bool = False


@dataclass(frozen=True)
class Span:
    """From a day to the day before another; None is open."""

    first: date | None = None
    end: date | None = None
    relative: str = ""
    """A span reckoned from today: `last_month`, or `last_days`."""
    number: int = 0
    """Days of `last_days`; the month of `month_of_any_year`."""
    day: int = 0
    """For a day of any year, with the month in `number`."""


@dataclass(frozen=True)
class Condition:
    """A restriction of rows."""

    kind: str
    """Names the list of wordings, such as `at_least`."""
    term: Term | None = None
    values: tuple[str, ...] = ()
    """Texts of the data, or numbers as the SQL writes them."""
    span: Span | None = None
    rows: Rows | None = None
    """Rows of another table that there must be, or must not be."""


@dataclass(frozen=True)
class Rows:
    """Rows of a table, restricted."""

    table: str
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A number that is reckoned over rows."""

    function: str
    """COUNT, DIFFERENT, AVG, SUM, MIN, MAX or MEASURE."""
    term: Term | None = None
    words: tuple[str, ...] = ()
    """The names of a measure."""


@dataclass(frozen=True)
class Meaning:
    """What is asked."""

    form: Form
    rows: Rows
    shown: tuple[Term, ...] = ()
    groups: tuple[Term, ...] = ()
    figures: tuple[Figure, ...] = ()
    order: Term | Figure | None = None
    is_falling: bool = False
    limit: int | None = None
    having: Condition | None = None
    """Holds for the only figure; its term is not used."""
    part: Condition | None = None
    """Of a share: what the part has that the whole has not."""
    digits: int | None = None
    is_fraction: bool = False
