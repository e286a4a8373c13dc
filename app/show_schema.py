"""`queryforge schema`: the tables, columns and keys of the database.

In: a database. Out: a listing on stdout, or with `--json` the DatabaseSchema as one line of JSON. Needs no model.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing

from app.display import printable
from app.flags import add_settings_flags, load_settings
from assistant.errors import UsageError
from assistant.types import DatabaseSchema, Table


def main(argv: Sequence[str]) -> int:
    """Print the schema; return the exit code."""
    arguments = build_parser().parse_args(argv)
    settings = load_settings(arguments)
    from assistant.database import connect_as_set

    with closing(connect_as_set(settings)) as database:
        schema = database.schema()
    if arguments.json:
        print(schema.model_dump_json())  # noqa: T201
        return 0
    tables = [table for table in schema.tables if arguments.table in (None, table.name)]
    if not tables:
        names = ", ".join(table.name for table in schema.tables)
        raise UsageError(f"There is no table '{arguments.table}'.", f"The tables are: {names}.")
    print(printable("\n".join(describe(schema, tables))))  # noqa: T201
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge schema", description="Show the tables, columns and keys of the database."
    )
    parser.add_argument("table", nargs="?", metavar="TABLE", help="only this table")
    parser.add_argument("--json", action="store_true", help="print the whole schema as one line of JSON")
    add_settings_flags(parser)
    return parser


def describe(schema: DatabaseSchema, tables: Sequence[Table]) -> Iterator[str]:
    """Give the lines of the listing."""
    yield f"Database {schema.db_id} ({schema.dialect}), {len(schema.tables)} tables, schema {schema.fingerprint[:12]}"
    for table in tables:
        rows = "" if table.row_estimate is None else f" (about {table.row_estimate:,} rows)"
        yield f"\n{table.name}{rows}" + (f": {table.comment}" if table.comment else "")
        name_width = max((len(column.name) for column in table.columns), default=0)
        type_width = max((len(column.sql_type) for column in table.columns), default=0)
        for column in table.columns:
            note = "; ".join(_notes(table, column.name) + ([column.comment] if column.comment else []))
            yield f"  {column.name:<{name_width}}  {column.sql_type:<{type_width}}  {note}".rstrip()


def _notes(table: Table, column: str) -> list[str]:
    notes = ["key"] if column in table.primary_key else []
    for key in table.foreign_keys:
        if column in key.columns:
            notes.append(f"refers to {key.ref_table}.{key.ref_columns[key.columns.index(column)]}")
    return notes
