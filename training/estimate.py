"""What a fine-tuning will need, known before anything is loaded: memory, disk, arithmetic.

In: a FinetuneConfig and the shape of its base model. Out: a Needs record; and errors or warnings where the machine has
less. The weights are counted on a model without memory; what is kept for the backward pass follows a formula whose
coefficients were measured (tests hold it to what torch keeps). Left out: what libraries take for themselves (on a GPU
0.5 to 1 GB) and memory lost between allocations, so take it for the least that is needed.

Shapes: h hidden size, f inner width of the feed-forward blocks, k width of keys, V vocabulary.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from assistant.errors import TrainingError
from assistant.types import Record
from training.checkpoints import KEPT
from training.finetune_config import FinetuneConfig

NF4_BYTES = 0.5 + (8 / 64 + 32 / (64 * 256)) / 8
"""Bytes of a weight in NF4: four bits, a scale of 8 bits for 64 weights, one of 32 bits for 256 of those (Dettmers et
al. 2023, "QLoRA", arXiv 2305.14314, section 3)."""

LEARNING_SHARE = 0.25
"""Share of tokens that belong to a reply, where no data are at hand."""

SLOW_H = 24.0
"""Hours on a CPU beyond which a person is warned."""

GIB = 2**30


class Needs(Record):
    """What a fine-tuning needs."""

    parameters: int
    """Weights of the base."""
    trainable_parameters: int
    """Weights that are trained."""
    weights_bytes: int
    """The base in memory."""
    training_bytes: int
    """Trained adapters, gradients, both moments of AdamW and casts."""
    activation_bytes: int
    """What the backward pass needs of one micro batch, logits included."""
    memory_bytes: int
    """All three together."""
    checkpoint_bytes: int
    """One checkpoint."""
    disk_bytes: int
    """Checkpoints, one being written, and the result."""
    step_operations: float
    """Multiplications and additions of a step; attention's own, small at these lengths, are left out."""


def estimate_needs(
    config: FinetuneConfig, shape: Any, *, row_tokens: float | None = None, learning_share: float = LEARNING_SHARE
) -> Needs:
    """Estimate what a fine-tuning needs.

    Args:
        config: The fine-tuning.
        shape: transformers' configuration of the base model.
        row_tokens: Tokens of a row on average; the context, where no data are at hand.
        learning_share: Share of tokens that belong to a reply.
    """
    model = _without_memory(shape)
    linear = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    head = model.get_output_embeddings()
    inner = sum(part.weight.numel() for part in linear.values() if part is not head)
    total = sum(weight.numel() for weight in model.parameters())
    is_full, is_bf16 = config.method == "full", config.precision == "bf16"
    adapters = sum(
        config.lora_rank * (part.in_features + part.out_features)
        for name, part in linear.items()
        if name.endswith(config.lora_targets) and part is not head
    )
    trained = total if is_full else adapters
    frozen_bytes = 2 if is_bf16 else 4
    if is_full:
        weights = 4 * total
    elif config.method == "lora":
        weights = frozen_bytes * total
    else:
        # A quantised layer is spread out again while it computes, one at a time.
        largest = max(part.weight.numel() for part in linear.values() if part is not head)
        weights = int(NF4_BYTES * inner) + frozen_bytes * (total - inner + largest)
    # Float32: gradient and two moments; adapters themselves; under autocast a copy of each matrix in bfloat16.
    training = 12 * trained + (0 if is_full else 4 * trained) + (2 * trained if is_bf16 else 0)
    activations = _activation_bytes(config, shape, learning_share)
    checkpoint = 12 * trained
    row = min(row_tokens or config.context_tokens, config.context_tokens)
    # Forward 2 a weight and token, backward 2 for the inputs and 2 for the weights, forward once more if not kept.
    passes = 2 + 2 + (2 if is_full else 0) + (2 if config.gradient_checkpointing else 0)
    head_operations = (6 if is_full else 4) * head.weight.numel() * learning_share
    return Needs(
        parameters=total,
        trainable_parameters=trained,
        weights_bytes=weights,
        training_bytes=training,
        activation_bytes=activations,
        memory_bytes=weights + training + activations,
        checkpoint_bytes=checkpoint,
        # The newest, the best and the one being written.
        disk_bytes=(KEPT + 2) * checkpoint + 4 * trained,
        step_operations=config.batch_size * row * (passes * inner + head_operations),
    )


