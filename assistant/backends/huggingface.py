"""The unquantised model: a folder of safetensors run by transformers inside this process.

In: a Prompt's text. Out: a Completion, decoded greedily or drawn, with a key-value cache. The text is tokenised as it
stands, special tokens parsed; the folder's own chat template and its settings for generation (sampling, repetition
penalty) are never used, so it sees and does what its GGUF does under llama.cpp. Every prompt is computed from its
start: what was asked before leaves no trace in the numbers. One instance, one lock. Reads no files; `checkpoint` and
`loading` do.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from assistant.backends.base import (
    END_OF_REPLY,
    MIN_REPLY_TOKENS,
    hold,
    prompt_is_too_long,
    reply_was_cut,
    took_too_long,
)
from assistant.backends.checkpoint import find_checkpoint
from assistant.backends.drawing import Drawing
from assistant.backends.loading import LoadedModel, first_line, import_libraries, load_model
from assistant.constraint.draft import SqlConstraint
from assistant.errors import BackendError
from assistant.settings import SHIPPED_MODEL, Settings
from assistant.types import Completion, ModelInfo, Prompt, Sampling

_UNDECODED = "\ufffd"


class HuggingFaceBackend:
    """A model folder, or an adapter folder over its base, loaded when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.model_path or SHIPPED_MODEL
        self._threads = settings.threads
        self._timeout_s = settings.backend_timeout_s
        self._lock = threading.Lock()
        self._loaded: LoadedModel | None = None

    def info(self) -> ModelInfo:
        """Load the model and say which it is."""
        with hold(self._lock, self._timeout_s):
            return self._load().info

    def complete(
        self,
        prompt: Prompt,
        *,
        max_tokens: int,
        on_text: Callable[[str], None] | None = None,
        constraint: SqlConstraint | None = None,
        sampling: Sampling | None = None,
    ) -> Completion:
        """Write a reply; see `Backend.complete`.

        The log-probability and the number of tokens include the end token, as under llama.cpp.
        """
        started = time.perf_counter()
        with hold(self._lock, self._timeout_s):
            loaded = self._load()
            # Loading is done once and may take minutes; it is not the model's answer that is slow.
            deadline = time.perf_counter() + self._timeout_s
            tokens = [*loaded.start_ids, *_tokenize(loaded.tokenizer, prompt.text)]
            if max(tokens, default=0) >= loaded.rows:
                raise BackendError(
                    f"The prompt has the token {max(tokens)}, which model '{loaded.info.name}' has no weights for.",
                    "Its tokenizer belongs to another model; copy or save the model again.",
                )
            room = loaded.info.context_tokens - len(tokens)
            if room < min(max_tokens, MIN_REPLY_TOKENS):
                raise prompt_is_too_long(len(tokens), loaded.info)
            drawing = None if sampling is None else Drawing(sampling)
            text, written, log_probability = self._write(
                loaded, tokens, min(max_tokens, room), deadline, on_text, drawing
            )
        return Completion(
            text=text,
            model=loaded.info.name,
            prompt_tokens=len(tokens),
            completion_tokens=written,
            latency_ms=(time.perf_counter() - started) * 1000,
            log_probability=log_probability,
        )

    def count_tokens(self, text: str) -> int:
        """Count the tokens of `text` exactly."""
        with hold(self._lock, self._timeout_s):
            return len(_tokenize(self._load().tokenizer, text))

    def close(self) -> None:
        """Free the model; a later call would load it again."""
        with self._lock:
            was_on_gpu = self._loaded is not None and self._loaded.model.device.type == "cuda"
            self._loaded = None
        if was_on_gpu:
            import_libraries()[0].cuda.empty_cache()  # torch keeps what it has had, and other programs lack it

    def _load(self) -> LoadedModel:
        if self._loaded is None:
            checkpoint = find_checkpoint(self._path)
            torch, _ = import_libraries()
            torch.set_num_threads(self._threads)
            try:
                self._loaded = load_model(checkpoint)
            except BackendError:
                raise
            except Exception as error:  # reading runs code of four libraries, each with errors of its own
                raise BackendError(
                    f"Cannot load the model '{self._path}': {first_line(error)}.",
                    "It may be damaged, too large for this machine, or of a kind that this version of transformers "
                    "does not know.",
                ) from error
        return self._loaded

    def _write(
        self,
        loaded: LoadedModel,
        prompt: Sequence[int],
        max_tokens: int,
        deadline: float,
        on_text: Callable[[str], None] | None,
        drawing: Drawing | None,
    ) -> tuple[str, int, float]:
        """Choose one token after the other until the end; return text, number of tokens and their log-probability."""
        written: list[int] = []
        shown = ""
        log_probability = 0.0
        following, cache = prompt, None
        for count in range(1, max_tokens + 1):
            if time.perf_counter() > deadline:
                raise took_too_long(self._timeout_s)
            token, token_log_probability, cache = _choose(loaded, following, cache, drawing)
            log_probability += token_log_probability
            if token in loaded.end_ids:
                return _spell(loaded.tokenizer, written), count, log_probability
            written.append(token)
            text = _spell(loaded.tokenizer, written)
            if END_OF_REPLY in text:
                return text.partition(END_OF_REPLY)[0], count, log_probability
            whole = text.rstrip(_UNDECODED)  # a character may still lack some of its bytes
            if on_text is not None and whole != shown:
                shown = whole
                on_text(whole)
            following = [token]
        raise reply_was_cut(max_tokens)


def _tokenize(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text.encode(errors="ignore").decode(), add_special_tokens=False).input_ids
    return ids


def _spell(tokenizer: Any, tokens: Sequence[int]) -> str:
    text: str = tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def _choose(loaded: LoadedModel, tokens: Sequence[int], cache: Any, drawing: Drawing | None) -> tuple[int, float, Any]:
    """Read tokens behind those in the cache; return the next one, its log-probability and the cache."""
    import torch

    with torch.inference_mode():
        try:
            ids = torch.tensor([tokens], device=loaded.model.device)  # (1, T)
            output = loaded.model(input_ids=ids, past_key_values=cache, **loaded.options)
            logits = output.logits[0, -1].float()  # (V)
            token = int(logits.argmax() if drawing is None else drawing.score(logits.cpu().numpy()).argmax())
            log_probability = -float((logits - logits[token]).exp().sum().log())
        except RuntimeError as error:  # out of memory, mostly
            raise BackendError(
                f"Model '{loaded.info.name}' broke off: {first_line(error)}.",
                "Ask again; if it stays, try a smaller model.",
            ) from error
    if not math.isfinite(log_probability):
        raise BackendError(
            f"Model '{loaded.info.name}' computes values that are no numbers.",
            "Its training has diverged, or its weights are damaged; use another one.",
        )
    return token, log_probability, output.past_key_values
