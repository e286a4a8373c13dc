"""Carry the clauses of one SELECT or set operation whose parts are resolved.

In: a query node, with a carrier for its expressions. Out: the same node, rearranged in place. Here stands what hangs on
clauses: conditions after WHERE and ON, text that MySQL would group without regard to case, ORDER BY a result column,
kinds of the columns of a UNION, LIMIT. Must not know functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlglot import exp

from evaluation.carrying.collations import as_bytes, as_exact, as_sorted
from evaluation.carrying.conversions import as_condition, unify
from evaluation.carrying.grouping import is_aggregate, is_determined
from evaluation.carrying.kinds import Way, cannot, common_form, kind_of, tag, tag_like

_KNOWN = "with_ expressions distinct from_ joins where group having windows order limit offset"
_CLAUSES = frozenset(_KNOWN.split())
_MOST_ROWS = "18446744073709551615"
"""What MySQL's manual gives as the LIMIT for "all rows from an offset on"."""

Carry = Callable[[exp.Expr], exp.Expr]


def carry_select(select: exp.Select, way: Way, carry: Carry) -> None:
    """Carry the clauses of a SELECT.

    Raises:
        DataError: Something in it has no counterpart; names it.
    """
    if strange := [name for name, value in select.args.items() if value and name not in _CLAUSES]:
        raise cannot(f"the clause {strange[0].strip('_').upper()}", way)
    for join in select.args.get("joins") or ():
        _carry_join(join, way, carry)
    for part in ("where", "having"):
        if (clause := select.args.get(part)) is not None:
            clause.set("this", as_condition(carry(clause.this), way))
    written = {item.alias_or_name: item.unalias().copy() for item in select.expressions if item.alias_or_name}
    select.set("expressions", [carry(item) for item in select.expressions])
    if any(kind_of(item) == "interval" for item in select.expressions):
        raise cannot("an interval as a result", way)
    if windows := select.args.get("windows"):
        select.set("windows", [carry(window) for window in windows])
    if (group := select.args.get("group")) is not None:
        if any(group.args.get(part) for part in ("rollup", "cube", "grouping_sets", "totals", "all")):
            raise cannot("ROLLUP, CUBE or GROUPING SETS", way)
        group.set("expressions", [carry(item) for item in group.expressions])
    distinct = select.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        raise cannot("DISTINCT ON", way)
    _carry_order(select, way, carry, written)
    if group is not None:
        _group_exactly(select, way)
    if distinct is not None:
        for item in select.expressions:
            _wrap_item(item, way, is_ordered=select.args.get("order") is not None)
    carry_limit(select, way)


def _carry_join(join: exp.Join, way: Way, carry: Carry) -> None:
    if join.method:
        raise cannot(f"a {join.method} JOIN", way)
    if way.target == "mysql" and join.side.upper() == "FULL":
        raise cannot("FULL JOIN", way)
    if (on := join.args.get("on")) is not None:
        join.set("on", as_condition(carry(on), way))
    elif join.side:
        join.set("on", exp.Boolean(this=True))
    else:
        # A comma binds less than JOIN on servers, and equally in SQLite.
        join.set("kind", "CROSS")


# -- GROUP BY and DISTINCT ---------------------------------------------------------------------------------------------


def _group_exactly(select: exp.Select, way: Way) -> None:
    """Keep texts apart that MySQL's collations take for one; or, from MySQL, take together what SQLite would not."""
    group = select.args["group"]
    added = []
    for key in list(group.expressions):
        if kind_of(key) != "text" or is_determined(key):
            continue
        exact = _merged(key, way)
        if exact is key:
            continue
        key.replace(exact)
        if way.target == "mysql":
            # The collation does not see trailing spaces; the bytes do, but cannot be shown.
            added.append(as_bytes(key))
            for part in (*select.expressions, select.args.get("having"), select.args.get("order")):
                if part is not None:
                    _replace_outside_aggregates(part, key, exact)
    if added:
        group.set("expressions", [*group.expressions, *added])


def _merged(node: exp.Expr, way: Way) -> exp.Expr:
    if way.target == "mysql":
        return as_exact(node)
    return as_sorted(node, way) if way.source == "mysql" and way.target == "sqlite" else node


def _replace_outside_aggregates(part: exp.Expr, old: exp.Expr, new: exp.Expr) -> None:
    bytes_of_old = as_bytes(old)
    found, stack = [], [part]
    while stack:
        node = stack.pop()
        if node == old:
            found.append(node)
        elif node != bytes_of_old and not (is_aggregate(node) and not isinstance(node.parent, exp.Window)):
            stack.extend(node.iter_expressions())
    for node in found:
        node.replace(new.copy())


def _wrap_item(item: exp.Expr, way: Way, *, is_ordered: bool) -> None:
    """Give a result column that has to be told apart, or sorted by its alias, the collation of the source."""
    node = item.this if isinstance(item, exp.Alias) else item
    if kind_of(node) != "text":
        return
    new = (
        as_sorted(node, way)
        if is_ordered and way.target == "postgres" and way.source != "mysql"
        else _merged(node, way)
    )
    if new is not node:
        name = item.alias_or_name
        item.replace(tag_like(exp.alias_(new.copy(), name, quoted=True), node))


