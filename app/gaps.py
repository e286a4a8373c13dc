"""The gap list: what people asked and did not get well, grouped by the tables and columns it was about.

In: turns of conversations and thumbs, as memory has them. Out: one Gap a table, the worst first. Which table a question
was about is read from its last SQL; questions without SQL stand together. Asks and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.memory.kept import KeptTurn
from assistant.memory.records import FeedbackEntry
from assistant.types import Dialect, Record

NO_TABLE = ""
MAX_COLUMNS, MAX_QUESTIONS = 6, 8


class Gap(Record):
    """What went wrong around one table."""

    table: str
    """The table; empty for questions that came to no SQL."""
    columns: tuple[str, ...]
    """Columns that most of it was about."""
    thumbs_down: int
    """Answers that a person did not like."""
    declined: int
    """Questions that were declined, refused, asked back about or not answered."""
    repaired: int
    """Answers that needed more than one draft."""
    questions: tuple[str, ...]
    """The latest of these questions."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.thumbs_down + self.declined + self.repaired


@dataclass
class _Tally:
    columns: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    questions: list[str] = field(default_factory=list)


def find_gaps(turns: Sequence[KeptTurn], thumbs: Sequence[FeedbackEntry], dialect: Dialect) -> tuple[Gap, ...]:
    """Group what went wrong, both the latest first; an answer counts for every table it reads."""
    tallies: dict[str, _Tally] = {}

    def count(kind: str, question: str, sql: str) -> None:
        found = read_names(sql, dialect)
        for table in found or {NO_TABLE: ()}:
            tally = tallies.setdefault(table, _Tally())
            tally.counts[kind] += 1
            tally.columns.update(found.get(table, ()))
            if question not in tally.questions:
                tally.questions.append(question)

    for turn in turns:
        count("repaired" if turn.outcome == "answered" else "declined", turn.question, turn.sql)
    for thumb in thumbs:
        if thumb.verdict == "down":
            count("thumbs_down", thumb.question, thumb.sql)
    gaps = [
        Gap(
            table=table,
            columns=tuple(name for name, _ in tally.columns.most_common(MAX_COLUMNS)),
            thumbs_down=tally.counts["thumbs_down"],
            declined=tally.counts["declined"],
            repaired=tally.counts["repaired"],
            questions=tuple(tally.questions[:MAX_QUESTIONS]),
        )
        for table, tally in tallies.items()
    ]
    return tuple(sorted(gaps, key=lambda gap: (-gap.total, gap.table)))


def read_names(sql: str, dialect: Dialect) -> dict[str, tuple[str, ...]]:
    """Read which tables a statement names, and which columns of each; empty where it cannot be read.

    A column without its table counts for the only table there is, and else for none.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect=dialect) if sql.strip() else None
    except (SqlglotError, RecursionError):
        return {}
    if tree is None:
        return {}
    defined = {part.alias for part in tree.find_all(exp.CTE)}
    tables = [table for table in tree.find_all(exp.Table) if table.name and table.name not in defined]
    by_alias = {table.alias_or_name: table.name for table in tables}
    names = list(dict.fromkeys(table.name for table in tables))
    found: dict[str, list[str]] = {name: [] for name in names}
    for column in tree.find_all(exp.Column):
        owner = by_alias.get(column.table) if column.table else (names[0] if len(names) == 1 else None)
        if owner is not None and column.name:
            found[owner].append(column.name)
    return {name: _unique(columns) for name, columns in found.items()}


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
