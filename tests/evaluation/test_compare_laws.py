"""Results compared: laws that hold for any result, tried on results made by Hypothesis."""

from __future__ import annotations

import math
import random
import unicodedata

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.evaluation.compared import Rows, judge

WHOLE = st.integers(-50, 50)
CELLS: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.booleans(),
    WHOLE,
    st.integers(),
    st.floats(),
    st.sampled_from(["", "a", "A", "5", "05", "2025-01-01", "2025-01-01 00:00:00", "x y"]),
    st.text(max_size=4),
)
CHANCE = st.randoms(use_true_random=False)
LAWS = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[object] = CELLS, max_width: int = 4) -> list[tuple[object, ...]]:
    width = draw(st.integers(1, max_width))
    return draw(st.lists(st.tuples(*[cells] * width), min_size=1, max_size=8))


def permute_columns(rows: Rows, chance: random.Random) -> list[tuple[object, ...]]:
    places = chance.sample(range(len(rows[0])), len(rows[0]))
    return [tuple(row[place] for place in places) for row in rows]


@LAWS
@given(tables(), st.booleans())
def test_every_result_is_itself(rows: Rows, is_ordered: bool) -> None:
    assert judge(rows, rows, is_ordered=is_ordered).is_correct


@LAWS
@given(tables(), CHANCE)
def test_shuffled_rows_and_columns_change_nothing(rows: Rows, chance: random.Random) -> None:
    predicted = permute_columns(rows, chance)
    chance.shuffle(predicted)
    assert judge(rows, predicted).is_correct


@LAWS
@given(tables(), CHANCE)
def test_shuffled_columns_keep_an_ordered_result(rows: Rows, chance: random.Random) -> None:
    assert judge(rows, permute_columns(rows, chance), is_ordered=True).is_correct


@LAWS
@given(tables(), tables(), CHANCE, st.booleans())
def test_shuffled_columns_change_no_verdict(left: Rows, right: Rows, chance: random.Random, is_ordered: bool) -> None:
    before = judge(left, right, is_ordered=is_ordered)
    after = judge(permute_columns(left, chance), permute_columns(right, chance), is_ordered=is_ordered)
    assert after.is_correct == before.is_correct
    assert after.is_correct_with_extra_columns == before.is_correct_with_extra_columns


@LAWS
@given(st.lists(st.text(max_size=3), min_size=2, max_size=8, unique=True), CHANCE)
def test_an_ordered_result_has_one_order(texts: list[str], chance: random.Random) -> None:
    rows = [(text,) for text in texts]
    other = list(rows)
    chance.shuffle(other)
    assert judge(rows, other, is_ordered=True).is_correct == (rows == other)


