"""Repairs: mistakes that show in what a question says, made in right statements."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assistant.fidelity import find_doubts
from assistant.types import Question, SchemaContext
from evaluation.execution import read_schema
from training.datagen.drafts import Draft
from training.datagen.mistakes import make_mistake
from training.datagen.triples import Dropped, Triple
from training.datagen.validation import Bench, Validator

RIGHT = "SELECT b.name, b.length FROM boat b WHERE b.port = 'Bergen' AND b.length > 50 AND NOT b.built IS NULL"
STATEMENTS = (
    "SELECT name, length FROM boat WHERE port = 'Bergen' AND length > 50 AND built IS NOT NULL",
    "SELECT b.name FROM boat b JOIN trip t ON t.boat_id = b.boat_id WHERE t.days NOT IN (3, 4) ORDER BY b.name LIMIT 5",
    "SELECT COUNT(*) FROM boat b WHERE NOT EXISTS (SELECT 1 FROM trip t WHERE t.boat_id = b.boat_id AND t.days > 30)",
    "SELECT strftime('%Y', built), COUNT(*) FROM boat WHERE built >= '2019-01-01' GROUP BY strftime('%Y', built)",
)


@pytest.fixture
def validator(tmp_path: Path) -> Validator:
    path = tmp_path / "harbour.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE boat (boat_id INTEGER PRIMARY KEY, name TEXT, port TEXT, length REAL, built DATE);
            CREATE TABLE trip (trip_id INTEGER PRIMARY KEY, boat_id INTEGER REFERENCES boat, days INTEGER);
            INSERT INTO boat VALUES (1, 'Alma', 'Bergen', 95, '2019-03-01'), (2, 'Berit', 'Bergen', 52, '2020-01-02'),
                                    (3, 'Cora', 'Narvik', 70, '2021-01-02'), (4, 'Dina', 'Bergen', 40, '2021-01-02');
            INSERT INTO trip VALUES (1, 1, 3), (2, 2, 31), (3, 3, 40);
            """
        )
    schema = read_schema(str(path))
    return Validator(Bench(schema, str(path), has_look_alikes=False))


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_mistake_changes_the_statement_and_nothing_of_its_style(sql: str) -> None:
    made = {make_mistake(sql, "sqlite", ["name", "port"], ["Narvik"], random.Random(n)) for n in range(40)} - {""}
    assert len(made) >= 4
    assert sql not in made
    for wrong in made:
        assert " AS b" not in wrong
        assert "NOT b." not in wrong
        assert "STRFTIME" not in wrong


def test_a_statement_that_would_be_written_otherwise_is_left_alone() -> None:
    assert make_mistake(RIGHT, "sqlite", [], [], random.Random(1)) == ""
    assert make_mistake("SELECT name FROM", "sqlite", [], [], random.Random(1)) == ""


def test_a_repair_shows_the_wrong_draft_what_is_in_doubt_and_the_right_statement(validator: Validator) -> None:
    sql = "SELECT name FROM boat WHERE port = 'Bergen' AND length > 50"
    questions = [f"names of boats in Bergen that are over 50 feet {word}" for word in ("please", "now", "again")]
    drafts = [Draft(kind="repair", question=question, reply=sql) for question in questions]
    with closing(validator):
        kept = [found for found in validator.validate(drafts, "1:1") if isinstance(found, Triple)]
    assert kept
    for triple in kept:
        *_, asked, wrong, told = triple.messages
        assert triple.reply == sql
        assert wrong.content != sql
        assert triple.question in asked.content
        linked = SchemaContext(db_id="harbour", dialect="sqlite", tables=())
        said = find_doubts(Question(text=triple.question), linked, wrong.content)
        assert all(doubt in told.content for doubt in said)
        assert told.content.endswith(".")


def test_a_statement_without_anything_to_leave_out_makes_no_repair(validator: Validator) -> None:
    with closing(validator):
        (found,) = validator.validate(
            [Draft(kind="repair", question="all ports", reply="SELECT port FROM boat")], "1:1"
        )
    assert isinstance(found, Dropped) or find_doubts(
        Question(text="all ports"), SchemaContext(db_id="h", dialect="sqlite", tables=()), found.messages[-2].content
    )


def test_statements_that_show_a_column_twice_are_not_kept(validator: Validator) -> None:
    with closing(validator):
        (found,) = validator.validate(
            [Draft(kind="list", question="boats", reply="SELECT name, name FROM boat")], "1:1"
        )
    assert isinstance(found, Dropped)
    assert found.reason == "shows a column twice"
