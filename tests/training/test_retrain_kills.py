"""Killed (SIGKILL) at any point, a retraining leaves a working model, and the same command finishes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.served import ServedModels
from assistant.settings import PROJECT_ROOT
from tests.training.retrain_library import approve, change_schema, finished_home, retrain_config, serving
from tests.training.toy import require
from training.retrain_state import list_runs
from training.situation import look_around

require("torch", "llama_cpp")
from training.retrain_steps import STEPS  # noqa: E402

pytestmark = pytest.mark.train

QUICK = {"data": [1], "train": [1], "export": [1], "install": [1, 2, 3]}
"""Step -> the renamings of files before which it is killed, one run after the other. Of the installation's the first
puts the registered file in its place, the second is the swap, the third comes after it."""
THOROUGH = {step.name: [1, 2, 0] for step in STEPS} | {"install": [1, 2, 3, 4, 5, 0]}
"""The same for every step; 0 is its end, and so is a renaming that it does not have."""

# At a place a run stops itself, is asked beside, and is killed. The run after it comes to the next place.
_DYING = """
import json, os, signal, sys, traceback
import torch
from training.retrain_config import RetrainConfig
from tests.training.retrain_library import ask_served, go
from training.retrain_run import retrain
from training.situation import look_around
from assistant.backends.llamacpp import LlamaCppBackend

config = RetrainConfig.model_validate_json(sys.argv[1])
places = json.loads(sys.argv[2])
tries = {name: 0 for name in places}

def run(step_at_hand):
    state = {"left": None, "step": None}
    def stop():
        os.write(step_at_hand, state["step"].encode())
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(9)  # never reached: it is killed while it stands still
    def stop_at_renaming(event, arguments):
        if event == "os.rename" and state["left"] is not None:
            state["left"] -= 1
            if state["left"] == 0:
                stop()
    sys.addaudithook(stop_at_renaming)
    def on_step(name, moment):
        if state["step"] is None and tries.get(name, 0) < len(places.get(name, ())):
            state["step"], state["left"] = name, places[name][tries[name]] or None
        elif moment == "end" and state["step"] is not None:
            stop()
    retrain(config, look_around(config), on_step=on_step)

def start(work, *arguments):
    child = os.fork()
    if child == 0:
        try:
            work(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child

def ask(when):
    _, status = os.waitpid(start(ask_served, config), 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"no working model {when}"

kills = 0
ask("before")
while True:
    reading, writing = os.pipe()
    child = start(run, writing)
    os.close(writing)
    _, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        break
    name = os.read(reading, 100).decode()
    os.close(reading)
    tries[name] += 1
    ask(f"during {name}, try {tries[name]}")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    ask(f"after a kill in {name}, try {tries[name]}")
    kills += 1
assert os.waitstatus_to_exitcode(status) == 0, status
ask("in the end")
print(json.dumps({"kills": kills, "tries": tries}))
"""


def _kill_and_go_on(home: Path, places: dict[str, list[int]]) -> None:
    config = retrain_config(home)
    approve(config, "how many towns", "SELECT COUNT(*) FROM city")
    change_schema(home / "library.sqlite")
    before = serving(config)
    done = subprocess.run(
        [sys.executable, "-c", _DYING, config.model_dump_json(), json.dumps(places)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    # A step that has no such renaming any more is killed at its end, and then it is done.
    least = {name: min(len(numbers), 3) for name, numbers in places.items()}
    assert {name: min(told["tries"][name], 3) for name in places} == least
    assert told["kills"] == sum(told["tries"].values())
    last, first = list_runs(config.runs, "library", "sqlite")
    assert (last.state.outcome, first.state.outcome) == ("installed", "installed")
    now = serving(config)
    assert now.sha256 == last.fact("export", "sha256") != before.sha256
    models = ServedModels(config.settings.models_path).history("library", "sqlite")
    assert [model.sha256 for model in models] == [now.sha256, before.sha256]
    # It was held against the model before, and not against itself after the swap.
    assert json.loads((Path(last.fact("judge candidate", "made")) / "gate.json").read_text())["served"]["sha256"] == (
        before.sha256
    )
    assert (last.fact("data", "pairs"), int(last.fact("data", "kept")) > 0) == ("1", True)
    assert int(last.fact("data", "focus")) > 0
    assert int(last.fact("data", "lost")) > 0
    assert not look_around(config).is_changed


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_home(tmp_path_factory), tmp_path / "home"))


def test_a_run_killed_in_generation_training_export_registration_and_swap_is_finished_by_the_same_command(
    home: Path,
) -> None:
    _kill_and_go_on(home, QUICK)


@pytest.mark.slow
def test_a_run_killed_several_times_in_every_step_is_finished_by_the_same_command(home: Path) -> None:
    _kill_and_go_on(home, THOROUGH)
