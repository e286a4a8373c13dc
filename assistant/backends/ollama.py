"""The model behind an Ollama server: the one module that talks to Ollama while questions are answered.

In: a Prompt's messages, which the server renders with the model's own ChatML template. Out: a Completion, streamed. A
reply counts only if the server says that it stopped by itself: LangChain reports neither a cut reply nor a stream that
just ends as an error, so both are looked for here.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assistant.backends.base import END_OF_REPLY, reply_was_cut
from assistant.backends.metadata import read_metadata, trained_context, usable_context
from assistant.backends.remote import check_length, estimate_tokens, is_local
from assistant.constraint.draft import SqlConstraint
from assistant.errors import BackendError, BackendGone, UsageError
from assistant.settings import Settings
from assistant.types import Completion, ModelInfo, Prompt, Sampling

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk
    from langchain_ollama import ChatOllama

DEFAULT_PORT = 11434
CONNECT_TIMEOUT_S = 5.0
_NUM_CTX = re.compile(r"^\s*num_ctx\s+(\d+)\s*$", re.MULTILINE)


def installed_models(ollama_host: str, *, timeout_s: float) -> tuple[str, ...] | None:
    """List the tags an Ollama server has, or None if no Ollama answers there in time.

    Loads no client library: this is asked at every start, mostly of a machine without Ollama.

    Raises:
        UsageError: `ollama_host` is no address.
    """
    address = server_address(ollama_host)
    handlers = [urllib.request.ProxyHandler({})] if is_local(address) else []
    try:
        with urllib.request.build_opener(*handlers).open(f"{address}/api/tags", timeout=timeout_s) as response:
            tags = json.loads(response.read())
        return tuple(str(model["name"]) for model in tags["models"])
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError):
        return None


def has_model(installed: tuple[str, ...], model: str) -> bool:
    """Say whether `model` is among the installed tags; Ollama adds `:latest` to a name without a tag."""
    return (model if ":" in model else f"{model}:latest") in installed


def server_address(ollama_host: str) -> str:
    """Complete an address the way Ollama's own tools do: `http` and port 11434 where they are not given.

    Raises:
        UsageError: It is no address.
    """
    text = ollama_host.strip().rstrip("/")
    has_scheme = "://" in text
    try:
        parts = urlsplit(text if has_scheme else f"http://{text}")
        port = parts.port
    except ValueError as error:
        parts, port = urlsplit(""), None
        reason: Exception | None = error
    else:
        reason = None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"'{ollama_host}' is not the address of an Ollama server.",
            "Set QUERYFORGE_OLLAMA_HOST to one such as http://127.0.0.1:11434.",
        ) from reason
    address = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return address if has_scheme or port is not None else f"http://{parts.netloc}:{DEFAULT_PORT}{parts.path}"


class OllamaBackend:
    """A model of an Ollama server, contacted when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._model = settings.model
        self._address = server_address(settings.ollama_host)
        self._timeout_s = settings.backend_timeout_s
        self._lock = threading.Lock()
        self._transport: Any = None
        self._chat: ChatOllama | None = None
        self._info: ModelInfo | None = None

    def info(self) -> ModelInfo:
        """Ask the server which model this is."""
        with self._lock:
            if self._info is None:
                self._info = self._show()
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
        check_length(prompt, info, max_tokens)  # older servers cut a long prompt without a word
        messages: list[tuple[str, str]] = [(message.role, message.content) for message in prompt.messages]
        options: dict[str, object] = {
            "temperature": sampling.temperature if sampling else 0.0,
            "seed": sampling.seed if sampling else 0,
            "num_ctx": info.context_tokens,
            "num_predict": max_tokens,
            "repeat_penalty": 1.0,  # SQL must repeat names; Ollama before 0.32.10 had 1.1 as its default
            "stop": [END_OF_REPLY],
        }
        if sampling:
            options["min_p"] = sampling.min_p
        text = ""
        end: dict[str, Any] = {}
        log_probabilities: list[float] = []
        # Closing the stream, also when on_text raises, closes the connection, and with it the server stops writing.
        with closing(self._chunks(messages, options)) as chunks:
            for chunk in chunks:
                if time.perf_counter() - started > self._timeout_s:
                    raise self._too_slow()
                metadata = chunk.response_metadata
                log_probabilities += [float(entry["logprob"]) for entry in metadata.get("logprobs") or ()]
                if metadata.get("done_reason"):
                    end = metadata
                if chunk.content:
                    text += str(chunk.content)
                    if on_text is not None:
                        on_text(text)
        self._check_end(end, max_tokens)
        return Completion(
            text=text.partition(END_OF_REPLY)[0],
            model=self._model,
            prompt_tokens=int(end.get("prompt_eval_count") or 0),
            # The log-probability is of these tokens; eval_count may have the end token on top.
            completion_tokens=len(log_probabilities) or int(end.get("eval_count") or 0),
            latency_ms=(time.perf_counter() - started) * 1000,
            log_probability=math.fsum(log_probabilities) if log_probabilities else None,
        )

    def count_tokens(self, text: str) -> int:
        """Estimate the tokens of `text` from above: the server has no call that counts them."""
        return estimate_tokens(text)

    def close(self) -> None:
        """Close the connections; a later call would open new ones."""
        with self._lock:
            if self._transport is not None:
                self._transport.close()
            self._transport = None
            self._chat = None

    def _client_arguments(self) -> dict[str, Any]:
        """Arguments for the HTTP client; call with the lock held."""
        import httpx

        if self._transport is None:
            self._transport = httpx.HTTPTransport()
        return {
            "timeout": httpx.Timeout(self._timeout_s, connect=min(self._timeout_s, CONNECT_TIMEOUT_S)),
            "transport": self._transport,
            # A proxy meant for the outside world must not get requests for this machine.
            "trust_env": not is_local(self._address),
        }

    def _open_chat(self) -> ChatOllama:
        from langchain_ollama import ChatOllama

        with self._lock:
            if self._chat is None:
                self._chat = ChatOllama(
                    model=self._model,
                    base_url=self._address,
                    logprobs=True,
                    sync_client_kwargs=self._client_arguments(),
                )
            return self._chat

    def _show(self) -> ModelInfo:
        """Ask for the model's keys; call with the lock held."""
        import ollama

        client = ollama.Client(self._address, **self._client_arguments())
        with self._translated():
            shown = client.show(self._model)
        metadata = shown.modelinfo or {}
        # Another num_ctx than the Modelfile's would make the server load the model anew at each change of client.
        in_modelfile = _NUM_CTX.search(shown.parameters or "")
        wanted = int(in_modelfile.group(1)) if in_modelfile else usable_context(trained_context(metadata))
        return read_metadata(self._model, "ollama", metadata, context_tokens=wanted)

    def _chunks(
        self, messages: list[tuple[str, str]], options: dict[str, object]
    ) -> Generator[AIMessageChunk, None, None]:
        with self._translated():
            yield from self._open_chat().stream(messages, options=options)

    def _check_end(self, end: dict[str, Any], max_tokens: int) -> None:
        reason = end.get("done_reason")
        if reason == "length":
            raise reply_was_cut(max_tokens)
        if reason != "stop":
            raise BackendGone(
                f"Ollama broke off the reply of model '{self._model}' before its end.",
                "Ask again; if it stays, restart Ollama and look into its log.",
            )

    def _too_slow(self) -> BackendGone:
        return BackendGone(
            f"Ollama did not finish within {self._timeout_s:g} s.",
            "Raise QUERYFORGE_BACKEND_TIMEOUT_S, or use a smaller model.",
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn whatever the client libraries raise into a BackendError."""
        import httpx
        import ollama

        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, ConnectionError) as error:
            raise BackendGone(
                f"No Ollama answers at {self._address}.",
                "Start it with 'ollama serve', or use the embedded model (QUERYFORGE_BACKEND=llamacpp).",
            ) from error
        except httpx.TimeoutException as error:
            raise self._too_slow() from error
        except httpx.HTTPError as error:
            raise BackendGone(
                f"The connection to Ollama at {self._address} broke: {error}.",
                "Ask again; if it stays, restart Ollama and look into its log.",
            ) from error
        except ollama.ResponseError as error:
            raise self._from_response(error.status_code, error.error) from error
        except ValueError as error:  # not JSON, or not the fields of Ollama
            raise BackendError(
                f"What answers at {self._address} does not speak like Ollama.",
                "Check QUERYFORGE_OLLAMA_HOST, and update Ollama to 0.6 or newer.",
            ) from error

    def _from_response(self, status: int, text: str) -> BackendError:
        if status == 404:
            installed = installed_models(self._address, timeout_s=CONNECT_TIMEOUT_S) or ()
            names = ", ".join(f"'{name}'" for name in installed) or "none"
            return BackendError(
                f"Ollama has no model '{self._model}'.",
                f"Run 'queryforge register', or set QUERYFORGE_MODEL to one it has: {names}.",
            )
        if status == 503:
            return BackendGone("Ollama is busy with other requests.", "Ask again in a moment.")
        return BackendGone(
            f"Ollama failed: {plain_message(text).rstrip('.')}.",
            "Restart Ollama and look into its log, then ask again.",
        )


def plain_message(text: str) -> str:
    """Dig the message out of an error text; the engine's own errors arrive as JSON inside the JSON."""
    try:
        inner = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return text
    if isinstance(inner, dict):
        return str(inner.get("message", text))
    return plain_message(str(inner))
