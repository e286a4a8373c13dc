"""Results compared: the two looks agree, and columns that hold the same are told apart without trying all orders."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from evaluation.compare import match_closely, match_exactly
from evaluation.comparing import matching
from evaluation.comparing.pairing import can_pair_all
from tests.evaluation.compared import Made, judge, pairs_of_results

LAWS = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Columns = list[list[object]]


@LAWS
@given(pairs_of_results(is_wider=True))
def test_the_first_look_never_says_other_than_the_second(made: Made) -> None:
    gold, predicted, groups, is_ordered = made
    columns, other = list(zip(*gold, strict=True)), list(zip(*predicted, strict=True))
    exactly = match_exactly(columns, other, groups)
    names = [f"c{i}" for i in range(len(columns))]
    failure = match_closely(columns, other, groups, names=names)
    event(f"{exactly}, {'different' if failure else 'same'}")
    assert exactly != "given up"
    if exactly == "same":
        assert not failure
    else:
        assert match_closely(columns, other, groups, names=names, exactly=exactly) == failure
    verdict = judge(gold, predicted, is_ordered=is_ordered, tie_groups=groups if is_ordered else None)
    assert verdict.is_correct_with_extra_columns == (not failure)


# Columns that all hold the same values


def booleans(chance: random.Random) -> Columns:
    return [chance.sample([0, 1] * 150, 300) for _ in range(30)]


def shuffled_keys(chance: random.Random) -> Columns:
    return [chance.sample(range(200), 200) for _ in range(30)]


def shuffled_prices(chance: random.Random) -> Columns:
    prices = [round(chance.uniform(1, 100), 2) for _ in range(200)]
    return [chance.sample(prices, 200) for _ in range(30)]


def moments_in_one_chain(chance: random.Random) -> Columns:
    # Julian days: all days of a quarter are within the tolerance of their neighbours, and each comes several times.
    return [[2_460_000.5 + chance.randrange(90) for _ in range(600)] for _ in range(4)]


def shifted_columns(_: random.Random) -> Columns:
    return [[(row + column) % 30 for row in range(30)] for column in range(30)]


def pairs_of_columns(_: random.Random) -> Columns:
    # Every column is like every other but for the one it goes with.
    return [[size if column // 2 == pair else 0 for pair in range(15) for size in range(1, 9)] for column in range(30)]


def grid_of_columns(_: random.Random) -> Columns:
    """One column for each field of a 4 x 4 board, one row for each two fields in a line."""
    return _as_columns(_lines_of_a_board())


def copies(_: random.Random) -> Columns:
    return [list(range(50))] * 12 + [[row % 2 for row in range(50)]] * 12


SHAPES = [
    booleans,
    shuffled_keys,
    shuffled_prices,
    moments_in_one_chain,
    shifted_columns,
    pairs_of_columns,
    grid_of_columns,
    copies,
]


def _lines_of_a_board() -> list[tuple[int, int]]:
    fields = [(a, b) for a in range(4) for b in range(4)]
    return [
        (i, j)
        for i, one in enumerate(fields)
        for j, other in enumerate(fields[:i])
        if (one[0] == other[0]) != (one[1] == other[1])
    ]


def _lines_of_a_twisted_board() -> list[tuple[int, int]]:
    """Lines that give every field as many neighbours, and every two as many in common, as those of the board."""
    steps = {(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)}
    fields = [(a, b) for a in range(4) for b in range(4)]
    return [
        (i, j)
        for i, one in enumerate(fields)
        for j, other in enumerate(fields[:i])
        if ((one[0] - other[0]) % 4, (one[1] - other[1]) % 4) in steps
    ]


def _as_columns(lines: list[tuple[int, int]]) -> Columns:
    return [[int(field in line) for line in lines] for field in range(16)]


@pytest.mark.parametrize("make", SHAPES)
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_columns_of_the_same_values_are_told_apart_by_their_rows(
    make: Callable[[random.Random], Columns], noise: float
) -> None:
    chance = random.Random(7)
    columns = make(chance)
    gold = list(zip(*columns, strict=True))
    places = chance.sample(range(len(columns)), len(columns))

    def perturb(cell: object) -> object:
        return cell * (1 + chance.uniform(-noise, noise)) if isinstance(cell, float) else cell

    predicted = [tuple(perturb(row[place]) for place in places) for row in gold]
    chance.shuffle(predicted)
    assert judge(gold, predicted).is_correct
    assert judge(gold, [(*row, "beside") for row in predicted]).is_correct_with_extra_columns
    assert judge([row[2:] for row in gold], predicted).is_correct_with_extra_columns
    # Two cells of one column change places: every column still holds the same.
    column = next(i for i, place in enumerate(places) if len(set(columns[place])) > 1)
    other = next(i for i, row in enumerate(predicted) if differ(row[column], predicted[0][column]))
    first, second = predicted[0], predicted[other]
    predicted[0] = (*first[:column], second[column], *first[column + 1 :])
    predicted[other] = (*second[:column], first[column], *second[column + 1 :])
    verdict = judge(gold, predicted)
    assert not verdict.is_correct
    assert "the rows do not" in verdict.reason


def differ(left: object, right: object) -> bool:
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    return abs(left - right) > 1e-5 * abs(left)


def test_columns_that_only_a_search_tells_apart_are_searched() -> None:
    gold = list(zip(*_as_columns(_lines_of_a_board()), strict=True))
    predicted = list(zip(*_as_columns(_lines_of_a_twisted_board()), strict=True))
    assert len(gold) == len(predicted) == 48
    verdict = judge(gold, predicted)
    assert not verdict.is_correct
    assert "the rows do not" in verdict.reason


def test_ten_thousand_rows_of_thirty_columns_are_told_apart() -> None:
    chance = random.Random(3)
    columns = [chance.sample([0, 1] * 5000, 10_000) for _ in range(30)]
    gold = list(zip(*columns, strict=True))
    places = chance.sample(range(30), 30)
    predicted = [tuple(row[place] for place in places) for row in gold]
    chance.shuffle(predicted)
    assert judge(gold, predicted).is_correct
    predicted[0] = (1 - int(str(predicted[0][0])), *predicted[0][1:])
    assert not judge(gold, predicted).is_correct


def test_a_search_that_is_given_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gold = list(zip(*_as_columns(_lines_of_a_board()), strict=True))
    predicted = [tuple(reversed(row)) for row in gold]
    other = list(zip(*_as_columns(_lines_of_a_twisted_board()), strict=True))
    assert judge(gold, predicted).is_correct
    monkeypatch.setattr(matching, "MAX_TRIALS", 0)
    verdict = judge(gold, other)
    assert not verdict.is_correct
    assert "No match found" in verdict.reason


# Pairs


@LAWS
@given(
    st.integers(0, 5).flatmap(
        lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_pairing_is_that_of_trying_every_order(allowed: list[list[bool]]) -> None:
    number = len(allowed)
    wanted = any(all(allowed[i][j] for i, j in enumerate(order)) for order in permutations(range(number)))
    assert can_pair_all(number, lambda left, right: allowed[left][right]) == wanted