def check_memory(needs: Needs, device: torch.device, say: Callable[[str], None]) -> None:
    """Refuse what cannot fit, and warn of what may not.

    Raises:
        TrainingError: The weights and what trains them alone need more memory than the device has.
    """
    total, free = _memory(device)
    wanted = f"{needs.memory_bytes / GIB:.1f} GiB"
    where = f"the {'GPU' if device.type == 'cuda' else 'machine'} has {total / GIB:.1f} GiB"
    if needs.weights_bytes + needs.training_bytes > total:
        raise TrainingError(
            f"This fine-tuning needs at least {wanted} of memory; {where}.",
            "Take --set method=qlora, a smaller base model, or a larger machine.",
        )
    if needs.memory_bytes > free:
        say(f"about {wanted} of memory are needed; {where}, {free / GIB:.1f} GiB of it free")


def check_time(needs: Needs, steps: int, device: torch.device, say: Callable[[str], None]) -> None:
    """Warn when a CPU, were it never idle, would take very long."""
    if device.type == "cuda":
        return
    hours = needs.step_operations * steps / measure_speed(device) / 3600
    if hours > SLOW_H:
        length = f"{hours / 24:.0f} days" if hours < 24 * 21 else f"{hours / 24 / 7:.0f} weeks"
        say(f"no GPU: {steps} steps will take this CPU at least {length}; a GPU, a smaller base or fewer steps help")


def check_disk(needs: Needs, folder: Path, present_bytes: int) -> None:
    """Refuse to start what could not be saved.

    Args:
        needs: What the fine-tuning needs.
        folder: The run folder; it need not exist.
        present_bytes: Size of what it holds already of that.

    Raises:
        TrainingError: There is too little room.
    """
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    wanted = needs.disk_bytes - present_bytes
    if wanted > free:
        raise TrainingError(
            f"Checkpoints and result need {wanted / GIB:.1f} GiB in '{folder}', and {free / GIB:.1f} GiB are free.",
            "Free some disk space, choose another --out, or train adapters (--set method=lora).",
        )


def measure_speed(device: torch.device, size: int = 1024) -> float:
    """Measure operations a second in products of matrices, in bfloat16: more than a training reaches."""
    # Not drawn: a training that goes on must find its random numbers as it left them.
    matrix = torch.ones(size, size, device=device, dtype=torch.bfloat16)
    times = []
    for _ in range(4):
        started = time.perf_counter()
        torch.mm(matrix, matrix)
        times.append(time.perf_counter() - started)
    return 2 * size**3 / min(times)


def measure_peak_memory(device: torch.device) -> int:
    """Give the most memory used so far, in bytes: of the GPU by torch, else by the whole process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _without_memory(shape: Any) -> Any:
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(shape)


def _activation_bytes(config: FinetuneConfig, shape: Any, learning_share: float) -> int:
    tokens = config.micro_batch_size * config.context_tokens
    h, f = shape.hidden_size, shape.intermediate_size
    heads = shape.num_attention_heads
    k = (getattr(shape, "head_dim", None) or h // heads) * shape.num_key_value_heads
    # Bytes a token keeps in a layer under autocast to bfloat16: counted in torch 2.13 and transformers 5.23.
    layer = 26 * h + 8 * f + 3.5 * k
    if config.method == "full":
        layer += 4.5 * h
    elif config.lora_dropout:
        layer += 4 * (6 * h + f)
    if config.precision == "fp32":
        layer *= 2
    kept = shape.num_hidden_layers * layer
    if config.gradient_checkpointing:
        kept = shape.num_hidden_layers * h * (2 if config.precision == "bf16" else 4) + layer
    # Logits as they are computed, in float32 for the loss, and their gradient.
    logits = 10 * shape.vocab_size * learning_share
    mask = config.micro_batch_size * config.context_tokens * config.context_tokens if config.packing else 0
    return int(tokens * (kept + logits)) + mask


def _memory(device: torch.device) -> tuple[int, int]:
    """Give all and free memory of a device, in bytes."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return int(total), int(free)
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page
    try:
        # What caches hold is free for the asking.
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except OSError:
        pass
    return total, free
