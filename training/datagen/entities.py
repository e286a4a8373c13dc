"""Say which rows of a table are meant: one by its name or number, or those of a kind.

In: a World and a table. Out: an Entity, to be asked about or to restrict the rows that belong to it.
"""

from __future__ import annotations

from typing import NamedTuple

from training.datagen.column_filters import condition_filter, own_filter
from training.datagen.filters import noun_phrase
from training.datagen.fitting import draws, value_filter
from training.datagen.lexicon import Key, ref
from training.datagen.query import quote
from training.datagen.world import World

NICKNAMES = 0.12
"""How often a name is said by a part of it, where that part means it alone."""


class Entity(NamedTuple):
    """Rows that a question speaks of."""

    words: str
    sql: str
    column: Key
    """What the condition is about."""
    is_value: bool = False
    """Whether the words are a bare value, such as a country."""
    literal: str = ""
    """What the column must be equal to, in SQL; empty for other conditions."""
    value: str | None = None
    """The same where it is a text."""
    target: str = ""
    """The column in SQL, of a condition that another day or text can be put into."""


def draw_entity(world: World, table: str, instance: str) -> Entity | None:
    """Draw a row by its name or number, or a kind of rows; None when the table has none of these."""
    rng, lexicon = world.rng, world.lexicon
    label, key = lexicon.labels.get(table), lexicon.key_of(table)
    names = world.texts.get((table, label), []) if label else []
    if label and names and rng.random() < 0.55:
        value = rng.choice(names)
        # People say a part of a name where it is enough. The draw is made anyway, so that all wordings mean one row.
        short = world.nickname(table, label, value)
        name = short if short and rng.random() < NICKNAMES else value
        said = world.word("entity.named", noun=world.noun(table, plural=False), name=name)
        target, literal = ref(instance, label), quote(value)
        return Entity(said, f"{target} = {literal}", (table, label), literal=literal, value=value, target=target)
    is_numbered = (table, key) in lexicon.named_keys and (table, key) in world.numbers
    if not label and key and is_numbered and rng.random() < 0.5:
        known = world.numbers[(table, key)]
        number = rng.randint(int(known[0]), int(known[-1]))
        said = world.word("entity.numbered", noun=world.noun(table, plural=False), number=number)
        return Entity(said, f"{ref(instance, key)} = {number}", (table, key), literal=str(number))
    categories = world.categories(table)
    if not label and categories:
        column = rng.choice(categories)
        value = rng.choice(world.texts[(table, column)])
        target, literal = ref(instance, column), quote(value)
        if not world.is_plain_value(value) or table not in lexicon.spoken:
            said = world.word("entity.valued", noun=world.noun(table), column=world.say(table, column), value=value)
            if draws(world) and (fitting := value_filter(world, (table, column), target, value)):
                said = noun_phrase(world.noun(table), [fitting])
            return Entity(said, f"{target} = {literal}", (table, column), False, literal, value, target)
        return Entity(value, f"{target} = {literal}", (table, column), True, literal, value, target)
    found = own_filter(world, table, instance) if rng.random() < 0.7 else condition_filter(world, table, instance)
    if found is None:
        return None
    said, about = noun_phrase(world.noun(table), [found]), found.column or (table, "")
    return Entity(said, found.sql, about, value=found.value, target=found.target)
