"""The Modelfile says everything Ollama would otherwise guess."""

import re
from pathlib import Path

import pytest

from assistant.backends.metadata import DB_ID_KEY, PROMPT_LAYOUT_KEY
from assistant.errors import UsageError
from assistant.prompts import OLLAMA_TEMPLATE, TURN_END, render_text
from assistant.settings import PROJECT_ROOT
from assistant.types import Message
from tests.tiny_gguf import write_tiny_gguf
from training.register import main, read_modelfile_config, render_modelfile

METADATA = {PROMPT_LAYOUT_KEY: "compact", DB_ID_KEY: "atlas", "queryforge.dialect": "sqlite"}


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "atlas.gguf"
    write_tiny_gguf(path, ["SELECT", " 1"], metadata=METADATA, context_length=512)
    return path


def test_modelfile_names_the_file_the_system_message_and_every_parameter(gguf: Path) -> None:
    assert main([str(gguf)]) == 0
    text = (gguf.parent / "Modelfile").read_text(encoding="utf-8")
    assert "FROM ./atlas.gguf\n" in text
    assert 'SYSTEM """sqlite atlas"""\n' in text
    found = dict(re.findall(r"^PARAMETER (\w+) (.+)$", text, re.MULTILINE))
    assert found.items() >= {"temperature": "0", "seed": "1", "repeat_penalty": "1", "num_ctx": "512"}.items()
    assert f'PARAMETER stop "{TURN_END}"\n' in text


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


def test_a_model_that_needs_the_schema_gets_no_modelfile(tmp_path: Path) -> None:
    path = tmp_path / "general.gguf"
    write_tiny_gguf(path, ["x"], metadata={**METADATA, PROMPT_LAYOUT_KEY: "full"})
    with pytest.raises(UsageError, match="'full' layout"):
        read_modelfile_config(path)


def test_missing_and_foreign_files_are_told_apart_from_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.gguf")]) == 2
    assert "Cannot read" in capsys.readouterr().err
    other = tmp_path / "other.gguf"
    write_tiny_gguf(other, ["x"])
    assert main([str(other)]) == 2
    assert "has no key" in capsys.readouterr().err


@pytest.mark.model
def test_the_committed_modelfile_is_that_of_the_committed_model() -> None:
    gguf = PROJECT_ROOT / "modelfiles" / "queryforge-shop-q8_0.gguf"
    text = (PROJECT_ROOT / "modelfiles" / "Modelfile").read_text(encoding="utf-8")
    assert text == render_modelfile(read_modelfile_config(gguf))
