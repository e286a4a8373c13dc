"""Fine-tune a pretrained model on one database's examples: all weights, LoRA or QLoRA.

In: a FinetuneConfig (a recipe of `training/configs`) and the examples it names. Out, in the run folder: `model/`, or
`adapter/`, which `merging` adds to its base; `report.json`, `metrics.jsonl`, `curves.svg` and `.png`; `checkpoints/`,
from which the same command goes on after Ctrl-C or a kill, to the same result. Decides nothing about examples
(`finetune_data`), the model (`pretrained`, `tuned_model`) or what is good (`finetune_judging`).

Why a loop of our own, and not TRL's SFTTrainer or transformers' Trainer? The model, adapters, LoRA+, quantisation,
packing's mask and the schedule are those of transformers, peft and bitsandbytes. What is left is the loop, and there
the trainers lack what is needed here: a checkpoint that is whole or not there (transformers 5.23 writes it in place,
file by file, and takes the newest folder for whole, so that a run killed in between cannot go on), a weight for each
example, and logits for the places that learn alone (with 152,000 tokens the others cost gigabytes). Each would be an
override of a large class by its private parts; TRL 1.16 would also bring `datasets` and what that needs.
"""

from __future__ import annotations

import json
import math
import time
from typing import Any

import torch

from assistant.backends.checkpoint import BASE_WEIGHTS_KEY
from assistant.backends.metadata import DB_ID_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY
from assistant.errors import TrainingError, UsageError
from assistant.files import write_whole
from assistant.prompts import INSTRUCTION
from training.checkpoints import Checkpoints
from training.config import write_run_record
from training.curves import draw_curves
from training.dataset import read_examples
from training.estimate import Needs, check_disk, check_memory, check_time, estimate_needs, measure_peak_memory
from training.finetune_config import FinetuneConfig, FinetuneReport, Standing
from training.finetune_data import Row, make_tuned_batch, plan_steps, read_tuned_examples
from training.finetune_judging import ExecutionJudge, Judge, make_judge
from training.gguf_keys import DIALECT_KEY
from training.interruption import watch_interruption
from training.metrics import Metrics, say
from training.pretrained import (
    choose_device,
    find_base,
    is_out_of_memory,
    load_tokenizer,
    make_optimizer,
    make_schedule,
    make_timed_schedule,
    out_of_memory,
    read_shape,
    save_result,
)
from training.tuned_model import TunedModel


def finetune(config: FinetuneConfig, judge: Judge | None = None) -> FinetuneReport:
    """Fine-tune, or go on with a fine-tuning; one that was finished with this config and data keeps its report.

    Args:
        config: The fine-tuning.
        judge: Judges held-out replies; by default on `config.database`, or by their text. The caller closes it.

    Raises:
        DataError: The examples cannot be read or none fits the context.
        UsageError: The run folder belongs to another run, or the database's address cannot be used.
        DatabaseError: The database cannot be opened.
        TrainingError: The base model is not there or not known, memory or disk are too small, or training broke down.
        KeyboardInterrupt: It was interrupted; a checkpoint has been saved.
    """
    run = FineTuning(config)
    if report := run.finished():
        return report
    own = None if judge else make_judge(config.database, run.sample())
    try:
        return run.train(judge or own)
    finally:
        if own is not None:
            own.close()


def estimate(config: FinetuneConfig) -> Needs:
    """Estimate what a fine-tuning needs, from the shape of its base alone; no examples and no weights are read.

    Raises:
        TrainingError: The base model is not there or not known.
    """
    return estimate_needs(config, read_shape(find_base(config.base_model)))


