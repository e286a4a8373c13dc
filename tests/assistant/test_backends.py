"""The contract that every backend keeps, played against each of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from assistant import prompts
from assistant.backends import base
from assistant.backends.base import Backend
from assistant.backends.choose import choose_backend
from assistant.backends.huggingface import HuggingFaceBackend
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.backends.metadata import DB_ID_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY, read_metadata, usable_context
from assistant.backends.ollama import OllamaBackend
from assistant.backends.openai import OpenAIBackend
from assistant.backends.sagemaker import SageMakerBackend
from assistant.backends.scripted import ScriptedBackend
from assistant.errors import BackendError, UsageError
from assistant.settings import Settings
from assistant.types import Message, Prompt, Sampling
from tests.chat_double import OpenAIDouble, SageMakerDouble
from tests.ollama_double import OllamaDouble
from tests.tiny_folder import write_tiny_folder
from tests.tiny_gguf import write_tiny_gguf

PIECES = ("SELECT", " count(*)", " FROM", " orders")
REPLY = "".join(PIECES)
KEYS = {PROMPT_LAYOUT_KEY: "compact", DB_ID_KEY: "shop", FINGERPRINT_KEY: "ab" * 32}
MakeBackend = Callable[[], Backend]


def prompt_of(text: str = "How many orders?") -> Prompt:
    messages = (Message(role="system", content="sqlite shop"), Message(role="user", content=text))
    return Prompt(messages=messages, text=prompts.render_text(messages))


@contextmanager
def scripted_backend(tmp_path: Path) -> Iterator[Backend]:
    yield ScriptedBackend(
        [REPLY], prompt_layout="compact", context_tokens=1024, trained_db_id="shop", trained_fingerprint="ab" * 32
    )


@contextmanager
def embedded_backend(tmp_path: Path, timeout_s: float = 60.0) -> Iterator[Backend]:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", PIECES, metadata=KEYS)
    backend = LlamaCppBackend(Settings(model_path=path, backend_timeout_s=timeout_s))
    yield backend
    backend.close()


@contextmanager
def ollama_backend(tmp_path: Path) -> Iterator[Backend]:
    with OllamaDouble(REPLY, model_info={**KEYS, "llama.context_length": 1024}) as double:
        backend = OllamaBackend(Settings(ollama_host=double.host))
        yield backend
        backend.close()


@contextmanager
def openai_backend(tmp_path: Path) -> Iterator[Backend]:
    with OpenAIDouble(REPLY) as double:
        backend = OpenAIBackend(Settings(openai_url=double.url, remote_layout="compact"))
        yield backend
        backend.close()


@contextmanager
def sagemaker_backend(tmp_path: Path) -> Iterator[Backend]:
    pytest.importorskip("boto3")
    with pytest.MonkeyPatch.context() as patch, SageMakerDouble(REPLY) as double:
        set_aws(patch, double.host)
        settings = Settings(sagemaker_endpoint="shop", remote_layout="compact", remote_context_tokens=1024)
        backend = SageMakerBackend(settings)
        yield backend
        backend.close()


def set_aws(patch: pytest.MonkeyPatch, host: str) -> None:
    """Let AWS's library call this machine, with credentials that are none."""
    for name in ("AWS_ENDPOINT_URL_SAGEMAKER", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"):
        patch.setenv(name, host)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "none")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        patch.setenv(name, "/nowhere/at/all")
    patch.setenv("AWS_REGION", "eu-west-1")
    patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def unquantised_backend(tmp_path: Path, timeout_s: float = 60.0) -> Iterator[Backend]:
    path = write_tiny_folder(tmp_path / "tiny", PIECES, facts=KEYS)
    backend = HuggingFaceBackend(Settings(model_path=path, threads=1, backend_timeout_s=timeout_s))
    yield backend
    backend.close()


@pytest.fixture(
    params=[
        pytest.param(scripted_backend, id="scripted"),
        pytest.param(embedded_backend, id="llamacpp"),
        pytest.param(ollama_backend, id="ollama"),
        pytest.param(openai_backend, id="openai"),
        pytest.param(sagemaker_backend, id="sagemaker"),
        pytest.param(unquantised_backend, id="huggingface", marks=pytest.mark.train),
    ]
)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with request.param(tmp_path) as made:
        yield made


def test_the_reply_is_the_text_without_end_tokens(backend: Backend) -> None:
    completion = backend.complete(prompt_of(), max_tokens=50)
    assert completion.text == REPLY
    assert completion.completion_tokens >= len(PIECES)
    assert completion.prompt_tokens > 0
    assert completion.latency_ms > 0


