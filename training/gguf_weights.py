"""Turn a GGUF back into a folder as transformers writes it, so that training can go on from the file that serves.

In: a GGUF that `queryforge export` wrote, of at least 8 bits a weight, with byte-level BPE. Out: a folder with float32
weights, configuration and tokenizer; converted again with the same type it gives the same tensors and tokens. The
reverse of `gguf_tensors`, `gguf_keys` and `vocabulary`, and like these it refuses what it is not sure to turn exactly.
Does not cover: types of less than 8 bits, SentencePiece vocabularies, stretched rotary frequencies (of Llama 3.1 and
later, whose factors a GGUF does not hold), and Unicode normalisation, of which a GGUF says nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import gguf
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from assistant.backends.checkpoint import FACTS_FILE
from assistant.backends.metadata import ARCHITECTURE_KEY, DB_ID_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY
from assistant.errors import TrainingError
from assistant.prompts import CHAT_TEMPLATE
from training.gguf_check import check_tokens
from training.gguf_keys import DIALECT_KEY
from training.gguf_tensors import expect_tensors
from training.model_folder import ModelFacts
from training.tokenizer import QWEN2_SPLIT
from training.vocabulary import LLAMA3_SPLIT
from training.weights import require_disk_space, write_tensors

Kind: TypeAlias = gguf.GGMLQuantizationType

TYPES = (Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0)
"""What tensors may be stored as."""

_ARCHITECTURES = {"llama": ("LlamaForCausalLM", "llama"), "qwen2": ("Qwen2ForCausalLM", "qwen2")}
_SPLITS = {"qwen2": QWEN2_SPLIT, "llama-bpe": LLAMA3_SPLIT}
_HINT = "Give the folder of the trained weights instead, or a GGUF of type q8_0, f16, bf16 or f32."


class GgufModel(NamedTuple):
    """A GGUF that can be turned back; its weights are not read yet."""

    path: Path
    """The file."""
    facts: ModelFacts
    """Shape of the network."""
    fields: dict[str, Any]
    """Its keys with their values."""
    tensors: dict[str, gguf.ReaderTensor]
    """Its tensors by llama.cpp's names."""


@dataclass(frozen=True)
class _Dequantised:
    """A tensor of the GGUF as transformers has it."""

    found: gguf.ReaderTensor
    shape: tuple[int, ...]
    heads: int
    """Heads whose rows llama.cpp keeps in another order; 0 where it does not."""

    @property
    def dtype(self) -> str:
        """Half precision would lose what Q8_0 has: 8 bits times a scale of 11."""
        return "F32"

    def read(self) -> NDArray[np.float32]:
        """Give its numbers in transformers' order."""
        values = gguf.dequantize(self.found.data, self.found.tensor_type)
        values = np.asarray(values, np.float32).reshape(self.shape)
        return _separate(values, self.heads) if self.heads else values


