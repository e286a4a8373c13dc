"""What is sent to AWS for a training: examples, recipe, the code that trains, and the weights to start from.

In: a Plan and the folder of the run. Out: local files with their digests and their places in S3, and a key that tells
one training from another. Sends nothing. The database, its address and its rows are not part of it; but examples hold
questions and statements, and with them values of the database.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from assistant.settings import PROJECT_ROOT
from evaluation.folder import sha256_of
from training.finetune_config import FinetuneConfig
from training.retrain_plan import Plan
from training.sagemaker_config import ENTRY

PACKAGES = ("assistant", "evaluation", "training")
REQUIREMENTS = (
    "altair>=5.4", "gguf>=0.17", "numpy>=1.26", "pydantic>=2.10", "rapidfuzz>=3.10", "safetensors>=0.5",
    "sqlalchemy>=2.0.36", "sqlglot>=30", "sqlparse>=0.5.3", "tokenizers>=0.21", "torch>=2.6", "tqdm>=4.66",
    "transformers>=5.0",
)  # fmt: skip
"""What training imports, as in pyproject.toml."""
_PATHS = {"data_dir", "out_dir", "base_model", "init_from", "database"}
"""Keys of a recipe that belong to this machine: the container has its own."""
_CODE_SUFFIXES = {".py", ".toml", ".json", ".txt"}
_BASE_SUFFIXES = {".json", ".safetensors", ".model", ".txt", ".jinja"}
"""Files of a base that matter; pickled weights are not among them."""


class Item(NamedTuple):
    """A file to send."""

    path: Path
    name: str
    """Under the prefix of the training."""
    sha256: str
    size_bytes: int


class Parcel(NamedTuple):
    """All that a training needs."""

    items: tuple[Item, ...]
    key: str
    """Digest of recipe, examples and base: what decides the result."""
    hyperparameters: dict[str, str]
    channels: tuple[str, ...]
    base_bytes: int
    """Size of the weights it starts from."""

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(item.size_bytes for item in self.items)


def make_parcel(plan: Plan, folder: Path) -> Parcel:
    """Write what is to be sent.

    Args:
        plan: The training; a GGUF it starts from has been turned back.
        folder: To write to, inside the run's.

    Raises:
        TrainingError: The base is not there.
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipe.json"
    recipe.write_text(describe_recipe(plan), encoding="utf-8")
    code = folder / "code.tar.gz"
    code.write_bytes(pack_code())
    requirements = folder / "requirements.txt"
    requirements.write_text("\n".join([*list_requirements(plan), ""]), encoding="utf-8")
    data = [path for name in ("train.jsonl", "eval.jsonl") if (path := plan.recipe.data_dir / name).exists()]
    base = find_base_files(plan)
    decisive = [
        *(_item(path, f"input/data/{path.name}") for path in (recipe, *data)),
        *(_item(path, f"input/base/{path.name}") for path in base),
    ]
    entry = Path(__file__).with_name(ENTRY)
    others = [_item(path, f"input/code/{path.name}") for path in (entry, code, requirements)]
    key = hashlib.sha256("\n".join(f"{item.name} {item.sha256}" for item in decisive).encode()).hexdigest()
    return Parcel(
        items=(*decisive, *others),
        key=key,
        hyperparameters={"kind": plan.recipe.kind, "recipe_sha256": decisive[0].sha256},
        channels=("data", "code", "base") if base else ("data", "code"),
        base_bytes=sum(path.stat().st_size for path in base),
    )


def describe_recipe(plan: Plan) -> str:
    """Write the recipe without what belongs to this machine."""
    return plan.recipe.model_dump_json(indent=1, exclude=_PATHS) + "\n"


def list_requirements(plan: Plan) -> list[str]:
    """List the packages that the training needs."""
    method = plan.recipe.method if isinstance(plan.recipe, FinetuneConfig) else "full"
    more = {"lora": ["peft>=0.14"], "qlora": ["bitsandbytes>=0.45", "peft>=0.14"]}
    return [*REQUIREMENTS, *more.get(method, [])]


def find_base_files(plan: Plan) -> list[Path]:
    """List the files of the base; none for a training from nothing.

    Raises:
        TrainingError: The base is not there.
    """
    if not isinstance(plan.recipe, FinetuneConfig):
        folder = plan.recipe.init_from
        return [] if folder is None else _list_base(folder)
    from training.pretrained import find_base  # torch and transformers take seconds to import

    return _list_base(find_base(plan.recipe.base_model))


def pack_code() -> bytes:
    """Pack the packages that train; the same code gives the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for path in _list_code():
            content = path.read_bytes()
            info = tarfile.TarInfo(path.relative_to(PROJECT_ROOT).as_posix())
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _list_code() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((PROJECT_ROOT / package).rglob("*")):
            if path.is_file() and path.suffix in _CODE_SUFFIXES and "__pycache__" not in path.parts:
                yield path


def _list_base(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in _BASE_SUFFIXES)


def _item(path: Path, name: str) -> Item:
    return Item(path, name, sha256_of(path), path.stat().st_size)
