"""Load a folder of unquantised weights with transformers, and the LoRA adapter over it with peft.

In: a Checkpoint. Out: a LoadedModel, ready to write, on the GPU if torch has one. What would make it answer wrongly
without any error is refused: weights that are missing, an adapter that is not whole. Nothing is downloaded, and no code
of the folder is run. torch, transformers and peft are imported inside functions. Writes no text.
"""

from __future__ import annotations

import hashlib
import inspect
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.backends.base import END_OF_REPLY
from assistant.backends.checkpoint import ADAPTER_WEIGHTS, BASE_WEIGHTS_KEY, Checkpoint
from assistant.backends.metadata import PROMPT_LAYOUT_KEY, read_metadata, usable_context
from assistant.errors import BackendError
from assistant.types import ModelInfo

END_OF_DOCUMENT = "<|endoftext|>"
"""The other token that ends ChatML; llama.cpp stops at it too, whatever the folder names as its end."""
OWN_TEMPLATE_SHA256 = "9a6ac2cf411f21cf1fa155617d146256deee33e64c43eace6c36fd9eb3dd5a2a"
"""Digest of `prompts.CHAT_TEMPLATE` (a test holds them together): a tokenizer with it was made by `training.tokenizer`
for a model that knows its schema by heart. Its folder is prompted in the layout that `queryforge export` assumes."""
DEFAULT_CONTEXT_TOKENS = 2048
"""Taken when config.json does not say what the model was trained with."""
_TWO_MODELS = "Its files belong to different models, or were not copied whole; copy or save the model again."
_INSTALL = "Install what is missing with: pip install -e '.[train]'"


@dataclass(frozen=True)
class LoadedModel:
    """A model, ready to write."""

    model: Any
    """transformers' model, in evaluation mode on its device."""
    tokenizer: Any
    """transformers' tokenizer."""
    info: ModelInfo
    """What it says of itself."""
    start_ids: tuple[int, ...]
    """What it wants before every text; mostly nothing."""
    end_ids: frozenset[int]
    """Tokens that end a reply."""
    rows: int
    """Rows of the embedding: token ids are below it."""
    options: dict[str, object]
    """Arguments of every call."""


def import_libraries() -> tuple[Any, Any]:
    """Import torch and transformers, and keep them from writing to the terminal.

    Raises:
        BackendError: One of them is missing or does not load.
    """
    try:
        import torch
        import transformers
    except (ImportError, OSError, RuntimeError) as error:  # the last two: a shared library does not load
        raise BackendError(
            f"A model folder needs the packages 'torch' and 'transformers', which do not load: {first_line(error)}.",
            f"{_INSTALL}. Or use a GGUF file (QUERYFORGE_BACKEND=llamacpp).",
        ) from error
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return torch, transformers


def load_model(checkpoint: Checkpoint) -> LoadedModel:
    """Read tokenizer, weights and adapter.

    Raises:
        BackendError: They do not belong together, or cannot be used here.
        Exception: Whatever else the libraries raise for a file they cannot read.
    """
    torch, transformers = import_libraries()
    base_weights = checkpoint.facts.get(BASE_WEIGHTS_KEY, "stored")
    if checkpoint.adapter_path is not None and base_weights != "stored":
        raise BackendError(
            f"The adapter '{checkpoint.adapter_path}' was trained over {base_weights} weights of its base.",
            "Merge it as it was trained, and use the merged folder: "
            f"python -m training.merging {checkpoint.adapter_path} OUT",
        )
    local = {"local_files_only": True, "trust_remote_code": False}
    # AutoTokenizer would make a Qwen2's by rules of its own, with a normalising step that tokenizer.json does not have.
    is_described = (checkpoint.tokenizer_path / "tokenizer.json").exists()
    kind = transformers.PreTrainedTokenizerFast if is_described else transformers.AutoTokenizer
    tokenizer = kind.from_pretrained(str(checkpoint.tokenizer_path), **local)
    config = transformers.AutoConfig.from_pretrained(str(checkpoint.model_path), **local)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        str(checkpoint.model_path),
        config=config,
        dtype=_choose_dtype(torch, config, device),
        use_safetensors=True,
        output_loading_info=True,
        **local,
    )
    if missing := sorted(report["missing_keys"]):
        # transformers would go on with random numbers in their place.
        raise BackendError(f"The weights of '{checkpoint.model_path}' lack '{missing[0]}'.", _TWO_MODELS)
    accepted = inspect.signature(model.forward).parameters
    if "past_key_values" not in accepted:
        raise BackendError(
            f"The model '{checkpoint.name}' is a {type(model).__name__}, which has no key-value cache.",
            "Only models with attention can be used here.",
        )
    if checkpoint.adapter_path is not None:
        model = _add_adapter(model, checkpoint.adapter_path)
    model = model.to(device).eval()
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        info=_describe(checkpoint, tokenizer, model.config),
        start_ids=_start_ids(tokenizer),
        end_ids=_end_ids(tokenizer, model),
        rows=len(model.get_input_embeddings().weight),
        # Scores of the last place alone: those of a whole prompt over a large vocabulary take gigabytes.
        options={"use_cache": True} | ({"logits_to_keep": 1} if "logits_to_keep" in accepted else {}),
    )


