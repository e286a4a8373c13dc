"""Questions about rows that point here: with or without them, how many, the latest, and rows reached by two roads."""

from __future__ import annotations

import re

from training.datagen.dimensions import draw_dimension
from training.datagen.filters import NOUN, Filter, noun_phrase, restrict
from training.datagen.lexicon import Relation, ref
from training.datagen.query import Asked, Query
from training.datagen.relation_filters import child_filter, draw_few, draw_filters
from training.datagen.world import Path, World


def existence(world: World) -> Asked | None:
    """Rows with or without rows of another table: semi-joins and anti-joins, as a list, a count or per group."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.children(t)))
    found = child_filter(world, table, negated=rng.random() < 0.62) if table else None
    label = world.label(table) if table else None
    if not table or not found or not label:
        return None
    filters = [found, *draw_filters(world, table, rng.choices((0, 1), (65, 35))[0])]
    if rng.random() < 0.1:
        second = child_filter(world, table)
        if second and second.column != found.column:
            filters.append(second)
    rows = noun_phrase(world.noun(table), filters)
    query = restrict(Query(world.lexicon, table), filters)
    draw = rng.random()
    if draw < 0.38:
        query.select = ["COUNT(*)"]
        text = world.word("existence.count", rows=rows)
    elif draw < 0.58:
        chosen = draw_dimension(world, table, kinds=("category", "label"))
        if not chosen:
            return None
        chosen.apply(query)
        query.select.append("COUNT(*)")
        text = world.word("existence.group", rows=rows, group=chosen.words)
    else:
        query.select = [ref(table, label)]
        names = "existence.by_name" if label == world.lexicon.labels.get(table) else "existence.by_key"
        text = world.word("existence.list", names, "existence.once", rows=rows, label=world.saying(table, label))
        if rng.random() < 0.35 and len(filters) == 1:
            text = world.word("existence.doing", rows=world.noun(table), verb=_having(found))
    return Asked("existence", text, query.sql())


def _having(found: Filter) -> str:
    """Say as a verb that rows have others: "without any orders" becomes "have no orders"."""
    words = found.pattern.removeprefix(f"{NOUN} ").removeprefix("that ").removeprefix("who ")
    first, _, rest = words.partition(" ")
    verb = {"without": "have no", "with": "have", "having": "have"}.get(first, first)
    return re.sub(r"\bhave no (any|an|a) ", "have no ", f"{verb} {rest}")


def both_sides(world: World) -> Asked | None:
    """Rows with one kind of other row and without (or with) another kind."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.children(t)))
    if not table:
        return None
    first, second = child_filter(world, table, negated=False), child_filter(world, table, negated=rng.random() < 0.7)
    label = world.label(table)
    if not first or not second or not label or first.sql.removeprefix("NOT ") == second.sql.removeprefix("NOT "):
        return None
    rows = world.noun(table)
    query = restrict(Query(world.lexicon, table), [first, second])
    joined = world.word("both_sides.joined", first=first.words, second=second.words)
    is_count = rng.random() < 0.5
    query.select = ["COUNT(*)" if is_count else ref(table, label)]
    text = world.word("both_sides.count" if is_count else "both_sides.list", rows=rows, joined=joined)
    return Asked("both_sides", text, query.sql())


