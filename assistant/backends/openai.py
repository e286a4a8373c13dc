"""The model behind any server that speaks OpenAI's chat protocol: llama-server, vLLM, LM Studio and others.

In: a Prompt's messages, which the server renders with the model's own template. Out: a Completion, streamed. Servers
differ in the options they take: one that is refused by name is left out, and stays out. A reply counts only if the
server says that it ended by itself. The key goes to the server that was set and nowhere else, and redirections are not
followed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assistant.backends.base import END_OF_REPLY
from assistant.backends.remote import StreamedReply, check_length, estimate_tokens, find_message, is_local
from assistant.constraint.draft import SqlConstraint
from assistant.errors import BackendError, BackendGone, UsageError
from assistant.settings import Settings
from assistant.types import Completion, ModelInfo, Prompt, Sampling

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT_S = 5.0
_OPTIONAL = ("logprobs", "stream_options", "seed", "temperature", "stop", "min_p")
_CONTEXT_KEYS = ("max_model_len", "n_ctx", "loaded_context_length", "max_context_length", "context_length")
"""What vLLM, llama-server, LM Studio and others call the longest context, the one in use first."""
_MAX_RETRIES = 4


def server_url(openai_url: str) -> str:
    """Check the base address.

    Raises:
        UsageError: It is no address, or holds a password.
    """
    text = openai_url.strip().rstrip("/")
    hint = "Set QUERYFORGE_OPENAI_URL to one such as http://127.0.0.1:8080/v1."
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or True)
    except ValueError:
        is_address = False
    if not is_address:
        raise UsageError(f"'{openai_url}' is not the address of a server.", hint)
    if parts.username or parts.password:
        raise UsageError("The address of the server holds a user or password.", "Set QUERYFORGE_OPENAI_API_KEY.")
    return text


class OpenAIBackend:
    """A model of an OpenAI-compatible server, contacted when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings.

        Raises:
            UsageError: The address cannot be used.
        """
        self._url = server_url(settings.openai_url)
        self._settings = settings
        self._timeout_s = settings.backend_timeout_s
        self._server = f"The server at {self._url}"
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._info: ModelInfo | None = None
        self._left_out: frozenset[str] = frozenset()

    def info(self) -> ModelInfo:
        """Ask the server which models it has."""
        with self._lock:
            if self._info is None:
                self._info = self._look_up()
            return self._info

    def complete(
        self,
        prompt: Prompt,
        *,
        max_tokens: int,
        on_text: Callable[[str], None] | None = None,
        constraint: SqlConstraint | None = None,
        sampling: Sampling | None = None,
    ) -> Completion:
        """Write a reply; see `Backend.complete`."""
        started = time.perf_counter()
        info = self.info()
        check_length(prompt, info, max_tokens)
        reply = StreamedReply(self._server)
        # Closing the stream, also when on_text raises, closes the connection, and with it the server stops writing.
        body = self._body(prompt, info, max_tokens, sampling)
        with closing(self._lines(body, started + self._timeout_s)) as lines:
            reply.read(lines, on_text)
        latency_ms = (time.perf_counter() - started) * 1000
        return reply.complete(prompt, info, max_tokens=max_tokens, latency_ms=latency_ms)

    def count_tokens(self, text: str) -> int:
        """Estimate the tokens of `text` from above: the protocol has no call that counts them."""
        return estimate_tokens(text)

    def close(self) -> None:
        """Close the connections; a later call would open new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _open_client(self) -> httpx.Client:
        """Return the client; call with the lock held."""
        import httpx

        if self._client is None:
            key = self._settings.openai_api_key.get_secret_value()
            self._client = httpx.Client(
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx.Timeout(self._timeout_s, connect=min(self._timeout_s, CONNECT_TIMEOUT_S)),
                follow_redirects=False,
                # A proxy meant for the outside world must not get requests for this machine.
                trust_env=not is_local(self._url),
            )
        return self._client

    def _look_up(self) -> ModelInfo:
        """Find the model among those of the server; call with the lock held."""
        with self._translated():
            response = self._open_client().get(f"{self._url}/models")
            if response.is_error or response.is_redirect:
                raise self._refused(response.status_code, response.text)
            models: dict[str, dict[str, Any]] = {str(model["id"]): model for model in response.json()["data"]}
        wanted = self._settings.model
        # One server, one model: llama-server calls it by its file, and the default name means Ollama's tag.
        is_default = wanted == Settings.model_fields["model"].default
        name = next(iter(models)) if wanted not in models and is_default and len(models) == 1 else wanted
        if name not in models:
            names = ", ".join(f"'{known}'" for known in sorted(models)[:20]) or "none"
            raise BackendError(
                f"{self._server} has no model '{wanted}'.", f"Set QUERYFORGE_MODEL to one it has: {names}."
            )
        return ModelInfo(
            name=name,
            backend="openai",
            prompt_layout=self._settings.remote_layout,
            context_tokens=_find_context(models[name]) or self._settings.remote_context_tokens,
        )

    def _body(self, prompt: Prompt, info: ModelInfo, max_tokens: int, sampling: Sampling | None) -> dict[str, object]:
        body: dict[str, object] = {
            "model": info.name,
            "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
            "max_tokens": max_tokens,
            "temperature": sampling.temperature if sampling else 0,
            "seed": sampling.seed if sampling else 0,
            "stop": [END_OF_REPLY],
            "logprobs": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if sampling:
            body["min_p"] = sampling.min_p  # not OpenAI's own, but llama-server and vLLM have it
        return body

    def _lines(self, body: dict[str, object], deadline: float) -> Generator[str, None, None]:
        """Send the request and give the lines of the reply as they come."""
        import httpx

        with self._lock:
            client = self._open_client()
            left_out = self._left_out
        with self._translated():
            for _ in range(_MAX_RETRIES + 1):
                left_s = max(deadline - time.perf_counter(), 0.001)
                timeout = httpx.Timeout(left_s, connect=min(left_s, CONNECT_TIMEOUT_S))
                request = client.build_request(
                    "POST", f"{self._url}/chat/completions", json=_without(body, left_out), timeout=timeout
                )
                response = client.send(request, stream=True)
                try:
                    if response.status_code in (400, 422):
                        refused = _refused_options(response.read().decode(errors="replace"), left_out)
                        if refused:
                            left_out |= refused
                            continue
                    if response.is_error or response.is_redirect:
                        raise self._refused(response.status_code, response.read().decode(errors="replace"))
                    self._left_out = left_out
                    for line in response.iter_lines():
                        if time.perf_counter() > deadline:
                            raise self._too_slow()
                        yield line
                    return
                finally:
                    response.close()
            raise BackendError(f"{self._server} refuses one option after the other.", "Use another server or model.")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn whatever the client raises into a BackendError."""
        import httpx

        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise BackendGone(
                f"No server answers at {self._url}.",
                "Start it, check QUERYFORGE_OPENAI_URL, or use the embedded model (QUERYFORGE_BACKEND=llamacpp).",
            ) from error
        except httpx.TimeoutException as error:
            raise self._too_slow() from error
        except httpx.HTTPError as error:
            raise BackendGone(
                f"The connection to {self._url} broke: {error}.",
                "Ask again; if it stays, restart the server and look into its log.",
            ) from error
        except (ValueError, KeyError, TypeError) as error:  # not JSON, or not the fields of the protocol
            raise BackendError(
                f"{self._server} does not speak OpenAI's protocol.", "Check QUERYFORGE_OPENAI_URL; it ends with /v1."
            ) from error

    def _too_slow(self) -> BackendGone:
        return BackendGone(
            f"{self._server} did not finish within {self._timeout_s:g} s.",
            "Raise QUERYFORGE_BACKEND_TIMEOUT_S, or use a smaller model.",
        )

    def _refused(self, status: int, text: str) -> BackendError:
        key = self._settings.openai_api_key.get_secret_value()
        said = find_message(text)
        said = said.replace(key, "***") if key else said
        if status in (401, 403):
            return BackendError(
                f"{self._server} does not accept the key ({status}): {said}.", "Set QUERYFORGE_OPENAI_API_KEY."
            )
        if status == 404:
            return BackendError(
                f"{self._server} does not know what it was asked (404): {said}.",
                "Check QUERYFORGE_OPENAI_URL, which mostly ends with /v1, and QUERYFORGE_MODEL.",
            )
        if status == 429:
            return BackendGone(f"{self._server} takes no more requests for now: {said}.", "Ask again in a while.")
        if status >= 500:
            return BackendGone(f"{self._server} failed ({status}): {said}.", "Look into its log, then ask again.")
        return BackendError(f"{self._server} refused the request ({status}): {said}.", "Use another server or model.")


def _without(body: dict[str, object], left_out: frozenset[str]) -> dict[str, object]:
    kept = {name: value for name, value in body.items() if name not in left_out}
    if "max_tokens" in left_out:  # OpenAI's own newer models have another name for it
        kept["max_completion_tokens"] = body["max_tokens"]
    return kept


def _refused_options(text: str, left_out: frozenset[str]) -> frozenset[str]:
    """Read from an error which options the server does not take; empty when it complains of something else."""
    if "max_completion_tokens" in text and "max_tokens" not in left_out:
        return frozenset({"max_tokens"})
    return frozenset(name for name in _OPTIONAL if name in text and name not in left_out)


def _find_context(model: dict[str, Any]) -> int:
    """Read the longest context from the description of a model; 0 when it does not say."""
    described = {**(model.get("meta") or {}), **model}
    for key in _CONTEXT_KEYS:
        value = described.get(key)
        if isinstance(value, int) and value > 0:
            return value
    return 0
