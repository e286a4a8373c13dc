"""What a statement touches, and its shape: read from its tree.

In: SQL that passed the guard. Out: its tables, columns, join paths, and a digest of its shape: the statement without
its literals and aliases. Two statements of one shape differ in nothing but values, the number of values in a list, and
names the writer chose. Runs nothing.

A join path counts where the columns of each foreign key are held equal, in ON, WHERE, a correlated subquery or
`x IN (SELECT y ...)`, from one use of a table to one use of the next.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from sqlglot import exp

from assistant.grammar import read_statements, read_tokens
from assistant.types import DatabaseSchema, Dialect
from training.datagen.join_paths import MAX_HOPS, Hop, list_hops, list_paths

_Scope = dict[str, int | None]
"""Name in a FROM -> the use of a table it stands for; None for a subquery."""


class Statement(NamedTuple):
    """What was read from one statement."""

    tables: tuple[str, ...]
    columns: tuple[str, ...]
    """Each as `table.column`."""
    paths: tuple[str, ...]
    """Join paths along foreign keys, see `join_paths.list_paths`."""
    shape: str
    """Digest (16 hex digits)."""
    has_twins: bool = False
    """Whether a SELECT shows the same column twice: a label that is the figure too, say."""


def read_tree(sql: str, dialect: Dialect) -> exp.Expr:
    """Read a statement that passed the guard as a tree, as written.

    Raises:
        sqlglot.errors.SqlglotError: It cannot be read; the guard lets no such statement through.
    """
    (tree,) = read_statements(read_tokens(sql, dialect), sql, dialect)
    assert tree is not None
    return tree


class StatementReader:
    """Reads statements on one schema."""

    def __init__(self, schema: DatabaseSchema) -> None:
        self.dialect: Dialect = schema.dialect
        self.tables = {table.name.casefold(): table.name for table in schema.tables}
        self.columns = {
            table.name: {column.name.casefold(): column.name for column in table.columns} for table in schema.tables
        }
        self.hops = list_hops(schema)
        self.paths = {path: name for name, path in list_paths(schema).items()}

    def read(self, sql: str) -> Statement:
        """Read a statement.

        Raises:
            sqlglot.errors.SqlglotError: It cannot be read; the guard lets no such statement through.
        """
        walk = _Walk(self)
        tree = read_tree(sql, self.dialect)
        sketch = walk.visit(tree, ())
        return Statement(
            tables=tuple(sorted(set(walk.uses))),
            columns=tuple(sorted(walk.columns)),
            paths=tuple(sorted(self._find_paths(walk))),
            shape=hashlib.sha256(sketch.encode()).hexdigest()[:16],
            has_twins=any(_has_twins(select) for select in tree.find_all(exp.Select)),
        )

    def _find_paths(self, walk: _Walk) -> Iterable[str]:
        """Follow the foreign keys that are held equal."""
        onward: dict[int, list[tuple[int, Hop]]] = defaultdict(list)
        for (child, parent), pairs in walk.equal.items():
            for hop in self.hops:
                is_between = walk.uses[child] == hop.table and walk.uses[parent] == hop.ref_table and child != parent
                if is_between and all(pair in pairs for pair in zip(hop.columns, hop.ref_columns, strict=True)):
                    onward[child].append((parent, hop))
        found = set()
        roads: list[tuple[int, tuple[Hop, ...]]] = [(use, ()) for use in list(onward)]
        for _ in range(MAX_HOPS):
            roads = [(parent, (*road, hop)) for use, road in roads for parent, hop in onward.get(use, ())]
            found |= {self.paths[road] for _, road in roads if road in self.paths}
        return found


def _has_twins(select: exp.Select) -> bool:
    shown = [node.sql() for node in select.expressions if isinstance(node, exp.Column)]
    return len(set(shown)) < len(shown)


class _Walk:
    """One statement being read: a visit to each node writes down what it is, without literals and aliases."""

    def __init__(self, reader: StatementReader) -> None:
        self._reader = reader
        self.uses: list[str] = []
        """Each use of a table in a FROM."""
        self.columns: set[str] = set()
        self.equal: dict[tuple[int, int], set[tuple[str, str]]] = defaultdict(set)
        """Columns of two uses that are held equal, both ways round."""
        self._aliases: dict[str, str] = {}
        self._ctes: set[str] = set()
        self._found: dict[int, tuple[int, str]] = {}
        """Column node by its id -> use and column."""

    def visit(self, node: exp.Expr, scopes: tuple[_Scope, ...]) -> str:
        """Visit a node and all below it; returns its sketch."""
        if isinstance(node, exp.Column):
            return self._column(node, scopes)
        if isinstance(node, exp.Literal | exp.Boolean) or (isinstance(node, exp.Neg) and node.this.key == "literal"):
            return "?"
        if isinstance(node, exp.Identifier):
            return self._aliases.get(node.name.casefold(), node.name.casefold())
        if isinstance(node, exp.Select):
            return self._select(node, scopes)
        if isinstance(node, exp.Alias):
            sketch = self.visit(node.this, scopes)
            self._alias(node.alias)
            return sketch
        if isinstance(node, exp.CTE):
            self._ctes.add(node.alias.casefold())
            self._alias(node.alias)
            return self.visit(node.this, scopes)
        if isinstance(node, exp.Star) and isinstance(node.parent, exp.Select) and scopes:
            self._star(use for use in scopes[-1].values() if use is not None)
            return "*"
        parts = self._parts(node, scopes)
        if isinstance(node, exp.In) and not node.args.get("query"):
            parts = list(dict.fromkeys(parts))
        if isinstance(node, exp.EQ):
            self._hold_equal(node.this, node.expression)
        elif isinstance(node, exp.In):
            inner = node.find(exp.Select)
            if inner is not None and len(inner.expressions) == 1:
                self._hold_equal(node.this, inner.expressions[0])
        return f"{node.key}({' '.join(parts)})"

    def _parts(self, node: exp.Expr, scopes: tuple[_Scope, ...], *, without: tuple[str, ...] = ()) -> list[str]:
        parts = []
        for name, value in node.args.items():
            if name in without or value is None or value is False:
                continue
            for each in value if isinstance(value, list) else (value,):
                parts.append(self.visit(each, scopes) if isinstance(each, exp.Expr) else str(each).casefold())
        return parts

    def _select(self, node: exp.Select, scopes: tuple[_Scope, ...]) -> str:
        """Name the tables of a SELECT first: its columns come before its FROM."""
        parts = [self.visit(found, scopes) for found in [node.args.get("with_")] if found is not None]
        scope: _Scope = {}
        start = node.args.get("from_")
        joins = node.args.get("joins") or []
        for source in ([start.this] if start is not None else []) + [join.this for join in joins]:
            name = source.alias_or_name.casefold()
            table = self._reader.tables.get(source.name.casefold()) if isinstance(source, exp.Table) else None
            if table is not None and source.name.casefold() not in self._ctes:
                scope[name] = len(self.uses)
                self.uses.append(table)
                parts.append(f"{table}#{scope[name]}")
            else:
                scope[name] = None
                parts.append(self.visit(source.this if isinstance(source, exp.Subquery) else source, scopes))
        within = (*scopes, scope)
        for join in joins:
            parts += ["join", *self._parts(join, within, without=("this",))]
        rest = self._parts(node, within, without=("with_", "from_", "joins"))
        return f"select({' '.join(parts + rest)})"

    def _column(self, node: exp.Column, scopes: tuple[_Scope, ...]) -> str:
        use = self._use_of(node, scopes)
        if use is None:
            return self._aliases.get(node.name.casefold(), node.name.casefold())
        if isinstance(node.this, exp.Star):
            self._star([use])
            return f"{use}.*"
        name = self._reader.columns[self.uses[use]].get(node.name.casefold(), node.name)
        self.columns.add(f"{self.uses[use]}.{name}")
        self._found[id(node)] = use, name
        return f"{use}.{name}"

    def _use_of(self, node: exp.Column, scopes: tuple[_Scope, ...]) -> int | None:
        """Find the use of a table that a column belongs to, from the innermost SELECT outwards."""
        for scope in reversed(scopes):
            if node.table:
                if node.table.casefold() in scope:
                    return scope[node.table.casefold()]
                continue
            for use in scope.values():
                if use is not None and node.name.casefold() in self._reader.columns[self.uses[use]]:
                    return use
            if None in scope.values():
                return None
        return None

    def _star(self, uses: Iterable[int]) -> None:
        for use in uses:
            self.columns |= {f"{self.uses[use]}.{name}" for name in self._reader.columns[self.uses[use]].values()}

    def _alias(self, name: str) -> None:
        self._aliases.setdefault(name.casefold(), f"alias{len(self._aliases)}")

    def _hold_equal(self, one: object, other: object) -> None:
        first, second = self._found.get(id(one)), self._found.get(id(other))
        if first and second:
            self.equal[first[0], second[0]].add((first[1], second[1]))
            self.equal[second[0], first[0]].add((second[1], first[1]))
