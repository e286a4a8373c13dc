"""Training data about databases on servers: copied to SQLite, drawn from the copy, kept in the server's own SQL.

The database has a composite key, names that need quotes, decimals, booleans, a BLOB, moments, an empty table, a view,
and a table that points at itself. It is the same on PostgreSQL and on MariaDB.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from assistant.database import load_glossary
from assistant.types import Dialect, Rejection
from evaluation.compare import same_result
from evaluation.execution import Executor
from tests.servers import ServerMissing, mysql_server, postgres_server
from training.datagen.coverage import CoverageReport
from training.datagen.crossing import DISAGREES, carry_mistake
from training.datagen.data_copy import DataCopy
from training.datagen.drafts import Draft
from training.datagen.generate import DatagenConfig, generate
from training.datagen.opening import COPY_PREFIX, Source, open_source
from training.datagen.results import digest_result
from training.datagen.server_copy import copy_server
from training.datagen.slices import read_triples
from training.datagen.triples import Dropped, Triple
from training.datagen.validation import Bench, Validator

COUNT = 120
FIRST = date(2024, 1, 1)
DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}

METADATA = sa.MetaData()
region = sa.Table(
    "region", METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(40), comment="what the region is called"),
)  # fmt: skip
person = sa.Table(
    "person", METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("full_name", sa.String(40)),
    sa.Column("mentor_id", sa.ForeignKey("person.id")),
    sa.Column("pay", sa.Numeric(10, 2)),
    sa.Column("is_active", sa.Boolean),
    sa.Column("region_id", sa.ForeignKey("region.id")),
    sa.Column("photo", sa.LargeBinary),
)  # fmt: skip
sale = sa.Table(
    "sale", METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("person_id", sa.ForeignKey("person.id")),
    sa.Column("placed", sa.Date),
    sa.Column("sent", sa.DateTime),
    sa.Column("total", sa.Numeric(10, 2)),
    sa.Column("pieces", sa.Integer),
    sa.Column("status", sa.String(20)),
)  # fmt: skip
site = sa.Table(
    "site", METADATA,
    sa.Column("site_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("code", sa.String(10), primary_key=True),
    sa.Column("title", sa.String(20)),
)  # fmt: skip
shelf = sa.Table(
    "shelf", METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("site_no", sa.Integer),
    sa.Column("code", sa.String(10)),
    sa.Column("width", sa.Float),
    sa.ForeignKeyConstraint(["site_no", "code"], ["site.site_no", "site.code"]),
)  # fmt: skip
# Names that need quotes: a reserved word, capitals, a space.
line = sa.Table(
    "Order Line", METADATA,
    sa.Column("Id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("saleId", sa.ForeignKey("sale.id")),
    sa.Column("group", sa.String(10)),
    sa.Column("Unit Price", sa.Numeric(8, 2)),
)  # fmt: skip
prize = sa.Table("prize", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(20)))

ROWS: dict[sa.Table, list[dict[str, object]]] = {
    region: [{"id": n, "name": f"Region {n}"} for n in range(5)],
    person: [
        {
            "id": n, "full_name": f"{'Pat' if n % 5 else 'pat'} {chr(65 + n % 26)}{n // 26}",
            "mentor_id": n // 3 if n > 2 else None, "pay": Decimal(1000 + n * 7), "is_active": n % 3 > 0,
            "region_id": n % 5, "photo": bytes([n, 255]),
        }
        for n in range(40)
    ],
    sale: [
        {
            "id": n * 3, "person_id": n * 7 % 40, "placed": FIRST + timedelta(days=n * 2),
            "sent": datetime(2024, 1, 2, n % 24, n % 60) + timedelta(days=n) if n % 4 else None,
            "total": Decimal(n * 137 % 900) + Decimal(n % 4) / 4, "pieces": n % 9,
            "status": ("open", "paid", "gone")[n % 3],
        }
        for n in range(300)
    ],
    site: [{"site_no": n % 8, "code": f"c{n}", "title": f"Site {n}"} for n in range(40)],
    line: [
        {"Id": n, "saleId": n % 300 * 3, "group": "abcdef"[n % 6], "Unit Price": Decimal(n % 57) / 4}
        for n in range(400)
    ],
    shelf: [{"id": n, "site_no": n % 40 % 8, "code": f"c{n % 40}", "width": n % 17 * 0.35} for n in range(200)],
}  # fmt: skip


class Place(NamedTuple):
    """A server's database with its copy."""

    url: str
    dialect: Dialect
    source: Source
    folder: Path

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        name, _, rest = self.url.partition("://")
        engine = sa.create_engine(f"{DRIVERS[name]}://{rest}")
        with engine.begin() as connection:
            yield connection
        engine.dispose()

    def validator(self, *, copy: Path | None = None) -> Validator:
        """Validate drafts about it, without look-alikes."""
        path = copy or self.source.path
        return Validator(Bench(self.source.schema, str(path), has_look_alikes=False, server=self.source.server))


