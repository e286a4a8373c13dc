"""Make other content for a database: same schema, same keys, other rows.

In: the rows of all tables, what they must obey, and what the gold queries mention. Out: the rows of one variant,
decided by a seed alone. Pure: opens nothing, and the rows it was given stay as they are.

What is done, in this order, and the wrong query that it unmasks:

    rows are dropped with their children; some parents lose all children     inner join for left join, IN for EXISTS
    values are drawn anew from their column, numbers and dates moved         the right value of the wrong column
    foreign keys point at other parents                                      the wrong join path
    values become NULL where they may                                        COUNT(column) for COUNT(*), NOT IN
    rows are doubled under a new key                                         a missing DISTINCT, a join that multiplies
    rows are shaped after the conditions of gold queries (staging)           a missing condition, > for >=
    rows are stored in another order                                         a missing ORDER BY

What stays: keys, uniqueness, NOT NULL, values under a CHECK, and whatever `evaluation.variation.invariants` found.
Where few rows hold up the result of a gold query, some of them stay, with their parents and a few children.

The idea of judging on several contents, some made around the query's own constants, is that of R. Zhong, T. Yu and
D. Klein, "Semantic Evaluation for Text-to-SQL with Distilled Test Suites" (EMNLP 2020), section 3; this is built anew.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from assistant.types import ForeignKey
from evaluation.variation.conditions import Conditions
from evaluation.variation.contents import Content, Facts, Key, Row, key_in, study
from evaluation.variation.mentions import Mentions
from evaluation.variation.nearby import read_moment, shift_number, write_moment
from evaluation.variation.sheets import Line, Sheet, prune
from evaluation.variation.shortcuts import find_shortcuts, mend
from evaluation.variation.staging import stage

MUTATION_VERSION = 1
"""Goes up whenever the same rows and seed give another variant."""

Bounds = tuple[float, float]
"""Least and most; the share is drawn between them, for each table, column or key anew."""

DROPPED: Bounds = (0.02, 0.10)
"""Share of rows that go with their children."""
BARREN: Bounds = (0.06, 0.15)
"""Share of parents that lose their children, for each foreign key."""
CHANGED: Bounds = (0.05, 0.20)
"""Share of rows that get another value, for each column."""
REPOINTED: Bounds = (0.05, 0.15)
"""Share of rows that get another parent, for each foreign key."""
BLANKED: Bounds = (0.02, 0.06)
"""Share of rows that get a NULL, for each column that may hold it."""
DOUBLED: Bounds = (0.03, 0.08)
"""Share of rows that get a double."""
MIN_PICKED = 3
"""Fewest rows of each of these, in tables that have `FEW_ROWS`."""
FEW_ROWS = 12
"""Below so many rows a table gets one change of a kind, not `MIN_PICKED`."""

RARE = 12
"""Where at most so many rows of a table meet the conditions of a gold query, some of them are kept."""
KEPT_ROWS = 3
"""So many; other ones in each variant."""
MAX_SEARCHED = 20_000
"""Rows of a table that are looked at for each query."""
KEPT_CHILDREN = 4
"""Children that such a row keeps, for each foreign key."""
TRIES = 3
"""Draws for one change before it is given up."""
MAX_DAYS = 40
"""Furthest move of a date."""


class Mutator:
    """Makes variants of one database's content."""

    def __init__(self, contents: Sequence[Content], queries: Sequence[Mentions]) -> None:
        """Study the content once for all variants.

        Args:
            contents: All tables; foreign keys to others are not looked at.
            queries: What each gold query mentions.
        """
        self.facts = study(contents)
        self._shortcuts = find_shortcuts(self.facts)
        for shortcut in self._shortcuts:
            # What a shortcut says of both ways, it says better than one table can.
            self.facts[shortcut.table].forget(shortcut.way, shortcut.place)
        self._queries = sorted(set(queries), key=repr)
        self._children: defaultdict[str, list[tuple[str, ForeignKey]]] = defaultdict(list)
        for name, facts in self.facts.items():
            for key, _ in facts.pointers:
                self._children[key.ref_table].append((name, key))

    def make(self, seed: int) -> dict[str, list[Row]]:
        """Make the rows of one variant, parents first; the same seed gives the same rows in the same order."""
        rng = random.Random(seed)
        sheets = {name: Sheet(facts, rng) for name, facts in self.facts.items()}
        self._keep_named(sheets, rng)
        barren = _thin_out(sheets, self._children, rng)
        for sheet in sheets.values():
            _change(sheet, rng)
            _repoint(sheet, sheets, barren, rng)
            _blank(sheet, rng)
            for line in rng.sample(sheet.lines, min(len(sheet.lines), _count(len(sheet.lines), DOUBLED, rng))):
                sheet.add_copy(line)
        stage(sheets, self._queries, rng)
        mend(sheets, self._shortcuts)
        for sheet in sheets.values():
            sheet.enforce_unique()
        prune(sheets)
        for sheet in sheets.values():
            rng.shuffle(sheet.lines)
        return {name: [tuple(line.row) for line in sheet.lines] for name, sheet in sheets.items()}

    def _keep_named(self, sheets: Mapping[str, Sheet], rng: random.Random) -> None:
        """Mark the rows that hold up the result of a gold query, a few of their children, and the parents of all."""
        conditions = Conditions(sheets, self._queries, rng)
        for number, query in enumerate(self._queries):
            for name in dict.fromkeys(group[0].table for group in query.groups if group):
                if name not in sheets:
                    continue
                found = conditions.fitting(number, name, most=MAX_SEARCHED, enough=RARE + 1)
                if len(found) <= RARE:
                    for line in rng.sample(found, min(KEPT_ROWS, len(found))):
                        line.is_kept = True
        for name, sheet in sheets.items():
            for child, key in self._children[name]:
                if name != child:
                    _keep_children(sheet, sheets[child], key, rng)
        for sheet in reversed(list(sheets.values())):
            for key, places in sheet.facts.pointers:
                _keep_parents(sheet, sheets[key.ref_table], key, places)


