"""`queryforge retrain`: from a changed schema, or corrected answers, to a better model that serves.

    queryforge retrain --db data/shop.sqlite
    queryforge retrain --db data/shop.sqlite --dry-run
    queryforge retrain --db data/shop.sqlite --rollback

In: a database and the model that serves it. Out: on stdout what has changed and what became of it, on stderr the course
of the steps; in the end another model that serves, or, if the gate was not passed, the same one as before. Killed at
any point, the same command goes on with the unfinished run. Reads the command line and tells what became of it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from assistant.errors import UsageError, mask_secrets
from assistant.served import ServedModels
from assistant.settings import BackendChoice, Settings
from evaluation.gate import GateSettings, add_demands, flag_of
from evaluation.progress import narrate
from training.datagen.languages.multilingual import read_languages
from training.gguf import GgufType
from training.register import roll_back_in_ollama
from training.retrain_config import RetrainConfig
from training.retrain_run import OnStep, describe_plan, digest_inputs, find_unfinished, retrain, say_minutes
from training.retrain_state import Run, list_runs, lock_database
from training.sagemaker_config import SageMakerConfig, check_sagemaker_config
from training.sagemaker_training import check_aws, describe_sagemaker
from training.situation import Situation, choose_server, describe_situation, look_around

REFUSED = 1
INTERRUPTED = 130

EPILOG = """\
what happens:
  1 data      examples are generated; those of the retraining before are kept where their SQL still runs; approved pairs
              join in. 2 split: no shape of a statement is both trained on and judged by
  3 train     from --base; else the served model's trained weights, if they are on this machine, or its file turned
              back; else the shipped base; else from nothing. For --minutes, here or on a machine of SageMaker
  4 export    the GGUF that will serve. 5, 6 judge: it, and the served one, on the same questions. 7 gate: no loss
              against the served one, and the demands below. 8 install: one swap; three models are kept. 9 report

