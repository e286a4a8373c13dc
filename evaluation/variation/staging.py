"""Shape rows after the conditions of gold queries: all met, all but one, at the edge of one, groups of a named size.

In: the Sheets of one variant, and what gold queries mention. Out: the same Sheets, some rows changed or added. This is
what tells > from >=, unmasks a missing condition, and keeps named values in play. A row that already meets the other
conditions of a query, in its own table and in those it points at, is taken first; so a condition counts for the whole
query and not for its table alone.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evaluation.variation.conditions import Conditions
from evaluation.variation.invariants import as_key
from evaluation.variation.mentions import GroupSize, Mention, Mentions
from evaluation.variation.nearby import find_nearby
from evaluation.variation.sheets import Line, Sheet

STAGED = 0.4
"""Most rows that are shaped, as a share of their table."""
MIN_STAGED = 40
"""Most rows that are shaped in a small table."""
COPIES = 3
"""Rows shaped for each value of each condition, where there is room."""
TRIES = 3
"""Rows tried for one wish; what always holds forbids it in some."""
SEARCHED = 1500
"""Rows looked at for those that meet the other conditions."""
SIZED_GROUPS = 8
"""Groups among which those of a named size are chosen: the nearest to it, which need the fewest changes."""


class _Wish(NamedTuple):
    """One row to shape: a value for a mentioned column of a query."""

    query: int
    mention: Mention
    value: object


def stage(sheets: Mapping[str, Sheet], queries: Sequence[Mentions], rng: random.Random) -> None:
    """Shape rows after the conditions of queries, as far as there is room in each table."""
    _Stage(sheets, queries, rng).run()


class _Stage:
    def __init__(self, sheets: Mapping[str, Sheet], queries: Sequence[Mentions], rng: random.Random) -> None:
        self.sheets = sheets
        self.queries = queries
        self.rng = rng
        self.conditions = Conditions(sheets, queries, rng)
        self.found: dict[tuple[int, str], list[Line]] = {}

    def run(self) -> None:
        wishes: defaultdict[str, list[_Wish]] = defaultdict(list)
        for number, query in enumerate(self.queries):
            for mention in (mention for group in query.groups for mention in group):
                for value in self._values_for(mention):
                    wishes[mention.table].append(_Wish(number, mention, value))
        for name, sheet in self.sheets.items():
            room = max(MIN_STAGED, round(STAGED * len(sheet.lines)))
            # Every wish once before any comes again.
            for _ in range(COPIES):
                self.rng.shuffle(wishes[name])
                for wish in wishes[name][: max(0, room)]:
                    self._fulfil(sheet, wish)
                room -= len(wishes[name])
        for number, query in enumerate(self.queries):
            for size in query.sizes:
                self._size_groups(number, size)

    def _values_for(self, mention: Mention) -> tuple[object, ...]:
        sheet = self.sheets.get(mention.table)
        place = sheet.facts.position.get(mention.column) if sheet else None
        if sheet is None or place is None or place in sheet.facts.primary | sheet.facts.pointing | sheet.facts.checked:
            return ()
        nearby = find_nearby(mention, sheet.facts.habits[place], self.rng)
        return nearby.hits + nearby.misses

    def _fulfil(self, sheet: Sheet, wish: _Wish) -> None:
        fitting = self._fitting(wish.query, wish.mention.table)
        free = [line for line in fitting if not line.is_kept]
        for _ in range(TRIES):
            line = self.rng.choice(free or fitting) if fitting else self._make_fitting(sheet, wish.query)
            if line is None or self._shape(sheet, line, sheet.facts.position[wish.mention.column], wish.value):
                return

    def _shape(self, sheet: Sheet, line: Line, place: int, value: object) -> bool:
        if place in sheet.facts.unique_places:
            copy = sheet.add_copy(line) if sheet.is_free(place, value) else None
            return copy is not None and sheet.rename(copy, place, value)
        # Changed in place, a row keeps its children; as a copy, it leaves the one it is like to other wishes.
        shaped = sheet.add_copy(line) if line.is_kept or self.rng.random() < 0.5 else line
        if shaped is None or not (
            sheet.shift(shaped, place, value) if value is not None else sheet.blank(shaped, place)
        ):
            return False
        shaped.is_kept = True
        return True

    def _make_fitting(self, sheet: Sheet, query: int) -> Line | None:
        """Make a row meet the conditions of a query, by its values and by whom it points at."""
        if not sheet.lines:
            return None
        facts = sheet.facts
        chosen = self.rng.choice(sheet.lines)
        line = sheet.add_copy(chosen) if chosen.is_kept else chosen
        if line is None:
            return None
        wanted: dict[int, object] = {}
        for mention in self.conditions.mentions(query, facts.table.name):
            place = facts.position.get(mention.column)
            if place is None or place in facts.fixed | facts.pointing:
                continue
            hits = find_nearby(mention, facts.habits[place], self.rng).hits
            if hits and mention.kind != "unequal":
                wanted[place] = self.rng.choice(hits)
        for key, places in facts.pointers:
            parents = self._fitting(query, key.ref_table) if key.ref_table != facts.table.name else []
            if parents and any(self.conditions.mentions(query, key.ref_table)) and not set(places) & facts.fixed:
                parent = self.rng.choice(parents)
                columns = self.sheets[key.ref_table].facts.places(key.ref_columns)
                wanted |= {place: parent.row[column] for place, column in zip(places, columns, strict=True)}
        if not sheet.edit(line, wanted):
            for place, value in wanted.items():
                sheet.edit(line, {place: value})
        return line

    def _fitting(self, query: int, name: str) -> list[Line]:
        if (query, name) not in self.found:
            self.found[query, name] = self.conditions.fitting(query, name, most=SEARCHED)
        return self.found[query, name]

    def _size_groups(self, query: int, size: GroupSize) -> None:
        """Make a group of just the named size, one a row smaller and one a row larger."""
        sheet = self.sheets.get(size.table)
        place = sheet.facts.position.get(size.column) if sheet else None
        if sheet is None or place is None or place in sheet.facts.fixed:
            return
        members: defaultdict[object, list[Line]] = defaultdict(list)
        for line in sheet.lines:
            if line.row[place] is not None and self.conditions.is_met(query, size.table, line):
                members[as_key(line.row[place])].append(line)
        nearest = sorted(members, key=lambda value: (abs(len(members[value]) - size.size), repr(value)))[:SIZED_GROUPS]
        self.rng.shuffle(nearest)
        spare = [line for value in members if value not in nearest for line in members[value] if not line.is_kept]
        self.rng.shuffle(spare)
        elsewhere = [value for value in members if value not in nearest]
        for value, wanted in zip(nearest, (size.size, size.size - 1, size.size + 1), strict=False):
            lines = members[value]
            for line in lines[wanted:] if elsewhere else ():
                if not line.is_kept:
                    self._move(sheet, line, place, members[self.rng.choice(elsewhere)][0])
            missing = wanted - len(lines)
            while missing > 0 and spare:
                missing -= self._move(sheet, spare.pop(), place, lines[0])

    def _move(self, sheet: Sheet, line: Line, place: int, model: Line) -> bool:
        """Put a row into the group of another, with what is tied to that."""
        if sheet.edit(line, {place: model.row[place]}):
            return True
        tied = sheet.facts.tied[place] - sheet.facts.fixed
        return sheet.edit(line, {other: model.row[other] for other in tied})
