"""What is asked, so that it can be asked again with one thing changed.

In: a World. Out: a Spec and its SQL. How a Spec is said is in `asking.py`, how it is changed in `follow_ups.py`.
Forms: list, count, measure, group, top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from training.datagen.dimensions import Dimension, draw_dimension
from training.datagen.filters import NOUN, Filter, restrict
from training.datagen.lexicon import Measure, ref
from training.datagen.measures import measure_base, measure_event, measure_filters, measure_query
from training.datagen.query import Query
from training.datagen.relation_filters import draw_filters
from training.datagen.world import Path, World

Form = Literal["list", "count", "measure", "group", "top"]
FORMS: dict[Form, int] = {"list": 30, "count": 22, "measure": 18, "group": 18, "top": 12}
"""How often each form is drawn."""
YEARS = 0.35
"""How often months and quarters are those of one year."""


@dataclass(frozen=True)
class Spec:
    """What is asked. `said` holds the words of a measure's filters, in the order of `filters`."""

    form: Form
    table: str
    filters: tuple[Filter, ...] = ()
    said: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    measure: Measure | None = None
    word: str = ""
    """What the measure is called."""
    limit: int | None = None
    descending: bool = True
    is_sorted: bool = False
    is_bare: bool = False
    """Whether a top list shows the groups alone, without the figure they are ranked by."""
    is_open: bool = False
    """Whether the question waives the measure's default filter."""

    @property
    def reached(self) -> set[str]:
        """The tables that the filters lead to."""
        return {relation.target for chosen in self.filters for relation in chosen.path}


def draw_spec(world: World) -> Spec | None:
    """Draw what to ask; None when the schema or the draw does not fit."""
    rng = world.rng
    form = rng.choices(list(FORMS), list(FORMS.values()))[0]
    measures = [(m, base) for m in world.lexicon.measures if (base := measure_base(world, m))]
    if form == "measure" or (form in ("group", "top") and measures and rng.random() < 0.6):
        spec = _measure_spec(world, form, measures)
    else:
        spec = _row_spec(world, form)
    if spec is None:
        return None
    if spec.measure and spec.measure.default_filter and rng.random() < 0.06:
        spec = replace(spec, is_open=True)
    if form == "top":
        limit = rng.choice((1, 1, 2, 3, 3, 5, 5, 5, 10, 10, 20, rng.randint(1, 30)))
        is_bare = rng.random() < (0.5 if limit == 1 else 0.15)
        return replace(spec, limit=limit, descending=rng.random() < 0.86, is_sorted=True, is_bare=is_bare)
    if form == "group" and rng.random() < 0.25:
        return replace(spec, is_sorted=True, descending=rng.random() < 0.8)
    return spec


def _measure_spec(world: World, form: Form, measures: list[tuple[Measure, str]]) -> Spec | None:
    """Draw a question about a measure, the first two of the glossary most often."""
    if not measures:
        return None
    rng = world.rng
    measure, base = rng.choices(measures, [3 if i < 2 else 1 for i in range(len(measures))])[0]
    count = rng.choices((0, 1, 2, 3), (12, 48, 30, 10))[0]
    filters, said = measure_filters(world, base, measure, count)
    dimensions = draw_dimensions(world, base, form, event=measure_event(world, base, measure))
    if (form != "measure" and not dimensions) or _is_fixed(dimensions, filters):
        return None
    word = rng.choices(measure.words, [len(measure.words) + 1] + [1] * (len(measure.words) - 1))[0]
    return Spec(form, base, filters, said, (), dimensions, measure, word)


def _row_spec(world: World, form: Form) -> Spec | None:
    """Draw a question about the rows of a table."""
    table = world.draw_table(lambda name: bool(world.lexicon.table(name).columns))
    if table is None:
        return None
    weights = (8, 52, 32, 8) if form != "group" else (40, 45, 12, 3)
    spec = Spec(form, table, tuple(draw_filters(world, table, world.rng.choices((0, 1, 2, 3), weights)[0])))
    if form == "list":
        return replace(spec, columns=draw_columns(world, table))
    if form == "count":
        return spec
    dimensions = draw_dimensions(world, table, form)
    if not dimensions or _is_fixed(dimensions, spec.filters):
        return None
    if form == "group" and len(dimensions) == 1 and world.rng.random() < YEARS:
        spec = _in_a_year(world, spec, dimensions[0])
    return replace(spec, dimensions=dimensions)


