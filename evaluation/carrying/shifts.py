"""Moments so many days or months on, and SQLite's modifiers read as such steps.

In: a moment, a number and a unit; or the arguments of one of SQLite's date functions. Out: the moment that comes of it,
in the target dialect. SQLite counts the 31st of a short month on into the next, servers stop at its last day: each
statement keeps the arithmetic of the dialect it was written in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from evaluation.carrying.conversions import as_number
from evaluation.carrying.kinds import (
    Kind,
    Way,
    cannot,
    fill,
    is_text_literal,
    kind_of,
    tag,
)
from evaluation.carrying.moments import as_datetime, as_moment, step

_MODIFIER = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<number>\d+)\s*(?P<unit>second|minute|hour|day|month|year)s?", re.IGNORECASE
)

_UNIT_TEXT = re.compile(r"\s*(second|minute|hour|day|month|year)s?", re.IGNORECASE)


def shift(node: exp.Expr, count: exp.Expr, unit: str, way: Way) -> exp.Expr:
    """Add a number of units to a moment.

    SQLite counts the 31st of a short month on into the next; servers stop at its last day. Each way keeps the
    arithmetic of the source.

    Args:
        node: The moment.
        count: How many, negative for earlier.
        unit: `second`, `minute`, `hour`, `day`, `week`, `month`, `quarter` or `year`.
        way: From where to where.
    """
    unit = unit.lower().removesuffix("s")
    factor = {"week": 7, "quarter": 3, "year": 12}.get(unit, 1)
    unit = {"week": "day", "quarter": "month", "year": "month"}.get(unit, unit)
    if unit not in ("second", "minute", "hour", "day", "month"):
        raise cannot(f"the unit '{unit}' of a date", way)
    count = as_number(count, way)
    if factor != 1:
        count = _times(count, factor)
    is_date = kind_of(node) == "date" and unit in ("day", "month")
    if not way.is_native:
        return _shift_text(node, count, unit, is_date=is_date)
    if unit == "month" and way.source == "sqlite":
        return step("months, days kept", way, x=as_datetime(node, way), n=count)
    whole = _whole(count)
    if whole is not None:
        sign = "-" if whole < 0 else "+"
        amount = f"'{abs(whole)} {unit}'" if way.target == "postgres" else f"{abs(whole)} {unit.upper()}"
        plain = f"x {sign} INTERVAL {amount}"
    else:
        plain = f"n * INTERVAL '1 {unit}' + x" if way.target == "postgres" else f"x + INTERVAL n {unit.upper()}"
    kind: Kind = "date" if is_date and way.source == "mysql" and way.target == "mysql" else "datetime"
    return fill(way.target, plain, kind, x=as_datetime(node, way), n=count)


def _shift_text(node: exp.Expr, count: exp.Expr, unit: str, *, is_date: bool) -> exp.Expr:
    name = "DATE" if is_date else "DATETIME"
    kind: Kind = "date" if is_date else "datetime"
    amount = f"'{_whole(count):+d} {unit}s'" if _whole(count) is not None else f"(n) || ' {unit}s'"
    if unit != "month":
        return fill("sqlite", f"{name}(x, {amount})", kind, x=node, n=count)
    # The earlier of "so many months on" and "the last day of that month": servers stop there.
    last = f"DATE(x, 'start of month', {amount}, '+1 month', '-1 day')"
    if is_date:
        return fill("sqlite", f"MIN(DATE(x, {amount}), {last})", kind, x=node, n=count)
    return fill("sqlite", f"MIN(DATETIME(x, {amount}), {last} || ' ' || TIME(x))", kind, x=node, n=count)


def _whole(count: exp.Expr) -> int | None:
    sign = 1
    while isinstance(count, (exp.Neg, exp.Paren)):
        sign = -sign if isinstance(count, exp.Neg) else sign
        count = count.this
    return sign * int(count.name) if isinstance(count, exp.Literal) and count.name.isdigit() else None


def _times(count: exp.Expr, factor: int) -> exp.Expr:
    whole = _whole(count)
    if whole is not None:
        literal = tag(exp.Literal.number(abs(whole * factor)), "integer")
        return literal if whole >= 0 else tag(exp.Neg(this=literal), "integer")
    return fill("postgres", f"n * {factor}", "integer", n=count)


def modify(name: str, arguments: Sequence[exp.Expr], way: Way) -> exp.Expr:
    """Read the arguments of one of SQLite's date functions: a moment and its modifiers, as steps.

    Args:
        name: Of the function, for the message of an error.
        arguments: The moment, and the modifiers in order; none for the present.
        way: From SQLite to a server.

    Raises:
        DataError: A modifier is unknown, or made in a way that cannot be read.
    """
    moment, *modifiers = arguments or [exp.Literal.string("now")]
    words = [item.name.strip().lower() if is_text_literal(item) else None for item in modifiers]
    if is_text_literal(moment) and moment.name.strip().lower() == "now":
        is_local = "localtime" in words
        node = step("now" if is_local else "utc now", way)
    elif "unixepoch" in words:
        node = step("from epoch", way, x=as_number(moment, way))
    else:
        node = as_moment(moment, way)
        if "localtime" in words or "utc" in words:
            raise cannot(f"the time zone in {name}()", way)
    for item, word in zip(modifiers, words, strict=True):
        if word in ("localtime", "unixepoch"):
            continue
        node = _modify(name, node, item, word, way)
    return node


def _modify(name: str, node: exp.Expr, item: exp.Expr, word: str | None, way: Way) -> exp.Expr:
    if word is None:
        count, unit = _read_amount(name, item, way)
        return shift(node, count, unit, way)
    if word in ("start of day", "start of month", "start of year"):
        return step(word, way, x=as_datetime(node, way))
    if re.fullmatch(r"weekday [0-6]", word):
        return step("weekday", way, x=as_datetime(node, way), n=tag(exp.Literal.number(word[-1]), "integer"))
    if found := _MODIFIER.fullmatch(word):
        count = tag(exp.Literal.number(found["number"]), "integer")
        if found["sign"] == "-":
            count = tag(exp.Neg(this=count), "integer")
        return shift(node, count, found["unit"], way)
    raise cannot(f"the modifier '{word}' of {name}()", way)


def _read_amount(name: str, item: exp.Expr, way: Way) -> tuple[exp.Expr, str]:
    """Read a modifier that is put together, such as '-' || n || ' days'."""
    pieces = list(item.flatten()) if isinstance(item, exp.DPipe) else []
    is_negative = False
    if len(pieces) > 2 and is_text_literal(pieces[0]) and pieces[0].name.strip() in ("+", "-"):
        is_negative = pieces.pop(0).name.strip() == "-"
    if len(pieces) == 2 and is_text_literal(pieces[1]) and (unit := _UNIT_TEXT.fullmatch(pieces[1].name)):
        count = as_number(pieces[0], way)
        return (tag(exp.Neg(this=exp.Paren(this=count)), "integer") if is_negative else count), unit[1]
    raise cannot(f"the modifier {item.sql(way.target)} of {name}()", way)
