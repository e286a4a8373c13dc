"""Rewrite a statement of a corpus into the one style that the project's own grammar writes.

In: a SELECT over one database, as people wrote it, and the schema. Out: the same query with the aliases of
`assistant.naming.aliases`, none in a query over one table, names as `write_name` writes them, the joined table first in
its join condition, `<>`, keywords and functions in upper case, no names for result columns; or None where the statement
holds what this style has no form for. The order of columns and tables stays, and the rows that come back are the same.

Reading takes a millisecond; what is read can be written many times under other names (`styled.StyledQuery.write`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.grammar import TooComplex, read_statements, read_tokens
from assistant.types import DatabaseSchema, Table
from assistant.words import word_set
from training.corpus.styled import Literal, Names, Ref, StyledQuery
from training.corpus.trees import conjuncts, own, own_parts, write_tree

_LOWER_FUNCTIONS = word_set("strftime date time datetime julianday")
_AGGREGATES = word_set("COUNT SUM AVG MIN MAX TOTAL GROUP_CONCAT")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like)
_MARK = re.compile("\x01(\\d+)\x02")


class NotInStyleError(Exception):
    """The statement holds something that the house style has no form for; the message says what."""


def to_house_style(sql: str, schema: DatabaseSchema) -> str | None:
    """Write a statement in the house style; None where that is not possible.

    Args:
        sql: One SELECT for SQLite.
        schema: The database it is for.
    """
    try:
        return read_styled(sql, schema).write(Names.of(schema))
    except NotInStyleError:
        return None


def read_styled(sql: str, schema: DatabaseSchema) -> StyledQuery:
    """Read a statement to be written in the house style.

    Args:
        sql: One SELECT for SQLite.
        schema: The database it is for.

    Raises:
        NotInStyleError: It cannot be, and why.
    """
    try:
        trees = read_statements(read_tokens(sql, "sqlite"), sql, "sqlite")
        if len(trees) != 1 or trees[0] is None:
            raise NotInStyleError("not one statement")
        return _Styler(schema).style(trees[0])
    except (SqlglotError, TooComplex, RecursionError) as error:
        raise NotInStyleError("not read") from error


@dataclass(eq=False)
class _Source:
    """Something in FROM: a table, or a subquery with what its columns come from."""

    name: str
    """What qualifies its columns, folded."""
    table: Table | None
    columns: dict[str, tuple[str, str]]
    """Folded name to table and column."""
    number: int = 0


@dataclass(eq=False)
class _Scope:
    """One SELECT."""

    node: exp.Select
    parent: _Scope | None
    sources: list[_Source] = field(default_factory=list)
    children: list[_Scope] = field(default_factory=list)
    columns: list[tuple[exp.Column, _Source, tuple[str, str] | None]] = field(default_factory=list)
    """Names of columns in it, what they belong to, and their table and column (None for a star)."""
    is_correlated: bool = False
    """Whether it names columns of the query around it."""
    needs_alias: bool = False


class _Styler:
    """One walk over one statement."""

    def __init__(self, schema: DatabaseSchema) -> None:
        self.tables = {table.name.casefold(): table for table in schema.tables}
        self.roots: list[_Scope] = []
        self.refs: list[Ref] = []
        self.joining: set[int] = set()
        """Columns of join conditions, by id."""
        self.unions: list[tuple[exp.Column, tuple[str, str]]] = []
        self.literals: dict[Literal, None] = {}

    def style(self, tree: exp.Expr) -> StyledQuery:
        self.query(tree, None)
        columns = set(key for _, key in self.unions)
        asked = set(columns)
        for scope in self._scopes(self.roots):
            for node, _, key in scope.columns:
                if key is not None:
                    columns.add(key)
                    if id(node) not in self.joining:
                        asked.add(key)
        tables = frozenset(s.table.name for scope in self._scopes(self.roots) for s in scope.sources if s.table)
        for scope in self.roots:
            self._number(scope, Counter())
        for scope in self._scopes(self.roots):
            self._mark(scope)
        for node, key in self.unions:
            node.set("this", self._marked(Ref(*key)))
        text = write_tree(tree)
        pieces = _MARK.split(text)
        parts = [self.refs[int(piece)] if place % 2 else piece for place, piece in enumerate(pieces) if piece]
        return StyledQuery(tuple(parts), tables, frozenset(columns), frozenset(asked), tuple(self.literals))

    # -- reading ---------------------------------------------------------------------------------------------------

    def query(self, node: exp.Expr, parent: _Scope | None) -> list[tuple[str, tuple[str, str] | None]]:
        """Read a query; return its columns: name, and where they come from as they are (None for an expression)."""
        if node.args.get("with_"):
            raise NotInStyleError("WITH")
        if isinstance(node, exp.Select):
            return self._select(node, parent)
        if isinstance(node, exp.Subquery) and not node.args.get("alias"):
            return self.query(node.this, parent)
        if not isinstance(node, exp.SetOperation):
            raise NotInStyleError(node.key)
        outputs = self.query(node.this, parent)
        self.query(node.expression, parent)
        if order := node.args.get("order"):
            known = {name: key for name, key in outputs if key}
            for column in order.find_all(exp.Column):
                key = known.get(column.name.casefold())
                if key is None or column.table:
                    raise NotInStyleError("order of a set operation")
                self.unions.append((column, key))
            for term in order.expressions:
                term.set("desc", term.args.get("desc") or None)
        return outputs

    def _select(self, node: exp.Select, parent: _Scope | None) -> list[tuple[str, tuple[str, str] | None]]:
        for part in ("windows", "laterals", "qualify", "distinct"):
            found = node.args.get(part)
            if found and (part != "distinct" or found.args.get("on")):
                raise NotInStyleError(part)
        scope = _Scope(node, parent)
        (parent.children if parent else self.roots).append(scope)
        joins: list[exp.Join] = node.args.get("joins") or []
        if not node.args.get("from_"):
            raise NotInStyleError("no FROM")
        for source in (node.args["from_"].this, *(join.this for join in joins)):
            self._source(source, scope)
        is_derived = isinstance(node.parent, exp.Subquery) and isinstance(node.parent.parent, (exp.From, exp.Join))
        if not is_derived:
            _drop_aliases(node, scope)
        for column, query in own_parts(node):
            if column is not None:
                self._resolve(column, scope)
            elif query is not None:
                self.query(query, scope)
        self._join(node, scope, joins)
        self._complete_grouping(node, scope)
        self._read_literals(node, scope)
        for term in own(node, exp.Ordered):
            term.set("desc", term.args.get("desc") or None)  # ASC is what goes without saying
        for function in own(node, exp.Anonymous):
            name = str(function.this)
            function.set("this", name.lower() if name.lower() in _LOWER_FUNCTIONS else name.upper())
        return self._outputs(node, scope)

    def _source(self, node: exp.Expr, scope: _Scope) -> None:
        alias = str(node.alias).casefold()
        if isinstance(node, exp.Table) and not node.args.get("joins") and not node.args.get("db"):
            table = self.tables.get(node.name.casefold())
            if table is None:
                raise NotInStyleError("unknown table")
            columns = {column.name.casefold(): (table.name, column.name) for column in table.columns}
            scope.sources.append(_Source(alias or node.name.casefold(), table, columns))
        elif isinstance(node, exp.Subquery):
            outputs = self.query(node.this, scope)
            if scope.sources or scope.node.args.get("joins"):
                raise NotInStyleError("joined subquery")
            scope.sources.append(_Source(alias, None, {name: key for name, key in outputs if key}))
            node.set("alias", None)
        else:
            raise NotInStyleError("kind of source")

    def _resolve(self, node: exp.Column, scope: _Scope) -> None:
        """Find the source of a column: in its own SELECT, else in those around it."""
        name, qualifier = node.name.casefold(), node.table.casefold()
        level: _Scope | None = scope
        while level is not None:
            if isinstance(node.this, exp.Star):
                found = [source for source in level.sources if source.name == qualifier]
            else:
                found = [
                    source
                    for source in level.sources
                    if name in source.columns and (not qualifier or source.name == qualifier)
                ]
            if len(found) > 1:
                raise NotInStyleError("ambiguous column")
            if found:
                break
            level = level.parent
        if level is None:
            raise NotInStyleError("unknown column")
        around = scope
        while around is not level:
            around.is_correlated = around.needs_alias = True
            assert around.parent is not None  # `level` is above
            around = around.parent
            around.needs_alias = True
        key = None if isinstance(node.this, exp.Star) else found[0].columns[name]
        scope.columns.append((node, found[0], key))

    def _join(self, node: exp.Select, scope: _Scope, joins: list[exp.Join]) -> None:
        """Put each condition to the first join that knows both of its tables, the joined table first."""
        if not joins:
            return
        owners = {id(column): source for column, source, _ in scope.columns}
        conditions: list[exp.Expr] = []
        is_inner = True
        for join in joins:
            if join.args.get("using") or join.method or join.kind not in ("", "INNER") or join.side not in ("", "LEFT"):
                raise NotInStyleError("kind of join")
            is_inner &= not join.side
            join.set("kind", None)
            on = join.args.get("on")
            if on is None:
                raise NotInStyleError("comma join")
            if not isinstance(on, exp.Boolean):
                conditions += conjuncts(on)
        sources = [_Joined(scope.sources[0], None), *map(_Joined, scope.sources[1:], joins)]
        placed, waiting, ordered = [sources[0].source], sources[1:], list[exp.Join]()
        has_star = any(isinstance(item, exp.Star) or item.name == "*" for item in node.expressions)
        while waiting:
            for joined in waiting:
                known = [*placed, joined.source]
                mine = [c for c in conditions if all(owners.get(id(x)) in known for x in c.find_all(exp.Column))]
                if not is_inner and joined.join is not None:
                    mine = conjuncts(joined.join.args["on"])
                if any(owners.get(id(x)) is joined.source for c in mine for x in c.find_all(exp.Column)):
                    break
                if has_star or not is_inner:
                    raise NotInStyleError("join without a condition")
            else:
                raise NotInStyleError("join without a condition")
            assert joined.join is not None  # only the first has none, and it never waits
            conditions = [c for c in conditions if all(c is not other for other in mine)]
            mine = [_turned(condition, joined.source, owners) for condition in mine]
            self.joining.update(id(x) for c in mine for x in c.find_all(exp.Column))
            joined.join.set("on", exp.and_(*mine, copy=False))
            ordered.append(joined.join)
            placed.append(joined.source)
            waiting.remove(joined)
        node.set("joins", ordered)
        scope.sources = placed

    def _complete_grouping(self, node: exp.Select, scope: _Scope) -> None:
        """Group by the key of the table and by its shown columns, where people group by the key alone."""
        group = node.args.get("group")
        if not group or len(group.expressions) != 1 or not isinstance(group.expressions[0], exp.Column):
            return
        owners = {id(column): (source, key) for column, source, key in scope.columns}
        grouped = group.expressions[0]
        if id(grouped) not in owners:
            return
        by = owners[id(grouped)]
        same = [by]
        for join in node.args.get("joins") or ():
            for condition in conjuncts(join.args["on"]):
                if isinstance(condition, exp.EQ) and not join.side:
                    ends = [owners.get(id(end)) for end in (condition.this, condition.expression)]
                    if by in ends:
                        same += [end for end in ends if end is not None and end != by]
        shown = [item for item in node.expressions if isinstance(item, exp.Column) and id(item) in owners]
        for source, key in same:
            if source.table is None or key is None or source.table.primary_key != (key[1],):
                continue
            added = [item for item in shown if owners[id(item)][0] is source and owners[id(item)][1] != key]
            if not added or len(added) != sum(owners[id(item)] != (source, key) for item in shown):
                continue
            if any(owners[id(item)][1] is None for item in added):
                continue
            first = next(c for c, s, k in scope.columns if (s, k) == (source, key))
            group.set("expressions", [first.copy(), *(item.copy() for item in added)])
            scope.columns = [entry for entry in scope.columns if entry[0] is not grouped]
            for copied, original in zip(group.expressions, [first, *added], strict=True):
                scope.columns.append((copied, *owners[id(original)]))
            return

    def _read_literals(self, node: exp.Select, scope: _Scope) -> None:
        keys = {id(column): key for column, _, key in scope.columns}
        for comparison in own(node, *_COMPARISONS, exp.In, exp.Between):
            if isinstance(comparison, exp.In):
                sides = [comparison.this, *comparison.expressions]
            elif isinstance(comparison, exp.Between):
                sides = [comparison.this, comparison.args["low"], comparison.args["high"]]
            else:
                sides = [comparison.this, comparison.expression]
            key = next((keys[id(side)] for side in sides if keys.get(id(side))), None)
            for side in sides:
                if key and isinstance(side, exp.Literal):
                    is_pattern = isinstance(comparison, exp.Like)
                    self.literals[Literal(*key, str(side.this), not side.is_string, is_pattern)] = None

    def _outputs(self, node: exp.Select, scope: _Scope) -> list[tuple[str, tuple[str, str] | None]]:
        keys = {id(column): key for column, _, key in scope.columns}
        return [
            (str(item.alias_or_name).casefold(), keys.get(id(item)) if isinstance(item, exp.Column) else None)
            for item in node.expressions
        ]

    # -- writing ---------------------------------------------------------------------------------------------------

    def _scopes(self, scopes: Iterable[_Scope]) -> Iterator[_Scope]:
        for scope in scopes:
            yield scope
            yield from self._scopes(scope.children)

    def _number(self, scope: _Scope, taken: Counter[str]) -> None:
        """Number the uses of each table, those of the queries around it included where it names their columns."""
        counts = Counter(taken) if scope.is_correlated else Counter[str]()
        for source in scope.sources:
            if source.table is not None:
                source.number = counts[source.table.name]
                counts[source.table.name] += 1
        scope.needs_alias |= len(scope.sources) > 1
        for child in scope.children:
            self._number(child, counts)

    def _mark(self, scope: _Scope) -> None:
        nodes = [scope.node.args["from_"].this, *(join.this for join in scope.node.args.get("joins") or ())]
        for node, source in zip(nodes, scope.sources, strict=True):
            if source.table is not None:
                marked = self._mark_text(Ref(source.table.name))
                if scope.needs_alias:
                    marked += " " + self._mark_text(Ref(source.table.name, number=source.number))
                node.set("this", exp.Identifier(this=marked, quoted=False))
                node.set("alias", None)
        for column, source, key in scope.columns:
            is_qualified = source.table is not None and self._owner(source, scope).needs_alias
            alias = (
                self._marked(Ref(source.table.name, number=source.number)) if is_qualified and source.table else None
            )
            column.set("table", alias)
            if key is not None:
                column.set("this", self._marked(Ref(*key)))

    @staticmethod
    def _owner(source: _Source, scope: _Scope) -> _Scope:
        level = scope
        while source not in level.sources:
            assert level.parent is not None  # it was found in one of them
            level = level.parent
        return level

    def _mark_text(self, ref: Ref) -> str:
        self.refs.append(ref)
        return f"\x01{len(self.refs) - 1}\x02"

    def _marked(self, ref: Ref) -> exp.Identifier:
        return exp.Identifier(this=self._mark_text(ref), quoted=False)


class _Joined(NamedTuple):
    source: _Source
    join: exp.Join | None


def _drop_aliases(node: exp.Select, scope: _Scope) -> None:
    """Leave out the names of result columns; where one is used, put what it stands for."""
    given = {}
    for item in node.expressions:
        if isinstance(item, exp.Alias):
            given[item.alias.casefold()] = item.this
    if not given:
        return
    for part in ("order", "group", "having"):
        for column in node.args[part].find_all(exp.Column) if node.args.get(part) else ():
            name = column.name.casefold()
            is_column = any(name in source.columns for source in scope.sources)
            # ORDER BY knows the result first, the others the table.
            if not column.table and name in given and (part == "order" or not is_column):
                column.replace(given[name].copy())
    node.set("expressions", [item.this if isinstance(item, exp.Alias) else item for item in node.expressions])


def _turned(condition: exp.Expr, joined: _Source, owners: Mapping[int, _Source]) -> exp.Expr:
    if isinstance(condition, exp.EQ):
        left, right = condition.this, condition.expression
        if owners.get(id(right)) is joined and owners.get(id(left)) not in (joined, None):
            condition.set("this", right)
            condition.set("expression", left)
    return condition
