"""Questions for different things, each once: values, parents, ancestors, pairs, what two kinds of rows share."""

from __future__ import annotations

from functools import partial

from assistant.writing import plural
from training.datagen.dimensions import draw_dimension
from training.datagen.filters import noun_phrase, restrict
from training.datagen.lexicon import ref
from training.datagen.query import Asked, Query, quote
from training.datagen.relation_filters import draw_few, draw_filters
from training.datagen.world import World


def distinct(world: World) -> Asked | None:
    """Different values of a column: which, or how many."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.categories(t)))
    if not table:
        return None
    column = rng.choice(world.categories(table))
    word = world.say(table, column)
    filters = [f for f in draw_few(world, table) if f.column != (table, column)]
    rows = noun_phrase(world.noun(table), filters)
    query = restrict(Query(world.lexicon, table), filters)
    if rng.random() < 0.5:
        query.select = [f"COUNT(DISTINCT {ref(table, column)})"]
        text = world.word("distinct.count", values=plural(word), rows=rows)
    else:
        query.select, query.is_distinct = [ref(table, column)], True
        text = world.word("distinct.list", value=word, values=plural(word), rows=rows)
    return Asked("distinct", text, query.sql())


def distinct_parents(world: World) -> Asked | None:
    """How many different parents the rows of a kind have, alone or per group."""
    rng = world.rng
    table = world.draw_table(lambda t: any(r.child_columns for r in world.lexicon.relations.get(t, [])))
    if not table:
        return None
    relation = rng.choice([r for r in world.lexicon.relations[table] if r.child_columns])
    if len(relation.child_columns) != 1:
        return None
    filters = draw_filters(world, table, rng.choice((0, 1, 1, 2)))
    rows = noun_phrase(world.noun(table), filters)
    parents = world.parent_noun(relation, plural=True)
    query = restrict(Query(world.lexicon, table), filters)
    chosen = draw_dimension(world, table) if rng.random() < 0.4 else None
    if chosen and chosen.path[:1] != (relation,):
        chosen.apply(query)
        text = world.word("distinct_parents.group", parents=parents, rows=rows, group=chosen.words)
    else:
        text = world.word("distinct_parents.all", parents=parents, rows=rows)
    query.select.append(f"COUNT(DISTINCT {ref(table, relation.child_columns[0])})")
    return Asked("distinct_parents", text, query.sql())


def distinct_ancestors(world: World) -> Asked | None:
    """Which parents have rows of a kind below them, each once: products ordered by customers from Italy."""
    rng, labels = world.rng, world.lexicon.labels
    table = world.draw_table(lambda t: any(p and labels.get(p[-1].target) for p in world.paths(t)))
    if not table:
        return None
    path = rng.choice([p for p in world.paths(table) if p and labels.get(p[-1].target)])
    target = path[-1].target
    filters = draw_filters(world, table, rng.choices((1, 2), (65, 35))[0])
    if not filters or any(f.needs_alias for f in filters):
        return None
    query = restrict(Query(world.lexicon, table), filters)
    query.select, query.is_distinct = [ref(query.follow(path), labels[target])], True
    parents, rows = world.parent_noun(path[-1], plural=True), noun_phrase(world.noun(table), filters)
    once = world.word("distinct_ancestors.once")
    parent = partial(world.parent_noun, path[-1])
    text = world.word("distinct_ancestors.ask", parents=parents, parent=parent, rows=rows, once=once)
    return Asked("distinct_ancestors", text, query.sql())


def names_of(world: World) -> Asked | None:
    """A column of rows of a kind: each value once where the question says so, else as often as it occurs."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.repeated(t)))
    if not table:
        return None
    column = rng.choice([*world.repeated(table) * 2, *world.figures(table)])
    drawn = draw_filters(world, table, rng.choices((1, 2), (75, 25))[0])
    filters = [f for f in drawn if f.column not in world.same_values(table, column)]
    if not filters:
        return None
    rows, word = noun_phrase(world.noun(table), filters), world.say(table, column)
    query = restrict(Query(world.lexicon, table, select=[ref(table, column)]), filters)
    slots = {"value": word, "values": plural(word), "rows": rows}
    if rng.random() < 0.5:
        return Asked("names_plain", world.word("names_of.plain", **slots), query.sql())
    query.is_distinct = True
    text = world.word("names_of.distinct", different=world.word("names_of.different"), **slots)
    return Asked("names_distinct", text, query.sql())


def distinct_pairs(world: World) -> Asked | None:
    """Different pairs of two columns, listed or counted."""
    rng = world.rng
    table = world.draw_table(lambda t: len(world.categories(t)) >= 2)
    if not table:
        return None
    a, b = rng.sample(world.categories(table), 2)
    filters = [f for f in draw_few(world, table, (75, 25)) if not f.path and f.column not in {(table, a), (table, b)}]
    rows = noun_phrase(world.noun(table), filters)
    query = restrict(Query(world.lexicon, table), filters)
    query.select, query.is_distinct = [ref(table, a), ref(table, b)], True
    first, second = world.say(table, a), world.say(table, b)
    if rng.random() < 0.5:
        text = world.word("distinct_pairs.list", first=first, second=second, rows=rows)
        return Asked("distinct_pairs", text, query.sql())
    text = world.word("distinct_pairs.count", first=first, second=second, rows=rows)
    return Asked("distinct_pairs_count", text, f"SELECT COUNT(*) FROM ({query.sql()})")


def set_operation(world: World) -> Asked | None:
    """What two kinds of rows have in common, what only one of them has, or both together."""
    rng = world.rng
    table = world.draw_table(
        lambda t: bool(world.categories(t)) and len(world.categories(t)) + len(world.paths(t, 1)) > 2
    )
    chosen = draw_dimension(world, table, depth=2, kinds=("label", "category")) if table else None
    if not table or not chosen:
        return None
    columns = [column for column in world.categories(table) if (table, column) != chosen.key]
    if not columns:
        return None
    column = rng.choice(columns)
    values = rng.sample(world.texts[table, column], 2)
    parts = []
    for value in values:
        query = Query(world.lexicon, table)
        query.follow(chosen.path)
        query.select = [chosen.select[0]]
        query.filter(f"{ref(table, column)} = {quote(value)}")
        parts.append(query.sql())
    form, operator = rng.choice((("both", "INTERSECT"), ("only", "EXCEPT"), ("only", "EXCEPT"), ("either", "UNION")))
    word = world.say(table, column)
    rows = world.noun(table)
    said = [world.word("set_operation.rows", rows=rows, column=word, value=value) for value in values]
    text = world.word(
        f"set_operation.{form}", group=chosen.words, groups=plural(chosen.words), first=said[0], second=said[1]
    )
    return Asked("set_operation", text, f" {operator} ".join(parts))
