"""When the server of a model stops answering: the embedded model answers instead, if it may, and the answer says so."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.backends import choose
from assistant.errors import BackendError, BackendGone
from assistant.settings import Settings
from assistant.types import Answer, StepEvent
from tests.chat_double import OpenAIDouble
from tests.ollama_double import Fault, OllamaDouble
from tests.tiny_gguf import write_tiny_gguf

GOOD = "SELECT count(*) FROM boats"
PIECES = ("SELECT", " count(*)", " FROM", " boats")


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "harbour.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE boats (boat_id INTEGER PRIMARY KEY); INSERT INTO boats VALUES (1), (2);")
    connection.close()
    # The model that ships knows another database; this one stands in for it, run by the same engine.
    monkeypatch.setattr(choose, "SHIPPED_MODEL", write_tiny_gguf(tmp_path / "small.gguf", PIECES))
    return path


@pytest.mark.parametrize("fault", ["error_line", "no_done", "broken", "server_error", "busy"])
def test_a_question_whose_ollama_dies_in_mid_answer_is_answered_by_the_embedded_model(
    harbour: Path, fault: Fault
) -> None:
    with OllamaDouble(GOOD, fault=fault) as double:
        settings = Settings(database_url=str(harbour), backend="ollama", ollama_host=double.host)
        with Assistant(settings) as assistant:
            answer = assistant.ask("How many boats?")
    assert answer.status == "answered"
    assert answer.result is not None
    assert answer.result.rows == ((2,),)
    (notice,) = answer.notices
    assert "Ollama" in notice
    assert "'small.gguf' answered instead" in notice
    assert {draft.completion.model for draft in answer.drafts} == {"small.gguf"}


def test_the_steps_tell_of_the_change_and_the_server_is_asked_again_next_time(harbour: Path) -> None:
    with OpenAIDouble(GOOD, fault="cut") as double:
        settings = Settings(database_url=str(harbour), backend="openai", openai_url=double.url)
        with Assistant(settings) as assistant:
            *steps, answer = assistant.stream("How many boats?")
            assert isinstance(answer, Answer)
            assert [step.detail for step in steps if isinstance(step, StepEvent)].count(answer.notices[0]) == 1
            double.fault = "none"
            later = assistant.ask("How many boats?")
    assert answer.status == later.status == "answered"
    assert later.notices == ()
    assert later.drafts[0].completion.model == "queryforge"
    assert later.drafts[0].completion.completion_tokens > 0
    assert later.timings


def test_a_server_that_goes_away_between_two_questions_is_replaced_too(harbour: Path) -> None:
    with OllamaDouble(GOOD) as double:
        assistant = Assistant(Settings(database_url=str(harbour), backend="ollama", ollama_host=double.host))
        assert assistant.ask("How many boats?").notices == ()
    answer = assistant.ask("How many boats?")
    assistant.close()
    assert answer.status == "answered"
    assert "No Ollama answers" in answer.notices[0]


def test_a_server_that_never_answered_is_an_error_and_not_hidden(harbour: Path) -> None:
    settings = Settings(database_url=str(harbour), backend="openai", openai_url="http://127.0.0.1:9/v1")
    with Assistant(settings) as assistant, pytest.raises(BackendGone, match="No server answers"):
        assistant.ask("How many boats?")


def test_without_leave_nothing_else_answers(harbour: Path) -> None:
    with OllamaDouble(GOOD, fault="broken") as double:
        settings = Settings(database_url=str(harbour), backend="ollama", ollama_host=double.host, falls_back=False)
        with Assistant(settings) as assistant, pytest.raises(BackendGone):
            assistant.ask("How many boats?")


def test_an_error_that_another_model_would_only_hide_stays_one(harbour: Path) -> None:
    with OllamaDouble(GOOD, fault="length") as double:
        settings = Settings(database_url=str(harbour), backend="ollama", ollama_host=double.host)
        with Assistant(settings) as assistant, pytest.raises(BackendError, match="cut after"):
            assistant.ask("How many boats?")


def test_without_an_embedded_model_the_servers_own_error_is_told(
    harbour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "SHIPPED_MODEL", tmp_path / "nowhere.gguf")
    with OllamaDouble(GOOD, fault="broken") as double:
        settings = Settings(database_url=str(harbour), backend="ollama", ollama_host=double.host)
        with Assistant(settings) as assistant, pytest.raises(BackendGone, match="Ollama"):
            assistant.ask("How many boats?")


def test_nothing_is_traced_to_a_service_though_the_environment_asks_for_it(
    harbour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[str] = []

    class Tracing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.path)
            self.send_response(202)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tracing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    script = tmp_path / "replies.jsonl"
    script.write_text(json.dumps(GOOD), encoding="utf-8")
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.setenv(name, "true")
    for name in ("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("LANGSMITH_API_KEY", "none")
    code = (
        "import langsmith, sys;"
        "from assistant.agent import Assistant; from assistant.settings import Settings;"
        f"a = Assistant(Settings(database_url={str(harbour)!r}, backend='scripted', script_path={str(script)!r}));"
        "print(a.ask('How many boats?').status); list(a.stream('How many boats?'));"
        "from langchain_core.tracers.langchain import wait_for_all_tracers; wait_for_all_tracers();"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    server.shutdown()
    server.server_close()
    thread.join()
    assert done.stdout.strip() == "answered", done.stderr
    assert received == []
