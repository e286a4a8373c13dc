"""Names in executed SQL that the schema does not have, told without the guard."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.database import Database
from assistant.types import DatabaseSchema
from evaluation.examples import list_asks, read_examples
from evaluation.invented import find_invented

QUESTIONS = Path(__file__).resolve().parents[2] / "scripts" / "demo" / "questions.jsonl"


@pytest.fixture
def shop(shop_db: Database) -> DatabaseSchema:
    return shop_db.schema()


def test_no_gold_query_of_the_public_set_invents_a_name(shop: DatabaseSchema) -> None:
    queries = [ask.gold_sql for example in read_examples(QUESTIONS) for ask in list_asks(example) if ask.gold_sql]
    assert len(queries) > 100
    assert {sql: found for sql in queries if (found := find_invented(sql, shop))} == {}


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT full_nam FROM customer", ("full_nam",)),
        ("SELECT c.full_name FROM customer c JOIN ordr o ON 1 = 1", ("ordr",)),
        ("SELECT p.full_name FROM customer c JOIN product p ON 1 = 1", ("p.full_name",)),
        # SQLite takes what is in double quotes for text where there is no such column: it runs all the same.
        ('SELECT "bogus" FROM customer', ('"bogus"',)),
        ("WITH t AS (SELECT full_name AS n FROM customer) SELECT full_name FROM t", ("full_name",)),
        ("SELECT full_name FROM customer WHERE EXISTS (SELECT 1 FROM product WHERE bogus = customer_key)", ("bogus",)),
        ("SELECT z.bogus FROM (SELECT * FROM customer) AS z", ("z.bogus",)),
        ("SELECT FROM WHERE", ("SELECT FROM WHERE",)),
    ],
)
def test_a_name_that_is_not_there_is_found(shop: DatabaseSchema, sql: str, names: tuple[str, ...]) -> None:
    assert find_invented(sql, shop) == names


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM CUSTOMER HAVING n > 1 ORDER BY n",
        "WITH t(a) AS (SELECT full_name FROM customer) SELECT t.a FROM t",
        "SELECT full_name FROM customer AS c WHERE EXISTS (SELECT 1 FROM product WHERE c.customer_key = unit_price)",
        "SELECT z.full_name FROM (SELECT * FROM customer) AS z",
        "SELECT full_name FROM customer UNION SELECT product_name FROM product ORDER BY full_name",
        "SELECT rowid FROM customer",
    ],
)
def test_names_of_the_schema_and_of_the_statement_itself_are_known(shop: DatabaseSchema, sql: str) -> None:
    assert find_invented(sql, shop) == ()
