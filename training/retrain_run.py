"""One retraining: its steps in their order, each taken unless it was done, and the plan of what would be done.

In: a RetrainConfig and the Situation. Out: a finished run. Killed at any point, the next call goes on with the
unfinished run of the same inputs. Knows the order of the steps and not what is in them; writes nothing to stdout.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from assistant.errors import TrainingError, UsageError
from evaluation.progress import narrate
from training.finetune_config import FinetuneConfig
from training.retrain_config import RetrainConfig
from training.retrain_plan import plan_training
from training.retrain_state import Run, StepRecord, begin_run, list_runs, lock_database
from training.retrain_steps import STEPS, Step
from training.retrain_work import Work
from training.situation import Situation
from training.weights import require_disk_space

LEAST_DISK_BYTES = 300_000_000
"""Room for examples, judgements and reports."""
DISK_PER_WEIGHTS = 20
"""Room for the start, checkpoints with the optimizer's state, the result, the file and its copy, over its weights."""
FLOAT32_OF_Q8_0 = 4
OnStep = Callable[[str, str], None]


def retrain(config: RetrainConfig, situation: Situation, *, on_step: OnStep = lambda name, moment: None) -> Run:
    """Retrain, or go on with the unfinished run of the same inputs.

    Args:
        config: What to do.
        situation: What there is.
        on_step: Told the name of each step and `begin` or `end`.

    Returns:
        The run; its outcome is `installed` or `refused`.

    Raises:
        QueryForgeError: A step failed; the model that served before still does.
        KeyboardInterrupt: It was interrupted.
    """
    schema = situation.schema
    with lock_database(config.runs, schema.db_id, schema.dialect):
        check_machine(config, situation)
        run = find_unfinished(config, situation)
        if run is None:
            run = begin_run(config.runs, schema, digest_inputs(config, situation), situation.pair_keys)
            narrate(f"A new run: '{run.folder}'.")
        else:
            narrate(f"Going on with '{run.folder}'.")
        work = Work(config, situation, run)
        for number, step in enumerate(STEPS, start=1):
            _take(step, number, work, on_step)
        run.record(outcome=run.fact("install", "outcome"))
        _tidy(run.folder)
    return run


def find_unfinished(config: RetrainConfig, situation: Situation) -> Run | None:
    """Find the run that the same command began and did not finish."""
    inputs = digest_inputs(config, situation)
    runs = list_runs(config.runs, situation.schema.db_id, situation.schema.dialect)
    return next((run for run in runs if not run.state.outcome and run.state.inputs == inputs), None)


def check_machine(config: RetrainConfig, situation: Situation) -> None:
    """Find out before the first step what the last ones would stumble over.

    Raises:
        UsageError: The recipe, the base, the run folder or the number of variants cannot be used.
        TrainingError: The base is not on this machine or not known, there is no GPU though one was asked for, or too
            little room on the disk.
    """
    if config.variants and situation.schema.dialect != "sqlite":
        raise UsageError(
            f"--variants {config.variants} cannot be made of a database on a server here.",
            "Leave it out; judge on variants with `queryforge eval --scratch`.",
        )
    plan = plan_training(config, situation, config.runs)
    size = 0
    if plan.gguf is not None:
        size = FLOAT32_OF_Q8_0 * plan.gguf.stat().st_size
    elif isinstance(plan.recipe, FinetuneConfig):
        from training.pretrained import find_base, read_shape  # torch and transformers take seconds to import

        folder = find_base(plan.recipe.base_model)
        read_shape(folder)
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if config.device == "cuda" and config.where == "local":
        import torch

        if not torch.cuda.is_available():
            raise TrainingError(
                "--device cuda was given, and torch finds no GPU.",
                "Check 'nvidia-smi' and that torch is a CUDA build; --device auto trains on the CPU.",
            )
    require_disk_space(config.runs, LEAST_DISK_BYTES + DISK_PER_WEIGHTS * size, "A retraining")


def describe_plan(config: RetrainConfig, situation: Situation) -> list[str]:
    """Say what would be done and how long it takes, by the run before where there is one."""
    run = find_unfinished(config, situation)
    lines = [
        f"Would go on with '{run.folder}'." if run else "Would begin a new run.",
        f"Starts from: {plan_training(config, situation, config.runs).start}.",
    ]
    total = 0.0
    for number, step in enumerate(STEPS, start=1):
        is_done = run is not None and step.name in run.state.steps
        seconds = 0.0 if is_done else _estimate(step, config, situation.source)
        total += seconds
        lines.append(f"{number}  {step.title:<24}{'done' if is_done else f'about {say_minutes(seconds)}'}")
    return [*lines, f"All together about {say_minutes(total)}. Nothing was done."]


def digest_inputs(config: RetrainConfig, situation: Situation) -> str:
    """Digest everything that decides the outcome of a retraining."""
    return config.digest(situation.schema, situation.pair_keys)


def say_minutes(seconds: float) -> str:
    """Say how long it is, as people do."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _take(step: Step, number: int, work: Work, on_step: OnStep) -> None:
    """Take a step, unless it was done for the same."""
    run, situation = work.run, work.situation
    sha256 = run.fact("export", "sha256")
    # Once its own model serves, a run must not be judged against that again: it was killed after the swap.
    is_installed = situation.served is not None and sha256 == situation.served.sha256
    key = step.make_key(work)
    title = f"[{number}/{len(STEPS)}] {step.title}"
    if run.is_done(step.name, key) or (is_installed and step.name in run.state.steps):
        narrate(f"{title}: done before.")
        return
    elapsed = sum(record.seconds for record in run.state.steps.values())
    left = sum(_estimate(later, work.config, situation.source) for later in STEPS[number - 1 :])
    narrate(f"{title}: {say_minutes(elapsed)} passed, about {say_minutes(left)} left.")
    on_step(step.name, "begin")
    started = time.monotonic()
    try:
        facts = step.do(work)
    except UsageError as error:
        # What a step calls is a command of its own as well, whose folder has another flag.
        raise UsageError(error.message, error.hint.replace("--out", "--runs")) from error
    record = StepRecord(
        key=key,
        seconds=round(time.monotonic() - started, 1),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        facts=facts,
    )
    run.record(steps={**run.state.steps, step.name: record})
    on_step(step.name, "end")


def _estimate(step: Step, config: RetrainConfig, before: Run | None) -> float:
    """Guess the seconds of a step: those it took before, but for the training, whose time is given."""
    known = before.state.steps.get(step.name) if before is not None and step.name != "train" else None
    return known.seconds if known is not None else step.estimate_s(config)


def _tidy(folder: Path) -> None:
    """Delete what nobody needs any more: it is several times the size of what is kept."""
    for leftover in (
        folder / "trained" / "checkpoints",
        folder / "copy",
        folder / "start",
        *folder.glob("generated-*"),
    ):
        shutil.rmtree(leftover, ignore_errors=True)
    (folder / "trained" / "checkpoint.pt").unlink(missing_ok=True)
