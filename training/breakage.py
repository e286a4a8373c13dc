"""Which approved pairs and saved questions still hold on the schema as it is now.

In: what memory keeps, an open database, and guessed renames. Out: the pairs that hold, and those that break, each with
the reason and, where a rename explains it, with SQL that holds. SQL takes the road of every draft: the guard, then the
database. Changes nothing in memory: whether a rewritten pair is right is for a reviewer to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from assistant.drivers.engines import parse_url
from assistant.errors import DatabaseError
from assistant.memory.records import Pair, SavedQuestion
from assistant.settings import Settings
from assistant.types import DatabaseSchema, Record, Rejection
from evaluation.execution import Executor
from training.rewriting import rewrite_names
from training.schema_changes import Rename


class Broken(Record):
    """Something that was kept and does not hold any more."""

    origin: Literal["approved pair", "saved question"]
    """What it is."""
    identifier: str
    """Its identifier in memory."""
    question: str
    """The question, or the name under which it was saved."""
    sql: str
    """Its SQL."""
    reason: str
    """Why it breaks."""
    rewritten: str = ""
    """SQL with the names of now that holds; empty where there is none."""

    def describe(self) -> list[str]:
        """Say it in two or three lines."""
        lines = [f"{self.origin} {self.identifier[:12]}: {self.question}", f"  breaks: {self.reason}"]
        return lines + ([f"  would hold as (by a guessed rename): {self.rewritten}"] if self.rewritten else [])


class Remembered(NamedTuple):
    """What memory keeps about a database, held against its schema."""

    holding: tuple[Pair, ...]
    """Approved pairs whose SQL runs."""
    broken: tuple[Broken, ...]
    """Approved pairs and saved questions whose SQL does not."""


def read_memory(settings: Settings, db_id: str) -> tuple[tuple[Pair, ...], tuple[SavedQuestion, ...]]:
    """Read the approved pairs and the saved questions of a database; nothing where there is no memory yet.

    Raises:
        UsageError: Its address cannot be used.
        DatabaseError: It cannot be reached or read.
    """
    url, dialect = parse_url(settings.memory_url)
    if dialect == "sqlite" and not Path(url.database or "").expanduser().exists():
        return (), ()
    from assistant.memory.store import Memory

    with Memory(settings.memory_url) as memory:
        return memory.list_pairs(db_id, "approved"), memory.saved.list(db_id)


def find_broken(
    pairs: Sequence[Pair],
    saved: Sequence[SavedQuestion],
    executor: Executor,
    old_schema: DatabaseSchema | None,
    renames: Sequence[Rename],
) -> Remembered:
    """Run everything that is kept.

    Args:
        pairs: Approved pairs.
        saved: Saved questions.
        executor: On the database as it is now.
        old_schema: Schema that the SQL was written for, if it is known.
        renames: What is called otherwise now.
    """

    def rewrite(sql: str) -> str:
        rewritten = rewrite_names(sql, old_schema, renames) if old_schema is not None and renames else None
        return rewritten if rewritten is not None and not find_fault(rewritten, executor) else ""

    holding: list[Pair] = []
    broken: list[Broken] = []
    for pair in pairs:
        reason = find_fault(pair.sql, executor)
        for turn in pair.history if not reason else ():
            fault = find_fault(turn.sql, executor) if turn.sql else ""
            reason = reason or (f"an earlier turn: {fault}" if fault else "")
        if not reason:
            holding.append(pair)
            continue
        broken.append(
            Broken(
                origin="approved pair",
                identifier=pair.pair_id,
                question=pair.question,
                sql=pair.sql,
                reason=reason,
                rewritten=rewrite(pair.sql),
            )
        )
    for kept in saved:
        if reason := find_fault(kept.sql, executor):
            broken.append(
                Broken(
                    origin="saved question",
                    identifier=kept.saved_id,
                    question=kept.name,
                    sql=kept.sql,
                    reason=reason,
                    rewritten=rewrite(kept.sql),
                )
            )
    return Remembered(tuple(holding), tuple(broken))


def find_fault(sql: str, executor: Executor) -> str:
    """Say why SQL does not run; empty when it does."""
    try:
        found = executor.run(sql)
    except DatabaseError as error:
        return error.message
    return f"{found.message} {found.hint}".strip() if isinstance(found, Rejection) else ""
