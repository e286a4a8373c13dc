"""Questions that compare rows: the highest, all in an order, those above the average, one column with another."""

from __future__ import annotations

from assistant.naming import write_name
from training.datagen.column_filters import AGES
from training.datagen.filters import noun_phrase, restrict
from training.datagen.fitting import compared_to_average, draws, extreme_question, superlative
from training.datagen.lexicon import Figure, ref
from training.datagen.phrases import comparison, say_number
from training.datagen.query import Asked, Query
from training.datagen.relation_filters import draw_few
from training.datagen.world import World

FACTORS = (1, 1, 0.5, 2, 0.8, 0.6, 0.4, 0.75, 0.3, 0.7)
AMOUNTS = [1.0, 5, 10, 20, 30, 50, 100]


def extreme_rows(world: World) -> Asked | None:
    """The rows with the highest or lowest value of a column: top-n, cheapest, newest."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t) or world.dates(t)))
    if not table:
        return None
    options = [(column, False) for column in world.figures(table)] + [(column, True) for column in world.dates(table)]
    column, is_date = rng.choice(options)
    target, word = ref(table, column), world.say(table, column)
    filters = draw_few(world, table)
    row = noun_phrase(world.noun(table, plural=False), filters, is_plural=False)
    rows = noun_phrase(world.noun(table), filters)
    is_top = rng.random() < 0.62
    count = rng.choice((1, 1, 1, 3, 5, 5, 10, rng.randint(2, 25)))
    number = say_number(rng, count)
    label = world.label(table)
    shows_value = rng.random() < 0.6
    if not label:
        return None
    query = restrict(Query(world.lexicon, table), filters)
    query.select = [ref(table, label)] + ([target] if shows_value else [])
    if (table, column) in world.nullable:
        query.filter(f"{target} IS NOT NULL")
    query.order, query.limit = [target + (" DESC" if is_top else "")], count
    which = world.word(f"extreme_rows.{_extreme(is_top, is_date=is_date)}")
    label_word = world.say(table, label)
    if shows_value:
        tail = world.word("extreme_rows.with_value", label=label_word, figure=word)
    else:
        tail = world.word("extreme_rows.label_only", label=label_word)
    if count == 1:
        text = world.word("extreme_rows.one", row=row, which=which, figure=word, tail=tail)
    else:
        top = world.word("extreme_rows.top" if is_top else "extreme_rows.bottom")
        text = world.word(
            "extreme_rows.several", top=top, number=number, rows=rows, which=which, figure=word, tail=tail
        )
    if not is_date and draws(world):
        slots = {"row": row, "rows": rows, "number": number, "tail": tail}
        fitting = extreme_question(world, table, column, is_top=is_top, count=count, slots=slots)
        text = fitting or text
    if is_date and rng.random() < 0.5:
        # "The newest orders" can only go by the date that people think of first; the youngest by that of birth.
        is_birth = "birth" in world.lexicon.words[table, column][0]
        if is_birth:
            which = world.word("extreme_rows.youngest" if is_top else "extreme_rows.eldest")
        elif column != world.dates(table)[0]:
            return None
        name = "extreme_rows.several_by_date" if count > 1 else "extreme_rows.one_by_date"
        text = world.word(name, number=number, row=row, rows=rows, which=which, tail=tail)
    return Asked("extreme_rows", text, query.sql())


def _extreme(is_top: bool, *, is_date: bool) -> str:
    """Name the list of words for an extreme."""
    if is_date:
        return "latest" if is_top else "oldest"
    return "highest" if is_top else "lowest"


def sorted_list(world: World) -> Asked | None:
    """All rows of a kind in an order."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.label(t)))
    label = world.label(table) if table else None
    if not table or not label:
        return None
    column = rng.choice([*world.figures(table), *world.dates(table), label, label])
    filters = draw_few(world, table)
    rows = noun_phrase(world.noun(table), filters)
    word = world.say(table, column)
    query = restrict(Query(world.lexicon, table), filters)
    is_falling = rng.random() < 0.5 and column != label
    query.order = [ref(table, column) + (" DESC" if is_falling else "")]
    if column == label:
        query.select = [ref(table, label)]
        way, shows = world.word("sorted_list.by_name"), ""
    else:
        query.select = [ref(table, label), ref(table, column)]
        if column in world.dates(table):
            way = world.word("sorted_list.latest_first" if is_falling else "sorted_list.earliest_first", date=word)
        else:
            way = world.word("sorted_list.highest_first" if is_falling else "sorted_list.lowest_first", figure=word)
            if draws(world) and (which := superlative(world, table, column, is_top=is_falling)):
                way = world.word("adjective.sorted", which=which)
        shows = world.word("sorted_list.shows", figure=word, label=world.saying(table, label))
    return Asked("sorted_list", world.word("sorted_list.ask", rows=rows, way=way, shows=shows), query.sql())


