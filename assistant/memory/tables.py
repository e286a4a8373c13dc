"""The tables of memory, their version, and how an older version becomes this one.

In: a connection of the only writer. Out: tables as this version of QueryForge wants them. Knows no verbs.

To change the tables: change them here, raise VERSION, and add to STEPS a function that brings the version before to the
new one. A new database gets the tables as they stand here; an old one gets the steps it lacks, in order. MySQL commits
after every change of a table, so that a step may be run again after it was cut off halfway: it looks before it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    Connection,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    inspect,
    select,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.schema import SchemaItem

from assistant.errors import DatabaseError
from assistant.memory.kept import Repair
from assistant.types import Turn

VERSION = 3
"""Version of the tables below."""

_TURNS = TypeAdapter(tuple[Turn, ...])
_REPAIRS = TypeAdapter(tuple[Repair, ...])


class UtcTime(TypeDecorator[datetime]):
    """A point in time as ISO text in UTC, to the microsecond: sorts, and reads the same in every database."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write a time."""
        return (
            None if value is None else value.astimezone(UTC).replace(tzinfo=None).isoformat("T", "microseconds") + "Z"
        )

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Read a time."""
        return None if value is None else datetime.fromisoformat(value)


class Turns(TypeDecorator[tuple[Turn, ...]]):
    """Turns of a conversation as JSON text."""

    impl = Text().with_variant(LONGTEXT(), "mysql")
    cache_ok = True

    def process_bind_param(self, value: tuple[Turn, ...] | None, dialect: Dialect) -> str:
        """Write turns."""
        return _TURNS.dump_json(value or ()).decode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> tuple[Turn, ...]:
        """Read turns."""
        return _TURNS.validate_json(value or "[]")


class Repairs(TypeDecorator[tuple[Repair, ...]]):
    """Refusals on the way to an answer as JSON text."""

    impl = Text().with_variant(LONGTEXT(), "mysql")
    cache_ok = True

    def process_bind_param(self, value: tuple[Repair, ...] | None, dialect: Dialect) -> str:
        """Write refusals."""
        return _REPAIRS.dump_json(value or ()).decode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> tuple[Repair, ...]:
        """Read refusals."""
        return _REPAIRS.validate_json(value or "[]")


_LONG = Text().with_variant(LONGTEXT(), "mysql")
_ID = String(32)
_NAME = String(255)
_WORD = String(16)

METADATA = MetaData()


def _table(name: str, *parts: SchemaItem) -> Table:
    # Told to MySQL alone: equal texts are those with equal characters, as they are in SQLite and PostgreSQL.
    return Table(name, METADATA, *parts, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


VERSIONS = _table(
    "queryforge_version",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)
"""One row. Whoever holds its lock is the only writer of a database on a server."""

FEEDBACK = _table(
    "queryforge_feedback",
    Column("feedback_id", _ID, primary_key=True),
    Column("verdict", _WORD, nullable=False),
    Column("question", _LONG, nullable=False),
    Column("db_id", _NAME, nullable=False),
    Column("status", _WORD, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("sql", _LONG, nullable=False),
    Column("history", Turns, nullable=False),
    Column("schema_fingerprint", _LONG, nullable=False),
    Column("model", _LONG, nullable=False),
    Column("reason", _LONG, nullable=False),
    Column("author", _LONG, nullable=False),
    Index("queryforge_feedback_when", "db_id", "created_at"),
)
"""One row a FeedbackEntry."""

PAIRS = _table(
    "queryforge_pair",
    Column("pair_id", _ID, primary_key=True),
    Column("question_key", _ID, nullable=False),
    Column("question", _LONG, nullable=False),
    Column("sql", _LONG, nullable=False),
    Column("db_id", _NAME, nullable=False),
    Column("schema_fingerprint", _LONG, nullable=False),
    Column("source", _WORD, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("history", Turns, nullable=False),
    Column("state", _WORD, nullable=False),
    Column("weight", Float(53), nullable=False),
    Column("author", _LONG, nullable=False),
    Column("reviewer", _LONG, nullable=False),
    Column("reviewed_at", UtcTime),
    Column("note", _LONG, nullable=False),
    Index("queryforge_pair_question", "question_key"),
    Index("queryforge_pair_state", "db_id", "state"),
)
"""One row a Pair, and the key under which its question is found."""

SAVED = _table(
    "queryforge_saved_question",
    Column("saved_id", _ID, primary_key=True),
    Column("name", _NAME, nullable=False),
    Column("question", _LONG, nullable=False),
    Column("sql", _LONG, nullable=False),
    Column("db_id", _NAME, nullable=False),
    Column("author", _LONG, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("is_pinned", Integer, nullable=False, server_default="0"),
    Index("queryforge_saved_question_place", "db_id"),
)
"""One row a SavedQuestion."""

CONVERSATIONS = _table(
    "queryforge_conversation",
    Column("conversation_id", _ID, primary_key=True),
    Column("title", _NAME, nullable=False),
    Column("db_id", _NAME, nullable=False),
    Column("source_id", _ID, nullable=False),
    Column("author", _NAME, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Index("queryforge_conversation_when", "author", "changed_at"),
)
"""One row a Conversation."""

KEPT_TURNS = _table(
    "queryforge_turn",
    Column("turn_id", _ID, primary_key=True),
    Column("conversation_id", _ID, nullable=False),
    Column("number", Integer, nullable=False),
    Column("question", _LONG, nullable=False),
    Column("outcome", _WORD, nullable=False),
    Column("sql", _LONG, nullable=False),
    Column("text", _LONG, nullable=False),
    Column("repairs", Repairs, nullable=False),
    Column("model", _LONG, nullable=False),
    Column("elapsed_ms", Float(53), nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Index("queryforge_turn_place", "conversation_id", "number"),
    Index("queryforge_turn_outcome", "outcome"),
)
"""One row a KeptTurn."""

SOURCES = _table(
    "queryforge_source",
    Column("source_id", _ID, primary_key=True),
    Column("name", _NAME, nullable=False),
    Column("address", _LONG, nullable=False),
    Column("password_in", _WORD, nullable=False),
    Column("kind", _WORD, nullable=False),
    Column("author", _NAME, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("queryforge_source_author", "author"),
)
"""One row a Source."""

PREFERENCES = _table(
    "queryforge_preference",
    Column("preference_id", _ID, primary_key=True),
    Column("value", _LONG, nullable=False),
)
"""One row a person's choice; its key is made of the person and the name of the choice."""

