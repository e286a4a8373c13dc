"""Read `config.json` as transformers writes it: what kind of model a folder holds. No torch needed.

In: the folder of a Llama, Mistral or Qwen2 model. Out: a record for the converter. Refuses what llama.cpp would load
and compute in another way, since such a model answers wrongly without any error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from assistant.errors import TrainingError
from assistant.types import Record

ARCHITECTURES: dict[str, Literal["llama", "qwen2"]] = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",  # the same network; llama.cpp has no name of its own for it
    "Qwen2ForCausalLM": "qwen2",
}
"""transformers' name of an architecture -> llama.cpp's."""

_OTHERS = "For others use the converter of llama.cpp."


class RopeStretch(Record):
    """How Llama 3.1 and later stretch slow rotary frequencies over a longer context (rope type `llama3`)."""

    factor: float
    """The slowest frequencies are divided by this."""
    low_freq_factor: float
    """Waves longer than `original_context_tokens` divided by this are stretched fully."""
    high_freq_factor: float
    """Waves shorter than `original_context_tokens` divided by this stay as they are."""
    original_context_tokens: int
    """Context before stretching."""


class ModelFacts(Record):
    """What config.json says, as far as it matters here."""

    architecture: Literal["llama", "qwen2"]
    """llama.cpp's name."""
    vocab_size: int
    """Rows of the embedding."""
    hidden_size: int
    """Width of the residual stream."""
    ffn_size: int
    """Inner width of the feed-forward blocks."""
    num_layers: int
    """Blocks."""
    num_heads: int
    """Query heads."""
    num_kv_heads: int
    """Key and value heads."""
    head_size: int
    """Width of a head."""
    context_tokens: int
    """Longest context."""
    norm_eps: float
    """Added to the mean square in every norm."""
    rope_theta: float
    """Base of the rotary frequencies."""
    rope_stretch: RopeStretch | None
    """How the frequencies are changed; None when they are not."""
    is_tied: bool
    """Whether the output matrix is the embedding."""
    has_bias: bool
    """Whether q, k and v have a bias."""
    bos_id: int | None
    """Token that begins a text."""
    eos_ids: tuple[int, ...]
    """Tokens that end a text, the most usual first."""


def read_facts(model_dir: Path) -> ModelFacts:
    """Read config.json.

    Raises:
        TrainingError: It is missing, incomplete, or of an architecture or RoPE kind that is not known here.
    """
    path = model_dir / "config.json"
    config = read_json(path)
    names = config.get("architectures") or ["none"]
    architecture = ARCHITECTURES.get(names[0])
    if architecture is None:
        raise TrainingError(
            f"'{path}' names the architecture {names[0]!r}, which is not known here.",
            f"Known: {', '.join(ARCHITECTURES)}. {_OTHERS}",
        )
    _refuse_other_computation(path, config)
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = rope.get("rope_theta", config.get("rope_theta"))
    if theta is None:
        raise TrainingError(f"'{path}' names no rope_theta.", "Add the base of its rotary positions, such as 10000.0.")
    eos = config.get("eos_token_id")
    try:
        heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
        return ModelFacts.model_validate(
            {
                "architecture": architecture,
                "vocab_size": config["vocab_size"],
                "hidden_size": hidden,
                "ffn_size": config["intermediate_size"],
                "num_layers": config["num_hidden_layers"],
                "num_heads": heads,
                "num_kv_heads": config.get("num_key_value_heads") or heads,
                "head_size": config.get("head_dim") or hidden // heads,
                "context_tokens": config["max_position_embeddings"],
                "norm_eps": config["rms_norm_eps"],
                "rope_theta": theta,
                "rope_stretch": _read_stretch(path, rope),
                "is_tied": bool(config.get("tie_word_embeddings", False)),
                "has_bias": architecture == "qwen2" or bool(config.get("attention_bias", False)),
                "bos_id": config.get("bos_token_id"),
                "eos_ids": eos if isinstance(eos, list) else [] if eos is None else [eos],
            }
        )
    except (KeyError, ValueError, TypeError) as error:
        raise TrainingError(f"'{path}' is incomplete: {error}.", "Save the model again with transformers.") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        TrainingError: It is missing or holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"Cannot read '{path}': {error}.", "Give a folder as transformers writes it.") from error
    if not isinstance(data, dict):
        raise TrainingError(f"'{path}' is not a JSON object.", "Give a folder as transformers writes it.")
    return data


def _refuse_other_computation(path: Path, config: dict[str, Any]) -> None:
    if config.get("quantization_config"):
        raise TrainingError(
            f"'{path}' describes quantised weights.", "Give the folder of the same model before quantising."
        )
    if (activation := config.get("hidden_act", "silu")) != "silu":
        raise TrainingError(f"'{path}' uses the activation {activation!r}, which is not known here.", _OTHERS)
    # Qwen2 names a window that its switch leaves off. Mistral has no switch: null is none, and no word means 4096.
    is_mistral = config["architectures"][0] == "MistralForCausalLM"
    is_on = is_mistral or bool(config.get("use_sliding_window"))
    window = config.get("sliding_window", 4096) if is_on else None
    is_narrow = window is not None and window < config.get("max_position_embeddings", 0)
    if is_narrow or "sliding_attention" in (config.get("layer_types") or ()):
        raise TrainingError(f"'{path}' switches sliding-window attention on.", _OTHERS)


def _read_stretch(path: Path, rope: dict[str, Any]) -> RopeStretch | None:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind != "llama3":
        raise TrainingError(f"'{path}' uses the RoPE kind {kind!r}, which is not known here.", _OTHERS)
    return RopeStretch(
        factor=rope["factor"],
        low_freq_factor=rope["low_freq_factor"],
        high_freq_factor=rope["high_freq_factor"],
        original_context_tokens=rope["original_max_position_embeddings"],
    )
