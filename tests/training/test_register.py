"""A model is registered whole or not at all: in Ollama under its tag, or embedded; and can be taken back."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import cli
from assistant.backends.metadata import DB_ID_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY
from assistant.backends.ollama import OllamaBackend
from assistant.database import connect
from assistant.errors import BackendError, QueryForgeError, TrainingError, UsageError
from assistant.prompts import render_text
from assistant.served import ServedModels
from assistant.settings import Settings
from assistant.types import DatabaseSchema, Message, Prompt
from tests.kills import kill_at_every_step
from tests.ollama_double import REGISTRY_FAULTS, OllamaDouble
from tests.tiny_gguf import write_tiny_gguf
from training import register as register_module
from training.modelfile import read_modelfile_config, render_modelfile
from training.register import describe_gguf, register_embedded, register_in_ollama, roll_back_in_ollama
from training.smoke import check_reply, smoke_question

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE home_port (port_id INTEGER PRIMARY KEY); INSERT INTO home_port VALUES (1);")
    connection.close()
    return path


@pytest.fixture
def schema(harbour: Path) -> DatabaseSchema:
    database = connect(str(harbour))
    found = database.schema()
    database.close()
    return found


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble("SELECT 0") as server:
        yield server


@pytest.fixture
def settings(double: OllamaDouble, harbour: Path, tmp_path: Path) -> Settings:
    return Settings(
        database_url=str(harbour),
        ollama_host=double.host,
        models_path=tmp_path / "models",
        backend_timeout_s=20,
        threads=1,
    )


def write_model(path: Path, *pieces: str, **changes: str) -> Path:
    keys = {PROMPT_LAYOUT_KEY: "compact", DB_ID_KEY: "harbour", "queryforge.dialect": "sqlite", **changes}
    return write_tiny_gguf(path, pieces or ("SELECT", f" '{path.stem}'"), metadata=keys)


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return write_model(tmp_path / "new.gguf")


def registered(double: OllamaDouble, gguf: Path, settings: Settings, reply: str) -> None:
    """Register a file as a model with a reply of its own."""
    gguf.write_bytes(gguf.read_bytes() + reply.encode())
    double.reply = reply
    register_in_ollama(gguf, settings, None)


def replies(double: OllamaDouble) -> dict[str, str]:
    """Say what each tag answers, by what follows `SELECT `."""
    return {name: model.reply.removeprefix("SELECT ") for name, model in double.store.tags.items()}


# In Ollama


def test_the_server_gets_the_texts_of_the_modelfile_byte_for_byte(
    double: OllamaDouble, settings: Settings, gguf: Path
) -> None:
    register_in_ollama(gguf, settings, None)
    (body,) = (body for path, body in double.requests if path == "/api/create")
    text = render_modelfile(read_modelfile_config(gguf))
    (template,) = re.findall(r'^TEMPLATE """(.*?)"""$', text, re.MULTILINE | re.DOTALL)
    (system,) = re.findall(r'^SYSTEM """(.*?)"""$', text, re.MULTILINE | re.DOTALL)
    parameters: dict[str, object] = {}
    for name, value in re.findall(r"^PARAMETER (\w+) (.+)$", text, re.MULTILINE):
        parameters[name] = [*parameters.get(name, []), json.loads(value)] if name == "stop" else json.loads(value)  # type: ignore[misc]
    assert (body["template"], body["system"], body["parameters"]) == (template, system, parameters)
    assert list(body["files"]) == re.findall(r"^FROM \./(.+)$", text, re.MULTILINE)
    assert system == "sqlite harbour"


def test_a_registered_model_is_what_the_file_says_and_answers_under_its_tag(
    double: OllamaDouble, settings: Settings, gguf: Path, schema: DatabaseSchema
) -> None:
    double.reply = "SELECT count(*) FROM home_port"
    done = register_in_ollama(gguf, settings, schema)
    assert (done.model, done.reply) == ("queryforge:latest", double.reply)
    assert done.question == "How many home ports are there?"
    assert done.previous == ("queryforge:previous-1",)
    assert replies(double) == {"queryforge:latest": "count(*) FROM home_port", "queryforge:previous-1": "0"}
    backend = OllamaBackend(settings)
    info = backend.info()
    assert (info.prompt_layout, info.trained_db_id, info.context_tokens) == ("compact", "harbour", 1024)
    messages = (Message(role="user", content="How many?"),)
    assert backend.complete(Prompt(messages=messages, text=render_text(messages)), max_tokens=9).text == double.reply
    backend.close()


def test_it_is_asked_under_a_tag_of_its_own_before_anything_else_changes(
    double: OllamaDouble, settings: Settings, gguf: Path
) -> None:
    register_in_ollama(gguf, settings, None)
    paths = double.paths()
    asked = paths.index("/api/generate")
    assert double.requests[asked][1]["model"].startswith("queryforge:registering-")
    assert "/api/copy" not in paths[:asked]
    assert "system" not in double.requests[asked][1]  # the model's own is what is tried


def test_a_file_that_the_server_has_is_not_sent_again(
    double: OllamaDouble, settings: Settings, gguf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        register_in_ollama(gguf, settings, None)
    assert sum(path.startswith("/api/blobs/") for path in double.paths()) == 1
    assert capsys.readouterr().err == "Uploaded.\nOllama has the file already.\n"


def test_registering_the_same_model_twice_changes_nothing(double: OllamaDouble, settings: Settings, gguf: Path) -> None:
    register_in_ollama(gguf, settings, None)
    before = dict(double.store.tags)
    register_in_ollama(gguf, settings, None)
    assert double.store.tags == before


def test_the_last_three_models_are_kept_and_no_more(double: OllamaDouble, settings: Settings, gguf: Path) -> None:
    for number in range(1, 6):
        registered(double, gguf, settings, f"SELECT {number}")
    assert replies(double) == {
        "queryforge:latest": "5",
        "queryforge:previous-1": "4",
        "queryforge:previous-2": "3",
        "queryforge:previous-3": "2",
    }


def test_an_older_model_that_is_registered_again_is_not_kept_twice(
    double: OllamaDouble, settings: Settings, gguf: Path, tmp_path: Path
) -> None:
    registered(double, gguf, settings, "SELECT 1")
    older = tmp_path / "older.gguf"
    older.write_bytes(gguf.read_bytes())
    gguf.rename(tmp_path / "other.gguf")
    registered(double, tmp_path / "other.gguf", settings, "SELECT 2")
    double.reply = "SELECT 1"
    older.rename(gguf)
    register_in_ollama(gguf, settings, None)
    assert replies(double) == {
        "queryforge:latest": "1", "queryforge:previous-1": "2", "queryforge:previous-2": "0",
    }  # fmt: skip


def test_another_tag_has_previous_models_of_its_own(double: OllamaDouble, settings: Settings, gguf: Path) -> None:
    other = settings.model_copy(update={"model": "queryforge:7b"})
    registered(double, gguf, other, "SELECT 1")
    registered(double, gguf, other, "SELECT 2")
    assert replies(double) == {"queryforge:latest": "0", "queryforge:7b": "2", "queryforge:7b-previous-1": "1"}


def test_rolling_back_goes_one_model_back_at_a_time(double: OllamaDouble, settings: Settings, gguf: Path) -> None:
    for number in range(1, 4):
        registered(double, gguf, settings, f"SELECT {number}")
    assert roll_back_in_ollama(settings).previous == ("queryforge:previous-1", "queryforge:previous-2")
    assert replies(double) == {
        "queryforge:latest": "2",
        "queryforge:previous-1": "1",
        "queryforge:previous-2": "0",
        "queryforge:withdrawn": "3",
    }
    roll_back_in_ollama(settings)
    assert roll_back_in_ollama(settings).previous == ()
    assert replies(double) == {"queryforge:latest": "0", "queryforge:withdrawn": "1"}
    with pytest.raises(UsageError, match="no model to go back to"):
        roll_back_in_ollama(settings)


def test_every_fault_says_what_to_do_and_leaves_the_server_as_it_was(
    double: OllamaDouble, settings: Settings, gguf: Path
) -> None:
    assert len(REGISTRY_FAULTS) == 9
    before = dict(double.store.tags)
    said = {}
    for fault in REGISTRY_FAULTS:
        double.store.blobs.clear()
        double.fault = fault
        with pytest.raises((BackendError, TrainingError)) as caught:
            register_in_ollama(gguf, settings, None)
        said[fault] = caught.value
        assert caught.value.hint
        assert double.store.tags == before, fault
    assert "the connection to ollama" in said["upload_cut"].message.lower()
    assert "unsupported architecture 'llama'" in said["create_refused"].message
    assert "Update Ollama" in said["create_refused"].hint
    assert "unknown model architecture" in said["create_error_line"].message
    assert "--backend llamacpp" in said["create_error_line"].hint
    assert "disk space" in said["create_disk_full"].hint
    assert "broke off" in said["create_stops"].message
    assert "unexpectedly stopped" in said["answer_error"].message
    double.fault = "none"
    register_in_ollama(gguf, settings, None)
    assert double.store.tags["queryforge:latest"] != before["queryforge:latest"]


def test_a_server_that_goes_away_at_any_moment_leaves_a_working_tag(
    double: OllamaDouble, settings: Settings, gguf: Path
) -> None:
    before = dict(double.store.tags)
    double.reply = "SELECT 2"
    register_in_ollama(gguf, settings, None)
    needed = len(double.requests)
    assert needed >= 10
    failures: list[BackendError] = []
    for number in range(needed):
        double.store.tags.clear()
        double.store.tags.update(before)
        double.store.blobs.clear()
        double.requests.clear()
        double.dropped_from = number
        try:
            register_in_ollama(gguf, settings, None)
        except BackendError as error:
            failures.append(error)
        double.dropped_from = None
        assert replies(double)["queryforge:latest"] in ("0", "2"), number
        register_in_ollama(gguf, settings, None)
        assert replies(double)["queryforge:latest"] == "2"
        assert not [name for name in double.store.tags if "registering" in name]
    assert len(failures) >= needed - 3  # after the swap there is no more than tidying
    assert all("broke" in failure.message and failure.hint for failure in failures)


def test_without_a_server_the_remedy_is_named(settings: Settings, gguf: Path) -> None:
    with pytest.raises(BackendError, match=r"No Ollama answers at http://127\.0\.0\.1:9") as caught:
        register_in_ollama(gguf, settings.model_copy(update={"ollama_host": NOBODY}), None)
    assert "ollama serve" in caught.value.hint


def test_something_else_on_the_port_is_explained(
    double: OllamaDouble, settings: Settings, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(double.store, "tags", {"a": object()})
    elsewhere = settings.model_copy(update={"ollama_host": f"{double.host}/elsewhere"})
    with pytest.raises(QueryForgeError, match="page not found") as caught:
        register_in_ollama(gguf, elsewhere, None)
    assert caught.value.hint


def test_a_model_that_writes_no_query_does_not_serve(double: OllamaDouble, settings: Settings, gguf: Path) -> None:
    before = dict(double.store.tags)
    double.reply = "Hello! How can I help you today?"
    with pytest.raises(TrainingError, match="wrote no query: 'Hello!") as caught:
        register_in_ollama(gguf, settings, None)
    assert caught.value.hint
    assert double.store.tags == before


def test_an_interruption_removes_what_was_begun(
    double: OllamaDouble, settings: Settings, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = dict(double.store.tags)
    monkeypatch.setattr(register_module, "check_reply", interrupt)
    with pytest.raises(KeyboardInterrupt):
        register_in_ollama(gguf, settings, None)
    assert double.store.tags == before


def test_a_kill_at_any_request_leaves_a_working_tag_and_a_rerun_finishes(
    double: OllamaDouble, settings: Settings, gguf: Path
) -> None:
    for number in range(1, 4):
        registered(double, gguf, settings, f"SELECT {number}")
    gguf.write_bytes(gguf.read_bytes() + b"new")
    double.reply = "SELECT 4"
    seen: list[str] = []

    def check(_request: int) -> None:
        seen.append(replies(double)["queryforge:latest"])
        kept = {reply for name, reply in replies(double).items() if "previous" in name}
        assert {"2", "1"} <= kept | {seen[-1]}, "a model to go back to is lost"

    requests = kill_at_every_step(
        lambda: register_in_ollama(gguf, settings, None), lambda event, _: event == "socket.connect", check
    )
    assert requests >= 8
    assert set(seen) == {"3", "4"}
    assert replies(double) == {
        "queryforge:latest": "4",
        "queryforge:previous-1": "3",
        "queryforge:previous-2": "2",
        "queryforge:previous-3": "1",
    }


def test_a_kill_at_any_request_of_a_rollback_leaves_a_working_tag_and_a_rerun_goes_back_once(
    double: OllamaDouble, settings: Settings, gguf: Path
) -> None:
    for number in range(1, 4):
        registered(double, gguf, settings, f"SELECT {number}")
    whole = dict(double.store.tags)
    ended = []

    def check(_request: int) -> None:
        assert replies(double)["queryforge:latest"] in ("3", "2")
        roll_back_in_ollama(settings)
        ended.append(replies(double))
        double.store.tags.clear()
        double.store.tags.update(whole)

    requests = kill_at_every_step(
        lambda: roll_back_in_ollama(settings), lambda event, _: event == "socket.connect", check
    )
    assert requests >= 6
    once = {
        "queryforge:latest": "2", "queryforge:previous-1": "1", "queryforge:previous-2": "0",
        "queryforge:withdrawn": "3",
    }  # fmt: skip
    twice = {"queryforge:latest": "1", "queryforge:previous-1": "0", "queryforge:withdrawn": "2"}
    # The last one was not killed, so the call after it is a second rollback.
    assert ended == [once] * requests + [twice]


# Embedded


def test_without_ollama_the_file_serves_embedded(
    settings: Settings, gguf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_environment(monkeypatch, settings.model_copy(update={"ollama_host": NOBODY}))
    assert cli.main(["register", str(gguf)]) == 0
    told = capsys.readouterr()
    done = json.loads(told.out)
    assert (done["backend"], done["reply"]) == ("llamacpp", "SELECT 'new'")
    assert "No Ollama answers" in told.err
    serving = ServedModels(settings.models_path).current("harbour", "sqlite")
    assert serving.model is not None
    assert (serving.model.file, serving.model.sha256) == (done["model"], done["sha256"])


def test_the_schema_is_kept_when_it_is_the_one_that_was_trained_on(
    settings: Settings, schema: DatabaseSchema, tmp_path: Path
) -> None:
    same = write_model(tmp_path / "same.gguf", **{FINGERPRINT_KEY: schema.fingerprint})
    other = write_model(tmp_path / "other.gguf", **{FINGERPRINT_KEY: "ab" * 32})
    for path in (same, other):
        register_embedded(path, settings, schema)
    newest, first = ServedModels(settings.models_path).history("harbour", "sqlite")
    assert first.trained_schema is not None
    assert [table.name for table in first.trained_schema.tables] == ["home_port"]
    assert newest.trained_schema is None
    assert newest.schema_fingerprint == "ab" * 32


def test_what_the_caller_knows_of_the_training_is_kept(settings: Settings, gguf: Path, schema: DatabaseSchema) -> None:
    trained = describe_gguf(gguf, schema).model_copy(update={"base_model": "shop", "note": "after the crew came"})
    register_embedded(gguf, settings, schema, trained)
    (model,) = ServedModels(settings.models_path).history("harbour", "sqlite")
    assert (model.base_model, model.note) == ("shop", "after the crew came")


def test_a_file_that_cannot_be_loaded_or_writes_no_query_does_not_serve_embedded(
    settings: Settings, gguf: Path, tmp_path: Path
) -> None:
    register_embedded(gguf, settings, None)
    before = ServedModels(settings.models_path).history("harbour", "sqlite")
    chatty = write_model(tmp_path / "chatty.gguf", "Hello", " there")
    with pytest.raises(TrainingError, match="wrote no query: 'Hello there'"):
        register_embedded(chatty, settings, None)
    endless = write_tiny_gguf(
        tmp_path / "endless.gguf", ("x",), has_end=False,
        metadata={PROMPT_LAYOUT_KEY: "compact", DB_ID_KEY: "harbour", "queryforge.dialect": "sqlite"},
    )  # fmt: skip
    with pytest.raises(BackendError, match="cut"):
        register_embedded(endless, settings.model_copy(update={"max_reply_tokens": 20}), None)
    assert ServedModels(settings.models_path).history("harbour", "sqlite") == before


def test_a_model_of_another_database_is_refused_when_one_was_named_and_else_serves_its_own(
    settings: Settings, tmp_path: Path, harbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, settings)
    other = write_model(tmp_path / "other.gguf", **{DB_ID_KEY: "orchard"})
    assert cli.main(["register", str(other), "--backend", "llamacpp", "--db", str(harbour)]) == 2
    assert cli.main(["register", str(other), "--backend", "llamacpp"]) == 0
    models = ServedModels(settings.models_path)
    assert models.current("harbour", "sqlite").model is None
    assert models.current("orchard", "sqlite").model is not None


def test_a_model_for_any_database_serves_the_one_that_was_named(
    settings: Settings, tmp_path: Path, harbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, settings)
    general = write_model(tmp_path / "general.gguf", **{DB_ID_KEY: "", PROMPT_LAYOUT_KEY: "full"})
    assert cli.main(["register", str(general), "--backend", "llamacpp", "--db", str(harbour)]) == 0
    assert ServedModels(settings.models_path).current("harbour", "sqlite").model is not None
    monkeypatch.setenv("QUERYFORGE_DATABASE_URL", str(tmp_path / "none.sqlite"))
    assert cli.main(["register", str(general), "--backend", "llamacpp"]) == 2


# The command


def test_the_command_chooses_ollama_when_it_answers_and_takes_the_embedded_model_by_default(
    double: OllamaDouble, settings: Settings, gguf: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    set_environment(monkeypatch, settings)
    register_embedded(gguf, settings, None)
    assert cli.main(["register", "--tag", "mine"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["backend"], done["model"]) == ("ollama", "mine:latest")
    assert done["sha256"] == ServedModels(settings.models_path).history("harbour", "sqlite")[0].sha256
    assert set(double.store.tags) == {"queryforge:latest", "mine:latest"}
    assert cli.main(["register", "--backend", "llamacpp"]) == 2


def test_the_command_rolls_back_what_the_chat_uses(
    double: OllamaDouble, settings: Settings, gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    set_environment(monkeypatch, settings)
    first = register_embedded(gguf, settings, None)
    register_embedded(write_model(tmp_path / "newer.gguf"), settings, None)
    registered(double, gguf, settings, "SELECT 1")
    capsys.readouterr()
    assert cli.main(["register", "--rollback"]) == 0
    assert json.loads(capsys.readouterr().out)["backend"] == "ollama"
    assert replies(double)["queryforge:latest"] == "0"
    del double.store.tags["queryforge:latest"]
    assert cli.main(["register", "--rollback"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == first.model
    assert cli.main(["register", "--rollback", "--backend", "llamacpp"]) == 0
    assert "The model that ships serves again." in capsys.readouterr().err
    assert cli.main(["register", "--rollback", "--backend", "llamacpp"]) == 2
    assert cli.main(["register", str(gguf), "--rollback"]) == 2


def set_environment(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    for name in ("database_url", "ollama_host", "models_path", "threads"):
        monkeypatch.setenv(f"QUERYFORGE_{name.upper()}", str(getattr(settings, name)))


# The question


@pytest.mark.parametrize(
    "reply",
    [
        "SELECT 1",
        "```sql\nSELECT count(*) FROM home_port;\n```",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SELECT 1 UNION SELECT 2",
        "-- unanswerable: there are no ports",
        "-- clarify: which port?",
    ],
)
def test_a_query_or_a_reason_is_a_reply(reply: str) -> None:
    check_reply(reply, "How many?", "sqlite")


@pytest.mark.parametrize(
    "reply", ["", "Hello", "SELECT", "SELECT 1; SELECT 2", "DELETE FROM home_port", "(" * 5000, "<|im_start|>"]
)
def test_anything_else_is_none(reply: str) -> None:
    with pytest.raises(TrainingError, match="wrote no query"):
        check_reply(reply, "How many?", "sqlite")


def test_the_question_is_about_the_first_table(schema: DatabaseSchema) -> None:
    assert smoke_question(schema) == "How many home ports are there?"
    assert smoke_question(None) == "How many rows are there?"
