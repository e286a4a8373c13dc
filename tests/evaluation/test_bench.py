"""The benchmarks run and say what they measured; how fast is not a test's business."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from assistant.errors import DataError
from assistant.schema import link_schema
from assistant.settings import Settings
from assistant.types import Question
from evaluation.bench import QUESTIONS, bench_ask, bench_compare, bench_guard, main, make_results
from evaluation.bench_company import link_by_names, make_schema, make_values, match_one_by_one, mention_values
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


def test_linking_and_matching_are_measured_beside_going_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", "--tables", "60", "--values", "400"]) == 0
    printed = capsys.readouterr().out
    assert "link: 60 tables, 1,200 columns" in printed
    assert "match: 400 values" in printed
    assert printed.count("one by one ") == 2
    assert "questions that got all their tables within 1,500 tokens" in printed


def test_the_company_of_the_benchmark_is_always_the_same_and_needs_linking() -> None:
    schema, asked = make_schema(200)
    again, asked_again = make_schema(200)
    assert (schema, asked) == (again, asked_again)
    names = {table.name for table in schema.tables}
    assert len(names) == 200
    assert {len(table.columns) for table in schema.tables} == {20}
    assert len(asked) > 60
    assert all(each.tables <= names for each in asked)
    assert len({each.kind for each in asked}) == 5
    assert link_by_names(asked[0].text, schema, max_tokens=1500) < names


@pytest.mark.parametrize("seed", [2, 3])
def test_nearly_every_question_about_a_thousand_tables_gets_its_tables(seed: int) -> None:
    schema, asked = make_schema(1000, seed=seed)
    got = []
    for each in asked:
        context = link_schema(Question(text=each.text), schema, each.values, max_tokens=1500)
        got.append(each.tables <= {table.name for table in context.tables})
    assert len(got) > 300
    assert sum(got) / len(got) >= 0.95


def test_values_of_the_benchmark_are_distinct_and_mentioned_as_said() -> None:
    values = make_values(300)
    assert len({value for column in values.values() for value in column}) == 300
    asked = mention_values(values, 8)
    assert asked[0][1] in asked[0][0]
    assert asked[1][1].lower() in asked[1][0]
    assert asked[2][1] not in asked[2][0]
    assert asked[3][1] == ""
    assert asked[0][1] in match_one_by_one(asked[0][0], values)
