"""Retraining: what has changed is told, a run survives being killed, and there is a working model at any moment."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assistant.bank import bank_path, read_bank
from assistant.confidence import ConfidenceTable, table_path
from assistant.errors import UsageError
from assistant.memory.store import Memory
from assistant.served import ServedModels, TrainedModel
from assistant.settings import SHIPPED_MODEL
from evaluation.execution import read_schema
from evaluation.folder import sha256_of
from tests.training.retrain_library import LENIENT, approve, change_schema, finished_home, retrain_config, serving
from tests.training.toy import require
from training.base import BaseConfig
from training.example_bank import choose_bank
from training.retrain import main
from training.retrain_config import RetrainConfig
from training.retrain_data import read_pool
from training.retrain_plan import (
    MOVING_RECIPE,
    SHIPPED_BASE,
    SMALL_RECIPE,
    choose_recipe,
    find_layout,
    find_start,
    plan_training,
    prepare_start,
)
from training.retrain_run import retrain
from training.retrain_split import list_learned, split_pool
from training.retrain_state import list_runs, lock_database
from training.retrain_steps import STEPS
from training.schema_changes import SchemaChanges
from training.situation import describe_situation, look_around

require("torch", "llama_cpp")
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one retraining is finished and its model serves; copy it to change it."""
    return finished_home(tmp_path_factory)


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(finished, tmp_path / "home"))


