"""LIMIT between tied rows, and what a result is sorted by: the SQL that shows it, run on real databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from assistant.types import Cell, Dialect
from evaluation.ties import SortKeys, break_ties, expose_sort_keys, tie_groups

ROWS = [("a", 3, None), ("b", 3, 1.0), ("c", 2, 1.0), ("d", None, 2.0), ("e", 1, 2.0), ("f", 1, 2.0)]


@pytest.fixture
def points() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE point (name TEXT, score INTEGER, weight REAL)")
    connection.executemany("INSERT INTO point VALUES (?, ?, ?)", ROWS)
    yield connection
    connection.close()


def both(sql: str, dialect: Dialect = "sqlite", n_columns: int | None = None) -> list[str]:
    found = [break_ties(sql, dialect, is_ascending=way, n_columns=n_columns) for way in (True, False)]
    assert all(text is not None for text in found)
    return [text for text in found if text is not None]


def is_certain(points: sqlite3.Connection, sql: str, n_columns: int | None = None) -> bool:
    first, second = (sorted(points.execute(text).fetchall(), key=repr) for text in both(sql, n_columns=n_columns))
    return first == second


CERTAIN = [
    ("SELECT name FROM point ORDER BY score DESC LIMIT 2", True),
    ("SELECT name FROM point ORDER BY score DESC LIMIT 1", False),
    ("SELECT name FROM point ORDER BY score DESC LIMIT 3", True),
    ("SELECT score FROM point ORDER BY score DESC LIMIT 1", True),  # who ties does not show
    ("SELECT name FROM point ORDER BY score LIMIT 1", True),  # NULL comes first in SQLite
    ("SELECT name FROM point ORDER BY score LIMIT 2", False),
    ("SELECT name FROM point ORDER BY score NULLS LAST LIMIT 1", False),
    ("SELECT name FROM point ORDER BY score NULLS LAST LIMIT 2", True),
    ("SELECT name FROM point LIMIT 2", False),
    ("SELECT name FROM point LIMIT 6", True),
    ("SELECT name FROM point ORDER BY score DESC LIMIT 1 OFFSET 1", False),
    ("SELECT name FROM point ORDER BY score DESC LIMIT 1 OFFSET 2", True),
    ("SELECT name FROM point ORDER BY score DESC, name LIMIT 1", True),
    ("SELECT score, COUNT(*) FROM point GROUP BY score ORDER BY COUNT(*) DESC LIMIT 1", False),
    ("SELECT score, COUNT(*) FROM point GROUP BY score ORDER BY COUNT(*) DESC LIMIT 2", True),
    ("SELECT COUNT(*) FROM point WHERE name IN (SELECT name FROM point ORDER BY score DESC LIMIT 1)", True),
    ("SELECT weight FROM point WHERE name IN (SELECT name FROM point ORDER BY score DESC LIMIT 1)", False),
    ("SELECT name FROM point UNION SELECT 'g' ORDER BY 1 LIMIT 3", True),
    ("SELECT score FROM point UNION ALL SELECT 3 LIMIT 1", False),
    ("WITH top AS (SELECT name, score FROM point ORDER BY score DESC LIMIT 1) SELECT name FROM top", False),
    ("SELECT DISTINCT score FROM point ORDER BY score LIMIT 2", True),
    ("(SELECT name FROM point ORDER BY score DESC LIMIT 1)", False),
]


@pytest.mark.parametrize(("sql", "wanted"), CERTAIN)
def test_a_result_is_certain_when_both_ways_to_break_ties_agree(
    points: sqlite3.Connection, sql: str, wanted: bool
) -> None:
    assert is_certain(points, sql) is wanted


def test_a_query_without_limit_needs_nothing() -> None:
    assert break_ties("SELECT name FROM point ORDER BY score", "sqlite", is_ascending=True) is None


def test_a_star_at_the_outermost_level_is_counted_by_the_caller(points: sqlite3.Connection) -> None:
    assert not is_certain(points, "SELECT * FROM point ORDER BY score DESC LIMIT 1", n_columns=3)
    assert is_certain(points, "SELECT * FROM point ORDER BY score DESC LIMIT 2", n_columns=3)


def test_a_star_below_is_left_alone() -> None:
    sql = "SELECT name FROM (SELECT * FROM point LIMIT 2)"
    assert both(sql, n_columns=1) == [sql, sql]


@pytest.mark.parametrize("dialect", ["sqlite", "postgres", "mysql"])
def test_nothing_but_the_order_gets_longer(dialect: Dialect) -> None:
    sql = "SELECT a, ROUND(b / 2, 1) AS half FROM t WHERE c LIKE '%x%' ORDER BY half DESC, a LIMIT 5"
    assert both(sql, dialect) == [
        sql.replace(", a LIMIT", ", a, 1 ASC, 2 ASC LIMIT"),
        sql.replace(", a LIMIT", ", a, 1 DESC, 2 DESC LIMIT"),
    ]


def test_fetch_first_is_a_limit_and_with_ties_is_certain() -> None:
    limited = "SELECT a FROM t ORDER BY b DESC FETCH FIRST 3 ROWS ONLY"
    assert both(limited, "postgres")[0] == limited.replace("DESC FETCH", "DESC, 1 ASC FETCH")
    tied = "SELECT a FROM t ORDER BY b DESC FETCH FIRST 3 ROWS WITH TIES"
    assert both(tied, "postgres") == [tied, tied]


@pytest.mark.parametrize("sql", ["SELECT FROM WHERE LIMIT", "SELECT 1 LIMIT 1; SELECT 2 LIMIT 1", "DELETE FROM t"])
def test_what_is_no_query_is_left_alone(sql: str) -> None:
    assert break_ties(sql, "sqlite", is_ascending=True) is None
    assert expose_sort_keys(sql, "sqlite") is None


EXPOSED = [
    ("SELECT name, score FROM point ORDER BY score", (1,), 0),
    ("SELECT name, score AS s FROM point ORDER BY s DESC, name", (1, 0), 0),
    ("SELECT name, score FROM point ORDER BY 2 DESC", (1,), 0),
    ("SELECT name FROM point ORDER BY score", (-1,), 1),
    ("SELECT name FROM point ORDER BY score, weight DESC, name", (-2, -1, 0), 2),
    ("SELECT name FROM point p ORDER BY p.name", (-1,), 1),
    ("SELECT score, COUNT(*) FROM point GROUP BY score ORDER BY COUNT(*) DESC", (1,), 0),
    ("SELECT score FROM point GROUP BY score ORDER BY COUNT(*) DESC, score", (-1, 0), 1),
    ("SELECT name, score * 2 AS double FROM point ORDER BY double / 3", (-1,), 1),
    ("SELECT score, SUM(weight) AS weight FROM point GROUP BY score ORDER BY MAX(weight)", (-1,), 1),
    ("SELECT * FROM point ORDER BY score", (-1,), 1),
    ("SELECT *, score + 1 AS more FROM point ORDER BY more", (-1,), 1),
    ("SELECT DISTINCT name, score FROM point ORDER BY score", (1,), 0),
    ("SELECT name FROM point UNION SELECT 'g' ORDER BY name", (0,), 0),
    ("SELECT name FROM point ORDER BY CASE WHEN score > 2 THEN 0 ELSE 1 END LIMIT 3", (-1,), 1),
]


@pytest.mark.parametrize(("sql", "positions", "n_extra"), EXPOSED)
def test_sort_keys_are_shown_and_the_rows_stay(
    points: sqlite3.Connection, sql: str, positions: tuple[int, ...], n_extra: int
) -> None:
    keys = expose_sort_keys(sql, "sqlite")
    assert keys is not None
    assert (keys.positions, keys.n_extra) == (positions, n_extra)
    plain, shown = points.execute(sql).fetchall(), points.execute(keys.sql).fetchall()
    assert sorted((row[: len(row) - n_extra] for row in shown), key=repr) == sorted(plain, key=repr)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM point",
        "SELECT name FROM (SELECT name FROM point ORDER BY score)",
        "SELECT DISTINCT name FROM point ORDER BY score",
        "SELECT name FROM point UNION SELECT 'g' ORDER BY name || 'x'",
        "SELECT * FROM point ORDER BY 2",
    ],
)
def test_sort_keys_that_cannot_be_shown_are_not_guessed(sql: str) -> None:
    assert expose_sort_keys(sql, "sqlite") is None


def test_neighbours_with_equal_keys_share_a_group() -> None:
    rows: list[tuple[Cell, ...]] = [("a", 3), ("b", 3), ("c", 2), ("d", None), ("e", None), ("f", 2)]
    assert tie_groups(rows, (1,)) == (0, 0, 1, 2, 2, 3)
    assert tie_groups(rows, (-1, 0)) == (0, 1, 2, 3, 4, 5)
    assert tie_groups([], (0,)) == ()


def test_sums_that_differ_in_the_last_digit_tie() -> None:
    assert tie_groups([(0.1 + 0.2,), (0.3,), (0.31,)], (0,)) == (0, 0, 1)


def test_postgres_reads_an_alias_only_as_a_whole_key() -> None:
    assert expose_sort_keys("SELECT a AS b, b AS c FROM t ORDER BY b, lower(b)", "postgres") == SortKeys(
        sql="SELECT a AS b, b AS c, lower(b) FROM t ORDER BY b, lower(b)", positions=(0, -1), n_extra=1
    )


SERVER_SQL = (
    "SELECT c.full_name, COUNT(*) AS n FROM customer c JOIN sales_order o ON o.customer_key = c.customer_key"
    " GROUP BY c.customer_key, c.full_name ORDER BY n DESC, MAX(o.shipped_date) DESC LIMIT 7"
)


@pytest.mark.postgres
def test_postgres_runs_what_is_written(postgres_url: str) -> None:
    _run_all(postgres_url.replace("postgresql:", "postgresql+psycopg:"), "postgres")


@pytest.mark.mysql
def test_mysql_runs_what_is_written(mysql_url: str) -> None:
    _run_all(mysql_url.replace("mysql:", "mysql+pymysql:"), "mysql")


def _run_all(url: str, dialect: Dialect) -> None:
    engine = create_engine(url)
    keys = expose_sort_keys(SERVER_SQL, dialect)
    assert keys is not None
    assert keys.positions == (1, -1)
    with engine.connect() as connection:
        plain = connection.exec_driver_sql(SERVER_SQL).all()
        shown = connection.exec_driver_sql(keys.sql).all()
        broken = [connection.exec_driver_sql(text).all() for text in both(SERVER_SQL, dialect)]
    engine.dispose()
    assert [tuple(row)[:2] for row in shown] == [tuple(row) for row in plain]
    assert all(len(rows) == 7 for rows in broken)
