"""The door: whole questions through real models and databases, and everything a person can get wrong."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assistant import indexing
from assistant.agent import Assistant
from assistant.backends.metadata import DB_ID_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY
from assistant.backends.scripted import ScriptedBackend
from assistant.database import connect
from assistant.errors import BackendError, DatabaseError, QueryForgeError, UsageError
from assistant.settings import Settings
from assistant.types import Answer, Question
from assistant.values import ValueIndex
from tests.ollama_double import Fault, OllamaDouble
from tests.tiny_gguf import write_tiny_gguf

GOOD = "SELECT count(*) FROM boats"
PIECES = ("SELECT", " count(*)", " FROM", " boats")


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE boats (boat_id INTEGER PRIMARY KEY, name TEXT NOT NULL, home_port TEXT);
        INSERT INTO boats VALUES (1, 'Alma', 'Bergen'), (2, 'Berit', 'Bergen'), (3, 'Cora', 'Narvik');
        """
    )
    connection.close()
    return path


def assistant_for(harbour: Path, *replies: str, **changes: object) -> Assistant:
    settings = Settings.model_validate({"database_url": str(harbour), **changes})
    return Assistant(settings, backend=ScriptedBackend(replies or (GOOD,)))


def failure_of(settings: Settings, question: str = "How many boats?") -> QueryForgeError:
    with pytest.raises(QueryForgeError) as caught, Assistant(settings) as assistant:
        assistant.ask(question)
    assert caught.value.message
    assert caught.value.hint
    return caught.value


def test_the_embedded_model_answers_a_question(harbour: Path, tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "tiny.gguf", PIECES)
    settings = Settings(database_url=str(harbour), backend="llamacpp", model_path=model)
    with Assistant(settings) as assistant:
        answer = assistant.ask("How many boats?")
        assert assistant.model_info().name == "tiny.gguf"
        assert assistant.warnings() == ()
    assert answer.status == "answered"
    assert answer.result is not None
    assert answer.result.rows == ((3,),)
    assert answer.confidence is not None
    assert 0.5 < answer.confidence < 1
    assert answer.drafts[0].completion.model == "tiny.gguf"


def test_ollama_answers_a_question(harbour: Path) -> None:
    with OllamaDouble(GOOD, has_logprobs=True) as double:
        settings = Settings(database_url=str(harbour), backend="auto", ollama_host=double.host)
        with Assistant(settings) as assistant:
            answer = assistant.ask("How many boats?")
            assert "Ollama" in assistant.backend_reason
    assert answer.status == "answered"
    assert answer.confidence is not None
    sent = double.chats()[0]["messages"]
    assert sent[-1] == {"role": "user", "content": "How many boats?"}
    assert "CREATE TABLE boats" in sent[0]["content"]


def test_a_script_answers_a_question(harbour: Path, tmp_path: Path) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text(f'"{GOOD}"\n', encoding="utf-8")
    with Assistant(Settings(database_url=str(harbour), backend="scripted", script_path=script)) as assistant:
        assert assistant.ask("How many boats?").status == "answered"


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_question_is_a_usage_error(harbour: Path, text: str) -> None:
    with assistant_for(harbour) as assistant, pytest.raises(UsageError, match="empty"):
        assistant.ask(text)


def test_a_question_of_100_kb_is_a_usage_error_before_the_model_sees_it(harbour: Path) -> None:
    backend = ScriptedBackend([GOOD])
    with Assistant(Settings(database_url=str(harbour)), backend=backend) as assistant:
        for ask in (assistant.ask, assistant.stream):
            with pytest.raises(UsageError, match="100000 characters; at most 2000"):
                ask("x" * 100_000)
            with pytest.raises(UsageError, match="characters"):
                ask(Question(text="How many?", evidence="x" * 100_000))
    assert backend.prompts == []


def test_an_unknown_model_file_is_named(harbour: Path, tmp_path: Path) -> None:
    settings = Settings(database_url=str(harbour), backend="llamacpp", model_path=tmp_path / "nowhere.gguf")
    error = failure_of(settings)
    assert isinstance(error, BackendError)
    assert "nowhere.gguf" in error.message


def test_a_corrupt_model_file_is_named(harbour: Path, tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "tiny.gguf", PIECES)
    model.write_bytes(model.read_bytes()[:50_000])
    settings = Settings(database_url=str(harbour), backend="llamacpp", model_path=model)
    error = failure_of(settings)
    assert isinstance(error, BackendError)
    assert "tiny.gguf" in error.message


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = failure_of(Settings(database_url=str(tmp_path / "nowhere.sqlite"), backend="llamacpp"))
    assert isinstance(error, DatabaseError)
    assert "nowhere" in error.message


def test_ollama_that_is_down_at_the_start_is_explained(harbour: Path) -> None:
    settings = Settings(database_url=str(harbour), backend="ollama", ollama_host="http://127.0.0.1:9")
    error = failure_of(settings)
    assert isinstance(error, BackendError)
    assert "No Ollama answers" in error.message


