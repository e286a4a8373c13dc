"""Carry statements from a SQLite copy to the server it was made of, and run them there.

In: SQL that ran on the copy, with its result. Out: SQL in the server's dialect, with the result that it gave on the
server; or the reason why there is none. Where the copy is complete both results must be the same, so that a translation
that means something else is never kept. Of several spellings (`plainer`) the plainest is kept that gives the same. Text
may be sorted as the server sorts text: that is what people mean there.

Rows that tie may come in another order, and LIMIT may cut between them: then the statements are compared without it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlglot.errors import SqlglotError

from assistant.errors import DatabaseError, DataError
from assistant.grammar import read_tokens
from assistant.types import DatabaseSchema, Rejection
from evaluation.cache import Execution
from evaluation.compare import same_result
from evaluation.dialects import translate
from evaluation.execution import Executor
from evaluation.ties import expose_sort_keys, tie_groups
from training.datagen.masks import open_executor
from training.datagen.plainer import spell_for_people

MAX_COMPARED_ROWS = 20_000
"""Rows up to which two results are compared; longer ones are believed to be the same."""
DISAGREES = "the translation disagrees"

_LIMIT = re.compile(r" LIMIT \d+$")
_TEXT_ORDER = re.compile(r" ORDER BY [^()]*(?:COLLATE|CAST\(CAST\([^()]* AS CHAR\) AS BINARY\))[^()]*$")
"""The outermost order, by text as SQLite sorts it."""


class Server(NamedTuple):
    """The server behind a copy; small enough to be sent to another process."""

    url: str
    schema: DatabaseSchema
    """The server's own."""
    copy_schema: DatabaseSchema
    """The same in SQLite."""
    is_complete: bool
    """Whether the copy holds all rows."""


class Carried(NamedTuple):
    """A statement on the server."""

    sql: str
    execution: Execution


