"""Questions about a table that points at itself: who manages whom."""

from __future__ import annotations

import re
from typing import NamedTuple

from assistant.naming import aliases, write_name
from assistant.writing import plural
from training.datagen.query import Asked, quote
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
    names = _Names.of(table, aliases(tuple(t.name for t in world.lexicon.schema.tables))[table], column, label, key)
    options: list[_Option] = []
    for kind, sql in _statements(names, quote(name)).items():
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
        options.append(("self_compare", text, _compare(names, write_name(figure), sign)))
        if figure in figures:
            text = world.word("hierarchy.self_average", role=role, figure=word)
            options.append(("self_average", text, _average(names, write_name(figure))))
    kind, text, sql = rng.choice(options)
    if not world.lexicon.names_people(table):
        text = re.sub(r"\bWho\b", "Which one", re.sub(r"\bwho\b", "which one", text))
    return Asked(kind, text, sql)


class _Names(NamedTuple):
    """A table that points at itself, as it is written in SQL."""

    table: str
    a: str
    """Alias of the row asked about."""
    m: str
    """Alias of the row it points at."""
    column: str
    """Column that points."""
    label: str
    """Column with the names."""
    key: str
    """Column that is pointed at."""

    @classmethod
    def of(cls, table: str, alias: str, column: str, label: str, key: str) -> _Names:
        """Quote what needs it; the alias of the table itself may be any letter."""
        names = (write_name(name) for name in (column, label, key))
        return cls(write_name(table), alias, "m" if alias != "m" else "m2", *names)

    @property
    def up(self) -> str:
        """Each row with the one it points at."""
        return f"{self.table} {self.a} JOIN {self.table} {self.m} ON {self.m}.{self.key} = {self.a}.{self.column}"


def _compare(names: _Names, figure: str, sign: str) -> str:
    a, m = names.a, names.m
    return f"SELECT {a}.{names.label} FROM {names.up} WHERE {a}.{figure} {sign} {m}.{figure}"


def _average(names: _Names, figure: str) -> str:
    m = names.m
    return (
        f"SELECT {m}.{names.label}, AVG({names.a}.{figure}) FROM {names.up} GROUP BY {m}.{names.key}, {m}.{names.label}"
    )


def _statements(names: _Names, name: str) -> dict[str, str]:
    """Write the SQL of each kind; `g` is two rows above, `r` one below, `p` a named other one; `name` is a literal."""
    table, a, m, column, label, key = names
    g, r, p = (letter if a != letter else f"{letter}2" for letter in "grp")
    up, chosen = names.up, f"{a}.{label} = {name}"
    below = f"EXISTS (SELECT 1 FROM {table} {r} WHERE {r}.{column} = {a}.{key})"
    peer = f"{table} {a} JOIN {table} {p} ON {p}.{column} = {a}.{column}"
    return {
        "self_parent": f"SELECT {m}.{label} FROM {up} WHERE {chosen}",
        "self_children": f"SELECT {a}.{label} FROM {up} WHERE {m}.{label} = {name}",
        "self_pairs": f"SELECT {a}.{label}, {m}.{label} FROM {up}",
        "self_counts": f"SELECT {m}.{label}, COUNT(*) FROM {up} GROUP BY {m}.{key}, {m}.{label}",
        "self_counts_key": f"SELECT {column}, COUNT(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY {column}",
        "self_none": f"SELECT {label} FROM {table} WHERE {column} IS NULL",
        "self_childless": f"SELECT {a}.{label} FROM {table} {a} WHERE NOT {below}",
        "self_parents": f"SELECT {a}.{label} FROM {table} {a} WHERE {below}",
        "self_grand": f"SELECT {g}.{label} FROM {up} JOIN {table} {g} ON {g}.{key} = {m}.{column} WHERE {chosen}",
        "self_peers": f"SELECT {a}.{label} FROM {peer} WHERE {p}.{label} = {name} AND {a}.{label} <> {name}",
    }
