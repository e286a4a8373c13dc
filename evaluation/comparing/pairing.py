"""Pair the rows of two tables whose labels are the same, so that the values of each pair are the same too.

In: labels and values by column. Out: whether every row can have a partner of its own. Where labels say enough, there is
nothing to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import compress, count
from typing import NamedTuple

from evaluation.comparing.cells import Key, are_equal

MAX_PAIRING_ROWS = 400
"""Most rows of one block that are paired in every possible way; more are only paired in the order of their values."""

_Column = Sequence[Hashable]


class LooseColumn(NamedTuple):
    """A column of both tables in which equal labels do not always mean equal values."""

    labels: _Column
    """Labels of the gold rows."""
    predicted_labels: _Column
    """Labels of the predicted rows."""
    values: Sequence[Key]
    """Values of the gold rows."""
    predicted_values: Sequence[Key]
    """Values of the predicted rows."""
    loose: frozenset[Key]
    """Labels that values share though some of them differ."""


def can_pair_rows(gold: Sequence[_Column], predicted: Sequence[_Column], columns: Sequence[LooseColumn]) -> bool:
    """Tell whether rows of the same labels can be paired so that their values are the same.

    Args:
        gold: Columns of labels of the gold rows.
        predicted: Columns of labels of the predicted rows, in the same order. Both are the same bag of rows.
        columns: Those of the columns in which values have to be looked at.
    """
    if not columns:
        return True
    blocks = _collect_rows(gold, [(column.labels, column.loose) for column in columns])
    predicted_blocks = _collect_rows(predicted, [(column.predicted_labels, column.loose) for column in columns])
    return all(_can_pair(rows, predicted_blocks[labels], columns) for labels, rows in blocks.items())


def _collect_rows(
    table: Sequence[_Column], columns: Sequence[tuple[_Column, frozenset[Key]]]
) -> dict[Hashable, list[int]]:
    """List the rows that have any loose label by all their labels."""
    rows = sorted({row for labels, loose in columns for row in compress(count(), map(loose.__contains__, labels))})
    blocks: defaultdict[Hashable, list[int]] = defaultdict(list)
    for row in rows:
        blocks[tuple(labels[row] for labels in table)].append(row)
    return blocks


def _can_pair(gold_rows: Sequence[int], rows: Sequence[int], columns: Sequence[LooseColumn]) -> bool:
    def is_pair(left: int, right: int) -> bool:
        return all(
            are_equal(column.values[gold_rows[left]], column.predicted_values[rows[right]]) for column in columns
        )

    if len(rows) == 1:
        return is_pair(0, 0)
    # Values of one label are all numbers or all the same, so that they can be sorted.
    by_gold = sorted(range(len(rows)), key=lambda left: [_size(column.values[gold_rows[left]]) for column in columns])
    by_row = sorted(
        range(len(rows)), key=lambda right: [_size(column.predicted_values[rows[right]]) for column in columns]
    )
    if all(map(is_pair, by_gold, by_row)):
        return True
    return len(rows) <= MAX_PAIRING_ROWS and can_pair_all(len(rows), is_pair)


def _size(key: Key) -> float:
    return key if isinstance(key, int | float) else 0


def can_pair_all(number: int, is_pair: Callable[[int, int], bool]) -> bool:
    """Tell whether each left one can have a right one of its own (bipartite matching by augmenting paths).

    Args:
        number: Number of left ones, and of right ones.
        is_pair: Whether a left one, by its number from 0, may have a right one.
    """
    owner: dict[int, int] = {}
    for left in range(number):
        # Breadth first from `left`: `reached_from` tells through which left one a right one was reached.
        reached_from: dict[int, int] = {}
        queue = [left]
        free: int | None = None
        for current in queue:
            for right in range(number):
                if right in reached_from or not is_pair(current, right):
                    continue
                reached_from[right] = current
                if right not in owner:
                    free = right
                    break
                queue.append(owner[right])
            if free is not None:
                break
        if free is None:
            return False
        # Each on the way back takes the right one through which the next was reached.
        owned = {who: right for right, who in owner.items()}
        right = free
        while True:
            mover = reached_from[right]
            owner[right] = mover
            if mover == left:
                break
            right = owned[mover]
    return True
