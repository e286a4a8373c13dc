"""Introspection of SQLite: keys, comments, samples, views, fingerprint."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from assistant.database import Database, connect
from assistant.types import DatabaseSchema, ForeignKey, Table

WAREHOUSE = """
CREATE TABLE site ( -- where goods are kept
    "site no" INTEGER PRIMARY KEY,   -- number on the door
    [floor] INT,                     -- 0 is the ground, it's odd
    `name` TEXT DEFAULT '-- none'    -- free: "choose" one
);
CREATE TABLE shelf (
    site_no INTEGER NOT NULL REFERENCES SITE,
    code TEXT NOT NULL,
    parent_code TEXT,                --no blank before this
    label,
    PRIMARY KEY (site_no, code),     -- not a column
    FOREIGN KEY (site_no, parent_code) REFERENCES shelf (site_no, code)
);
CREATE TABLE box (
    box_no INTEGER PRIMARY KEY,
    site_no INT, shelf_code TEXT,
    weight DECIMAL(6,1), full BOOLEAN, packed DATE, moved TIMESTAMP, scan BLOB,
    owner INT REFERENCES person_who_left,
    FOREIGN KEY (site_no, shelf_code) REFERENCES shelf (site_no, code)
);
CREATE VIEW heavy AS SELECT box_no, weight * 2 AS double_weight FROM box WHERE weight > 1;
CREATE VIEW broken AS SELECT * FROM nowhere;
"""


def build(path: Path, script: str) -> DatabaseSchema:
    path.unlink(missing_ok=True)
    raw = sqlite3.connect(path)
    raw.executescript(script)
    raw.close()
    return connect(str(path)).schema()


@pytest.fixture
def warehouse(tmp_path: Path) -> dict[str, Table]:
    schema = build(
        tmp_path / "w.sqlite", WAREHOUSE + "INSERT INTO box VALUES (1, 1, 'a', 2.5, 1, NULL, NULL, NULL, NULL);"
    )
    return {table.name: table for table in schema.tables}


def test_the_demo_schema_is_read_whole(shop_db: Database) -> None:
    schema = shop_db.schema()
    assert [table.name for table in schema.tables] == [
        "address", "category", "contact", "customer", "employee",
        "order_line", "payment", "product", "sales_order", "support_ticket",
    ]  # fmt: skip
    tables = {table.name: table for table in schema.tables}
    assert sum(len(table.columns) for table in schema.tables) == 64
    assert sum(len(table.foreign_keys) for table in schema.tables) == 11
    assert tables["employee"].foreign_keys == (
        ForeignKey(columns=("manager_key",), ref_table="employee", ref_columns=("employee_key",)),
    )
    order = {column.name: column for column in tables["sales_order"].columns}
    assert tables["sales_order"].primary_key == ("order_key",)
    assert tables["sales_order"].row_estimate == 5000
    assert (order["order_key"].sql_type, order["order_key"].kind, order["order_key"].is_nullable) == (
        "INT",
        "integer",
        False,
    )
    assert (order["order_date"].sql_type, order["order_date"].kind) == ("DATETIME", "datetime")
    assert order["shipped_date"].is_nullable
    assert order["address_key"].comment == "where it is shipped; NULL for pick-up in a store"
    assert order["order_date"].comment == ""


def test_samples_are_frequent_values_of_short_text_columns_only(shop_db: Database) -> None:
    samples = {
        (table.name, column.name): column.samples for table in shop_db.schema().tables for column in table.columns
    }
    assert samples["sales_order", "channel"] == ("web", "app", "store", "phone")
    assert samples["address", "city"][0] == "Paris"
    assert len(samples["address", "city"]) == 6
    for personal in ("full_name", "dateofbirth"):
        assert samples["customer", personal] == ()
    assert samples["contact", "email"] == samples["contact", "phone"] == samples["address", "street_address"] == ()
    assert samples["product", "unit_price"] == ()


def test_free_text_gets_no_samples(tmp_path: Path) -> None:
    schema = build(
        tmp_path / "t.sqlite",
        "CREATE TABLE t (note TEXT, flag TEXT);"
        "INSERT INTO t VALUES (hex(zeroblob(30)), 'on'), (hex(zeroblob(30)), 'on'), ('', NULL), ('', 'off');",
    )
    assert [column.samples for column in schema.tables[0].columns] == [(), ("on", "off")]


def test_comments_at_the_end_of_lines_belong_to_their_column(warehouse: dict[str, Table]) -> None:
    assert warehouse["site"].comment == "where goods are kept"
    assert [column.comment for column in warehouse["site"].columns] == [
        "number on the door", "0 is the ground, it's odd", 'free: "choose" one',
    ]  # fmt: skip
    assert {column.name: column.comment for column in warehouse["shelf"].columns} == {
        "site_no": "", "code": "", "parent_code": "no blank before this", "label": "",
    }  # fmt: skip


def test_composite_and_self_references_are_read(warehouse: dict[str, Table]) -> None:
    assert warehouse["shelf"].primary_key == ("site_no", "code")
    assert warehouse["shelf"].foreign_keys == (
        ForeignKey(columns=("site_no",), ref_table="site", ref_columns=("site no",)),
        ForeignKey(columns=("site_no", "parent_code"), ref_table="shelf", ref_columns=("site_no", "code")),
    )


def test_a_reference_to_a_table_that_is_gone_is_left_out(warehouse: dict[str, Table]) -> None:
    assert warehouse["box"].foreign_keys == (
        ForeignKey(columns=("site_no", "shelf_code"), ref_table="shelf", ref_columns=("site_no", "code")),
    )


def test_declared_types_tell_the_kind(warehouse: dict[str, Table]) -> None:
    assert {column.name: column.kind for column in warehouse["box"].columns} == {
        "box_no": "integer", "site_no": "integer", "shelf_code": "text", "weight": "float", "full": "boolean",
        "packed": "date", "moved": "datetime", "scan": "blob", "owner": "integer",
    }  # fmt: skip


def test_views_are_read_and_broken_ones_left_out(warehouse: dict[str, Table]) -> None:
    assert set(warehouse) == {"site", "shelf", "box", "heavy"}
    assert [(column.name, column.kind) for column in warehouse["heavy"].columns] == [
        ("box_no", "integer"),
        ("double_weight", "float"),
    ]


def test_a_slow_view_does_not_hold_up_the_schema(tmp_path: Path) -> None:
    schema = build(
        tmp_path / "slow.sqlite",
        "CREATE TABLE a (x TEXT); INSERT INTO a VALUES ('one');"
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT count(*) AS c FROM n;",
    )
    assert [(table.name, table.row_estimate) for table in schema.tables] == [("a", 1), ("endless", None)]


def test_the_schema_is_read_once_until_it_is_refreshed(tmp_path: Path) -> None:
    path = tmp_path / "grow.sqlite"
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE a (x INT)")
    database = connect(str(path))
    first = database.schema()
    raw.execute("CREATE TABLE b (y INT)")
    raw.close()
    assert database.schema() is first
    assert [table.name for table in database.schema(refresh=True).tables] == ["a", "b"]
    assert database.schema().fingerprint != first.fingerprint


# ---- fingerprint

BASE = "CREATE TABLE a (x INT PRIMARY KEY, y TEXT); CREATE TABLE b (z INT, x INT REFERENCES a (x));"


def test_a_wide_table_created_in_one_line_of_quoted_names_is_read(tmp_path: Path) -> None:
    names = [f"Column {number}" for number in range(60)]
    columns = ", ".join(f'"{name}" INTEGER' for name in names)
    schema = build(tmp_path / "wide.sqlite", f"CREATE TABLE wide ({columns});")
    assert [column.name for column in schema.tables[0].columns] == names


@pytest.mark.parametrize(
    "script",
    [
        BASE,
        "CREATE TABLE b (z INT, x INT REFERENCES a (x)); CREATE TABLE a (x INT PRIMARY KEY, y TEXT);",
        BASE + "INSERT INTO a VALUES (1, 'new');",
        "CREATE TABLE a (x INT PRIMARY KEY, -- a comment\n y TEXT); CREATE TABLE b (z INT, x INT REFERENCES a (x));",
        BASE + "CREATE INDEX i ON a (y);",
    ],
)
def test_the_fingerprint_ignores_rows_comments_indexes_and_order(tmp_path: Path, script: str) -> None:
    assert build(tmp_path / "1.sqlite", script).fingerprint == build(tmp_path / "2.sqlite", BASE).fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("TABLE b", "TABLE c"),
        ("y TEXT", "yy TEXT"),
        ("y TEXT", "y INT"),
        ("y TEXT", "y TEXT NOT NULL"),
        ("z INT", "z INT PRIMARY KEY"),
        (" REFERENCES a (x)", ""),
        ("y TEXT", "y TEXT, w TEXT"),
    ],
)
def test_the_fingerprint_changes_with_names_types_nullability_and_keys(tmp_path: Path, old: str, new: str) -> None:
    assert old in BASE
    changed = build(tmp_path / "1.sqlite", BASE.replace(old, new, 1)).fingerprint
    assert changed != build(tmp_path / "2.sqlite", BASE).fingerprint


def test_the_fingerprint_is_the_same_on_every_call(shop_db: Database) -> None:
    first = shop_db.schema().fingerprint
    assert len(first) == 64
    assert shop_db.schema(refresh=True).fingerprint == first
