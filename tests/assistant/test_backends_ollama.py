"""The Ollama backend, against a server that speaks and fails like Ollama."""

from __future__ import annotations

import math
import time

import pytest

from assistant import prompts
from assistant.backends.ollama import OllamaBackend, has_model, installed_models, server_address
from assistant.errors import BackendError
from assistant.settings import Settings
from assistant.types import Message, Prompt
from tests.ollama_double import FAULTS, Fault, OllamaDouble

MESSAGES = (
    Message(role="system", content="sqlite shop"),
    Message(role="user", content="And in {May}?"),
    Message(role="assistant", content="SELECT 0"),
    Message(role="user", content="How many orders?"),
)
PROMPT = Prompt(messages=MESSAGES, text=prompts.render_text(MESSAGES))
REPLY = "SELECT count(*) FROM orders"
SLOWNESS_S = 30.0


def backend_for(double: OllamaDouble, timeout_s: float = 20.0) -> OllamaBackend:
    return OllamaBackend(Settings(ollama_host=double.host, backend_timeout_s=timeout_s))


def failure_with(fault: Fault, timeout_s: float = 20.0) -> BackendError:
    with OllamaDouble(REPLY, fault=fault, slowness_s=SLOWNESS_S) as double:
        backend = backend_for(double, timeout_s)
        with pytest.raises(BackendError) as caught:
            backend.complete(PROMPT, max_tokens=50)
        backend.close()
    assert caught.value.message
    assert caught.value.hint
    return caught.value


def test_the_server_gets_the_messages_as_rendered() -> None:
    with OllamaDouble(REPLY) as double:
        backend = backend_for(double)
        backend.complete(PROMPT, max_tokens=50)
        backend.close()
    (chat,) = double.chats()
    assert chat["messages"] == [{"role": m.role, "content": m.content} for m in MESSAGES]
    assert chat["model"] == "queryforge"


def test_decoding_is_greedy_without_penalty_and_stops_at_the_end_of_a_turn() -> None:
    with OllamaDouble(REPLY) as double:
        backend = backend_for(double)
        backend.complete(PROMPT, max_tokens=50)
        backend.close()
    options = double.chats()[0]["options"]
    assert options["temperature"] == 0
    assert options["repeat_penalty"] == 1
    assert options["num_predict"] == 50
    assert options["num_ctx"] == 2048
    assert options["stop"] == [prompts.TURN_END]
    assert "seed" in options


def test_the_context_is_the_one_of_the_modelfile() -> None:
    parameters = 'num_ctx                        1536\nstop                           "<|im_end|>"'
    with OllamaDouble(REPLY, parameters=parameters) as double:
        backend = backend_for(double)
        backend.complete(PROMPT, max_tokens=50)
        backend.close()
    assert double.chats()[0]["options"]["num_ctx"] == 1536


def test_log_probabilities_are_added_where_the_server_tells_them() -> None:
    with OllamaDouble(REPLY, has_logprobs=True) as double:
        backend = backend_for(double)
        completion = backend.complete(PROMPT, max_tokens=50)
        backend.close()
    assert completion.completion_tokens == 4
    assert completion.log_probability is not None
    assert math.isclose(completion.log_probability, -1.0)


def test_without_log_probabilities_there_is_none() -> None:
    with OllamaDouble(REPLY) as double:
        backend = backend_for(double)
        completion = backend.complete(PROMPT, max_tokens=50)
        backend.close()
    assert completion.log_probability is None
    assert completion.completion_tokens == 5


def test_every_fault_is_a_backend_error_with_a_remedy() -> None:
    faults = [fault for fault in FAULTS if fault != "none"]
    assert len(faults) == 9
    for fault in faults:
        failure_with(fault, timeout_s=0.5 if fault == "slow" else 20.0)


def test_no_server_is_explained() -> None:
    backend = OllamaBackend(Settings(ollama_host="http://127.0.0.1:9"))
    with pytest.raises(BackendError, match=r"No Ollama answers at http://127\.0\.0\.1:9") as caught:
        backend.complete(PROMPT, max_tokens=50)
    assert "ollama serve" in caught.value.hint
    backend.close()


