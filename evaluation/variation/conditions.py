"""Which rows meet the conditions of a gold query: in their own table, and in those they point at.

In: the Sheets of one variant, and what gold queries mention. Out: rows, by query and table. An estimate from the tree
of the query alone: joins are taken to follow foreign keys, and of a table used twice one use counts. Changes nothing.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice

from assistant.types import ForeignKey
from evaluation.variation.contents import Facts, Key, key_in
from evaluation.variation.invariants import as_key
from evaluation.variation.mentions import Mention, Mentions
from evaluation.variation.nearby import find_nearby, is_in_period
from evaluation.variation.sheets import Line, Sheet

_Test = Callable[[object], bool]


class Conditions:
    """The conditions of queries, as far as a row alone can show them. What was looked up once is remembered."""

    def __init__(self, sheets: Mapping[str, Sheet], queries: Sequence[Mentions], rng: random.Random) -> None:
        self._sheets = sheets
        self._queries = queries
        self._rng = rng
        self._rank = {name: rank for rank, name in enumerate(sheets)}
        self._tests: dict[tuple[int, str], list[tuple[int, _Test]]] = {}
        self._wanted: dict[tuple[int, str], dict[int, set[object]]] = {}
        self._roads: dict[tuple[int, str], list[tuple[ForeignKey, list[int]]]] = {}
        self._owners: dict[tuple[str, tuple[str, ...]], dict[Key, Line]] = {}
        self._holders: dict[tuple[str, int], dict[object, list[Line]]] = {}

    def mentions(self, query: int, name: str) -> Iterator[Mention]:
        """Give the conditions of one use of a table in a query."""
        yield from next((group for group in self._queries[query].groups if group and group[0].table == name), ())

    def fitting(self, query: int, name: str, *, most: int, enough: int | None = None) -> list[Line]:
        """Find rows that meet a query's conditions.

        Args:
            query: Its number.
            name: Table of the rows.
            most: Rows that are looked at, from a random start.
            enough: Rows after which the search ends.
        """
        self._prepare(query, name)
        lines = self._sheets[name].lines
        for place, values in self._wanted[query, name].items():
            holders = self._index(name, place)
            held = [line for value in sorted(values, key=repr) for line in holders.get(value, ())]
            lines = min(lines, held, key=len)
        start = self._rng.randrange(len(lines)) if len(lines) > most else 0
        looked_at = islice(chain(islice(lines, start, None), islice(lines, start)), most)
        return list(islice((line for line in looked_at if self.is_met(query, name, line)), enough))

    def is_met(self, query: int, name: str, line: Line) -> bool:
        """Tell whether a row, and those it points at, meet a query's conditions."""
        self._prepare(query, name)
        row = line.row
        for place, values in self._wanted[query, name].items():
            if as_key(row[place]) not in values:
                return False
        for place, test in self._tests[query, name]:
            if row[place] is None or not test(row[place]):
                return False
        for key, places in self._roads[query, name]:
            target = key_in(row, places)
            owner = None if target is None else self._owner(key.ref_table, key.ref_columns, target)
            if owner is not None and not self.is_met(query, key.ref_table, owner):
                return False
        return True

    def _find_roads(self, query: int, name: str) -> list[tuple[ForeignKey, list[int]]]:
        """List the foreign keys that lead to conditions of a query; only to tables before this one: in no circle."""
        return [
            (key, places)
            for key, places in self._sheets[name].facts.pointers
            if self._rank[key.ref_table] < self._rank[name]
            and (any(self.mentions(query, key.ref_table)) or self._find_roads(query, key.ref_table))
        ]

    def _prepare(self, query: int, name: str) -> None:
        if (query, name) in self._tests:
            return
        facts = self._sheets[name].facts
        tests: list[tuple[int, _Test]] = []
        wanted: defaultdict[int, set[object]] = defaultdict(set)
        periods: defaultdict[tuple[int, int], list[int | float | str]] = defaultdict(list)
        for mention in self.mentions(query, name):
            place = facts.position.get(mention.column)
            if place is None or mention.kind in ("null", "unequal"):
                continue
            if mention.kind == "equal" and facts.habits[place].is_moment:
                # '2025' and '03' are asked of the same column: each kind of period has its own list.
                periods[place, len(str(mention.value))].append(mention.value)
            elif mention.kind == "pattern":
                tests.append((place, _like(str(mention.value))))
            else:
                self._add(tests, wanted, place, mention, facts)
        tests += [(place, _during(values)) for (place, _), values in periods.items()]
        self._tests[query, name] = tests
        self._wanted[query, name] = dict(wanted)
        self._roads[query, name] = self._find_roads(query, name)

    def _add(
        self,
        tests: list[tuple[int, _Test]],
        wanted: defaultdict[int, set[object]],
        place: int,
        mention: Mention,
        facts: Facts,
    ) -> None:
        hits = find_nearby(mention, facts.habits[place], self._rng).hits
        if not hits:
            return
        if mention.kind == "equal":
            wanted[place].update(as_key(hit) for hit in hits)
        else:
            tests.append((place, _at_least(hits[0]) if mention.kind == "above" else _at_most(hits[0])))

    def _owner(self, name: str, columns: tuple[str, ...], target: Key) -> Line | None:
        if (name, columns) not in self._owners:
            places = self._sheets[name].facts.places(columns)
            keyed = ((key_in(line.row, places), line) for line in self._sheets[name].lines)
            self._owners[name, columns] = {key: line for key, line in keyed if key is not None}
        return self._owners[name, columns].get(target)

    def _index(self, name: str, place: int) -> dict[object, list[Line]]:
        if (name, place) not in self._holders:
            holders: defaultdict[object, list[Line]] = defaultdict(list)
            for line in self._sheets[name].lines:
                holders[as_key(line.row[place])].append(line)
            self._holders[name, place] = dict(holders)
        return self._holders[name, place]


def _like(pattern: str) -> _Test:
    parts = (".*" if char == "%" else "." if char == "_" else re.escape(char) for char in pattern)
    regex = re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
    return lambda value: regex.fullmatch(str(value)) is not None


def _during(periods: Sequence[int | float | str]) -> _Test:
    return lambda value: any(is_in_period(value, period) for period in periods)


def _at_least(bound: object) -> _Test:
    return lambda value: _is_ordered(bound, value)


def _at_most(bound: object) -> _Test:
    return lambda value: _is_ordered(value, bound)


def _is_ordered(low: object, high: object) -> bool:
    try:
        return bool(low <= high)  # type: ignore[operator]
    except TypeError:
        return False
