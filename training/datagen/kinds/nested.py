"""Questions with a question inside, answered by a subquery or a common table expression.

The highest with all ties, above the average of the own group, the same as another row, groups above the average group,
rows of the top few groups.
"""

from __future__ import annotations

from assistant.naming import aliases, write_name
from assistant.writing import plural
from training.datagen.dimensions import draw_dimension
from training.datagen.filters import noun_phrase, restrict
from training.datagen.lexicon import ref
from training.datagen.phrases import say_number
from training.datagen.query import Asked, Query, quote
from training.datagen.relation_filters import draw_few
from training.datagen.world import World

MAX_SCANNED_ROWS = 1500
"""Rows of a table that may be read anew for each of its rows."""


def extreme_ties(world: World) -> Asked | None:
    """All rows that have the highest or lowest value of a column."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t)) and bool(world.label(t)))
    label = world.label(table) if table else None
    if not table or not label:
        return None
    column, is_top = rng.choice(world.figures(table)), rng.random() < 0.65
    filters = [f for f in draw_few(world, table, (70, 30)) if not f.path and not f.needs_alias]
    inner = restrict(Query(world.lexicon, table), filters)
    target = ref(table, column)
    inner.select = [f"{'MAX' if is_top else 'MIN'}({target})"]
    query = restrict(Query(world.lexicon, table), filters)
    query.select = [ref(table, label)] + ([target] if rng.random() < 0.4 else [])
    query.filter(f"{target} = ({inner.sql()})")
    which = world.word("extreme_rows.highest" if is_top else "extreme_rows.lowest")
    shows = "extreme_ties.with_value" if len(query.select) > 1 else "extreme_ties.label_only"
    word = world.say(table, column)
    tail = world.word(shows, label=world.saying(table, label), figure=word)
    text = world.word(
        "extreme_ties.ask", rows=noun_phrase(world.noun(table), filters), which=which, figure=word, tail=tail
    )
    return Asked("extreme_ties", text, query.sql())


def above_group_average(world: World) -> Asked | None:
    """Rows whose figure is above the average of the rows of their own kind: a correlated subquery."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t)) and bool(world.label(t)) and bool(_own_groups(world, t)))
    label = world.label(table) if table else None
    if not table or not label:
        return None
    column, (group, words) = rng.choice(world.figures(table)), rng.choice(_own_groups(world, table))
    alias = aliases(tuple(t.name for t in world.lexicon.schema.tables))[table]
    other = f"{alias}2"
    is_above = rng.random() < 0.7
    inner = (
        f"SELECT AVG({other}.{write_name(column)}) FROM {write_name(table)} {other}"
        f" WHERE {other}.{write_name(group)} = {ref(table, group)}"
    )
    query = Query(world.lexicon, table, needs_alias=True)
    is_count = rng.random() < 0.25
    query.select = ["COUNT(*)"] if is_count else [ref(table, label)]
    query.filter(f"{ref(table, column)} {'>' if is_above else '<'} ({inner})")
    than = world.word("above_average.above" if is_above else "above_average.below")
    text = world.word(
        f"above_group_average.{'count' if is_count else 'list'}",
        rows=world.noun(table), figure=world.saying(table, column), than=than, group=words,
    )  # fmt: skip
    return Asked("above_group_average", text, query.sql())


def _own_groups(world: World, table: str) -> list[tuple[str, str]]:
    """List the columns of a table that put its rows into groups, with what a group is called."""
    if world.rows.get(table, 0) > MAX_SCANNED_ROWS:
        return []  # the subquery runs for each row
    found = [(column, world.lexicon.words[table, column][0]) for column in world.categories(table)]
    for relation in world.lexicon.relations.get(table, []):
        if len(relation.child_columns) == 1:
            noun = relation.words[0] if relation.words else world.lexicon.nouns[relation.target][0]
            found.append((relation.child_columns[0], noun))
    return found


