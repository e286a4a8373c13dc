"""The functions a query may call, for each dialect: data, read by the guard and by nobody else.

A function that is not listed here cannot be called, whatever it does; so a list grows by adding, never by excluding.
Listed: what computes a value from its arguments, the clock or a random number. Not listed: what reads files, settings,
users or the catalogue, waits, locks, writes, raises errors on purpose, runs SQL from a text, or makes a value of any
size from a number (`repeat`, `zeroblob`). Names are in lower case. Sources: the function chapters of the manuals of
SQLite 3.40, PostgreSQL 16, MySQL 8.4 and MariaDB 10.11.
"""

from __future__ import annotations

from assistant.types import Dialect

_WINDOW = "row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value"
_MATH = (
    "abs acos asin atan atan2 ceil ceiling cos degrees exp floor ln log log10 mod pi pow power radians round sign sin "
    "sqrt tan"
)

_SQLITE = f"""
    avg count group_concat max min sum total json_group_array json_group_object {_WINDOW}
    {_MATH} acosh asinh atanh cosh log2 sinh tanh trunc random
    char coalesce format glob hex ifnull iif instr length like lower ltrim nullif printf quote replace rtrim substr
    substring trim typeof unicode upper
    date datetime julianday strftime time unixepoch
    json json_array json_array_length json_extract json_object json_quote json_type json_valid
"""

_POSTGRES = f"""
    avg count max min sum array_agg bool_and bool_or every string_agg bit_and bit_or any_value
    corr covar_pop covar_samp regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
    regr_syy stddev stddev_pop stddev_samp variance var_pop var_samp mode percentile_cont percentile_disc grouping
    json_agg jsonb_agg json_object_agg jsonb_object_agg {_WINDOW}
    {_MATH} acosh asinh atanh cbrt cosh cot div factorial gcd lcm min_scale random scale sinh tanh trim_scale trunc
    width_bucket
    ascii btrim char_length character_length chr concat concat_ws format initcap left length lower lpad ltrim md5
    octet_length overlay regexp_count regexp_like regexp_match regexp_replace regexp_substr replace reverse right rpad
    rtrim split_part starts_with strpos substr translate upper
    coalesce nullif greatest least num_nonnulls num_nulls
    age clock_timestamp current_timestamp date date_bin date_part date_trunc isfinite justify_days justify_hours
    justify_interval localtimestamp make_date make_interval make_time make_timestamp make_timestamptz now
    statement_timestamp timezone to_char to_date to_number to_timestamp transaction_timestamp
    array array_length array_position array_to_string cardinality generate_series string_to_array unnest
    json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each
    json_each_text json_extract_path json_extract_path_text json_object_keys json_typeof jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
    jsonb_extract_path jsonb_extract_path_text jsonb_object_keys jsonb_path_exists jsonb_path_query
    jsonb_path_query_first jsonb_typeof to_json to_jsonb regexp_split_to_array regexp_split_to_table string_to_table
"""

_MYSQL = f"""
    avg count max min sum any_value bit_and bit_or bit_xor group_concat json_arrayagg json_objectagg std stddev
    stddev_pop stddev_samp variance var_pop var_samp grouping {_WINDOW}
    {_MATH} cot crc32 greatest least log2 rand truncate
    ascii char char_length character_length concat concat_ws elt field find_in_set format hex instr lcase left length
    locate lower lpad ltrim mid octet_length ord quote regexp_instr regexp_replace regexp_substr replace reverse right
    rpad rtrim strcmp substr substring_index ucase upper
    coalesce ifnull isnull nullif
    adddate addtime convert_tz curdate current_date current_time current_timestamp curtime date date_add date_format
    date_sub datediff day dayname dayofmonth dayofweek dayofyear from_days from_unixtime hour last_day localtime
    localtimestamp makedate maketime microsecond minute month monthname now period_add period_diff quarter sec_to_time
    second str_to_date subdate subtime time time_format time_to_sec timediff timestamp timestampadd timestampdiff
    to_days to_seconds unix_timestamp utc_date utc_time utc_timestamp week weekday weekofyear year yearweek
    json_array json_contains json_contains_path json_extract json_keys json_length json_object json_quote json_search
    json_type json_unquote json_valid json_value
"""

FUNCTIONS: dict[Dialect, frozenset[str]] = {
    "sqlite": frozenset(_SQLITE.split()),
    "postgres": frozenset(_POSTGRES.split()),
    "mysql": frozenset(_MYSQL.split()),
}
"""Functions that may be called by name. Forms with a syntax of their own (CAST, EXTRACT, CASE ...) are in `grammar`."""

_JSON_ROWS = ("key", "value", "type", "atom", "id", "parent", "fullkey", "path")

TABLE_FUNCTIONS: dict[Dialect, dict[str, tuple[str, ...]]] = {
    "sqlite": {"json_each": _JSON_ROWS, "json_tree": _JSON_ROWS},
    "postgres": {
        "generate_series": (),
        "json_array_elements": ("value",),
        "json_array_elements_text": ("value",),
        "json_each": ("key", "value"),
        "json_each_text": ("key", "value"),
        "json_object_keys": (),
        "jsonb_array_elements": ("value",),
        "jsonb_array_elements_text": ("value",),
        "jsonb_each": ("key", "value"),
        "jsonb_each_text": ("key", "value"),
        "jsonb_object_keys": (),
        "regexp_split_to_table": (),
        "string_to_table": (),
        "unnest": (),
    },
    "mysql": {},
}
"""Functions that may stand in FROM, with the columns they give; none named: one column, called like the function."""

