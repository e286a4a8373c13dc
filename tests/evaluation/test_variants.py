"""Variants of a database: same schema, other rows, the source untouched; as files and on servers."""

from __future__ import annotations

import getpass
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from assistant.database import connect
from assistant.errors import DatabaseError, UsageError
from evaluation.execution import Executor
from evaluation.variants import make_variants
from evaluation.variation.files import KEPT_DAYS

QUESTIONS = Path(__file__).resolve().parents[2] / "scripts" / "demo" / "questions.jsonl"

ODD = """
CREATE TABLE "group" (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL UNIQUE COLLATE NOCASE);
CREATE TABLE person (
    code VARCHAR(6) PRIMARY KEY, "full name" TEXT, born DATE, boss VARCHAR(6) REFERENCES person(code),
    height REAL CHECK (height BETWEEN 0.4 AND 2.6), starts INT, ends INT,
    first TEXT GENERATED ALWAYS AS (substr("full name", 1, 1)) VIRTUAL, photo BLOB,
    CHECK (starts <= ends)
);
CREATE TABLE member (
    person VARCHAR(6) NOT NULL REFERENCES person, group_id INT NOT NULL REFERENCES "group"(id),
    is_head BOOLEAN NOT NULL, PRIMARY KEY (person, group_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX one_head ON member (group_id) WHERE is_head = 1;
CREATE INDEX by_birth ON person (born);
CREATE VIEW heads AS SELECT title, person FROM "group" JOIN member ON group_id = id WHERE is_head = 1;
CREATE VIRTUAL TABLE note USING fts5(body);
CREATE TABLE log (at TEXT);
CREATE TRIGGER noted AFTER INSERT ON person BEGIN INSERT INTO log VALUES ('made'); END;
"""


def demo_gold() -> list[str]:
    examples = [json.loads(line) for line in QUESTIONS.read_text().splitlines()]
    asked = [turn for example in examples for turn in (example.get("turns") or [example])]
    gold = [turn["gold_sql"] for turn in asked if turn.get("gold_sql")]
    assert len(gold) == 142
    return gold


