"""The questions that stand alone: extremes, groups with conditions, missing things, shares, periods, hierarchies.

In: a World. Out: one `Asked`, or None when the schema or the draw does not fit. Each function is one kind; KINDS holds
them with their weights. What can be continued in a conversation is in `specs.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from training.datagen.filters import (
    Filter,
    World,
    apply,
    child_filter,
    condition_filter,
    draw_filters,
    entity_words,
    noun_phrase,
    own_filter,
    verb_phrase,
)
from training.datagen.lexicon import Relation, pluralise, ref
from training.datagen.phrases import comparison, say_number
from training.datagen.query import Query, aliases
from training.datagen.specs import Asked, dimension, join_words, measure_base, measure_event, measure_filters

AGGREGATES = {
    "AVG": ("average", "mean", "average", "typical"),
    "SUM": ("total", "sum of the", "overall", "combined"),
    "MAX": ("highest", "maximum", "largest", "biggest", "top"),
    "MIN": ("lowest", "minimum", "smallest"),
}


def _some_table(world: World, fits: Callable[[str], bool]) -> str | None:
    names = [t.name for t in world.lexicon.schema.tables if fits(t.name)]
    return world.rng.choices(names, world.weights(names))[0] if names else None


def _few(world: World, table: str, weights: tuple[int, ...] = (55, 38, 7)) -> list[Filter]:
    return draw_filters(world, table, world.rng.choices(range(len(weights)), weights)[0])


def _np(world: World, table: str, filters: list[Filter]) -> str:
    return noun_phrase(world.noun(table), filters)


def _figure_of(world: World, table: str) -> tuple[str, str] | None:
    """Draw a numeric column or named figure of a table: words and SQL."""
    options = [(world.say(table, c), ref(table, c)) for c in world.figures(table)]
    options += [(world.rng.choice(f.words), f.sql) for f in world.lexicon.figures.get(table, [])]
    return world.rng.choice(options) if options else None


def aggregate(world: World) -> Asked | None:
    """One or two figures over rows: average, total, highest and lowest of a column."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.figures(t) or world.lexicon.figures.get(t)))
    found = _figure_of(world, table) if table else None
    if not table or not found:
        return None
    word, target = found
    filters = _few(world, table)
    noun = _np(world, table, filters)
    query = apply(Query(world.lexicon, table), filters)
    if rng.random() < 0.2:
        both = rng.choice(
            (("MIN", "MAX"), ("MAX", "MIN"), ("COUNT", "AVG"), ("COUNT", "SUM"), ("AVG", "MAX"), ("SUM", "AVG"))
        )
        query.select = ["COUNT(*)" if f == "COUNT" else f"{f}({target})" for f in both]
        said = [f"number of {noun}" if f == "COUNT" else f"{rng.choice(AGGREGATES[f])} {word}" for f in both]
        tail = (
            "" if "COUNT" in both else rng.choice((f" of {noun}", f" among {noun}", f" of all {noun}", f" for {noun}"))
        )
        if both[0] == "COUNT" and rng.random() < 0.6:
            text = f"How many {noun} are there and what is their {said[1]}?"
        else:
            text = rng.choice(
                (
                    "What are the {0} and the {1}{2}?",
                    "Give me the {0} and the {1}{2}",
                    "{0} and {1}{2}",
                    "Show {0} and {1}{2}",
                )
            ).format(*said, tail)
        return Asked("aggregate_two", text, query.sql())
    function = rng.choice(tuple(AGGREGATES))
    query.select = [f"{function}({target})"]
    said = rng.choice(AGGREGATES[function])
    text = rng.choice(
        (
            f"What is the {said} {word} of {noun}?", f"{said} {word} of {noun}", f"What's the {said} {word} of all {noun}?", f"Give me the {said} {word} of {noun}",
            f"What is the {said} {word} among {noun}?", f"{noun}: {said} {word}", f"Calculate the {said} {word} for {noun}", f"What was the {said} {word} of {noun}?",
            f"Tell me the {said} {word} for {noun}", f"{said} {word} over all {noun}", f"What {word} do {noun} have on average?" if function == "AVG" else f"Show the {said} {word} of {noun}",
        )
    )  # fmt: skip
    return Asked("aggregate", text, query.sql())


def count_and_part(world: World) -> Asked | None:
    """How many rows, and how many of them are of a further kind."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.lexicon.conditions.get(t)) or bool(world.categories(t)))
    if not table:
        return None
    part = rng.choice((own_filter, condition_filter))(world, table, table)
    filters = [f for f in _few(world, table, (20, 60, 20)) if part and f.column != part.column]
    if part is None or not filters or " AND " in part.sql:
        return None
    query = apply(Query(world.lexicon, table), filters)
    query.select = ["COUNT(*)", f"SUM({part.sql})"]
    said = part.pattern.replace("{} ", "").replace(" {}", "")
    noun, verb = _np(world, table, filters), verb_phrase(part) or f"are {said}"
    text = rng.choice(
        (
            f"How many {noun} are there, and how many of them {verb}?",
            f"number of {noun} and how many of those {verb}",
            f"How many {noun} do we have and how many of these {verb}?",
            f"{noun}: how many in all and how many {verb}?",
        )
    )
    return Asked("count_and_part", text, query.sql())


def first_last_date(world: World) -> Asked | None:
    """The first or last date of something, alone or per group."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.dates(t)))
    if not table:
        return None
    column = rng.choice(world.dates(table))
    target, word = ref(table, column), world.say(table, column)
    filters = _few(world, table, (60, 40))
    noun = _np(world, table, filters)
    query = apply(Query(world.lexicon, table), filters)
    both = rng.random() < 0.4
    earliest = rng.random() < 0.5
    functions = ["MIN", "MAX"] if both else ["MIN" if earliest else "MAX"]
    first = rng.choice(("first", "earliest", "oldest"))
    last = rng.choice(("last", "latest", "most recent", "newest"))
    said = rng.choice((f"{first} and the {last}", f"{first} and {last}")) if both else first if earliest else last
    text_tail = ""
    if rng.random() < 0.5:
        chosen = dimension(world, table)
        if chosen is None or chosen.key == (table, column):
            return None
        query.follow(chosen.path)
        query.select, query.group = list(chosen.select), list(chosen.group)
        text_tail = rng.choice((f" per {chosen.words}", f" for each {chosen.words}", f" by {chosen.words}"))
    query.select += [f"{f}({target})" for f in functions]
    text = rng.choice(
        (
            f"What is the {said} {word} of {noun}{text_tail}?", f"{said} {word} of {noun}{text_tail}", f"Show the {said} {word} of {noun}{text_tail}", f"When was the {said} {word} of {noun}{text_tail}?",
            f"{word} of the {said} {noun}{text_tail}", f"Give me the {said} {word} for {noun}{text_tail}", f"For {noun}, what was the {said} {word}{text_tail}?",
        )
    )  # fmt: skip
    if text_tail and rng.random() < 0.4:
        group = text_tail.split(" ", 2)[-1] if text_tail.startswith(" for") else text_tail.strip().split(" ", 1)[1]
        text = rng.choice(
            (
                f"For each {group}, what is the {said} {word} of {noun}?".replace("each each", "each"),
                f"For each {group}, when was the {said} {word} of {noun}?".replace("each each", "each"),
            )
        )
    return Asked("first_last_date", text, query.sql())


