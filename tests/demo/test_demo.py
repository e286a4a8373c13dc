"""The demo database: the same rows everywhere, loaded whole or not at all."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from assistant.database import connect, load_glossary

DEMO = Path(__file__).resolve().parents[2] / "scripts" / "demo"
ROWS_SHA256 = "d30974ef6f81bf0ecff237d6ae71d7c91dbafff47a06eb5346bda1a22b524be5"
"""Over every row of every table; the questions that judge the product suppose exactly these rows."""
COUNTS = {
    "address": 1076,
    "category": 8,
    "contact": 871,
    "customer": 800,
    "employee": 25,
    "order_line": 11285,
    "payment": 5329,
    "product": 80,
    "sales_order": 5000,
    "support_ticket": 700,
}


def load(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, DEMO / "load.py", *arguments], capture_output=True, text=True, timeout=120)


def hash_rows(path: Path) -> str:
    digest = hashlib.sha256()
    with sqlite3.connect(path) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
            rows = database.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
            digest.update(json.dumps([name, rows], ensure_ascii=False).encode())
    database.close()
    return digest.hexdigest()


def test_make_shop_writes_the_pinned_rows(shop_db_path: Path) -> None:
    assert hash_rows(shop_db_path) == ROWS_SHA256


def test_make_shop_needs_the_standard_library_only(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-I", "-S", DEMO / "make_shop.py", tmp_path / "x.sqlite"],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def test_loading_a_file_writes_the_same_rows_and_the_glossary(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "shop.sqlite"
    done = load(path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert hash_rows(path) == ROWS_SHA256
    assert {entry.name for entry in path.parent.iterdir()} == {"shop.sqlite", "shop.glossary.toml"}
    assert connect(str(path)).schema().glossary == load_glossary(DEMO / "glossary.toml")


def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    path.write_text("mine")
    refused = load(path)
    assert refused.returncode == 2
    assert "--replace" in refused.stderr
    assert path.read_text() == "mine"
    assert load(path, "--replace").returncode == 0
    assert hash_rows(path) == ROWS_SHA256


def test_a_folder_as_target_is_refused_in_one_message(tmp_path: Path) -> None:
    done = load(tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_unreachable_server_is_one_message_without_the_password() -> None:
    done = load("postgresql://me:s3cret-word@127.0.0.1:9/shop")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert "s3cret-word" not in done.stderr


def test_the_glossary_names_the_rules_of_the_domain() -> None:
    entries = load_glossary(DEMO / "glossary.toml")
    names = {name for entry in entries for name in (entry.term, *entry.synonyms)}
    assert {"revenue", "turnover", "margin", "average order value", "age", "open {}", "shipping address"} <= names
    revenue = next(entry for entry in entries if entry.term == "revenue")
    assert "1 - order_line.discount" in revenue.sql
    assert "cancelled" in revenue.sql


@pytest.fixture(
    params=[
        pytest.param("postgres_url", marks=pytest.mark.postgres),
        pytest.param("mysql_url", marks=pytest.mark.mysql),
    ]
)
def server_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_every_server_holds_the_same_rows_as_the_file(server_url: str, shop_db_path: Path) -> None:
    url = make_url(server_url)
    driver = {"postgresql": "psycopg", "mysql": "pymysql"}[url.drivername]
    engine = create_engine(url.set(drivername=f"{url.drivername}+{driver}"))
    assert len(COUNTS) == 10
    with engine.connect() as server, sqlite3.connect(shop_db_path) as file:
        for name, count in COUNTS.items():
            rows = [tuple(row) for row in server.execute(text(f"SELECT * FROM {name} ORDER BY 1"))]
            assert len(rows) == count
            expected = file.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
            assert [tuple(map(plain, row)) for row in rows] == [tuple(map(plain, row)) for row in expected]
    file.close()
    engine.dispose()


def test_tables_on_a_server_are_replaced_only_when_asked(server_url: str) -> None:
    refused = load(server_url)
    assert refused.returncode == 2
    assert "customer" in refused.stderr
    replaced = load(server_url, "--replace")
    assert replaced.returncode == 0, replaced.stderr
    assert "11285" in replaced.stderr


def plain(value: object) -> str:
    """Numbers, dates and booleans of any driver in the words of SQLite."""
    if value is None or isinstance(value, str):
        return str(value)
    return str(value) if hasattr(value, "isoformat") else f"{float(value):.2f}"  # type: ignore[arg-type]
