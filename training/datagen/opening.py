"""Open a database as the subject of questions: its schema, a quick copy, what can be read, variants, the grammar.

In: an address and a folder for what is made on the way. Out: a Subject. Of a server's database a SQLite copy is made
first (`server_copy`): questions are drawn from the copy, in its dialect, and their SQL is carried to the server
(`crossing`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from assistant.database import connect
from assistant.drivers.engines import parse_url
from assistant.errors import QueryForgeError
from assistant.masking import mask_tables, masked_columns
from assistant.types import DatabaseSchema, PromptLayout
from evaluation.cache import fingerprint_content
from evaluation.execution import Executor
from evaluation.progress import narrate
from evaluation.variants import make_variants
from training.datagen.crossing import Server
from training.datagen.data_copy import DataCopy
from training.datagen.grammar import Grammar
from training.datagen.rule_out import Readable, find_readable
from training.datagen.server_copy import MAX_TABLE_ROWS, READ_TIMEOUT_S, copy_server
from training.datagen.server_glossary import carry_glossary
from training.datagen.validation import MAX_ROWS, TIMEOUT_S, Bench

COPY_PREFIX = "copy-"
"""Folder of a server's copy while a process works with it, named by the process."""
VARIANTS = 1
"""Variants of the data that look-alikes are held against."""
MAX_VARIED_ROWS = 300_000
"""Making variants reads all rows into memory; of larger databases there are none."""


class Source(NamedTuple):
    """A database as a SQLite file."""

    path: Path
    """The file: the database itself, or a copy of the server's."""
    schema: DatabaseSchema
    """Of the database as the assistant sees it."""
    copy_schema: DatabaseSchema
    """Of the file: what a generator is shown. The same for a SQLite database."""
    content: str
    """Digest of the rows."""
    server: Server | None = None
    """Where the file was copied from."""
    unreadable: Mapping[str, str] = {}
    """Tables of a server that could not be copied, with the reasons."""


class Subject(NamedTuple):
    """A database that questions can be made about."""

    schema: DatabaseSchema
    """All of it, in its own dialect."""
    readable: Readable
    """What there is to ask about, in SQLite's dialect: what a generator is shown."""
    source: Path
    """The file: the database itself, or a copy of the server's."""
    grammar: Grammar
    """The default generator."""
    bench: Bench
    """What a Validator needs."""


def open_source(
    database_url: str, folder: Path, *, glossary_path: Path | None = None, masked: Sequence[str] = ()
) -> Source:
    """Give a database as a file; one on a server is copied.

    Args:
        database_url: SQLite file or URL.
        folder: Where the copy of a server's database goes; not touched for a SQLite file.
        glossary_path: TOML file of domain terms; by default the one beside a SQLite file, if any.
        masked: Patterns of the columns that nobody may see, beside those of the glossary file.

    Raises:
        UsageError: The address, the glossary or a pattern cannot be used.
        DatabaseError: It cannot be opened or copied, or has no tables.
    """
    url, dialect = parse_url(database_url)
    with closing(connect(database_url, glossary_path=glossary_path, masked=masked)) as database:
        schema = database.schema()
        for warning in database.warnings():
            narrate(f"Note: {warning}")
    if dialect == "sqlite":
        path = Path(url.database or "")
        return Source(path, schema, schema, fingerprint_content(path))
    narrate(f"Copying '{schema.db_id}' to a SQLite file, which questions are drawn from.")
    with closing(Executor(database_url, timeout_s=READ_TIMEOUT_S, max_rows=MAX_TABLE_ROWS)) as executor:
        copy = copy_server(executor, folder / "copy-of-server.sqlite")
        is_complete = copy.is_complete
        with closing(Executor(str(copy.path), timeout_s=TIMEOUT_S, max_rows=MAX_ROWS)) as copied:
            carried = carry_glossary(schema.glossary, copied, executor, copy.schema)
    tables = mask_tables(copy.schema.tables, masked_columns(schema))
    copy_schema = copy.schema.model_copy(update={"glossary": carried, "tables": tables})
    server = Server(database_url, schema, copy_schema, is_complete)
    return Source(copy.path, schema, copy_schema, copy.content, server, copy.unreadable)


