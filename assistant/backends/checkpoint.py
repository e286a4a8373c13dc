"""A folder of unquantised weights: what is in it and what it says of itself. Needs no torch and loads no weights.

In: the path of a folder as transformers or peft writes it. Out: a Checkpoint that names every file a backend will read,
or a BackendError that names the one that is missing. Only safetensors count as weights: other kinds are pickles, which
may run code when they are read.

What the model was trained for stands in `queryforge.json`, an object with the keys of `metadata`, as in a GGUF:

    {"queryforge.prompt_layout": "compact", "queryforge.db_id": "shop", "queryforge.schema_fingerprint": "..."}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from assistant.errors import BackendError
from assistant.types import Record

FACTS_FILE = "queryforge.json"
BASE_WEIGHTS_KEY = "queryforge.base_weights"
"""What an adapter was trained over: `stored` (the base as it is, also without this key) or `nf4` (QLoRA)."""
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_FOLDER = (
    "Set QUERYFORGE_MODEL_PATH to a folder as transformers writes it: config.json, *.safetensors and the tokenizer's "
    "files."
)


class Checkpoint(Record):
    """The files of a model, and of its adapter if it has one."""

    name: str
    """Last two parts of the path, such as `shop-base/model`: the last alone says little."""
    model_path: Path
    """Folder of config.json and the whole weights."""
    adapter_path: Path | None
    """Folder of a LoRA adapter that is laid over them; None when there is none."""
    tokenizer_path: Path
    """Folder of the tokenizer: the adapter's if it has one."""
    weights: tuple[Path, ...]
    """Every file of weights, those of the adapter last."""
    facts: dict[str, str]
    """Content of `queryforge.json`; empty when there is no such file."""

    @property
    def size_bytes(self) -> int:
        """Size of all weights."""
        return sum(path.stat().st_size for path in self.weights)


def find_checkpoint(folder: Path) -> Checkpoint:
    """Look into a folder.

    The base of an adapter is a folder too, or the name of a model that the Hugging Face cache holds; nothing is
    downloaded.

    Raises:
        BackendError: A file is missing or cannot be read.
    """
    if folder.is_file():
        raise BackendError(
            f"'{folder}' is a file, not a model folder.",
            f"A GGUF file runs with QUERYFORGE_BACKEND=llamacpp. {_FOLDER}",
        )
    if not folder.is_dir():
        raise BackendError(f"No model folder at '{folder}'.", _FOLDER)
    place = folder.resolve()
    name = f"{place.parent.name}/{place.name}".strip("/")
    # transformers may leave an adapter's description beside weights into which the adapter was merged.
    if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
        adapter = folder / ADAPTER_WEIGHTS
        if not adapter.exists():
            raise BackendError(f"'{folder}' describes an adapter and lacks its weights, '{adapter.name}'.", _FOLDER)
        base = _find_base(folder)
        has_tokenizer = (folder / "tokenizer_config.json").exists()
        return Checkpoint(
            name=name,
            model_path=base.model_path,
            adapter_path=folder,
            tokenizer_path=folder if has_tokenizer else base.tokenizer_path,
            weights=(*base.weights, adapter),
            facts=read_facts(folder) or base.facts,
        )
    if not (folder / "config.json").exists():
        raise BackendError(f"'{folder}' is no model folder: it has no config.json.", _FOLDER)
    return Checkpoint(
        name=name,
        model_path=folder,
        adapter_path=None,
        tokenizer_path=folder,
        weights=_find_weights(folder),
        facts=read_facts(folder),
    )


def _find_weights(folder: Path) -> tuple[Path, ...]:
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.exists():
        return (whole,)
    if not index.exists():
        pickled = sorted(folder.glob("*.bin"))
        raise BackendError(
            f"'{folder}' has no weights: neither '{whole.name}' nor '{index.name}'.",
            f"'{pickled[0].name}' is a pickle, which may run code; save the model again as safetensors."
            if pickled
            else _FOLDER,
        )
    places = _read_object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise BackendError(f"'{index}' names no weights.", "Copy or save the model again.")
    parts = tuple(folder / str(part) for part in sorted(set(places.values())))
    for part in parts:
        if not part.exists():
            raise BackendError(f"A part of the weights is missing: '{part}'.", "Copy or save the model again.")
    return parts


def _find_base(adapter: Path) -> Checkpoint:
    """Find what an adapter is laid over, as its own description names it."""
    config = adapter / "adapter_config.json"
    name = str(_read_object(config).get("base_model_name_or_path") or "")
    hint = f"Write the folder of the base model as 'base_model_name_or_path' into '{config}'."
    if not name:
        raise BackendError(f"'{config}' names no base model.", hint)
    for folder in (Path(name), adapter / name):
        if folder.is_dir():
            break
    else:
        folder = _find_in_cache(name, hint)
    if not (folder / "config.json").exists():
        raise BackendError(f"'{folder}', the base of the adapter '{adapter}', has no config.json.", hint)
    return find_checkpoint(folder)


def _find_in_cache(name: str, hint: str) -> Path:
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, local_files_only=True))
    except (ImportError, OSError, ValueError) as error:  # not installed; not there; not a name it accepts
        raise BackendError(
            f"The base model '{name}' is neither a folder nor in the Hugging Face cache.",
            f"{hint} 'hf download {name}' would put it into the cache.",
        ) from error


def read_facts(folder: Path) -> dict[str, str]:
    """Read what a folder says of itself; empty when it says nothing.

    Raises:
        BackendError: It cannot be read.
    """
    path = folder / FACTS_FILE
    if not path.exists():
        return {}
    facts = _read_object(path)
    for key, value in facts.items():
        if not isinstance(value, str):
            raise BackendError(f"'{path}' has {value!r} for '{key}', which is no text.", "Every value there is a text.")
    return {key: str(value) for key, value in facts.items()}


def _read_object(path: Path) -> Mapping[str, object]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackendError(f"Cannot read '{path}': {error}.", "Copy or save the model again.") from error
    if not isinstance(data, dict):
        raise BackendError(f"'{path}' is not a JSON object.", "Copy or save the model again.")
    return data
