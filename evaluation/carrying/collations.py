"""Keep apart the texts that the source keeps apart, and sort them alike.

In: tagged nodes. Out: the same, with a collation or as bytes where the target would take 'ada' for 'Ada'. SQLite and
PostgreSQL compare by code point (a PostgreSQL database's own collation is taken as that), MySQL and MariaDB by
collations that ignore case, accents and trailing spaces.
"""

from __future__ import annotations

from sqlglot import exp

from evaluation.carrying.kinds import (
    Way,
    fill,
    form_of,
    is_text_literal,
    kind_of,
)


def as_bytes(node: exp.Expr) -> exp.Expr:
    """Give MySQL text so that it is compared as it is written: with case, accents and trailing spaces."""
    if kind_of(node) != "text" or is_text_literal(node) or form_of(node):
        return node
    return fill("mysql", "CAST(CAST(x AS CHAR) AS BINARY)", "text", x=node)


def as_exact(node: exp.Expr) -> exp.Expr:
    """Give MySQL text so that it is shown and grouped with case and accents; trailing spaces do not tell it apart."""
    if kind_of(node) != "text" or is_text_literal(node) or form_of(node) or isinstance(node, exp.Collate):
        return node
    # The type's character set is not in the schema, and a collation fits one set: the connection's is utf8mb4.
    return fill("mysql", "CAST(x AS CHAR) COLLATE utf8mb4_bin", "text", x=node)


def as_sorted(node: exp.Expr, way: Way) -> exp.Expr:
    """Give text so that it sorts as in the source: by code point, or in MySQL without regard to case."""
    if kind_of(node) != "text" or is_text_literal(node) or form_of(node):
        return node
    if way.source == "mysql":
        if way.target == "sqlite":
            return fill("sqlite", "x COLLATE NOCASE", "text", x=node)
        node = fill("postgres", "LOWER(x)", "text", x=node)
    if way.target == "mysql":
        return as_bytes(node)
    if way.target == "postgres" and not isinstance(node, exp.Collate):
        return fill("postgres", 'x COLLATE "C"', "text", x=node)
    return node


def as_key(node: exp.Expr, way: Way) -> exp.Expr:
    """Give text so that what the source tells apart, and no more, stays apart where it is not shown."""
    if way.target == "mysql":
        return as_bytes(node)
    return as_sorted(node, way) if way.source == "mysql" else node


def as_shown(value: exp.Expr, way: Way) -> exp.Expr:
    """Give text that is shown so that it is compared as in the source."""
    if way.target == "mysql":
        return as_exact(value)
    # From MySQL to PostgreSQL, LOWER would change what is shown.
    return value if way.source == "mysql" and way.target == "postgres" else as_sorted(value, way)
