"""Questions for one line of figures: averages, totals, highest and lowest, first and last dates."""

from __future__ import annotations

from training.datagen.column_filters import condition_filter, own_filter
from training.datagen.dimensions import draw_dimension
from training.datagen.filters import noun_phrase, restrict, verb_phrase
from training.datagen.fitting import draws, money_question
from training.datagen.lexicon import ref
from training.datagen.query import Asked, Query
from training.datagen.relation_filters import draw_few
from training.datagen.world import World

FUNCTIONS = ("AVG", "SUM", "MAX", "MIN")
PAIRS = (("MIN", "MAX"), ("MAX", "MIN"), ("COUNT", "AVG"), ("COUNT", "SUM"), ("AVG", "MAX"), ("SUM", "AVG"))

THREE = (("AVG", "MIN", "MAX"), ("MIN", "MAX", "AVG"), ("MAX", "MIN", "AVG"), ("MIN", "AVG", "MAX"))
SHARED = ("AVG", "AVG", "AVG", "MAX", "MIN", "SUM")
"""What is asked of two columns alike,"""
CROSSED = (("MAX", "MIN"), ("MIN", "MAX"), ("AVG", "MAX"), ("MAX", "AVG"), ("SUM", "AVG"), ("AVG", "SUM"))
"""or of each of the two."""


