"""Write the folder of a small model with weights of half the size, as the repository keeps its base.

    python -m training.half runs/base/model modelfiles/base

In: a folder that the training of the small model wrote. Out: the same folder with bfloat16 weights and what it says of
itself; training goes on from it as from the other. Half of the digits are gone, of which a training on makes up.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from assistant.backends.checkpoint import FACTS_FILE
from assistant.errors import TrainingError
from training.datagen.slices import writing_to

COPIED = ("tokenizer.json", "tokenizer_config.json", FACTS_FILE)


def halve_weights(source: Path, target: Path) -> int:
    """Write the folder; gives the size of its weights in bytes.

    Raises:
        TrainingError: `source` is no folder of a small model.
        UsageError: The folder cannot be written.
    """
    import torch
    from safetensors.torch import load_file, save_file

    try:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        weights = load_file(source / "model.safetensors")
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"Cannot read a small model from '{source}': {str(error).splitlines()[0]}.",
            "Give the 'model' folder of `queryforge train`.",
        ) from error
    with writing_to(target):
        target.mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            shutil.copy(source / name, target / name)
        (target / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}, indent=2) + "\n")
        halved = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
        save_file(halved, target / "model.safetensors", metadata={"format": "pt"})
    return (target / "model.safetensors").stat().st_size


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Write a small model with weights of half the size.")
    parser.add_argument("source", type=Path, help="the 'model' folder of a training")
    parser.add_argument("target", type=Path, help="folder to write")
    args = parser.parse_args(argv)
    size = halve_weights(args.source, args.target)
    print(f"{size / 1e6:.1f} MB in '{args.target}'", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
