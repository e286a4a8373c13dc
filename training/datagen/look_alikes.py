"""Look-alikes of a statement: the same without one of its conditions.

In: SQL and its result, and the database with variants of its data (`evaluation.variants`). Out: whether the look-alike
gives another result on one of them. A condition whose loss nothing shows teaches nothing: whoever leaves it out is
right as well. On the demo database that holds for one statement in ten that has conditions: a span of time that all
rows lie in, NOT EXISTS beside an EXISTS that rules it out.

The last condition is left out, so that one more statement is run; joins stay. That costs more than verifying the
statement itself, so those whose last condition seldom changes nothing are checked by samples, chosen by their text.
Measured on the demo database: equality with a value that occurs changes nothing in 2 of 100 statements, a range in 13,
EXISTS, HAVING and missing values in 15 to 40.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce

from sqlglot import exp

from assistant.errors import DatabaseError
from assistant.grammar import write
from assistant.types import Dialect, Rejection
from evaluation.cache import Execution
from evaluation.execution import Executor
from training.datagen.results import digest_result
from training.datagen.statement import read_tree

SAFE_SHARE = 0.1
"""Share of the statements that is checked where the last condition is one of equality,"""
RANGE_SHARE = 0.4
"""a range; of all others, every one."""
MAX_COMPARED_ROWS = 200
"""A look-alike with more rows is another result than one with fewer; longer results are not compared."""
_SAFE = (exp.EQ, exp.NEQ, exp.In, exp.Like)
_RANGE = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Or)

_CLAUSE = re.compile(r"\b(?:WHERE|HAVING)\b", re.IGNORECASE)


class LookAlikes:
    """A database and its variants; close them at the end."""

    def __init__(self, url: str, variant_urls: Sequence[str], *, timeout_s: float) -> None:
        """Open them.

        Raises:
            DatabaseError: One cannot be opened.
        """
        self._executors = [
            Executor(each, timeout_s=timeout_s, max_rows=MAX_COMPARED_ROWS) for each in (url, *variant_urls)
        ]
        self._dialect: Dialect = self._executors[0].schema.dialect

    def close(self) -> None:
        """Close the databases; calling it twice is harmless."""
        for executor in self._executors:
            executor.close()

    def are_told_apart(self, sql: str, execution: Execution, chance: float) -> bool:
        """Tell whether a statement gives another result than its look-alike; yes where that is not checked.

        Args:
            sql: A statement that runs.
            execution: Its result on the data.
            chance: A number from 0 to 1 that belongs to the statement, and decides whether it is in the sample.
        """
        if len(execution.result.rows) > MAX_COMPARED_ROWS:
            return True
        other = write_look_alike(sql, self._dialect, chance)
        if other is None:
            return True
        source, *variants = self._executors
        if _run(source, other) != digest_result(execution):
            return True
        return any(_run(variant, other) != _run(variant, sql) for variant in variants)


def write_look_alike(sql: str, dialect: Dialect, chance: float = 0.0) -> str | None:
    """Write a statement without its last condition; None when it has none, or is not in the sample.

    Args:
        sql: A statement that passed the guard.
        dialect: Its SQL flavour.
        chance: A number from 0 to 1 that belongs to the statement; 0 is in every sample.
    """
    if not _CLAUSE.search(sql):
        return None
    tree = read_tree(sql, dialect)
    for clause in reversed(list(tree.find_all(exp.Where, exp.Having))):
        conditions = _conditions(clause)
        places = [place for place, condition in enumerate(conditions) if not _is_join(condition)]
        if not places:
            continue
        dropped = conditions.pop(places[-1])
        if chance >= (SAFE_SHARE if isinstance(dropped, _SAFE) else RANGE_SHARE if isinstance(dropped, _RANGE) else 1):
            return None
        if conditions:
            clause.set("this", reduce(lambda left, right: exp.And(this=left, expression=right), conditions))
        else:
            clause.pop()
        return write(tree, dialect, copy=False)
    return None


def _conditions(clause: exp.Expr) -> list[exp.Expr]:
    return list(clause.this.flatten(unnest=False)) if isinstance(clause.this, exp.And) else [clause.this]


def _is_join(condition: exp.Expr) -> bool:
    """Tell whether a condition ties two columns together, as that of a correlated subquery does."""
    return (
        isinstance(condition, exp.EQ)
        and isinstance(condition.this, exp.Column)
        and isinstance(condition.expression, exp.Column)
    )


def _run(executor: Executor, sql: str) -> str | None:
    """Digest a result; None when there is none."""
    try:
        found = executor.run(sql)
    except DatabaseError:
        return None
    return None if isinstance(found, Rejection) else digest_result(found)
