"""The questions that stand alone: every kind, with how often it is drawn.

In: a World. Out: one `Asked`, or None when the schema or the draw does not fit. What can be continued in a
conversation is in `specs.py`, what must not be answered in `declined.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from training.datagen.kinds.aggregates import aggregate, count_and_part, first_last_date
from training.datagen.kinds.existence import both_sides, counts_with_zero, existence, latest_of_child, two_roads
from training.datagen.kinds.groups import bands, group_figure, having
from training.datagen.kinds.hierarchy import hierarchy
from training.datagen.kinds.lookups import list_with_parent, lookup
from training.datagen.kinds.periods import period_average, running_or_best
from training.datagen.kinds.ranking import above_average, compare, extreme_rows, sorted_list
from training.datagen.kinds.sets import distinct, distinct_ancestors, distinct_pairs, distinct_parents
from training.datagen.kinds.shares import average_per_parent, measure_share, share
from training.datagen.query import Asked
from training.datagen.world import World

KINDS: tuple[tuple[Callable[[World], Asked | None], int], ...] = (
    (aggregate, 12),
    (count_and_part, 3),
    (first_last_date, 7),
    (group_figure, 9),
    (having, 10),
    (extreme_rows, 10),
    (sorted_list, 6),
    (distinct, 5),
    (distinct_parents, 5),
    (existence, 12),
    (both_sides, 3),
    (counts_with_zero, 4),
    (above_average, 4),
    (share, 7),
    (measure_share, 3),
    (average_per_parent, 3),
    (bands, 4),
    (compare, 5),
    (hierarchy, 8),
    (lookup, 24),
    (list_with_parent, 9),
    (distinct_ancestors, 5),
    (period_average, 2),
    (running_or_best, 2),
    (latest_of_child, 4),
    (distinct_pairs, 2),
    (two_roads, 1),
)
"""Each kind with its weight."""


def draw_question(world: World) -> Asked | None:
    """Draw one question of any kind."""
    makers = [maker for maker, _ in KINDS]
    return world.rng.choices(makers, [weight for _, weight in KINDS])[0](world)
