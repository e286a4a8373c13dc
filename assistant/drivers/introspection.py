"""Read the schema of a database: tables and views, columns, keys, comments, a few sample values, row counts.

In: an engine. Out: the tables, and a fingerprint of them. Quick on purpose: whatever needs rows (samples, counts) stops
after a few seconds and is then left out. Decides nothing about what is shown to a model.

Covers: the default schema of the connection (`search_path` on PostgreSQL) and what the user may read in it.
Does not cover: other schemas of the same server, partitions (their parent is listed), a SQLite index's shadow tables.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Inspector, String, cast, column, func, inspect, select, table, types
from sqlalchemy.engine.interfaces import ReflectedForeignKeyConstraint
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import CompileError, DBAPIError

from assistant.drivers.cells import kind_of_values, normalise_cell
from assistant.drivers.comments import column_comments, table_comment
from assistant.drivers.engines import reading
from assistant.types import Column, ColumnKind, Dialect, ForeignKey, Table

STRUCTURE_TIMEOUT_S = 60.0
ROWS_TIMEOUT_S = 2.0
"""Longest look at the rows of one table."""
ROWS_BUDGET_S = 6.0
"""Longest look at the rows of all tables together; the tables after that go without samples."""
SAMPLE_ROWS = 5000
MAX_SAMPLES = 6
MAX_SAMPLE_CHARS = 40
"""A column with longer values is free text and gets no samples."""
FEW_VALUES = 12
"""A column with at most this many different values gets samples even if each occurs once."""
MAX_DISTINCT_SHARE = 0.2
"""A column where more than this share of the values differ is a name or a key and gets no samples."""


def read_tables(engine: Engine, dialect: Dialect) -> tuple[Table, ...]:
    """Read all tables and views, by name.

    Raises:
        DBAPIError: The database failed; for the caller to translate.
    """
    with reading(engine, dialect, STRUCTURE_TIMEOUT_S, is_introspecting=True) as connection:
        tables = _read_structure(connection, dialect)
    deadline = time.monotonic() + ROWS_BUDGET_S
    return tuple(_look_at_rows(found, engine, dialect, deadline) for found in tables)


def fingerprint(tables: Iterable[Table]) -> str:
    """Compute the SHA-256 (hex) of names, types, nullability and keys: comments, samples and rows do not count."""
    facts = [
        [
            found.name,
            [[part.name, part.sql_type, part.is_nullable] for part in found.columns],
            found.primary_key,
            sorted([key.columns, key.ref_table, key.ref_columns] for key in found.foreign_keys),
        ]
        for found in sorted(tables, key=lambda found: found.name)
    ]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _read_structure(connection: Connection, dialect: Dialect) -> list[Table]:
    inspector: Inspector = inspect(connection)
    sqlite_types, sqlite_texts = _read_sqlite_types(connection) if dialect == "sqlite" else ({}, {})
    names = sorted(sqlite_types) if dialect == "sqlite" else None
    hidden = _unreadable_postgres_columns(connection) if dialect == "postgres" else set()
    estimates = _server_row_estimates(connection, dialect)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # types that SQLAlchemy does not know are shown as the database spells them
        columns = inspector.get_multi_columns(filter_names=names, kind=ObjectKind.ANY)
        primary_keys = inspector.get_multi_pk_constraint(filter_names=names, kind=ObjectKind.ANY)
        foreign_keys = inspector.get_multi_foreign_keys(filter_names=names, kind=ObjectKind.ANY)
        has_comments = inspector.dialect.supports_comments
        comments = inspector.get_multi_table_comment(filter_names=names, kind=ObjectKind.ANY) if has_comments else {}
    keys_by_name = {
        key[1]: tuple(primary_keys[key]["constrained_columns"]) if key in primary_keys else () for key in columns
    }
    tables = []
    for key in sorted(columns, key=lambda key: key[1]):
        name = key[1]
        primary_key = keys_by_name[name]
        notes = column_comments(sqlite_texts.get(name, ""))
        parts = []
        for raw in columns[key]:
            if (name, raw["name"]) in hidden or (dialect == "sqlite" and raw["name"] not in sqlite_types[name]):
                continue
            if dialect == "sqlite":
                sql_type = sqlite_types[name][raw["name"]]
                kind = kind_of_sqlite_type(sql_type)
            else:
                sql_type, kind = _spell(raw["type"], connection), _kind_of_type(raw["type"])
            parts.append(
                Column(
                    name=raw["name"],
                    sql_type=sql_type,
                    kind=kind,
                    is_nullable=bool(raw["nullable"]) and raw["name"] not in primary_key,
                    comment=_tidy(raw.get("comment") or notes.get(raw["name"].casefold(), "")),
                )
            )
        if parts:
            server_comment = comments[key]["text"] if key in comments else None
            tables.append(
                Table(
                    name=name,
                    columns=tuple(parts),
                    primary_key=primary_key,
                    foreign_keys=_foreign_keys(foreign_keys.get(key, []), keys_by_name),
                    comment=_tidy(server_comment or table_comment(sqlite_texts.get(name, ""))),
                    row_estimate=estimates.get(name),
                )
            )
    return tables


def _foreign_keys(
    raw_keys: Iterable[ReflectedForeignKeyConstraint], keys_by_name: dict[str, tuple[str, ...]]
) -> tuple[ForeignKey, ...]:
    by_folded_name = {name.casefold(): name for name in keys_by_name}
    keys = []
    for raw in raw_keys:
        named = raw["referred_table"]
        # SQLite: REFERENCES may spell the table in any case, and without columns it means the primary key.
        name = named if named in keys_by_name else by_folded_name.get(named.casefold())
        if name is None or raw["referred_schema"] is not None:
            continue
        ref_columns = tuple(raw["referred_columns"]) or keys_by_name[name]
        if len(ref_columns) == len(raw["constrained_columns"]):
            keys.append(ForeignKey(columns=tuple(raw["constrained_columns"]), ref_table=name, ref_columns=ref_columns))
    return tuple(sorted(keys, key=lambda key: (key.columns, key.ref_table)))


def _read_sqlite_types(connection: Connection) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Read declared column types by table, and the CREATE text of each; broken views and shadow tables are left out."""
    texts = {
        str(name): str(text or "")
        for name, text in connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master"
            " WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
    }
    if sqlite3.sqlite_version_info >= (3, 37):
        rows = connection.exec_driver_sql(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'"
        )
        for (name,) in rows:
            texts.pop(name, None)
    found: dict[str, dict[str, str]] = {}
    for name in texts:
        quoted = name.replace('"', '""')
        try:
            rows = connection.exec_driver_sql(f'PRAGMA table_xinfo("{quoted}")')
        except DBAPIError:
            continue
        declared = {str(row[1]): str(row[2] or "") for row in rows if row[6] != 1}
        if declared:
            found[name] = declared
    return found, {name: text for name, text in texts.items() if name in found}


