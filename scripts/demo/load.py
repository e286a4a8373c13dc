"""Load the demo database "shop" into SQLite, PostgreSQL, MySQL or MariaDB.

    python scripts/demo/load.py data/shop.sqlite
    python scripts/demo/load.py postgresql://user:password@host/name [--replace]

In: the address of a database: the path of a SQLite file, or the URL of a database on a server. Out: the tables of
shop.sql with the rows of make_shop.py, the same in every kind of database. On servers the comments of shop.sql become
column comments; beside a SQLite file its glossary is written. Tables that exist are left alone unless --replace is
given. A SQLite file appears whole or not at all.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from make_shop import build  # type: ignore[import-not-found]
from sqlalchemy import Connection, Engine, MetaData, NullPool, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from assistant.drivers.comments import column_comments
from assistant.drivers.engines import open_engine, parse_url
from assistant.errors import DatabaseError, QueryForgeError, UsageError, mask_secrets
from assistant.types import Dialect

HERE = Path(__file__).resolve().parent
SEED = 20260630
BATCH_ROWS = 1000
_COMMENTED_LINE = re.compile(r"^(?P<code>.*?\S)(?P<comma>,?)\s+--\s*(?P<comment>.*)$", re.MULTILINE)


def main() -> int:
    """Read the command line, load, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", help="path of a SQLite file, or URL of a database on a server")
    parser.add_argument("--replace", action="store_true", help="drop the shop's tables, or the file, if they exist")
    args = parser.parse_args()
    try:
        url, dialect = parse_url(args.url)
        if dialect == "sqlite":
            load_file(Path(url.database or ""), is_replacing=args.replace)
        else:
            open_engine(url, dialect).dispose()  # a clear message when the server cannot be reached
            load_server(create_engine(url, poolclass=NullPool), dialect, is_replacing=args.replace)
    except QueryForgeError as error:
        print(f"error: {error.message}\n{error.hint}".rstrip(), file=sys.stderr)
        return error.exit_code
    return 0


def load_file(path: Path, *, is_replacing: bool) -> None:
    """Build a SQLite file and its glossary beside it.

    Raises:
        UsageError: The file exists and may not be replaced, or its folder cannot be written to.
    """
    if path.is_dir():
        raise UsageError(f"Cannot write '{path}': it is a folder.", "Name a file, such as data/shop.sqlite.")
    if path.exists() and not is_replacing:
        raise UsageError(f"'{path}' exists already.", "Add --replace to build it anew.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, count in build(temporary, HERE / "shop.sql", SEED).items():
            _say(f"{name:15} {count:6}")
        temporary.replace(path)
        shutil.copyfile(HERE / "glossary.toml", path.with_suffix(".glossary.toml"))
    except (OSError, sqlite3.Error) as error:
        raise UsageError(
            f"Cannot write '{path}': {error}.", "Name a file in a folder that can be written to."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    _say(f"Wrote {path}")


def load_server(engine: Engine, dialect: Dialect, *, is_replacing: bool) -> None:
    """Create the tables on a server and fill them, in one transaction where the server can (PostgreSQL).

    Raises:
        UsageError: A table exists and may not be replaced.
        DatabaseError: The server refused something.
    """
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with tempfile.TemporaryDirectory(prefix="queryforge-") as folder:
            file = Path(folder) / "shop.sqlite"
            build(file, HERE / "shop.sql", SEED)
            source = sqlite3.connect(file)
            try:
                with engine.begin() as target:
                    _load(source, target, dialect, shown, is_replacing=is_replacing)
            finally:
                source.close()
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        reason = mask_secrets(str(cause)).splitlines()[0]
        raise DatabaseError(
            f"Cannot load the shop into '{shown}': {reason}.", "Mend that, then run again with --replace."
        ) from error
    finally:
        engine.dispose()
    _say(f"Loaded {shown}")


def _load(source: sqlite3.Connection, target: Connection, dialect: Dialect, shown: str, *, is_replacing: bool) -> None:
    ddl = dict(source.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall())
    existing = [name for name in ddl if name in inspect(target).get_table_names()]
    if existing and not is_replacing:
        raise UsageError(f"'{shown}' has these tables already: {', '.join(existing)}.", "Add --replace to drop them.")
    for name in reversed(existing):
        target.exec_driver_sql(f"DROP TABLE {name}")
    for name, text in ddl.items():
        for statement in _translate(name, text, dialect):
            target.exec_driver_sql(statement.replace("%", "%%"))
    shop = MetaData()
    shop.reflect(target, only=list(ddl))
    for name in ddl:
        count = 0
        for batch in _batches(source, name):
            target.execute(shop.tables[name].insert(), batch)
            count += len(batch)
        _say(f"{name:15} {count:6}")


def _translate(name: str, text: str, dialect: Dialect) -> Iterator[str]:
    """Turn a CREATE TABLE of shop.sql into what the server understands, its comments into column comments."""
    if dialect == "mysql":
        yield _COMMENTED_LINE.sub(_as_mysql_comment, text)
        return
    yield re.sub(r"\bDATETIME\b", "TIMESTAMP", text)
    for column, comment in column_comments(text).items():
        yield f"COMMENT ON COLUMN {name}.{column} IS {_literal(comment)}"


def _as_mysql_comment(line: re.Match[str]) -> str:
    return f"{line['code']} COMMENT {_literal(line['comment'])}{line['comma']}"


def _literal(text: str) -> str:
    return "'" + text.strip().replace("'", "''") + "'"


def _batches(source: sqlite3.Connection, name: str) -> Iterator[list[dict[str, object]]]:
    """Read a table in batches, each value of the type that its column declares."""
    declared = {row[1]: _reader(row[2]) for row in source.execute(f"PRAGMA table_info({name})")}
    cursor = source.execute(f"SELECT * FROM {name} ORDER BY 1")
    while rows := cursor.fetchmany(BATCH_ROWS):
        yield [_typed(declared, row) for row in rows]


def _typed(declared: dict[str, Callable[[object], object]], row: Iterable[object]) -> dict[str, object]:
    pairs = zip(declared.items(), row, strict=True)
    return {name: None if value is None else read(value) for (name, read), value in pairs}


def _reader(declared: str) -> Callable[[object], object]:
    if declared == "BOOLEAN":
        return bool
    if declared == "DATE":
        return lambda value: date.fromisoformat(str(value))
    if declared == "DATETIME":
        return lambda value: datetime.fromisoformat(str(value))
    if declared.startswith("DECIMAL"):
        return lambda value: Decimal(str(value))
    return lambda value: value


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
