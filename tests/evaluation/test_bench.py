"""The benchmarks run and say what they measured; how fast is not a test's business."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from assistant.errors import DataError
from assistant.settings import Settings
from evaluation.bench import QUESTIONS, bench_ask, bench_compare, bench_guard, main, make_results
from evaluation.compare import same_result


def test_results_made_for_the_benchmark_are_the_same_but_not_in_order() -> None:
    gold, predicted = make_results(200, 7)
    assert gold.rows != predicted.rows
    assert same_result(gold, predicted, is_ordered=False).is_correct
    assert not same_result(gold, predicted, is_ordered=True).is_correct


def test_comparing_is_measured_beside_sorting() -> None:
    table = bench_compare(rounds=1, shapes=((50, 3), (100, 6)))
    assert "compare: 100 rows, 6 columns" in table
    assert table.count("same_result") == table.count("sort both as text") == 2


def test_the_guard_is_measured_beside_parsing(shop_db_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guard", "--db", str(shop_db_path), "--rounds", "1"]) == 0
    printed = capsys.readouterr().out
    assert "guard.check" in printed
    assert "sqlglot parse alone" in printed
    assert "per second" in printed


def test_the_guard_is_not_measured_on_another_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE other (id INT)")
    connection.close()
    with pytest.raises(DataError, match="rejects"):
        bench_guard(Settings(database_url=str(tmp_path / "other.sqlite")), rounds=1)


def test_a_warm_assistant_is_measured_beside_fresh_processes(shop_db_path: Path, tmp_path: Path) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text('"SELECT COUNT(*) FROM customer"\n')
    settings = Settings(database_url=str(shop_db_path), backend="scripted", script_path=script)
    table = bench_ask(settings, rounds=1, cold=1)
    lines = {line.partition("  ")[0]: line.split() for line in table.splitlines()}
    assert lines["warm assistant"][-2] == str(len(QUESTIONS))
    assert lines["a process per question"][-2] == "1"
    assert float(lines["a process per question"][-1]) > 1
