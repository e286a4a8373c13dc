"""Turn a value of one kind into another, as the source dialect does without being asked.

In: tagged nodes. Out: nodes of the wanted kind. SQLite stores dates and booleans as text and integers, so a query
written for it does with them what one does with text and integers; servers want the step said.
"""

from __future__ import annotations

from sqlglot import exp

from evaluation.carrying.kinds import (
    MOMENTS,
    NUMBER_TEXT,
    NUMBERS,
    Kind,
    Way,
    cannot,
    fill,
    form_of,
    is_text_literal,
    join,
    kind_of,
    number,
    tag,
    text,
)

_NUMBER_PATTERN = "^[[:space:]]*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?[[:space:]]*$"


def as_text(node: exp.Expr, way: Way) -> exp.Expr:
    """Give a value as the text that the source would show."""
    kind, target = kind_of(node), way.target
    if kind in ("text", "null", "unknown"):
        return node
    if isinstance(node, exp.Literal):
        return text(node.name)
    if kind in MOMENTS and not way.is_native:
        return node
    if kind == "date":
        form = "TO_CHAR(x, 'YYYY-MM-DD')" if target == "postgres" else "CAST(x AS CHAR)"
        return fill(target, form, "text", form="caseless", x=node)
    if kind == "datetime":
        form = "TO_CHAR(x, 'YYYY-MM-DD HH24:MI:SS')" if target == "postgres" else "DATE_FORMAT(x, '%Y-%m-%d %H:%i:%s')"
        return fill(target, form, "text", form="caseless", x=node)
    if kind == "boolean":
        if way.source == "postgres":
            return fill(target, "CASE WHEN x THEN 'true' WHEN NOT x THEN 'false' END", "text", x=node)
        node, kind = as_number(node, way), "integer"
    if kind == "decimal" and way.source == "sqlite":
        # SQLite keeps 12.50 as 12.5 and 12.00 as 12.
        trimmed = "CAST(TRIM_SCALE(x) AS TEXT)" if target == "postgres" else "CAST(CAST(x AS DOUBLE) AS CHAR)"
        return fill(target, trimmed, "text", x=node)
    return fill(target, "CAST(x AS CHAR)" if target == "mysql" else "CAST(x AS TEXT)", "text", x=node)


def as_number(node: exp.Expr, way: Way) -> exp.Expr:
    """Give a value as the number that the source would calculate with."""
    kind, target = kind_of(node), way.target
    if kind == "boolean":
        if target != "postgres":
            return tag(node.copy(), "integer")
        if isinstance(node, exp.Boolean):
            return number(int(bool(node.this)))
        return fill(target, "CAST(x AS INTEGER)", "integer", x=node)
    if kind in MOMENTS and way.source == "sqlite":
        node, kind = as_text(node, way), "text"
    if kind != "text":
        return node
    if is_text_literal(node):
        leading = NUMBER_TEXT.match(node.name)
        value = leading.group().strip() if leading else "0"
        return tag(exp.Literal.number(value.lstrip("+")), "integer" if value.lstrip("+-").isdigit() else "float")
    if form_of(node) == "digits":
        return fill(target, "CAST(x AS SIGNED)" if target == "mysql" else "CAST(x AS INTEGER)", "integer", x=node)
    if target == "postgres":
        # SQLite and MySQL read the number that a text begins with, and 0 when it begins with none.
        form = (
            "CAST(CASE WHEN x ~ '^\\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)' "
            "THEN SUBSTRING(x, '^\\s*([+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?)') "
            "WHEN NOT x IS NULL THEN '0' END AS DECIMAL)"
        )
        return fill(target, form, "decimal", x=node)
    return fill(target, "CAST(x AS DOUBLE)" if target == "mysql" else "CAST(x AS REAL)", "float", x=node)


def as_strict_number(node: exp.Expr, way: Way) -> exp.Expr:
    """Give a text as a number where all of it spells one, else NULL."""
    if way.target == "postgres":
        form = f"CASE WHEN x ~ '{_NUMBER_PATTERN}' THEN CAST(x AS DECIMAL) END"
        return fill("postgres", form, "decimal", x=node)
    return fill("mysql", f"CASE WHEN x REGEXP '{_NUMBER_PATTERN}' THEN CAST(x AS DOUBLE) END", "float", x=node)


def as_condition(node: exp.Expr, way: Way) -> exp.Expr:
    """Give a value as what may stand after WHERE."""
    kind = kind_of(node)
    if way.target != "postgres" or kind in ("boolean", "null", "unknown"):
        return node
    if isinstance(node, exp.Literal) and not node.is_string:
        return tag(exp.Boolean(this=float(node.name) != 0), "boolean")
    return join(exp.NEQ, as_number(node, way), number(0), "boolean")


def unify(nodes: list[exp.Expr], way: Way) -> tuple[list[exp.Expr], Kind]:
    """Give values that end in one column, such as the branches of a CASE, one kind.

    SQLite lets every row have a kind of its own; servers want one.

    Raises:
        DataError: No kind holds both, as with text and fractions: 0.5 as text is not equal to the number.
    """
    kinds = {kind_of(node) for node in nodes} - {"null", "unknown"}
    if len(kinds) <= 1:
        return nodes, kinds.pop() if kinds else "null"
    if kinds <= NUMBERS:
        return nodes, "float" if "float" in kinds else "decimal"
    if kinds <= NUMBERS | {"boolean"}:
        return [as_number(node, way) for node in nodes], "integer" if kinds <= {"boolean", "integer"} else "float"
    if kinds <= MOMENTS and way.source != "sqlite":
        if way.is_native:
            return nodes, "datetime"
        return [
            fill("sqlite", "DATETIME(x)", "datetime", x=n) if kind_of(n) == "date" else n for n in nodes
        ], "datetime"
    if not way.is_native:
        return nodes, "text" if "text" in kinds else "unknown"
    if way.source != "sqlite" and kinds & MOMENTS:
        return nodes, (kinds & MOMENTS).pop()
    if kinds & {"decimal", "float"}:
        raise cannot("a column of both text and numbers with a fraction", way)
    return [as_text(node, way) for node in nodes], "text"
