"""Variants of a database on a PostgreSQL, MySQL or MariaDB server, as throw-away databases.

In: the source, a scratch server of the same kind, the source's schema, what gold queries mention, and a seed for each
variant. Out: databases, until they are dropped. Tables and views are made from SQLAlchemy's reflection of the source:
types, keys, unique and check constraints, indexes. The source is read in read-only transactions; nothing but databases
whose name begins with `PREFIX` is ever dropped.

Does not cover: defaults and sequences, which only new rows would need; triggers; functions of the user's own that
views or checks call; other schemas of the source.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import (
    URL,
    CheckConstraint,
    Connection,
    Engine,
    MetaData,
    NullPool,
    UniqueConstraint,
    create_engine,
    func,
    inspect,
    select,
)
from sqlalchemy import Table as ServerTable
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.schema import AddConstraint

from assistant.drivers.engines import open_engine, parse_url, reading
from assistant.errors import DatabaseError, UsageError, mask_secrets
from assistant.types import DatabaseSchema, Dialect, Table
from evaluation.variation.checks import columns_of
from evaluation.variation.contents import Content, Facts, Row, order_tables
from evaluation.variation.mentions import Mentions
from evaluation.variation.mutation import Mutator
from evaluation.variation.sheets import fill
from evaluation.variation.thinning import gather

PREFIX = "queryforge_variant_"
LEFTOVER_S = 24 * 3600
"""Age at which a variant of an earlier run counts as left behind, in seconds."""
READ_TIMEOUT_S = 600.0
BATCH_ROWS = 1000

_NAME = re.compile(rf"{PREFIX}(\d+)_[0-9a-f]+_\d+")
_HINT = "Give --scratch-url with a user that may create databases on a server with room, or --variants 0."


class Databases(NamedTuple):
    """Throw-away databases."""

    urls: list[str]
    """Their addresses, passwords included."""
    drop: Callable[[], None]
    """Drops them all; what cannot be dropped is dropped by a later run."""


def make_databases(
    url: str,
    scratch_url: str,
    schema: DatabaseSchema,
    queries: Sequence[Mentions],
    seeds: Sequence[int],
    say: Callable[[str], None],
) -> Databases:
    """Make variants of a server's database.

    Args:
        url: Address of the source.
        scratch_url: Any database on the server where variants are made.
        schema: Schema of the source.
        queries: What gold queries mention.
        seeds: One for each variant.
        say: Told what is being done.

    Raises:
        UsageError: The scratch server is of another kind.
        DatabaseError: A server cannot be reached, or refuses something.
    """
    scratch, dialect = parse_url(scratch_url)
    if dialect != schema.dialect:
        raise UsageError(
            f"The scratch server is {dialect}, the database '{schema.db_id}' is {schema.dialect}.",
            "Give --scratch-url a server of the same kind.",
        )
    source, _ = parse_url(url)
    open_engine(scratch, dialect).dispose()  # a clear message when it cannot be reached
    server = create_engine(scratch, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    name = f"{PREFIX}{int(time.time())}_{secrets.token_hex(4)}"
    names = [f"{name}_{number}" for number in range(1, len(seeds) + 1)]

    def drop() -> None:
        _drop(server, names, dialect)

    say(f"Reading '{schema.db_id}' to make {len(seeds)} variants of it.")
    try:
        with _translating(f"make variants of '{schema.db_id}'"):
            _drop_leftovers(server, dialect)
            engine = open_engine(source, dialect)
            try:
                blueprint = _read(engine, schema, queries)
            finally:
                engine.dispose()
            mutator = Mutator(blueprint.contents, queries)
            for number, (variant, seed) in enumerate(zip(names, seeds, strict=True), start=1):
                _make(server, scratch.set(database=variant), blueprint, mutator, seed, dialect)
                say(f"Variant {number} of {len(seeds)} is made.")
    except BaseException:
        drop()
        raise
    urls = [scratch.set(database=variant, drivername=source.get_backend_name()) for variant in names]
    return Databases([found.render_as_string(hide_password=False) for found in urls], drop)


@contextmanager
def _translating(doing: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        reason = mask_secrets(str(cause)).splitlines()[0].rstrip(".")
        raise DatabaseError(f"Cannot {doing}: {reason}.", _HINT) from error


class _Blueprint(NamedTuple):
    """What a server's database is made of."""

    metadata: MetaData
    """Tables as SQLAlchemy reflects them, without what only new rows would need."""
    foreign_keys: list[AddConstraint]
    """Added when the rows are there: these come in any order, and a table may point at itself."""
    views: dict[str, str]
    """Name -> SELECT."""
    contents: list[Content]
    """Rows of the tables, parents first."""