def test_the_same_prompt_gives_the_same_reply(backend: Backend) -> None:
    first = backend.complete(prompt_of(), max_tokens=50)
    backend.complete(prompt_of("Something else"), max_tokens=50)
    assert backend.complete(prompt_of(), max_tokens=50).text == first.text


def test_a_reply_may_be_drawn_and_greedy_ones_stay_what_they_are(backend: Backend) -> None:
    before = backend.complete(prompt_of(), max_tokens=50)
    drawn = backend.complete(prompt_of(), max_tokens=50, sampling=Sampling(seed=3, temperature=0.7))
    # These models are all but certain of their reply, so it is what is drawn too.
    assert drawn.text == REPLY
    assert drawn.log_probability == pytest.approx(before.log_probability, abs=1e-3)
    assert backend.complete(prompt_of(), max_tokens=50).text == before.text


def test_on_text_gets_the_growing_text(backend: Backend) -> None:
    seen: list[str] = []
    backend.complete(prompt_of(), max_tokens=50, on_text=seen.append)
    assert len(seen) > 1
    assert seen[-1] == REPLY
    assert all(later.startswith(earlier) and later != earlier for earlier, later in zip(seen, seen[1:], strict=False))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, RuntimeError, OSError, ConnectionError])
def test_an_error_of_on_text_stops_the_model_and_passes_unchanged(backend: Backend, error: type[BaseException]) -> None:
    seen: list[str] = []

    def stop(text: str) -> None:
        seen.append(text)
        raise error("enough")

    with pytest.raises(error, match="enough"):
        backend.complete(prompt_of(), max_tokens=50, on_text=stop)
    assert len(seen) == 1
    assert backend.complete(prompt_of(), max_tokens=50).text == REPLY


def test_several_threads_share_one_backend(backend: Backend) -> None:
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda n: backend.complete(prompt_of(f"Question {n}"), max_tokens=50).text, range(12)))
    assert texts == [REPLY] * 12


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(embedded_backend, id="llamacpp"),
        pytest.param(unquantised_backend, id="huggingface", marks=pytest.mark.train),
    ],
)
def test_waiting_for_a_busy_model_of_this_process_ends_with_the_time_limit(
    serve: Callable[..., AbstractContextManager[Backend]], tmp_path: Path
) -> None:
    is_inside, may_go_on = threading.Event(), threading.Event()

    def wait(_text: str) -> None:
        is_inside.set()
        may_go_on.wait(10)
        raise InterruptedError

    with serve(tmp_path, timeout_s=0.5) as backend, ThreadPoolExecutor(1) as pool:
        backend.info()
        first = pool.submit(backend.complete, prompt_of("One"), max_tokens=50, on_text=wait)
        assert is_inside.wait(10)
        with pytest.raises(BackendError, match="busy with other questions"):
            backend.complete(prompt_of("Two"), max_tokens=50)
        may_go_on.set()
        with pytest.raises(InterruptedError):
            first.result()
        assert backend.complete(prompt_of("Three"), max_tokens=50).text == REPLY


def test_a_reply_cut_by_the_token_limit_is_an_error(backend: Backend) -> None:
    with pytest.raises(BackendError, match="cut after 2 tokens") as caught:
        backend.complete(prompt_of(), max_tokens=2)
    assert caught.value.hint
    assert backend.complete(prompt_of(), max_tokens=50).text == REPLY


def test_a_prompt_that_does_not_fit_is_an_error_before_anything_is_written(backend: Backend) -> None:
    seen: list[str] = []
    with pytest.raises(BackendError, match="The prompt has .*tokens") as caught:
        backend.complete(prompt_of("orders, " * 2000), max_tokens=50, on_text=seen.append)
    assert caught.value.hint
    assert not seen


def test_the_model_says_what_it_was_trained_for(backend: Backend) -> None:
    info = backend.info()
    assert (info.prompt_layout, info.context_tokens) == ("compact", 1024)
    # Servers of OpenAI's protocol have no place for the rest.
    told = ("", "") if info.backend in ("openai", "sagemaker") else ("shop", "ab" * 32)
    assert (info.trained_db_id, info.trained_fingerprint) == told


def test_tokens_are_counted_and_more_text_has_more(backend: Backend) -> None:
    assert 0 < backend.count_tokens("SELECT 1") < backend.count_tokens("SELECT 1, 2, 3 FROM orders WHERE 1 = 2")
    assert backend.count_tokens("") == 0


