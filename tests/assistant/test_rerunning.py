"""SQL that a person wrote, and all the rows of an answer: through the same guard, without a model."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.database import Database, connect
from assistant.drivers.streaming import BATCH_ROWS
from assistant.errors import DatabaseError, UsageError
from assistant.rerunning import find_sql, run_sql, stream_answer
from assistant.settings import Settings
from assistant.types import Answer, Cell, Question, Rejection

LINES = "SELECT order_line_key, quantity * unit_price FROM order_line ORDER BY order_line_key"
CUT = Settings(max_rows=10)
QUESTION = Question(text="All lines")


def answer(database: Database, sql: str, settings: Settings = CUT) -> Answer:
    outcome = run_sql(QUESTION, sql, database, settings)
    assert isinstance(outcome, Answer)
    return outcome


def all_rows(database: Database, shown: Answer, settings: Settings = CUT) -> list[tuple[Cell, ...]]:
    with closing(stream_answer(shown, database, settings)) as batches:
        return [row for batch in batches for row in batch.rows]


def test_sql_of_a_person_is_an_answer_with_words_and_a_chart(shop_db: Database) -> None:
    sql = "SELECT channel, COUNT(*) AS orders FROM sales_order GROUP BY channel"
    found = answer(shop_db, f"{sql} ; \n")
    assert found.status == "answered"
    assert found.drafts[-1].sql == sql
    assert found.chart is not None
    assert "channel" in found.explanation
    assert [timing.step for timing in found.timings] == ["guard_sql", "execute_sql"]


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("DELETE FROM customer", "read-only"),
        ("SELECT nowhere FROM customer", "unknown-column"),
        ("SELECT * FROM sqlite_master", "system-table"),
        ("SELECT 1; SELECT 2", "one-statement"),
    ],
)
def test_guard_judges_the_sql_of_a_person_like_any_other(sql: str, rule: str, shop_db: Database) -> None:
    outcome = run_sql(QUESTION, sql, shop_db, CUT)
    assert isinstance(outcome, Rejection)
    assert outcome.rule == rule


def test_no_sql_is_told(shop_db: Database) -> None:
    with pytest.raises(UsageError):
        run_sql(QUESTION, " ; ", shop_db, CUT)


def test_all_rows_come_in_their_order_under_the_names_that_were_shown(shop_db: Database) -> None:
    shown = answer(shop_db, LINES)
    assert shown.result is not None
    assert shown.result.is_truncated
    with closing(stream_answer(shown, shop_db, CUT)) as batches:
        found = list(batches)
    rows = [row for batch in found for row in batch.rows]
    assert len(rows) > BATCH_ROWS
    assert rows[:10] == list(shown.result.rows)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)  # type: ignore[type-var]
    assert found[0].names == tuple(column.name for column in shown.result.columns)
    assert not any(batch.is_cut for batch in found)


@pytest.mark.parametrize("most", [1, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1])
def test_more_rows_than_may_be_taken_are_cut_and_that_is_told(most: int, shop_db: Database) -> None:
    shown = answer(shop_db, LINES)
    with closing(stream_answer(shown, shop_db, Settings(max_rows=10, max_export_rows=most))) as batches:
        found = list(batches)
    assert sum(len(batch.rows) for batch in found) == most
    assert [batch.is_cut for batch in found][-1]
    assert sum(batch.is_cut for batch in found) == 1


def test_limit_of_the_question_holds_for_all_rows_too(shop_db: Database) -> None:
    shown = answer(shop_db, f"{LINES} LIMIT 25")
    assert len(all_rows(shop_db, shown)) == 25


def test_empty_result_is_one_batch_without_rows(shop_db: Database) -> None:
    shown = answer(shop_db, "SELECT full_name FROM customer WHERE full_name = 'nobody at all'")
    with closing(stream_answer(shown, shop_db, CUT)) as batches:
        (batch,) = batches
    assert batch.names == ("full_name",)
    assert batch.rows == ()


def test_limit_that_the_guard_added_is_not_taken_for_the_question_s(shop_db: Database) -> None:
    recalled = answer(shop_db, LINES).model_copy(update={"drafts": ()})  # as for an approved pair: no draft
    assert recalled.query is not None
    assert "LIMIT 11" in recalled.query.sql
    assert "LIMIT" not in find_sql(recalled)
    assert len(all_rows(shop_db, recalled)) > BATCH_ROWS


def test_masked_cells_stay_covered_in_all_rows(shop_db_path: Path) -> None:
    with closing(connect(str(shop_db_path), masked=("contact.email",))) as database:
        shown = answer(database, "SELECT customer_key, email FROM contact")
        cells = {row[1] for row in all_rows(database, shown)}
    assert cells == {"•••", None}


def test_query_that_may_not_be_run_any_more_gives_no_rows(shop_db: Database, shop_db_path: Path) -> None:
    shown = answer(shop_db, "SELECT email FROM contact WHERE email LIKE 'a%'")
    with closing(connect(str(shop_db_path), masked=("contact.email",))) as database, pytest.raises(UsageError):
        all_rows(database, shown)


def test_answer_without_rows_gives_none(shop_db: Database) -> None:
    with pytest.raises(UsageError):
        all_rows(shop_db, Answer(question=QUESTION, status="refused", text="No."))


def test_time_limit_ends_the_taking(shop_db: Database) -> None:
    shown = answer(shop_db, LINES)
    slow = "SELECT COUNT(*) FROM order_line a, order_line b, order_line c"
    endless = shown.model_copy(update={"drafts": (shown.drafts[0].model_copy(update={"sql": slow}),)})
    hasty = Settings(query_timeout_s=0.005)
    with closing(stream_answer(endless, shop_db, hasty)) as batches, pytest.raises(DatabaseError, match="limit"):
        list(batches)


def test_assistant_offers_all_three_without_asking_a_model(shop_db_path: Path, tmp_path: Path) -> None:
    script = tmp_path / "none.jsonl"
    script.write_text('"SELECT 1"\n')
    settings = Settings(backend="scripted", script_path=script, database_url=str(shop_db_path), max_rows=10)
    with Assistant(settings) as assistant:
        shown = assistant.run_sql(QUESTION, LINES)
        assert isinstance(shown, Answer)
        with closing(assistant.stream_rows(shown)) as batches:
            assert sum(len(batch.rows) for batch in batches) > BATCH_ROWS
        assistant.ask("How many addresses are in Germany?")
        assert any(value.value == "Germany" for value in assistant.match_values("in Germany"))


@pytest.mark.parametrize(
    "fixture",
    [pytest.param("postgres_url", marks=pytest.mark.postgres), pytest.param("mysql_url", marks=pytest.mark.mysql)],
)
def test_server_gives_all_rows_in_batches_and_takes_an_early_end(fixture: str, request: pytest.FixtureRequest) -> None:
    with closing(connect(request.getfixturevalue(fixture))) as database:
        shown = answer(database, LINES)
        assert len(all_rows(database, shown)) > BATCH_ROWS
        with closing(stream_answer(shown, database, CUT)) as batches:
            next(batches)
        assert len(all_rows(database, shown, Settings(max_export_rows=7))) == 7
