"""What rows are grouped by: a parent's name, a category, a period.

In: a World and a table. Out: a Dimension with its words, its SQL and the relations that lead to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.datagen.lexicon import Key, ref
from training.datagen.query import Query
from training.datagen.world import Path, World

PERIODS = {
    "year": (60, "strftime('%Y', {})"),
    "month": (45, "strftime('%Y-%m', {})"),
    "month_of_year": (8, "strftime('%m', {})"),
    "quarter": (16, "(CAST(strftime('%m', {}) AS INTEGER) + 2) / 3"),
    "day": (5, "date({})"),
}
"""Each period with how often it is drawn and its SQL; {} stands for the date."""


@dataclass(frozen=True)
class Dimension:
    """What rows are grouped by."""

    words: str
    select: tuple[str, ...]
    group: tuple[str, ...]
    path: Path = ()
    key: Key = ("", "")

    def apply(self, query: Query) -> None:
        """Join what it needs, show it and group by it."""
        query.follow(self.path)
        query.select += self.select
        query.group += self.group

    def clashes(self, other: Dimension) -> bool:
        """Tell whether the two reach one table by different roads."""
        ends = {relation.target: relation.instance for relation in self.path}
        return any(ends.get(relation.target, relation.instance) != relation.instance for relation in other.path)


def draw_dimension(
    world: World,
    table: str,
    *,
    depth: int = 3,
    kinds: tuple[str, ...] = ("label", "category", "date"),
    event: tuple[Path, str] | None = None,
) -> Dimension | None:
    """Draw something to group the rows of a table by.

    Args:
        world: Words, values and chance.
        table: Table whose rows are grouped.
        depth: How many relations may be followed.
        kinds: What may be drawn; the names of parents are drawn more often than the rest.
        event: The date that questions go by, which is drawn most often; by default that of the table.
    """
    options: list[Dimension] = []
    event = event or world.event_date(table)
    for path in world.paths(table, depth):
        target = path[-1].target if path else table
        instance = path[-1].instance if path else table
        label, key = world.lexicon.labels.get(target), world.lexicon.key_of(target)
        if label and key and path and "label" in kinds:
            # By two keys to one table, rows have a team each way: the role says which is meant.
            noun = path[-1].words[0] if path[-1].words else world.noun(target, plural=False)
            name = ref(instance, label)
            options += [Dimension(noun, (name,), (ref(instance, key), name), path, (target, label))] * 2
        if "category" in kinds:
            for column in world.categories(target):
                word = world.say(target, column)
                if path and path[-1].words and (instance != target or path[-1].is_role):
                    word = f"{path[-1].prefix} {word}"
                expression = ref(instance, column)
                options.append(Dimension(word, (expression,), (expression,), path, (target, column)))
        if "date" in kinds and len(path) <= 1:
            for column in world.dates(target):
                is_main = event == (path, column)
                options += [_period(world, target, instance, column, path, is_main=is_main)] * (6 if is_main else 1)
    return world.rng.choice(options) if options else None


def _period(world: World, table: str, instance: str, column: str, path: Path, *, is_main: bool) -> Dimension:
    """Draw a period of a date; a date that is not the main one is named."""
    kind = world.rng.choices(list(PERIODS), [weight for weight, _ in PERIODS.values()])[0]
    expression = PERIODS[kind][1].format(ref(instance, column))
    word = world.word(f"period.{kind}")
    if not is_main or world.rng.random() < 0.15:
        bare = world.say(table, column).removesuffix(" date").removeprefix("date of ")
        word = world.word("period.of_date", period=word, bare_date=bare, date=world.saying(table, column))
    return Dimension(word, (expression,), (expression,), path, (table, column))