# -- ORDER BY ----------------------------------------------------------------------------------------------------------


def _carry_order(select: exp.Select, way: Way, carry: Carry, written: Mapping[str, exp.Expr]) -> None:
    """Carry ORDER BY; `written` holds the result columns as they were, for aliases inside expressions."""
    order = select.args.get("order")
    if order is None:
        return
    is_distinct = select.args.get("distinct") is not None
    items = [item.unalias() for item in select.expressions]
    names = {item.alias_or_name: item.unalias() for item in select.expressions if item.alias_or_name}
    for term in order.expressions:
        node = term.this
        result = _result_column(node, items, names)
        if result is None:
            for column in list(node.find_all(exp.Column)):
                if not column.table and column.name in written:
                    column.replace(exp.Paren(this=written[column.name].copy()))
            if node.parent is not term:
                node = term.this
            value = carry(node)
        else:
            value = result
        if is_distinct:
            name = next((name for name, item in names.items() if item == value), None)
            if name is None:
                raise cannot("ORDER BY something that SELECT DISTINCT does not show", way)
            term.set("this", exp.column(exp.to_identifier(name, quoted=True)))
        elif result is None or kind_of(value) == "text":
            term.set("this", as_sorted(value.copy(), way))


def _result_column(node: exp.Expr, items: list[exp.Expr], names: dict[str, exp.Expr]) -> exp.Expr | None:
    """Give the carried result column that a term of ORDER BY means by its number or alias."""
    if isinstance(node, exp.Literal) and node.is_int and 0 < int(node.name) <= len(items):
        return items[int(node.name) - 1]
    return names.get(node.name) if isinstance(node, exp.Column) and not node.table else None


# -- set operations ----------------------------------------------------------------------------------------------------


def carry_set_operation(node: exp.SetOperation, way: Way) -> list[exp.Expr]:
    """Give the columns of both sides one kind, and the collation that tells their texts apart; return the columns.

    Raises:
        DataError: The sides cannot be brought together.
    """
    selects = list(_leaves(node))
    order = node.args.get("order")
    is_merging = bool(node.args.get("distinct")) or not isinstance(node, exp.Union)
    columns: list[exp.Expr] = []
    if len({len(select.expressions) for select in selects}) == 1:
        for column in zip(*(select.expressions for select in selects), strict=True):
            values, kind = unify([item.unalias() for item in column], way)
            columns.append(tag(column[0].copy(), kind, form=common_form(values)))
            for item, value in zip(column, values, strict=True):
                if value is not item.unalias():
                    new = tag(exp.alias_(value.copy(), item.alias_or_name, quoted=True), kind)
                    item.replace(new)
                    item = new
                if is_merging or order is not None:
                    _wrap_item(item, way, is_ordered=order is not None)
    if way.target == "sqlite":
        for part in ("this", "expression"):
            if isinstance(inner := node.args[part], exp.Subquery):
                source = inner if inner.alias else exp.alias_(inner.copy(), "part", table=True)
                node.set(part, exp.select("*").from_(source))
    carry_limit(node, way)
    return columns


def _leaves(node: exp.Expr) -> Iterator[exp.Select]:
    if isinstance(node, exp.SetOperation):
        yield from _leaves(node.this)
        yield from _leaves(node.expression)
    elif isinstance(node, exp.Subquery):
        yield from _leaves(node.this)
    elif isinstance(node, exp.Select):
        yield node


# -- LIMIT -------------------------------------------------------------------------------------------------------------


def carry_limit(node: exp.Expr, way: Way) -> None:
    """Write LIMIT and OFFSET as the target has them, and out of IN, where MySQL allows no LIMIT."""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    if isinstance(limit, exp.Fetch):
        node.set("limit", exp.Limit(expression=limit.args.get("count") or exp.Literal.number(1)))
        limit = node.args["limit"]
    if limit is not None and isinstance(limit.expression, (exp.Neg, exp.Null)):
        node.set("limit", None)  # to SQLite, a negative LIMIT is none
        limit = None
    if way.target == "mysql" and any(
        part is not None and not isinstance(part.expression, exp.Literal) for part in (limit, offset)
    ):
        raise cannot("a LIMIT that is not a number", way)
    if limit is None and offset is not None and way.target != "postgres":
        most = exp.Literal.number(_MOST_ROWS) if way.target == "mysql" else exp.Neg(this=exp.Literal.number(1))
        node.set("limit", exp.Limit(expression=most))
    parent = node.parent
    if (
        way.target == "mysql"
        and limit is not None
        and isinstance(parent, exp.Subquery)
        and isinstance(parent.parent, exp.In)
    ):
        inner = exp.alias_(exp.Subquery(this=node.copy()), "limited", table=True)
        parent.set("this", exp.select("*").from_(inner))
