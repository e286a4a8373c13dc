"""Someone's model as the start of ours: found, checked, loaded, given adapters, and saved again.

In: the name or folder of a base model and a FinetuneConfig. Out: transformers' model and tokenizer, ready to train; and
a folder with the adapters alone or with all weights, which backends serve (adapters of QLoRA once `merging` has added
them). Loads nothing from a network, no pickles and no code from a model's folder. Trains nothing.

Only architectures whose layers, output matrix and conversion to GGUF are known here are taken: others may scale or cap
their logits, and would be trained on something else than they compute in use.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError

from assistant.backends.checkpoint import FACTS_FILE
from assistant.errors import TrainingError, UsageError
from assistant.prompts import CHAT_TEMPLATE
from training.finetune_config import FinetuneConfig

MOST_WARMUP_SHARE = 0.1
"""Share of a training by the clock after which the rate has risen, however few its steps were."""
ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM")

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
# It announces on stderr that it lacks an optional package for quicker answers on a CPU.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def find_base(name: str) -> Path:
    """Find the folder of a base model.

    Args:
        name: A folder, or the name of a model in the Hugging Face cache.

    Raises:
        TrainingError: It is neither, or its weights are not all there.
    """
    folder = Path(name)
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(name, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError, OSError, ValueError) as error:
            raise _not_there(f"The base model '{name}' is not on this machine", name) from error
    if not (folder / "config.json").exists():
        raise _not_there(f"'{folder}' has no config.json", name)
    if missing := _missing_weights(folder):
        raise _not_there(f"The base model in '{folder}' lacks its weights '{missing}'", name)
    return folder


def read_shape(folder: Path) -> Any:
    """Read config.json as transformers does.

    Raises:
        TrainingError: It is broken, or of an architecture that is not known here.
    """
    path = folder / "config.json"
    try:
        named = json.loads(path.read_text(encoding="utf-8")).get("architectures") or ["none"]
        if named[0] not in ARCHITECTURES:
            raise TrainingError(
                f"'{path}' names the architecture {named[0]!r}, which is not known here.",
                f"Known: {', '.join(ARCHITECTURES)}; take a base model of one of them.",
            )
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise TrainingError(f"Cannot read '{path}': {_first_line(error)}.", "Download the base model again.") from error


def load_tokenizer(folder: Path) -> Any:
    """Load a base model's tokenizer exactly as its tokenizer.json describes it, which a backend does too.

    AutoTokenizer would make some, such as Qwen2's, anew from their vocabulary, by rules of its own.

    Raises:
        TrainingError: It is missing or broken.
    """
    if not (folder / "tokenizer.json").exists():
        raise TrainingError(f"'{folder}' has no tokenizer.json.", "Take a base model that has one.")
    try:
        return transformers.PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # tokenizers raises bare Exception for a malformed file
        raise TrainingError(
            f"Cannot read the tokenizer in '{folder}': {_first_line(error)}.", "Download the base model again."
        ) from error


def choose_device(config: FinetuneConfig) -> torch.device:
    """Decide where to train.

    Raises:
        TrainingError: The config asks for a GPU or a precision that is not there.
    """
    has_gpu = torch.cuda.is_available()
    if config.device == "cuda" and not has_gpu:
        raise TrainingError(
            "The config asks for CUDA, and torch finds no GPU.",
            "Check 'nvidia-smi' and that torch is a CUDA build; --set device=auto would train on the CPU.",
        )
    device = torch.device("cuda", torch.cuda.current_device()) if has_gpu and config.device != "cpu" else None
    if device and config.precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise TrainingError(
            f"The GPU {torch.cuda.get_device_name(device)} does not compute in bfloat16.", "Add --set precision=fp32."
        )
    return device or torch.device("cpu")


def load_model(folder: Path, config: FinetuneConfig, device: torch.device) -> Any:
    """Load a base model, quantised if the method wants it, with adapters unless all weights are trained.

    Raises:
        TrainingError: The weights are missing, damaged or do not fit into memory.
        UsageError: The model has no layers of the names that should get adapters.
    """
    is_full = config.method == "full"
    frozen_type = torch.float32 if config.precision == "fp32" else torch.bfloat16
    options: dict[str, Any] = {"dtype": torch.float32 if is_full else frozen_type}
    # Imported before anything is loaded: when one is missing, the command says how to install it.
    if not is_full:
        import peft  # noqa: F401
    if config.method == "qlora":
        import bitsandbytes  # noqa: F401

        options["device_map"] = {"": str(device)}
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=frozen_type,
        )
    try:
        model, found = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            attn_implementation="sdpa",
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
        if missing := sorted(found["missing_keys"]):
            raise ValueError(f"the weights lack '{missing[0]}'")
        if config.method != "qlora":
            model = model.to(device)
        for part in model.modules():
            # On some CPUs bitsandbytes would pack a layer anew, with coarser scales and for good, when it first
            # answers: looking at held-out examples would change what is trained on.
            if hasattr(part, "support_avx512bf16_for_cpu"):
                part.support_avx512bf16_for_cpu = False
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise out_of_memory(config, device) from error
        raise TrainingError(
            f"Cannot load the base model '{folder}': {_first_line(error)}.",
            "Its files may be damaged or belong to different models; download it again.",
        ) from error
    if config.gradient_checkpointing:
        # Its name in newer releases of transformers, and the one before.
        name = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
        getattr(model, f"{name}_checkpointing_enable")(**{f"{name}_checkpointing_kwargs": {"use_reentrant": False}})
    return model if is_full else add_adapters(model, config)


def add_adapters(model: Any, config: FinetuneConfig) -> Any:
    """Lay untrained adapters, in float32, over a model that is frozen from then on.

    peft's `prepare_model_for_kbit_training` is not used: it would hold embedding and output matrix in float32, which
    for 152,000 tokens takes gigabytes; the norms compute in float32 in any case.

    Raises:
        UsageError: The model has no layers of the names that should get adapters.
    """
    import peft

    adapters = peft.LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.lora_targets),
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(config.seed)
    try:
        with warnings.catch_warnings():
            # peft still asks transformers by a name that is to go; that is between the two of them.
            warnings.simplefilter("ignore", FutureWarning)
            adapted = peft.get_peft_model(model, adapters)
    except ValueError as error:
        raise UsageError(
            f"Cannot lay adapters over '{config.base_model}': {_first_line(error)}.", "Correct lora_targets."
        ) from error
    # The base's name, not the place in the cache where it was found; a folder in full, from wherever it is served.
    folder = Path(config.base_model)
    adapters.base_model_name_or_path = str(folder.resolve()) if folder.is_dir() else config.base_model
    return adapted


def make_optimizer(model: Any, config: FinetuneConfig) -> torch.optim.Optimizer:
    """Make AdamW over what is to be trained, with a higher rate for B matrices if the config wants LoRA+."""
    options: dict[str, Any] = {"lr": config.learning_rate, "fused": True}
    if config.method != "full":
        from peft.optimizers import create_loraplus_optimizer

        lora: torch.optim.Optimizer = create_loraplus_optimizer(
            model,
            torch.optim.AdamW,
            loraplus_lr_ratio=config.lora_plus_ratio,
            loraplus_weight_decay=config.weight_decay,
            **options,
        )
        return lora
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [weight for weight in weights if weight.dim() == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, **options)


def make_schedule(optimizer: torch.optim.Optimizer, config: FinetuneConfig, steps: int) -> Any:
    """Make the schedule of the learning rate: up in a line, down along a cosine to 0 at the last step."""
    return transformers.get_cosine_schedule_with_warmup(optimizer, config.warmup_steps, steps)


def make_timed_schedule(
    optimizer: torch.optim.Optimizer, config: FinetuneConfig, measure_share: Callable[[], float]
) -> Any:
    """Make the same schedule for a training that ends by the clock.

    Args:
        optimizer: Whose rates are set.
        config: The fine-tuning.
        measure_share: Tells which share of the training is done, 0 to 1.
    """

    def factor(step: int) -> float:
        share = min(1.0, measure_share())
        # A slow machine may have time for fewer steps than warm the rate up.
        warm = max((step + 1) / config.warmup_steps, share / MOST_WARMUP_SHARE) if config.warmup_steps else 1.0
        return min(1.0, warm) * (0.5 + 0.5 * math.cos(math.pi * share))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def save_result(model: Any, base_folder: Path, folder: Path, config: FinetuneConfig, facts: Mapping[str, str]) -> None:
    """Write what a backend serves: weights or adapters, the base's tokenizer with our chat template, the facts.

    The folder appears whole; one that was there before is replaced.

    Raises:
        TrainingError: It cannot be written.
    """
    partial, old = folder.with_name(folder.name + ".partial"), folder.with_name(folder.name + ".old")
    try:
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
        if config.method == "full":
            model.save_pretrained(partial)
        else:
            model.save_pretrained(partial, save_embedding_layers=False)
            # peft adds a card full of blanks to fill in.
            (partial / "README.md").unlink(missing_ok=True)
        _copy_tokenizer(base_folder, partial)
        (partial / FACTS_FILE).write_text(json.dumps(dict(facts), indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            os.replace(folder, old)
        os.replace(partial, folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"Cannot write the result '{folder}': {_first_line(error)}.",
            "Free some disk space; the same command then goes on from the last checkpoint.",
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether torch had no memory left, on a GPU or on the CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def out_of_memory(config: FinetuneConfig, device: torch.device) -> TrainingError:
    """Word that the memory is too small, with what helps most first."""
    remedies = []
    if config.micro_batch_size > 1:
        remedies.append("micro_batch_size=1")
    if not config.gradient_checkpointing:
        remedies.append("gradient_checkpointing=true")
    if config.method != "qlora":
        remedies.append("method=qlora")
    remedies.append(f"context_tokens={config.context_tokens // 2}")
    return TrainingError(
        f"The {device.type} has too little memory for rows of {config.context_tokens} tokens of '{config.base_model}'.",
        f"Add {' or '.join(f'--set {remedy}' for remedy in remedies)}, or take a smaller base model.",
    )


def _copy_tokenizer(base_folder: Path, folder: Path) -> None:
    """Copy the tokenizer's own files, so that its tokens stay exactly what they were; only the template is ours."""
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        if (base_folder / name).exists():
            shutil.copyfile(base_folder / name, folder / name)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    settings["chat_template"] = CHAT_TEMPLATE
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _missing_weights(folder: Path) -> str:
    """Name a file of weights that is missing; empty when all are there."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").exists():
        return ""
    if not index.exists():
        return "model.safetensors"
    try:
        parts = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return index.name
    return next((str(part) for part in parts if not (folder / str(part)).exists()), "")


def _not_there(message: str, name: str) -> TrainingError:
    if Path(name).is_absolute() or name.startswith(".") or name.count("/") != 1:
        return TrainingError(f"{message}.", "Give base_model the folder of a model as transformers writes it.")
    return TrainingError(
        f"{message}.",
        f"Download it: hf download {name} (for a model whose licence has to be accepted on its page first, log in with "
        "'hf auth login'). Or give base_model a folder.",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
