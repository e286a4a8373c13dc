"""Function calls whose arguments are carried already: numbers, choice between values, and the table of them all.

In: a call as sqlglot reads it. Out: the call of the target dialect. Must not know clauses or names.

Does not cover: ROUND at an exact half of a binary fraction.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from evaluation.carrying.aggregates import AGGREGATES, carry_total
from evaluation.carrying.collations import as_shown
from evaluation.carrying.comparisons import compare
from evaluation.carrying.conversions import as_condition, as_number, unify
from evaluation.carrying.kinds import (
    Kind,
    Way,
    cannot,
    common_form,
    fill,
    form_of,
    kind_of,
    number,
    tag,
)
from evaluation.carrying.server_dates import DATES, NAMED_DATES
from evaluation.carrying.texts import TEXTS, carry_letters, carry_printf


def carry_call(node: exp.Expr, way: Way) -> exp.Expr:
    """Carry a call of a function in `CALLS`.

    Raises:
        DataError: The function, or this use of it, has no counterpart.
    """
    return CALLS[type(node)](node, way)


def _numeric(node: exp.Expr, way: Way) -> exp.Expr:
    value = as_number(node.this, way)
    node.set("this", value)
    return tag(node, kind_of(value))


def _sign(node: exp.Expr, way: Way) -> exp.Expr:
    return tag(_numeric(node, way), "integer")


def _real(node: exp.Expr, way: Way) -> exp.Expr:
    for part in ("this", "expression"):
        if node.args.get(part) is not None:
            node.set(part, as_number(node.args[part], way))
    return tag(node, "float")


def _round(node: exp.Expr, way: Way) -> exp.Expr:
    value = as_number(node.this, way)
    places = node.args.get("decimals")
    if kind_of(value) in ("float", "unknown") and way.target == "mysql":
        # MySQL rounds the half of a DOUBLE to even, of a DECIMAL away from zero, as SQLite does.
        value = fill("mysql", "CAST(x AS DECIMAL(65, 15))", "decimal", x=value)
    elif kind_of(value) in ("float", "unknown") and way.target == "postgres":
        value = fill("postgres", "CAST(x AS DECIMAL)", "decimal", x=value)
    form = "ROUND(x, n)" if places is not None else "ROUND(x)"
    parts = {"n": places} if places is not None else {}
    kind: Kind = "float" if way.target == "sqlite" else "decimal"
    return fill(way.target, form, kind, parts, x=value)


def _log(node: exp.Expr, way: Way) -> exp.Expr:
    if node.expression is not None or way.source == "mysql":
        raise cannot("LOG()", way)
    form = "LOG(10, x)" if way.target == "mysql" else "LOG(x)"
    return fill(way.target, form, "float", x=as_number(node.this, way))


def _truncate(node: exp.Expr, way: Way) -> exp.Expr:
    places = node.args.get("decimals")
    if way.target == "sqlite" and places is not None and places.name != "0":
        raise cannot("TRUNCATE()", way)
    value = as_number(node.this, way)
    form = {"sqlite": "CAST(x AS INTEGER)", "postgres": "TRUNC(x, n)", "mysql": "TRUNCATE(x, n)"}[way.target]
    if way.target == "postgres" and kind_of(value) == "float":
        value = fill("postgres", "CAST(x AS DECIMAL)", "decimal", x=value)
    return fill(way.target, form, "decimal", x=value, n=places if places is not None else number(0))


def _coalesce(node: exp.Expr, way: Way) -> exp.Expr:
    values, kind = unify([node.this, *node.expressions], way)
    found = exp.Coalesce(this=values[0], expressions=values[1:])
    return tag(found, kind, form=common_form(values))


def _nullif(node: exp.Expr, way: Way) -> exp.Expr:
    value = node.this
    test = compare(exp.EQ, value.copy(), node.expression, way)
    if isinstance(test, exp.EQ) and test.this == value:
        return tag(exp.Nullif(this=value, expression=test.expression), kind_of(value))
    default = exp.Case(ifs=[exp.If(this=as_condition(test, way), true=exp.Null())], default=value)
    return tag(default, kind_of(value), form=form_of(value))


def _greatest(node: exp.Expr, way: Way) -> exp.Expr:
    name = "GREATEST" if isinstance(node, exp.Greatest) else "LEAST"
    values, kind = unify([node.this, *node.expressions], way)
    values = [as_number(value, way) if kind == "boolean" else as_shown(value, way) for value in values]
    names = [f"x{i}" for i in range(len(values))]
    parts = dict(zip(names, values, strict=True))
    is_skipping = way.source == "postgres"  # NULLs are left out of account there; elsewhere they win
    if is_skipping == (way.target == "postgres"):
        return tag(type(node)(this=values[0], expressions=values[1:]), kind)
    if is_skipping:
        if len(names) != 2:
            raise cannot(f"{name} of more than two values, which leaves out NULL", way)
        arguments = "COALESCE(x0, x1), COALESCE(x1, x0)"
    else:
        arguments = ", ".join(names)
    if way.target == "sqlite":
        return fill("sqlite", f"{'MAX' if name == 'GREATEST' else 'MIN'}({arguments})", kind, parts)
    call = f"{name}({arguments})"
    tested = [name for name, value in parts.items() if not isinstance(value, exp.Literal)]
    if way.target == "postgres" and tested:
        condition = " AND ".join(f"NOT {name} IS NULL" for name in tested)
        call = f"CASE WHEN {condition} THEN {call} END"
    return fill(way.target, call, kind, parts)


def _typeof(node: exp.Expr, way: Way) -> exp.Expr:
    value, kind = node.this, kind_of(node.this)
    words = {
        "boolean": "integer",
        "integer": "integer",
        "float": "real",
        "text": "text",
        "date": "text",
        "datetime": "text",
    }
    if kind == "decimal":  # SQLite keeps 12.00 in a NUMERIC column as an integer.
        form = "CASE WHEN x = FLOOR(x) THEN 'integer' WHEN x IS NULL THEN 'null' ELSE 'real' END"
    elif kind in words:
        form = f"CASE WHEN x IS NULL THEN 'null' ELSE '{words[kind]}' END"
    else:
        raise cannot("typeof()", way)
    return fill(way.target, form, "text", x=value)


_NAMED: dict[str, Callable[[exp.Expr, Way], exp.Expr]] = {
    **NAMED_DATES,
    "total": carry_total,
    "printf": carry_printf,
    "format": carry_printf,
    "ucase": lambda node, way: carry_letters(exp.Upper(this=node.expressions[0]), way),
    "lcase": lambda node, way: carry_letters(exp.Lower(this=node.expressions[0]), way),
}
"""Functions that sqlglot knows by name alone."""


def _named(node: exp.Expr, way: Way) -> exp.Expr:
    rule = _NAMED.get(node.name.lower())
    if rule is None:
        raise cannot(f"the function {node.name}()", way)
    return rule(node, way)


def _kind(kind: Kind) -> Callable[[exp.Expr, Way], exp.Expr]:
    return lambda node, way: tag(node, kind)


def _as_argument(node: exp.Expr, way: Way) -> exp.Expr:
    return tag(node, kind_of(node.this), form=form_of(node.this))


CALLS: dict[type[exp.Expr], Callable[[exp.Expr, Way], exp.Expr]] = {
    **AGGREGATES,
    **TEXTS,
    **DATES,
    exp.Anonymous: _named,
    exp.Abs: _numeric,
    exp.Ceil: _numeric,
    exp.Floor: _numeric,
    exp.Sign: _sign,
    exp.Sqrt: _real,
    exp.Exp: _real,
    exp.Ln: _real,
    exp.Pow: _real,
    exp.Log: _log,
    exp.Round: _round,
    exp.Trunc: _truncate,
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
    exp.Greatest: _greatest,
    exp.Least: _greatest,
    exp.Typeof: _typeof,
    **dict.fromkeys((exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile), _kind("integer")),
    **dict.fromkeys((exp.PercentRank, exp.CumeDist), _kind("float")),
    **dict.fromkeys((exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue), _as_argument),
}
"""Function -> how it is carried; one that is not here is refused by the caller."""
