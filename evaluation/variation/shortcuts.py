"""Two ways of foreign keys from a row that end at the same row: an order's address is an address of its customer.

In: the Facts of all tables. Out: Shortcuts, and Sheets in which they hold again after rows were changed one by one. A
right query may take either way, so a variant must not tell them apart where the source never does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from evaluation.variation.contents import Facts, key_in
from evaluation.variation.invariants import MIN_EVIDENCE
from evaluation.variation.sheets import Line, Sheet


class Shortcut(NamedTuple):
    """A foreign key that always agrees with the one of a row between."""

    table: str
    """Table with both foreign keys."""
    place: int
    """Place of the one that leads straight there."""
    way: int
    """Place of the one that leads to the table between."""
    between: str
    """The table between."""
    columns: tuple[str, ...]
    """Its key that `way` refers to."""
    onward: int
    """Place in the table between of the foreign key that leads on."""


def find_shortcuts(facts: Mapping[str, Facts]) -> tuple[Shortcut, ...]:
    """Find the pairs of ways that agree in every row, and would hardly do so by chance; parents first."""
    return tuple(shortcut for shortcut in _list_candidates(facts) if _holds(shortcut, facts))


def mend(sheets: Mapping[str, Sheet], shortcuts: Sequence[Shortcut]) -> None:
    """Make both ways agree: by the straight foreign key, else without the way between, else without the row."""
    for shortcut in shortcuts:
        sheet, between = sheets[shortcut.table], sheets[shortcut.between]
        places = between.facts.places(shortcut.columns)
        ends: dict[object, object] = {key_in(line.row, places): line.row[shortcut.onward] for line in between.lines}
        sheet.lines = [line for line in sheet.lines if _mend_line(line, sheet, shortcut, ends)]


def _mend_line(line: Line, sheet: Sheet, shortcut: Shortcut, ends: Mapping[object, object]) -> bool:
    way = key_in(line.row, [shortcut.way])
    if way is None or line.row[shortcut.place] is None or way not in ends:
        return True
    end = ends[way]
    if end is None or end == line.row[shortcut.place]:
        return True
    can_move = shortcut.place not in sheet.facts.fixed
    return (can_move and sheet.edit(line, {shortcut.place: end})) or sheet.edit(line, {shortcut.way: None})


def _list_candidates(facts: Mapping[str, Facts]) -> Iterator[Shortcut]:
    for name, found in facts.items():
        single = [(key, places[0]) for key, places in found.pointers if len(places) == 1 and key.ref_table != name]
        for straight, place in single:
            for way, way_place in single:
                if way == straight:
                    continue
                for onward, onward_places in facts[way.ref_table].pointers:
                    if (onward.ref_table, onward.ref_columns) == (straight.ref_table, straight.ref_columns):
                        yield Shortcut(name, place, way_place, way.ref_table, way.ref_columns, onward_places[0])


def _holds(shortcut: Shortcut, facts: Mapping[str, Facts]) -> bool:
    between = facts[shortcut.between]
    places = between.places(shortcut.columns)
    ends = {key_in(row, places): row[shortcut.onward] for row in between.rows}
    pairs = [
        (row[shortcut.place], ends.get(key_in(row, [shortcut.way])))
        for row in facts[shortcut.table].rows
        if row[shortcut.place] is not None and row[shortcut.way] is not None
    ]
    n_ends = len({end for end in ends.values() if end is not None})
    known = [pair for pair in pairs if pair[1] is not None]
    return (
        n_ends > 1 and len(known) * math.log(n_ends) >= MIN_EVIDENCE and all(straight == end for straight, end in known)
    )
