"""Comparisons that come out as in the source: dates with text, booleans with numbers, text with its case.

In: two operands that are carried already, and the comparison. Out: a condition of the target dialect. Each pair of
kinds has its rule; a pair that SQLite decides by storage class alone ("any text is greater than any number") becomes a
constant. Must not know names or clauses.

Covers: ISO text compared with dates, also text that is only the beginning of one ('2025-03'); text compared with
numbers by SQLite's affinity; text compared byte by byte on MySQL too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlglot import exp

from evaluation.carrying.collations import as_bytes
from evaluation.carrying.conversions import as_condition, as_number, as_strict_number, as_text
from evaluation.carrying.kinds import (
    MOMENTS,
    NUMBER_TEXT,
    NUMBERS,
    Way,
    affinity_of,
    cannot,
    fill,
    form_of,
    is_text_literal,
    join,
    kind_of,
    tag,
    text,
)

Comparison = type[exp.Binary]

_FLIPPED: dict[Comparison, Comparison] = {
    exp.EQ: exp.EQ,
    exp.NEQ: exp.NEQ,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.NullSafeEQ: exp.NullSafeEQ,
    exp.NullSafeNEQ: exp.NullSafeNEQ,
}

_EQUALITIES = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)

_BELOW: dict[Comparison, Comparison] = {exp.GT: exp.GTE, exp.GTE: exp.GTE, exp.LT: exp.LT, exp.LTE: exp.LT}

_WITHIN: dict[Comparison, Comparison] = {exp.GT: exp.GT, exp.GTE: exp.GT, exp.LT: exp.LTE, exp.LTE: exp.LTE}

_LENGTHS = {"date": 10, "datetime": 19}

_BEGINNING = re.compile(r"\d{4}-\d\d(-\d\d( \d\d(:\d\d(:\d\d)?)?)?)?", re.ASCII)

_LOWEST = "0000-01-01 00:00:00"


def compare(op: Comparison, left: exp.Expr, right: exp.Expr, way: Way) -> exp.Expr:
    """Compare two values as the source compares them."""
    if isinstance(left, exp.Literal) and not isinstance(right, exp.Literal):
        return compare(_FLIPPED[op], right, left, way)
    if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple) and op in (exp.EQ, exp.NEQ):
        pairs = zip(left.expressions, right.expressions, strict=True)
        both: exp.Expr = exp.and_(*(compare(exp.EQ, one, other, way) for one, other in pairs), copy=False)
        return tag(both if op is exp.EQ else exp.Not(this=exp.Paren(this=both)), "boolean")
    kinds = {kind_of(left), kind_of(right)}
    if kinds & {"null", "unknown"}:
        return _plain(op, left, right)
    if kinds & MOMENTS:
        return _compare_moments(op, left, right, way)
    if kinds == {"text"}:
        return _compare_texts(op, left, right, way)
    if "text" in kinds:
        return _compare_mixed(op, left, right, way)
    return _compare_numbers(op, left, right, way)


def _plain(op: Comparison, left: exp.Expr, right: exp.Expr) -> exp.Expr:
    return join(op, left, right, "boolean")


def _constant(is_true: bool, left: exp.Expr, right: exp.Expr, way: Way) -> exp.Expr:
    """Give a fixed truth, but NULL where an operand is NULL."""
    word = "TRUE" if is_true else "FALSE"
    tested = [node for node in (left, right) if not isinstance(node, exp.Literal)]
    if not tested:
        return tag(exp.Boolean(this=is_true), "boolean")
    condition = " AND ".join(f"NOT x{i} IS NULL" for i in range(len(tested)))
    parts = {f"x{i}": node for i, node in enumerate(tested)}
    return fill(way.target, f"CASE WHEN {condition} THEN {word} END", "boolean", parts)


def _compare_numbers(op: Comparison, left: exp.Expr, right: exp.Expr, way: Way) -> exp.Expr:
    if way.target != "postgres" or kind_of(left) == kind_of(right) == "boolean":
        return _plain(op, left, right)
    flag, other = (left, right) if kind_of(left) == "boolean" else (right, left)
    if kind_of(flag) == "boolean" and op in _EQUALITIES and isinstance(other, exp.Literal) and other.name in ("0", "1"):
        truth = tag(exp.Boolean(this=other.name == "1"), "boolean")
        return _plain(op, flag, truth)
    return _plain(op, as_number(left, way), as_number(right, way))


def _compare_texts(op: Comparison, left: exp.Expr, right: exp.Expr, way: Way) -> exp.Expr:
    folded = [_without_nocase(node) for node in (left, right)]
    is_folding = way.source == "mysql" or any(
        node is not whole for node, whole in zip(folded, (left, right), strict=True)
    )
    left, right = folded
    if is_folding and not (_is_caseless(left) or _is_caseless(right)):
        if way.target == "sqlite":
            return _plain(op, fill("sqlite", "x COLLATE NOCASE", "text", x=left), right)
        left, right = _lower(left, way), _lower(right, way)
    if way.target == "mysql" and not (form_of(left) or form_of(right)):
        if is_text_literal(right) and right.name.isascii() and isinstance(left, exp.Column):
            # Text in ASCII has the same bytes in every character set that a column is likely to have.
            return _plain(op, fill("mysql", "CAST(x AS BINARY)", "text", x=left), right)
        return _plain(op, as_bytes(left), as_bytes(right))
    if way.target == "postgres" and op not in _EQUALITIES and form_of(left) != "digits":
        left = fill("postgres", 'x COLLATE "C"', "text", x=left)
    return _plain(op, left, right)


def _is_caseless(node: exp.Expr) -> bool:
    return (
        bool(form_of(node))
        or is_text_literal(node)
        and node.name.lower() == node.name.upper()
        and not node.name.endswith(" ")
    )


def _without_nocase(node: exp.Expr) -> exp.Expr:
    return node.this if isinstance(node, exp.Collate) and node.expression.name.upper() == "NOCASE" else node


def _lower(node: exp.Expr, way: Way) -> exp.Expr:
    if is_text_literal(node):
        return text(node.name.lower())
    # SQLite's NOCASE folds ASCII letters alone, as PostgreSQL does under "C".
    is_ascii = way.source == "sqlite" and way.target == "postgres"
    return fill(way.target, 'LOWER(x COLLATE "C")' if is_ascii else "LOWER(x)", "text", x=node)


def _compare_mixed(op: Comparison, left: exp.Expr, right: exp.Expr, way: Way) -> exp.Expr:
    """Compare text with a number: SQLite converts by affinity (its manual, Datatypes, section 4.2), MySQL always."""
    if kind_of(left) == "text":
        words, figure, is_text_left = left, right, True
    else:
        words, figure, is_text_left = right, left, False
    if way.source != "sqlite":
        figures = as_number(words, way)
        return (
            _compare_numbers(op, figures, figure, way) if is_text_left else _compare_numbers(op, figure, figures, way)
        )
    is_text_greater = op in ((exp.GT, exp.GTE) if is_text_left else (exp.LT, exp.LTE))
    constant = _constant(is_text_greater or op in (exp.NEQ, exp.NullSafeNEQ), left, right, way)
    if affinity_of(figure) == "numeric":
        if is_text_literal(words):
            if not NUMBER_TEXT.fullmatch(words.name):
                return constant
            figures = as_number(words, way)
        else:
            figures = (
                as_number(words, way) if kind_of(as_number(words, way)) == "integer" else as_strict_number(words, way)
            )
        return (
            _compare_numbers(op, figures, figure, way) if is_text_left else _compare_numbers(op, figure, figures, way)
        )
    if affinity_of(words) == "text":
        spelled = as_text(as_number(figure, way), way)
        return _compare_texts(op, words, spelled, way) if is_text_left else _compare_texts(op, spelled, words, way)
    return constant


def _compare_moments(op: Comparison, left: exp.Expr, right: exp.Expr, way: Way) -> exp.Expr:
    if way.source == "sqlite":
        return _compare_as_iso_text(op, left, right, way)
    if way.is_native:
        return _plain(op, left, right)
    return _compare_spellings(op, left, right, way)


def _compare_as_iso_text(op: Comparison, left: exp.Expr, right: exp.Expr, way: Way) -> exp.Expr:
    """Compare moments of a server as SQLite compares their ISO texts."""
    if kind_of(left) == kind_of(right):
        return _plain(op, left, right)
    if kind_of(left) in MOMENTS and is_text_literal(right):
        is_number = affinity_of(left) == "numeric" and NUMBER_TEXT.fullmatch(right.name)
        if is_number:
            return _constant(op in (exp.GT, exp.GTE, exp.NEQ, exp.NullSafeNEQ), left, right, way)
        return _compare_with_literal(op, left, right, way)
    if (NUMBERS | {"boolean"}) & {kind_of(left), kind_of(right)}:
        is_text_greater = op in ((exp.GT, exp.GTE) if kind_of(left) in MOMENTS else (exp.LT, exp.LTE))
        return _constant(is_text_greater or op in (exp.NEQ, exp.NullSafeNEQ), left, right, way)
    return _compare_texts(op, as_text(left, way), as_text(right, way), way)


def _compare_with_literal(op: Comparison, moment: exp.Expr, literal: exp.Expr, way: Way) -> exp.Expr:
    """Compare a moment with text that spells one, or the beginning of one, or more than one."""
    spelled = _complete(literal.name)
    length = _LENGTHS[kind_of(moment)]
    if spelled is None or op in (exp.NullSafeEQ, exp.NullSafeNEQ) and len(literal.name) != length:
        return _compare_texts(op, as_text(moment, way), literal, way)
    if len(literal.name) == length:
        return _plain(op, moment, literal)
    if op in (exp.EQ, exp.NEQ):
        return _constant(op is exp.NEQ, moment, literal, way)
    # '2025-03' sorts before every moment of that March; '2025-03-01 10:00:00' after the date '2025-03-01'.
    is_shorter = len(literal.name) < length
    bound = literal.name if len(literal.name) == 10 else spelled[: 10 if len(literal.name) < 10 else length]
    return _plain((_BELOW if is_shorter else _WITHIN)[op], moment, text(bound))


def _complete(literal: str) -> str | None:
    """Give the first moment that begins with a text; None when none does."""
    if not _BEGINNING.fullmatch(literal):
        return None
    spelled = literal + _LOWEST[len(literal) :]
    try:
        datetime.fromisoformat(spelled)
    except ValueError:
        return None
    return spelled


def _compare_spellings(op: Comparison, left: exp.Expr, right: exp.Expr, way: Way) -> exp.Expr:
    """Compare in SQLite what a server would compare as moments: both have to be spelled alike."""
    kinds = {kind_of(node) for node in (left, right) if not is_text_literal(node)}
    literal = next((node for node in (left, right) if is_text_literal(node)), None)
    if literal is None:
        if len(kinds) == 1:
            return _plain(op, left, right)
        return _plain(op, _as_spelled(left, "datetime"), _as_spelled(right, "datetime"))
    try:
        moment = datetime.fromisoformat(literal.name.strip())
    except ValueError as error:
        raise cannot(f"the comparison of a date with '{literal.name}'", way) from error
    is_date = kinds == {"date"} and moment == moment.replace(hour=0, minute=0, second=0, microsecond=0)
    spelled = text(moment.strftime("%Y-%m-%d" if is_date else "%Y-%m-%d %H:%M:%S"))
    kind = "date" if is_date else "datetime"
    return _plain(op, *(spelled if node is literal else _as_spelled(node, kind) for node in (left, right)))


def _as_spelled(node: exp.Expr, kind: str) -> exp.Expr:
    if kind_of(node) == kind:
        return node
    return fill(
        "sqlite", "DATE(x)" if kind == "date" else "DATETIME(x)", "date" if kind == "date" else "datetime", x=node
    )


def compare_any(left: exp.Expr, items: Sequence[exp.Expr], way: Way) -> exp.Expr:
    """Write `left IN (items)`: as one IN where all items compare alike, else as a chain of OR."""
    found = [compare(exp.EQ, left.copy(), item, way) for item in items]
    first = found[0].this if found and isinstance(found[0], exp.EQ) else None
    if first is not None and all(isinstance(each, exp.EQ) and each.this == first for each in found):
        return tag(exp.In(this=first, expressions=[each.expression for each in found]), "boolean")
    return tag(exp.Paren(this=exp.or_(*found, copy=False)), "boolean")


def compare_range(value: exp.Expr, low: exp.Expr, high: exp.Expr, way: Way) -> exp.Expr:
    """Write `value BETWEEN low AND high`: as BETWEEN where both ends compare alike, else as two comparisons."""
    above = compare(exp.GTE, value.copy(), low, way)
    below = compare(exp.LTE, value.copy(), high, way)
    if type(above) is exp.GTE and type(below) is exp.LTE and above.this == below.this:
        return tag(exp.Between(this=above.this, low=above.expression, high=below.expression), "boolean")
    both = exp.And(this=as_condition(above, way), expression=as_condition(below, way))
    return tag(exp.Paren(this=both), "boolean")
