"""What a model file says of itself: the GGUF keys that QueryForge writes and reads.

In: a model's metadata, as llama.cpp (text) or Ollama (JSON values) hands it out. Out: a ModelInfo. Opens no file and no
connection. `training.gguf` writes the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from assistant.errors import BackendError
from assistant.types import ModelInfo, PromptLayout

PROMPT_LAYOUT_KEY = "queryforge.prompt_layout"
DB_ID_KEY = "queryforge.db_id"
FINGERPRINT_KEY = "queryforge.schema_fingerprint"
EXAMPLES_KEY = "queryforge.examples"
ARCHITECTURE_KEY = "general.architecture"

MAX_CONTEXT_TOKENS = 4096
"""Longest context that is asked for: memory grows with it, and a question about a linked schema needs far less."""

CONTEXT_BLOCK = 256
"""llama.cpp rounds a context up to a multiple of this (`llama_context` pads n_ctx with GGML_PAD(n_ctx, 256))."""


def usable_context(trained_tokens: int) -> int:
    """Choose the context for a model trained with `trained_tokens`: a multiple of CONTEXT_BLOCK, within both limits."""
    return max(min(trained_tokens, MAX_CONTEXT_TOKENS) // CONTEXT_BLOCK, 1) * CONTEXT_BLOCK


def read_metadata(
    name: str,
    backend: str,
    metadata: Mapping[str, object],
    *,
    context_tokens: int,
    size_bytes: int = 0,
    path: Path | None = None,
) -> ModelInfo:
    """Read a model's own keys; a model without them has the full layout and belongs to no database.

    Raises:
        BackendError: The prompt layout is one this version does not know.
    """
    layout = str(metadata.get(PROMPT_LAYOUT_KEY, "full"))
    known: tuple[PromptLayout, ...] = get_args(PromptLayout)
    for candidate in known:
        if candidate == layout:
            return ModelInfo(
                name=name,
                backend=backend,
                prompt_layout=candidate,
                context_tokens=context_tokens,
                trained_db_id=str(metadata.get(DB_ID_KEY, "")),
                trained_fingerprint=str(metadata.get(FINGERPRINT_KEY, "")),
                examples=_read_count(metadata.get(EXAMPLES_KEY)),
                size_bytes=size_bytes,
                path=path,
            )
    raise BackendError(
        f"Model '{name}' wants the prompt layout '{layout}', which this version does not know.",
        "Update QueryForge, or use a model that was exported by this version.",
    )


def _read_count(value: object) -> int | None:
    return int(str(value)) if str(value).isdecimal() else None


def trained_context(metadata: Mapping[str, object]) -> int:
    """Read how many tokens the model was trained with; 2048 when it does not say or says no number."""
    architecture = metadata.get(ARCHITECTURE_KEY, "llama")
    try:
        return int(str(metadata.get(f"{architecture}.context_length", 2048)))
    except ValueError:
        return 2048
