"""Write a translated statement as people write SQL for that server.

In: SQL that `evaluation.dialects` carried from SQLite to PostgreSQL or MySQL. Out: the same in several spellings:
`exact`, which means the same and is only laid out like the rest of the grammar, and plainer ones without what makes the
server compare, sort and divide like SQLite: collations, casts, where NULL comes. On most data all give the same, and a
model should learn the plain one; whether they do is found by running them (`crossing`), not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from sqlglot import Token, TokenType, exp

from assistant.grammar import read_tokens, write
from assistant.types import Dialect
from training.datagen.statement import read_tree

_MADE_UP = re.compile(r"_col_\d+")
_NOW_IN_UTC = "DATE_TRUNC('SECOND', CURRENT_TIMESTAMP AT TIME ZONE 'UTC')"
_NAMES = (TokenType.VAR, TokenType.IDENTIFIER)
_SOURCES = (TokenType.FROM, TokenType.JOIN)


class Spellings(NamedTuple):
    """Ways to write one statement, the plainest first; some may be equal."""

    plain: str
    """Without all that."""
    precise: str
    """Without collations, but with casts of numbers."""
    exact: str


def spell_for_people(sql: str, dialect: Dialect) -> Spellings:
    """Write a translated statement in all ways.

    Raises:
        sqlglot.errors.SqlglotError: It cannot be read.
    """
    tree = read_tree(sql, dialect)
    for select in list(tree.find_all(exp.Select)):
        _write_out_aliases(select)
        _drop_own_names(select)
    texts = [_lay_out(write(tree, dialect), dialect)]
    for strip in _STRIPS[dialect]:
        for node in reversed(list(tree.walk(bfs=False))):  # children first
            stripped = strip(node)
            if stripped is not node:
                node.replace(stripped)
        for select in list(tree.find_all(exp.Select)):
            _drop_own_names(select)
            _drop_double_keys(select)
        _drop_lonely_qualifiers(tree)
        texts.append(_lay_out(write(tree, dialect), dialect))
    exact, precise, plain = texts
    return Spellings(plain, precise, exact)


def _write_out_aliases(select: exp.Select) -> None:
    """Order by what an alias stands for, where the alias was made up by the translation."""
    order = select.args.get("order")
    is_source = isinstance(select.parent, exp.CTE | exp.SetOperation) or (
        isinstance(select.parent, exp.Subquery) and isinstance(select.parent.parent, exp.From | exp.Join)
    )
    if order is None or is_source or select.args.get("distinct"):
        return
    for item in list(select.expressions):
        if isinstance(item, exp.Alias) and _MADE_UP.fullmatch(item.alias):
            for column in _find_keys(select, item.alias):
                column.replace(item.this.copy())
            item.replace(item.this)


def _strip_postgres(node: exp.Expr) -> exp.Expr:
    """Take off collations, and the place of NULL."""
    if isinstance(node, exp.Collate):
        return _inside(node)
    if isinstance(node, exp.Sub):
        return _subtract(node)
    if isinstance(node, exp.Ordered):
        node.set("nulls_first", bool(node.args.get("desc")))
    elif node.sql("postgres").upper() == _NOW_IN_UTC:
        return exp.CurrentTimestamp()
    return node


def _strip_mysql(node: exp.Expr) -> exp.Expr:
    """Take off collations and casts to bytes."""
    if isinstance(node, exp.Collate) or _is_cast(node, exp.DType.BINARY):
        return _inside(node.this) if _is_cast(node.this, exp.DType.CHAR) else _inside(node)
    if isinstance(node, exp.Sub):
        return _subtract(node)
    if isinstance(node, exp.Like) and _is_call(node.this, "LOWER"):
        node.set("this", node.this.expressions[0])
    return node


def _subtract(node: exp.Sub) -> exp.Expr:
    """Write a / d + c - (b / d + c), the days between two moments, as (a - b) / d."""
    left, right = node.this, node.expression.unnest()
    if (
        isinstance(left, exp.Add)
        and isinstance(right, exp.Add)
        and isinstance(left.this, exp.Div)
        and isinstance(right.this, exp.Div)
        and left.expression == right.expression
        and left.this.expression == right.this.expression
    ):
        # Changed in place: a division made anew would not be the server's own.
        left.this.set("this", exp.Paren(this=exp.Sub(this=left.this.this, expression=right.this.this)))
        return left.this
    return node


def _strip_numbers(node: exp.Expr) -> exp.Expr:
    """Take off casts that make a division or an average as precise as in SQLite."""
    is_rounded = _is_cast(node, exp.DType.DECIMAL) and _is_call(node.parent, "ROUND")
    return _inside(node) if is_rounded or _is_cast(node, exp.DType.DOUBLE) else node


_STRIPS: dict[Dialect, tuple[Callable[[exp.Expr], exp.Expr], ...]] = {
    "postgres": (_strip_postgres, _strip_numbers),
    "mysql": (_strip_mysql, _strip_numbers),
}


def _inside(node: exp.Expr) -> exp.Expr:
    found = node.this
    assert isinstance(found, exp.Expr)
    return found


def _is_cast(node: object, kind: exp.DType) -> bool:
    return isinstance(node, exp.Cast) and node.to.this == kind


def _is_call(node: object, name: str) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.upper() == name


def _drop_own_names(select: exp.Select) -> None:
    """Leave out aliases that are the column's own name; in the outermost SELECT, whatever their capitals."""
    for item in list(select.expressions):
        if isinstance(item, exp.Alias) and isinstance(item.this, exp.Column):
            name, alias = item.this.name, item.alias
            if name == alias or (select.parent is None and name.casefold() == alias.casefold()):
                for key in _find_keys(select, alias):
                    key.replace(item.this.copy())
                item.replace(item.this)


