"""Measures: the figures of the glossary that are aggregates, such as revenue.

In: a World and a Measure. Out: the table it is reckoned from, the date it goes by, filters with words that stand after
its name ("in 2025", "from web orders"), and a query that is ready for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from assistant.words import word_set
from training.datagen.column_filters import own_filter
from training.datagen.entities import Entity, draw_entity
from training.datagen.filters import NOUN, Filter, noun_phrase
from training.datagen.lexicon import Key, Measure, ref
from training.datagen.phrases import date_range
from training.datagen.query import Query
from training.datagen.world import Path, World

_BEHIND_MEASURES = word_set("with without w/o where whose lacking in from by via having")
"""What words begin with that can stand behind the name of a measure as they are."""


def measure_base(world: World, measure: Measure) -> str | None:
    """Find the table from whose rows every table of a measure can be reached upwards."""
    for table in measure.tables:
        reachable = {path[-1].target for path in world.paths(table) if path} | {table}
        if set(measure.tables) <= reachable:
            return table
    return None


def measure_event(world: World, base: str, measure: Measure) -> tuple[Path, str] | None:
    """Find the date a measure goes by: that of the table its default filter is on, else of its rows."""
    if measure.filter_column and measure.filter_column[0] != base:
        table = measure.filter_column[0]
        path, found = world.path_to(base, table), world.event_date(table)
        if path and found and not found[0]:
            return path, found[1]
    return world.event_date(base)


def measure_query(
    world: World, base: str, measure: Measure, filters: Iterable[Filter] = (), *, is_open: bool = False
) -> Query:
    """Start a query over all tables of a measure, with its default filter.

    Args:
        world: Words, values and chance.
        base: Table that the measure is reckoned from.
        measure: The measure.
        filters: Filters of the question, which the caller adds; one on the same column replaces the default filter.
        is_open: Whether the question waives the default filter.
    """
    query = Query(world.lexicon, base)
    for table in measure.tables:
        query.follow(world.path_to(base, table))
    if not is_open and not any(f.column == measure.filter_column for f in filters):
        query.filter(measure.default_filter)
    return query


def draw_simple_measure(world: World) -> tuple[Measure, str] | None:
    """Draw a measure that can be added up, if there is one, and find its table."""
    measures = world.lexicon.measures
    if not measures:
        return None
    measure = world.rng.choice([m for m in measures if " / " not in m.sql] or measures)
    base = measure_base(world, measure)
    return (measure, base) if base else None


def measure_filters(
    world: World, base: str, measure: Measure, count: int
) -> tuple[tuple[Filter, ...], tuple[str, ...]]:
    """Draw up to `count` filters for a measure, with the words of each that stand after its name."""
    chosen: list[Filter] = []
    said: list[str] = []
    paths = world.paths(base)
    event = measure_event(world, base, measure)
    for _ in range(count * 3):
        if len(chosen) == count:
            break
        used = {f.column for f in chosen}
        if event and world.rng.random() < 0.5:
            found = _date_filter(world, base, event, used)
        else:
            path = world.rng.choice(paths)
            found = None if _is_other_road(path, chosen) else _entity_filter(world, base, path, used)
        if found is not None:
            chosen.append(found)
            said.append(found.words)
    return tuple(chosen), tuple(said)


def _date_filter(world: World, base: str, event: tuple[Path, str], used: set[Key | None]) -> Filter | None:
    """Take a span of the date that the measure goes by."""
    path, column = event
    key = (path[-1].target if path else base, column)
    if key in used:
        return None
    span = date_range(world.rng, *world.days[key])
    day = ref(path[-1].instance if path else base, column)
    return Filter(f"{NOUN} {span.words}", span.sql(day), path, key, target=day)


def _is_other_road(path: Path, chosen: list[Filter]) -> bool:
    """Tell whether a path leads to a table that a filter has reached, but not as the first filter did."""
    if not path or not chosen:
        return False
    return path[-1].target in {f.path[-1].target for f in chosen if f.path} and chosen[0].path[-1:] != path[-1:]


def _entity_filter(world: World, base: str, path: Path, used: set[Key | None]) -> Filter | None:
    """Take what belongs to the rows at the end of a path."""
    target = path[-1].target if path else base
    if not path and base not in world.lexicon.spoken:
        return _own_filter(world, base, used)
    found = draw_entity(world, target, path[-1].instance if path else base)
    if found is None or found.column in used:
        return None
    words = _say_entity(world, base, path, found)
    own = world.lexicon.patterns.get(found.column)
    is_category = found.column[1] in world.categories(found.column[0])
    if own and not found.is_value and is_category and world.rng.random() < 0.5 and found.value is not None:
        words = world.rng.choice(own).format(found.value)
    return Filter(f"{NOUN} {words}", found.sql, path, found.column, target=found.target, value=found.value)


def _own_filter(world: World, base: str, used: set[Key | None]) -> Filter | None:
    """Take a condition on the rows themselves."""
    found = own_filter(world, base, base)
    if found is None or found.column in used or found.column == (base, world.lexicon.labels.get(base)):
        return None
    first = found.pattern.removeprefix(f"{NOUN} ").partition(" ")[0]
    if not found.is_before and (found.is_date or first in _BEHIND_MEASURES or first.startswith("(")):
        return found
    rows = noun_phrase(world.noun(base), [found])
    return replace(found, pattern=f"{NOUN} for {rows}", noun="", bare=found.pattern)


def _say_entity(world: World, base: str, path: Path, found: Entity) -> str:
    """Say that a measure is restricted to something: "from web orders", "for Anna Berg"."""
    if found.is_value and not path:
        return world.word("measure_filter.own_value", column=world.say(*found.column), value=found.words)
    if found.is_value:
        near = path[-1].table
        link = world.rng.choice(path[-1].patterns).format(found.words)
        if near != base and world.rng.random() < 0.6:
            return world.word("measure_filter.through_rows", rows=world.noun(near), link=link)
        return link
    if path and path[-1].table not in world.lexicon.spoken:
        return world.rng.choice(path[-1].patterns).format(found.words)
    target = path[-1].target if path else base
    is_named = found.column == (target, world.lexicon.labels.get(target))
    return world.word("measure_filter.named" if is_named else "measure_filter.kind", entity=found.words)
