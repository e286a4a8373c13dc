"""The chat model behind a teacher: any that LangChain reaches, named PROVIDER:MODEL.

In: a Request. Out: what its reader made of the reply, or a Broken that says why nothing usable came. Counts requests
and tokens; tells once, before the first request, what is sent. Knows nothing of questions or SQL.

A provider's package is imported when it is named, by its name in a table: none of them is needed otherwise.
"""

from __future__ import annotations

import importlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from assistant.backends.ollama import CONNECT_TIMEOUT_S, plain_message, server_address
from assistant.backends.remote import is_local
from assistant.errors import BackendError, UsageError
from assistant.settings import Settings
from evaluation.progress import narrate
from training.datagen.teacher_replies import Replies, key_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk

T = TypeVar("T")

MAX_BROKEN_IN_A_ROW = 5
"""Requests without a usable reply, one after the other, after which the teacher is given up."""
PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Waited after the first, second ... request in a row that the server did not answer: it may be starting anew."""
MAX_REPLY_TOKENS = 4096
CONTEXT_TOKENS = 16_384
"""What Ollama is told to read; its own default cuts a longer prompt without a word."""
INSTALL = "pip install 'queryforge[teacher]'"
_CUT = ("length", "max_tokens", "MAX_TOKENS")
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)


class Broken(NamedTuple):
    """A request that gave nothing usable."""

    reason: str
    """In few words, for counting."""
    detail: str = ""
    """What the server or library said."""


@dataclass(frozen=True)
class Request(Generic[T]):
    """What is sent, and how the reply is read."""

    system: str
    """System message."""
    user: str
    """What is asked."""
    shape: Mapping[str, object]
    """JSON schema of the reply, for servers that hold a model to it."""
    read: Callable[[object], T | Broken]
    """Turns the JSON of the reply into what is wanted, or says what is wrong with it."""


class ChatTeacher:
    """A chat model; close it at the end."""

    def __init__(
        self,
        spec: str,
        replies: Replies,
        *,
        notice: str = "",
        stop: threading.Event | None = None,
    ) -> None:
        """Open the model; sends nothing.

        Args:
            spec: `PROVIDER:MODEL`, such as `ollama:qwen2.5:7b`.
            replies: What it wrote before, which is not asked for again.
            notice: What is told before the first request.
            stop: Set it to have a request given up, and all later ones.

        Raises:
            UsageError: There is no such provider, its package is missing, or it lacks credentials.
        """
        self.spec = spec
        self.requests = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.broken: Counter[str] = Counter()
        self._settings = Settings.load()
        self._is_ollama = spec.startswith("ollama:")
        self._model = open_chat_model(spec, self._settings)
        self._replies = replies
        self._notice = notice
        self._stop = stop or threading.Event()
        self._in_a_row = 0

    def ask(self, request: Request[T]) -> T | Broken:
        """Send a request, unless its reply is known.

        Raises:
            BackendError: It is one request too many in a row without a usable reply.
            UsageError: The reply cannot be kept.
        """
        key = key_of(self.spec, request.system, request.user)
        if (known := self._replies.find(key)) is not None:
            found = _read(known, request)
            if not isinstance(found, Broken):
                return found
        text = self._complete(request)
        if isinstance(text, Broken):
            self._count(text, is_silent=True)
            return text
        found = _read(text, request)
        if isinstance(found, Broken):
            self._count(found, is_silent=False)
            return found
        self._in_a_row = 0
        self._replies.keep(key, text)
        return found

    def close(self) -> None:
        """Forget the model; calling it twice is harmless."""
        self._replies.close()

    def _count(self, broken: Broken, *, is_silent: bool) -> None:
        if self._stop.is_set():
            return
        self.broken[broken.reason] += 1
        self._in_a_row += 1
        if self._in_a_row >= MAX_BROKEN_IN_A_ROW:
            detail = f" ({broken.detail[:300].rstrip('.')})" if broken.detail else ""
            raise BackendError(
                f"The teacher '{self.spec}' gave nothing usable {self._in_a_row} times in a row;"
                f" the last time: {broken.reason}{detail}.",
                "Check that it runs and that its name is right, or name another --teacher. What is finished is kept:"
                " the same command goes on from there.",
            )
        if is_silent:
            self._stop.wait(PAUSES_S[self._in_a_row - 1])

    def _complete(self, request: Request[Any]) -> str | Broken:
        """Have a reply written, whole."""
        if self._stop.is_set():
            return Broken("stopped")
        if not self.requests and self._notice:
            narrate(self._notice)
        self.requests += 1
        started = time.monotonic()
        text, end = "", {}
        options: dict[str, Any] = {"format": dict(request.shape)} if self._is_ollama else {}
        try:
            for chunk in self._model.stream([("system", request.system), ("human", request.user)], **options):
                text += _text_of(chunk)
                end.update(chunk.response_metadata)
                if usage := getattr(chunk, "usage_metadata", None):
                    self.tokens_in += usage.get("input_tokens", 0)
                    self.tokens_out += usage.get("output_tokens", 0)
                if self._stop.is_set():
                    return Broken("stopped")
                if time.monotonic() - started > self._settings.backend_timeout_s:
                    return Broken("timeout", f"not finished within {self._settings.backend_timeout_s:g} s")
        except Exception as error:  # each provider has its own; what can be told apart is, for counting
            return _name_failure(error)
        reason = next(
            (end[name] for name in ("done_reason", "stopReason", "finish_reason", "stop_reason") if name in end), None
        )
        if reason in _CUT:
            return Broken("reply cut at its token limit")
        if reason is None and self._is_ollama:
            return Broken("connection broke off", "the reply has no end")
        return _THOUGHTS.sub("", text)


def open_chat_model(spec: str, settings: Settings) -> BaseChatModel:
    """Open a model by `PROVIDER:MODEL`.

    Raises:
        UsageError: There is no such provider, its package is missing, or it lacks credentials.
    """
    provider, _, model = spec.partition(":")
    if not provider or not model:
        raise UsageError(
            f"'{spec}' does not name a teacher.", "Give PROVIDER:MODEL, such as ollama:qwen2.5:7b; see --help."
        )
    try:
        if provider == "ollama":
            return _open_ollama(model, settings)
        if provider == "bedrock":
            return _open_bedrock(model, settings)
        langchain = importlib.import_module("langchain.chat_models")
        opened: BaseChatModel = langchain.init_chat_model(model, model_provider=provider)
    except ImportError as error:  # LangChain's own message names the package of a provider
        missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else str(error).rstrip(".")
        own = re.search(r"pip install ([\w-]+)", str(error))
        raise UsageError(
            f"The teacher '{spec}' needs a package that is not installed: {missing}.",
            f"Run: pip install {own.group(1)}" if own else f"Run: {INSTALL}",
        ) from error
    except UsageError:
        raise
    except Exception as error:  # whatever a provider says of its name, region, keys
        raise UsageError(
            f"The teacher '{spec}' cannot be opened: {_first_line(error)}.",
            "Check the provider's name and its environment variables (for bedrock: AWS_REGION and credentials).",
        ) from error
    return opened


def _open_ollama(model: str, settings: Settings) -> BaseChatModel:
    httpx = importlib.import_module("httpx")
    address = server_address(settings.ollama_host)
    timeout_s = settings.backend_timeout_s
    found: BaseChatModel = importlib.import_module("langchain_ollama").ChatOllama(
        model=model,
        base_url=address,
        temperature=0.7,
        num_ctx=CONTEXT_TOKENS,
        num_predict=MAX_REPLY_TOKENS,
        client_kwargs={
            "timeout": httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
            # A proxy meant for the outside world must not get requests for this machine.
            "trust_env": not is_local(address),
        },
    )
    return found


def _open_bedrock(model: str, settings: Settings) -> BaseChatModel:
    converse = importlib.import_module("langchain_aws").ChatBedrockConverse
    config = importlib.import_module("botocore.config").Config(
        read_timeout=settings.backend_timeout_s, retries={"max_attempts": 2}
    )
    # Whole replies need one permission only, bedrock:InvokeModel.
    found: BaseChatModel = converse(model=model, max_tokens=MAX_REPLY_TOKENS, config=config, disable_streaming=True)
    return found


def _read(text: str, request: Request[T]) -> T | Broken:
    """Read a reply: the first JSON in it that is what is wanted; models like to write something around it."""
    first: Broken | None = None
    decoder = json.JSONDecoder()
    for start in re.finditer(r"[\[{]", text):
        try:
            found, _ = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            first = first or Broken("not JSON", _clip(text))  # what lies within may be whole all the same
            continue
        wanted = request.read(found)
        if not isinstance(wanted, Broken):
            return wanted
        first = first or wanted
    return first or Broken("not JSON", _clip(text))


def _text_of(chunk: AIMessageChunk) -> str:
    content = chunk.content
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))


def _name_failure(error: Exception) -> Broken:
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    detail = plain_message(_first_line(error))
    if "Timeout" in names:
        return Broken("timeout", detail)
    if "ConnectError" in names or "ConnectionError" in names:
        return Broken("no connection", detail)
    if "ProtocolError" in names or "ReadError" in names:
        return Broken("connection broke off", detail)
    if isinstance(error, ValueError):
        return Broken("not the provider's protocol", detail)
    return Broken("refused by the server", detail)


def _first_line(error: Exception) -> str:
    text = str(error).partition(" [type=")[0]  # Pydantic goes on with the values it was given
    return " ".join(text.split()).rstrip(".")[:300] or type(error).__name__


def _clip(text: str) -> str:
    return f"it wrote: {' '.join(text.split())[:120]}" if text.strip() else "it wrote nothing"
