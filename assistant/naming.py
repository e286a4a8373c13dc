"""How names are written in SQL: tables and columns, and the aliases of tables.

In: names as the database spells them. Out: a name as it stands in a statement: bare where SQLite, PostgreSQL and MySQL
all take it so, else in double quotes, which sqlglot turns into backticks for MySQL. Capitals are quoted although SQLite
does not ask for it: PostgreSQL does, and one spelling for all systems is easier to learn and to translate.

`assistant.spelling` is the other way round: it finds out what a written name means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from assistant.words import word_set

RESERVED_WORDS = word_set(
    """
    accessible add admin after all alter analyse analyze and any array as asc asensitive asymmetric attach
    authorization autoincrement before begin between bigint binary blob body both by call cascade case cast
    change char character charset check collate column commit condition conflict constraint continue convert
    create cross cube cume_dist current_catalog current_date current_role current_schema current_time
    current_timestamp current_user cursor database databases day_hour day_microsecond day_minute day_second dec
    decimal declare default deferrable deferred delayed delete dense_rank desc describe detach deterministic
    distinct distinctrow div do do_domain_ids double drop dual each else elseif elsif empty enclosed end escape
    escaped except exclusive exists exit explain fail false fetch first_value float for force foreign freeze
    from full fulltext function general generated get get_master_public_key glob goto grant group grouping
    groups having high_priority history hour_microsecond hour_minute hour_second if ignore ignore_domain_ids
    ignore_server_ids ilike immediate in index indexed infile initially inner inout insensitive insert instead
    int integer intersect interval into io_after_gtids io_before_gtids is isnull iterate join json_table key
    keys kill lag last_value lateral lead leading leave left like limit linear lines load localtime
    localtimestamp lock long longblob longtext loop low_priority master_bind master_heartbeat_period
    master_ssl_verify_server_cert match maxvalue mediumblob mediumint mediumtext member middleint
    minute_microsecond minute_second mod modifies natural new no_write_to_binlog not notnull nth_value ntile
    null numeric of off offset old on only optimize optimizer_costs option optionally or order others out outer
    outfile over overlaps package page_checksum parallel parse_gcol_expr parse_vcol_expr partition
    partitioned_by percent_rank period persist persist_only placing plan position pragma precision primary
    procedure purge qualify query raise range rank read read_write reads real recursive ref_system_id references
    regexp reindex release rename repeat replace require resignal restrict return returning revoke right rlike
    role rollback rollup row row_number rows rowtype schema schemas second_microsecond select sensitive
    separator session_user set show signal similar slow smallint some spatial specific sql sql_after_gtids
    sql_before_gtids sql_big_result sql_calc_found_rows sql_small_result sqlexception sqlstate sqlwarning ssl
    starting stats_auto_recalc stats_persistent stats_sample_pages stored straight_join symmetric system
    system_time table tablesample temp temporary terminated then tinyblob tinyint tinytext to trailing
    transaction trigger true uncache undo union unique unlock unsigned update usage use user using utc_date
    utc_time utc_timestamp vacuum values varbinary varchar varcharacter variadic varying verbose versioning view
    virtual when where while window with without write xor year_month zerofill int1 int2 int3 int4 int8 float4 float8
    """
)
"""Words that SQLite, PostgreSQL, MySQL, MariaDB or sqlglot reserve, each somewhere."""

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def quote_name(name: str) -> str:
    """Put a name in double quotes, whatever it is."""
    return '"' + name.replace('"', '""') + '"'


@lru_cache(maxsize=20_000)
def write_name(name: str) -> str:
    """Write a name, in quotes where one of the systems needs them.

    Example:
        >>> write_name("order_line"), write_name("Order"), write_name("group"), write_name("2nd contact")
        ('order_line', '"Order"', '"group"', '"2nd contact"')
    """
    return name if _PLAIN.fullmatch(name) and name not in RESERVED_WORDS else quote_name(name)


@lru_cache(maxsize=256)
def aliases(tables: tuple[str, ...]) -> Mapping[str, str]:
    """Give each table of a schema its alias: initials, lengthened by letters of the name until unique.

    The order in which the tables are given does not matter.

    Example:
        >>> aliases(("customer", "contact", "sales_order"))
        {'contact': 'c', 'customer': 'cu', 'sales_order': 'so'}
    """
    given: dict[str, str] = {}
    taken = {table.lower() for table in tables} | {"as", "at", "no"}
    for table in sorted(tables):
        words = re.findall(r"[a-z][a-z0-9]*", table.lower()) or ["t"]
        initials = "".join(word[0] for word in words)
        options = [initials, *(initials[:-1] + words[-1][: n + 1] for n in range(1, len(words[-1])))]
        free = (o for o in options if o not in given.values() and o not in RESERVED_WORDS and o not in taken)
        given[table] = next(free, f"{initials}{len(given)}")
    return given
