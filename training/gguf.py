"""Convert a folder as transformers writes it into one GGUF file.

In: `config.json`, safetensors and `tokenizer.json` of a Llama or Qwen2 model, and what it was trained for. Out: a GGUF
that llama.cpp and Ollama load, with our own chat template and the keys `queryforge.*` that tell a backend how to prompt
it. Refuses whatever it is not sure to convert exactly. Needs no torch; weights are read tensor by tensor.

K-quants are made from the F16 file by llama.cpp itself.

    python -m training.gguf runs/shop-base/model out.gguf --type q8_0 --db-id shop --prompt-layout compact
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from assistant.errors import QueryForgeError, TrainingError, UsageError
from assistant.prompts import CHAT_TEMPLATE, PAD, TURN_END
from assistant.types import Dialect, PromptLayout, Record
from training.tokenizer import QWEN2_SPLIT
from training.weights import TensorFile, open_tensors

GgufType = Literal["f16", "q8_0", "q5_k_m", "q4_k_m"]

_FILE_TYPES = {"f16": gguf.LlamaFileType.MOSTLY_F16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
_K_QUANTS = {"q5_k_m": "LLAMA_FTYPE_MOSTLY_Q5_K_M", "q4_k_m": "LLAMA_FTYPE_MOSTLY_Q4_K_M"}
_ARCHITECTURES = {"LlamaForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2"}
_LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


class GgufConfig(Record):
    """What to convert, into what, and what the file says of itself."""

    model_dir: Path
    """Folder with config.json, model.safetensors (or its parts) and tokenizer.json."""
    out_path: Path
    """GGUF file to write; an existing one is replaced only when the new one is whole."""
    type: GgufType = "q8_0"
    """Type of the matrices: f16 (half precision), q8_0 (8 bits), or llama.cpp's q5_k_m and q4_k_m."""
    name: str = "queryforge"
    """Name of the model."""
    prompt_layout: PromptLayout = "compact"
    """Layout it was trained with (key `queryforge.prompt_layout`)."""
    db_id: str = ""
    """Database it was trained for (key `queryforge.db_id`); empty for any."""
    schema_fingerprint: str = ""
    """Fingerprint of that schema (key `queryforge.schema_fingerprint`); empty for any."""
    dialect: Dialect = "sqlite"
    """SQL flavour it writes (key `queryforge.dialect`)."""


class GgufReport(Record):
    """The file that was written."""

    path: Path
    """The GGUF file."""
    architecture: str
    """llama.cpp's name of the architecture."""
    type: GgufType
    """Type of the matrices."""
    tensors: int
    """Tensors in the file."""
    size_bytes: int
    """Size of the file."""
    sha256: str
    """SHA-256 (hex) of the file."""


