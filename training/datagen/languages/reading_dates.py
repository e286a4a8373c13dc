"""Read spans of time from the conditions on a date.

In: parts of a condition. Out: Spans. Knows the few ways in which the grammar writes them, see `phrases`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from training.datagen.languages.meaning import Span
from training.datagen.languages.reading_joins import Unread
from training.datagen.phrases import RELATIVE

_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_LAST_DAYS = re.compile(r"date\('now', '-(\d+) days'\)")


def read_bound(node: exp.Expr) -> date | str | None:
    """Read the end of a span: a day, or a day reckoned from today in SQL; None for anything else."""
    if isinstance(node, exp.Literal) and node.is_string and _ISO.fullmatch(node.name):
        return date.fromisoformat(node.name)
    if isinstance(node, exp.Anonymous) and node.name.lower() == "date" and node.expressions[0].name == "now":
        return f"date({', '.join(repr(str(part.name)) for part in node.expressions)})"
    return None


@dataclass
class Bounds:
    """The two ends of a span."""

    first: date | str | None = None
    end: date | str | None = None

    def add(self, bound: date | str, *, is_first: bool) -> None:
        """Take one of the ends.

        Raises:
            Unread: It is there already.
        """
        if (self.first if is_first else self.end) is not None:
            raise Unread
        if is_first:
            self.first = bound
        else:
            self.end = bound

    def span(self) -> Span:
        """Name the span.

        Raises:
            Unread: It has no name.
        """
        first, end = self.first, self.end
        if not isinstance(first, str) and not isinstance(end, str):
            if first and end and first >= end:
                raise Unread
            return Span(first, end)
        for name, (start, stop) in RELATIVE.items():
            if (first, end) == (start, stop):
                return Span(relative=name)
        matched = _LAST_DAYS.fullmatch(first) if isinstance(first, str) and end is None else None
        if matched is None:
            raise Unread
        return Span(relative="last_days", number=int(matched.group(1)))


def any_year(node: exp.Expr) -> tuple[exp.Expr, Span] | None:
    """Read `strftime('%m', d) = '03'` or `strftime('%m-%d', d) = '03-08'`; gives the date and the span."""
    call, value = node.this, node.args.get("expression")
    if not isinstance(node, exp.EQ) or not isinstance(call, exp.Anonymous) or not isinstance(value, exp.Literal):
        return None
    if call.name.lower() != "strftime" or len(call.expressions) != 2 or not value.is_string:
        return None
    form = call.expressions[0].name
    if form == "%m":
        return call.expressions[1], Span(relative="month_of_any_year", number=int(value.name))
    if form == "%m-%d":
        month, day = value.name.split("-")
        return call.expressions[1], Span(relative="day_of_any_year", number=int(month), day=int(day))
    return None
