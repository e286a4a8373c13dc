"""What people set up on the page: databases they added, and small choices such as a tour that was seen.

In: names and addresses without passwords. Out: the same, later, from any process that shares the database. Each is its
author's, and whatever belongs to somebody else is as if it were not there. Connects to nothing.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from sqlalchemy import select

from assistant.errors import UsageError
from assistant.memory.kept import PasswordPlace, Source, SourceKind, make_preference_id
from assistant.memory.opening import Store
from assistant.memory.rows import make_record, make_row, read_record
from assistant.memory.tables import PREFERENCES, SOURCES


class Setup:
    """The databases and choices of all people in one memory."""

    def __init__(self, store: Store) -> None:
        """Take the open store."""
        self._store = store

    def add_source(
        self, name: str, address: str, *, kind: SourceKind, password_in: PasswordPlace = "nowhere", author: str = ""
    ) -> Source:
        """Keep the address of a database.

        Raises:
            UsageError: A text is empty or cannot be stored, or the person has another database of this name.
            DatabaseError: Memory failed.
        """
        source = make_record(
            Source,
            source_id=uuid.uuid4().hex,
            name=name,
            address=address,
            password_in=password_in,
            kind=kind,
            author=author,
            created_at=datetime.now(UTC),
        )
        is_taken = select(SOURCES.c.source_id).where(SOURCES.c.author == author, SOURCES.c.name == source.name)
        with self._store.writing() as connection:
            if connection.execute(is_taken).first() is not None:
                raise UsageError(
                    f"There is a database '{source.name}' already.", "Give it another name, or remove the other one."
                )
            connection.execute(SOURCES.insert(), make_row(source))
        return source

    def list_sources(self, *, author: str = "") -> tuple[Source, ...]:
        """List the databases that a person added, by name.

        Raises:
            DatabaseError: Memory failed.
        """
        query = select(SOURCES).where(SOURCES.c.author == author)
        with self._store.reading() as connection:
            found = [read_record(Source, row) for row in connection.execute(query).mappings()]
        return tuple(sorted(found, key=lambda source: (source.name.casefold(), source.name)))

    def remove_source(self, source_id: str, *, author: str = "") -> bool:
        """Forget a database; return whether the person had it. The database itself is left as it is.

        Raises:
            DatabaseError: Memory failed.
        """
        is_theirs = SOURCES.c.source_id == source_id, SOURCES.c.author == author
        with self._store.writing() as connection:
            return connection.execute(SOURCES.delete().where(*is_theirs)).rowcount > 0

    def choose(self, name: str, value: str, *, author: str = "") -> None:
        """Keep a person's choice.

        Raises:
            DatabaseError: Memory failed.
        """
        identifier = make_preference_id(author, name)
        with self._store.writing() as connection:
            connection.execute(PREFERENCES.delete().where(PREFERENCES.c.preference_id == identifier))
            connection.execute(PREFERENCES.insert().values(preference_id=identifier, value=value))

    def chosen(self, name: str, *, author: str = "") -> str:
        """Read a person's choice; empty when there is none.

        Raises:
            DatabaseError: Memory failed.
        """
        query = select(PREFERENCES.c.value).where(PREFERENCES.c.preference_id == make_preference_id(author, name))
        with self._store.reading() as connection:
            return str(connection.execute(query).scalar() or "")
