"""Decide whether a draft may run.

In: the SqlDraft of a model and the SchemaContext it was given. Out: a GuardedQuery, or a Rejection that the model can
act on. Never touches a database or a network, and never raises: what cannot be understood is refused.

Covers: more than one statement; anything but a read, at any depth; tables, columns and functions that are not on a
list; system tables; parameters and variables; hints and executable comments; texts made to be slow to read; a result
without a row limit (one is added). Everything is held against lists of what is allowed, and what runs is written anew from the
tree that was checked.
Does not cover: slow queries and memory (the database sets limits), or a column that the reader should not see (leave it
out of the context, or give them a view).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cached_property

import sqlparse
from sqlglot import Token, TokenType, exp
from sqlglot.errors import ParseError, SqlglotError

from assistant.functions import EQUIVALENTS, FUNCTIONS, PADDING_FUNCTIONS, TABLE_FUNCTIONS, TEMPLATE_FUNCTIONS
from assistant.grammar import JOINS, NODES, ONLY_IN, TYPES, TooComplex, read_statements, read_tokens, write
from assistant.names import resolve
from assistant.spelling import Refused, nearest
from assistant.types import Dialect, GuardedQuery, Rejection, SchemaContext, SqlDraft

MAX_CHARS = 10_000
"""Longest draft in characters."""
MAX_NESTING = 30
"""Most parentheses, brackets or CASEs inside one another."""
MAX_TREE_DEPTH = 250
"""Deepest tree in nodes; a chain of 200 ANDs passes."""
MAX_JOINS = 20
"""Most joins in the whole statement."""
MAX_SELECTS = 40
"""Most SELECTs in the whole statement."""
MAX_PADDING = 100
"""Longest text that LPAD and RPAD may make, in characters."""

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TEMPLATE = re.compile(r"(?:[^%]|%(?:[-+ 0#,!]*\d{0,2}(?:\.\d{1,2})?[dfgisxXeEucoLq]|%))*")
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END)
_WRITES = (exp.DML, exp.DDL, exp.Drop, exp.Alter, exp.Command, exp.Into, exp.Lock, exp.Returning, exp.Set, exp.Pragma)
_PLAIN_WORDS: dict[type[exp.Expr], str] = {
    exp.Dot: "a name of several parts",
    exp.Hint: "an optimizer hint",
    exp.IndexTableHint: "an index hint",
    exp.Into: "SELECT INTO",
    exp.Lock: "a locking clause (FOR UPDATE, FOR SHARE)",
    exp.Parameter: "a parameter or variable",
    exp.Placeholder: "a placeholder",
    exp.PropertyEQ: "an assignment",
    exp.SessionParameter: "a system variable",
    exp.TableSample: "TABLESAMPLE",
}


class _Candidate:
    """A draft on its way through the rules: each reading of it is made once, when a rule first asks."""

    def __init__(self, sql: str, context: SchemaContext, max_rows: int) -> None:
        self.sql = sql
        self.context = context
        self.dialect: Dialect = context.dialect
        self.max_rows = max_rows
        self.tables: tuple[str, ...] = ()
        self.final_sql = ""

    @cached_property
    def tokens(self) -> list[Token]:
        tokens = read_tokens(self.sql, self.dialect)
        while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
            tokens = tokens[:-1]
        return tokens

    @cached_property
    def tree(self) -> exp.Expr:
        return read_query(self.tokens, self.sql, self.dialect)


def check(draft: SqlDraft, context: SchemaContext, *, max_rows: int) -> GuardedQuery | Rejection:
    """Apply RULES in order and return the first refusal, or the query ready to run.

    Args:
        draft: SQL as the model wrote it, code fences already removed.
        context: The tables the model was shown; anything else counts as unknown.
        max_rows: Rows that may be returned. The query asks for one more, which tells that there were more; a smaller
            LIMIT in the draft is kept.
    """
    candidate = _Candidate(draft.sql, context, max_rows)
    try:
        for rule in RULES:
            if rejection := rule(candidate):
                return rejection
        return GuardedQuery(
            sql=candidate.final_sql,
            dialect=context.dialect,
            tables=candidate.tables,
            is_ordered=bool(candidate.tree.args.get("order")),
            max_rows=max_rows,
        )
    except (RecursionError, TooComplex):
        return _reject(
            "too-deep", "The statement is nested too deep.", "Write it with fewer parentheses and subqueries."
        )
    except SqlglotError:
        return _reject("syntax", f"This cannot be read as {context.dialect} SQL.", "Write one plain SELECT statement.")
    except Exception as error:  # Fail closed: a text that breaks the reader is refused, whatever it broke.
        return _reject("syntax", f"The statement cannot be checked ({type(error).__name__}).", "Write it more simply.")


def format_sql(sql: str) -> str:
    """Lay a statement out over several lines, for people to read; never for running."""
    return str(sqlparse.format(sql, reindent=True, keyword_case="upper", indent_width=2)).strip()


def read_query(tokens: list[Token], sql: str, dialect: Dialect) -> exp.Expr:
    """Read one statement; parentheses around the whole are dropped, FETCH FIRST becomes LIMIT."""
    (tree,) = (statement for statement in read_statements(tokens, sql, dialect) if statement is not None)
    while isinstance(tree, exp.Subquery) and not any(value for part, value in tree.args.items() if part != "this"):
        tree = tree.this.pop()
    return tree


def _reject(rule: str, message: str, hint: str = "") -> Rejection:
    return Rejection(stage="guard", rule=rule, message=message, hint=hint)


def _length(candidate: _Candidate) -> Rejection | None:
    if len(candidate.sql) <= MAX_CHARS:
        return None
    message = f"The statement has {len(candidate.sql)} characters; at most {MAX_CHARS} are allowed."
    return _reject("too-long", message, "Write a shorter statement.")


def _characters(candidate: _Candidate) -> Rejection | None:
    for character in candidate.sql:
        if character in "\t\n\r" or not (unicodedata.category(character) in ("Cc", "Cs") or character in _BIDI):
            continue
        message = f"The statement contains the invisible character U+{ord(character):04X}."
        return _reject("syntax", message, "Write plain text.")
    return None


def _one_statement(candidate: _Candidate) -> Rejection | None:
    if not candidate.tokens:
        return _reject("one-statement", "There is no statement.", "Write one SELECT statement.")
    if any(token.token_type == TokenType.SEMICOLON for token in candidate.tokens):
        return _reject("one-statement", "There is more than one statement.", "Write one SELECT statement.")
    return None


def _comments(candidate: _Candidate) -> Rejection | None:
    # MySQL runs what stands in /*! */, MariaDB also what stands in /*M! */.
    for token in candidate.tokens:
        if any(comment.lstrip().upper().startswith(("!", "M!", "+")) for comment in token.comments):
            return _reject("comment", "A comment holds an instruction to the database.", "Leave the comment out.")
    return None


def _begins_as_read(candidate: _Candidate) -> Rejection | None:
    for token in candidate.tokens:
        if token.token_type in (TokenType.SELECT, TokenType.WITH):
            return None
        if token.token_type != TokenType.L_PAREN:
            message = f"Only reading is allowed, and the statement begins with '{token.text[:40]}'."
            return _reject("read-only", message, "Begin with SELECT or WITH.")
    return _reject("syntax", "There is nothing in the parentheses.", "Write one SELECT statement.")


def _nesting(candidate: _Candidate) -> Rejection | None:
    depth = selects = 0
    for token in candidate.tokens:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        selects += token.token_type == TokenType.SELECT
        if depth > MAX_NESTING:
            message = f"The statement is nested more than {MAX_NESTING} levels deep."
            return _reject("too-deep", message, "Write it with fewer parentheses and subqueries.")
    if selects > MAX_SELECTS:
        message = f"The statement has {selects} SELECTs; at most {MAX_SELECTS} are allowed."
        return _reject("too-deep", message, "Write it with fewer subqueries.")
    return None


def _syntax(candidate: _Candidate) -> Rejection | None:
    try:
        is_read = isinstance(candidate.tree, (exp.Select, exp.SetOperation, exp.Subquery))
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        near = str(first.get("highlight") or "").strip()
        where = f" near '{near[:40]}'" if near else ""
        return _reject(
            "syntax", f"This cannot be read as {candidate.dialect} SQL{where}.", "Write one SELECT statement."
        )
    if is_read:
        return None
    return _reject(
        "read-only", f"Only reading is allowed, not {_describe(candidate.tree)}.", "Write a SELECT statement."
    )


def _nodes(candidate: _Candidate) -> Rejection | None:
    joins = 0
    stack = [(candidate.tree, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_TREE_DEPTH:
            return _reject("too-deep", "The statement is nested too deep.", "Write it with fewer conditions.")
        if rejection := _node(node, candidate.dialect):
            return rejection
        joins += isinstance(node, exp.Join)
        stack.extend((child, depth + 1) for child in node.iter_expressions())
    if joins > MAX_JOINS:
        message = f"The statement has {joins} joins; at most {MAX_JOINS} are allowed."
        return _reject("too-deep", message, "Join fewer tables.")
    return None


def _node(node: exp.Expr, dialect: Dialect) -> Rejection | None:
    parts = NODES.get(type(node))
    if parts is None or dialect not in ONLY_IN.get(type(node), (dialect,)):
        if isinstance(node, _WRITES):
            message = f"Only reading is allowed, not {_describe(node)}."
            return _reject("read-only", message, "Write a SELECT statement that reads.")
        hint = "Write the names without a schema." if isinstance(node, exp.Dot) else "Write it in another way."
        return _reject("node-not-allowed", f"{dialect} queries may not contain {_describe(node)} here.", hint)
    for part, value in node.args.items():
        if value and part not in parts:
            inner = value[0] if isinstance(value, list) else value
            if isinstance(inner, _WRITES):
                message = f"Only reading is allowed, not {_describe(inner)}."
                return _reject("read-only", message, "Leave it out.")
            word = part.strip("_").replace("_", " ")
            return _reject("node-not-allowed", f"{node.key.upper()} may not have '{word}' here.", "Leave it out.")
    if isinstance(node, exp.Join):
        words = {str(node.args.get(part) or "") for part in ("side", "kind", "method")}
        if not words <= JOINS:
            return _reject(
                "node-not-allowed", f"A join may not be {' '.join(sorted(words))}.", "Use JOIN or LEFT JOIN."
            )
    if isinstance(node, exp.DataType) and node.this not in TYPES[dialect]:
        name = getattr(node.this, "name", str(node.this))
        if dialect == "sqlite" and name in ("DATE", "DATETIME", "TIMESTAMP", "TIME"):
            return _reject("node-not-allowed", f"SQLite has no type {name}.", "Use date(x), datetime(x) or time(x).")
        return _reject("node-not-allowed", f"Values may not be cast to the type '{name}'.", "Cast to another type.")
    if isinstance(node, exp.Anonymous):
        return _function(node, dialect)
    return None


def _function(node: exp.Anonymous, dialect: Dialect) -> Rejection | None:
    name = node.name.lower()
    if not isinstance(node.this, str):
        message = f"The name of the function '{node.name}' is in quotes."
        return _reject("unknown-function", message, "Write the name of the function without quotes.")
    if isinstance(node.parent, (exp.Table, exp.Lateral)):
        if name in TABLE_FUNCTIONS[dialect]:
            return None
        return _reject("unknown-function", f"'{node.name}' may not be used as a table.", "Read from the tables alone.")
    if name not in FUNCTIONS[dialect]:
        close = nearest(name, FUNCTIONS[dialect])
        hint = EQUIVALENTS[dialect].get(name) or (f"Did you mean {' or '.join(close)}?" if close else "")
        return _reject("unknown-function", f"There is no function '{node.name}' here.", hint)
    arguments = node.expressions
    if name in TEMPLATE_FUNCTIONS[dialect]:
        template = arguments[0] if arguments else None
        if not (isinstance(template, exp.Literal) and template.is_string and _TEMPLATE.fullmatch(template.name)):
            message = f"The template of {name} must be a plain text without long widths."
            return _reject("unknown-function", message, "Write one such as '%.2f'.")
    if name in PADDING_FUNCTIONS:
        length = arguments[1] if len(arguments) > 1 else None
        if not (isinstance(length, exp.Literal) and length.is_int and int(length.name) <= MAX_PADDING):
            message = f"The length in {name} must be a whole number up to {MAX_PADDING}."
            return _reject("unknown-function", message, "Write a small number.")
    return None


def _row_limit(candidate: _Candidate) -> Rejection | None:
    """Give the outermost query a limit of one row more than may be returned, or keep a smaller one."""
    most = candidate.max_rows + 1
    limit = candidate.tree.args.get("limit")
    count = limit
    if isinstance(limit, exp.Limit):
        count = limit.expression
    elif isinstance(limit, exp.Fetch):
        options = limit.args.get("limit_options")
        if options is not None and any(value and part != "rows" for part, value in options.args.items()):
            return _reject("row-limit", "The number of rows is not certain.", "Use LIMIT and a whole number.")
        count = limit.args.get("count") or exp.Literal.number(1)
    if count is None or isinstance(count, exp.Null) or (isinstance(count, exp.Neg) and candidate.dialect == "sqlite"):
        bounded: exp.Expr = exp.Literal.number(most)
    elif isinstance(count, exp.Literal) and not count.is_string and count.name.isascii() and count.name.isdigit():
        bounded = exp.Literal.number(min(int(count.name), most))
    elif candidate.dialect == "mysql" or not isinstance(count, (exp.Subquery, exp.Binary, exp.Paren, exp.Cast)):
        return _reject("row-limit", "The row limit is not a whole number.", "Write a whole number after LIMIT.")
    else:
        low, high = ("MAX", "MIN") if candidate.dialect == "sqlite" else ("GREATEST", "LEAST")
        positive = exp.Anonymous(this=low, expressions=[count.copy(), exp.Literal.number(0)])
        bounded = exp.Anonymous(this=high, expressions=[positive, exp.Literal.number(most)])
    candidate.tree.set("limit", exp.Limit(expression=bounded))
    return None


def _names(candidate: _Candidate) -> Rejection | None:
    try:
        candidate.tables = resolve(candidate.tree, candidate.context)
    except Refused as refused:
        return refused.rejection
    return None


def _reads_the_same(candidate: _Candidate) -> Rejection | None:
    """Write the tree, and read what was written: only the very tree that was checked may come out."""
    checked = hash(candidate.tree)
    sql = write(candidate.tree, candidate.dialect, copy=False)
    again = read_query(read_tokens(sql, candidate.dialect), sql, candidate.dialect)
    if type(again) is type(candidate.tree) and hash(again) == checked:
        candidate.final_sql = sql
        return None
    return _reject("syntax", f"The statement has no sure reading in {candidate.dialect}.", "Write it more simply.")


def _describe(node: exp.Expr) -> str:
    return _PLAIN_WORDS.get(type(node)) or f"'{type(node).__name__.upper()}'"


RULES: tuple[Callable[[_Candidate], Rejection | None], ...] = (
    _length,
    _characters,
    _one_statement,
    _comments,
    _begins_as_read,
    _nesting,
    _syntax,
    _nodes,
    _row_limit,
    _names,
    _reads_the_same,
)
"""Every rule, in the order in which they are applied: later rules may rely on what earlier ones refused."""
