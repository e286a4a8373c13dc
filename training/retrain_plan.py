"""What a training starts from, and how it goes: the recipe with what belongs to this run.

Without a recipe, a small model of this project goes on learning in the loop that it was made in, which on a CPU is some
times faster than the one of larger models; the latter is for all others.

In: a RetrainConfig and the Situation. Out: a folder or GGUF to start from, and the config of the training. Trains
nothing, and writes nothing but the folder that a GGUF is turned back into.
"""

from __future__ import annotations

import math
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from assistant.backends.checkpoint import read_facts
from assistant.backends.metadata import PROMPT_LAYOUT_KEY
from assistant.drivers.engines import parse_url
from assistant.errors import TrainingError, UsageError
from assistant.settings import PROJECT_ROOT, SHIPPED_MODEL
from training.base import BaseConfig
from training.finetune_config import FinetuneConfig
from training.gguf_weights import open_gguf, restore_folder
from training.model_folder import read_json
from training.retrain_config import RetrainConfig
from training.situation import Situation
from training.train import read_training_config

CONFIGS = PROJECT_ROOT / "training" / "configs"
FINETUNE_RECIPE, BASE_RECIPE = CONFIGS / "finetune-shop.toml", CONFIGS / "shop.toml"
SMALL_RECIPE, MOVING_RECIPE = CONFIGS / "small-goes-on.toml", CONFIGS / "small-new-database.toml"
SHIPPED_BASE = PROJECT_ROOT / "modelfiles" / "base"
"""Trained weights that belong to no database, where the project ships some."""
MAX_EPOCHS = 8
"""Passes over the examples after which a training of the default recipe ends before its time."""
EXAMPLES_PER_MINUTE = 6000
"""What the small model learns from on two cores, about; for a plan of few examples."""
MAX_RESTORED_BYTES = 200_000_000
"""Largest served file that is turned back by itself; training all weights of larger ones is no matter of minutes."""


class Plan(NamedTuple):
    """A training that is settled."""

    recipe: BaseConfig | FinetuneConfig
    """Everything that decides it."""
    start: str
    """What it starts from: a folder, a file, the name of a model, or `nothing`."""
    gguf: Path | None
    """File that has to be turned back into the recipe's base first; None where weights are there as they are."""


def find_start(config: RetrainConfig, situation: Situation) -> Path | None:
    """Find what training starts from: a folder of weights, or a GGUF to turn back; None to start from nothing.

    It is, in this order: `config.base`; the trained weights of the served model; its file; the shipped base; the
    shipped model, which knows another database, but knows SQL.

    Raises:
        UsageError: There is no `config.base`.
        TrainingError: `config.base` is a GGUF that cannot be turned back.
    """
    if config.base is not None:
        if config.base.is_file():
            open_gguf(config.base)
        elif not (config.base / "config.json").exists():
            raise UsageError(
                f"There is no model in '{config.base}'.",
                "Give --base a folder that `queryforge train` made, its model; or a GGUF file.",
            )
        return config.base
    if weights := situation.find_weights():
        return weights
    served = situation.served_path
    if served is not None and _can_be_restored(served, served.stat().st_mtime_ns):
        return served
    if (SHIPPED_BASE / "config.json").exists():
        return SHIPPED_BASE
    is_there = SHIPPED_MODEL.exists() and _can_be_restored(SHIPPED_MODEL, SHIPPED_MODEL.stat().st_mtime_ns)
    return SHIPPED_MODEL if is_there else None


def plan_training(config: RetrainConfig, situation: Situation, folder: Path, examples: int = 1) -> Plan:
    """Settle the training: the recipe, with what belongs to this run.

    Args:
        config: The retraining.
        situation: What there is.
        folder: Of the run.
        examples: To learn from.

    Raises:
        UsageError: The recipe or the base cannot be used.
        TrainingError: The base is a GGUF that cannot be turned back.
    """
    start = find_start(config, situation)
    recipe = choose_recipe(config, situation, start)
    values: dict[str, object] = {"data_dir": folder / "data", "out_dir": folder / "trained"}
    goes_on = _goes_on(config, recipe)
    if _kind_of(recipe) != "finetune":
        return _plan_small(config, recipe, values, start if goes_on else None, examples)
    gguf = None
    if start is not None and goes_on:
        gguf = start if start.is_file() else None
        values["base_model"] = str(folder / "start" if gguf else start)
    tuned = read_training_config(recipe, values)
    assert isinstance(tuned, FinetuneConfig)
    url = config.settings.database_url
    changes: dict[str, object] = {"max_minutes": config.minutes, "database": None if _has_password(url) else url}
    if config.recipe is None:
        changes["max_steps"] = math.ceil(MAX_EPOCHS * examples / tuned.batch_size)
    if config.device != "auto":
        changes["device"] = config.device
    tuned = FinetuneConfig.model_validate({**tuned.model_dump(), **changes})
    return Plan(tuned, str(gguf or tuned.base_model), gguf)


