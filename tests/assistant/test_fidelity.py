"""Whether a draft says what its question says: doubts where it does not, and none where it may."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.backends.scripted import ScriptedBackend
from assistant.database import Database, connect
from assistant.fidelity import find_doubts
from assistant.schema import link_schema
from assistant.settings import PROJECT_ROOT, Settings
from assistant.types import Answer, GlossaryEntry, MatchedValue, Question, SchemaContext, Turn
from assistant.values import ValueIndex

SURE = math.log(0.999)
BERGEN = MatchedValue(table="boat", column="port", value="Bergen", mention="Bergen", score=100)
SHARED = GlossaryEntry(term="fleet", meaning="Boats in use.", sql="boat.status <> 'sold'")


def doubt(question: str, sql: str, *values: MatchedValue, history: tuple[Turn, ...] = ()) -> tuple[str, ...]:
    linked = SchemaContext(db_id="h", dialect="sqlite", tables=(), values=values)
    return find_doubts(Question(text=question, history=history), linked, sql, (SHARED,))


@pytest.mark.parametrize(
    ("question", "sql", "told"),
    [
        ("boats in Bergen", "SELECT name FROM boat", "The question names 'Bergen', and the statement does not."),
        ("boats longer than 50 feet", "SELECT name FROM boat", "The question says 50, and the statement does not."),
        ("all boats", "SELECT name FROM boat WHERE length > 40", "The question does not say 40."),
        ("which boat is longest", "SELECT name FROM boat ORDER BY length LIMIT 5", "The question does not say 5."),
        ("all boats", "SELECT name FROM boat WHERE port = 'Narvik'", "The question does not name 'Narvik'."),
        ("boats of 2019", "SELECT name FROM boat WHERE built = '2017-01-01'", "The question does not speak of 2017."),
        ("boats in Bergen", "SELECT name FROM boat WHERE name = 'Bergen'", "'Bergen' is a value of port, not of name."),
        ("all boats", "SELECT name, name FROM boat", "The column name stands twice."),
        ("fleet", "SELECT name FROM boat WHERE a = b AND c = d AND a = b", "The condition a = b stands twice."),
        ("fleet", "SELECT name FROM boat WHERE a = a", "The condition a = a says nothing."),
        ("in Bergen", "SELECT name FROM boat WHERE port IN ('Bergen', 'Bergen')", "The value 'Bergen' stands twice."),
    ],
)
def test_what_is_left_out_or_added_is_told(question: str, sql: str, told: str) -> None:
    values = (BERGEN,) if "Bergen" in question else ()
    assert told in doubt(question, sql, *values)


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("boats in Bergen", "SELECT name FROM boat WHERE port = 'Bergen'"),
        ("boats not in Bergen", "SELECT name FROM boat WHERE port LIKE '%bergen%'"),
        ("boats, those in Bergen too", "SELECT name FROM boat"),
        ("boats over 5k crowns", "SELECT name FROM boat WHERE price > 5000"),
        ("more than a quarter percent", "SELECT name FROM boat WHERE share > 0.25"),
        ("at least twenty-five percent", "SELECT name FROM boat WHERE share >= 0.25"),
        ("the top three boats", "SELECT name FROM boat ORDER BY length DESC LIMIT 3"),
        ("the longest boat", "SELECT name FROM boat ORDER BY length DESC LIMIT 1"),
        ("boats of June 2019", "SELECT name FROM boat WHERE built >= '2019-06-01' AND built < '2019-07-01'"),
        ("boats up to 2019", "SELECT name FROM boat WHERE built < '2020-01-01'"),
        ("boats of last year", "SELECT name FROM boat WHERE built >= '2025-01-01'"),
        ("boats of quarter 2", "SELECT name FROM boat WHERE built >= '2019-04-01' AND 2019 > 1"),
        ("boats that are ours", "SELECT name FROM boat WHERE status <> 'sold'"),
        ("boats called Nor", "SELECT name FROM boat WHERE name LIKE 'Nordic%'"),
        ("share between 0 and 1", "SELECT AVG(is_sold) FROM boat"),
        ("die drei längsten Boote", "SELECT name FROM boat ORDER BY length DESC LIMIT 3"),
        ("what is this", "SELECT FROM WHERE"),
        ("which is longest", "SELECT name FROM boat WHERE length > 2E"),
    ],
)
def test_what_may_be_right_is_let_through(question: str, sql: str) -> None:
    values = (BERGEN,) if "Bergen" in question else ()
    assert doubt(question.replace("of quarter 2", "of quarter 2, 2019"), sql, *values) == ()


def test_what_earlier_turns_said_may_be_said_again() -> None:
    turn = Turn(question="boats in Oslo over 40 feet", sql="SELECT name FROM boat WHERE port = 'Oslo' AND length > 40")
    sql = "SELECT COUNT(*) FROM boat WHERE port = 'Oslo' AND length > 40"
    assert doubt("how many?", sql)
    assert doubt("how many?", sql, history=(turn,)) == ()
    assert doubt("and in Bergen?", sql, BERGEN, history=(turn,))


def test_right_statements_of_the_public_questions_are_not_doubted(shop_db: Database) -> None:
    schema = shop_db.schema()
    index = ValueIndex.build(shop_db, schema)
    doubted, asked = [], 0
    for line in (PROJECT_ROOT / "scripts" / "demo" / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        example = json.loads(line)
        history: tuple[Turn, ...] = ()
        for turn in example.get("turns", [example]):
            if turn.get("gold_sql"):
                question = Question(text=turn["question"], history=history)
                linked = link_schema(question, schema, index.match(question.text))
                asked += 1
                doubted += find_doubts(question, linked, turn["gold_sql"], schema.glossary)
                history = (*history, Turn(question=turn["question"], sql=turn["gold_sql"]))
    assert asked > 100
    assert doubted == []


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "harbour.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE boat (boat_id INTEGER PRIMARY KEY, name TEXT, port TEXT, length REAL);
            INSERT INTO boat VALUES (1, 'Alma', 'Bergen', 9.5), (2, 'Berit', 'Bergen', 12), (3, 'Cora', 'Narvik', 7);
            """
        )
    database = connect(str(path))
    yield database
    database.close()


