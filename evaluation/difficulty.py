"""How much a question asks of whoever writes its SQL: points counted on the tree of the gold SQL.

In: SQL and its dialect. Out: easy, medium, hard or extra. Runs nothing, and never raises.

The rule. Over the whole statement, whatever is nested in it:

    1 point   WHERE, GROUP BY, HAVING, each once per SELECT that has it
    1 point   ORDER BY, LIMIT or both, once per query that has them
    1 point   each join, a comma between tables included
    1 point   each condition of a WHERE or HAVING after its first, at most 3 in all
    1 point   each aggregate after the first, at most 2
    1 point   each CASE, at most 2
    2 points  each SELECT after the first: a subquery, a CTE, an arm of a set operation
    2 points  each window function, at most 4

    easy 0-1, medium 2-3, hard 4-6, extra from 7

The caps keep a long list of the same from counting as depth. The conditions of a join count with the join. The rule
is in the spirit of Spider's hardness (Yu et al., EMNLP 2018, "SQL Hardness Criteria"), which also counts components,
selections and conditions, and it has the same four names, but it is another rule: Spider's knows neither windows, CTEs
nor CASE, and a plain nested query, such as `x > (SELECT AVG(x) FROM t)`, is hard there and medium here. Figures by
difficulty are therefore not to be held against figures for Spider.

SQL that cannot be read as one query is extra: what our reader cannot follow is not easy.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import get_args

from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from assistant.grammar import TooComplex, read_statements, read_tokens
from assistant.types import Dialect
from evaluation.records import Difficulty

LEVELS: tuple[Difficulty, ...] = get_args(Difficulty)
"""The four, from least to most."""

LEAST_POINTS = (2, 4, 7)
"""Points from which a statement is medium, hard, extra."""

_AGGREGATES = """
    any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every group_concat
    json_agg json_arrayagg json_group_array json_group_object json_object_agg json_objectagg jsonb_agg
    jsonb_object_agg max min mode percentile_cont percentile_disc std stddev stddev_pop stddev_samp string_agg sum
    total var_pop var_samp variance
"""
_AGGREGATE_NAMES = frozenset(_AGGREGATES.split())
# A condition is what AND, OR, NOT and parentheses join together.
_CONNECTIVES = (exp.And, exp.Or, exp.Not, exp.Paren)


@lru_cache(maxsize=1024)
def measure_difficulty(sql: str, dialect: Dialect) -> Difficulty:
    """Tell how much a statement needs, by the rule above.

    Args:
        sql: One SELECT, with or without a semicolon.
        dialect: Its SQL flavour.
    """
    points = count_points(sql, dialect)
    return "extra" if points is None else LEVELS[bisect_right(LEAST_POINTS, points)]


def count_points(sql: str, dialect: Dialect) -> int | None:
    """Count the points of a statement; None when it cannot be read as one query."""
    try:
        tokens = read_tokens(sql, dialect)
        while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
            tokens = tokens[:-1]
        statements = read_statements(tokens, sql, dialect)
        tree = statements[0] if len(statements) == 1 else None
        return _count(tree) if isinstance(tree, exp.Query) else None
    except (SqlglotError, TooComplex, RecursionError):
        return None


def _count(tree: exp.Expr) -> int:
    clauses = selects = joins = conditions = aggregates = cases = windows = 0
    for node in tree.walk():
        if isinstance(node, exp.Select):
            selects += 1
        elif isinstance(node, exp.Join):
            joins += 1
        elif isinstance(node, exp.Where | exp.Having) and not isinstance(node.parent, exp.Filter):
            clauses += 1
            conditions += _count_conditions(node.this) - 1
        elif isinstance(node, exp.Group):
            clauses += 1
        elif isinstance(node, exp.Case):
            cases += 1
        elif isinstance(node, exp.Window):
            windows += 1
        elif _is_aggregate(node):
            aggregates += 1
        # Not the ORDER BY within a window or an aggregate.
        if isinstance(node, exp.Query) and (node.args.get("order") or node.args.get("limit")):
            clauses += 1
    return (
        clauses
        + joins
        + min(conditions, 3)
        + min(max(aggregates - 1, 0), 2)
        + min(cases, 2)
        + 2 * max(selects - 1, 0)
        + min(2 * windows, 4)
    )


def _count_conditions(node: exp.Expr) -> int:
    # With a stack: a chain of thousands of ORs is as deep as it is long.
    count, stack = 0, [node]
    while stack:
        part = stack.pop()
        if isinstance(part, _CONNECTIVES):
            stack.extend(part.iter_expressions())
        else:
            count += 1
    return count


def _is_aggregate(node: exp.Expr) -> bool:
    """Tell whether a node aggregates rows; a windowed function does not, nor does MAX(a, b) of one row."""
    if isinstance(node, exp.GroupConcat):
        return True
    if not isinstance(node, exp.Anonymous) or node.name.lower() not in _AGGREGATE_NAMES:
        return False
    if node.name.lower() in ("max", "min") and len(node.expressions) > 1:
        return False
    parent = node.parent
    while isinstance(parent, exp.Filter | exp.WithinGroup):
        parent = parent.parent
    return not isinstance(parent, exp.Window)
