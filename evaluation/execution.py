"""The road that all judged SQL takes, gold and predicted alike: the guard, then the database, read-only and limited.

In: SQL text. Out: its Execution or a Rejection. Results may be kept for the next run. Compares nothing.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from assistant.database import connect
from assistant.drivers.engines import parse_url
from assistant.guard import check
from assistant.types import Completion, DatabaseSchema, Rejection, SchemaContext, SqlDraft
from evaluation.cache import Execution, ResultCache, fingerprint_content, is_volatile


class Executor:
    """One open database."""

    def __init__(self, url: str, *, timeout_s: float, max_rows: int, cache: ResultCache | None = None) -> None:
        """Open the database.

        Args:
            url: Its address.
            timeout_s: Seconds after which a query is stopped.
            max_rows: Rows that a result may have.
            cache: Where results are kept; the caller closes it.

        Raises:
            UsageError: The address cannot be used.
            DatabaseError: The database cannot be opened or read.
        """
        self._database = connect(url)
        try:
            self.schema: DatabaseSchema = self._database.schema()
        except BaseException:
            self._database.close()
            raise
        self._timeout_s = timeout_s
        self._max_rows = max_rows
        # The whole schema: which tables a draft was allowed to see is the assistant's business.
        self._context = SchemaContext(db_id=self.schema.db_id, dialect=self.schema.dialect, tables=self.schema.tables)
        self._cache = cache
        self._content = ""
        if cache is not None and self.schema.dialect == "sqlite":
            self._content = fingerprint_content(Path(parse_url(url)[0].database or ""))

    def close(self) -> None:
        """Close the database; calling it twice is harmless."""
        self._database.close()

    def run(self, sql: str) -> Execution | Rejection:
        """Run SQL as a draft is run, or give what it gave on the same content before.

        Raises:
            DatabaseError: It ran past its time, or the database failed.
        """
        if self._cache is None or not self._content or is_volatile(sql):
            return self._run(sql)
        kept = self._cache.get(self._content, sql, self._max_rows)
        if kept is not None:
            return kept
        execution = self._run(sql)
        if not isinstance(execution, Rejection):
            self._cache.put(self._content, sql, self._max_rows, execution)
        return execution

    def _run(self, sql: str) -> Execution | Rejection:
        draft = SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model=""))
        query = check(draft, self._context, max_rows=self._max_rows)
        if isinstance(query, Rejection):
            return query
        result = self._database.run(query, timeout_s=self._timeout_s)
        return result if isinstance(result, Rejection) else Execution(result, query.is_ordered)


def read_schema(url: str) -> DatabaseSchema:
    """Read the schema of a database.

    Raises:
        UsageError: The address cannot be used.
        DatabaseError: The database cannot be opened or read.
    """
    with closing(connect(url)) as database:
        return database.schema()
