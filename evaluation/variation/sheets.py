"""The rows of one variant while they are changed: every change keeps keys, constraints and invariants.

In: the Facts of each table. Out: a Sheet for each, which takes changes and refuses those that break something; then the
rows, filled into tables. Decides nothing: which rows change is `evaluation.variation.mutation`'s.
"""

from __future__ import annotations

import random
import string
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from assistant.errors import DatabaseError
from evaluation.variation.contents import Facts, Key, Row, key_in
from evaluation.variation.invariants import as_key
from evaluation.variation.nearby import read_moment, write_moment

MAX_ROUNDS = 5
"""Times that a variant is filled, each time without the rows that were refused before."""

_TRIES = 20
"""Draws for a fresh key before it is given up."""


class Line:
    """One row on its way into a variant."""

    __slots__ = ("is_kept", "row")

    def __init__(self, row: Sequence[object]) -> None:
        self.row: list[object] = list(row)
        self.is_kept = False
        """Whether a gold query names it: it is neither dropped nor changed."""


class Sheet:
    """The rows of one table of one variant."""

    def __init__(self, facts: Facts, rng: random.Random) -> None:
        self.facts = facts
        self.rng = rng
        self.lines = [Line(row) for row in facts.rows]
        self._taken: dict[tuple[int, ...], set[Key | None]] = {}

    def keys(self, columns: Sequence[str]) -> list[Key]:
        """List the keys that its rows have in some columns."""
        places = self.facts.places(columns)
        return [key for line in self.lines if (key := key_in(line.row, places)) is not None]

    def edit(self, line: Line, values: Mapping[int, object]) -> bool:
        """Set some values of a row; nothing is changed, and False returned, when that breaks what holds."""
        row = list(line.row)
        for place, value in values.items():
            if value is None and not self.facts.table.columns[place].is_nullable:
                return False
            row[place] = value
        if not self.facts.invariants.allow(row):
            return False
        line.row = row
        return True

    def shift(self, line: Line, place: int, value: object) -> bool:
        """Set a value; where it is a moment that has to stay before or after others, these go along."""
        if self.edit(line, {place: value}):
            return True
        new, old = read_moment(value), read_moment(line.row[place])
        if new is None or old is None:
            return False
        values: dict[int, object] = {place: value}
        for other in self.facts.tied[place] - {place} - self.facts.fixed:
            moment = read_moment(line.row[other])
            if moment is not None:
                values[other] = write_moment(moment + (new - old), line.row[other])
        return self.edit(line, values)

    def blank(self, line: Line, place: int) -> bool:
        """Set a value to NULL; where others decide it, these are not known either."""
        deciding = {rule.source for rule in self.facts.invariants.implications if rule.target == place}
        return self.edit(line, {place: None}) or self.edit(line, dict.fromkeys({place} | deciding - self.facts.fixed))

    def rename(self, line: Line, place: int, value: object) -> bool:
        """Set a value that has to be unique; False when it is taken."""
        row = list(line.row)
        row[place] = value
        keys = [
            (places, key)
            for places in self.facts.unique
            if place in places and (key := key_in(row, places)) is not None
        ]
        if any(key in self._taken_in(places) for places, key in keys) or not self.edit(line, {place: value}):
            return False
        for places, key in keys:
            self._taken_in(places).add(key)
        return True

    def is_free(self, place: int, value: object) -> bool:
        """Tell whether no row has a value that has to be unique by itself; NULL is always free."""
        return value is None or (as_key(value),) not in self._taken_in((place,))

    def add_copy(self, line: Line) -> Line | None:
        """Add a row like another, its unique values made up; None where that cannot be done."""
        facts = self.facts
        copy = Line(line.row)
        for places in facts.unique:
            if key_in(copy.row, places) is None:
                continue
            # One part that is no foreign key is enough to make a key new.
            free = [place for place in places if place not in facts.pointing | facts.checked]
            if not free or not self._freshen(copy, places, free[-1]):
                return None
        if any(copy.row[marker] == kind for _, marker, kind in facts.once):
            return None
        self.lines.append(copy)
        return copy

    def enforce_unique(self) -> None:
        """Let go of rows that repeat what may occur once; rows that a gold query names come first."""
        seen: defaultdict[object, set[Key]] = defaultdict(set)
        left = []
        for line in sorted(self.lines, key=lambda line: not line.is_kept):
            rules: list[tuple[object, Sequence[int]]] = [(places, places) for places in self.facts.unique]
            rules += [(rule, rule[:1]) for rule in self.facts.once if line.row[rule[1]] == rule[2]]
            marks = [(rule, key) for rule, places in rules if (key := key_in(line.row, places)) is not None]
            if all(key not in seen[rule] for rule, key in marks):
                left.append(line)
                for rule, key in marks:
                    seen[rule].add(key)
        self.lines = left

    def _taken_in(self, places: tuple[int, ...]) -> set[Key | None]:
        if places not in self._taken:
            self._taken[places] = {key_in(row, places) for row in self.facts.rows}
        return self._taken[places]

    def _freshen(self, line: Line, places: tuple[int, ...], place: int) -> bool:
        taken = self._taken_in(places)
        limit = _read_max_chars(self.facts.table.columns[place].sql_type)
        # The n-th fresh number is n above the highest.
        number = self.facts.habits[place].top + len(taken) - len(self.facts.rows) + 1
        for attempt in range(_TRIES):
            row = list(line.row)
            row[place] = _make_fresh(line.row[place], number + attempt, limit, self.rng)
            key = key_in(row, places)
            if key is not None and key not in taken:
                taken.add(key)
                line.row = row
                return True
        return False