def _read(engine: Engine, schema: DatabaseSchema, queries: Sequence[Mentions]) -> _Blueprint:
    metadata = MetaData()
    with reading(engine, schema.dialect, READ_TIMEOUT_S, is_introspecting=True) as connection:
        inspector = inspect(connection)
        views = {name: str(inspector.get_view_definition(name) or "") for name in inspector.get_view_names()}
        if schema.dialect == "postgres":
            for name in inspector.get_materialized_view_names():
                views[name] = str(inspector.get_view_definition(name) or "")
        elif schema.dialect == "mysql":
            views = _read_mysql_views(connection)
        wanted = [table for table in schema.tables if table.name not in views]
        metadata.reflect(connection, only=[table.name for table in wanted], resolve_fks=False)
        for table in metadata.tables.values():
            _strip(table, metadata)
        stored = [
            table.model_copy(
                update={
                    "columns": tuple(c for c in table.columns if metadata.tables[table.name].c[c.name].computed is None)
                }
            )
            for table in wanted
        ]

        def read(table: Table) -> Iterator[Row]:
            found = metadata.tables[table.name]
            statement = select(*(found.c[column.name] for column in table.columns))
            rows = connection.execution_options(stream_results=True, yield_per=BATCH_ROWS).execute(statement)
            return (tuple(row) for row in rows)

        def count(table: Table) -> int:
            found = metadata.tables[table.name]
            return int(connection.execute(select(func.count()).select_from(found)).scalar_one())

        tables = order_tables(stored)
        rows = gather(tables, read, count, queries)
    contents = [
        Content(table, rows[table.name], *_read_constraints(metadata.tables[table.name], table)) for table in tables
    ]
    # Made once: from here on, tables are created without these.
    keys = [AddConstraint(key) for table in metadata.tables.values() for key in table.foreign_key_constraints]
    return _Blueprint(metadata, keys, {name: text for name, text in views.items() if text}, contents)


def _read_mysql_views(connection: Connection) -> dict[str, str]:
    rows = connection.exec_driver_sql(
        "SELECT table_name, view_definition, database() FROM information_schema.views WHERE table_schema = database()"
    )
    # MySQL writes the database before every name.
    return {name: text.replace(f"`{database}`.", "") for name, text, database in rows}


def _strip(table: ServerTable, metadata: MetaData) -> None:
    """Take away what only new rows would need, and foreign keys to tables that are not there."""
    for column in table.columns:
        if column.computed is None:
            column.server_default = None
        column.server_onupdate = None
        column.identity = None
        column.autoincrement = False
    for key in list(table.foreign_key_constraints):
        if any(element.target_fullname.rpartition(".")[0] not in metadata.tables for element in key.elements):
            table.constraints.discard(key)
            for element in key.elements:
                element.parent.foreign_keys.discard(element)
                table.foreign_keys.discard(element)
    if "partition_by" in table.dialect_options["postgresql"]:
        table.dialect_options["postgresql"]["partition_by"] = None


