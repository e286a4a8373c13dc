"""Open the database that memory is kept in: reading and writing, one writer at a time.

In: an address. Out: a `Store` whose transactions are short and whose failures are DatabaseErrors with a remedy and
without a password. The only place where QueryForge opens a database for writing; it writes into no database that holds
something else. Knows the tables' version, not what is in them.

Several processes, on one machine or on many, may share a store. SQLite keeps a write-ahead log, so that readers do not
wait; a writer waits for the one before it, up to WAIT_S. On a server, a writer first locks the row that holds the
tables' version: the same order of one after the other, without deadlocks and with nothing to repeat. A commit that has
returned is on the disk.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, select
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from assistant.drivers.engines import parse_url
from assistant.errors import DatabaseError, UsageError
from assistant.memory.tables import VERSION, VERSIONS, migrate, read_version
from assistant.types import Dialect

WAIT_S = 10.0
"""Longest wait for another writer, or for a server to answer."""

_FIRST_WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Pauses between attempts to make the tables, while another process makes them too."""

_SETTING = "Memory is the setting QUERYFORGE_MEMORY_URL."
_REMEDIES = (
    (("full", "disk i/o"), "Make room on the disk, or mend it, then try again."),
    (("readonly", "read-only", "permission", "denied for"), "Give the user the right to write there."),
    (("locked", "lock timeout", "lock wait", "deadlock"), "Another process keeps it busy: try again in a moment."),
    (("not a database", "malformed"), "The file is damaged or no SQLite file: restore it from a copy."),
    (("unable to open",), "Check that the file and its folder can be read and written."),
    (("authentication", "access denied", "role", "password"), "Check user and password."),
    (("unknown database", "does not exist"), "Check the name of the database; it is not made for you."),
)
"""What the database says -> what to do; the first that fits."""


