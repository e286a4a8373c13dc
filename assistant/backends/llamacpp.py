"""The embedded model: a GGUF file run by llama.cpp inside this process.

In: a Prompt's text. Out: a Completion, decoded greedily or drawn, under the constraint if one is given. The text is
tokenised as it stands, special tokens parsed; the file's own chat template is never used, so training and use see the
same bytes.
One instance, one lock: llama.cpp aborts the process when two threads decode on one context. What a prompt shares with
the one before (schema first, question last) is not computed again.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from assistant.backends.base import (
    MIN_REPLY_TOKENS,
    hold,
    prompt_is_too_long,
    reply_was_cut,
    took_too_long,
)
from assistant.backends.metadata import read_metadata, trained_context, usable_context
from assistant.backends.writing import END, GaveUp, Writing
from assistant.constraint.draft import SqlConstraint
from assistant.errors import BackendError
from assistant.settings import SHIPPED_MODEL, Settings
from assistant.types import Completion, ModelInfo, Prompt, Sampling

GGUF_MAGIC = b"GGUF"
PROMPT_BATCH = 256
"""Prompt tokens between two looks at the clock."""
_ANOTHER_FILE = "Set QUERYFORGE_MODEL_PATH to a GGUF file; a fresh copy of QueryForge has one in 'modelfiles'."

_TURN_MARKER = re.compile(r"(<\|im_(?:start|end)\|>)")
_C_FUNCTION = re.compile(r"^(\w+: )+(error loading model: )?")

_complaints: list[str] = []
_log_callback: Any = None


class _Limits(NamedTuple):
    """What one reply may take, and who watches it grow."""

    max_tokens: int
    deadline: float
    on_text: Callable[[str], None] | None


class LlamaCppBackend:
    """A GGUF file, loaded when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.model_path or SHIPPED_MODEL
        self._threads = settings.threads
        self._timeout_s = settings.backend_timeout_s
        self._lock = threading.Lock()
        self._llama: Any = None
        self._info: ModelInfo | None = None

    def info(self) -> ModelInfo:
        """Load the model and say which it is."""
        with hold(self._lock, self._timeout_s):
            return self._load()[1]

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

        The log-probability and the number of tokens include the end token: when to stop is part of the choice. Under a
        constraint it is that of the tokens written, as the model saw them: what was ruled out lowers it.
        """
        started = time.perf_counter()
        deadline = started + self._timeout_s
        with hold(self._lock, self._timeout_s):
            llama, info = self._load()
            tokens = _tokenize(llama, prompt.text)
            room = info.context_tokens - len(tokens)
            if room < min(max_tokens, MIN_REPLY_TOKENS):
                raise prompt_is_too_long(len(tokens), info)
            limits = _Limits(min(max_tokens, room), deadline, on_text)
            writing = Writing(constraint, sampling)
            try:
                self._write(llama, tokens, writing, limits)
            except GaveUp as gave_up:
                writing = Writing(None, sampling, rejected=writing.rejected, unconstrained_reason=str(gave_up))
                self._write(llama, tokens, writing, limits)
        return Completion(
            text=writing.text(errors="replace"),
            model=info.name,
            prompt_tokens=len(tokens),
            completion_tokens=writing.count,
            latency_ms=(time.perf_counter() - started) * 1000,
            log_probability=writing.log_probability,
            rejected_tokens=writing.rejected,
            unconstrained_reason=writing.unconstrained_reason,
        )

    def count_tokens(self, text: str) -> int:
        """Count the tokens of `text` exactly."""
        with hold(self._lock, self._timeout_s):
            return len(_tokenize(self._load()[0], text))

    def close(self) -> None:
        """Free the model; a later call would load it again."""
        with self._lock:
            if self._llama is not None:
                self._llama.close()
            self._llama = None
            self._info = None

    def _load(self) -> tuple[Any, ModelInfo]:
        if self._llama is None or self._info is None:
            _check_file(self._path)
            llama_cpp = _import_llama_cpp()
            _complaints.clear()
            try:
                # Vocabulary and keys only, a few milliseconds: the context is chosen before the weights are loaded.
                with contextlib.closing(_open(llama_cpp, self._path, 256, self._threads, vocab_only=True)) as header:
                    metadata = dict(header.metadata)
                context_tokens = usable_context(trained_context(metadata))
                self._info = read_metadata(
                    self._path.name,
                    "llamacpp",
                    metadata,
                    context_tokens=context_tokens,
                    size_bytes=self._path.stat().st_size,
                    path=self._path,
                )
                self._llama = _open(llama_cpp, self._path, context_tokens, self._threads, vocab_only=False)
            except (ValueError, RuntimeError, MemoryError, OSError) as error:
                reason = _complaints[0] if _complaints else str(error)
                raise BackendError(
                    f"Cannot load the model file '{self._path}': {reason}.",
                    f"It may be damaged, cut short or too large for this machine. {_ANOTHER_FILE}",
                ) from error
        return self._llama, self._info

    def _read_prompt(self, llama: Any, tokens: Sequence[int], deadline: float) -> None:
        """Decode the prompt, keeping what the context already holds of it; its last token is always decoded anew."""
        llama_cpp = _import_llama_cpp()
        held = llama.input_ids[: llama.n_tokens].tolist()
        shared = 0
        for old, new in zip(held, tokens[:-1], strict=False):
            if old != new:
                break
            shared += 1
        memory = llama_cpp.llama_get_memory(llama.ctx)
        if not llama_cpp.llama_memory_seq_rm(memory, 0, shared, -1):
            # Recurrent models cannot forget a part.
            llama_cpp.llama_memory_clear(memory, True)
            shared = 0
        llama.n_tokens = shared
        for start in range(shared, len(tokens), PROMPT_BATCH):
            self._decode(llama, tokens[start : start + PROMPT_BATCH], deadline)

    def _write(self, llama: Any, prompt: list[int], writing: Writing, limits: _Limits) -> None:
        """Choose one token after the other, until the end.

        Raises:
            BackendError: The reply was cut, or took too long.
            GaveUp: The constraint leaves no way to go on.
        """
        self._read_prompt(llama, prompt, limits.deadline)
        shown = ""
        while len(writing.tokens) < limits.max_tokens:
            choice = writing.choose(_logits(llama), lambda token: _spell(llama, token))
            if choice == END or writing.has_ended():
                return
            text = writing.text()  # a character may still lack some of its bytes
            if limits.on_text is not None and text != shown:
                shown = text
                limits.on_text(text)
            if choice is None:
                # What stays is in the context already: only its last token is decoded anew.
                self._read_prompt(llama, [*prompt, *writing.tokens], limits.deadline)
            elif len(writing.tokens) < limits.max_tokens:
                self._decode(llama, [choice], limits.deadline)
        if writing.is_constrained and writing.rejected:
            raise GaveUp(f"It had not ended after {limits.max_tokens} tokens.")
        raise reply_was_cut(limits.max_tokens)

    def _decode(self, llama: Any, tokens: Sequence[int], deadline: float) -> None:
        if time.perf_counter() > deadline:
            raise took_too_long(self._timeout_s)
        try:
            llama.eval(tokens)
        except RuntimeError as error:  # llama_decode gave up, for want of memory or of room
            llama.reset()
            raise BackendError(
                f"Model '{self._path.name}' broke off: {error}.", "Ask again; if it stays, try a smaller model."
            ) from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise BackendError(f"'{path}' is a folder, not a model file.", _ANOTHER_FILE)
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except FileNotFoundError as error:
        raise BackendError(f"No model file at '{path}'.", _ANOTHER_FILE) from error
    except OSError as error:
        raise BackendError(f"Cannot read the model file '{path}': {error.strerror}.", _ANOTHER_FILE) from error
    if magic != GGUF_MAGIC:
        raise BackendError(f"'{path}' is not a GGUF model file.", _ANOTHER_FILE)


def _import_llama_cpp() -> Any:
    global _log_callback
    try:
        import llama_cpp
    except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: its shared library is missing
        raise BackendError(
            f"The embedded backend needs the package 'llama-cpp-python', which does not load: {error}.",
            "Install it with 'pip install llama-cpp-python', or use Ollama (QUERYFORGE_BACKEND=ollama).",
        ) from error
    if _log_callback is None:
        # llama.cpp writes to stderr even when told to be quiet; its first error is kept for our own message.
        _log_callback = llama_cpp.llama_log_callback(_keep_complaint)
        llama_cpp.llama_log_set(_log_callback, ctypes.c_void_p(0))
    return llama_cpp


def _keep_complaint(level: int, text: bytes, _user_data: object) -> None:
    is_error = 4  # GGML_LOG_LEVEL_ERROR in ggml.h
    if level == is_error and not _complaints:
        # "name_of_c_function: what is wrong"
        _complaints.append(
            re.sub(r"^(\w+: )+(error loading model: )?", "", text.decode(errors="replace").strip()).rstrip(".")
        )


def _open(llama_cpp: Any, path: Path, context_tokens: int, threads: int, *, vocab_only: bool) -> Any:
    return llama_cpp.Llama(
        model_path=str(path),
        n_ctx=context_tokens,
        n_batch=PROMPT_BATCH,
        n_threads=threads,
        n_threads_batch=threads,
        n_gpu_layers=0,
        vocab_only=vocab_only,
        logits_all=False,
        verbose=False,
    )


def _tokenize(llama: Any, text: str) -> list[int]:
    """Cut a text into tokens. Only the two markers of a turn are read as special tokens, whatever else the model knows.

    `prompts` takes out of questions and data what looks like a marker; what it does not know stays plain text here.
    """
    tokens: list[int] = []
    for place, part in enumerate(_TURN_MARKER.split(text)):
        if part or not place:
            # add_bos means "where this model wants one"; ours does not.
            encoded = part.encode(errors="ignore")
            tokens += llama.tokenize(encoded, add_bos=not place, special=_TURN_MARKER.fullmatch(part) is not None)
    return tokens


def _logits(llama: Any) -> Any:
    """Return the logits behind the last token, as the library holds them: they change with the next one."""
    import numpy as np

    pointer = _import_llama_cpp().llama_get_logits_ith(llama.ctx, -1)
    return np.ctypeslib.as_array(pointer, shape=(llama.n_vocab(),))  # (V,)


def _spell(llama: Any, token: int) -> bytes | None:
    return None if _is_end(llama, token) else _piece(llama, token)


def _is_end(llama: Any, token: int) -> bool:
    llama_cpp = _import_llama_cpp()
    return bool(llama_cpp.llama_vocab_is_eog(llama_cpp.llama_model_get_vocab(llama.model), token))


def _piece(llama: Any, token: int) -> bytes:
    """Spell a token. `Llama.detokenize` would drop those of more than 32 bytes."""
    llama_cpp = _import_llama_cpp()
    vocab = llama_cpp.llama_model_get_vocab(llama.model)
    size = 64
    while True:
        buffer = ctypes.create_string_buffer(size)
        length = llama_cpp.llama_token_to_piece(vocab, token, buffer, size, 0, True)
        if length >= 0:
            return buffer.raw[:length]
        size = -length