@contextmanager
def holding_source(
    database_url: str, out: Path, glossary_path: Path | None = None, *, masked: Sequence[str] = ()
) -> Iterator[Source]:
    """Give a database as a file for a while.

    A server's copy is deleted at the end, or by the next call when this process is killed.

    Args:
        database_url: SQLite file or URL.
        out: Folder in which the copy gets a folder of its own.
        glossary_path: TOML file of domain terms; by default the one beside a SQLite file, if any.
        masked: Patterns of the columns that nobody may see, beside those of the glossary file.

    Raises:
        UsageError: The address, the glossary or a pattern cannot be used.
        DatabaseError: It cannot be opened or copied, or has no tables.
    """
    folder = out / f"{COPY_PREFIX}{os.getpid()}"
    for left in out.glob(f"{COPY_PREFIX}*"):
        if not _is_running(left.name.removeprefix(COPY_PREFIX)):
            shutil.rmtree(left, ignore_errors=True)
    try:
        yield open_source(database_url, folder, glossary_path=glossary_path, masked=masked)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def open_subject(
    database_url: str,
    folder: Path,
    *,
    excluded: frozenset[str] = frozenset(),
    has_variants: bool = True,
    glossary_path: Path | None = None,
    source: Source | None = None,
    layout: PromptLayout = "compact",
) -> Iterator[Subject]:
    """Open a database; what is made in `folder` may be deleted afterwards.

    Args:
        database_url: SQLite file or URL.
        folder: For the copy and the variants.
        excluded: Questions that must not occur, normalised.
        has_variants: Whether look-alikes are held against variants of the data, and not the data alone.
        glossary_path: TOML file of domain terms; by default the one beside a SQLite file, if any.
        source: The same database, opened before.
        layout: How prompts are laid out.

    Raises:
        UsageError: The address or the glossary cannot be used.
        DatabaseError: It cannot be opened or copied, or has no tables.
        DataError: It has no rows.
    """
    source = source or open_source(database_url, folder, glossary_path=glossary_path)
    schema, copy_schema = source.schema, source.copy_schema
    with closing(DataCopy(source.path, folder / "copy", copy_schema.tables)) as data:
        with closing(Executor(str(data.path), timeout_s=TIMEOUT_S, max_rows=MAX_ROWS)) as executor:
            readable = find_readable(copy_schema, executor, data.connection, source.unreadable)
        grammar = Grammar(readable.schema, data)
        variants = _make_variants(source.path, readable.schema, folder) if has_variants else ()
        names = {table.name for table in readable.schema.tables}
        shown = schema.model_copy(update={"tables": tuple(table for table in schema.tables if table.name in names)})
        bench = Bench(shown, str(data.path), variants, excluded, grammar.name, layout=layout, server=source.server)
        yield Subject(schema, readable, source.path, grammar, bench)


def _make_variants(source: Path, schema: DatabaseSchema, folder: Path) -> tuple[str, ...]:
    """Make variants of the data, indexed like the copy; none where that cannot be done."""
    if sum(table.row_estimate or 0 for table in schema.tables) > MAX_VARIED_ROWS:
        narrate("The database is too large for variants: look-alikes are held against its own data only.")
        return ()
    found = []
    try:
        with make_variants(str(source), (), folder / "variants", count=VARIANTS) as variants:
            for number, url in enumerate(variants.urls):
                with closing(DataCopy(Path(url), folder / f"variant-{number}", schema.tables)) as copy:
                    found.append(str(copy.path))
    except QueryForgeError as error:
        narrate(f"Look-alikes are held against the data only: {error.message}")
        return ()
    return tuple(found)
