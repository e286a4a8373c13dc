"""Questions for a part of a whole, and for averages over a number of things."""

from __future__ import annotations

from assistant.naming import write_name
from assistant.writing import plural
from training.datagen.column_filters import condition_filter, own_filter
from training.datagen.dimensions import draw_dimension
from training.datagen.filters import noun_phrase, restrict
from training.datagen.lexicon import ref
from training.datagen.measures import measure_base, measure_filters, measure_query
from training.datagen.query import Asked, Query
from training.datagen.relation_filters import draw_few
from training.datagen.world import World


def share(world: World) -> Asked | None:
    """What percentage or fraction of rows is of a kind, overall or per group."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.categories(t)) or bool(world.lexicon.conditions.get(t)))
    if not table:
        return None
    part = rng.choice((own_filter, condition_filter))(world, table, table)
    if part is None or part.path or part.needs_alias or " AND " in part.sql:
        return None
    filters = [f for f in draw_few(world, table, (60, 40)) if f.column != part.column]
    whole, kind = noun_phrase(world.noun(table), filters), noun_phrase(world.noun(table), [part])
    query = restrict(Query(world.lexicon, table), filters)
    figure, name, digits = _fraction(world, part.sql)
    by = ""
    if rng.random() < 0.5:
        chosen = draw_dimension(world, table)
        if chosen is None or chosen.key == part.column:
            return None
        chosen.apply(query)
        by = world.word("share.by", group=chosen.words)
    query.select.append(figure)
    slots = {"share": name, "whole": whole, "part": kind, "words": part.words, "by": by, "digits": digits}
    if part.is_before and not part.noun:
        text = world.word("share.ask", "share.ask_before", rows=lambda: world.noun(table), **slots)
    else:
        text = world.word("share.ask", "share.ask_after", **slots)
    return Asked("share", text, query.sql())


def _fraction(world: World, condition: str) -> tuple[str, str, str]:
    """Write the part of rows for which a condition holds: its SQL, its name, and the words for the rounding."""
    is_percent = world.rng.random() < 0.75
    digits = world.rng.choice((None, None, 1, 1, 2, 0)) if is_percent else None
    figure = f"{'100.0' if is_percent else '1.0'} * SUM({condition}) / COUNT(*)"
    rounding = {places: world.word(f"share.digits_{places}") for places in (0, 1, 2)}
    name = world.word("share.percent" if is_percent else "share.fraction")
    if not is_percent:
        return figure, name, world.word("share.between_0_and_1")
    if digits is None:
        return figure, name, ""
    return f"ROUND({figure}, {digits})", name, rounding[digits]


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
    parts, said = measure_filters(world, base, measure, 1)
    if not parts or parts[0].needs_alias or parts[0].column == measure.filter_column:
        return None
    part = parts[0]
    others, others_said = measure_filters(world, base, measure, rng.choices((0, 1), (70, 30))[0])
    others = tuple(f for f in others if f.column not in (part.column, measure.filter_column))
    query = measure_query(world, base, measure)
    query.follow(part.path)
    restrict(query, others)
    body = measure.sql.removeprefix("SUM(").removesuffix(")")
    digits = rng.choice((None, 1, 2))
    figure = f"100.0 * SUM(CASE WHEN {part.sql} THEN {body} ELSE 0 END) / {measure.sql}"
    query.select = [f"ROUND({figure}, {digits})" if digits else figure]
    word = rng.choice(measure.words)
    rounding = world.word(f"measure_share.digits_{digits}") if digits else ""
    more = " ".join(["", *others_said]) if others else ""
    text = world.word("measure_share.ask", figure=word, part=said[0], more=more, digits=rounding)
    return Asked("measure_share", text, query.sql())


def average_per_parent(world: World) -> Asked | None:
    """How many rows a parent has on average: among those that have any, or among all."""
    rng = world.rng
    table = world.draw_table(lambda t: any(len(r.child_columns) == 1 for r in world.lexicon.relations.get(t, [])))
    if not table:
        return None
    relation = rng.choice([r for r in world.lexicon.relations[table] if len(r.child_columns) == 1])
    filters = [f for f in draw_few(world, table, (65, 35)) if not f.path and not f.needs_alias]
    rows, parent = noun_phrase(world.noun(table), filters), world.parent_noun(relation)
    parents = plural(parent)
    query = restrict(Query(world.lexicon, table), filters)
    if rng.random() < 0.6:
        query.select = [f"1.0 * COUNT(*) / COUNT(DISTINCT {ref(table, relation.child_columns[0])})"]
        only = world.word("average_per_parent.only", parents=parents)
        text = world.word("average_per_parent.ask", rows=rows, parent=parent, only=only)
        return Asked("average_per_parent", text, query.sql())
    query.select = ["COUNT(*)"]
    text = world.word(
        "average_per_all.ask", rows=rows, parent=parent, all=world.word("average_per_all.all", parents=parents)
    )
    return Asked("average_per_all", text, f"SELECT 1.0 * ({query.sql()}) / COUNT(*) FROM {write_name(relation.target)}")
