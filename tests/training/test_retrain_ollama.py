"""Retraining where Ollama serves: the new model is judged there and takes the tag there; the old one answers till then.

Training is the same as elsewhere, so all tests but the first go on with a run that has everything up to the export.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.errors import QueryForgeError
from assistant.types import Question
from tests.ollama_double import OllamaDouble, RegistryFault
from tests.training.retrain_library import finished_home, retrain_config
from tests.training.toy import require
from training.ollama_tags import OllamaTags
from training.retrain_config import RetrainConfig
from training.retrain_run import digest_inputs, retrain
from training.retrain_state import list_runs
from training.situation import look_around

require("torch", "llama_cpp")
pytestmark = pytest.mark.train

OLD, NEW = "SELECT name FROM city", "SELECT COUNT(*) FROM city"
TAG, BEFORE = "queryforge:latest", "queryforge:previous-1"
BEFORE_JUDGING = ("data", "split", "train", "export")


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    """A server that serves a model; those that are made from now on answer otherwise."""
    with OllamaDouble(OLD, model=TAG) as server:
        server.reply = NEW
        yield server


@pytest.fixture
def config(double: OllamaDouble, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> RetrainConfig:
    """A retraining for that server, of which a run is exported and not yet judged."""
    home = Path(shutil.copytree(finished_home(tmp_path_factory), tmp_path / "home"))
    shutil.rmtree(home / "models")
    shutil.rmtree(home / "runs" / "judged")
    embedded = retrain_config(home)
    (run,) = list_runs(embedded.runs, "library", "sqlite")
    changes = {"backend": "ollama", "ollama_host": double.host, "model": "queryforge"}
    config = embedded.model_copy(update={"settings": embedded.settings.model_copy(update=changes)})
    steps = {name: run.state.steps[name] for name in BEFORE_JUDGING}
    run.record(steps=steps, outcome="", inputs=digest_inputs(config, look_around(config)))
    return config


def replies(double: OllamaDouble) -> dict[str, str]:
    """Give what each tag answers."""
    return {tag: model.reply for tag, model in double.store.tags.items()}


def ask(config: RetrainConfig) -> str:
    """Ask as the chat does; give the SQL that the served model wrote."""
    with closing(Assistant(config.settings)) as assistant:
        return assistant.ask(Question(text="Which cities are there?")).drafts[0].sql


def test_the_new_model_is_judged_in_ollama_and_takes_the_tag_there(double: OllamaDouble, config: RetrainConfig) -> None:
    old = double.store.tags[TAG].digest
    shutil.rmtree(config.runs)
    assert ask(config) == OLD
    run = retrain(config, look_around(config))
    assert run.state.outcome == "installed"
    with OllamaTags(double.host) as tags:
        found = tags.digests()
    assert found.keys() == {TAG, BEFORE}
    assert found[BEFORE] == old != found[TAG]
    assert double.store.tags[TAG].blob == f"sha256:{run.fact('export', 'sha256')}"
    assert ask(config) == NEW
    asked = [chat["model"] for chat in double.chats()]
    assert f"queryforge:judging-{run.fact('export', 'sha256')[:12]}" in asked
    assert asked.count("queryforge") > 2, "the served model is judged too, and not only asked by this test"
    assert run.fact("judge candidate", "made") != run.fact("judge served", "made")


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("judge candidate", "create_disk_full"),
        ("judge candidate", "upload_cut"),
        ("install", "answer_error"),
        ("install", "copy_refused"),
    ],
)
def test_a_server_that_fails_in_the_middle_leaves_the_old_model_serving_and_a_rerun_finishes(
    double: OllamaDouble, config: RetrainConfig, step: str, fault: RegistryFault
) -> None:
    def break_down(name: str, moment: str) -> None:
        if (name, moment) == (step, "begin"):
            double.fault = fault

    with pytest.raises(QueryForgeError) as caught:
        retrain(config, look_around(config), on_step=break_down)
    assert caught.value.hint
    double.fault = "none"
    assert replies(double)[TAG] == OLD
    assert ask(config) == OLD
    assert retrain(config, look_around(config)).state.outcome == "installed"
    assert replies(double) == {TAG: NEW, BEFORE: OLD}
    assert ask(config) == NEW


@pytest.mark.parametrize("answered", [0, 3, 5])
def test_a_server_that_goes_away_during_the_swap_has_a_model_under_its_tag_when_it_is_back(
    double: OllamaDouble, config: RetrainConfig, answered: int
) -> None:
    def go_away(name: str, moment: str) -> None:
        if (name, moment) == ("install", "begin"):
            double.dropped_from = len(double.requests) + answered

    with pytest.raises(QueryForgeError) as caught:
        retrain(config, look_around(config), on_step=go_away)
    assert caught.value.hint
    double.dropped_from = None
    assert ask(config) == OLD
    assert retrain(config, look_around(config)).state.outcome == "installed"
    assert len(list_runs(config.runs, "library", "sqlite")) == 1, "the same run is gone on with"
    assert replies(double) == {TAG: NEW, BEFORE: OLD}