def same_as(world: World) -> Asked | None:
    """Rows that have the same value as a named row, or a higher or lower one."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.lexicon.labels.get(t)) and bool(_compared(world, t)))
    label = world.lexicon.labels.get(table) if table else None
    names = world.texts.get((table, label), []) if table and label else []
    if not table or not label or not names:
        return None
    column, is_figure = rng.choice(_compared(world, table))
    name = rng.choice(names)
    inner = f"SELECT {write_name(column)} FROM {write_name(table)} WHERE {write_name(label)} = {quote(name)}"
    query = Query(world.lexicon, table)
    query.select = ["COUNT(*)"] if rng.random() < 0.2 else [ref(table, label)]
    form = rng.choice(("higher", "lower")) if is_figure else "same"
    if is_figure:
        # With several rows of that name, those above every one of them are meant: one is enough to compare with.
        aggregate = "MAX" if form == "higher" else "MIN"
        inner = inner.replace(f"SELECT {write_name(column)}", f"SELECT {aggregate}({write_name(column)})", 1)
        query.filter(f"{ref(table, column)} {'>' if form == 'higher' else '<'} ({inner})")
    else:
        query.filter(f"{ref(table, column)} IN ({inner})", f"{ref(table, label)} <> {quote(name)}")
    kind = "count" if query.select == ["COUNT(*)"] else "list"
    text = world.word(f"same_as.{form}_{kind}", rows=world.noun(table), name=name, column=world.saying(table, column))
    return Asked("same_as", text, query.sql())


def _compared(world: World, table: str) -> list[tuple[str, bool]]:
    """List the columns by which a row is compared with another, and whether they are numbers."""
    return [(c, False) for c in world.categories(table)] + [(c, True) for c in world.figures(table)]


def groups_above_average(world: World) -> Asked | None:
    """Groups with more rows than the average group: a common table expression, used twice."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.categories(t)) or len(world.paths(t, 1)) > 1)
    chosen = draw_dimension(world, table, depth=2, kinds=("label", "category")) if table else None
    if not table or not chosen:
        return None
    filters = [f for f in draw_few(world, table, (65, 35)) if f.column != chosen.key]
    figure = rng.choice(world.figures(table)) if world.figures(table) and rng.random() < 0.35 else ""
    query = restrict(Query(world.lexicon, table), filters)
    query.follow(chosen.path)
    query.select = [
        f"{chosen.select[0]} AS grouped",
        f"{f'SUM({ref(table, figure)})' if figure else 'COUNT(*)'} AS total",
    ]
    query.group = list(chosen.group)
    is_above = rng.random() < 0.75
    shown = "grouped, total" if rng.random() < 0.4 else "grouped"
    sql = (
        f"WITH totals AS ({query.sql()}) SELECT {shown} FROM totals"
        f" WHERE total {'>' if is_above else '<'} (SELECT AVG(total) FROM totals)"
    )
    rows = noun_phrase(world.noun(table), filters)
    word = world.say(table, figure) if figure else ""
    shows = world.word("groups_above_average.shown") if "total" in shown else ""
    name = ("figure_" if figure else "rows_") + ("more" if is_above else "fewer")
    text = world.word(
        f"groups_above_average.{name}", group=chosen.words, groups=plural(chosen.words), rows=rows, figure=word,
        shows=shows,
    )  # fmt: skip
    return Asked("groups_above_average", text, sql)


def rows_of_top_groups(world: World) -> Asked | None:
    """A figure over the rows of the few groups that have the most of them."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t)) and bool(_parents(world, t)))
    if not table:
        return None
    column, parents = rng.choice(_parents(world, table))
    figure, number = rng.choice(world.figures(table)), rng.choice((2, 3, 3, 5, 10))
    inner = Query(world.lexicon, table, select=[f"{ref(table, column)} AS item"], group=[ref(table, column)])
    inner.order, inner.limit = ["COUNT(*) DESC"], number
    function = rng.choice(("AVG", "AVG", "SUM", "MAX"))
    query = Query(world.lexicon, table, select=[f"{function}({ref(table, figure)})"])
    query.filter(f"{ref(table, column)} IN (SELECT item FROM best)")
    text = world.word(
        "rows_of_top_groups.ask", number=say_number(rng, number), groups=plural(parents), rows=world.noun(table),
        aggregate=world.word(f"aggregate.{function}"), figure=world.say(table, figure),
    )  # fmt: skip
    return Asked("rows_of_top_groups", text, f"WITH best AS ({inner.sql()}) {query.sql()}")


def _parents(world: World, table: str) -> list[tuple[str, str]]:
    """List the columns that point at a parent, with what it is called."""
    return [
        (r.child_columns[0], r.words[0] if r.words else world.lexicon.nouns[r.target][0])
        for r in world.lexicon.relations.get(table, [])
        if len(r.child_columns) == 1
    ]
