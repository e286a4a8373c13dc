"""`queryforge pairs`: the question-SQL pairs that people approve, for examples in prompts and for training.

In: pairs, typed or from a file, and what a reviewer says of them. Out: the pairs on stdout, as text or lines of JSON;
what happened on stderr. No SQL is approved that did not pass the guard and run on the database in this very call. The
database is only read; what is written is QueryForge's own memory.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from app.display import pretty_sql, printable
from assistant.errors import UsageError
from assistant.memory.records import Pair, PairState
from assistant.memory.transfer import export_pairs, read_pairs
from assistant.settings import Settings
from assistant.types import Completion, Rejection, SchemaContext, SqlDraft

if TYPE_CHECKING:
    from assistant.database import Database
    from assistant.memory.store import Memory
    from assistant.types import QueryResult

REFUSED = 1
SHOWN_DIGITS = 12


def main(argv: Sequence[str]) -> int:
    """Work on pairs; return 0, or 1 when SQL was refused and so left unapproved."""
    arguments = build_parser().parse_args(argv)
    flags = {name: getattr(arguments, name, None) for name in ("database_url", "memory_url", "query_timeout_s")}
    settings = Settings.load(flags)
    from assistant.memory.store import Memory

    run: Callable[[argparse.Namespace, Settings, Memory], int] = arguments.run
    with Memory(settings.memory_url) as memory:
        return run(arguments, settings, memory)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command and of its actions."""
    parser = argparse.ArgumentParser(
        prog="queryforge pairs",
        description="List, add and review the question-SQL pairs that examples in prompts and training are made of.",
        epilog='example: queryforge pairs add "How many customers?" "SELECT count(*) FROM customer" --approve',
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION", title="actions")

    def action(name: str, run: Callable[..., int], purpose: str, *, tries_sql: bool = False) -> argparse.ArgumentParser:
        part = actions.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        part.set_defaults(run=run)
        part.add_argument("--memory", dest="memory_url", metavar="URL", help=_describe("memory_url"))
        if tries_sql:
            part.add_argument("--db", dest="database_url", metavar="URL", help=_describe("database_url"))
            part.add_argument(
                "--timeout", dest="query_timeout_s", type=float, metavar="S", help=_describe("query_timeout_s")
            )
        return part

    lister = action("list", _list, "show pairs, in the order in which they were proposed")
    adder = action("add", _add, "propose a pair, once its SQL has passed the guard and run", tries_sql=True)
    adder.add_argument("question", metavar="QUESTION", help="the question, in quotes")
    adder.add_argument("sql", nargs="?", metavar="SQL", help="its SQL, in quotes; without it, standard input")
    adder.add_argument("--approve", action="store_true", help="approve it at once")
    adder.add_argument("--weight", type=float, default=1.0, metavar="W", help=Pair.model_fields["weight"].description)
    approver = action("approve", _approve, "approve pairs, once their SQL has passed the guard and run", tries_sql=True)
    rejecter = action("reject", _reject, "reject pairs, also approved ones")
    exporter = action("export", _export, "write pairs as lines of JSON")
    exporter.add_argument("file", nargs="?", type=Path, metavar="FILE", help="without it, standard output")
    importer = action("import", _import, "take over exported pairs; approved ones are tried first", tries_sql=True)
    importer.add_argument("file", type=Path, metavar="FILE", help="what 'queryforge pairs export' wrote")
    for part in (lister, exporter):
        part.add_argument("--state", choices=get_args(PairState), help="only pairs in this state")
        part.add_argument("--db-id", metavar="NAME", help="only pairs on this database")
    for part in (approver, rejecter):
        part.add_argument("ids", nargs="+", metavar="ID", help="identifier of a pair, or the beginning of it")
    for part in (adder, approver, rejecter):
        part.add_argument("--note", default="", metavar="TEXT", help="a remark that stays with the pair")
        part.add_argument("--by", default=_user(), metavar="NAME", help="who does this; by default %(default)s")
    for part in (lister, adder, approver, rejecter, importer):
        part.add_argument("--json", action="store_true", help="print each record as one line of JSON")
    return parser


def try_sql(database: Database, sql: str, settings: Settings) -> QueryResult | Rejection:
    """Send SQL through the guard and run it, as if it were a draft.

    Raises:
        DatabaseError: The time limit was reached, or the database failed.
    """
    from assistant.guard import check

    schema = database.schema()
    context = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)
    draft = SqlDraft(sql=sql.strip().rstrip(";"), attempt=1, completion=Completion(text=sql, model="person"))
    checked = check(draft, context, max_rows=settings.max_rows)
    return checked if isinstance(checked, Rejection) else database.run(checked, timeout_s=settings.query_timeout_s)