def ask(harbour: Database, *replies: str, **changes: object) -> tuple[Answer, ScriptedBackend]:
    backend = ScriptedBackend(replies, token_log_probability=SURE)
    settings = Settings.model_validate({"max_candidates": 2, **changes})
    with Assistant(settings, backend=backend, database=harbour) as assistant:
        return assistant.ask("How many boats are in Bergen?"), backend


ALL = "SELECT COUNT(*) FROM boat"
RIGHT = "SELECT COUNT(*) FROM boat WHERE port = 'Bergen'"


def test_the_model_is_told_what_it_left_out_and_its_better_draft_is_believed(harbour: Database) -> None:
    answer, backend = ask(harbour, ALL, RIGHT)
    assert answer.result is not None
    assert answer.result.rows == ((2,),)
    assert not answer.notices
    told = backend.prompts[1].messages[-1].content
    assert told == "The question names 'Bergen', and the statement does not."
    assert backend.prompts[1].messages[-2].content == ALL
    assert len(backend.prompts) == 2  # a sure draft without doubts ends the search


def test_where_no_draft_is_better_the_answer_says_what_may_be_missing(harbour: Database) -> None:
    answer, backend = ask(harbour, ALL, ALL, ALL, ALL)
    assert answer.status == "answered"
    assert answer.notices == (
        "This query may not say what you asked. The question names 'Bergen', and the statement does not.",
    )
    assert answer.confidence is not None
    assert answer.confidence < 0.25
    assert len(backend.prompts) == 2  # told of it, the model says the same again: one draft more would change nothing


def test_switched_off_the_first_draft_is_taken(harbour: Database) -> None:
    answer, backend = ask(harbour, ALL, check_fidelity=False)
    assert len(backend.prompts) == 1
    assert not answer.notices
