"""Find the columns of a prediction that hold the gold rows but for rounding and spelling.

In: the columns of both results. Out: whether, and by which columns. Values are compared by `cells`: near numbers get
one label, the columns are matched by labels in `matching`, and where a label says too little, rows are paired by their
values in `pairing`. Words no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from evaluation.comparing.cells import NOISE_TOLERANCE, RELATIVE_TOLERANCE, Column, Key, label, may_match
from evaluation.comparing.matching import Matching, Table
from evaluation.comparing.pairing import LooseColumn, can_pair_rows

_NO_GROUP = -1


class _Labels(NamedTuple):
    """The columns of both results with near numbers written alike."""

    gold: list[tuple[Key, ...]]
    predicted: list[tuple[Key, ...]]
    loose: dict[int, frozenset[Key]]
    """For each group of columns the labels that values share though some of them differ."""
    is_changed: bool
    """Whether any label is not the value."""


class CloseSearch:
    """The search for the predicted column of each gold column. The prediction has at least as many columns."""

    def __init__(self, gold: Sequence[Column], predicted: Sequence[Column]) -> None:
        """Take the columns of both results, of as many rows."""
        self._gold = gold
        self._predicted = predicted
        self._groups, self._predicted_groups = _group(gold, predicted)
        self.is_given_up = False
        """Whether a limit ended the search."""

    @property
    def is_exact(self) -> bool:
        """Whether no two values that could meet here are equal by any rule but `==`."""
        return all(column.is_as_given for column in (*self._gold, *self._predicted)) and not self._labels.is_changed

    def find_lonely(self) -> int | None:
        """Find the first gold column that no predicted column can match."""
        return next((i for i, group in enumerate(self._groups) if group not in self._predicted_groups), None)

    def is_same(self, marks: Sequence[int]) -> bool:
        """Tell whether the columns can be matched so that the rows are the same.

        Args:
            marks: One per row; only rows with the same mark may be paired.
        """
        is_closer_tried = False
        for is_confirmed in self._find(self._labels, marks):
            if is_confirmed:
                return True
            # Labels say little where near numbers form long chains. Real noise is far smaller than the tolerance.
            if not is_closer_tried and any(self._find(self._label(NOISE_TOLERANCE), marks)):
                return True
            is_closer_tried = True
        return False

    @cached_property
    def _labels(self) -> _Labels:
        return self._label(RELATIVE_TOLERANCE)

    def _label(self, tolerance: float) -> _Labels:
        gold = [column.keys for column in self._gold]
        predicted = [column.keys for column in self._predicted]
        loose: dict[int, frozenset[Key]] = {}
        is_changed = False
        for group in {*self._groups}:
            own = [i for i, other in enumerate(self._groups) if other == group]
            places = [i for i, other in enumerate(self._predicted_groups) if other == group]
            labelled = label([self._gold[i] for i in own] + [self._predicted[i] for i in places], tolerance)
            for i, column in zip(own, labelled.columns, strict=False):
                gold[i] = column
            for i, column in zip(places, labelled.columns[len(own) :], strict=True):
                predicted[i] = column
            loose[group] = labelled.loose
            is_changed = is_changed or labelled.is_changed
        return _Labels(gold, predicted, loose, is_changed)

    def _find(self, labels: _Labels, marks: Sequence[int]) -> Iterator[bool]:
        """Find places of the columns where labels are the same, and tell of each whether the values are too."""
        # Columns are copies of one another by their labels, or by their values where a label says too little.
        contents = [
            column.keys if labels.loose.get(group) else labelled
            for column, group, labelled in zip(self._predicted, self._predicted_groups, labels.predicted, strict=True)
        ]
        matching = Matching(
            Table(labels.gold, marks, self._groups, labels.gold),
            Table(labels.predicted, marks, self._predicted_groups, contents),
        )
        for places in matching.find():
            chosen = [labels.predicted[place] for place in places]
            columns = [
                LooseColumn(
                    labels=labels.gold[i],
                    predicted_labels=chosen[i],
                    values=self._gold[i].keys,
                    predicted_values=self._predicted[places[i]].keys,
                    loose=labels.loose[group],
                )
                for i, group in enumerate(self._groups)
                if labels.loose[group]
            ]
            yield can_pair_rows([marks, *labels.gold], [marks, *chosen], columns)
        self.is_given_up = self.is_given_up or matching.is_given_up


def _group(gold: Sequence[Column], predicted: Sequence[Column]) -> tuple[list[int], list[int]]:
    """Number groups of columns that may match, be it through others; predicted ones that match none are in none."""
    groups = list(range(len(gold)))
    predicted_groups = [_NO_GROUP] * len(predicted)
    for place, column in enumerate(predicted):
        for i, candidate in enumerate(gold):
            if groups[i] == predicted_groups[place] or not may_match(candidate, column):
                continue
            if predicted_groups[place] == _NO_GROUP:
                predicted_groups[place] = groups[i]
            else:
                old, new = groups[i], predicted_groups[place]
                groups = [new if group == old else group for group in groups]
                predicted_groups = [new if group == old else group for group in predicted_groups]
    return groups, predicted_groups
