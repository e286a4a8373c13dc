"""Results compared: a table of cases by subject, then laws that hold for any result."""

from __future__ import annotations

import math
import random
from itertools import permutations
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from assistant.types import Cell, QueryResult, ResultColumn
from evaluation.compare import Verdict, same_result

Rows = list[tuple[Cell, ...]]
NAN = math.nan
INF = math.inf


class Case(NamedTuple):
    name: str
    gold: Rows
    predicted: Rows
    is_same: bool
    is_ordered: bool = False
    is_same_leniently: bool | None = None


def result(rows: Rows, *, width: int | None = None, is_truncated: bool = False, prefix: str = "c") -> QueryResult:
    columns = width if width is not None else len(rows[0])
    return QueryResult(
        columns=tuple(ResultColumn(name=f"{prefix}{i}", kind="text") for i in range(columns)),
        rows=tuple(rows),
        is_truncated=is_truncated,
        elapsed_ms=0.0,
    )


def judge(gold: Rows, predicted: Rows, *, is_ordered: bool = False) -> Verdict:
    return same_result(result(gold), result(predicted, prefix="other"), is_ordered=is_ordered)


CASES = [
    # Rows as a bag
    Case("one equal row", [(1,)], [(1,)], True),
    Case("one other row", [(1,)], [(2,)], False),
    Case("rows in another order", [(1,), (2,)], [(2,), (1,)], True),
    Case("a row too few", [(1,), (2,)], [(1,)], False),
    Case("a row too many", [(1,)], [(1,), (2,)], False),
    Case("duplicates count", [(1,), (1,), (2,)], [(1,), (2,), (2,)], False),
    Case("duplicates kept", [(1,), (1,), (2,)], [(2,), (1,), (1,)], True),
    Case("a duplicate lost", [(1,), (1,)], [(1,)], False),
    Case("a duplicate won", [(1,)], [(1,), (1,)], False),
    Case("rows, not columns, are compared", [(1, "a"), (2, "b")], [(1, "b"), (2, "a")], False),
    Case("three rows in a circle", [(1, "a"), (2, "b"), (3, "c")], [(2, "b"), (3, "c"), (1, "a")], True),
    Case("values paired wrongly in three columns", [(1, 1, 1), (0, 0, 0)], [(1, 0, 1), (0, 1, 0)], False),
    # Order
    Case("ordered and equal", [(1,), (2,)], [(1,), (2,)], True, True),
    Case("ordered and turned round", [(1,), (2,)], [(2,), (1,)], False, True),
    Case("ordered, one pair swapped", [(1,), (2,), (3,)], [(1,), (3,), (2,)], False, True),
    Case("ordered, columns permuted", [(1, "a"), (2, "b")], [("a", 1), ("b", 2)], True, True),
    Case("ordered, columns permuted, rows swapped", [(1, "a"), (2, "b")], [("b", 2), ("a", 1)], False, True),
    Case("ordered, equal rows swapped", [(1, "x"), (1, "x")], [(1, "x"), (1, "x")], True, True),
    Case("ordered, numbers within tolerance", [(1.5,), (2.5,)], [(1.5000000001,), (2.5,)], True, True),
    Case("ordered, dates by value", [("2025-01-01",)], [("2025-01-01 00:00:00",)], True, True),
    Case("ordered, numeric text", [("1",), ("2",)], [(1,), (2,)], True, True),
    Case("ordered, one column right, the other swapped", [(1, "a"), (2, "b")], [(1, "b"), (2, "a")], False, True),
    # Columns
    Case("columns permuted", [(1, "a")], [("a", 1)], True),
    Case("three columns turned", [(1, "a", None), (2, "b", None)], [(None, 1, "a"), (None, 2, "b")], True),
    Case("two alike columns", [(1, 1), (2, 2)], [(1, 1), (2, 2)], True),
    Case("two alike columns, one column other", [(1, 1), (2, 2)], [(1, 2), (2, 1)], False),
    Case("two columns of the same values, permuted", [(1, 2), (2, 1), (3, 3)], [(2, 1), (1, 2), (3, 3)], True),
    Case("same values per column, other rows", [(1, 2), (2, 3), (3, 1)], [(1, 1), (2, 2), (3, 3)], False),
    Case("same values, columns really swapped", [(1, 2), (2, 3), (3, 1)], [(2, 1), (3, 2), (1, 3)], True),
    Case("same values, the other way round the circle", [(1, 2), (2, 3), (3, 1)], [(1, 3), (3, 2), (2, 1)], True),
    Case("a column too few", [(1, "a")], [(1,)], False),
    Case("a column too many", [(1,)], [(1, "a")], False, False, True),
    Case("a column too many, in front", [(1,), (2,)], [("a", 1), ("b", 2)], False, False, True),
    Case("a column too many, in the middle", [(1, "x")], [(1, 9, "x")], False, False, True),
    Case("two columns too many", [("x",)], [(1, "x", 2)], False, False, True),
    Case("a column too many and a wrong value", [(1,)], [(2, "a")], False),
    Case("a column too many, rows wrong", [(1, "a"), (2, "b")], [(1, "b", 0), (2, "a", 0)], False),
    Case("a column too many, and a copy of a right one", [(1,), (2,)], [(1, 1), (2, 2)], False, False, True),
    Case("a column too many, ordered", [(1,), (2,)], [(1, "a"), (2, "b")], False, True, True),
    Case("a column too many, order wrong", [(2,), (1,)], [(1, "a"), (2, "b")], False, True),
    Case("duplicates split by a column too many", [(1,), (1,)], [(1, "a"), (1, "b")], False, False, True),
    Case("one column serves only one", [(1, 1)], [(1, 2)], False),
    # NULL
    Case("NULL equals NULL", [(None,)], [(None,)], True),
    Case("NULL is not 0", [(None,)], [(0,)], False),
    Case("NULL is not empty text", [(None,)], [("",)], False),
    Case("NULL is not FALSE", [(None,)], [(False,)], False),
    Case("NULL is not the word", [(None,)], [("NULL",)], False),
    Case("NULL is not the word None", [(None,)], [("None",)], False),
    Case("NULL is not NaN", [(None,)], [(NAN,)], False),
    Case("0 is not NULL", [(0,)], [(None,)], False),
    Case("NULLs in other rows", [(1, None), (None, 2)], [(None, 2), (1, None)], True),
    Case("NULLs in wrong rows", [(1, None), (None, 2)], [(1, 2), (None, None)], False),
    Case("as many NULLs", [(None,), (1,), (None,)], [(None,), (None,), (1,)], True),
    Case("a NULL too many", [(None,), (1,), (1,)], [(None,), (None,), (1,)], False),
    # Numbers
    Case("integer and float", [(1,)], [(1.0,)], True),
    Case("TRUE is 1", [(True,)], [(1,)], True),
    Case("1 is TRUE", [(1,)], [(True,)], True),
    Case("1.0 is TRUE", [(1.0,)], [(True,)], True),
    Case("FALSE is 0", [(False,)], [(0,)], True),
    Case("TRUE is not 2", [(True,)], [(2,)], False),
    Case("TRUE is not the word", [(True,)], [("true",)], False),
    Case("-0.0 is 0", [(-0.0,)], [(0,)], True),
    Case("-0.0 is 0.0", [(0.0,)], [(-0.0,)], True),
    Case("a sum in another order", [(0.1 + 0.2,)], [(0.3,)], True),
    Case("rounding of a large sum", [(1234567.89,)], [(1234567.8900000001,)], True),
    Case("just within the tolerance", [(1000.5,)], [(1000.5009,)], True),
    Case("just outside the tolerance", [(1000.5,)], [(1000.502,)], False),
    Case("rounded to cents", [(3.14159,)], [(3.14,)], False),
    Case("an average instead of a whole number", [(2.9999999999,)], [(3,)], True),
    Case("2.5 is not 2", [(2.5,)], [(2,)], False),
    Case("the sign counts", [(5.5,)], [(-5.5,)], False),
    Case("a share is not its percentage", [(0.25,)], [(25.0,)], False),
    Case("nearly nothing is 0", [(1e-12,)], [(0,)], True),
    Case("a small number is not 0", [(1e-6,)], [(0,)], False),
    Case("small numbers relative to each other", [(2e-6,)], [(3e-6,)], False),
    Case("counts have no tolerance", [(10_000_001,)], [(10_000_002,)], False),
    Case("keys have no tolerance", [(1_000_000_001,), (1_000_000_002,)], [(1_000_000_001,), (1_000_000_003,)], False),
    Case("whole floats have no tolerance", [(10_000_001.0,)], [(10_000_002,)], False),
    Case("large integers, equal", [(2**63 - 1,)], [(2**63 - 1,)], True),
    Case("large integers, one apart", [(2**63 - 1,)], [(2**63 - 2,)], False),
    Case("an integer beyond the exact floats", [(2**53 + 1,)], [(float(2**53),)], True),
    Case("huge integers", [(10**400,)], [(10**400,)], True),
    Case("huge integers, one apart", [(10**400,)], [(10**400 + 1,)], False),
    Case("a huge integer and a float", [(10**400,)], [(1.5,)], False),
    Case("a large float", [(1e300,)], [(1e300,)], True),
    Case("NaN equals NaN", [(NAN,)], [(NAN,)], True),
    Case("NaN is not 0", [(NAN,)], [(0.0,)], False),
    Case("infinity equals infinity", [(INF,)], [(INF,)], True),
    Case("infinity has a sign", [(INF,)], [(-INF,)], False),
    Case("infinity is not a large float", [(INF,)], [(1.7e308,)], False),
    Case("near numbers with other partners", [(1.5, "a"), (1.5000001, "b")], [(1.5000001, "a"), (1.5, "b")], True),
    Case(
        "a chain of near numbers, its ends swapped",
        [(1.0000015, "a"), (1.0000008, "a"), (1.5, "b"), (1.0000001, "a")],
        [(1.0000001, "a"), (1.5, "b"), (1.0000008, "a"), (1.0000015, "a")],
        True,
    ),
    Case(
        "a chain of near numbers, its middle moved",
        [(1.1,), (1.1 + 0.9e-6,), (1.1 + 1.8e-6,), (1.1 + 2.7e-6,)],
        [(1.1,), (1.1,), (1.1,), (1.1 + 2.7e-6,)],
        False,
    ),
    # Numbers as text
    Case("a year as text", [("2025",)], [(2025,)], True),
    Case("a year as a number", [(2025,)], [("2025",)], True),
    Case("a month with its zero", [("05",)], [(5,)], True),
    Case("a decimal as text", [("3.50",)], [(3.5,)], True),
    Case("a negative number as text", [("-7",)], [(-7,)], True),
    Case("a number as text within the tolerance", [("0.30000000000000004",)], [(0.3,)], True),
    Case("another number as text", [("2024",)], [(2025,)], False),
    Case("text with a number in it", [("2025 ",)], [(2025,)], False),
    Case("a number with a comma", [("1,000",)], [(1000,)], False),
    Case("a number in other digits", [("٢٠٢٥",)], [(2025,)], False),
    Case("hexadecimal text", [("0x10",)], [(16,)], False),
    Case("text nan", [("nan",)], [(NAN,)], False),
    Case("text infinity", [("inf",)], [(INF,)], False),
    Case("empty text is not 0", [("",)], [(0,)], False),
    Case("codes as text are exact", [("007",)], [("7",)], False),
    Case("decimals as text are exact", [("1.0",)], [("1",)], False),
    Case("years as text beside counts", [("2024", 3), ("2025", 4)], [(2025, 4), (2024, 3)], True),
    Case("years as text beside counts, swapped", [("2024", 3), ("2025", 4)], [(3, 2024), (4, 2025)], True),
    Case("a column of numbers and words", [("n/a",), (5,)], [("5",), ("n/a",)], True),
    Case("'1' is TRUE", [("1",)], [(True,)], True),
    Case("text longer than any number", [("9" * 5000,)], [("9" * 5000,)], True),
    # Dates
    Case("a date and its midnight", [("2025-01-01",)], [("2025-01-01 00:00:00",)], True),
    Case("a T between date and time", [("2025-01-01T10:30:00",)], [("2025-01-01 10:30:00",)], True),
    Case("fractions of a second that are 0", [("2025-01-01 10:30:00.000000",)], [("2025-01-01 10:30:00",)], True),
    Case("no seconds", [("2025-01-01 10:30",)], [("2025-01-01 10:30:00",)], True),
    Case("another time of the day", [("2025-01-01",)], [("2025-01-01 00:00:01",)], False),
    Case("another day", [("2025-01-01",)], [("2025-01-02",)], False),
    Case("a month is not its first day", [("2025-01",)], [("2025-01-01",)], False),
    Case("a year is not its first day", [("2025",)], [("2025-01-01",)], False),
    Case("one moment with two offsets", [("2025-01-01 12:00:00+02:00",)], [("2025-01-01T10:00:00Z",)], True),
    Case("two moments with offsets", [("2025-01-01 12:00:00+02:00",)], [("2025-01-01T12:00:00Z",)], False),
    Case("no such day stays text", [("2025-02-30",)], [("2025-02-30 00:00:00",)], False),
    Case("no such day equals itself", [("2025-02-30",)], [("2025-02-30",)], True),
    Case("dates in a group", [("2025-01-01", 2)], [("2025-01-01 00:00:00", 2)], True),
    Case("dates beside numbers in one column", [("2025-01-01",), (1,)], [(1.0,), ("2025-01-01 00:00",)], True),
    # Text
    Case("case counts", [("Berlin",)], [("berlin",)], False),
    Case("space at the end counts", [("Berlin",)], [("Berlin ",)], False),
    Case("accents count", [("Zoé",)], [("Zoe",)], False),
    Case("empty text equals empty text", [("",)], [("",)], True),
    Case("line breaks are text", [("a\nb",)], [("a\nb",)], True),
    Case("signs of another alphabet", [("Ωmega ✓",)], [("Ωmega ✓",)], True),
    Case("words that look alike", [("l",)], [("1",)], False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_are_judged_as_the_table_says(case: Case) -> None:
    verdict = judge(case.gold, case.predicted, is_ordered=case.is_ordered)
    leniently = case.is_same if case.is_same_leniently is None else case.is_same_leniently
    assert (verdict.is_correct, verdict.is_correct_with_extra_columns) == (case.is_same, leniently), verdict.reason
    assert verdict.reason


def test_the_table_has_over_a_hundred_cases_with_names_of_their_own() -> None:
    assert len(CASES) >= 100
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [c for c in CASES if c.is_same_leniently is None], ids=lambda case: case.name)
def test_judging_is_the_same_both_ways_round(case: Case) -> None:
    assert judge(case.predicted, case.gold, is_ordered=case.is_ordered).is_correct == case.is_same


@pytest.mark.parametrize("is_ordered", [False, True])
def test_two_empty_results_are_the_same_if_they_are_as_wide(is_ordered: bool) -> None:
    assert same_result(result([], width=2), result([], width=2), is_ordered=is_ordered).is_correct
    wider = same_result(result([], width=1), result([], width=2), is_ordered=is_ordered)
    assert not wider.is_correct
    assert wider.is_correct_with_extra_columns
    assert not same_result(
        result([], width=2), result([], width=1), is_ordered=is_ordered
    ).is_correct_with_extra_columns


def test_an_empty_result_is_not_a_row_of_null() -> None:
    assert not same_result(result([], width=1), result([(None,)]), is_ordered=False).is_correct


@pytest.mark.parametrize(("gold_is_cut", "predicted_is_cut"), [(True, False), (False, True), (True, True)])
def test_a_cut_result_is_never_correct(gold_is_cut: bool, predicted_is_cut: bool) -> None:
    rows: Rows = [(1,), (2,)]
    verdict = same_result(
        result(rows, is_truncated=gold_is_cut), result(rows, is_truncated=predicted_is_cut), is_ordered=False
    )
    assert not verdict.is_correct
    assert not verdict.is_correct_with_extra_columns
    assert "cut" in verdict.reason


@pytest.mark.parametrize(
    ("gold", "predicted", "is_ordered", "words"),
    [
        ([(1,), (2,)], [(1,)], False, "1 row instead of 2"),
        ([(1, 2)], [(1,)], False, "1 column instead of 2"),
        ([(1,)], [(1, 2)], False, "1 column too many"),
        ([("a", 1)], [("a", 2)], False, "gold column 2, 'c1'"),
        ([(1, "a"), (2, "b")], [(1, "b"), (2, "a")], False, "the rows do not"),
        ([(1,), (2,)], [(2,), (1,)], True, "another order"),
    ],
)
def test_the_reason_says_what_differs(gold: Rows, predicted: Rows, is_ordered: bool, words: str) -> None:
    assert words in judge(gold, predicted, is_ordered=is_ordered).reason


def test_columns_that_hold_the_same_are_told_apart_by_their_rows() -> None:
    chance = random.Random(7)
    columns = [[0] * 500 + [1] * 500 for _ in range(12)]
    for column in columns:
        chance.shuffle(column)
    gold: Rows = list(zip(*columns, strict=True))
    places = chance.sample(range(12), 12)
    predicted: Rows = [tuple(row[place] for place in places) for row in gold]
    chance.shuffle(predicted)
    assert judge(gold, predicted).is_correct
    first = predicted[0]
    predicted[0] = (1 - int(first[0] or 0), *first[1:])
    assert not judge(gold, predicted).is_correct


def test_thirty_equal_columns_do_not_start_a_search_of_all_orders() -> None:
    gold: Rows = [(i % 2,) * 30 for i in range(50)]
    assert judge(gold, list(reversed(gold))).is_correct
    # One column of the prediction is the other way round: no order of columns helps.
    assert not judge(gold, [(*row[:29], 1 - int(row[29] or 0)) for row in gold]).is_correct


# Laws

WHOLE = st.integers(-50, 50)
CELLS: st.SearchStrategy[Cell] = st.one_of(
    st.none(),
    st.booleans(),
    WHOLE,
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["", "a", "A", "5", "05", "2025-01-01", "2025-01-01 00:00:00", "x y"]),
    st.text(max_size=4),
)


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[Cell] = CELLS) -> Rows:
    width = draw(st.integers(1, 4))
    return draw(st.lists(st.tuples(*[cells] * width), min_size=1, max_size=8))


