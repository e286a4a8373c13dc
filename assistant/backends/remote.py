"""What all models behind a network have in common: is it this machine, how long is a text, what a server said.

In: addresses, texts, the lines of a streamed reply in OpenAI's protocol. Out: answers, and a `StreamedReply` that grows
line by line. Opens no connection.
"""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from assistant.backends.base import END_OF_REPLY, MIN_REPLY_TOKENS, reply_was_cut
from assistant.errors import BackendError, BackendGone
from assistant.types import Completion, ModelInfo, Prompt

BYTES_PER_TOKEN = 2.5
"""ASCII bytes per token, on the low side: the demo schema's prompt has 2.8 with our own vocabulary of 4,096 tokens."""
MAX_QUOTED_CHARS = 300
"""Most of a server's own words that an error repeats."""


def is_local(address: str) -> bool:
    """Say whether an address is on this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of `text` from above, for servers that have no call that counts them."""
    return math.ceil(len(text) / BYTES_PER_TOKEN) + sum(len(sign.encode()) for sign in text if not sign.isascii())


def check_length(prompt: Prompt, info: ModelInfo, max_tokens: int) -> None:
    """See to it that a prompt fits, by estimate: some servers cut the middle out of one that does not.

    Raises:
        BackendError: It leaves no room for a reply.
    """
    tokens = estimate_tokens(prompt.text)
    if tokens > info.context_tokens - min(max_tokens, MIN_REPLY_TOKENS):
        raise BackendError(
            f"The prompt has about {tokens} tokens; model '{info.name}' reads {info.context_tokens}, "
            "its reply included.",
            "Ask a shorter question, start a new conversation, or use a model with a longer context.",
        )


def find_message(text: str) -> str:
    """Dig the message out of the body of an error, whichever of the usual forms it has."""
    try:
        found: object = json.loads(text)
    except ValueError:
        found = text
    while isinstance(found, Mapping):
        found = next((found[key] for key in ("error", "message", "detail", "Message") if found.get(key)), "")
    words = " ".join(str(found).split()).rstrip(".")
    return words[:MAX_QUOTED_CHARS] or "it does not say why"


class StreamedReply:
    """A reply in OpenAI's chat protocol, read line by line: server-sent events, JSON lines, or one JSON object."""

    def __init__(self, server: str) -> None:
        """Take the name of the server, for errors."""
        self.text = ""
        self.is_done = False
        """Whether the server has said that nothing more comes."""
        self._server = server
        self._finish_reason = ""
        self._log_probabilities: list[float] = []
        self._prompt_tokens = 0
        self._completion_tokens = 0
        self._pieces = 0

    @property
    def log_probability(self) -> float | None:
        """Sum over the tokens written; None when the server does not tell."""
        return math.fsum(self._log_probabilities) if self._log_probabilities else None

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt; 0 when the server does not tell."""
        return self._prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Tokens written: those with a log-probability, else as the server counts, else one for each piece."""
        return len(self._log_probabilities) or self._completion_tokens or self._pieces

    def read(self, lines: Iterable[str], on_text: Callable[[str], None] | None) -> None:
        """Take lines until the server says that nothing more comes, and show the text as it grows.

        Raises:
            BackendError: See `feed`.
        """
        for line in lines:
            if self.feed(line) and on_text is not None:
                on_text(self.text)
            if self.is_done:
                break

    def complete(self, prompt: Prompt, info: ModelInfo, *, max_tokens: int, latency_ms: float) -> Completion:
        """Give the whole reply with its figures.

        Raises:
            BackendError: See `finish`.
        """
        return Completion(
            text=self.finish(max_tokens),
            model=info.name,
            prompt_tokens=self.prompt_tokens or estimate_tokens(prompt.text),
            completion_tokens=self.completion_tokens,
            latency_ms=latency_ms,
            log_probability=self.log_probability,
        )

    def feed(self, line: str) -> bool:
        """Take one line; tell whether the text has grown.

        Raises:
            BackendError: The line is none of the protocol, or tells of an error.
        """
        line = line.strip()
        if not line or line.startswith((":", "event:", "id:", "retry:")):
            return False
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            self.is_done = True
            return False
        try:
            return self._take(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackendError(
                f"{self._server} does not speak OpenAI's chat protocol.",
                "Check its address; the server must offer chat completions.",
            ) from error

    def finish(self, max_tokens: int) -> str:
        """Return the text of a reply that has ended by itself.

        Raises:
            BackendError: It was cut, broke off, or was withheld.
        """
        match self._finish_reason:
            case "length":
                raise reply_was_cut(max_tokens)
            case "stop" | "eos_token" | "stop_sequence":  # the last two are TGI's
                return self.text.partition(END_OF_REPLY)[0]
            case "":
                raise BackendGone(
                    f"{self._server} broke off the reply before its end.",
                    "Ask again; if it stays, restart the server and look into its log.",
                )
            case reason:
                raise BackendError(
                    f"{self._server} ended the reply with '{reason}'.", "Ask in other words, or use another model."
                )

    def _take(self, chunk: dict[str, Any]) -> bool:
        if problem := chunk.get("error"):
            raise BackendGone(
                f"{self._server} failed: {find_message(json.dumps(problem))}.",
                "Look into the server's log, then ask again.",
            )
        usage = chunk.get("usage") or {}
        self._prompt_tokens = int(usage.get("prompt_tokens") or self._prompt_tokens)
        self._completion_tokens = int(usage.get("completion_tokens") or self._completion_tokens)
        choices = chunk["choices"]
        if not choices:  # the last chunk of vLLM and OpenAI holds the usage alone
            return False
        choice = choices[0]
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        told = (choice.get("logprobs") or {}).get("content") or ()
        self._log_probabilities += [float(token["logprob"]) for token in told]
        part = choice.get("delta") or choice.get("message") or {}
        piece = part.get("content") or ""
        if not isinstance(piece, str):
            raise TypeError("content is no text")
        self.text += piece
        self._pieces += bool(piece)
        return bool(piece)
