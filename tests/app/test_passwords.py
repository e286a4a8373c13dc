"""Passwords of databases in a real keyring: kept there and nowhere else, and a clear word where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.browser import missing
from tests.keyring_session import bare_environment, keyring_session

SECRET = "geh3im:@/%quiet"
ADD = """
import sys
from app.sources import add_source
from assistant.errors import UsageError
from assistant.memory.store import Memory
from assistant.settings import Settings
with Memory(Settings.load().memory_url) as memory:
    try:
        print(add_source(memory.setup, "sales", sys.argv[1]).address)
    except UsageError as error:
        print(f"{error.message} | {error.hint}")
        print(len(memory.setup.list_sources()), "kept")
"""
READ = """
from app.sources import settings_for
from assistant.drivers.engines import parse_url
from assistant.errors import UsageError
from assistant.memory.store import Memory
from assistant.settings import Settings
settings = Settings.load()
with Memory(settings.memory_url) as memory:
    (source,) = memory.setup.list_sources()
try:
    print(parse_url(settings_for(settings, source).database_url)[0].password)
except UsageError as error:
    print(f"{error.message} | {error.hint}")
"""
REMOVE = """
from app.sources import remove_source
from assistant.memory.store import Memory
from assistant.settings import Settings
import keyring
with Memory(Settings.load().memory_url) as memory:
    (source,) = memory.setup.list_sources()
    remove_source(memory.setup, source)
    print(keyring.get_password("queryforge", source.source_id))
"""
ADDRESS = f"postgresql://reader:{quote(SECRET, safe='')}@db.example/sales"


@pytest.fixture(autouse=True)
def _needs_keyring() -> None:
    try:
        import keyring  # noqa: F401
    except ImportError:
        missing("The package keyring is not installed")


def run(script: str, environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_with_secret(folder: Path) -> list[Path]:
    """Files that hold the password, plain or as it stands in an address."""
    words = {SECRET.encode(), quote(SECRET, safe="").encode(), SECRET.encode("utf-16-le")}
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if any(word in path.read_bytes() for word in words)]


def test_a_password_is_kept_by_the_keyring_read_by_another_process_and_in_no_file(tmp_path: Path) -> None:
    with keyring_session(tmp_path) as environment:
        said = run(ADD, environment, ADDRESS)
        assert "reader@db.example/sales" in said
        assert SECRET not in said
        assert run(READ, environment).strip() == SECRET
        assert files_with_secret(tmp_path) == []
    # After a log-out and a log-in, it is still there.
    with keyring_session(tmp_path) as environment:
        assert run(READ, environment).strip() == SECRET
        assert run(REMOVE, environment).strip() == "None"


def test_a_locked_keyring_and_one_that_has_gone_are_told_with_a_remedy(tmp_path: Path) -> None:
    with keyring_session(tmp_path) as environment:
        run(ADD, environment, ADDRESS)
    with keyring_session(tmp_path, is_unlocked=False) as environment:
        locked = run(READ, environment)
        assert "does not tell the password" in locked
        assert "${NAME}" in locked
        refused = run(ADD.replace('"sales"', '"more"'), environment, ADDRESS)
        assert "did not take the password" in refused
        assert "1 kept" in refused
    gone = run(READ, environment)
    assert "no keyring of the system here" in gone
    assert "${NAME}" in gone


@pytest.mark.parametrize("backend", ["", "keyring.backends.null.Keyring"])
def test_without_a_keyring_a_password_is_refused_with_a_remedy_and_written_nowhere(
    tmp_path: Path, backend: str
) -> None:
    environment = bare_environment(tmp_path)
    if backend:  # one that takes every password and forgets it
        environment |= {"PYTHON_KEYRING_BACKEND": backend}
    said = run(ADD, environment, ADDRESS)
    assert "no safe place" in said
    assert "${NAME}" in said
    assert "0 kept" in said
    assert SECRET not in said
    assert files_with_secret(tmp_path) == []
