"""The model that comes back from SageMaker: nothing but a whole one gets into its place."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.errors import TrainingError
from tests.training.toy import require, toy_config
from training.base import BaseReport
from training.finetune_config import FinetuneConfig, FinetuneReport
from training.retrain_plan import Plan
from training.sagemaker_archive import BrokenArchive, check, take_over, unpack

require("torch")
pytestmark = pytest.mark.train

RECIPE = "ab" * 32


@pytest.fixture
def made(learned: BaseReport, tmp_path: Path) -> Path:
    """A folder as the container packs it."""
    folder = tmp_path / "made"
    shutil.copytree(learned.model_dir, folder / "model")
    shutil.copyfile(learned.model_dir.parent / "report.json", folder / "report.json")
    write_manifest(folder)
    return folder


def write_manifest(folder: Path, **changes: object) -> None:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    files = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    values = {"version": 1, "recipe_sha256": RECIPE, "result": "model", "files": files, **changes}
    (folder / "manifest.json").write_text(json.dumps(values))


def pack(folder: Path, add: Callable[[tarfile.TarFile], None] = lambda archive: None) -> Path:
    target = folder.with_name("model.tar.gz")
    with tarfile.open(target, "w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
        add(archive)
    return target


def take(archive: Path, **changes: object) -> BaseReport:
    trained = archive.with_name("run") / "trained"
    trained.parent.mkdir(exist_ok=True)
    values: dict[str, object] = {"recipe_sha256": RECIPE, "most_bytes": 10**9, **changes}
    plan = Plan(toy_config(Path(), trained), "nothing", None)
    report = take_over(archive, trained, plan, **values)  # type: ignore[arg-type]
    assert isinstance(report, BaseReport)
    return report


def test_a_whole_model_replaces_what_was_in_its_place(made: Path) -> None:
    old = made.with_name("run") / "trained" / "old.txt"
    old.parent.mkdir(parents=True)
    old.write_text("of a training before")
    report = take(pack(made))
    assert report.model_dir == old.parent / "model"
    assert (report.model_dir / "model.safetensors").stat().st_size > 1000
    assert not old.exists()
    assert os.listdir(old.parent.parent) == ["trained"]
    assert json.loads((old.parent / "report.json").read_text())["model_dir"] == str(report.model_dir)


def member(name: str, **changes: object) -> Callable[[tarfile.TarFile], None]:
    info = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    return lambda archive: archive.addfile(info, io.BytesIO(b"x" * info.size))


@pytest.mark.parametrize(
    "stranger",
    [
        member("../escaped.json", size=1),
        member("/tmp/w-escaped.json", size=1),
        member("model/../../escaped.json", size=1),
        member("model/link.json", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("model/hard.json", type=tarfile.LNKTYPE, linkname="../../escaped.json"),
        member("model/pipe.json", type=tarfile.FIFOTYPE),
        member("model/pytorch_model.bin", size=1),
        member("model/more.json", size=1),
    ],
)
def test_an_archive_with_what_does_not_belong_there_is_refused_and_nothing_is_replaced(
    made: Path, stranger: Callable[[tarfile.TarFile], None]
) -> None:
    old = made.with_name("run") / "trained" / "old.txt"
    old.parent.mkdir(parents=True)
    old.write_text("of a training before")
    with pytest.raises(BrokenArchive) as caught:
        take(pack(made, stranger))
    assert "another job" in caught.value.hint
    assert old.exists()
    assert not list(made.parent.rglob("*escaped*"))


def test_a_damaged_archive_is_refused(made: Path) -> None:
    archive = pack(made)
    whole = archive.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no archive", whole[:100] + b"\0" * 100 + whole[200:]):
        archive.write_bytes(content)
        with pytest.raises(BrokenArchive):
            take(archive)
    archive.write_bytes(whole)
    with pytest.raises(BrokenArchive, match="more than"):
        take(archive, most_bytes=1000)
    assert not (made.with_name("run") / "trained").exists()


def test_files_that_are_not_as_they_were_packed_are_refused(made: Path) -> None:
    with pytest.raises(BrokenArchive, match="another recipe"):
        take(pack(made), recipe_sha256="cd" * 32)
    weights = made / "model" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BrokenArchive, match=r"'model/model.safetensors' in the archive has changed"):
        take(pack(made))
    weights.write_bytes(whole[:-100])
    write_manifest(made)  # packed after the disk was full, say
    with pytest.raises(BrokenArchive, match="cut short"):
        take(pack(made))
    weights.unlink()
    write_manifest(made)
    with pytest.raises(BrokenArchive, match="no usable model"):
        take(pack(made))
    (made / "manifest.json").unlink()
    with pytest.raises(BrokenArchive, match=r"no usable manifest\.json"):
        take(pack(made))


def test_an_adapter_is_laid_over_the_base_of_this_machine_and_not_of_the_container(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    made, base = tmp_path / "made", tmp_path / "base"
    base.mkdir()
    (made / "adapter").mkdir(parents=True)
    save_file({"a": torch.zeros(2, 3)}, made / "adapter" / "adapter_model.safetensors")
    (made / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "/opt/ml/base", "r": 8}')
    report = FinetuneReport(
        result_dir=Path("/opt/ml/checkpoints/run/adapter"), base_model="/opt/ml/base", parameters=1,
        trainable_parameters=1, examples=1, dropped_examples=0, steps=3, stopped_early=False, tokens=1, epochs=1.0,
        minutes=1.0, tokens_per_s=1.0, peak_memory_bytes=1, final_loss=None, best=None, judged_by="", data_key="k",
    )  # fmt: skip
    (made / "report.json").write_text(report.model_dump_json())
    write_manifest(made, result="adapter")
    trained = tmp_path / "run" / "trained"
    trained.parent.mkdir()
    recipe = FinetuneConfig(out_dir=trained, base_model=str(base), max_steps=3)
    plan = Plan(recipe, str(base), None)
    found = take_over(pack(made), trained, plan, recipe_sha256=RECIPE, most_bytes=10**9)
    assert isinstance(found, FinetuneReport)
    assert (found.result_dir, found.base_model, found.steps) == (trained / "adapter", str(base), 3)
    named = json.loads((trained / "adapter" / "adapter_config.json").read_text())
    assert named == {"base_model_name_or_path": str(base.resolve()), "r": 8}


def test_a_full_disk_leaves_what_was_there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(made)
    monkeypatch.setattr("training.weights.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(TrainingError, match="are free"):
        take(archive)
    unpack(archive, made.with_name("other"), most_bytes=10**9)
    assert check(made.with_name("other"), RECIPE).result == "model"
