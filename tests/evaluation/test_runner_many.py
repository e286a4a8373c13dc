"""Several databases, several workers, predictions from a file, the gate: the command as a maintainer gives it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from assistant.errors import BackendError, DataError, UsageError
from assistant.settings import Settings
from evaluation.runner import EvalConfig, main, run
from evaluation.variants import DEFAULT_VARIANTS
from tests.ollama_double import OllamaDouble

COUNT = "SELECT COUNT(*) FROM pet"
TABLES = {
    "cats": [(1, "Mia", 3), (2, "Tom", 9), (3, "Ada", None)],
    "dogs": [(1, "Rex", 4), (2, "Bo", 2), (3, "Ida", 5), (4, "Max", None), (5, "Sam", 11)],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in TABLES.items():
        with closing(sqlite3.connect(tmp_path / f"{name}.sqlite")) as connection, connection:
            connection.execute("CREATE TABLE pet (pet_id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER)")
            connection.executemany("INSERT INTO pet VALUES (?, ?, ?)", rows)
    return tmp_path


def write_lines(path: Path, *lines: Mapping[str, object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def questions(folder: Path, count: int = 12) -> Path:
    lines = (
        {"id": f"{name}-{i}", "db_id": name, "question": f"How many {name} are {i} or older?", "gold_sql": sql}
        for name in TABLES
        for i, sql in enumerate([COUNT, *(f"{COUNT} WHERE age >= {age}" for age in range(1, count))])
    )
    return write_lines(folder / "questions.jsonl", *lines)


def answers(folder: Path, examples: Path, *, wrong: Sequence[str] = ()) -> Path:
    gold = [json.loads(line) for line in examples.read_text().splitlines()]
    lines = ({"id": g["id"], "sql": "SELECT -1" if g["id"] in wrong else g["gold_sql"]} for g in gold)
    return write_lines(folder / f"predictions-{len(wrong)}.jsonl", *lines)


def config_for(folder: Path, examples: Path, predictions: Path, **changes: object) -> EvalConfig:
    settings = Settings(cache_path=folder / "cache", query_timeout_s=5)
    config = EvalConfig(
        examples=examples,
        out=folder / f"out-{predictions.stem}",
        settings=settings,
        databases=(str(folder),),
        predictions=predictions,
    )
    return config.model_copy(update=changes)


def test_each_question_is_judged_on_its_own_database_and_its_variants(folder: Path) -> None:
    examples = questions(folder)
    metrics = run(config_for(folder, examples, answers(folder, examples, wrong=["dogs-3"])))
    assert (metrics.accuracy.hits, metrics.accuracy.n) == (23, 24)
    assert {name: (rate.hits, rate.n) for name, rate in metrics.by_db.items()} == {"cats": (12, 12), "dogs": (11, 12)}
    assert metrics.run.database == "cats, dogs"
    assert metrics.n_variants == DEFAULT_VARIANTS


def test_variants_catch_what_is_right_by_luck(folder: Path) -> None:
    examples = write_lines(
        folder / "e.jsonl",
        {"id": "a", "db_id": "dogs", "question": "How many older than 5?", "gold_sql": f"{COUNT} WHERE age > 5"},
    )
    predictions = write_lines(folder / "p.jsonl", {"id": "a", "sql": f"{COUNT} WHERE age > 6"})
    config = config_for(folder, examples, predictions)
    plain = run(config.model_copy(update={"variants": 0}))
    assert (plain.accuracy.hits, plain.accuracy_original.hits, plain.n_variants) == (1, 1, 0)
    # The same run, judged again on variants: nothing is asked anew.
    judged = run(config)
    assert (judged.accuracy.hits, judged.accuracy_original.hits) == (0, 1)
    assert (judged.caught_by_variants.hits, judged.caught_by_variants.n) == (1, 1)


def test_an_unknown_database_is_named_and_nothing_runs(folder: Path) -> None:
    examples = write_lines(folder / "e.jsonl", {"id": "a", "db_id": "cat", "question": "Q?", "gold_sql": "SELECT 1"})
    config = config_for(folder, examples, write_lines(folder / "p.jsonl", {"id": "a", "sql": "SELECT 1"}))
    with pytest.raises(DataError, match="Example 'a': the database 'cat' was not given. Did you mean 'cats'"):
        run(config)
    assert not config.out.exists()


def test_the_command_judges_a_file_of_predictions_and_the_gate_decides(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUERYFORGE_CACHE_PATH", str(folder / "cache"))
    examples = questions(folder, count=20)
    words = ["--examples", str(examples), "--db", str(folder), "--gate", "--min-accuracy", "0.7"]
    served = folder / "served"
    good = answers(folder, examples)
    assert main([*words, "--predictions", str(good), "--out", str(served)]) == 0
    assert json.loads((served / "gate.json").read_text())["is_passed"] is True

    worse = answers(folder, examples, wrong=[f"dogs-{i}" for i in range(10)])
    out = folder / "worse"
    # Three quarters are enough by themselves, but ten questions lost and none won is no accident.
    assert main([*words, "--predictions", str(worse), "--out", str(out)]) == 0
    assert main([*words, "--predictions", str(worse), "--out", str(out), "--against", str(served)]) == 1
    record = json.loads((out / "gate.json").read_text())
    assert record["is_passed"] is False
    assert [check["name"] for check in record["checks"] if check["is_passed"] is False] == ["no loss in answering"]
    shown = capsys.readouterr()
    assert "FAILED" in shown.out
    assert "40/40 judged" in shown.err


def test_a_gate_without_its_flag_is_an_error_of_usage(folder: Path) -> None:
    words = ["--examples", str(questions(folder)), "--db", str(folder), "--out", str(folder / "out")]
    with pytest.raises(UsageError, match="--gate"):
        main([*words, "--min-accuracy", "0.5"])
    assert not (folder / "out").exists()


def test_several_questions_at_a_time_are_each_asked_once(folder: Path) -> None:
    examples = questions(folder, count=20)
    with OllamaDouble(COUNT) as ollama:
        settings = Settings(
            backend="ollama",
            ollama_host=ollama.host,
            cache_path=folder / "cache",
            query_timeout_s=5,
            backend_timeout_s=20,
            check_fidelity=False,  # a doubt would be asked about again
        )
        config = EvalConfig(
            examples=examples, out=folder / "out", settings=settings, databases=(str(folder),), variants=0, jobs=4
        )
        metrics = run(config)
        asked = [chat["messages"][-1]["content"] for chat in ollama.chats()]
    assert metrics.n_asks == len(asked) == len(set(asked)) == 40
    assert metrics.by_db["cats"].hits >= 1
    lines = (folder / "out" / "predictions.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == sorted(f"{n}-{i}" for n in TABLES for i in range(20))


def test_several_workers_stop_when_the_server_is_gone(folder: Path) -> None:
    with OllamaDouble(fault="server_error") as ollama:
        settings = Settings(
            backend="ollama", ollama_host=ollama.host, cache_path=folder / "cache", backend_timeout_s=20
        )
        config = EvalConfig(
            examples=questions(folder, count=40),
            out=folder / "out",
            settings=settings,
            databases=(str(folder),),
            variants=0,
            jobs=2,
        )
        with pytest.raises(BackendError):
            run(config)
    assert (folder / "out" / "predictions.jsonl").read_text().count("\n") < 80
