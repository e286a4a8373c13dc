"""Match the columns of two tables so that both have the same bag of rows, without trying all orders of columns.

In: two tables of hashable cells, which are compared by `==`. Out: places, for each column of the first table that of a
column of the second, so that the rows taken at these places are the same bag. Knows no values, no SQL, no tolerance.

The method is colour refinement, as in tests for graph isomorphism (Weisfeiler and Leman, 1968). A column is coloured by
the bag of its cells and the colours of their rows, a row by its cells and the colours of their columns, in turns, until
no columns of one colour are told apart any more. Columns of different colours never match. Where several of one colour
are left, one is set apart, and colours are refined again. A colour is a hash, so equal colours prove nothing: every
answer has been checked row by row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

MAX_TRIALS = 2000
"""Most columns that are set apart in one search."""

MAX_VISITED_CELLS = 20_000_000
"""Most cells that are coloured in one search before it is given up: some two seconds of work."""


class Table(NamedTuple):
    """Cells by column."""

    columns: Sequence[tuple[Hashable, ...]]
    """Columns, each with the cells of all rows."""
    marks: Sequence[Hashable]
    """One a row: only rows with the same mark are the same."""
    kinds: Sequence[Hashable]
    """One a column: only columns of the same kind match."""
    contents: Sequence[tuple[Hashable, ...]]
    """One a column: columns of the same content are copies, so that one will do as well as the other."""


Places = tuple[int, ...]
"""For each gold column the number of a predicted column."""


class _Colouring(NamedTuple):
    """Colours of the columns and rows of both tables: equal numbers where nothing tells them apart so far."""

    gold: list[int]
    predicted: list[int]
    gold_rows: Sequence[Hashable]
    predicted_rows: Sequence[Hashable]
    known_to_rows: frozenset[int]
    """Colours of columns that the colours of rows already reflect."""

    def choose(self) -> list[list[int]] | None:
        """List the places of each gold column; None when there are too few for all."""
        places: dict[int, list[int]] = {}
        for place, colour in enumerate(self.predicted):
            places.setdefault(colour, []).append(place)
        if any(len(places.get(colour, ())) < number for colour, number in Counter(self.gold).items()):
            return None
        return [places[colour] for colour in self.gold]

    def settled(self) -> frozenset[int]:
        """Find the colours of which every column is taken: only these tell rows apart."""
        numbers = Counter(self.predicted)
        return frozenset(colour for colour, number in Counter(self.gold).items() if number == numbers[colour])

    def set_apart(self, column: int, place: int, trial: int) -> _Colouring:
        """Give a gold column and a predicted one a colour of their own."""
        colour = hash(("set apart", trial))
        gold, predicted = list(self.gold), list(self.predicted)
        gold[column] = predicted[place] = colour
        return self._replace(gold=gold, predicted=predicted)


class Matching:
    """One search. The first table has no more columns than the second, and as many rows."""

    def __init__(self, gold: Table, predicted: Table) -> None:
        """Take the tables.

        Args:
            gold: Table whose columns all have to be matched.
            predicted: Table of whose columns each is taken at most once.
        """
        self._gold = gold
        self._predicted = predicted
        self._originals = _find_originals(predicted.contents)
        self._trials = 0
        self._visited_cells = 0

    @property
    def is_given_up(self) -> bool:
        """Whether a limit ended the search, so that there may be more places."""
        return self._trials > MAX_TRIALS or self._visited_cells > MAX_VISITED_CELLS

    def find(self) -> Iterator[Places]:
        """Give places of the columns, one after another; the same may be given more than once."""
        colouring = _Colouring(
            gold=list(map(hash, self._gold.kinds)),
            predicted=list(map(hash, self._predicted.kinds)),
            gold_rows=self._gold.marks,
            predicted_rows=self._predicted.marks,
            known_to_rows=frozenset(),
        )
        choices = colouring.choose()
        # Colours are for choosing: without a choice, rows are compared at once.
        if choices is not None and self._find_open(choices):
            colouring = self._recolour_columns(colouring)
            choices = colouring.choose()
        if choices is None:
            return
        guess = _guess(choices)
        if self._has_same_rows(guess):
            yield guess
        if not self._find_open(choices):
            return
        if len(self._gold.columns) == len(self._predicted.columns):
            self._gold, self._predicted = _fold(self._gold), _fold(self._predicted)
        yield from self._search(colouring._replace(gold_rows=self._gold.marks, predicted_rows=self._predicted.marks))

    def _search(self, colouring: _Colouring) -> Iterator[Places]:
        """Refine colours until none is told apart further, then set a column apart where choices are left."""
        while True:
            finer = self._recolour_columns(self._recolour_rows(colouring))
            choices = finer.choose()
            if choices is None:
                return
            is_stable = finer.predicted == colouring.predicted
            colouring = finer
            if is_stable:
                break
        guess = _guess(choices)
        if self._has_same_rows(guess):
            yield guess
        open_columns = self._find_open(choices)
        if not open_columns:
            return
        column = min(open_columns, key=lambda column: len(choices[column]))
        tried: set[int] = set()
        for place in sorted(choices[column], key=lambda place: place != column):
            # A copy of a column that failed would fail again.
            if self._originals[place] in tried:
                continue
            tried.add(self._originals[place])
            self._trials += 1
            if self.is_given_up:
                return
            yield from self._search(colouring.set_apart(column, place, self._trials))

    def _find_open(self, choices: Sequence[Sequence[int]]) -> list[int]:
        """Find the gold columns for which it matters where they go: copies of one column are one place."""
        return [
            column
            for column, places in enumerate(choices)
            if len(places) > 1 and len({self._originals[place] for place in places}) > 1
        ]

    def _recolour_rows(self, colouring: _Colouring) -> _Colouring:
        """Refine the colours of rows by their cells in columns of new colours."""
        settled = colouring.settled()
        new = settled - colouring.known_to_rows
        if not new:
            return colouring
        rows = []
        for table, colours, old in (
            (self._gold, colouring.gold, colouring.gold_rows),
            (self._predicted, colouring.predicted, colouring.predicted_rows),
        ):
            used = [(colour, column) for colour, column in zip(colours, table.columns, strict=True) if colour in new]
            self._visited_cells += len(used) * len(old)
            hashes = [map(hash, zip(repeat(colour), column, strict=False)) for colour, column in used]
            # The sum does not depend on the order of the columns.
            rows.append(list(map(hash, zip(old, map(sum, zip(*hashes, strict=True)), strict=True))))
        return colouring._replace(gold_rows=rows[0], predicted_rows=rows[1], known_to_rows=settled)

    def _recolour_columns(self, colouring: _Colouring) -> _Colouring:
        """Refine the colours that several predicted columns share, by their cells and the colours of the rows."""
        shared = {colour for colour, number in Counter(colouring.predicted).items() if number > 1}
        refined: dict[int, set[int]] = {colour: set() for colour in shared}
        sides = []
        for table, colours, rows in (
            (self._gold, colouring.gold, colouring.gold_rows),
            (self._predicted, colouring.predicted, colouring.predicted_rows),
        ):
            new = list(colours)
            for i, colour in enumerate(colours):
                if colour in shared:
                    self._visited_cells += len(rows)
                    # The sum does not depend on the order of the rows.
                    new[i] = hash((colour, sum(map(hash, zip(rows, table.columns[i], strict=True)))))
                    refined[colour].add(new[i])
            sides.append((colours, new))
        # A colour that was not told apart stays: there is nothing new for the rows to know.
        gold, predicted = (
            [old if len(refined.get(old, ())) < 2 else fine for old, fine in zip(colours, new, strict=True)]
            for colours, new in sides
        )
        return colouring._replace(gold=gold, predicted=predicted)

    def _has_same_rows(self, places: Places) -> bool:
        """Compare the rows themselves."""
        taken = [self._predicted.columns[place] for place in places]
        # As plain dictionaries: Counter compares in Python, key by key.
        return dict(_bag(self._gold.marks, self._gold.columns)) == dict(_bag(self._predicted.marks, taken))


def _bag(marks: Sequence[Hashable], columns: Sequence[tuple[Hashable, ...]]) -> Counter[tuple[Hashable, ...]]:
    return Counter(zip(marks, *columns, strict=True))


def _fold(table: Table) -> Table:
    """Take equal rows once, and put their number into the mark."""
    bag = _bag(table.marks, table.columns)
    marks, *columns = zip(*bag, strict=True)
    return table._replace(columns=columns, marks=list(zip(marks, bag.values(), strict=True)))


def _find_originals(contents: Sequence[tuple[Hashable, ...]]) -> list[int]:
    """Give for each column the first that is the same."""
    by_start: dict[Hashable, list[int]] = {}
    originals = []
    for place, column in enumerate(contents):
        # Few columns share their start; hashing whole ones would take longer than all else.
        alike = by_start.setdefault(column[:20], [])
        original = next((other for other in alike if contents[other] == column), place)
        if original == place:
            alike.append(place)
        originals.append(original)
    return originals


def _guess(choices: Sequence[Sequence[int]]) -> Places:
    """Take each column where it stands if it can be there, the others in order."""
    stays = {column for column, places in enumerate(choices) if column in places}
    taken = set(stays)
    guess = []
    for column, places in enumerate(choices):
        place = column if column in stays else next(place for place in places if place not in taken)
        taken.add(place)
        guess.append(place)
    return tuple(guess)