LAWS = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@LAWS
@given(tables(), st.booleans())
def test_every_result_is_itself(rows: Rows, is_ordered: bool) -> None:
    assert judge(rows, rows, is_ordered=is_ordered).is_correct


@LAWS
@given(tables(), st.randoms(use_true_random=False))
def test_shuffled_rows_and_columns_change_nothing(rows: Rows, chance: random.Random) -> None:
    places = chance.sample(range(len(rows[0])), len(rows[0]))
    predicted = [tuple(row[place] for place in places) for row in rows]
    chance.shuffle(predicted)
    assert judge(rows, predicted).is_correct


@LAWS
@given(tables(), st.randoms(use_true_random=False))
def test_shuffled_columns_keep_an_ordered_result(rows: Rows, chance: random.Random) -> None:
    places = chance.sample(range(len(rows[0])), len(rows[0]))
    assert judge(rows, [tuple(row[place] for place in places) for row in rows], is_ordered=True).is_correct


@LAWS
@given(tables(), st.data())
def test_a_row_lost_or_doubled_is_noticed(rows: Rows, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    assert not judge(rows, [*rows, rows[at]]).is_correct
    assert not judge([*rows, rows[at]], rows).is_correct


@LAWS
@given(tables(), st.data())
def test_a_value_changed_is_noticed(rows: Rows, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, len(rows[0]) - 1))
    changed = list(rows)
    changed[at] = (*rows[at][:column], "a value that is nowhere else", *rows[at][column + 1 :])
    verdict = judge(rows, changed)
    assert not verdict.is_correct
    assert not verdict.is_correct_with_extra_columns