def group_figure(world: World) -> Asked | None:
    """One or two aggregates of a column for each group."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.figures(t)))
    found = _figure_of(world, table) if table else None
    chosen = dimension(world, table) if table else None
    if not table or not found or not chosen:
        return None
    word, target = found
    filters = _few(world, table)
    noun = _np(world, table, filters)
    query = apply(Query(world.lexicon, table), filters)
    query.follow(chosen.path)
    query.select, query.group = list(chosen.select), list(chosen.group)
    functions = rng.choice(
        (("AVG",), ("AVG",), ("SUM",), ("SUM",), ("MAX",), ("MIN",), ("MIN", "MAX"), ("COUNT", "SUM"), ("COUNT", "AVG"))
    )
    figures = ["COUNT(*)" if f == "COUNT" else f"{f}({target})" for f in functions]
    query.select += figures
    said = " and ".join(
        rng.choice(("number", "count", f"number of {noun}")) if f == "COUNT" else f"{rng.choice(AGGREGATES[f])} {word}"
        for f in functions
    )
    by = rng.choice(
        (f"per {chosen.words}", f"by {chosen.words}", f"for each {chosen.words}", f"in each {chosen.words}")
    )
    end = ""
    if len(figures) == 1 and rng.random() < 0.22:
        down = rng.random() < 0.75
        query.order = [figures[0] + (" DESC" if down else "")]
        end = (
            rng.choice((", highest first", ", from highest to lowest"))
            if down
            else rng.choice((", lowest first", ", from lowest to highest"))
        )
    text = rng.choice(
        (
            f"{said} of {noun} {by}{end}", f"What is the {said} of {noun} {by}{end}?", f"Show the {said} of {noun} {by}{end}", f"{by} the {said} of {noun}{end}",
            f"For each {chosen.words}, what is the {said} of {noun}{end}?", f"Give me the {said} {by} for {noun}{end}", f"{said} {by}, {noun}{end}",
            f"For each {chosen.words}, the {said} of {noun}{end}",
        )
    )  # fmt: skip
    return Asked("group_figure", text, query.sql())


def having(world: World) -> Asked | None:
    """Groups by the number of their rows, or by a measure."""
    rng = world.rng
    if rng.random() < 0.4 and world.lexicon.measures:
        measure = rng.choice(world.lexicon.measures)
        base = measure_base(world, measure)
        chosen = dimension(world, base, kinds=("label", "label", "category")) if base else None
        if not base or not chosen:
            return None
        filters, said = measure_filters(world, base, measure, rng.choices((0, 1), (60, 40))[0])
        query = Query(world.lexicon, base)
        for table in measure.tables:
            if table != base:
                query.follow(next(p for p in world.paths(base) if p and p[-1].target == table))
        if not any(f.column == measure.filter_column for f in filters):
            query.filter(measure.default_filter)
        apply(query, list(filters)).follow(chosen.path)
        words, sql = comparison(rng, [100, 300, 1000, 5000, 10000, 50000], unit="euros")
        query.select, query.group = [*chosen.select, measure.sql], list(chosen.group)
        query.having = [f"{measure.sql} {sql}"]
        word, tail = rng.choice(measure.words), (" " + " ".join(said)) if said else ""
        many = pluralise(chosen.words)
        text = rng.choice(
            (
                f"Which {many} have a {word} of {words}{tail}? Show {chosen.words} and {word}.", f"{many} with {word} {words}{tail}, with the {word}", f"Which {many} had {words} in {word}{tail}? {chosen.words} and {word}",
                f"Show all {many} with a {word} of {words}{tail} and the {word}", f"Which {many} brought in {words} of {word}{tail}, and how much?", f"{many} whose {word}{tail} is {words}: {chosen.words} and {word}",
            )
        )  # fmt: skip
        return Asked("having_measure", text, query.sql())
    table = _some_table(world, lambda t: True)
    chosen = dimension(world, table or "", kinds=("label", "label", "category"))
    if not table or not chosen:
        return None
    filters = _few(world, table, (60, 34, 6))
    words, sql = comparison(rng, [1, 2, 3, 5, 8, 12, 20, 50], is_count=True)
    noun = _np(world, table, filters)
    query = apply(Query(world.lexicon, table), filters)
    query.follow(chosen.path)
    query.group = list(chosen.group)
    query.having = [f"COUNT(*) {sql}"]
    many = pluralise(chosen.words)
    asks_number = rng.random() < 0.65
    query.select = [*chosen.select, "COUNT(*)"] if asks_number else list(chosen.select)
    if asks_number:
        text = rng.choice(
            (
                f"Which {many} have {words} {noun}? {chosen.words.capitalize()} and number.",
                f"{many} with {words} {noun} and how many",
                f"Show the {many} with {words} {noun}, with the number of {noun}",
                f"Which {many} have {words} {noun}, and how many each?",
                f"List {many} having {words} {noun} with the count",
                f"Which {many} have {words} {noun}? Name and how many.",
            )
        )
    else:
        text = rng.choice(
            (
                f"Which {many} have {words} {noun}?",
                f"{many} with {words} {noun}",
                f"Show the {many} with {words} {noun}",
                f"List {many} that have {words} {noun}",
                f"Which {many} have {words} {noun}? Only the {chosen.words}.",
            )
        )
    return Asked("having_count", text, query.sql())


def extreme_rows(world: World) -> Asked | None:
    """The rows with the highest or lowest value of a column: top-n, cheapest, newest."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.figures(t) or world.dates(t)))
    if not table:
        return None
    options = [(c, "number") for c in world.figures(table)] + [(c, "date") for c in world.dates(table)]
    column, kind = rng.choice(options)
    target, word = ref(table, column), world.say(table, column)
    filters = _few(world, table)
    noun_one = noun_phrase(world.noun(table, plural=False), filters)
    noun = _np(world, table, filters)
    down = rng.random() < 0.62
    number = rng.choice((1, 1, 1, 3, 5, 5, 10, rng.randint(2, 25)))
    said = say_number(rng, number)
    query = apply(Query(world.lexicon, table), filters)
    label = world.label(table)
    shows_value = rng.random() < 0.6
    if not label:
        return None
    query.select = [ref(table, label)] + ([target] if shows_value else [])
    if (table, column) in world.nullable:
        query.filter(f"{target} IS NOT NULL")
    query.order, query.limit = [target + (" DESC" if down else "")], number
    if kind == "date":
        adjective = rng.choice(("latest", "newest", "most recent", "last") if down else ("oldest", "earliest", "first"))
        by = f"by {word}"
    else:
        adjective = rng.choice(("highest", "largest", "biggest") if down else ("lowest", "smallest"))
        by = f"by {word}"
    label_word = world.say(table, label)
    tail = (
        rng.choice(
            (
                f": {label_word} and {word}",
                f", {label_word} and {word}",
                f" with {word}",
                f" and the {word}",
                f"? {label_word.capitalize()} and {word}.",
            )
        )
        if shows_value
        else rng.choice(("", "", f", {label_word} only", f": just the {label_word}"))
    )
    if number == 1:
        text = rng.choice(
            (
                f"Which {noun_one} has the {adjective} {word}{tail}",
                f"the {noun_one} with the {adjective} {word}{tail}",
                f"What is the {noun_one} with the {adjective} {word}{tail}",
                f"Show the {noun_one} with the {adjective} {word}{tail}",
                f"{adjective} {noun_one} by {word}{tail}",
            )
        )
    else:
        top = "top" if down else rng.choice(("bottom", "last", "lowest"))
        text = rng.choice(
            (
                f"{top} {said} {noun} {by}{tail}",
                f"the {said} {noun} with the {adjective} {word}{tail}",
                f"Show the {said} {noun} with the {adjective} {word}{tail}",
                f"Which {said} {noun} have the {adjective} {word}{tail}",
                f"List the {said} {adjective} {noun} {by}{tail}",
                f"{said} {adjective} {noun} {by}{tail}",
            )
        )
    if kind == "date" and rng.random() < 0.5:
        text = (
            rng.choice(
                (
                    f"{said} {adjective} {noun}{tail}",
                    f"the {said} {adjective} {noun}{tail}",
                    f"Show the {said} {adjective} {noun}{tail}",
                )
            )
            if number > 1
            else rng.choice(
                (
                    f"{adjective} {noun_one}{tail}",
                    f"Which is the {adjective} {noun_one}{tail}",
                    f"Show the {adjective} {noun_one}{tail}",
                )
            )
        )
        main = world.dates(table)[0]
        if column != main and (table, column) != (table, "dateofbirth"):
            return None
    return Asked("extreme_rows", text, query.sql())


