"""Questions for details: of one named or numbered row, of what belongs to it, and of rows with their parents."""

from __future__ import annotations

from training.datagen.entities import Entity, draw_entity
from training.datagen.filters import noun_phrase, restrict
from training.datagen.fitting import draws, entity_question
from training.datagen.lexicon import AGAIN, ref
from training.datagen.query import Asked, Query
from training.datagen.relation_filters import draw_filters
from training.datagen.world import Path, World

_BEFORE_VERBS = ("who ", "were ", "was ", "whose ")
_PAST_VERBS = ("born", "made", "sent")


def lookup(world: World) -> Asked | None:
    """Details of one named or numbered row, from its own table or one nearby."""
    table = world.draw_table(lambda t: bool(world.label(t)))
    if not table:
        return None
    found = draw_entity(world, table, table)
    if found is None or not found.literal:
        return None
    if found.column[1] not in {world.lexicon.labels.get(table), world.lexicon.key_of(table)}:
        return None
    children = [r for r in world.children(table) if world.lexicon.table(r.table).columns]
    if children and world.rng.random() < 0.5:
        return _lookup_children(world, table, (world.rng.choice(children),), found)
    return _lookup_own(world, table, found)


def _lookup_children(world: World, table: str, path: Path, found: Entity) -> Asked | None:
    """Ask for what belongs to a row."""
    rng, relation = world.rng, path[0]
    child = relation.table
    columns = world.draw_details(child)
    if not columns:
        return None
    query = Query(world.lexicon, child)
    key = world.lexicon.key_of(table)
    if found.column == (table, key) and relation.parent_columns == (key,):
        query.filter(f"{ref(child, relation.child_columns[0])} = {found.literal}")
    else:
        query.follow(path)
        query.filter(found.sql.replace(ref(table, ""), ref(relation.instance, "")))
    drawn = draw_filters(world, child, rng.choices((0, 1), (70, 30))[0], depth=0)
    filters = [f for f in drawn if not f.path and not f.needs_alias]
    restrict(query, filters)
    words = world.join_words([world.say(child, column) for column in columns])
    rows = world.as_role(relation, noun_phrase(world.noun(child), filters))
    if rng.random() < 0.3:
        query.select = ["COUNT(*)"]
        return Asked("lookup_count", world.word("lookup_count.ask", entity=found.words, rows=rows), query.sql())
    query.select = [ref(child, column) for column in columns]
    is_detail = world.lexicon.is_detail(child)
    if is_detail and len(columns) == 1 and (child, columns[0]) in world.nullable:
        query.filter(f"{ref(child, columns[0])} IS NOT NULL")
    if is_detail and not filters and rng.random() < 0.6:
        last = "lookup_detail.reach" if "phone" in words or "mail" in words else "lookup_detail.other"
        return Asked(
            "lookup_detail", world.word("lookup_detail.ask", last, entity=found.words, columns=words), query.sql()
        )
    last = "lookup_children.one_column" if len(columns) == 1 else "lookup_children.columns"
    text = world.word("lookup_children.ask", last, entity=found.words, rows=rows, columns=words)
    return Asked("lookup_children", text, query.sql())


def _lookup_own(world: World, table: str, found: Entity) -> Asked | None:
    """Ask for columns of a row, or for the name of what it belongs to."""
    rng, labels = world.rng, world.lexicon.labels
    columns = [column for column in world.draw_details(table) if column != found.column[1]]
    if not columns:
        return None
    query = Query(world.lexicon, table, where=[found.sql])
    query.select = [ref(table, column) for column in columns]
    parents = [path for path in world.paths(table, 1) if path and labels.get(path[0].target)]
    words = [world.say(table, column) for column in columns]
    shows_parent = bool(parents) and rng.random() < 0.4
    if shows_parent:
        path = rng.choice(parents)
        query.select = [ref(query.follow(path), labels[path[0].target])]
        words = [world.parent_noun(path[0])]
    text = world.word("lookup.ask", entity=found.words, columns=world.join_words(words))
    if len(columns) == 1 and columns[0] in world.dates(table) and not shows_parent:
        text = _ask_when(world, table, columns[0], found) or text
    if len(columns) == 1 and not shows_parent and draws(world):
        text = entity_question(world, table, columns[0], found.words) or text
    return Asked("lookup", text, query.sql())


def _ask_when(world: World, table: str, column: str, found: Entity) -> str | None:
    """Ask for a date by the glossary's verb, if it has one: "When was order 17 shipped?"."""
    patterns = world.lexicon.patterns.get((table, column))
    if not patterns or world.rng.random() >= 0.5:
        return None
    verb = world.rng.choice(patterns).replace(" {}", "")
    for word in _BEFORE_VERBS:
        verb = verb.removeprefix(word)
    if verb.split(" ")[0].endswith("ed") or verb.startswith(_PAST_VERBS):
        return world.word("lookup.when", entity=found.words, verb=verb)
    return None


def list_with_parent(world: World) -> Asked | None:
    """Rows with columns of their parents: names of customers with their cities, lines with product and category."""
    rng, labels = world.rng, world.lexicon.labels
    table = world.draw_table(lambda t: any(path and world.label(t) for path in world.paths(t, 2)))
    if not table:
        return None
    paths = [p for p in world.paths(table, 2) if p and (labels.get(p[-1].target) or world.categories(p[-1].target))]
    if not paths:
        return None
    path = rng.choice(paths)
    target, label = path[-1].target, labels.get(path[-1].target)
    column = label if label and rng.random() < 0.7 else rng.choice(world.categories(target) or [label or ""])
    if not column:
        return None
    own, own_label = world.draw_details(table), world.label(table)
    own = own[: rng.choice((1, 1, 2, 3))] if rng.random() < 0.6 or not own_label else [own_label]
    drawn = draw_filters(world, table, rng.choices((0, 1, 2), (25, 55, 20))[0])
    filters = [
        f for f in drawn if not f.path or f.path[-1].target != target or f.path[-1].instance == path[-1].instance
    ]
    query = restrict(Query(world.lexicon, table), filters)
    instance = query.follow(path)
    parent = world.parent_noun(path[-1]) if column == label else world.say(target, column)
    if path[-1].words and column != label and (AGAIN in instance or path[-1].is_role):
        parent = f"{path[-1].prefix} {parent}"
    is_own_first = rng.random() < 0.75
    own_columns, own_words = [ref(table, c) for c in own], [world.say(table, c) for c in own]
    shown = ref(instance, column)
    query.select = [*own_columns, shown] if is_own_first else [shown, *own_columns]
    words = world.join_words([*own_words, parent] if is_own_first else [parent, *own_words])
    rows = noun_phrase(world.noun(table), filters)
    if rng.random() < 0.2:
        query.is_distinct = True
        rows += world.word("list_with_parent.once")
    return Asked("list_with_parent", world.word("list_with_parent.ask", rows=rows, columns=words), query.sql())
