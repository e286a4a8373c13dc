"""What the data should cover, what they cover so far, and what to aim at next.

In: the schema, the generator's kinds, what the data themselves rule out, and Triples as they are kept. Out: Targets for
the next batch, and at the end a CoverageReport in which every item is hit or named with the reason why it is not. Draws
and writes nothing. Everything here follows from the triples kept and the drafts dropped, in order: read again after an
interruption, they give the same coverage.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from assistant.types import DatabaseSchema, Record
from evaluation.difficulty import LEVELS
from training.datagen.drafts import Aspect, Item, Target
from training.datagen.join_paths import list_paths
from training.datagen.triples import Triple
from training.datagen.wide import find_thin

MAX_BATCHES_PER_ITEM = 4
"""Batches that aim at an item without one more hit before it is given up."""
TARGETS_PER_BATCH = 60
LEAST_SHARE = 0.0005
"""Every item should be hit by at least this share of the examples..."""
MAX_LEAST = 50
"""...but no more than so often."""
MAX_TOGETHER = 5
"""Columns of a wide table that are asked for together."""


class Tried(NamedTuple):
    """What came of aiming at an item in one batch."""

    item: Item
    drafts: int
    kept: int
    dropped: dict[str, int]
    """Drafts dropped, by reason."""


class ItemCoverage(Record):
    """How one item is covered."""

    aspect: Aspect
    """What it is."""
    name: str
    """Which one."""
    examples: int
    """Examples for training that hit it."""
    held_out: int
    """Examples for evaluation that hit it."""
    wanted: int
    """Examples that were wanted."""
    reason: str = ""
    """Why it is not hit; empty when it is."""


class CoverageReport(Record):
    """What the data cover: coverage.json."""

    db_id: str
    """The database."""
    fingerprint: str
    """Of its schema."""
    least: int
    """Examples that were wanted for each item, but for the columns of wide tables."""
    hit: dict[Aspect, tuple[int, int]]
    """Items hit, and all items, by aspect."""
    items: tuple[ItemCoverage, ...]
    """Every item."""

    @property
    def uncovered(self) -> tuple[ItemCoverage, ...]:
        """The items that nothing hits."""
        return tuple(item for item in self.items if not item.examples + item.held_out)


def least_hits(count: int) -> int:
    """Say how many examples each item should have among `count`."""
    return max(1, min(MAX_LEAST, int(count * LEAST_SHARE)))


class Coverage:
    """The state of the plan."""

    def __init__(
        self, schema: DatabaseSchema, kinds: Mapping[str, str], ruled_out: Mapping[Item, str], *, least: int
    ) -> None:
        """Plan.

        Args:
            schema: All tables and columns that should be covered.
            kinds: Kinds that the generator has, with what each needs.
            ruled_out: Items that cannot be hit, with the reason; those that are not of the schema are added to it.
            least: Examples that each item should have; those of wide tables (`wide`) fewer.
        """
        self._schema = schema
        self._kinds = kinds
        self._ruled_out = ruled_out
        self.least = least
        self.hits: Counter[Item] = Counter()
        self._batches: Counter[Item] = Counter()
        self._drafts: Counter[Item] = Counter()
        self._dropped: defaultdict[Item, Counter[str]] = defaultdict(Counter)
        items = [Item("table", table.name) for table in schema.tables]
        items += [Item("column", f"{table.name}.{column.name}") for table in schema.tables for column in table.columns]
        items += [Item("path", name) for name in list_paths(schema)]
        items += [Item("kind", name) for name in kinds]
        items += [Item("difficulty", level) for level in LEVELS]
        self.items: tuple[Item, ...] = tuple(dict.fromkeys((*items, *ruled_out)))
        self._thin = {Item("column", name): thin for name, thin in find_thin(schema).items()}
        self._fewer = {item: max(1, round(least * thin.share)) for item, thin in self._thin.items()}

    def add(self, triples: Iterable[Triple]) -> None:
        """Count what was kept."""
        for triple in triples:
            self.hits.update(triple.items)

    def note(self, tried: Iterable[Tried]) -> None:
        """Note what came of aiming, so that the hopeless is given up and can be explained."""
        for item, drafts, kept, dropped in tried:
            self._batches[item] = 0 if kept else self._batches[item] + 1
            self._drafts[item] += drafts
            self._dropped[item].update(dropped)

    def plan(self) -> tuple[Target, ...]:
        """Choose what to aim at next: what is missing most, that which was tried least often first."""
        open_items = [item for item in self.items if self._is_open(item)]
        open_items.sort(key=lambda item: (self._batches[item], self.hits[item] / self._wanted(item)))
        return tuple(islice(self._aim(open_items), TARGETS_PER_BATCH))

    def needs(self, triple: Triple) -> bool:
        """Tell whether an example hits something that is not covered yet."""
        return any(self.hits[item] < self._wanted(item) for item in triple.items)

    def is_enough(self, aim: Item | None, triple: Triple) -> bool:
        """Tell whether an example that was made for a column of a wide table is one too many."""
        return aim in self._thin and not self.needs(triple)

    def report(self, train: Mapping[Item, int], held_out: Mapping[Item, int]) -> CoverageReport:
        """Say of every item how often it is hit, or why it is not."""
        found = tuple(
            ItemCoverage(
                aspect=item.aspect,
                name=item.name,
                examples=train.get(item, 0),
                held_out=held_out.get(item, 0),
                wanted=self._wanted(item),
                reason="" if train.get(item, 0) + held_out.get(item, 0) else self._explain(item),
            )
            for item in self.items
        )
        aspects: tuple[Aspect, ...] = ("table", "column", "path", "kind", "difficulty")
        return CoverageReport(
            db_id=self._schema.db_id,
            fingerprint=self._schema.fingerprint,
            least=self.least,
            hit={
                aspect: (
                    sum(1 for item in found if item.aspect == aspect and not item.reason),
                    sum(1 for item in found if item.aspect == aspect),
                )
                for aspect in aspects
            },
            items=found,
        )

    def _aim(self, items: Iterable[Item]) -> Iterator[Target]:
        """Make targets: the columns of a wide table together, until that has failed."""
        groups: dict[str, list[Item]] = {}
        for item in items:
            thin = self._thin.get(item)
            if thin is None or self._batches[item]:
                # Twice as many each time that aiming gave nothing: what is hit seldom should not be taken for hopeless.
                yield Target(item, (self._wanted(item) - self.hits[item]) * 2 ** self._batches[item])
                continue
            group = groups.setdefault(thin.group, [])
            group.append(item)
            if len(group) == MAX_TOGETHER:
                yield self._aim_at_all(groups.pop(thin.group))
        yield from map(self._aim_at_all, groups.values())

    def _aim_at_all(self, group: Sequence[Item]) -> Target:
        missing = max(self._wanted(item) - self.hits[item] for item in group)
        return Target(group[0], missing, tuple(item.name for item in group[1:]))

    def _wanted(self, item: Item) -> int:
        return self._fewer.get(item, self.least)

    def _is_open(self, item: Item) -> bool:
        is_tried_out = self._batches[item] >= MAX_BATCHES_PER_ITEM
        return self.hits[item] < self._wanted(item) and item not in self._ruled_out and not is_tried_out

    def _explain(self, item: Item) -> str:
        if item in self._ruled_out:
            return self._ruled_out[item]
        drafts, dropped = self._drafts[item], self._dropped[item]
        if drafts:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in dropped.most_common(3))
            tail = f"; dropped for: {reasons}" if reasons else ""
            return f"none of {drafts} questions made for it could be kept{tail}"
        if item.aspect == "kind" and self._kinds.get(item.name):
            return f"no question could be made; it needs {self._kinds[item.name]}"
        return "no question could be made for it"