def _find_keys(select: exp.Select, alias: str) -> list[exp.Column]:
    """Find where a SELECT is sorted by an alias."""
    order = select.args.get("order")
    found = order.find_all(exp.Column) if order is not None else ()
    return [column for column in found if not column.table and column.name == alias]


def _drop_double_keys(select: exp.Select) -> None:
    """Leave out keys of a group that have become equal."""
    group = select.args.get("group")
    if group is not None:
        group.set("expressions", list({key.sql(): key for key in group.expressions}.values()))


def _drop_lonely_qualifiers(tree: exp.Expr) -> None:
    """A statement over one table has no aliases but another spelling of its name: its columns need no table either."""
    tables = list(tree.find_all(exp.Table))
    if len(tables) != 1 or tables[0].alias.casefold() not in ("", tables[0].name.casefold()):
        return
    names = {tables[0].name, tables[0].alias}
    tables[0].set("alias", None)
    for column in tree.find_all(exp.Column):
        if column.table in names:
            column.set("table", None)


def _lay_out(sql: str, dialect: Dialect) -> str:
    """Spell small things as the grammar does: `FROM a b`, `EXISTS (`, `x IS NOT NULL`."""
    tokens = read_tokens(sql, dialect)
    parts: list[str] = []
    at = place = 0
    while place < len(tokens):
        token = tokens[place]
        parts.append(sql[at : token.start])
        at = token.end + 1
        following = tokens[place + 1 :]
        if token.token_type == TokenType.ALIAS and _follows_source(tokens, place):
            at = following[0].start  # with the space before the alias
        elif token.token_type == TokenType.EXISTS and following and following[0].start == at:
            parts.append("EXISTS ")
        elif token.token_type == TokenType.NOT and (length := _count_null_test(following)):
            operand = sql[following[0].start : following[length - 3].end + 1]
            parts.append(f"{operand} IS NOT NULL")
            at = following[length - 1].end + 1
            place += length
        else:
            parts.append(sql[token.start : at])
        place += 1
    return "".join([*parts, sql[at:]])


def _follows_source(tokens: list[Token], place: int) -> bool:
    """Tell whether an AS stands behind the name of a table: `FROM a AS b`."""
    return place >= 2 and tokens[place - 1].token_type in _NAMES and tokens[place - 2].token_type in _SOURCES


def _count_null_test(tokens: list[Token]) -> int:
    """Count the tokens of `x IS NULL` or `t.x IS NULL` at the start; 0 when there is something else."""
    for length, names in ((3, (0,)), (5, (0, 2))):
        some = tokens[:length]
        if (
            len(some) == length
            and all(some[name].token_type in _NAMES for name in names)
            and (length == 3 or some[1].token_type == TokenType.DOT)
            and (some[-2].token_type, some[-1].token_type) == (TokenType.IS, TokenType.NULL)
        ):
            return length
    return 0
