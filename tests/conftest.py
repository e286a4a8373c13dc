"""What many tests share: the demo database in each kind of server, and an environment without settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from assistant.database import Database, connect
from assistant.settings import ENV_PREFIX
from tests.servers import ServerMissing, mysql_server, postgres_server

DEMO = Path(__file__).resolve().parent.parent / "scripts" / "demo"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)
    # Neither are models and memories of the person who runs the tests.
    monkeypatch.setenv("XDG_DATA_HOME", "/nowhere/at/all")


@pytest.fixture(scope="session")
def shop_db_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo database as a SQLite file; read it, never write to it."""
    path = tmp_path_factory.mktemp("shop") / "shop.sqlite"
    subprocess.run([sys.executable, DEMO / "make_shop.py", path], check=True, stdout=subprocess.DEVNULL)
    path.with_suffix(".glossary.toml").write_bytes((DEMO / "glossary.toml").read_bytes())
    return path


@pytest.fixture(scope="session")
def _open_shop(shop_db_path: Path) -> Iterator[Database]:
    database = connect(str(shop_db_path))
    yield database
    database.close()


@pytest.fixture
def shop_db(_open_shop: Database) -> Database:
    """The demo database, opened for reading."""
    return _open_shop


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The demo database in a PostgreSQL server that lives as long as the tests."""
    yield from _loaded(postgres_server)


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    """The demo database in a MariaDB server that lives as long as the tests."""
    yield from _loaded(mysql_server)


def _loaded(server: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    try:
        context = server()
        url = context.__enter__()
    except ServerMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, and CI must not skip")
        pytest.skip(str(missing))
    try:
        subprocess.run([sys.executable, DEMO / "load.py", url], check=True, stderr=subprocess.DEVNULL)
        yield url
    finally:
        context.__exit__(None, None, None)