def describe(pair: Pair) -> Iterator[str]:
    """Give the lines of one pair."""
    proposed = f"{pair.source} by {pair.author or 'the local user'} {pair.created_at:%Y-%m-%d}"
    reviewed = (
        f", reviewed by {pair.reviewer or 'the local user'} {pair.reviewed_at:%Y-%m-%d}" if pair.reviewed_at else ""
    )
    yield f"{pair.pair_id[:SHOWN_DIGITS]}  {pair.state}  {pair.db_id}  {proposed}{reviewed}"
    for turn in pair.history:
        yield f"  after: {printable(' '.join(turn.question.split()))}"
    yield f"  {printable(' '.join(pair.question.split()))}"
    yield from (f"    {line}" for line in pretty_sql(pair.sql).splitlines())
    if pair.note:
        yield f"  note: {pair.note}"


def _list(arguments: argparse.Namespace, settings: Settings, memory: Memory) -> int:
    pairs = memory.list_pairs(arguments.db_id, arguments.state)
    _show(pairs, arguments)
    _say(f"{len(pairs)} pair{'' if len(pairs) == 1 else 's'}.")
    return 0


def _add(arguments: argparse.Namespace, settings: Settings, memory: Memory) -> int:
    sql = sys.stdin.read() if arguments.sql is None else arguments.sql
    if not sql.strip():
        raise UsageError("There is no SQL.", "Give it in quotes after the question, or through a pipe.")
    with closing(_connect(settings)) as database:
        if not _is_sound(try_sql(database, sql, settings), "The pair", arguments):
            return REFUSED
        schema = database.schema()
    pair = memory.propose_pair(
        arguments.question,
        sql,
        db_id=schema.db_id,
        schema_fingerprint=schema.fingerprint,
        source="written",
        weight=arguments.weight,
        author=arguments.by,
        note=arguments.note,
    )
    if arguments.approve:
        pair = memory.approve(
            pair.pair_id,
            schema_fingerprint=schema.fingerprint,
            reviewer=arguments.by,
            note=arguments.note,
            weight=arguments.weight,
        )
    _show((pair,), arguments)
    return 0


def _approve(arguments: argparse.Namespace, settings: Settings, memory: Memory) -> int:
    pairs = [memory.read_pair(identifier) for identifier in arguments.ids]
    approved = []
    with closing(_connect(settings)) as database:
        schema = database.schema()
        for pair in pairs:
            if pair.db_id != schema.db_id:
                raise UsageError(
                    f"Pair {pair.pair_id[:SHOWN_DIGITS]} is about the database '{pair.db_id}', not '{schema.db_id}'.",
                    "Name its database with --db.",
                )
        for pair in pairs:
            if _is_sound(try_sql(database, pair.sql, settings), f"Pair {pair.pair_id[:SHOWN_DIGITS]}", arguments):
                review = {"reviewer": arguments.by, "note": arguments.note}
                approved.append(memory.approve(pair.pair_id, schema_fingerprint=schema.fingerprint, **review))
    _show(approved, arguments)
    return 0 if len(approved) == len(pairs) else REFUSED


