"""Other databases than the demo: what is missing in them is no reason to fail, and too little is said clearly."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from assistant.database import connect
from assistant.errors import DatabaseError, DataError, UsageError
from assistant.guard import check
from assistant.types import Completion, GuardedQuery, SchemaContext, SqlDraft
from training.datagen.data_copy import DataCopy
from training.datagen.glossary import build_lexicon
from training.datagen.kinds.hierarchy import hierarchy
from training.datagen.sampler import Example, Sampler
from training.datagen.world import read_world

WAREHOUSE = """
CREATE TABLE site (site_no INTEGER, code TEXT, title TEXT, opened DATE, PRIMARY KEY (site_no, code));
CREATE TABLE shelf (id INTEGER PRIMARY KEY, site_no INTEGER, code TEXT, width REAL, note TEXT,
                    FOREIGN KEY (site_no, code) REFERENCES site (site_no, code));
CREATE TABLE plan (id INTEGER PRIMARY KEY, name TEXT, made DATE, budget REAL);
CREATE TABLE helper (id INTEGER PRIMARY KEY, full_name TEXT, boss_id INTEGER REFERENCES helper (id), pay REAL);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39)
INSERT INTO site SELECT i % 8, 'c' || i, 'Site ' || i, '20' || (10 + i % 12) || '-0' || (1 + i % 9) || '-11' FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
INSERT INTO shelf SELECT i, i % 40 % 8, 'c' || i % 40, i % 17 * 0.35, CASE i % 3 WHEN 0 THEN 'dry' WHEN 1 THEN 'wet' END
FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 29)
INSERT INTO helper SELECT i, 'Pat O''' || char(65 + i), CASE WHEN i > 1 THEN i / 3 END, 1000 + i * 7 FROM n;
"""
LONELY = """
CREATE TABLE ball (size INTEGER, weight REAL, colour TEXT);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)
INSERT INTO ball SELECT i % 13, i * 0.7, substr('red  greenblue ', 1 + i % 3 * 5, 5) FROM n;
"""


def make(path: Path, script: str) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.commit()
    connection.close()
    return path


def sample(path: Path, count: int) -> tuple[list[Example], Sampler]:
    sampler = Sampler(str(path), 1)
    found = list(sampler.examples(count))
    sampler.close()
    return found, sampler


@pytest.mark.parametrize(
    ("script", "tables"),
    [(WAREHOUSE, {"site", "shelf", "plan", "helper"}), (LONELY, {"ball"})],
    ids=["a composite key, an empty table, names with apostrophes", "one table without any key"],
)
def test_examples_of_another_database_pass_the_guard(tmp_path: Path, script: str, tables: set[str]) -> None:
    path = make(tmp_path / "other.sqlite", script)
    examples, sampler = sample(path, 300)
    assert {table.name for table in sampler.schema.tables} == tables
    assert len({e.kind for e in examples}) >= 15
    database = connect(str(path))
    schema = database.schema()
    database.close()
    context = SchemaContext(db_id=schema.db_id, dialect="sqlite", tables=schema.tables)
    connection = sqlite3.connect(path)
    for sql in {e.reply for e in examples if not e.reply.startswith("--")}:
        draft = SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model="test"))
        assert isinstance(check(draft, context, max_rows=1000), GuardedQuery), sql
        connection.execute(sql).fetchone()
    connection.close()
    assert not [reason for reason in sampler.dropped if reason.startswith(("fails", "guard"))], sampler.dropped


def test_a_composite_key_is_joined_by_all_its_columns(tmp_path: Path) -> None:
    examples, _ = sample(make(tmp_path / "w.sqlite", WAREHOUSE), 300)
    joined = [e.reply for e in examples if "JOIN site" in e.reply]
    assert joined
    assert all(".site_no = " in sql and ".code = " in sql for sql in joined)


def test_names_with_apostrophes_are_quoted(tmp_path: Path) -> None:
    path = make(tmp_path / "w.sqlite", WAREHOUSE)
    database = connect(str(path))
    lexicon = build_lexicon(database.schema())
    database.close()
    connection = sqlite3.connect(path)
    world = read_world(lexicon, connection, random.Random(1))
    asked = [found for _ in range(200) if (found := hierarchy(world))]
    assert len({found.kind for found in asked}) >= 10
    named = [found.sql for found in asked if "Pat" in found.sql]
    assert len(named) >= 20
    for sql in named:
        assert "'Pat O''" in sql
        connection.execute(sql).fetchone()
    connection.close()


def test_statements_that_the_guard_refuses_are_dropped(tmp_path: Path) -> None:
    path = make(tmp_path / "w.sqlite", WAREHOUSE)
    glossary = '[[term]]\nterm = "luck"\nmeaning = "m"\nsql = "SUM(shelf.width + length(randomblob(1)))"\n'
    path.with_suffix(".glossary.toml").write_text(glossary)
    examples, sampler = sample(path, 200)
    assert [reason for reason in sampler.dropped if reason.startswith("guard: ")]
    assert not [e.reply for e in examples if "randomblob" in e.reply.lower()]


def test_only_verified_statements_are_limited_in_steps(tmp_path: Path) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000)"
    copy = DataCopy(make(tmp_path / "any.sqlite", LONELY), ())
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        copy.run(f"{numbers} SELECT COUNT(*) FROM n")
    assert copy.run("SELECT COUNT(*) FROM ball") == [(100,)]
    assert copy.connection.execute(f"{numbers} SELECT COUNT(*) FROM n").fetchone() == (1_500_001,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        copy.run("DELETE FROM ball")
    copy.close()


def test_tables_without_rows_are_told(tmp_path: Path) -> None:
    path = make(tmp_path / "empty.sqlite", "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT, made DATE)")
    with pytest.raises(DataError, match="'empty' has no rows") as caught:
        Sampler(str(path), 1)
    assert caught.value.hint


def test_a_database_without_tables_is_told(tmp_path: Path) -> None:
    path = make(tmp_path / "none.sqlite", "")
    with pytest.raises(DatabaseError, match="none"):
        Sampler(str(path), 1)


def test_only_sqlite_can_be_sampled() -> None:
    with pytest.raises(UsageError, match="SQLite databases only"):
        Sampler("postgresql://somebody@localhost/shop", 1)


def test_a_missing_database_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="missing"):
        Sampler(str(tmp_path / "missing.sqlite"), 1)