class FineTuning:
    """One fine-tuning and everything it has to remember."""

    def __init__(self, config: FinetuneConfig) -> None:
        """Find the base and read the examples; no weights are loaded yet."""
        self.config = config
        if (config.out_dir / "checkpoint.pt").exists():
            raise UsageError(f"'{config.out_dir}' holds a training from nothing.", "Choose another --out.")
        if config.threads:
            torch.set_num_threads(config.threads)
        self.device = choose_device(config)
        self.base_folder = find_base(config.base_model)
        self.shape = read_shape(self.base_folder)
        self.tokenizer = load_tokenizer(self.base_folder)
        self.examples, self.held_out = read_tuned_examples(config, self.tokenizer)
        # The order of batches depends on these; when one changes, a resumed run starts it anew.
        self.data_key = f"{self.examples.fingerprint()} {config.packing} {config.batch_size} {config.seed}"
        self.checkpoints = Checkpoints(config.out_dir / "checkpoints")
        self.step, self.tokens, self.epoch, self.batch_index = 0, 0, 0, 0
        self.seconds = 0.0
        self.passed_s = 0.0
        self.best: Standing | None = None
        self.looks_in_vain = 0
        self.plan = self._plan_epoch()
        self.planned_steps = config.max_steps or math.ceil((config.epochs or 0.0) * len(self.plan))

    def sample(self) -> Any:
        """Give the held-out examples whose replies are judged."""
        return self.held_out.sources[: self.config.eval_reply_examples] if self.held_out else ()

    def finished(self) -> FinetuneReport | None:
        """Give the report, if this run was finished with the same config and data."""
        path, before = self.config.out_dir / "report.json", self.config.out_dir / "config.json"
        if not path.exists() or not before.exists():
            return None
        report = FinetuneReport.model_validate_json(path.read_text(encoding="utf-8"))
        is_same = json.loads(before.read_text(encoding="utf-8")) == self.config.model_dump(mode="json")
        return report if is_same and report.data_key == self.data_key and report.result_dir.is_dir() else None

    def train(self, judge: Judge | None) -> FinetuneReport:
        """Train until the planned steps are done or nothing gets better; see `finetune` for what may fail."""
        config = self.config
        self.judge = judge
        try:
            self._prepare()
            with watch_interruption() as interrupted, self.metrics:
                while self.step < self.planned_steps and not self._should_stop():
                    started = time.perf_counter()
                    self._take_step()
                    self.passed_s += time.perf_counter() - started
                    is_last = self.step == self.planned_steps or self._is_out_of_time()
                    started = time.perf_counter()
                    is_best = (is_last or self.step % config.eval_every_steps == 0) and self._look()
                    if is_best or is_last or self.step % config.checkpoint_every_steps == 0 or interrupted.is_set():
                        self._save()
                    self.passed_s += time.perf_counter() - started
                    if interrupted.is_set():
                        raise KeyboardInterrupt
                return self._finish()
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise out_of_memory(config, self.device) from error
            raise

    def _prepare(self) -> None:
        """Check the machine, load the model and take up the newest checkpoint."""
        config = self.config
        self.needs = estimate_needs(
            config,
            self.shape,
            row_tokens=len(self.examples.ids) / sum(len(rows) for rows in self.plan),
            learning_share=self.examples.learning_share(),
        )
        check_memory(self.needs, self.device, say)
        check_disk(self.needs, config.out_dir, self.checkpoints.size_bytes())
        write_run_record(config.out_dir, config)
        self.model = TunedModel(self.base_folder, self.tokenizer, config, self.device)
        self.optimizer = make_optimizer(self.model.whole, config)
        self.schedule = (
            make_timed_schedule(self.optimizer, config, self._done_share)
            if config.max_minutes
            else make_schedule(self.optimizer, config, self.planned_steps)
        )
        self.metrics = Metrics(config.out_dir / "metrics.jsonl", self.planned_steps, config.log_every_steps)
        torch.manual_seed(config.seed)
        saved = self.checkpoints.load_newest()
        if saved is not None:
            self._restore(saved)
        self.metrics.restore(saved and saved["metrics"], self.step)
        if not config.max_minutes:
            check_time(self.needs, self.planned_steps - self.step, self.device, say)
        say(self._describe())

    def _take_step(self) -> None:
        started = time.perf_counter()
        size = self.config.micro_batch_size
        rows = self._next_rows()
        parts = (rows[start : start + size] for start in range(0, len(rows), size))
        batches = [make_tuned_batch(self.examples, part, self.model.pad_id) for part in parts]
        loss = self.model.learn(batches)
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss} in step {self.step + 1}.",
                "Lower learning_rate or set precision to 'fp32'; the checkpoints are of steps before.",
            )
        torch.nn.utils.clip_grad_norm_(self.model.trained.values(), self.config.clip_norm)
        rate = self.schedule.get_last_lr()[0]
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        tokens, seconds = sum(batch.token_count for batch in batches), time.perf_counter() - started
        self.step += 1
        self.tokens += tokens
        self.seconds += seconds
        self.metrics.add_step(
            self.step, loss=loss, rate=rate, tokens=tokens, all_tokens=self.tokens, seconds=seconds,
            most_left_s=(self.config.max_minutes or math.inf) * 60 - self.passed_s,
        )  # fmt: skip

    def _look(self) -> bool:
        """Judge the model on held-out examples; tell whether it is the best so far."""
        if self.held_out is None:
            return False
        judge = self.judge if self.judge and self.judge.count else None
        found = Standing(
            step=self.step,
            loss=self.model.measure_loss(self.held_out),
            accuracy=judge(self.model.write) if judge else None,
            examples=judge.count if judge else 0,
        )
        is_best = found.is_better_than(self.best)
        self.best = found if is_best else self.best
        self.looks_in_vain = 0 if is_best else self.looks_in_vain + 1
        self.metrics.add_look(found, judged_by=self._judged_by(), is_best=is_best)
        return is_best

    def _should_stop(self) -> bool:
        return self._is_out_of_time() or 0 < self.config.early_stop_looks <= self.looks_in_vain

    def _is_out_of_time(self) -> bool:
        return self.config.max_minutes is not None and self.passed_s >= self.config.max_minutes * 60

    def _done_share(self) -> float:
        """Give the share that is done: of the steps, or of the time where that is further."""
        time_share = self.passed_s / (self.config.max_minutes * 60) if self.config.max_minutes else 0.0
        return max(self.step / self.planned_steps, time_share)

    def _next_rows(self) -> list[Row]:
        if self.batch_index == len(self.plan):
            self.epoch, self.batch_index = self.epoch + 1, 0
            self.plan = self._plan_epoch()
        self.batch_index += 1
        return self.plan[self.batch_index - 1]

    def _plan_epoch(self) -> list[list[Row]]:
        config = self.config
        return plan_steps(
            self.examples.lengths,
            batch_size=config.batch_size,
            context_tokens=config.context_tokens,
            packing=config.packing,
            seed=config.seed,
            epoch=self.epoch,
        )

    def _save(self) -> None:
        state = {
            "weights": {name: weight.detach() for name, weight in self.model.trained.items()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "rng": torch.get_rng_state(),
            "gpu_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "passed_s": self.passed_s,
            "epoch": self.epoch,
            "batch_index": self.batch_index,
            "data_key": self.data_key,
            "best": self.best.model_dump() if self.best else None,
            "looks_in_vain": self.looks_in_vain,
            "metrics": self.metrics.state(),
        }
        self.checkpoints.save(self.step, state, keep=[self.best.step] if self.best else [])

    def _restore(self, saved: dict[str, Any]) -> None:
        try:
            if not self.model.copy_weights(saved["weights"]):
                raise ValueError("other weights")
            self.optimizer.load_state_dict(saved["optimizer"])
        except ValueError as error:
            raise UsageError(
                f"The run in '{self.config.out_dir}' trains other weights.",
                "Choose another --out, or the config that the run was started with.",
            ) from error
        # The rates are those of this config, which may also plan more steps than the run was started with.
        self.schedule.load_state_dict(saved["schedule"] | {"base_lrs": self.schedule.base_lrs})
        self.step, self.tokens, self.seconds = saved["step"], saved["tokens"], saved["seconds"]
        self.passed_s = saved.get("passed_s", self.seconds)
        self.best = Standing.model_validate(saved["best"]) if saved["best"] else None
        self.looks_in_vain = saved["looks_in_vain"]
        self.epoch = saved["epoch"]
        if saved["data_key"] == self.data_key:
            self.batch_index = saved["batch_index"]
        else:
            say("the examples, packing, batch_size or seed have changed: the order of batches starts anew")
        self.plan = self._plan_epoch()
        torch.set_rng_state(saved["rng"])
        if saved["gpu_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(saved["gpu_rng"], self.device)

    def _finish(self) -> FinetuneReport:
        """Save the best weights as the result, and report."""
        config = self.config
        if self.best is not None and self.best.step != self.step:
            self.model.copy_weights(self.checkpoints.load(self.best.step)["weights"])
            say(f"the weights of step {self.best.step} are kept, the best ones")
        result_dir = config.out_dir / ("model" if config.method == "full" else "adapter")
        save_result(self.model.whole, self.base_folder, result_dir, config, self._facts())
        if not draw_curves(config.out_dir, self._judged_by()):
            say("no curves were drawn; they need: pip install vl-convert-python")
        report = FinetuneReport(
            result_dir=result_dir,
            base_model=config.base_model,
            parameters=self.needs.parameters,
            trainable_parameters=sum(weight.numel() for weight in self.model.trained.values()),
            examples=len(self.examples),
            dropped_examples=self.examples.dropped,
            steps=self.step,
            stopped_early=self.step < self.planned_steps,
            tokens=self.tokens,
            epochs=self.tokens / len(self.examples.ids),
            minutes=self.seconds / 60,
            tokens_per_s=self.tokens / self.seconds,
            peak_memory_bytes=measure_peak_memory(self.device),
            final_loss=self.metrics.last_loss,
            best=self.best,
            judged_by=self._judged_by(),
            data_key=self.data_key,
        )
        write_whole(config.out_dir / "report.json", report.model_dump_json(indent=2) + "\n")
        return report

    def _facts(self) -> dict[str, str]:
        """Say what the model was trained for and over, as backends, `merging` and `gguf` read it."""
        first = next(read_examples(self.config.data_dir / "train.jsonl")).messages[0].content
        facts = {PROMPT_LAYOUT_KEY: "full" if first.startswith(INSTRUCTION.partition("{")[0]) else "compact"}
        if self.config.method != "full":
            facts[BASE_WEIGHTS_KEY] = "nf4" if self.config.method == "qlora" else "stored"
        if isinstance(self.judge, ExecutionJudge):
            schema = self.judge.schema
            facts |= {DB_ID_KEY: schema.db_id, FINGERPRINT_KEY: schema.fingerprint, DIALECT_KEY: schema.dialect}
        return facts

    def _judged_by(self) -> str:
        return self.judge.name if self.judge else ""

    def _describe(self) -> str:
        needs = self.needs
        dropped = f" ({self.examples.dropped} too long)" if self.examples.dropped else ""
        start = f", going on from step {self.step}" if self.step else ""
        return (
            f"{self.config.method} on {self.device.type}: {needs.trainable_parameters / 1e6:.1f} M "
            f"of {needs.parameters / 1e6:.1f} M weights; {len(self.examples)} examples{dropped}, "
            f"{len(self.examples.ids) / 1e6:.2f} M tokens; about {needs.memory_bytes / 2**30:.1f} GiB of memory; "
            f"{self.planned_steps} steps{start}"
            + (f", or {self.config.max_minutes:g} minutes" if self.config.max_minutes else "")
        )
