"""Calculations that give what the source would: whole numbers, fractions, division by zero.

In: operators whose operands are carried already. Out: the same calculation in the target dialect. Between integers,
SQLite and PostgreSQL cut the fraction of a quotient off, MySQL never; a division by zero is NULL but in PostgreSQL.
"""

from __future__ import annotations

from sqlglot import exp

from evaluation.carrying.conversions import as_number
from evaluation.carrying.kinds import (
    MOMENTS,
    NUMBERS,
    Kind,
    Way,
    cannot,
    fill,
    fit,
    join,
    kind_of,
    tag,
)
from evaluation.carrying.moments import as_date, as_datetime, step
from evaluation.carrying.shifts import shift


def negate(node: exp.Expr, way: Way) -> exp.Expr:
    """Write a minus sign before a value."""
    value = as_number(node.this, way)
    return tag(exp.Neg(this=fit(value, exp.Neg)), kind_of(value))


def calculate(node: exp.Expr, way: Way) -> exp.Expr:
    """Add, subtract or multiply numbers, or count days on from a date as servers do."""
    kinds = {kind_of(node.this), kind_of(node.expression)}
    if kinds & MOMENTS and way.source != "sqlite":
        return _calculate_moment(node, way)
    left, right = as_number(node.this, way), as_number(node.expression, way)
    return join(type(node), left, right, _wider(left, right))


def _calculate_moment(node: exp.Expr, way: Way) -> exp.Expr:
    left, right = node.this, node.expression
    if isinstance(node, exp.Sub) and {kind_of(left), kind_of(right)} == {"date"} and way.source == "postgres":
        return step("days between", way, x=left, y=right)
    if isinstance(node, (exp.Add, exp.Sub)) and kind_of(left) == "date" and kind_of(right) == "integer":
        count = tag(exp.Neg(this=fit(right, exp.Neg)), "integer") if isinstance(node, exp.Sub) else right
        return as_date(shift(left, count, "day", way), way)
    if isinstance(node, exp.Sub) and kind_of(left) in MOMENTS and kind_of(right) in MOMENTS:
        # An interval is only understood inside EXTRACT; see `evaluation.carrying.server_dates`.
        return tag(exp.Sub(this=as_datetime(left, way), expression=as_datetime(right, way)), "interval")
    raise cannot(f"the calculation {node.sql(way.target)[:80]}", way)


def divide(node: exp.Expr, way: Way) -> exp.Expr:
    """Divide as the source does: SQLite and PostgreSQL cut the fraction off between integers, MySQL never."""
    left, right = as_number(node.this, way), as_number(node.expression, way)
    is_cutting = kind_of(left) == kind_of(right) == "integer" and (
        way.source != "mysql" or isinstance(node, exp.IntDiv)
    )
    if isinstance(node, exp.IntDiv) and not is_cutting:
        raise cannot("DIV between numbers with a fraction", way)
    is_safe = isinstance(right, exp.Literal) and float(right.name) != 0
    if way.target == "mysql":
        form = "x DIV y" if is_cutting else "x / y" if kind_of(left) == "float" else "CAST(x AS DOUBLE) / y"
        # A DECIMAL quotient would be rounded to four places more than its dividend has.
        return fill("mysql", form, "integer" if is_cutting else "float", x=left, y=right)
    if way.target == "sqlite":
        form = "x / y" if is_cutting else "CAST(x AS REAL) / y"
        return fill("sqlite", form, "integer" if is_cutting else "float", x=left, y=right)
    divisor = right if is_safe else fill("postgres", "NULLIF(y, 0)", kind_of(right), y=right)
    is_widening = kind_of(left) == kind_of(right) == "integer" and not is_cutting
    form = "CAST(x AS DECIMAL) / y" if is_widening else "x / y"
    kind: Kind = "integer" if is_cutting else "float" if "float" in (kind_of(left), kind_of(right)) else "decimal"
    return fill("postgres", form, kind, x=left, y=divisor)


def modulo(node: exp.Expr, way: Way) -> exp.Expr:
    """Write the remainder of a division, which is NULL for a divisor of zero."""
    both = [as_number(part, way) for part in (node.this, node.expression)]
    if way.source == "sqlite":
        both = [part if kind_of(part) in ("integer", "unknown") else cut(part, way) for part in both]
    left, right = both
    if way.target == "postgres" and not (isinstance(right, exp.Literal) and float(right.name) != 0):
        right = fill("postgres", "NULLIF(y, 0)", kind_of(right), y=right)
    return join(exp.Mod, left, right, _wider(left, right))


def _wider(left: exp.Expr, right: exp.Expr) -> Kind:
    kinds = {kind_of(left), kind_of(right)}
    if "null" in kinds:
        kinds -= {"null"}
        kinds = kinds or {"integer"}
    if not kinds <= NUMBERS:
        return "unknown"
    return "float" if "float" in kinds else "decimal" if "decimal" in kinds else "integer"


def cut(value: exp.Expr, way: Way) -> exp.Expr:
    """Cut the fraction off, as SQLite's CAST to INTEGER does; servers round there."""
    if kind_of(value) == "unknown" or not way.is_native:
        return fill(
            way.target, "CAST(x AS SIGNED)" if way.target == "mysql" else "CAST(x AS BIGINT)", "integer", x=value
        )
    form = "CAST(TRUNC(x) AS BIGINT)" if way.target == "postgres" else "CAST(TRUNCATE(x, 0) AS SIGNED)"
    return fill(way.target, form, "integer", x=value)
