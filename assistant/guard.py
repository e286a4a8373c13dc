"""Decide whether a draft may run.

In: the SqlDraft of a model and the SchemaContext it was given. Out: a GuardedQuery, or a Rejection that the model can
act on. Never touches a database or a network, and never raises: what cannot be understood is refused.

Covers: more than one statement; anything but a read, at any depth; tables, columns and functions that are not on a
list; system tables; parameters and variables; hints and executable comments; texts made to be slow to read; a result
without a row limit (one is added). Everything is held against lists of what is allowed, and what runs is written anew
from the tree that was checked.
Also covers masked columns: shown with covered cells, counted, tested for NULL, and nothing else (`names` follows them).
Does not cover: slow queries and memory (the database sets limits); a view that shows a masked column under another
name; how many different values a masked column has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise

import sqlparse
from sqlglot import Token, TokenType, exp
from sqlglot.errors import ParseError, SqlglotError

from assistant.functions import EQUIVALENTS
from assistant.grammar import TooComplex, read_statements, read_tokens, write
from assistant.names import Meaning, resolve
from assistant.parts import judge, refuse
from assistant.spelling import Refused
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

# Control characters, halves of characters, and marks that turn the direction of writing: none can be seen.
_INVISIBLE = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff\\ufeff]"
)
_STATEMENTS = frozenset(
    {"ALTER", "ATTACH", "CREATE", "DELETE", "DETACH", "DROP", "INSERT", "INTO", "PRAGMA", "UPDATE", "VACUUM"}
)
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END)


class _Candidate:
    """A draft on its way through the rules: each reading of it is made once, when a rule first asks."""

    def __init__(self, sql: str, context: SchemaContext, max_rows: int) -> None:
        self.sql = sql
        self.context = context
        self.dialect: Dialect = context.dialect
        self.max_rows = max_rows
        self.meaning = Meaning((), (), 0)
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
            tables=candidate.meaning.tables,
            is_ordered=bool(_outermost(candidate.tree).args.get("order")),
            max_rows=max_rows,
            masked=candidate.meaning.masked,
            width=candidate.meaning.width,
        )
    except (RecursionError, TooComplex):
        return refuse(
            "too-deep", "The statement is nested too deep.", "Write it with fewer parentheses and subqueries."
        )
    except SqlglotError:
        return refuse("syntax", "This is no SQL that this database understands.", "Write one plain SELECT statement.")
    except Exception as error:  # Fail closed: a text that breaks the reader is refused, whatever it broke.
        return refuse("syntax", f"The statement cannot be checked ({type(error).__name__}).", "Write it more simply.")


def format_sql(sql: str) -> str:
    """Lay a statement out over several lines, for people to read; never for running."""
    try:
        return str(sqlparse.format(sql, reindent=True, keyword_case="upper", indent_width=2)).strip()
    except sqlparse.exceptions.SQLParseError:  # Too large to lay out: shown as it is.
        return sql


def read_query(tokens: list[Token], sql: str, dialect: Dialect) -> exp.Expr:
    """Read one statement in its plainest form.

    No parentheses around the whole, no shorthand for window frames, and a name that could be taken for a statement,
    such as an alias DELETE, in quotes.
    """
    (tree,) = (statement for statement in read_statements(tokens, sql, dialect) if statement is not None)
    while isinstance(tree, exp.Subquery) and not any(value for part, value in tree.args.items() if part != "this"):
        tree = tree.this.pop()
    for node in tree.walk():
        if isinstance(node, exp.WindowSpec) and node.args.get("start") and not node.args.get("end"):
            node.set("end", "CURRENT ROW")
        elif isinstance(node, exp.Identifier) and node.name.upper() in _STATEMENTS and not node.args.get("quoted"):
            node.set("this", node.name.lower() if dialect == "postgres" else node.name)
            node.set("quoted", True)
    return tree


def _length(candidate: _Candidate) -> Rejection | None:
    if len(candidate.sql) <= MAX_CHARS:
        return None
    message = f"The statement has {len(candidate.sql)} characters; at most {MAX_CHARS} are allowed."
    return refuse("too-long", message, "Write a shorter statement.")


def _characters(candidate: _Candidate) -> Rejection | None:
    if found := _INVISIBLE.search(candidate.sql):
        message = f"The statement contains the invisible character U+{ord(found.group()):04X}."
        return refuse("syntax", message, "Write plain text.")
    return None


def _one_statement(candidate: _Candidate) -> Rejection | None:
    if not candidate.tokens:
        return refuse("one-statement", "There is no statement.", "Write one SELECT statement.")
    if any(token.token_type == TokenType.SEMICOLON for token in candidate.tokens):
        return refuse("one-statement", "There is more than one statement.", "Write one SELECT statement.")
    return None


def _comments(candidate: _Candidate) -> Rejection | None:
    # MySQL runs what stands in /*! */, MariaDB also what stands in /*M! */.
    for token in candidate.tokens:
        if any(comment.lstrip().upper().startswith(("!", "M!", "+")) for comment in token.comments):
            return refuse("comment", "A comment holds an instruction to the database.", "Leave the comment out.")
    return None


def _begins_as_read(candidate: _Candidate) -> Rejection | None:
    for token in candidate.tokens:
        if token.token_type in (TokenType.SELECT, TokenType.WITH):
            return None
        if token.token_type != TokenType.L_PAREN:
            message = f"Only reading is allowed, and the statement begins with '{token.text[:40]}'."
            return refuse("read-only", message, "Begin with SELECT or WITH.")
    return refuse("syntax", "There is nothing in the parentheses.", "Write one SELECT statement.")


def _nesting(candidate: _Candidate) -> Rejection | None:
    depth = selects = 0
    for token in candidate.tokens:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        selects += token.token_type == TokenType.SELECT
        if depth > MAX_NESTING:
            message = f"The statement is nested more than {MAX_NESTING} levels deep."
            return refuse("too-deep", message, "Write it with fewer parentheses and subqueries.")
    if selects > MAX_SELECTS:
        message = f"The statement has {selects} SELECTs; at most {MAX_SELECTS} are allowed."
        return refuse("too-deep", message, "Write it with fewer subqueries.")
    return None


def _syntax(candidate: _Candidate) -> Rejection | None:
    try:
        is_read = isinstance(candidate.tree, (exp.Select, exp.SetOperation, exp.Subquery))
    except ParseError as error:
        # EXTRACT(YEAR FROM x) is no SQLite at all; to say what SQLite has instead is the better answer.
        for token, following in pairwise(candidate.tokens):
            hint = EQUIVALENTS[candidate.dialect].get(token.text.lower())
            if hint and following.token_type == TokenType.L_PAREN:
                return refuse("unknown-function", f"There is no function '{token.text}' here.", hint)
        near = str(error.errors[0].get("highlight") or "").strip() if error.errors else ""
        where = f" near '{near[:40]}'" if near else ""
        return refuse("syntax", f"This is no SQL that this database understands{where}.", "Write one SELECT statement.")
    return None if is_read else refuse("read-only", "Only reading is allowed.", "Write a SELECT statement.")


def _nodes(candidate: _Candidate) -> Rejection | None:
    joins = 0
    stack = [(candidate.tree, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_TREE_DEPTH:
            return refuse("too-deep", "The statement is nested too deep.", "Write it with fewer conditions.")
        if rejection := judge(node, candidate.dialect):
            return rejection
        joins += isinstance(node, exp.Join)
        stack.extend((child, depth + 1) for child in node.iter_expressions(reverse=True))
    if joins > MAX_JOINS:
        message = f"The statement has {joins} joins; at most {MAX_JOINS} are allowed."
        return refuse("too-deep", message, "Join fewer tables.")
    return None


def _row_limit(candidate: _Candidate) -> Rejection | None:
    """Give the outermost query a limit of one row more than may be returned, or keep a smaller one."""
    most = candidate.max_rows + 1
    outermost = _outermost(candidate.tree)
    limit = outermost.args.get("limit")
    count = limit
    if isinstance(limit, exp.Limit):
        count = limit.expression
    elif isinstance(limit, exp.Fetch):
        count = limit.args.get("count") or exp.Literal.number(1)
    if count is None or isinstance(count, exp.Null) or (isinstance(count, exp.Neg) and candidate.dialect == "sqlite"):
        bounded: exp.Expr = exp.Literal.number(most)
    elif isinstance(count, exp.Literal) and not count.is_string and count.name.isascii() and count.name.isdigit():
        is_huge = len(count.name) > 18
        bounded = exp.Literal.number(most if is_huge else min(int(count.name), most))
    elif candidate.dialect == "mysql" or not isinstance(
        count, (exp.Subquery, exp.Binary, exp.Paren, exp.Cast, exp.Anonymous)
    ):
        return refuse("row-limit", "The row limit is not a whole number.", "Write a whole number after LIMIT.")
    else:
        low, high = ("MAX", "MIN") if candidate.dialect == "sqlite" else ("GREATEST", "LEAST")
        positive = exp.Anonymous(this=low, expressions=[count.copy(), exp.Literal.number(0)])
        bounded = exp.Anonymous(this=high, expressions=[positive, exp.Literal.number(most)])
    outermost.set("limit", exp.Limit(expression=bounded))
    return None


def _outermost(tree: exp.Expr) -> exp.Expr:
    """Return the node that orders and limits the whole; in WITH x AS (...) (SELECT ...) it stands in parentheses."""
    while isinstance(tree, exp.Subquery) and not any(tree.args.get(part) for part in ("order", "limit", "offset")):
        tree = tree.this
    return tree


def _names(candidate: _Candidate) -> Rejection | None:
    try:
        candidate.meaning = resolve(candidate.tree, candidate.context)
    except Refused as refused:
        return refused.rejection
    return None


def _reads_the_same(candidate: _Candidate) -> Rejection | None:
    """Write the tree, and read what was written: only the very tree that was checked may come out."""
    checked = hash(candidate.tree)
    sql = write(candidate.tree, candidate.dialect, copy=False)
    tokens = read_tokens(sql, candidate.dialect)
    again = read_query(tokens, sql, candidate.dialect)
    if type(again) is type(candidate.tree) and hash(again) == checked and not any(token.comments for token in tokens):
        candidate.final_sql = sql
        return None
    return refuse("syntax", "The statement can be read in more than one way.", "Write it more simply.")


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
