"""What the values of an expression are: a note on every node, and ways to build nodes that carry it.

In: sqlglot nodes. Out: the same nodes, tagged with a kind; new nodes from SQL text with names in the place of parts. A
kind is what a value means, not how it is stored: a date is a DATE on a server and ISO text in SQLite, a boolean is 0 or
1 in SQLite and MySQL. Must not know clauses, names or functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, cast

from sqlglot import exp, parse_one

from assistant.errors import DataError
from assistant.types import Dialect

Kind = Literal["boolean", "integer", "decimal", "float", "text", "date", "datetime", "interval", "null", "unknown"]
"""What a value is. `decimal` is exact and `float` is not; `unknown` is left as it stands."""

MOMENTS: frozenset[Kind] = frozenset({"date", "datetime"})
"""Kinds that SQLite keeps as ISO text."""

NUMBERS: frozenset[Kind] = frozenset({"integer", "decimal", "float"})
"""Kinds that one can calculate with."""

NUMBER_TEXT = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
"""Text that SQLite takes for a number when it is compared with one."""

_KIND, _AFFINITY, _FORM = "qf_kind", "qf_affinity", "qf_form"
TextForm = Literal["", "caseless", "digits"]
"""What is known of a text: nothing, that it has no letters (a formatted date), or that it is nothing but digits."""

_OPERATORS = (exp.Binary, exp.Unary, exp.AtTimeZone, exp.Interval, exp.Between, exp.In, exp.Collate)

_RANKS: tuple[tuple[tuple[type[exp.Expr], ...], int], ...] = (
    ((exp.Connector, exp.Not), 0),
    ((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), 1),
    ((exp.Add, exp.Sub), 2),
    ((exp.Mul, exp.Div, exp.IntDiv, exp.Mod), 3),
    ((exp.Interval, exp.AtTimeZone, exp.Collate, exp.Neg), 8),
)
"""How strongly operators bind, where all dialects agree; what is not listed always gets parentheses."""


class Way(NamedTuple):
    """From which dialect to which."""

    source: Dialect
    """Dialect the SQL was written in."""
    target: Dialect
    """Dialect that is wanted."""

    @property
    def is_native(self) -> bool:
        """Whether the target has date types of its own."""
        return self.target != "sqlite"


def cannot(what: str, way: Way) -> DataError:
    """Make the error for something that has no counterpart in the target."""
    return DataError(
        f"Cannot carry {what} over from {way.source} to {way.target}.",
        "Write this gold SQL in the dialect of the database, or in a plainer form.",
    )


def kind_of(node: exp.Expr) -> Kind:
    """Read the kind of a node."""
    return cast(Kind, node.meta.get(_KIND, "unknown"))


def tag(node: exp.Expr, kind: Kind, *, affinity: str = "", form: TextForm = "") -> exp.Expr:
    """Note on a node what it is.

    Args:
        node: The node.
        kind: What its values are.
        affinity: `text` or `numeric` where SQLite would convert what it is compared with: for columns and casts.
        form: What is known of its text.
    """
    node.meta.update({_KIND: kind, _AFFINITY: affinity, _FORM: form})
    return node


def tag_like(node: exp.Expr, other: exp.Expr) -> exp.Expr:
    """Note on a node that it is what another one is."""
    return tag(node, kind_of(other), affinity=affinity_of(other), form=form_of(other))


def affinity_of(node: exp.Expr) -> str:
    """Read the affinity of a node: `text`, `numeric` or empty."""
    return str(node.meta.get(_AFFINITY, ""))


def form_of(node: exp.Expr) -> TextForm:
    """Read what is known of a text."""
    return cast(TextForm, node.meta.get(_FORM, ""))


def common_form(nodes: Iterable[exp.Expr]) -> TextForm:
    """Give what is known of each of several texts."""
    forms = {form_of(node) for node in nodes}
    return "" if "" in forms or not forms else "caseless" if "caseless" in forms else "digits"


def fill(
    dialect: Dialect,
    template: str,
    kind: Kind,
    parts: Mapping[str, exp.Expr] | None = None,
    *,
    form: TextForm = "",
    **named: exp.Expr,
) -> exp.Expr:
    """Build an expression from SQL text with names in the place of parts.

    Args:
        dialect: Dialect of the text.
        template: An expression such as `CAST(x AS DATE)`.
        kind: Kind of the whole.
        parts: What stands for each name; put in parentheses where it needs them.
        form: What is known of its text.
        named: Parts as keywords.
    """
    # A Paren holds it, so that every name has a parent to be replaced in.
    holder = exp.Paren(this=_parse(dialect, template).copy())
    values = {**(parts or {}), **named}
    for column in list(holder.find_all(exp.Column)):
        part = values.get(column.name) if not column.table else None
        if part is not None and column.parent is not None:
            column.replace(fit(part.copy(), type(column.parent), is_right=column.arg_key == "expression"))
    return tag(holder.this.pop(), kind, form=form)


@lru_cache(maxsize=512)
def _parse(dialect: Dialect, template: str) -> exp.Expr:
    select = parse_one(f"SELECT {template}", dialect=dialect)
    return cast(exp.Expr, select.expressions[0])


def join(op: type[exp.Expr], left: exp.Expr, right: exp.Expr, kind: Kind) -> exp.Expr:
    """Put an operator between two nodes, which get parentheses where they need them."""
    return tag(op(this=fit(left, op), expression=fit(right, op, is_right=True)), kind)


def fit(node: exp.Expr, parent: type[exp.Expr], *, is_right: bool = False) -> exp.Expr:
    """Put a node in parentheses if it could not stand beside an operator without."""
    if not issubclass(parent, _OPERATORS) or issubclass(parent, exp.Paren):
        return node
    own, around = _rank(type(node)), _rank(parent)
    return tag_like(exp.Paren(this=node), node) if own < around or (own == around and is_right) else node


def _rank(kind: type[exp.Expr]) -> float:
    """Say how strongly an operator binds; what dialects disagree on binds weakest inside and strongest around."""
    if not issubclass(kind, _OPERATORS) or issubclass(kind, exp.Paren):
        return 9
    return next((rank for kinds, rank in _RANKS if issubclass(kind, kinds)), 0.5)


def number(value: int) -> exp.Expr:
    """Make an integer literal."""
    literal = tag(exp.Literal.number(abs(value)), "integer")
    return literal if value >= 0 else tag(exp.Neg(this=literal), "integer")


def text(value: str) -> exp.Expr:
    """Make a text literal."""
    return tag(exp.Literal.string(value), "text", form="digits" if value.isdigit() else "")


def is_text_literal(node: exp.Expr) -> bool:
    """Tell whether a node is a text written out."""
    return isinstance(node, exp.Literal) and bool(node.is_string)
