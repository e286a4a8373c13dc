"""CAST: SQLite cuts a fraction off where servers round, and reads the number that a text begins with.

In: a CAST whose value is carried already. Out: the value as the type in the target dialect.
"""

from __future__ import annotations

from sqlglot import exp

from evaluation.carrying.arithmetic import cut
from evaluation.carrying.conversions import as_number, as_text
from evaluation.carrying.kinds import (
    Way,
    cannot,
    fill,
    form_of,
    is_text_literal,
    kind_of,
    tag,
)
from evaluation.carrying.moments import as_date, as_datetime

_T = exp.DType
_WHOLE = frozenset({_T.INT, _T.BIGINT, _T.SMALLINT, _T.TINYINT, _T.UBIGINT, _T.MEDIUMINT})
_WORDS = frozenset({_T.TEXT, _T.VARCHAR, _T.CHAR, _T.NCHAR, _T.NVARCHAR})


def cast_value(node: exp.Expr, way: Way) -> exp.Expr:
    """Write a cast so that it rounds, cuts and reads text as in the source.

    Raises:
        DataError: The type has no counterpart.
    """
    value, to = node.this, node.args["to"]
    wanted = to.this
    if wanted in _WORDS:
        size = to.expressions[0].this if to.expressions and way.source != "sqlite" else None
        words = as_text(value, way)
        if size is not None:
            words = fill(way.target, "SUBSTR(x, 1, n)", "text", x=words, n=size)
        return tag(words.copy(), "text", affinity="text", form=form_of(words))
    if wanted in _WHOLE:
        return tag(_as_whole(value, way), "integer", affinity="numeric")
    if wanted in (_T.DOUBLE, _T.FLOAT):
        form = {"sqlite": "REAL", "postgres": "DOUBLE PRECISION", "mysql": "DOUBLE"}[way.target]
        return tag(
            fill(way.target, f"CAST(x AS {form})", "float", x=as_number(value, way)), "float", affinity="numeric"
        )
    if wanted is _T.DECIMAL:
        figure = _as_decimal(value, to, way)
        return tag(figure, kind_of(figure), affinity="numeric")
    if way.source != "sqlite" and wanted in (_T.DATE, _T.TIMESTAMP, _T.DATETIME, _T.TIMESTAMPTZ):
        return as_date(value, way) if wanted is _T.DATE else as_datetime(value, way)
    if way.source == "postgres" and wanted is _T.BOOLEAN:
        if is_text_literal(value):
            return tag(exp.Boolean(this=value.name.lower() in ("t", "true", "1", "yes", "on")), "boolean")
        return fill(way.target, "x <> 0", "boolean", x=as_number(value, way))
    raise cannot(f"the cast to {to.sql(way.source)}", way)


def _as_whole(value: exp.Expr, way: Way) -> exp.Expr:
    if way.source == "sqlite":
        value = as_number(value, way)
        return value.copy() if kind_of(value) == "integer" else cut(value, way)
    figure = as_number(value, way)
    if kind_of(figure) == "integer":
        return figure.copy()
    form = {
        "sqlite": "CAST(ROUND(x) AS INTEGER)",
        "postgres": "CAST(ROUND(CAST(x AS DECIMAL)) AS BIGINT)",
        "mysql": "CAST(ROUND(CAST(x AS DECIMAL(65, 15))) AS SIGNED)",
    }[way.target]
    return fill(way.target, form, "integer", x=figure)


def _as_decimal(value: exp.Expr, to: exp.Expr, way: Way) -> exp.Expr:
    figure = as_number(value, way)
    if way.source == "sqlite":
        return figure.copy()  # To SQLite, NUMERIC is a wish: nothing is rounded.
    sizes = [int(size.name) for size in to.expressions]
    places = sizes[1] if len(sizes) > 1 else 0 if sizes or way.source == "mysql" else None
    if way.target == "sqlite":
        form = "CAST(x AS REAL)" if places is None else f"ROUND(x, {places})"
        return fill("sqlite", form, "float", x=figure)
    size = f"({sizes[0]}, {places})" if sizes else "(65, 15)" if way.target == "mysql" and places is None else ""
    return fill(way.target, f"CAST(x AS DECIMAL{size})", "decimal", x=figure)
