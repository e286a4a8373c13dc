"""Retraining for a database on a server: the same as for a SQLite file, but that rows change while it is at work."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from assistant.errors import UsageError
from assistant.served import ServedModels
from tests.servers import ServerMissing, mysql_server, postgres_server
from tests.training.retrain_library import finished_home, go, retrain_config
from tests.training.toy import require
from training.datagen.triples import Triple
from training.retrain_config import RetrainConfig
from training.retrain_data import read_pool
from training.situation import describe_situation, look_around

require("torch", "llama_cpp")
pytestmark = pytest.mark.train

TABLES = {
    "city": "city_id INTEGER PRIMARY KEY, name VARCHAR(60) NOT NULL, country VARCHAR(60)",
    "member": "member_id INTEGER PRIMARY KEY, name VARCHAR(60), city_id INTEGER, joined DATE, fee DOUBLE PRECISION, "
    "FOREIGN KEY (city_id) REFERENCES city (city_id)",
    "loan": "loan_id INTEGER PRIMARY KEY, member_id INTEGER, lent DATE, days INTEGER, "
    "FOREIGN KEY (member_id) REFERENCES member (member_id)",
}


def run_on(url: str, work: Callable[[Connection], object]) -> None:
    driver = url.replace("postgresql://", "postgresql+psycopg://").replace("mysql://", "mysql+pymysql://")
    engine = create_engine(driver)
    with engine.begin() as connection:
        work(connection)
    engine.dispose()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(postgres_server, marks=pytest.mark.postgres),
        pytest.param(mysql_server, marks=[pytest.mark.mysql, pytest.mark.slow]),
    ],
)
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    server: Callable[[], AbstractContextManager[str]] = request.param
    try:
        with server() as url:
            yield url
    except ServerMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def config(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, server_url: str) -> RetrainConfig:
    """The library on the server, and a base that knows its words."""
    home = Path(shutil.copytree(finished_home(tmp_path_factory), tmp_path / "home"))

    def load(connection: Connection) -> None:
        with closing(sqlite3.connect(home / "library.sqlite")) as source:
            for name, columns in TABLES.items():
                connection.execute(text(f"CREATE TABLE {name} ({columns})"))
                rows = source.execute(f"SELECT * FROM {name}").fetchall()
                names = [f"c{number}" for number in range(len(rows[0]))]
                values = ", ".join(f":{each}" for each in names)
                connection.execute(
                    text(f"INSERT INTO {name} VALUES ({values})"), [dict(zip(names, row, strict=True)) for row in rows]
                )

    run_on(server_url, load)
    local = retrain_config(home)
    return local.model_copy(
        update={"settings": local.settings.model_copy(update={"database_url": server_url}), "variants": None}
    )


def test_a_database_on_a_server_is_retrained_for_and_again_when_its_schema_and_rows_change(
    config: RetrainConfig,
) -> None:
    url = config.settings.database_url
    with pytest.raises(UsageError, match="--variants 2"):
        go(config.model_copy(update={"variants": 2}))
    first = go(config)
    assert first.state.outcome == "installed"
    dialect = first.state.dialect
    triples = [line.triple for line in read_pool(first.folder / "data" / "pool.jsonl")]
    assert {_told_dialect(triple) for triple in triples} == {dialect}
    assert not look_around(config).is_changed

    def change(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE member RENAME COLUMN fee TO yearly_fee"))
        connection.execute(text("CREATE TABLE publisher (publisher_id INTEGER PRIMARY KEY, title VARCHAR(50))"))
        rows = [{"number": number, "title": f"{town} Press"} for number, town in enumerate(("Oslo", "Lima", "Rome"))]
        connection.execute(text("INSERT INTO publisher VALUES (:number, :title)"), rows)
        connection.execute(text("UPDATE loan SET days = days + 1 WHERE loan_id < 10"))

    run_on(url, change)
    told = list(describe_situation(look_around(config)))
    assert any("added table publisher" in line for line in told)
    assert any("renamed column member.yearly_fee: was fee (a guess)" in line for line in told)

    second = go(config)
    assert second.state.outcome == "installed"
    assert int(second.fact("data", "kept")) > 0
    assert int(second.fact("data", "focus")) > 0
    history = ServedModels(config.settings.models_path).history(second.state.db_id, dialect)
    assert [model.sha256 for model in history] == [second.fact("export", "sha256"), first.fact("export", "sha256")]
    password = url.split(":")[2].split("@")[0]
    for path in (*second.folder.rglob("*.json*"), *config.runs.rglob("run.json")):
        assert password not in path.read_text(encoding="utf-8"), path


def _told_dialect(triple: Triple) -> str:
    """The prompt says which dialect is wanted."""
    return triple.messages[0].content.split()[0]
