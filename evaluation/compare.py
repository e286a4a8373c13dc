"""Are two results the same? The one judge of execution accuracy.

In: the result of the gold SQL, the result of the predicted SQL, and whether the order of rows counts. Out: a Verdict
with its reason in words. Runs nothing, reads no SQL.

Two results are the same when the columns of one can be put in an order that makes both the same bag of rows: duplicates
count, column names do not, the order of rows only where asked. When two values are equal is decided in
`evaluation.cells`. Columns are matched by what they hold; only columns that hold the same are tried in several places,
and each choice is checked on the rows at once, so a wrong one is left early.

A result that was cut is never correct: what was cut off cannot be judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from assistant.types import QueryResult, Record
from evaluation.cells import Alignment, Profile, hold_the_same

MAX_TRIALS = 2000
"""Most column choices that are tried; results that need more are counted as different."""

MAX_PAIRING_ROWS = 400
"""Most rows of near-equal numbers that are paired exactly; beyond, they are paired in order."""


class Verdict(Record):
    """Whether a prediction's result is the gold result."""

    is_correct: bool
    """Same rows and same columns."""
    is_correct_with_extra_columns: bool
    """Same rows after leaving out columns of the prediction that the gold result does not have."""
    reason: str
    """What differs first, in words."""


def same_result(gold: QueryResult, predicted: QueryResult, *, is_ordered: bool) -> Verdict:
    """Judge a predicted result against the gold result.

    Args:
        gold: Result of the gold SQL.
        predicted: Result of the predicted SQL.
        is_ordered: Whether the rows have to come in the same order. Rows that tie in the gold's sort order have to be
            in its order too, since a result does not say what it was sorted by.
    """
    if gold.is_truncated or predicted.is_truncated:
        return _wrong(f"The {'gold' if gold.is_truncated else 'predicted'} result was cut at its row limit.")
    missing = len(gold.columns) - len(predicted.columns)
    if missing > 0:
        return _wrong(f"{_count(len(predicted.columns), 'column')} instead of {len(gold.columns)}.")
    if len(gold.rows) != len(predicted.rows):
        return _wrong(f"{_count(len(predicted.rows), 'row')} instead of {len(gold.rows)}.")
    search = _Search(gold, predicted, is_ordered=is_ordered)
    failure = search.run()
    if failure:
        return _wrong(failure)
    if missing < 0:
        return Verdict(
            is_correct=False,
            is_correct_with_extra_columns=True,
            reason=f"Same rows, and {_count(-missing, 'column')} too many.",
        )
    return Verdict(is_correct=True, is_correct_with_extra_columns=True, reason="Same rows.")


