"""Functions of text whose arguments are carried already.

In: a call, and from which dialect to which. Out: the call of the target dialect.

Does not cover: upper and lower case of letters outside ASCII on MySQL, which SQLite leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from evaluation.carrying.collations import as_exact
from evaluation.carrying.conversions import as_number, as_text
from evaluation.carrying.formats import write_format
from evaluation.carrying.kinds import (
    MOMENTS,
    Kind,
    Way,
    cannot,
    fill,
    form_of,
    is_text_literal,
    kind_of,
    number,
    tag,
    text,
)

_SLICES = {
    (1, 4): "%Y", (1, 7): "%Y-%m", (1, 10): "%Y-%m-%d", (6, 2): "%m", (6, 5): "%m-%d", (9, 2): "%d",
    (12, 2): "%H", (12, 5): "%H:%M", (12, 8): "%H:%M:%S",
}  # fmt: skip
"""Start and length of a slice of ISO text -> strftime format that gives the same."""

_DIRECTIVE = re.compile(r"%(?P<zero>0?)(?P<width>\d*)(?:\.(?P<places>\d+))?(?P<type>[difs%])|[^%]+")


def carry_letters(node: exp.Expr, way: Way) -> exp.Expr:
    """Write UPPER or LOWER."""
    words = as_text(node.this, way)
    name = "UPPER" if isinstance(node, exp.Upper) else "LOWER"
    # SQLite changes ASCII letters alone, as PostgreSQL does under "C".
    is_ascii = way.source == "sqlite" and way.target == "postgres"
    return fill(way.target, f'{name}(x COLLATE "C")' if is_ascii else f"{name}(x)", "text", x=words)


def _length(node: exp.Expr, way: Way) -> exp.Expr:
    node.set("this", as_text(node.this, way))
    if way.target == "sqlite":
        node.set("binary", None)
    return tag(node, "integer")


def _wordly(node: exp.Expr, way: Way) -> exp.Expr:
    for part in ("this", "expression", "replacement"):
        if node.args.get(part) is not None:
            node.set(part, as_text(node.args[part], way))
    return tag(node, "text")


def _trim(node: exp.Expr, way: Way) -> exp.Expr:
    letters = node.expression
    if letters is None:
        return _wordly(node, way)
    if way.target == "mysql" and not (is_text_literal(letters) and len(letters.name) == 1):
        raise cannot("a trim of several different letters", way)
    side = str(node.args.get("position") or "BOTH").upper()
    if way.target == "mysql":
        form = f"TRIM({side} y FROM x)"
    else:
        form = {"BOTH": "TRIM(x, y)" if way.target == "sqlite" else "BTRIM(x, y)", "LEADING": "LTRIM(x, y)"}.get(
            side, "RTRIM(x, y)"
        )
    return _call(form, "text", way, x=as_text(node.this, way), y=as_text(letters, way))


def _call(form: str, kind: Kind, way: Way, **parts: exp.Expr) -> exp.Expr:
    """Write `NAME(x, y)` as it stands, where sqlglot would write another form of it."""
    name, _, arguments = form.partition("(")
    if " " in arguments.replace(", ", ","):
        return fill(way.target, form, kind, parts)
    values = [parts[item.strip()].copy() for item in arguments.rstrip(")").split(",")]
    return tag(exp.Anonymous(this=name, expressions=values), kind)


def _substring(node: exp.Expr, way: Way) -> exp.Expr:
    start, length = node.args["start"], node.args.get("length")
    first, count = _literal_int(start), _literal_int(length)
    if kind_of(node.this) in MOMENTS and way.is_native and (form := _SLICES.get((first or 0, count or 0))):
        is_known = kind_of(node.this) == "datetime" or (first or 0) + (count or 0) <= 11
        if is_known:
            return write_format(node.this, form, way)
    words = as_text(node.this, way)
    if first is not None and first <= 0 and way.target != way.source:
        if first == 0 or way.source == "postgres":
            raise cannot("a substring from before its first letter", way)
        if way.target == "postgres":
            words, start = fill("postgres", "RIGHT(x, n)", "text", x=words, n=number(-first)), number(1)
            if length is None:
                return words
    form = "SUBSTRING(x, s)" if length is None else "SUBSTRING(x, s, n)"
    parts = {} if length is None else {"n": as_number(length, way)}
    return fill(way.target, form, "text", parts, form=form_of(node.this), x=words, s=as_number(start, way))


def _literal_int(node: exp.Expr | None) -> int | None:
    if isinstance(node, exp.Neg):
        inner = _literal_int(node.this)
        return None if inner is None else -inner
    return int(node.name) if isinstance(node, exp.Literal) and node.is_int else None


def _end(node: exp.Expr, way: Way) -> exp.Expr:
    words, count = as_text(node.this, way), as_number(node.expression, way)
    if way.target != "sqlite":
        name = "LEFT" if isinstance(node, exp.Left) else "RIGHT"
        return fill(way.target, f"{name}(x, n)", "text", x=words, n=count)
    form = "SUBSTR(x, 1, n)" if isinstance(node, exp.Left) else "SUBSTR(x, -n)"
    return fill("sqlite", form, "text", x=words, n=count)


def _position(node: exp.Expr, way: Way) -> exp.Expr:
    words, part = as_text(node.this, way), as_text(node.args["substr"], way)
    if node.args.get("position") is not None:
        raise cannot("a search from a given place", way)
    if way.target == "mysql":
        words = as_exact(words)
    elif way.source == "mysql":
        words, part = (fill(way.target, "LOWER(x)", "text", x=item) for item in (words, part))
    return tag(exp.StrPosition(this=words, substr=part), "integer")


def _join(node: exp.Expr, way: Way) -> exp.Expr:
    """Join texts: with || or MySQL's CONCAT a NULL makes all of it NULL, in PostgreSQL's CONCAT it is left out."""
    pieces = [node.this, node.expression] if isinstance(node, exp.DPipe) else list(node.expressions)
    is_skipping = isinstance(node, exp.Concat) and way.source == "postgres"
    words = [as_text(piece, way) for piece in pieces]
    if is_skipping:
        words = [w if is_text_literal(w) else fill(way.target, "COALESCE(x, '')", "text", x=w) for w in words]
    if way.target == "mysql":
        flat = [inner for w in words for inner in (w.expressions if isinstance(w, exp.Concat) else [w])]
        return tag(exp.Concat(expressions=flat, safe=True, coalesce=False), "text")
    found = words[0]
    for word in words[1:]:
        found = exp.DPipe(this=found, expression=word, safe=True)
    return tag(found, "text")


def _concat_ws(node: exp.Expr, way: Way) -> exp.Expr:
    if way.target == "sqlite":
        raise cannot("CONCAT_WS", way)
    node.set("expressions", [as_text(item, way) for item in node.expressions])
    return tag(node, "text")


def _pad(node: exp.Expr, way: Way) -> exp.Expr:
    if way.target == "sqlite":
        raise cannot("LPAD or RPAD", way)
    node.set("this", as_text(node.this, way))
    return tag(node, "text")


def carry_printf(node: exp.Expr, way: Way) -> exp.Expr:
    """Write SQLite's printf as texts and numbers joined.

    Raises:
        DataError: The template is not written out, or has a directive that is not known here.
    """
    arguments = list(node.expressions) if isinstance(node, exp.Anonymous) else [node.this, *node.expressions]
    template, values = arguments[0], arguments[1:]
    if way.source != "sqlite" or not is_text_literal(template):
        raise cannot("a template for texts that is not written out", way)
    pieces: list[exp.Expr] = []
    end = 0
    for found in _DIRECTIVE.finditer(template.name):
        if found.start() != end:
            break
        end = found.end()
        if found["type"] is None or found["type"] == "%":
            pieces.append(text("%" if found["type"] else found.group()))
        elif values:
            pieces.append(_formatted(found, values.pop(0), way))
    if end != len(template.name):
        raise cannot(f"the template '{template.name}'", way)
    if not pieces:
        return text("")
    if len(pieces) == 1:
        return pieces[0]
    return _join(exp.Concat(expressions=pieces, safe=True, coalesce=False), way)


def _formatted(found: re.Match[str], value: exp.Expr, way: Way) -> exp.Expr:
    words = "CHAR" if way.target == "mysql" else "TEXT"
    width = int(found["width"] or 0)
    if found["type"] == "s" and not width and found["places"] is None:
        return fill(way.target, "COALESCE(x, '')", "text", x=as_text(value, way))
    if found["type"] == "f" and not width:
        places = int(found["places"] or 6)
        form = f"CAST(CAST(COALESCE(x, 0) AS DECIMAL(38, {places})) AS {words})"
        return fill(way.target, form, "text", x=as_number(value, way))
    if found["type"] in ("d", "i") and (found["zero"] or not width):
        whole = as_number(value, way)
        cut = (
            whole
            if kind_of(whole) == "integer"
            else fill(way.target, "TRUNC(x)" if way.target == "postgres" else "TRUNCATE(x, 0)", "integer", x=whole)
        )
        form = (
            f"CAST(COALESCE(x, 0) AS {words})"
            if kind_of(whole) == "integer"
            else f"CAST(CAST(x AS DECIMAL(38, 0)) AS {words})"
        )
        digits = fill(way.target, form, "text", x=cut)
        if not width:
            return digits
        # LPAD would cut a longer number.
        padded = f"CASE WHEN CHAR_LENGTH(x) >= {width} THEN x ELSE LPAD(x, {width}, '0') END"
        return fill(way.target, padded, "text", x=digits)
    raise cannot(f"'{found.group()}' in a template", way)


TEXTS: dict[type[exp.Expr], Callable[[exp.Expr, Way], exp.Expr]] = {
    exp.Upper: carry_letters,
    exp.Lower: carry_letters,
    exp.Length: _length,
    exp.Replace: _wordly,
    exp.Trim: _trim,
    exp.Substring: _substring,
    exp.Left: _end,
    exp.Right: _end,
    exp.StrPosition: _position,
    exp.DPipe: _join,
    exp.Concat: _join,
    exp.ConcatWs: _concat_ws,
    exp.Pad: _pad,
    exp.Format: carry_printf,
}
"""Function of text -> how it is carried."""
