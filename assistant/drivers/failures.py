"""Tell what the failure of a driver means: a draft that the model can mend, a time limit, or a broken database.

In: the exception of a driver as SQLAlchemy wraps it. Out: a `Rejection`, or a `DatabaseError` to raise. Messages carry
what the database said, never the password. Opens nothing.

Codes: SQLite result codes (sqlite.org/rescode.html), PostgreSQL error codes (manual, appendix A), MySQL and MariaDB
server error numbers (their error references).
"""

from __future__ import annotations

import re
from typing import assert_never

from sqlalchemy.exc import DBAPIError

from assistant.errors import DatabaseError
from assistant.types import Dialect, Rejection

_SQLITE_RULES = (
    ("no such column", "unknown-column"),
    ("no such table", "unknown-table"),
    ("no such function", "unknown-function"),
    ("ambiguous column", "ambiguous-column"),
    ("wrong number of arguments", "wrong-arguments"),
    ("misuse of", "misused-aggregate"),
    ("syntax error", "syntax"),
    ("incomplete input", "syntax"),
    ("unrecognized token", "syntax"),
    ("one statement at a time", "one-statement"),
    ("not authorized", "read-only"),
    ("authorization denied", "read-only"),
    ("prohibited", "read-only"),
    ("readonly", "read-only"),
    ("may not be modified", "read-only"),
)
_SQLITE_MENDABLE = {
    "SQLITE_ERROR",
    "SQLITE_RANGE",
    "SQLITE_MISMATCH",
    "SQLITE_TOOBIG",
    "SQLITE_AUTH",
    "SQLITE_READONLY",
}
_POSTGRES_RULES = {
    "42703": "unknown-column",
    "42P01": "unknown-table",
    "42883": "unknown-function",
    "42601": "syntax",
    "42702": "ambiguous-column",
    "42803": "misused-aggregate",
    "42804": "wrong-type",
    "42501": "no-permission",
    "25006": "read-only",
}
_POSTGRES_MENDABLE_CLASSES = {
    "0A": "query-error",
    "21": "query-error",
    "22": "bad-value",
    "25": "read-only",
    "42": "query-error",
    "54": "query-error",
}
_MYSQL_RULES = {
    1054: "unknown-column",
    1146: "unknown-table",
    1305: "unknown-function",
    1064: "syntax",
    1052: "ambiguous-column",
    1055: "misused-aggregate",
    1111: "misused-aggregate",
    1140: "misused-aggregate",
    1582: "wrong-arguments",
    1583: "wrong-arguments",
    1142: "no-permission",
    1143: "no-permission",
    1290: "read-only",
    1792: "read-only",
}
_MYSQL_TROUBLE = (
    {1021, 1037, 1038, 1040, 1041, 1044, 1045, 1049, 1053, 1114, 1129, 1130, 1152}
    | {1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1698, 1927}
)  # fmt: skip
"""Server errors that no other query would avoid: memory, connections, locks, rights to enter."""

_MYSQL_TIME_LIMIT = {1317, 1969, 3024}
_MISSING_NAME = re.compile(r"(?:no such column: |unknown column '|column \"?)(\w+(?:\.\w+)*)", re.IGNORECASE)
_TIME_HINT = "Narrow the question (a shorter period, fewer rows), or raise QUERYFORGE_QUERY_TIMEOUT_S."


def query_failed(error: Exception, dialect: Dialect, *, db_id: str, timeout_s: float) -> Rejection:
    """Turn the failure of a query into a `Rejection` for the model.

    Raises:
        DatabaseError: The time limit was reached, or the database itself failed.
    """
    cause = _cause(error)
    text = _first_line(cause)
    if reached_time_limit(error, dialect):
        message = f"The query ran past its limit of {timeout_s:g} s in database '{db_id}'."
        raise DatabaseError(message, _TIME_HINT) from error
    rule = _rule(cause, text, dialect)
    if rule is None:
        hint = "Check that it is running and reachable, then ask again."
        raise DatabaseError(f"Database '{db_id}' failed: {text}.", hint) from error
    return Rejection(stage="database", rule=rule, message=f"The database says: {text}.", hint=_server_hint(cause))


