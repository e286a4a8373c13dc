"""What a retraining cannot work with: one clear error with a remedy, and the model that serves still does."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from assistant.errors import DatabaseError, DataError, QueryForgeError, TrainingError, UsageError
from assistant.settings import PROJECT_ROOT
from tests.training.retrain_library import (
    approve,
    ask_served,
    change_schema,
    finished_home,
    go,
    make_library,
    retrain_config,
    serving,
)
from tests.training.toy import require
from training.datagen.generate import DatagenConfig
from training.retrain import main
from training.retrain_run import retrain
from training.retrain_state import list_runs
from training.retrain_steps import generate_afresh
from training.situation import describe_situation, look_around

require("torch", "llama_cpp")
pytestmark = pytest.mark.train


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A folder in which one retraining is finished and its model serves."""
    return Path(shutil.copytree(finished_home(tmp_path_factory), tmp_path / "home"))


def demand(home: Path, error: type[QueryForgeError], words: str, **changes: object) -> None:
    """Retrain, find the error with its remedy, and the same model serving."""
    config = retrain_config(home, **changes)
    before = serving(config)
    with pytest.raises(error, match=words) as caught:
        go(config)
    assert caught.value.hint
    assert serving(config) == before


def run_script(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)
        database.commit()


def test_what_cannot_work_is_said_before_anything_is_done(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demand(home, UsageError, "There is no model in", base=home / "nowhere")
    demand(home, UsageError, "Cannot read the recipe", recipe=home / "nowhere.toml")
    adapters = home / "adapters.toml"
    adapters.write_text(
        'kind = "finetune"\nout_dir = "set"\nbase_model = "someone/nothing"\nmethod = "lora"\nmax_steps = 1\n'
    )
    demand(home, TrainingError, "'someone/nothing' is not on this machine", recipe=adapters, base=None)
    demand(home, UsageError, "Cannot write to", runs=home / "recipe.toml" / "runs")
    with pytest.raises(UsageError, match="needs the role"):
        main(["--where", "sagemaker"])
    with monkeypatch.context() as patch:
        patch.setattr("training.weights.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
        demand(home, TrainingError, "are free")
    assert len(list_runs(home / "runs", "library", "sqlite")) == 1


def test_a_base_of_an_unknown_architecture_or_without_its_weights_is_refused(home: Path) -> None:
    config = home / "base" / "config.json"
    known = config.read_text()
    config.write_text(json.dumps(json.loads(known) | {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}))
    demand(home, TrainingError, "'GPT2LMHeadModel', which is not known here")
    config.write_text(known)
    (home / "base" / "model.safetensors").unlink()
    demand(home, TrainingError, "lacks its weights")
    assert len(list_runs(home / "runs", "library", "sqlite")) == 1


def test_a_gguf_as_base_is_checked_before_anything_is_done(home: Path) -> None:
    (home / "base.gguf").write_bytes(b"no model")
    demand(home, TrainingError, "Cannot read weights from", base=home / "base.gguf")
    assert len(list_runs(home / "runs", "library", "sqlite")) == 1


def test_a_gpu_that_is_not_there_is_said(home: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    demand(home, TrainingError, "torch finds no GPU", device="cuda")


def test_a_database_without_tables_without_rows_or_not_there_is_refused(home: Path) -> None:
    path = home / "library.sqlite"
    path.unlink()
    make_library(path)
    run_script(path, "DELETE FROM loan; DELETE FROM member; DELETE FROM city;")
    demand(home, DataError, "no rows")
    path.unlink()
    sqlite3.connect(path).close()
    demand(home, DatabaseError, "has no tables")
    path.write_bytes(b"this is no database at all" * 100)
    demand(home, DatabaseError, "Cannot (open|read)")
    path.unlink()
    demand(home, DatabaseError, "Cannot open")


def test_no_foreign_keys_an_empty_table_and_an_unreadable_view_do_not_matter(home: Path) -> None:
    path = home / "library.sqlite"
    path.unlink()
    run_script(
        path,
        """
        CREATE TABLE city (name TEXT, people INTEGER, country TEXT);
        CREATE TABLE empty_one (a INTEGER, b TEXT);
        CREATE VIEW broken AS SELECT * FROM gone;
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59)
        INSERT INTO city SELECT 'City ' || i, 1000 + i * 37 % 91, 'Land ' || (i % 7) FROM n;
        """,
    )
    config = retrain_config(home)

    def stop(name: str, moment: str) -> None:
        if (name, moment) == ("train", "begin"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain(config, look_around(config), on_step=stop)
    newest = list_runs(config.runs, "library", "sqlite")[0]
    assert int(newest.fact("split", "train")) > 100
    assert int(newest.fact("split", "test")) > 0


def test_a_glossary_that_names_what_is_gone_does_not_stop_a_retraining(home: Path) -> None:
    (home / "library.glossary.toml").write_text(
        '[[term]]\nterm = "contribution"\nmeaning = "What a member pays."\nsql = "member.fee"\n'
        '[[term]]\nterm = "genre"\nmeaning = "Of a book."\nsql = "book.genre"\n'
        '[[term]]\nterm = "town"\nmeaning = "A city."\nsql = "city"\n'
    )
    change_schema(home / "library.sqlite")
    found = look_around(retrain_config(home))
    told = [line for line in describe_situation(found) if "Glossary" in line]
    assert len(told) == 2
    assert "'member.yearly_fee', by a guessed rename" in told[0]
    assert "'book.genre'. The term is not used" in told[1]
    assert [entry.sql for entry in found.schema.glossary] == ["member.yearly_fee", "", "city"]


def test_what_was_begun_with_other_rows_is_made_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_library(tmp_path / "library.sqlite")
    config = DatagenConfig(database_url=str(path), out=tmp_path / "out", count=20)
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        generate_afresh(config, stop)
    run_script(path, "UPDATE loan SET days = days + 1;")
    generate_afresh(config, threading.Event())
    assert "It is made anew." in capsys.readouterr().err
    assert (config.out / "summary.json").exists()


def test_a_memory_that_cannot_be_read_is_said(home: Path) -> None:
    (home / "memory.sqlite").write_bytes(b"no database at all, but long enough to be read as one" * 40)
    demand(home, QueryForgeError, "memory")


@pytest.mark.parametrize(("most_bytes", "step"), [(100_000, "Data"), (500_000, "Train")])
def test_a_disk_without_room_ends_in_one_error_and_a_rerun_goes_on(home: Path, most_bytes: int, step: str) -> None:
    config = retrain_config(home)
    change_schema(home / "library.sqlite")
    approve(config, "how many towns", "SELECT COUNT(*) FROM city")
    before = serving(config)
    values = config.settings.model_dump(include={"models_path", "memory_url", "cache_path", "database_url", "backend"})
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("QUERYFORGE_")},
        **{f"QUERYFORGE_{name.upper()}": str(value) for name, value in values.items()},
        "OMP_NUM_THREADS": "1",
    }
    flags = [
        "--runs", str(config.runs), "--base", str(config.base), "--recipe", str(config.recipe), "--count", "300",
        "--judge-examples", "8", "--variants", "0", "--min-accuracy", "0", "--min-examples", "1", "--alpha", "0.0001",
        "--max-failed", "none", "--max-wrongly-declined", "none", "--min-declined", "none",
    ]  # fmt: skip

    def limit() -> None:
        # No file may get larger: writing fails as it does on a full disk, at the same places.
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "retrain", *flags],
        cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode not in (0, 130), done.stdout
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    assert "space" in done.stderr or "room" in done.stderr
    assert "--out" not in done.stderr
    assert ("--runs" in done.stderr) == (step == "Data")
    assert serving(config) == before
    ask_served(config)
    assert [line for line in done.stderr.splitlines() if line.startswith("[")][-1].split()[1] == f"{step}:"
    # The newest run is the unfinished one, and what it did is kept.
    newest = list_runs(config.runs, "library", "sqlite")[0]
    assert not newest.state.outcome
    assert ("split" in newest.state.steps) == (step == "Train")
