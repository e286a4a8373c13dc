"""Questions for the time between two dates of a row."""

from __future__ import annotations

from training.datagen.column_filters import SPANS_IN_DAYS
from training.datagen.dimensions import draw_dimension
from training.datagen.filters import noun_phrase, restrict
from training.datagen.lexicon import ref
from training.datagen.phrases import comparison
from training.datagen.query import Asked, Query
from training.datagen.relation_filters import draw_few
from training.datagen.world import World


def days_between(world: World) -> Asked | None:
    """How many days lie between two dates: on average, at most, per group; or the rows with more than so many."""
    rng = world.rng
    table = world.draw_table(lambda t: len(world.lexicon.table(t).columns) > 1 and _pair(world, t) is not None)
    pair = _pair(world, table) if table else None
    if not table or not pair:
        return None
    first, last = pair
    days = f"julianday({ref(table, last)}) - julianday({ref(table, first)})"
    filters = [f for f in draw_few(world, table, (60, 40)) if f.column not in {(table, first), (table, last)}]
    query = restrict(Query(world.lexicon, table), filters)
    rows = noun_phrase(world.noun(table), filters)
    begin, end = world.say(table, first), world.say(table, last)
    label, form = world.label(table), rng.choice(("figure", "figure", "group", "rows", "count"))
    if form in ("rows", "count"):
        words, sql = comparison(rng, SPANS_IN_DAYS, unit="days")
        query.filter(f"{days} {sql}")
        if form == "rows" and label is None:
            return None
        query.select = ["COUNT(*)"] if form == "count" else [ref(table, label or "")]
        text = world.word(f"days_between.{form}", rows=rows, first=begin, last=end, words=words)
        return Asked("days_between", text, query.sql())
    function = rng.choice(("AVG", "AVG", "MAX", "MIN"))
    said = world.word(f"days_between.{function}")
    if form == "group":
        chosen = draw_dimension(world, table, kinds=("label", "category"))
        if chosen is None:
            return None
        chosen.apply(query)
        text = world.word("days_between.group", rows=rows, first=begin, last=end, aggregate=said, group=chosen.words)
    else:
        text = world.word("days_between.figure", rows=rows, first=begin, last=end, aggregate=said)
    query.select.append(f"{function}({days})")
    return Asked("days_between", text, query.sql())


def _pair(world: World, table: str) -> tuple[str, str] | None:
    """Choose two dates of which the first comes before the other; a birth is no beginning of anything else."""
    dates = [
        column for column in (c.name for c in world.lexicon.table(table).columns)
        if (table, column) in world.days and "birth" not in world.lexicon.words[table, column][0]
    ]  # fmt: skip
    if len(dates) < 2:
        return None
    dates.sort(key=lambda column: world.days[table, column])
    return dates[0], dates[1]