def above_average(world: World) -> Asked | None:
    """Rows above or below the average of a column."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t)) and bool(world.label(t)))
    label = world.label(table) if table else None
    if not table or not label:
        return None
    column = rng.choice(world.figures(table))
    word, target = world.say(table, column), ref(table, column)
    filters = [f for f in draw_few(world, table, (75, 25)) if f.column != (table, column)]
    is_above = rng.random() < 0.65
    query = restrict(Query(world.lexicon, table), filters)
    query.filter(f"{target} {'>' if is_above else '<'} (SELECT AVG({write_name(column)}) FROM {write_name(table)})")
    rows = noun_phrase(world.noun(table), filters)
    than = world.word("above_average.above" if is_above else "above_average.below")
    shows_value = rng.random() < 0.4
    than_average = compared_to_average(world, table, column, rows, is_above=is_above) if draws(world) else None
    if rng.random() < 0.3:
        query.select = ["COUNT(*)"]
        text = world.word("above_average.count", rows=rows, figure=word, than=than)
        text = world.word("ask_count.rows", rows=than_average) if than_average else text
    else:
        query.select = [ref(table, label)] + ([target] if shows_value else [])
        name = "above_average.with_value" if shows_value else "above_average.label_only"
        tail = world.word(name, label=world.saying(table, label), figure=word)
        text = world.word("above_average.list", rows=rows, figure=word, than=than, tail=tail)
        text = f"{world.word('above_average.fitting', rows=than_average)}{tail}" if than_average else text
    return Asked("above_average", text, query.sql())


def compare(world: World) -> Asked | None:
    """Rows where one figure stands in a relation to another of the same row, or a named figure to a number."""
    named = [(t.name, f) for t in world.lexicon.schema.tables for f in world.lexicon.figures.get(t.name, [])]
    if named and world.rng.random() < 0.6:
        return _compare_figure(world, *world.rng.choice(named))
    return _compare_columns(world)


def _compare_figure(world: World, table: str, figure: Figure) -> Asked | None:
    """Compare a named figure with a number."""
    label = world.label(table)
    if not label:
        return None
    words, sql = comparison(world.rng, AMOUNTS if "strftime" not in figure.sql else AGES)
    filters = draw_few(world, table, (70, 30))
    query = restrict(Query(world.lexicon, table), filters).filter(f"{figure.sql} {sql}")
    rows, word = noun_phrase(world.noun(table), filters), world.rng.choice(figure.words)
    is_count = world.rng.random() < 0.45
    query.select = ["COUNT(*)" if is_count else ref(table, label)]
    text = world.word("figure_filter.count" if is_count else "figure_filter.list", rows=rows, figure=word, words=words)
    return Asked("figure_filter", text, query.sql())


def _compare_columns(world: World) -> Asked | None:
    """Compare two columns of a row, or one with a part of the other."""
    rng = world.rng
    table = world.draw_table(lambda t: len(world.figures(t)) >= 2 and bool(world.label(t)))
    label = world.label(table) if table else None
    if not table or not label:
        return None
    a, b = rng.sample(world.figures(table), 2)
    factor = rng.choice(FACTORS)
    is_more = rng.choice((True, False))
    filters = draw_few(world, table, (75, 25))
    query = restrict(Query(world.lexicon, table), filters)
    times = f"{factor:g} * " if factor != 1 else ""
    query.filter(f"{ref(table, a)} {'>' if is_more else '<'} {times}{ref(table, b)}")
    more = world.word("compare_columns.more" if is_more else "compare_columns.less")
    percent = world.word("compare_columns.percent", percent=f"{factor * 100:g}")
    part = "" if factor == 1 else world.word("compare_columns.twice") if factor == 2 else percent
    rows = noun_phrase(world.noun(table), filters)
    words = world.word(
        "compare_columns.words", first=world.saying(table, a), more=more, part=part, second=world.saying(table, b)
    )
    shown = rng.choice(((label,), (label, a, b)))
    query.select = [ref(table, column) for column in shown]
    tail = ""
    if len(shown) > 1:
        tail = world.word("compare_columns.tail", columns=world.join_words([world.say(table, c) for c in shown]))
    text = world.word(
        "compare_columns.ask", rows=rows, words=words, tail=tail, more=more, part=part,
        first=world.saying(table, a), second=world.saying(table, b),
    )  # fmt: skip
    return Asked("compare_columns", text, query.sql())
