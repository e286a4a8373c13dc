"""Break off a statement that is running, from another thread.

In: the connection that runs it, and an event. Out: the statement ends with an error of the driver once the event is
set. Sets no time limit; the database does that by itself.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from assistant.types import Dialect

LOOK_EVERY_S = 0.1
"""Seconds between two looks at the event."""


@contextlib.contextmanager
def stopping(connection: Connection, dialect: Dialect, stopped: threading.Event | None) -> Iterator[None]:
    """Break off what runs inside when the event is set; without an event, do nothing."""
    if stopped is None:
        yield
        return
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(connection, dialect, stopped, done), daemon=True)
    watch.start()
    try:
        yield
    finally:
        # The connection goes back to others: nothing may be broken off on it any more.
        done.set()
        watch.join()


def _watch(connection: Connection, dialect: Dialect, stopped: threading.Event, done: threading.Event) -> None:
    while not done.wait(LOOK_EVERY_S):
        if stopped.is_set():
            # What cannot be broken off ends by its time limit.
            with contextlib.suppress(Exception):
                _break_off(connection, dialect)
            done.wait()
            return


def _break_off(connection: Connection, dialect: Dialect) -> None:
    driver = connection.connection.dbapi_connection
    assert driver is not None  # it runs a statement
    if dialect == "sqlite":
        driver.interrupt()
    elif dialect == "postgres":
        driver.cancel()
    else:
        with contextlib.suppress(SQLAlchemyError), connection.engine.connect() as other:
            other.exec_driver_sql(f"KILL QUERY {int(driver.thread_id())}")
