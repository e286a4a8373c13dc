"""Open a database so that it can only be read, and only for so long.

In: what the person gave as the database's address. Out: an engine, and `reading`, a transaction that the database
itself keeps read-only, stops at a time limit and rolls back. Knows nothing of schemas or questions.

Covers: SQLite opened with `mode=ro`, `query_only` and an authorizer that lets nothing through but reading; PostgreSQL
in READ ONLY transactions with `statement_timeout`; MySQL and MariaDB in READ ONLY transactions with
`max_execution_time` or `max_statement_time`.
Does not cover: functions with side effects that a server grants to the user (writing files, ending sessions). The guard
lets only known functions through; give QueryForge a user that may only SELECT all the same.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from assistant.drivers.failures import opening_failed
from assistant.errors import DatabaseError, UsageError
from assistant.types import Dialect

# An interrupt while a connection is given back is told by whoever was interrupted; where nobody has set up logging, the
# pool would print its own traceback besides.
logging.getLogger("sqlalchemy.pool").addHandler(logging.NullHandler())

CONNECT_TIMEOUT_S = 10
SQLITE_LOCK_TIMEOUT_S = 5.0
SQLITE_STEPS_BETWEEN_CHECKS = 10_000
"""Instructions of SQLite's virtual machine between two looks at the clock: well under a millisecond."""

SQLITE_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64_000_000,  # bytes of one value or row
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 500,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_URL_FORMS = (
    "Use a path such as data/shop.sqlite, or a URL such as sqlite:///data/shop.sqlite, "
    "postgresql://user:password@host/name or mysql://user:password@host/name."
)
_SERVERS: dict[str, tuple[Dialect, str, str]] = {
    "postgresql": ("postgres", "postgresql", "psycopg"),
    "postgres": ("postgres", "postgresql", "psycopg"),
    "mysql": ("mysql", "mysql", "pymysql"),
    "mariadb": ("mysql", "mysql", "pymysql"),
}
"""Name in the URL -> dialect, SQLAlchemy's name, driver. Other drivers send several statements at once if asked to."""

_USER_INFO = re.compile(r"://.*@")
_SQLITE_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_SQLITE_HARMLESS_PRAGMAS = {"data_version", "page_size"}
"""Asked by SQLite's own full-text index while it is read; they change nothing."""


def parse_url(address: str) -> tuple[URL, Dialect]:
    """Read a database's address: a SQLAlchemy URL, or the bare path of a SQLite file.

    Raises:
        UsageError: It is neither, names an unknown kind of database, or names no database.
    """
    text = address.strip()
    if not text:
        raise UsageError("The database URL is empty.", _URL_FORMS)
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser())), "sqlite"
    shown = _USER_INFO.sub("://***@", text.partition("?")[0])
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise UsageError(f"Cannot read the database URL '{shown}'.", _URL_FORMS) from error
    name, _, driver = url.drivername.partition("+")
    if name == "sqlite":
        path = url.database or ""
        if not path or path == ":memory:" or path.startswith("file:"):
            raise UsageError(f"The database URL '{shown}' names no SQLite file.", _URL_FORMS)
        return URL.create("sqlite", database=str(Path(path).expanduser())), "sqlite"
    if name not in _SERVERS:
        raise UsageError(f"Unknown kind of database '{name}' in '{shown}'.", _URL_FORMS)
    dialect, kind, only_driver = _SERVERS[name]
    if driver not in ("", only_driver):
        raise UsageError(f"Cannot use the driver '{driver}' of '{shown}'.", f"Leave it out: {kind}://...")
    if not url.database:
        raise UsageError(f"The database URL '{shown}' names no database.", _URL_FORMS)
    return url.set(drivername=f"{kind}+{only_driver}"), dialect


