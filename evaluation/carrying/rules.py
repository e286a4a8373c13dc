"""What is done with each node of an expression once its parts are carried: one table.

In: a node whose parts are carried and tagged. Out: the node of the target dialect, tagged with its kind. Here stand
literals, conditions and sorting; what takes more room has a module of its own. Must not know clauses or names.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from evaluation.carrying.aggregates import carry_filter, carry_window
from evaluation.carrying.arithmetic import calculate, divide, modulo, negate
from evaluation.carrying.calls import CALLS
from evaluation.carrying.casts import cast_value
from evaluation.carrying.collations import as_bytes, as_sorted
from evaluation.carrying.comparisons import compare, compare_any, compare_range
from evaluation.carrying.conversions import as_condition, unify
from evaluation.carrying.kinds import (
    Way,
    cannot,
    fill,
    fit,
    is_text_literal,
    kind_of,
    tag,
    tag_like,
)
from evaluation.carrying.patterns import glob, like

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_BITS = (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseLeftShift, exp.BitwiseRightShift)


def _literal(node: exp.Expr, way: Way) -> exp.Expr:
    if is_text_literal(node):
        return tag(node, "text", form="digits" if node.name.isdigit() else "")
    is_float = "e" in node.name.lower()
    return tag(node, "float" if is_float else "decimal" if "." in node.name else "integer")


def _boolean(node: exp.Expr, way: Way) -> exp.Expr:
    return tag(node, "boolean")


def _null(node: exp.Expr, way: Way) -> exp.Expr:
    return tag(node, "null")


def _same(node: exp.Expr, way: Way) -> exp.Expr:
    return tag_like(node, node.this)


def _list(node: exp.Expr, way: Way) -> exp.Expr:
    if isinstance(node, exp.Tuple) and way.target == "mysql":
        node.set("expressions", [as_bytes(item) for item in node.expressions])
    return tag(node, kind_of(node.expressions[0]) if node.expressions else "unknown")


def _connector(node: exp.Expr, way: Way) -> exp.Expr:
    for part in ("this", "expression"):
        if node.args.get(part) is not None:
            node.set(part, as_condition(node.args[part], way))
    return tag(node, "boolean")


def _is(node: exp.Expr, way: Way) -> exp.Expr:
    if isinstance(node.expression, exp.Boolean):
        node.set("this", fit(as_condition(node.this, way), exp.Is))
    return tag(node, "boolean")


def _between(node: exp.Expr, way: Way) -> exp.Expr:
    return compare_range(node.this, node.args["low"], node.args["high"], way)


def _in(node: exp.Expr, way: Way) -> exp.Expr:
    query = node.args.get("query")
    if query is None:
        return compare_any(node.this, node.expressions, way)
    _align(node, query, way)
    return tag(node, "boolean")


def _align(node: exp.Expr, query: exp.Expr, way: Way) -> None:
    """Make the value before IN and the one column of the subquery comparable."""
    select = query.unnest()
    if not isinstance(select, exp.Select) or len(select.expressions) != 1:
        return
    item = select.expressions[0]
    inner = item.this if isinstance(item, exp.Alias) else item
    probe = compare(exp.EQ, node.this.copy(), tag_like(inner.copy(), inner), way)
    if isinstance(probe, exp.EQ):
        node.set("this", probe.this)
        if probe.expression != inner:
            inner.replace(probe.expression)


def carry_like(node: exp.Expr, escape: str | None, way: Way) -> exp.Expr:
    """Carry LIKE or ILIKE whose sides are carried already.

    Args:
        node: The comparison.
        escape: Character before a sign that is meant literally; None for none.
        way: From which dialect to which.
    """
    ignores_case = isinstance(node, exp.ILike) or way.source != "postgres"
    found = like(node.this, node.expression, escape, way, ignores_case=ignores_case)
    return tag(exp.Not(this=found), "boolean") if node.args.get("negate") else found


def _like_node(node: exp.Expr, way: Way) -> exp.Expr:
    return carry_like(node, None if way.source == "sqlite" else "\\", way)


def _glob(node: exp.Expr, way: Way) -> exp.Expr:
    return glob(node.this, node.expression, way)


def _regexp(node: exp.Expr, way: Way) -> exp.Expr:
    if way.target == "sqlite":
        raise cannot("a regular expression", way)
    if way.target == "mysql":
        ignores_case = isinstance(node, exp.RegexpILike)
        form = "CAST(x AS CHAR) REGEXP y" if ignores_case else "CAST(x AS CHAR) COLLATE utf8mb4_bin REGEXP y"
        return fill("mysql", form, "boolean", x=node.this, y=node.expression)
    return fill("postgres", "x ~* y", "boolean", x=node.this, y=node.expression)


def _if(node: exp.Expr, way: Way) -> exp.Expr:
    default = node.args.get("false")
    values, kind = unify([node.args["true"]] + ([default] if default is not None else []), way)
    branch = exp.If(this=as_condition(node.this, way), true=values[0])
    return tag(exp.Case(ifs=[branch], default=values[1] if default is not None else None), kind)


def _collate(node: exp.Expr, way: Way) -> exp.Expr:
    """Keep NOCASE for the comparison or the sorting around it; leave out what is the default there anyway."""
    name = node.expression.name.upper()
    if way.source == "sqlite" and name == "NOCASE":
        inside = isinstance(node.parent, (*_COMPARISONS, exp.In, exp.Between))
        form = 'LOWER(x COLLATE "C")' if way.target == "postgres" else "LOWER(x)"
        return tag_like(node, node.this) if inside else fill(way.target, form, "text", x=node.this)
    if (way.source == "sqlite" and name == "BINARY") or (way.source == "postgres" and name == "C"):
        value: exp.Expr = node.this
        return value
    raise cannot(f"the collation {node.expression.name}", way)


def _ordered(node: exp.Expr, way: Way) -> exp.Expr:
    node.set("this", as_sorted(node.this, way))
    return node


def _order(node: exp.Expr, way: Way) -> exp.Expr:
    return tag_like(node, node.this) if isinstance(node.this, exp.Expr) else node


def _compare(node: exp.Expr, way: Way) -> exp.Expr:
    assert isinstance(node, exp.Binary)
    return compare(type(node), node.this, node.expression, way)


RULES: dict[type[exp.Expr], Callable[[exp.Expr, Way], exp.Expr]] = {
    **CALLS,
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.Paren: _same,
    exp.Alias: _same,
    exp.Tuple: _list,
    exp.Distinct: _list,
    exp.And: _connector,
    exp.Or: _connector,
    exp.Not: _connector,
    exp.Where: _connector,
    exp.Exists: _boolean,
    exp.Is: _is,
    exp.Between: _between,
    exp.In: _in,
    exp.Like: _like_node,
    exp.ILike: _like_node,
    exp.Glob: _glob,
    exp.RegexpLike: _regexp,
    exp.RegexpILike: _regexp,
    exp.If: _if,
    exp.Collate: _collate,
    exp.Ordered: _ordered,
    exp.Order: _order,
    **dict.fromkeys(_COMPARISONS, _compare),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, *_BITS), calculate),
    exp.Div: divide,
    exp.IntDiv: divide,
    exp.Mod: modulo,
    exp.Neg: negate,
    exp.Window: carry_window,
    exp.Filter: carry_filter,
    exp.Cast: cast_value,
}
"""Node -> what to do once its parts are carried; one that is not here is refused by the caller."""
