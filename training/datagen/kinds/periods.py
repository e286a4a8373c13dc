"""Questions over time: averages of monthly or yearly totals, running totals."""

from __future__ import annotations

from typing import NamedTuple

from training.datagen.dimensions import PERIODS
from training.datagen.kinds.groups import best_of_group
from training.datagen.lexicon import Measure, ref
from training.datagen.measures import draw_simple_measure, measure_event, measure_query
from training.datagen.query import Asked, Query
from training.datagen.world import World


class _Timed(NamedTuple):
    """A measure that goes by a date."""

    measure: Measure
    query: Query
    day: str
    """The date in SQL."""
    years: tuple[int, int]
    """The first and the last year there are rows of."""

    def restrict_to(self, year: int) -> None:
        """Leave out all other years."""
        self.query.filter(f"{self.day} >= '{year}-01-01' AND {self.day} < '{year + 1}-01-01'")


def period_average(world: World) -> Asked | None:
    """The average over monthly or yearly totals."""
    timed = _draw_timed(world)
    if timed is None:
        return None
    figure, period, tail = world.rng.choice(timed.measure.words), "month", ""
    if world.rng.random() < 0.65:
        year = world.rng.randint(*timed.years)
        timed.restrict_to(year)
        tail = world.word("period_average.in_year", year=year)
    else:
        period = world.rng.choice(("month", "year"))
    query = timed.query
    query.select, query.group = [f"{timed.measure.sql} AS total"], [PERIODS[period][1].format(timed.day)]
    periodic, said = world.word(f"period_average.{period}"), world.word(f"period.{period}")
    text = world.word("period_average.ask", periodic=periodic, period=said, figure=figure, tail=tail)
    return Asked("period_average", text, f"SELECT AVG(total) FROM ({query.sql()})")


def running_or_best(world: World) -> Asked | None:
    """Window functions: a running total over months, or the best row of each group."""
    if world.rng.random() < 0.5 and world.lexicon.measures:
        return _running_total(world)
    return best_of_group(world)


def _running_total(world: World) -> Asked | None:
    """Add a measure up month by month."""
    timed = _draw_timed(world)
    if timed is None:
        return None
    year = world.rng.randint(*timed.years)
    timed.restrict_to(year)
    query, month = timed.query, PERIODS["month"][1].format(timed.day)
    query.select, query.group = [f"{month} AS month", f"{timed.measure.sql} AS total"], [month]
    text = world.word("running_total.ask", figure=world.rng.choice(timed.measure.words), year=year)
    sql = f"SELECT month, SUM(total) OVER (ORDER BY month) FROM ({query.sql()}) ORDER BY month"
    return Asked("running_total", text, sql)


def _draw_timed(world: World) -> _Timed | None:
    """Draw a measure that can be added up over time."""
    found = draw_simple_measure(world)
    event = measure_event(world, found[1], found[0]) if found else None
    if not found or not event:
        return None
    (measure, base), (path, column) = found, event
    query = measure_query(world, base, measure)
    day = ref(query.follow(path), column)
    low, high = world.days[(path[-1].target if path else base, column)]
    return _Timed(measure, query, day, (low.year, high.year))
