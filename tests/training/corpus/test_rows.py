"""Made-up rows: keys hold, what must occur occurs, and the file has the schema that was asked for."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from assistant.database import connect
from assistant.drivers.introspection import fingerprint
from assistant.errors import DatabaseError
from assistant.types import Column, ColumnKind, DatabaseSchema, ForeignKey, Table
from training.corpus.rows import build_database

KINDS: dict[str, ColumnKind] = {
    "INTEGER": "integer", "TEXT": "text", "REAL": "float", "DATE": "date", "DATETIME": "datetime", "BOOLEAN": "boolean",
    "VARCHAR(20)": "text",
}  # fmt: skip


def column(name: str, sql_type: str = "INTEGER", *samples: str, needed: bool = False, comment: str = "") -> Column:
    return Column(
        name=name, sql_type=sql_type, kind=KINDS[sql_type], is_nullable=not needed, samples=samples, comment=comment
    )


def refer(to: str, *pairs: tuple[str, str]) -> ForeignKey:
    return ForeignKey(columns=tuple(a for a, _ in pairs), ref_table=to, ref_columns=tuple(b for _, b in pairs))


def schema_of(*tables: Table) -> DatabaseSchema:
    ordered = tuple(sorted(tables, key=lambda table: table.name))
    return DatabaseSchema(db_id="made", dialect="sqlite", tables=ordered, fingerprint=fingerprint(ordered))


SHOP = schema_of(
    Table(
        name="city_type",
        columns=(column("code", "VARCHAR(20)", "A1", "B2", needed=True), column("type name", "TEXT", "big", "small")),
        primary_key=("code",),
    ),
    Table(
        name="employee",
        columns=(
            column("id", needed=True),
            column("full_name", "TEXT", needed=True),
            column("city", "TEXT", "Ulm", "Bern"),
            column("manager_id"),
            column("born", "DATE"),
            column("salary", "REAL", "21000.50", "48000.25", comment="in euros"),
        ),
        primary_key=("id",),
        foreign_keys=(refer("employee", ("manager_id", "id")),),
    ),
    Table(
        name="order",
        columns=(
            column("order id", needed=True),
            column("employee_id", needed=True),
            column("checked_by"),
            column("city code", "VARCHAR(20)"),
            column("order_date", "TEXT", "28-AUG-2011", "7-APR-2001"),
            column("shipped_date", "DATETIME"),
            column("status", "TEXT", "open", "paid", "lost"),
            column("is_gift", "BOOLEAN"),
            column("year", "INTEGER", "2011", "2015"),
        ),
        primary_key=("order id",),
        foreign_keys=(
            refer("employee", ("checked_by", "id")),
            refer("city_type", ("city code", "code")),
            refer("employee", ("employee_id", "id")),
        ),
    ),
    Table(
        name="order line",
        columns=(
            column("order id", needed=True),
            column("line", needed=True),
            column('a "quoted" name', "INTEGER", "1", "900"),
            column("select", "TEXT"),
        ),
        primary_key=("order id", "line"),
        foreign_keys=(refer("order", ("order id", "order id")),),
    ),
    Table(
        name="parcel",
        columns=(column("parcel_no", needed=True), column("ord"), column("pos")),
        primary_key=("parcel_no",),
        foreign_keys=(refer("order line", ("ord", "order id"), ("pos", "line")),),
    ),
)
"""Reserved words, blanks and quotes in names; a self reference, two keys to one table, composite keys."""

CIRCLE = schema_of(
    Table(
        name="club",
        columns=(column("id", needed=True), column("captain_id"), column("name", "TEXT")),
        primary_key=("id",),
        foreign_keys=(refer("player", ("captain_id", "id")),),
    ),
    Table(
        name="player",
        columns=(column("id", needed=True), column("club_id", needed=True), column("pass", "TEXT")),
        primary_key=("id",),
        foreign_keys=(refer("club", ("club_id", "id")),),
    ),
    Table(
        name="profile",  # one to one, and referred to by a column that is no key
        columns=(column("player_id", needed=True), column("card", "TEXT")),
        primary_key=("player_id",),
        foreign_keys=(refer("player", ("player_id", "id")),),
    ),
    Table(
        name="visit",
        columns=(column("card", "TEXT"), column("club_id")),
        foreign_keys=(refer("profile", ("card", "card")), refer("club", ("club_id", "id"))),
    ),
)


@contextmanager
def built(schema: DatabaseSchema, path: Path, seed: int = 1, **more: object) -> Iterator[sqlite3.Connection]:
    build_database(schema, path, random.Random(seed), **more)  # type: ignore[arg-type]
    with closing(sqlite3.connect(path)) as connection:
        yield connection


@pytest.mark.parametrize("schema", [SHOP, CIRCLE], ids=["odd names", "circle"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_keys_hold_and_no_table_is_empty(schema: DatabaseSchema, seed: int, tmp_path: Path) -> None:
    with built(schema, tmp_path / "made.sqlite", seed) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for table in schema.tables:
            (count,) = connection.execute(f'SELECT COUNT(*) FROM "{table.name}"').fetchone()
            assert (4 if table.name == "city_type" else 30) <= count <= 400, table.name


@pytest.mark.parametrize("schema", [SHOP, CIRCLE], ids=["odd names", "circle"])
def test_the_file_has_the_schema_that_was_asked_for(schema: DatabaseSchema, tmp_path: Path) -> None:
    path = tmp_path / "made.sqlite"
    build_database(schema, path, random.Random(1))
    with closing(connect(str(path))) as database:
        found = database.schema()
    assert found.fingerprint == schema.fingerprint
    assert found.db_id == schema.db_id
    comments = {(t.name, c.name): c.comment for t in found.tables for c in t.columns if c.comment}
    assert comments == {(t.name, c.name): c.comment for t in schema.tables for c in t.columns if c.comment}


def test_the_same_chance_makes_the_same_file_and_another_one_does_not(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.sqlite", "b.sqlite", "c.sqlite")]
    for path, seed in zip(paths, (7, 7, 8), strict=True):
        build_database(SHOP, path, random.Random(seed))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes() != paths[2].read_bytes()


@pytest.mark.parametrize("seed", range(6))
def test_literals_occur_also_in_keys_and_what_they_refer_to(seed: int, tmp_path: Path) -> None:
    literals = {
        ("Employee", "City"): ["New York", "O'Fallon", "Ulm"],
        ("employee", "salary"): ["31415"],
        ("order", "city code"): ["ZZ9"],
        ("order", "order_date"): ["2014-05-01"],
        ("order", "order id"): ["987654"],
        ("order line", "order id"): ["123456"],
        ("employee", "full_name"): [f"Person {number}" for number in range(150)],
        ("nowhere", "city"): ["lost"],
    }
    with built(SHOP, tmp_path / "made.sqlite", seed, literals=literals) as connection:
        for (table, name), values in literals.items():
            if table == "nowhere":
                continue
            found = {str(row[0]).removesuffix(".0") for row in connection.execute(f'SELECT "{name}" FROM "{table}"')}
            assert set(values) <= found, (table, name)
        assert connection.execute("SELECT COUNT(*) FROM city_type WHERE code = 'ZZ9'").fetchone() == (1,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_values_fit_the_columns(tmp_path: Path) -> None:
    with built(SHOP, tmp_path / "made.sqlite") as connection:
        orders = connection.execute('SELECT order_date, shipped_date, status, is_gift, year FROM "order"').fetchall()
        people = connection.execute("SELECT full_name, born, salary, manager_id FROM employee").fetchall()
    days = [datetime.fromisoformat(row[0]) for row in orders if row[0]]
    assert len({day.year for day in days}) >= 2  # ISO, whatever form the samples had
    assert all(datetime.fromisoformat(row[1]) >= datetime.fromisoformat(row[0]) for row in orders if row[0] and row[1])
    statuses = [row[2] for row in orders if row[2]]
    assert set(statuses) == {"open", "paid", "lost"}
    assert max(statuses.count(each) for each in set(statuses)) > 1.2 * len(statuses) / 3
    assert {row[3] for row in orders} - {None} == {0, 1}
    assert all(2011 <= row[4] <= 2017 for row in orders if row[4] is not None)
    assert len({row[0] for row in people}) > 0.8 * len(people)
    assert all(len(row[0].split()) == 2 for row in people)
    assert all(1940 < int(row[1][:4]) < 2010 for row in people if row[1])
    assert all(20_000 <= row[2] <= 70_000 for row in people if row[2] is not None)
    assert {row[3] for row in people} > {None}
    assert len({row[3] for row in people}) > 2


def test_some_parents_have_no_children_and_some_have_many(tmp_path: Path) -> None:
    with built(SHOP, tmp_path / "made.sqlite") as connection:
        counts = [
            row[0]
            for row in connection.execute(
                'SELECT COUNT(o."order id") FROM employee e LEFT JOIN "order" o ON o.employee_id = e.id GROUP BY e.id'
            )
        ]
    assert counts.count(0) >= 1
    assert max(counts) > 2 * sum(counts) / len(counts)


def test_a_folder_that_is_not_there_is_said_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="Cannot make the database") as failure:
        build_database(SHOP, tmp_path / "missing" / "made.sqlite", random.Random(1))
    assert "folder" in failure.value.hint
