"""Masked columns, and schemas without values: what must not be shown, and to whom.

In: patterns such as `customer.email` or `*.phone`, and the tables of a database. Out: the tables with those columns
marked as masked and nothing of their values left; a schema from which no value of any column can be read. Which query
would reveal a masked value is decided where names get their meaning (`names`), and the cells are covered where rows
leave the database (`database`).

Covers: samples, comments that give examples, cells of results.
Does not cover: a view or generated column that shows a masked column under another name (give it a pattern too); how
many different values a column has and where it is NULL; values that a person writes into a question, a glossary or an
approved pair. Training data are made without them too (`training.datagen.masks`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from assistant.errors import UsageError
from assistant.types import Cell, Column, DatabaseSchema, Rejection, Table

MASK = "•••"
"""What is shown in place of a masked value."""
MASKED_NOTE = "masked"
"""Comment of a masked column, for the model and for people."""

_PATTERN = re.compile(r"[^\s,]+")
# A comment that quotes, counts or lists something may hold values of the column.
_GIVES_EXAMPLES = re.compile(
    r"['\"`‘’“”«»\d:;/|=]|,.*,|\be\.?\s?g\b|\bi\.?e\b|\betc\b|\bsuch as\b|\bexamples?\b|\blike\b|\bone of\b|\beither\b"
    r"|\bvalues?\b|\bdefaults?\b|\bor\b",
    re.IGNORECASE,
)
# What a database says of these is made of names in the statement, never of values in rows.
_NAMES_ONLY = frozenset(
    {"unknown-column", "unknown-table", "unknown-function", "ambiguous-column", "wrong-arguments", "misused-aggregate"}
    | {"one-statement", "read-only", "no-permission", "no-rows"}
)


def read_patterns(text: str) -> tuple[str, ...]:
    """Read patterns that stand in one text, separated by commas or blanks.

    A pattern is `table.column`; `*` stands for any characters, and a pattern without a dot is a column of any table.

    Raises:
        UsageError: A pattern has an empty part, or would mask every column.
    """
    return check_patterns(_PATTERN.findall(text))


def check_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Complete patterns to `table.column`.

    Raises:
        UsageError: A pattern has an empty part, or would mask every column.
    """
    found = []
    for pattern in patterns:
        table, dot, column = pattern.strip().rpartition(".")
        if not column or (dot and not table):
            raise UsageError(f"'{pattern}' names no column to mask.", "Write table.column, or *.column for any table.")
        if not column.strip("*") and not table.strip("*."):
            raise UsageError(f"'{pattern}' would mask every column.", "Write table.column, or *.column for any table.")
        found.append(f"{table or '*'}.{column}".lower())
    return tuple(dict.fromkeys(found))


def mask_tables(tables: Iterable[Table], patterns: Sequence[str]) -> tuple[Table, ...]:
    """Mark the columns that a pattern names, whatever their case, and drop what tells of their values."""
    return tuple(
        table.model_copy(
            update={
                "columns": tuple(
                    _masked(column) if _is_named(table, column, patterns) else column for column in table.columns
                )
            }
        )
        if patterns
        else table
        for table in tables
    )


def unused_patterns(schema: DatabaseSchema, patterns: Sequence[str]) -> tuple[str, ...]:
    """List the patterns that name no column: mostly a typing error, and then something is not masked."""
    return tuple(
        pattern
        for pattern in patterns
        if not any(_is_named(table, column, (pattern,)) for table in schema.tables for column in table.columns)
    )


def masked_columns(schema: DatabaseSchema) -> tuple[str, ...]:
    """List the masked columns as `table.column`."""
    return tuple(
        f"{table.name}.{column.name}" for table in schema.tables for column in table.columns if column.is_masked
    )


def without_values(schema: DatabaseSchema) -> DatabaseSchema:
    """Leave out everything that was read from rows, and every comment that may give values as examples."""
    return schema.model_copy(
        update={
            "tables": tuple(
                table.model_copy(
                    update={
                        "comment": plain_comment(table.comment),
                        "columns": tuple(
                            column.model_copy(update={"samples": (), "comment": plain_comment(column.comment)})
                            for column in table.columns
                        ),
                    }
                )
                for table in schema.tables
            )
        }
    )


def plain_comment(comment: str) -> str:
    """Return a comment that gives no examples; empty for one that may."""
    return "" if _GIVES_EXAMPLES.search(comment) else comment


def without_quotes(rejection: Rejection) -> Rejection:
    """Leave out a database's own words where they may quote a value of a row."""
    if rejection.stage != "database" or rejection.rule in _NAMES_ONLY:
        return rejection
    message = f"The database refused this query ({rejection.rule}); its words are withheld because they may hold data."
    return rejection.model_copy(update={"message": message, "hint": "Write the query in another way."})


def mask_rows(rows: Iterable[tuple[Cell, ...]], places: Iterable[int]) -> tuple[tuple[Cell, ...], ...]:
    """Cover the cells in these places; a NULL stays one."""
    covered = frozenset(places)
    if not covered:
        return tuple(rows)
    return tuple(
        tuple(MASK if place in covered and cell is not None else cell for place, cell in enumerate(row)) for row in rows
    )


def _is_named(table: Table, column: Column, patterns: Sequence[str]) -> bool:
    name = f"{table.name}.{column.name}".lower()
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def _masked(column: Column) -> Column:
    comment = plain_comment(column.comment)
    note = f"{comment.rstrip('.')} ({MASKED_NOTE})" if comment else MASKED_NOTE
    return column.model_copy(update={"is_masked": True, "samples": (), "comment": note})
