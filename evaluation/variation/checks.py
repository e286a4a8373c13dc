"""Which columns stand under a CHECK together, so that their values may only be taken over together.

In: a table's columns, and its DDL or the text of one CHECK. Out: groups of columns. Where a text cannot be read, all
columns that its words name. Judges no values.
"""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.types import Dialect, Table

_WORD = re.compile(r"\w+")


def find_checks(ddl: str, table: Table, dialect: Dialect) -> tuple[tuple[str, ...], ...]:
    """Find the columns of each CHECK of a CREATE TABLE."""
    if "CHECK" not in ddl.upper():
        return ()
    try:
        tree = sqlglot.parse_one(ddl, read=dialect)
    except (SqlglotError, RecursionError):
        return _keep((column.name for column in table.columns), table)
    found = [check for check in tree.find_all(exp.CheckColumnConstraint) if check.this is not None]
    if not found:
        return _keep((column.name for column in table.columns), table)
    return tuple(group for check in found for group in columns_of(check.this.sql(dialect=dialect), table))


def columns_of(check: str, table: Table) -> tuple[tuple[str, ...], ...]:
    """Find the columns that the text of one CHECK names, as one group; none when it names no column."""
    return _keep(_WORD.findall(check), table)


def _keep(names: object, table: Table) -> tuple[tuple[str, ...], ...]:
    wanted = {str(name).casefold() for name in names}  # type: ignore[attr-defined]
    group = tuple(column.name for column in table.columns if column.name.casefold() in wanted)
    return (group,) if group else ()
