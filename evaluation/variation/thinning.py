"""Read the rows of a database for variants of it: all of a small one, a sample of a large one.

In: the tables, a way to read and count each, and what gold queries mention. Out: rows of each table, at most
`MAX_TABLE_ROWS` and a few more, such that no foreign key points at a row that was left out. Rows with values that gold
queries name, and those they point at, are taken first. Reads every table at most twice, never holds a whole large one.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from assistant.types import Table
from evaluation.variation.contents import Key, Row, key_in
from evaluation.variation.mentions import Mentions

MAX_TABLE_ROWS = 20_000
"""Rows of a table beyond which a sample is taken."""
NAMED_ROWS = 30
"""Rows that are taken first for each value that a gold query names."""

Reader = Callable[[Table], Iterable[Row]]
"""Gives the rows of a table, each time anew."""


def gather(
    tables: Sequence[Table],
    read: Reader,
    count: Callable[[Table], int],
    queries: Sequence[Mentions],
    *,
    max_rows: int = MAX_TABLE_ROWS,
) -> dict[str, list[Row]]:
    """Read all rows, or a sample that foreign keys hold in.

    Args:
        tables: Parents before children, as far as that goes.
        read: Gives the rows of a table.
        count: Counts the rows of a table.
        queries: What gold queries mention.
        max_rows: Rows of a table beyond which a sample is taken.
    """
    if all(count(table) <= max_rows for table in tables):
        return {table.name: list(read(table)) for table in tables}
    needed = _find_needed(tables, read, queries)
    rows: dict[str, list[Row]] = {}
    keys: dict[tuple[str, tuple[str, ...]], set[Key]] = {}
    for table in tables:
        # A foreign key that no row obeys cannot be held to.
        rows[table.name] = _sample(table, read, needed[table.name], keys, max_rows) or _sample(
            table, read, needed[table.name], {}, max_rows
        )
        for columns in {
            key.ref_columns for other in tables for key in other.foreign_keys if key.ref_table == table.name
        }:
            places = _places(table, columns)
            found = {key for row in rows[table.name] if (key := key_in(row, places)) is not None}
            keys[table.name, columns] = found
    return _mend(tables, rows)


def _places(table: Table, columns: Iterable[str]) -> list[int]:
    position = {column.name: place for place, column in enumerate(table.columns)}
    return [position[name] for name in columns if name in position]


def _find_needed(
    tables: Sequence[Table], read: Reader, queries: Sequence[Mentions]
) -> dict[str, dict[tuple[str, ...], set[Key]]]:
    """Find the keys of rows that gold queries name and of those they point at, by table and columns of the key."""
    named: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for mention in (mention for query in queries for group in query.groups for mention in group):
        if mention.kind == "equal":
            named[mention.table][mention.column].add(str(mention.value))
    needed: dict[str, dict[tuple[str, ...], set[Key]]] = {table.name: defaultdict(set) for table in tables}
    for table in reversed(tables):
        pointers = [(key, _places(table, key.columns)) for key in table.foreign_keys if key.ref_table in needed]
        wanted = [(_places(table, [name]), values) for name, values in named[table.name].items()]
        if not wanted and not needed[table.name]:
            continue
        own_key = table.primary_key
        room: defaultdict[tuple[int, str], int] = defaultdict(lambda: NAMED_ROWS)
        for row in read(table):
            is_needed = any(
                key_in(row, _places(table, columns)) in keys for columns, keys in needed[table.name].items()
            )
            for places, values in wanted:
                text = str(row[places[0]]) if places else ""
                if text in values and room[places[0], text] > 0:
                    room[places[0], text] -= 1
                    is_needed = True
            if not is_needed:
                continue
            key = key_in(row, _places(table, own_key))
            if key is not None:
                needed[table.name][own_key].add(key)
            for pointer, places in pointers:
                target = key_in(row, places)
                if target is not None and pointer.ref_table != table.name:
                    needed[pointer.ref_table][pointer.ref_columns].add(target)
    return needed


def _sample(
    table: Table,
    read: Reader,
    needed: Mapping[tuple[str, ...], set[Key]],
    keys: Mapping[tuple[str, tuple[str, ...]], set[Key]],
    max_rows: int,
) -> list[Row]:
    """Draw rows whose parents were drawn, each as likely as any other (reservoir sampling), and all needed ones."""
    rng = random.Random(table.name)
    pointers = [
        (_places(table, key.columns), keys[key.ref_table, key.ref_columns])
        for key in table.foreign_keys
        if (key.ref_table, key.ref_columns) in keys
    ]
    wanted = [(_places(table, columns), found) for columns, found in needed.items()]
    first: list[Row] = []
    drawn: list[Row] = []
    seen = 0
    for row in read(table):
        if any((target := key_in(row, places)) is not None and target not in known for places, known in pointers):
            continue
        if any(key_in(row, places) in found for places, found in wanted):
            first.append(row)
            continue
        seen += 1
        if len(drawn) < max_rows:
            drawn.append(row)
        elif (place := rng.randrange(seen)) < max_rows:
            drawn[place] = row
    return first + drawn[: max(0, max_rows - len(first))]


def _mend(tables: Sequence[Table], rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Mend foreign keys within a table and in circles by NULL where that is allowed; else the row goes later."""
    rank = {table.name: number for number, table in enumerate(tables)}
    for table in tables:
        for key in table.foreign_keys:
            places = _places(table, key.columns)
            if rank.get(key.ref_table, -1) < rank[table.name] or not all(table.columns[i].is_nullable for i in places):
                continue
            known = {key_in(row, _places(tables[rank[key.ref_table]], key.ref_columns)) for row in rows[key.ref_table]}
            targets = [key_in(row, places) for row in rows[table.name]]
            if any(target in known for target in targets if target is not None):
                rows[table.name] = [
                    row
                    if target is None or target in known
                    else tuple(None if i in places else value for i, value in enumerate(row))
                    for row, target in zip(rows[table.name], targets, strict=True)
                ]
    return rows
