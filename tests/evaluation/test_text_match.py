"""Exact match and token match: what counts as the same text, and that no text breaks them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.text_match import exact_match, token_match

SAME = [
    ("SELECT a FROM t", "select A\n  from   T"),
    ("SELECT a FROM t", "SELECT a FROM t;"),
    ("SELECT a FROM t", "SELECT a FROM t ; ;\n"),
    ("SELECT a FROM t", "SELECT a -- the first\nFROM t"),
    ("SELECT a FROM t", "/* why */ SELECT/**/a FROM t -- end"),
    ("SELECT a FROM t", "SELECT a # MySQL's\nFROM t"),
    ("SELECT a,b FROM t", "SELECT a , b FROM t"),
    ("SELECT count(*) FROM t", "SELECT COUNT( * ) FROM t"),
    ("SELECT a FROM t WHERE a>=-1", "SELECT a FROM t WHERE a >= - 1"),
    ("SELECT a-1 FROM t", "SELECT a - 1 FROM t"),
    ("SELECT a FROM t GROUP  BY a ORDER\nBY a DESC", "SELECT a FROM t GROUP BY a ORDER BY a desc"),
    ("SELECT a FROM t LEFT  JOIN u ON t.x=u.x", "select a from t left join u on T.X = U.X"),
    ("SELECT '-- no comment' FROM t", "SELECT '-- no comment'  FROM t"),
]
DIFFERENT = [
    ("SELECT a FROM t WHERE c = 'Berlin'", "SELECT a FROM t WHERE c = 'berlin'"),
    ("SELECT a FROM t WHERE c = 'New York'", "SELECT a FROM t WHERE c = 'New  York'"),
    ("SELECT a FROM t WHERE c = 'it''s A'", "SELECT a FROM t WHERE c = 'it''s a'"),
    ("SELECT a FROM t WHERE c = $$A$$", "SELECT a FROM t WHERE c = $$a$$"),
    ('SELECT "My Col" FROM t', 'SELECT "my col" FROM t'),
    ("SELECT `A` FROM t", "SELECT `a` FROM t"),
    ("SELECT [A] FROM t", "SELECT [a] FROM t"),
    ("SELECT a FROM t", 'SELECT "a" FROM t'),
    ("SELECT a AS b FROM t", "SELECT a b FROM t"),
    ("SELECT a FROM t WHERE a <> 1", "SELECT a FROM t WHERE a != 1"),
    ("SELECT 1", "SELECT 1.0"),
    ("SELECT ab FROM t", "SELECT a b FROM t"),
    ("SELECT '-- a'", "SELECT '-- b'"),
    ("SELECT a FROM t", ""),
    ("SELECT a FROM t", "SELECT a FROM t; SELECT 1"),
]


@pytest.mark.parametrize(("gold", "predicted"), SAME)
def test_layout_case_comments_and_closing_semicolons_do_not_count(gold: str, predicted: str) -> None:
    assert exact_match(gold, predicted)
    assert exact_match(predicted, gold)


@pytest.mark.parametrize(("gold", "predicted"), DIFFERENT)
def test_what_is_quoted_and_what_is_spelt_otherwise_counts(gold: str, predicted: str) -> None:
    assert not exact_match(gold, predicted)
    assert not exact_match(predicted, gold)


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        # select, name, from, t, where, price, 1.5: all but where, price and 1.5 are there.
        ("SELECT name FROM t WHERE price > 1.5", "SELECT t.name FROM t", 4 / 7),
        ("SELECT name FROM t", "SELECT name, price FROM t WHERE price > 1", 1.0),
        ("SELECT a, a, a FROM t", "SELECT a FROM t", 1.0),
        ("SELECT a FROM t WHERE c = 'New York'", "select A from T where C = 'new york'", 1.0),
        ("SELECT o.total", "SELECT total", 2 / 3),
        ("SELECT a -- one two three\nFROM t", "SELECT a FROM t", 1.0),
        ("SELECT a FROM t", "SELECT a -- from t", 0.5),
        ("SELECT order_id", "SELECT order, id", 0.5),
        ("SELECT größe", "SELECT GRÖSSE", 0.5),
        ("SELECT a FROM t", "", 0.0),
        ("", "SELECT a FROM t", 0.0),
    ],
)
def test_token_match_is_the_share_of_gold_words_found(gold: str, predicted: str, expected: float) -> None:
    assert token_match(gold, predicted) == pytest.approx(expected)


LONG = 100_000
MONSTERS = {
    "deep parentheses": "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "only parentheses": "(" * (LONG // 5),
    "only quotes": "'" * (LONG + 1),
    "open brackets": "[a" * (LONG // 10),
    "open comment": "SELECT 1 /*" + "*" * LONG,
    "many comments": "/*" * (LONG // 2),
    "deep cases": "CASE WHEN " * (LONG // 10),
    "long list": "SELECT " + "column_a, " * (LONG // 10),
    "spaces": "SELECT" + " " * LONG + "1",
    "one word": "a" * LONG,
    "dollars": "$a$" * (LONG // 6),
    "nothing but signs": ";--\n;",
    "not text": "\x00\ud800\udfff\ufeff",
}


@pytest.mark.parametrize("text", MONSTERS.values(), ids=MONSTERS)
def test_no_text_is_too_broken_deep_or_long(text: str) -> None:
    assert exact_match(text, text + " ;")
    assert token_match(text, text) in (0.0, 1.0)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_two_texts_can_be_held_against_each_other(gold: str, predicted: str) -> None:
    assert exact_match(gold, gold)
    assert exact_match(gold, predicted) == exact_match(predicted, gold)
    assert 0 <= token_match(gold, predicted) <= 1


PIECES = ["SELECT", "Name", "'It''s  A'", ",", "(", ")", "COUNT", "12", "3.5", "<=", "t", ".", '"My Col"', "AND", "*"]


@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from([" ", "\n", "\t ", " /* c */ ", " -- c\n"]))))
def test_any_layout_of_the_same_pieces_is_an_exact_match(pieces: list[tuple[str, str]]) -> None:
    plain = " ".join(piece for piece, _ in pieces)
    laid_out = "".join(piece + gap for piece, gap in pieces)
    assert exact_match(plain, laid_out)
    assert token_match(plain, laid_out) == token_match(plain, plain)