def prepare_start(plan: Plan) -> None:
    """Turn the GGUF back that training starts from, if it is one.

    Raises:
        TrainingError: It cannot be turned back, or the folder cannot be written.
    """
    if plan.gguf is None:
        return
    recipe = plan.recipe
    folder = Path(recipe.base_model) if isinstance(recipe, FinetuneConfig) else recipe.init_from
    assert folder is not None  # a plan with a file has the folder that it is turned back into
    restore_folder(plan.gguf, folder)


def choose_recipe(config: RetrainConfig, situation: Situation, start: Path | None) -> Path:
    """Choose the config of the training: the one that was given, else the one that suits the start."""
    if config.recipe is not None:
        return config.recipe
    if start is None:
        return BASE_RECIPE
    if config.device != "auto" or not _is_small_model(start):
        return FINETUNE_RECIPE
    # Weights of another database, or of none, have a world to learn; the served ones go on.
    served = {path.resolve() for path in (situation.find_weights(), situation.served_path) if path is not None}
    return SMALL_RECIPE if start.resolve() in served else MOVING_RECIPE


def find_layout(config: RetrainConfig, situation: Situation) -> Literal["compact", "listed"]:
    """Find how the prompts of the examples are laid out: as the weights that training goes on from know them.

    Raises:
        UsageError: The recipe or the base cannot be used.
        TrainingError: `config.base` is a GGUF that cannot be turned back.
    """
    start = find_start(config, situation)
    goes_on = start is not None and _goes_on(config, choose_recipe(config, situation, start))
    return _layout_of(start) if start is not None and goes_on else "compact"


def is_finetuning(config: RetrainConfig, situation: Situation) -> bool:
    """Tell whether the training knows weights of examples."""
    return _kind_of(choose_recipe(config, situation, find_start(config, situation))) == "finetune"


def _plan_small(
    config: RetrainConfig, recipe: Path, values: dict[str, object], start: Path | None, examples: int
) -> Plan:
    """Settle a training of the small model, from nothing or from `start`."""
    read = read_training_config(recipe, values)
    assert isinstance(read, BaseConfig)
    out = read.out_dir.parent
    gguf = start if start is not None and start.is_file() else None
    changes: dict[str, object] = {"max_steps": None, "max_minutes": config.minutes}
    if start is not None:
        most = max(0.5, MAX_EPOCHS * examples / EXAMPLES_PER_MINUTE)
        changes |= {
            "init_from": out / "start" if gguf else start,
            "max_minutes": min(config.minutes, most),
            "prompt_layout": _layout_of(start),
        }
    plan = BaseConfig.model_validate({**read.model_dump(), **changes})
    return Plan(plan, str(start) if start else "nothing", gguf)


def _is_small_model(start: Path) -> bool:
    """Tell whether weights have the shape that `training.model` trains: a plain Llama with a shared embedding."""
    if start.is_file():
        facts = open_gguf(start).facts
        is_plain = facts.is_tied and not facts.has_bias and facts.rope_stretch is None
        return facts.architecture == "llama" and is_plain and facts.num_heads == facts.num_kv_heads
    shape = read_json(start / "config.json")
    return (
        shape.get("model_type") == "llama"
        and bool(shape.get("tie_word_embeddings"))
        and shape.get("num_attention_heads") == shape.get("num_key_value_heads")
        and (start / "model.safetensors").exists()
    )


def _goes_on(config: RetrainConfig, recipe: Path) -> bool:
    """Tell whether a training by a recipe goes on from the start that was found, or has a start of its own."""
    if config.base is not None:
        return True
    return _method_of(recipe) == "full" if _kind_of(recipe) == "finetune" else recipe in (SMALL_RECIPE, MOVING_RECIPE)


def _layout_of(start: Path) -> Literal["compact", "listed"]:
    """Read from a small model's file or folder how its prompts are laid out."""
    said = open_gguf(start).fields if start.is_file() else read_facts(start)
    return "listed" if said.get(PROMPT_LAYOUT_KEY) == "listed" else "compact"


@lru_cache(maxsize=4)
def _can_be_restored(gguf: Path, _stamp: int) -> bool:
    if gguf.stat().st_size > MAX_RESTORED_BYTES:
        return False
    try:
        open_gguf(gguf)
    except TrainingError:
        return False
    return True


def _kind_of(recipe: Path) -> str:
    return str(_read_toml(recipe).get("kind", "base"))


def _method_of(recipe: Path) -> str:
    return str(_read_toml(recipe).get("method", "lora"))


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot read the recipe '{path}': {error}.", "See training/configs for examples.") from error


def _has_password(url: str) -> bool:
    return bool(parse_url(url)[0].password)
