"""Two runs side by side: matching, McNemar's exact test and Tango's interval against published and hand-made values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import DataError
from evaluation.paired import compare_runs, mcnemar, mcnemar_loss, render_p, score_interval
from evaluation.rates import Z_95
from evaluation.records import Score
from tests.evaluation.scored import score, scores_of


def test_questions_are_sorted_by_what_became_of_them() -> None:
    result = compare_runs(scores_of("++-+--"), scores_of("+--++-"))
    assert (result.n, result.both_right, result.both_wrong) == (6, 2, 2)
    assert result.won == (("q1", None),)
    assert result.lost == (("q4", None),)
    assert result.difference == 0
    assert (result.changed, result.only_new, result.only_old) == ((), (), ())


def test_turns_of_a_conversation_are_matched_by_their_number() -> None:
    new = [score("c", "answered", is_correct=right, turn=turn) for turn, right in ((1, True), (2, False), (3, True))]
    old = [score("c", "answered", is_correct=right, turn=turn) for turn, right in ((2, True), (1, True))]
    result = compare_runs(new, old)
    assert result.n == 2
    assert result.lost == (("c", 2),)
    assert result.only_new == (("c", 3),)


def test_what_was_asked_otherwise_or_once_only_is_listed_and_left_out() -> None:
    def asked(name: str, **other: str | None) -> Score:
        return score(name, "answered", is_correct=True).model_copy(update=other)

    new = [asked("same"), asked("question"), asked("gold"), asked("expect"), asked("new")]
    old = [
        asked("same"),
        asked("question", question="Another?"),
        asked("gold", gold_sql="SELECT 2"),
        asked("expect", expect="clarify"),
        asked("old"),
    ]
    result = compare_runs(new, old)
    assert (result.n, result.both_right) == (1, 1)
    assert result.changed == (("question", None), ("gold", None), ("expect", None))
    assert result.only_new == (("new", None),)
    assert result.only_old == (("old", None),)


def test_runs_without_a_common_question_have_no_difference() -> None:
    result = compare_runs(scores_of("++"), [])
    assert (result.n, result.difference, result.low, result.high) == (0, None, None, None)
    assert (result.p_two_sided, result.p_loss) == (1.0, 1.0)
    assert "nothing to compare" in result.verdict


def test_a_question_that_stands_in_a_run_twice_is_an_error() -> None:
    with pytest.raises(DataError, match="The old run has 'q0' twice"):
        compare_runs(scores_of("+"), [*scores_of("+"), *scores_of("-")])


@pytest.mark.parametrize(
    ("new", "old", "words"),
    [
        ("+" * 9 + "-", "-" * 9 + "+", "Won 9 and lost 1 of 10: +80.0 points"),
        ("+" * 9 + "-", "-" * 9 + "+", "p = 0.021: significantly better."),
        ("-" * 11, "+" * 11, "p < 0.001: significantly worse."),
        ("+-", "-+", "p = 1.000: no significant difference."),
    ],
)
def test_the_verdict_says_it_in_words(new: str, old: str, words: str) -> None:
    assert words in compare_runs(scores_of(new), scores_of(old)).verdict


@pytest.mark.parametrize(
    ("won", "lost", "two_sided", "loss"),
    [
        # Cavo et al. 2012, 6 against 16 of 161, in Fagerland, Lydersen and Laake, Statistical Analysis of Contingency
        # Tables (2017), chapter 8, and their R package contingencytables: 0.052479.
        (6, 16, 0.052479, 0.026239),
        (1, 7, 18 / 256, 9 / 256),
        (7, 1, 18 / 256, 255 / 256),
        (0, 5, 2 / 32, 1 / 32),
        (5, 5, 1.0, 638 / 1024),
        (0, 0, 1.0, 1.0),
        (0, 1, 1.0, 0.5),
    ],
)
def test_mcnemar_is_exact(won: int, lost: int, two_sided: float, loss: float) -> None:
    assert mcnemar(won, lost) == pytest.approx(two_sided, abs=5e-7)
    assert mcnemar_loss(won, lost) == pytest.approx(loss, abs=5e-7)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_the_sum_of_binomials_and_is_symmetric(won: int, lost: int) -> None:
    n = won + lost
    assert mcnemar_loss(won, lost) == pytest.approx(sum(math.comb(n, k) for k in range(lost, n + 1)) / 2**n)
    assert mcnemar(won, lost) == mcnemar(lost, won)
    assert mcnemar_loss(won, lost) + mcnemar_loss(lost, won) == pytest.approx(1 + math.comb(n, won) / 2**n)


def test_thousands_of_questions_are_safe() -> None:
    # The normal approximation with a correction for continuity, (200 - 1) / sqrt(10,000), is close there.
    assert mcnemar(4900, 5100) == pytest.approx(math.erfc(1.99 / math.sqrt(2)), rel=1e-3)
    assert mcnemar(0, 5000) == 0
    assert mcnemar_loss(5000, 0) == 1
    low, high = score_interval(4900, 5100, 20_000)
    assert low == pytest.approx(-0.01 - Z_95 * 100 / 20_000, abs=1e-4)
    assert high == pytest.approx(-0.01 + Z_95 * 100 / 20_000, abs=1e-4)


@pytest.mark.parametrize(
    ("won", "lost", "n", "low", "high"),
    [
        # As above, from the same package: -0.1240 to -0.0054.
        (6, 16, 161, -0.1240, -0.0054),
        # Worked out by hand: with nothing won or lost the ends solve n d = z^2 (1 - d); with all won the lower end is
        # twice Wilson's for n of n, less one.
        (0, 0, 50, -(Z_95**2) / (50 + Z_95**2), Z_95**2 / (50 + Z_95**2)),
        (10, 0, 10, 2 * 10 / (10 + Z_95**2) - 1, 1.0),
        (0, 10, 10, -1.0, 1 - 2 * 10 / (10 + Z_95**2)),
    ],
)
def test_the_interval_is_tangos(won: int, lost: int, n: int, low: float, high: float) -> None:
    assert score_interval(won, lost, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


tables = st.integers(1, 500).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda won: st.tuples(st.just(won), st.integers(0, n - won), st.just(n)))
)


@given(tables)
def test_the_interval_holds_the_difference_and_turns_with_it(table: tuple[int, int, int]) -> None:
    won, lost, n = table
    low, high = score_interval(won, lost, n)
    assert -1 <= low < high <= 1
    assert low - 1e-9 <= (won - lost) / n <= high + 1e-9
    assert score_interval(lost, won, n) == (pytest.approx(-high, abs=1e-9), pytest.approx(-low, abs=1e-9))


@given(tables)
def test_each_end_of_the_interval_is_just_not_rejected(table: tuple[int, int, int]) -> None:
    won, lost, n = table
    for end in score_interval(won, lost, n):
        if abs(end) > 0.999:
            continue
        # The likeliest share of lost pairs under this difference, searched for instead of solved for.
        share = likeliest_share_lost(won, lost, n, end)
        squared_error = (won - lost - n * end) ** 2
        assert squared_error == pytest.approx(Z_95**2 * n * (2 * share + end - end * end), rel=1e-2, abs=1e-2)


def likeliest_share_lost(won: int, lost: int, n: int, difference: float) -> float:
    def log_likelihood(share: float) -> float:
        cells = ((won, share + difference), (lost, share), (n - won - lost, 1 - 2 * share - difference))
        return sum(count * math.log(max(p, 1e-300)) for count, p in cells if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    for _ in range(100):
        third = (high - low) / 3
        if log_likelihood(low + third) < log_likelihood(high - third):
            low += third
        else:
            high -= third
    return (low + high) / 2


@pytest.mark.parametrize(("p", "text"), [(0.5, "p = 0.500"), (0.001, "p = 0.001"), (0.0, "p < 0.001")])
def test_a_p_value_is_never_shown_as_zero(p: float, text: str) -> None:
    assert render_p(p) == text