@LAWS
@given(tables(), CELLS)
def test_a_column_too_many_is_wrong_only_strictly(rows: Rows, extra: Cell) -> None:
    verdict = judge(rows, [(*row, extra) for row in rows])
    assert not verdict.is_correct
    assert verdict.is_correct_with_extra_columns


@LAWS
@given(tables(st.one_of(WHOLE, st.floats(-1e12, 1e12))), st.randoms(use_true_random=False))
def test_noise_far_below_the_tolerance_changes_nothing(rows: Rows, chance: random.Random) -> None:
    predicted: Rows = [
        tuple(cell * (1 + chance.uniform(-1e-12, 1e-12)) if isinstance(cell, float) else cell for cell in row)
        for row in rows
    ]
    chance.shuffle(predicted)
    assert judge(rows, predicted).is_correct


@LAWS
@given(tables(st.floats(1.1, 1.1 + 1e-5)), st.randoms(use_true_random=False))
def test_noise_changes_nothing_where_all_numbers_are_near(rows: Rows, chance: random.Random) -> None:
    predicted: Rows = [tuple(float(cell or 0) * (1 + chance.uniform(-1e-9, 1e-9)) for cell in row) for row in rows]
    chance.shuffle(predicted)
    assert judge(rows, predicted).is_correct