class Crossing:
    """A copy and its server, both open; close it at the end."""

    def __init__(self, copy_url: str, server: Server, *, timeout_s: float, max_rows: int) -> None:
        """Open the server; the copy only when it is needed.

        Args:
            copy_url: Address of the copy.
            server: What it is a copy of.
            timeout_s: Seconds after which a statement is stopped.
            max_rows: Rows that are read of a result, on both sides.

        Raises:
            DatabaseError: The server cannot be reached.
        """
        self.server = server
        self._copy_url = copy_url
        self._timeout_s = timeout_s
        self._there = open_executor(server.url, server.schema, timeout_s=timeout_s, max_rows=max_rows)
        self._long: dict[str, Executor] = {}

    def close(self) -> None:
        """Close the databases; calling it twice is harmless."""
        for executor in (self._there, *self._long.values()):
            executor.close()

    def carry(self, sql: str, here: Execution) -> Carried | str:
        """Carry a statement over.

        Args:
            sql: It ran on the copy.
            here: What it gave there.

        Raises:
            DatabaseError: The server no longer answers.
        """
        server = self.server
        try:
            spellings = spell_for_people(translate(sql, server.copy_schema, server.schema), server.schema.dialect)
        except (DataError, SqlglotError):
            return "it cannot be translated"
        exact: Carried | str = ""
        source = (self._copy_url, sql, here)
        if not server.is_complete:
            # The copy cannot tell: the exact translation is believed, and the plain one held against that.
            exact = self._run(spellings.exact)
            if isinstance(exact, str):
                return exact
            source = (server.url, *exact)
        reason = ""
        for text in dict.fromkeys(spellings):
            found = exact if isinstance(exact, Carried) and text == exact.sql else self._run(text)
            if isinstance(found, Carried) and (
                self._is_same(*source, found) or _is_sorted_by_text(source[2], found, spellings.exact)
            ):
                return found
            reason = found if isinstance(found, str) else DISAGREES
        return reason

    def refuse(self, sql: str) -> Rejection | None:
        """Have wrong SQL refused, by the guard or the server; None when nobody does."""
        try:
            verdict = self._there.run(sql)
        except DatabaseError:
            return None
        return verdict if isinstance(verdict, Rejection) else None

    def _run(self, sql: str) -> Carried | str:
        try:
            found = self._there.run(sql)
        except DatabaseError:
            self._there.run("SELECT 1")  # the statement is to blame only while the server still answers
            return "too slow or too large on the server"
        if isinstance(found, Rejection):
            return f"the translation fails: {found.stage}: {found.rule}"
        return Carried(sql, found)

    def _is_same(self, url: str, sql: str, first: Execution, carried: Carried) -> bool:
        """Tell whether a statement and its translation give the same."""
        other = carried.execution
        if first.result.is_truncated or other.result.is_truncated:
            return self._is_same_in_full(url, sql, carried.sql)
        if same_result(first.result, other.result, first.is_ordered).is_correct:
            return True
        if first.is_ordered and same_result(first.result, other.result, False).is_correct:
            groups = self._read_ties(url, sql, first)
            if groups and same_result(first.result, other.result, True, tie_groups=groups).is_correct:
                return True
        if _LIMIT.search(sql) and _LIMIT.search(carried.sql):
            return self._is_same_in_full(url, _LIMIT.sub("", sql), _LIMIT.sub("", carried.sql))
        return False

    def _is_same_in_full(self, url: str, sql: str, carried_sql: str) -> bool:
        """Run both once more, for all their rows."""
        first, other = self._run_long(url, sql), self._run_long(self.server.url, carried_sql)
        if first is None or other is None:
            return False
        if first.result.is_truncated or other.result.is_truncated:
            return first.result.is_truncated == other.result.is_truncated
        return self._is_same(url, _LIMIT.sub("", sql), first, Carried(_LIMIT.sub("", carried_sql), other))

    def _read_ties(self, url: str, sql: str, execution: Execution) -> tuple[int, ...]:
        """Number the rows of an ordered result by what they are sorted by; none where that cannot be told."""
        keys = expose_sort_keys(sql, self._open_long(url).schema.dialect)
        found = self._run_long(url, keys.sql) if keys else None
        if keys is None or found is None or len(found.result.rows) != len(execution.result.rows):
            return ()
        return tie_groups(found.result.rows, keys.positions)

    def _run_long(self, url: str, sql: str) -> Execution | None:
        try:
            found = self._open_long(url).run(sql)
        except DatabaseError:
            return None
        return None if isinstance(found, Rejection) else found

    def _open_long(self, url: str) -> Executor:
        if url not in self._long:
            schema = self.server.schema
            self._long[url] = open_executor(url, schema, timeout_s=self._timeout_s, max_rows=MAX_COMPARED_ROWS)
        return self._long[url]


def _is_sorted_by_text(first: Execution, carried: Carried, exact: str) -> bool:
    """Tell whether a translation gives the same rows, in the server's own order of texts."""
    is_by_text = first.is_ordered and not first.result.is_truncated and _TEXT_ORDER.search(exact)
    return bool(is_by_text) and same_result(first.result, carried.execution.result, False).is_correct


def carry_mistake(right: str, wrong: str, carried: str, server: Server) -> str | None:
    """Make the mistake of a wrong statement in the translation of the right one: other names in the same places.

    Args:
        right: A statement in the copy's dialect.
        wrong: The same with some words replaced.
        carried: The translation of `right`.
        server: Where it was carried.

    Returns:
        The translation with the same words replaced; None when they differ in more, or the words are not in it.
    """
    before, after = read_tokens(right, "sqlite"), read_tokens(wrong, "sqlite")
    if len(before) != len(after):
        return None
    replaced = {old.text.casefold(): new.text for old, new in zip(before, after, strict=True) if old.text != new.text}
    parts, at, changes = [], 0, 0
    for token in read_tokens(carried, server.schema.dialect):
        new = replaced.get(token.text.casefold())
        is_text = carried[token.start] == "'"
        if new is not None and not is_text:
            opening, closing = carried[token.start], carried[token.end]
            quotes = (opening, closing) if opening in '"`' else ("", "")
            parts.append(f"{carried[at : token.start]}{quotes[0]}{new}{quotes[1]}")
            at, changes = token.end + 1, changes + 1
    return "".join([*parts, carried[at:]]) if changes else None
