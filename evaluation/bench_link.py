"""`queryforge bench link`: how fast and how surely tables and values are found in a large database.

In: how large. Out: times beside a stated alternative, and the share of questions that got all they need. The database
is made up, see `bench_company`; made by the same hand, its questions are easier than those of people.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from assistant.schema import MAX_TABLE_TOKENS, link_schema
from assistant.schema_index import index_schema
from assistant.types import DatabaseSchema, Question
from assistant.values import ValueIndex
from evaluation.bench_clock import render_times, run_cpu_ms
from evaluation.bench_company import (
    LinkQuestion,
    link_by_names,
    make_schema,
    make_values,
    match_one_by_one,
    mention_values,
)

MAX_ALTERNATIVE = 40
"""Questions that the alternatives get: they are slow."""
N_MENTIONS = 200
"""Questions about values; three of four name one."""


def bench_link(*, n_tables: int = 1000, n_values: int = 1_000_000) -> str:
    """Measure linking on a schema of `n_tables` tables and matching on `n_values` values."""
    return f"{_bench_tables(n_tables)}\n\n{_bench_values(n_values)}"


def _bench_tables(n_tables: int) -> str:
    schema, asked = make_schema(n_tables)
    build_ms, _ = run_cpu_ms(partial(index_schema, schema))
    ours = [run_cpu_ms(partial(_link, each, schema)) for each in asked]
    few = asked[:: max(1, len(asked) // MAX_ALTERNATIVE)][:MAX_ALTERNATIVE]
    theirs = [run_cpu_ms(partial(link_by_names, each.text, schema, max_tokens=MAX_TABLE_TOKENS)) for each in few]
    is_right: dict[str, list[bool]] = defaultdict(list)
    for each, (_, linked) in zip(asked, ours, strict=True):
        is_right[each.kind].append(each.tables <= linked)
    by_names = [each.tables <= linked for each, (_, linked) in zip(few, theirs, strict=True)]
    n_columns = sum(len(table.columns) for table in schema.tables)
    title = f"link: {len(schema.tables):,} tables, {n_columns:,} columns"
    measured = [("link_schema", [ms for ms, _ in ours]), ("names compared one by one", [ms for ms, _ in theirs])]
    lines = [
        render_times(title, measured),
        f"indexed once in {build_ms:,.0f} ms",
        f"questions that got all their tables within {MAX_TABLE_TOKENS:,} tokens: "
        f"{_share([right for rights in is_right.values() for right in rights])}; by names: {_share(by_names)}",
        *(f"  {kind}: {_share(rights)}" for kind, rights in sorted(is_right.items())),
    ]
    return "\n".join(lines)


def _bench_values(n_values: int) -> str:
    values = make_values(n_values)
    asked = mention_values(values, N_MENTIONS)
    build_ms, index = run_cpu_ms(partial(ValueIndex.from_values, values))
    ours = [run_cpu_ms(partial(index.match, text)) for text, _ in asked]
    # What is looked up once is remembered: the first time counts, as for a question that is new.
    few = asked[:MAX_ALTERNATIVE]
    theirs = [run_cpu_ms(partial(match_one_by_one, text, values)) for text, _ in few]
    found = [
        stored in {match.value for match in matches}
        for (_, stored), (_, matches) in zip(asked, ours, strict=True)
        if stored
    ]
    written = [stored in matches for (_, stored), (_, matches) in zip(few, theirs, strict=True) if stored]
    title = f"match: {len(index):,} values, {len(values)} columns"
    measured = [
        ("ValueIndex.match", [ms for ms, _ in ours]),
        ("values looked for one by one", [ms for ms, _ in theirs]),
    ]
    lines = [
        render_times(title, measured),
        f"indexed once in {build_ms / 1000:,.1f} s",
        f"values found, as written, in small letters or with a letter left out: {_share(found)}; "
        f"one by one: {_share(written)}",
    ]
    return "\n".join(lines)


def _link(asked: LinkQuestion, schema: DatabaseSchema) -> frozenset[str]:
    context = link_schema(Question(text=asked.text), schema, asked.values, max_tokens=MAX_TABLE_TOKENS)
    return frozenset(table.name for table in context.tables)


def _share(rights: Sequence[bool]) -> str:
    return f"{sum(rights) / len(rights):.1%} of {len(rights)}" if rights else "none of 0"