def _in_a_year(world: World, spec: Spec, dimension: Dimension) -> Spec:
    """Take the months or quarters of one year, as people mostly do."""
    is_part = dimension.select[0].startswith("strftime('%Y-%m'") or dimension.select[0].endswith("/ 3")
    is_event = world.event_date(spec.table) == (dimension.path, dimension.key[1])
    if not is_part or not is_event or any(f.column == dimension.key for f in spec.filters):
        return spec
    low, high = world.days[dimension.key]
    year = world.rng.randint(low.year, high.year)
    instance = dimension.path[-1].instance if dimension.path else spec.table
    day = ref(instance, dimension.key[1])
    sql = f"{day} >= '{year}-01-01' AND {day} < '{year + 1}-01-01'"
    found = Filter(f"{NOUN} in {year}", sql, dimension.path, dimension.key, target=day)
    return replace(spec, filters=(*spec.filters, found))


def _is_fixed(dimensions: tuple[Dimension, ...], filters: tuple[Filter, ...]) -> bool:
    """Tell whether a filter leaves one group only: nobody asks for those of Italy by country, of 2024 by year."""
    fixed = {chosen.column for chosen in filters if chosen.value is not None}
    dated = {chosen.column for chosen in filters if chosen.is_date}
    return any(d.key in fixed or (d.key in dated and d.select[0].startswith("strftime('%Y',")) for d in dimensions)


def draw_columns(world: World, table: str) -> tuple[str, ...]:
    """Draw the columns of a list; none means that its label is enough."""
    rng, label = world.rng, world.label(table)
    names = world.shown_columns(table)
    if rng.random() < (0.35 if world.lexicon.labels.get(table) else 0.2) and label:
        return ()
    count = rng.choices((1, 2, 3, 4), (25, 45, 22, 8))[0]
    drawn = rng.sample(names, min(count, len(names)))
    if label and label not in drawn and rng.random() < 0.55:
        drawn = [label, *drawn[: max(0, count - 1)]]
    return tuple(world.with_both_names(table, drawn))


def draw_dimensions(
    world: World, table: str, form: Form, *, event: tuple[Path, str] | None = None
) -> tuple[Dimension, ...]:
    """Draw what a group or a top list is grouped by: one thing, or now and then two."""
    if form not in ("group", "top"):
        return ()
    kinds: tuple[str, ...] = ("label", "category") if form == "top" else ("label", "category", "date")
    first = draw_dimension(world, table, kinds=kinds, event=event)
    if first is None:
        return ()
    if form == "group" and world.rng.random() < 0.14:
        second = draw_dimension(world, table, event=event)
        if second and second.key != first.key and not first.clashes(second):
            return (first, second)
    return (first,)


def build(world: World, spec: Spec) -> str:
    """Write the SQL of a spec."""
    if spec.measure:
        query = measure_query(world, spec.table, spec.measure, spec.filters, is_open=spec.is_open)
    else:
        query = Query(world.lexicon, spec.table)
    restrict(query, spec.filters)
    if spec.form == "list":
        query.select = list_shown(world, spec)
        return query.sql()
    for chosen in spec.dimensions:
        chosen.apply(query)
    figure = spec.measure.sql if spec.measure else "COUNT(*)"
    if not spec.is_bare:
        query.select.append(figure)
    if spec.is_sorted:
        query.order = [f"{figure}{' DESC' if spec.descending else ''}"]
    query.limit = spec.limit
    return query.sql()


def list_shown(world: World, spec: Spec) -> list[str]:
    """List what a list shows: its columns, else the label, else the key, else everything."""
    label, owner = world.label(spec.table), world.lexicon.table(spec.table)
    columns = spec.columns or ((label,) if label else owner.primary_key)
    return [ref(spec.table, column) for column in columns or (c.name for c in owner.columns)]
