"""How a SQL text is read as a tree, and how the tree is written back.

In: a SQL text and its dialect. Out: a tree of sqlglot nodes, and a text again. Read "as written": no function is
renamed, so the tree holds the names the author wrote, and writing it back changes layout, never meaning. The time that
reading takes is bounded.

Must not know the schema, decide what is allowed, or translate between dialects.
"""

from __future__ import annotations

from typing import Any

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from sqlglot.errors import ErrorLevel
from sqlglot.generators.mysql import MySQLGenerator
from sqlglot.generators.postgres import PostgresGenerator
from sqlglot.generators.sqlite import SQLiteGenerator
from sqlglot.parser import Parser
from sqlglot.parsers.mysql import MySQLParser
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.parsers.sqlite import SQLiteParser

from assistant.types import Dialect

_T = exp.DType

STEPS_PER_TOKEN = 20
"""Parser steps allowed per token; the guard's accepted cases need 1 to 2."""


class TooComplex(Exception):
    """Reading goes back and forth so often that the text must have been made for it."""


class _AsWritten(Parser):
    """Read every function call as a name and its arguments, whatever sqlglot knows about it."""

    FUNCTIONS = {}

    def _advance(self, times: int = 1) -> None:
        # Some nested forms make the parser try two readings at each level: 2^depth steps. Counting bounds them all.
        self._steps = getattr(self, "_steps", 0) + 1
        if self._steps > 1000 + STEPS_PER_TOKEN * self._tokens_size:
            raise TooComplex
        super()._advance(times)

    def _warn_unsupported(self) -> None:
        # sqlglot would log a warning and keep the statement as a text that it has not read.
        self.raise_error("Not a query")

    def _parse_types(self, check_func: bool = False, *args: Any, **kwargs: Any) -> exp.Expr | None:
        # In an expression, `date(x)` and `ARRAY[x]` are never types; trying that first doubles the work per level.
        if check_func and self._next.token_type in (TokenType.L_PAREN, TokenType.L_BRACKET):
            return None
        return super()._parse_types(check_func, *args, **kwargs)


def _only(parsers: dict[Any, Any], *names: Any) -> dict[Any, Any]:
    return {name: parsers[name] for name in names}


def _with_unit(name: str) -> Any:
    # TIMESTAMPDIFF(MONTH, a, b): the first argument is a keyword, not a column.
    def build(arguments: list[exp.Expr]) -> exp.Expr:
        unit, *rest = arguments
        if isinstance(unit, exp.Column) and not unit.table and not unit.this.args.get("quoted"):
            unit = exp.Var(this=unit.name.upper())
        return exp.Anonymous(this=name, expressions=[unit, *rest])

    return build


# sqlglot would read the text after an arrow as a path of its own kind, and complain aloud about some that are fine.
_ARROWS: dict[Any, Any] = {
    TokenType.ARROW: lambda self, this, path: self.expression(exp.JSONExtract(this=this, expression=path)),
    TokenType.DARROW: lambda self, this, path: self.expression(exp.JSONExtractScalar(this=this, expression=path)),
}


class _SQLiteAsWritten(_AsWritten, SQLiteParser):
    CONCAT_OPERATORS = {**SQLiteParser.CONCAT_OPERATORS, **_ARROWS}
    FUNCTION_PARSERS = _only(SQLiteParser.FUNCTION_PARSERS, "CAST")
    NO_PAREN_FUNCTION_PARSERS = _only(SQLiteParser.NO_PAREN_FUNCTION_PARSERS, "CASE")


class _PostgresAsWritten(_AsWritten, PostgresParser):
    JSON_OPERATORS = {**PostgresParser.JSON_OPERATORS, **_ARROWS}
    FUNCTION_PARSERS = _only(PostgresParser.FUNCTION_PARSERS, "CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM")
    NO_PAREN_FUNCTION_PARSERS = _only(PostgresParser.NO_PAREN_FUNCTION_PARSERS, "CASE", "ANY")


