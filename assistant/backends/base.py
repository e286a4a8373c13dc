"""The contract every backend keeps.

A backend turns a Prompt into a Completion and says what model it serves. It knows nothing of questions, schemas or SQL;
the rules for a reply are handed to it.
Greedy decoding unless a reply is to be drawn at random: the same prompt gives the same text. Any failure is a
`BackendError` with a remedy; those that several backends raise are worded here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from assistant.constraint.draft import SqlConstraint
from assistant.errors import BackendError
from assistant.types import Completion, ModelInfo, Prompt, Sampling

MIN_REPLY_TOKENS = 32
"""Room a prompt must leave for the reply; less cannot hold a useful statement."""
END_OF_REPLY = "<|im_end|>"
"""Where a reply ends: `prompts.TURN_END` (a test holds them together), also for models that spell it as plain text."""


class Backend(Protocol):
    """What the graph needs of a model."""

    def info(self) -> ModelInfo:
        """Say which model this is. May load or contact it.

        Raises:
            BackendError: It cannot be loaded or reached.
        """
        ...

    def complete(
        self,
        prompt: Prompt,
        *,
        max_tokens: int,
        on_text: Callable[[str], None] | None = None,
        constraint: SqlConstraint | None = None,
        sampling: Sampling | None = None,
    ) -> Completion:
        """Write a reply.

        Args:
            prompt: What the model sees.
            max_tokens: Most tokens to write; a reply that is cut by it is an error, never half a statement.
            on_text: Called with the whole text so far each time it has grown. An exception it raises stops the model
                and is passed on: that is how a question is cancelled.
            constraint: What the reply may be. A backend that chooses the tokens itself holds to it, and may then take
                back a part of what `on_text` has shown; the others leave it aside.
            sampling: Draw the reply at random; the log-probability stays that of the model as it is. Servers take of it
                what they know, and the scripted model gives its next reply.

        Raises:
            BackendError: Unreachable, timed out, broken off, cut, or the prompt does not fit the context.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Count the tokens of `text`; an upper estimate where the server does not tell."""
        ...

    def close(self) -> None:
        """Free memory and connections; calling it twice is harmless."""
        ...


@contextlib.contextmanager
def hold(lock: threading.Lock, timeout_s: float) -> Iterator[None]:
    """Hold the lock of a model that serves one question at a time.

    Raises:
        BackendError: Other questions held it for the whole time-out.
    """
    if not lock.acquire(timeout=timeout_s):
        raise BackendError(
            f"The model was busy with other questions for {timeout_s:g} s.",
            "Ask again, or raise QUERYFORGE_BACKEND_TIMEOUT_S.",
        )
    try:
        yield
    finally:
        lock.release()


def prompt_is_too_long(tokens: int, info: ModelInfo) -> BackendError:
    """Word that a prompt leaves no room for a reply."""
    return BackendError(
        f"The prompt has {tokens} tokens; model '{info.name}' reads {info.context_tokens}, its reply included.",
        "Ask a shorter question, start a new conversation, or use a model with a longer context.",
    )


def reply_was_cut(max_tokens: int) -> BackendError:
    """Word that the reply had not ended after `max_tokens`."""
    return BackendError(
        f"The model's reply was cut after {max_tokens} tokens.",
        "Ask something simpler, or raise QUERYFORGE_MAX_REPLY_TOKENS.",
    )


def took_too_long(timeout_s: float) -> BackendError:
    """Word that an embedded model used up its time."""
    return BackendError(
        f"The model did not finish within {timeout_s:g} s.",
        "Raise QUERYFORGE_BACKEND_TIMEOUT_S, or use a smaller model.",
    )
