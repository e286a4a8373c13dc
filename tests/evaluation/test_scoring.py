"""The Judge: gold and prediction on the same road, on the database and its variants, with ties and other dialects."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant.errors import DataError
from assistant.settings import Settings
from evaluation.examples import Example, list_asks
from evaluation.panel import Panel
from evaluation.records import PREVIEW_ROWS, Prediction, Score
from evaluation.runner import EvalConfig, run
from evaluation.scoring import Judge, JudgeConfig

SCHEMA = """
CREATE TABLE runner (runner_id INTEGER PRIMARY KEY, name TEXT NOT NULL, club TEXT, age INTEGER NOT NULL);
"""
RUNNERS = [(1, "Ann", "Hill", 30), (2, "Bob", "Hill", 40), (3, "Cid", "Lake", 40), (4, "Dot", "Lake", 25)]
WITHOUT_A_CLUB = [*RUNNERS, (5, "Eve", None, 40)]


def write(path: Path, rows: list[tuple[int, str, str | None, int]]) -> str:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO runner VALUES (?, ?, ?, ?)", rows)
    return str(path)


@pytest.fixture
def config(tmp_path: Path) -> JudgeConfig:
    variant = write(tmp_path / "variant.sqlite", [*WITHOUT_A_CLUB])
    return JudgeConfig(
        db_id="race", url=write(tmp_path / "race.sqlite", RUNNERS), variant_urls=(variant,), timeout_s=5, max_rows=50
    )


@pytest.fixture
def judge(config: JudgeConfig) -> Iterator[Judge]:
    with Judge(config) as judge:
        yield judge


def score(judge: Judge, gold_sql: str, sql: str, *, ordered: bool | None = None) -> Score:
    ask = list_asks(Example(id="q", question="Q?", gold_sql=gold_sql, ordered=ordered))[0]
    found = judge.score(ask, Prediction(id="q", sql=sql, status="answered", latency_ms=1.0))
    assert found is not None
    return found


def test_a_lucky_match_is_caught_by_a_variant(judge: Judge) -> None:
    found = score(judge, "SELECT COUNT(*) FROM runner", "SELECT COUNT(club) FROM runner")
    assert (found.is_correct_on_original, found.is_correct, found.failed_variant) == (True, False, 1)
    assert found.reason.startswith("Right on the database, wrong on variant 1 of it")


def test_the_same_in_other_words_is_right_on_all(judge: Judge) -> None:
    found = score(
        judge, "SELECT name FROM runner WHERE age > 30", "SELECT r.name AS x FROM runner AS r WHERE 30 < r.age"
    )
    assert (found.is_correct, found.failed_variant, found.n_variants, found.reason) == (True, None, 1, "Same rows.")
    assert found.exact_match is False
    assert found.token_match == 1.0


def test_the_gold_text_itself_needs_no_second_run(judge: Judge) -> None:
    found = score(judge, "SELECT name FROM runner", "SELECT name FROM runner ")
    assert (found.is_correct, found.exact_match, found.reason) == (True, True, "Same SQL.")


def test_what_is_wrong_on_the_database_is_shown_with_both_results(judge: Judge) -> None:
    found = score(judge, "SELECT name, age FROM runner", "SELECT name FROM runner WHERE age > 100")
    assert not found.is_correct_on_original
    assert found.gold_result is not None
    assert found.gold_result.columns == ("name", "age")
    assert found.gold_result.n_rows == len(found.gold_result.rows) == len(RUNNERS) <= PREVIEW_ROWS
    assert found.predicted_result is not None
    assert found.predicted_result.rows == ()


def test_order_counts_where_the_outermost_node_orders(judge: Judge) -> None:
    gold, other = "SELECT name FROM runner ORDER BY name", "SELECT name FROM runner ORDER BY name DESC"
    assert not score(judge, gold, other).is_correct
    assert score(judge, gold, other, ordered=False).is_correct
    inside = "SELECT name FROM (SELECT name FROM runner ORDER BY name LIMIT 9)"
    assert score(judge, inside, other).is_correct
    # The example cannot make an order count that the gold SQL does not give.
    assert score(judge, inside, other, ordered=True).is_correct


def test_rows_that_tie_may_come_in_either_order(judge: Judge) -> None:
    gold = "SELECT name FROM runner ORDER BY age DESC"
    assert score(judge, gold, "SELECT name FROM runner ORDER BY age DESC, name DESC").is_correct
    wrong = score(judge, gold, "SELECT name FROM runner ORDER BY age, name")
    assert not wrong.is_correct
    assert "another order" in wrong.reason


def test_a_limit_between_ties_is_named_and_no_variant_is_judged_there(judge: Judge) -> None:
    gold = "SELECT name FROM runner ORDER BY age DESC LIMIT 1"
    ask = list_asks(Example(id="q", question="Q?", gold_sql=gold))[0]
    assert judge.prepare([ask]).tied == ("q",)
    found = score(judge, gold, "SELECT name FROM runner WHERE name = 'Bob'")
    assert (found.is_correct, found.has_gold_ties, found.n_variants) == (True, True, 0)


def test_an_empty_gold_is_counted_apart(judge: Judge) -> None:
    gold = "SELECT name FROM runner WHERE age > 200"
    ask = list_asks(Example(id="q", question="Q?", gold_sql=gold))[0]
    assert judge.prepare([ask]).n_empty == 1
    assert score(judge, gold, "SELECT name FROM runner WHERE age < 0").is_gold_empty


def test_a_prediction_that_fails_when_judged_is_wrong_and_says_so(judge: Judge) -> None:
    found = score(judge, "SELECT name FROM runner", "SELECT nothing FROM runner")
    assert not found.is_correct
    assert "nothing" in found.reason
    too_long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n"
    cut = score(judge, "SELECT name FROM runner", too_long)
    assert not cut.is_correct
    assert "cut" in cut.reason


def test_a_query_that_should_have_been_declined_is_shown_with_its_result(judge: Judge) -> None:
    ask = list_asks(Example(id="q", question="Weather?", expect="unanswerable"))[0]
    found = judge.score(ask, Prediction(id="q", sql="SELECT 1", status="answered", latency_ms=1.0))
    assert found is not None
    assert (found.is_correct, found.exact_match, found.difficulty) == (False, None, None)
    assert found.predicted_result is not None
    assert found.predicted_result.rows == ((1,),)


def test_processes_say_what_one_says(config: JudgeConfig) -> None:
    pairs = [
        (
            list_asks(Example(id=str(age), question="Q?", gold_sql=f"SELECT name FROM runner WHERE age = {age}"))[0],
            Prediction(id=str(age), sql=f"SELECT name FROM runner WHERE age >= {age}", status="answered", latency_ms=0),
        )
        for age in range(20, 60)
    ]
    asks = [ask for ask, _ in pairs]
    with Panel(n_asks=1) as here, Panel(n_asks=1000, jobs=2) as elsewhere:
        configs = {"": config}
        assert elsewhere.prepare(configs, asks) == here.prepare(configs, asks)
        assert elsewhere.score(configs, pairs) == here.score(configs, pairs)
        bad = list_asks(Example(id="bad", question="Q?", gold_sql="SELECT nothing FROM runner"))[0]
        with pytest.raises(DataError, match="The gold SQL of 'bad' was rejected") as caught:
            elsewhere.prepare(configs, [bad])
        assert caught.value.hint


@pytest.mark.postgres
def test_gold_is_carried_into_the_dialect_that_is_asked(shop_db_path: Path, postgres_url: str) -> None:
    gold = "SELECT COUNT(*) FROM sales_order WHERE strftime('%Y', order_date) = '2024'"
    config = JudgeConfig(db_id="shop", url=postgres_url, gold_url=str(shop_db_path), timeout_s=20)
    with Judge(config) as judge:
        found = score(judge, gold, "SELECT COUNT(*) FROM sales_order WHERE EXTRACT(YEAR FROM order_date) = 2024")
        assert found.is_correct
        assert found.gold_sql is not None
        assert "strftime" not in found.gold_sql.lower()
        # Where a prediction is wrong, the report shows the gold as it would be written there.
        assert found.gold_result is not None
        assert found.gold_result.n_rows == 1


@pytest.mark.postgres
def test_gold_that_gives_other_rows_elsewhere_is_left_out_and_named(shop_db_path: Path, postgres_url: str) -> None:
    gold = "SELECT full_name, MAX(dateofbirth) FROM customer GROUP BY gender"
    other = list_asks(Example(id="rows", question="Q?", gold_sql=gold))[0]
    with Judge(JudgeConfig(db_id="shop", url=postgres_url, gold_url=str(shop_db_path), timeout_s=20)) as judge:
        assert judge.prepare([other]).untranslated == ("rows",)
        assert judge.score(other, Prediction(id="rows", sql="SELECT 1", status="answered", latency_ms=1.0)) is None


@pytest.mark.postgres
def test_questions_are_judged_on_a_server_and_on_variants_there(
    shop_db_path: Path, postgres_url: str, tmp_path: Path
) -> None:
    lines = [
        ("a", "SELECT COUNT(*) FROM contact WHERE email IS NULL", "SELECT COUNT(*) - COUNT(email) FROM contact"),
        (
            "b",
            "SELECT strftime('%Y', order_date), COUNT(*) FROM sales_order GROUP BY 1",
            "SELECT EXTRACT(YEAR FROM order_date), COUNT(*) FROM sales_order GROUP BY 1",
        ),
        ("c", "SELECT COUNT(*) FROM product WHERE is_active = 1", "SELECT COUNT(*) FROM product WHERE NOT is_active"),
    ]
    examples, predictions = tmp_path / "e.jsonl", tmp_path / "p.jsonl"
    examples.write_text("".join(json.dumps({"id": i, "question": "Q?", "gold_sql": g}) + "\n" for i, g, _ in lines))
    predictions.write_text("".join(json.dumps({"id": i, "sql": sql}) + "\n" for i, _, sql in lines))
    config = EvalConfig(
        examples=examples,
        out=tmp_path / "out",
        settings=Settings(cache_path=tmp_path / "cache"),
        databases=(postgres_url,),
        gold_databases=(str(shop_db_path),),
        predictions=predictions,
        variants=1,
        scratch_url=postgres_url,
    )
    metrics = run(config)
    assert (metrics.accuracy.hits, metrics.accuracy.n, metrics.n_variants) == (2, 3, 1)
    assert (metrics.run.untranslated, list(metrics.by_dialect)) == (0, ["postgres"])
