"""What has changed between two schemas, and SQL written anew with the names of now."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assistant.database import connect
from assistant.types import DatabaseSchema
from evaluation.execution import read_schema
from tests.training.retrain_library import make_library
from training.rewriting import rewrite_names
from training.schema_changes import SchemaChanges, compare_schemas
from training.stale_terms import write_glossary


def _change(path: Path, script: str) -> tuple[DatabaseSchema, DatabaseSchema]:
    """Make the library, change it, and give its schema before and after."""
    make_library(path)
    before = read_schema(str(path))
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)
        database.commit()
    return before, read_schema(str(path))


def _told(changes: SchemaChanges) -> list[str]:
    return [change.describe() for change in changes.changes]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("CREATE TABLE hall (hall_id INTEGER PRIMARY KEY, seats INTEGER)", ["added table hall: hall_id, seats"]),
        ("DROP TABLE loan", ["removed table loan"]),
        ("ALTER TABLE loan RENAME TO borrowing", ["renamed table borrowing: was loan (a guess)"]),
        ("ALTER TABLE city ADD COLUMN mayor TEXT", ["added column city.mayor: TEXT"]),
        ("ALTER TABLE loan DROP COLUMN days", ["removed column loan.days"]),
        ("ALTER TABLE loan RENAME COLUMN days TO nights", ["renamed column loan.nights: was days (a guess)"]),
        (
            "ALTER TABLE loan DROP COLUMN days; ALTER TABLE loan ADD COLUMN note TEXT",
            ["removed column loan.days", "added column loan.note: TEXT"],
        ),
        (
            "DROP TABLE loan; CREATE TABLE loan (loan_id INTEGER, member_id INTEGER, lent DATE, days TEXT NOT NULL);",
            [
                "changed type loan.loan_id: INTEGER NOT NULL -> INTEGER",
                "changed type loan.days: INTEGER -> TEXT NOT NULL",
                "changed primary key loan: (loan_id) -> none",
                "removed foreign key loan: (member_id) -> member",
            ],
        ),
    ],
)
def test_each_kind_of_change_is_told(tmp_path: Path, script: str, told: list[str]) -> None:
    before, after = _change(tmp_path / "library.sqlite", script)
    assert _told(compare_schemas(before, after)) == told


def test_the_same_schema_has_not_changed(tmp_path: Path) -> None:
    before, after = _change(tmp_path / "library.sqlite", "INSERT INTO city VALUES (9, 'Bern', 'Switzerland')")
    assert compare_schemas(before, after) == SchemaChanges()


def test_a_renamed_table_keeps_its_keys_and_those_that_point_at_it(tmp_path: Path) -> None:
    before, after = _change(tmp_path / "library.sqlite", "ALTER TABLE member RENAME TO reader")
    assert _told(compare_schemas(before, after)) == ["renamed table reader: was member (a guess)"]


RENAMES = "ALTER TABLE member RENAME COLUMN fee TO yearly_fee; ALTER TABLE loan RENAME TO borrowing;"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name, fee FROM member WHERE fee > (SELECT AVG(m.fee) FROM member m) ORDER BY fee, name",
        "SELECT l.days, member.fee FROM loan AS l JOIN member ON member.member_id = l.member_id ORDER BY l.loan_id",
        "SELECT x.fee FROM (SELECT fee FROM member) AS x ORDER BY x.fee",
        "WITH w AS (SELECT city_id, SUM(fee) AS s FROM member GROUP BY city_id) SELECT s FROM w ORDER BY s",
        "SELECT name FROM city c WHERE EXISTS (SELECT 1 FROM member WHERE city_id = c.city_id AND fee > 20)",
        "SELECT COUNT(*) FROM loan WHERE loan.days > 10",
        "SELECT fee FROM member UNION SELECT days FROM loan ORDER BY 1",
        "SELECT name AS fee FROM city ORDER BY fee",
    ],
)
def test_rewritten_sql_gives_what_the_old_one_gave(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "library.sqlite"
    make_library(path)
    with closing(sqlite3.connect(path)) as database:
        expected = database.execute(sql).fetchall()
    path.unlink()
    before, after = _change(path, RENAMES)
    rewritten = rewrite_names(sql, before, compare_schemas(before, after).renames)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(rewritten or sql).fetchall() == expected
    assert expected


@pytest.mark.parametrize("sql", ["SELECT name FROM city", "no SQL at all (", "SELECT fee FROM nowhere"])
def test_sql_without_a_renamed_name_is_left_alone(tmp_path: Path, sql: str) -> None:
    before, after = _change(tmp_path / "library.sqlite", RENAMES)
    assert rewrite_names(sql, before, compare_schemas(before, after).renames) is None


def test_what_people_wrote_about_tables_reaches_the_making_of_data(tmp_path: Path) -> None:
    make_library(tmp_path / "library.sqlite")
    beside = tmp_path / "library.glossary.toml"
    beside.write_text(
        '[[description]]\ntable = "loan"\ncolumn = "days"\ntext = "how long it was \\"out\\"\\nin days"\n'
        '[[description]]\ntable = "member"\ntext = "people who borrow"\n',
        encoding="utf-8",
    )
    with closing(connect(str(tmp_path / "library.sqlite"))) as database:
        schema = database.schema()
    write_glossary(tmp_path / "run" / "glossary.toml", schema.glossary, schema.tables)
    beside.unlink()
    with closing(
        connect(str(tmp_path / "library.sqlite"), glossary_path=tmp_path / "run" / "glossary.toml")
    ) as database:
        assert database.schema() == schema
    comments = {column.comment for table in schema.tables for column in table.columns} - {""}
    assert comments == {'how long it was "out"\nin days'}