def _choose_dtype(torch: Any, config: Any, device: str) -> Any:
    """Choose the type of the weights: as stored on a GPU; on a processor bfloat16 only where it is stored and fast.

    Measured with Qwen2 0.5B on one core with AVX512-BF16, tokens a second: prompt 269 in bfloat16 and 85 in float32,
    reply 8.3 and 5.9. float16 was no faster.
    """
    if device == "cuda":
        return "auto"
    has: dict[str, object] = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    is_fast = bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    return torch.bfloat16 if is_fast and config.dtype == torch.bfloat16 else torch.float32


def _add_adapter(model: Any, folder: Path) -> Any:
    """Lay an adapter over a model. It is not merged: in bfloat16 the sums would round small changes away."""
    try:
        import peft
    except (ImportError, OSError, RuntimeError) as error:
        raise BackendError(
            f"An adapter needs the package 'peft', which does not load: {first_line(error)}.", f"{_INSTALL}."
        ) from error
    from safetensors import safe_open

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its use of transformers, and what is checked below
        with_adapter = peft.PeftModel.from_pretrained(model, str(folder), local_files_only=True)
    if with_adapter.active_peft_config.is_prompt_learning:
        raise BackendError(
            f"The adapter '{folder}' is no LoRA: it adds to the prompt, not to the weights.", "Use a LoRA adapter."
        )
    wanted = peft.get_peft_model_state_dict(with_adapter, save_embedding_layers=False)
    with safe_open(folder / ADAPTER_WEIGHTS, "np") as file:
        if missing := sorted(set(wanted) - set(file.keys())):
            # peft would leave these layers as they are in the base.
            raise BackendError(f"The adapter '{folder}' lacks '{missing[0]}'.", _TWO_MODELS)
    return with_adapter.get_base_model()


def _describe(checkpoint: Checkpoint, tokenizer: Any, config: Any) -> ModelInfo:
    facts = dict(checkpoint.facts)
    template = tokenizer.chat_template
    is_ours = isinstance(template, str) and hashlib.sha256(template.encode()).hexdigest() == OWN_TEMPLATE_SHA256
    if is_ours:
        facts.setdefault(PROMPT_LAYOUT_KEY, "compact")
    trained = getattr(config.get_text_config(), "max_position_embeddings", None) or DEFAULT_CONTEXT_TOKENS
    return read_metadata(
        checkpoint.name,
        "huggingface",
        facts,
        # Rounded as for llama.cpp, so that both read the same prompts, but never beyond what was trained.
        context_tokens=min(usable_context(trained), trained),
        size_bytes=checkpoint.size_bytes,
        path=checkpoint.adapter_path or checkpoint.model_path,
    )


def _start_ids(tokenizer: Any) -> tuple[int, ...]:
    """Give the token that the tokenizer itself would put before a text, if any; what it would put behind is left."""
    first = tokenizer("").input_ids[:1]
    return tuple(first) if first == [tokenizer.bos_token_id] else ()


def _end_ids(tokenizer: Any, model: Any) -> frozenset[int]:
    known = tokenizer.get_vocab()
    found = {known[text] for text in (END_OF_REPLY, END_OF_DOCUMENT) if text in known}
    for source in (tokenizer, model.config, model.generation_config):
        named = getattr(source, "eos_token_id", None)
        found.update(named if isinstance(named, list) else [] if named is None else [named])
    return frozenset(found)


def first_line(error: BaseException) -> str:
    """Give the first line of what an error of another library says."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
