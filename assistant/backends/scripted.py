"""A model whose replies are given in advance: for tests, demonstrations and trying QueryForge without a model.

In: replies as text, or one JSON string a line in a file. Out: them, in order and then from the start again. It keeps
the contract of a real model, and remembers every prompt it was given.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from assistant.constraint.draft import SqlConstraint
from assistant.errors import BackendError, UsageError
from assistant.types import Completion, ModelInfo, Prompt, PromptLayout, Sampling

_TOKEN = re.compile(r"\s*\w+|\s*[^\w\s]|\s+")


class ScriptedBackend:
    """Replies given in advance; a reply that is a BackendError is raised."""

    def __init__(
        self,
        replies: Sequence[str | BackendError],
        *,
        prompt_layout: PromptLayout = "full",
        context_tokens: int = 4096,
        token_log_probability: float | None = None,
        trained_db_id: str = "",
        trained_fingerprint: str = "",
    ) -> None:
        """Take the replies.

        Args:
            replies: In the order in which they are given.
            prompt_layout: The layout it claims to be trained with.
            context_tokens: Longest prompt and reply together, in its tokens (words and signs).
            token_log_probability: Natural-log probability claimed for each token; None to claim nothing.
            trained_db_id: The database it claims to be fine-tuned for.
            trained_fingerprint: The schema it claims to be fine-tuned for.
        """
        if not replies:
            raise UsageError("A scripted model needs at least one reply.", "Give a reply, such as 'SELECT 1'.")
        self.prompts: list[Prompt] = []
        self._replies = tuple(replies)
        self._token_log_probability = token_log_probability
        self._lock = threading.Lock()
        self._info = ModelInfo(
            name="scripted",
            backend="scripted",
            prompt_layout=prompt_layout,
            context_tokens=context_tokens,
            trained_db_id=trained_db_id,
            trained_fingerprint=trained_fingerprint,
        )

    @classmethod
    def from_file(cls, path: Path | None) -> ScriptedBackend:
        """Read the replies from a file of one JSON string a line; empty lines are skipped.

        Raises:
            UsageError: There is no such file, or a line is not a JSON string.
        """
        hint = 'Set QUERYFORGE_SCRIPT_PATH to a file with one JSON string a line, such as "SELECT 1".'
        if path is None:
            raise UsageError("The scripted backend has no replies.", hint)
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"Cannot read replies from '{path}': {error}.", hint) from error
        replies: list[str] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                reply = json.loads(line)
            except ValueError as error:
                raise UsageError(f"'{path}', line {number}: not JSON: {error}.", hint) from error
            if not isinstance(reply, str):
                raise UsageError(f"'{path}', line {number}: not a JSON string.", hint)
            replies.append(reply)
        return cls(replies)

    def info(self) -> ModelInfo:
        """Say that it is scripted, and what it claims to be."""
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
        """Give the next reply; see `Backend.complete`."""
        started = time.perf_counter()
        prompt_tokens = self.count_tokens(prompt.text)
        if prompt_tokens >= self._info.context_tokens:
            raise BackendError(
                f"The prompt has {prompt_tokens} tokens; the scripted model reads {self._info.context_tokens}.",
                "Ask a shorter question.",
            )
        with self._lock:
            reply = self._replies[len(self.prompts) % len(self._replies)]
            self.prompts.append(prompt)
        if isinstance(reply, BackendError):
            raise reply
        pieces = _TOKEN.findall(reply)
        text = ""
        for piece in pieces[:max_tokens]:
            text += piece
            if on_text is not None:
                on_text(text)
        if len(pieces) > max_tokens:
            raise BackendError(
                f"The model's reply was cut after {max_tokens} tokens.", "Raise QUERYFORGE_MAX_REPLY_TOKENS."
            )
        per_token = self._token_log_probability
        return Completion(
            text=reply,
            model=self._info.name,
            prompt_tokens=prompt_tokens,
            completion_tokens=len(pieces),
            latency_ms=(time.perf_counter() - started) * 1000,
            log_probability=None if per_token is None else per_token * len(pieces),
        )

    def count_tokens(self, text: str) -> int:
        """Count words and signs."""
        return len(_TOKEN.findall(text))

    def close(self) -> None:
        """Do nothing: there is nothing to free."""
