"""Questions for the groups that are first by a figure of their rows, for details of them, and for repeated values."""

from __future__ import annotations

from assistant.writing import plural
from training.datagen.dimensions import Dimension, draw_dimension
from training.datagen.filters import noun_phrase, restrict
from training.datagen.lexicon import Relation, ref
from training.datagen.phrases import comparison, say_number
from training.datagen.query import Asked, Query
from training.datagen.relation_filters import draw_few
from training.datagen.world import World

FUNCTIONS = ("AVG", "AVG", "AVG", "SUM", "MAX", "MIN")
_TIMES = {"> 1": "once", ">= 2": "twice"}
"""Numbers of occurrences that have words of their own."""
_SIZES = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0)


def top_by_figure(world: World) -> Asked | None:
    """The groups whose rows have the highest average, total, highest or lowest figure."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t)) and bool(_groups(world, t)))
    chosen = _draw_group(world, table) if table else None
    if not table or not chosen:
        return None
    column, function, is_top = rng.choice(world.figures(table)), rng.choice(FUNCTIONS), rng.random() < 0.75
    filters = [f for f in draw_few(world, table, (60, 40)) if f.column not in world.same_values(*chosen.key)]
    query = restrict(Query(world.lexicon, table), filters)
    chosen.apply(query)
    limit = rng.choice(_limits(world, chosen, (1, 1, 1, 3, 3, 5, 10)))
    is_bare = limit == 1 or rng.random() < 0.5
    _rank(world, query, table, column, function, limit, is_top=is_top)
    if not is_bare:
        query.select.append(f"{function}({ref(table, column)})")
    names = ["top_by_figure.one"] if limit == 1 else ["top_by_figure.several"]
    if is_bare and limit > 1:
        names = ["top_by_figure.alone", *(["top_by_figure.names"] if _has_names(world, chosen) else [])]
    text = world.word(
        *names,
        number=say_number(rng, limit), group=chosen.words, groups=plural(chosen.words),
        rows=noun_phrase(world.noun(table), filters), which=_which(world, is_top=is_top),
        figure=f"{world.word(f'top_by_figure.{function}')} {world.say(table, column)}",
    )  # fmt: skip
    return Asked("top_by_figure", text, query.sql())


def value_of_top(world: World) -> Asked | None:
    """A detail of the parent whose rows are first: the colour of the grape whose wines have the highest price."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(_parents(world, t)))
    relation = rng.choice(_parents(world, table)) if table else None
    if not table or not relation:
        return None
    target, label = relation.target, world.lexicon.labels.get(relation.target)
    figure = rng.choice(world.figures(table)) if world.figures(table) and rng.random() < 0.7 else ""
    column = rng.choice([c for c in world.shown_columns(target) if c not in (label, world.lexicon.key_of(target))])
    filters = [f for f in draw_few(world, table, (75, 25)) if not f.path]
    query = restrict(Query(world.lexicon, table), filters)
    instance = query.follow((relation,))
    key = ref(instance, world.lexicon.key_of(target) or "")
    shows_name = bool(label) and rng.random() < 0.25
    query.select = [*([ref(instance, label or "")] if shows_name else []), ref(instance, column)]
    query.group = [key, *query.select]
    # Many parents share the smallest number of rows, and any of them could be meant.
    function, is_top = rng.choice(FUNCTIONS), rng.random() < (0.75 if figure else 0.95)
    _rank(world, query, table, figure, function if figure else "", 1, is_top=is_top)
    word = world.say(target, column)
    parent = world.parent_noun(relation)
    text = world.word(
        "value_of_top.figure" if figure else "value_of_top.count",
        columns=world.join_words([world.say(target, label or ""), word]) if shows_name else word, parent=parent,
        rows=noun_phrase(world.noun(table), filters), which=_which(world, is_top=is_top),
        figure=f"{world.word(f'top_by_figure.{function}')} {world.say(table, figure)}" if figure else "",
        most=world.word("ask_top.most" if is_top else "ask_top.least"),
    )  # fmt: skip
    return Asked("value_of_top", text, query.sql())


