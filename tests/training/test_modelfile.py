"""The Modelfile says everything Ollama would otherwise guess."""

import re
from pathlib import Path

import pytest

from assistant.backends.metadata import DB_ID_KEY, PROMPT_LAYOUT_KEY
from assistant.errors import UsageError
from assistant.prompts import OLLAMA_TEMPLATE, TURN_END, render_text
from assistant.settings import PROJECT_ROOT
from assistant.types import Column, DatabaseSchema, Message, Table
from tests.tiny_gguf import write_tiny_gguf
from training.modelfile import main, read_gguf_facts, read_modelfile_config, render_modelfile

METADATA = {PROMPT_LAYOUT_KEY: "compact", DB_ID_KEY: "atlas", "queryforge.dialect": "sqlite"}


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "atlas.gguf"
    write_tiny_gguf(path, ["SELECT", " 1"], metadata=METADATA, context_length=512)
    return path


def write_keys(path: Path, architecture: str, context_tokens: int, **changes: str) -> Path:
    """Write a GGUF of keys alone, as `queryforge export` sets them."""
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(context_tokens)
    for key, value in {**METADATA, **changes}.items():
        writer.add_string(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    return path


def schema_of(*names: str, db_id: str = "atlas", comment: str = "") -> DatabaseSchema:
    column = Column(name="name", sql_type="TEXT", kind="text", comment=comment)
    tables = tuple(Table(name=name, columns=(column,)) for name in names)
    return DatabaseSchema(db_id=db_id, dialect="sqlite", tables=tables, fingerprint="ab" * 32)


def test_modelfile_names_the_file_the_system_message_and_every_parameter(gguf: Path) -> None:
    assert main([str(gguf)]) == 0
    text = (gguf.parent / "Modelfile").read_text(encoding="utf-8")
    assert "FROM ./atlas.gguf\n" in text
    assert 'SYSTEM """sqlite atlas"""\n' in text
    found = dict(re.findall(r"^PARAMETER (\w+) (.+)$", text, re.MULTILINE))
    assert found.items() >= {"temperature": "0", "seed": "1", "repeat_penalty": "1", "num_ctx": "512"}.items()
    assert f'PARAMETER stop "{TURN_END}"\n' in text


@pytest.mark.parametrize(
    ("architecture", "trained", "used"), [("qwen2", 32768, 4096), ("llama", 131072, 4096), ("mistral3", 700, 512)]
)
def test_every_architecture_gets_a_modelfile_with_the_context_of_the_embedded_backend(
    tmp_path: Path, architecture: str, trained: int, used: int
) -> None:
    path = write_keys(tmp_path / "model.gguf", architecture, trained)
    assert read_gguf_facts(path).architecture == architecture
    assert f"PARAMETER num_ctx {used}\n" in render_modelfile(read_modelfile_config(path))


def test_the_go_template_renders_what_training_saw() -> None:
    # The template knows three actions only, so that Go's rules for them fit in these lines.
    loop = re.fullmatch(r"\{\{- range \.Messages \}\}(.*)\{\{ end \}\}(.*)", OLLAMA_TEMPLATE, re.DOTALL)
    assert loop is not None
    body, tail = loop.groups()
    messages = [
        Message(role="system", content="sqlite shop"),
        Message(role="user", content="one\ntwo"),
        Message(role="assistant", content="SELECT 1"),
        Message(role="user", content="three"),
    ]
    rendered = "".join(body.replace("{{ .Role }}", m.role).replace("{{ .Content }}", m.content) for m in messages)
    assert "{{" not in rendered + tail
    assert rendered + tail == render_text(messages)


def test_a_model_that_has_to_be_told_the_schema_is_told_it(tmp_path: Path) -> None:
    path = write_keys(tmp_path / "general.gguf", "qwen2", 4096, **{PROMPT_LAYOUT_KEY: "full", DB_ID_KEY: ""})
    with pytest.raises(UsageError, match="has to be told the schema") as caught:
        read_modelfile_config(path)
    assert "--db" in caught.value.hint
    config = read_modelfile_config(path, schema_of("city", "river", comment='three """ quotes'))
    assert "CREATE TABLE city" in config.system
    assert "CREATE TABLE river" in config.system
    assert "-- unanswerable: " in config.system
    assert config.omitted_tables == ()
    (written,) = re.findall(r'^SYSTEM """(.*?)"""$', render_modelfile(config), re.MULTILINE | re.DOTALL)
    assert written == config.system


def test_tables_that_have_no_room_are_named(tmp_path: Path) -> None:
    path = write_keys(tmp_path / "general.gguf", "llama", 1024, **{PROMPT_LAYOUT_KEY: "full", DB_ID_KEY: ""})
    names = [f"table_number_{number}" for number in range(200)]
    config = read_modelfile_config(path, schema_of(*names))
    shown = re.findall(r"CREATE TABLE (\w+)", config.system)
    assert shown
    assert sorted([*shown, *config.omitted_tables]) == sorted(names)
    assert len(config.system) / 3.5 < 1024 - config.reply_tokens


def test_a_model_of_another_database_is_refused(gguf: Path) -> None:
    with pytest.raises(UsageError, match="trained for the database 'atlas'.*not for 'shop'"):
        read_modelfile_config(gguf, schema_of("city", db_id="shop"))


def test_missing_and_foreign_files_are_told_apart_from_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.gguf")]) == 2
    assert "Cannot read" in capsys.readouterr().err
    other = tmp_path / "other.gguf"
    write_tiny_gguf(other, ["x"])
    assert main([str(other)]) == 2
    assert "has no key" in capsys.readouterr().err
    for size in (0, 3, 100, 50_000):
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(other.read_bytes()[:size])
        assert main([str(cut)]) == 2
        assert "cut short, or no GGUF file" in capsys.readouterr().err


def test_a_layout_or_dialect_of_a_later_version_is_refused(tmp_path: Path) -> None:
    for key in (PROMPT_LAYOUT_KEY, "queryforge.dialect"):
        with pytest.raises(UsageError, match="'klingon' for .*which this version does not know"):
            read_gguf_facts(write_keys(tmp_path / "model.gguf", "llama", 512, **{key: "klingon"}))


@pytest.mark.model
def test_the_committed_modelfile_is_that_of_the_committed_model() -> None:
    gguf = PROJECT_ROOT / "modelfiles" / "queryforge-shop-q8_0.gguf"
    text = (PROJECT_ROOT / "modelfiles" / "Modelfile").read_text(encoding="utf-8")
    assert text == render_modelfile(read_modelfile_config(gguf))