def prune(sheets: Mapping[str, Sheet]) -> None:
    """Let go of rows whose parents are gone, until all foreign keys hold.

    Within one table a row loses its parent instead, where that may be: else one row would take a whole tree with it.
    """
    is_changing = True
    while is_changing:
        is_changing = False
        for name, sheet in sheets.items():
            for key, places in sheet.facts.pointers:
                parents = set(sheets[key.ref_table].keys(key.ref_columns))
                left = []
                for line in sheet.lines:
                    target = key_in(line.row, places)
                    is_whole = target is None or target in parents
                    if is_whole or (key.ref_table == name and sheet.edit(line, dict.fromkeys(places))):
                        left.append(line)
                is_changing = is_changing or len(left) < len(sheet.lines)
                sheet.lines = left


def fill(
    facts: Mapping[str, Facts],
    rows: Mapping[str, Sequence[Row]],
    insert: Callable[[str, Sequence[Row]], Collection[Row]],
    clear: Callable[[], None],
) -> None:
    """Fill the tables of a variant, without rows that the database refuses for a reason that is not known here.

    Args:
        facts: All tables, from `study`.
        rows: Rows by table.
        insert: Inserts rows into a table and gives those that were refused.
        clear: Empties all tables again.

    Raises:
        DatabaseError: Rows are still refused after `MAX_ROUNDS`.
    """
    for _ in range(MAX_ROUNDS):
        refused = {name: gone for name, found in rows.items() if (gone := insert(name, found))}
        if not refused:
            return
        rows = _leave_out(facts, rows, refused)
        clear()
    raise DatabaseError(
        f"Cannot make a variant of the database: rows of {', '.join(refused)} go on being refused.",
        "Judge without variants: --variants 0.",
    )


def _leave_out(
    facts: Mapping[str, Facts], rows: Mapping[str, Sequence[Row]], refused: Mapping[str, Collection[Row]]
) -> dict[str, list[Row]]:
    """Leave out rows that the database refused, and those that point at them.

    Args:
        facts: All tables, from `study`.
        rows: Rows of each table.
        refused: Some of them; all that are equal to one go.
    """
    sheets = {name: Sheet(found, random.Random(0)) for name, found in facts.items()}
    for name, sheet in sheets.items():
        gone = {tuple(map(as_key, row)) for row in refused.get(name, ())}
        sheet.lines = [Line(row) for row in rows[name] if tuple(map(as_key, row)) not in gone]
    prune(sheets)
    return {name: [tuple(line.row) for line in sheet.lines] for name, sheet in sheets.items()}


def _make_fresh(value: object, number: int, max_chars: int | None, rng: random.Random) -> object:
    """Make up another key like `value`; None where it is not known how."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        return type(value)(number)
    if isinstance(value, uuid.UUID):
        return uuid.UUID(int=rng.getrandbits(128), version=4)
    moment = read_moment(value)
    if moment is not None:
        return write_moment(moment + timedelta(days=rng.randint(1, 4000)), value)
    if isinstance(value, str):
        tail = f" {rng.choice(string.ascii_uppercase)}{rng.randint(2, 99)}"
        # Not the whole text: a right query may look for it by LIKE '%text%'.
        fresh = value[: max(1, len(value) // 2)] + tail
        if max_chars is None or len(fresh) <= max_chars:
            return fresh
        return "".join(rng.choices(string.ascii_uppercase + string.digits, k=max_chars))
    return None


def _read_max_chars(sql_type: str) -> int | None:
    """Read the length of VARCHAR(50); None where there is none."""
    head, _, tail = sql_type.partition("(")
    digits = tail.partition(")")[0]
    return int(digits) if "CHAR" in head.upper() and digits.isdigit() else None