@pytest.fixture(scope="module")
def shop_variants(shop_db_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("variants")
    with make_variants(str(shop_db_path), demo_gold(), folder, count=2) as variants:
        return [Path(url) for url in variants.urls]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(ODD)
        connection.executemany('INSERT INTO "group" (title) VALUES (?)', [(f"Group {n}",) for n in range(12)])
        connection.executemany(
            'INSERT INTO person (code, "full name", born, boss, height, starts, ends, photo) VALUES (?,?,?,?,?,?,?,?)',
            [
                (f"P{n:04}", f"Name {n}", f"19{50 + n % 50}-03-{1 + n % 28:02}", f"P{n // 3:04}" if n > 3 else None,
                 1.5 + n % 9 / 10, n % 7, n % 7 + n % 3, bytes([n % 256]))
                for n in range(120)
            ],
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO member VALUES (?, ?, ?)", [(f"P{n:04}", 1 + n % 12, n < 12) for n in range(120)]
        )
        connection.executemany("INSERT INTO note VALUES (?)", [(f"word{n} common",) for n in range(5)])
        connection.commit()
    return path


def rows_of(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f'SELECT * FROM "{table}"').fetchall()


def test_a_variant_has_the_name_and_the_schema_of_its_source(shop_db_path: Path, shop_variants: list[Path]) -> None:
    assert len(set(shop_variants)) == 2
    with closing(connect(str(shop_db_path))) as source:
        for path in shop_variants:
            with closing(connect(str(path))) as variant:
                assert variant.db_id == source.db_id
                assert variant.schema().fingerprint == source.schema().fingerprint


def test_variants_hold_other_rows_and_their_foreign_keys(shop_db_path: Path, shop_variants: list[Path]) -> None:
    for table in ("customer", "product", "sales_order", "payment"):
        contents = [sorted(rows_of(path, table), key=repr) for path in (shop_db_path, *shop_variants)]
        assert contents[0] != contents[1] != contents[2] != contents[0], table
    for path in shop_variants:
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_all_gold_of_the_demo_works_on_variants_and_hardly_any_is_empty(shop_variants: list[Path]) -> None:
    empty = []
    for path in shop_variants:
        executor = Executor(str(path), timeout_s=60, max_rows=100_000)
        for sql in demo_gold():
            found = executor.run(sql)
            assert hasattr(found, "result"), f"{sql}: {found}"
            empty += [] if found.result.rows else [sql]
        executor.close()
    assert len(empty) <= 2, empty


def test_the_source_stays_as_it_is(shop_db_path: Path, tmp_path: Path) -> None:
    before = sha256(shop_db_path.read_bytes()).digest()
    make_variants(str(shop_db_path), [], tmp_path, count=1)
    assert sha256(shop_db_path.read_bytes()).digest() == before
    assert [path.name for path in shop_db_path.parent.iterdir() if path.name.endswith(("-wal", "-journal"))] == []


def test_the_same_call_finds_the_files_and_another_makes_others(odd: Path, tmp_path: Path) -> None:
    gold = ["SELECT COUNT(*) FROM person WHERE height > 1.7", "SELECT title FROM heads"]
    lines: list[str] = []
    first = make_variants(str(odd), gold, tmp_path / "v", count=2, narrate=lines.append).urls
    assert len(lines) == 3
    stamps = [Path(url).stat().st_mtime_ns for url in first]
    again = make_variants(str(odd), gold[::-1], tmp_path / "v", count=2, narrate=lines.append).urls
    assert again == first
    assert [Path(url).stat().st_mtime_ns for url in again] == stamps
    assert len(lines) == 3
    assert make_variants(str(odd), gold, tmp_path / "v", count=3).urls[:2] == first
    assert not set(make_variants(str(odd), gold, tmp_path / "v", count=2, seed=1).urls) & set(first)
    assert not set(make_variants(str(odd), gold[:1], tmp_path / "v", count=2).urls) & set(first)
    with closing(sqlite3.connect(odd)) as connection:
        connection.execute("UPDATE person SET height = 1.8 WHERE code = 'P0001'")
        connection.commit()
    assert not set(make_variants(str(odd), gold, tmp_path / "v", count=2).urls) & set(first)
    assert [path for path in (tmp_path / "v").rglob("*") if path.name.endswith(".part")] == []


def test_variants_that_no_run_used_for_long_are_removed(odd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "variants"
    old, used = (Path(make_variants(str(odd), [], folder, count=1, seed=seed).urls[0]) for seed in (1, 2))
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    for path in (old, used):
        os.utime(path.parent, (long_ago, long_ago))
    make_variants(str(odd), [], folder, count=1, seed=2)
    make_variants(str(odd), [], folder, count=1, seed=3)
    assert (old.exists(), used.exists()) == (False, True)


def test_the_same_seed_makes_the_same_rows_anywhere(odd: Path, tmp_path: Path) -> None:
    paths = [Path(make_variants(str(odd), [], tmp_path / name, count=1).urls[0]) for name in ("a", "b")]
    for table in ("group", "person", "member"):
        assert rows_of(paths[0], table) == rows_of(paths[1], table)


def test_constraints_of_every_kind_hold_and_triggers_are_left_out(odd: Path, tmp_path: Path) -> None:
    for url in make_variants(str(odd), ["SELECT 1 FROM person WHERE starts = 3"], tmp_path, count=4).urls:
        with closing(connect(str(odd))) as source, closing(connect(url)) as variant:
            assert variant.schema().fingerprint == source.schema().fingerprint
        with closing(sqlite3.connect(url)) as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            names = dict(connection.execute("SELECT name, type FROM sqlite_master").fetchall())
            assert {"heads", "one_head", "by_birth", "note"} <= set(names)
            assert "trigger" not in names.values()
            # The source's trigger wrote 120 rows; here it would have written one more for each person.
            assert connection.execute("SELECT count(*) FROM log").fetchone()[0] < 160
            assert connection.execute("SELECT count(*) FROM note WHERE note MATCH 'common'").fetchone() == (5,)
            assert connection.execute("SELECT count(*) FROM person").fetchone()[0] > 60
            assert connection.execute("SELECT count(*) FROM member").fetchone()[0] > 30


def test_foreign_keys_that_point_nowhere_are_not_held_to(tmp_path: Path) -> None:
    path = tmp_path / "loose.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE b (a_id TEXT REFERENCES a(name), size INT)")
        connection.executemany("INSERT INTO a VALUES (?, ?)", [(n, f"name {n}") for n in range(30)])
        connection.executemany("INSERT INTO b VALUES (?, ?)", [(str(n), n) for n in range(90)])
        connection.commit()
    (url,) = make_variants(str(path), [], tmp_path / "v", count=1).urls
    assert len(rows_of(Path(url), "b")) > 60


def test_text_that_is_not_utf8_survives(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO a VALUES (1, CAST(X'4D9A72' AS TEXT)), (2, 'plain')")
        connection.commit()
    (url,) = make_variants(str(path), [], tmp_path / "v", count=1).urls
    assert Path(url).exists()


def test_no_variants_need_no_server_and_no_folder(tmp_path: Path) -> None:
    assert make_variants("postgresql://nobody@127.0.0.1:1/none", [], tmp_path / "none", count=0).urls == ()
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_done_is_said(odd: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="-1 variants"):
        make_variants(str(odd), [], tmp_path, count=-1)
    with pytest.raises(DatabaseError, match="no such file"):
        make_variants(str(tmp_path / "missing.sqlite"), [], tmp_path, count=1)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="Cannot make the folder"):
        make_variants(str(odd), [], tmp_path / "file", count=1)


@pytest.fixture
def mysql_scratch(mysql_url: str) -> Iterator[str]:
    """The same server, on which its user may make the databases that variants need, and no others."""
    engine = create_engine(mysql_url.replace("mysql:", "mysql+pymysql:"))
    with engine.connect() as connection:
        socket = connection.execute(text("SELECT @@socket")).scalar_one()
    engine.dispose()
    # Through the socket the one who started the server may do anything.
    root = create_engine(f"mysql+pymysql://{getpass.getuser()}@localhost/mysql?unix_socket={socket}")
    with root.connect() as connection:
        grant = "ON `queryforge\\_variant\\_%`.* {} 'queryforge'@'%'"
        connection.execute(text("GRANT ALL " + grant.format("TO")))
        yield mysql_url
        connection.execute(text("REVOKE ALL " + grant.format("FROM")))
    root.dispose()


def databases_of(url: str) -> set[str]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:").replace("mysql:", "mysql+pymysql:"))
    with engine.connect() as connection:
        statement = "SELECT datname FROM pg_database" if "postgres" in url else "SHOW DATABASES"
        names = {name for (name,) in connection.execute(text(statement))}
    engine.dispose()
    return {name for name in names if name.startswith("queryforge_variant_")}


@pytest.mark.postgres
def test_postgres_variants_are_databases_that_are_dropped(postgres_url: str, tmp_path: Path) -> None:
    scratch = postgres_url.rpartition("/")[0] + "/postgres"
    _check_server(postgres_url, scratch, "TO_CHAR(order_date, 'YYYY') = '2025'", tmp_path)


@pytest.mark.mysql
def test_mysql_variants_are_databases_that_are_dropped(mysql_url: str, mysql_scratch: str, tmp_path: Path) -> None:
    _check_server(mysql_url, mysql_scratch, "YEAR(order_date) = 2025", tmp_path)


def _check_server(url: str, scratch: str, condition: str, folder: Path) -> None:
    gold = [f"SELECT status, COUNT(*) FROM sales_order WHERE {condition} GROUP BY status"]
    source = Executor(url, timeout_s=60, max_rows=1000)
    with make_variants(url, gold, folder, count=1, scratch_url=scratch) as variants:
        (made,) = variants.urls
        variant = Executor(made, timeout_s=60, max_rows=1000)
        assert variant.schema.fingerprint == source.schema.fingerprint
        results = [executor.run(gold[0]) for executor in (source, variant)]
        variant.close()
        assert len(databases_of(scratch)) == 1
    source.close()
    assert databases_of(scratch) == set()
    assert all(hasattr(found, "result") and found.result.rows for found in results)
    assert results[0] != results[1]


@pytest.mark.postgres
def test_a_server_without_the_right_to_make_databases_is_named(postgres_url: str, tmp_path: Path) -> None:
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE plain LOGIN PASSWORD 'plain'"))
    plain = "postgresql://plain:plain@" + postgres_url.rpartition("@")[2]
    with pytest.raises(DatabaseError, match="permission denied to create database") as caught:
        make_variants(postgres_url, [], tmp_path, count=1, scratch_url=plain)
    assert "--variants 0" in caught.value.hint
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE plain"))
    engine.dispose()
    with pytest.raises(UsageError, match="need a server"):
        make_variants(postgres_url, [], tmp_path, count=1)


@pytest.mark.mysql
def test_a_scratch_server_of_another_kind_is_refused(mysql_url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="same kind"):
        make_variants(mysql_url, [], tmp_path, count=1, scratch_url="postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.postgres
def test_variants_left_behind_long_ago_are_dropped(postgres_url: str, tmp_path: Path) -> None:
    scratch = postgres_url.rpartition("/")[0] + "/postgres"
    server = create_engine(scratch.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        for name in ("queryforge_variant_1000000000_ab_1", "queryforge_variant_9999999999_ab_1"):
            connection.execute(text(f"CREATE DATABASE {name}"))
        make_variants(postgres_url, [], tmp_path, count=1, scratch_url=scratch).close()
        assert databases_of(scratch) == {"queryforge_variant_9999999999_ab_1"}
        connection.execute(text("DROP DATABASE queryforge_variant_9999999999_ab_1"))
    server.dispose()
