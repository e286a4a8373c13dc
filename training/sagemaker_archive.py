"""The model that comes back: unpacked so that nothing lands outside its folder, checked, and put in its place.

In: `model.tar.gz` as SageMaker packs it. Out: the folder that a training here would have written, in one go; or an
error, and what was there stays. An archive is other people's data until it is checked: no links, no paths outside, no
pickled weights, not more than the limit, and each file as the manifest says. Loads no weights.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import ValidationError

from assistant.errors import TrainingError
from assistant.files import write_whole
from assistant.types import Record
from evaluation.folder import sha256_of
from training.base import BaseReport
from training.finetune_config import FinetuneConfig, FinetuneReport
from training.model_folder import read_facts, read_json
from training.retrain_plan import Plan
from training.weights import open_tensor_file, open_tensors, require_disk_space, tensor_bytes

MANIFEST = "manifest.json"
MOST_FILES = 500
_AGAIN = "The same command starts another job, which goes on from the checkpoints."
_SUFFIXES = {".json", ".jsonl", ".safetensors", ".svg", ".png", ".jinja", ".txt", ".model", ".md"}


class BrokenArchive(TrainingError):
    """What came back cannot be used."""


class Manifest(Record):
    """What the container says it has packed."""

    version: Literal[1]
    recipe_sha256: str
    """Recipe it trained by."""
    result: Literal["model", "adapter"]
    """Folder of the result."""
    files: Mapping[str, str]
    """Path -> SHA-256, of every file but this one."""


def unpack(archive: Path, folder: Path, *, most_bytes: int) -> None:
    """Unpack an archive into a new folder.

    Raises:
        BrokenArchive: It is damaged, too large, or holds what does not belong there.
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True)
    total = 0
    try:
        # As a stream, so that what is unpacked is what was counted, and a bomb ends at the limit.
        with tarfile.open(archive, "r|gz") as packed:
            for number, member in enumerate(packed):
                path = PurePosixPath(member.name)
                total += max(0, member.size)
                if number >= MOST_FILES or total > most_bytes:
                    raise BrokenArchive(
                        f"'{archive.name}' holds more than {MOST_FILES} files or {most_bytes / 1e9:.1f} GB.", _AGAIN
                    )
                if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
                    raise BrokenArchive(f"'{archive.name}' holds {member.name!r}, no plain file in it.", _AGAIN)
                if member.isreg() and path.suffix not in _SUFFIXES:
                    raise BrokenArchive(f"'{archive.name}' holds {member.name!r}, which is no part of a model.", _AGAIN)
                packed.extract(member, folder, filter="data")
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BrokenArchive(f"'{archive.name}' is damaged: {error}.", _AGAIN) from error


def check(folder: Path, recipe_sha256: str) -> Manifest:
    """See whether a model that was unpacked is whole, and made by the recipe that was asked for.

    Raises:
        BrokenArchive: It is not.
    """
    try:
        manifest = Manifest.model_validate(read_json(folder / MANIFEST))
    except (ValidationError, TrainingError) as error:
        raise BrokenArchive(f"The archive has no usable {MANIFEST}.", _AGAIN) from error
    if manifest.recipe_sha256 != recipe_sha256:
        raise BrokenArchive("The archive is the result of another recipe.", _AGAIN)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    if strange := sorted(found ^ set(manifest.files)):
        raise BrokenArchive(f"The archive and its {MANIFEST} differ: {', '.join(strange[:3])}.", _AGAIN)
    for name, sha256 in manifest.files.items():
        if sha256_of(folder / name) != sha256:
            raise BrokenArchive(f"'{name}' in the archive has changed since it was packed.", _AGAIN)
    _check_weights(folder / manifest.result, manifest.result)
    return manifest


def take_over(archive: Path, trained: Path, plan: Plan, *, recipe_sha256: str, most_bytes: int) -> (
    BaseReport | FinetuneReport
):  # fmt: skip
    """Put a model that came back in the place where a training here would have left it.

    Args:
        archive: The file.
        trained: Folder of the training; what is in it is replaced in one go, or stays.
        plan: What was asked for.
        recipe_sha256: Of the recipe that was sent.
        most_bytes: Largest size of the files together.

    Raises:
        TrainingError: The archive cannot be used, or the disk is full; what was there stays.
    """
    arriving, replaced = trained.with_name("arriving"), trained.with_name("replaced")
    try:
        for leftover in (arriving, replaced):
            shutil.rmtree(leftover, ignore_errors=True)
        require_disk_space(trained.parent, min(most_bytes, 5 * archive.stat().st_size), "The model from SageMaker")
        unpack(archive, arriving, most_bytes=most_bytes)
        manifest = check(arriving, recipe_sha256)
        report = _make_local(arriving, trained, manifest, plan)
        if trained.exists():
            os.replace(trained, replaced)
        os.replace(arriving, trained)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise TrainingError(
            f"Cannot unpack the model to '{trained}': {error}.", "Free some disk space; the same command then goes on."
        ) from error
    return report


def _make_local(folder: Path, trained: Path, manifest: Manifest, plan: Plan) -> BaseReport | FinetuneReport:
    """Replace paths of the container by those of this machine; give the report."""
    path = folder / "report.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        report: BaseReport | FinetuneReport
        if isinstance(plan.recipe, FinetuneConfig):
            values |= {"result_dir": str(trained / manifest.result), "base_model": plan.recipe.base_model}
            report = FinetuneReport.model_validate(values)
        else:
            report = BaseReport.model_validate({**values, "model_dir": str(trained / manifest.result)})
    except (OSError, ValueError, TypeError) as error:
        raise BrokenArchive("The report in the archive cannot be read.", _AGAIN) from error
    write_whole(path, report.model_dump_json(indent=2) + "\n")
    adapter = folder / "adapter" / "adapter_config.json"
    if manifest.result == "adapter" and isinstance(plan.recipe, FinetuneConfig):
        base = Path(plan.recipe.base_model)
        name = str(base.resolve()) if base.is_dir() else plan.recipe.base_model
        write_whole(adapter, json.dumps(read_json(adapter) | {"base_model_name_or_path": name}, indent=2) + "\n")
    return report


def _check_weights(folder: Path, result: str) -> None:
    """See whether there are weights, and each file of them is as long as it says."""
    try:
        if result == "adapter":
            tensors = open_tensor_file(folder / "adapter_model.safetensors")
            read_json(folder / "adapter_config.json")
        else:
            read_facts(folder)
            tensors = open_tensors(folder)
    except TrainingError as error:
        raise BrokenArchive(f"The archive holds no usable model: {error.message}", _AGAIN) from error
    for name, tensor in tensors.items():
        if tensor.offset + tensor_bytes(tensor) > tensor.path.stat().st_size:
            raise BrokenArchive(f"The weights '{name}' in the archive are cut short.", _AGAIN)
