"""The one door to a database: connect read-only, introspect, run a GuardedQuery.

In: an address, and queries that passed the guard. Out: a DatabaseSchema, a QueryResult, or a Rejection that the model
can act on. Safe to use from several threads: every run has a connection of its own.

Covers: writes (each database is told to refuse them, whatever the query says), time, number of rows.
Does not cover: what a query means, or whether it should be asked; that is the guard's.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import tomllib
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import ColumnClause, Engine, column, select, table
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from assistant.drivers.cells import normalise_cell, normalise_rows
from assistant.drivers.engines import open_engine, parse_url, reading
from assistant.drivers.failures import missing_column, query_failed, reached_time_limit
from assistant.drivers.introspection import fingerprint, read_tables
from assistant.drivers.stopping import stopping
from assistant.drivers.streaming import RowBatch, stream_rows
from assistant.errors import DatabaseError, UsageError
from assistant.masking import check_patterns, mask_rows, mask_tables, read_patterns, unused_patterns, without_quotes
from assistant.settings import Settings
from assistant.types import (
    DatabaseSchema,
    Dialect,
    GlossaryEntry,
    GuardedQuery,
    QueryResult,
    Rejection,
    ResultColumn,
    Table,
)

VALUES_TIMEOUT_S = 5.0
_TERM_HINT = "Each entry is [[term]] with term, meaning and, if wanted, synonyms (a list) and sql."
_DESCRIPTION = ("table", "column", "text")
_DESCRIPTION_HINT = "Each entry is [[description]] with table, text and, for one of its columns, column."
_MASKED_HINT = 'Write it above the first [[term]], such as masked = ["customer.email", "*.phone"].'


def connect_as_set(settings: Settings) -> Database:
    """Open the database that the settings name, with the columns masked that they name; see `connect`."""
    return connect(
        settings.database_url,
        glossary_path=settings.glossary_path,
        masked=read_patterns(settings.masked_columns),
        withholds_values=not settings.send_values,
    )


def connect(
    url: str, *, glossary_path: Path | None = None, masked: Sequence[str] = (), withholds_values: bool = False
) -> Database:
    """Open a database for reading and prove that it answers.

    Args:
        url: SQLAlchemy URL of a SQLite, PostgreSQL, MySQL or MariaDB database, or the path of a SQLite file.
        glossary_path: TOML file of domain terms and masked columns; by default `<name>.glossary.toml` beside a SQLite
            file, if any.
        masked: Patterns of the columns that nobody may see, beside those of the glossary file.
        withholds_values: Whether the database's own words are left out of rejections where they may quote a value.

    Raises:
        UsageError: The address, the glossary or a pattern cannot be used.
        DatabaseError: The database is missing, is no database, or cannot be reached or entered.
    """
    parsed, dialect = parse_url(url)
    name = parsed.database or ""
    if glossary_path is None and dialect == "sqlite":
        beside = Path(name).with_suffix(".glossary.toml")
        glossary_path = beside if beside.is_file() else None
    glossary = load_glossary(glossary_path) if glossary_path else ()
    descriptions = load_descriptions(glossary_path) if glossary_path else {}
    patterns = (*check_patterns(masked), *(load_masked(glossary_path) if glossary_path else ()))
    engine = open_engine(parsed, dialect)
    return Database(
        engine,
        db_id=Path(name).stem if dialect == "sqlite" else name,
        dialect=dialect,
        glossary=glossary,
        descriptions=descriptions,
        masked=patterns,
        withholds_values=withholds_values,
    )


class Database:
    """An open database that can only be read."""

    def __init__(
        self,
        engine: Engine,
        *,
        db_id: str,
        dialect: Dialect,
        glossary: tuple[GlossaryEntry, ...] = (),
        descriptions: Mapping[tuple[str, str], str] | None = None,
        masked: tuple[str, ...] = (),
        withholds_values: bool = False,
    ) -> None:
        self.db_id = db_id
        self.dialect: Dialect = dialect
        self._engine = engine
        self._glossary = glossary
        self._descriptions = descriptions or {}
        self._masked = masked
        self._withholds_values = withholds_values
        self._schema: DatabaseSchema | None = None
        self._schema_lock = threading.Lock()

    def schema(self, refresh: bool = False) -> DatabaseSchema:
        """Read the schema; the first time, or again with `refresh`.

        Raises:
            DatabaseError: The database failed, or has no tables.
        """
        with self._schema_lock:
            if self._schema is None or refresh:
                try:
                    tables = read_tables(self._engine, self.dialect)
                    tables = mask_tables(describe_tables(tables, self._descriptions), self._masked)
                except SQLAlchemyError as error:
                    raise self._failed("read the schema", error) from error
                if not tables:
                    raise DatabaseError(
                        f"Database '{self.db_id}' has no tables that can be read.",
                        "Check the database URL and the user's rights.",
                    )
                self._schema = DatabaseSchema(
                    db_id=self.db_id,
                    dialect=self.dialect,
                    tables=tables,
                    fingerprint=fingerprint(tables),
                    glossary=self._glossary,
                )
            return self._schema

    def run(
        self, query: GuardedQuery, *, timeout_s: float, stopped: threading.Event | None = None
    ) -> QueryResult | Rejection:
        """Run a query in a read-only transaction that is rolled back.

        Args:
            query: What the guard let through; one row more than its `max_rows` is fetched to know that it was cut.
            timeout_s: Seconds after which the database stops it.
            stopped: Set it, in another thread, to have the database stop it at once.

        Raises:
            DatabaseError: The time limit was reached, it was stopped, or the database failed.
        """
        started = time.perf_counter()
        try:
            with (
                reading(self._engine, self.dialect, timeout_s) as connection,
                stopping(connection, self.dialect, stopped),
            ):
                # Sent as it stands: a % is a % and a colon a colon.
                options = {"no_parameters": True, "sqlite_raw_colnames": True}
                result = connection.execution_options(**options).exec_driver_sql(query.sql)
                if not result.returns_rows:
                    return Rejection(
                        stage="database",
                        rule="no-rows",
                        message="The statement returns no rows.",
                        hint="Write one SELECT.",
                    )
                names = list(result.keys())
                raw = [tuple(row) for row in result.fetchmany(query.max_rows + 1)]
        except (SQLAlchemyError, sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            rejection = query_failed(error, self.dialect, db_id=self.db_id, timeout_s=timeout_s)
            rejection = without_quotes(rejection) if self._withholds_values else rejection
            return self._with_close_names(rejection, query)
        elapsed_ms = (time.perf_counter() - started) * 1000
        if self._masked and query.width != len(names):
            # The guard has read another `*` than the database: it cannot be known which cells are to be covered.
            return Rejection(
                stage="database",
                rule="masked-column",
                message=f"The query has {len(names)} columns, of which some may be masked.",
                hint="Name the columns instead of *.",
            )
        rows, kinds = normalise_rows(raw[: query.max_rows], len(names))
        return QueryResult(
            columns=tuple(
                ResultColumn(name=name, kind="text" if place in query.masked else kind)
                for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
            ),
            rows=mask_rows(rows, query.masked),
            is_truncated=len(raw) > query.max_rows,
            elapsed_ms=elapsed_ms,
        )

    def stream(self, query: GuardedQuery, *, timeout_s: float) -> Generator[RowBatch, None, None]:
        """Run a query as `run` does, and give its rows in batches; at least one, which may be empty.

        Close the generator in the thread that began it: the transaction ends with it.

        Raises:
            DatabaseError: While iterating: the time limit was reached, or the database failed or refused the query.
        """
        batches = stream_rows(self._engine, self.dialect, query.sql, max_rows=query.max_rows, timeout_s=timeout_s)
        try:
            for batch in batches:
                if self._masked and query.width != len(batch.names):
                    raise DatabaseError(
                        f"The query has {len(batch.names)} columns, of which some may be masked.",
                        "Name the columns instead of *.",
                    )
                kinds = tuple("text" if at in query.masked else kind for at, kind in enumerate(batch.kinds))
                yield replace(batch, kinds=kinds, rows=mask_rows(batch.rows, query.masked))
        except (SQLAlchemyError, sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            rejection = query_failed(error, self.dialect, db_id=self.db_id, timeout_s=timeout_s)
            rejection = without_quotes(rejection) if self._withholds_values else rejection
            raise DatabaseError(rejection.message, rejection.hint) from error
        finally:
            batches.close()

    def distinct_values(self, table_name: str, column_name: str, *, limit: int) -> tuple[str, ...] | None:
        """List the different values of a column as text, sorted; None when there are more than `limit`.

        None too when it is masked, or cannot be listed within `VALUES_TIMEOUT_S`.

        Raises:
            DatabaseError: There is no such column, or the database failed.
        """
        if self.is_masked(table_name, column_name):
            return None
        wanted: ColumnClause[object] = column(column_name)
        statement = select(wanted).distinct().select_from(table(table_name, wanted)).where(wanted.is_not(None))
        try:
            with reading(self._engine, self.dialect, VALUES_TIMEOUT_S) as connection:
                rows = connection.execute(statement.limit(limit + 1)).all()
        except SQLAlchemyError as error:
            if reached_time_limit(error, self.dialect):
                return None
            raise self._failed(f"list the values of {table_name}.{column_name}", error) from error
        return None if len(rows) > limit else tuple(sorted(str(normalise_cell(row[0])) for row in rows))

    def is_masked(self, table_name: str, column_name: str) -> bool:
        """Say whether nobody may see the values of a column."""
        return bool(self._masked) and any(
            part.is_masked
            for found in self.schema().tables
            if found.name.lower() == table_name.lower()
            for part in found.columns
            if part.name.lower() == column_name.lower()
        )

    def warnings(self) -> tuple[str, ...]:
        """Say which patterns of masked columns name none, so that something may be seen that should not."""
        unused = unused_patterns(self.schema(), self._masked)
        return tuple(f"No column of '{self.db_id}' is masked by '{pattern}'." for pattern in unused)

    def close(self) -> None:
        """Give back what the database holds open; calling it twice is harmless."""
        self._engine.dispose()

    def _failed(self, doing: str, error: SQLAlchemyError) -> DatabaseError:
        cause = error.orig if isinstance(error, DBAPIError) else error
        return DatabaseError(
            f"Cannot {doing} in database '{self.db_id}': {str(cause).splitlines()[0].rstrip('.')}.",
            "Check that the database is whole and reachable, and that the user may read it.",
        )

    def _with_close_names(self, rejection: Rejection, query: GuardedQuery) -> Rejection:
        missing = missing_column(rejection).rpartition(".")[2]
        if not missing or rejection.hint:
            return rejection
        names = {
            part.name: f"{found.name}.{part.name}"
            for found in self.schema().tables
            if not query.tables or found.name in query.tables
            for part in found.columns
        }
        close = get_close_matches(missing, names, n=3)
        return (
            rejection.model_copy(update={"hint": f"Did you mean {', '.join(names[name] for name in close)}?"})
            if close
            else rejection
        )


def load_masked(path: Path) -> tuple[str, ...]:
    """Read the patterns of masked columns from a glossary: `masked = ["customer.email", "*.phone"]` at its top.

    Raises:
        UsageError: It cannot be read, or what stands there is no list of patterns.
    """
    patterns = _read_glossary(path).get("masked", [])
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise UsageError(f"'masked' in the glossary '{path}' is no list of texts.", _MASKED_HINT)
    return check_patterns(patterns)


def load_glossary(path: Path) -> tuple[GlossaryEntry, ...]:
    """Read a TOML file of `[[term]]` entries with term, synonyms, meaning and sql; `masked` is for `load_masked`.

    Raises:
        UsageError: It cannot be read, is no TOML, or an entry does not fit; with the path and the reason.
    """
    hint = _TERM_HINT
    content = _read_glossary(path)
    entries = content.pop("term", [])
    content.pop("masked", None)
    content.pop("description", None)
    if content or not isinstance(entries, list):
        raise UsageError(f"Cannot use the glossary '{path}': it may hold nothing but [[term]] entries.", hint)
    found = []
    for number, entry in enumerate(entries, start=1):
        try:
            found.append(GlossaryEntry.model_validate(entry))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "entry"
            raise UsageError(
                f"Cannot use term {number} of the glossary '{path}': {field}: {first['msg']}.", hint
            ) from error
    return tuple(found)


def load_descriptions(path: Path) -> dict[tuple[str, str], str]:
    """Read what people wrote about tables and columns: `[[description]]` entries with table, column and text.

    Returns:
        Table and column, in lower case, the column empty for the table itself -> text.

    Raises:
        UsageError: It cannot be read, or an entry does not fit.
    """
    entries = _read_glossary(path).get("description", [])
    found: dict[tuple[str, str], str] = {}
    for entry in entries if isinstance(entries, list) else [None]:
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name, ""), str) for name in _DESCRIPTION):
            raise UsageError(f"Cannot use a [[description]] of the glossary '{path}'.", _DESCRIPTION_HINT)
        if not entry.get("table") or not entry.get("text") or set(entry) - set(_DESCRIPTION):
            raise UsageError(f"Cannot use a [[description]] of the glossary '{path}'.", _DESCRIPTION_HINT)
        found[entry["table"].lower(), entry.get("column", "").lower()] = entry["text"]
    return found


def describe_tables(tables: Iterable[Table], descriptions: Mapping[tuple[str, str], str]) -> tuple[Table, ...]:
    """Put what people wrote about tables and columns in place of the database's own comments."""
    if not descriptions:
        return tuple(tables)
    return tuple(
        table.model_copy(
            update={
                "comment": descriptions.get((table.name.lower(), ""), table.comment),
                "columns": tuple(
                    part.model_copy(update={"comment": text})
                    if (text := descriptions.get((table.name.lower(), part.name.lower())))
                    else part
                    for part in table.columns
                ),
            }
        )
        for table in tables
    )


def _read_glossary(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"Cannot read the glossary '{path}': {error}.", _TERM_HINT) from error
