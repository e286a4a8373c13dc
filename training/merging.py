"""A LoRA adapter laid over its base: every tensor as it is after merging, read one at a time. Needs no torch.

In: a model folder, or an adapter folder as peft writes it, with its base. Out: a ModelSource for the converter; or, by
`merge_adapter`, a folder as transformers reads it. Sums are float32. What peft would compute in another way than
base + scale * B @ A is refused. An adapter of QLoRA has seen its base through NF4; `base_weights="nf4"` merges it into
just those numbers (this alone needs torch and bitsandbytes).

    python -m training.merging runs/tuned/adapter runs/tuned/merged
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assistant.backends.checkpoint import BASE_WEIGHTS_KEY, FACTS_FILE, Checkpoint, find_checkpoint
from assistant.errors import BackendError, QueryForgeError, TrainingError
from training.model_folder import ModelFacts, read_facts, read_json
from training.weights import Tensor, open_tensor_file, open_tensors, require_disk_space, tensor_bytes, write_tensors

BaseWeights = Literal["stored", "nf4"]

EMBEDDING, OUTPUT = "model.embed_tokens.weight", "lm_head.weight"
_PREFIX = "base_model.model."
_COPIED = ("tokenizer*", "special_tokens_map.json", "vocab.json", "merges.txt", "chat_template.jinja")
# Options of peft's LoraConfig, each with the values under which it adds scale * B @ A and nothing else.
_PLAIN: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    "fan_in_fan_out": (False, None),
    "use_dora": (False, None),
    "use_qalora": (False, None),
    "lora_bias": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "layer_replication": (None,),
    "alora_invocation_tokens": (None,),
    "init_lora_weights": (True, False, "gaussian", "eva", "orthogonal", None),
}


@dataclass(frozen=True)
class ModelSource:
    """A model ready to be converted."""

    model_dir: Path
    """Folder of config.json."""
    tokenizer_dir: Path
    """Folder of the tokenizer."""
    facts: ModelFacts
    """What config.json says, and an adapter has changed."""
    metadata: Mapping[str, str]
    """Content of `queryforge.json`."""
    tensors: Mapping[str, Tensor]
    """transformers' name -> tensor, unread."""


@dataclass(frozen=True)
class _Adapted:
    """A matrix of the base and what the adapter adds to it."""

    base: Tensor
    low: Tensor
    """A (rank, columns)."""
    high: Tensor
    """B (rows, rank)."""
    scale: float

    @property
    def dtype(self) -> str:
        return self.base.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.base.shape

    def read(self) -> NDArray[np.float32]:
        values = self.base.read()
        values += (self.high.read() * np.float32(self.scale)) @ self.low.read()
        return values


@dataclass(frozen=True)
class _ThroughNf4:
    """A matrix as QLoRA has it: bfloat16, to NF4, doubly quantised in blocks of 64, and back.

    Dettmers et al. 2023, "QLoRA" (arXiv 2305.14314), section 3.
    """

    base: Tensor

    @property
    def dtype(self) -> str:
        return self.base.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.base.shape

    def read(self) -> NDArray[np.float32]:
        import torch
        from bitsandbytes import functional

        device = "cuda" if torch.cuda.is_available() else "cpu"
        values = torch.from_numpy(self.base.read()).to(device, torch.bfloat16)
        packed, state = functional.quantize_4bit(values, blocksize=64, compress_statistics=True, quant_type="nf4")
        back: NDArray[np.float32] = functional.dequantize_4bit(packed, state).float().cpu().numpy()
        return back


def open_source(folder: Path, *, base_dir: Path | None = None, base_weights: BaseWeights | None = None) -> ModelSource:
    """Find what a folder holds: a model, or an adapter over a base.

    Args:
        folder: The model or adapter.
        base_dir: Base of the adapter; None for the one that it names.
        base_weights: What the adapter is laid over: the base as it is stored or, after QLoRA, as NF4 left it. None for
            what `queryforge.json` says, else as stored.

    Raises:
        TrainingError: A file is missing or broken, or the adapter is of a kind that is not known here.
    """
    is_adapter = (folder / "adapter_config.json").exists() and not (folder / "config.json").exists()
    try:
        found = find_checkpoint(base_dir if is_adapter and base_dir else folder)
    except BackendError as error:
        hint = "Give a folder as transformers or peft writes it: config.json or adapter_config.json, and safetensors."
        raise TrainingError(error.message, hint) from error
    if not is_adapter:
        facts = read_facts(found.model_path)
        return ModelSource(found.model_path, found.tokenizer_path, facts, found.facts, open_tensors(found.model_path))
    return _lay_over(folder, found, base_weights)


