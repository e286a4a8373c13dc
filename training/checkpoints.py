"""Checkpoints of a fine-tuning: one file each, whole or not there, the newest ones kept.

In: a state of tensors and plain values. Out: the same, later; after a kill at any moment the newest whole file counts.
Knows nothing of what is in it.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from assistant.errors import TrainingError

KEPT = 2
"""Newest checkpoints that are kept: should the last be damaged, there is one before it."""

_NAME = "step-{:07d}.pt"


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, folder: Path) -> None:
        """Look into the folder, which need not exist, and remove what a kill has left half written."""
        self._folder = folder
        for partial in folder.glob("*.partial"):
            partial.unlink(missing_ok=True)

    def steps(self) -> list[int]:
        """List the steps of the checkpoints, oldest first."""
        return sorted(int(path.stem.removeprefix("step-")) for path in self._folder.glob("step-*.pt"))

    def size_bytes(self) -> int:
        """Give the size of all checkpoints."""
        return sum(path.stat().st_size for path in self._folder.glob("step-*.pt"))

    def save(self, step: int, state: Mapping[str, Any], *, keep: Collection[int] = ()) -> None:
        """Write a checkpoint, then remove older ones but for the newest and those of the steps in `keep`.

        Raises:
            TrainingError: It cannot be written; those before are untouched.
        """
        path = self._folder / _NAME.format(step)
        partial = path.with_suffix(".partial")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            torch.save(dict(state), partial)
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise TrainingError(
                f"Cannot write the checkpoint '{path}': {_first_line(error)}.",
                "Free some disk space; the same command goes on from the checkpoint before.",
            ) from error
        older = [number for number in self.steps() if number < step]
        for number in older[: 1 - KEPT]:
            if number not in keep:
                (self._folder / _NAME.format(number)).unlink(missing_ok=True)

    def load(self, step: int) -> dict[str, Any]:
        """Read the checkpoint of a step, onto the CPU.

        Raises:
            TrainingError: It is not there or cannot be read.
        """
        path = self._folder / _NAME.format(step)
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(
                f"Cannot read the checkpoint '{path}': {_first_line(error)}.",
                "Delete it to go on from the one before, or choose another run folder.",
            ) from error
        return state

    def load_newest(self) -> dict[str, Any] | None:
        """Read the newest checkpoint; None when there is none.

        Raises:
            TrainingError: It cannot be read.
        """
        steps = self.steps()
        return self.load(steps[-1]) if steps else None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
