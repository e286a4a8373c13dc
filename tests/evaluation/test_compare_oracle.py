"""Results compared: against trying everything, and against the rules of two public evaluators."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import permutations

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from evaluation.compare import same_result
from tests.evaluation.compared import Made, Rows, judge, pairs_of_results, result

LAWS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# The rules once more, as plainly as they can be put: slow, and sharing nothing with the product.


def are_equal(left: object, right: object) -> bool:
    left, right = read(left), read(right)
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left) and math.isnan(right):
        return True
    if left == right:
        return True
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return False
    if is_exact(left) and is_exact(right):
        return False
    try:
        return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-9)
    except OverflowError:
        return False


def is_exact(number: float) -> bool:
    return isinstance(number, int) or (number.is_integer() and abs(number) < 1e9)


def read(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip("-").isdecimal() and str(int(cell)) == cell and len(cell.lstrip("-")) < 19:
        return int(cell)
    if isinstance(cell, str) and len(cell) >= 10:
        try:
            return datetime.fromisoformat(cell)
        except ValueError:
            return cell
    return cell


def is_same_by_trying(gold: Rows, predicted: Rows, groups: list[int]) -> bool:
    return any(True for _ in find_by_trying(gold, predicted, groups))


def find_by_trying(gold: Rows, predicted: Rows, groups: list[int]) -> Iterator[list[tuple[object, object]]]:
    """Try every order of columns and every pairing of rows; give the pairs of cells of each that fits."""
    if len(gold) != len(predicted):
        return
    for places in permutations(range(len(predicted[0])), len(gold[0])):
        rows = [tuple(row[place] for place in places) for row in predicted]
        for order in permutations(range(len(rows))):
            if [groups[i] for i in order] != groups:
                continue
            pairs = [pair for row, i in zip(gold, order, strict=True) for pair in zip(row, rows[i], strict=True)]
            if all(are_equal(left, right) for left, right in pairs):
                yield pairs


@LAWS
@given(pairs_of_results(is_wider=True))
def test_the_verdict_is_that_of_trying_everything(
    made: Made,
) -> None:
    gold, predicted, groups, is_ordered = made
    verdict = judge(gold, predicted, is_ordered=is_ordered, tie_groups=groups if is_ordered else None)
    is_same = is_same_by_trying(gold, predicted, groups)
    event(f"same: {is_same}, ordered: {is_ordered}")
    assert verdict.is_correct_with_extra_columns == is_same, verdict.reason
    assert verdict.is_correct == (is_same and len(gold[0]) == len(predicted[0]))


# The rules of two public evaluators, from their description.


def is_same_as_a_set(gold: Rows, predicted: Rows) -> bool:
    """BIRD (Li et al. 2023, section 4): both results as sets of row tuples."""
    return set(predicted) == set(gold)


def is_same_in_a_test_suite(gold: Rows, predicted: Rows, *, is_ordered: bool) -> bool:
    """Test-suite accuracy (Zhong et al. 2020): bags of rows under any order of columns, or lists if the gold orders."""
    if not gold and not predicted:
        return True
    if len(gold) != len(predicted) or len(gold[0]) != len(predicted[0]):
        return False
    for places in permutations(range(len(gold[0]))):
        rows = [tuple(row[place] for place in places) for row in predicted]
        if rows == list(gold) if is_ordered else Counter(rows) == Counter(gold):
            return True
    return False


def explain_acceptance(gold: Rows, predicted: Rows) -> str:
    """Name what another rule overlooks, in results that it takes for the same and we do not."""
    if not gold and not predicted:
        return "empty results of other columns"
    if Counter(gold) != Counter(predicted):
        return "duplicates ignored"
    return "order ignored"


def explain_refusal(gold: Rows, predicted: Rows, groups: list[int], *, permutes_columns: bool) -> set[str]:
    """Name what another rule cannot bear, in results that it takes for different and we do not.

    The names are those of a match in which the fewest things differ, so each of them is needed.
    """
    matches = []
    for pairs in find_by_trying(gold, predicted, groups):
        matches.append({name for left, right in pairs if left != right for name in [name_difference(left, right)]})
    fewest = min(matches, key=len)
    if fewest:
        return fewest
    assert not permutes_columns
    return {"column order"}


def name_difference(left: object, right: object) -> str:
    if left != left and right != right:
        return "NaN"
    if isinstance(left, str) and isinstance(right, str):
        return "date by value"
    if isinstance(left, str) or isinstance(right, str):
        return "number against text"
    return "float rounding"


REFUSALS = {"column order", "float rounding", "number against text", "date by value", "NaN"}


@LAWS
@given(pairs_of_results())
@example(([(1, "a")], [("a", 1)], [0], False))
@example(([(0.1 + 0.2,)], [(0.3,)], [0], False))
@example(([("2025",)], [(2025,)], [0], False))
@example(([("2025-01-01",)], [("2025-01-01 00:00:00",)], [0], False))
@example(([(1,), (1,), (2,)], [(1,), (2,), (2,)], [0, 0, 0], False))
@example(([(1,), (2,)], [(2,), (1,)], [0, 1], True))
def test_where_a_comparison_of_sets_says_otherwise_it_is_wrong(
    made: Made,
) -> None:
    gold, predicted, groups, is_ordered = made
    ours = judge(gold, predicted, is_ordered=is_ordered, tie_groups=groups if is_ordered else None).is_correct
    theirs = is_same_as_a_set(gold, predicted)
    if theirs and not ours:
        reason = explain_acceptance(gold, predicted)
        event(reason)
        assert reason == "duplicates ignored" or (reason == "order ignored" and is_ordered)
    if ours and not theirs:
        reasons = explain_refusal(gold, predicted, groups, permutes_columns=False)
        event(", ".join(sorted(reasons)))
        assert reasons <= REFUSALS


@LAWS
@given(pairs_of_results())
@example(([(0.1 + 0.2, "a")], [("a", 0.3)], [0], False))
@example(([("2025",)], [(2025,)], [0], False))
@example(([("2025-01-01",)], [("2025-01-01 00:00:00",)], [0], False))
def test_where_the_test_suite_says_otherwise_it_is_wrong(
    made: Made,
) -> None:
    gold, predicted, groups, is_ordered = made
    # The rule knows no ties: an ordered result has one order.
    groups = list(range(len(gold))) if is_ordered else groups
    ours = judge(gold, predicted, is_ordered=is_ordered).is_correct
    theirs = is_same_in_a_test_suite(gold, predicted, is_ordered=is_ordered)
    assert ours or not theirs
    if ours and not theirs:
        reasons = explain_refusal(gold, predicted, groups, permutes_columns=True)
        event(", ".join(sorted(reasons)))
        assert reasons <= REFUSALS - {"column order"}


@LAWS
@given(pairs_of_results(cells=st.sampled_from([None, 0, 1, True, 2**70, "", "a", "A"])))
def test_with_whole_numbers_and_plain_words_we_agree_with_the_test_suite(made: Made) -> None:
    gold, predicted, _, is_ordered = made
    ours = judge(gold, predicted, is_ordered=is_ordered).is_correct
    assert ours == is_same_in_a_test_suite(gold, predicted, is_ordered=is_ordered)


@pytest.mark.parametrize(
    ("gold", "predicted", "is_ordered", "set_fails", "suite_fails", "name"),
    [
        ([(1, "a")], [("a", 1)], False, True, False, "column order"),
        ([(0.1 + 0.2,)], [(0.3,)], False, True, True, "float rounding"),
        ([(2**53 + 1,)], [(float(2**53),)], False, True, True, "float rounding"),
        ([("2025", 7)], [(2025, 7)], False, True, True, "number against text"),
        ([("2025-01-01",)], [("2025-01-01 00:00:00",)], False, True, True, "date by value"),
        ([(1.5, math.nan)], [(1.5, float("nan"))], False, True, True, "NaN"),
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)], False, True, False, "duplicates ignored"),
        ([(1,), (1,)], [(1,)], False, True, False, "duplicates ignored"),
        ([(1,), (2,)], [(2,), (1,)], True, True, False, "order ignored"),
    ],
)
def test_each_fault_of_the_other_rules_has_an_example(
    gold: Rows, predicted: Rows, is_ordered: bool, set_fails: bool, suite_fails: bool, name: str
) -> None:
    ours = judge(gold, predicted, is_ordered=is_ordered).is_correct
    assert (is_same_as_a_set(gold, predicted) != ours) == set_fails
    assert (is_same_in_a_test_suite(gold, predicted, is_ordered=is_ordered) != ours) == suite_fails
    if ours:
        groups = list(range(len(gold))) if is_ordered else [0] * len(gold)
        assert explain_refusal(gold, predicted, groups, permutes_columns=suite_fails) == {name}
    else:
        assert explain_acceptance(gold, predicted) == name


def test_empty_results_of_other_columns_are_the_same_only_to_the_others() -> None:
    assert is_same_as_a_set([], [])
    assert is_same_in_a_test_suite([], [], is_ordered=False)
    assert not same_result(result([], width=1), result([], width=2), False).is_correct
    assert explain_acceptance([], []) == "empty results of other columns"
