"""Dates and times: what each dialect writes for the same step.

In: nodes that stand for moments, tagged with their kind. Out: nodes of the target dialect. A moment is a `date`, which
SQLite spells with 10 characters, or a `datetime`, with 19. Steps are written as SQL text with `x` and `y` for moments
and `n` for a number; a step that a dialect does not have is missing from its table. Sources: the chapters on date and
time functions of the manuals of SQLite 3.40, PostgreSQL 15, MySQL 8.4 and MariaDB 10.11.

Covers: the whole seconds of moments without a time zone. SQLite's 'now' is UTC and stays UTC.
Does not cover: fractions of a second, Julian day numbers as moments, texts that are no ISO dates.
"""

from __future__ import annotations

import re

from sqlglot import exp

from assistant.types import Dialect
from evaluation.carrying.kinds import (
    MOMENTS,
    Kind,
    Way,
    cannot,
    fill,
    is_text_literal,
    kind_of,
    tag,
)

_STEPS: dict[Dialect, dict[str, str]] = {
    "sqlite": {
        "date": "DATE(x)",
        "datetime": "DATETIME(x)",
        "utc now": "DATETIME('now')",
        "utc today": "DATE('now')",
        "now": "DATETIME('now', 'localtime')",
        "today": "DATE('now', 'localtime')",
        "start of day": "DATETIME(x, 'start of day')",
        "start of month": "DATETIME(x, 'start of month')",
        "start of year": "DATETIME(x, 'start of year')",
        "start of quarter": "DATETIME(x, 'start of month', '-' || ((STRFTIME('%m', x) - 1) % 3) || ' months')",
        "start of week": "DATETIME(x, 'start of day', '-6 days', 'weekday 1')",
        "start of hour": "STRFTIME('%Y-%m-%d %H:00:00', x)",
        "last day": "DATE(x, 'start of month', '+1 month', '-1 day')",
        "days between": "CAST(JULIANDAY(DATE(x)) - JULIANDAY(DATE(y)) AS INTEGER)",
        "seconds between": "CAST(STRFTIME('%s', x) AS INTEGER) - CAST(STRFTIME('%s', y) AS INTEGER)",
        "months between": (
            "(STRFTIME('%Y', x) - STRFTIME('%Y', y)) * 12 + STRFTIME('%m', x) - STRFTIME('%m', y)"
            " - (x >= y AND STRFTIME('%d %H:%M:%S', x) < STRFTIME('%d %H:%M:%S', y))"
            " + (x < y AND STRFTIME('%d %H:%M:%S', x) > STRFTIME('%d %H:%M:%S', y))"
        ),
        "epoch": "CAST(STRFTIME('%s', x) AS INTEGER)",
        "from epoch": "DATETIME(x, 'unixepoch')",
    },
    "postgres": {
        "date": "CAST(x AS DATE)",
        "datetime": "CAST(x AS TIMESTAMP)",
        "utc now": "DATE_TRUNC('second', NOW() AT TIME ZONE 'UTC')",
        "utc today": "CAST(NOW() AT TIME ZONE 'UTC' AS DATE)",
        "now": "LOCALTIMESTAMP",
        "today": "CURRENT_DATE",
        **{
            f"start of {unit}": f"DATE_TRUNC('{unit}', x)"
            for unit in ("day", "month", "year", "quarter", "week", "hour")
        },
        "last day": "CAST(DATE_TRUNC('month', x) + INTERVAL '1 month' - INTERVAL '1 day' AS DATE)",
        "days between": "CAST(x AS DATE) - CAST(y AS DATE)",
        "seconds between": "CAST(EXTRACT(EPOCH FROM x - y) AS BIGINT)",
        "months between": ("CAST(EXTRACT(YEAR FROM AGE(x, y)) * 12 + EXTRACT(MONTH FROM AGE(x, y)) AS INTEGER)"),
        "months, days kept": "DATE_TRUNC('month', x) + n * INTERVAL '1 month' + (x - DATE_TRUNC('month', x))",
        "weekday": "((n + 7 - CAST(EXTRACT(DOW FROM x) AS INTEGER)) % 7) * INTERVAL '1 day' + x",
        "julian": "EXTRACT(EPOCH FROM x) / 86400.0 + 2440587.5",
        "epoch": "CAST(FLOOR(EXTRACT(EPOCH FROM x)) AS BIGINT)",
        "from epoch": "TO_TIMESTAMP(x) AT TIME ZONE 'UTC'",
    },
    "mysql": {
        "date": "CAST(x AS DATE)",
        "datetime": "CAST(x AS DATETIME)",
        "utc now": "UTC_TIMESTAMP()",
        "utc today": "UTC_DATE()",
        "now": "NOW()",
        "today": "CURRENT_DATE()",
        "start of day": "CAST(CAST(x AS DATE) AS DATETIME)",
        "start of month": "CAST(DATE_FORMAT(x, '%Y-%m-01') AS DATETIME)",
        "start of year": "CAST(DATE_FORMAT(x, '%Y-01-01') AS DATETIME)",
        "start of quarter": "CAST(DATE_FORMAT(x, '%Y-01-01') AS DATETIME) + INTERVAL (QUARTER(x) * 3 - 3) MONTH",
        "start of week": "CAST(CAST(x AS DATE) AS DATETIME) - INTERVAL WEEKDAY(x) DAY",
        "start of hour": "CAST(DATE_FORMAT(x, '%Y-%m-%d %H:00:00') AS DATETIME)",
        "last day": "LAST_DAY(x)",
        "days between": "DATEDIFF(x, y)",
        "seconds between": "TIMESTAMPDIFF(SECOND, y, x)",
        "months between": "TIMESTAMPDIFF(MONTH, y, x)",
        "months, days kept": (
            "CAST(DATE_FORMAT(x, '%Y-%m-01') AS DATETIME) + INTERVAL n MONTH "
            "+ INTERVAL (DAYOFMONTH(x) - 1) DAY + INTERVAL TIME_TO_SEC(x) SECOND"
        ),
        "weekday": "x + INTERVAL ((n + 8 - DAYOFWEEK(x)) % 7) DAY",
        "julian": "TO_SECONDS(x) / 86400e0 + 1721059.5",
        "epoch": "TIMESTAMPDIFF(SECOND, '1970-01-01', x)",
        "from epoch": "CAST('1970-01-01' AS DATETIME) + INTERVAL x SECOND",
    },
}

