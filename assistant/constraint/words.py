"""The words of SQL, by the place where they may stand: data, read by `syntax` and by nobody else.

Lower case throughout. A list grows by adding; a word that is missing here cannot be written by a constrained model.
"""

from __future__ import annotations

from assistant.types import Dialect


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ENDERS: dict[str, frozenset[str]] = {
    "select": _set("from where group having window order limit offset union except intersect"),
    "from": _set("where group having window order limit offset union except intersect"),
    "where": _set("group having window order limit offset union except intersect"),
    "group": _set("having window order limit offset union except intersect"),
    "having": _set("window order limit offset union except intersect"),
    "window": _set("order limit offset union except intersect"),
    "values": _set("order limit offset union except intersect"),
    "arm": _set("order limit offset union except intersect"),
    "order": _set("limit offset"),
    "limit": _set("offset"),
    "offset": _set("limit"),
}
"""Clause -> the words that begin a later one."""
WITHOUT_TABLE = _set("from union except intersect")
"""What may follow the outermost select list while no table has been named."""
FETCHING = _set("order limit offset where group having window arm from select")
"""Clauses after which PostgreSQL's FETCH may stand."""

JOINS = _set("join inner left right full cross natural")
JOIN_MORE: dict[str, frozenset[str]] = {
    "natural": _set("join inner left right full"),
    "left": _set("join outer"),
    "right": _set("join outer"),
    "full": _set("join outer"),
    "inner": _set("join"),
    "cross": _set("join"),
    "outer": _set("join"),
}
"""Word of a join -> what may follow it."""

RESERVED = _set(
    """select from where group having order limit offset union except intersect join inner left right full cross natural
    on using as and or not in is null like between case when then else end exists distinct all by with window fetch
    lateral into values"""
)
"""Words that never are a name unless they are quoted."""

OPERATORS: dict[Dialect, frozenset[str]] = {
    "sqlite": _set("and or is not in like between collate escape isnull notnull glob regexp"),
    "postgres": _set("and or is not in like ilike similar between collate escape isnull notnull at"),
    "mysql": _set("and or is not in like between collate escape regexp rlike div mod xor"),
}
AFTER_NOT: dict[Dialect, frozenset[str]] = {
    "sqlite": _set("in like between glob regexp null"),
    "postgres": _set("in like ilike similar between"),
    "mysql": _set("in like between regexp rlike"),
}
COMPARED: frozenset[str] = _set(
    "and or in like ilike similar between collate escape glob regexp rlike div mod xor when then else separator"
)
"""Words after which a value comes."""

VALUES: dict[Dialect, frozenset[str]] = {
    "sqlite": _set("case not exists null true false cast current_date current_time current_timestamp"),
    "postgres": _set(
        """case not exists null true false cast extract position interval array any some all current_date current_time
        current_timestamp localtime localtimestamp date time timestamp timestamptz"""
    ),
    "mysql": _set(
        """case not exists null true false cast convert interval any some all current_date current_time extract if
        current_timestamp localtime localtimestamp date time timestamp position"""
    ),
}
"""Words that may begin a value, beside names and functions."""
WHOLE = _set("null true false current_date current_time current_timestamp localtime localtimestamp")
"""Words that are a value by themselves."""
TYPED = _set("date time timestamp timestamptz")
"""Types that may stand before a text: DATE '2024-01-31'."""
OWN_SYNTAX: dict[Dialect, frozenset[str]] = {
    "sqlite": _set("cast"),
    "postgres": _set("cast extract position substring trim overlay any some all array"),
    "mysql": _set("cast convert extract position substring trim if any some all values"),
}
"""What may be called beside the listed functions."""
UNITS = _set(
    """microsecond second minute hour day week month quarter year epoch dow isodow doy isoyear decade century
    day_hour day_minute day_second hour_minute hour_second minute_second year_month"""
)
UNIT_FIRST = _set("extract timestampdiff timestampadd")
"""Functions whose first argument is a unit."""
TYPES: dict[Dialect, frozenset[str]] = {
    "sqlite": _set(
        "integer int bigint smallint tinyint real float double numeric decimal text varchar char nchar nvarchar"
    ),
    "postgres": _set(
        """integer int int2 int4 int8 bigint smallint real float float4 float8 double numeric decimal text varchar char
        character boolean bool date interval json jsonb time timetz timestamp timestamptz uuid"""
    ),
    "mysql": _set("signed unsigned decimal double float char nchar binary date datetime time timestamp json year real"),
}
"""Types a value may be cast to."""
TYPE_MORE = _set("precision varying integer with without time zone")
"""Words that may go on a type."""
BOUNDS = _set("between and unbounded preceding following current row interval exclude ties no others group")
"""Words of a window's frame."""
FETCH = _set("first next row rows only with ties")
SYMBOLS: dict[Dialect, frozenset[str]] = {
    "sqlite": _set("= == <> != < <= > >= + - * / % || & | << >> ~ -> ->>"),
    "postgres": _set("= <> != < <= > >= + - * / % || & | << >> ~ ~* !~ !~* ^ # -> ->> #> #>> @> <@ && :: ~~ !~~ @"),
    "mysql": _set("= <=> <> != < <= > >= + - * / % || && & | << >> ^ ~ -> ->> !"),
}
IN_CASE = {
    "case": frozenset({"when"}),
    "when": frozenset({"then"}),
    "then": frozenset({"when", "else", "end"}),
    "else": frozenset({"end"}),
}
"""Part of a CASE -> the words that may end it."""
IN_CALL = {
    "cast": frozenset({"as"}),
    "extract": frozenset({"from"}),
    "trim": frozenset({"from"}),
    "substring": frozenset({"from", "for"}),
    "overlay": frozenset({"placing", "from", "for"}),
    "group_concat": frozenset({"order", "separator"}),
}
"""Function -> the words that may stand between its arguments."""
AFTER = ("operator", "whole", "type_more", "after_table", "after_alias", "after_item", "values_after")
"""Places where a clause, and a query, may end."""
NEW_NAMES: dict[str, frozenset[str]] = {
    "alias": frozenset(),
    "over": frozenset(),
    "window": frozenset(),
    "names": frozenset(),
    "cte_name": frozenset({"recursive"}),
}
"""Places where a new name is given -> the words that may stand there as well."""
FIXED: dict[str, frozenset[str]] = {
    "by": frozenset({"by"}),
    "nulls": frozenset({"first", "last"}),
    "group": frozenset({"group"}),
    "rollup": frozenset({"rollup"}),
    "sets": frozenset({"sets"}),
    "time": frozenset({"time"}),
    "zone": frozenset({"zone"}),
    "to": frozenset({"to"}),
    "distinct_from": frozenset({"from"}),
    "cte_after": frozenset({"as"}),
    "cte_as": frozenset({"materialized", "not"}),
    "materialized": frozenset({"materialized"}),
    "after_cte": frozenset({"select"}),
    "filter_where": frozenset({"where"}),
    "within_order": frozenset({"order"}),
    "over_start": frozenset({"partition", "order", "rows", "range", "groups"}),
    "bounds": BOUNDS,
    "fetch": FETCH,
    "window_as": frozenset({"as"}),
    **{f"join {word}": follow for word, follow in JOIN_MORE.items()},
}
