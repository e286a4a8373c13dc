"""Wrong drafts of a statement: what a model leaves out of a question or puts into a statement that nobody asked for.

In: SQL that answers a question. Out: the same with one mistake and written in the same way, for the examples that show
how a doubt is met (`assistant.fidelity`). Whether the mistake is noticed is found out elsewhere.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.types import Dialect

Values = Sequence[str]

_HOUSE_STYLE = (
    (re.compile(r"\b(FROM|JOIN) ([\w\".`]+) AS (?=[\w\"`])"), r"\1 \2 "),
    (re.compile(r"\bNOT ([\w\".`]+) (IS NULL|IN \(|LIKE |BETWEEN )"), r"\1 NOT \2"),
    (re.compile(r"\bNOT IS NULL"), "IS NOT NULL"),
    (re.compile(r"\b(EXISTS|IN|OVER)\("), r"\1 ("),
)
"""How statements are written here, where sqlglot writes them otherwise."""
_IN_SMALL_LETTERS = re.compile(r"\b(?:STRFTIME|JULIANDAY|DATE|DATETIME)(?=\()")


def make_mistake(sql: str, dialect: Dialect, columns: Sequence[str], values: Values, chance: random.Random) -> str:
    """Make one mistake in a statement.

    Args:
        sql: The statement.
        dialect: Of the statement.
        columns: Columns that a condition may wrongly be about.
        values: Texts that a condition may wrongly compare with.
        chance: Decides everything that is drawn.

    Returns:
        The wrong statement; empty where none of a few tries can be made, or where more than the mistake would change.
    """
    try:
        tree = sqlglot.parse_one(sql, read=dialect)
    except SqlglotError:
        return ""
    if _write(tree, dialect) != sql:
        return ""
    kinds: list[Callable[[exp.Expr], bool]] = [
        lambda tree: _drop_condition(tree, chance),
        lambda tree: _drop_condition(tree, chance),
        lambda tree: _repeat_condition(tree, chance),
        lambda tree: _repeat_column(tree, chance),
        lambda tree: _change_number(tree, chance),
        lambda tree: _change_text(tree, values, chance),
        lambda tree: _change_column(tree, columns, chance),
        lambda tree: _add_condition(tree, columns, values, chance),
    ]
    chance.shuffle(kinds)
    made = (_write(tree, dialect) for change in kinds[:4] if change(tree))
    return next((wrong for wrong in made if wrong != sql), "")


def _write(tree: exp.Expr, dialect: Dialect) -> str:
    text = tree.sql(dialect, normalize_functions=False)
    for pattern, written in _HOUSE_STYLE:
        text = pattern.sub(written, text)
    return _IN_SMALL_LETTERS.sub(lambda name: name[0].lower(), text) if dialect == "sqlite" else text


def _conditions(tree: exp.Expr) -> list[exp.Expr]:
    """List the conditions with a literal that stand in a WHERE, or in an AND of one."""
    found = []
    for where in tree.find_all(exp.Where):
        parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
        found += [part for part in parts if part.find(exp.Literal) is not None and not part.find(exp.Select)]
    return found


def _drop_condition(tree: exp.Expr, chance: random.Random) -> bool:
    found = _conditions(tree)
    if not found:
        return False
    part = chance.choice(found)
    parent = part.parent
    if isinstance(parent, exp.And):
        parent.replace(parent.expression if parent.this is part else parent.this)
    elif isinstance(parent, exp.Where):
        parent.pop()
    else:
        return False
    return True


def _repeat_condition(tree: exp.Expr, chance: random.Random) -> bool:
    pairs = [node for node in tree.find_all(exp.And) if not isinstance(node.expression, exp.And)]
    if not pairs:
        return False
    node = chance.choice(pairs)
    left = node.this.expression if isinstance(node.this, exp.And) else node.this
    node.set("expression", left.copy())
    return True


def _repeat_column(tree: exp.Expr, chance: random.Random) -> bool:
    select = tree if isinstance(tree, exp.Select) else tree.find(exp.Select)
    if select is None or len(select.expressions) < 2:
        return False
    kept, lost = chance.sample(range(len(select.expressions)), 2)
    select.expressions[lost].replace(select.expressions[kept].copy())
    return True


def _change_number(tree: exp.Expr, chance: random.Random) -> bool:
    found = [node for node in tree.find_all(exp.Literal) if node.is_number and float(node.this) > 1]
    found += [node for node in tree.find_all(exp.Literal) if node.is_string and node.this[:4].isdigit()]
    if not found:
        return False
    node = chance.choice(found)
    if node.is_string:
        year = str(int(node.this[:4]) + chance.choice((-10, -3, -2, 2, 3, 5)))
        node.replace(exp.Literal.string(year + node.this[4:]))
    else:
        number = float(node.this) * chance.choice((0.1, 0.5, 3, 10)) + chance.choice((0, 2, 5))
        node.replace(exp.Literal.number(f"{number:g}" if number != int(number) else str(int(number))))
    return True


def _change_text(tree: exp.Expr, values: Values, chance: random.Random) -> bool:
    found = [node for node in tree.find_all(exp.Literal) if node.is_string and isinstance(node.parent, exp.EQ | exp.In)]
    if not found or not values:
        return False
    chance.choice(found).replace(exp.Literal.string(chance.choice(values)))
    return True


def _change_column(tree: exp.Expr, columns: Sequence[str], chance: random.Random) -> bool:
    found = [
        node.this
        for node in tree.find_all(exp.EQ)
        if isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Literal) and node.expression.is_string
    ]
    if not found or not columns:
        return False
    node = chance.choice(found)
    name = chance.choice(columns)
    node.set("this", exp.to_identifier(name, quoted=not name.isidentifier()))
    return True


def _add_condition(tree: exp.Expr, columns: Sequence[str], values: Values, chance: random.Random) -> bool:
    if not isinstance(tree, exp.Select) or not columns or not values:
        return False
    first = tree.find(exp.Column)
    table = first.table if first is not None else ""
    name = chance.choice(columns)
    column = exp.column(exp.to_identifier(name, quoted=not name.isidentifier()), table=table or None)
    tree.where(exp.EQ(this=column, expression=exp.Literal.string(chance.choice(values))), copy=False)
    return True