class _MySQLAsWritten(_AsWritten, MySQLParser):
    COLUMN_OPERATORS = {**MySQLParser.COLUMN_OPERATORS, **_ARROWS}
    FUNCTIONS = {name: _with_unit(name) for name in ("TIMESTAMPADD", "TIMESTAMPDIFF")}
    FUNCTION_PARSERS = _only(
        MySQLParser.FUNCTION_PARSERS, "CAST", "CONVERT", "EXTRACT", "GROUP_CONCAT", "SUBSTRING", "TRIM"
    )
    NO_PAREN_FUNCTION_PARSERS = _only(MySQLParser.NO_PAREN_FUNCTION_PARSERS, "CASE", "IF", "ANY")


def _between(operator: str) -> Any:
    return lambda writer, node: writer.binary(node, operator)


_WRITTEN_ARROWS: dict[Any, Any] = {exp.JSONExtract: _between("->"), exp.JSONExtractScalar: _between("->>")}


class _SQLiteWriter(SQLiteGenerator):
    TRANSFORMS = {**SQLiteGenerator.TRANSFORMS, **_WRITTEN_ARROWS}
    # sqlglot writes NUMERIC as REAL, which turns 7 / 2 from 3 into 3.5. Other types keep their names: SQLite takes the
    # affinity from the name itself.
    TYPE_MAPPING = {_T.DECIMAL: "NUMERIC", _T.DOUBLE: "REAL", _T.FLOAT: "REAL", _T.INT: "INTEGER"}


class _PostgresWriter(PostgresGenerator):
    TRANSFORMS = {**PostgresGenerator.TRANSFORMS, **_WRITTEN_ARROWS}
    MULTI_ARG_DISTINCT = True  # string_agg(DISTINCT x, ',') is PostgreSQL's own form; nothing to rewrite.


def _group_concat(writer: MySQLGenerator, node: exp.Expr) -> str:
    separator = node.args.get("separator")
    tail = f" SEPARATOR {writer.sql(separator)}" if separator else ""
    return f"GROUP_CONCAT({writer.sql(node, 'this')}{tail})"


class _MySQLWriter(MySQLGenerator):
    # REGEXP_LIKE does not exist in MariaDB; the operator exists in both.
    TRANSFORMS = {
        **MySQLGenerator.TRANSFORMS,
        **_WRITTEN_ARROWS,
        exp.RegexpLike: _between("REGEXP"),
        exp.GroupConcat: _group_concat,
        exp.CurrentTimestamp: lambda *_: "CURRENT_TIMESTAMP",
    }


_READERS: dict[Dialect, type[Parser]] = {
    "sqlite": _SQLiteAsWritten,
    "postgres": _PostgresAsWritten,
    "mysql": _MySQLAsWritten,
}
_WRITERS: dict[Dialect, Any] = {"sqlite": _SQLiteWriter, "postgres": _PostgresWriter, "mysql": _MySQLWriter}
_DIALECTS = {name: SqlglotDialect.get_or_raise(name) for name in _READERS}


def read_tokens(sql: str, dialect: Dialect) -> list[Token]:
    """Split a text into tokens; comments hang on the token they follow.

    Raises:
        sqlglot.errors.TokenError: A quote or comment is not closed.
    """
    return _DIALECTS[dialect].tokenize(sql)


def read_statements(tokens: list[Token], sql: str, dialect: Dialect) -> list[exp.Expr | None]:
    """Read tokens as statements.

    Raises:
        sqlglot.errors.ParseError: The text is not SQL of this dialect, as far as sqlglot knows it.
        TooComplex: Reading would take too long.
        RecursionError: The text is nested too deep.
    """
    parser = _READERS[dialect](dialect=_DIALECTS[dialect], error_level=ErrorLevel.IMMEDIATE)
    return list(parser.parse(tokens, sql))


def write(tree: exp.Expr, dialect: Dialect, *, copy: bool = True) -> str:
    """Write a tree as one line of SQL, without comments.

    Args:
        tree: What to write.
        dialect: SQL flavour.
        copy: Whether `tree` has to stay as it is; without a copy, what the dialect cannot say may be rearranged in it.

    Raises:
        sqlglot.errors.UnsupportedError: The tree holds something the dialect does not have.
    """
    writer = _WRITERS[dialect](
        dialect=_DIALECTS[dialect], comments=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE
    )
    return str(writer.generate(tree, copy=copy))
