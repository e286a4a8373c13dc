"""Continue a conversation: change one thing of a Spec and say only that.

In: a World and the Spec that was asked. Out: the changed Spec and the words, or None when the draw does not fit; the
wordings are in `conversations.toml`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from training.datagen.asking import say_by, say_order
from training.datagen.filters import NOUN
from training.datagen.lexicon import name_instance
from training.datagen.measures import measure_base, measure_event, measure_filters
from training.datagen.patterns import fill
from training.datagen.phrases import date_range, say_number
from training.datagen.qualities import is_person_noun
from training.datagen.query import quote
from training.datagen.relation_filters import draw_filters
from training.datagen.specs import Spec, draw_columns, draw_dimensions
from training.datagen.spoken import plural_noun
from training.datagen.world import World

Changed = tuple[Spec, str] | None
"""The spec as it is now, and what is said to change it."""


def follow_up(world: World, spec: Spec) -> Changed:
    """Change one thing of a spec and say only that."""
    options = ["narrow", "narrow"]
    if spec.form == "list":
        options += ["count", "count", "columns"]
    if spec.form == "count":
        options += ["list", "list", "group", "group"]
    if spec.measure:
        options += ["swap_measure", "swap_measure"]
    if spec.form == "measure":
        options += ["group", "group", "group"]
    if spec.form == "group":
        options += ["sort", "limit", "swap_dimension"]
    if spec.form == "top":
        options += ["limit", "reverse"]
    if any(f.is_date for f in spec.filters):
        options += ["date", "date", "date"]
    if any(f.value is not None for f in spec.filters):
        options += ["value", "value"]
    return CHANGES[world.rng.choice(options)](world, spec)


def _narrow(world: World, spec: Spec) -> Changed:
    """Add one filter."""
    used = {f.column for f in spec.filters}
    if spec.measure:
        filters, said = measure_filters(world, spec.table, spec.measure, 1)
        if not filters or filters[0].column in used or spec.reached & {r.target for r in filters[0].path}:
            return None
        changed = replace(spec, filters=spec.filters + filters, said=spec.said + said)
        return changed, world.word("narrow.measure", words=said[0])
    found = draw_filters(world, spec.table, 1, avoid=tuple(column for column in used if column))
    if not found or spec.reached & {r.target for r in found[0].path}:
        return None
    words = found[0].pattern.replace(f"{NOUN} ", "").replace(f" {NOUN}", " ones")
    if found[0].noun:
        words = plural_noun(found[0].noun)
    text = world.word("narrow.rows", words=words)
    if spec.form == "count":
        text = world.word("narrow.count", words=words)
    return replace(spec, filters=(*spec.filters, found[0])), text


def _to_count(world: World, spec: Spec) -> Changed:
    """Ask for the number of a list."""
    return replace(spec, form="count", columns=()), world.word("change.count")


def _to_list(world: World, spec: Spec) -> Changed:
    """Ask for the rows that were counted."""
    columns = draw_columns(world, spec.table)
    if not columns:
        is_people = world.lexicon.names_people(spec.table)
        text = world.word("change.list", "change.list_people" if is_people else "change.list_things")
        return replace(spec, form="list"), text
    words = world.join_words([world.say(spec.table, column) for column in columns])
    return replace(spec, form="list", columns=columns), world.word("change.list_columns", columns=words)


def _change_columns(world: World, spec: Spec) -> Changed:
    """Ask for other columns of a list."""
    columns = draw_columns(world, spec.table)
    if not columns or columns == spec.columns:
        return None
    words = world.join_words([world.say(spec.table, column) for column in columns])
    return replace(spec, columns=columns), world.word("change.columns", columns=words)


def _regrouped(world: World, spec: Spec) -> Spec | None:
    """Draw something to group by, unless it needs a second road to a table that the filters lead to."""
    event = measure_event(world, spec.table, spec.measure) if spec.measure else None
    dimensions = draw_dimensions(world, spec.table, "group", event=event)
    second_roads = {name_instance(table, 1) for table in spec.reached}
    if not dimensions or {r.instance for d in dimensions for r in d.path} & second_roads:
        return None
    return replace(spec, form="group", dimensions=dimensions)


def _to_group(world: World, spec: Spec) -> Changed:
    """Ask for the same per group."""
    changed = _regrouped(world, spec)
    return (changed, world.word("change.group", by=say_by(world, changed))) if changed else None


def _swap_dimension(world: World, spec: Spec) -> Changed:
    """Group by something else."""
    found = _to_group(world, replace(spec, dimensions=()))
    if found is None or found[0].dimensions == spec.dimensions:
        return None
    return found[0], world.word("change.other_group", by=say_by(world, found[0]))


def _swap_measure(world: World, spec: Spec) -> Changed:
    """Ask for another measure."""
    others = [m for m in world.lexicon.measures if m is not spec.measure and measure_base(world, m) == spec.table]
    if not others:
        return None
    chosen = world.rng.choice(others)
    word = world.rng.choice(chosen.words)
    return replace(spec, measure=chosen, word=word), world.word("change.measure", figure=word)


def _sort(world: World, spec: Spec) -> Changed:
    """Ask for an order."""
    if spec.is_sorted:
        return None
    changed = replace(spec, is_sorted=True, descending=world.rng.random() < 0.8)
    pattern = world.pattern("change.order")
    return changed, fill(pattern, order=say_order(world, changed))


def _limit(world: World, spec: Spec) -> Changed:
    """Ask for the first few."""
    number = world.rng.choice((3, 5, 10, 2, world.rng.randint(2, 20)))
    changed = replace(spec, limit=number, is_sorted=True, descending=not spec.is_sorted or spec.descending)
    said = say_number(world.rng, number)
    top = world.word("change.top" if changed.descending else "change.lowest")
    return changed, world.word("change.limit", top=top, number=said)


def _reverse(world: World, spec: Spec) -> Changed:
    """Ask for the other end of a top list."""
    changed = replace(spec, descending=not spec.descending)
    most = world.word("change.most" if changed.descending else "change.fewest")
    return changed, world.word("change.reverse", most=most)


def _other_date(world: World, spec: Spec) -> Changed:
    """Take another span of time."""
    for i, old in enumerate(spec.filters):
        if old.column is None or old.column not in world.days or not old.is_date:
            continue
        span = date_range(world.rng, *world.days[old.column])
        filters, said = list(spec.filters), list(spec.said)
        filters[i] = replace(old, sql=span.sql(old.target), pattern=f"{NOUN} {span.words}", bare="")
        if i < len(said):
            said[i] = span.words
        pattern = world.pattern("change.date")
        words = span.words.removeprefix("in ") if world.rng.random() < 0.4 else span.words
        return replace(spec, filters=tuple(filters), said=tuple(said)), fill(pattern, date=words)
    return None


def _other_value(world: World, spec: Spec) -> Changed:
    """Take another value of the same column."""
    for i, old in enumerate(spec.filters):
        before = old.value
        if old.column is None or old.column not in world.texts or before is None or not old.target:
            continue
        value = world.rng.choice(world.texts[old.column])
        if value == before or before not in old.pattern:
            return None
        filters = list(spec.filters)
        filters[i] = replace(
            old, sql=f"{old.target} = {quote(value)}", pattern=old.pattern.replace(before, value), value=value,
            noun=value if old.noun and is_person_noun(value) else "", bare=old.bare.replace(before, value),
        )  # fmt: skip
        said = tuple(words.replace(before, value) for words in spec.said)
        return replace(spec, filters=tuple(filters), said=said), world.word("change.value", value=value)
    return None


CHANGES: dict[str, Callable[[World, Spec], Changed]] = {
    "narrow": _narrow, "count": _to_count, "list": _to_list, "columns": _change_columns, "group": _to_group,
    "swap_dimension": _swap_dimension, "swap_measure": _swap_measure, "sort": _sort, "limit": _limit,
    "reverse": _reverse, "date": _other_date, "value": _other_value,
}  # fmt: skip
"""What may be changed."""
