"""Questions with a line for each group: figures, groups of a size, bands of a number, the best row of each group."""

from __future__ import annotations

from assistant.writing import plural
from training.datagen.dimensions import draw_dimension
from training.datagen.filters import noun_phrase, restrict
from training.datagen.lexicon import ref
from training.datagen.measures import measure_base, measure_filters, measure_query
from training.datagen.patterns import split
from training.datagen.phrases import comparison
from training.datagen.query import Asked, Query, quote
from training.datagen.relation_filters import draw_few
from training.datagen.world import World

FUNCTIONS = (
    ("AVG",), ("AVG",), ("SUM",), ("SUM",), ("MAX",), ("MIN",), ("MIN", "MAX"), ("COUNT", "SUM"), ("COUNT", "AVG"),
)  # fmt: skip
SIZES = [1.0, 2, 3, 5, 8, 12, 20, 50]
AMOUNTS = [100.0, 300, 1000, 5000, 10000, 50000]


def group_figure(world: World) -> Asked | None:
    """One or two aggregates of a column for each group."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t)))
    found = world.draw_figure(table) if table else None
    chosen = draw_dimension(world, table) if table else None
    if not table or not found or not chosen:
        return None
    word, target = found
    filters = draw_few(world, table)
    noun = noun_phrase(world.noun(table), filters)
    query = restrict(Query(world.lexicon, table), filters)
    chosen.apply(query)
    functions = rng.choice(FUNCTIONS)
    figures = ["COUNT(*)" if function == "COUNT" else f"{function}({target})" for function in functions]
    query.select += figures
    said = " and ".join(
        world.word("group_figure.count", rows=noun) if f == "COUNT" else f"{world.word(f'aggregate.{f}')} {word}"
        for f in functions
    )
    by = world.word("group_figure.by", group=chosen.words)
    order = ""
    if len(figures) == 1 and rng.random() < 0.22:
        is_falling = rng.random() < 0.75
        query.order = [figures[0] + (" DESC" if is_falling else "")]
        order = world.word("group_figure.highest_first" if is_falling else "group_figure.lowest_first")
    text = world.word("group_figure.ask", figure=said, rows=noun, by=by, group=chosen.words, order=order)
    return Asked("group_figure", text, query.sql())


def having(world: World) -> Asked | None:
    """Groups by the number of their rows, or by a measure."""
    if world.rng.random() < 0.4 and world.lexicon.measures:
        return _having_measure(world)
    return _having_count(world)


def _having_measure(world: World) -> Asked | None:
    """Groups whose measure is above or below an amount."""
    measure = world.rng.choice(world.lexicon.measures)
    base = measure_base(world, measure)
    chosen = draw_dimension(world, base, kinds=("label", "category")) if base else None
    if not base or not chosen:
        return None
    filters, said = measure_filters(world, base, measure, world.rng.choices((0, 1), (60, 40))[0])
    query = restrict(measure_query(world, base, measure, filters), filters)
    chosen.apply(query)
    words, sql = comparison(world.rng, AMOUNTS, unit=measure.unit)
    query.select.append(measure.sql)
    query.having = [f"{measure.sql} {sql}"]
    figure, groups, tail = world.rng.choice(measure.words), plural(chosen.words), " ".join(["", *said])
    text = world.word("having_measure.ask", group=chosen.words, groups=groups, figure=figure, words=words, tail=tail)
    return Asked("having_measure", text, query.sql())


def _having_count(world: World) -> Asked | None:
    """Groups with more or fewer rows than a number."""
    table = world.draw_table(lambda t: True)
    chosen = draw_dimension(world, table, kinds=("label", "category")) if table else None
    if not table or not chosen:
        return None
    filters = draw_few(world, table, (60, 34, 6))
    words, sql = comparison(world.rng, SIZES, is_count=True)
    noun = noun_phrase(world.noun(table), filters)
    query = restrict(Query(world.lexicon, table), filters)
    chosen.apply(query)
    query.having = [f"COUNT(*) {sql}"]
    name = "having_count.alone"
    if world.rng.random() < 0.65:
        query.select.append("COUNT(*)")
        name = "having_count.with_number"
    text = world.word(name, group=chosen.words, groups=plural(chosen.words), words=words, rows=noun)
    return Asked("having_count", text, query.sql())


def bands(world: World) -> Asked | None:
    """Rows counted in bands of a number, or by whether a value is there."""
    table = world.draw_table(lambda t: bool(world.figures(t)) or any(owner == t for owner, _ in world.nullable))
    if not table:
        return None
    filters = draw_few(world, table, (75, 25))
    noun = noun_phrase(world.noun(table), filters)
    query = restrict(Query(world.lexicon, table), filters)
    empties = [column for owner, column in sorted(world.nullable) if owner == table]
    is_two = bool(empties) and world.rng.random() < 0.45
    found = _two_bands(world, table, noun, empties) if is_two else _three_bands(world, table, noun)
    if found is None:
        return None
    text, case = found
    query.select, query.group = [case, "COUNT(*)"], ["1"]
    return Asked("bands", text, query.sql())


def _two_bands(world: World, table: str, noun: str, columns: list[str]) -> tuple[str, str]:
    """Divide rows by whether a value is there: the question and the CASE."""
    column = world.rng.choice(columns)
    word = world.say(table, column).removesuffix(" key")
    yes, no = split(world.word("bands.two_names", column=word), 2)
    text = world.word("bands.two", rows=noun, column=word, yes=yes, no=no)
    return text, f"CASE WHEN {ref(table, column)} IS NULL THEN {quote(no)} ELSE {quote(yes)} END"


def _three_bands(world: World, table: str, noun: str) -> tuple[str, str] | None:
    """Divide rows by a number at two plausible limits: the question and the CASE."""
    if not world.figures(table):
        return None
    column = world.rng.choice(world.figures(table))
    target, word = ref(table, column), world.say(table, column)
    known = world.numbers[(table, column)]
    values = sorted({round(value) for value in world.rng.sample(known, min(6, len(known)))} - {0})
    if len(values) < 2 or values[0] < 0:
        return None
    low, high = (round(value, -1) if value > 30 else value for value in (values[0], values[-1]))
    if low >= high:
        return None
    first, second, third = split(world.word("bands.three_names", low=low, high=high), 3)
    text = world.word("bands.three", rows=noun, figure=word, first=first, second=second, third=third)
    cases = f"WHEN {target} < {low} THEN {quote(first)} WHEN {target} <= {high} THEN {quote(second)}"
    return text, f"CASE {cases} ELSE {quote(third)} END"


def best_of_group(world: World) -> Asked | None:
    """The row with the highest or lowest value of a column in each group."""
    table = world.draw_table(lambda t: bool(world.figures(t)) and bool(world.lexicon.labels.get(t)))
    chosen = draw_dimension(world, table, depth=1, kinds=("label", "category")) if table else None
    if not table or not chosen:
        return None
    column = world.rng.choice(world.figures(table))
    label = world.lexicon.labels[table]
    target, word = ref(table, column), world.say(table, column)
    is_highest = world.rng.random() < 0.7
    filters = [f for f in draw_few(world, table, (75, 25)) if not f.path]
    query = restrict(Query(world.lexicon, table), filters)
    query.follow(chosen.path)
    order = f"{target} DESC" if is_highest else target
    query.select = [
        *(f"{column} AS grouped" for column in chosen.select),
        f"{ref(table, label)} AS item",
        f"{target} AS figure",
        f"RANK() OVER (PARTITION BY {chosen.group[0]} ORDER BY {order}) AS place",
    ]
    if (table, column) in world.nullable:
        query.filter(f"{target} IS NOT NULL")
    high = world.word("best_of_group.highest" if is_highest else "best_of_group.lowest")
    row = noun_phrase(world.noun(table, plural=False), filters, is_plural=False)
    text = world.word(
        "best_of_group.ask", group=chosen.words, row=row, high=high, figure=word, label=world.saying(table, label)
    )
    return Asked("best_of_group", text, f"SELECT grouped, item, figure FROM ({query.sql()}) WHERE place = 1")
