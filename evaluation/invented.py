"""Names in a statement that the schema does not have: a second opinion on what the guard let through.

In: SQL that was run, and the schema of its database. Out: the names of tables and columns that are in neither the
schema nor the statement itself. Shares no code with the guard, so that what slips through there is seen here. Reads
SQL, runs nothing.
"""

from __future__ import annotations

from typing import TypeGuard

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from assistant.types import DatabaseSchema

_ROW_NUMBERS = frozenset(("rowid", "_rowid_", "oid"))
"""What SQLite calls the number of a row, in every table and in no schema."""


def find_invented(sql: str, schema: DatabaseSchema) -> tuple[str, ...]:
    """List the invented names in a statement, each once; the statement itself where it cannot be read."""
    try:
        tree = sqlglot.parse_one(sql, read=schema.dialect)
        scopes = traverse_scope(tree)
    except SqlglotError:
        return (sql,)
    known = {table.name.lower(): frozenset(c.name.lower() for c in table.columns) for table in schema.tables}
    if schema.dialect == "sqlite":
        known = {name: columns | _ROW_NUMBERS for name, columns in known.items()}
    found: dict[str, None] = {}
    seen: set[int] = set()
    for scope in scopes:
        for source in scope.sources.values():
            if _is_stored(source) and source.name.lower() not in known:
                found[source.name] = None
        for column in scope.columns:
            # Inner parts come first, and what they may take from around them is listed there once more.
            if id(column) in seen:
                continue
            seen.add(id(column))
            if not _is_known(column, scope, known):
                found[column.sql(dialect=schema.dialect)] = None
    return tuple(found)


def _is_known(column: exp.Column, scope: Scope | None, known: dict[str, frozenset[str]]) -> bool:
    """Look for a column in the sources of its part of the statement, then in those around it."""
    name, table = column.name.lower(), column.table.lower()
    while scope is not None:
        sources = {alias.lower(): source for alias, source in scope.sources.items()}
        if table and table in sources:
            return _has(sources[table], name, known)
        if not table and (name in _aliases(scope) or any(_has(source, name, known) for source in sources.values())):
            return True
        scope = scope.parent
    return False


def _aliases(scope: Scope) -> frozenset[str]:
    """Give the headings of a part's own columns, which ORDER BY, and in SQLite any clause, may name."""
    if isinstance(scope.expression, exp.SetOperation):
        return frozenset(name.lower() for name in scope.expression.named_selects)
    shown = scope.expression.selects if isinstance(scope.expression, exp.Query) else []
    return frozenset(part.alias.lower() for part in shown if part.alias)


def _has(source: exp.Expression | Scope, name: str, known: dict[str, frozenset[str]]) -> bool:
    if _is_stored(source):
        return name in known.get(source.name.lower(), ())
    if not isinstance(source, Scope) or not isinstance(source.expression, exp.Query):
        return True  # a function that gives rows names its columns itself
    if source.expression.is_star:
        return any(_has(inner, name, known) for inner in source.sources.values())
    renamed = source.outer_columns
    return name in {shown.lower() for shown in (renamed or source.expression.named_selects)}


def _is_stored(source: exp.Expression | Scope) -> TypeGuard[exp.Table]:
    """Tell a table of the database from a part of the statement, or a function in its place."""
    return isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)