@LAWS
@given(st.lists(WHOLE, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_numbers_written_as_text_floats_or_booleans_are_the_same_numbers(
    numbers: list[int], chance: random.Random
) -> None:
    def rewrite(number: int) -> Cell:
        forms: list[Cell] = [number, float(number), str(number), f"{number}.0"]
        return chance.choice([*forms, bool(number)] if number in (0, 1) else forms)

    assert judge([(number,) for number in numbers], [(rewrite(number),) for number in numbers]).is_correct


@LAWS
@given(tables(st.sampled_from([None, 0, 1, 2, "a", "b"])), tables(st.sampled_from([None, 0, 1, 2, "a", "b"])))
def test_the_verdict_is_that_of_trying_every_order_of_columns(gold: Rows, predicted: Rows) -> None:
    assume(len(gold[0]) == len(predicted[0]))
    wanted = sorted(map(repr, gold))
    is_same = any(
        wanted == sorted(repr(tuple(row[place] for place in places)) for row in predicted)
        for places in permutations(range(len(gold[0])))
    )
    assert judge(gold, predicted).is_correct == is_same


@LAWS
@given(tables(), tables(), st.booleans())
def test_any_two_results_get_the_same_verdict_both_ways_round(left: Rows, right: Rows, is_ordered: bool) -> None:
    verdict = judge(left, right, is_ordered=is_ordered)
    assert judge(right, left, is_ordered=is_ordered).is_correct == verdict.is_correct
    assert verdict.is_correct_with_extra_columns or not verdict.is_correct
    assert not is_ordered or not verdict.is_correct or judge(left, right).is_correct
