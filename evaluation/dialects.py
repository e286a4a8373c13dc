"""Carry gold SQL from the dialect it was written in to the dialect of the database that is asked.

In: one SELECT and the schemas of both databases, which hold the same tables under the same names. Out: a SELECT that
gives the same result on the other database, or a DataError that names what cannot be carried over. sqlglot reads,
qualifies and writes; between, every expression is carried with the kinds of its columns on both sides
(`evaluation.carrying`). Runs nothing: whether both results are the same is found by executing both.

Covers: SQLite, PostgreSQL, MySQL and MariaDB in every direction, what questions need: filters, joins, groups, dates,
windows, subqueries, common table expressions, set operations.
Does not cover: JSON, arrays, regular expressions on SQLite, functions of a table; integer division between the values
of a DECIMAL column, which SQLite makes of 12.00 / 5 because it keeps 12.00 as an integer.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from assistant.errors import DataError
from assistant.grammar import write
from assistant.types import Column, DatabaseSchema
from evaluation.carrying.clauses import carry_select, carry_set_operation
from evaluation.carrying.expressions import Expressions
from evaluation.carrying.grouping import complete_grouping, mark_determined_keys
from evaluation.carrying.kinds import MOMENTS, NUMBERS, Kind, Way, affinity_of, cannot, form_of, kind_of, tag
from evaluation.carrying.moments import step
from evaluation.carrying.names import Dictionary, read, spell


def translate(sql: str, source: DatabaseSchema, target: DatabaseSchema) -> str:
    """Carry one SELECT over to another database.

    Args:
        sql: SELECT in the dialect of `source`.
        source: Database that the SQL was written for.
        target: Database that is asked, with the same tables; its dialect is the one that comes out.

    Raises:
        DataError: The SQL is no SELECT on `source`, or holds something that has no counterpart; named in the message.
    """
    if source.dialect == target.dialect:
        return sql
    tree = read(sql, source)
    try:
        return write(_Statement(tree, source, target).carried(), target.dialect)
    except SqlglotError as error:
        raise cannot(f"this statement ({str(error).splitlines()[0]})", Way(source.dialect, target.dialect)) from error
    except RecursionError as error:
        raise DataError("The gold SQL is nested too deep.", "Write it with fewer subqueries.") from error


class _Statement:
    """One statement on its way: its queries are carried from the innermost outwards."""

    def __init__(self, tree: exp.Query, source: DatabaseSchema, target: DatabaseSchema) -> None:
        self._tree = tree
        self._way = Way(source.dialect, target.dialect)
        self._dictionary = Dictionary(source, target)
        self._results: dict[int, list[exp.Expr]] = {}
        self._scope: Scope | None = None
        self._expressions = Expressions(self._way, self._carry_column, self._kinds)

    def carried(self) -> exp.Expr:
        """Carry the whole statement, in place."""
        scopes = traverse_scope(self._tree)
        tables = {
            id(source): source for scope in scopes for source in scope.sources.values() if isinstance(source, exp.Table)
        }
        for table in tables.values():
            if table.name not in self._dictionary:
                raise cannot(f"{table.sql(self._way.source)[:80]} in FROM", self._way)
        if self._way.target == "mysql":
            for cte in self._tree.find_all(exp.CTE):
                cte.set("materialized", None)
        for scope in scopes:
            self._scope = scope
            node = scope.expression
            if id(node) in self._results:
                continue
            if isinstance(node, exp.Select):
                self._carry_select(node, scope)
            elif isinstance(node, exp.SetOperation):
                self._results[id(node)] = carry_set_operation(node, self._way)
            else:
                raise cannot(f"{node.key} in FROM", self._way)
        for table in tables.values():
            table.this.set("this", self._dictionary.target_table(table.name).name)
        _drop_made_up_aliases(self._tree)
        spell(self._tree)
        return self._tree

    def _carry_select(self, select: exp.Select, scope: Scope) -> None:
        if self._way.target != "sqlite":
            complete_grouping(select, scope, self._dictionary)
        if self._way.target == "mysql":
            mark_determined_keys(select, scope, self._dictionary, self._texts(select, scope))
        carry_select(select, self._way, self._expressions.carry)
        self._results[id(select)] = [item.copy() for item in select.expressions]

    def _texts(self, select: exp.Select, scope: Scope) -> set[tuple[str, str]]:
        group = select.args.get("group")
        found = set()
        for item in group.expressions if group is not None else ():
            if isinstance(item, exp.Column) and kind_of(self._carry_column(item.copy())) in ("text", "unknown"):
                found.add((item.table, item.name))
        return found

    def _outputs(self, query: exp.Expr) -> list[exp.Expr]:
        inner = query.unnest() if isinstance(query, exp.Subquery) else query
        return self._results.get(id(inner), [])

    def _kinds(self, query: exp.Expr) -> list[Kind]:
        return [kind_of(item) for item in self._outputs(query)]

    def _carry_column(self, column: exp.Column) -> exp.Expr:
        """Give a column the target's name, and its kind."""
        scope = self._scope
        while scope is not None and column.table not in scope.sources:
            scope = scope.parent
        source = scope.sources[column.table] if scope is not None else None
        if isinstance(source, exp.Table):
            own, other = self._dictionary.columns(source.name, column.name)
            column.this.set("this", other.name)
            return _with_kind(column, own, other, self._way)
        if isinstance(source, Scope):
            for item in self._outputs(source.expression):
                if item.alias_or_name == column.name:
                    return tag(column, kind_of(item), affinity=affinity_of(item), form=form_of(item))
        return tag(column, "unknown")


def _with_kind(node: exp.Column, own: Column, other: Column, way: Way) -> exp.Expr:
    """Tag a column with what its values are; where both databases declare it differently, wrap it."""
    affinity = "text" if own.kind == "text" and own.sql_type else "numeric"
    source, target = _read_kind(own), _read_kind(other)
    if way.source == "sqlite":
        if source == "date" and target == "datetime":
            return step("date", way, x=tag(node, "datetime"))
        # How numbers divide is the source's to say, what they are otherwise the target's.
        return tag(node, "integer" if source == "integer" and target in NUMBERS else target, affinity=affinity)
    if source in MOMENTS and not way.is_native and source != target:
        return step(source, way, x=tag(node, "text"))
    is_flag = way.is_native and {source, target} == {"boolean", "integer"}
    return tag(node, target if is_flag else source, affinity=affinity)


def _read_kind(column: Column) -> Kind:
    if column.kind == "float":
        upper = column.sql_type.upper()
        return "decimal" if "DEC" in upper or "NUM" in upper else "float"
    kind = column.kind
    return "unknown" if kind == "blob" or kind == "null" else kind


def _drop_made_up_aliases(tree: exp.Expr) -> None:
    """Take away the names that `qualify` made up, where nothing refers to them."""
    for select in tree.find_all(exp.Select):
        is_source = isinstance(select.parent, (exp.CTE, exp.SetOperation)) or (
            isinstance(select.parent, exp.Subquery) and isinstance(select.parent.parent, (exp.From, exp.Join))
        )
        if is_source or select.args.get("distinct"):
            continue
        order = select.args.get("order")
        used = (
            {column.name for column in order.find_all(exp.Column) if not column.table} if order is not None else set()
        )
        for item in list(select.expressions):
            if item.alias in used:
                continue
            if not (item.alias.startswith("_col_") or isinstance(select.parent, exp.Exists)):
                continue
            if isinstance(item, exp.Alias):
                item.replace(item.this)
            elif isinstance(item, exp.Subquery):
                item.set("alias", None)