def _unreadable_postgres_columns(connection: Connection) -> set[tuple[str, str]]:
    rows = connection.exec_driver_sql(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relnamespace = current_schema()::regnamespace AND NOT a.attisdropped"
        " AND (c.relispartition OR NOT has_column_privilege(c.oid, a.attnum, 'SELECT'))"
    )
    return {(row[0], row[1]) for row in rows}


def _server_row_estimates(connection: Connection, dialect: Dialect) -> dict[str, int | None]:
    if dialect == "postgres":
        statement = (
            "SELECT relname, reltuples FROM pg_class"
            " WHERE relkind IN ('r', 'p', 'm', 'f') AND relnamespace = current_schema()::regnamespace"
        )
    elif dialect == "mysql":
        statement = "SELECT table_name, table_rows FROM information_schema.tables WHERE table_schema = database()"
    else:
        return {}
    # -1 is PostgreSQL's word for a table that was never analysed.
    return {row[0]: int(row[1]) for row in connection.exec_driver_sql(statement) if row[1] is not None and row[1] >= 0}


def _look_at_rows(found: Table, engine: Engine, dialect: Dialect, deadline: float) -> Table:
    """Add samples, the kinds of untyped columns and, where the catalogue has none, the number of rows."""
    timeout_s = min(ROWS_TIMEOUT_S, deadline - time.monotonic())
    if timeout_s <= 0:
        return found
    source = table(found.name, *(column(part.name) for part in found.columns))
    try:
        with reading(engine, dialect, timeout_s, is_introspecting=True) as connection:
            columns = found.columns
            untyped = [part.name for part in columns if not part.sql_type]
            if untyped:
                rows = connection.execute(select(*(source.c[name] for name in untyped)).limit(50)).all()
                kinds = {name: kind_of_values(row[i] for row in rows) for i, name in enumerate(untyped)}
                columns = tuple(
                    part.model_copy(update={"kind": kinds[part.name]})
                    if kinds.get(part.name, "null") != "null"
                    else part
                    for part in columns
                )
            texts = [part.name for part in columns if part.kind == "text"]
            samples: dict[str, tuple[str, ...]] = {}
            if texts:
                cut = (func.substr(cast(source.c[name], String), 1, MAX_SAMPLE_CHARS + 1) for name in texts)
                rows = connection.execute(select(*cut).limit(SAMPLE_ROWS)).all()
                samples = {name: _choose_samples([row[i] for row in rows]) for i, name in enumerate(texts)}
            count = found.row_estimate
            if count is None:
                count = connection.execute(select(func.count()).select_from(source)).scalar_one()
    except DBAPIError:
        return found  # too slow, or a view that fails: the schema stands without samples
    columns = tuple(part.model_copy(update={"samples": samples.get(part.name, ())}) for part in columns)
    return found.model_copy(update={"columns": columns, "row_estimate": count})


