"""The backend for OpenAI-compatible servers, against one that speaks and fails like them."""

from __future__ import annotations

import math
import time

import pytest

from assistant import prompts
from assistant.backends.openai import OpenAIBackend
from assistant.errors import BackendError, BackendGone, UsageError
from assistant.settings import Settings
from assistant.types import Message, Prompt
from tests.chat_double import FAULTS, Fault, OpenAIDouble

MESSAGES = (
    Message(role="system", content="sqlite shop"),
    Message(role="user", content="How many orders in Zürich?"),
)
PROMPT = Prompt(messages=MESSAGES, text=prompts.render_text(MESSAGES))
REPLY = "SELECT count(*) FROM orders WHERE town = 'Zürich'"
KEY = "sk-very-secret"
GONE: dict[Fault, bool] = {
    "no_key": False, "busy": True, "server_error": True, "error_event": True, "cut": True, "no_end": True, "slow": True,
    "not_json": False, "wrong_json": False, "withheld": False, "redirect": False,
}  # fmt: skip
"""Fault -> whether another model may answer instead."""


def backend_for(double: OpenAIDouble, **changes: object) -> OpenAIBackend:
    return OpenAIBackend(Settings.model_validate({"openai_url": double.url, "openai_api_key": KEY, **changes}))


def test_the_server_gets_the_messages_the_key_and_greedy_options() -> None:
    with OpenAIDouble(REPLY, key=KEY) as double:
        backend = backend_for(double)
        assert backend.complete(PROMPT, max_tokens=50).text == REPLY
        backend.close()
    (chat,) = double.chats()
    assert chat["messages"] == [{"role": m.role, "content": m.content} for m in MESSAGES]
    assert (chat["model"], chat["temperature"], chat["max_tokens"]) == ("queryforge", 0, 50)
    assert chat["stop"] == [prompts.TURN_END]
    assert all(headers["authorization"] == f"Bearer {KEY}" for _, headers, _ in double.requests)


def test_log_probabilities_and_counts_are_the_servers() -> None:
    with OpenAIDouble(REPLY, has_logprobs=True) as double:
        told = backend_for(double, openai_api_key="").complete(PROMPT, max_tokens=50)
    assert told.log_probability is not None
    assert math.isclose(told.log_probability, -0.25 * told.completion_tokens)
    assert (told.prompt_tokens, told.completion_tokens) == (120, 8)
    with OpenAIDouble(REPLY) as double:
        untold = backend_for(double, openai_api_key="").complete(PROMPT, max_tokens=50)
    assert (untold.log_probability, untold.completion_tokens) == (None, 9)


def test_options_that_a_server_does_not_take_are_left_out_and_stay_out() -> None:
    unknown = ("logprobs", "stream_options", "max_tokens", "temperature")
    with OpenAIDouble(REPLY, unknown_options=unknown[:2]) as double:
        backend = backend_for(double, openai_api_key="")
        assert backend.complete(PROMPT, max_tokens=50).text == REPLY
        refused = len(double.chats())
        assert backend.complete(PROMPT, max_tokens=50).text == REPLY
        backend.close()
    assert refused == 3
    assert len(double.chats()) == 4
    assert not set(unknown[:2]) & set(double.chats()[-1])


def test_every_fault_is_a_backend_error_with_a_remedy() -> None:
    assert set(GONE) == set(FAULTS) - {"none"}
    for fault, is_gone in GONE.items():
        with OpenAIDouble(REPLY, fault=fault, slowness_s=30, key="" if fault == "no_key" else KEY) as double:
            backend = backend_for(double, backend_timeout_s=0.5 if fault == "slow" else 20)
            with pytest.raises(BackendError) as caught:
                backend.complete(PROMPT, max_tokens=50)
            backend.close()
        assert caught.value.hint, fault
        assert isinstance(caught.value, BackendGone) == is_gone, (fault, caught.value)
        assert KEY not in str(caught.value), fault


def test_a_reply_that_trickles_in_is_given_up_at_its_time() -> None:
    with OpenAIDouble(" ".join(["word"] * 200), fault="slow", slowness_s=0.1) as double:
        backend = backend_for(double, openai_api_key="", backend_timeout_s=0.6)
        started = time.monotonic()
        with pytest.raises(BackendGone, match="0.6 s"):
            backend.complete(PROMPT, max_tokens=500)
        assert time.monotonic() - started < 10
        backend.close()


def test_cancelling_closes_the_connection() -> None:
    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with OpenAIDouble(" ".join(["word"] * 2000)) as double:
        backend = backend_for(double, openai_api_key="", remote_context_tokens=4096)
        with pytest.raises(KeyboardInterrupt):
            backend.complete(PROMPT, max_tokens=5000, on_text=stop)
        assert double.was_cut_off.wait(20)
        backend.close()


def test_no_server_is_explained() -> None:
    backend = OpenAIBackend(Settings(openai_url="http://127.0.0.1:9/v1"))
    with pytest.raises(BackendGone, match=r"No server answers at http://127\.0\.0\.1:9/v1"):
        backend.info()
    backend.close()


def test_the_only_model_is_taken_where_none_was_named() -> None:
    only = ({"id": "/models/qwen.gguf", "meta": {"n_ctx_train": 32768, "n_ctx": 2048}},)
    with OpenAIDouble(models=only) as double:
        info = backend_for(double, openai_api_key="").info()
        assert (info.name, info.context_tokens, info.backend) == ("/models/qwen.gguf", 2048, "openai")
        with pytest.raises(BackendError, match="no model 'mine'") as caught:
            backend_for(double, openai_api_key="", model="mine").info()
    assert "'/models/qwen.gguf'" in caught.value.hint


def test_a_context_that_is_not_told_is_the_one_of_the_settings() -> None:
    with OpenAIDouble(models=({"id": "queryforge"},)) as double:
        assert backend_for(double, openai_api_key="", remote_context_tokens=512).info().context_tokens == 512


def test_the_key_is_in_no_text_of_the_settings() -> None:
    settings = Settings.model_validate({"openai_api_key": KEY})
    assert KEY not in repr(settings) + settings.model_dump_json() + str(settings.model_dump())


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://x/v1", "http://[::1", "http://u:p@host/v1", "http://h:p"])
def test_an_address_that_is_none_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        OpenAIBackend(Settings(openai_url=url))