def names_of_top(world: World) -> Asked | None:
    """The names, without the number, of the few groups that have the most rows."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(_groups(world, t)))
    chosen = _draw_group(world, table) if table else None
    if not table or not chosen:
        return None
    filters = [f for f in draw_few(world, table, (40, 60)) if f.column not in world.same_values(*chosen.key)]
    query = restrict(Query(world.lexicon, table), filters)
    chosen.apply(query)
    limits = [limit for limit in _limits(world, chosen, (2, 3, 3, 3, 5, 5, 10)) if limit > 1]
    if not limits:
        return None
    limit, is_top = rng.choice(limits), rng.random() < 0.8
    _rank(world, query, table, "", "", limit, is_top=is_top)
    text = world.word(
        "names_of_top.alone", *(["names_of_top.names"] if _has_names(world, chosen) else []),
        number=say_number(rng, limit), group=chosen.words, groups=plural(chosen.words),
        rows=noun_phrase(world.noun(table), filters), most=world.word("ask_top.most" if is_top else "ask_top.least"),
        top=world.word("ask_top.top" if is_top else "ask_top.bottom"),
    )  # fmt: skip
    return Asked("names_of_top", text, query.sql())


def values_by_count(world: World) -> Asked | None:
    """Values of a column that occur more than, exactly or at most so many times."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.repeated(t)))
    if not table:
        return None
    column = rng.choice(world.repeated(table))
    mean = world.rows[table] / world.distinct[table, column]
    sizes = sorted({float(max(1, round(mean * size))) for size in _SIZES} | {1.0, 2.0})
    words, sql = comparison(rng, sizes, is_count=True)
    filters = [f for f in draw_few(world, table, (65, 35)) if f.column not in world.same_values(table, column)]
    query = restrict(Query(world.lexicon, table), filters)
    target, word = ref(table, column), world.say(table, column)
    query.select, query.group, query.having = [target], [target], [f"COUNT(*) {sql}"]
    shows_number = rng.random() < 0.4
    if shows_number:
        query.select.append("COUNT(*)")
    rows, values = noun_phrase(world.noun(table), filters), plural(word)
    if column != world.lexicon.labels.get(table) and rng.random() < 0.5:
        name = "having_count.with_number" if shows_number else "having_count.alone"
        text = world.word(name, group=word, groups=values, words=words, rows=rows)
        return Asked("values_by_count", text, query.sql())
    times = world.word(f"values_by_count.{_TIMES[sql]}") if sql in _TIMES else f"{words} times"
    shown = world.word("values_by_count.shown") if shows_number else ""
    text = world.word("values_by_count.ask", value=word, values=values, rows=rows, times=times, shown=shown)
    return Asked("values_by_count", text, query.sql())


def _limits(world: World, chosen: Dimension, limits: tuple[int, ...]) -> list[int]:
    """Leave out numbers of groups that there are not more of than that; one is always allowed."""
    count = world.distinct.get(chosen.key, 0)
    return [limit for limit in limits if limit == 1 or limit < count] or [1]


def _has_names(world: World, chosen: Dimension) -> bool:
    """Tell whether groups go by a name: what is none is not asked for as one."""
    return chosen.key[1] == world.lexicon.labels.get(chosen.key[0]) and not chosen.words.endswith("name")


def _which(world: World, *, is_top: bool) -> str:
    return world.word("top_by_figure.highest" if is_top else "top_by_figure.lowest")


def _rank(
    world: World, query: Query, table: str, column: str, function: str, limit: int, *, is_top: bool
) -> None:  # fmt: skip
    """Put groups in an order by a figure, or by the number of their rows, and take the first."""
    target = ref(table, column) if column else ""
    if column and (table, column) in world.nullable:
        query.filter(f"{target} IS NOT NULL")
    query.order = [f"{f'{function}({target})' if column else 'COUNT(*)'}{' DESC' if is_top else ''}"]
    query.limit = limit


def _parents(world: World, table: str) -> list[Relation]:
    """List the relations to parents that have a single key and something to tell beside their name."""
    lexicon = world.lexicon
    return [
        path[0]
        for path in world.paths(table, 1)
        if path
        and path[0].child_columns
        and world.rows.get(table, 0) > world.rows.get(path[0].target, 0)
        and (key := lexicon.key_of(path[0].target))
        and set(world.shown_columns(path[0].target)) - {key, lexicon.labels.get(path[0].target)}
    ]


def _groups(world: World, table: str) -> list[str]:
    """List what rows can be grouped by, roughly."""
    return [*world.repeated(table), *(path[0].target for path in world.paths(table, 1) if path)]


def _draw_group(world: World, table: str) -> Dimension | None:
    """Draw a parent, a category, or any column of texts that occur again and again."""
    columns = [column for column in world.repeated(table) if column != world.lexicon.labels.get(table)]
    if columns and world.rng.random() < 0.4:
        column = world.rng.choice(columns)
        target = ref(table, column)
        return Dimension(world.say(table, column), (target,), (target,), (), (table, column))
    return draw_dimension(world, table, depth=2, kinds=("label", "category"))
