"""The SageMaker backend: AWS's own library against a local server that frames and fails like the service."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from assistant import prompts
from assistant.backends.sagemaker import SageMakerBackend
from assistant.errors import BackendError, BackendGone, UsageError
from assistant.settings import Settings
from assistant.types import Message, Prompt
from tests.assistant.test_backends import set_aws
from tests.chat_double import AWS_FAULTS, AwsFault, SageMakerDouble

pytest.importorskip("boto3")

MESSAGES = (
    Message(role="system", content="sqlite shop"),
    Message(role="user", content="How many orders in Zürich?"),
)
PROMPT = Prompt(messages=MESSAGES, text=prompts.render_text(MESSAGES))
REPLY = "SELECT count(*) FROM orders WHERE town = 'Zürich'"
GONE: dict[AwsFault, bool] = {
    "denied": False, "no_endpoint": False, "failed_endpoint": False, "throttled": True, "model_error": True,
    "stream_error": True, "cut": True, "bad_frame": True, "no_end": True, "slow": True, "wrong_json": False,
}  # fmt: skip
"""Fault -> whether another model may answer instead."""


def ask(
    monkeypatch: pytest.MonkeyPatch, double: SageMakerDouble, timeout_s: float = 20.0, endpoint: str = "shop"
) -> SageMakerBackend:
    set_aws(monkeypatch, double.host)
    return SageMakerBackend(Settings(sagemaker_endpoint=endpoint, backend_timeout_s=timeout_s))


def test_the_container_gets_the_messages_and_greedy_options(monkeypatch: pytest.MonkeyPatch) -> None:
    with SageMakerDouble(REPLY, has_logprobs=True) as double:
        backend = ask(monkeypatch, double)
        told = backend.complete(PROMPT, max_tokens=50)
        backend.close()
    assert told.text == REPLY
    assert told.log_probability is not None
    assert math.isclose(told.log_probability, -0.25 * told.completion_tokens)
    (chat,) = double.chats()
    assert chat["messages"] == [{"role": m.role, "content": m.content} for m in MESSAGES]
    assert (chat["temperature"], chat["max_tokens"], chat["stop"]) == (0, 50, [prompts.TURN_END])


def test_every_fault_is_a_backend_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(GONE) == set(AWS_FAULTS) - {"none"}
    for fault, is_gone in GONE.items():
        with SageMakerDouble(REPLY, fault=fault, slowness_s=30) as double:
            backend = ask(monkeypatch, double, timeout_s=0.5 if fault == "slow" else 20)
            with pytest.raises(BackendError) as caught:
                backend.complete(PROMPT, max_tokens=50)
            backend.close()
        assert caught.value.hint, fault
        assert isinstance(caught.value, BackendGone) == is_gone, (fault, caught.value)


def test_who_may_only_invoke_is_not_kept_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with SageMakerDouble(REPLY, fault="denied") as double:
        backend = ask(monkeypatch, double)
        assert backend.info().name == "shop"
        double.fault = "none"
        assert backend.complete(PROMPT, max_tokens=50).text == REPLY
        backend.close()


def test_cancelling_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with SageMakerDouble(" ".join(["word"] * 2000)) as double:
        backend = ask(monkeypatch, double)
        with pytest.raises(KeyboardInterrupt):
            backend.complete(PROMPT, max_tokens=5000, on_text=stop)
        assert double.was_cut_off.wait(20)
        backend.close()


def test_no_credentials_and_no_region_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with SageMakerDouble(REPLY) as double:
        backend = ask(monkeypatch, double)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(BackendError, match="no credentials"):
            backend.info()
        monkeypatch.delenv("AWS_REGION")
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        with pytest.raises(BackendError, match="region"):
            backend.info()


def test_no_endpoint_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="endpoint"):
        SageMakerBackend(Settings())


def test_the_library_of_aws_is_not_loaded_by_those_who_do_not_use_it() -> None:
    code = (
        "import assistant.agent, assistant.backends.choose, sys; print('boto3' in sys.modules, 'httpx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