def aggregate(world: World) -> Asked | None:
    """One to three figures over rows: average, total, highest and lowest of a column."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t) or world.lexicon.figures.get(t)))
    found = world.draw_figure(table) if table else None
    if not table or not found:
        return None
    word, target = found
    filters = draw_few(world, table)
    noun = noun_phrase(world.noun(table), filters)
    query = restrict(Query(world.lexicon, table), filters)
    draw = rng.random()
    if draw < 0.2:
        return _two_aggregates(world, query, noun, word, target)
    if draw < 0.28:
        return _three_aggregates(world, query, noun, word, target)
    function = rng.choice(FUNCTIONS)
    query.select = [f"{function}({target})"]
    said = world.word(f"aggregate.{function}")
    last = "aggregate.one_average" if function == "AVG" else "aggregate.one_other"
    text = world.word("aggregate.one", last, aggregate=said, figure=word, rows=noun)
    if function == "SUM" and draws(world):
        text = money_question(world, table, target, tuple(filters)) or text
    return Asked("aggregate", text, query.sql())


def _two_aggregates(world: World, query: Query, noun: str, word: str, target: str) -> Asked:
    """Ask for two figures at once."""
    pair = world.rng.choice(PAIRS)
    has_count = "COUNT" in pair
    query.select = ["COUNT(*)" if function == "COUNT" else f"{function}({target})" for function in pair]
    first, second = (
        world.word("aggregate.number", rows=noun) if f == "COUNT" else f"{world.word(f'aggregate.{f}')} {word}"
        for f in pair
    )
    tail = "" if has_count else world.word("aggregate.two_tail", rows=noun)
    if has_count and world.rng.random() < 0.6:
        text = world.word("aggregate.number_first", rows=noun, second=second)
    else:
        text = world.word("aggregate.two", first=first, second=second, tail=tail)
    return Asked("aggregate_two", text, query.sql())


def _three_aggregates(world: World, query: Query, noun: str, word: str, target: str) -> Asked:
    """Ask for the average, the lowest and the highest of a column at once."""
    functions = world.rng.choice(THREE)
    query.select = [f"{function}({target})" for function in functions]
    said = (world.word(f"aggregate_three.{function}") for function in functions)
    names = dict(zip(("first", "second", "third"), said, strict=True))
    return Asked("aggregate_three", world.word("aggregate_three.ask", rows=noun, figure=word, **names), query.sql())


def two_columns(world: World) -> Asked | None:
    """Figures of two different columns, over all rows or for each group."""
    rng = world.rng
    table = world.draw_table(lambda t: len(world.all_figures(t)) >= 2)
    if not table:
        return None
    first = rng.choice(world.figures(table))
    columns = [first, rng.choice([column for column in world.all_figures(table) if column != first])]
    rng.shuffle(columns)
    words = [world.say(table, column) for column in columns]
    if words[0] == words[1]:
        words = [world.lexicon.words[table, column][0] for column in columns]
    is_shared = rng.random() < 0.7
    functions = (rng.choice(SHARED),) * 2 if is_shared else rng.choice(CROSSED)
    filters = draw_few(world, table)
    query = restrict(Query(world.lexicon, table), filters)
    rows = noun_phrase(world.noun(table), filters)
    chosen = draw_dimension(world, table) if rng.random() < 0.5 else None
    if chosen:
        chosen.apply(query)
    query.select += [f"{function}({ref(table, column)})" for function, column in zip(functions, columns, strict=True)]
    said = [world.word(f"aggregate.{function}") for function in functions]
    if is_shared:
        name = "two_columns.sums" if functions[0] == "SUM" else "two_columns.shared"
        pair = world.word(name, aggregate=said[0], first=words[0], second=words[1])
    else:
        pair = world.word("two_columns.crossed", first=f"{said[0]} {words[0]}", second=f"{said[1]} {words[1]}")
    if chosen:
        text = world.word("two_columns.group", pair=pair, rows=rows, group=chosen.words)
        return Asked("two_columns_group", text, query.sql())
    if functions == ("AVG", "AVG") and draws(world, 0.15):
        return Asked(
            "two_columns", world.word("two_columns.on_average", first=words[0], second=words[1], rows=rows), query.sql()
        )
    return Asked("two_columns", world.word("two_columns.ask", pair=pair, rows=rows), query.sql())


def count_and_part(world: World) -> Asked | None:
    """How many rows, and how many of them are of a further kind."""
    table = world.draw_table(lambda t: bool(world.lexicon.conditions.get(t)) or bool(world.categories(t)))
    if not table:
        return None
    part = world.rng.choice((own_filter, condition_filter))(world, table, table)
    filters = [f for f in draw_few(world, table, (20, 60, 20)) if part and f.column != part.column]
    if part is None or not filters or " AND " in part.sql:
        return None
    query = restrict(Query(world.lexicon, table), filters)
    query.select = ["COUNT(*)", f"SUM({part.sql})"]
    noun = noun_phrase(world.noun(table), filters)
    verb = verb_phrase(part) or world.word("count_and_part.being", part=part.words)
    return Asked("count_and_part", world.word("count_and_part.ask", rows=noun, verb=verb), query.sql())


def first_last_date(world: World) -> Asked | None:
    """The first or last date of something, alone or per group."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.dates(t)))
    if not table:
        return None
    column = rng.choice(world.dates(table))
    target, word = ref(table, column), world.say(table, column)
    filters = draw_few(world, table, (60, 40))
    noun = noun_phrase(world.noun(table), filters)
    query = restrict(Query(world.lexicon, table), filters)
    is_both, is_first = rng.random() < 0.4, rng.random() < 0.5
    first, last = world.word("first_last_date.first"), world.word("first_last_date.last")
    if is_both:
        which, functions = world.word("first_last_date.both", first=first, last=last), ["MIN", "MAX"]
    else:
        which, functions = (first, ["MIN"]) if is_first else (last, ["MAX"])
    group = tail = ""
    if rng.random() < 0.5:
        chosen = draw_dimension(world, table)
        if chosen is None or chosen.key == (table, column):
            return None
        chosen.apply(query)
        group, tail = chosen.words, world.word("first_last_date.tail", group=chosen.words)
    query.select += [f"{function}({target})" for function in functions]
    text = world.word("first_last_date.ask", which=which, date=word, rows=noun, tail=tail)
    if tail and rng.random() < 0.4:
        text = world.word("first_last_date.each", group=group, which=which, date=word, rows=noun)
    return Asked("first_last_date", text, query.sql())
