"""What a GROUP BY decides: which columns have one value in each group, and which SQLite takes from any row.

In: a SELECT whose columns name their tables, and its sources. Out: the same SELECT with every column that the grouped
keys determine in its GROUP BY, as PostgreSQL wants it. A column that they do not determine has no certain value; it is
refused by name. Must not know dialects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from assistant.errors import DataError
from evaluation.carrying.names import Dictionary

Key = tuple[str, str]
"""Alias of a source, and name of a column in it."""

_DETERMINED = "qf_determined"


def complete_grouping(select: exp.Select, scope: Scope, dictionary: Dictionary) -> None:
    """Add the columns that the grouped keys determine to GROUP BY.

    Raises:
        DataError: A column is taken from any row of a group.
    """
    group = select.args.get("group")
    keys: list[exp.Expr] = list(group.expressions) if group is not None else []
    parts = [*select.expressions, select.args.get("having"), select.args.get("order")]
    if group is None and not any(_aggregates(part) for part in parts if part is not None):
        return
    loose = [column for part in parts if part is not None for column in _loose(part, keys, scope)]
    if group is None and not loose:
        return
    known = _closure(select, scope, dictionary, _plain_keys(keys))
    added: dict[Key, exp.Expr] = {}
    for column in loose:
        key = (column.table, column.name)
        if key not in known:
            raise DataError(
                f"The gold SQL takes '{column.table}.{column.name}' from any row of a group.",
                "Add it to GROUP BY, or say which value is meant with MIN or MAX.",
            )
        added.setdefault(key, column.copy())
    if added:
        select.set("group", exp.Group(expressions=[*keys, *added.values()]))


def mark_determined_keys(select: exp.Select, scope: Scope, dictionary: Dictionary, texts: set[Key]) -> None:
    """Mark grouped columns whose value follows from other keys, so that no collation can merge two groups.

    Args:
        select: With its GROUP BY.
        scope: Its sources.
        dictionary: The tables.
        texts: The columns that hold text.
    """
    group = select.args.get("group")
    if group is None:
        return
    known = _closure(select, scope, dictionary, {key for key in _plain_keys(group.expressions) if key not in texts})
    for item in group.expressions:
        if isinstance(item, exp.Column) and (item.table, item.name) in known:
            item.meta[_DETERMINED] = True


def is_determined(node: exp.Expr) -> bool:
    """Tell whether a grouped column follows from other keys."""
    return bool(node.meta.get(_DETERMINED))


def _plain_keys(keys: Iterable[exp.Expr]) -> set[Key]:
    return {(key.table, key.name) for key in keys if isinstance(key, exp.Column)}


def _aggregates(part: exp.Expr) -> bool:
    return any(True for _ in _calls(part))


def _calls(part: exp.Expr) -> Iterator[exp.Expr]:
    """Walk the aggregates of one SELECT, not those of windows or of queries inside."""
    for node in part.walk(prune=lambda node: isinstance(node, (exp.Query, exp.Window))):
        if is_aggregate(node):
            yield node
        elif isinstance(node, exp.Window):
            for inner in node.this.iter_expressions():
                yield from _calls(inner)


def is_aggregate(node: exp.Expr) -> bool:
    """Tell whether a node makes one value of many rows."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower() == "total"
    return isinstance(node, (exp.AggFunc, exp.GroupConcat, exp.Filter)) and not isinstance(
        node, (exp.FirstValue, exp.LastValue, exp.NthValue, exp.Lag, exp.Lead, exp.RowNumber)
    )


def _loose(part: exp.Expr, keys: list[exp.Expr], scope: Scope) -> Iterator[exp.Column]:
    """Walk the columns of this SELECT's own sources that stand outside of aggregates and are no keys."""
    stack = [part]
    while stack:
        node = stack.pop()
        if node in keys or (is_aggregate(node) and not isinstance(node.parent, exp.Window)):
            continue
        if isinstance(node, exp.Column):
            if node.table in scope.sources:
                yield node
            continue
        stack.extend(node.iter_expressions())


def _closure(select: exp.Select, scope: Scope, dictionary: Dictionary, keys: set[Key]) -> set[Key]:
    """Give every column whose value is fixed when those of the keys are."""
    known = set(keys)
    always, joins = _conditions(select)
    size = -1
    while size != len(known):
        size = len(known)
        for left, right in _equalities(always):
            if isinstance(left, exp.Column) and (not isinstance(right, exp.Column) or _key(right) in known):
                known.add(_key(left))
        for alias, conditions in joins.items():
            outside = {_key(column) for each in conditions for column in each.find_all(exp.Column)}
            if all(key in known for key in outside if key[0] != alias):
                known |= {
                    _key(left)
                    for left, right in _equalities(conditions)
                    if isinstance(left, exp.Column) and left.table == alias and not _names(right, alias)
                }
        for alias, source in scope.sources.items():
            unique = _unique_columns(source, dictionary)
            if unique and all((alias, name) in known for name in unique):
                known |= {(alias, name) for name in _all_columns(select, alias)}
    return known


def _conditions(select: exp.Select) -> tuple[list[exp.Expr], dict[str, list[exp.Expr]]]:
    """Give the conditions that hold for every row, and those of each LEFT JOIN by the alias it adds."""
    always: list[exp.Expr] = []
    joins: dict[str, list[exp.Expr]] = {}
    if where := select.args.get("where"):
        always += where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
    for join in select.args.get("joins") or ():
        on = join.args.get("on")
        if on is None:
            continue
        found = list(on.flatten()) if isinstance(on, exp.And) else [on]
        if not join.side:
            always += found
        elif join.side.upper() == "LEFT":
            joins[join.this.alias_or_name] = found
    return always, joins


def _equalities(conditions: Iterable[exp.Expr]) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    for condition in conditions:
        if isinstance(condition, exp.EQ):
            for left, right in ((condition.this, condition.expression), (condition.expression, condition.this)):
                if isinstance(right, (exp.Column, exp.Literal)):
                    yield left, right


def _key(column: exp.Column) -> Key:
    return column.table, column.name


def _names(node: exp.Expr, alias: str) -> bool:
    return any(column.table == alias for column in node.find_all(exp.Column))


def _all_columns(select: exp.Select, alias: str) -> set[str]:
    return {column.name for column in select.find_all(exp.Column) if column.table == alias}


def _unique_columns(source: object, dictionary: Dictionary) -> tuple[str, ...]:
    """Give columns that make a row of a source unique; none when that is unknown."""
    if isinstance(source, exp.Table):
        return dictionary.primary_key(source.name)
    if not isinstance(source, Scope) or not isinstance(source.expression, exp.Select):
        return ()
    select = source.expression
    if select.args.get("distinct"):
        return tuple(item.alias_or_name for item in select.expressions)
    if group := select.args.get("group"):
        names = {item.unalias(): item.alias_or_name for item in select.expressions}
        if all(key in names for key in group.expressions):
            return tuple(names[key] for key in group.expressions)
    return ()
