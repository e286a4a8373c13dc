"""`queryforge check`: would the guard let this SQL through?

In: a SQL text, from the command line or a pipe. Out: on stdout the query as it would be run, or why it is refused; with
`--json` the GuardedQuery or the Rejection as one line of JSON. Nothing is run and no model is used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing

from app.display import printable
from app.flags import add_settings_flags, load_settings
from assistant.errors import UsageError
from assistant.types import Completion, Rejection, SchemaContext, SqlDraft

REFUSED = 1


def main(argv: Sequence[str]) -> int:
    """Check one SQL text; return 0 when it would be let through and 1 when not."""
    arguments = build_parser().parse_args(argv)
    settings = load_settings(arguments)
    sql = sys.stdin.read() if arguments.sql is None else arguments.sql
    if not sql.strip():
        raise UsageError("There is no SQL to check.", 'Give it in quotes: queryforge check "SELECT 1"')
    from assistant.database import connect_as_set
    from assistant.guard import check

    with closing(connect_as_set(settings)) as database:
        schema = database.schema()
    context = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)
    draft = SqlDraft(sql=sql.strip().rstrip(";"), attempt=1, completion=Completion(text=sql, model="person"))
    checked = check(draft, context, max_rows=settings.max_rows)
    if arguments.json:
        print(checked.model_dump_json())  # noqa: T201
    elif isinstance(checked, Rejection):
        print(printable(f"Refused ({checked.rule}): {checked.message} {checked.hint}".rstrip()))  # noqa: T201
    else:
        print(printable(checked.sql))  # noqa: T201
    return REFUSED if isinstance(checked, Rejection) else 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge check",
        description="Tell whether a SQL text would be let through, and show it as it would be run. Nothing is run.",
        epilog='example: queryforge check "DELETE FROM customer"',
    )
    parser.add_argument("sql", nargs="?", metavar="SQL", help="the statement, in quotes; without it, standard input")
    parser.add_argument("--json", action="store_true", help="print the outcome as one line of JSON")
    add_settings_flags(parser)
    return parser
