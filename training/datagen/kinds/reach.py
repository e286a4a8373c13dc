"""Plain questions that reach any column and any join path, so that what the other kinds pass over is asked for too.

In: a World and a column, several of a wide table, or the foreign keys to follow. Out: one Asked. The path is spoken of
step by step: "the manager of the handler of each ticket".
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.writing import plural
from training.datagen.english import with_article
from training.datagen.join_paths import JoinPath, list_hops
from training.datagen.lexicon import Relation, name_instance, name_role, ref
from training.datagen.query import Asked, Query, quote
from training.datagen.world import MAX_CATEGORIES, Path, World

_UNLISTED = frozenset({"blob"})
"""Kinds of columns that nobody wants to read."""


def reach_column(world: World) -> Asked | None:
    """Ask for any column, however dull."""
    table = world.draw_table(lambda t: bool(world.lexicon.table(t).columns))
    if table is None:
        return None
    return ask_column(world, table, world.rng.choice(world.lexicon.table(table).columns).name)


def reach_path(world: World) -> Asked | None:
    """Ask along any foreign key."""
    hops = list_hops(world.lexicon.schema)
    return ask_path(world, (world.rng.choice(hops),)) if hops else None


def ask_column(world: World, table: str, column: str) -> Asked | None:
    """Ask for the values of a column: a list, how many differ, how many there are, or how many rows have each."""
    rng, key = world.rng, (table, column)
    kind = world.lexicon.column(table, column).kind
    forms = [] if kind in _UNLISTED else ["list", "different"]
    if key in world.nullable:
        forms += ["known", "missing"]
    if kind == "boolean" or 1 < len(world.texts.get(key, ())) <= MAX_CATEGORIES:
        forms += ["each", "each"]
    if not forms:
        return None
    form, target = rng.choice(forms), ref(table, column)
    rows, word, label = world.noun(table), world.say(table, column), world.label(table)
    query = Query(world.lexicon, table)
    if form == "list":
        shows_label = bool(label) and label != column and rng.random() < 0.6
        query.select = [ref(table, label), target] if label and shows_label else [target]
        if label and shows_label:
            text = world.word("column_list.labelled", rows=rows, column=word, label=world.saying(table, label))
        else:
            text = world.word("column_list.alone", rows=rows, column=word)
        return Asked("column_list", text, query.sql())
    if form == "different":
        query.select = [f"COUNT(DISTINCT {target})"]
        return Asked(
            "column_different", world.word("column_different.ask", rows=rows, columns=plural(word)), query.sql()
        )
    if form == "each":
        query.select, query.group = [target, "COUNT(*)"], [target]
        return Asked("column_each", world.word("column_each.ask", rows=rows, column=word), query.sql())
    query.select = ["COUNT(*)"]
    query.filter(f"{target} IS {'NOT ' if form == 'known' else ''}NULL")
    text = world.word(f"column_known.{form}", rows=rows, column=word, a_column=with_article(word))
    return Asked("column_known", text, query.sql())


def ask_columns(world: World, table: str, columns: Sequence[str]) -> Asked | None:
    """Ask for several columns of a table at once, as its wide ones are read; None when nobody wants to read one."""
    if any(world.lexicon.column(table, column).kind in _UNLISTED for column in columns):
        return None
    query = Query(world.lexicon, table)
    query.select = [ref(table, column) for column in columns]
    words = world.join_words([world.say(table, column) for column in columns])
    return Asked("column_list", world.word("column_list.alone", rows=world.noun(table), column=words), query.sql())


def ask_path(world: World, path: JoinPath) -> Asked | None:
    """Follow foreign keys to their end: show what is there, count rows by it, or choose rows by it."""
    rng, table = world.rng, path[0].table
    query = Query(world.lexicon, table)
    relations = _relations(path)
    end = query.follow(relations)
    target = path[-1].ref_table
    shown = world.label(target) or next(iter(world.shown_columns(target)), None)
    own = world.label(table) or next(iter(world.shown_columns(table)), world.lexicon.table(table).columns[0].name)
    if shown is None:
        return None
    chain = _say_chain(world, path)
    rows, row, word = world.noun(table), world.noun(table, plural=False), world.say(target, shown)
    values = world.texts.get((target, shown), [])
    form = rng.choice(("list", "each", "value") if values else ("list", "each"))
    slots = {"rows": rows, "row": row, "chain": chain, "column": word}
    if form == "value":
        value = rng.choice(values)
        query.select = [ref(table, own)]
        query.filter(f"{ref(end, shown)} = {quote(value)}")
        text = world.word("path_value.ask", value=value, own=world.saying(table, own), **slots)
        return Asked("path_value", text, query.sql())
    if form == "each":
        key = world.lexicon.key_of(target)
        group = [ref(end, key)] if key and key != shown else []
        query.select, query.group = [ref(end, shown), "COUNT(*)"], [*group, ref(end, shown)]
        return Asked("path_each", world.word("path_each.ask", **slots), query.sql())
    query.select = [ref(table, own), ref(end, shown)]
    return Asked("path_list", world.word("path_list.ask", own=world.saying(table, own), **slots), query.sql())


def _relations(path: JoinPath) -> Path:
    """Give each table on the way an instance of its own."""
    used = {path[0].table: 1}
    at, relations = path[0].table, []
    for hop in path:
        number = used.get(hop.ref_table, 0)
        instance = name_instance(hop.ref_table, number)
        used[hop.ref_table] = number + 1
        pairs = zip(hop.columns, hop.ref_columns, strict=True)
        on = " AND ".join(f"{ref(instance, b)} = {ref(at, a)}" for a, b in pairs)
        relations.append(Relation(hop.table, hop.ref_table, instance, on, (), (), hop.columns, hop.ref_columns))
        at = instance
    return tuple(relations)


def _say_chain(world: World, path: JoinPath) -> str:
    """Name what a path leads to, from its end: "manager of the handler"."""
    hops = list_hops(world.lexicon.schema)
    names = []
    for hop in path:
        roads = [other for other in hops if (other.table, other.ref_table) == (hop.table, hop.ref_table)]
        is_role = hop.is_ladder or len(roads) > 1
        roles = world.lexicon.words.get((hop.table, hop.columns[0]), []) if hop.is_ladder else []
        role = roles[0] if roles and not roles[0].endswith((" key", " id")) else name_role(hop.columns)
        names.append(role if is_role else world.noun(hop.ref_table, plural=False))
    return " of the ".join(reversed(names))
