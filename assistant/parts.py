"""What a query may be made of: node classes with their parts, types, joins, function calls.

In: one node of a tree and the dialect. Out: why it may not be there, or nothing. Everything is held against a list of
what is allowed; the words for what is refused only make the answer plain.

Must not look names up in a schema; that is the subject of `names`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from assistant.functions import EQUIVALENTS, FUNCTIONS, PADDING_FUNCTIONS, TABLE_FUNCTIONS, TEMPLATE_FUNCTIONS
from assistant.spelling import nearest
from assistant.types import Dialect, Rejection

_T = exp.DType

MAX_PADDING = 100
"""Longest text that LPAD and RPAD may make, in characters."""

_UNQUOTED = re.compile(r"[^\W\d][\w$]*")
_TEMPLATE = re.compile(r"(?:[^%]|%(?:[-+ 0#,!]*\d{0,2}(?:\.\d{1,2})?[dfgisxXeEucoLq]|%))*")


def _parts(parts: str, *classes: type[exp.Expr]) -> dict[type[exp.Expr], frozenset[str]]:
    return dict.fromkeys(classes, frozenset(parts.split()))


NODES: dict[type[exp.Expr], frozenset[str]] = {
    # queries
    **_parts(
        "with_ expressions distinct from_ laterals joins where group having windows order limit offset", exp.Select
    ),
    **_parts("with_ this expression distinct order limit offset", exp.Union, exp.Except, exp.Intersect),
    **_parts("with_ this alias order limit offset", exp.Subquery),
    **_parts("expressions recursive", exp.With),
    **_parts("this alias materialized", exp.CTE),
    **_parts("this columns", exp.TableAlias),
    **_parts("expressions alias", exp.Values, exp.Unnest),
    **_parts("this alias", exp.Lateral, exp.Alias),
    **_parts("this alias db catalog joins", exp.Table),
    **_parts("this on using side kind method", exp.Join),
    **_parts("this table db catalog", exp.Column),
    **_parts("this quoted", exp.Identifier),
    **_parts("this", exp.From, exp.Where, exp.Having),
    **_parts("expressions rollup cube grouping_sets", exp.Group),
    **_parts("expressions", exp.Rollup, exp.Cube, exp.GroupingSets, exp.Tuple),
    **_parts("this expressions", exp.Order, exp.Anonymous, exp.Bracket),
    **_parts("this desc nulls_first", exp.Ordered),
    **_parts("expression", exp.Limit, exp.Offset),
    **_parts("direction count limit_options", exp.Fetch),
    **_parts("rows", exp.LimitOptions),
    **_parts("expressions on", exp.Distinct),
    **_parts("this partition_by order spec alias over", exp.Window),
    **_parts("kind start start_side end end_side exclude", exp.WindowSpec),
    # values
    **_parts("", exp.Star, exp.Null),
    **_parts("this is_string", exp.Literal),
    **_parts("this", exp.Boolean, exp.Var, exp.Paren, exp.Neg, exp.Not, exp.BitwiseNot, exp.DataTypeParam),
    **_parts("this unit", exp.Interval),
    **_parts("this nested expressions", exp.DataType),
    # operators
    **_parts("this expression", exp.And, exp.Or, exp.Xor, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE),
    **_parts("this expression", exp.NullSafeEQ, exp.NullSafeNEQ, exp.Add, exp.Sub, exp.Mul, exp.IntDiv, exp.Mod),
    **_parts("this expression", exp.Pow, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor),
    **_parts("this expression", exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.Glob, exp.SimilarTo),
    **_parts("this expression", exp.RegexpLike, exp.RegexpILike, exp.Escape, exp.Collate, exp.Kwarg),
    **_parts("this expression negate", exp.Is, exp.Like, exp.ILike),
    **_parts("this expression typed safe", exp.Div),
    **_parts("this expression safe", exp.DPipe),
    **_parts("this low high symmetric", exp.Between),
    **_parts("this expressions query", exp.In),
    **_parts("this", exp.Exists, exp.Any, exp.All),
    **_parts("this zone", exp.AtTimeZone),
    # forms with a syntax of their own
    **_parts("this ifs default", exp.Case),
    **_parts("this true false", exp.If),
    **_parts("this to", exp.Cast),
    **_parts("this expression", exp.Extract, exp.Filter, exp.WithinGroup),
    **_parts("this expression position", exp.Trim),
    **_parts("this start length", exp.Substring),
    **_parts("this substr", exp.StrPosition),
    **_parts("this separator", exp.GroupConcat),
    **_parts("expressions bracket_notation", exp.Array),
    **_parts("this", exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.Localtime, exp.Localtimestamp),
    # JSON
    **_parts("this expression", exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar),
    **_parts("this expression", exp.ArrayContainsAll, exp.ArrayContainedBy, exp.ArrayOverlaps),
}
"""Node classes a tree may hold, each with the parts it may have; whatever is not here is refused."""

JOINS = frozenset({"", "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "NATURAL"})
"""Words that may stand before JOIN."""

ONLY_IN: dict[type[exp.Expr], tuple[Dialect, ...]] = {
    exp.Glob: ("sqlite",),
    exp.ILike: ("postgres",),
    exp.SimilarTo: ("postgres",),
    exp.RegexpLike: ("postgres", "mysql"),
    exp.RegexpILike: ("postgres",),
    exp.Interval: ("postgres", "mysql"),
    exp.IntDiv: ("mysql",),
    exp.Xor: ("mysql",),
    exp.Bracket: ("postgres",),
    exp.Array: ("postgres",),
    exp.Lateral: ("postgres", "mysql"),
    exp.Any: ("postgres", "mysql"),
    exp.All: ("postgres", "mysql"),
    exp.Fetch: ("postgres",),
    exp.Kwarg: ("postgres",),
}
"""Nodes that sqlglot reads in any dialect but that only some databases have."""

_COMMON_TYPES = (_T.BIGINT, _T.CHAR, _T.DECIMAL, _T.DOUBLE, _T.FLOAT, _T.INT, _T.SMALLINT, _T.TEXT, _T.VARCHAR)

TYPES: dict[Dialect, frozenset[exp.DType]] = {
    "sqlite": frozenset({*_COMMON_TYPES, _T.TINYINT, _T.NCHAR, _T.NVARCHAR}),
    "postgres": frozenset(
        {*_COMMON_TYPES, _T.BOOLEAN, _T.DATE, _T.INTERVAL, _T.JSON, _T.JSONB, _T.TIME, _T.TIMETZ, _T.TIMESTAMP}
        | {_T.TIMESTAMPTZ, _T.UUID, _T.ARRAY}
    ),
    "mysql": frozenset(
        {*_COMMON_TYPES, _T.BINARY, _T.DATE, _T.DATETIME, _T.JSON, _T.NCHAR, _T.TIME, _T.TIMESTAMP, _T.UBIGINT, _T.YEAR}
    ),
}
"""Types a value may be cast to. SQLite has no date types: it would make a number of '2024-05-01'."""

_WRITES = (exp.DML, exp.DDL, exp.Drop, exp.Alter, exp.Command, exp.Into, exp.Lock, exp.Returning, exp.Set, exp.Pragma)
_PLAIN_WORDS: dict[type[exp.Expr], str] = {
    exp.Dot: "a name of several parts",
    exp.Hint: "an optimizer hint",
    exp.IndexTableHint: "an index hint",
    exp.Into: "SELECT INTO",
    exp.Lock: "a locking clause (FOR UPDATE, FOR SHARE)",
    exp.Parameter: "a parameter or variable",
    exp.Placeholder: "a placeholder",
    exp.PropertyEQ: "an assignment",
    exp.SessionParameter: "a system variable",
    exp.TableSample: "TABLESAMPLE",
}
_OTHER_WAYS: dict[type[exp.Expr], str] = {
    exp.Concat: "Join texts with ||.",
    exp.Dot: "Write names and functions without a schema.",
    exp.ILike: "Use LIKE, which ignores case here.",
    exp.Interval: "Use date(x, '+1 day').",
    exp.Parameter: "Write the value itself.",
    exp.Placeholder: "Write the value itself.",
    exp.Qualify: "Put the window function into a subquery and filter around it.",
}


def refuse(rule: str, message: str, hint: str = "") -> Rejection:
    """Make a refusal of the guard."""
    return Rejection(stage="guard", rule=rule, message=message, hint=hint)


def judge(node: exp.Expr, dialect: Dialect) -> Rejection | None:
    """Say why a node, or one of its parts, may not be in a query; nothing is said of the nodes below it."""
    kind = type(node)
    parts = NODES.get(kind)
    if parts is None or (kind in ONLY_IN and dialect not in ONLY_IN[kind]):
        return _not_allowed(node, "A query may not contain")
    for part, value in node.args.items():
        if value and part not in parts:
            inner = value[0] if isinstance(value, list) else value
            if isinstance(inner, exp.Expr):
                return _not_allowed(inner, f"{kind.__name__.upper()} may not have")
            word = part.strip("_").replace("_", " ")
            return refuse("node-not-allowed", f"{kind.__name__.upper()} may not have '{word}' here.", "Leave it out.")
    detail = _DETAILS.get(kind)
    return detail(node, dialect) if detail else None


def _not_allowed(node: exp.Expr, what: str) -> Rejection:
    kind = type(node)
    words = _PLAIN_WORDS.get(kind) or f"'{kind.__name__.upper()}'"
    if isinstance(node, _WRITES):
        return refuse("read-only", f"Only reading is allowed, not {words}.", "Write a SELECT statement that reads.")
    return refuse("node-not-allowed", f"{what} {words} here.", _OTHER_WAYS.get(kind, "Write it in another way."))


def _select(node: exp.Expr, dialect: Dialect) -> Rejection | None:
    if node.expressions:
        return None
    return refuse("syntax", "There is nothing between SELECT and FROM.", "Name the columns to read.")


def _identifier(node: exp.Expr, dialect: Dialect) -> Rejection | None:
    if node.args.get("quoted") or _UNQUOTED.fullmatch(node.name):
        return None
    return refuse("node-not-allowed", f"'{node.name}' is no plain name.", "Write values into the statement itself.")


def _join(node: exp.Expr, dialect: Dialect) -> Rejection | None:
    words = {str(node.args.get(part) or "") for part in ("side", "kind", "method")}
    if words <= JOINS:
        return None
    return refuse("node-not-allowed", f"A join may not be {max(words)}.", "Use JOIN or LEFT JOIN.")


def _not(node: exp.Expr, dialect: Dialect) -> Rejection | None:
    # In `a = b NOT IN (c)`, databases and sqlglot do not agree on what comes first.
    if not isinstance(node.parent, exp.Binary) or isinstance(node.parent, exp.Connector):
        return None
    return refuse("syntax", "NOT stands inside a comparison without parentheses.", "Put parentheses around it.")


def _ordered(node: exp.Expr, dialect: Dialect) -> Rejection | None:
    if dialect != "mysql" or bool(node.args.get("desc")) != bool(node.args.get("nulls_first")):
        return None
    return refuse("syntax", "MySQL has no NULLS FIRST or NULLS LAST.", "Write ORDER BY x IS NULL, x.")


def _type(node: exp.Expr, dialect: Dialect) -> Rejection | None:
    if node.this in TYPES[dialect]:
        return None
    name = str(getattr(node.this, "name", node.this))
    hint = "Use date(x), datetime(x) or time(x)." if dialect == "sqlite" else "Cast to another type."
    return refuse("node-not-allowed", f"Values may not be cast to the type '{name}'.", hint)


def _function(node: exp.Expr, dialect: Dialect) -> Rejection | None:
    name = node.name.lower()
    if not isinstance(node.this, str) or not name.isascii():
        message = f"The name of the function '{node.name}' is not a plain word."
        return refuse("unknown-function", message, "Write the name of the function without quotes.")
    if isinstance(node.parent, (exp.Table, exp.Lateral)):
        if name in TABLE_FUNCTIONS[dialect]:
            return None
        return refuse("unknown-function", f"'{node.name}' may not be used as a table.", "Read from the tables alone.")
    if name not in FUNCTIONS[dialect]:
        close = nearest(name, FUNCTIONS[dialect])
        hint = EQUIVALENTS[dialect].get(name) or (f"Did you mean {' or '.join(close)}?" if close else "")
        return refuse("unknown-function", f"There is no function '{node.name}' here.", hint)
    arguments = node.expressions
    if name in TEMPLATE_FUNCTIONS[dialect]:
        template = arguments[0] if arguments else None
        if not (isinstance(template, exp.Literal) and template.is_string and _TEMPLATE.fullmatch(template.name)):
            message = f"The template of {name} must be a plain text without long widths."
            return refuse("unknown-function", message, "Write one such as '%.2f'.")
    if name in PADDING_FUNCTIONS:
        length = arguments[1] if len(arguments) > 1 else None
        if not (isinstance(length, exp.Literal) and length.is_int and int(length.name) <= MAX_PADDING):
            message = f"The length in {name} must be a whole number up to {MAX_PADDING}."
            return refuse("unknown-function", message, "Write a small number.")
    return None


_DETAILS: dict[type[exp.Expr], Callable[[exp.Expr, Dialect], Rejection | None]] = {
    exp.Anonymous: _function,
    exp.DataType: _type,
    exp.Identifier: _identifier,
    exp.Join: _join,
    exp.Not: _not,
    exp.Ordered: _ordered,
    exp.Select: _select,
}