class Store:
    """The database that memory is kept in; safe to use from several threads and processes."""

    def __init__(self, address: str) -> None:
        """Open it, and make or renew its tables where that is needed.

        Args:
            address: SQLAlchemy URL of a SQLite, PostgreSQL, MySQL or MariaDB database, or the path of a SQLite file,
                which is made when it is not there.

        Raises:
            UsageError: The address cannot be used.
            DatabaseError: The database cannot be reached, entered or written, or holds something else.
        """
        try:
            url, self._dialect = parse_url(address)
        except UsageError as error:
            raise UsageError(error.message, f"{error.hint} {_SETTING}") from error
        self._shown = _show(url)
        self._engine = self._open(url, self._dialect)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that reads.

        Raises:
            DatabaseError: The database failed.
        """
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._failed("read", error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction as the only writer; what is written is kept when the block ends without an exception.

        Raises:
            DatabaseError: The database failed, another writer took too long, or the tables are of another version.
        """
        try:
            with self._engine.connect() as connection:
                version = self._become_only_writer(connection)
                if version != VERSION:
                    raise DatabaseError(
                        f"The tables of memory '{self._shown}' have become version {version}; this is {VERSION}.",
                        "QueryForge was updated meanwhile: start this process again.",
                    )
                yield connection
                connection.commit()
        except SQLAlchemyError as error:
            raise self._failed("write to", error) from error

    def close(self) -> None:
        """Give back what is held open; calling it twice is harmless."""
        self._engine.dispose()

    def _open(self, url: URL, dialect: Dialect) -> Engine:
        if dialect == "sqlite":
            path = Path(url.database or "").absolute()
            self._make_file(path)
            return create_engine(
                "sqlite://", creator=lambda: _connect_sqlite(path), poolclass=NullPool, hide_parameters=True
            )
        connect_args: dict[str, object] = {"connect_timeout": round(WAIT_S)}
        if dialect == "postgres":
            # No prepared statements: they do not survive a pooler between us and the server.
            connect_args |= {"keepalives_idle": 30, "application_name": "queryforge", "prepare_threshold": None}
        else:
            connect_args |= {"read_timeout": 3 * round(WAIT_S), "write_timeout": 3 * round(WAIT_S)}
        try:
            # READ COMMITTED: a writer that waited sees what the one before it wrote.
            return create_engine(
                url,
                isolation_level="READ COMMITTED",
                pool_pre_ping=True,
                connect_args=connect_args,
                hide_parameters=True,
            )
        except (ImportError, NoSuchModuleError) as error:
            raise DatabaseError(
                f"Cannot open memory '{self._shown}': its driver '{url.get_driver_name()}' is not installed.",
                f"Run: pip install 'queryforge[{dialect}]'.",
            ) from error
        except (SQLAlchemyError, TypeError, ValueError) as error:
            raise UsageError(f"Cannot use the address of memory '{self._shown}': {error}.", _SETTING) from error

    def _make_file(self, path: Path) -> None:
        """Make the file with its folder, for this user only: it holds what people asked."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DatabaseError(
                f"Cannot open memory '{self._shown}': {reason}.",
                f"Name a file that can be written. {_SETTING}",
            ) from error

    def _prepare(self) -> None:
        """Make or renew the tables. Two processes may do so at once: the one that comes second tries again."""
        for wait_s in (*_FIRST_WAITS_S, None):
            try:
                connection = self._engine.connect()
            except SQLAlchemyError as error:
                raise self._failed("open", error) from error
            try:
                with connection:
                    if read_version(connection) != VERSION:
                        connection.rollback()
                        if self._dialect == "sqlite":
                            # Only now: a file that holds something else stays as it is.
                            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                            connection.exec_driver_sql("BEGIN IMMEDIATE")
                        migrate(connection)
                        connection.commit()
                    return
            except SQLAlchemyError as error:
                if wait_s is None or "not a database" in str(error):
                    raise self._failed("open", error) from error
                time.sleep(wait_s)

    def _become_only_writer(self, connection: Connection) -> int | None:
        version = select(VERSIONS.c.version)
        match self._dialect:
            case "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return connection.execute(version).scalar()
            case "postgres":
                wait_ms = round(WAIT_S * 1000)
                connection.exec_driver_sql(f"SELECT set_config('lock_timeout', '{wait_ms}', true)")
                # A process that hangs with the lock in its hand must not stop all others for good.
                connection.exec_driver_sql(
                    f"SELECT set_config('idle_in_transaction_session_timeout', '{3 * wait_ms}', true)"
                )
            case "mysql":
                connection.exec_driver_sql(f"SET SESSION innodb_lock_wait_timeout = {round(WAIT_S)}")
        return connection.execute(version.with_for_update()).scalar()

    def _failed(self, doing: str, error: Exception) -> DatabaseError:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        # MySQL's errors are a number and a text; PostgreSQL's may go on with the values of the row.
        text = str(cause.args[1]) if len(cause.args) > 1 and isinstance(cause.args[0], int) else str(cause)
        said = next((line.strip().rstrip(".") for line in text.splitlines() if line.strip()), type(cause).__name__)
        remedy = next(
            (remedy for parts, remedy in _REMEDIES if any(part in text.lower() for part in parts)),
            "Check that it is there, running and reachable.",
        )
        return DatabaseError(f"Cannot {doing} memory '{self._shown}': {said}.", f"{remedy} {_SETTING}")


def _connect_sqlite(path: Path) -> sqlite3.Connection:
    # No isolation level: transactions begin where we say so, not where the driver thinks that one is needed.
    # A file that has gone since it was opened is told as that: an empty one in its place would hide the loss.
    uri = f"file:{quote(str(path))}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _show(url: URL) -> str:
    if url.drivername == "sqlite":
        return str(url.database)
    plain = url.set(drivername=url.drivername.partition("+")[0], query={})  # a query may hold a password too
    return plain.render_as_string(hide_password=True)