def sorted_list(world: World) -> Asked | None:
    """All rows of a kind in an order."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.label(t)))
    label = world.label(table) if table else None
    if not table or not label:
        return None
    columns = [*world.figures(table), *world.dates(table), label, label]
    column = rng.choice(columns)
    filters = _few(world, table)
    noun = _np(world, table, filters)
    word = world.say(table, column)
    query = apply(Query(world.lexicon, table), filters)
    shown = [label] if column == label else [label, column]
    query.select = [ref(table, c) for c in shown]
    down = rng.random() < 0.5 and column != label
    query.order = [ref(table, column) + (" DESC" if down else "")]
    if column == label:
        way = rng.choice(("in alphabetical order", "alphabetically", "sorted by name", "from A to Z"))
    elif column in world.dates(table):
        way = (
            rng.choice(
                (f"newest {word} first", f"sorted by {word}, latest first", f"from the latest to the earliest {word}")
            )
            if down
            else rng.choice(
                (
                    f"sorted by {word}",
                    f"by {word}, oldest first",
                    f"from the earliest to the latest {word}",
                    f"ordered by {word}",
                )
            )
        )
    else:
        way = (
            rng.choice(
                (f"by {word}, highest first", f"sorted by {word} descending", f"from the highest to the lowest {word}")
            )
            if down
            else rng.choice(
                (
                    f"sorted by {word}",
                    f"by {word}, lowest first",
                    f"from the lowest to the highest {word}",
                    f"ordered by {word} ascending",
                )
            )
        )
    shows = (
        ""
        if column == label
        else rng.choice((f", with the {word}", f", {world.say(table, label)} and {word}", f" and show the {word}", ""))
    )
    if column != label and not shows:
        query.select = [ref(table, label), ref(table, column)]
    text = rng.choice(
        (
            "List all {n} {w}{s}",
            "Show {n} {w}{s}",
            "{n} {w}{s}",
            "Give me all {n} {w}{s}",
            "Sort all {n} {w}{s}",
            "all {n} {w}{s}",
            "List the {n} {w}{s}",
            "I want the {n} {w}{s}",
        )
    ).format(n=noun, w=way, s=shows)
    return Asked("sorted_list", text, query.sql())


def distinct(world: World) -> Asked | None:
    """Different values of a column: which, or how many."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.categories(t)))
    if not table:
        return None
    column = rng.choice(world.categories(table))
    word = world.say(table, column)
    many = pluralise(word)
    filters = [f for f in _few(world, table) if f.column != (table, column)]
    noun = _np(world, table, filters)
    query = apply(Query(world.lexicon, table), filters)
    if rng.random() < 0.5:
        query.select = [f"COUNT(DISTINCT {ref(table, column)})"]
        text = rng.choice(
            (
                f"How many different {many} do {noun} have?",
                f"In how many different {many} are there {noun}?",
                f"number of different {many} of {noun}",
                f"How many distinct {many} are there among {noun}?",
                f"count the different {many} of {noun}",
                f"How many {many} do the {noun} have?",
            )
        )
    else:
        query.select, query.is_distinct = [ref(table, column)], True
        text = rng.choice(
            (
                f"Which different {many} do {noun} have?",
                f"What {many} are there among {noun}?",
                f"List the distinct {many} of {noun}",
                f"different {many} of {noun}",
                f"Show each {word} of {noun} once",
                f"Which {many} occur among {noun}?",
                f"all {many} of {noun}, each once",
                f"Which {many} are there for {noun}?",
            )
        )
    return Asked("distinct", text, query.sql())


def distinct_parents(world: World) -> Asked | None:
    """How many different parents the rows of a kind have, alone or per group."""
    rng = world.rng
    table = _some_table(world, lambda t: any(r.child_columns for r in world.lexicon.relations.get(t, [])))
    if not table:
        return None
    relation = rng.choice([r for r in world.lexicon.relations[table] if r.child_columns])
    if len(relation.child_columns) != 1:
        return None
    filters = draw_filters(world, table, rng.choice((0, 1, 1, 2)))
    noun = _np(world, table, filters)
    parents = world.noun(relation.target)
    query = apply(Query(world.lexicon, table), filters)
    count = f"COUNT(DISTINCT {ref(table, relation.child_columns[0])})"
    chosen = dimension(world, table) if rng.random() < 0.4 else None
    if chosen and chosen.path[:1] != (relation,):
        query.follow(chosen.path)
        query.select, query.group = [*chosen.select, count], list(chosen.group)
        text = rng.choice(
            (
                f"How many different {parents} have {noun} per {chosen.words}?",
                f"number of {parents} with {noun} by {chosen.words}",
                f"How many {parents} in each {chosen.words} have at least one of the {noun}?",
                f"Count the {parents} with {noun} for each {chosen.words}",
            )
        )
    else:
        query.select = [count]
        text = rng.choice(
            (
                f"How many different {parents} have {noun}?",
                f"number of {parents} with {noun}",
                f"How many {parents} have at least one of the {noun}?",
                f"Count the different {parents} with {noun}",
                f"How many {parents} are there with {noun}? Count each once.",
            )
        )
    return Asked("distinct_parents", text, query.sql())


def existence(world: World) -> Asked | None:
    """Rows with or without rows of another table: semi-joins and anti-joins, as a list, a count or per group."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.children(t)))
    found = child_filter(world, table, negated=rng.random() < 0.62) if table else None
    label = world.label(table) if table else None
    if not table or not found or not label:
        return None
    filters = [found, *draw_filters(world, table, rng.choices((0, 1), (65, 35))[0])]
    if rng.random() < 0.1:
        second = child_filter(world, table)
        if second and second.column != found.column:
            filters.append(second)
    noun = _np(world, table, filters)
    query = apply(Query(world.lexicon, table), filters)
    draw = rng.random()
    if draw < 0.38:
        query.select = ["COUNT(*)"]
        text = rng.choice(
            (
                f"How many {noun} are there?",
                f"number of {noun}",
                f"Count {noun}",
                f"How many {noun} do we have?",
                f"{noun}, how many?",
            )
        )
    elif draw < 0.58:
        chosen = dimension(world, table, kinds=("category", "label"))
        if not chosen:
            return None
        query.follow(chosen.path)
        query.select, query.group = [*chosen.select, "COUNT(*)"], list(chosen.group)
        text = rng.choice(
            (
                f"How many {noun} are there per {chosen.words}?",
                f"{noun}, count per {chosen.words}",
                f"For each {chosen.words}, how many {noun} are there?",
                f"number of {noun} by {chosen.words}",
            )
        )
    else:
        query.select = [ref(table, label)]
        text = rng.choice(
            (
                f"Which {noun} are there?",
                f"Show {noun}",
                f"List all {noun}",
                f"{noun}",
                f"Which are the {noun}?",
                f"Show the names of {noun}. Each once." if label == world.lexicon.labels.get(table) else f"Show {noun}",
                f"Give me the {noun}, each once",
                f"{world.say(table, label)} of {noun}",
            )
        )
        verb = found.pattern
        if rng.random() < 0.35 and len(filters) == 1:
            rest = verb.removeprefix("{} ").removeprefix("that ").removeprefix("who ")
            rest = (
                {"without": "have no", "with": "have", "having": "have"}.get(rest.split(" ")[0], rest.split(" ")[0])
                + " "
                + " ".join(rest.split(" ")[1:])
            )
            rest = (
                rest.replace("have no any", "have no")
                .replace("have no a ", "have no ")
                .replace("have no an ", "have no ")
            )
            text = f"Which {world.noun(table)} {rest}?"
    return Asked("existence", text, query.sql())


def both_sides(world: World) -> Asked | None:
    """Rows with one kind of other row and without (or with) another kind."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.children(t)))
    if not table:
        return None
    first, second = child_filter(world, table, negated=False), child_filter(world, table, negated=rng.random() < 0.7)
    label = world.label(table)
    if not first or not second or not label or first.sql == second.sql:
        return None
    noun = world.noun(table)
    one = first.pattern.removeprefix("{} ")
    two = second.pattern.removeprefix("{} ")
    query = apply(Query(world.lexicon, table), [first, second])
    joined = rng.choice((f"{one} and {two}", f"{one} but {two}", f"{one} and also {two}"))
    if rng.random() < 0.5:
        query.select = ["COUNT(*)"]
        text = rng.choice(
            (f"How many {noun} {joined} are there?", f"number of {noun} {joined}", f"How many are the {noun} {joined}?")
        )
    else:
        query.select = [ref(table, label)]
        text = rng.choice(
            (
                f"Show {noun} {joined}",
                f"Which are the {noun} {joined}?",
                f"{noun} {joined}",
                f"List the {noun} {joined}",
            )
        )
    return Asked("both_sides", text, query.sql())


