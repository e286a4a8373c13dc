"""LIKE, ILIKE and GLOB with the case and the escape character of the source.

In: a value and a pattern that are carried already. Out: a condition of the target dialect. LIKE ignores the case of
ASCII letters in SQLite, respects case in PostgreSQL, and follows the collation in MySQL.

Does not cover: letters outside ASCII in a LIKE of SQLite's on MySQL, whose case is ignored too.
"""

from __future__ import annotations

import re

from sqlglot import exp

from evaluation.carrying.collations import as_exact
from evaluation.carrying.conversions import as_text
from evaluation.carrying.kinds import (
    Way,
    cannot,
    fill,
    is_text_literal,
    join,
    tag,
    text,
)

_ANY, _ONE = object(), object()

_Pattern = list[object]


def like(value: exp.Expr, pattern: exp.Expr, escape: str | None, way: Way, *, ignores_case: bool) -> exp.Expr:
    """Write LIKE with the case and the escape character of the source.

    Raises:
        DataError: SQLite is to respect case, and the pattern is not written out.
    """
    value, pattern = as_text(value, way), as_text(pattern, way)
    if not is_text_literal(pattern):
        return _like_expression(value, pattern, escape, way, ignores_case=ignores_case)
    parsed = _read_like(pattern.name, escape)
    letters = "".join(part for part in parsed if isinstance(part, str))
    if letters.lower() == letters.upper():
        return _like_as(exp.Like, value, parsed, way)
    if ignores_case:
        if way.target == "mysql":
            lowered: _Pattern = [part.lower() if isinstance(part, str) else part for part in parsed]
            return _like_as(exp.Like, as_exact(fill("mysql", "LOWER(x)", "text", x=value)), lowered, way)
        if way.target == "postgres" and way.source == "sqlite" and not letters.isascii():
            value = fill("postgres", 'x COLLATE "C"', "text", x=value)
        return _like_as(exp.ILike if way.target == "postgres" else exp.Like, value, parsed, way)
    if way.target == "sqlite":
        return join(exp.Glob, value, text(_as_glob(parsed)), "boolean")
    return _like_as(exp.Like, as_exact(value) if way.target == "mysql" else value, parsed, way)


def _like_expression(
    value: exp.Expr, pattern: exp.Expr, escape: str | None, way: Way, *, ignores_case: bool
) -> exp.Expr:
    if not ignores_case and way.target == "sqlite":
        raise cannot("LIKE with a pattern that is not written out", way)
    if escape is None and way.target == "mysql":
        # MariaDB takes ESCAPE '' for the backslash.
        pattern = fill("mysql", r"REPLACE(x, '\\', '\\\\')", "text", x=pattern)
    if way.target == "mysql":
        if ignores_case:
            value, pattern = (fill("mysql", "LOWER(x)", "text", x=node) for node in (value, pattern))
        found = join(exp.Like, as_exact(value), pattern, "boolean")
    elif way.target == "postgres" and ignores_case:
        left = fill("postgres", 'x COLLATE "C"', "text", x=value) if way.source == "sqlite" else value
        found = join(exp.ILike, left, pattern, "boolean")
    else:
        found = join(exp.Like, value, pattern, "boolean")
    if escape is None and way.target == "postgres":
        return tag(exp.Escape(this=found, expression=text("")), "boolean")
    is_default = escape is None or (escape == "\\" and way.is_native)
    return found if is_default else tag(exp.Escape(this=found, expression=text(escape or "")), "boolean")


def _like_as(form: type[exp.Binary], value: exp.Expr, parsed: _Pattern, way: Way) -> exp.Expr:
    """Write a pattern with a backslash before what it means literally; SQLite has to be told of it."""
    has_special = any(part in ("%", "_") for part in parsed)
    specials = "%_\\" if has_special or way.is_native else ""
    signs = {_ANY: "%", _ONE: "_"}
    spelled = "".join(signs.get(part) or ("\\" if str(part) in specials else "") + str(part) for part in parsed)
    found = join(form, value, text(spelled), "boolean")
    if way.target == "sqlite" and has_special:
        found = exp.Escape(this=found, expression=text("\\"))
    return tag(found, "boolean")


def _read_like(pattern: str, escape: str | None) -> _Pattern:
    parsed: _Pattern = []
    letters = iter(pattern)
    for letter in letters:
        if escape and letter == escape:
            parsed.append(next(letters, letter))
        else:
            parsed.append({"%": _ANY, "_": _ONE}.get(letter, letter))
    return parsed


def _as_glob(parsed: _Pattern) -> str:
    signs: dict[object, str] = {_ANY: "*", _ONE: "?"}
    return "".join(signs.get(part) or (f"[{part}]" if str(part) in "*?[" else str(part)) for part in parsed)


def glob(value: exp.Expr, pattern: exp.Expr, way: Way) -> exp.Expr:
    """Write SQLite's GLOB, which respects case.

    Raises:
        DataError: The pattern is not written out, or has a class such as [a-z].
    """
    if not is_text_literal(pattern):
        raise cannot("GLOB with a pattern that is not written out", way)
    parsed: _Pattern = []
    rest = pattern.name
    while rest:
        single = re.match(r"\[([^\]^])\]", rest)
        if single:
            parsed.append(single[1])
            rest = rest[3:]
        elif rest[0] == "[":
            raise cannot(f"the class in GLOB '{pattern.name}'", way)
        else:
            parsed.append({"*": _ANY, "?": _ONE}.get(rest[0], rest[0]))
            rest = rest[1:]
    value = as_text(value, way)
    return _like_as(exp.Like, as_exact(value) if way.target == "mysql" else value, parsed, way)
