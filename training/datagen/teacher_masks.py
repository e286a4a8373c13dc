"""Made-up values in place of those of the data, so that a question can leave the machine without them.

In: a question and its SQL. Out: both with other values, and the way back. A value that the question says in other words
than the SQL cannot be taken out of it: such a pair has no mask, and stays at home.

Covers: text, numbers from 100 on or with a decimal point; a pair about single days within a month stays at home.
Does not cover: smaller whole numbers, years, months and quarters, which are sent as they are; comments and glossary,
which whoever wrote them may have filled with values.
"""

from __future__ import annotations

import calendar
import random
import re
from typing import NamedTuple

from sqlglot import exp

from assistant.types import Dialect
from training.datagen.statement import read_tree

NAMES = ("Vornholm", "Taskillet", "Quembra", "Ostrivane", "Zellwick", "Dranmoor", "Ibbersley", "Pluvanto")
"""Stand-ins for text."""
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Like, exp.ILike)
_FORMAT = re.compile(r"^(?:%[A-Za-z]|[-/: .TWQ])+$")
_MODIFIER = re.compile(r"^(?:[+-]\d+ \w+|start of \w+|weekday \d|now|localtime|utc|)$", re.IGNORECASE)
_PERIOD = re.compile(r"^(?:19|20)\d\d(?:-\d\d){0,2}(?:[ T][\d:.]+)?$")
_DAY = re.compile(r"^\d{4}-\d\d-\d\d")


class Masked(NamedTuple):
    """A question and its SQL with made-up values."""

    question: str
    sql: str
    swaps: tuple[tuple[str, str], ...] = ()
    """Each made-up value with the one it stands for, as the question writes it."""

    def restore(self, question: str) -> str | None:
        """Put the values back into a question; None when it has lost one."""
        for stand_in, value in self.swaps:
            parts = re.split(_pattern(stand_in), question, flags=re.IGNORECASE)
            if len(parts) == 1:
                return None
            question = value.join(parts)
        return question

    def restore_sql(self, sql: str) -> str:
        """Put the values back into SQL; where they stand in lower case, in lower case."""
        for stand_in, value in self.swaps:
            quoted = value.replace("'", "''")
            sql = quoted.join(re.split(_pattern(stand_in), sql))
            sql = quoted.lower().join(re.split(_pattern(stand_in.lower()), sql))
        return sql


def mask(question: str, sql: str, dialect: Dialect, public: frozenset[str] = frozenset()) -> Masked | None:
    """Swap the values of a question and its SQL for made-up ones; None when that cannot be done.

    Args:
        question: As asked.
        sql: A statement that passed the guard.
        dialect: Its SQL flavour.
        public: Values that are known anyway, such as those of the glossary.
    """
    swaps: list[tuple[str, str]] = []
    before = f"{question} {sql}"
    rng = random.Random(sql)
    names = [name for name in NAMES if name.casefold() not in before.casefold()]
    rng.shuffle(names)
    values = _values(read_tree(sql, dialect))
    if values is None:
        return None
    for value, is_text in values:
        if value in public:
            continue
        if any(value.casefold() in known.casefold() for _, known in swaps):
            if any(value.casefold() == known.casefold() for _, known in swaps):
                continue
            return None  # a part of another value: the way back would not be certain
        found = re.search(_pattern(value), question, re.IGNORECASE)
        if found is None or (is_text and not names) or found.group() != value:
            return None
        stand_in = names.pop() if is_text else _other_number(value, f"{before} {question}", rng)
        swaps.append((stand_in, value))
        question = re.sub(_pattern(value), stand_in, question)
        sql = re.sub(_pattern(value.replace("'", "''")), stand_in, sql)
    return Masked(question, sql, tuple(swaps))


def _values(tree: exp.Expr) -> list[tuple[str, bool]] | None:
    """List what may be values of the data, with whether each is text; longest first, so that none is cut in two.

    Returns:
        None where a single day occurs, which nothing made-up can stand for.
    """
    found: dict[str, bool] = {}
    for literal in tree.find_all(exp.Literal):
        text = str(literal.this)
        parent = literal.parent
        while isinstance(parent, exp.Paren | exp.Neg | exp.Lower | exp.Upper):
            parent = parent.parent
        is_compared = isinstance(parent, _COMPARISONS)
        is_counted = isinstance(parent, exp.Expr) and isinstance(parent.this, exp.Column)
        if _PERIOD.match(text) and (literal.is_string or not is_counted):
            if _DAY.match(text) and (isinstance(parent, exp.EQ) or not _is_month_bound(text)):
                return None
        elif literal.is_string:
            if isinstance(parent, exp.Like | exp.ILike):
                found[text.strip("%")] = True
            elif is_compared or not (_FORMAT.match(text) or _MODIFIER.match(text) or _is_label(literal)):
                found[text] = True
        elif is_compared and (len(text) > 2 or "." in text):
            found[text] = False
    return sorted(found.items(), key=lambda pair: (-len(pair[0]), pair[0]))


def _is_month_bound(text: str) -> bool:
    """Tell whether a day is the first or last of its month, as periods begin and end."""
    year, month, day = (int(part) for part in text[:10].split("-"))
    return day == 1 or (1 <= month <= 12 and year > 0 and day == calendar.monthrange(year, month)[1])


def _is_label(literal: exp.Literal) -> bool:
    """Tell whether a text is what a CASE gives."""
    return isinstance(literal.parent, exp.If | exp.Case)


def _other_number(value: str, used: str, rng: random.Random) -> str:
    while True:
        other = "".join(rng.choice("123456789") if sign.isdigit() else sign for sign in value)
        # Single digits leave little choice, and are sent anyway.
        if other not in used and not _PERIOD.match(other):
            return other


def _pattern(value: str) -> str:
    return rf"(?<![\w.]){re.escape(value)}(?!\w|\.\d)"
