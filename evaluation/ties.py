"""Rows that tie: where LIMIT cuts between them a query has no certain result, and their order never counts.

In: SQL, or the rows of a result. Out: the same SQL with all ties broken one way or the other (two that give the same
rows prove that the result is certain); the same SQL with its sort keys to be seen; a number for each run of tied rows.
Runs nothing. SQL is changed in the tree and written as it was read; nothing but the ORDER BY, or the list of output
columns, gets longer.

Covers: LIMIT, OFFSET and FETCH at any depth; ORDER BY of the outermost SELECT or set operation.
Does not cover: window functions that number tied rows (ROW_NUMBER, FIRST_VALUE, LAG ...), LIMIT over a nested
`SELECT *`, aggregates that depend on order (GROUP_CONCAT), random numbers outside ORDER BY; text that ties only by its
collation counts as different.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.grammar import TooComplex, read_statements, read_tokens, write
from assistant.types import Cell, Dialect, Record

_TOLERANCE = 1e-9
"""Relative difference of floats that tie: the same sum may be added up in another order each time."""


class SortKeys(Record):
    """A query whose result shows what it is sorted by."""

    sql: str
    """The query, with further output columns at its end where they are needed."""
    positions: tuple[int, ...]
    """Output columns that hold the sort keys, most important first; negative ones count from the end."""
    n_extra: int
    """Output columns that the query did not have before."""


def break_ties(sql: str, dialect: Dialect, *, is_ascending: bool, n_columns: int | None = None) -> str | None:
    """Make every LIMIT certain by sorting tied rows by all their columns.

    When the ascending and the descending version give the same rows, the ties do not matter: of rows that tie, LIMIT
    takes the lowest in one and the highest in the other, and these are the same only if all are.

    Args:
        sql: One query.
        dialect: Its dialect.
        is_ascending: Which way tied rows are sorted.
        n_columns: Output columns of the whole query, needed where that is `SELECT *`.

    Returns:
        The query with ties broken; None when nothing in it has a LIMIT, or it cannot be read.
    """
    tree = _read(sql, dialect)
    if tree is None:
        return None
    limited = [node for node in tree.find_all(exp.Query) if node.args.get("limit") or node.args.get("offset")]
    if not limited:
        return None
    for node in limited:
        width = _count_columns(node)
        if width is None and node is tree:
            width = n_columns
        # FETCH ... WITH TIES takes tied rows together.
        limit = node.args.get("limit")
        options = limit.args.get("limit_options") if isinstance(limit, exp.Fetch) else None
        if width is None or (options is not None and options.args.get("with_ties")):
            continue
        order = node.args.get("order")
        earlier = list(order.expressions) if order is not None else []
        later = [_sort_by(number, dialect, is_ascending=is_ascending) for number in range(1, width + 1)]
        node.set("order", exp.Order(expressions=earlier + later))
    return _write(tree, dialect)


def expose_sort_keys(sql: str, dialect: Dialect) -> SortKeys | None:
    """Make a query show what its rows are sorted by.

    A sort key that is an output column is read there; others become output columns at the end.

    Returns:
        The query and where its keys are; None when its outermost node does not order, when a key cannot be shown
        (DISTINCT and set operations have no room for more columns), or when it cannot be read.
    """
    tree = _read(sql, dialect)
    order = tree.args.get("order") if tree is not None else None
    if tree is None or order is None:
        return None
    head = _leftmost(tree)
    if head is None:
        return None
    can_extend = tree is head and not _is_distinct(head)
    positions: list[int | None] = []
    extra: list[exp.Expr] = []
    for key in order.expressions:
        expression = key.this if isinstance(key, exp.Ordered) else key
        position = _find_output(expression, head)
        if position is None:
            if not can_extend or _as_ordinal(expression) is not None:
                return None
            extra.append(_without_aliases(expression, head, dialect))
        positions.append(position)
    # Counted from the end: how many columns a star stands for is not known here.
    places = iter(range(-len(extra), 0))
    found = tuple(next(places) if position is None else position for position in positions)
    if extra:
        head.set("expressions", [*head.expressions, *extra])
    written = _write(tree, dialect)
    return None if written is None else SortKeys(sql=written, positions=found, n_extra=len(extra))


def tie_groups(rows: Sequence[Sequence[Cell]], positions: Sequence[int]) -> tuple[int, ...]:
    """Number the rows of a sorted result so that neighbours with equal sort keys share a number.

    Args:
        rows: Rows of a query from `expose_sort_keys`, in its order.
        positions: Where its sort keys are.
    """
    groups: list[int] = []
    previous: list[Cell] | None = None
    for row in rows:
        keys = [row[position] for position in positions]
        if previous is not None and all(map(_is_tie, previous, keys)):
            groups.append(groups[-1])
        else:
            groups.append(groups[-1] + 1 if groups else 0)
        previous = keys
    return tuple(groups)


def _is_tie(one: Cell, other: Cell) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_TOLERANCE)
    return one == other


def _read(sql: str, dialect: Dialect) -> exp.Query | None:
    try:
        trees = [tree for tree in read_statements(read_tokens(sql, dialect), sql, dialect) if tree is not None]
    except (SqlglotError, TooComplex, RecursionError):
        return None
    if len(trees) != 1:
        return None
    tree = trees[0]
    while isinstance(tree, exp.Subquery) and not any(value for part, value in tree.args.items() if part != "this"):
        tree = tree.this.pop()
    return tree if isinstance(tree, exp.Query) else None


def _write(tree: exp.Expr, dialect: Dialect) -> str | None:
    try:
        return write(tree, dialect)
    except (SqlglotError, RecursionError):
        return None


def _leftmost(tree: exp.Expr) -> exp.Select | None:
    """Find the SELECT that names the output columns."""
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    return tree if isinstance(tree, exp.Select) else None


def _count_columns(node: exp.Expr) -> int | None:
    head = _leftmost(node)
    return None if head is None or head.is_star else len(head.expressions)


def _sort_by(number: int, dialect: Dialect, *, is_ascending: bool) -> exp.Ordered:
    # What the dialect does with NULL when nothing is said, so that nothing is written about it.
    is_null_first = is_ascending if dialect != "postgres" else not is_ascending
    return exp.Ordered(this=exp.Literal.number(number), desc=not is_ascending, nulls_first=is_null_first)


def _is_distinct(head: exp.Select) -> bool:
    distinct = head.args.get("distinct")
    return distinct is not None and distinct.args.get("on") is None


def _as_ordinal(expression: exp.Expr) -> int | None:
    is_number = isinstance(expression, exp.Literal) and not expression.is_string
    return int(expression.name) if is_number and expression.name.isdigit() else None


def _find_output(expression: exp.Expr, head: exp.Select) -> int | None:
    """Find the output column that a sort key is; None when it is none, or a star hides its place."""
    if head.is_star:
        return None
    ordinal = _as_ordinal(expression)
    if ordinal is not None:
        return ordinal - 1 if 1 <= ordinal <= len(head.expressions) else None
    for position, output in enumerate(head.expressions):
        if _is_bare(expression) and output.alias_or_name.casefold() == expression.name.casefold():
            return position
    return next((position for position, output in enumerate(head.expressions) if output.unalias() == expression), None)


def _is_bare(expression: exp.Expr) -> bool:
    return isinstance(expression, exp.Column) and not expression.table


def _without_aliases(expression: exp.Expr, head: exp.Select, dialect: Dialect) -> exp.Expr:
    """Copy a sort key so that it can be an output column: what it calls by an alias is written out."""
    copy: exp.Expr = expression.copy()
    # PostgreSQL looks for aliases only where the whole key is one.
    if dialect == "postgres" and not _is_bare(copy):
        return copy
    aliases: dict[str, exp.Expr] = {
        output.alias.casefold(): output.unalias() for output in head.expressions if output.alias
    }
    if _is_bare(copy):
        return aliases.get(copy.name.casefold(), copy).copy()
    for column in list(copy.find_all(exp.Column)):
        name = column.name.casefold()
        meant = None if column.table else aliases.get(name)
        # A name that the alias itself is made from is the column's: SUM(x) AS x ... ORDER BY SUM(x).
        if meant is not None and all(inner.name.casefold() != name for inner in meant.find_all(exp.Column)):
            column.replace(exp.paren(meant.copy()))
    return copy
