"""Databases that a person adds on the page: where their passwords are, and whether they answer.

In: an address as it was typed. Out: an address that may be written down, its settings, and the password from where it
is. A password in clear goes to the system's keyring or nowhere: it is never in memory's tables or a file.
"""

from __future__ import annotations

import contextlib
import os
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.passwords import forget_password, has_keyring, keep_password, read_password, why_no_keyring
from assistant.errors import UsageError
from assistant.types import Dialect, Record

if TYPE_CHECKING:
    from assistant.memory.kept import Source
    from assistant.memory.setup import Setup
    from assistant.settings import Settings

_REFERENCE = re.compile(r"\$\{(\w+)\}")
SCHEMES: dict[str, tuple[str, int]] = {"PostgreSQL": ("postgresql", 5432), "MySQL or MariaDB": ("mysql", 3306)}
"""Kind of server -> how its URL begins, usual port."""


class Found(Record):
    """What a database said of itself."""

    db_id: str
    """Its short name."""
    dialect: Dialect
    """Its SQL flavour."""
    tables: int
    """Tables and views that can be read."""


def make_url(kind: str, *, host: str, port: int, database: str, user: str, password: str) -> str:
    """Write the fields of a form as a URL; a password may be a reference, `${NAME}`."""
    scheme = SCHEMES[kind][0]
    secret = password if _REFERENCE.fullmatch(password) else quote(password, safe="")
    account = quote(user, safe="") + (f":{secret}" if secret else "")
    return f"{scheme}://{account}{'@' if account else ''}{host}:{port}/{quote(database, safe='')}"


def try_source(settings: Settings, address: str) -> Found:
    """Connect, read-only, and count the tables.

    Raises:
        UsageError: The address cannot be used, or a variable is not set.
        DatabaseError: The database cannot be reached or entered, or has no tables.
    """
    from assistant.database import connect_as_set

    chosen = settings.model_copy(update={"database_url": resolve(address), "glossary_path": None})
    with closing(connect_as_set(chosen)) as database:
        schema = database.schema()
    return Found(db_id=schema.db_id, dialect=schema.dialect, tables=len(schema.tables))


def add_source(setup: Setup, name: str, address: str, *, author: str = "") -> Source:
    """Keep a database; its password, if it stands in the address in clear, goes to the keyring.

    Raises:
        UsageError: There is such a name already, the address cannot be used, or there is no place for its password.
        DatabaseError: Memory failed.
    """
    from assistant.drivers.engines import parse_url

    address = address.strip()
    if _REFERENCE.fullmatch(address):
        return setup.add_source(name, address, kind="server", password_in="environment", author=author)
    url, dialect = parse_url(address)
    if dialect == "sqlite":
        path = str(Path(url.database or "").absolute())
        return setup.add_source(name, path, kind="file", author=author)
    if any(key.lower() in ("password", "passwd", "sslpassword") for key in url.query):
        raise UsageError("The address holds a password behind its '?'.", "Write it before the host, or as ${NAME}.")
    if not url.password:
        return setup.add_source(name, address, kind="server", author=author)
    if _REFERENCE.fullmatch(url.password):
        return setup.add_source(name, address, kind="server", password_in="environment", author=author)
    if not has_keyring():
        raise UsageError("This password has no safe place here: QueryForge writes none to a file.", why_no_keyring())
    plain = url._replace(password=None).render_as_string(hide_password=False)  # `set` takes None for "as it is"
    source = setup.add_source(name, plain, kind="server", password_in="keyring", author=author)
    try:
        keep_password(source.source_id, str(url.password))
    except BaseException:
        setup.remove_source(source.source_id, author=author)
        raise
    return source


def remove_source(setup: Setup, source: Source, *, author: str = "") -> None:
    """Forget a database and its password; what was made of a dropped file is deleted with it.

    Raises:
        DatabaseError: Memory failed.
    """
    if not setup.remove_source(source.source_id, author=author):
        return
    if source.password_in == "keyring":
        # Gone already, or locked: without its address it opens nothing.
        with contextlib.suppress(UsageError):
            forget_password(source.source_id)
    if source.kind == "upload":
        path = Path(source.address)
        path.unlink(missing_ok=True)
        path.with_suffix(".glossary.toml").unlink(missing_ok=True)


def settings_for(settings: Settings, source: Source) -> Settings:
    """Put a database that was added in place of the configured one.

    Raises:
        UsageError: Its password is missing.
    """
    address = resolve(source.address)
    if source.password_in == "keyring":
        from assistant.drivers.engines import parse_url

        url = parse_url(address)[0].set(password=_read_password(source))
        address = url.render_as_string(hide_password=False)
    beside = glossary_path_of(settings, source)
    glossary = beside if source.kind == "server" and beside.is_file() else None
    return settings.model_copy(update={"database_url": address, "glossary_path": glossary})


def glossary_path_of(settings: Settings, source: Source | None) -> Path:
    """Say which file holds the terms of a database: beside a SQLite file, else in the data folder."""
    from assistant.drivers.engines import parse_url

    if source is None and settings.glossary_path is not None:
        return settings.glossary_path
    if source is not None and source.kind == "server":
        return data_folder(settings) / "glossaries" / f"{source.source_id}.glossary.toml"
    url, dialect = parse_url(source.address if source else settings.database_url)
    if dialect != "sqlite":
        raise UsageError(
            "The terms of this database have no file yet.",
            "Name one with QUERYFORGE_GLOSSARY_PATH, which is then used.",
        )
    return Path(url.database or "").with_suffix(".glossary.toml")


def data_folder(settings: Settings) -> Path:
    """Say where what is made on the page is kept: beside the folder of the models."""
    return settings.models_path.expanduser().parent


def resolve(address: str) -> str:
    """Put the values of variables, `${NAME}`, into an address.

    Raises:
        UsageError: One is not set.
    """
    is_whole = _REFERENCE.fullmatch(address) is not None

    def value_of(match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise UsageError(
                f"The environment variable '{match[1]}' is not set.",
                "Set it where QueryForge is started, then start it.",
            )
        return value if is_whole else quote(value, safe="")

    return _REFERENCE.sub(value_of, address)


def _read_password(source: Source) -> str:
    password = read_password(source.source_id)
    if password is None:
        raise UsageError(
            f"The password of '{source.name}' is not in the system's keyring.",
            "Remove the database and add it again.",
        )
    return password
