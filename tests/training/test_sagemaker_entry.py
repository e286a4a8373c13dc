"""What runs in SageMaker's container, run for real in a folder like `/opt/ml`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from assistant.settings import PROJECT_ROOT
from tests.training.toy import require, toy_config
from training.base import BaseConfig
from training.retrain_plan import Plan
from training.sagemaker_entry import main
from training.sagemaker_parcel import REQUIREMENTS, Parcel, make_parcel, pack_code

require("torch")
pytestmark = pytest.mark.train


def make_root(root: Path, recipe: BaseConfig) -> Parcel:
    """Lay out the folder as SageMaker does."""
    parcel = make_parcel(Plan(recipe, "nothing", None), root.with_name("parcel"))
    for item in parcel.items:
        # The channel `data` lies in input/data/data.
        path = root / "input" / "data" / item.name.removeprefix("input/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.path.read_bytes())
    (root / "input" / "config").mkdir()
    (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(parcel.hyperparameters))
    return parcel


def start(root: Path) -> subprocess.Popen[str]:
    entry = root / "input" / "data" / "code" / "sagemaker_entry.py"
    env = {"PATH": os.environ["PATH"], "HOME": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(entry), "--root", str(root)], cwd=root, env=env, stderr=subprocess.PIPE, text=True
    )


def test_a_job_that_aws_interrupts_saves_a_checkpoint_and_another_machine_goes_on_from_it(
    toy_data: Path, tmp_path: Path
) -> None:
    steps = 100
    first = tmp_path / "first"
    make_root(first, toy_config(toy_data, tmp_path / "out", max_steps=steps, log_every_steps=1))
    with start(first) as process:
        metrics = first / "checkpoints" / "run" / "metrics.jsonl"
        while process.poll() is None and not (metrics.exists() and metrics.read_text().strip()):
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        told = process.stderr.read()
    assert process.returncode == 130, told
    assert not (first / "model").exists()
    assert (first / "checkpoints" / "run" / "checkpoint.pt").exists()

    second = tmp_path / "second"
    make_root(second, toy_config(toy_data, tmp_path / "out", max_steps=steps, log_every_steps=1))
    (first / "checkpoints").rename(second / "checkpoints")
    with start(second) as process:
        assert process.stderr is not None
        told = process.stderr.read()
    assert process.returncode == 0, told
    report = json.loads((second / "model" / "report.json").read_text())
    lines = (second / "model" / "metrics.jsonl").read_text().splitlines()
    assert report["steps"] == steps
    assert len([line for line in lines if json.loads(line).get("step") == 1]) == 1  # it did not begin anew
    manifest = json.loads((second / "model" / "manifest.json").read_text())
    assert manifest["result"] == "model"
    assert "model/model.safetensors" in manifest["files"]
    assert not [name for name in manifest["files"] if "checkpoint" in name]


def test_what_goes_wrong_is_written_where_aws_shows_it(toy_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "ml"
    make_root(root, toy_config(toy_data, tmp_path / "out"))
    (root / "input" / "data" / "data" / "train.jsonl").write_text("no example\n")
    with start(root) as process:
        assert process.stderr is not None
        process.stderr.read()
    assert process.returncode == 1
    assert "train.jsonl:1" in (root / "output" / "failure").read_text()
    assert not (root / "model").exists()
    (root / "input" / "config" / "hyperparameters.json").unlink()
    assert main(["--root", str(root)]) == 1
    assert "hyperparameters.json" in (root / "output" / "failure").read_text()


def test_the_archive_of_code_is_the_same_every_time_and_holds_neither_settings_nor_data() -> None:
    import io
    import tarfile

    packed = pack_code()
    assert packed == pack_code()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = archive.getnames()
    assert "training/train.py" in names
    assert {name.partition("/")[0] for name in names} == {"assistant", "evaluation", "training"}
    assert not [name for name in names if re.search(r"\.env|\.sqlite|\.gguf|__pycache__", name)]


def test_the_packages_that_are_asked_for_are_those_that_training_imports(tmp_path: Path) -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    known = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    assert set(REQUIREMENTS) - {"safetensors>=0.5"} <= set(known)
    code = (
        "import sys, training.train, training.finetune, training.loop\n"
        "from importlib.metadata import packages_distributions as find\n"
        "tops, of = {name.partition('.')[0] for name in sys.modules}, find()\n"
        "print(*{package.lower() for top in tops for package in of.get(top, ())})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    asked = {re.split("[>=]", line)[0] for line in REQUIREMENTS}
    direct = {re.split(r"[\[>=]", line)[0].lower() for line in known}
    assert {"torch", "tokenizers", "pydantic"} <= imported
    assert imported & direct <= asked | {"peft", "bitsandbytes"}
