"""SQL written for an older schema, with the names that its tables and columns have now.

In: a statement, the schema that it was written for, and renames. Out: the statement rewritten, or None when nothing in
it was renamed or it cannot be read. Whether the new statement is right is for the guard and the database to say. What
a subquery calls its columns stays as it was, so that what stands around it still finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from assistant.types import DatabaseSchema
from training.schema_changes import Rename


def rewrite_names(sql: str, schema: DatabaseSchema, renames: Sequence[Rename]) -> str | None:
    """Write a statement with the new names.

    Args:
        sql: Statement for the older schema.
        schema: The older schema.
        renames: What is called otherwise now.
    """
    try:
        tree = parse_one(sql, dialect=schema.dialect)
        changed = _rename(tree, schema, renames)
        return tree.sql(dialect=schema.dialect) if changed else None
    except (SqlglotError, RecursionError, KeyError, ValueError):
        return None


def _rename(tree: exp.Expr, schema: DatabaseSchema, renames: Sequence[Rename]) -> bool:
    tables = {rename.table.casefold(): rename.new_table for rename in renames if not rename.column}
    columns = {
        (rename.table.casefold(), rename.column.casefold()): rename.new_column for rename in renames if rename.column
    }
    known = {table.name.casefold(): {c.name.casefold() for c in table.columns} for table in schema.tables}
    found: list[tuple[exp.Column, str]] = []
    for scope in traverse_scope(tree):
        for column in scope.find_all(exp.Column):
            table = _find_table(column, scope, known)
            new_name = columns.get((table, column.name.casefold()))
            if new_name is not None and all(column is not other for other, _ in found):
                found.append((column, new_name))
    sources = [node for node in tree.find_all(exp.Table) if node.name.casefold() in tables and not _is_cte(node)]
    for column, new_name in found:
        select = column.parent
        is_inner = isinstance(select, exp.Select) and select is not tree and column.arg_key == "expressions"
        old_name = column.name
        column.this.set("this", new_name)
        if is_inner:
            column.replace(exp.alias_(column.copy(), old_name))
    for node in sources:
        old_name = node.name
        if not node.alias:
            # Columns may be qualified by the old name; as an alias it stays good.
            node.replace(exp.alias_(exp.to_table(tables[old_name.casefold()]), old_name, table=True))
        else:
            node.this.set("this", tables[old_name.casefold()])
    return bool(found or sources)


def _find_table(column: exp.Column, scope: Scope, known: Mapping[str, set[str]]) -> str:
    """Say which table a column belongs to, in the scope it stands in or one around it; empty when that is not clear."""
    around: Scope | None = scope
    while around is not None:
        candidates = {
            source.name.casefold()
            for alias, source in around.sources.items()
            if isinstance(source, exp.Table)
            and (not column.table or alias.casefold() == column.table.casefold())
            and column.name.casefold() in known.get(source.name.casefold(), ())
        }
        if candidates:
            return candidates.pop() if len(candidates) == 1 else ""
        around = around.parent
    return ""


def _is_cte(node: exp.Table) -> bool:
    name = node.name.casefold()
    ancestor = node.parent
    while ancestor is not None:
        for cte in ancestor.args.get("with_") and ancestor.args["with_"].expressions or ():
            if cte.alias.casefold() == name:
                return True
        ancestor = ancestor.parent
    return False
