"""Restrict rows by what they belong to and by what belongs to them, and draw any restriction.

In: a World and a table. Out: Filters; the wordings are in `rows.toml` and, for relations, in the glossary.
"""

from __future__ import annotations

import re

from training.datagen.column_filters import condition_filter, own_filter
from training.datagen.english import with_article
from training.datagen.entities import draw_entity
from training.datagen.filters import NOUN, Filter, noun_phrase
from training.datagen.fitting import draws
from training.datagen.lexicon import Key, Relation, ref
from training.datagen.qualities import find_done
from training.datagen.query import exists
from training.datagen.world import World

DEED = re.compile(r"(\w+(?:ed|en|id|old|ade|ent|ept|ead|eft|ought)) by \{\}")
"""How rows are tied to whoever did something to them."""
KIND_WEIGHTS = {"own": 50, "condition": 16, "parent": 26, "child": 8}
"""How often each kind of filter is drawn."""


def draw_filters(world: World, table: str, count: int, *, avoid: tuple[Key, ...] = (), depth: int = 3) -> list[Filter]:
    """Draw up to `count` filters on different columns."""
    chosen: list[Filter] = []
    for _ in range(count * 4):
        if len(chosen) == count:
            break
        found = draw_filter(world, table, depth=depth)
        used = {f.column for f in chosen}
        # Two roads to one table in a single question would be hard to say, so only one is taken.
        ends = {f.path[-1].target for f in chosen if f.path}
        if found is None or found.column in used or found.column in avoid:
            continue
        if found.path and found.path[-1].target in ends:
            continue
        chosen.append(found)
    return chosen


def draw_few(world: World, table: str, weights: tuple[int, ...] = (55, 38, 7)) -> list[Filter]:
    """Draw no filter, one, two ...: as many as the weights have places."""
    return draw_filters(world, table, world.rng.choices(range(len(weights)), weights)[0])


def draw_filter(world: World, table: str, *, depth: int = 3) -> Filter | None:
    """Draw one filter on the rows of a table: on their own columns, their parents' or their children."""
    kind = world.rng.choices(list(KIND_WEIGHTS), list(KIND_WEIGHTS.values()))[0]
    if kind == "own":
        return own_filter(world, table, table)
    if kind == "condition":
        return condition_filter(world, table, table)
    if kind == "parent":
        return parent_filter(world, table, depth=depth)
    return child_filter(world, table)


def parent_filter(world: World, table: str, *, depth: int = 3) -> Filter | None:
    """Draw a filter on a row that the table's rows point at, one to three relations away."""
    paths = [path for path in world.paths(table, depth) if path]
    if not paths:
        return None
    path = world.rng.choices(paths, [1 / len(p) for p in paths])[0]
    found = draw_entity(world, path[-1].target, path[-1].instance)
    if found is None:
        return None
    phrase, is_value = found.words, found.is_value
    for relation in reversed(path[1:]):
        noun = world.noun(relation.table)
        phrase, is_value = f"{noun} {_link(world, relation, phrase, is_value=is_value)}", False
    link = _link(world, path[0], phrase, is_value=is_value).lstrip()
    return Filter(f"{NOUN} {link}", found.sql, path, found.column, target=found.target, value=found.value)


def _link(world: World, relation: Relation, phrase: str, *, is_value: bool) -> str:
    """Say how rows belong to what a phrase names."""
    patterns = list(relation.patterns)
    if relation.is_role:
        # The role must be said, or nobody knows which of several is meant; only one row can be it.
        return world.rng.choice(patterns if phrase[0].isupper() else patterns[:1]).format(phrase)
    if not is_value:
        # "in the {} category" wants the bare name of a category, not "the category Garden" or "categories without ...".
        nouns = world.lexicon.nouns[relation.target]
        is_name = phrase[0].isupper() and not any(noun in phrase for noun in nouns)
        patterns = [p for p in patterns if is_name or not any(noun in p for noun in nouns)] or ["of {}"]
    return world.rng.choice(patterns).format(phrase)


def child_filter(world: World, table: str, *, negated: bool | None = None) -> Filter | None:
    """Draw a filter on whether rows of another table point here: "with at least one ...", "without any ..."."""
    rng = world.rng
    children = world.children(table)
    if not children:
        return None
    relation = rng.choice(children)
    details = _missing_details(world, relation)
    if details and rng.random() < 0.7:
        return _detail_filter(world, table, relation, rng.choice(details), negated)
    inner = own_filter(world, relation.table, relation.table) if rng.random() < 0.6 else None
    if rng.random() < 0.2 and not inner:
        inner = condition_filter(world, relation.table, relation.table)
    filters = [inner] if inner else []
    is_negated = rng.random() < 0.5 if negated is None else negated
    one = world.as_role(relation, noun_phrase(world.noun(relation.table, plural=False), filters, is_plural=False))
    many = world.as_role(relation, noun_phrase(world.noun(relation.table), filters))
    name, done = "filter_child.with", "filter_child.with_deed"
    if is_negated:
        name, done = "filter_child.without", "filter_child.without_deed"
    verb = _deed(world, relation)
    names = [name, done] if verb else [name]
    pattern = world.word(*names, noun=NOUN, child=one, a_child=with_article(one), children=many, verb=verb)
    done_to = find_done(world.lexicon, relation) if not filters else ""
    if done_to and draws(world, 0.5):
        pattern = world.word("filter_done.never" if is_negated else "filter_done.ever", noun=NOUN, verb=done_to)
    sql = exists(world.lexicon, relation, table, [f.sql for f in filters], negated=is_negated)
    return Filter(pattern, sql, column=(relation.table, "*"), needs_alias=True)


def _deed(world: World, relation: Relation) -> str:
    """Say what a row did to those that point at it, by how these are tied: "placed by {}" gives "placed"."""
    deeds = [found.group(1) for pattern in relation.patterns if (found := DEED.fullmatch(pattern))]
    return (world.voice or world.rng).choice(deeds) if deeds else ""


def _missing_details(world: World, relation: Relation) -> list[str]:
    """List the columns that people speak of as the parent's own and that may be missing: an e-mail address."""
    table = relation.table
    if not world.lexicon.is_detail(table):
        return []
    dates = world.dates(table)
    return [
        column
        for owner, column in sorted(world.nullable)
        if owner == table and column not in dates and not world.lexicon.is_key(table, column)
    ]


def _detail_filter(world: World, table: str, relation: Relation, column: str, negated: bool | None) -> Filter:
    """Speak of a detail as if it were the row's own: "customers without an e-mail address"."""
    word = world.say(relation.table, column)
    is_negated = world.rng.random() < 0.6 if negated is None else negated
    name = "filter_detail.missing" if is_negated else "filter_detail.known"
    pattern = world.word(name, noun=NOUN, column=word, a_column=with_article(word))
    sql = exists(world.lexicon, relation, table, [f"{ref(relation.table, column)} IS NOT NULL"], negated=is_negated)
    return Filter(pattern, sql, column=(relation.table, column), needs_alias=True)