TEMPLATE_FUNCTIONS: dict[Dialect, frozenset[str]] = {
    "sqlite": frozenset({"format", "printf"}),
    "postgres": frozenset({"format"}),
    "mysql": frozenset(),
}
"""Functions whose first argument is a printf-like template: it can ask for a text of any length."""

PADDING_FUNCTIONS = frozenset({"lpad", "rpad"})
"""Functions whose second argument is the length of the result in characters."""

_STRFTIME = "Use strftime('%Y', x), or '%m' for the month, '%d' for the day, '%w' for the weekday."
_JULIAN = "Use julianday(b) - julianday(a) for days."
_MODIFIER = "Use date(x, '+1 month') or date('now', '-30 days')."
_TO_CHAR = "Use to_char(x, 'YYYY-MM')."
_DATE_FORMAT = "Use date_format(x, '%Y-%m')."
_EXTRACT = "Use extract(year FROM x)."
_SUBTRACT = "Subtract the two dates."

EQUIVALENTS: dict[Dialect, dict[str, str]] = {
    "sqlite": {
        "age": _JULIAN,
        "concat": "Use a || b.",
        "concat_ws": "Use a || ', ' || b.",
        "curdate": "Use date('now').",
        "date_add": _MODIFIER,
        "date_format": "Use strftime('%Y-%m', x).",
        "date_part": _STRFTIME,
        "date_sub": _MODIFIER,
        "date_trunc": "Use strftime('%Y-%m-01', x) for the month, or date(x, 'start of month').",
        "datediff": _JULIAN,
        "day": _STRFTIME,
        "dayofweek": _STRFTIME,
        "extract": _STRFTIME,
        "getdate": "Use datetime('now').",
        "greatest": "Use max(a, b).",
        "if": "Use CASE WHEN condition THEN a ELSE b END, or iif(condition, a, b).",
        "isnull": "Use x IS NULL, or ifnull(x, y).",
        "least": "Use min(a, b).",
        "left": "Use substr(x, 1, n).",
        "len": "Use length(x).",
        "month": _STRFTIME,
        "now": "Use datetime('now') or date('now').",
        "nvl": "Use coalesce(x, y).",
        "position": "Use instr(text, part).",
        "quarter": "Use (CAST(strftime('%m', x) AS INTEGER) + 2) / 3.",
        "right": "Use substr(x, -n).",
        "stddev": "Use sqrt(avg(x * x) - avg(x) * avg(x)).",
        "string_agg": "Use group_concat(x, ', ').",
        "timediff": _JULIAN,
        "timestampdiff": _JULIAN,
        "to_char": "Use strftime('%Y-%m', x).",
        "to_date": "Use date(x).",
        "week": "Use strftime('%W', x).",
        "weekday": _STRFTIME,
        "year": _STRFTIME,
    },
    "postgres": {
        "curdate": "Use current_date.",
        "date_add": "Use x + interval '1 day'.",
        "date_format": _TO_CHAR,
        "date_sub": "Use x - interval '1 day'.",
        "datediff": _SUBTRACT,
        "day": _EXTRACT,
        "getdate": "Use now().",
        "group_concat": "Use string_agg(x, ', ').",
        "if": "Use CASE WHEN condition THEN a ELSE b END.",
        "ifnull": "Use coalesce(x, y).",
        "iif": "Use CASE WHEN condition THEN a ELSE b END.",
        "instr": "Use strpos(text, part).",
        "isnull": "Use x IS NULL, or coalesce(x, y).",
        "julianday": _SUBTRACT,
        "len": "Use length(x).",
        "month": _EXTRACT,
        "nvl": "Use coalesce(x, y).",
        "quarter": "Use extract(quarter FROM x).",
        "strftime": _TO_CHAR,
        "timestampdiff": "Use age(b, a), or subtract the two dates.",
        "total": "Use coalesce(sum(x), 0).",
        "week": "Use extract(week FROM x).",
        "year": _EXTRACT,
    },
    "mysql": {
        "age": "Use timestampdiff(YEAR, a, b).",
        "array_agg": "Use group_concat(x SEPARATOR ', ').",
        "date_part": "Use year(x), month(x) or day(x).",
        "date_trunc": "Use date_format(x, '%Y-%m-01').",
        "datetime": "Use now() or cast(x AS datetime).",
        "getdate": "Use now().",
        "iif": "Use if(condition, a, b).",
        "initcap": "Use concat(upper(left(x, 1)), lower(substr(x, 2))).",
        "julianday": "Use datediff(b, a).",
        "len": "Use char_length(x).",
        "nvl": "Use ifnull(x, y).",
        "strftime": _DATE_FORMAT,
        "string_agg": "Use group_concat(x SEPARATOR ', ').",
        "to_char": _DATE_FORMAT,
        "to_date": "Use str_to_date(x, '%Y-%m-%d').",
        "total": "Use coalesce(sum(x), 0).",
    },
}
"""What to write instead of a function that another dialect has: the hint that goes back to the model."""