def _keep_children(parent: Sheet, child: Sheet, key: ForeignKey, rng: random.Random) -> None:
    places, targets = parent.facts.places(key.ref_columns), child.facts.places(key.columns)
    kept = {key_in(line.row, places) for line in parent.lines if line.is_kept} - {None}
    owned: defaultdict[Key | None, list[Line]] = defaultdict(list)
    for line in child.lines if kept else ():
        target = key_in(line.row, targets)
        if target in kept:
            owned[target].append(line)
    for lines in owned.values():
        for line in rng.sample(lines, min(KEPT_CHILDREN, len(lines))):
            line.is_kept = True


def _keep_parents(child: Sheet, parent: Sheet, key: ForeignKey, places: Sequence[int]) -> None:
    columns = parent.facts.places(key.ref_columns)
    owners = {key_in(line.row, columns): line for line in parent.lines}
    waiting = [line for line in child.lines if line.is_kept]
    while waiting:
        found = [owners[target] for line in waiting if (target := key_in(line.row, places)) in owners]
        # Only within one table does the way go on upwards here.
        waiting = [owner for owner in found if not owner.is_kept] if child is parent else []
        for owner in found:
            owner.is_kept = True


def _pick(sheet: Sheet, bounds: Bounds, rng: random.Random) -> list[Line]:
    free = [line for line in sheet.lines if not line.is_kept]
    return rng.sample(free, min(len(free), _count(len(sheet.lines), bounds, rng)))


