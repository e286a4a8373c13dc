"""K-quants: llama.cpp makes them itself, from a whole file in half precision.

In: a GGUF and the type. Out: another GGUF, and how many matrices got a coarser block than asked for. llama.cpp's
messages are caught: they move the progress bar and word the error.

K-quants store rows in blocks of 256 numbers. A matrix whose rows are no multiple of that gets another type, of blocks
of 32: Q5_0 for Q4_K, Q5_1 for Q5_K, Q8_0 for Q6_K (`tensor_type_fallback` in llama-quant.cpp). That is let through and
counted. Rows that are no multiple of 32 either would stay F16 while the file says otherwise; that is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from assistant.errors import TrainingError
from training.gguf_tensors import Q8_BLOCK, PlannedTensor

K_QUANTS = {"q5_k_m": "LLAMA_FTYPE_MOSTLY_Q5_K_M", "q4_k_m": "LLAMA_FTYPE_MOSTLY_Q4_K_M"}
"""Our name of a type -> llama.cpp's."""
K_BLOCK = 256
"""Numbers of a row in a block of a K-quant."""
LOG_ERROR = 4
"""Level of a message that says what went wrong (GGML_LOG_LEVEL_ERROR in ggml.h)."""

# Bits a number takes, mixed as `_M` mixes them; with a little room. Measured on models of 0.1 to 1 GB.
_BITS = {"q5_k_m": 5.9, "q4_k_m": 5.2}
_BITS_OF_EMBEDDING = 6.57  # Q6_K
_BITS_OF_FALLBACK = 8.5  # Q8_0, the largest of them
_PROGRESS = re.compile(r"\[ *\d+/ *\d+\]")


def refuse_odd_rows(planned: Iterable[PlannedTensor], kind: str) -> None:
    """Refuse a model whose rows no quantised type can hold.

    Raises:
        TrainingError: Rows of a matrix are no multiple of 32.
    """
    for tensor in planned:
        if len(tensor.shape) == 2 and tensor.shape[-1] % Q8_BLOCK:
            raise TrainingError(
                f"Rows of '{tensor.source}' have {tensor.shape[-1]} numbers; {kind} needs a multiple of {Q8_BLOCK}, "
                f"better of {K_BLOCK}.",
                "Use --type f16, or train a model of another size.",
            )


def count_fallbacks(planned: Iterable[PlannedTensor]) -> int:
    """Count the matrices that do not fit a K-quant and get a larger type."""
    return sum(len(tensor.shape) == 2 and tensor.shape[-1] % K_BLOCK != 0 for tensor in planned)


def estimate_bytes(planned: Iterable[PlannedTensor], kind: str) -> int:
    """Give about the size of the quantised tensors, rather more than less."""
    total = 0.0
    for tensor in planned:
        rows, *columns = tensor.shape
        if not columns:
            total += rows * 4
        elif columns[0] % K_BLOCK:
            total += rows * columns[0] * _BITS_OF_FALLBACK / 8
        else:
            is_outer = tensor.name.startswith(("token_embd", "output"))
            total += rows * columns[0] * (_BITS_OF_EMBEDDING if is_outer else _BITS[kind]) / 8
    return int(total)


def quantise(source: Path, target: Path, kind: str, on_tensor: Callable[[], object]) -> None:
    """Let llama.cpp quantise a file.

    Args:
        source: GGUF in F16.
        target: File to write.
        kind: A key of K_QUANTS.
        on_tensor: Called for each tensor when its turn comes.

    Raises:
        TrainingError: llama.cpp could not do it; the message has its words.
    """
    llama_cpp = import_llama_cpp()
    complaints: list[str] = []

    def hear(level: int, text: str) -> None:
        if _PROGRESS.match(text):
            on_tensor()
        elif level == LOG_ERROR:
            complaints.append(text.strip())

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, K_QUANTS[kind])
    params.nthread = os.cpu_count() or 1
    with listening(llama_cpp, hear):
        code = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    if code != 0:
        reason = " ".join(complaints) or f"code {code}"
        raise TrainingError(
            f"llama.cpp could not quantise to {kind}: {reason.rstrip('.')}.",
            "If the disk is full, free some; else use --type q8_0.",
        )


def import_llama_cpp() -> Any:
    """Import llama.cpp.

    Raises:
        TrainingError: It does not load.
    """
    try:
        import llama_cpp
    except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: its shared library is missing
        raise TrainingError(
            f"The export needs the package 'llama-cpp-python', which does not load: {error}.",
            "Install it with 'pip install llama-cpp-python'.",
        ) from error
    return llama_cpp


@contextlib.contextmanager
def listening(llama_cpp: Any, hear: Callable[[int, str], None]) -> Iterator[None]:
    """Take llama.cpp's messages, level and text, for a while; whoever took them before gets them again."""
    before, data = llama_cpp.llama_log_callback(), ctypes.c_void_p()
    llama_cpp.llama_log_get(ctypes.byref(before), ctypes.byref(data))

    def take(level: int, text: bytes, _data: object) -> None:
        hear(level, text.decode(errors="replace"))

    callback = llama_cpp.llama_log_callback(take)
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
    try:
        yield
    finally:
        llama_cpp.llama_log_set(before, data)