def counts_with_zero(world: World) -> Asked | None:
    """The number of other rows for each row, zero included."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.children(t)) and bool(world.label(t)))
    if not table:
        return None
    relation = rng.choice(world.children(table))
    label, key = world.label(table), world.lexicon.key_of(table)
    child_key = world.lexicon.key_of(relation.table)
    if not label or not key or not child_key:
        return None
    filters = [f for f in draw_filters(world, table, rng.choices((0, 1), (60, 40))[0], depth=1) if not f.needs_alias]
    query = apply(Query(world.lexicon, table), filters)
    pairs = zip(relation.child_columns, relation.parent_columns, strict=True)
    on = " AND ".join(f"{ref(relation.table, a)} = {ref(table, b)}" for a, b in pairs)
    query.joins[relation.table] = type(relation)(table, relation.table, relation.table, on, ())
    query.left.add(relation.table)
    query.select = [ref(table, label), f"COUNT({ref(relation.table, child_key)})"]
    query.group = [ref(table, key), ref(table, label)] if label != key else [ref(table, key)]
    children, one = world.noun(relation.table), noun_phrase(world.noun(table, plural=False), filters)
    many = noun_phrase(world.noun(table), filters)
    zero = rng.choice(
        (
            "including those with none",
            "also the ones with zero",
            f"{pluralise(world.noun(table, plural=False))} without any should show 0",
            "zero included",
            "those without any too",
            "with 0 where there are none",
        )
    )
    text = rng.choice(
        (
            f"How many {children} does each {one} have, {zero}?",
            f"number of {children} for every {one}, {zero}",
            f"Show all {many} with the number of {children}; {zero}",
            f"all {many} and how many {children} they have ({zero})",
        )
    )
    return Asked("counts_with_zero", text, query.sql())


def above_average(world: World) -> Asked | None:
    """Rows above or below the average of a column."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.figures(t)) and bool(world.label(t)))
    if not table:
        return None
    column = rng.choice(world.figures(table))
    word, target = world.say(table, column), ref(table, column)
    label = world.label(table) or ""
    filters = [f for f in _few(world, table, (75, 25)) if f.column != (table, column)]
    above = rng.random() < 0.65
    query = apply(Query(world.lexicon, table), filters)
    query.filter(f"{target} {'>' if above else '<'} (SELECT AVG({column}) FROM {table})")
    noun = _np(world, table, filters)
    than = (
        rng.choice(("above", "higher than", "greater than", "over", "more than"))
        if above
        else rng.choice(("below", "lower than", "under", "less than"))
    )
    shows = rng.random() < 0.4
    if rng.random() < 0.3:
        query.select = ["COUNT(*)"]
        text = rng.choice(
            (
                f"How many {noun} have a {word} {than} the average?",
                f"number of {noun} with a {word} {than} average",
                f"How many {noun} are {than} the average {word}?",
            )
        )
    else:
        query.select = [ref(table, label)] + ([target] if shows else [])
        tail = (
            rng.choice(
                (f" Show {world.say(table, label)} and {word}.", f" {world.say(table, label).capitalize()} and {word}.")
            )
            if shows
            else rng.choice(("", "", f" {world.say(table, label).capitalize()} only."))
        )
        text = rng.choice(
            (
                f"Which {noun} have a {word} {than} the average {word}?{tail}",
                f"Which {noun} have a {word} {than} average?{tail}",
                f"{noun} with {word} {than} the average.{tail}",
                f"Show {noun} whose {word} is {than} the average of all.{tail}",
            )
        )
    return Asked("above_average", text, query.sql())