def counts_with_zero(world: World) -> Asked | None:
    """The number of other rows for each row, zero included."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.children(t)) and bool(world.label(t)))
    if not table:
        return None
    relation = rng.choice(world.children(table))
    label, key = world.label(table), world.lexicon.key_of(table)
    child_key = world.lexicon.key_of(relation.table)
    if not label or not key or not child_key:
        return None
    filters = [f for f in draw_filters(world, table, rng.choices((0, 1), (60, 40))[0], depth=1) if not f.needs_alias]
    if _reaches(filters, relation):
        return None
    query = restrict(Query(world.lexicon, table), filters)
    pairs = zip(relation.child_columns, relation.parent_columns, strict=True)
    on = " AND ".join(f"{ref(relation.table, a)} = {ref(table, b)}" for a, b in pairs)
    query.joins[relation.table] = Relation(table, relation.table, relation.table, on, ())
    query.left.add(relation.table)
    query.select = [ref(table, label), f"COUNT({ref(relation.table, child_key)})"]
    query.group = [ref(table, key), ref(table, label)] if label != key else [ref(table, key)]
    children = world.as_role(relation, world.noun(relation.table))
    row = noun_phrase(world.noun(table, plural=False), filters, is_plural=False)
    rows = noun_phrase(world.noun(table), filters)
    zero = world.word("counts_with_zero.zero", rows=lambda: world.noun(table))
    text = world.word("counts_with_zero.ask", children=children, row=row, rows=rows, zero=zero)
    return Asked("counts_with_zero", text, query.sql())


def latest_of_child(world: World) -> Asked | None:
    """For each row the first or last date of the rows that point at it."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(_dated_children(world, t)) and bool(world.label(t)))
    if not table:
        return None
    relation = rng.choice(_dated_children(world, table))
    label, key = world.label(table), world.lexicon.key_of(table)
    if not label or not key:
        return None
    date = ref(relation.table, world.dates(relation.table)[0])
    filters = draw_filters(world, table, rng.choices((0, 1), (45, 55))[0])
    is_last = rng.random() < 0.7
    if any(f.needs_alias for f in filters) or relation.instance != relation.target or _reaches(filters, relation):
        return None
    query = Query(world.lexicon, relation.table)
    query.follow((relation,))
    for chosen in filters:
        query.follow((relation, *chosen.path))
        query.filter(chosen.sql)
    query.select = [ref(table, label), f"{'MAX' if is_last else 'MIN'}({date})"]
    query.group = [ref(table, key), ref(table, label)] if label != key else [ref(table, key)]
    noun, rows = world.noun(table, plural=False), noun_phrase(world.noun(table), filters)
    child = world.as_role(relation, world.noun(relation.table, plural=False))
    which = world.word("latest_of_child.last" if is_last else "latest_of_child.first")
    row = noun_phrase(noun, filters, is_plural=False)
    text = world.word(
        "latest_of_child.ask", rows=rows, row=row, label=world.saying(table, label), which=which, child=child
    )
    return Asked("latest_of_child", text, query.sql())


def _reaches(filters: list[Filter], relation: Relation) -> bool:
    """Tell whether filters lead to the table of the rows that are counted, which would be another row of it."""
    return any(step.target == relation.table for chosen in filters for step in chosen.path)


def _dated_children(world: World, table: str) -> list[Relation]:
    """List the relations by which dated rows point at a table, details left out."""
    return [r for r in world.children(table) if world.dates(r.table) and not world.lexicon.is_detail(r.table)]


def two_roads(world: World) -> Asked | None:
    """Rows that reach one table by two roads that disagree: shipped to another country than the customer's own."""
    for table in world.lexicon.relations:
        roads: dict[str, dict[str, Path]] = {}
        for path in world.paths(table, 2):
            if path:
                roads.setdefault(path[-1].target, {})[path[-1].instance] = path
        for target, found in sorted(roads.items()):
            if len(found) >= 2 and world.categories(target):
                first, second = list(found.values())[:2]
                return _ask_two_roads(world, table, first, second)
    return None


def _ask_two_roads(world: World, table: str, first: Path, second: Path) -> Asked:
    """Ask how many rows have the same value, or another one, at the ends of two roads."""
    rng = world.rng
    target = first[-1].target
    column = rng.choice(world.categories(target))
    query = Query(world.lexicon, table)
    a, b = query.follow(first), query.follow(second)
    is_same = rng.random() < 0.3
    query.filter(f"{ref(a, column)} {'=' if is_same else '<>'} {ref(b, column)}")
    filters = [f for f in draw_few(world, table, (60, 40)) if not f.path]
    restrict(query, filters)
    query.select = ["COUNT(*)"]
    rows, word = noun_phrase(world.noun(table), filters), world.say(target, column)
    how = world.word("two_roads.same" if is_same else "two_roads.other")
    one, two = (p[-1].words[0] if p[-1].words else world.noun(target, plural=False) for p in (first, second))
    last = "two_roads.ask_same" if is_same else "two_roads.ask_other"
    text = world.word("two_roads.ask", last, rows=rows, how=how, column=word, first=one, second=two)
    return Asked("two_roads", text, query.sql())
