"""Which tensors a GGUF has, what each is called, and how its numbers are stored.

In: a model's facts and its tensors. Out: planned tensors, and their bytes on the end of a file. Shapes are compared
with config.json; missing, superfluous and misshapen tensors are refused. Knows no keys and no vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import gguf
import numpy as np
from numpy.typing import NDArray

from assistant.errors import TrainingError
from training.merging import EMBEDDING, OUTPUT
from training.model_folder import ModelFacts, RopeStretch
from training.weights import Tensor

Kind: TypeAlias = gguf.GGMLQuantizationType

STORED_TYPES: dict[str, Kind] = {"f32": Kind.F32, "f16": Kind.F16, "bf16": Kind.BF16, "q8_0": Kind.Q8_0}
"""Types of matrices that are written here."""
Q8_BLOCK = 32
"""Numbers of a row that share a scale in Q8_0."""

_LARGEST_F16 = float(np.finfo(np.float16).max)
_CHUNK = 1 << 24  # numbers quantised at once: bounds memory, and lets the progress bar move
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


@dataclass(frozen=True)
class PlannedTensor:
    """One tensor of the GGUF."""

    name: str
    """llama.cpp's name."""
    source: str
    """transformers' name; empty for what is computed."""
    shape: tuple[int, ...]
    """Shape, rows first."""
    kind: Kind
    """How its numbers are stored."""
    read: Callable[[], NDArray[np.float32]]
    """Gives its numbers in llama.cpp's order."""

    @property
    def byte_shape(self) -> tuple[int, ...]:
        """Shape counted in bytes along each row."""
        return tuple(int(size) for size in gguf.quant_shape_to_byte_shape(self.shape, self.kind))

    @property
    def size_bytes(self) -> int:
        """Bytes in the file, without padding."""
        return math.prod(self.byte_shape)


def plan_tensors(tensors: Mapping[str, Tensor], facts: ModelFacts, wanted: str) -> list[PlannedTensor]:
    """Decide what the GGUF will hold.

    Args:
        tensors: transformers' name -> tensor.
        facts: What config.json says.
        wanted: A key of STORED_TYPES, for the matrices; vectors are always F32.

    Raises:
        TrainingError: A tensor is missing, superfluous or misshapen.
    """
    wanted_shapes = expect_tensors(facts)
    superfluous = set(tensors) - {source for source, _ in wanted_shapes.values()}
    superfluous -= {OUTPUT} if facts.is_tied else set()
    if superfluous:
        raise TrainingError(
            f"The weights hold '{min(superfluous)}', which a plain {facts.architecture} does not have.",
            "Other architectures need the converter of llama.cpp.",
        )
    for source, shape in wanted_shapes.values():
        if source not in tensors:
            raise TrainingError(f"The weights lack '{source}'.", "Save the model again with transformers.")
        if tensors[source].shape != shape:
            raise TrainingError(
                f"'{source}' has the shape {tensors[source].shape}; config.json asks for {shape}.",
                "Weights and config.json belong to different models.",
            )
    planned = []
    if facts.rope_stretch is not None:
        divisors = _divide_frequencies(facts.rope_stretch, facts.rope_theta, facts.head_size)
        planned.append(PlannedTensor("rope_freqs.weight", "", divisors.shape, Kind.F32, lambda: divisors))
    for name, (source, shape) in wanted_shapes.items():
        reader = _reader(tensors[source], facts, name)
        planned.append(PlannedTensor(name, source, shape, _choose_kind(shape, wanted), reader))
    return planned


