"""Read a SELECT so that every column names its table, and spell its names for another database.

In: SQL text and the schema it was written for. Out: a tree whose tables and columns carry folded names, `*` written
out, aliases of SELECT put in the place where WHERE, GROUP BY or HAVING uses them (sqlglot's `qualify`); at the end,
the same tree with the names of the target database, quoted where they need it. Must not know what a query does.
"""

from __future__ import annotations

import re

from sqlglot import exp, parse
from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from sqlglot.errors import OptimizeError, SchemaError, SqlglotError
from sqlglot.generators.mysql import MySQLGenerator
from sqlglot.optimizer.qualify import qualify
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.schema import MappingSchema

from assistant.errors import DataError
from assistant.types import Column, DatabaseSchema, Dialect, Table

_BARE = "qf_bare"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# What PostgreSQL (appendix C of its manual) and SQLite (lang_keywords.html) reserve beside MySQL.
_WORDS = """
abort action after all analyse analyze any array asymmetric at attach authorization begin binary both case cast
collate collation column commit concurrently conflict constraint cross current current_catalog current_role
current_schema current_user database deferrable deferred detach do end escape except exclusive explain fail
filter first following for foreign freeze full generated glob grant group groups having if ilike in index
initially inner instead intersect into is isnull join key last lateral leading like limit localtime
localtimestamp match materialized natural no not nothing notnull nulls of offset on only or order others outer
over overlaps partition placing plan pragma preceding primary query raise range recursive references regexp
reindex release rename returning right rollback row rows savepoint select session_user similar some symmetric
table tablesample temp temporary then ties to trailing transaction trigger unbounded union unique user using
vacuum values variadic verbose view virtual when where window with without
"""
_RESERVED = frozenset(word.lower() for word in MySQLGenerator.RESERVED_KEYWORDS) | frozenset(_WORDS.split())
"""Names that are quoted: reserved somewhere, whatever the target."""


class _PostgresReader(PostgresParser):
    """Leaves the formats of to_char as they are: sqlglot would take 'Mon' and 'Dy' for plain letters."""

    FUNCTIONS = {name: build for name, build in PostgresParser.FUNCTIONS.items() if name != "TO_CHAR"}


def fold(name: str, dialect: Dialect) -> str:
    """Give the form in which equal names are equal texts."""
    return name if dialect == "postgres" else name.lower()


def read(sql: str, schema: DatabaseSchema) -> exp.Query:
    """Read one SELECT and say for every column which table it is of.

    Raises:
        DataError: It is no SELECT of this dialect, or names what the schema does not hold.
    """
    dialect = schema.dialect
    hint = "Gold SQL is one SELECT in the dialect of the database it was written for."
    try:
        statements = [statement for statement in _parse(sql, dialect) if statement is not None]
    except (SqlglotError, RecursionError) as error:
        raise DataError(f"Cannot read the gold SQL: {_first_line(error)}.", hint) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise DataError(f"The gold SQL is not one SELECT: {sql[:80]}.", hint)
    tree: exp.Query = statements[0]
    while isinstance(tree, exp.Subquery) and not any(value for part, value in tree.args.items() if part != "this"):
        tree = tree.this
    if isinstance(tree, exp.Subquery):
        tree = _opened(tree)
    tables: dict[str, object] = {
        fold(table.name, dialect): {fold(column.name, dialect): "TEXT" for column in table.columns}
        for table in schema.tables
    }
    for column in tree.find_all(exp.Column):
        column.meta[_BARE] = not column.table
    known = set(tables) | {fold(column.name, dialect) for table in schema.tables for column in table.columns}
    for identifier in tree.find_all(exp.Identifier):
        _fold_identifier(identifier, dialect, known)
    try:
        return qualify(
            tree,
            dialect=dialect,
            schema=MappingSchema(tables, dialect=dialect, normalize=False),
            quote_identifiers=False,
            identify=False,
        )
    except (OptimizeError, SchemaError, RecursionError) as error:
        raise DataError(f"Cannot read the gold SQL: {_first_line(error)}.", hint) from error


