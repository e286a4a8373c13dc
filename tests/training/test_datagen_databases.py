"""Other databases than the demo: what is missing in them is no reason to fail, and what is awkward is said right."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant.database import connect
from assistant.guard import check
from assistant.naming import write_name
from assistant.types import Completion, DatabaseSchema, GuardedQuery, SchemaContext, SqlDraft
from tests.training.unseen import HOSPITAL_TABLES, ODD_TABLES, build_hospital, build_odd_names
from training.datagen.data_copy import DataCopy
from training.datagen.drafts import BatchRequest, Draft
from training.datagen.generate import DatagenConfig, generate
from training.datagen.glossary import build_lexicon
from training.datagen.grammar import Grammar
from training.datagen.kinds.hierarchy import hierarchy
from training.datagen.questions import KIND_NAMES
from training.datagen.reading import read_world
from training.datagen.statement import read_tree
from training.datagen.world import World

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
MESSY = """
CREATE TABLE "m" (id INTEGER PRIMARY KEY, name TEXT, up INTEGER REFERENCES m (id), n NUMERIC, d DATE, t DATETIME,
                  "a""b" TEXT, is_old INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
INSERT INTO m SELECT i, 'name ' || i, CASE WHEN i > 3 THEN i / 4 END, CASE i % 5 WHEN 0 THEN 'n/a' ELSE i END,
    CASE i % 3 WHEN 0 THEN 20240000 + i ELSE '05/03/2024' END, '2024-03-0' || (1 + i % 9) || ' 10:00:00',
    CASE i % 2 WHEN 0 THEN 'even' ELSE 'odd' END, i % 2 FROM n;
"""


def make(path: Path, script: str) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.commit()
    connection.close()
    return path


def read_schema(path: Path) -> DatabaseSchema:
    with closing(connect(str(path))) as database:
        return database.schema()


def draw(path: Path, folder: Path, count: int) -> list[Draft]:
    schema = read_schema(path)
    with closing(DataCopy(path, folder / "copy", schema.tables)) as data:
        return list(Grammar(schema, data).draw(BatchRequest("1:1", count)))


def statements(drafts: list[Draft]) -> list[str]:
    replies = (sql for draft in drafts for sql in (draft.reply, *(turn.sql for turn in draft.history)))
    return [sql for sql in dict.fromkeys(replies) if not sql.startswith("--")]


def assert_all_run(path: Path, found: list[str]) -> None:
    schema = read_schema(path)
    context = SchemaContext(db_id=schema.db_id, dialect="sqlite", tables=schema.tables)
    with closing(sqlite3.connect(path)) as connection:
        for sql in found:
            draft = SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model="test"))
            assert isinstance(check(draft, context, max_rows=1000), GuardedQuery), sql
            connection.execute(sql).fetchone()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unseen") / "hospital.sqlite"
    build_hospital(path)
    return path


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unseen") / "odd.sqlite"
    build_odd_names(path)
    return path


@pytest.fixture
def hospital_world(hospital: Path) -> Iterator[World]:
    with closing(sqlite3.connect(hospital)) as connection:
        yield read_world(build_lexicon(read_schema(hospital)), connection, random.Random(3))


@pytest.mark.parametrize(
    ("script", "tables"),
    [(WAREHOUSE, {"site", "shelf", "plan", "helper"}), (LONELY, {"ball"}), (MESSY, {"m"})],
    ids=["a composite key, an empty table, apostrophes", "one table without any key", "values that do not fit"],
)
def test_statements_about_another_database_pass_the_guard_and_run(
    tmp_path: Path, script: str, tables: set[str]
) -> None:
    path = make(tmp_path / "other.sqlite", script)
    drafts = draw(path, tmp_path, 600)
    assert {table.name for table in read_schema(path).tables} == tables
    assert len({draft.kind for draft in drafts}) >= 15
    found = statements(drafts)
    assert len(found) >= 80
    assert_all_run(path, found)


@pytest.mark.parametrize("name", ["hospital", "odd"])
def test_statements_about_a_database_never_seen_pass_the_guard_and_run(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    path: Path = request.getfixturevalue(name)
    drafts = draw(path, tmp_path, 2000)
    kinds = {kind for names in KIND_NAMES.values() for kind in names}
    assert len({draft.kind for draft in drafts} & kinds) >= 0.6 * len(kinds)
    found = statements(drafts)
    assert len(found) >= 350
    assert_all_run(path, found)
    said = " ".join(draft.question for draft in drafts)
    assert not re.search(r"\b(revenue|euros?|where the customer lives)\b", said)


@pytest.mark.parametrize("name", ["hospital", "odd"])
def test_of_a_database_never_seen_everything_is_covered_or_the_reason_is_given(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    path: Path = request.getfixturevalue(name)
    summary = generate(DatagenConfig(database_url=str(path), out=tmp_path / "out", count=300))
    tables = {"hospital": HOSPITAL_TABLES + 1, "odd": ODD_TABLES + 1}[name]
    assert summary.covered["table"] == (tables, tables)
    reasons = {item: reason for item, reason in summary.uncovered.items() if item.startswith(("column", "path"))}
    told = ("every value is NULL", "its table has no rows", "has no value in", "dropped for: empty result")
    assert {item: reason for item, reason in reasons.items() if not any(part in reason for part in told)} == {}
    hit, planned = summary.covered["column"]
    assert planned >= 153
    assert hit >= planned - 3
    assert summary.covered["path"][0] >= 25


def test_each_name_is_quoted_where_it_must_be_and_nowhere_else(odd: Path, hospital: Path, tmp_path: Path) -> None:
    checked = 0
    for number, path in enumerate((odd, hospital)):
        names = {name for table in read_schema(path).tables for name in (table.name, *(c.name for c in table.columns))}
        for sql in statements(draw(path, tmp_path / str(number), 400)):
            for found in re.findall(r'"(?:[^"]|"")+"', re.sub(r"'(?:[^']|'')*'", "", sql)):
                assert found == write_name(found[1:-1].replace('""', '"')), sql
                checked += 1
            # Bare, each name is read by every system as it stands.
            for node in read_tree(sql, "sqlite").walk():
                if node.key == "identifier" and node.name in names and not node.args.get("quoted"):
                    assert write_name(node.name) == node.name, sql
    assert checked >= 300


def test_a_composite_key_is_joined_by_all_its_columns(tmp_path: Path) -> None:
    drafts = draw(make(tmp_path / "w.sqlite", WAREHOUSE), tmp_path, 600)
    joined = [sql for sql in statements(drafts) if "JOIN site" in sql]
    assert joined
    assert all(".site_no = " in sql and ".code = " in sql for sql in joined)


def test_names_with_apostrophes_are_quoted(tmp_path: Path) -> None:
    path = make(tmp_path / "w.sqlite", WAREHOUSE)
    lexicon = build_lexicon(read_schema(path))
    with closing(sqlite3.connect(path)) as connection:
        world = read_world(lexicon, connection, random.Random(1))
        asked = [found for _ in range(200) if (found := hierarchy(world))]
        assert len({found.kind for found in asked}) >= 10
        named = [found.sql for found in asked if "Pat" in found.sql]
        assert len(named) >= 20
        for sql in named:
            assert "'Pat O''" in sql
            connection.execute(sql).fetchone()


def test_several_ways_to_one_table_are_joined_apart(hospital_world: World) -> None:
    """A transfer has a ward it came from, one it went to, and that of its admission."""
    world = hospital_world
    checked = 0
    for table in world.lexicon.schema.tables:
        ends: dict[str, tuple[str, ...]] = {}
        for path in world.paths(table.name):
            if path:
                way = tuple(f"{relation.table}.{relation.child_columns}" for relation in path)
                assert ends.setdefault(path[-1].instance, way) == way
                checked += 1
        # No two ways lead to the same table under the same name.
        said = [(path[-1].target, path[-1].words) for path in world.paths(table.name) if path]
        assert len(said) == len(set(said)), table.name
    assert checked >= 60
    wards = [path for path in world.paths("transfer") if path and path[-1].target == "ward"]
    assert {path[-1].words for path in wards} == {("from ward",), ("to ward",), ()}


def test_what_the_values_say_is_used_where_names_say_nothing(odd: Path) -> None:
    with closing(sqlite3.connect(odd)) as connection:
        world = read_world(build_lexicon(read_schema(odd)), connection, random.Random(1))
    assert world.lexicon.labels["artikelStamm"] == "Bezeichnung"
    assert ("artikelStamm", "validFrom") in world.days  # dates kept as text
    assert ("artikelStamm", "LongText") not in world.texts  # nobody says 2,000 characters
    assert {("User", "isAdmin"), ("group", "select")} <= world.flags
    assert "LoginName" not in world.categories("User")  # each value is used once
    assert ("2024_targets", "remark") not in world.texts  # nothing in it


def test_values_that_do_not_fit_their_column_are_left_out(tmp_path: Path) -> None:
    path = make(tmp_path / "m.sqlite", MESSY)
    with closing(sqlite3.connect(path)) as connection:
        world = read_world(build_lexicon(read_schema(path)), connection, random.Random(1))
    assert all(value == int(value) and value % 5 for value in world.numbers["m", "n"])
    assert ("m", "d") not in world.days
    assert world.days["m", "t"][0].isoformat() == "2024-03-01"
    assert ("m", "is_old") in world.flags
