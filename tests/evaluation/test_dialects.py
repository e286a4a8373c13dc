"""Gold SQL carried into other dialects, executed on both: the results have to be the same."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, create_engine

from assistant.database import Database, connect
from assistant.errors import DatabaseError, DataError
from assistant.guard import check
from assistant.types import Completion, QueryResult, Rejection, SchemaContext, SqlDraft
from evaluation.compare import same_result
from evaluation.dialects import translate
from evaluation.examples import list_asks, read_examples

DATA = Path(__file__).parent / "data" / "dialects"
QUESTIONS = Path(__file__).resolve().parents[2] / "scripts" / "demo" / "questions.jsonl"
MAX_ROWS = 20_000
TIED = {"demo-137"}
"""Gold whose LIMIT cuts between rows that tie: no result is the only right one."""


class Case(NamedTuple):
    """One statement of a case file."""

    title: str
    note: str
    sql: str

    @property
    def is_ordered(self) -> bool:
        return self.note == "ordered"


def _read_cases(name: str) -> list[Case]:
    blocks = (DATA / f"{name}.sql").read_text(encoding="utf-8").strip().split("\n\n")
    found = []
    for block in blocks:
        title, _, sql = block.partition("\n")
        parts = re.fullmatch(r"-- (.*?)(?: \((\w+)\))?", title)
        assert parts is not None
        found.append(Case(parts[1], parts[2] or "", sql))
    return found


SQLITE, POSTGRES, MYSQL, REFUSED = (_read_cases(name) for name in ("sqlite", "postgres", "mysql", "refused"))


# -- the small database, three times -----------------------------------------------------------------------------------


def _statements(dialect: str) -> list[str]:
    text = re.sub(r"^--.*\n", "", (DATA / "schema.sql").read_text(encoding="utf-8"), flags=re.MULTILINE)
    if dialect == "postgres":
        text = text.replace("DATETIME", "TIMESTAMP")
    if dialect == "mysql":
        # Case and accents are ignored unless a query asks otherwise, whatever the server's own default.
        text = text.replace('"', "`").replace(");\n", ") CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;\n")
        text = re.sub(r"(REFERENCES \w+ \(id\)\n\))(?= CHAR)", r"\1", text)
        text = text.replace("    rank INTEGER", "    `rank` INTEGER")
    return [part.strip() for part in text.split(";\n") if part.strip()]


def _rows() -> dict[str, list[list[object]]]:
    found: dict[str, list[list[object]]] = json.loads((DATA / "rows.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def tricky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The small database as a SQLite file."""
    path = tmp_path_factory.mktemp("tricky") / "tricky.sqlite"
    raw = sqlite3.connect(path)
    for statement in _statements("sqlite"):
        raw.execute(statement)
    for name, rows in _rows().items():
        raw.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(rows[0]))})', rows)
    raw.commit()
    raw.close()
    database = connect(str(path))
    yield database
    database.close()


@pytest.fixture(scope="module")
def tricky_postgres(postgres_url: str) -> Iterator[Database]:
    """The same in PostgreSQL."""
    yield from _on_server(postgres_url, postgres_url.replace("://", "+psycopg://"), "postgres")


@pytest.fixture(scope="module")
def tricky_mysql(mysql_url: str) -> Iterator[Database]:
    """The same in MariaDB."""
    yield from _on_server(mysql_url, mysql_url.replace("://", "+pymysql://"), "mysql")


def _on_server(url: str, engine_url: str, dialect: str) -> Iterator[Database]:
    engine = create_engine(engine_url)
    quote = '"' if dialect == "postgres" else "`"
    try:
        _load(engine, dialect, quote)
        database = connect(url)
        yield database
        database.close()
    finally:
        # The server is shared with other tests, which expect nothing but the shop.
        with engine.begin() as target:
            for name in reversed(_rows()):
                target.exec_driver_sql(f"DROP TABLE IF EXISTS {quote}{name}{quote}")
        engine.dispose()


def _load(engine: Engine, dialect: str, quote: str) -> None:
    with engine.begin() as target:
        for statement in _statements(dialect):
            target.exec_driver_sql(statement)
        for name, rows in _rows().items():
            places = ", ".join(["%s"] * len(rows[0]))
            for row in rows:
                target.exec_driver_sql(f"INSERT INTO {quote}{name}{quote} VALUES ({places})", tuple(row))


# -- running -----------------------------------------------------------------------------------------------------------


def _run(database: Database, sql: str) -> QueryResult:
    schema = database.schema()
    context = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)
    draft = SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model=""))
    query = check(draft, context, max_rows=MAX_ROWS)
    assert not isinstance(query, Rejection), f"{query.rule}: {query.message}\n{sql}"
    try:
        result = database.run(query, timeout_s=30)
    except DatabaseError as error:
        raise AssertionError(f"{error.message}\n{sql}") from error
    assert not isinstance(result, Rejection), f"{result.message}\n{sql}"
    return result