def test_a_server_that_goes_away_between_two_questions_is_explained() -> None:
    with OllamaDouble(REPLY) as double:
        backend = backend_for(double)
        assert backend.complete(PROMPT, max_tokens=50).text == REPLY
    with pytest.raises(BackendError, match="No Ollama answers"):
        backend.complete(PROMPT, max_tokens=50)
    backend.close()


def test_a_missing_model_is_named_with_those_that_are_there() -> None:
    with OllamaDouble(model="llama3:8b") as double:
        backend = backend_for(double)
        with pytest.raises(BackendError, match="no model 'queryforge'") as caught:
            backend.info()
        backend.close()
    assert "'llama3:8b'" in caught.value.hint


def test_an_error_line_in_mid_stream_tells_the_servers_words() -> None:
    assert "an error was encountered while running the model" in failure_with("error_line").message


def test_an_error_of_the_engine_is_dug_out_of_its_json() -> None:
    message = failure_with("server_error").message
    assert "the engine has stopped" in message
    assert "{" not in message


def test_a_stream_that_just_ends_is_never_taken_for_a_reply() -> None:
    assert "broke off the reply" in failure_with("no_done").message


def test_a_broken_connection_is_explained() -> None:
    assert "broke" in failure_with("broken").message


def test_a_busy_server_is_explained() -> None:
    assert "busy" in failure_with("busy").message


def test_a_reply_cut_by_the_server_is_never_taken_for_a_reply() -> None:
    assert "cut after 50 tokens" in failure_with("length").message


def test_something_else_on_the_port_is_explained() -> None:
    assert "does not speak like Ollama" in failure_with("not_json").message


def test_silence_ends_with_the_time_limit() -> None:
    started = time.perf_counter()
    assert "did not finish within 0.5 s" in failure_with("slow", timeout_s=0.5).message
    assert time.perf_counter() - started < SLOWNESS_S


def test_a_slow_drip_ends_with_the_time_limit_too() -> None:
    with OllamaDouble("word " * 200, fault="slow", slowness_s=SLOWNESS_S / 200) as double:
        backend = backend_for(double, timeout_s=0.7)
        started = time.perf_counter()
        with pytest.raises(BackendError, match="did not finish"):
            backend.complete(PROMPT, max_tokens=500)
        assert time.perf_counter() - started < SLOWNESS_S
        backend.close()


def test_cancelling_closes_the_connection_so_that_the_server_stops() -> None:
    def stop(_text: str) -> None:
        raise InterruptedError

    with OllamaDouble("word " * 2000) as double:
        backend = backend_for(double)
        with pytest.raises(InterruptedError):
            backend.complete(PROMPT, max_tokens=5000, on_text=stop)
        assert double.was_cut_off.wait(5)
        backend.close()


def test_installed_models_are_listed_and_matched_with_their_tag() -> None:
    with OllamaDouble(model="queryforge:latest") as double:
        installed = installed_models(double.host, timeout_s=2)
    assert installed == ("queryforge:latest",)
    assert has_model(installed, "queryforge")
    assert has_model(installed, "queryforge:latest")
    assert not has_model(installed, "queryforge:7b")
    assert installed_models("http://127.0.0.1:9", timeout_s=0.5) is None


def test_a_proxy_of_the_environment_gets_no_local_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with OllamaDouble(REPLY) as double:
        assert installed_models(double.host, timeout_s=2)
        backend = backend_for(double)
        assert backend.complete(PROMPT, max_tokens=50).text == REPLY
        backend.close()


@pytest.mark.parametrize(
    ("given", "completed"),
    [
        ("localhost", "http://localhost:11434"),
        ("localhost:1234/", "http://localhost:1234"),
        ("http://box:11434", "http://box:11434"),
        ("https://box/ollama", "https://box/ollama"),
        ("[::1]", "http://[::1]:11434"),
    ],
)
def test_addresses_are_completed_like_ollama_does(given: str, completed: str) -> None:
    assert server_address(given) == completed
