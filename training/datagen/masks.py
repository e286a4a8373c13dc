"""Masked columns in the making of examples: none of their values may get into one.

In: a schema in which columns are marked as masked. Out: a lexicon without what reckons with them, a note beside a copy
of the data that makes every connection to it mask them, and an Executor that does so on any database. What a query may
do with a masked column, and what it shows of it, is decided in `assistant`, here as in use: show it covered, count it,
test it for NULL.

Does not cover: values that somebody wrote into a comment, the glossary or an approved question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from assistant.database import connect
from assistant.masking import masked_columns
from assistant.types import DatabaseSchema, SchemaContext, Table
from evaluation.execution import Executor
from training.datagen.lexicon import Lexicon, ref

_NULL_TEST = re.compile(r" IS (?:NOT )?NULL\b", re.IGNORECASE)


class MaskedExecutor(Executor):
    """An Executor on a database in which columns are masked."""

    def __init__(self, url: str, *, timeout_s: float, max_rows: int, masked: Sequence[str]) -> None:
        """Open the database.

        Args:
            url: Its address.
            timeout_s: Seconds after which a query is stopped.
            max_rows: Rows that a result may have.
            masked: Patterns of masked columns, as settings have them.

        Raises:
            UsageError: The address or a pattern cannot be used.
            DatabaseError: The database cannot be opened or read.
        """
        super().__init__(url, timeout_s=timeout_s, max_rows=max_rows)
        self._database.close()
        self._database = connect(url, masked=masked)
        self.schema = self._database.schema()
        self._context = SchemaContext(db_id=self.schema.db_id, dialect=self.schema.dialect, tables=self.schema.tables)


def open_executor(url: str, schema: DatabaseSchema, *, timeout_s: float, max_rows: int) -> Executor:
    """Open a database with the columns masked that are so in a schema.

    Raises:
        UsageError: The address cannot be used.
        DatabaseError: The database cannot be opened or read.
    """
    if masked := masked_columns(schema):
        return MaskedExecutor(url, timeout_s=timeout_s, max_rows=max_rows, masked=masked)
    return Executor(url, timeout_s=timeout_s, max_rows=max_rows)


def mask_copy(path: Path, tables: Iterable[Table]) -> None:
    """Note beside a SQLite file which columns are masked; `assistant.database.connect` reads it.

    Raises:
        OSError: It cannot be written.
    """
    masked = [f"{table.name}.{column.name}" for table in tables for column in table.columns if column.is_masked]
    note = path.with_suffix(".glossary.toml")
    note.unlink(missing_ok=True)
    if masked:
        # What JSON writes of a list of texts is TOML as well, but for one sign.
        listed = json.dumps(masked, ensure_ascii=False).replace("\x7f", "\\u007f")
        note.write_text(f"masked = {listed}\n", encoding="utf-8")


def drop_masked(lexicon: Lexicon) -> None:
    """Leave out of a lexicon what compares or reckons with a masked column: nobody gets an answer to that."""
    masked = [
        ref(table.name, column.name)
        for table in lexicon.schema.tables
        for column in table.columns
        if column.is_masked
    ]  # fmt: skip
    if not masked:
        return

    def tells(sql: str) -> bool:
        return any(re.search(rf"{re.escape(name)}(?!\w)(?!{_NULL_TEST.pattern})", sql) for name in masked)

    lexicon.measures = [m for m in lexicon.measures if not tells(m.sql) and not tells(m.default_filter)]
    lexicon.figures = {
        table: [figure for figure in figures if not tells(figure.sql)] for table, figures in lexicon.figures.items()
    }
    lexicon.conditions = {
        table: [condition for condition in conditions if not tells(condition.sql)]
        for table, conditions in lexicon.conditions.items()
    }
    lexicon.relations = {
        table: [relation for relation in relations if not tells(relation.on)]
        for table, relations in lexicon.relations.items()
    }
