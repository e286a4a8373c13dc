"""Results that are kept are the results that were, and are found only for the same content."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assistant.types import QueryResult, Rejection, ResultColumn
from evaluation import execution
from evaluation.cache import Execution, ResultCache, fingerprint_content, is_volatile
from evaluation.execution import Executor

TRICKY = QueryResult(
    columns=(ResultColumn(name="a", kind="float"), ResultColumn(name="ä b", kind="text")),
    rows=((1, "x"), (1.0, None), (True, "\ud800"), (math.inf, ""), (2**70, "naïve 漢字"), (-0.0, "\x00")),
    is_truncated=False,
    elapsed_ms=1.5,
)


def make_database(path: Path, *values: int) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE number (n INTEGER)")
        connection.executemany("INSERT INTO number VALUES (?)", [(value,) for value in values])
    return path


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    with closing(ResultCache(tmp_path / "deep" / "r.sqlite")) as cache:
        cache.put("content", "SELECT 1", 10, Execution(TRICKY, True))
        kept = cache.get("content", "SELECT 1", 10)
    assert kept is not None
    assert kept == Execution(TRICKY, True)
    assert [[type(cell) for cell in row] for row in kept.result.rows] == [
        [type(cell) for cell in row] for row in TRICKY.rows
    ]


def test_nan_is_not_turned_into_null(tmp_path: Path) -> None:
    result = TRICKY.model_copy(update={"rows": ((math.nan, "x"),)})
    with closing(ResultCache(tmp_path / "r.sqlite")) as cache:
        cache.put("content", "SELECT 1", 10, Execution(result, False))
        kept = cache.get("content", "SELECT 1", 10)
    assert kept is not None
    assert isinstance(kept.result.rows[0][0], float)
    assert math.isnan(kept.result.rows[0][0])


@pytest.mark.parametrize(
    "changed", [("other", "SELECT 1", 10), ("content", "SELECT  1", 10), ("content", "SELECT 1", 9)]
)
def test_content_text_and_limit_are_the_key(tmp_path: Path, changed: tuple[str, str, int]) -> None:
    with closing(ResultCache(tmp_path / "r.sqlite")) as cache:
        cache.put("content", "SELECT 1", 10, Execution(TRICKY, True))
        assert cache.get(*changed) is None


def test_a_broken_cache_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    path.write_bytes(b"this is no database, " * 100)
    with closing(ResultCache(path)) as cache:
        cache.put("content", "SELECT 1", 10, Execution(TRICKY, True))
        assert cache.get("content", "SELECT 1", 10) is None
    with closing(ResultCache(tmp_path)) as cache:
        assert cache.get("content", "SELECT 1", 10) is None


def test_a_torn_entry_is_run_again(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with closing(ResultCache(path)) as cache:
        cache.put("content", "SELECT 1", 10, Execution(TRICKY, True))
        cache.flush()
        with closing(sqlite3.connect(path)) as connection, connection:
            assert connection.execute("UPDATE result SET value = x'00ff'").rowcount == 1
        assert cache.get("content", "SELECT 1", 10) is None


def test_a_query_runs_once_for_the_same_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_database(tmp_path / "numbers.sqlite", 1, 2)
    runs: list[str] = []
    check = execution.check
    monkeypatch.setattr(
        execution, "check", lambda draft, *rest, **more: runs.append(draft.sql) or check(draft, *rest, **more)
    )

    def count() -> tuple[object, ...]:
        with (
            closing(ResultCache(tmp_path / "r.sqlite")) as cache,
            closing(Executor(str(path), timeout_s=5, max_rows=10, cache=cache)) as executor,
        ):
            found = executor.run("SELECT COUNT(*) FROM number")
        assert not isinstance(found, Rejection)
        return found.result.rows[0]

    assert (count(), count(), len(runs)) == ((2,), (2,), 1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO number VALUES (3)")
    assert (count(), len(runs)) == ((3,), 2)


def test_what_waits_in_the_log_of_a_file_is_content_too(tmp_path: Path) -> None:
    path = make_database(tmp_path / "numbers.sqlite", 1)
    before = fingerprint_content(path)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        inside = fingerprint_content(path)
        writer.execute("INSERT INTO number VALUES (2)")
        writer.commit()
        assert len({before, inside, fingerprint_content(path)}) == 3


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT date('now')", True),
        ("SELECT CURRENT_TIMESTAMP", True),
        ("SELECT date()", True),
        ("SELECT strftime('%Y')", True),
        ("SELECT datetime(1, 'unixepoch', 'localtime')", True),
        ("SELECT RANDOM()", True),
        ("SELECT strftime('%Y', order_date) FROM sales_order", False),
        ("SELECT date(order_date) FROM sales_order", False),
        ("SELECT COUNT(*) FROM customer", False),
    ],
)
def test_sql_that_depends_on_the_clock_or_on_chance_is_known(sql: str, expected: bool) -> None:
    assert is_volatile(sql) is expected