def _read_constraints(
    found: ServerTable, table: Table
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    unique = [tuple(c.name for c in key.columns) for key in found.constraints if isinstance(key, UniqueConstraint)]
    unique += [
        tuple(c.name for c in index.columns)
        for index in found.indexes
        if index.unique and len(index.columns) == len(index.expressions)
    ]
    checks = [str(check.sqltext) for check in found.constraints if isinstance(check, CheckConstraint)]
    return tuple(sorted(set(unique))), tuple(sorted({group for text in checks for group in columns_of(text, table)}))


def _make(server: Engine, url: URL, blueprint: _Blueprint, mutator: Mutator, seed: int, dialect: Dialect) -> None:
    with server.connect() as connection:
        options = " ENCODING 'UTF8' TEMPLATE template0" if dialect == "postgres" else " CHARACTER SET utf8mb4"
        connection.exec_driver_sql(f"CREATE DATABASE {url.database}{options}")
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        with engine.begin() as connection:
            blueprint.metadata.create_all(connection, checkfirst=False)
            _fill(connection, blueprint.metadata, mutator, seed)
            for key in blueprint.foreign_keys:
                connection.execute(key)
            _make_views(connection, blueprint.views)
    finally:
        engine.dispose()


def _fill(connection: Connection, metadata: MetaData, mutator: Mutator, seed: int) -> None:
    def insert(name: str, rows: Sequence[Row]) -> list[Row]:
        return _insert(connection, metadata.tables[name], mutator.facts[name], rows)

    def clear() -> None:
        for name in mutator.facts:
            connection.execute(metadata.tables[name].delete())

    fill(mutator.facts, mutator.make(seed), insert, clear)


def _insert(connection: Connection, table: ServerTable, facts: Facts, rows: Sequence[Row]) -> list[Row]:
    """Insert rows in batches; give those that a constraint refuses."""
    names = [column.name for column in facts.table.columns]
    refused = []
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        if _try_insert(connection, table, [dict(zip(names, row, strict=True)) for row in batch]):
            continue
        refused += [row for row in batch if not _try_insert(connection, table, [dict(zip(names, row, strict=True))])]
    return refused


def _try_insert(connection: Connection, table: ServerTable, values: list[dict[str, object]]) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(table.insert(), values)
    except (IntegrityError, DBAPIError) as error:
        if error.connection_invalidated:
            raise
        return False
    return True


def _make_views(connection: Connection, views: dict[str, str]) -> None:
    """Make views, those that others read first: what fails is tried again after the others."""
    waiting = dict(views)
    while waiting:
        made = [name for name, text in waiting.items() if _try_view(connection, name, text)]
        if not made:
            return  # of functions or tables that are not here: queries on them fail, and are left out
        for name in made:
            del waiting[name]


def _try_view(connection: Connection, name: str, text: str) -> bool:
    quoted = connection.dialect.identifier_preparer.quote(name)
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"CREATE VIEW {quoted} AS {text.rstrip().rstrip(';')}".replace("%", "%%"))
    except DBAPIError:
        return False
    return True


def _drop(server: Engine, names: Sequence[str], dialect: Dialect) -> None:
    try:
        with server.connect() as connection:
            for name in names:
                _drop_one(connection, name, dialect)
    except SQLAlchemyError:
        return  # a later run finds them
    finally:
        server.dispose()


def _drop_one(connection: Connection, name: str, dialect: Dialect) -> None:
    force = (
        " WITH (FORCE)" if dialect == "postgres" and (connection.dialect.server_version_info or (0,)) >= (13,) else ""
    )
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}{force}")


def _drop_leftovers(server: Engine, dialect: Dialect) -> None:
    statement = "SELECT datname FROM pg_database" if dialect == "postgres" else "SHOW DATABASES"
    with server.connect() as connection:
        for (name,) in connection.exec_driver_sql(statement).all():
            made = _NAME.fullmatch(str(name))
            if made and time.time() - int(made[1]) > LEFTOVER_S:
                _drop_one(connection, name, dialect)
