"""Questions about a table that points at itself: who manages whom."""

from __future__ import annotations

from assistant.writing import plural
from training.datagen.query import Asked, aliases, quote
from training.datagen.world import World

_Option = tuple[str, str, str]
"""Kind, question and SQL."""


def hierarchy(world: World) -> Asked | None:
    """A table that points at itself: who manages whom."""
    rng = world.rng
    if not world.lexicon.self_keys:
        return None
    table = rng.choice(sorted(world.lexicon.self_keys))
    column, roles = world.lexicon.self_keys[table]
    label, key = world.lexicon.labels.get(table), world.lexicon.key_of(table)
    if not label or not key or not world.texts.get((table, label)):
        return None
    role, name = rng.choice(roles), rng.choice(world.texts[(table, label)])
    rows, row = world.noun(table), world.noun(table, plural=False)
    a = aliases([t.name for t in world.lexicon.schema.tables])[table]
    up = f"{table} {a} JOIN {table} m ON m.{key} = {a}.{column}"
    options: list[_Option] = []
    for kind, sql in _statements(table, a, column, label, key, quote(name)).items():
        text = world.word(f"hierarchy.{kind}", role=role, roles=plural(role), name=name, row=row, rows=rows)
        options.append((kind, text, sql))
    figures = world.figures(table)
    for figure in [*figures, *world.dates(table)]:
        word = world.say(table, figure)
        is_more = rng.choice((True, False))
        greater, smaller = ("higher", "lower") if figure in figures else ("later", "earlier")
        more = world.word(f"hierarchy.{greater if is_more else smaller}")
        text = world.word("hierarchy.self_compare", role=role, rows=rows, figure=word, more=more)
        sign = ">" if is_more else "<"
        options.append(("self_compare", text, f"SELECT {a}.{label} FROM {up} WHERE {a}.{figure} {sign} m.{figure}"))
        if figure in figures:
            text = world.word("hierarchy.self_average", role=role, figure=word)
            sql = f"SELECT m.{label}, AVG({a}.{figure}) FROM {up} GROUP BY m.{key}, m.{label}"
            options.append(("self_average", text, sql))
    return Asked(*rng.choice(options))


def _statements(table: str, a: str, column: str, label: str, key: str, name: str) -> dict[str, str]:
    """Write the SQL of each kind.

    Args:
        table: Table that points at itself.
        a: Its alias; `m` is the row it points at, `g` the one above that, `r` one below, `p` a named other one.
        column: Column that points.
        label: Column with the names.
        key: Column that is pointed at.
        name: A name as an SQL literal.
    """
    up = f"{table} {a} JOIN {table} m ON m.{key} = {a}.{column}"
    below = f"EXISTS (SELECT 1 FROM {table} r WHERE r.{column} = {a}.{key})"
    peer = f"{table} {a} JOIN {table} p ON p.{column} = {a}.{column}"
    return {
        "self_parent": f"SELECT m.{label} FROM {up} WHERE {a}.{label} = {name}",
        "self_children": f"SELECT {a}.{label} FROM {up} WHERE m.{label} = {name}",
        "self_pairs": f"SELECT {a}.{label}, m.{label} FROM {up}",
        "self_counts": f"SELECT m.{label}, COUNT(*) FROM {up} GROUP BY m.{key}, m.{label}",
        "self_counts_key": f"SELECT {column}, COUNT(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY {column}",
        "self_none": f"SELECT {label} FROM {table} WHERE {column} IS NULL",
        "self_childless": f"SELECT {a}.{label} FROM {table} {a} WHERE NOT {below}",
        "self_parents": f"SELECT {a}.{label} FROM {table} {a} WHERE {below}",
        "self_grand": f"SELECT g.{label} FROM {up} JOIN {table} g ON g.{key} = m.{column} WHERE {a}.{label} = {name}",
        "self_peers": f"SELECT {a}.{label} FROM {peer} WHERE p.{label} = {name} AND {a}.{label} <> {name}",
    }
