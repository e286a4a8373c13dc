"""Questions that compare rows with all others of a kind, or at least one: "more expensive than all wines of 2006"."""

from __future__ import annotations

from training.datagen.filters import noun_phrase, restrict
from training.datagen.fitting import comparative, draws, outdoing, superlative
from training.datagen.lexicon import ref
from training.datagen.query import Asked, Query
from training.datagen.relation_filters import draw_few, draw_filters
from training.datagen.shown import show_rows
from training.datagen.world import World

_ALL = 0.72
"""How often rows are compared with all others, and not with at least one of them."""


def compared_with(world: World) -> Asked | None:
    """Rows above or below all rows of a kind, or at least one: greater than their highest, or their lowest."""
    rng = world.rng
    table = world.draw_table(lambda t: bool(world.figures(t) or world.dates(t)))
    if not table:
        return None
    column = rng.choice([*world.figures(table) * 2, *world.dates(table)])
    key, target = (table, column), ref(table, column)
    others = draw_filters(world, table, 1, avoid=(key,), depth=1)
    if not others or others[0].column == key:
        return None
    is_more, is_all = rng.random() < 0.62, rng.random() < _ALL
    inner = restrict(Query(world.lexicon, table), others)
    inner.select = [f"{'MAX' if is_more == is_all else 'MIN'}({target})"]
    filters = [f for f in draw_few(world, table, (80, 20)) if f.column not in (key, others[0].column)]
    query = restrict(Query(world.lexicon, table), filters)
    query.filter(f"{target} {'>' if is_more else '<'} ({inner.sql()})")
    rows = noun_phrase(world.noun(table), filters)
    verb = _say_verb(world, key, noun_phrase(world.noun(table), others), is_more=is_more, is_all=is_all)
    text = show_rows(world, query, rows, verb)
    return Asked("compared_with_all" if is_all else "compared_with_some", text, query.sql())


def _say_verb(world: World, key: tuple[str, str], others: str, *, is_more: bool, is_all: bool) -> str:
    """Say how rows compare: "are older than all nurses", "have a later hire date than at least one of the nurses"."""
    whom = world.word("compared_with.all" if is_all else "compared_with.some", others=others)
    if key in world.days:
        than = world.word("compared_with.later" if is_more else "compared_with.earlier")
        return world.word("compared_with.date", column=world.say(*key), than=than, whom=whom)
    more, does = (find(world, *key, is_more=is_more) for find in (comparative, outdoing))
    if (more or does) and draws(world, 0.7):
        # "Cheaper than the cheapest of the tablets" says all of them at once.
        most = superlative(world, *key, is_top=is_more) if is_all and more and draws(world, 0.25) else None
        if more and most and most.endswith(("est", "expensive", "paid", "rated")):
            return world.word("compared_with.extreme", more=more, most=most, others=others)
        if does and (not more or draws(world, 0.5)):
            return world.word("compared_with.does", does=does, whom=whom)
        return world.word("compared_with.is", more=more or "", whom=whom)
    higher = world.word("compared_with.higher" if is_more else "compared_with.lower")
    if is_all and draws(world, 0.4):
        above = world.word("compared_with.above" if is_more else "compared_with.below")
        most = world.word("extreme_rows.highest" if is_more else "extreme_rows.lowest")
        return world.word("compared_with.beyond", column=world.say(*key), than=above, which=most, others=others)
    return world.word("compared_with.has", column=world.say(*key), than=higher, whom=whom)