def open_gguf(path: Path) -> GgufModel:
    """Read what a GGUF says of itself, and make sure that it can be turned back.

    Raises:
        TrainingError: It cannot be read, was not exported by QueryForge, or is of a kind that is not known here.
    """
    try:
        reader = gguf.GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        tensors = {tensor.name: tensor for tensor in reader.tensors}
        facts = _read_facts(fields, tensors)
    except (OSError, ValueError, LookupError, TypeError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is cut short, or not made by 'queryforge export'"
        raise TrainingError(f"Cannot read weights from '{path}': {reason}.", _HINT) from error
    if reason := _find_obstacle(fields, tensors, facts):
        raise TrainingError(f"'{path}' {reason}.", _HINT)
    return GgufModel(path, facts, fields, tensors)


def restore_folder(path: Path, folder: Path) -> Path:
    """Write the folder; one that is there is whole, and stays.

    Args:
        path: The GGUF.
        folder: What to write.

    Raises:
        TrainingError: The GGUF cannot be turned back, or the folder cannot be written.
    """
    if folder.is_dir():
        return folder
    model = open_gguf(path)
    partial = folder.with_name(folder.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        weights = {
            source: _Dequantised(model.tensors[name], shape, _count_reordered_heads(name, model.facts))
            for name, (source, shape) in expect_tensors(model.facts).items()
        }
        size = sum(4 * int(np.prod(weight.shape)) for weight in weights.values())
        require_disk_space(partial, size, "Turning a GGUF back")
        write_tensors(partial / "model.safetensors", weights)
        _write_json(partial / "config.json", _describe_shape(model))
        _make_tokenizer(model.fields).save(str(partial / "tokenizer.json"))
        _write_json(partial / "tokenizer_config.json", _describe_tokenizer(model))
        _write_json(partial / FACTS_FILE, _read_purpose(model.fields))
        check_tokens(path, partial / "tokenizer.json")
        os.replace(partial, folder)
    except OSError as error:
        raise TrainingError(f"Cannot write '{folder}': {error.strerror}.", "Free some disk space.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _read_facts(fields: dict[str, Any], tensors: dict[str, gguf.ReaderTensor]) -> ModelFacts:
    architecture = fields[ARCHITECTURE_KEY]

    def said(key: str) -> Any:
        return fields[f"{architecture}.{key}"]

    def exact(key: str) -> float:
        # Stored in single precision: the shortest number that gives the same is the one that was meant.
        return float(str(np.float32(said(key))))

    return ModelFacts(
        architecture=architecture,
        vocab_size=said("vocab_size"),
        hidden_size=said("embedding_length"),
        ffn_size=said("feed_forward_length"),
        num_layers=said("block_count"),
        num_heads=said("attention.head_count"),
        num_kv_heads=said("attention.head_count_kv"),
        head_size=said("attention.key_length"),
        context_tokens=said("context_length"),
        norm_eps=exact("attention.layer_norm_rms_epsilon"),
        rope_theta=exact("rope.freq_base"),
        rope_stretch=None,
        is_tied="output.weight" not in tensors,
        has_bias="blk.0.attn_q.bias" in tensors,
        bos_id=fields["tokenizer.ggml.bos_token_id"],
        eos_ids=(fields["tokenizer.ggml.eos_token_id"],),
    )


def _find_obstacle(fields: dict[str, Any], tensors: dict[str, gguf.ReaderTensor], facts: ModelFacts) -> str:
    """Say why a GGUF cannot be turned back; empty when it can."""
    if PROMPT_LAYOUT_KEY not in fields:
        return "was not made by 'queryforge export'"
    for tensor in tensors.values():
        if tensor.tensor_type not in TYPES:
            return f"is of type {tensor.tensor_type.name}, of which too little is left to train on from"
    if fields.get("tokenizer.ggml.model") != "gpt2" or fields.get("tokenizer.ggml.pre") not in _SPLITS:
        return "splits text in a way that cannot be turned back"
    expected = {name: shape for name, (_, shape) in expect_tensors(facts).items()}
    if odd := set(tensors) ^ set(expected):
        return f"has or lacks the tensor '{min(odd)}', which a plain {facts.architecture} does not"
    if facts.has_bias != (facts.architecture == "qwen2"):
        return "has biases in other places than its architecture"
    for name, shape in expected.items():
        if tuple(int(size) for size in reversed(tensors[name].shape)) != shape:
            return f"has the tensor '{name}' in another shape than its keys say"
    return ""


def _count_reordered_heads(name: str, facts: ModelFacts) -> int:
    if facts.architecture != "llama":
        return 0
    return facts.num_heads if ".attn_q." in name else facts.num_kv_heads if ".attn_k." in name else 0


def _separate(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder the rows of each head: llama.cpp's `llama` rotates neighbours, transformers rotates halves."""
    rows, *rest = values.shape
    return values.reshape(heads, rows // heads // 2, 2, *rest).swapaxes(1, 2).reshape(values.shape)


def _describe_shape(model: GgufModel) -> dict[str, object]:
    facts = model.facts
    architecture, model_type = _ARCHITECTURES[facts.architecture]
    config: dict[str, object] = {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": facts.vocab_size,
        "hidden_size": facts.hidden_size,
        "intermediate_size": facts.ffn_size,
        "num_hidden_layers": facts.num_layers,
        "num_attention_heads": facts.num_heads,
        "num_key_value_heads": facts.num_kv_heads,
        "head_dim": facts.head_size,
        "hidden_act": "silu",
        "max_position_embeddings": facts.context_tokens,
        "rms_norm_eps": facts.norm_eps,
        "rope_theta": facts.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": facts.rope_theta},
        "tie_word_embeddings": facts.is_tied,
        "bos_token_id": facts.bos_id,
        "eos_token_id": facts.eos_ids[0],
        "pad_token_id": model.fields.get("tokenizer.ggml.padding_token_id"),
        "dtype": "float32",
    }
    if facts.architecture == "llama":
        config |= {"attention_bias": False, "mlp_bias": False}
    return config


def _make_tokenizer(fields: dict[str, Any]) -> Tokenizer:
    pre = fields["tokenizer.ggml.pre"]
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    kinds = [gguf.TokenType(kind) for kind in fields["tokenizer.ggml.token_type"]]
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    listed = list(zip(tokens, kinds, strict=True))
    # Unused ones fill the embedding up; they are no tokens.
    vocabulary = {text: number for number, (text, kind) in enumerate(listed) if kind != gguf.TokenType.UNUSED}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre == "llama-bpe"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLITS[pre]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    for text, kind in listed:
        if kind in (gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED):
            is_special = kind == gguf.TokenType.CONTROL
            add = tokenizer.add_special_tokens if is_special else tokenizer.add_tokens
            add([AddedToken(text, special=is_special, normalized=False)])
    if fields.get("tokenizer.ggml.add_bos_token"):
        number = fields["tokenizer.ggml.bos_token_id"]
        first = tokens[number]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", pair=f"{first} $A {first} $B", special_tokens=[(first, number)]
        )
    return tokenizer


def _describe_tokenizer(model: GgufModel) -> dict[str, object]:
    tokens, fields = model.fields["tokenizer.ggml.tokens"], model.fields
    pad = fields.get("tokenizer.ggml.padding_token_id")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.facts.context_tokens,
        "bos_token": tokens[model.facts.bos_id] if fields.get("tokenizer.ggml.add_bos_token") else None,
        "eos_token": tokens[model.facts.eos_ids[0]],
        "pad_token": None if pad is None else tokens[pad],
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def _read_purpose(fields: dict[str, Any]) -> dict[str, str]:
    keys = (PROMPT_LAYOUT_KEY, DB_ID_KEY, FINGERPRINT_KEY, DIALECT_KEY)
    return {key: fields[key] for key in keys if fields.get(key)}


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
