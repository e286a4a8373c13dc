"""`queryforge doctor`, `schema` and `check` on the demo database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app import cli, privacy
from assistant.types import DatabaseSchema
from tests.app.conftest import Script
from tests.chat_double import OpenAIDouble
from tests.ollama_double import OllamaDouble
from tests.tiny_folder import write_tiny_folder


def test_doctor_finds_everything_the_chat_needs(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    states = {line.split()[1]: line.split()[0] for line in lines if not line.startswith(" ")}
    assert [states[part] for part in ("Python", "Chat", "Database", "Backend", "Model")] == ["ok"] * 5
    assert {"Ollama", "GPU", "AWS"} <= set(states)


def test_doctor_names_every_fault_with_a_remedy(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script("SELECT 1")
    flags = ["--db", str(tmp_path / "none.sqlite"), "--model", str(tmp_path / "none.gguf"), "--backend", "llamacpp"]
    assert cli.main(["doctor", *flags]) == 1
    lines = capsys.readouterr().out.splitlines()
    faults = [number for number, line in enumerate(lines) if line.startswith("fault")]
    assert [lines[number].split()[1] for number in faults] == ["Database", "Model"]
    assert all(lines[number + 1].startswith(" ") for number in faults)


def test_doctor_looks_into_a_model_folder(script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    assert cli.main(["doctor", "--model", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    (number,) = (number for number, line in enumerate(lines) if line.startswith("fault"))
    assert lines[number].split()[1] == "Model"
    assert "has no config.json" in lines[number]
    assert "safetensors" in lines[number + 1]


@pytest.mark.train
def test_doctor_describes_an_unquantised_model(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script("SELECT 1")
    folder = write_tiny_folder(tmp_path / "base" / "model", ("SELECT", " 1"), facts={"queryforge.db_id": "library"})
    assert cli.main(["doctor", "--backend", "huggingface", "--model", str(folder)]) == 0
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")}
    assert lines["Backend"].startswith("ok")
    assert "'base/model'" in lines["Model"]
    assert "trained for 'library'" in lines["Model"]
    assert lines["Match"].startswith("note")


def test_doctor_prints_no_password(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    cli.main(["doctor", "--db", "postgresql://me:s3cret@127.0.0.1:1/shop"])
    printed = capsys.readouterr()
    assert "s3cret" not in printed.out + printed.err


def test_schema_lists_tables_columns_and_keys(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    assert cli.main(["schema", "sales_order"]) == 0
    text = capsys.readouterr().out
    assert "refers to customer.customer_key" in text
    assert "\norder_line" not in text


def test_schema_as_json_is_the_record(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    assert cli.main(["schema", "--json"]) == 0
    assert len(DatabaseSchema.model_validate_json(capsys.readouterr().out).tables) == 10


def test_schema_of_an_unknown_table_names_the_known_ones(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    assert cli.main(["schema", "nothing"]) == 2
    assert "customer" in capsys.readouterr().err


def test_check_shows_a_query_as_it_would_be_run(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    assert cli.main(["check", "SELECT full_name FROM customer;"]) == 0
    assert "LIMIT" in capsys.readouterr().out


@pytest.mark.parametrize(
    "sql", ["DELETE FROM customer", "SELECT * FROM nothing", "SELECT 1; SELECT 2", "not sql at all"]
)
def test_check_refuses_with_rule_and_reason(sql: str, script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    assert cli.main(["check", "--json", sql]) == 1
    assert json.loads(capsys.readouterr().out)["stage"] == "guard"


def test_check_without_sql_is_a_usage_error(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    assert cli.main(["check", "  "]) == 2
    assert "no SQL" in capsys.readouterr().err


def test_doctor_says_what_is_sent_and_what_is_masked(
    script: Script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script("SELECT 1")
    monkeypatch.setenv("QUERYFORGE_MASKED_COLUMNS", "*.email, customer.nothing")
    assert cli.main(["doctor"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "Privacy" in line)
    assert "nothing is sent to another machine" in line
    assert "Masked: contact.email." in line
    assert "No column is masked by: customer.nothing" in line
    with OpenAIDouble() as double:
        monkeypatch.setenv("QUERYFORGE_OPENAI_URL", double.url)
        monkeypatch.setattr(privacy, "_is_here", lambda host: False)  # as if the double were elsewhere
        cli.main(["doctor", "--backend", "openai"])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "Privacy" in line)
    assert line.startswith("note")
    assert "Sent to the server at 127.0.0.1: your questions" in line


def examine_answers(capsys: pytest.CaptureFixture[str], *, code: int = 0) -> tuple[str, str]:
    """Run the doctor; give its line about the answer model, and the remedy below it."""
    assert cli.main(["doctor"]) == code
    lines = capsys.readouterr().out.splitlines()
    (number,) = (number for number, line in enumerate(lines) if line.split()[1] == "Answers")
    remedy = lines[number + 1]
    return lines[number], remedy.strip() if remedy.startswith(" ") else ""


def test_doctor_finds_the_answer_model_of_an_ollama_server(
    script: Script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script("SELECT 1")
    line, remedy = examine_answers(capsys)
    assert line.startswith("ok")
    assert "no answer model is set" in line
    monkeypatch.setenv("QUERYFORGE_ANSWER_MODEL", "chatty")
    with OllamaDouble(model="chatty:latest") as double:
        monkeypatch.setenv("QUERYFORGE_OLLAMA_HOST", double.host)
        line, remedy = examine_answers(capsys)
        assert double.chats() == []
        monkeypatch.setattr(privacy, "_is_here", lambda host: False)  # as if the double were elsewhere
        far, _ = examine_answers(capsys)
    assert (line.split()[0], remedy) == ("ok", "")
    assert "'chatty'" in line
    assert line.endswith("20 rows of each result, on this machine")
    assert far.endswith("on another machine")


def test_doctor_finds_the_answer_model_of_an_openai_server(
    script: Script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script("SELECT 1")
    monkeypatch.setenv("QUERYFORGE_ANSWER_BACKEND", "openai")
    monkeypatch.setenv("QUERYFORGE_ANSWER_MODEL", "chatty")
    with OpenAIDouble(models=({"id": "chatty"},), key="k") as double:
        monkeypatch.setenv("QUERYFORGE_OPENAI_URL", double.url)
        line, remedy = examine_answers(capsys)
        assert line.startswith("note")
        assert remedy == "Set QUERYFORGE_OPENAI_API_KEY."
        monkeypatch.setenv("QUERYFORGE_OPENAI_API_KEY", "k")
        line, remedy = examine_answers(capsys)
    assert (line.split()[0], remedy) == ("ok", "")


@pytest.mark.parametrize("backend", ["ollama", "openai"])
def test_doctor_tells_how_to_get_an_answer_model_that_the_server_has_not(
    backend: str, script: Script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script("SELECT 1")
    monkeypatch.setenv("QUERYFORGE_ANSWER_BACKEND", backend)
    monkeypatch.setenv("QUERYFORGE_ANSWER_MODEL", "chatty")
    with OllamaDouble(model="other:latest") as ollama, OpenAIDouble(models=({"id": "other"},)) as openai:
        monkeypatch.setenv("QUERYFORGE_OLLAMA_HOST", ollama.host)
        monkeypatch.setenv("QUERYFORGE_OPENAI_URL", openai.url)
        line, remedy = examine_answers(capsys)
    assert line.startswith("note")
    assert "has no model 'chatty'" in line
    assert "QUERYFORGE_ANSWER_MODEL to one it has: 'other" in remedy
    assert ("'ollama pull chatty'" in remedy) == (backend == "ollama")


@pytest.mark.parametrize(
    ("backend", "name"), [("ollama", "QUERYFORGE_OLLAMA_HOST"), ("openai", "QUERYFORGE_OPENAI_URL")]
)
def test_doctor_says_that_no_server_of_the_answer_model_answers(
    backend: str, name: str, script: Script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script("SELECT 1")
    monkeypatch.setenv("QUERYFORGE_ANSWER_BACKEND", backend)
    monkeypatch.setenv("QUERYFORGE_ANSWER_MODEL", "chatty")
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    line, remedy = examine_answers(capsys)
    assert line.startswith("note")
    assert "answers at http://127.0.0.1:9" in line
    assert name in remedy
    monkeypatch.setenv(name, "ftp://nowhere")
    line, _ = examine_answers(capsys, code=1)
    assert line.startswith("fault")


def test_doctor_says_that_an_answer_model_is_not_asked_where_no_value_may_be_seen(
    script: Script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script("SELECT 1")
    monkeypatch.setenv("QUERYFORGE_ANSWER_MODEL", "chatty")
    monkeypatch.setenv("QUERYFORGE_SEND_VALUES", "false")
    with OllamaDouble(model="chatty:latest") as double:
        monkeypatch.setenv("QUERYFORGE_OLLAMA_HOST", double.host)
        line, remedy = examine_answers(capsys)
        assert "/api/show" not in double.paths()
    assert line.startswith("note")
    assert "QUERYFORGE_SEND_VALUES" in remedy
