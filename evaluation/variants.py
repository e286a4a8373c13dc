"""More than one database per question: variants of a database, so that a lucky match on one content is caught.

In: the address of a database and the gold queries. Out: the addresses of databases with the same schema and other rows
(`evaluation.variation.mutation` says which), good for as long as the Variants are open. The source is only ever read.

Variants of a SQLite file are files, kept from run to run (`evaluation.variation.files`); those of a server's database
are throw-away databases on a scratch server (`evaluation.variation.scratch`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from assistant.database import connect
from assistant.drivers.engines import parse_url
from assistant.errors import UsageError
from evaluation.variation.files import make_files
from evaluation.variation.mentions import find_mentions
from evaluation.variation.scratch import make_databases

DEFAULT_VARIANTS = 3
"""Variants of a SQLite database, unless another number is asked for."""

Narrate = Callable[[str], None]
"""Takes one line on what is being done."""


class Variants:
    """Variants of a database; use it in a `with` block, or call `close`."""

    def __init__(self, urls: Sequence[str] = (), drop: Callable[[], None] | None = None) -> None:
        """Hold what was made.

        Args:
            urls: Addresses, in order.
            drop: Called once when the variants are no longer needed.
        """
        self.urls = tuple(urls)
        self._drop = drop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop databases on a server, not files; calling it twice is harmless."""
        drop, self._drop = self._drop, None
        if drop is not None:
            drop()


def make_variants(
    url: str,
    gold_sql: Sequence[str],
    folder: Path,
    *,
    count: int,
    seed: int = 0,
    scratch_url: str | None = None,
    narrate: Narrate | None = None,
) -> Variants:
    """Make variants of a database, or find the files of an earlier call.

    Args:
        url: Address of the source.
        gold_sql: Queries whose conditions are kept in play; their order does not matter.
        folder: Where files of SQLite variants are kept; made when missing.
        count: How many variants.
        seed: Other seeds give other variants.
        scratch_url: Database on a server of the same kind as the source, on which databases may be made and dropped;
            not needed for SQLite.
        narrate: Told what is being done.

    Raises:
        UsageError: `count` is negative, the folder cannot be used, or there is no scratch server where one is needed.
        DatabaseError: The source cannot be read, or a variant cannot be made.
    """
    if count < 0:
        raise UsageError(f"Cannot make {count} variants of a database.", "Ask for 0 or more.")
    parsed, dialect = parse_url(url)
    if count == 0:
        return Variants()
    say = narrate or (lambda line: None)
    with closing(connect(url)) as database:
        schema = database.schema()
    queries = sorted({find_mentions(sql, schema) for sql in gold_sql}, key=repr)
    seeds = [_derive_seed(seed, number) for number in range(1, count + 1)]
    if dialect == "sqlite":
        return Variants(make_files(Path(parsed.database or ""), schema, queries, folder, seeds, say))
    if scratch_url is None:
        raise UsageError(
            f"Variants of the database '{schema.db_id}' need a server on which databases may be made.",
            "Give --scratch-url with a user that may create databases, or --variants 0.",
        )
    databases = make_databases(url, scratch_url, schema, queries, seeds, say)
    return Variants(databases.urls, databases.drop)


def _derive_seed(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:8], "big")