def fill(url: str) -> None:
    name, _, rest = url.partition("://")
    engine = sa.create_engine(f"{DRIVERS[name]}://{rest}")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        for table, rows in ROWS.items():
            connection.execute(table.insert(), rows)
        connection.exec_driver_sql("CREATE VIEW well_paid AS SELECT id, full_name, pay FROM person WHERE pay > 1100")
    engine.dispose()


@pytest.fixture(scope="module", params=["postgres", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    dialect: Dialect = request.param
    folder = tmp_path_factory.mktemp(dialect)
    try:
        server = (postgres_server if dialect == "postgres" else mysql_server)()
        url = server.__enter__()
    except ServerMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, and CI must not skip")
        pytest.skip(str(missing))
    try:
        fill(url)
        yield Place(url, dialect, open_source(url, folder / "copy"), folder)
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="module")
def made(place: Place) -> Path:
    """The data of a whole run."""
    out = place.folder / "made"
    (out / f"{COPY_PREFIX}999999999").mkdir(parents=True)  # left behind by a process that was killed
    glossary = place.folder / "words.toml"
    glossary.write_text('[[term]]\nterm = "turnover"\nmeaning = "What came in."\nsql = "SUM(sale.total)"\n')
    generate(DatagenConfig(database_url=place.url, out=out, count=COUNT, glossary_path=glossary))
    return out


def quote(name: str, dialect: str) -> str:
    return f"`{name}`" if dialect == "mysql" else f'"{name}"'


def one(validator: Validator, sql: str, **more: object) -> Triple | Dropped:
    (found,) = validator.validate([Draft.model_validate({"kind": "x", "question": "So?", "reply": sql, **more})], "1:1")
    return found


def test_a_copy_holds_the_same_tables_and_values(place: Place) -> None:
    source = place.source
    assert source.server is not None
    assert source.server.is_complete
    assert (source.schema.dialect, source.copy_schema.dialect) == (place.dialect, "sqlite")
    shape = [(t.name, [(c.name, c.kind) for c in t.columns], t.primary_key) for t in source.schema.tables]
    assert [(t.name, [(c.name, c.kind) for c in t.columns], t.primary_key) for t in source.copy_schema.tables] == shape
    assert {t.name: t.row_estimate for t in source.copy_schema.tables} == {
        "region": 5, "person": 40, "sale": 300, "site": 40, "shelf": 200, "prize": 0, "well_paid": 25,
        "Order Line": 400,
    }  # fmt: skip
    with (
        closing(Executor(place.url, timeout_s=9, max_rows=999)) as there,
        closing(Executor(str(source.path), timeout_s=9, max_rows=999)) as here,
    ):
        for table in source.schema.tables:
            statements = [f"SELECT * FROM {quote(table.name, dialect)}" for dialect in (place.dialect, "sqlite")]
            results = [executor.run(sql) for executor, sql in zip((there, here), statements, strict=True)]
            first, second = (found.result for found in results if not isinstance(found, Rejection))
            assert same_result(first, second, False).is_correct, table.name


def test_the_digest_of_the_content_changes_with_a_value_and_with_nothing_else(place: Place, tmp_path: Path) -> None:
    assert open_source(place.url, tmp_path / "same").content == place.source.content
    with place.changing() as connection:
        connection.execute(sale.update().where(sale.c.id == 6).values(total=sale.c.total + 1))
    changed = open_source(place.url, tmp_path / "other").content
    with place.changing() as connection:
        connection.execute(sale.update().where(sale.c.id == 6).values(total=sale.c.total - 1))
    assert changed != place.source.content
    assert open_source(place.url, tmp_path / "back").content == place.source.content


def test_a_sample_is_spread_and_foreign_keys_hold_in_it(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sample.sqlite"
    with closing(Executor(place.url, timeout_s=9, max_rows=999)) as executor:
        copy = copy_server(executor, path, max_rows=30)
    assert copy.sampled == ("Order Line", "person", "sale", "shelf", "site")
    assert not copy.is_complete
    assert "Of Order Line, person, sale, shelf, site only a sample was copied" in capsys.readouterr().err
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        sales, last = connection.execute("SELECT COUNT(*), MAX(id) FROM sale").fetchone()
        pointing = connection.execute("SELECT COUNT(*) FROM sale JOIN person ON person.id = person_id").fetchone()[0]
    assert 25 <= sales <= 60  # its own, and those that lines of the sample point at
    assert last > 800
    assert pointing == sales


def test_what_is_kept_is_the_server_s_sql_and_was_run_on_the_server(place: Place, made: Path) -> None:
    triples = [t for name in ("train.jsonl", "eval.jsonl") for t in read_triples(made / name)]
    with_sql = [triple for triple in triples if triple.sql]
    assert len(with_sql) >= 0.7 * COUNT
    assert {t.fingerprint for t in triples} == {place.source.schema.fingerprint}
    with closing(Executor(place.url, timeout_s=9, max_rows=1000)) as executor:
        for triple in with_sql:
            assert triple.messages[0].content.startswith(f"{place.dialect} ")
            assert triple.reply == triple.sql
            assert "strftime" not in triple.sql
            found = executor.run(triple.sql)
            assert not isinstance(found, Rejection), triple.sql
            assert len(found.result.rows) == triple.n_rows
            # Rows that tie come in any order, each time in another one.
            assert found.is_ordered or digest_result(found) == triple.result_digest, triple.sql
            for turn in triple.history:
                assert not isinstance(executor.run(turn.sql), Rejection)
    strange = [t.sql for t in with_sql if any(word in t.sql for word in ("COLLATE", "BINARY", "NULLS", "_col_"))]
    assert len(strange) <= 0.05 * len(with_sql), strange
    assert not list(made.glob(f"{COPY_PREFIX}*"))
    assert not (made / "work").exists()


def test_every_column_and_path_of_a_server_is_covered_or_explained(made: Path) -> None:
    report = CoverageReport.model_validate_json((made / "coverage.json").read_text())
    missing = {item.name for item in report.uncovered if item.aspect in ("table", "column", "path")}
    assert missing <= {"prize", "prize.id", "prize.title"}
    assert {
        "Order Line.saleId -> sale.person_id -> person",
        "Order Line.group",
        "Order Line.Unit Price",
        "sale.person_id -> person.region_id -> region",
        "shelf.(site_no, code) -> site",
    } <= {item.name for item in report.items if item.examples}


def test_words_of_the_glossary_are_used(made: Path) -> None:
    questions = [t.question.casefold() for t in read_triples(made / "train.jsonl") if "SUM(total)" in t.sql]
    assert [question for question in questions if "turnover" in question]


def test_a_translation_that_disagrees_is_dropped(place: Place, tmp_path: Path) -> None:
    with closing(DataCopy(place.source.path, tmp_path, ())) as data, closing(sqlite3.connect(data.path)) as connection:
        connection.execute("DELETE FROM sale WHERE id > 600")
        connection.commit()
        with closing(place.validator(copy=data.path)) as validator:
            assert one(validator, "SELECT COUNT(*) FROM sale") == Dropped(DISAGREES)
            assert isinstance(one(validator, "SELECT COUNT(*) FROM person"), Triple)
        server = place.source.server
        assert server is not None
        sampled = Bench(place.source.schema, str(data.path), server=server._replace(is_complete=False))
        with closing(Validator(sampled)) as validator:
            found = one(validator, "SELECT COUNT(*) FROM sale")
    assert isinstance(found, Triple)
    with closing(Executor(place.url, timeout_s=9, max_rows=9)) as executor:
        counted = executor.run("SELECT COUNT(*) FROM sale")
    assert not isinstance(counted, Rejection)
    assert found.result_digest == digest_result(counted)


@pytest.mark.parametrize(
    ("sql", "postgres", "mysql"),
    [
        (
            "SELECT strftime('%Y-%m', placed), COUNT(*) FROM sale GROUP BY strftime('%Y-%m', placed)",
            "SELECT TO_CHAR(placed, 'YYYY-MM'), COUNT(*) FROM sale GROUP BY TO_CHAR(placed, 'YYYY-MM')",
            "SELECT DATE_FORMAT(placed, '%Y-%m'), COUNT(*) FROM sale GROUP BY DATE_FORMAT(placed, '%Y-%m')",
        ),
        (
            "SELECT full_name FROM person WHERE full_name LIKE '%a1' AND is_active = 1 ORDER BY full_name",
            "SELECT full_name FROM person WHERE full_name ILIKE '%a1' AND is_active = TRUE ORDER BY full_name",
            "SELECT full_name FROM person WHERE full_name LIKE '%a1' AND is_active = 1 ORDER BY full_name",
        ),
        # Where the plain spelling gives something else, the exact one is kept: NULL comes first in PostgreSQL.
        (
            "SELECT id FROM sale ORDER BY sent DESC LIMIT 5",
            "SELECT id FROM sale ORDER BY sent DESC NULLS LAST LIMIT 5",
            "SELECT id FROM sale ORDER BY sent DESC LIMIT 5",
        ),
        # Rows that tie come in any order, and LIMIT cuts between them.
        (
            "SELECT id FROM sale WHERE status = 'open' ORDER BY pieces LIMIT 3",
            "SELECT id FROM sale WHERE status = 'open' ORDER BY pieces LIMIT 3",
            "SELECT id FROM sale WHERE status = 'open' ORDER BY pieces LIMIT 3",
        ),
        # Text is sorted as the server sorts it, unless LIMIT makes other rows of that.
        (
            "SELECT full_name FROM person ORDER BY full_name DESC",
            "SELECT full_name FROM person ORDER BY full_name DESC",
            "SELECT full_name FROM person ORDER BY full_name DESC",
        ),
        (
            "SELECT 1.0 * SUM(pieces > 3) / COUNT(*), AVG(pieces) FROM sale WHERE id > 9 AND status <> 'lost'",
            "SELECT 1.0 * SUM(CAST(pieces > 3 AS INT)) / NULLIF(COUNT(*), 0), AVG(pieces) FROM sale WHERE id > 9 AND"
            " status <> 'lost'",
            "SELECT CAST(1.0 * SUM(pieces > 3) AS DOUBLE) / COUNT(*), AVG(CAST(pieces AS DOUBLE)) FROM sale"
            " WHERE id > 9 AND status <> 'lost'",
        ),
        (
            "SELECT MAX(julianday(sent) - julianday(placed)) FROM sale",
            "SELECT MAX((EXTRACT(EPOCH FROM sent) - EXTRACT(EPOCH FROM CAST(placed AS TIMESTAMP))) / 86400.0)"
            " FROM sale",
            "SELECT MAX((TO_SECONDS(sent) - TO_SECONDS(CAST(placed AS DATETIME))) / 86400e0) FROM sale",
        ),
        (
            "SELECT p.full_name FROM person p WHERE NOT EXISTS (SELECT 1 FROM sale s WHERE s.person_id = p.id AND"
            " s.sent IS NOT NULL)",
            "SELECT p.full_name FROM person p WHERE NOT EXISTS (SELECT 1 FROM sale s WHERE s.person_id = p.id AND"
            " s.sent IS NOT NULL)",
            "SELECT p.full_name FROM person p WHERE NOT EXISTS (SELECT 1 FROM sale s WHERE s.person_id = p.id AND"
            " s.sent IS NOT NULL)",
        ),
    ],
    ids=["dates", "capitals", "missing values", "ties", "order of texts", "numbers", "days", "layout"],
)  # fmt: skip
def test_a_statement_is_kept_as_people_write_it_there(place: Place, sql: str, postgres: str, mysql: str) -> None:
    with closing(place.validator()) as validator:
        found = one(validator, sql)
    assert isinstance(found, Triple)
    assert found.sql == {"postgres": postgres, "mysql": mysql}[place.dialect]


def test_text_that_the_server_takes_for_the_same_is_told_apart(place: Place, tmp_path: Path) -> None:
    with place.changing() as connection:
        connection.execute(region.update().where(region.c.id == 1).values(name="REGION 0"))
    try:
        source = open_source(place.url, tmp_path)
        bench = Bench(source.schema, str(source.path), has_look_alikes=False, server=source.server)
        with closing(Validator(bench)) as validator:
            found = one(validator, "SELECT COUNT(*) FROM region WHERE name = 'Region 0'")
    finally:
        with place.changing() as connection:
            connection.execute(region.update().where(region.c.id == 1).values(name="Region 1"))
    assert isinstance(found, Triple)
    assert ("BINARY" in found.sql) == (place.dialect == "mysql")


def test_earlier_turns_and_mistakes_are_the_server_s_too(place: Place) -> None:
    sql = "SELECT COUNT(*) FROM sale WHERE strftime('%Y', placed) = '2024'"
    wrong = sql.replace("placed", "placed_on")
    with closing(place.validator()) as validator:
        found = one(validator, sql, history=[{"question": "All?", "sql": sql}], refused_sql=wrong)
        assert one(validator, sql, refused_sql=sql.replace("placed", "sent")) == Dropped(
            "the wrong draft is not refused"
        )
    assert isinstance(found, Triple)
    assert found.history[0].sql == found.sql
    shown = [message.content for message in found.messages]
    assert found.sql in shown
    assert found.sql.replace("placed", "placed_on") in shown
    assert "No table of this query has a column 'placed_on'" in shown[-1]


def test_a_mistake_is_made_in_names_only(place: Place) -> None:
    server = place.source.server
    assert server is not None
    carried = f"SELECT s.{quote('group', place.dialect)} FROM sale s WHERE s.status = 'group'"
    right = "SELECT s.\"group\" FROM sale s WHERE s.status = 'group'"
    wrong = "SELECT s.\"groups\" FROM sale s WHERE s.status = 'group'"
    assert carry_mistake(right, wrong, carried, server) == carried.replace("group", "groups", 1)
    assert carry_mistake(right, f"{wrong} LIMIT 1", carried, server) is None
    assert carry_mistake("SELECT 1", "SELECT 2", carried, server) is None


def test_a_glossary_is_read_in_either_dialect(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    year = {"postgres": "TO_CHAR(sale.placed, 'YYYY') = '2024'", "mysql": "DATE_FORMAT(sale.placed, '%Y') = '2024'"}
    wanted = {
        "old": (year[place.dialect], "strftime('%Y', sale.placed) = '2024'"),
        "sent": ("julianday(sale.sent) > 0", "julianday(sale.sent) > 0"),
        "piece": ("sale", "sale"),
        "pay": ("person.pay", "person.pay"),
        "team": ("person JOIN region ON region.id = person.region_id",) * 2,
        "turnover": ("SUM(sale.total)", "SUM(sale.total)"),
        "wrong": ("nonsense(sale.total)", ""),
    }
    path = tmp_path / "words.toml"
    path.write_text("".join(f'[[term]]\nterm = "{t}"\nmeaning = "m"\nsql = "{s}"\n' for t, (s, _) in wanted.items()))
    source = open_source(place.url, tmp_path, glossary_path=path)
    assert source.schema.glossary == load_glossary(path)
    carried = {entry.term: entry.sql for entry in source.copy_schema.glossary}
    assert carried.pop("old").casefold() == wanted.pop("old")[1].casefold()
    assert carried == {term: sql for term, (_, sql) in wanted.items()}
    assert "Glossary term 'wrong'" in capsys.readouterr().err
