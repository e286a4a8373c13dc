"""What a query compares with: the values and group sizes that a variant of its database has to keep in play.

In: SQL, and the schema it is about. Out: its Mentions. A name that cannot be placed, and SQL that cannot be read,
mention nothing; whether gold SQL is sound is found when it runs.

Covers: comparisons, BETWEEN, IN, LIKE and IS NULL between one column, alone or inside functions and arithmetic, and
literals; HAVING COUNT(...) compared with a whole number.
Does not cover: comparisons of two columns, of sums and lengths, and columns of a subquery in FROM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.grammar import TooComplex, read_statements, read_tokens
from assistant.types import DatabaseSchema, Record, Table

MAX_GROUP_SIZE = 1000
"""Largest number of rows per group that is kept in play."""

MentionKind = Literal["equal", "unequal", "above", "below", "pattern", "null"]
"""How the column is compared: = and IN, <> and NOT IN, > and >=, < and <=, LIKE, IS NULL and IS NOT NULL. BETWEEN is
one above and one below."""

_SIDES: dict[type[exp.Expr], tuple[MentionKind, MentionKind]] = {
    exp.EQ: ("equal", "equal"),
    exp.NullSafeEQ: ("equal", "equal"),
    exp.Is: ("equal", "equal"),
    exp.NEQ: ("unequal", "unequal"),
    exp.NullSafeNEQ: ("unequal", "unequal"),
    exp.GT: ("above", "below"),
    exp.GTE: ("above", "below"),
    exp.LT: ("below", "above"),
    exp.LTE: ("below", "above"),
    exp.Like: ("pattern", "pattern"),
    exp.ILike: ("pattern", "pattern"),
}
"""Operator -> the kind when the column stands on its left, and on its right."""

_COUNTING = frozenset({"count", "sum", "total", "length", "char_length", "instr"})
"""Functions whose result says nothing about a single value of their argument."""

_Compared = tuple[exp.Column, MentionKind, int | float | str]


class Mention(Record):
    """One value that a query compares a column with."""

    table: str
    """Table, as the schema spells it."""
    column: str
    """Column, as the schema spells it."""
    kind: MentionKind
    """How it is compared."""
    value: int | float | str
    """The literal, unquoted; empty for NULL."""


class GroupSize(Record):
    """A number of rows per group that a query compares with."""

    table: str
    """Table whose rows are counted."""
    column: str
    """Column of it that tells the groups apart."""
    size: int
    """Rows in a group."""


class Mentions(Record):
    """All that one query compares with."""

    groups: tuple[tuple[Mention, ...], ...] = ()
    """The values, one group for each use of a table: of a table joined twice, no row has to meet both."""
    sizes: tuple[GroupSize, ...] = ()
    """The group sizes."""


def find_mentions(sql: str, schema: DatabaseSchema) -> Mentions:
    """List what a query compares with, in the order of the query."""
    try:
        trees = read_statements(read_tokens(sql, schema.dialect), sql, schema.dialect)
    except (SqlglotError, TooComplex, RecursionError):
        return Mentions()
    tables = {table.name.casefold(): table for table in schema.tables}
    found: dict[tuple[int, str], dict[Mention, None]] = {}
    sizes: dict[GroupSize, None] = {}
    for tree in trees:
        if tree is None:
            continue
        for node in tree.find_all(*_SIDES, exp.Between, exp.In):
            for column, kind, value in _compare(node):
                place = _place(column, tables)
                if place is not None:
                    use, table, name = place
                    mention = Mention(table=table.name, column=name, kind=kind, value=value)
                    found.setdefault(use, {}).setdefault(mention)
        for select in tree.find_all(exp.Select):
            sizes.update(dict.fromkeys(_find_sizes(select, tables)))
    return Mentions(groups=tuple(tuple(group) for group in found.values()), sizes=tuple(sizes))


def _compare(node: exp.Expr) -> Iterator[_Compared]:
    """Give column, kind and literal of each comparison that a node makes."""
    if isinstance(node, exp.Between):
        yield from _pair(node.this, "above", [node.args["low"]])
        yield from _pair(node.this, "below", [node.args["high"]])
    elif isinstance(node, exp.In):
        yield from _pair(node.this, "unequal" if isinstance(node.parent, exp.Not) else "equal", node.expressions)
    else:
        on_left, on_right = _SIDES[type(node)]
        if isinstance(node.expression, exp.Null):
            on_left = on_right = "null"
        yield from _pair(node.this, on_left, [node.expression])
        yield from _pair(node.expression, on_right, [node.this])


def _pair(side: exp.Expr, kind: MentionKind, others: Iterable[exp.Expr]) -> Iterator[_Compared]:
    columns = [side] if isinstance(side, exp.Column) else list(side.find_all(exp.Column))
    if len({column.sql() for column in columns}) != 1 or side.find(exp.Query):
        return
    if any(call.name.casefold() in _COUNTING for call in side.find_all(exp.Anonymous)):
        return
    for other in others:
        if other.find(exp.Column, exp.Query):
            continue
        for literal in other.find_all(exp.Literal, exp.Boolean, exp.Null):
            value = _read(literal)
            if value is not None:
                yield columns[0], kind, value


def _read(literal: exp.Expr) -> int | float | str | None:
    if isinstance(literal, exp.Null):
        return "" if isinstance(literal.parent, exp.Is) else None
    if isinstance(literal, exp.Boolean):
        return int(bool(literal.this))
    if literal.args.get("is_string"):
        return str(literal.this)
    sign = -1 if isinstance(literal.parent, exp.Neg) else 1
    try:
        return sign * (int(literal.this) if str(literal.this).isdigit() else float(literal.this))
    except ValueError:
        return None


def _place(column: exp.Column, tables: dict[str, Table]) -> tuple[tuple[int, str], Table, str] | None:
    """Find the table that a column belongs to, in the nearest SELECT that knows it; None when that is no table."""
    select = column.find_ancestor(exp.Select)
    while select is not None:
        for alias, table in _sources(select, tables):
            if column.table and column.table.casefold() != alias:
                continue
            for known in table.columns:
                if known.name.casefold() == column.name.casefold():
                    return (id(select), alias), table, known.name
        select = select.find_ancestor(exp.Select)
    return None


def _sources(select: exp.Select, tables: dict[str, Table]) -> Iterator[tuple[str, Table]]:
    joins: Sequence[exp.Expr] = select.args.get("joins") or ()
    origin = select.args.get("from_")
    for source in ([origin.this] if origin else []) + [join.this for join in joins]:
        if isinstance(source, exp.Table) and source.name.casefold() in tables:
            yield source.alias_or_name.casefold(), tables[source.name.casefold()]


def _find_sizes(select: exp.Select, tables: dict[str, Table]) -> Iterator[GroupSize]:
    having, group = select.args.get("having"), select.args.get("group")
    if having is None or group is None:
        return
    keys = [place for key in group.find_all(exp.Column) if (place := _place(key, tables)) is not None]
    counted = next(
        (found for _, table, column in keys if (found := _find_counted(select, table, column, tables))), None
    )
    for node in having.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE):
        for side, other in ((node.this, node.expression), (node.expression, node.this)):
            is_count = isinstance(side, exp.Anonymous) and side.name.casefold() == "count"
            size = _read(other) if isinstance(other, exp.Literal) else None
            if is_count and counted and isinstance(size, int) and 0 < size <= MAX_GROUP_SIZE:
                yield GroupSize(table=counted[0], column=counted[1], size=size)


def _find_counted(select: exp.Select, table: Table, column: str, tables: dict[str, Table]) -> tuple[str, str] | None:
    """Find the rows that a grouping by a column counts: those of a joined child, else those of the table itself."""
    for _, child in _sources(select, tables):
        for key in child.foreign_keys:
            if key.ref_table == table.name and key.ref_columns == (column,) and child.name != table.name:
                return child.name, key.columns[0]
    return None if (column,) == table.primary_key else (table.name, column)