@cache
def _run_gold(database: Database, sql: str) -> QueryResult:
    return _run(database, sql)


def _assert_same(source: Database, target: Database, sql: str, *, is_ordered: bool) -> None:
    expected = _run_gold(source, sql)
    carried = translate(sql, source.schema(), target.schema())
    found = _run(target, carried)
    verdict = same_result(expected, found, is_ordered=is_ordered)
    assert verdict.is_correct, f"{verdict.reason}\n{sql}\n{carried}\n{expected.rows[:20]}\n{found.rows[:20]}"


def _named(cases: list[Case], *, without: str | None = None) -> list[object]:
    return [pytest.param(case, id=case.title) for case in cases if case.note != without]


def test_there_are_enough_cases() -> None:
    assert len(SQLITE) >= 150
    assert len(POSTGRES) >= 30
    assert len(MYSQL) >= 20
    assert len(REFUSED) >= 15


@pytest.mark.postgres
@pytest.mark.parametrize("case", _named(SQLITE))
def test_sqlite_gives_the_same_on_postgres(case: Case, tricky: Database, tricky_postgres: Database) -> None:
    _assert_same(tricky, tricky_postgres, case.sql, is_ordered=case.is_ordered)


@pytest.mark.mysql
@pytest.mark.parametrize("case", _named(SQLITE, without="postgres"))
def test_sqlite_gives_the_same_on_mysql(case: Case, tricky: Database, tricky_mysql: Database) -> None:
    _assert_same(tricky, tricky_mysql, case.sql, is_ordered=case.is_ordered)


@pytest.mark.postgres
@pytest.mark.parametrize("case", _named(POSTGRES))
def test_postgres_gives_the_same_on_sqlite(case: Case, tricky: Database, tricky_postgres: Database) -> None:
    _assert_same(tricky_postgres, tricky, case.sql, is_ordered=case.is_ordered)


@pytest.mark.postgres
@pytest.mark.mysql
@pytest.mark.parametrize("case", _named(POSTGRES))
def test_postgres_gives_the_same_on_mysql(case: Case, tricky_postgres: Database, tricky_mysql: Database) -> None:
    _assert_same(tricky_postgres, tricky_mysql, case.sql, is_ordered=case.is_ordered)


@pytest.mark.mysql
@pytest.mark.parametrize("case", _named(MYSQL))
def test_mysql_gives_the_same_on_sqlite(case: Case, tricky: Database, tricky_mysql: Database) -> None:
    _assert_same(tricky_mysql, tricky, case.sql, is_ordered=case.is_ordered)


@pytest.mark.postgres
@pytest.mark.mysql
@pytest.mark.parametrize("case", _named(MYSQL))
def test_mysql_gives_the_same_on_postgres(case: Case, tricky_postgres: Database, tricky_mysql: Database) -> None:
    _assert_same(tricky_mysql, tricky_postgres, case.sql, is_ordered=case.is_ordered)


# -- the demo database -------------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_all_gold_sql_of_the_demo_gives_the_same_on_postgres(shop_db: Database, postgres_url: str) -> None:
    _assert_demo_is_carried(shop_db, postgres_url)


@pytest.mark.mysql
def test_all_gold_sql_of_the_demo_gives_the_same_on_mysql(shop_db: Database, mysql_url: str) -> None:
    _assert_demo_is_carried(shop_db, mysql_url)


def _assert_demo_is_carried(shop_db: Database, url: str) -> None:
    target = connect(url)
    asks = [ask for example in read_examples(QUESTIONS) for ask in list_asks(example)]
    gold = [(ask.gold_sql, ask.is_ordered) for ask in asks if ask.gold_sql and ask.example.id not in TIED]
    assert len(gold) == 141
    try:
        for sql, is_ordered in gold:
            _assert_same(shop_db, target, sql, is_ordered=is_ordered)
    finally:
        target.close()


# -- what cannot be carried --------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.mysql
@pytest.mark.parametrize("case", _named(REFUSED))
def test_what_has_no_counterpart_is_named(
    case: Case, tricky: Database, tricky_postgres: Database, tricky_mysql: Database
) -> None:
    databases = {"sqlite": tricky, "postgres": tricky_postgres, "mysql": tricky_mysql}
    way, _, expected = case.title.partition(": ")
    source, target = (databases[name].schema() for name in way.split())
    with pytest.raises(DataError, match=re.escape(expected)):
        translate(case.sql, source, target)