The served model answers all the while. Stop it at any time: the same command goes on where it stopped.
Exit codes: 0 done, or nothing to do; 1 the gate was not passed, or training failed; 2 usage or data; 3 model;
4 database; 130 interrupted."""


def roll_back(config: RetrainConfig) -> str:
    """Let the model before serve again; say which one that is.

    Raises:
        UsageError: There is none.
    """
    from contextlib import closing

    from assistant.database import connect

    settings = config.settings
    with closing(connect(settings.database_url)) as database:
        db_id, dialect = database.db_id, database.dialect
    with lock_database(config.runs, db_id, dialect):
        if choose_server(settings) == "ollama":
            done = roll_back_in_ollama(settings)
            narrate(f"Ollama's '{done.model}' is the model before again.")
        served = ServedModels(settings.models_path).rollback(db_id, dialect)
    return f"'{served.file}' serves '{db_id}' again." if served else f"No registered model serves '{db_id}' any more."


def main(argv: Sequence[str], *, on_step: OnStep = lambda name, moment: None) -> int:
    """Run the command; give the exit code."""
    arguments = build_parser().parse_args(argv)
    # Torch's threads wait for one another at each layer. Beside other work, where one of them is late, those that wait
    # must not spend its time: they would by default, and training took up to twice as long. Torch reads it once.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    config = _read_config(arguments, argv)
    if arguments.rollback:
        print(roll_back(config))  # noqa: T201
        return 0
    if config.where == "sagemaker":
        check_sagemaker_config(config.sagemaker)
    situation = look_around(config)
    if arguments.if_changed and (reason := _nothing_to_do(config, situation)):
        print(reason)  # noqa: T201
        return 0
    print("\n".join(describe_situation(situation)))  # noqa: T201
    if arguments.dry_run:
        print("\n".join(describe_plan(config, situation)))  # noqa: T201
        if config.where == "sagemaker":
            print("\n".join(describe_sagemaker(config)))  # noqa: T201
        return 0
    sys.stdout.flush()
    if config.where == "sagemaker" and _is_still_to_train(config, situation):
        check_aws(config)
    try:
        run = retrain(config, situation, on_step=on_step)
    except KeyboardInterrupt:
        narrate("\nInterrupted. What is done is kept; the same command goes on from there.")
        return INTERRUPTED
    print("\n".join(_summarise(run, situation)))  # noqa: T201
    return 0 if run.state.outcome == "installed" else REFUSED


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge retrain",
        description="Make a model for the database as it is now, judge it, and let it serve if it is better.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    settings = Settings.model_fields
    parser.add_argument("--db", dest="database_url", metavar="URL", help=settings["database_url"].description)
    parser.add_argument("--if-changed", action="store_true", help="do nothing, in one line, when nothing has changed")
    parser.add_argument("--dry-run", action="store_true", help="say what has changed and what would be done, no more")
    parser.add_argument("--rollback", action="store_true", help="let the model before serve again, and do nothing else")
    parser.add_argument("--where", choices=("local", "sagemaker"), default="local", help="machine of the training")
    parser.add_argument("--backend", choices=get_args(BackendChoice), help=settings["backend"].description)
    parser.add_argument("--memory", dest="memory_url", metavar="URL", help=settings["memory_url"].description)
    group = parser.add_argument_group("the run")
    kinds: Mapping[str, Callable[[str], object]] = {
        "minutes": float, "count": int, "seed": int, "languages": str, "neighbours": int, "workers": int, "base": Path,
        "recipe": Path, "device": str, "type": str, "runs": Path, "examples": Path, "judge_examples": int,
        "variants": int, "min_human_accuracy": float,
    }  # fmt: skip
    choices = {"type": get_args(GgufType), "device": ("auto", "cuda", "cpu")}
    for name, kind in kinds.items():
        field = RetrainConfig.model_fields[name]
        default = "" if field.default in (None, "") else f" (default: {field.default})"
        group.add_argument(
            flag_of(name),
            type=kind,
            default=argparse.SUPPRESS,
            choices=choices.get(name),
            metavar=None if name in choices else "X",
            help=f"{field.description}{default}".replace("%", "%%"),
        )
    add_demands(parser.add_argument_group("the gate"))
    _add_sagemaker(parser.add_argument_group("with --where sagemaker"))
    return parser


def _add_sagemaker(group: argparse._ArgumentGroup) -> None:
    kinds: Mapping[str, Callable[[str], object]] = {"max_minutes": float, "poll_s": float, "volume_gb": int}
    for name, field in SageMakerConfig.model_fields.items():
        default = "" if field.default in (None, "", True) else f" (default: {field.default})"
        flag, help_text = flag_of(f"sagemaker_{name}"), f"{field.description}{default}".replace("%", "%%")
        if name == "spot":
            action = argparse.BooleanOptionalAction
            group.add_argument(flag, action=action, default=argparse.SUPPRESS, help=help_text)
        else:
            group.add_argument(
                flag, type=kinds.get(name, str), default=argparse.SUPPRESS, metavar="X", help=help_text
            )  # fmt: skip


def _read_config(arguments: argparse.Namespace, argv: Sequence[str]) -> RetrainConfig:
    given = vars(arguments)
    flags = {name: given[name] for name in ("database_url", "backend", "memory_url")}
    read_languages(given.get("languages", ""))  # one that is unknown would else be found when a run has begun
    try:
        return RetrainConfig(
            settings=Settings.load(flags),
            gate=GateSettings(**{name: given[name] for name in GateSettings.model_fields if name in given}),
            sagemaker=SageMakerConfig(
                **{name: given[key] for name in SageMakerConfig.model_fields if (key := f"sagemaker_{name}") in given}
            ),
            command=mask_secrets(shlex.join(["queryforge", "retrain", *argv])),
            **{
                name: given[name]
                for name in RetrainConfig.model_fields
                if name in given and name not in ("settings", "gate", "sagemaker", "command")
            },
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            f"{flag_of(str(first['loc'][0]))} cannot be {first['input']}: {first['msg']}.",
            "See queryforge retrain --help.",
        ) from error


def _is_still_to_train(config: RetrainConfig, situation: Situation) -> bool:
    run = find_unfinished(config, situation)
    return run is None or "train" not in run.state.steps


def _nothing_to_do(config: RetrainConfig, situation: Situation) -> str:
    """Give the one line that says why nothing is done; empty when there is something to do."""
    if find_unfinished(config, situation) is not None:
        return ""
    schema = situation.schema
    if not situation.is_changed:
        return f"Nothing has changed for '{schema.db_id}': the same schema, no newly approved pairs."
    inputs = digest_inputs(config, situation)
    for run in list_runs(config.runs, schema.db_id, schema.dialect):
        if run.state.inputs == inputs:
            # It would be made again, night after night.
            what = "was withdrawn" if run.state.outcome == "installed" else "the gate refused"
            return (
                f"Nothing has changed since '{run.folder.name}', whose model {what}; without --if-changed it is tried "
                "again."
            )
    return ""


def _summarise(run: Run, situation: Situation) -> list[str]:
    seconds = sum(record.seconds for record in run.state.steps.values())
    is_installed = run.state.outcome == "installed"
    left = "no model serves" if situation.served_path is None else "the one before serves"
    lines = [
        f"{'The new model serves' if is_installed else f'The gate refused the new model; {left}'} '{run.state.db_id}'.",
        f"run      {run.folder}, {say_minutes(seconds)}",
        f"data     {run.fact('data', 'new')} new examples, {run.fact('data', 'kept')} kept, "
        f"{run.fact('data', 'pairs')} approved pairs",
        f"trained  {run.fact('train', 'steps')} steps from {run.fact('train', 'base_model')}",
        f"model    {run.folder / 'model.gguf'} {run.fact('export', 'sha256')[:12]}",
    ]
    lines += [f"report   {run.fact('report', name)}" for name in ("made", "human") if run.fact("report", name)]
    if is_installed:
        return [*lines, "Back to the model before: queryforge retrain --rollback"]
    if run.fact("train", "result") == "model":
        lines.append(f"To train on from here, with more --minutes: --base {run.folder / 'trained' / 'model'}")
    return [*lines, "To let a weaker model serve: a lower --min-accuracy"]
