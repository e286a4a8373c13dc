"""Questions that must not be answered with SQL: not in the data, asking to change it, or too vague.

In: a World. Out: a question and the comment line the model should write instead (see `prompts.parse_reply`), or None
when the data has too little to speak of; the wordings are in `declined.toml`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from training.datagen.entities import draw_entity
from training.datagen.filters import noun_phrase
from training.datagen.patterns import every, fill, split
from training.datagen.relation_filters import draw_filters
from training.datagen.world import World

DeclinedKind = Literal["unanswerable", "refused", "clarify"]


class Declined(NamedTuple):
    """A question and why it is not answered."""

    kind: DeclinedKind
    question: str
    reply: str


def draw_declined(world: World) -> Declined | None:
    """Draw a question of one of the three kinds."""
    return world.rng.choices((unanswerable, refused, clarify), (5, 3, 3))[0](world)


def unanswerable(world: World) -> Declined | None:
    """Ask for what the database does not hold."""
    rng = world.rng
    table = rng.choice([t.name for t in world.lexicon.schema.tables])
    if rng.random() < 0.3:
        pattern = world.pattern("unanswerable.general")
        measures = world.lexicon.measures
        figure = measures[0].words[0] if measures else world.word("unanswerable.turnover")
        place = world.word("unanswerable.places")
        text = fill(pattern, place=place, rows=world.noun(table), figure=figure)
        return _declined(world, "unanswerable", text, world.word("unanswerable.general_reason"))
    known = _schema_words(world)
    topic = rng.choice([topic for topic in every("unanswerable.topics") if not set(topic.split()) & known])
    pattern = world.pattern("unanswerable.topic")
    entity, rows, row = _say_entity(world), world.noun(table), world.noun(table, plural=False)
    text = fill(pattern, topic=topic, entity=entity, rows=rows, row=row, year=rng.randint(2021, 2026))
    return _declined(world, "unanswerable", text, world.word("unanswerable.topic_reason", topic=topic))


def refused(world: World) -> Declined | None:
    """Ask to change something."""
    rng = world.rng
    table = rng.choice([t.name for t in world.lexicon.schema.tables])
    columns = [c.name for c in world.lexicon.table(table).columns if not world.lexicon.is_key(table, c.name)]
    noun = world.noun(table)
    chosen = noun_phrase(noun, draw_filters(world, table, rng.choice((0, 1))))
    values = [value for key, found in world.texts.items() if key[0] == table for value in found[:20]]
    if not columns:
        return None
    pattern = world.pattern("refused.write")
    rows, row, entity = world.noun(table), world.noun(table, plural=False), _say_entity(world)
    column = world.say(table, rng.choice(columns))
    value = rng.choice([rng.choice(values or every("refused.new_value")), str(rng.randint(1, 500))])
    name, percent = world.word("refused.names"), rng.choice((3, 5, 10))
    text = fill(
        pattern,
        chosen=chosen,
        rows=rows,
        row=row,
        entity=entity,
        column=column,
        value=value,
        name=name,
        percent=percent,
    )
    return _declined(world, "refused", text, world.word("refused.reason"))


def clarify(world: World) -> Declined | None:
    """Ask too vaguely."""
    rng = world.rng
    table = rng.choice([t.name for t in world.lexicon.schema.tables])
    keys = sorted(key for key, values in world.texts.items() if len(values) > 1)
    if not keys:
        return None
    value, other = rng.sample(world.texts[rng.choice(keys)], 2)
    ask, about = split(world.pattern("clarify.vague"), 2)
    rows, row = world.noun(table), world.noun(table, plural=False)
    text, reason = (fill(part, rows=rows, row=row, value=value, other=other) for part in (ask, about))
    return _declined(world, "clarify", text, f"{reason}?")


def _declined(world: World, kind: DeclinedKind, text: str, reason: str) -> Declined:
    """Write the comment that stands for a statement."""
    return Declined(kind, text, f"-- {kind}: {reason}")


def _schema_words(world: World) -> set[str]:
    """Collect the words of the schema: of what they are about, the database might know."""
    phrases = (*world.lexicon.words.values(), *world.lexicon.nouns.values())
    return {word for said in phrases for phrase in said for word in phrase.split()}


def _say_entity(world: World) -> str:
    """Say a row of any table; its noun when nothing else can be said."""
    tables = [t.name for t in world.lexicon.schema.tables]
    for _ in range(5):
        found = draw_entity(world, world.rng.choice(tables), "x")
        if found and not found.is_value:
            return found.words
    return world.noun(tables[0])
