"""Wide tables: every column is covered, and the data are still about the rest of the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.types import Column, DatabaseSchema, Table
from tests.training.leagues import make_database
from training.datagen.coverage import MAX_TOGETHER, Coverage, CoverageReport, Tried
from training.datagen.drafts import Item
from training.datagen.generate import DatagenConfig, generate
from training.datagen.slices import read_triples
from training.datagen.wide import FULL_COLUMNS, MIN_FAMILY, find_thin

WIDE = 60


def schema_of(*names: str) -> DatabaseSchema:
    columns = tuple(Column(name=name, sql_type="REAL", kind="float") for name in names)
    return DatabaseSchema(db_id="x", dialect="sqlite", tables=(Table(name="t", columns=columns),), fingerprint="f" * 64)


def numbered(count: int) -> list[str]:
    return [f"m{number:03}" for number in range(1, count + 1)]


def test_columns_with_a_running_number_are_one_family_and_few_of_them_are_none() -> None:
    found = find_thin(schema_of("id", *numbered(50), "note"))
    assert set(found) == {f"t.{name}" for name in numbered(50)}
    assert {thin.group for thin in found.values()} == {"t.m#"}
    assert {thin.share for thin in found.values()} == {0.1}
    assert not find_thin(schema_of("id", *numbered(MIN_FAMILY - 1)))


def test_columns_behind_the_first_ones_need_fewer_examples() -> None:
    names = [f"{one}{other}" for one in "abcdef" for other in "ghijklm"]
    assert list(find_thin(schema_of(*names))) == [f"t.{name}" for name in names[FULL_COLUMNS:]]
    assert not find_thin(schema_of(*names[:FULL_COLUMNS]))


def test_the_plan_asks_for_thin_columns_together_and_for_those_that_failed_one_by_one() -> None:
    coverage = Coverage(schema_of("id", *numbered(12)), {}, {}, least=1)
    planned = [target for target in coverage.plan() if target.item.name.startswith("t.m")]
    assert [len(target.more) + 1 for target in planned] == [MAX_TOGETHER, MAX_TOGETHER, 2]
    named = [name for target in planned for name in (target.item.name, *target.more)]
    assert named == [f"t.{name}" for name in numbered(12)]
    coverage.note([Tried(Item("column", "t.m001"), 3, 0, {"empty result": 3})])
    again = {target.item.name: target for target in coverage.plan()}
    assert (again["t.m001"].more, again["t.m001"].missing) == ((), 2)
    assert again["t.m002"].more == tuple(f"t.m00{number}" for number in range(3, 7))


def test_a_family_needs_as_many_examples_as_a_few_columns_and_each_of_its_columns_one_at_least() -> None:
    wanted = {
        target.item.name: target.missing for target in Coverage(schema_of("id", *numbered(50)), {}, {}, least=30).plan()
    }
    assert (wanted["t.id"], wanted["t.m001"]) == (30, 3)
    wanted = {
        target.item.name: target.missing for target in Coverage(schema_of("id", *numbered(50)), {}, {}, least=2).plan()
    }
    assert (wanted["t.id"], wanted["t.m001"]) == (2, 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of a database in which a table has far more columns than all others together."""
    folder = tmp_path_factory.mktemp("wide")
    columns = ", ".join(f"{name} REAL" for name in numbered(WIDE))
    values = ", ".join(f"i * {number} % 97" for number in range(1, WIDE + 1))
    path = make_database(
        folder / "plant.sqlite",
        f"""
        CREATE TABLE site (site_id INTEGER PRIMARY KEY, name TEXT, country TEXT, opened DATE);
        CREATE TABLE meter (meter_id INTEGER PRIMARY KEY, site_id INTEGER REFERENCES site, maker TEXT, price REAL);
        CREATE TABLE reading (reading_id INTEGER PRIMARY KEY, taken DATE, {columns});
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
          INSERT INTO site SELECT i, 'Site ' || i, 'Land ' || (i % 5), date('2020-01-01', (i * 37) || ' days') FROM n;
        INSERT INTO meter SELECT site_id, site_id % 9 + 1, 'Maker ' || (site_id % 4), site_id * 7.5 FROM site;
        INSERT INTO reading SELECT i, date('2021-01-01', i || ' days'), {values} FROM (SELECT site_id AS i FROM site);
        """,
    )
    generate(DatagenConfig(database_url=str(path), out=folder / "out", count=200))
    return folder / "out"


def test_every_column_of_a_wide_table_is_hit_and_few_questions_are_about_it(made: Path) -> None:
    report = CoverageReport.model_validate_json((made / "coverage.json").read_text())
    thin = [item for item in report.items if item.name.startswith("reading.m")]
    assert len(thin) == WIDE
    assert all(item.examples + item.held_out >= item.wanted == 1 for item in thin)
    triples = [triple for name in ("train.jsonl", "eval.jsonl") for triple in read_triples(made / name)]
    about = sum("reading" in triple.tables for triple in triples)
    assert WIDE / MAX_TOGETHER <= about <= 0.3 * len(triples)


def test_columns_that_are_asked_for_together_are_all_named(made: Path) -> None:
    triples = [triple for triple in read_triples(made / "train.jsonl") if triple.kind == "column_list"]
    together = [t for t in triples if t.style == "plain" and len([c for c in t.columns if ".m0" in c]) == MAX_TOGETHER]
    assert together
    for triple in together:
        assert all(column.removeprefix("reading.m").lstrip("0") in triple.question for column in triple.columns)
