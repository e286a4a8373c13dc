"""Give the glossary of a server's database in the dialect of its SQLite copy.

In: glossary entries as a person wrote them, for the server or for SQLite, and both databases. Out: the same entries
with SQL that runs on the copy. What stands in a glossary is tried, not guessed: SQL that the server does not run is
taken for SQLite's; SQL that both run and that gives the same stays as it is; everything else is translated. An entry
whose SQL runs nowhere keeps its words for prompts and loses its SQL, which is said.
"""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.errors import DatabaseError, DataError
from assistant.types import DatabaseSchema, Dialect, GlossaryEntry, Rejection
from evaluation.cache import Execution
from evaluation.compare import same_result
from evaluation.dialects import translate
from evaluation.execution import Executor
from evaluation.progress import narrate

_JOIN = re.compile(r"\sJOIN\s", re.IGNORECASE)
_ON = re.compile(r"\sON\s", re.IGNORECASE)


def carry_glossary(
    entries: tuple[GlossaryEntry, ...], copy: Executor, server: Executor, copy_schema: DatabaseSchema
) -> tuple[GlossaryEntry, ...]:
    """Carry all entries.

    Args:
        entries: The glossary.
        copy: On the copy.
        server: On the server.
        copy_schema: Of the copy.
    """
    tables = {table.name for table in copy_schema.tables}
    found = []
    for entry in entries:
        is_name = not entry.sql or entry.sql in tables or (_JOIN.search(entry.sql) and not _ON.search(entry.sql))
        sql = entry.sql if is_name else _carry(entry.sql, copy, server, copy_schema)
        if sql != entry.sql and not sql:
            narrate(f"Glossary term '{entry.term}': its SQL runs neither on the server nor in SQLite; it is left out.")
        found.append(entry.model_copy(update={"sql": sql}))
    return tuple(found)


def _carry(sql: str, copy: Executor, server: Executor, copy_schema: DatabaseSchema) -> str:
    """Give SQL for the copy; empty when there is none."""
    there, here = _probe(sql, server.schema.dialect), _probe(sql, "sqlite")
    given, as_it_stands = _run(server, there), _run(copy, here)
    if given is None or there is None:
        return sql if as_it_stands is not None else ""
    is_plain = _is_telling(given) and as_it_stands is not None and _is_telling(as_it_stands)
    if is_plain and as_it_stands and same_result(given.result, as_it_stands.result, False).is_correct:
        return sql
    try:
        carried = translate(there, server.schema, copy_schema)
        text = _extract(carried, is_join=_JOIN.search(sql) is not None)
    except (DataError, SqlglotError):
        return ""
    return text if _run(copy, _probe(text, "sqlite")) is not None else ""


def _probe(sql: str, dialect: Dialect) -> str | None:
    """Write a statement that holds the SQL of an entry; None when it cannot be read."""
    if _JOIN.search(sql):
        return f"SELECT 1 FROM {sql} WHERE 1 = 0"
    try:
        columns = sqlglot.parse_one(sql, read=dialect).find_all(exp.Column)
    except SqlglotError:
        return None
    names = dict.fromkeys(exp.to_identifier(column.table, quoted=True).sql(dialect=dialect) for column in columns)
    names.pop(exp.to_identifier("", quoted=True).sql(dialect=dialect), None)
    if not names:
        return None
    # Over one table both sides can be asked for its values; over several, only whether they understand it.
    return f"SELECT DISTINCT {sql} FROM {', '.join(names)}" + (" WHERE 1 = 0" if len(names) > 1 else "")


def _extract(statement: str, *, is_join: bool) -> str:
    tree = sqlglot.parse_one(statement, read="sqlite")
    assert isinstance(tree, exp.Select)
    if is_join:
        source = tree.args["from_"]
        return " ".join(
            [source.this.sql(dialect="sqlite"), *(join.sql(dialect="sqlite") for join in tree.args["joins"])]
        )
    return str(tree.expressions[0].unalias().sql(dialect="sqlite", normalize_functions=False))


def _is_telling(execution: Execution) -> bool:
    """Tell whether a result says what an expression means."""
    return bool(execution.result.rows) and not execution.result.is_truncated


def _run(executor: Executor, sql: str | None) -> Execution | None:
    if sql is None:
        return None
    try:
        found = executor.run(sql)
    except DatabaseError:
        return None
    return None if isinstance(found, Rejection) else found
