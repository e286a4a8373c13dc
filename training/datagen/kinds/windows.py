"""Questions that look at rows beside each other: shares of a total, the one before, places, the latest of each."""

from __future__ import annotations

from training.datagen.dimensions import PERIODS, draw_dimension
from training.datagen.filters import noun_phrase, restrict
from training.datagen.lexicon import ref
from training.datagen.measures import draw_simple_measure, measure_filters, measure_query
from training.datagen.patterns import Slot
from training.datagen.phrases import say_number
from training.datagen.query import Asked, Query
from training.datagen.relation_filters import draw_few
from training.datagen.timed import draw_timed
from training.datagen.world import World

_CHANGED_PERIODS = ("month", "year", "month")


def share_of_total(world: World) -> Asked | None:
    """What part of all rows, or of a measure, each group has."""
    rng = world.rng
    is_measure = bool(world.lexicon.measures) and rng.random() < 0.5
    found = draw_simple_measure(world) if is_measure else None
    table = found[1] if found else world.draw_table(lambda t: bool(world.categories(t)))
    chosen = draw_dimension(world, table, kinds=("label", "category")) if table else None
    if not table or not chosen:
        return None
    slots: dict[str, Slot] = {"group": chosen.words, "tail": ""}
    if found:
        filters, said = measure_filters(world, table, found[0], rng.choice((0, 1)))
        query, figure = restrict(measure_query(world, table, found[0], filters), filters), found[0].sql
        slots |= {"figure": rng.choice(found[0].words), "tail": " ".join(["", *said])}
        name = "share_of_total.measure"
    else:
        drawn = [f for f in draw_few(world, table, (65, 35)) if f.column != chosen.key]
        query, figure = restrict(Query(world.lexicon, table), drawn), "COUNT(*)"
        slots["rows"] = noun_phrase(world.noun(table), drawn)
        name = "share_of_total.rows"
    chosen.apply(query)
    digits = rng.choice((None, None, 1, 2))
    part = f"100.0 * {figure} / SUM({figure}) OVER ()"
    query.select.append(f"ROUND({part}, {digits})" if digits else part)
    slots["digits"] = world.word(f"share.digits_{digits}") if digits else ""
    return Asked("share_of_total", world.word(name, **slots), query.sql())


def change_over_time(world: World) -> Asked | None:
    """A figure of each month or year beside that of the one before, or the difference."""
    rng = world.rng
    timed = draw_timed(world)
    if timed is None:
        return None
    period = rng.choice(_CHANGED_PERIODS)
    query, moment = timed.query, PERIODS[period][1].format(timed.day)
    tail = ""
    if period == "month" and rng.random() < 0.5:
        year = rng.randint(*timed.years)
        timed.restrict_to(year)
        tail = world.word("period_average.in_year", year=year)
    query.select, query.group = [f"{moment} AS {period}", f"{timed.figure} AS total"], [moment]
    before = f"LAG(total) OVER (ORDER BY {period})"
    is_difference = rng.random() < 0.6
    shown = f"total - {before}" if is_difference else f"total, {before}"
    name = "change_over_time.difference" if is_difference else "change_over_time.beside"
    text = world.word(name, figure=timed.draw_word(rng), period=world.word(f"period.{period}"), tail=tail)
    return Asked("change_over_time", text, f"SELECT {period}, {shown} FROM ({query.sql()}) ORDER BY {period}")