def append_tensors(path: Path, planned: list[PlannedTensor], on_bytes: Callable[[int], object]) -> None:
    """Write the tensors behind a GGUF's header, in order and aligned; one is in memory at a time.

    Raises:
        TrainingError: A tensor holds infinite numbers, or too large ones for F16.
        OSError: The file cannot be written.
    """
    with path.open("ab") as file:
        _align(file)
        for tensor in planned:
            values = tensor.read().reshape(-1, tensor.shape[-1])
            rows = max(1, _CHUNK // tensor.shape[-1])
            for start in range(0, len(values), rows):
                part = values[start : start + rows]
                _refuse_wild(tensor, part)
                on_bytes(file.write(np.ascontiguousarray(gguf.quantize(part, tensor.kind)).data.cast("B")))
            _align(file)


def expect_tensors(facts: ModelFacts) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Give llama.cpp's name -> transformers' name and shape, for every tensor of an architecture."""
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
    expected: dict[str, tuple[str, tuple[int, ...]]] = {
        "token_embd.weight": (EMBEDDING, (facts.vocab_size, hidden)),
        "output_norm.weight": ("model.norm.weight", (hidden,)),
    }
    if not facts.is_tied:
        expected["output.weight"] = (OUTPUT, (facts.vocab_size, hidden))
    for layer in range(facts.num_layers):
        for part, name in _LAYER_NAMES.items():
            shape = layer_shapes[part]
            expected[f"blk.{layer}.{name}.weight"] = (f"model.layers.{layer}.{part}.weight", shape)
            if facts.has_bias and name in ("attn_q", "attn_k", "attn_v"):
                expected[f"blk.{layer}.{name}.bias"] = (f"model.layers.{layer}.{part}.bias", shape[:1])
    return expected


def _reader(tensor: Tensor, facts: ModelFacts, name: str) -> Callable[[], NDArray[np.float32]]:
    heads = facts.num_heads if ".attn_q." in name else facts.num_kv_heads if ".attn_k." in name else 0
    if facts.architecture == "llama" and heads:
        return lambda: _interleave(tensor.read(), heads)
    return tensor.read


def _interleave(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder the rows of each head: transformers rotates halves, llama.cpp's `llama` rotates neighbours."""
    rows, *rest = values.shape
    return values.reshape(heads, 2, rows // heads // 2, *rest).swapaxes(1, 2).reshape(values.shape)


def _divide_frequencies(stretch: RopeStretch, theta: float, head_size: int) -> NDArray[np.float32]:
    """Give what each rotary frequency is divided by (head_size / 2), from fast to slow.

    Llama 3.1's rule, as transformers has it (`_compute_llama3_parameters` in modeling_rope_utils.py).
    """
    frequencies = theta ** -(np.arange(0, head_size, 2, dtype=np.float64) / head_size)
    waves = stretch.original_context_tokens * frequencies / (2 * math.pi)  # in the original context
    # 0 where a wave is stretched fully, 1 where it stays as it is.
    kept = (waves - stretch.low_freq_factor) / (stretch.high_freq_factor - stretch.low_freq_factor)
    kept = kept.clip(0.0, 1.0)
    return (1.0 / (kept + (1.0 - kept) / stretch.factor)).astype(np.float32)


def _choose_kind(shape: tuple[int, ...], wanted: str) -> Kind:
    if len(shape) == 1:
        return Kind.F32
    # Rows that are no whole blocks stay in half precision, as llama.cpp's own quantiser leaves them.
    if wanted == "q8_0" and shape[-1] % Q8_BLOCK:
        return Kind.F16
    return STORED_TYPES[wanted]


def _refuse_wild(tensor: PlannedTensor, values: NDArray[np.float32]) -> None:
    largest = max(float(values.max()), -float(values.min()))
    if not math.isfinite(largest):  # also when one is no number
        raise TrainingError(f"'{tensor.source}' holds infinite numbers.", "The training has diverged.")
    # Q8_0 keeps the scale of a block in half precision.
    if tensor.kind in (Kind.F16, Kind.Q8_0) and largest >= _LARGEST_F16:
        raise TrainingError(f"'{tensor.source}' holds numbers too large for half precision.", "Use --type bf16.")


def _align(file: BinaryIO) -> None:
    file.write(b"\0" * (-file.tell() % gguf.GGUF_DEFAULT_ALIGNMENT))
