"""Date functions of PostgreSQL and MySQL whose arguments are carried already; SQLite's are in `shifts`.

In: a call, and from which dialect to which. Out: what the target writes for it. The difference of two moments is an
interval, which only EXTRACT can be asked about.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from evaluation.carrying.conversions import as_number
from evaluation.carrying.formats import read_template, write_format
from evaluation.carrying.kinds import (
    MOMENTS,
    Way,
    cannot,
    fill,
    is_text_literal,
    kind_of,
    tag,
)
from evaluation.carrying.moments import as_date, as_datetime, part_of, step
from evaluation.carrying.shifts import shift

_UNITS_S = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}

_AGE = "qf_age"


def _now(name: str) -> Callable[[exp.Expr, Way], exp.Expr]:
    return lambda node, way: step(name, way)


def _part(name: str) -> Callable[[exp.Expr, Way], exp.Expr]:
    return lambda node, way: part_of(node.this, name, way)


def _day_of_week(node: exp.Expr, way: Way) -> exp.Expr:
    return fill(way.target, "x + 1", "integer", x=part_of(node.this, "DOW", way))


def _extract(node: exp.Expr, way: Way) -> exp.Expr:
    name, value = node.this.name.upper(), node.expression
    if kind_of(value) != "interval":
        return part_of(value, name, way)
    while isinstance(value, exp.Paren):
        value = value.this
    if value.meta.get(_AGE):
        months = step("months between", way, x=value.expressions[0], y=value.expressions[1])
        if name == "YEAR":
            return fill(way.target, "x DIV 12" if way.target == "mysql" else "x / 12", "integer", x=months)
        if name == "MONTH":
            return fill(way.target, "x % 12", "integer", x=months)
    elif name in ("EPOCH", "DAY"):
        seconds = step("seconds between", way, x=value.this, y=value.expression)
        return seconds if name == "EPOCH" else _whole_units(seconds, "DAY", way)
    raise cannot(f"'{name}' of an interval", way)


def _whole_units(seconds: exp.Expr, unit: str, way: Way) -> exp.Expr:
    form = f"x DIV {_UNITS_S[unit]}" if way.target == "mysql" else f"x / {_UNITS_S[unit]}"
    return fill(way.target, form, "integer", x=seconds)


def _age(node: exp.Expr, way: Way) -> exp.Expr:
    both = [as_datetime(item, way) for item in node.expressions]
    if len(both) == 1:
        both.insert(0, as_datetime(step("today", way), way))
    found = tag(exp.Anonymous(this="age", expressions=both), "interval")
    found.meta[_AGE] = True
    return found


def _floor_moment(node: exp.Expr, way: Way) -> exp.Expr:
    return step(f"start of {node.args['unit'].name.lower()}", way, x=as_datetime(node.this, way))


def _format_moment(node: exp.Expr, way: Way) -> exp.Expr:
    form = node.args["format"]
    if kind_of(node.this) not in (*MOMENTS, "text", "unknown") or not is_text_literal(form):
        raise cannot("a format that is not written out, or of a number", way)
    return write_format(node.this, form.name, way)


def _to_char(node: exp.Expr, way: Way) -> exp.Expr:
    value, form = node.expressions
    if kind_of(value) not in MOMENTS or not is_text_literal(form):
        raise cannot("a format that is not written out, or of a number", way)
    return write_format(value, read_template(form.name, way), way)


def _add(node: exp.Expr, way: Way) -> exp.Expr:
    count, unit = as_number(node.expression, way), node.args.get("unit")
    if isinstance(node, exp.DateSub):
        count = (
            tag(exp.Neg(this=exp.Paren(this=count)), "integer")
            if not isinstance(count, exp.Literal)
            else tag(exp.Neg(this=count), "integer")
        )
    moment = step("datetime", way, x=node.this) if kind_of(node.this) == "text" else node.this
    return shift(moment, count, unit.name if unit is not None else "DAY", way)


def _difference(node: exp.Expr, way: Way) -> exp.Expr:
    unit = node.args.get("unit")
    name = unit.name.upper() if unit is not None else "DAY"
    if isinstance(node, exp.DateDiff) and name == "DAY":
        return step("days between", way, x=node.this, y=node.expression)
    both = {"x": as_datetime(node.this, way), "y": as_datetime(node.expression, way)}
    if name in _UNITS_S:
        seconds = step("seconds between", way, **both)
        return seconds if name == "SECOND" else _whole_units(seconds, name, way)
    months = step("months between", way, **both)
    per = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}.get(name)
    if per is None:
        raise cannot(f"a difference in units of '{name}'", way)
    return months if per == 1 else fill(way.target, f"x / {per}", "integer", x=months)


DATES: dict[type[exp.Expr], Callable[[exp.Expr, Way], exp.Expr]] = {
    exp.CurrentDate: _now("today"),
    exp.CurrentTimestamp: _now("now"),
    exp.Localtimestamp: _now("now"),
    exp.UtcDate: _now("utc today"),
    exp.UtcTimestamp: _now("utc now"),
    exp.TsOrDsToDate: lambda node, way: as_date(node.this, way),
    exp.TsOrDsToTimestamp: lambda node, way: node.this,
    exp.Year: _part("YEAR"),
    exp.Quarter: _part("QUARTER"),
    exp.Month: _part("MONTH"),
    exp.Day: _part("DAY"),
    exp.DayOfMonth: _part("DAY"),
    exp.DayOfYear: _part("DOY"),
    exp.Hour: _part("HOUR"),
    exp.Minute: _part("MINUTE"),
    exp.Second: _part("SECOND"),
    exp.DayOfWeek: _day_of_week,
    exp.Dayname: lambda node, way: write_format(node.this, "%A", way),
    exp.LastDay: lambda node, way: step("last day", way, x=as_datetime(node.this, way)),
    exp.Extract: _extract,
    exp.TimestampTrunc: _floor_moment,
    exp.TimeToStr: _format_moment,
    exp.DateAdd: _add,
    exp.DateSub: _add,
    exp.DateDiff: _difference,
    exp.TimestampDiff: _difference,
}
"""Date function -> how it is carried."""


NAMED_DATES: dict[str, Callable[[exp.Expr, Way], exp.Expr]] = {
    "age": _age,
    "now": _now("now"),
    "to_char": _to_char,
    "weekday": lambda node, way: fill(way.target, "x - 1", "integer", x=part_of(node.expressions[0], "ISODOW", way)),
}
"""Date functions that sqlglot knows by name alone."""
