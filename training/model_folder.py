"""Read a folder as transformers writes it: what kind of model it holds and how it splits text. No torch needed.

In: `config.json` and `tokenizer.json` of a Llama or Qwen2 model. Out: records for the converter. Refuses what llama.cpp
would load but compute or split in another way, since such a model answers wrongly without any error.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from assistant.errors import TrainingError
from assistant.prompts import PAD, TURN_END
from assistant.types import Record
from training.tokenizer import QWEN2_SPLIT

TokenKind = Literal["normal", "control", "user_defined", "unused"]

_ARCHITECTURES = {"LlamaForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2"}


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
    is_tied: bool
    """Whether the output matrix is the embedding."""
    has_bias: bool
    """Whether q, k and v have a bias."""


class Vocabulary(Record):
    """What tokenizer.json says, in llama.cpp's terms."""

    tokens: tuple[str, ...]
    """Token text by id, padded to the rows of the embedding."""
    kinds: tuple[TokenKind, ...]
    """What each token is, by id."""
    merges: tuple[str, ...]
    """Merges, best first, the two parts parted by a space."""
    eos_id: int
    """Token that ends a turn."""
    pad_id: int
    """Token that fills."""


def read_facts(model_dir: Path) -> ModelFacts:
    """Read config.json.

    Raises:
        TrainingError: It is missing, incomplete, or of an architecture or RoPE kind that is not known here.
    """
    path = model_dir / "config.json"
    config = _read_json(path)
    architectures = config.get("architectures") or ["none"]
    architecture = _ARCHITECTURES.get(architectures[0])
    if architecture is None:
        raise TrainingError(
            f"'{path}' names the architecture {architectures[0]!r}, which is not known here.",
            f"Known: {', '.join(_ARCHITECTURES)}. For others use the converter of llama.cpp.",
        )
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    theta = rope.get("rope_theta", config.get("rope_theta"))
    if theta is None:
        raise TrainingError(f"'{path}' names no rope_theta.", "Add the base of its rotary positions, such as 10000.0.")
    if kind != "default":
        raise TrainingError(
            f"'{path}' uses the RoPE kind {kind!r}, which is not known here.", "Use the converter of llama.cpp."
        )
    if config.get("use_sliding_window"):
        raise TrainingError(f"'{path}' switches sliding-window attention on.", "Use the converter of llama.cpp.")
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
                "is_tied": bool(config.get("tie_word_embeddings", False)),
                "has_bias": architecture == "qwen2" or bool(config.get("attention_bias", False)),
            }
        )
    except (KeyError, ValueError, TypeError) as error:
        raise TrainingError(f"'{path}' is incomplete: {error}.", "Save the model again with transformers.") from error


def read_vocabulary(model_dir: Path, rows: int) -> Vocabulary:
    """Read tokenizer.json.

    Args:
        model_dir: Folder of the model.
        rows: Rows of the embedding; missing tokens are filled up as unused.

    Raises:
        TrainingError: It is missing or splits text in a way that llama.cpp would not repeat exactly.
    """
    path = model_dir / "tokenizer.json"
    data = _read_json(path)
    hint = "Only byte-level BPE with the split of Qwen2 is sure to give the same tokens; train it with training.base."
    model, normalizer = data.get("model") or {}, data.get("normalizer") or {}
    if model.get("type") != "BPE" or "merges" not in model:
        raise TrainingError(f"'{path}' is a {model.get('type')} tokenizer.", hint)
    if normalizer.get("type", "NFC") != "NFC":
        raise TrainingError(f"'{path}' normalises text with {normalizer['type']}.", hint)
    if not _splits_as_qwen2(data.get("pre_tokenizer") or {}):
        raise TrainingError(f"'{path}' splits text in a way that is not known here.", hint)
    tokens = [f"[PAD{number}]" for number in range(rows)]
    kinds: list[TokenKind] = ["unused"] * rows
    known: list[tuple[str, int, TokenKind]] = [(text, number, "normal") for text, number in model["vocab"].items()]
    for entry in data.get("added_tokens") or ():
        known.append((entry["content"], entry["id"], "control" if entry["special"] else "user_defined"))
    for text, number, kind in known:
        if number >= rows:
            raise TrainingError(
                f"'{path}' has the token {text!r} with id {number}, but the embedding has {rows} rows.",
                "Tokenizer and weights belong to different models.",
            )
        tokens[number], kinds[number] = text, kind
    text, count = Counter(tokens).most_common(1)[0]
    if count > 1:
        raise TrainingError(
            f"'{path}' has the token {text!r} twice.", "llama.cpp cannot load that; rename one of them."
        )
    control = {token: number for number, token in enumerate(tokens) if kinds[number] == "control"}
    for text in (TURN_END, PAD):
        if text not in control:
            raise TrainingError(f"'{path}' has no control token {text!r}.", "The chat format of QueryForge needs it.")
    return Vocabulary(
        tokens=tuple(tokens),
        kinds=tuple(kinds),
        merges=tuple(merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]),
        eos_id=control[TURN_END],
        pad_id=control[PAD],
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"Cannot read '{path}': {error}.", "Give a folder as transformers writes it.") from error
    if not isinstance(data, dict):
        raise TrainingError(f"'{path}' is not a JSON object.", "Give a folder as transformers writes it.")
    return data


def _splits_as_qwen2(pre_tokenizer: dict[str, Any]) -> bool:
    parts = pre_tokenizer.get("pretokenizers") or []
    if pre_tokenizer.get("type") != "Sequence" or [part.get("type") for part in parts] != ["Split", "ByteLevel"]:
        return False
    split, bytes_ = parts
    return (
        split.get("pattern") == {"Regex": QWEN2_SPLIT}
        and split.get("behavior") == "Isolated"
        and not split.get("invert")
        and not bytes_.get("use_regex", True)
        and not bytes_.get("add_prefix_space", True)
    )
