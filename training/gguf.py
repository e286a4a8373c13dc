"""Convert a folder as transformers writes it into one GGUF file.

In: `config.json`, safetensors and `tokenizer.json` of a Llama or Qwen2 model, and what it was trained for. Out: a GGUF
that llama.cpp and Ollama load, with our own chat template and the keys `queryforge.*` that tell a backend how to prompt
it. Refuses whatever it is not sure to convert exactly. Needs no torch; weights are read tensor by tensor.

K-quants are made from the F16 file by llama.cpp itself.

    python -m training.gguf runs/shop-base/model out.gguf --type q8_0 --db-id shop --prompt-layout compact
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import sys
from pathlib import Path
from typing import Literal

import gguf
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from assistant.backends.metadata import DB_ID_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY
from assistant.errors import QueryForgeError, TrainingError, UsageError
from assistant.prompts import CHAT_TEMPLATE
from assistant.types import Dialect, PromptLayout, Record
from training.model_folder import ModelFacts, Vocabulary, read_facts, read_vocabulary
from training.weights import TensorFile, open_tensors

GgufType = Literal["f16", "q8_0", "q5_k_m", "q4_k_m"]

_LARGEST_F16 = float(np.finfo(np.float16).max)
_FILE_TYPES = {"f16": gguf.LlamaFileType.MOSTLY_F16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
_K_QUANTS = {"q5_k_m": "LLAMA_FTYPE_MOSTLY_Q5_K_M", "q4_k_m": "LLAMA_FTYPE_MOSTLY_Q4_K_M"}
_TOKEN_TYPES = {
    "normal": gguf.TokenType.NORMAL,
    "control": gguf.TokenType.CONTROL,
    "user_defined": gguf.TokenType.USER_DEFINED,
    "unused": gguf.TokenType.UNUSED,
}
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
        raise TrainingError(f"Cannot write '{out}': {error}.", "Choose another place or free disk space.") from error
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
    kinds = {target: _tensor_type(tensors[source].shape, config.type) for target, source in names.items()}
    for target, kind in kinds.items():
        shape = tensors[names[target]].shape
        bytes_shape = gguf.quant_shape_to_byte_shape(shape, kind)
        size = int(np.prod(bytes_shape))
        writer.add_tensor_info(target, bytes_shape, np.dtype(np.uint8), size, raw_dtype=kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for target, source in names.items():
            values = tensors[source].read()
            if facts.architecture == "llama" and ".attn_q." in target:
                values = _interleave(values, facts.num_heads)
            if facts.architecture == "llama" and ".attn_k." in target:
                values = _interleave(values, facts.num_kv_heads)
            if not np.abs(values).max() < _LARGEST_F16:
                raise TrainingError(f"'{source}' holds infinite or too large numbers.", "The training has diverged.")
            writer.write_tensor_data(gguf.quantize(values, kinds[target]))
    finally:
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
    writer.add_token_types([_TOKEN_TYPES[kind] for kind in vocabulary.kinds])
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
    writer.add_string(PROMPT_LAYOUT_KEY, config.prompt_layout)
    writer.add_string(DB_ID_KEY, config.db_id)
    writer.add_string(FINGERPRINT_KEY, config.schema_fingerprint)
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


def _trained_for(url: str) -> dict[str, str]:
    from assistant.database import connect

    with contextlib.closing(connect(url)) as database:
        schema = database.schema()
    return {"db_id": schema.db_id, "schema_fingerprint": schema.fingerprint, "dialect": schema.dialect}


def main(argv: list[str] | None = None) -> int:
    """Run the command; give the exit code."""
    parser = argparse.ArgumentParser(prog="queryforge export", description="Convert a model folder to GGUF.")
    parser.add_argument("model_dir", type=Path, metavar="HF_DIR", help="folder with config.json, weights, tokenizer")
    parser.add_argument("out_path", type=Path, metavar="OUT.gguf", help="file to write")
    parser.add_argument("--db", help="database it was trained for: gives name, schema fingerprint and SQL flavour")
    fields = GgufConfig.model_fields
    parser.add_argument("--type", default="q8_0", choices=["f16", "q8_0", *_K_QUANTS], help=fields["type"].description)
    for name in ("name", "prompt_layout", "db_id", "schema_fingerprint", "dialect"):
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, default=fields[name].default, help=fields[name].description)
    values = vars(parser.parse_args(argv))
    try:
        if url := values.pop("db"):
            values |= _trained_for(url)
        try:
            config = GgufConfig.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(
                f"'{first['loc'][0]}' cannot be {first.get('input')!r}: {first['msg']}.",
                "See queryforge export --help.",
            ) from error
        report = convert(config)
    except QueryForgeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(report.model_dump_json(indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