def _choose_samples(values: Sequence[object]) -> tuple[str, ...]:
    counts = Counter(str(normalise_cell(value)) for value in values if value is not None and str(value).strip())
    is_varied = len(counts) > FEW_VALUES and len(counts) > MAX_DISTINCT_SHARE * counts.total()
    if is_varied or any(len(value) > MAX_SAMPLE_CHARS for value in counts):
        return ()
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(value for value, _ in ranked[:MAX_SAMPLES])


def _spell(sql_type: types.TypeEngine[Any], connection: Connection) -> str:
    if isinstance(sql_type, types.String) and sql_type.collation:
        sql_type = sql_type.copy()
        sql_type.collation = None  # how text sorts says nothing about what it means
    try:
        return str(sql_type.compile(dialect=connection.dialect))
    except CompileError:
        return "UNKNOWN"


def _kind_of_type(sql_type: types.TypeEngine[Any]) -> ColumnKind:
    if isinstance(sql_type, types.Boolean) or getattr(sql_type, "display_width", None) == 1:
        return "boolean"
    if isinstance(sql_type, types.Integer) or sql_type.__visit_name__ == "YEAR":
        return "integer"
    if isinstance(sql_type, types.Numeric | types.Float):
        return "integer" if sql_type.scale == 0 else "float"
    if isinstance(sql_type, types.DateTime):
        return "datetime"
    if isinstance(sql_type, types.Date):
        return "date"
    is_binary = isinstance(sql_type, types.LargeBinary | types.BINARY | types.VARBINARY)
    return "blob" if is_binary or sql_type.__visit_name__.endswith("BLOB") else "text"


def kind_of_sqlite_type(declared: str) -> ColumnKind:
    """Read a declared type as SQLite's users mean it; SQLite itself holds to nothing but the affinity."""
    upper = declared.upper()
    rules: tuple[tuple[tuple[str, ...], ColumnKind], ...] = (
        (("BOOL",), "boolean"),
        (("DATETIME", "TIMESTAMP"), "datetime"),
        (("CHAR", "CLOB", "TEXT"), "text"),
        (("DATE",), "date"),
        (("INTERVAL", "POINT"), "text"),
        (("INT",), "integer"),
        (("REAL", "FLOA", "DOUB", "DEC", "NUM", "MONEY"), "float"),
        (("BLOB", "BINARY"), "blob"),
    )
    return next((kind for parts, kind in rules if any(part in upper for part in parts)), "text")


def _tidy(text: str) -> str:
    return " ".join(text.split())