def merge_adapter(
    adapter_dir: Path,
    out_dir: Path,
    *,
    base_dir: Path | None = None,
    base_weights: BaseWeights | None = None,
) -> Path:
    """Write the merged model as transformers reads it, in the number type of the base; give its folder.

    One matrix is in memory at a time. The folder appears whole or not at all.

    Raises:
        TrainingError: See `open_source`; or the folder exists, or cannot be written.
    """
    source = open_source(adapter_dir, base_dir=base_dir, base_weights=base_weights)
    if out_dir.exists():
        raise TrainingError(f"'{out_dir}' exists.", "Choose another folder or remove it.")
    config = read_json(source.model_dir / "config.json")
    config |= {"vocab_size": source.facts.vocab_size, "tie_word_embeddings": source.facts.is_tied}
    partial = out_dir.with_name(out_dir.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of a merge that was killed
        partial.mkdir(parents=True)
        require_disk_space(partial, sum(map(tensor_bytes, source.tensors.values())), "The merged model")
        write_tensors(partial / "model.safetensors", source.tensors)
        (partial / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        if source.metadata:
            facts = {key: value for key, value in source.metadata.items() if key != BASE_WEIGHTS_KEY}
            (partial / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        kept = [path for pattern in _COPIED for path in source.tokenizer_dir.glob(pattern)]
        for path in (*kept, *source.model_dir.glob("generation_config.json")):
            shutil.copy(path, partial / path.name)
        os.replace(partial, out_dir)
    except OSError as error:
        raise TrainingError(
            f"Cannot write '{out_dir}': {error}.", "Choose another place or free disk space."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out_dir


def _lay_over(folder: Path, base: Checkpoint, base_weights: BaseWeights | None) -> ModelSource:
    config_path, path = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    scale_of = _read_scale(config_path)
    facts = read_facts(base.model_path)
    metadata = _read_metadata(folder) or base.facts
    weights = base_weights or metadata.get(BASE_WEIGHTS_KEY, "stored")
    if weights not in ("stored", "nf4"):
        raise TrainingError(f"'{folder / FACTS_FILE}' has {weights!r} for '{BASE_WEIGHTS_KEY}'.", "Known: stored, nf4.")
    tensors: dict[str, Tensor] = dict(open_tensors(base.model_path))
    if weights == "nf4":
        layers = [name for name, tensor in tensors.items() if ".layers." in name and len(tensor.shape) == 2]
        tensors |= {name: _ThroughNf4(tensors[name]) for name in layers}
    low, high, whole = _sort(path, tensors)
    facts = _replace_whole(path, tensors, whole, facts)
    for module in low:
        if module + ".weight" == OUTPUT and facts.is_tied:
            raise TrainingError(f"'{path}' adapts the output of a model whose output is its embedding.", _UNKNOWN)
        matrix = tensors[module + ".weight"]
        if (high[module].shape[0], low[module].shape[1]) != matrix.shape:
            raise TrainingError(
                f"'{path}' adapts '{module}' as {(high[module].shape[0], low[module].shape[1])}, the base has "
                f"{matrix.shape}.",
                "Adapter and base belong to different models.",
            )
        scale = scale_of(low[module].shape[0])
        tensors[module + ".weight"] = _Adapted(matrix, low[module], high[module], scale)
    has_tokenizer = (folder / "tokenizer.json").exists()
    return ModelSource(base.model_path, folder if has_tokenizer else base.tokenizer_path, facts, metadata, tensors)


_UNKNOWN = "Merge it with peft (merge_and_unload, save_pretrained) and give the merged folder."


def _read_scale(path: Path) -> Any:
    """Read how an adapter is weighted; give the function from rank to scale."""
    config = read_json(path)
    for key, values in _PLAIN.items():
        if key in config and config[key] not in values:
            raise TrainingError(f"'{path}' has {config[key]!r} for '{key}', which is not known here.", _UNKNOWN)
    try:
        alpha = float(config["lora_alpha"])
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"'{path}' has no 'lora_alpha'.", "Save the adapter again with peft.") from error
    root = 0.5 if config.get("use_rslora") else 1.0
    return lambda rank: alpha / rank**root


def _sort(path: Path, base: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Sort an adapter's tensors: A by module, B by module, and whole tensors by name."""
    low: dict[str, Tensor] = {}
    high: dict[str, Tensor] = {}
    whole: dict[str, Tensor] = {}
    for name, tensor in open_tensor_file(path).items():
        # What lies under an adapter is stored too when it is the embedding or the output.
        inner = name.removeprefix(_PREFIX).replace(".base_layer.", ".")
        module, _, part = inner.rpartition(".lora_")
        if part == "A.weight" and module + ".weight" in base:
            low[module] = tensor
        elif part == "B.weight" and module + ".weight" in base:
            high[module] = tensor
        elif inner in base or inner == OUTPUT:
            whole[inner] = tensor
        else:
            raise TrainingError(f"'{path}' holds '{name}', which fits no matrix of the base.", _UNKNOWN)
    if low.keys() != high.keys() or not low.keys() | whole.keys():
        raise TrainingError(f"'{path}' is incomplete.", "Save the adapter again with peft.")
    return low, high, whole


def _replace_whole(
    path: Path, tensors: dict[str, Tensor], whole: Mapping[str, Tensor], facts: ModelFacts
) -> ModelFacts:
    """Put in the tensors that were trained whole, and say what that makes of the model."""
    tensors |= whole
    if facts.is_tied and whole.keys() & {EMBEDDING, OUTPUT}:
        if not whole.keys() >= {EMBEDDING, OUTPUT}:
            raise TrainingError(
                f"'{path}' replaces the embedding or the output of a model that has one matrix for both.", _UNKNOWN
            )
        is_same = np.array_equal(whole[EMBEDDING].read(), whole[OUTPUT].read())
        facts = facts.model_copy(update={"is_tied": is_same})
        if is_same:
            del tensors[OUTPUT]
    return facts.model_copy(update={"vocab_size": tensors[EMBEDDING].shape[0]}) if EMBEDDING in whole else facts


def _read_metadata(folder: Path) -> dict[str, str]:
    path = folder / FACTS_FILE
    return {key: str(value) for key, value in read_json(path).items()} if path.exists() else {}


def main(argv: list[str] | None = None) -> int:
    """Merge an adapter into its base; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.merging", description="Merge an adapter into its base.")
    parser.add_argument("adapter_dir", type=Path, help="adapter folder as peft writes it")
    parser.add_argument("out_dir", type=Path, help="folder to write")
    parser.add_argument("--base", dest="base_dir", type=Path, help="base model, if not where the adapter says")
    parser.add_argument("--base-weights", choices=["stored", "nf4"], help="what the adapter was trained over")
    try:
        print(merge_adapter(**vars(parser.parse_args(argv))))  # noqa: T201
    except QueryForgeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