AUDIT = _table(
    "queryforge_audit",
    Column("entry_id", _ID, primary_key=True),
    Column("happened_at", UtcTime, nullable=False),
    Column("author", _NAME, nullable=False),
    Column("action", _WORD, nullable=False),
    Column("db_id", _NAME, nullable=False),
    Column("question", _LONG, nullable=False),
    Column("sql", _LONG, nullable=False),
    Column("outcome", _WORD, nullable=False),
    Column("row_count", Integer),
    Column("model", _LONG, nullable=False),
    Column("elapsed_ms", Float(53), nullable=False),
    Index("queryforge_audit_when", "happened_at"),
)
"""One row an AuditEntry."""


def _keep_conversations(connection: Connection) -> None:
    """Bring version 1 to 2: conversations, databases added on the page, choices of people, pinned questions."""
    METADATA.create_all(connection, tables=[CONVERSATIONS, KEPT_TURNS, SOURCES, PREFERENCES])
    if "is_pinned" not in {column["name"] for column in inspect(connection).get_columns(SAVED.name)}:
        connection.exec_driver_sql(f"ALTER TABLE {SAVED.name} ADD COLUMN is_pinned INTEGER NOT NULL DEFAULT 0")


def _keep_audit_log(connection: Connection) -> None:
    """Bring version 2 to 3: the audit log."""
    METADATA.create_all(connection, tables=[AUDIT])


STEPS: dict[int, Callable[[Connection], None]] = {2: _keep_conversations, 3: _keep_audit_log}
"""Version -> what makes it from the version before."""


def read_version(connection: Connection) -> int:
    """Return the version of the tables in a database; 0 when there are none yet, or not all.

    Raises:
        DatabaseError: The database holds tables of something else, or of a newer QueryForge.
    """
    names = set(inspect(connection).get_table_names())
    foreign = sorted(name for name in names if not name.startswith("queryforge_"))
    if VERSIONS.name not in names:
        if foreign:
            raise DatabaseError(
                f"Memory may not be kept in a database that holds something else, such as the table '{foreign[0]}'.",
                "Set QUERYFORGE_MEMORY_URL to a file or a database of its own.",
            )
        return 0
    version = connection.execute(select(VERSIONS.c.version)).scalar()
    if version is not None and version > VERSION:
        raise DatabaseError(
            f"Memory was written by a newer QueryForge (version {version} of its tables; this one knows {VERSION}).",
            "Update QueryForge, or set QUERYFORGE_MEMORY_URL to another place.",
        )
    return version or 0


def migrate(connection: Connection) -> None:
    """Make the tables, or bring them to this version; harmless when they are."""
    version = read_version(connection)
    if version == VERSION:
        return
    if version == 0:
        METADATA.create_all(connection)
        connection.execute(VERSIONS.insert().values(id=1, version=VERSION))
        return
    connection.execute(select(VERSIONS.c.version).with_for_update())
    for number in range(read_version(connection) + 1, VERSION + 1):
        STEPS[number](connection)
        connection.execute(VERSIONS.update().values(version=number))