class ModelFacts(Record):
    """What config.json says, as far as it matters here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

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
    types: tuple[int, ...]
    """gguf.TokenType by id."""
    merges: tuple[str, ...]
    """Merges, best first, the two parts parted by a space."""
    eos_id: int
    """Token that ends a turn."""
    pad_id: int
    """Token that fills."""


def convert(config: GgufConfig) -> GgufReport:
    """Write the GGUF file.

    Raises:
        TrainingError: A file is missing or broken, or the model is of a kind that cannot be converted exactly.
    """
    facts = read_facts(config.model_dir)
    vocabulary = read_vocabulary(config.model_dir, facts.vocab_size)
    tensors = open_tensors(config.model_dir)
    names = _match_tensors(tensors, facts)
    out = config.out_path
    partial = out.with_name(out.name + ".partial")
    half = out.with_name(out.name + ".f16.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if config.type in ("f16", "q8_0"):
            _write(partial, config, facts, vocabulary, tensors, names)
        else:
            _write(half, config.model_copy(update={"type": "f16"}), facts, vocabulary, tensors, names)
            _quantise(half, partial, config.type)
        os.replace(partial, out)
    except OSError as error:
        raise TrainingError(f"Cannot write '{out}': {error}.", "Choose another place or free some disk space.") from error
    finally:
        partial.unlink(missing_ok=True)
        half.unlink(missing_ok=True)
    with out.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return GgufReport(
        path=out,
        architecture=facts.architecture,
        type=config.type,
        tensors=len(names),
        size_bytes=out.stat().st_size,
        sha256=digest,
    )


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
    tokens: list[str] = [""] * rows
    types = [gguf.TokenType.UNUSED] * rows
    normal = [(text, number, gguf.TokenType.NORMAL) for text, number in model["vocab"].items()]
    added = [
        (a["content"], a["id"], gguf.TokenType.CONTROL if a["special"] else gguf.TokenType.USER_DEFINED)
        for a in data.get("added_tokens") or ()
    ]
    for text, number, kind in normal + added:
        if number >= rows:
            raise TrainingError(
                f"'{path}' has the token {text!r} with id {number}, but the embedding has {rows} rows.",
                "Tokenizer and weights belong to different models.",
            )
        tokens[number], types[number] = text, kind
    for number, kind in enumerate(types):
        if kind == gguf.TokenType.UNUSED:
            tokens[number] = f"[PAD{number}]"
    if len(set(tokens)) != rows:
        twice = next(text for i, text in enumerate(tokens) if text in tokens[:i])
        raise TrainingError(f"'{path}' has the token {twice!r} twice.", "llama.cpp does not load such a file; rename one.")
    missing = [text for text in (TURN_END, PAD) if text not in tokens or types[tokens.index(text)] != gguf.TokenType.CONTROL]
    if missing:
        raise TrainingError(f"'{path}' has no control token {missing[0]!r}.", "The chat format of QueryForge needs it.")
    merges = tuple(merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    return Vocabulary(
        tokens=tuple(tokens),
        types=tuple(int(kind) for kind in types),
        merges=merges,
        eos_id=tokens.index(TURN_END),
        pad_id=tokens.index(PAD),
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


def _match_tensors(tensors: dict[str, TensorFile], facts: ModelFacts) -> dict[str, str]:
    """Pair the GGUF's tensor names with those of the weights; refuse missing, superfluous and misshapen ones."""
    hidden, queries, keys = facts.hidden_size, facts.num_heads * facts.head_size, facts.num_kv_heads * facts.head_size
    layer_shapes: dict[str, tuple[int, ...]] = {
        "input_layernorm": (hidden,),
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "post_attention_layernorm": (hidden,),
        "mlp.gate_proj": (facts.ffn_size, hidden),
        "mlp.up_proj": (facts.ffn_size, hidden),
        "mlp.down_proj": (hidden, facts.ffn_size),
    }
    wanted: dict[str, tuple[str, tuple[int, ...]]] = {
        "token_embd.weight": ("model.embed_tokens.weight", (facts.vocab_size, hidden)),
        "output_norm.weight": ("model.norm.weight", (hidden,)),
    }
    if not facts.is_tied:
        wanted["output.weight"] = ("lm_head.weight", (facts.vocab_size, hidden))
    for layer in range(facts.num_layers):
        for part, name in _LAYER_NAMES.items():
            shape = layer_shapes[part]
            wanted[f"blk.{layer}.{name}.weight"] = (f"model.layers.{layer}.{part}.weight", shape)
            if facts.has_bias and name in ("attn_q", "attn_k", "attn_v"):
                wanted[f"blk.{layer}.{name}.bias"] = (f"model.layers.{layer}.{part}.bias", shape[:1])
    expected = {source for source, _ in wanted.values()}
    superfluous = set(tensors) - expected - ({"lm_head.weight"} if facts.is_tied else set())
    if superfluous:
        raise TrainingError(
            f"The weights hold '{min(superfluous)}', which a plain {facts.architecture} does not have.",
            "Merge adapters first; other architectures need the converter of llama.cpp.",
        )
    for source, shape in wanted.values():
        if source not in tensors:
            raise TrainingError(f"The weights lack '{source}'.", "Save the model again with transformers.")
        if tensors[source].shape != shape:
            raise TrainingError(
                f"'{source}' has the shape {tensors[source].shape}; config.json asks for {shape}.",
                "Weights and config.json belong to different models.",
            )
    return {target: source for target, (source, _) in wanted.items()}


