"""Ask for rows that are described: how many they are, their names, or some of their columns.

In: a World and a query that has everything but its SELECT. Out: the question; the SELECT is added to the query. Draws
no conditions.
"""

from __future__ import annotations

from training.datagen.asking import ask_list
from training.datagen.fitting import draws
from training.datagen.query import Query
from training.datagen.specs import Spec, draw_columns, list_shown
from training.datagen.world import World

COUNTED = 0.3
"""How often rows are counted and not listed."""
DOING = 0.45
"""How often it is asked which rows do something, and not for rows that do it."""


def show_rows(world: World, query: Query, rows: str, verb: str = "") -> str:
    """Draw what is shown of the rows of a query, and ask for it.

    Args:
        world: Words and chance.
        query: Which rows; what they show is added.
        rows: What they are called, in the plural, with what is said of them.
        verb: What more is said of them, as what they do: "are older than all nurses".
    """
    table = query.base
    is_counted = world.rng.random() < COUNTED
    spec = Spec("list", table) if is_counted else Spec("list", table, columns=draw_columns(world, table))
    query.select = ["COUNT(*)"] if is_counted else list_shown(world, spec)
    is_doing = bool(verb) and draws(world, DOING)
    if verb and not is_doing:
        rows = f"{rows} that {verb}"
    if is_counted:
        return world.word("ask_count.doing" if is_doing else "ask_count.rows", rows=rows, verb=verb)
    if not is_doing:
        return ask_list(world, spec, rows)
    tail = ""
    if spec.columns:
        columns = world.join_words([world.say(table, column) for column in spec.columns])
        tail = world.word("ask_list.doing_tail", columns=columns)
    return world.word("ask_list.doing", rows=rows, verb=verb, tail=tail)
