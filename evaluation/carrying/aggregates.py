"""Aggregates and windows' functions whose arguments are carried already.

In: a call, and from which dialect to which. Out: the call of the target dialect.

Does not cover: the order of joined texts without ORDER BY, which no dialect promises; MySQL's own rounding of an
average or a quotient to four places.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from evaluation.carrying.collations import as_bytes, as_exact, as_key, as_shown
from evaluation.carrying.conversions import as_condition, as_number, as_text
from evaluation.carrying.kinds import (
    Way,
    cannot,
    fill,
    form_of,
    kind_of,
    number,
    tag,
    text,
)


def _inner(node: exp.Expr) -> tuple[exp.Expr, Callable[[exp.Expr], None]]:
    """Give the argument of an aggregate, under DISTINCT or not, and a way to replace it."""
    holder = node.this
    if isinstance(holder, exp.Distinct):
        return holder.expressions[0], lambda new: holder.set("expressions", [new])
    return holder, lambda new: node.set("this", new)


def _count(node: exp.Expr, way: Way) -> exp.Expr:
    if isinstance(node.this, exp.Distinct):
        if len(node.this.expressions) > 1 and way.target != "mysql":
            raise cannot("COUNT(DISTINCT) of several columns", way)
        if way.target == "mysql":
            node.this.set("expressions", [as_bytes(item) for item in node.this.expressions])
    return tag(node, "integer")


def _sum(node: exp.Expr, way: Way) -> exp.Expr:
    value, replace = _inner(node)
    summed = as_number(value, way)
    replace(summed)
    return tag(node, kind_of(summed))


def carry_total(node: exp.Expr, way: Way) -> exp.Expr:
    """Write SQLite's TOTAL, a sum that is 0.0 of nothing."""
    value = as_number(node.expressions[0], way)
    return fill(way.target, "COALESCE(SUM(x), 0.0)", "float" if kind_of(value) == "float" else "decimal", x=value)


def _avg(node: exp.Expr, way: Way) -> exp.Expr:
    value, replace = _inner(node)
    averaged = as_number(value, way)
    if way.target == "mysql" and kind_of(averaged) != "float":
        # MySQL rounds the average of integers to four places.
        averaged = fill("mysql", "CAST(x AS DOUBLE)", "float", x=averaged)
    replace(averaged)
    return tag(node, "decimal" if way.target == "postgres" and kind_of(averaged) != "float" else "float")


def _extreme(node: exp.Expr, way: Way) -> exp.Expr:
    value, replace = _inner(node)
    kind = kind_of(value)
    found = as_number(value, way) if kind == "boolean" else as_shown(value, way)
    replace(found)
    return tag(node, kind_of(found), form=form_of(value))


def _every(node: exp.Expr, way: Way) -> exp.Expr:
    name = "MIN" if isinstance(node, exp.LogicalAnd) else "MAX"
    return fill(way.target, f"{name}(x)", "boolean", x=node.this) if way.target != "postgres" else tag(node, "boolean")


def _group_concat(node: exp.Expr, way: Way) -> exp.Expr:
    order = node.this if isinstance(node.this, exp.Order) else None
    holder = order if order is not None else node
    is_distinct = isinstance(holder.this, exp.Distinct)
    if way.target == "sqlite" and (order is not None or (is_distinct and node.args.get("separator") is not None)):
        raise cannot("a joined list of texts with an order, or DISTINCT with a separator", way)
    value, replace = _inner(holder)
    words = as_text(value, way)
    replace(as_exact(words) if is_distinct and way.target == "mysql" else words)
    separator = node.args.get("separator")
    if separator is None and way.target != "sqlite":
        separator = text(",")
    node.set("separator", None if is_distinct and way.target == "sqlite" else separator)
    return tag(node, "text")


def carry_window(node: exp.Expr, way: Way) -> exp.Expr:
    """Carry a window: what it is parted by is told apart as in the source.

    Raises:
        DataError: Its frame is counted in something else than rows or numbers.
    """
    spec = node.args.get("spec")
    for end in (spec.args.get("start"), spec.args.get("end")) if spec is not None else ():
        if isinstance(end, exp.Expr) and not isinstance(end, exp.Literal):
            raise cannot(f"the frame of a window, {end.sql(way.source)}", way)
    parts = [as_key(part, way) for part in node.args.get("partition_by") or ()]
    if parts:
        node.set("partition_by", parts)
    call = node.this
    if way.target != "mysql" or not isinstance(call, (exp.Lag, exp.Lead)) or not call.args.get("default"):
        return tag(node, kind_of(call))
    # MariaDB has no third argument: the neighbour is missing where even a constant has none.
    default, probe = call.args["default"].pop(), node.copy()
    probe.this.set("this", number(1))
    branch = exp.If(this=exp.Is(this=probe, expression=exp.Null()), true=default)
    return tag(exp.Case(ifs=[branch], default=tag(node, kind_of(call))), kind_of(call))


def carry_filter(node: exp.Expr, way: Way) -> exp.Expr:
    """MySQL has no FILTER: what does not pass is NULL to the aggregate."""
    condition = as_condition(node.expression.this, way)
    node.expression.set("this", condition)
    if way.target != "mysql":
        return tag(node, kind_of(node.this))
    call = node.this
    if isinstance(call.this, exp.Distinct):
        slot, inner = call.this, call.this.expressions
        slot.set("expressions", [exp.Case(ifs=[exp.If(this=condition, true=item)]) for item in inner])
    else:
        value = number(1) if isinstance(call.this, exp.Star) else call.this
        call.set("this", exp.Case(ifs=[exp.If(this=condition, true=value)]))
    return tag(call, kind_of(call))


AGGREGATES: dict[type[exp.Expr], Callable[[exp.Expr, Way], exp.Expr]] = {
    exp.Count: _count,
    exp.Sum: _sum,
    exp.Avg: _avg,
    exp.Min: _extreme,
    exp.Max: _extreme,
    exp.LogicalAnd: _every,
    exp.LogicalOr: _every,
    exp.GroupConcat: _group_concat,
}
"""Aggregate -> how it is carried."""