def _opened(tree: exp.Subquery) -> exp.Query:
    """Give a query in parentheses that has a clause of its own as a SELECT from it."""
    clauses = {part: value for part, value in tree.args.items() if value and part != "this"}
    select = exp.select("*").from_(exp.Subquery(this=tree.this, alias=exp.TableAlias(this=exp.to_identifier("inside"))))
    for part, value in clauses.items():
        select.set(part, value)
    return select


def _parse(sql: str, dialect: Dialect) -> list[exp.Expr | None]:
    if dialect != "postgres":
        return parse(sql, dialect=dialect)
    postgres = SqlglotDialect.get_or_raise("postgres")
    return _PostgresReader(dialect=postgres).parse(postgres.tokenize(sql), sql)


def _fold_identifier(identifier: exp.Identifier, dialect: Dialect, known: set[str]) -> None:
    name = identifier.name
    if dialect != "postgres":
        name = name.lower()
    elif not identifier.args.get("quoted"):
        name = name.lower()
        if name not in known:
            # Without quotes PostgreSQL itself would not find a name with capitals; what is meant is plain all the same.
            close = [other for other in known if other.lower() == name]
            name = close[0] if len(close) == 1 else name
    identifier.set("this", name)
    identifier.set("quoted", True)  # keeps sqlglot from folding it once more


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


class Dictionary:
    """The tables and columns of one database, and what another calls them."""

    def __init__(self, source: DatabaseSchema, target: DatabaseSchema) -> None:
        self._dialect = source.dialect
        self._sources: dict[str, Table] = {fold(table.name, source.dialect): table for table in source.tables}
        self._targets: dict[str, Table] = {table.name.lower(): table for table in target.tables}
        self._exact: dict[str, Table] = {table.name: table for table in target.tables}
        self._db_id = target.db_id

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def target_table(self, name: str) -> Table:
        """Give the table of the target that stands for one of the source.

        Raises:
            DataError: There is none.
        """
        own = self._sources[name].name
        found = self._exact.get(own) or self._targets.get(own.lower())
        if found is None:
            raise DataError(
                f"The database '{self._db_id}' has no table '{own}'.", "Load the same tables into both databases."
            )
        return found

    def columns(self, table: str, column: str) -> tuple[Column, Column]:
        """Give a column as the source and as the target has it.

        Raises:
            DataError: The target has no such column.
        """
        own = next(part for part in self._sources[table].columns if fold(part.name, self._dialect) == column)
        other = self.target_table(table)
        close = [part for part in other.columns if part.name.lower() == own.name.lower()]
        found = next((part for part in close if part.name == own.name), close[0] if close else None)
        if found is None:
            raise DataError(
                f"Table '{other.name}' of the database '{self._db_id}' has no column '{own.name}'.",
                "Load the same tables into both databases.",
            )
        return own, found

    def primary_key(self, table: str) -> tuple[str, ...]:
        """Give the folded names of the columns that make a row unique; empty when unknown."""
        return tuple(fold(name, self._dialect) for name in self._sources[table].primary_key)


def spell(tree: exp.Expr) -> None:
    """Quote the names that need it, and leave out aliases that say nothing."""
    for node in list(tree.find_all(exp.Table)):
        if node.alias and node.alias == node.name and not node.args["alias"].args.get("columns"):
            node.set("alias", None)
    for item in list(tree.find_all(exp.Alias)):
        if isinstance(item.this, exp.Column) and item.this.name == item.alias and not _is_ordered_by(item):
            item.replace(item.this)
    for column in tree.find_all(exp.Column):
        if column.meta.get(_BARE) and not _is_alias(column):
            column.set("table", None)
    for identifier in tree.find_all(exp.Identifier):
        name = identifier.name
        identifier.set("quoted", not _PLAIN.fullmatch(name) or name in _RESERVED)


def _is_ordered_by(item: exp.Alias) -> bool:
    """Tell whether ORDER BY means a result column by its alias; without, it could mean columns of several tables."""
    order = item.parent.args.get("order") if item.parent is not None else None
    return order is not None and any(not c.table and c.name == item.alias for c in order.find_all(exp.Column))


def _is_alias(column: exp.Column) -> bool:
    """Tell whether a result column of the same SELECT goes by the name of a column: the name alone could mean both."""
    select = column.find_ancestor(exp.Select)
    return select is not None and any(
        item.alias == column.name and item.this is not column
        for item in select.expressions
        if isinstance(item, exp.Alias)
    )
