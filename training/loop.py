"""The loop that trains the small model: batches in, weights out, able to stop and go on at any step.

In: a BaseConfig. Out: the run folder described in `training.base`. The schedule depends on planned steps alone, so the
same config, data and number of threads give the same weights, whether or not the run was interrupted. Decides nothing
about examples (`training.dataset`), the network (`training.model`) or what is good (`training.judging`).
"""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm  # type: ignore[import-untyped]

from assistant.backends.checkpoint import FACTS_FILE
from assistant.backends.metadata import PROMPT_LAYOUT_KEY
from assistant.errors import TrainingError, UsageError
from assistant.files import write_whole
from assistant.prompts import PAD, TURN_END
from training.base import BaseConfig, BaseReport, HeldOut
from training.config import write_run_record
from training.dataset import Batch, make_batch, plan_batches
from training.interruption import watch_interruption
from training.judging import judge
from training.model import save_model
from training.preparation import make_model, make_optimizers, make_tokenizer, read_data
from training.tokenizer import load_tokenizer, save_tokenizer, token_id

MEASURED_STEPS = 50
"""Steps after which the usual time of one decides how many fit into `max_minutes`."""

UNTIMED_STEPS = 10
"""First steps of a process, in which torch compiles; they are not measured."""


class Run:
    """One training run and everything it has to remember."""

    def __init__(self, config: BaseConfig) -> None:
        """Read the data, make or read the tokenizer and the weights, and find the checkpoint."""
        self.config = config
        self.model_dir = config.out_dir / "model"
        self.checkpoint_path = config.out_dir / "checkpoint.pt"
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        saved = self._read_checkpoint()
        write_run_record(config.out_dir, config)
        if saved is None:
            save_tokenizer(make_tokenizer(config), self.model_dir, context_tokens=config.context_tokens)
        self.tokenizer = load_tokenizer(self.model_dir)
        self.pad_id, self.end_id = token_id(self.tokenizer, PAD), token_id(self.tokenizer, TURN_END)
        self.examples, self.held_out = read_data(config, self.tokenizer)
        self.model = make_model(config, self.tokenizer).to(self.device)
        self.weights: list[Tensor] = list(self.model.parameters())
        self.optimizers = make_optimizers(self.model, config)
        self.average = [weight.detach().clone() for weight in self.weights] if config.ema_decay else []
        self.step, self.tokens, self.epoch, self.batch_index = 0, 0, 0, 0
        self.trained_s = 0.0
        self.planned_steps = config.max_steps
        self.plan_at = MEASURED_STEPS
        # Batches depend on these; when one changes, a resumed run starts its data anew.
        self.data_key = f"{self.examples.fingerprint()} {config.batch_tokens} {config.seed}"
        if saved is not None:
            self._restore(saved)
        self._loss_sum = torch.zeros((), device=self.device)
        # Where the interval of the next line of metrics began.
        self._interval = (self.step, self.tokens, self.trained_s)
        self._step_s: list[float] = []
        self._final_loss = math.nan

    def train(self) -> BaseReport:
        """Train until the planned steps are done; a run that was finished keeps its report."""
        config, report = self.config, self.config.out_dir / "report.json"
        if self.planned_steps is not None and self.step >= self.planned_steps and report.exists():
            return BaseReport.model_validate_json(report.read_text(encoding="utf-8"))
        compute_loss = torch.compile(self.model.loss, dynamic=True) if self._can_compile() else self.model.loss
        batches = self._batches()
        started_at, saved_at = self.step, time.monotonic()
        _say(self._describe())
        bar = tqdm(total=self.planned_steps, initial=self.step, unit="step", disable=not sys.stderr.isatty())
        with watch_interruption() as interrupted, bar:
            while self.planned_steps is None or self.step < self.planned_steps:
                started = time.perf_counter()
                batch = make_batch(self.examples, next(batches), self.pad_id)
                self._learn(batch, compute_loss)
                self.step += 1
                self.tokens += batch.token_count
                step_s = time.perf_counter() - started
                self.trained_s += step_s
                bar.update()
                if self.step > started_at + UNTIMED_STEPS:
                    self._step_s.append(step_s)
                if self.planned_steps is None and self.step >= self.plan_at:
                    self._plan_steps()
                    bar.total = self.planned_steps
                is_last = self.step == self.planned_steps
                if is_last or self.step % config.log_every_steps == 0:
                    self._log_interval(bar)
                if self.step % config.eval_every_steps == 0 and not is_last:
                    self._judge_and_log()
                if interrupted.is_set():
                    self._save()
                    raise KeyboardInterrupt
                if time.monotonic() - saved_at > config.checkpoint_minutes * 60:
                    self._save()
                    saved_at = time.monotonic()
        return self._finish()

    def _learn(self, batch: Batch, compute_loss: Any) -> None:
        """Take one step."""
        factor = self._rate_factor()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["top_lr"] * factor
        arrays = (torch.from_numpy(array).to(self.device) for array in (batch.ids, batch.positions, batch.targets))
        try:
            with self._autocast():
                loss = compute_loss(*arrays)
            loss.backward()
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"The {self.device.type} has too little memory for batches of {self.config.batch_tokens} tokens.",
                "Lower batch_tokens; the same command then goes on from the last checkpoint.",
            ) from error
        torch.nn.utils.clip_grad_norm_(self.weights, self.config.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if self.average:
            torch._foreach_lerp_(self.average, [w.detach() for w in self.weights], 1 - self.config.ema_decay)
        self._loss_sum += loss.detach()

    def _batches(self) -> Iterator[NDArray[np.int64]]:
        """Give batches for ever, from where the run stands."""
        config = self.config
        while True:
            plan = plan_batches(
                self.examples.lengths, batch_tokens=config.batch_tokens, seed=config.seed, epoch=self.epoch
            )
            while self.batch_index < len(plan):
                self.batch_index += 1
                yield plan[self.batch_index - 1]
            self.epoch, self.batch_index = self.epoch + 1, 0

    def _rate_factor(self) -> float:
        warmup = self.config.warmup_steps
        if self.planned_steps is None or self.step < warmup or self.config.schedule == "constant":
            return min(1.0, (self.step + 1) / warmup)
        left = max(0.0, (self.planned_steps - self.step) / max(1, self.planned_steps - warmup))
        return left if self.config.schedule == "linear" else 0.5 - 0.5 * math.cos(math.pi * left)

    def _plan_steps(self) -> None:
        # Not the mean: torch goes on compiling for new shapes, of which there soon are no more.
        step_s = statistics.median(self._step_s)
        left_s = (self.config.max_minutes or 0.0) * 60 - self.trained_s
        self.planned_steps = self.step + max(1, int(left_s / step_s))
        _say(f"{step_s:.3f} s a step: {self.planned_steps} steps planned for {self.config.max_minutes:g} minutes")

    def _autocast(self) -> AbstractContextManager[object]:
        context: AbstractContextManager[object] = torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bf16"
        )
        return context

    def _can_compile(self) -> bool:
        if not self.config.compile:
            return False
        if self.device.type == "cpu" and not any(map(shutil.which, ("g++", "clang++", "c++"))):
            _say("no C++ compiler found: training without torch.compile, about half as fast")
            return False
        return True

    def _read_checkpoint(self) -> dict[str, Any] | None:
        if not self.checkpoint_path.exists():
            return None
        try:
            saved: dict[str, Any] = torch.load(self.checkpoint_path, map_location=self.device, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(
                f"Cannot read the checkpoint '{self.checkpoint_path}': {_first_line(error)}.",
                "Delete it to start anew, or choose another run folder.",
            ) from error
        return saved

    def _restore(self, saved: dict[str, Any]) -> None:
        config = self.config
        try:
            self.model.load_state_dict(saved["model"])
            for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
                tops = [group["top_lr"] for group in optimizer.param_groups]
                optimizer.load_state_dict(state)
                for group, top in zip(optimizer.param_groups, tops, strict=True):
                    group["top_lr"] = top
        except (RuntimeError, ValueError) as error:
            raise UsageError(
                f"The run in '{config.out_dir}' has a model or optimizer of another shape.",
                "Choose another --out, or the config that the run was started with.",
            ) from error
        if config.ema_decay and saved["average"]:
            self.average = saved["average"]
        self.step, self.tokens, self.trained_s = saved["step"], saved["tokens"], saved["trained_s"]
        self.epoch = saved["epoch"]
        if saved["data_key"] == self.data_key:
            self.batch_index = saved["batch_index"]
        else:
            _say("the examples, batch_tokens or seed have changed: their order starts anew")
        torch.set_rng_state(saved["rng"].cpu())
        if config.max_steps is None and saved["max_minutes"] == config.max_minutes:
            self.planned_steps = saved["planned_steps"]
        self.plan_at = max(self.plan_at, self.step + MEASURED_STEPS)

    def _save(self) -> None:
        partial = self.checkpoint_path.with_suffix(".partial")
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": self.average,
            "step": self.step,
            "tokens": self.tokens,
            "trained_s": self.trained_s,
            "epoch": self.epoch,
            "batch_index": self.batch_index,
            "data_key": self.data_key,
            "planned_steps": self.planned_steps,
            "max_minutes": self.config.max_minutes,
            "rng": torch.get_rng_state(),
        }
        try:
            torch.save(state, partial)
            os.replace(partial, self.checkpoint_path)
        except (OSError, RuntimeError) as error:
            raise TrainingError(
                f"Cannot write '{partial}': {_first_line(error)}.", "Free some disk space; the run can go on."
            ) from error
        self._save_model()

    def _save_model(self) -> None:
        save_model(self.model, self.model_dir, eos_id=self.end_id, pad_id=self.pad_id)
        facts = {PROMPT_LAYOUT_KEY: self.config.prompt_layout}
        write_whole(self.model_dir / FACTS_FILE, json.dumps(facts, indent=2) + "\n")

    def _judge(self) -> HeldOut | None:
        if self.held_out is None:
            return None
        with self._autocast():
            held_out: HeldOut = judge(self.model, self.held_out, self.tokenizer, self.config)
        return held_out

    def _judge_and_log(self) -> HeldOut | None:
        held_out = self._judge()
        if held_out:
            self._log(step=self.step, held_out_loss=held_out.loss, exact_match=held_out.exact_match)
            match = "" if held_out.exact_match is None else f", {held_out.exact_match:.1%} of replies exact"
            _say(f"step {self.step}: held-out loss {held_out.loss:.4f}{match}")
        return held_out

    def _finish(self) -> BaseReport:
        self._save()
        held_out = self._judge_and_log()
        used_average = False
        if self.average and held_out:
            last = [weight.detach().clone() for weight in self.weights]
            _set_weights(self.weights, self.average)
            averaged = self._judge()
            used_average = averaged is not None and averaged.loss < held_out.loss
            if used_average:
                held_out = averaged
                self._save_model()
            else:
                _set_weights(self.weights, last)
        if self.config.start_share:
            held_out = self._mix_with_start()
        report = BaseReport(
            model_dir=self.model_dir,
            parameters=sum(weight.numel() for weight in self.weights),
            examples=len(self.examples),
            dropped_examples=self.examples.dropped,
            steps=self.step,
            tokens=self.tokens,
            epochs=self.tokens / len(self.examples.ids),
            minutes=self.trained_s / 60,
            tokens_per_s=self.tokens / self.trained_s,
            final_loss=None if math.isnan(self._final_loss) else self._final_loss,
            held_out=held_out,
            used_average=used_average,
        )
        write_whole(self.config.out_dir / "report.json", report.model_dump_json(indent=2) + "\n")
        return report

    def _mix_with_start(self) -> HeldOut | None:
        """Move the weights part of the way back and save them; the checkpoint keeps those of the training."""
        start = make_model(self.config, self.tokenizer).to(self.device)
        share = self.config.start_share
        with torch.no_grad():
            for weight, origin in zip(self.weights, start.parameters(), strict=True):
                weight.lerp_(origin, share)
        self._save_model()
        _say(f"{share:.0%} of the weights that training started from are mixed in")
        return self._judge_and_log()

    def _log_interval(self, bar: Any) -> None:
        """Write a line of metrics over the steps since the last one, and show it."""
        step, tokens, seconds = self._interval
        self._interval = (self.step, self.tokens, self.trained_s)
        steps, passed_s = self.step - step, self.trained_s - seconds
        loss = self._final_loss = float(self._loss_sum) / steps
        self._loss_sum.zero_()
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss} before step {self.step}.",
                "Lower learning_rate or set precision to 'fp32', and start in a new run folder.",
            )
        rate, speed = self.optimizers[0].param_groups[0]["lr"], (self.tokens - tokens) / passed_s
        self._log(step=self.step, tokens=self.tokens, loss=loss, lr=rate, tokens_per_s=speed)
        if not bar.disable:
            bar.set_postfix(loss=f"{loss:.4f}", lr=f"{rate:.1e}", tokens_per_s=f"{speed:.0f}")
            return
        left = ""
        if self.planned_steps:
            minutes = (self.planned_steps - self.step) * passed_s / steps / 60
            left = f" of {self.planned_steps}, {minutes:.0f} min left"
        _say(f"step {self.step}{left}: loss {loss:.4f}, lr {rate:.1e}, {speed:.0f} tokens/s")

    def _log(self, **values: float | None) -> None:
        with (self.config.out_dir / "metrics.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(values) + "\n")

    def _describe(self) -> str:
        millions = sum(weight.numel() for weight in self.weights) / 1e6
        tokens = len(self.examples.ids) / 1e6
        dropped = f" ({self.examples.dropped} too long)" if self.examples.dropped else ""
        start = f", going on from step {self.step}" if self.step else ""
        return (
            f"{millions:.1f} M parameters on {self.device}; "
            f"{len(self.examples)} examples{dropped}, {tokens:.1f} M tokens{start}"
        )


def _set_weights(weights: list[Tensor], values: list[Tensor]) -> None:
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)