@pytest.mark.parametrize("fault", ["error_line", "no_done", "broken", "not_json", "length", "server_error"])
def test_ollama_that_fails_in_mid_answer_is_explained_and_runs_nothing(harbour: Path, fault: Fault) -> None:
    with OllamaDouble(GOOD, fault=fault) as double:
        settings = Settings(database_url=str(harbour), backend="ollama", ollama_host=double.host, falls_back=False)
        assert isinstance(failure_of(settings), BackendError)


def test_after_an_error_the_next_question_is_answered(harbour: Path) -> None:
    with OllamaDouble(GOOD, fault="no_done") as double:
        settings = Settings(database_url=str(harbour), backend="ollama", ollama_host=double.host, falls_back=False)
        with Assistant(settings) as assistant:
            with pytest.raises(BackendError):
                assistant.ask("How many boats?")
            double.fault = "none"
            assert assistant.ask("How many boats?").status == "answered"


def test_a_model_of_another_database_is_warned_about(harbour: Path, tmp_path: Path) -> None:
    keys = {PROMPT_LAYOUT_KEY: "compact", DB_ID_KEY: "orchard", FINGERPRINT_KEY: "ab" * 32}
    model = write_tiny_gguf(tmp_path / "tiny.gguf", ("SELECT", " count(*)", " FROM", " trees"), metadata=keys)
    settings = Settings(database_url=str(harbour), backend="llamacpp", model_path=model)
    with Assistant(settings) as assistant:
        (warning,) = assistant.warnings()
        answer = assistant.ask("How many boats?")
    assert "'orchard', not for 'harbour'" in warning
    assert answer.status == "failed"
    assert warning in answer.text


def test_a_model_of_an_older_schema_is_warned_about(harbour: Path) -> None:
    backend = ScriptedBackend([GOOD], trained_db_id="harbour", trained_fingerprint="ab" * 32)
    with Assistant(Settings(database_url=str(harbour)), backend=backend) as assistant:
        (warning,) = assistant.warnings()
    assert "has changed since" in warning


def test_a_model_of_this_very_schema_is_not_warned_about(harbour: Path) -> None:
    database = connect(str(harbour))
    schema = database.schema()
    backend = ScriptedBackend([GOOD], trained_db_id=schema.db_id, trained_fingerprint=schema.fingerprint)
    with Assistant(Settings(), backend=backend, database=database) as assistant:
        assert assistant.warnings() == ()
    database.close()


def test_the_values_are_indexed_once(harbour: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[ValueIndex] = []

    class Counted(ValueIndex):
        @classmethod
        def build(cls, source, schema):  # type: ignore[no-untyped-def]
            built.append(ValueIndex.build(source, schema))
            return built[-1]

    monkeypatch.setattr(indexing, "ValueIndex", Counted)
    with assistant_for(harbour) as assistant:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(assistant.ask, [f"How many boats, {n}?" for n in range(8)]))
        list(assistant.stream("How many boats?"))
    assert len(built) == 1


def test_several_sessions_ask_at_once_and_each_gets_its_own_answer(harbour: Path, tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "tiny.gguf", PIECES)
    settings = Settings(database_url=str(harbour), backend="llamacpp", model_path=model, max_candidates=0)

    def last_item(question: str) -> Answer:
        *_, answer = assistant.stream(question)
        assert isinstance(answer, Answer)
        return answer

    questions = [f"How many boats, {n}?" for n in range(12)]
    with Assistant(settings) as assistant, ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(assistant.ask, questions[:6]), *pool.map(last_item, questions[6:])]
    assert [answer.question.text for answer in answers] == questions
    assert {answer.status for answer in answers} == {"answered"}
    assert all(len(answer.drafts) == 1 and len(answer.timings) == 6 for answer in answers)


def test_what_the_caller_gave_is_left_open(harbour: Path) -> None:
    database = connect(str(harbour))
    backend = ScriptedBackend([GOOD])
    for _ in range(2):
        with Assistant(Settings(), backend=backend, database=database) as assistant:
            assert assistant.ask("How many boats?").status == "answered"
    database.close()


def test_closing_twice_is_harmless(harbour: Path) -> None:
    assistant = assistant_for(harbour)
    assistant.ask("How many boats?")
    assistant.close()
    assistant.close()


def test_the_schema_is_told_without_a_model(harbour: Path, tmp_path: Path) -> None:
    settings = Settings(database_url=str(harbour), backend="llamacpp", model_path=tmp_path / "nowhere.gguf")
    with Assistant(settings) as assistant:
        assert [table.name for table in assistant.schema().tables] == ["boats"]
        with pytest.raises(BackendError):
            assistant.model_info()


def test_importing_the_door_loads_no_heavy_library() -> None:
    heavy = ("langgraph", "langchain_core", "langchain_ollama", "llama_cpp", "ollama", "httpx", "torch", "streamlit")
    code = f"import sys, assistant.agent; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
