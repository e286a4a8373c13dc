"""The contract every backend keeps.

A backend turns a Prompt into a Completion and says what model it serves. It knows nothing of questions, schemas or SQL.
Greedy decoding, always: the same prompt gives the same text. Any failure is a `BackendError` with a remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from assistant.types import Completion, ModelInfo, Prompt

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

    def complete(self, prompt: Prompt, *, max_tokens: int, on_text: Callable[[str], None] | None = None) -> Completion:
        """Write a reply.

        Args:
            prompt: What the model sees.
            max_tokens: Most tokens to write; a reply that is cut by it is an error, never half a statement.
            on_text: Called with the whole text so far each time it has grown. An exception it raises stops the model
                and is passed on: that is how a question is cancelled.

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