def share(world: World) -> Asked | None:
    """What percentage or fraction of rows is of a kind, overall or per group."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.categories(t)) or bool(world.lexicon.conditions.get(t)))
    if not table:
        return None
    maker = rng.choice((own_filter, condition_filter))
    part = maker(world, table, table)
    if part is None or part.path or part.needs_alias or " AND " in part.sql:
        return None
    filters = [f for f in _few(world, table, (60, 40)) if f.column != part.column]
    whole, kind = _np(world, table, filters), noun_phrase(world.noun(table), [part])
    said_part = part.pattern.replace("{} ", "").replace(" {}", "")
    query = apply(Query(world.lexicon, table), filters)
    as_percent = rng.random() < 0.75
    digits = rng.choice((None, None, 1, 1, 2, 0)) if as_percent else None
    figure = f"100.0 * SUM({part.sql}) / COUNT(*)" if as_percent else f"1.0 * SUM({part.sql}) / COUNT(*)"
    if part.sql.endswith("IS NULL") or part.sql.endswith("IS NOT NULL") or " IN (" in part.sql or "<>" in part.sql:
        figure = figure.replace(f"SUM({part.sql})", f"SUM({part.sql})")
    if digits is not None:
        figure = f"ROUND({figure}, {digits})"
    round_words = {
        None: "",
        0: rng.choice((", rounded to whole percent", ", no decimals")),
        1: rng.choice((", one decimal", ", with one decimal", ", rounded to one decimal", " (1 decimal)")),
        2: rng.choice((", two decimals", ", rounded to two decimals")),
    }[digits]
    name = (
        rng.choice(("percentage", "percentage", "share in percent", "percent"))
        if as_percent
        else rng.choice(("share", "fraction", "proportion"))
    )
    if not as_percent:
        round_words = rng.choice((" (between 0 and 1)", " as a fraction between 0 and 1", "", " as a fraction"))
    by = ""
    if rng.random() < 0.5:
        chosen = dimension(world, table)
        if chosen is None or chosen.key == part.column:
            return None
        query.follow(chosen.path)
        query.select, query.group = list(chosen.select), list(chosen.group)
        by = rng.choice((f" per {chosen.words}", f" by {chosen.words}", f" for each {chosen.words}"))
    query.select.append(figure)
    text = rng.choice(
        (
            f"What {name} of {whole} are {kind}{by}{round_words}?",
            f"{name} of {kind} among all {whole}{by}{round_words}",
            f"What is the {name} of {said_part} {world.noun(table)} among {whole}{by}{round_words}?"
            if part.is_before
            else f"What is the {name} of {kind} in all {whole}{by}{round_words}?",
            f"{name} of {whole} that are {said_part}{by}{round_words}"
            if part.is_before
            else f"{name} of {kind}{by}{round_words}",
        )
    )
    return Asked("share", text, query.sql())


def measure_share(world: World) -> Asked | None:
    """What part of a measure one kind of row brings."""
    rng = world.rng
    simple = [m for m in world.lexicon.measures if m.sql.startswith("SUM(") and " / " not in m.sql]
    if not simple:
        return None
    measure = rng.choice(simple)
    base = measure_base(world, measure)
    if not base:
        return None
    part, said = measure_filters(world, base, measure, 1)
    if not part or part[0].needs_alias or part[0].column == measure.filter_column:
        return None
    extra, extra_said = measure_filters(world, base, measure, rng.choices((0, 1), (70, 30))[0])
    extra = tuple(f for f in extra if f.column != part[0].column and f.column != measure.filter_column)
    query = Query(world.lexicon, base)
    for table in measure.tables:
        if table != base:
            query.follow(next(p for p in world.paths(base) if p and p[-1].target == table))
    query.filter(measure.default_filter)
    query.follow(part[0].path)
    apply(query, list(extra))
    body = measure.sql.removeprefix("SUM(").removesuffix(")")
    digits = rng.choice((None, 1, 2))
    figure = f"100.0 * SUM(CASE WHEN {part[0].sql} THEN {body} ELSE 0 END) / {measure.sql}"
    query.select = [f"ROUND({figure}, {digits})" if digits else figure]
    word = rng.choice(measure.words)
    tail = {None: "", 1: ", one decimal", 2: ", two decimals"}[digits]
    more = (" " + " ".join(extra_said)) if extra else ""
    text = rng.choice(
        (
            f"What percentage of the {word}{more} comes {said[0]}{tail}?",
            f"percentage of {word} {said[0]} in total {word}{more}{tail}",
            f"share of {word} {said[0]}{more} in percent{tail}",
            f"What share of {word}{more} is {said[0]}, in percent{tail}?",
            f"How many percent of the {word}{more} is {said[0]}{tail}?",
        )
    )
    return Asked("measure_share", text, query.sql())


def average_per_parent(world: World) -> Asked | None:
    """How many rows a parent has on average: among those that have any, or among all."""
    rng = world.rng
    table = _some_table(world, lambda t: any(len(r.child_columns) == 1 for r in world.lexicon.relations.get(t, [])))
    if not table:
        return None
    relation = rng.choice(
        [r for r in world.lexicon.relations[table] if len(r.child_columns) == 1] or [world.lexicon.relations[table][0]]
    )
    if not relation.child_columns:
        return None
    filters = [f for f in _few(world, table, (65, 35)) if not f.path and not f.needs_alias]
    many, parent = _np(world, table, filters), world.noun(relation.target, plural=False)
    query = apply(Query(world.lexicon, table), filters)
    if rng.random() < 0.6:
        query.select = [f"1.0 * COUNT(*) / COUNT(DISTINCT {ref(table, relation.child_columns[0])})"]
        only = rng.choice(
            (
                f", counting only {pluralise(parent)} that have any",
                "",
                f" among {pluralise(parent)} with at least one",
                " (at least one)",
            )
        )
        text = rng.choice(
            (
                f"How many {many} does a {parent} have on average{only}?",
                f"average number of {many} per {parent}{only}",
                f"On average, how many {many} are there per {parent}{only}?",
                f"What is the average number of {many} per {parent}{only}?",
            )
        )
        return Asked("average_per_parent", text, query.sql())
    query.select = ["COUNT(*)"]
    sql = f"SELECT 1.0 * ({query.sql()}) / COUNT(*) FROM {relation.target}"
    all_of = rng.choice(
        (
            f"counting also {pluralise(parent)} without any",
            f"over all {pluralise(parent)}, those with none included",
            "zero counts too",
            f"including the {pluralise(parent)} that have none",
        )
    )
    text = rng.choice(
        (
            f"How many {many} does a {parent} have on average, {all_of}?",
            f"average number of {many} per {parent}, {all_of}",
            f"What is the average number of {many} by {parent}, {all_of}?",
        )
    )
    return Asked("average_per_all", text, sql)


def bands(world: World) -> Asked | None:
    """Rows counted in bands of a number, or by whether a value is there."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.figures(t)) or any(n[0] == t for n in world.nullable))
    if not table:
        return None
    filters = _few(world, table, (75, 25))
    noun = _np(world, table, filters)
    query = apply(Query(world.lexicon, table), filters)
    empties = [c for t, c in sorted(world.nullable) if t == table]
    if empties and rng.random() < 0.45:
        column = rng.choice(empties)
        word = world.say(table, column).removesuffix(" key")
        yes, no = rng.choice(
            ((f"with {word}", f"without {word}"), ("yes", "no"), ("known", "unknown"), ("given", "missing"))
        )
        query.select = [f"CASE WHEN {ref(table, column)} IS NULL THEN '{no}' ELSE '{yes}' END", "COUNT(*)"]
        text = rng.choice(
            (
                f"How many {noun} have a {word} and how many do not? Call them '{yes}' and '{no}'",
                f'number of {noun} with and without {word}: "{yes}" / "{no}"',
                f"{noun} {yes} vs {no} ({word}): count of each",
                f"Count {noun} by whether the {word} is there: '{yes}' or '{no}'",
            )
        )
    else:
        if not world.figures(table):
            return None
        column = rng.choice(world.figures(table))
        target, word = ref(table, column), world.say(table, column)
        values = sorted(
            {round(v) for v in rng.sample(world.numbers[(table, column)], min(6, len(world.numbers[(table, column)])))}
            - {0}
        )
        if len(values) < 2 or values[0] < 0:
            return None
        low, high = (round(v, -1) if v > 30 else v for v in (values[0], values[-1]))
        if low >= high:
            return None
        low, high = int(low), int(high)
        names = (f"under {low}", f"{low} to {high}", f"over {high}")
        query.select = [
            f"CASE WHEN {target} < {low} THEN '{names[0]}' WHEN {target} <= {high} THEN '{names[1]}' ELSE '{names[2]}' END",
            "COUNT(*)",
        ]
        text = rng.choice(
            (
                f'Group {noun} by {word} into "{names[0]}", "{names[1]}" and "{names[2]}" and count them',
                f"number of {noun} per {word} band: {names[0]}, {names[1]}, {names[2]}",
                f"How many {noun} have a {word} {names[0]}, {names[1]} and {names[2]}?",
                f"Count the {noun} in three bands of {word} - {names[0]}, {names[1]}, {names[2]}",
            )
        )
    query.group = ["1"]
    return Asked("bands", text, query.sql())


def compare_columns(world: World) -> Asked | None:
    """Rows where one figure stands in a relation to another of the same row, or a named figure to a number."""
    rng = world.rng
    named = [(t.name, f) for t in world.lexicon.schema.tables for f in world.lexicon.figures.get(t.name, [])]
    label_of = world.label
    if named and rng.random() < 0.6:
        table, figure = rng.choice(named)
        label = label_of(table)
        if not label:
            return None
        words, sql = comparison(
            rng, [1, 5, 10, 20, 30, 50, 100] if "strftime" not in figure.sql else [18, 25, 30, 40, 50, 65]
        )
        filters = _few(world, table, (70, 30))
        query = apply(Query(world.lexicon, table), filters).filter(f"{figure.sql} {sql}")
        noun, word = _np(world, table, filters), rng.choice(figure.words)
        if rng.random() < 0.45:
            query.select = ["COUNT(*)"]
            return Asked(
                "figure_filter",
                rng.choice(
                    (
                        f"How many {noun} have a {word} of {words}?",
                        f"number of {noun} with {word} {words}",
                        f"How many {noun} are there with a {word} of {words}?",
                    )
                ),
                query.sql(),
            )
        query.select = [ref(table, label)]
        return Asked(
            "figure_filter",
            rng.choice(
                (
                    f"Which {noun} have a {word} of {words}?",
                    f"{noun} with a {word} of {words}",
                    f"Show {noun} whose {word} is {words}",
                    f"List {noun} with {word} {words}",
                )
            ),
            query.sql(),
        )
    table = _some_table(world, lambda t: len(world.figures(t)) >= 2 and bool(label_of(t)))
    if not table:
        return None
    a, b = rng.sample(world.figures(table), 2)
    factor = rng.choice((1, 1, 0.5, 2, 0.8, 0.6, 0.4, 0.75, 0.3, 0.7))
    sign = rng.choice((">", "<"))
    query = Query(world.lexicon, table)
    filters = _few(world, table, (75, 25))
    apply(query, filters)
    query.filter(f"{ref(table, a)} {sign} " + (f"{factor:g} * " if factor != 1 else "") + ref(table, b))
    more = "more" if sign == ">" else "less"
    part = {1: "", 2: "twice "}.get(factor, rng.choice((f"{factor * 100:g} percent of ", f"{factor * 100:g}% of ")))
    noun = _np(world, table, filters)
    words = f"{world.say(table, a)} is {more} than {part}the {world.say(table, b)}"
    shown = rng.choice(((label_of(table),), (label_of(table), a, b)))
    query.select = [ref(table, c) for c in shown if c]
    tail = "" if len(shown) == 1 else f" Show {join_words(world, [world.say(table, c) for c in shown if c])}."
    return Asked(
        "compare_columns",
        rng.choice(
            (
                f"For which {noun} the {words}?{tail}",
                f"Which {noun} have a {world.say(table, a)} of {more} than {part}the {world.say(table, b)}?{tail}",
                f"{noun} where the {words}.{tail}",
                f"Show {noun} whose {words}.{tail}",
            )
        ),
        query.sql(),
    )


