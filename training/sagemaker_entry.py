"""Runs in SageMaker's container: trains by the recipe that was uploaded, and leaves the model where AWS collects it.

In, under the root (`/opt/ml`): `input/data/data` (examples, `recipe.json`), `input/data/code` (this file,
`code.tar.gz`, `requirements.txt`), `input/data/base` (weights to start from, if any) and
`input/config/hyperparameters.json`. Out: `model/` with the result, its report and `manifest.json`; `checkpoints/`, from
which an interrupted job goes on; or `output/failure`, whose text AWS shows. Exit codes: 0 done, 1 failed, 130
interrupted (checkpoint saved).

Starts with nothing but Python: what it needs of this project comes in the archive. Reaches no network, unless packages
are missing in the image. Knows nothing of databases.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import traceback
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
KEPT = ("report.json", "metrics.jsonl", "config.json", "versions.json", "curves.svg", "curves.png")
"""Files of a training that go with its weights."""
MOST_FAILURE_CHARS = 1000
"""AWS shows the first 1024."""
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Train; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, default=Path("/opt/ml"), help="folder with input, model and checkpoints")
    # AWS calls images by `train` where no arguments are set.
    arguments, _ = parser.parse_known_args(argv)
    root: Path = arguments.root.resolve()
    try:
        with tempfile.TemporaryDirectory(prefix="queryforge-") as folder:
            _run(root, Path(folder))
    except KeyboardInterrupt:
        _say("Interrupted; the checkpoint is kept, and the job goes on from it.")
        return INTERRUPTED
    except BaseException as error:
        traceback.print_exc()
        output = root / "output"
        output.mkdir(parents=True, exist_ok=True)
        text = str(error) or type(error).__name__
        (output / "failure").write_text(text[:MOST_FAILURE_CHARS], encoding="utf-8")
        return 1
    return 0


def _run(root: Path, code: Path) -> None:
    channels = root / "input" / "data"
    told = json.loads((root / "input" / "config" / "hyperparameters.json").read_text(encoding="utf-8"))
    recipe_path = channels / "data" / "recipe.json"
    sha256 = _digest(recipe_path)
    if told.get("recipe_sha256") != sha256:
        raise ValueError("recipe.json is not the one that this job was started for.")
    with tarfile.open(channels / "code" / "code.tar.gz") as archive:
        archive.extractall(code, filter="data")
    _install_missing(channels / "code" / "requirements.txt")
    sys.path.insert(0, str(code))
    _say(f"Training with {channels / 'data'}; checkpoints in {root / 'checkpoints'}.")
    out = root / "checkpoints" / "run"
    report = _train(json.loads(recipe_path.read_text(encoding="utf-8")), channels, out)
    _hand_over(out, root / "model", report, sha256)
    _say("The model is ready to be collected.")


def _train(recipe: dict[str, Any], channels: Path, out: Path) -> Any:
    """Train by the recipe, with the folders of this container."""
    from training.base import BaseConfig
    from training.finetune_config import FinetuneConfig
    from training.train import train

    base = channels / "base"
    places: dict[str, object] = {"data_dir": channels / "data", "out_dir": out}
    if recipe["kind"] == "finetune":
        return train(FinetuneConfig.model_validate({**recipe, **places, "base_model": str(base), "database": None}))
    return train(BaseConfig.model_validate({**recipe, **places, "init_from": base if base.is_dir() else None}))


def _hand_over(out: Path, model: Path, report: Any, recipe_sha256: str) -> None:
    """Copy the result, without checkpoints, and note the digest of each file."""
    name = Path(getattr(report, "result_dir", None) or report.model_dir).name
    model.mkdir(parents=True, exist_ok=True)
    shutil.copytree(out / name, model / name, dirs_exist_ok=True)
    for kept in KEPT:
        if (out / kept).exists():
            shutil.copyfile(out / kept, model / kept)
    files = {str(path.relative_to(model)): _digest(path) for path in sorted(model.rglob("*")) if path.is_file()}
    manifest = {"version": 1, "recipe_sha256": recipe_sha256, "result": name, "files": files}
    (model / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _install_missing(requirements: Path) -> None:
    """Install what the image lacks; one that has everything needs no network."""
    lines = [line for line in requirements.read_text(encoding="utf-8").splitlines() if line.strip()]
    missing = [line for line in lines if not _is_there(line)]
    if missing:
        _say(f"Installing {', '.join(missing)}.")
        # All of them are named, so that pip does not trade what is there for something that does not fit it.
        command = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *lines]
        if subprocess.run(command, check=False).returncode:
            raise RuntimeError(f"pip could not install {', '.join(missing)}: use an image that has them.")


def _is_there(requirement: str) -> bool:
    name, _, least = requirement.partition(">=")
    try:
        found = importlib.metadata.version(name.strip())
    except importlib.metadata.PackageNotFoundError:
        return False
    return _numbers(found) >= _numbers(least)


def _numbers(version: str) -> list[int]:
    found = re.match(r"[\d.]*", version.strip())
    return [int(number) for number in (found.group() if found else "").split(".") if number]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
