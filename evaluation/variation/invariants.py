"""What holds in every row of a table though the schema does not say so: a variant must not break it.

In: the rows of one table. Out: Invariants, which tell whether a changed row still fits. A right query may rely on such
facts (Vienna lies in Austria, a closed ticket has a closing date, nothing is shipped before it is ordered), so a
variant that breaks them would call right answers wrong. Knows no SQL and no other table.

A fact counts when no row speaks against it and it would hardly hold by chance: with its columns independent, its
probability in this many rows is below e^-15. Few rows show nothing, so small tables have few facts.

Covers: a value that decides another value, or whether another is NULL; one column never above another; values that
occur once although the schema allows more (names, undeclared keys), also among the rows of one kind only (one primary
address per customer).
Does not cover: facts that need three columns, other tables or arithmetic.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from assistant.types import Table

MIN_EVIDENCE = 15.0
"""Natural log of how unlikely a fact must be by chance; thousands of candidates are looked at."""

MIN_NAMES = 5
"""Fewest rows in which text that never repeats counts as a name."""

MAX_KINDS = 12
"""Most values of a column that can mark a kind of row."""

Row = Sequence[object]

_UNHASHABLE = (list, dict, set, bytearray)


class Implication(NamedTuple):
    """A value of one column decides a value of another, or whether it is NULL."""

    source: int
    """Column that decides."""
    is_source_null: bool
    """Whether what decides is being NULL or not, instead of the value."""
    target: int
    """Column that is decided."""
    is_target_null: bool
    """Whether what is decided is being NULL or not, instead of the value."""
    decided: Mapping[Hashable, Hashable]
    """What decides -> what is decided; values that are not in it are free."""


class Once(NamedTuple):
    """A value that occurs once, among all rows or among those of one kind."""

    column: int
    """Column of the value."""
    marker: int | None = None
    """Column that tells the kind; None for all rows."""
    kind: Hashable = None
    """Value of the marker."""


class Invariants(NamedTuple):
    """What holds in a table."""

    implications: tuple[Implication, ...]
    """Values that decide others."""
    orders: tuple[tuple[int, int], ...]
    """Pairs of columns of which the first is never above the second."""
    once: tuple[Once, ...]
    """Values that occur once; `allow` does not look at these, as they need all rows."""

    def allow(self, row: Row) -> bool:
        """Tell whether a row fits, as far as one row can show it."""
        for rule in self.implications:
            source = _feature(row[rule.source], rule.is_source_null)
            if source in rule.decided and rule.decided[source] != _feature(row[rule.target], rule.is_target_null):
                return False
        return all(_is_ordered(row[low], row[high]) for low, high in self.orders)


def find_invariants(table: Table, rows: Sequence[Row]) -> Invariants:
    """Find what holds in all rows of a table.

    Args:
        table: Its columns and keys.
        rows: Its rows, values in the order of the columns.
    """
    if not rows:
        return Invariants((), (), ())
    position = {column.name: i for i, column in enumerate(table.columns)}
    keys = {position[name] for name in table.primary_key if name in position}
    pointers = {position[name] for key in table.foreign_keys for name in key.columns if name in position}
    single_pointers = {position[key.columns[0]] for key in table.foreign_keys if len(key.columns) == 1}
    columns = [[as_key(row[i]) for row in rows] for i in range(len(table.columns))]
    measures = [
        i
        for i, column in enumerate(table.columns)
        if column.kind in ("integer", "float", "date", "datetime") and i not in keys | pointers
    ]
    return Invariants(
        tuple(_find_implications(columns, keys, set(measures))),
        tuple(_find_orders(table, columns, measures)),
        (
            *_find_names(table, columns, keys | pointers),
            *_find_once_per_kind(columns, single_pointers & set(position.values())),
        ),
    )


def as_key(value: object) -> Hashable:
    """Give a value that can be looked up; lists and the like are known by how they are written."""
    return repr(value) if isinstance(value, _UNHASHABLE) else value


def _feature(value: object, is_null: bool) -> Hashable:
    return value is None if is_null else as_key(value)


def _find_implications(
    columns: Sequence[Sequence[Hashable]], keys: set[int], measures: set[int]
) -> Iterable[Implication]:
    n = len(columns[0])
    features: list[tuple[int, bool, list[Hashable], Counter[Hashable]]] = []
    for i, values in enumerate(columns):
        counts = Counter(values)
        if 0 < counts[None] < n:
            flags: list[Hashable] = [value is None for value in values]
            features.append((i, True, flags, Counter(flags)))
        if i not in keys and 1 < len(counts) < n:
            features.append((i, False, list(values), counts))
    for source, is_source_null, causes, cause_counts in features:
        if source in measures and len(cause_counts) > MAX_KINDS:
            continue  # an amount or a moment decides nothing that a person would rely on
        groups: defaultdict[Hashable, list[int]] = defaultdict(list)
        for place, cause in enumerate(causes):
            if cause_counts[cause] > 1 and (is_source_null or cause is not None):
                groups[cause].append(place)
        for target, is_target_null, effects, effect_counts in features:
            if source == target:
                continue
            decided: dict[Hashable, Hashable] = {}
            weights: dict[Hashable, float] = {}
            for cause, places in groups.items():
                effect = effects[places[0]]
                if all(effects[place] == effect for place in places):
                    decided[cause] = effect
                    weights[cause] = (len(places) - 1) * -math.log(effect_counts[effect] / n)
            if len(decided) < len(groups) or sum(weights.values()) < MIN_EVIDENCE:
                # Not all values decide: those that do must each be certain.
                decided = {cause: effect for cause, effect in decided.items() if weights[cause] >= MIN_EVIDENCE}
            if decided:
                yield Implication(source, is_source_null, target, is_target_null, decided)


def _find_orders(
    table: Table, columns: Sequence[Sequence[Hashable]], measures: Sequence[int]
) -> Iterable[tuple[int, int]]:
    rng = random.Random(0)
    for low in measures:
        for high in measures:
            is_moment = [table.columns[i].kind in ("date", "datetime") for i in (low, high)]
            if low == high or is_moment[0] != is_moment[1]:
                continue
            pairs = [(a, b) for a, b in zip(columns[low], columns[high], strict=True) if not (a is None or b is None)]
            if not pairs or not all(_is_ordered(a, b) for a, b in pairs):
                continue
            shuffled = [(rng.choice(pairs)[0], rng.choice(pairs)[1]) for _ in range(400)]
            share = sum(not _is_ordered(a, b) for a, b in shuffled) / len(shuffled)
            if share and len(pairs) * -math.log1p(-min(share, 0.999)) >= MIN_EVIDENCE:
                yield low, high


def _is_ordered(low: object, high: object) -> bool:
    if low is None or high is None:
        return True
    try:
        return bool(low <= high)  # type: ignore[operator]
    except TypeError:
        return True


def _find_names(table: Table, columns: Sequence[Sequence[Hashable]], keys: set[int]) -> Iterable[Once]:
    for i, column in enumerate(table.columns):
        values = [value for value in columns[i] if value is not None]
        if i in keys or len(values) < MIN_NAMES or len(set(values)) < len(values):
            continue
        if column.kind == "text" and all(isinstance(value, str) for value in values):
            yield Once(i)
        elif column.kind == "integer" and all(isinstance(value, int) for value in values):
            numbers = [value for value in values if isinstance(value, int)]
            pairs = len(numbers) * (len(numbers) - 1) / 2
            if pairs / (max(numbers) - min(numbers) + 1) >= MIN_EVIDENCE:
                yield Once(i)


def _find_once_per_kind(columns: Sequence[Sequence[Hashable]], pointers: set[int]) -> Iterable[Once]:
    """Find rows of which each parent has at most one."""
    n = len(columns[0])
    for pointer in sorted(pointers):
        sizes = Counter(value for value in columns[pointer] if value is not None)
        if not sizes:
            continue
        if max(sizes.values()) == 1:
            if n * (n - 1) / 2 / len(sizes) >= MIN_EVIDENCE:
                yield Once(pointer)
            continue
        pairs = sum(size * (size - 1) / 2 for size in sizes.values())
        for marker, markers in enumerate(columns):
            kinds = Counter(markers)
            if marker == pointer or not 1 < len(kinds) <= MAX_KINDS:
                continue
            for kind, count in kinds.items():
                if pairs * (count / n) ** 2 < MIN_EVIDENCE:
                    continue
                owners = [value for value, mark in zip(columns[pointer], markers, strict=True) if mark == kind]
                known = [owner for owner in owners if owner is not None]
                if len(set(known)) == len(known):
                    yield Once(pointer, marker, kind)
