"""Numbers in what people write."""

from __future__ import annotations

import pytest

from assistant.numerals import read_digits, read_numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("between 4,500 and 49,000, please", [4500, 49000]),
        ("under 10k during 2022", [10000, 2022]),
        ("1,250.50 or 3.", [1250.5, 3]),
        ("1,2,3", [1, 2, 3]),
        ("7.5% of 2.5m", [7.5, 2_500_000]),
        ("none", []),
    ],
)
def test_digits_are_read_with_their_commas_and_suffixes(text: str, numbers: list[float]) -> None:
    assert read_digits(text) == numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("more than twenty-five percent", 25),
        ("five thousand two hundred fifty", 5250),
        ("born in two thousand or later", 2000),
        ("June twenty twenty-six", 2026),
        ("nineteen ninety-nine", 1999),
        ("two thousand and eighteen", 2000),
        ("the top ten", 10),
        ("a dozen", 12),
        ("never", 0),
    ],
)
def test_words_are_read_as_numbers(text: str, number: float) -> None:
    assert number in read_numbers(text)


def test_words_that_are_no_numbers_are_none() -> None:
    assert read_numbers("weight of the often eaten") == frozenset()