def open_engine(url: URL, dialect: Dialect) -> Engine:
    """Make an engine for `url` and prove that the database answers.

    Raises:
        DatabaseError: It is missing, no database, or cannot be reached or entered; or its driver is not installed.
    """
    if dialect == "sqlite":
        return _open_sqlite(Path(url.database or ""))
    connect_args: dict[str, object] = {"connect_timeout": CONNECT_TIMEOUT_S}
    if dialect == "postgres":
        connect_args["keepalives_idle"] = 30
        connect_args["application_name"] = "queryforge"
        connect_args["prepare_threshold"] = 0  # a prepared statement is one statement: "COMMIT; DELETE ..." is refused
    try:
        # NullPool: a query takes far longer than a connection, and nothing of one run can reach the next.
        engine = create_engine(url, poolclass=NullPool, connect_args=connect_args, hide_parameters=True)
    except (ImportError, NoSuchModuleError) as error:
        raise DatabaseError(
            f"Cannot open the database '{_shown(url)}': its driver '{url.get_driver_name()}' is not installed.",
            f"Run: pip install 'queryforge[{dialect}]'.",
        ) from error
    except (SQLAlchemyError, TypeError, ValueError) as error:
        raise UsageError(f"Cannot use the database URL '{_shown(url)}': {error}.", _URL_FORMS) from error
    _prove(engine, _shown(url))
    return engine


@contextmanager
def reading(
    engine: Engine, dialect: Dialect, timeout_s: float, *, is_introspecting: bool = False
) -> Iterator[Connection]:
    """Open a transaction on a fresh connection that cannot write and ends after `timeout_s`; roll it back at the end.

    Args:
        engine: From `open_engine`.
        dialect: Of the same database.
        timeout_s: Seconds for everything inside on SQLite; for each statement on a server.
        is_introspecting: Whether our own statements ask for the schema: SQLite needs PRAGMAs for that.
    """
    with engine.connect() as connection:
        if dialect == "sqlite":
            _restrict_sqlite(connection, timeout_s, is_introspecting=is_introspecting)
        elif dialect == "postgres":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            # By a query, not by SET: after the first query of a transaction nothing can make it writable again.
            limit_ms = max(1, round(timeout_s * 1000))
            connection.exec_driver_sql(f"SELECT set_config('statement_timeout', '{limit_ms}', true)")
        else:
            is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
            limit = f"max_statement_time = {timeout_s:.3f}"
            if not is_mariadb:
                limit = f"max_execution_time = {max(1, round(timeout_s * 1000))}"
            connection.exec_driver_sql(f"SET SESSION {limit}")
            connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
            connection.exec_driver_sql("START TRANSACTION READ ONLY")
        try:
            yield connection
        finally:
            connection.rollback()


def _open_sqlite(path: Path) -> Engine:
    hint = "Check the path; the demo database is made with: python scripts/demo/load.py data/shop.sqlite"
    if path.is_dir():
        raise DatabaseError(f"Cannot open the database '{path}': it is a folder.", hint)
    if not path.exists():
        raise DatabaseError(f"Cannot open the database '{path}': there is no such file.", hint)
    if not os.access(path, os.R_OK):
        raise DatabaseError(f"Cannot open the database '{path}': it may not be read.", "Check the file's permissions.")
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    engine = create_engine("sqlite://", creator=lambda: _connect_sqlite(uri), poolclass=NullPool, hide_parameters=True)
    _prove(engine, str(path))
    return engine


def _connect_sqlite(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=SQLITE_LOCK_TIMEOUT_S)
    try:
        for limit, value in SQLITE_LIMITS.items():
            connection.setlimit(limit, value)
        if hasattr(connection, "enable_load_extension"):
            connection.enable_load_extension(False)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _restrict_sqlite(connection: Connection, timeout_s: float, *, is_introspecting: bool) -> None:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    deadline = time.monotonic() + timeout_s
    raw.set_progress_handler(lambda: int(time.monotonic() > deadline), SQLITE_STEPS_BETWEEN_CHECKS)
    if not is_introspecting:
        raw.set_authorizer(_authorize_reading)


def _authorize_reading(
    action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None
) -> int:
    if action in _SQLITE_READS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() != "load_extension":
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
        return (
            sqlite3.SQLITE_OK
        )  # asked when a virtual table (json_each, full text) is opened; real updates fail anyway
    if action == sqlite3.SQLITE_PRAGMA and first in _SQLITE_HARMLESS_PRAGMAS and second is None:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _prove(engine: Engine, shown: str) -> None:
    statement = "SELECT count(*) FROM sqlite_master" if engine.dialect.name == "sqlite" else "SELECT 1"
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        engine.dispose()
        raise opening_failed(error, shown) from error


def _shown(url: URL) -> str:
    return url.set(query={}).render_as_string(hide_password=True)  # a query may hold a password too
