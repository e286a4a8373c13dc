"""Records into rows, rows into records, and values from outside into records.

In: what a caller gives, or a row of one of our tables. Out: a frozen record, or a UsageError or DatabaseError that
names the field. Opens nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, RowMapping, Table, select

from assistant.errors import DatabaseError, UsageError
from assistant.types import Record

_Kind = TypeVar("_Kind", bound=Record)


def make_record(kind: type[_Kind], /, **fields: object) -> _Kind:
    """Make a record of what a caller gives.

    Raises:
        UsageError: A value does not fit.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        field, reason = _first_fault(error)
        raise UsageError(f"Cannot remember this {field}: {reason}.", "Give a value that fits.") from error


def read_record(kind: type[_Kind], row: RowMapping) -> _Kind:
    """Make a record of a row; columns that are no fields of it are left out.

    Raises:
        DatabaseError: The row was changed by another program, and does not fit any more.
    """
    try:
        return kind.model_validate({name: row[name] for name in kind.model_fields})
    except ValidationError as error:
        field, reason = _first_fault(error)
        identifier = row[next(iter(kind.model_fields))]
        raise DatabaseError(
            f"Memory holds something unreadable: {kind.__name__} {identifier}, {field}: {reason}.",
            "It was changed by another program: mend or delete that row.",
        ) from error


def list_records(
    connection: Connection,
    kind: type[_Kind],
    table: Table,
    order: Sequence[ColumnElement[Any]],
    limit: int | None = None,
    **wanted: str | None,
) -> tuple[_Kind, ...]:
    """Read the records of a table.

    Args:
        connection: One that reads.
        kind: Of the records.
        table: Where they are.
        order: What they are sorted by.
        limit: At most so many.
        wanted: Column -> the value it must have; None for any.

    Raises:
        DatabaseError: See `read_record`.
    """
    query = select(table).order_by(*order).limit(limit)
    for name, value in wanted.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    return tuple(read_record(kind, row) for row in connection.execute(query).mappings())


def make_row(record: Record) -> dict[str, Any]:
    """Give the columns of a record."""
    return {name: getattr(record, name) for name in type(record).model_fields}


def _first_fault(error: ValidationError) -> tuple[str, str]:
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]) or "record", first["msg"]
