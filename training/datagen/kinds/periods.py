"""Questions over time: averages of monthly or yearly totals, running totals."""

from __future__ import annotations

from training.datagen.dimensions import PERIODS
from training.datagen.kinds.groups import best_of_group
from training.datagen.query import Asked
from training.datagen.timed import draw_timed
from training.datagen.world import World


def period_average(world: World) -> Asked | None:
    """The average over monthly or yearly totals."""
    timed = draw_timed(world)
    if timed is None:
        return None
    figure, period, tail = timed.draw_word(world.rng), "month", ""
    if world.rng.random() < 0.65:
        year = world.rng.randint(*timed.years)
        timed.restrict_to(year)
        tail = world.word("period_average.in_year", year=year)
    else:
        period = world.rng.choice(("month", "year"))
    query = timed.query
    query.select, query.group = [f"{timed.figure} AS total"], [PERIODS[period][1].format(timed.day)]
    periodic, said = world.word(f"period_average.{period}"), world.word(f"period.{period}")
    text = world.word("period_average.ask", periodic=periodic, period=said, figure=figure, tail=tail)
    return Asked("period_average", text, f"SELECT AVG(total) FROM ({query.sql()})")


def running_or_best(world: World) -> Asked | None:
    """Window functions: a running total over months, or the best row of each group."""
    return _running_total(world) if world.rng.random() < 0.5 else best_of_group(world)


def _running_total(world: World) -> Asked | None:
    """Add a figure up month by month."""
    timed = draw_timed(world)
    if timed is None:
        return None
    year = world.rng.randint(*timed.years)
    timed.restrict_to(year)
    query, month = timed.query, PERIODS["month"][1].format(timed.day)
    query.select, query.group = [f"{month} AS month", f"{timed.figure} AS total"], [month]
    text = world.word("running_total.ask", figure=timed.draw_word(world.rng), year=year)
    sql = f"SELECT month, SUM(total) OVER (ORDER BY month) FROM ({query.sql()}) ORDER BY month"
    return Asked("running_total", text, sql)