def _write(
    path: Path,
    config: GgufConfig,
    facts: ModelFacts,
    vocabulary: Vocabulary,
    tensors: dict[str, TensorFile],
    names: dict[str, str],
) -> None:
    writer = gguf.GGUFWriter(path, facts.architecture)
    _add_keys(writer, config, facts, vocabulary)
    kinds = {}
    for target, source in names.items():
        shape = tensors[source].shape
        kind = _tensor_type(shape, config.type)
        kinds[target] = kind
        bytes_shape = gguf.quant_shape_to_byte_shape(shape, kind)
        size = int(np.prod(bytes_shape))
        dtype = {gguf.GGMLQuantizationType.F32: np.float32, gguf.GGMLQuantizationType.F16: np.float16}.get(kind)
        if dtype is None:
            writer.add_tensor_info(target, bytes_shape, np.dtype(np.uint8), size, raw_dtype=kind)
        else:
            writer.add_tensor_info(target, shape, np.dtype(dtype), size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for target, source in names.items():
        values = tensors[source].read()
        if facts.architecture == "llama" and ".attn_q." in target:
            values = _interleave(values, facts.num_heads)
        if facts.architecture == "llama" and ".attn_k." in target:
            values = _interleave(values, facts.num_kv_heads)
        data = gguf.quantize(values, kinds[target])
        if not np.isfinite(values).all() or (data.dtype == np.float16 and not np.isfinite(data).all()):
            raise TrainingError(f"'{source}' holds numbers that are infinite or too large.", "The training has diverged.")
        writer.write_tensor_data(data)
    writer.close()


def _add_keys(writer: gguf.GGUFWriter, config: GgufConfig, facts: ModelFacts, vocabulary: Vocabulary) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(config.name)
    writer.add_file_type(int(_FILE_TYPES[config.type]))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(facts.vocab_size)
    writer.add_context_length(facts.context_tokens)
    writer.add_embedding_length(facts.hidden_size)
    writer.add_block_count(facts.num_layers)
    writer.add_feed_forward_length(facts.ffn_size)
    writer.add_head_count(facts.num_heads)
    writer.add_head_count_kv(facts.num_kv_heads)
    writer.add_key_length(facts.head_size)
    writer.add_value_length(facts.head_size)
    writer.add_layer_norm_rms_eps(facts.norm_eps)
    writer.add_rope_freq_base(facts.rope_theta)
    writer.add_rope_dimension_count(facts.head_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    # Without a beginning token llama.cpp assumes id 11; it is named and never added.
    writer.add_bos_token_id(vocabulary.pad_id)
    writer.add_eos_token_id(vocabulary.eos_id)
    writer.add_eot_token_id(vocabulary.eos_id)
    writer.add_pad_token_id(vocabulary.pad_id)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    writer.add_string("queryforge.prompt_layout", config.prompt_layout)
    writer.add_string("queryforge.db_id", config.db_id)
    writer.add_string("queryforge.schema_fingerprint", config.schema_fingerprint)
    writer.add_string("queryforge.dialect", config.dialect)


def _tensor_type(shape: tuple[int, ...], wanted: str) -> gguf.GGMLQuantizationType:
    if len(shape) == 1:
        return gguf.GGMLQuantizationType.F32
    # Rows of Q8_0 are blocks of 32; others stay in half precision, as llama.cpp's own quantiser leaves them.
    if wanted == "q8_0" and shape[-1] % 32 == 0:
        return gguf.GGMLQuantizationType.Q8_0
    return gguf.GGMLQuantizationType.F16


def _interleave(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder the rows of each head: transformers rotates halves, llama.cpp's `llama` rotates neighbours."""
    rows, *rest = values.shape
    return values.reshape(heads, 2, rows // heads // 2, *rest).swapaxes(1, 2).reshape(values.shape)


def _quantise(source: Path, target: Path, kind: GgufType) -> None:
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, _K_QUANTS[kind])
    params.nthread = os.cpu_count() or 1
    code = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), params)
    if code != 0:
        raise TrainingError(f"llama.cpp could not quantise to {kind} (code {code}).", "Use --type q8_0.")


def main(argv: list[str] | None = None) -> int:
    """Run the command; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.gguf", description="Convert a model folder to GGUF.")
    parser.add_argument("model_dir", type=Path, metavar="HF_DIR")
    parser.add_argument("out_path", type=Path, metavar="OUT.gguf")
    fields = GgufConfig.model_fields
    parser.add_argument("--type", default="q8_0", choices=["f16", "q8_0", *_K_QUANTS], help=fields["type"].description)
    for name in ("name", "prompt_layout", "db_id", "schema_fingerprint", "dialect"):
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, default=fields[name].default, help=fields[name].description)
    try:
        try:
            config = GgufConfig.model_validate(vars(parser.parse_args(argv)))
        except ValueError as error:
            raise UsageError(f"Cannot convert: {error}.", "See python -m training.gguf --help.") from error
        report = convert(config)
    except QueryForgeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(report.model_dump_json(indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
