"""The course of a fine-tuning as it goes: lines of `metrics.jsonl`, a progress bar, narration on stderr.

In: what each step and each look at held-out examples gave. Out: JSONL whose lines survive a kill as far as the last
checkpoint, and words for the person who waits. Prints nothing on stdout; draws nothing (`training.curves`).
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tqdm import tqdm  # type: ignore[import-untyped]

from training.finetune_config import Standing


class Metrics:
    """The metrics of one run."""

    def __init__(self, path: Path, planned_steps: int, log_every_steps: int) -> None:
        """Name the file; nothing is written yet."""
        self._path = path
        self._planned_steps = planned_steps
        self._every = log_every_steps
        self._bar = tqdm(total=planned_steps, unit="step", disable=not sys.stderr.isatty())
        self._sums = dict.fromkeys(("loss", "steps", "tokens", "seconds"), 0.0)
        self.last_loss: float | None = None
        """Loss of the last line."""

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bar.close()

    def state(self) -> dict[str, object]:
        """Give what a checkpoint has to keep."""
        size = self._path.stat().st_size if self._path.exists() else 0
        return {"sums": dict(self._sums), "last_loss": self.last_loss, "size_bytes": size}

    def restore(self, state: Mapping[str, Any] | None, step: int) -> None:
        """Go on from a checkpoint, or from nothing; lines of steps that a kill has undone are dropped."""
        size = 0
        if state is not None:
            size, self._sums, self.last_loss = state["size_bytes"], dict(state["sums"]), state["last_loss"]
        if self._path.exists() and self._path.stat().st_size > size:
            os.truncate(self._path, size)
        self._bar.update(step - self._bar.n)

    def add_step(
        self,
        step: int,
        *,
        loss: float,
        rate: float,
        tokens: int,
        all_tokens: int,
        seconds: float,
        most_left_s: float = math.inf,
    ) -> None:
        """Count a step; every few of them, and at the last, write a line over those since the line before.

        `most_left_s` is what is left of a training that ends by the clock.
        """
        for key, value in (("loss", loss), ("steps", 1), ("tokens", tokens), ("seconds", seconds)):
            self._sums[key] += value
        self._bar.update()
        if step % self._every and step != self._planned_steps:
            return
        steps, passed_s = self._sums["steps"], self._sums["seconds"]
        self.last_loss, speed = self._sums["loss"] / steps, self._sums["tokens"] / passed_s
        self._sums = dict.fromkeys(self._sums, 0.0)
        self._write(step=step, tokens=all_tokens, loss=self.last_loss, lr=rate, tokens_per_s=round(speed, 1))
        if not self._bar.disable:
            self._bar.set_postfix(loss=f"{self.last_loss:.4f}", lr=f"{rate:.1e}", tokens_per_s=f"{speed:.0f}")
            return
        minutes = min((self._planned_steps - step) * passed_s / steps, most_left_s) / 60
        say(
            f"step {step} of {self._planned_steps}, {minutes:.0f} min left: "
            f"loss {self.last_loss:.4f}, lr {rate:.1e}, {speed:.0f} tokens/s"
        )

    def add_look(self, found: Standing, *, judged_by: str, is_best: bool) -> None:
        """Write a line about held-out examples."""
        self._write(step=found.step, held_out_loss=found.loss, accuracy=found.accuracy)
        judged = f", {found.accuracy:.1%} {judged_by}" if found.accuracy is not None else ""
        say(f"step {found.step}: held-out loss {found.loss:.4f}{judged}{', the best so far' if is_best else ''}")

    def _write(self, **values: float | None) -> None:
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(values) + "\n")


def say(text: str) -> None:
    """Tell the person who waits, without tearing the progress bar."""
    tqdm.write(text, file=sys.stderr)
