"""Moments as text: strftime, to_char and date_format.

In: a moment and a format with the directives of strftime, or one of PostgreSQL's to be read as such. Out: a text
expression of the target, put together where its own formatting function lacks a directive.
"""

from __future__ import annotations

import re

from sqlglot import exp

from assistant.types import Dialect
from evaluation.carrying.kinds import (
    TextForm,
    Way,
    cannot,
    fill,
    tag,
)
from evaluation.carrying.moments import as_datetime, as_moment

_FORMATS: dict[Dialect, dict[str, str]] = {
    "sqlite": {code: code for code in ("%Y", "%m", "%d", "%H", "%M", "%S", "%j", "%w", "%W")},
    "postgres": {
        "%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH24", "%M": "MI", "%S": "SS", "%j": "DDD",
        "%y": "YY", "%b": "Mon", "%B": "FMMonth", "%a": "Dy", "%A": "FMDay", "%I": "HH12", "%p": "AM",
    },
    "mysql": {
        "%Y": "%Y", "%m": "%m", "%d": "%d", "%H": "%H", "%M": "%i", "%S": "%s", "%j": "%j", "%w": "%w",
        "%y": "%y", "%b": "%b", "%B": "%M", "%a": "%a", "%A": "%W", "%I": "%h", "%p": "%p",
    },
}  # fmt: skip
"""strftime directive -> what each dialect's own formatting function calls it."""

_FORMULAS: dict[Dialect, dict[str, str]] = {
    "sqlite": {
        "%b": "SUBSTR('JanFebMarAprMayJunJulAugSepOctNovDec', 3 * STRFTIME('%m', x) - 2, 3)",
        "%B": "RTRIM(SUBSTR('January  February March    April    May      June     July     August   SeptemberOctober  "
        "November December ', 9 * STRFTIME('%m', x) - 8, 9))",
        "%a": "SUBSTR('SunMonTueWedThuFriSat', 3 * STRFTIME('%w', x) + 1, 3)",
        "%A": "RTRIM(SUBSTR('Sunday   Monday   Tuesday  WednesdayThursday Friday   Saturday ', "
        "9 * STRFTIME('%w', x) + 1, 9))",
        "%y": "SUBSTR(STRFTIME('%Y', x), 3)",
    },
    "postgres": {
        "%w": "CAST(CAST(EXTRACT(DOW FROM x) AS INTEGER) AS TEXT)",
        "%s": "CAST(CAST(FLOOR(EXTRACT(EPOCH FROM x)) AS BIGINT) AS TEXT)",
        # Days since the first Monday of the year, in weeks.
        "%W": "LPAD(CAST((CAST(EXTRACT(DOY FROM x) AS INTEGER) + 7 - CAST(EXTRACT(ISODOW FROM x) AS INTEGER)) / 7 "
        "AS TEXT), 2, '0')",
    },
    "mysql": {
        "%s": "CAST(TIMESTAMPDIFF(SECOND, '1970-01-01', x) AS CHAR)",
        "%W": "LPAD(WEEK(x, 5), 2, '0')",
    },
}
"""strftime directives that the formatting function lacks, as text expressions."""

_TEMPLATES = {
    "YYYY": "%Y", "MM": "%m", "DD": "%d", "HH24": "%H", "HH12": "%I", "MI": "%M", "SS": "%S", "DDD": "%j", "YY": "%y",
    "Mon": "%b", "FMMonth": "%B", "Dy": "%a", "FMDay": "%A", "AM": "%p", "PM": "%p",
}  # fmt: skip
"""Patterns of PostgreSQL's to_char -> strftime directives."""

_TEMPLATE_PIECES = re.compile(
    f'(?P<code>{"|".join(sorted(_TEMPLATES, key=len, reverse=True))})|"(?P<quoted>[^"]*)"|(?P<plain>[^A-Za-z"])'
)

_CODE = re.compile("%.")

_PIECES = re.compile(r"%.|[^%]+|%", re.DOTALL)


def read_template(template: str, way: Way) -> str:
    """Read a format of PostgreSQL's to_char as a strftime format.

    Raises:
        DataError: It has a pattern that is not known here.
    """
    form, end = "", 0
    for found in _TEMPLATE_PIECES.finditer(template):
        if found.start() != end:
            break
        end = found.end()
        literal = found["quoted"] if found["quoted"] is not None else found["plain"]
        form += _TEMPLATES[found["code"]] if found["code"] else literal.replace("%", "%%")
    if end != len(template):
        raise cannot(f"the format '{template}'", way)
    return form


def write_format(node: exp.Expr, form: str, way: Way) -> exp.Expr:
    """Give a moment as text, by a strftime format.

    Raises:
        DataError: The target cannot write one of its directives.
    """
    formats, formulas = _FORMATS[way.target], _FORMULAS[way.target]
    moment = as_moment(node, way)
    pieces: list[str] = []  # the format of the target so far, then expressions
    found: list[exp.Expr] = []
    for piece in _PIECES.findall(form):
        if piece in formulas:
            found += [*_formatted(moment, pieces, way), fill(way.target, formulas[piece], "text", x=moment)]
            pieces = []
        elif piece in formats:
            pieces.append(formats[piece])
        elif piece == "%%":
            pieces.append("%" if way.target == "postgres" else "%%")
        elif piece.startswith("%"):
            raise cannot(f"'{piece}' in the format '{form}'", way)
        else:
            is_word = way.target == "postgres" and any(letter.isalnum() or letter in '"\\' for letter in piece)
            quoted = piece.replace("\\", "\\\\").replace('"', '\\"')
            pieces.append(f'"{quoted}"' if is_word else piece)
    found += _formatted(moment, pieces, way)
    codes = _CODE.findall(form)
    has_letters = set(codes) & {"%b", "%B", "%a", "%A", "%p"} or re.search("[^\\W\\d_]", _CODE.sub("", form))
    known: TextForm = "" if has_letters or not codes else "digits" if form == "".join(codes) else "caseless"
    if not found:
        return tag(exp.Literal.string(""), "text")
    if len(found) == 1:
        return tag(found[0], "text", form=known)
    if way.target == "mysql":
        return tag(exp.Concat(expressions=found, safe=True, coalesce=False), "text", form=known)
    joined = found[0]
    for piece_node in found[1:]:
        joined = exp.DPipe(this=joined, expression=piece_node, safe=True)
    return tag(joined, "text", form=known)


def _formatted(moment: exp.Expr, pieces: list[str], way: Way) -> list[exp.Expr]:
    if not pieces:
        return []
    function = {"sqlite": "STRFTIME", "postgres": "TO_CHAR", "mysql": "DATE_FORMAT"}[way.target]
    form = exp.Literal.string("".join(pieces))
    arguments = [form, moment.copy()] if way.target == "sqlite" else [moment.copy(), form]
    return [tag(exp.Anonymous(this=function, expressions=arguments), "text")]


def write_time(node: exp.Expr, way: Way) -> exp.Expr:
    """Give the time of day of a moment as text."""
    return write_format(as_datetime(node, way), "%H:%M:%S", way)
