"""Trees of sqlglot as `house_style` needs them: walked one SELECT at a time, and written as people write.

In: a tree. Out: its parts, or its text. Knows no schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp
from sqlglot.generators.sqlite import SQLiteGenerator


class HouseWriter(SQLiteGenerator):
    """Write NOT where people write it: `x NOT IN (...)`, `x IS NOT NULL`."""

    def not_sql(self, expression: exp.Not) -> str:
        """Write NOT behind what it is about."""
        inner = expression.this
        if isinstance(inner, (exp.In, exp.Between, exp.Like)):
            left, whole = self.sql(inner, "this"), self.sql(inner)
            if whole.startswith(f"{left} "):
                return f"{left} NOT{whole[len(left) :]}"
        if isinstance(inner, exp.Is):
            return f"{self.sql(inner, 'this')} IS NOT {self.sql(inner, 'expression')}"
        return super().not_sql(expression)

    def exists_sql(self, expression: exp.Exists) -> str:
        """Write EXISTS with a blank behind it."""
        return f"EXISTS {super().exists_sql(expression).removeprefix('EXISTS')}"


def write_tree(tree: exp.Expr) -> str:
    """Write a tree, which is no longer whole then."""
    options: dict[str, Any] = {"comments": False, "normalize_functions": False}
    return HouseWriter(dialect="sqlite", **options).generate(tree, copy=False)


def own(node: exp.Select, *kinds: type[exp.Expr]) -> Iterator[Any]:
    """Walk one SELECT without the queries inside it."""
    is_query = (exp.Select, exp.SetOperation)
    for found in node.walk(prune=lambda part: part is not node and isinstance(part, is_query)):
        if isinstance(found, kinds) and found is not node:
            yield found


def own_parts(node: exp.Select) -> list[tuple[exp.Column | None, exp.Expr | None]]:
    """List the columns of one SELECT and the queries inside it, but not those in its FROM."""
    parts: list[tuple[exp.Column | None, exp.Expr | None]] = []
    for found in own(node, exp.Column, exp.Select, exp.SetOperation):
        if isinstance(found, exp.Column):
            parts.append((found, None))
        else:
            above = found.parent
            if not (isinstance(above, exp.Subquery) and isinstance(above.parent, (exp.From, exp.Join))):
                parts.append((None, found))
    return parts


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """List the conditions that AND joins."""
    return [part.unnest() for part in node.flatten()] if isinstance(node, exp.And) else [node.unnest()]