def _count(total: int, bounds: Bounds, rng: random.Random) -> int:
    return max(round(total * rng.uniform(*bounds)), MIN_PICKED if total >= FEW_ROWS else total // 4 and 1)


def _thin_out(
    sheets: Mapping[str, Sheet], children: Mapping[str, Sequence[tuple[str, ForeignKey]]], rng: random.Random
) -> dict[tuple[str, ForeignKey], set[Key]]:
    """Drop rows, then take all children from some parents; give those parents, by child table and foreign key."""
    for sheet in sheets.values():
        gone = set(map(id, _pick(sheet, DROPPED, rng)))
        sheet.lines = [line for line in sheet.lines if id(line) not in gone]
    prune(sheets)
    barren = {
        (child, key): _make_barren(sheets[name], sheets[child], key, rng)
        for name in sheets
        for child, key in children.get(name, ())
    }
    prune(sheets)
    return barren


def _make_barren(parent: Sheet, child: Sheet, key: ForeignKey, rng: random.Random) -> set[Key]:
    """Take all children from some parents: about half of the children go, the others get another parent."""
    places = child.facts.places(key.columns)
    parents = parent.keys(key.ref_columns)
    guarded = {key_in(line.row, places) for line in child.lines if line.is_kept}
    free = [owner for owner in parents if owner not in guarded]
    chosen = set(rng.sample(free, min(len(free), _count(len(parents), BARREN, rng))))
    others = [owner for owner in parents if owner not in chosen]
    can_move = bool(others) and not set(places) & child.facts.fixed
    left = []
    for line in child.lines:
        is_staying = key_in(line.row, places) not in chosen
        if not is_staying and can_move and rng.random() < 0.5:
            is_staying = child.edit(line, dict(zip(places, rng.choice(others), strict=True)))
        if is_staying:
            left.append(line)
    child.lines = left
    return chosen


def _change(sheet: Sheet, rng: random.Random) -> None:
    facts = sheet.facts
    for place, habits in enumerate(facts.habits):
        if place in facts.unique_places | facts.pointing or not habits.values:
            continue
        for line in _pick(sheet, CHANGED, rng):
            for _ in range(TRIES):
                if sheet.edit(line, _draw(facts, place, line, rng)):
                    break


def _draw(facts: Facts, place: int, line: Line, rng: random.Random) -> dict[int, object]:
    """Draw another value for a column, or for it and all that is tied to it."""
    donor = rng.choice(facts.rows)
    if place in facts.checked:
        together = {other for group in facts.checks if place in group for other in group}
        return {} if together & facts.unique_places else {other: donor[other] for other in together}
    if facts.habits[place].is_varied and line.row[place] is not None and rng.random() < 0.4:
        return {place: _move(line.row[place], facts, place, rng)}
    tied = facts.tied[place] - facts.fixed - facts.pointing
    if len(tied) > 1 and rng.random() < 0.5:
        return {other: donor[other] for other in tied}
    return {place: donor[place]}


def _move(value: object, facts: Facts, place: int, rng: random.Random) -> object:
    moment = read_moment(value)
    if moment is not None:
        return write_moment(moment + timedelta(days=rng.randint(-MAX_DAYS, MAX_DAYS)), value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    habits = facts.habits[place]
    moved = shift_number(value, rng.choice((-3, -2, -1, 1, 2, 3)), habits.decimals)
    return moved if habits.low <= moved <= habits.high else value


def _repoint(
    sheet: Sheet, sheets: Mapping[str, Sheet], barren: Mapping[tuple[str, ForeignKey], set[Key]], rng: random.Random
) -> None:
    facts = sheet.facts
    for key, places in facts.pointers:
        without = barren.get((facts.table.name, key), set())
        parents = [owner for owner in sheets[key.ref_table].keys(key.ref_columns) if owner not in without]
        if not parents or set(places) & facts.fixed:
            continue
        for line in _pick(sheet, REPOINTED, rng):
            if not sheet.edit(line, dict(zip(places, rng.choice(parents), strict=True))):
                # Keys that belong together (an order's address is its customer's) move together.
                donor = rng.choice(sheet.lines).row
                sheet.edit(line, {place: donor[place] for place in facts.pointing - facts.fixed})


def _blank(sheet: Sheet, rng: random.Random) -> None:
    for place, column in enumerate(sheet.facts.table.columns):
        if column.is_nullable and place not in sheet.facts.primary | sheet.facts.checked:
            for line in _pick(sheet, BLANKED, rng):
                sheet.blank(line, place)
