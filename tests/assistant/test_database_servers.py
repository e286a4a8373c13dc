"""What SQLite does, real PostgreSQL and MariaDB servers do as well."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from assistant.database import Database, connect
from assistant.errors import DatabaseError
from assistant.types import GuardedQuery, QueryResult, Rejection, Table

POSTGRES = pytest.param("postgres_url", marks=pytest.mark.postgres)
MYSQL = pytest.param("mysql_url", marks=pytest.mark.mysql)


@pytest.fixture(params=[POSTGRES, MYSQL])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = connect(url)
    yield opened
    opened.close()


def forge(database: Database, sql: str, max_rows: int = 100) -> GuardedQuery:
    """A query that no guard has seen: what the connection has to stand on its own."""
    return GuardedQuery(sql=sql, dialect=database.dialect, tables=(), is_ordered=False, max_rows=max_rows)


def rows_of(database: Database, sql: str, max_rows: int = 100) -> QueryResult:
    result = database.run(forge(database, sql, max_rows), timeout_s=10)
    assert isinstance(result, QueryResult), result
    return result


def refusal_of(database: Database, sql: str) -> Rejection:
    result = database.run(forge(database, sql), timeout_s=10)
    assert isinstance(result, Rejection), result
    return result


def facts(table: Table) -> object:
    columns = [(c.name, c.kind, c.is_nullable, c.comment, c.samples) for c in table.columns]
    return table.name, columns, table.primary_key, table.foreign_keys


def test_a_server_has_the_same_schema_as_the_file(database: Database, shop_db: Database) -> None:
    found = database.schema()
    assert (found.db_id, len(found.tables)) == ("shop", 10)
    assert [facts(table) for table in found.tables] == [facts(table) for table in shop_db.schema().tables]
    assert all(table.row_estimate for table in found.tables)
    assert database.schema(refresh=True).fingerprint == found.fingerprint


def test_a_server_returns_the_same_cells_as_the_file(database: Database, shop_db: Database) -> None:
    sql = (
        "SELECT o.order_key, o.order_date, p.product_name, l.quantity, l.unit_price, p.launched_date, o.shipped_date"
        " FROM sales_order o JOIN order_line l ON l.order_key = o.order_key"
        " JOIN product p ON p.product_key = l.product_key"
        " WHERE p.product_name LIKE '%Set%' AND l.quantity % 2 = 1 ORDER BY o.order_key, l.order_line_key LIMIT 40"
    )
    found, expected = rows_of(database, sql), rows_of(shop_db, sql)
    assert found.rows == expected.rows
    assert len(found.rows) == 40
    assert found.columns == expected.columns


def test_rows_beyond_the_limit_are_cut_and_said_to_be(database: Database) -> None:
    result = rows_of(database, "SELECT * FROM customer", max_rows=10)
    assert (len(result.rows), result.is_truncated) == (10, True)


def test_distinct_values_are_listed_when_they_are_few(database: Database) -> None:
    assert database.distinct_values("sales_order", "channel", limit=4) == ("app", "phone", "store", "web")
    assert database.distinct_values("sales_order", "channel", limit=3) is None


@pytest.mark.parametrize(
    ("sql", "rule", "named"),
    [
        ("SELECT salery FROM employee", "unknown-column", "salery"),
        ("SELECT e.salery FROM employee e", "unknown-column", "salery"),
        ("SELECT * FROM orders", "unknown-table", "orders"),
        ("SELECT no_such_function(1)", "unknown-function", "no_such_function"),
        ("SELEC 1", "syntax", "SELEC"),
        ("SELECT full_name FROM employee, customer", "ambiguous-column", "full_name"),
        ("SELECT (SELECT full_name FROM employee)", "query-error", "row"),
        ("SELECT 1; SELECT 2", "syntax", ""),
    ],
)
def test_what_the_model_can_mend_is_a_rejection(database: Database, sql: str, rule: str, named: str) -> None:
    rejection = refusal_of(database, sql)
    assert (rejection.stage, rejection.rule) == ("database", rule)
    assert named in rejection.message


def test_an_unknown_column_comes_with_a_hint(database: Database) -> None:
    assert "salary" in refusal_of(database, "SELECT salery FROM employee").hint


@pytest.mark.postgres
def test_postgres_calls_wrong_types_and_values_rejections(postgres_url: str) -> None:
    database = connect(postgres_url)
    assert refusal_of(database, "SELECT 1 / 0").rule == "bad-value"
    assert refusal_of(database, "SELECT full_name FROM customer WHERE dateofbirth = 'soon'").rule == "bad-value"
    assert refusal_of(database, "SELECT full_name, count(*) FROM customer").rule == "misused-aggregate"
    assert refusal_of(database, "SELECT 1 WHERE is_active = 1 FROM product").rule == "syntax"


SLOW = "SELECT count(*) FROM order_line a, order_line b, order_line c WHERE a.quantity + b.quantity > c.quantity"


def test_a_query_that_takes_too_long_is_stopped_at_its_limit(database: Database) -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseError, match=r"0\.5 s") as caught:
        database.run(forge(database, SLOW), timeout_s=0.5)
    assert time.monotonic() - started < 1.5
    assert "QUERYFORGE_QUERY_TIMEOUT_S" in caught.value.hint
    assert rows_of(database, "SELECT count(*) FROM customer").rows == ((800,),)


@pytest.mark.postgres
def test_postgres_stops_an_endless_recursion(postgres_url: str) -> None:
    database = connect(postgres_url)
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT count(*) FROM n"
    started = time.monotonic()
    with pytest.raises(DatabaseError, match=r"0\.5 s"):
        database.run(forge(database, sql), timeout_s=0.5)
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO category VALUES (99, 'x')",
        "UPDATE category SET category_name = 'x'",
        "DELETE FROM category",
        "CREATE TABLE x (a INT)",
        "CREATE VIEW x AS SELECT 1",
        "DROP TABLE support_ticket",
        "ALTER TABLE category ADD COLUMN x INT",
        "TRUNCATE TABLE support_ticket",
    ],
)
def test_the_connection_itself_refuses_to_write(database: Database, url: str, sql: str) -> None:
    before = state(url)
    assert refusal_of(database, sql).rule == "read-only"
    assert state(url) == before


@pytest.mark.postgres
@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT; DELETE FROM support_ticket; COMMIT",
        "SET TRANSACTION READ WRITE; DELETE FROM support_ticket; COMMIT",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT set_config('transaction_read_only', 'off', false) FROM category",
        "WITH gone AS (DELETE FROM support_ticket RETURNING *) SELECT count(*) FROM gone",
        "SELECT full_name INTO x FROM customer",
        "COPY customer TO PROGRAM 'cat'",
        "SELECT setval('s', 1) FROM (SELECT 1) t",
    ],
)
def test_postgres_cannot_be_talked_out_of_reading(postgres_url: str, sql: str) -> None:
    before = state(postgres_url)
    refusal_of(connect(postgres_url), sql)
    assert state(postgres_url) == before


@pytest.mark.mysql
@pytest.mark.parametrize(
    "sql",
    [
        "SET SESSION TRANSACTION READ WRITE",
        "SET autocommit = 1",
        "COMMIT",
        "START TRANSACTION READ WRITE",
        "COMMIT; DELETE FROM support_ticket",
        "REPLACE INTO category VALUES (1, 'x')",
        "CREATE TABLE x AS SELECT * FROM customer",
        "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE category",
    ],
)
def test_mysql_cannot_be_talked_out_of_reading(mysql_url: str, sql: str) -> None:
    database, before = connect(mysql_url), state(mysql_url)
    refusal_of(database, sql)
    assert refusal_of(database, "DELETE FROM support_ticket").rule == "read-only"
    assert state(mysql_url) == before


@pytest.mark.parametrize(
    ("changed", "hint"),
    [({"password": "wr0ng-word"}, "user and password"), ({"database": "elsewhere"}, "name of the database")],
)
def test_a_wrong_password_or_database_is_one_clear_error(url: str, changed: dict[str, str], hint: str) -> None:
    wrong = make_url(url).set(**changed)  # type: ignore[arg-type]
    with pytest.raises(DatabaseError, match="Cannot open") as caught:
        connect(wrong.render_as_string(hide_password=False))
    if "database" in changed and wrong.drivername == "mysql":
        hint = "user and password"  # MariaDB does not tell a user which databases there are
    assert hint in caught.value.hint
    assert "wr0ng-word" not in str(caught.value)
    assert str(make_url(url).password) not in str(caught.value)
    assert "\n" not in caught.value.message


@pytest.mark.postgres
def test_a_connection_that_is_cut_is_an_error_and_the_next_query_works(postgres_url: str) -> None:
    database = connect(postgres_url)
    cutter = threading.Timer(0.7, end_other_sessions, args=(postgres_url,))
    cutter.start()
    with pytest.raises(DatabaseError, match="'shop' failed"):
        database.run(forge(database, "SELECT pg_sleep(20)"), timeout_s=30)
    cutter.join()
    assert rows_of(database, "SELECT count(*) FROM customer").rows == ((800,),)


@pytest.mark.postgres
def test_postgres_types_become_cells(postgres_url: str) -> None:
    result = rows_of(
        connect(postgres_url),
        "SELECT true AS a, 1.50::numeric AS b, 12::numeric AS c, DATE '2026-06-30' AS d,"
        " TIMESTAMP '2026-06-30 08:00' AS e, '\\x616263'::bytea AS f, '{\"k\": 1}'::jsonb AS g, NULL AS h,"
        " ARRAY[1, 2] AS i, INTERVAL '90 minutes' AS j, 'NaN'::float8 AS k, TIME '08:00' AS l",
    )
    assert result.rows[0] == (
        True, 1.5, 12, "2026-06-30", "2026-06-30 08:00:00", "<3 bytes, sha256 ba7816bf>", '{"k": 1}', None,
        "[1, 2]", "1:30:00", "nan", "08:00:00",
    )  # fmt: skip
    assert [column.kind for column in result.columns] == [
        "boolean", "float", "integer", "date", "datetime", "blob", "text", "null", "text", "text", "text", "text",
    ]  # fmt: skip


@pytest.mark.postgres
def test_postgres_hides_partitions_and_what_the_user_may_not_read(postgres_url: str) -> None:
    engine = owner(postgres_url)
    with engine.begin() as connection:
        for statement in (
            "CREATE SCHEMA lab",
            "CREATE TYPE lab.mood AS ENUM ('calm', 'loud')",
            "CREATE TABLE lab.log (at TIMESTAMPTZ, mood lab.mood, score DOUBLE PRECISION) PARTITION BY RANGE (at)",
            "CREATE TABLE lab.log_2026 PARTITION OF lab.log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
            "INSERT INTO lab.log VALUES ('2026-05-05', 'calm', 1.5)",
            "CREATE TABLE lab.person (name TEXT, pay INT)",
            "CREATE TABLE lab.secret (x INT)",
            "CREATE MATERIALIZED VIEW lab.summary AS SELECT count(*) AS n FROM lab.log",
            "CREATE ROLE reader LOGIN PASSWORD 'reads'",
            "GRANT USAGE ON SCHEMA lab TO reader",
            "GRANT SELECT ON lab.log, lab.summary TO reader",
            "GRANT SELECT (name) ON lab.person TO reader",
            "ALTER ROLE reader SET search_path = lab",
        ):
            connection.execute(text(statement))
    try:
        reader = make_url(postgres_url).set(username="reader", password="reads")
        schema = connect(reader.render_as_string(hide_password=False)).schema()
        assert {table.name: [column.name for column in table.columns] for table in schema.tables} == {
            "log": ["at", "mood", "score"],
            "person": ["name"],
            "summary": ["n"],
        }
        log = schema.tables[0].columns
        assert [column.kind for column in log] == ["datetime", "text", "float"]
        assert log[1].samples == ("calm",)
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA lab CASCADE"))
            connection.execute(text("DROP ROLE reader"))
        engine.dispose()


@pytest.mark.mysql
def test_mysql_types_become_kinds_and_cells(mysql_url: str) -> None:
    engine = owner(mysql_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE odd (a YEAR, b DOUBLE, c MEDIUMBLOB, d ENUM('x', 'y'), e TIME, f BIGINT UNSIGNED,"
                " g TEXT CHARACTER SET latin1 COLLATE latin1_german1_ci, h TINYINT, i VARBINARY(9))"
                " COMMENT 'odds and ends'"
            )
        )
        connection.execute(text("INSERT INTO odd VALUES (2026, 1.5, 'abc', 'x', '08:00', 3, 'ü', 4, 'abc')"))
    try:
        database = connect(mysql_url)
        odd = next(table for table in database.schema().tables if table.name == "odd")
        assert odd.comment == "odds and ends"
        assert [column.kind for column in odd.columns] == [
            "integer", "float", "blob", "text", "text", "integer", "text", "integer", "blob",
        ]  # fmt: skip
        assert odd.columns[6].sql_type == "TEXT CHARACTER SET latin1"
        blob = "<3 bytes, sha256 ba7816bf>"
        assert rows_of(database, "SELECT * FROM odd").rows == ((2026, 1.5, blob, "x", "8:00:00", 3, "ü", 4, blob),)
        assert rows_of(database, "SELECT SUM(quantity) FROM order_line").columns[0].kind == "integer"
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE odd"))
        engine.dispose()


def owner(url: str) -> Engine:
    """The server as a user who may write sees it."""
    parsed = make_url(url)
    driver = {"postgresql": "psycopg", "mysql": "pymysql"}[parsed.drivername]
    return create_engine(parsed.set(drivername=f"{parsed.drivername}+{driver}"))


def state(url: str) -> list[object]:
    """What a write would change: rows of some tables and the names of all."""
    names = (
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'pg_catalog') ORDER BY 1"
    )
    engine = owner(url)
    with engine.connect() as connection:
        found: list[object] = [connection.execute(text("SELECT count(*) FROM support_ticket")).scalar()]
        found += [tuple(row) for row in connection.execute(text("SELECT * FROM category ORDER BY 1"))]
        found += [row[0] for row in connection.execute(text(names))]
    engine.dispose()
    return found


def end_other_sessions(url: str) -> None:
    engine = owner(url)
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()


def test_a_running_query_is_stopped_from_another_thread_at_the_server(database: Database) -> None:
    stopped = threading.Event()
    threading.Timer(0.5, stopped.set).start()
    endless = "SELECT COUNT(*) FROM order_line a CROSS JOIN order_line b CROSS JOIN order_line c"
    with pytest.raises(DatabaseError):
        database.run(forge(database, endless), timeout_s=250, stopped=stopped)
    assert stopped.is_set()
    count = database.run(forge(database, "SELECT COUNT(*) FROM customer"), timeout_s=10, stopped=threading.Event())
    assert isinstance(count, QueryResult)
    assert count.rows == ((800,),)
