"""Questions that deny what lies behind a key: not of this parent, without children of another one."""

from __future__ import annotations

import re
from collections import Counter

from training.datagen.english import with_article
from training.datagen.entities import Entity, draw_entity
from training.datagen.filters import NOUN, Filter, noun_phrase, restrict, verb_phrase
from training.datagen.lexicon import Relation
from training.datagen.qualities import find_value_class
from training.datagen.query import Asked, Query, exists, not_exists_above
from training.datagen.relation_filters import draw_few, parent_filter
from training.datagen.shown import show_rows
from training.datagen.world import Path, World

_STATES = re.compile(r"^(are|were) ")
_PLACES = ("home", "place")


def not_of_parent(world: World) -> Asked | None:
    """Rows that do not belong to something, those that belong to nothing included: "wines not from Sonoma"."""
    rng = world.rng
    table = world.draw_table(lambda t: any(world.paths(t, 2)))
    if not table:
        return None
    ends = Counter(path[-1].target for path in world.paths(table) if path)
    # Where several ways lead to one table, only a role says which is meant.
    paths = [path for path in world.paths(table, 2) if path and (path[-1].is_role or ends[path[-1].target] == 1)]
    if not paths:
        return None
    path = rng.choice(paths)
    found = draw_entity(world, path[-1].target, path[-1].instance)
    if found is None or found.value is None or found.column[1] in path[-1].parent_columns:
        return None  # what the key itself holds is denied by the key alone
    filters = [f for f in draw_few(world, table, (70, 30)) if not f.path and f.column != found.column]
    query = restrict(Query(world.lexicon, table, needs_alias=True), filters)
    query.filter(not_exists_above(world.lexicon, path, found.sql))
    verb = _deny(world, path, found)
    return Asked("not_of_parent", show_rows(world, query, noun_phrase(world.noun(table), filters), verb), query.sql())


def _deny(world: World, path: Path, found: Entity) -> str:
    """Say as a verb that rows do not belong to something."""
    table, column = found.column
    parent, value = world.parent_noun(path[-1]), found.value or ""
    roads = [path[-1].prefix] if path[-1].is_role else []
    if column == world.lexicon.labels.get(table):
        ways = [pattern.format(value) for pattern in path[0].patterns] if len(path) == 1 else []
        verbs = [verb for way in ways if (verb := verb_phrase(Filter(f"{NOUN} {way}", ""))) and _STATES.match(verb)]
        if verbs and world.rng.random() < 0.6:
            return _STATES.sub(r"\1 not ", (world.voice or world.rng).choice(verbs))
        return world.word("not_of_parent.named", parent=parent, a_parent=with_article(parent), name=value)
    is_place = not roads and find_value_class(world.lexicon, table, column) in _PLACES and world.is_plain_value(value)
    word = " ".join([*roads, world.say(table, column)])
    names = ["not_of_parent.place"] if is_place else ["not_of_parent.valued"]
    return world.word(*names, a_parent=with_article(parent), column=word, value=value)


def existence_through(world: World) -> Asked | None:
    """Rows with or without others that belong to a third thing: customers who never ordered a certain product."""
    rng = world.rng
    table = world.draw_table(lambda t: any(_leads_on(world, relation) for relation in world.children(t)))
    relations = [r for r in world.children(table) if _leads_on(world, r)] if table else []
    if not table or not relations:
        return None
    relation = rng.choice(relations)
    inner = parent_filter(world, relation.table, depth=1)
    if inner is None or inner.needs_alias or inner.path[-1].target == table:
        return None
    is_negated = rng.random() < 0.72
    filters = [f for f in draw_few(world, table, (75, 25)) if not f.path and not f.needs_alias]
    one = world.as_role(relation, noun_phrase(world.noun(relation.table, plural=False), [inner], is_plural=False))
    many = world.as_role(relation, noun_phrase(world.noun(relation.table), [inner]))
    name = "filter_child.without" if is_negated else "filter_child.with"
    pattern = world.word(name, noun=NOUN, child=one, a_child=with_article(one), children=many)
    sql = exists(world.lexicon, relation, table, [inner.sql], negated=is_negated, path=inner.path)
    found = Filter(pattern, sql, column=(relation.table, "*"), needs_alias=True)
    query = restrict(Query(world.lexicon, table), [*filters, found])
    rows = noun_phrase(world.noun(table), [*filters, found])
    return Asked("existence_through", show_rows(world, query, rows), query.sql())


def _leads_on(world: World, relation: Relation) -> bool:
    """Tell whether rows that point at a table point at another one, too."""
    return any(path and path[0].target != relation.target for path in world.paths(relation.table, 1))