def hierarchy(world: World) -> Asked | None:
    """A table that points at itself: who manages whom."""
    rng = world.rng
    if not world.lexicon.self_keys:
        return None
    table = rng.choice(sorted(world.lexicon.self_keys))
    column, roles = world.lexicon.self_keys[table]
    label, key = world.lexicon.labels.get(table), world.lexicon.key_of(table)
    if not label or not key or not world.texts.get((table, label)):
        return None
    role, name = rng.choice(roles), rng.choice(world.texts[(table, label)])
    many, one = world.noun(table), world.noun(table, plural=False)
    a = _initial(world, table)
    up = f"{table} {a} JOIN {table} m ON m.{key} = {a}.{column}"
    options = [
        ("self_parent", rng.choice((f"Who is the {role} of {name}?", f"{role} of {name}", f"Who does {name} report to?", f"Name the {role} of {name}", f"Which {one} is {name}'s {role}?")), f"SELECT m.{label} FROM {up} WHERE {a}.{label} = '{name}'"),
        ("self_children", rng.choice((f"Who reports to {name}?", f"Which {many} have {name} as their {role}?", f"{many} whose {role} is {name}", f"List the direct reports of {name}", f"Who works for {name}?", f"Show the {many} managed by {name}")), f"SELECT {a}.{label} FROM {up} WHERE m.{label} = '{name}'"),
        ("self_pairs", rng.choice((f"Show each {one} with the name of the {role}", f"{many} and their {pluralise(role)}", f"List all {many} with their {role}", f"Who is whose {role}? {one} and {role}")), f"SELECT {a}.{label}, m.{label} FROM {up}"),
        ("self_counts", rng.choice((f"How many {many} report to each {role}? Name and number.", f"number of direct reports per {role}", f"{pluralise(role)} with the number of people reporting to them", f"For each {role}, how many {many} report to them?")), f"SELECT m.{label}, COUNT(*) FROM {up} GROUP BY m.{key}, m.{label}"),
        ("self_counts_key", rng.choice((f"How many {many} per {role}? The {role}'s number is enough.", f"number of {many} by {role} number", f"count of {many} for each {role} key")), f"SELECT {column}, COUNT(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY {column}"),
        ("self_none", rng.choice((f"Which {many} have no {role}?", f"{many} without a {role}", f"Who has no {role}?")), f"SELECT {label} FROM {table} WHERE {column} IS NULL"),
        ("self_childless", rng.choice((f"Which {many} are nobody's {role}?", f"{many} that have nobody reporting to them", "Who does not lead anybody?", f"{many} without direct reports", f"Which {many} manage no one?")), f"SELECT {a}.{label} FROM {table} {a} WHERE NOT EXISTS (SELECT 1 FROM {table} r WHERE r.{column} = {a}.{key})"),
        ("self_parents", rng.choice((f"Which {many} manage somebody?", f"Who is a {role} of at least one {one}?", f"all {many} with direct reports", f"list of {pluralise(role)}")), f"SELECT {a}.{label} FROM {table} {a} WHERE EXISTS (SELECT 1 FROM {table} r WHERE r.{column} = {a}.{key})"),
        ("self_grand", rng.choice((f"Who is the {role} of {name}'s {role}?", f"{role} of the {role} of {name}", f"Who is two levels above {name}?", f"Name the {role}'s {role} for {name}")), f"SELECT g.{label} FROM {up} JOIN {table} g ON g.{key} = m.{column} WHERE {a}.{label} = '{name}'"),
        ("self_peers", rng.choice((f"Which {many} have the same {role} as {name}?", f"colleagues of {name} under the same {role}", f"Who shares a {role} with {name}?")), f"SELECT {a}.{label} FROM {table} {a} JOIN {table} p ON p.{column} = {a}.{column} WHERE p.{label} = '{name}' AND {a}.{label} <> '{name}'"),
    ]  # fmt: skip
    for figure in [*world.figures(table), *world.dates(table)]:
        word = world.say(table, figure)
        sign, more = rng.choice(
            (
                (">", "higher" if figure in world.figures(table) else "later"),
                ("<", "lower" if figure in world.figures(table) else "earlier"),
            )
        )
        options.append(
            (
                "self_compare",
                rng.choice(
                    (
                        f"Which {many} have a {more} {word} than their {role}?",
                        f"{many} with a {more} {word} than their {role}",
                        f"Whose {word} is {more} than that of their {role}?",
                    )
                ),
                f"SELECT {a}.{label} FROM {up} WHERE {a}.{figure} {sign} m.{figure}",
            )
        )
        if figure in world.figures(table):
            options.append(
                (
                    "self_average",
                    f"average {word} of the direct reports of each {role}",
                    f"SELECT m.{label}, AVG({a}.{figure}) FROM {up} GROUP BY m.{key}, m.{label}",
                )
            )
    return Asked(*rng.choice(options))


def _initial(world: World, table: str) -> str:
    return aliases([t.name for t in world.lexicon.schema.tables])[table]


def lookup(world: World) -> Asked | None:
    """Details of one named or numbered row, from its own table or one nearby."""
    rng = world.rng
    table = _some_table(world, lambda t: bool(world.label(t)))
    if not table:
        return None
    found = entity_words(world, table, table)
    label = world.lexicon.labels.get(table)
    if found is None or found[3] or " = " not in found[1] or found[2][1] not in {label, world.lexicon.key_of(table)}:
        return None
    said, sql, _, _ = found
    children = [r for r in world.children(table) if world.lexicon.table(r.table).columns]
    if children and rng.random() < 0.5:
        relation = rng.choice(children)
        columns = _detail_columns(world, relation.table)
        if not columns:
            return None
        query = Query(world.lexicon, relation.table, where=[])
        up = next(p for p in world.paths(relation.table, 1) if p == (relation,))
        if (
            sql.startswith(ref(relation.instance, world.lexicon.key_of(table) or ""))
            and len(relation.child_columns) == 1
        ):
            query.filter(f"{ref(relation.table, relation.child_columns[0])} = {sql.split(' = ')[1]}")
        else:
            query.follow(up)
            query.filter(sql.replace(ref(table, ""), ref(relation.instance, "")))
        extra = [
            f
            for f in draw_filters(world, relation.table, rng.choices((0, 1), (70, 30))[0], depth=0)
            if not f.path and not f.needs_alias
        ]
        apply(query, extra)
        words = join_words(world, [world.say(relation.table, c) for c in columns])
        many = noun_phrase(world.noun(relation.table), extra)
        if rng.random() < 0.3:
            query.select = ["COUNT(*)"]
            text = rng.choice(
                (
                    f"How many {many} does {said} have?",
                    f"number of {many} of {said}",
                    f"How many {many} are there for {said}?",
                )
            )
            return Asked("lookup_count", text, query.sql())
        query.select = [ref(relation.table, c) for c in columns]
        if (
            len(columns) == 1
            and (relation.table, columns[0]) in world.nullable
            and world.lexicon.is_detail(relation.table)
        ):
            query.filter(f"{ref(relation.table, columns[0])} IS NOT NULL")
        if world.lexicon.is_detail(relation.table) and not extra and rng.random() < 0.6:
            return Asked(
                "lookup_detail",
                rng.choice(
                    (
                        f"What is the {words} of {said}?",
                        f"{words} of {said}",
                        f"Show {said}'s {words}",
                        f"{said}: {words}",
                        f"Give me the {words} of {said}",
                        f"How can I reach {said}? {words}"
                        if "phone" in words or "mail" in words
                        else f"{said}, {words}",
                    )
                ),
                query.sql(),
            )
        text = rng.choice(
            (
                f"Show the {many} of {said}: {words}",
                f"What {many} does {said} have? {words}",
                f"{words} of the {many} of {said}",
                f"Which {many} belong to {said}? Show {words}.",
                f"{said}: {many} with {words}",
                f"List {said}'s {many} with {words}",
                f"What is the {words} of {said}?" if len(columns) == 1 else f"Give me {words} of {said}'s {many}",
            )
        )
        return Asked("lookup_children", text, query.sql())
    columns = [c for c in _detail_columns(world, table) if c != found[2][1]]
    if not columns:
        return None
    query = Query(world.lexicon, table, select=[ref(table, c) for c in columns], where=[sql])
    parents = [p for p in world.paths(table, 1) if p and world.lexicon.labels.get(p[0].target)]
    words = [world.say(table, c) for c in columns]
    if parents and rng.random() < 0.4:
        path = rng.choice(parents)
        query.follow(path)
        query.select = [ref(path[0].instance, world.lexicon.labels[path[0].target])]
        words = [world.noun(path[0].target, plural=False)]
    joined = join_words(world, words)
    patterns = world.lexicon.patterns.get((table, columns[0]), [])
    text = rng.choice(
        (
            f"What is the {joined} of {said}?",
            f"{joined} of {said}",
            f"Show the {joined} of {said}",
            f"{said}: {joined}",
            f"What are {joined} of {said}?",
            f"Give me {joined} for {said}",
            f"Tell me the {joined} of {said}",
            f"{said} - {joined}?",
            f"Which {joined} does {said} have?",
        )
    )
    if (
        len(columns) == 1
        and columns[0] in world.dates(table)
        and patterns
        and query.select == [ref(table, columns[0])]
        and rng.random() < 0.5
    ):
        verb = (
            rng.choice(patterns)
            .replace(" {}", "")
            .removeprefix("who ")
            .removeprefix("were ")
            .removeprefix("was ")
            .removeprefix("whose ")
        )
        if verb.split(" ")[0].endswith("ed") or verb.startswith(("born", "made", "sent")):
            text = rng.choice(
                (f"When was {said} {verb}?", f"when was {said} {verb}", f"On which date was {said} {verb}?")
            )
    return Asked("lookup", text, query.sql())