@LAWS
@given(tables(), st.data())
def test_a_row_lost_or_doubled_is_noticed(rows: Rows, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    assert not judge(rows, [*rows, rows[at]]).is_correct
    assert not judge([*rows, rows[at]], rows).is_correct


@LAWS
@given(st.lists(st.text(max_size=2), min_size=2, max_size=8), st.data())
def test_a_row_doubled_in_the_place_of_another_is_noticed(texts: list[str], data: st.DataObject) -> None:
    lost, doubled = data.draw(st.integers(0, len(texts) - 1)), data.draw(st.integers(0, len(texts) - 1))
    assume(texts[lost] != texts[doubled])
    other = [*texts[:lost], texts[doubled], *texts[lost + 1 :]]
    # Numbers as text would be equal in one spelling only, so text differs wherever it is not the same.
    assert not judge([(text,) for text in texts], [(text,) for text in other]).is_correct


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
def test_a_column_too_many_is_wrong_only_strictly(rows: Rows, extra: object) -> None:
    verdict = judge(rows, [(*row, extra) for row in rows])
    assert not verdict.is_correct
    assert verdict.is_correct_with_extra_columns


@LAWS
@given(tables(st.one_of(WHOLE, st.floats(allow_nan=False, allow_infinity=False))), CHANCE, st.booleans())
def test_a_billionth_changes_nothing(rows: Rows, chance: random.Random, is_ordered: bool) -> None:
    def perturb(cell: object) -> object:
        moved = cell * (1 + chance.choice((-1e-9, 1e-9))) if isinstance(cell, float) else cell
        return cell if moved in (math.inf, -math.inf) else moved

    predicted = [tuple(map(perturb, row)) for row in permute_columns(rows, chance)]
    if not is_ordered:
        chance.shuffle(predicted)
    assert judge(rows, predicted, is_ordered=is_ordered).is_correct


@LAWS
@given(tables(st.one_of(WHOLE, st.floats(1e-3, 1e12), st.floats(-1e12, -1e-3))), st.data())
def test_a_thousandth_is_noticed(rows: Rows, data: st.DataObject) -> None:
    floats = [(i, j) for i, row in enumerate(rows) for j, cell in enumerate(row) if isinstance(cell, float)]
    assume(floats)
    i, j = data.draw(st.sampled_from(floats))
    cell = rows[i][j]
    assert isinstance(cell, float)
    changed = [*rows[:i], (*rows[i][:j], cell * data.draw(st.sampled_from([1.001, 0.999])), *rows[i][j + 1 :])]
    assert not judge(rows, [*changed, *rows[i + 1 :]]).is_correct


@LAWS
@given(tables(st.floats(1.1, 1.1 + 1e-5)), CHANCE)
def test_noise_changes_nothing_where_all_numbers_are_near(rows: Rows, chance: random.Random) -> None:
    predicted = [tuple(float(str(cell)) * (1 + chance.uniform(-1e-9, 1e-9)) for cell in row) for row in rows]
    chance.shuffle(predicted)
    assert judge(rows, predicted).is_correct


@LAWS
@given(st.integers(), st.integers(-3, 3).filter(bool), tables(st.floats(-1000, 1000), max_width=1))
def test_integers_have_no_tolerance_however_large(number: int, difference: int, beside: Rows) -> None:
    # The floats beside them are small: one that is near two integers may stand for either.
    for factor in (1, 2**53, 2**63, 10**320):
        gold = [*beside, (number * factor,)]
        assert judge(gold, [*beside, (number * factor,)]).is_correct
        assert not judge(gold, [*beside, (number * factor + difference,)]).is_correct


@LAWS
@given(tables(st.sampled_from([None, 0, "", False, "NULL", 0.0, -0.0])))
def test_null_is_neither_0_nor_empty_text(rows: Rows) -> None:
    for other in (0, "", False, "NULL", 0.0, math.nan):
        swapped = [tuple(other if cell is None else cell for cell in row) for row in rows]
        assert judge(rows, swapped).is_correct == all(cell is not None for row in rows for cell in row)


@LAWS
@given(tables(st.sampled_from([0, 0.0, -0.0, False, 1, True, 1.0])), CHANCE)
def test_zeros_and_ones_are_the_same_in_any_type(rows: Rows, chance: random.Random) -> None:
    forms: dict[object, list[object]] = {0: [0, 0.0, -0.0, False, "0"], 1: [1, 1.0, True, "1"]}
    assert judge(rows, [tuple(chance.choice(forms[cell]) for cell in row) for row in rows]).is_correct


@LAWS
@given(tables(st.one_of(st.just(math.nan), st.floats(), st.none())), CHANCE)
def test_every_nan_is_the_same(rows: Rows, chance: random.Random) -> None:
    predicted = [tuple(float("nan") if cell != cell else cell for cell in row) for row in rows]
    chance.shuffle(predicted)
    assert judge(rows, predicted).is_correct
    numbers = [tuple(0.0 if cell != cell else cell for cell in row) for row in rows]
    assert judge(rows, numbers).is_correct == all(cell == cell for row in rows for cell in row)


@LAWS
@given(st.lists(st.text(max_size=6), min_size=1, max_size=6))
def test_text_is_compared_sign_by_sign(texts: list[str]) -> None:
    for form in ("NFC", "NFD", "NFKC"):
        other = [unicodedata.normalize(form, text) for text in texts]
        is_same = judge([(text,) for text in texts], [(text,) for text in other], is_ordered=True).is_correct
        assert is_same == (texts == other)


@LAWS
@given(st.lists(WHOLE, min_size=1, max_size=8), CHANCE)
def test_whole_numbers_are_the_same_as_text_and_as_floats(numbers: list[int], chance: random.Random) -> None:
    predicted = [(chance.choice([number, float(number), str(number)]),) for number in numbers]
    assert judge([(number,) for number in numbers], predicted).is_correct


@st.composite
def tied_tables(draw: st.DrawFn) -> tuple[list[tuple[object, ...]], list[int]]:
    rows = draw(tables())
    is_new = [True, *draw(st.lists(st.booleans(), min_size=len(rows) - 1, max_size=len(rows) - 1))]
    return rows, [sum(is_new[: i + 1]) for i in range(len(rows))]


@LAWS
@given(tied_tables(), CHANCE)
def test_rows_may_change_places_inside_their_tie(
    tied: tuple[list[tuple[object, ...]], list[int]], chance: random.Random
) -> None:
    rows, groups = tied
    order = sorted(range(len(rows)), key=lambda i: (groups[i], chance.random()))
    predicted = permute_columns([rows[i] for i in order], chance)
    assert judge(rows, predicted, is_ordered=True, tie_groups=groups).is_correct


@LAWS
@given(tied_tables(), CHANCE)
def test_rows_may_not_leave_their_tie(tied: tuple[list[tuple[object, ...]], list[int]], chance: random.Random) -> None:
    rows, groups = tied
    # The number of the row makes rows unlike each other.
    numbered = [(*row, f"row {i}") for i, row in enumerate(rows)]
    order = chance.sample(range(len(rows)), len(rows))
    is_kept = [groups[i] for i in order] == groups
    verdict = judge(numbered, [numbered[i] for i in order], is_ordered=True, tie_groups=groups)
    assert verdict.is_correct == is_kept
    assert is_kept or "another order" in verdict.reason


@LAWS
@given(tables(), tables(), st.booleans())
def test_any_two_results_get_the_same_verdict_both_ways_round(left: Rows, right: Rows, is_ordered: bool) -> None:
    verdict = judge(left, right, is_ordered=is_ordered)
    assert judge(right, left, is_ordered=is_ordered).is_correct == verdict.is_correct
    assert verdict.is_correct_with_extra_columns or not verdict.is_correct
    assert not is_ordered or not verdict.is_correct or judge(left, right).is_correct


@LAWS
@given(tied_tables(), CHANCE)
def test_ties_lie_between_ordered_and_unordered(
    tied: tuple[list[tuple[object, ...]], list[int]], chance: random.Random
) -> None:
    rows, groups = tied
    predicted = chance.sample(rows, len(rows))
    is_same_in_ties = judge(rows, predicted, is_ordered=True, tie_groups=groups).is_correct
    assert is_same_in_ties or not judge(rows, predicted, is_ordered=True).is_correct
    assert not is_same_in_ties or judge(rows, predicted).is_correct
    assert judge(rows, predicted, is_ordered=True, tie_groups=[0] * len(rows)).is_correct