@pytest.fixture
def environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as a person has it, who types commands."""
    settings = retrain_config(home).settings
    for name in ("database_url", "models_path", "memory_url", "cache_path", "backend"):
        monkeypatch.setenv(f"QUERYFORGE_{name.upper()}", str(getattr(settings, name)))
    return home


def test_a_first_retraining_ends_with_a_model_that_serves_and_all_there_is_to_know_of_it(finished: Path) -> None:
    config = retrain_config(finished)
    (run,) = list_runs(config.runs, "library", "sqlite")
    assert list(run.state.steps) == [step.name for step in STEPS]
    served = serving(config)
    schema = read_schema(config.settings.database_url)
    assert served.schema_fingerprint == schema.fingerprint
    assert served.trained_schema is not None
    assert [table.name for table in served.trained_schema.tables] == ["city", "loan", "member"]
    assert served.accuracy is not None
    assert served.accuracy.n > 0
    assert (run.folder / "report-made" / "report.md").exists()
    assert not list(run.folder.glob("generated-*"))


def test_no_shape_is_both_trained_on_and_judged_by(finished: Path) -> None:
    (run,) = list_runs(finished / "runs", "library", "sqlite")
    shape_of = {line.triple.sql: line.triple.shape for line in read_pool(run.folder / "data" / "pool.jsonl")}
    shapes: dict[str, set[str]] = {}
    for name, key in (("train.jsonl", "reply"), ("eval.jsonl", "reply"), ("test-examples.jsonl", "gold_sql")):
        lines = (run.folder / "data" / name).read_text(encoding="utf-8").splitlines()
        assert lines
        shapes[name] = {shape_of[sql] for line in lines if (sql := json.loads(line)[key]) in shape_of and sql}
    assert shapes["test-examples.jsonl"]
    assert not shapes["train.jsonl"] & shapes["test-examples.jsonl"]
    assert not shapes["train.jsonl"] & shapes["eval.jsonl"]
    assert not shapes["eval.jsonl"] & shapes["test-examples.jsonl"]


def test_prompts_show_similar_pairs_of_those_that_are_learned_from(finished: Path, tmp_path: Path) -> None:
    config = retrain_config(finished)
    (run,) = list_runs(config.runs, "library", "sqlite")
    pool, nothing = run.folder / "data" / "pool.jsonl", SchemaChanges()
    split_pool(pool, tmp_path, nothing, judge_examples=40, has_weights=True, neighbours=2)
    bank = {pair.question for pair in choose_bank(list_learned(pool, nothing, judge_examples=40))}
    for name in ("train.jsonl", "eval.jsonl"):
        lines = [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        systems = [line["messages"][0]["content"] for line in lines]
        shown = [[text[3:] for text in system.splitlines() if text.startswith("-- ")] for system in systems]
        assert {0, 2} <= {len(questions) for questions in shown} <= {0, 1, 2}
        assert {question for questions in shown for question in questions} <= bank


def test_without_a_change_if_changed_says_so_in_one_line(environment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--if-changed", "--runs", str(environment / "runs")]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "Nothing has changed for 'library'" in out


def test_a_newly_approved_pair_is_a_change(home: Path) -> None:
    config = retrain_config(home)
    assert not look_around(config).is_changed
    approve(config, "how many towns", "SELECT COUNT(*) FROM city")
    found = look_around(config)
    assert (found.is_changed, found.is_schema_changed, found.new_pairs) == (True, False, 1)


def test_a_changed_schema_is_listed_with_the_pairs_and_saved_questions_that_it_breaks(
    environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = retrain_config(environment)
    approve(config, "what do members pay on average", "SELECT AVG(fee) FROM member")
    approve(config, "how many towns", "SELECT COUNT(*) FROM city")
    with Memory(config.settings.memory_url) as memory:
        memory.saved.save("fees", "all fees", "SELECT name, fee FROM member", db_id="library")
    change_schema(environment / "library.sqlite")
    before = _files(environment / "runs")
    base = ["--base", str(config.base), "--recipe", str(config.recipe)]
    assert main(["--if-changed", "--dry-run", "--runs", str(environment / "runs"), *base]) == 0
    out = capsys.readouterr().out
    assert "added table publisher: publisher_id, name, founded, city_id" in out
    assert "renamed column member.yearly_fee: was fee (a guess)" in out
    assert "breaks: No table of this query has a column 'fee'" in out
    assert "SELECT AVG(yearly_fee) FROM member" in out
    assert "SELECT name, yearly_fee FROM member" in out
    assert "how many towns" not in out
    assert "All together about" in out
    assert _files(environment / "runs") == before


def test_a_column_whose_values_do_not_fit_is_not_taken_for_a_renamed_one(home: Path) -> None:
    with closing(sqlite3.connect(home / "library.sqlite")) as database:
        database.executescript(
            "ALTER TABLE member RENAME COLUMN fee TO height; UPDATE member SET height = 150 + member_id * 0.7;"
        )
        database.commit()
    lines = list(describe_situation(look_around(retrain_config(home))))
    assert any("removed column member.fee" in line for line in lines)
    assert any("added column member.height" in line for line in lines)
    assert not any("renamed" in line for line in lines)


def test_training_starts_from_the_base_that_is_named_else_from_the_served_weights_else_from_the_served_file(
    home: Path,
) -> None:
    named, unnamed = retrain_config(home), retrain_config(home, base=None)
    (run,) = list_runs(named.runs, "library", "sqlite")
    assert find_start(named, look_around(named)) == named.base
    assert find_start(unnamed, look_around(unnamed)) == (run.folder / "trained" / "model").resolve()
    shutil.rmtree(run.folder / "trained")
    situation = look_around(unnamed)
    plan = plan_training(unnamed, situation, home / "next")
    assert plan.gguf == situation.served_path
    assert plan.start == str(situation.served_path)
    prepare_start(plan)
    assert (home / "next" / "start" / "model.safetensors").exists()
    assert situation.served_path is not None
    situation.served_path.write_bytes(b"damaged")
    assert find_start(unnamed, situation) == SHIPPED_BASE


def test_data_are_laid_out_as_the_weights_know_them(home: Path) -> None:
    config = retrain_config(home)
    situation = look_around(config)
    assert find_layout(config, situation) == "compact"
    assert config.base is not None
    (config.base / "queryforge.json").write_text('{"queryforge.prompt_layout": "listed"}', encoding="utf-8")
    assert find_layout(config, situation) == "listed"
    small = retrain_config(home, recipe=SMALL_RECIPE)
    recipe = plan_training(small, situation, home / "next").recipe
    assert isinstance(recipe, BaseConfig)
    assert recipe.prompt_layout == "listed"


@pytest.mark.model
def test_what_has_changed_since_the_shipped_model_was_trained_is_told(shop_db_path: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(shop_db_path, tmp_path / "shop.sqlite"))
    config = retrain_config(tmp_path, base=None, recipe=None)
    config = config.model_copy(update={"settings": config.settings.model_copy(update={"database_url": str(path)})})
    assert not look_around(config).is_changed
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "ALTER TABLE payment RENAME COLUMN method TO paid_by; CREATE TABLE supplier (supplier_key INT, name TEXT);"
        )
    assert [line.strip() for line in describe_situation(look_around(config))][1:] == [
        "renamed column payment.paid_by: was method (a guess)",
        "added table supplier: supplier_key, name",
    ]
    assert find_start(config, look_around(config)) == SHIPPED_MODEL


def test_weights_of_another_world_move_and_the_served_ones_go_on(home: Path) -> None:
    other = retrain_config(home, base=SHIPPED_BASE, recipe=None)
    situation = look_around(other)
    assert situation.served_path is not None
    assert choose_recipe(other, situation, find_start(other, situation)) == MOVING_RECIPE
    assert choose_recipe(other, situation, situation.served_path) == SMALL_RECIPE


def test_a_model_that_the_gate_refuses_does_not_serve(environment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = retrain_config(environment)
    before = serving(config)
    change_schema(environment / "library.sqlite")
    flags = [
        "--if-changed", "--runs", str(config.runs), "--base", str(config.base), "--recipe", str(config.recipe),
        "--count", "300", "--judge-examples", "8", "--variants", "0", "--min-accuracy", "1", "--min-examples", "1",
    ]  # fmt: skip
    assert main(flags) == 1
    told = capsys.readouterr().out
    assert "The gate refused the new model" in told
    base = told.partition("To train on from here, with more --minutes: --base ")[2].partition("\n")[0]
    assert (Path(base) / "model.safetensors").exists()
    assert serving(config) == before
    assert main(flags) == 0
    assert "whose model the gate refused" in capsys.readouterr().out


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(environment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = retrain_config(environment)
    change_schema(environment / "library.sqlite")
    flags = ["--runs", str(config.runs), "--base", str(config.base), "--recipe", str(config.recipe), "--count", "300"]

    def interrupt(name: str, moment: str) -> None:
        if (name, moment) == ("split", "begin"):
            raise KeyboardInterrupt

    assert main(flags, on_step=interrupt) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert main([*flags, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "Would go on with" in out
    assert "1  Data                    done" in out


def test_a_rollback_brings_the_model_before_back(environment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = retrain_config(environment)
    models, first = ServedModels(config.settings.models_path), serving(config)
    gguf = environment / "second.gguf"
    gguf.write_bytes((environment / "models" / "sqlite-library" / first.file).read_bytes() + b"\0")
    trained = first.model_dump(exclude={"file", "installed_at", "sha256", "size_bytes"})
    models.install(gguf, TrainedModel(**trained, sha256=sha256_of(gguf), size_bytes=gguf.stat().st_size))
    assert serving(config).sha256 != first.sha256
    assert main(["--rollback", "--runs", str(config.runs)]) == 0
    assert f"'{first.file}' serves 'library' again" in capsys.readouterr().out
    assert serving(config) == first


def test_the_served_model_has_a_table_of_its_confidence(environment: Path) -> None:
    served = serving(retrain_config(environment))
    path = ServedModels(environment / "models").current("library", "sqlite").path
    assert path is not None
    table = ConfidenceTable.model_validate_json(table_path(path).read_bytes())
    assert table.size_bytes == served.size_bytes == path.stat().st_size


def test_the_served_model_has_a_bank_of_what_it_learned_from_and_of_nothing_it_is_judged_by(environment: Path) -> None:
    config = retrain_config(environment)
    path = ServedModels(config.settings.models_path).current("library", "sqlite").path
    assert path is not None
    bank = {pair.question for pair in read_bank(bank_path(path), "library", "sqlite")}
    files = list(config.runs.glob("*/data/test-examples.jsonl"))
    assert len(files) == 1
    judged = {json.loads(line)["question"] for line in files[0].read_text().splitlines()}
    assert len(bank) > 10
    assert judged
    assert not bank & judged


def test_two_retrainings_of_one_database_do_not_run_at_once_but_a_lock_left_over_is_taken(home: Path) -> None:
    config = retrain_config(home)
    situation = look_around(config)
    with lock_database(config.runs, "library", "sqlite"), pytest.raises(UsageError, match="is retraining"):
        retrain(config, situation)
    lock = config.runs / "retrain-sqlite-library.lock"
    lock.write_text("999999999\n")
    with lock_database(config.runs, "library", "sqlite"):
        assert lock.read_text() != "999999999\n"


def _files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_lenient_gate_of_these_tests_is_not_the_default() -> None:
    assert retrain_config(Path()).gate == LENIENT != RetrainConfig.model_fields["gate"].default
