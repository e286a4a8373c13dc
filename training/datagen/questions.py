"""The questions that stand alone: every kind, with how often it is drawn.

In: a World. Out: one `Asked`, or None when the schema or the draw does not fit. What can be continued in a
conversation is in `specs.py`, what must not be answered in `declined.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from training.datagen.kinds.absence import existence_through, not_of_parent
from training.datagen.kinds.aggregates import aggregate, count_and_part, first_last_date, two_columns
from training.datagen.kinds.choices import either_column, either_range, either_value
from training.datagen.kinds.existence import both_sides, counts_with_zero, existence, latest_of_child, two_roads
from training.datagen.kinds.groups import bands, group_figure, having
from training.datagen.kinds.hierarchy import hierarchy
from training.datagen.kinds.lookups import list_with_parent, lookup
from training.datagen.kinds.nested import (
    above_group_average,
    extreme_ties,
    groups_above_average,
    rows_of_top_groups,
    same_as,
)
from training.datagen.kinds.periods import period_average, running_or_best
from training.datagen.kinds.ranking import above_average, compare, extreme_rows, sorted_list
from training.datagen.kinds.reach import reach_column, reach_path
from training.datagen.kinds.rivals import compared_with
from training.datagen.kinds.sets import (
    distinct,
    distinct_ancestors,
    distinct_pairs,
    distinct_parents,
    names_of,
    set_operation,
)
from training.datagen.kinds.shares import average_per_parent, measure_share, share
from training.datagen.kinds.spans import days_between
from training.datagen.kinds.tops import names_of_top, top_by_figure, value_of_top, values_by_count
from training.datagen.kinds.windows import (
    change_over_time,
    latest_of_each,
    share_of_total,
    top_of_each,
    two_periods,
)
from training.datagen.query import Asked
from training.datagen.world import MAX_CATEGORIES, World

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
    (reach_column, 2),
    (reach_path, 2),
    (share_of_total, 4),
    (change_over_time, 3),
    (two_periods, 3),
    (latest_of_each, 3),
    (top_of_each, 2),
    (extreme_ties, 4),
    (above_group_average, 3),
    (same_as, 4),
    (groups_above_average, 3),
    (rows_of_top_groups, 2),
    (set_operation, 3),
    (days_between, 4),
    (two_columns, 6),
    (either_range, 4),
    (either_value, 3),
    (either_column, 2),
    (compared_with, 6),
    (values_by_count, 5),
    (not_of_parent, 4),
    (existence_through, 4),
    (top_by_figure, 5),
    (value_of_top, 4),
    (names_of_top, 2),
    (names_of, 6),
)
"""Each maker of questions with its weight."""

_DATE = "a column of dates"
_MEASURE = "a measure in the glossary: a term whose SQL is an aggregate"
_NUMBER = "a column of numbers that are no keys"
_CATEGORY = f"a text column with 2 to {MAX_CATEGORIES} different values"
_KEY = "a foreign key"
_NAMED = "rows with a name or a key"
_REPEATED = "a column of texts without NULL in which values occur again"
_LADDER = "a table with a foreign key to itself, a single-column key and a column of names"

KIND_NAMES: dict[Callable[[World], Asked | None], dict[str, str]] = {
    aggregate: {"aggregate": _NUMBER, "aggregate_two": _NUMBER, "aggregate_three": _NUMBER},
    count_and_part: {"count_and_part": _CATEGORY},
    first_last_date: {"first_last_date": _DATE},
    group_figure: {"group_figure": _NUMBER},
    having: {"having_measure": _MEASURE, "having_count": _CATEGORY},
    extreme_rows: {"extreme_rows": _NUMBER},
    sorted_list: {"sorted_list": _NAMED},
    distinct: {"distinct": _CATEGORY},
    distinct_parents: {"distinct_parents": _KEY},
    existence: {"existence": _KEY},
    both_sides: {"both_sides": _KEY},
    counts_with_zero: {"counts_with_zero": _KEY},
    above_average: {"above_average": _NUMBER},
    share: {"share": _CATEGORY},
    measure_share: {"measure_share": _MEASURE},
    average_per_parent: {"average_per_parent": _KEY, "average_per_all": _KEY},
    bands: {"bands": _NUMBER},
    compare: {
        "figure_filter": "a figure in the glossary: a term whose SQL is an expression over one row",
        "compare_columns": "two columns of numbers in one table",
    },
    hierarchy: dict.fromkeys(
        (
            "self_parent", "self_children", "self_pairs", "self_counts", "self_counts_key", "self_none",
            "self_childless", "self_parents", "self_grand", "self_peers",
        ),
        _LADDER,
    )
    | {"self_compare": f"{_LADDER}, and {_NUMBER} or {_DATE}", "self_average": f"{_LADDER}, and {_NUMBER}"},
    lookup: {
        "lookup": _NAMED,
        "lookup_count": _KEY,
        "lookup_children": _KEY,
        "lookup_detail": "a foreign key from a table whose rows have neither a name nor a number people speak of",
    },
    list_with_parent: {"list_with_parent": _KEY},
    distinct_ancestors: {"distinct_ancestors": f"{_KEY} to a table with a column of names"},
    period_average: {"period_average": _DATE},
    running_or_best: {
        "running_total": _DATE,
        "best_of_group": f"{_NUMBER}, in a table with a column of names",
    },
    latest_of_child: {"latest_of_child": f"{_KEY} of a table with {_DATE}"},
    distinct_pairs: {"distinct_pairs": f"two times {_CATEGORY}", "distinct_pairs_count": f"two times {_CATEGORY}"},
    two_roads: {"two_roads": f"two ways of foreign keys to one table with {_CATEGORY}"},
    reach_column: {
        "column_list": "rows", "column_different": "rows", "column_each": _CATEGORY,
        "column_known": "a column in which a NULL occurs",
    },
    share_of_total: {"share_of_total": _CATEGORY},
    change_over_time: {"change_over_time": _DATE},
    two_periods: {"two_periods": f"{_DATE} over more than one year"},
    latest_of_each: {"latest_of_each": f"{_KEY} from a table with {_DATE} to one with a column of names"},
    top_of_each: {"top_of_each": _NUMBER},
    extreme_ties: {"extreme_ties": _NUMBER},
    above_group_average: {"above_group_average": f"{_NUMBER}, and {_CATEGORY} or {_KEY}"},
    same_as: {"same_as": f"a table with a column of names, and {_CATEGORY} or {_NUMBER}"},
    groups_above_average: {"groups_above_average": f"{_CATEGORY}, or {_KEY}"},
    rows_of_top_groups: {"rows_of_top_groups": f"{_KEY} from a table with {_NUMBER}"},
    set_operation: {"set_operation": f"{_CATEGORY}, and another one or {_KEY}"},
    days_between: {"days_between": f"two times {_DATE} in one table"},
    two_columns: dict.fromkeys(("two_columns", "two_columns_group"), "two columns of numbers in one table"),
    either_range: {"either_range": f"{_NUMBER} or {_DATE}"},
    either_value: {"either_value": f"{_CATEGORY} or {_NUMBER}"},
    either_column: {"either_column": f"{_CATEGORY}, and another one or {_NUMBER}"},
    compared_with: dict.fromkeys(("compared_with_all", "compared_with_some"), f"{_NUMBER} or {_DATE}"),
    values_by_count: {"values_by_count": _REPEATED},
    not_of_parent: {"not_of_parent": f"{_KEY} to a table with a column of names or a category"},
    existence_through: {"existence_through": "a table with two foreign keys to others"},
    top_by_figure: {"top_by_figure": f"{_NUMBER}, and {_KEY} or {_REPEATED}"},
    value_of_top: {"value_of_top": f"{_KEY} to a table with more columns than a key and a name"},
    names_of_top: {"names_of_top": f"{_KEY} or {_REPEATED}"},
    names_of: dict.fromkeys(("names_distinct", "names_plain"), _REPEATED),
    reach_path: {"path_list": _KEY, "path_each": _KEY, "path_value": f"{_KEY} to a table with a column of names"},
}  # fmt: skip
"""The kinds that each maker draws, with what they need of a database."""


def draw_question(world: World, maker: Callable[[World], Asked | None] | None = None) -> Asked | None:
    """Draw one question of any kind, or of those of one maker."""
    if maker is None:
        makers = [maker for maker, _ in KINDS]
        maker = world.rng.choices(makers, [weight for _, weight in KINDS])[0]
    return maker(world)