def _detail_columns(world: World, table: str) -> list[str]:
    names = [
        c.name
        for c in world.lexicon.table(table).columns
        if c.kind != "boolean" and not (world.lexicon.is_key(table, c.name) and c.name != world.lexicon.key_of(table))
    ]
    drawn = world.rng.sample(names, min(len(names), world.rng.choices((1, 2, 3, 4), (45, 28, 18, 9))[0]))
    return drawn


def list_with_parent(world: World) -> Asked | None:
    """Rows with columns of their parents: names of customers with their cities, lines with product and category."""
    rng = world.rng
    table = _some_table(world, lambda t: any(p and world.label(t) for p in world.paths(t, 2)))
    if not table:
        return None
    paths = [
        p
        for p in world.paths(table, 2)
        if p and (world.lexicon.labels.get(p[-1].target) or world.categories(p[-1].target))
    ]
    if not paths:
        return None
    path = rng.choice(paths)
    target = path[-1].target
    label = world.lexicon.labels.get(target)
    column = (
        label if label and rng.random() < 0.7 else rng.choice(world.categories(target) or ([label] if label else [""]))
    )
    if not column:
        return None
    own = [c for c in _detail_columns(world, table)]
    own = (
        own[: rng.choice((1, 1, 2, 3))]
        if world.rng.random() < 0.6 or not world.label(table)
        else [world.label(table) or ""]
    )
    filters = [
        f
        for f in draw_filters(world, table, rng.choices((0, 1, 2), (25, 55, 20))[0])
        if not f.path or f.path[-1].target != target or f.path[-1].instance == path[-1].instance
    ]
    query = apply(Query(world.lexicon, table), filters)
    instance = query.follow(path)
    parent_words = world.noun(target, plural=False) if column == label else world.say(target, column)
    if path[-1].words and column != label:
        parent_words = f"{path[-1].words[0].split()[0]} {parent_words}" if "#" in instance else parent_words
    own_first = rng.random() < 0.75
    own_sql = [ref(table, c) for c in own]
    query.select = [*own_sql, ref(instance, column)] if own_first else [ref(instance, column), *own_sql]
    own_words = [world.say(table, c) for c in own]
    words = join_words(world, [*own_words, parent_words] if own_first else [parent_words, *own_words])
    noun = _np(world, table, filters)
    if rng.random() < 0.2:
        query.is_distinct = True
        noun += rng.choice((", each combination once", " (each once)", ", no duplicates"))
    text = rng.choice(
        (
            f"{noun}: {words}",
            f"Show {words} of {noun}",
            f"List {noun} with {words}",
            f"{words} of all {noun}",
            f"What are the {words} of {noun}?",
            f"For {noun} show {words}",
            f"Give me {words} for {noun}",
            f"Which {noun} are there? Show {words}.",
            f"{noun} with {words}",
        )
    )
    return Asked("list_with_parent", text, query.sql())


def distinct_ancestors(world: World) -> Asked | None:
    """Which parents have rows of a kind below them, each once: products ordered by customers from Italy."""
    rng = world.rng
    table = _some_table(world, lambda t: any(p and world.lexicon.labels.get(p[-1].target) for p in world.paths(t, 3)))
    if not table:
        return None
    paths = [p for p in world.paths(table, 3) if p and world.lexicon.labels.get(p[-1].target)]
    path = rng.choice(paths)
    target = path[-1].target
    label = world.lexicon.labels[target]
    filters = [f for f in draw_filters(world, table, rng.choices((1, 2), (65, 35))[0])]
    if not filters or any(f.needs_alias for f in filters):
        return None
    query = apply(Query(world.lexicon, table), filters)
    instance = query.follow(path)
    query.select, query.is_distinct = [ref(instance, label)], True
    many, noun = world.noun(target), _np(world, table, filters)
    once = rng.choice(
        ("? Each once.", ", each once", "? Show each only once.", ", without duplicates", "? No duplicates, please.")
    )
    text = rng.choice(
        (
            f"Which {many} have {noun}{once}",
            f"Which different {many} are there for {noun}?",
            f"different {many} of {noun}",
            f"{many} with {noun}{once}",
            f"Show the {many} of {noun}{once}",
            f"List each {world.noun(target, plural=False)} with {noun} once",
        )
    )
    return Asked("distinct_ancestors", text, query.sql())


def period_average(world: World) -> Asked | None:
    """The average over monthly or yearly totals."""
    rng = world.rng
    if not world.lexicon.measures:
        return None
    measure = rng.choice([m for m in world.lexicon.measures if " / " not in m.sql] or world.lexicon.measures)
    base = measure_base(world, measure)
    if not base:
        return None
    event = measure_event(world, base, measure)
    if not event:
        return None
    path, column = event
    target = path[-1].target if path else base
    query = Query(world.lexicon, base)
    for table in measure.tables:
        if table != base:
            query.follow(next(p for p in world.paths(base) if p and p[-1].target == table))
    query.filter(measure.default_filter)
    day = ref(query.follow(path), column)
    low, high = world.days[(target, column)]
    word = rng.choice(measure.words)
    if rng.random() < 0.65:
        year = rng.randint(low.year, high.year)
        query.filter(f"{day} >= '{year}-01-01' AND {day} < '{year + 1}-01-01'")
        tail, period, code = f" in {year}", "month", "%Y-%m"
    else:
        tail, (period, code) = "", rng.choice((("month", "%Y-%m"), ("year", "%Y")))
    query.select, query.group = [f"{measure.sql} AS total"], [f"strftime('{code}', {day})"]
    adjective = {"month": "monthly", "year": "yearly"}[period]
    text = rng.choice(
        (
            f"What was the average {adjective} {word}{tail}?",
            f"average {word} per {period}{tail}, from the {adjective} totals",
            f"average {adjective} {word}{tail}",
            f"On average, how much {word} did we have per {period}{tail}?",
            f"mean {word} per {period}{tail}",
        )
    )
    return Asked("period_average", text, f"SELECT AVG(total) FROM ({query.sql()})")


