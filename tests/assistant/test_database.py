"""Opening a database and running queries, on SQLite."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from assistant.database import Database, connect, load_glossary
from assistant.drivers.engines import open_engine, parse_url, reading
from assistant.errors import DatabaseError, UsageError
from assistant.types import GuardedQuery, QueryResult, Rejection

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def forge(sql: str, max_rows: int = 100) -> GuardedQuery:
    """A query that no guard has seen: what the connection has to stand on its own."""
    return GuardedQuery(sql=sql, dialect="sqlite", tables=(), is_ordered=False, max_rows=max_rows)


def rows_of(database: Database, sql: str, max_rows: int = 100) -> QueryResult:
    result = database.run(forge(sql, max_rows), timeout_s=10)
    assert isinstance(result, QueryResult), result
    return result


def refusal_of(database: Database, sql: str) -> Rejection:
    result = database.run(forge(sql), timeout_s=10)
    assert isinstance(result, Rejection), result
    return result


# ---- opening


def test_a_path_and_a_url_open_the_same_file(shop_db_path: Path) -> None:
    by_path, by_url = connect(str(shop_db_path)), connect(f"sqlite:///{shop_db_path}")
    assert by_path.db_id == by_url.db_id == "shop"
    assert by_path.dialect == by_url.dialect == "sqlite"
    assert by_path.schema() == by_url.schema()


def test_a_path_with_odd_characters_opens(tmp_path: Path, shop_db_path: Path) -> None:
    odd = tmp_path / "a shop? 100% #1.db"
    odd.write_bytes(shop_db_path.read_bytes())
    assert len(connect(str(odd)).schema().tables) == 10


def test_a_missing_file_is_an_error_and_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="no such file") as caught:
        connect(str(tmp_path / "none.sqlite"))
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="folder"):
        connect(str(tmp_path))


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, only words " * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        connect(str(path))


def test_a_database_without_tables_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    path.touch()
    with pytest.raises(DatabaseError, match="no tables"):
        connect(str(path)).schema()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "oracle://me:s3cret@host/x",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://me:s3cret@host",
        "mysql+asyncmy://me:s3cret@host/x",
        "postgresql://me:s3cret@host:port/x",
        "nonsense://s3cret@",
        "postgresql+psycopg2://me:s3/c@ret@host/x?password=s3cret",
    ],
)
def test_a_nonsense_url_is_a_usage_error_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        connect(url)
    assert "sqlite:///" in caught.value.hint or "://" in caught.value.hint
    assert "s3cret" not in str(caught.value)
    assert "ret@" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "mysql", "mariadb"])
def test_an_unreachable_server_is_an_error_without_its_password(scheme: str) -> None:
    with pytest.raises(DatabaseError, match="Cannot open") as caught:
        connect(f"{scheme}://me:s3cret@127.0.0.1:9/shop")
    assert "s3cret" not in str(caught.value)
    assert "server is running" in caught.value.hint


@pytest.mark.parametrize(("scheme", "module"), [("postgresql", "psycopg"), ("mysql", "pymysql")])
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(
    scheme: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(DatabaseError, match=module) as caught:
        connect(f"{scheme}://me:s3cret@127.0.0.1:9/shop")
    assert "pip install" in caught.value.hint


def test_closing_twice_is_harmless(shop_db_path: Path) -> None:
    database = connect(str(shop_db_path))
    database.close()
    database.close()


# ---- running


def test_a_query_returns_rows_columns_and_time(shop_db: Database) -> None:
    result = rows_of(
        shop_db, "SELECT product_name, unit_price, launched_date FROM product ORDER BY product_key LIMIT 2"
    )
    assert [column.name for column in result.columns] == ["product_name", "unit_price", "launched_date"]
    assert [column.kind for column in result.columns] == ["text", "float", "date"]
    assert result.rows[0] == ("Wireless Headphones Pro", 189.9, "2021-09-15")
    assert not result.is_truncated
    assert result.elapsed_ms > 0


@pytest.mark.parametrize(("limit", "rows", "is_truncated"), [(7, 7, True), (8, 8, False), (9, 8, False)])
def test_one_row_more_than_the_limit_tells_that_rows_were_cut(
    shop_db: Database, limit: int, rows: int, is_truncated: bool
) -> None:
    result = rows_of(shop_db, "SELECT * FROM category", max_rows=limit)
    assert (len(result.rows), result.is_truncated) == (rows, is_truncated)


def test_columns_of_the_same_name_are_both_kept(shop_db: Database) -> None:
    result = rows_of(
        shop_db, "SELECT p.product_key, c.category_name AS x, p.product_name AS x FROM product p, category c"
    )
    assert [column.name for column in result.columns] == ["product_key", "x", "x"]
    assert len(result.rows[0]) == 3


def test_no_rows_still_have_columns(shop_db: Database) -> None:
    result = rows_of(shop_db, "SELECT product_name FROM product WHERE 1 = 0")
    assert result.rows == ()
    assert [(column.name, column.kind) for column in result.columns] == [("product_name", "null")]


def test_percent_signs_and_colons_are_only_characters(shop_db: Database) -> None:
    assert rows_of(shop_db, "SELECT count(*), '12:30', 7 % 4 FROM product WHERE product_name LIKE '%Mat%'").rows[0][
        1:
    ] == ("12:30", 3)


@pytest.mark.parametrize(
    ("sql", "rule", "named"),
    [
        ("SELECT salery FROM employee", "unknown-column", "salery"),
        ("SELECT * FROM orders", "unknown-table", "orders"),
        ("SELECT nope(1)", "unknown-function", "nope"),
        ("SELEC 1", "syntax", "SELEC"),
        ("SELECT (1", "syntax", "incomplete"),
        ("SELECT full_name FROM employee, customer", "ambiguous-column", "full_name"),
        ("SELECT abs(1, 2)", "wrong-arguments", "abs"),
        ("SELECT count(*) FROM employee WHERE count(*) > 1", "misused-aggregate", "count"),
        ("SELECT 1; SELECT 2", "one-statement", "one statement"),
        ("SELECT :name", "query-error", "binding"),
        ("SELECT abs(-9223372036854775808)", "query-error", "overflow"),
    ],
)  # fmt: skip
def test_what_the_model_can_mend_is_a_rejection(shop_db: Database, sql: str, rule: str, named: str) -> None:
    rejection = refusal_of(shop_db, sql)
    assert (rejection.stage, rejection.rule) == ("database", rule)
    assert named in rejection.message


def test_an_unknown_column_comes_with_close_names(shop_db: Database) -> None:
    assert refusal_of(shop_db, "SELECT salery FROM employee").hint == "Did you mean employee.salary?"


def test_an_endless_query_is_stopped_at_its_limit(shop_db: Database) -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseError, match=r"0\.5 s") as caught:
        shop_db.run(forge(ENDLESS), timeout_s=0.5)
    assert time.monotonic() - started < 1.5
    assert "QUERYFORGE_QUERY_TIMEOUT_S" in caught.value.hint


def test_an_endless_stream_of_rows_is_cut_without_waiting(shop_db: Database) -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    assert rows_of(shop_db, sql, max_rows=3).rows == ((1,), (2,), (3,))


def test_a_giant_value_is_refused(shop_db: Database) -> None:
    assert "too big" in refusal_of(shop_db, "SELECT zeroblob(500000000)").message


def test_the_next_query_works_after_one_that_was_stopped(shop_db: Database) -> None:
    with pytest.raises(DatabaseError):
        shop_db.run(forge(ENDLESS), timeout_s=0.05)
    assert rows_of(shop_db, "SELECT count(*) FROM customer").rows == ((800,),)


def test_threads_share_one_database(shop_db_path: Path) -> None:
    database = connect(str(shop_db_path))
    found: list[object] = []

    def work(key: int) -> None:
        found.append((key, rows_of(database, f"SELECT {key}, count(*) FROM order_line").rows[0]))
        found.append(database.schema().fingerprint)

    threads = [threading.Thread(target=work, args=(key,)) for key in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {item for item in found if isinstance(item, tuple)} == {(key, (key, 11285)) for key in range(8)}
    assert len({item for item in found if isinstance(item, str)}) == 1


# ---- refusing to write

WRITES = [
    "INSERT INTO category VALUES (99, 'x')",
    "UPDATE category SET category_name = 'x'",
    "DELETE FROM category",
    "WITH c AS (SELECT 1) DELETE FROM category",
    "CREATE TABLE x (a INT)",
    "CREATE TEMP TABLE x AS SELECT * FROM customer",
    "CREATE VIEW x AS SELECT 1",
    "DROP TABLE category",
    "ALTER TABLE category ADD COLUMN x INT",
    "UPDATE sqlite_master SET type = 'view'",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "VACUUM INTO 'copy.sqlite'",
    "ATTACH DATABASE 'other.sqlite' AS other",
    "DETACH DATABASE main",
    "PRAGMA writable_schema = 1",
    "PRAGMA query_only = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA user_version = 7",
    "PRAGMA table_info(customer)",
    "SELECT * FROM pragma_table_info('customer')",
    "BEGIN IMMEDIATE",
    "SAVEPOINT x",
    "SELECT load_extension('x')",
]  # fmt: skip


@pytest.mark.parametrize("sql", WRITES)
def test_the_connection_itself_refuses_whatever_is_no_read(
    sql: str, shop_db_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "copy of shop.sqlite"
    copy.write_bytes(shop_db_path.read_bytes())
    assert refusal_of(connect(str(copy)), sql).rule == "read-only"
    assert copy.read_bytes() == shop_db_path.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def test_the_file_is_read_only_even_without_the_authorizer(shop_db_path: Path) -> None:
    url, dialect = parse_url(str(shop_db_path))
    with reading(open_engine(url, dialect), dialect, 5, is_introspecting=True) as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            raw.execute("DELETE FROM category")


def test_table_functions_can_be_read_under_the_authorizer(shop_db: Database) -> None:
    assert rows_of(shop_db, "SELECT value FROM json_each('[1, 2]')").rows == ((1,), (2,))


def test_full_text_tables_can_be_read_under_the_authorizer(tmp_path: Path) -> None:
    path = tmp_path / "text.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE VIRTUAL TABLE note USING fts5(title, body)")
        raw.execute("INSERT INTO note VALUES ('Fjord', 'a quiet fjord in the north')")
    raw.close()
    database = connect(str(path))
    assert rows_of(database, "SELECT title FROM note WHERE note MATCH 'quiet'").rows == (("Fjord",),)
    assert [(table.name, [column.name for column in table.columns]) for table in database.schema().tables] == [
        ("note", ["title", "body"])
    ]


# ---- values of a column


def test_distinct_values_are_listed_when_they_are_few(shop_db: Database) -> None:
    assert shop_db.distinct_values("sales_order", "channel", limit=4) == ("app", "phone", "store", "web")
    assert shop_db.distinct_values("sales_order", "channel", limit=3) is None


def test_distinct_values_leave_out_null(shop_db: Database) -> None:
    assert shop_db.distinct_values("customer", "gender", limit=9) == ("female", "male", "other")


def test_distinct_values_quote_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "odd.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute('CREATE TABLE "order" ("group by" TEXT, "a""b" TEXT)')
        raw.execute("""INSERT INTO "order" VALUES ('x', 'y')""")
    raw.close()
    database = connect(str(path))
    assert database.distinct_values("order", "group by", limit=5) == ("x",)
    assert database.distinct_values("order", 'a"b', limit=5) == ("y",)


def test_distinct_values_of_an_unknown_column_are_an_error(shop_db: Database) -> None:
    with pytest.raises(DatabaseError, match="nothing_such"):
        shop_db.distinct_values("customer", "nothing_such", limit=5)


# ---- glossary


def test_a_glossary_beside_the_file_is_taken(tmp_path: Path, shop_db_path: Path) -> None:
    path = tmp_path / "mine.sqlite"
    path.write_bytes(shop_db_path.read_bytes())
    assert connect(str(path)).schema().glossary == ()
    beside = tmp_path / "mine.glossary.toml"
    beside.write_text('[[term]]\nterm = "net"\nsynonyms = ["netto"]\nmeaning = "Without tax."\nsql = "price / 1.19"\n')
    (entry,) = connect(str(path)).schema().glossary
    assert (entry.term, entry.synonyms, entry.sql) == ("net", ("netto",), "price / 1.19")
    other = tmp_path / "other.toml"
    other.write_text('[[term]]\nterm = "gross"\nmeaning = "With tax."\n')
    (entry,) = connect(str(path), glossary_path=other).schema().glossary
    assert entry.term == "gross"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[term]\n", "line 1"),
        ('[[term]]\nterm = "x"\n', "meaning"),
        ('[[term]]\nterm = "x"\nmeaning = "y"\nsynonym = ["z"]\n', "synonym"),
        ('[[term]]\nterm = "x"\nmeaning = 3\n', "meaning"),
        ('term = "x"\n', "[[term]]"),
        ('title = "x"\n', "[[term]]"),
    ],
)
def test_a_malformed_glossary_is_a_usage_error_with_path_and_reason(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        load_glossary(path)
    assert str(path) in caught.value.message
    assert reason in caught.value.message


def test_a_missing_glossary_that_was_named_is_a_usage_error(tmp_path: Path, shop_db_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        connect(str(shop_db_path), glossary_path=tmp_path / "none.toml")


def test_a_running_query_is_stopped_from_another_thread(shop_db_path: Path) -> None:
    stopped = threading.Event()
    threading.Timer(0.5, stopped.set).start()
    endless = "SELECT COUNT(*) FROM order_line a CROSS JOIN order_line b CROSS JOIN order_line c"
    with closing(connect(str(shop_db_path))) as database:
        with pytest.raises(DatabaseError):
            database.run(forge(endless), timeout_s=250, stopped=stopped)
        assert stopped.is_set()
        count = database.run(forge("SELECT COUNT(*) FROM customer"), timeout_s=10, stopped=threading.Event())
    assert isinstance(count, QueryResult)
    assert count.rows == ((800,),)