def two_periods(world: World) -> Asked | None:
    """A figure of one year beside that of another."""
    rng = world.rng
    timed = draw_timed(world)
    if timed is None or timed.years[0] == timed.years[1]:
        return None
    last = rng.randint(timed.years[0] + 1, timed.years[1])
    first = last - 1 if rng.random() < 0.8 else rng.randint(timed.years[0], last - 1)
    body = timed.body
    parts = []
    for year in (first, last):
        inside = f"{timed.day} >= '{year}-01-01' AND {timed.day} < '{year + 1}-01-01'"
        parts.append(f"SUM(CASE WHEN {inside} THEN {body} ELSE 0 END)")
    form = rng.choice(("beside", "difference", "percent"))
    if form == "beside":
        timed.query.select = parts
    elif form == "difference":
        timed.query.select = [f"{parts[1]} - {parts[0]}"]
    else:
        timed.query.select = [f"100.0 * ({parts[1]} - {parts[0]}) / {parts[0]}"]
    text = world.word(f"two_periods.{form}", figure=timed.draw_word(rng), first=first, last=last)
    return Asked("two_periods", text, timed.query.sql())


def latest_of_each(world: World) -> Asked | None:
    """The newest or oldest row of each group, with what people want to know of it."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.dates(t)) and len(world.paths(t, 1)) > 1)
    chosen = draw_dimension(world, table, depth=1, kinds=("label",)) if table else None
    if not table or not chosen:
        return None
    date = world.dates(table)[0]  # the one that "latest" means
    columns = [column for column in world.draw_details(table) if column != date][:2]
    filters = [f for f in draw_few(world, table, (80, 20)) if not f.path and f.column != (table, date)]
    query = restrict(Query(world.lexicon, table), filters)
    query.follow(chosen.path)
    is_latest = rng.random() < 0.75
    target = ref(table, date)
    if (table, date) in world.nullable:
        query.filter(f"{target} IS NOT NULL")
    order = f"{target}{' DESC' if is_latest else ''}"
    shown = [date, *columns]
    query.select = [
        f"{chosen.select[0]} AS grouped",
        *(f"{ref(table, column)} AS item{number}" for number, column in enumerate(shown, 1)),
        f"ROW_NUMBER() OVER (PARTITION BY {chosen.group[0]} ORDER BY {order}) AS place",
    ]
    names = ", ".join(f"item{number}" for number in range(1, len(shown) + 1))
    row = noun_phrase(world.noun(table, plural=False), filters, is_plural=False)
    words = world.join_words([world.say(table, column) for column in shown])
    which = world.word("extreme_rows.latest" if is_latest else "extreme_rows.oldest")
    text = world.word("latest_of_each.ask", group=chosen.words, row=row, which=which, columns=words)
    return Asked("latest_of_each", text, f"SELECT grouped, {names} FROM ({query.sql()}) WHERE place = 1")


def top_of_each(world: World) -> Asked | None:
    """The first few rows of each group by a figure, those with the same figure as the last one included."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t)) and bool(world.label(t)))
    chosen = draw_dimension(world, table, depth=1, kinds=("label", "category")) if table else None
    label = world.label(table) if table else None
    if not table or not chosen or not label:
        return None
    column, number = rng.choice(world.figures(table)), rng.choice((2, 3, 3, 5))
    target, is_top = ref(table, column), rng.random() < 0.75
    query = Query(world.lexicon, table)
    query.follow(chosen.path)
    if (table, column) in world.nullable:
        query.filter(f"{target} IS NOT NULL")
    order = f"{target}{' DESC' if is_top else ''}"
    query.select = [
        f"{chosen.select[0]} AS grouped",
        f"{ref(table, label)} AS item",
        f"{target} AS figure",
        f"RANK() OVER (PARTITION BY {chosen.group[0]} ORDER BY {order}) AS place",
    ]
    which = world.word("extreme_rows.highest" if is_top else "extreme_rows.lowest")
    top = world.word("extreme_rows.top" if is_top else "extreme_rows.bottom")
    text = world.word(
        "top_of_each.ask", group=chosen.words, rows=world.noun(table), which=which, top=top,
        number=say_number(rng, number), figure=world.saying(table, column), label=world.saying(table, label),
    )  # fmt: skip
    return Asked("top_of_each", text, f"SELECT grouped, item, figure FROM ({query.sql()}) WHERE place <= {number}")