def running_or_rank(world: World) -> Asked | None:
    """Window functions: a rank within all rows, a running total over periods, the best row of each group."""
    rng = world.rng
    if rng.random() < 0.5 and world.lexicon.measures:
        measure = rng.choice([m for m in world.lexicon.measures if " / " not in m.sql] or world.lexicon.measures)
        base = measure_base(world, measure)
        event = measure_event(world, base, measure) if base else None
        if not base or not event:
            return None
        path, column = event
        query = Query(world.lexicon, base)
        for table in measure.tables:
            if table != base:
                query.follow(next(p for p in world.paths(base) if p and p[-1].target == table))
        query.filter(measure.default_filter)
        day = ref(query.follow(path), column)
        low, high = world.days[(path[-1].target if path else base, column)]
        year = rng.randint(low.year, high.year)
        query.filter(f"{day} >= '{year}-01-01' AND {day} < '{year + 1}-01-01'")
        query.select = [f"strftime('%Y-%m', {day}) AS month", f"{measure.sql} AS total"]
        query.group = [f"strftime('%Y-%m', {day})"]
        word = rng.choice(measure.words)
        text = rng.choice(
            (
                f"Show the cumulative {word} by month in {year}",
                f"running total of {word} per month {year}",
                f"cumulative monthly {word} for {year}",
                f"How did the {word} add up month by month in {year}?",
            )
        )
        return Asked(
            "running_total", text, f"SELECT month, SUM(total) OVER (ORDER BY month) FROM ({query.sql()}) ORDER BY month"
        )
    table = _some_table(world, lambda t: bool(world.figures(t)) and bool(world.lexicon.labels.get(t)))
    chosen = dimension(world, table, depth=1, kinds=("label", "category")) if table else None
    if not table or not chosen:
        return None
    column = rng.choice(world.figures(table))
    label = world.lexicon.labels[table]
    target, word = ref(table, column), world.say(table, column)
    down = rng.random() < 0.7
    filters = [f for f in _few(world, table, (75, 25)) if not f.path]
    query = apply(Query(world.lexicon, table), filters)
    query.follow(chosen.path)
    group = chosen.group[0]
    query.select = [
        *(f"{s} AS grouped" for s in chosen.select),
        f"{ref(table, label)} AS item",
        f"{target} AS figure",
        f"RANK() OVER (PARTITION BY {group} ORDER BY {target}{' DESC' if down else ''}) AS place",
    ]
    if (table, column) in world.nullable:
        query.filter(f"{target} IS NOT NULL")
    high = rng.choice(("highest", "largest")) if down else rng.choice(("lowest", "smallest"))
    one = noun_phrase(world.noun(table, plural=False), filters)
    text = rng.choice(
        (
            f"For each {chosen.words}, which {one} has the {high} {word}? Show {chosen.words}, {world.say(table, label)} and {word}.",
            f"the {one} with the {high} {word} in each {chosen.words}: {chosen.words}, {world.say(table, label)}, {word}",
            f"Which {one} has the {high} {word} in each {chosen.words}? {chosen.words.capitalize()}, {world.say(table, label)} and {word}.",
        )
    )
    return Asked("best_of_group", text, f"SELECT grouped, item, figure FROM ({query.sql()}) WHERE place = 1")


def latest_of_child(world: World) -> Asked | None:
    """For each row the first or last date of the rows that point at it."""
    rng = world.rng

    def dated(table: str) -> list[Relation]:
        return [r for r in world.children(table) if world.dates(r.table) and not world.lexicon.is_detail(r.table)]

    table = _some_table(world, lambda t: bool(dated(t)) and bool(world.label(t)))
    if not table:
        return None
    relation = rng.choice(dated(table))
    label, key = world.label(table), world.lexicon.key_of(table)
    if not label or not key:
        return None
    column = world.dates(relation.table)[0]
    filters = draw_filters(world, table, rng.choices((0, 1), (45, 55))[0])
    last = rng.random() < 0.7
    query = Query(world.lexicon, relation.table)
    query.follow((relation,))
    for chosen in filters:
        if chosen.needs_alias:
            return None
        query.follow((relation, *chosen.path))
        query.filter(chosen.sql)
    query.select = [ref(relation.instance, label), f"{'MAX' if last else 'MIN'}({ref(relation.table, column)})"]
    query.group = [ref(relation.instance, key)] + ([ref(relation.instance, label)] if label != key else [])
    if relation.instance != relation.target:
        return None
    one, many = world.noun(table, plural=False), noun_phrase(world.noun(table), filters)
    child = world.noun(relation.table, plural=False)
    word = rng.choice(("last", "latest", "most recent")) if last else rng.choice(("first", "earliest"))
    text = rng.choice(
        (
            f"For {many}, show the {world.say(table, label)} and the date of the {word} {child}",
            f"When was the {word} {child} of each {noun_phrase(one, filters)}?",
            f"date of the {word} {child} for {many}",
            f"{many} with the date of their {word} {child}",
            f"Show each {noun_phrase(one, filters)} with the {word} {child} date",
        )
    )
    return Asked("latest_of_child", text, query.sql())


def average_value_per_parent(world: World) -> Asked | None:
    """Set questions: distinct pairs of two columns, listed or counted."""
    rng = world.rng
    table = _some_table(world, lambda t: len(world.categories(t)) >= 2)
    if not table:
        return None
    a, b = rng.sample(world.categories(table), 2)
    filters = [f for f in _few(world, table, (75, 25)) if not f.path and f.column not in {(table, a), (table, b)}]
    noun = _np(world, table, filters)
    query = apply(Query(world.lexicon, table, select=[ref(table, a), ref(table, b)], is_distinct=True), filters)
    wa, wb = world.say(table, a), world.say(table, b)
    if rng.random() < 0.5:
        return Asked(
            "distinct_pairs",
            rng.choice(
                (
                    f"Which combinations of {wa} and {wb} are there among {noun}?",
                    f"different combinations of {wa} and {wb} of {noun}",
                    f"List each {wa} with its {wb} once, for {noun}",
                )
            ),
            query.sql(),
        )
    return Asked(
        "distinct_pairs_count",
        rng.choice(
            (
                f"How many different combinations of {wa} and {wb} do {noun} have?",
                f"number of distinct pairs of {wa} and {wb} among {noun}",
            )
        ),
        f"SELECT COUNT(*) FROM ({query.sql()})",
    )


def other_place(world: World) -> Asked | None:
    """Rows that reach one table by two roads that disagree: shipped to another country than the customer's own."""
    rng = world.rng
    for table in world.lexicon.relations:
        roads: dict[str, list[tuple[object, ...]]] = {}
        for path in world.paths(table, 2):
            if path:
                roads.setdefault(path[-1].target, []).append(path)
        for target, found in sorted(roads.items()):
            places = world.categories(target)
            instances = {p[-1].instance: p for p in found}  # type: ignore[attr-defined]
            if len(instances) < 2 or not places:
                continue
            first, second = list(instances.values())[:2]
            column = rng.choice(places)
            query = Query(world.lexicon, table)
            a, b = query.follow(first), query.follow(second)  # type: ignore[arg-type]
            same = rng.random() < 0.3
            query.filter(f"{ref(a, column)} {'=' if same else '<>'} {ref(b, column)}")
            filters = [f for f in _few(world, table, (60, 40)) if not f.path]
            apply(query, filters)
            noun, word = _np(world, table, filters), world.say(target, column)
            query.select = ["COUNT(*)"]
            how = "the same" if same else rng.choice(("a different", "another"))
            one, two = (p[-1].words[0] if p[-1].words else world.noun(target, plural=False) for p in (first, second))  # type: ignore[attr-defined]
            text = rng.choice(
                (
                    f"How many {noun} have {how} {word} for the {one} and the {two}?",
                    f"number of {noun} where {one} and {two} are in {how} {word}",
                    f"How many {noun} go to {how} {word} than where the customer lives?"
                    if not same
                    else f"How many {noun} stay in the {word} of the customer?",
                )
            )
            return Asked("two_roads", text, query.sql())
    return None


KINDS: tuple[tuple[Callable[[World], Asked | None], int], ...] = (
    (aggregate, 12),
    (count_and_part, 3),
    (first_last_date, 7),
    (group_figure, 9),
    (having, 10),
    (extreme_rows, 10),
    (sorted_list, 6),
    (distinct, 5),
    (distinct_parents, 5),
    (existence, 12),
    (both_sides, 3),
    (counts_with_zero, 4),
    (above_average, 4),
    (share, 7),
    (measure_share, 3),
    (average_per_parent, 3),
    (bands, 4),
    (compare_columns, 5),
    (hierarchy, 8),
    (lookup, 24),
    (list_with_parent, 9),
    (distinct_ancestors, 5),
    (period_average, 2),
    (running_or_rank, 2),
    (latest_of_child, 4),
    (average_value_per_parent, 2),
    (other_place, 1),
)


def draw_kind(world: World) -> Asked | None:
    """Draw one question of any kind."""
    makers = [maker for maker, _ in KINDS]
    return world.rng.choices(makers, [weight for _, weight in KINDS])[0](world)