def reached_time_limit(error: Exception, dialect: Dialect) -> bool:
    """Say whether the database stopped a query for its time."""
    cause = _cause(error)
    match dialect:
        case "sqlite":
            return str(getattr(cause, "sqlite_errorname", "")).startswith("SQLITE_INTERRUPT")
        case "postgres":
            return _sqlstate(cause) == "57014"
        case "mysql":
            return _error_number(cause) in _MYSQL_TIME_LIMIT
        case _:
            assert_never(dialect)


def opening_failed(error: DBAPIError, shown: str) -> DatabaseError:
    """Turn a failure to open a database into an error for the person.

    Args:
        error: What the driver raised.
        shown: The address, without its password.
    """
    text = _last_line(_cause(error))
    lower = text.lower()
    hint = "Check that the server is running and that host and port in the database URL are right."
    if "not a database" in lower:
        hint = "Name a SQLite file, or the URL of a server."
    elif "unable to open" in lower:
        hint = "Check that the file and its folder can be read; in WAL mode its -shm file must exist or be creatable."
    elif "malformed" in lower or "disk i/o" in lower:
        hint = "The file is damaged: restore it from a copy."
    elif "locked" in lower:
        hint = "Another program is writing to it: close that, then try again."
    elif "authentication" in lower or "access denied" in lower or "role" in lower or "password" in lower:
        hint = "Check user and password in the database URL."
    elif "unknown database" in lower or "does not exist" in lower:
        hint = "Check the name of the database at the end of the URL."
    return DatabaseError(f"Cannot open the database '{shown}': {text}.", hint)


def missing_column(rejection: Rejection) -> str:
    """Read from a rejection which column the database did not know; empty when it does not say."""
    found = _MISSING_NAME.search(rejection.message)
    return found.group(1) if found and rejection.rule == "unknown-column" else ""


def _rule(cause: BaseException, text: str, dialect: Dialect) -> str | None:
    """Name what is wrong with the query; None when the database is at fault and no other query would do better."""
    match dialect:
        case "sqlite":
            # An error without a code is one of Python's sqlite3: a second statement, a placeholder, a huge integer.
            name = "_".join(str(getattr(cause, "sqlite_errorname", "")).split("_")[:2])
            known = next((rule for part, rule in _SQLITE_RULES if part in text.lower()), None)
            return known or ("query-error" if not name or name in _SQLITE_MENDABLE else None)
        case "postgres":
            code = _sqlstate(cause)
            if not code:
                return "bad-value" if type(cause).__name__ == "DataError" else None
            return _POSTGRES_RULES.get(code) or _POSTGRES_MENDABLE_CLASSES.get(code[:2])
        case "mysql":
            number = _error_number(cause)
            is_mendable = number >= 1000 and not 2000 <= number < 3000 and number not in _MYSQL_TROUBLE
            return _MYSQL_RULES.get(number, "query-error") if is_mendable else None
        case _:
            assert_never(dialect)


def _cause(error: Exception) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _sqlstate(cause: BaseException) -> str:
    return str(getattr(cause, "sqlstate", None) or "")


def _error_number(cause: BaseException) -> int:
    return next((part for part in cause.args if isinstance(part, int)), 0)


def _server_hint(cause: BaseException) -> str:
    hint = getattr(getattr(cause, "diag", None), "message_hint", None)
    return str(hint) if hint else ""


def _lines(cause: BaseException) -> list[str]:
    text = str(cause.args[1]) if len(cause.args) > 1 and isinstance(cause.args[0], int) else str(cause)
    return [line.strip().rstrip(".") for line in text.splitlines() if line.strip()] or [type(cause).__name__]


def _first_line(cause: BaseException) -> str:
    return _lines(cause)[0]


def _last_line(cause: BaseException) -> str:
    return _lines(cause)[-1]
