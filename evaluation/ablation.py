"""`queryforge ablate`: what each of the assistant's helps is worth, by switching them on and off.

    queryforge ablate --examples scripts/demo/questions.jsonl --out runs/ablation

In: what `queryforge eval` takes. Out: a folder with one evaluation for each set of switches (an arm), and the table of
them all as ablation.json, ablation.md and ablation.html. Every switch is a setting that a person can set as well:
nothing is measured that nobody can use. The arms take turns every few questions, so that a machine that is busy for a
while is so for all of them and their times can be compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack, closing

from assistant.backends.base import Backend
from assistant.backends.choose import choose_backend
from assistant.errors import UsageError
from assistant.settings import Settings
from assistant.types import ModelInfo
from evaluation.arguments import add_run_arguments
from evaluation.arms import HELPS, Ablation, Arm, list_arms, measure_arms
from evaluation.asking import ask_all
from evaluation.finished import read_scores
from evaluation.folder import RunFolder, identify
from evaluation.jury import Plan, judge, make_plan, name_weights, narrate_mismatches, now, prepare_jury
from evaluation.panel import Panel
from evaluation.progress import Progress, narrate
from evaluation.reporting.ablation import render_table, write_ablation
from evaluation.runner import INTERRUPTED, EvalConfig, config_from

TURN_ASKS = 25
"""Examples that one arm is asked before the next one has its turn."""

EPILOG = """\
The arms of a run, each one a folder in DIR with the files of `queryforge eval`:
  bare        one greedy call of the model: every help is switched off
  added-...   the helps switched on one after the other, each with all before it
  whole       all helps, as the settings have them
  without-... each help switched off from the whole

The helps and the settings that switch them:
{helps}

A help that the model or your settings make no use of has no arm. A run that was interrupted goes on when the same
command is given again. Times can be compared within a run only: leave the machine alone while it runs.

example:
  queryforge ablate --examples scripts/demo/questions.jsonl --db data/shop.sqlite --out runs/ablation"""


def main(argv: Sequence[str]) -> int:
    """Run an ablation; return the exit code."""
    arguments = build_parser().parse_args(argv)
    config = config_from(arguments, ["queryforge", "ablate", *argv])
    try:
        found = run(config, is_short=arguments.short)
    except KeyboardInterrupt:
        narrate(f"\nInterrupted. What is answered is kept in '{config.out}'; the same command goes on from there.")
        return INTERRUPTED
    print(render_table(found))  # noqa: T201
    for path in write_ablation(config.out, found):
        narrate(f"Written: {path}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    width = max(len(help_.name) for help_ in HELPS)
    helps = "\n".join(f"  {help_.name:<{width}}  {help_.describe()}" for help_ in HELPS)
    parser = argparse.ArgumentParser(
        prog="queryforge ablate",
        description="Measure what each of the assistant's helps is worth: ask the same questions with the helps "
        "switched on one after the other, and with each switched off from the whole.",
        epilog=EPILOG.format(helps=helps),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_run_arguments(parser)
    parser.add_argument("--short", action="store_true", help="only the bare call and the whole: 2 arms")
    return parser


def run(config: EvalConfig, *, is_short: bool = False, backend: Backend | None = None) -> Ablation:
    """Ask, judge and measure all arms; go on with those in the folder if there are any.

    Args:
        config: The evaluation of every arm; its settings are those of the whole.
        is_short: Only the bare call and the whole.
        backend: A model instead of the one the settings choose; the caller closes it.

    Raises:
        UsageError: A file, folder or setting cannot be used, or the folder belongs to another run.
        DataError: An example is malformed, its database is not there, or gold SQL does not work.
        BackendError: The model cannot be used.
        DatabaseError: A database cannot be used.
    """
    started_at = now()
    plan = make_plan(config)
    schemas = list(plan.schemas.values())
    with ExitStack() as stack:
        panel = stack.enter_context(Panel(n_asks=len(plan.asks)))
        jury = prepare_jury(config, plan, panel, stack)
        settings = name_weights(plan.settings, schemas)
        model = backend or stack.enter_context(closing(choose_backend(settings)[0]))
        narrate_mismatches(model.info(), schemas)
        arms, left_out = list_arms(settings, model.info())
        if len(arms) == 1:
            raise UsageError("Every help is switched off already: there is nothing to compare.", "Switch some on.")
        if is_short:
            arms = (arms[0], *(arm for arm in arms if arm.name == "whole"))
        identities = {arm.name: identify(config.examples, arm.settings, model.info(), schemas) for arm in arms}
        folders = {
            arm.name: stack.enter_context(RunFolder(config.out / arm.name, identities[arm.name])) for arm in arms
        }
        _ask_in_turns(config, plan, arms, folders, model, is_given=backend is not None)
        progress = Progress(len(arms) * len(plan.asks), verb="judged")
        metrics = {}
        for arm in arms:
            metrics[arm.name] = judge(
                config, plan, jury, folders[arm.name], identities[arm.name], started_at=started_at, progress=progress
            )
        progress.end()
    scores = {arm.name: read_scores(config.out / arm.name) for arm in arms}
    return measure_arms(arms, metrics, scores, plan.schemas, left_out=left_out)


def _ask_in_turns(
    config: EvalConfig,
    plan: Plan,
    arms: Sequence[Arm],
    folders: dict[str, RunFolder],
    model: Backend,
    *,
    is_given: bool,
) -> None:
    total = len(arms) * len(plan.asks)
    done = sum(ask.key in folders[arm.name].predictions for arm in arms for ask in plan.asks)
    narrate(f"{len(arms)} arms, {len(plan.asks)} asks each." + (f" {done} are answered already." if done else ""))
    info: ModelInfo = model.info()
    jobs = 1 if is_given or info.backend == "scripted" else config.jobs
    progress = Progress(total, done=done, verb="answered")
    for number, start in enumerate(range(0, len(plan.examples), TURN_ASKS)):
        part = plan.examples[start : start + TURN_ASKS]
        # Every other time backwards: a machine that grows slower or faster does so for first and last alike.
        for arm in arms if number % 2 == 0 else reversed(arms):
            shared: Settings = arm.settings.model_copy(update={"threads": max(1, arm.settings.threads // jobs)})
            ask_all(part, plan.urls, folders[arm.name], settings=shared, backend=model, jobs=jobs, progress=progress)
    progress.end()
