"""Difficulty: the points of each part, the four levels, and what cannot be read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from assistant.types import Dialect
from evaluation.difficulty import LEVELS, count_points, measure_difficulty
from evaluation.examples import list_asks, read_examples

QUESTIONS = Path(__file__).parents[2] / "scripts" / "demo" / "questions.jsonl"

CASES: list[tuple[str, int, str]] = [
    ("SELECT a FROM t", 0, "easy"),
    ("SELECT DISTINCT a, b, c FROM t;", 0, "easy"),
    ("SELECT COUNT(*) FROM t", 0, "easy"),
    ("SELECT a FROM t WHERE b = 1", 1, "easy"),
    ("SELECT a FROM t WHERE b BETWEEN 1 AND 2", 1, "easy"),
    ("SELECT a FROM t ORDER BY a LIMIT 3", 1, "easy"),
    ("SELECT a, COUNT(*) FROM t GROUP BY a", 1, "easy"),
    ("SELECT a FROM t WHERE b = 1 AND c = 2", 2, "medium"),
    ("SELECT a FROM t WHERE b = 1 ORDER BY a", 2, "medium"),
    ("SELECT MIN(a), MAX(a), AVG(a), SUM(a) FROM t", 2, "medium"),
    ("SELECT MAX(a, b), MIN(c, d), MAX(e) FROM t", 0, "easy"),
    ("SELECT t.a FROM t JOIN u ON t.x = u.x AND t.y = u.y AND u.z > 1 WHERE u.b = 1", 2, "medium"),
    ("SELECT t.a FROM t, u WHERE t.x = u.x", 2, "medium"),
    ("SELECT a FROM t WHERE b = (SELECT MAX(b) FROM t)", 3, "medium"),
    ("SELECT a FROM t UNION SELECT b FROM u", 2, "medium"),
    ("SELECT a FROM t UNION SELECT b FROM u ORDER BY 1", 3, "medium"),
    ("SELECT a, RANK() OVER (ORDER BY b) FROM t", 2, "medium"),
    ("SELECT a, SUM(SUM(b)) OVER (), COUNT(*) FROM t GROUP BY a", 4, "hard"),
    ("SELECT a FROM t WHERE b = 1 OR c = 2 OR d = 3 OR e = 4 OR f = 5 OR g = 6", 4, "hard"),
    ("SELECT a FROM t WHERE NOT (b = 1 AND c IS NULL) AND d LIKE 'x%'", 3, "medium"),
    ("SELECT t.a, COUNT(*) FROM t JOIN u USING (x) GROUP BY t.a HAVING COUNT(*) > 1 ORDER BY 2 DESC", 5, "hard"),
    ("SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.x = t.x AND u.b = 1)", 5, "hard"),
    ("WITH c AS (SELECT a, SUM(b) AS s FROM t GROUP BY a) SELECT a FROM c WHERE s > 1 ORDER BY s LIMIT 1", 5, "hard"),
    ("SELECT SUM(CASE WHEN a = 1 THEN b END), SUM(CASE WHEN a = 2 THEN b END), COUNT(*) FROM t", 4, "hard"),
    (
        "SELECT t.a FROM t JOIN u ON t.x = u.x JOIN v ON u.y = v.y WHERE u.b = 1 AND v.c > 2 "
        "GROUP BY t.a HAVING COUNT(*) > 1 ORDER BY t.a",
        7,
        "extra",
    ),
    ("SELECT a FROM t WHERE b IN (SELECT b FROM u WHERE c IN (SELECT c FROM v WHERE d = 1))", 7, "extra"),
    (
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9) SELECT n, SUM(n) OVER () FROM c",
        7,
        "extra",
    ),
]


@pytest.mark.parametrize(("sql", "points", "level"), CASES)
def test_points_are_counted_by_the_rule(sql: str, points: int, level: str) -> None:
    assert count_points(sql, "sqlite") == points
    assert measure_difficulty(sql, "sqlite") == level


@pytest.mark.parametrize(
    ("dialect", "sql", "points"),
    [
        ("mysql", "SELECT GROUP_CONCAT(a SEPARATOR ', '), STD(b) FROM t", 1),
        ("mysql", "SELECT `a` FROM t WHERE b REGEXP 'x' LIMIT 2, 3", 2),
        ("postgres", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a), array_agg(a ORDER BY b) FROM t", 1),
        ("postgres", "SELECT COUNT(*) FILTER (WHERE a > 1 AND b > 1), COUNT(*) FROM t FETCH FIRST 3 ROWS ONLY", 2),
        ("postgres", "SELECT a::date FROM t CROSS JOIN LATERAL (SELECT 1) u", 3),
        ("sqlite", "(SELECT a FROM t)", 0),
        ("sqlite", "SELECT total(a), group_concat(b) FROM t", 1),
    ],
)
def test_each_dialect_is_read_as_itself(dialect: Dialect, sql: str, points: int) -> None:
    assert count_points(sql, dialect) == points


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "SELECT FROM WHERE",
        "SELECT 'unclosed",
        "SELECT 1; SELECT 2",
        "DROP TABLE t",
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
        "(" * 20_000,
        "what is the best product?",
    ],
)
def test_what_cannot_be_read_as_one_query_is_extra(sql: str) -> None:
    assert count_points(sql, "sqlite") is None
    assert measure_difficulty(sql, "sqlite") == "extra"


def test_a_long_chain_of_conditions_is_counted_not_climbed() -> None:
    sql = "SELECT a FROM t WHERE " + " OR ".join(f"b = {n}" for n in range(400))
    assert measure_difficulty(sql, "sqlite") == "hard"


def test_the_public_questions_use_all_four_levels() -> None:
    asks = [ask for example in read_examples(QUESTIONS) for ask in list_asks(example)]
    gold = [ask.gold_sql for ask in asks if ask.gold_sql is not None]
    assert len(gold) == 142
    counts = Counter(measure_difficulty(sql, "sqlite") for sql in gold)
    assert set(counts) == set(LEVELS)
    assert min(counts.values()) >= 10, counts
    assert max(counts.values()) <= len(gold) / 2, counts