_KIND_OF_STEP: dict[str, Kind] = {
    "date": "date",
    "utc today": "date",
    "today": "date",
    "last day": "date",
    "days between": "integer",
    "seconds between": "integer",
    "months between": "integer",
    "epoch": "integer",
    "julian": "float",
}
"""What comes out of a step; of the others, a datetime."""

_PARTS: dict[Dialect, dict[str, str]] = {
    "sqlite": {
        **{
            name: f"CAST(STRFTIME('{code}', x) AS INTEGER)"
            for name, code in {
                "YEAR": "%Y",
                "MONTH": "%m",
                "DAY": "%d",
                "HOUR": "%H",
                "MINUTE": "%M",
                "SECOND": "%S",
                "DOY": "%j",
                "DOW": "%w",
            }.items()
        },
        "QUARTER": "(CAST(STRFTIME('%m', x) AS INTEGER) + 2) / 3",
        "ISODOW": "(CAST(STRFTIME('%w', x) AS INTEGER) + 6) % 7 + 1",
        "WEEK": "(CAST(STRFTIME('%j', DATE(x, '-3 days', 'weekday 4')) AS INTEGER) - 1) / 7 + 1",
        "EPOCH": "CAST(STRFTIME('%s', x) AS INTEGER)",
    },
    "postgres": {
        name: f"CAST(EXTRACT({name} FROM x) AS INTEGER)"
        for name in ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "DOY", "DOW", "QUARTER", "ISODOW", "WEEK")
    }
    | {"SECOND": "CAST(FLOOR(EXTRACT(SECOND FROM x)) AS INTEGER)", "EPOCH": _STEPS["postgres"]["epoch"]},
    "mysql": {
        **{name: f"EXTRACT({name} FROM x)" for name in ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "QUARTER")},
        "DOY": "DAYOFYEAR(x)",
        "DOW": "DAYOFWEEK(x) - 1",
        "ISODOW": "WEEKDAY(x) + 1",
        "WEEK": "WEEK(x, 3)",
        "EPOCH": _STEPS["mysql"]["epoch"],
    },
}
"""Parts of a moment as whole numbers. DOW counts from Sunday 0, ISODOW from Monday 1, WEEK is the ISO week."""

_TIME = re.compile(r"\d\d:\d\d(:\d\d)?", re.ASCII)


def step(name: str, way: Way, **parts: exp.Expr) -> exp.Expr:
    """Write one step of `_STEPS` in the target dialect.

    Raises:
        DataError: The dialect has no such step.
    """
    template = _STEPS[way.target].get(name)
    if template is None:
        raise cannot(f"'{name}' of a date", way)
    return fill(way.target, template, _KIND_OF_STEP.get(name, "datetime"), parts)


def as_moment(node: exp.Expr, way: Way) -> exp.Expr:
    """Give a value as something that date functions of the target take.

    Raises:
        DataError: It is a number, which SQLite would take for a Julian day.
    """
    kind = kind_of(node)
    if kind in MOMENTS or (kind == "text" and not way.is_native) or kind == "null":
        return node
    if kind not in ("text", "unknown"):
        raise cannot(f"the {kind} value {node.sql(way.source)} as a date", way)
    if is_text_literal(node) and _TIME.fullmatch(node.name):
        node = tag(exp.Literal.string(f"2000-01-01 {node.name}"), "text")  # the day that SQLite takes then
    is_date = is_text_literal(node) and len(node.name) == 10
    return step("date" if is_date else "datetime", way, x=node)


def as_datetime(node: exp.Expr, way: Way) -> exp.Expr:
    """Give a value as a moment with a time of day."""
    moment = as_moment(node, way)
    return moment if kind_of(moment) == "datetime" else step("datetime", way, x=moment)


def as_date(node: exp.Expr, way: Way) -> exp.Expr:
    """Give a value as a day."""
    moment = as_moment(node, way)
    return moment if kind_of(moment) == "date" else step("date", way, x=moment)


def part_of(node: exp.Expr, part: str, way: Way) -> exp.Expr:
    """Give a part of a moment as a number.

    Raises:
        DataError: The target cannot tell it.
    """
    template = _PARTS[way.target].get(part.upper())
    if template is None:
        raise cannot(f"the part '{part}' of a date", way)
    return fill(way.target, template, "integer", x=as_moment(node, way))
