"""A figure that goes by a date, to be asked for over months and years: a measure, or how many rows there are.

In: a World. Out: a Timed with a query that has all its tables, for the kinds of questions to finish.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.datagen.lexicon import ref
from training.datagen.measures import draw_simple_measure, measure_event, measure_query
from training.datagen.query import Query
from training.datagen.world import World

COUNT_SHARE = 0.3
"""How often rows are counted where there is a measure too."""


@dataclass(frozen=True)
class Timed:
    """A figure that goes by a date."""

    words: tuple[str, ...]
    """What it is called."""
    figure: str
    """Its SQL, an aggregate."""
    query: Query
    """Over all its tables, nothing selected yet."""
    day: str
    """The date in SQL."""
    years: tuple[int, int]
    """The first and the last year there are rows of."""

    @property
    def body(self) -> str:
        """What is added up, or 1 where rows are counted."""
        return "1" if self.figure == "COUNT(*)" else self.figure.removeprefix("SUM(").removesuffix(")")

    def draw_word(self, rng: random.Random) -> str:
        """Draw one of the words."""
        return rng.choice(self.words)

    def restrict_to(self, year: int) -> None:
        """Leave out all other years."""
        self.query.filter(f"{self.day} >= '{year}-01-01' AND {self.day} < '{year + 1}-01-01'")


def draw_timed(world: World) -> Timed | None:
    """Draw a figure that can be added up over time."""
    if not world.lexicon.measures or world.rng.random() < COUNT_SHARE:
        return _draw_count(world)
    found = draw_simple_measure(world)
    event = measure_event(world, found[1], found[0]) if found else None
    if not found or not event or not found[0].sql.startswith("SUM("):
        return None
    (measure, base), (path, column) = found, event
    query = measure_query(world, base, measure)
    day = ref(query.follow(path), column)
    low, high = world.days[(path[-1].target if path else base, column)]
    return Timed(measure.words, measure.sql, query, day, (low.year, high.year))


def _draw_count(world: World) -> Timed | None:
    """Count the rows of a table by their own date."""
    # What has a name is a thing: when it began says little of how many there were at a time.
    labels = world.lexicon.labels
    table = world.draw_table(lambda t: bool(world.dates(t)) and t not in labels)
    event = world.event_date(table) if table else None
    if not table or not event:
        return None
    path, column = event
    query = Query(world.lexicon, table)
    day = ref(query.follow(path), column)
    low, high = world.days[(path[-1].target if path else table, column)]
    rows = world.noun(table)
    words = (world.word("aggregate.number", rows=rows), rows)
    return Timed(words, "COUNT(*)", query, day, (low.year, high.year))
