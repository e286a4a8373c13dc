"""Results to compare: from rows alone, or made by Hypothesis."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import strategies as st

from assistant.types import QueryResult, ResultColumn
from evaluation.compare import Verdict, same_result

Rows = Sequence[tuple[object, ...]]
Made = tuple[list[tuple[object, ...]], list[tuple[object, ...]], list[int], bool]
"""Gold rows, predicted rows, a group for each row, whether the order counts."""

NEAR = 1.5 * (1 + 9e-7)
FAR = 1.5 * (1 + 1.8e-6)
"""Near `NEAR`, but not near 1.5."""

CELLS = st.sampled_from(
    [None, 0, 1, True, 1.0, 1.5, NEAR, FAR, 1.5 * (1 + 1e-9), -0.0, 2, 5, 3_000_000, 3_000_000.5, 3_000_001, 10**400]
    + [5_000_000_000, 5_000_000_001, 5_000_000_001.0, math.nan, math.inf, "", "a", "A", "1", "5", "05", "5.0", "1.5"]
    + ["2025", 2025, "2025-01-01", "2025-01-01 00:00:00", "2025-01-01T00:00", "2025-01-01 00:00:00+00:00", "2025-01-02"]
)
FEW_CELLS = st.sampled_from([0, 1, None, "a"])
NUMBERS = st.sampled_from([1.5, NEAR, FAR, 3_000_000, 3_000_000.5, 3_000_001, 3_000_001.0, 5_000_000_000, 5e9, 5e9 + 1])


SPELLINGS: dict[str, tuple[object, ...]] = {
    "1.5": (NEAR, 1.5 * (1 + 1e-9)),
    "1": ("1", True, 1.0),
    "5": ("5", "05", 5.0),
    "2025": ("2025",),
    "'2025-01-01'": ("2025-01-01 00:00:00", "2025-01-01T00:00"),
    "5000000001": (5_000_000_001.0, 5_000_000_000.0),
}
"""Other ways to write a cell, equal or nearly."""


def result(rows: Rows, *, width: int | None = None, is_truncated: bool = False, prefix: str = "c") -> QueryResult:
    """Make a result, unchecked: some tests hand over what a driver gives before cells are made of it."""
    columns = width if width is not None else len(rows[0])
    return QueryResult.model_construct(
        columns=tuple(ResultColumn(name=f"{prefix}{i}", kind="text") for i in range(columns)),
        rows=tuple(map(tuple, rows)),
        is_truncated=is_truncated,
        elapsed_ms=0.0,
    )


def judge(gold: Rows, predicted: Rows, *, is_ordered: bool = False, tie_groups: Sequence[int] | None = None) -> Verdict:
    return same_result(result(gold), result(predicted, prefix="other"), is_ordered, tie_groups=tie_groups)


@st.composite
def pairs_of_results(
    draw: st.DrawFn, *, is_wider: bool = False, cells: st.SearchStrategy[object] | None = None
) -> Made:
    """Make two small results, mostly alike, the groups of rows, and whether the order counts."""
    spellings = SPELLINGS if cells is None else {}
    if cells is None:
        cells = draw(st.sampled_from([CELLS, FEW_CELLS, NUMBERS]))
    width = draw(st.integers(1, 3))
    gold = draw(st.lists(st.tuples(*[cells] * width), min_size=1, max_size=4))
    extra = draw(st.integers(0, 1)) if is_wider else 0
    if draw(st.integers(0, 4)) == 0:
        predicted = draw(st.lists(st.tuples(*[cells] * (width + extra)), min_size=len(gold), max_size=len(gold)))
    else:
        places = draw(st.permutations(range(width)))
        rows = draw(st.permutations(gold)) if draw(st.booleans()) else gold
        predicted = [tuple(row[place] for place in places) for row in rows]
        for _ in range(draw(st.integers(0, 2))):
            i, j = draw(st.integers(0, len(gold) - 1)), draw(st.integers(0, width - 1))
            old = predicted[i][j]
            others = st.sampled_from(spellings.get(repr(old), (old,))) | cells
            predicted[i] = (*predicted[i][:j], draw(others), *predicted[i][j + 1 :])
        if extra:
            at = draw(st.integers(0, width))
            predicted = [(*row[:at], draw(cells), *row[at:]) for row in predicted]
    kind = draw(st.sampled_from(["unordered", "ordered", "tied"]))
    if kind == "unordered":
        return gold, predicted, [0] * len(gold), False
    if kind == "ordered":
        return gold, predicted, list(range(len(gold))), True
    is_new = draw(st.lists(st.booleans(), min_size=len(gold), max_size=len(gold)))
    return gold, predicted, [sum(is_new[: i + 1]) for i in range(len(gold))], True
