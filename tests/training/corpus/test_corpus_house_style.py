from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.training.corpus.tiny_corpus import QUESTIONS, fill, write_corpus
from training.corpus.house_style import to_house_style
from training.corpus.reading import read_schemas

STYLED = {
    "SELECT count(*) FROM Ship AS T1 WHERE T1.hp != 'Oslo'": "SELECT COUNT(*) FROM \"Ship\" WHERE hp <> 'Oslo'",
    "SELECT t2.name FROM ship t1 JOIN CAPTAIN t2 ON t1.ship_id = t2.SHIP AND t2.rank = 'senior'": (
        'SELECT c."Name" FROM "Ship" s JOIN captain c ON c.ship = s."Ship_ID" AND c."rank" = \'senior\''
    ),
    # Conditions go to the join that they belong to.
    "SELECT T3.Name FROM captain AS T1 JOIN Ship AS T2 JOIN captain AS T3 ON T1.ship = T2.Ship_ID"
    " AND T1.mentor = T3.id": (
        'SELECT c2."Name" FROM captain c JOIN "Ship" s ON s."Ship_ID" = c.ship JOIN captain c2 ON c2.id = c.mentor'
    ),
    "SELECT T2.Name FROM captain AS T1 JOIN Ship AS T2 JOIN captain AS T3 ON T1.mentor = T3.id"
    " AND T3.ship = T2.Ship_ID": (
        'SELECT s."Name" FROM captain c JOIN captain c2 ON c2.id = c.mentor JOIN "Ship" s ON s."Ship_ID" = c2.ship'
    ),
    # What is shown beside a key is grouped by too.
    "SELECT T1.Name, count(*) FROM Ship AS T1 JOIN captain AS T2 ON T1.Ship_ID = T2.ship GROUP BY T2.ship": (
        'SELECT s."Name", COUNT(*) FROM "Ship" s JOIN captain c ON c.ship = s."Ship_ID"'
        ' GROUP BY s."Ship_ID", s."Name"'
    ),
    "SELECT hp, count(*) FROM Ship GROUP BY hp ORDER BY count(*) ASC": (
        'SELECT hp, COUNT(*) FROM "Ship" GROUP BY hp ORDER BY COUNT(*)'
    ),
    "SELECT Tonnage AS t, count(*) AS n FROM Ship GROUP BY t ORDER BY n DESC, t LIMIT 1": (
        'SELECT "Tonnage", COUNT(*) FROM "Ship" GROUP BY "Tonnage" ORDER BY COUNT(*) DESC, "Tonnage" LIMIT 1'
    ),
    "SELECT name FROM ship WHERE hp IS NOT NULL AND NOT name LIKE '%r%' AND ship_id NOT IN"
    " (SELECT T1.ship FROM captain T1 WHERE T1.ship IS NOT NULL)": (
        'SELECT "Name" FROM "Ship" WHERE hp IS NOT NULL AND "Name" NOT LIKE \'%r%\' AND "Ship_ID" NOT IN'
        " (SELECT ship FROM captain WHERE ship IS NOT NULL)"
    ),
    "SELECT name FROM ship WHERE EXISTS (SELECT 1 FROM captain WHERE captain.ship = ship.ship_id)": (
        'SELECT s."Name" FROM "Ship" s WHERE EXISTS (SELECT 1 FROM captain c WHERE c.ship = s."Ship_ID")'
    ),
    "SELECT name FROM captain AS a WHERE id < (SELECT max(b.id) FROM captain AS b WHERE b.rank = a.rank)": (
        'SELECT c."Name" FROM captain c WHERE c.id <'
        ' (SELECT MAX(c2.id) FROM captain c2 WHERE c2."rank" = c."rank")'
    ),
    "SELECT name FROM ship WHERE tonnage BETWEEN 95 AND 200 UNION SELECT name FROM captain ORDER BY name": (
        'SELECT "Name" FROM "Ship" WHERE "Tonnage" BETWEEN 95 AND 200 UNION SELECT "Name" FROM captain ORDER BY "Name"'
    ),
    "SELECT count(*) FROM (SELECT hp FROM Ship GROUP BY hp HAVING count(*) > 1) AS t": (
        'SELECT COUNT(*) FROM (SELECT hp FROM "Ship" GROUP BY hp HAVING COUNT(*) > 1)'
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "styled"), STYLED.items())
def test_a_statement_is_written_in_the_house_style(sql: str, styled: str, tmp_path: Path) -> None:
    assert to_house_style(sql, read_schemas(write_corpus(tmp_path))["ships"]) == styled


@pytest.mark.parametrize("sql", [*STYLED, *(sql for _, sql in QUESTIONS)])
def test_a_rewritten_statement_gives_the_same_rows(sql: str, tmp_path: Path) -> None:
    schema = read_schemas(write_corpus(tmp_path))["ships"]
    styled = to_house_style(sql, schema)
    assert styled is not None
    connection = fill(schema)
    before, after = (connection.execute(text).fetchall() for text in (sql, styled))
    connection.close()
    assert Counter(before) == Counter(after)
    assert "ORDER BY" not in sql or before == after


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nothing FROM Ship",
        "SELECT name FROM Ship JOIN captain ON Ship_ID = ship",
        "SELECT rank FROM Ship JOIN captain",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SELECT T1.rank FROM captain AS T1 NATURAL JOIN Ship",
        "SELECT (",
        "DELETE FROM Ship",
        "SELECT 1",
    ],
)
def test_what_the_style_has_no_form_for_is_left_out(sql: str, tmp_path: Path) -> None:
    assert to_house_style(sql, read_schemas(write_corpus(tmp_path))["ships"]) is None