def test_closing_twice_is_harmless(backend: Backend) -> None:
    backend.complete(prompt_of(), max_tokens=50)
    backend.close()
    backend.close()


def test_backends_stop_where_a_turn_ends() -> None:
    assert base.END_OF_REPLY == prompts.TURN_END


def test_a_context_is_a_multiple_of_256_within_the_models_own() -> None:
    assert [usable_context(n) for n in (100, 256, 1000, 2048, 32768)] == [256, 256, 768, 2048, 4096]


def test_a_model_without_keys_has_the_full_layout_and_no_database() -> None:
    info = read_metadata("any", "llamacpp", {}, context_tokens=512)
    assert (info.prompt_layout, info.trained_db_id, info.trained_fingerprint) == ("full", "", "")


def test_an_unknown_prompt_layout_is_an_error() -> None:
    with pytest.raises(BackendError, match="layout 'sideways'"):
        read_metadata("any", "llamacpp", {PROMPT_LAYOUT_KEY: "sideways"}, context_tokens=512)


def test_a_script_is_read_from_a_file_and_starts_again_at_its_end(tmp_path: Path) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text(json.dumps("SELECT 1") + "\n\n" + json.dumps("SELECT\n2") + "\n", encoding="utf-8")
    backend = ScriptedBackend.from_file(script)
    texts = [backend.complete(prompt_of(str(n)), max_tokens=9).text for n in range(3)]
    assert texts == ["SELECT 1", "SELECT\n2", "SELECT 1"]
    assert [prompt.messages[-1].content for prompt in backend.prompts] == ["0", "1", "2"]


@pytest.mark.parametrize("content", ["SELECT 1", "42", "{}", ""])
def test_a_script_that_is_not_json_strings_is_a_usage_error(tmp_path: Path, content: str) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError):
        ScriptedBackend.from_file(script)


def test_a_script_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere.jsonl"):
        ScriptedBackend.from_file(tmp_path / "nowhere.jsonl")
    with pytest.raises(UsageError, match="no replies"):
        ScriptedBackend.from_file(None)


def test_a_scripted_error_is_raised_and_the_next_reply_follows() -> None:
    backend = ScriptedBackend([BackendError("gone", "wait"), "SELECT 1"])
    with pytest.raises(BackendError, match="gone"):
        backend.complete(prompt_of(), max_tokens=9)
    assert backend.complete(prompt_of(), max_tokens=9).text == "SELECT 1"


def test_auto_takes_ollama_when_it_has_the_model() -> None:
    with OllamaDouble(model="queryforge:latest") as double:
        backend, reason = choose_backend(Settings(backend="auto", ollama_host=double.host))
    assert isinstance(backend, OllamaBackend)
    assert "has the model 'queryforge'" in reason


def test_auto_takes_the_embedded_model_when_ollama_lacks_the_model() -> None:
    with OllamaDouble(model="llama3:8b") as double:
        backend, reason = choose_backend(Settings(backend="auto", ollama_host=double.host))
    assert isinstance(backend, LlamaCppBackend)
    assert "has no model 'queryforge'" in reason


def test_auto_takes_the_embedded_model_when_no_ollama_answers() -> None:
    backend, reason = choose_backend(Settings(backend="auto", ollama_host="http://127.0.0.1:9"))
    assert isinstance(backend, LlamaCppBackend)
    assert "no Ollama answers" in reason


def test_auto_does_not_wait_for_a_slow_ollama() -> None:
    with OllamaDouble(fault="slow", slowness_s=30) as double:
        backend, reason = choose_backend(Settings(backend="auto", ollama_host=double.host))
    assert isinstance(backend, LlamaCppBackend)
    assert "no Ollama answers" in reason


def test_an_explicit_choice_is_kept_though_nothing_answers(tmp_path: Path) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text('"SELECT 1"', encoding="utf-8")
    nothing = "http://127.0.0.1:9"
    assert isinstance(choose_backend(Settings(backend="ollama", ollama_host=nothing))[0], OllamaBackend)
    assert isinstance(choose_backend(Settings(backend="llamacpp", ollama_host=nothing))[0], LlamaCppBackend)
    assert isinstance(choose_backend(Settings(backend="scripted", script_path=script))[0], ScriptedBackend)


@pytest.mark.parametrize("host", ["", "ftp://x", "http://[::1", "http://host:port"])
def test_an_address_that_is_none_is_a_usage_error(host: str) -> None:
    with pytest.raises(UsageError, match="address"):
        choose_backend(Settings(backend="ollama", ollama_host=host))