def _wrong(reason: str) -> Verdict:
    return Verdict(is_correct=False, is_correct_with_extra_columns=False, reason=reason)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Search:
    """The search for a predicted column for each gold column. Used once."""

    def __init__(self, gold: QueryResult, predicted: QueryResult, *, is_ordered: bool) -> None:
        self.gold = gold
        self.is_ordered = is_ordered
        self.gold_columns = [Profile([row[i] for row in gold.rows]) for i in range(len(gold.columns))]
        self.columns = [Profile([row[i] for row in predicted.rows]) for i in range(len(predicted.columns))]
        self.alignments: dict[tuple[int, int], Alignment] = {}
        self.trials = 0

    def run(self) -> str:
        """Look for a matching; give what is wrong in words, empty when there is one."""
        places = [self._places(i, is_ordered=False) for i in range(len(self.gold_columns))]
        for i, found in enumerate(places):
            if not found:
                return f"No column of the prediction holds the values of gold column {i + 1}, '{self._name(i)}'."
        if self.is_ordered:
            in_order = [self._places(i, is_ordered=True) for i in range(len(self.gold_columns))]
            # Columns that agree row by row need no check of the rows: any matching of columns will do.
            if _pair_all(len(in_order), len(self.columns), lambda i, j: j in in_order[i]):
                return ""
            same = "The rows are the same, in another order."
            return same if self._match_rows(places) else "The columns hold the same values, the rows do not."
        if self._match_rows(places):
            return ""
        if self.trials > MAX_TRIALS:
            return f"No match found among {MAX_TRIALS} ways to pair columns that hold the same values."
        return "The columns hold the same values, the rows do not."

    def _name(self, column: int) -> str:
        return self.gold.columns[column].name

    def _places(self, column: int, *, is_ordered: bool) -> list[int]:
        """List the predicted columns that hold what a gold column holds, the one in the same place first."""
        gold = self.gold_columns[column]
        fits = [j for j, other in enumerate(self.columns) if hold_the_same(gold, other, is_ordered=is_ordered)]
        return sorted(fits, key=lambda j: (j != column, j))

    def _match_rows(self, places: Sequence[Sequence[int]]) -> bool:
        # Few choices first, then many values first: both leave a wrong way early.
        order = sorted(range(len(places)), key=lambda i: (len(places[i]), -len(set(self.gold_columns[i].values))))
        start = [0] * len(self.gold.rows)
        return self._extend(order, places, {}, start, start)

    def _extend(
        self,
        order: Sequence[int],
        places: Sequence[Sequence[int]],
        chosen: dict[int, int],
        gold_groups: list[int],
        groups: list[int],
    ) -> bool:
        """Choose a place for the next gold column, and the rest.

        Rows are kept as groups that agree in all columns chosen so far; each choice splits them, and the groups of both
        results have to stay of the same sizes.
        """
        if len(chosen) == len(order):
            return self._confirm(chosen)
        column = order[len(chosen)]
        tried: set[tuple[object, ...]] = set()
        taken = set(chosen.values())
        for place in places[column]:
            # Trying a column that is a copy of one that failed would fail again.
            if place in taken or self.columns[place].values in tried:
                continue
            tried.add(self.columns[place].values)
            self.trials += 1
            if self.trials > MAX_TRIALS:
                return False
            alignment = self._align(column, place)
            split = _split(gold_groups, alignment.gold_ids, groups, alignment.predicted_ids)
            if split and self._extend(order, places, {**chosen, column: place}, *split):
                return True
        return False

    def _align(self, column: int, place: int) -> Alignment:
        if (column, place) not in self.alignments:
            self.alignments[column, place] = Alignment(self.gold_columns[column], self.columns[place])
        return self.alignments[column, place]

    def _confirm(self, chosen: dict[int, int]) -> bool:
        """Check the rows that agree only through a chain of near numbers; most results have none."""
        alignments = [self._align(column, place) for column, place in chosen.items()]
        loose = [alignment for alignment in alignments if alignment.is_loose]
        if not loose:
            return True
        gold_blocks = _blocks([alignment.gold_ids for alignment in alignments])
        blocks = _blocks([alignment.predicted_ids for alignment in alignments])
        return all(_pair_block(loose, rows, blocks[key]) for key, rows in gold_blocks.items())


def _split(
    gold_groups: Sequence[int], gold_ids: Sequence[int], groups: Sequence[int], ids: Sequence[int]
) -> tuple[list[int], list[int]] | None:
    """Split groups of rows by the identifiers of one more column; None when the sizes come out different."""
    numbers: dict[tuple[int, int], int] = {}
    new_gold = [numbers.setdefault(key, len(numbers)) for key in zip(gold_groups, gold_ids, strict=True)]
    new = [numbers.get(key, -1) for key in zip(groups, ids, strict=True)]
    return (new_gold, new) if Counter(new_gold) == Counter(new) else None


def _blocks(columns: Sequence[Sequence[int]]) -> dict[tuple[int, ...], list[int]]:
    blocks: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(*columns, strict=True)):
        blocks[key].append(row)
    return blocks


def _pair_block(loose: Sequence[Alignment], gold_rows: Sequence[int], rows: Sequence[int]) -> bool:
    """Pair rows that share every identifier, so that each pair is equal in the loose columns."""

    def is_pair(i: int, j: int) -> bool:
        return all(alignment.are_equal(gold_rows[i], rows[j]) for alignment in loose)

    # A block holds one chain per column, so all its values there are numbers or all are equal tokens.
    by_gold = sorted(range(len(gold_rows)), key=lambda i: [a.gold_keys[gold_rows[i]] for a in loose])
    by_row = sorted(range(len(rows)), key=lambda j: [a.predicted_keys[rows[j]] for a in loose])
    if all(is_pair(i, j) for i, j in zip(by_gold, by_row, strict=True)):
        return True
    if len(loose) == 1 or len(rows) > MAX_PAIRING_ROWS:
        return False
    return _pair_all(len(gold_rows), len(rows), is_pair)


def _pair_all(lefts: int, rights: int, is_pair: Callable[[int, int], bool]) -> bool:
    """Tell whether each left one can have a right one of its own (bipartite matching by augmenting paths)."""
    owner: dict[int, int] = {}
    for left in range(lefts):
        # Breadth first from `left`: `via` remembers through which left one a right one was reached.
        via: dict[int, int] = {}
        queue = [left]
        free: int | None = None
        while queue and free is None:
            current = queue.pop(0)
            for right in range(rights):
                if right in via or not is_pair(current, right):
                    continue
                via[right] = current
                if right not in owner:
                    free = right
                    break
                queue.append(owner[right])
        if free is None:
            return False
        placed = {who: right for right, who in owner.items()}
        right = free
        while True:
            mover = via[right]
            owner[right] = mover
            if mover == left:
                break
            right = placed[mover]
    return True
