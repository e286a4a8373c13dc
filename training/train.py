"""The command `queryforge train`: a model from nothing or a fine-tuning, whichever the config describes.

In: a TOML file whose `kind` is `base` (the default) or `finetune`, and what the command line overrides. Out: the report
of the training on stdout. Trains nothing itself, and imports torch only once the config is known to be right.

    queryforge train training/configs/shop.toml --data DIR --out DIR
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from assistant.errors import UsageError
from assistant.types import Record
from training.base import BaseConfig, train_base
from training.config import load_config, parse_overrides
from training.finetune_config import FinetuneConfig


def read_training_config(path: Path, overrides: dict[str, object]) -> BaseConfig | FinetuneConfig:
    """Read a config of either kind.

    Raises:
        UsageError: It cannot be read, its kind is unknown, or a key or value does not fit.
    """
    kind = _read_kind(path)
    if kind == "base":
        return load_config(BaseConfig, path, overrides)
    if kind == "finetune":
        return load_config(FinetuneConfig, path, overrides)
    raise UsageError(f"{path}: there is no kind {kind!r}.", "A training is of the kind 'base' or 'finetune'.")


def train(config: BaseConfig | FinetuneConfig) -> Record:
    """Train as the config says; see `train_base` and `finetune` for what may fail."""
    if isinstance(config, BaseConfig):
        return train_base(config)
    from training.finetune import finetune  # torch and transformers take seconds to import

    return finetune(config)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give the exit code."""
    parser = argparse.ArgumentParser(
        prog="queryforge train", description="Train the small model from nothing, or fine-tune a pretrained one."
    )
    parser.add_argument("config", type=Path, help="TOML file, such as training/configs/shop.toml")
    parser.add_argument("--data", type=Path, help="folder with train.jsonl and eval.jsonl")
    parser.add_argument("--out", type=Path, help="run folder; a checkpoint in it is continued")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the config")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the config, or what a fine-tuning needs, and train nothing"
    )
    args = parser.parse_args(argv)
    config = read_training_config(
        args.config, {**parse_overrides(args.set), "data_dir": args.data, "out_dir": args.out}
    )  # fmt: skip
    try:
        report = _estimate(config) if args.dry_run else train(config)
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)  # noqa: T201
        return 130
    print(report.model_dump_json(indent=2))  # noqa: T201
    return 0


def _estimate(config: BaseConfig | FinetuneConfig) -> Record:
    if isinstance(config, BaseConfig):
        return config
    from training.finetune import estimate

    return estimate(config)


def _read_kind(path: Path) -> object:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")).get("kind", "base")
    except (OSError, ValueError):
        return "base"  # whose reader says what is wrong with the file
