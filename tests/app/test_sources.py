"""Databases that people add: no password is written down, and variables are read when they are needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.sources import add_source, glossary_path_of, make_url, remove_source, resolve, settings_for
from assistant.errors import UsageError
from assistant.memory.store import Memory
from assistant.settings import Settings

SECRET = "g€heim:@/%"


def settings(tmp_path: Path) -> Settings:
    return Settings(memory_url=str(tmp_path / "memory.sqlite"), models_path=tmp_path / "models")


def test_a_password_in_clear_is_refused_without_a_keyring_and_written_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sources.has_keyring", lambda: False)
    chosen = settings(tmp_path)
    with Memory(chosen.memory_url) as memory:
        for address in ("postgresql://u:geheim@h/d", "postgresql://h/d?password=geheim"):
            with pytest.raises(UsageError) as raised:
                add_source(memory.setup, "x", address)
            assert "geheim" not in str(raised.value)
        assert memory.setup.list_sources() == ()
    assert not any(b"geheim" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_variable_stands_for_a_password_or_the_whole_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(tmp_path)
    url = make_url("PostgreSQL", host="h", port=5432, database="d", user="u", password="${SALES}")
    with Memory(chosen.memory_url) as memory:
        part, whole = (add_source(memory.setup, name, address) for name, address in (("a", url), ("b", "${WHOLE}")))
    with pytest.raises(UsageError, match="'SALES' is not set"):
        settings_for(chosen, part)
    monkeypatch.setenv("SALES", SECRET)
    monkeypatch.setenv("WHOLE", "mysql://u:p@h/d")
    from assistant.drivers.engines import parse_url

    assert parse_url(settings_for(chosen, part).database_url)[0].password == SECRET
    assert settings_for(chosen, whole).database_url == "mysql://u:p@h/d"
    assert SECRET not in repr(settings_for(chosen, part))


def test_a_server_that_was_added_has_a_glossary_in_the_data_folder(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with Memory(chosen.memory_url) as memory:
        source = add_source(memory.setup, "a", "postgresql://u@h/d")
        file = add_source(memory.setup, "b", str(tmp_path / "own.sqlite"))
    path = glossary_path_of(chosen, source)
    assert path.parent == tmp_path / "glossaries"
    assert settings_for(chosen, source).glossary_path is None
    path.parent.mkdir()
    path.write_text('[[term]]\nterm = "a"\nmeaning = "b"\n')
    assert settings_for(chosen, source).glossary_path == path
    assert glossary_path_of(chosen, file) == tmp_path / "own.glossary.toml"


def test_removing_an_upload_deletes_its_file_and_nothing_else(tmp_path: Path) -> None:
    made, own = tmp_path / "made.sqlite", tmp_path / "own.sqlite"
    with Memory(str(tmp_path / "memory.sqlite")) as memory:
        for path, kind in ((made, "upload"), (own, "file")):
            path.touch()
            source = memory.setup.add_source(path.stem, str(path), kind=kind)  # type: ignore[arg-type]
            remove_source(memory.setup, source)
    assert not made.exists()
    assert own.exists()


def test_an_address_without_a_variable_stays_as_it_is() -> None:
    assert resolve("postgresql://u:$x@h/d") == "postgresql://u:$x@h/d"