def _reject(arguments: argparse.Namespace, settings: Settings, memory: Memory) -> int:
    pairs = [memory.read_pair(identifier) for identifier in arguments.ids]
    _show([memory.reject(pair.pair_id, reviewer=arguments.by, note=arguments.note) for pair in pairs], arguments)
    return 0


def _export(arguments: argparse.Namespace, settings: Settings, memory: Memory) -> int:
    pairs = memory.list_pairs(arguments.db_id, arguments.state)
    text = "".join(export_pairs(pairs))
    if arguments.file is None:
        sys.stdout.write(text)
        return 0
    try:
        arguments.file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write '{arguments.file}': {error.strerror}.", "Name a file in a folder.") from error
    _say(f"{len(pairs)} pair{'' if len(pairs) == 1 else 's'} written to {arguments.file}.")
    return 0


def _import(arguments: argparse.Namespace, settings: Settings, memory: Memory) -> int:
    try:
        # Not by splitlines(): a question may hold other line separators, and JSON leaves them as they are.
        lines = arguments.file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read '{arguments.file}': {error}.", "Name a file of exported pairs.") from error
    pairs = read_pairs(lines, source=str(arguments.file))
    tried = list(_try_approved(pairs, settings)) if any(pair.state == "approved" for pair in pairs) else list(pairs)
    held_back = sum(before.state != after.state for before, after in zip(pairs, tried, strict=True))
    counts = memory.import_pairs(tried)
    _say(f"{counts.added} new, {counts.updated} reviewed later there, {counts.unchanged} known.")
    if held_back:
        _say(f"{held_back} approved there but not seen to work here; they are pending where they are new.")
    if arguments.json:
        print(counts.model_dump_json())  # noqa: T201
    return REFUSED if held_back else 0


def _try_approved(pairs: Sequence[Pair], settings: Settings) -> Iterator[Pair]:
    """Give the pairs, those that were approved there as pending unless their SQL works here."""
    with closing(_connect(settings)) as database:
        schema = database.schema()
        for number, pair in enumerate(pairs, start=1):
            fault = ""
            if pair.state == "approved" and pair.db_id != schema.db_id:
                fault = f"it is about the database '{pair.db_id}', not '{schema.db_id}' (--db names another)"
            elif pair.state == "approved" and isinstance(found := try_sql(database, pair.sql, settings), Rejection):
                fault = f"refused ({found.rule}): {found.message} {found.hint}".rstrip()
            if fault:
                _say(f"Pair {number}, '{pair.question[:60]}': {fault}")
                pair = pair.model_copy(update={"state": "pending", "reviewer": "", "reviewed_at": None})
            elif pair.state == "approved":
                pair = pair.model_copy(update={"schema_fingerprint": schema.fingerprint})
            yield pair


def _is_sound(found: QueryResult | Rejection, what: str, arguments: argparse.Namespace) -> bool:
    """Say what came of trying SQL, and whether it may be approved."""
    if isinstance(found, Rejection):
        _say(f"{what} is refused ({found.rule}): {found.message} {found.hint}".rstrip())
        if arguments.json:
            print(found.model_dump_json())  # noqa: T201
        return False
    if not found.rows:
        _say(f"{what} runs and returns no rows; is that right?")
    else:
        many = "at least " if found.is_truncated else ""
        _say(f"{what} runs and returns {many}{len(found.rows):,} row{'' if len(found.rows) == 1 else 's'}.")
    return True


def _connect(settings: Settings) -> Database:
    from assistant.database import connect_as_set

    return connect_as_set(settings)


def _show(pairs: Sequence[Pair], arguments: argparse.Namespace) -> None:
    if arguments.json:
        sys.stdout.writelines(export_pairs(pairs))
    elif pairs:
        print("\n\n".join(printable("\n".join(describe(pair))) for pair in pairs))  # noqa: T201


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user, as in some containers
        return ""


def _describe(name: str) -> str:
    return (Settings.model_fields[name].description or "").replace("%", "%%")


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr)  # noqa: T201
