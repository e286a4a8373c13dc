"""Questions in other languages that must not be answered with SQL.

In: a Speaker and a kind. Out: a question and the comment line that the model should write instead, with the reason in
the same language; or nothing. The wordings are those of the language.
"""

from __future__ import annotations

import random
import re

from training.datagen.entities import draw_entity
from training.datagen.languages.language import Language
from training.datagen.languages.wording import Speaker
from training.datagen.patterns import fill, split
from training.datagen.world import World


def say_declined(kind: str, world: World, speaker: Speaker, rng: random.Random) -> tuple[str, str] | None:
    """Draw a question of a kind with its reply; None where there is nothing to speak of."""
    language = speaker.language
    table = rng.choice([table.name for table in world.lexicon.schema.tables])
    rows = speaker.say_rows(table, rng)
    if kind == "clarify":
        ask, about = split(rng.choice(language.every("clarify.vague")), 2)
        return language.finish(fill(ask, rows=rows)), f"-- clarify: {fill(about, rows=rows)}?"
    entity = _entity(world, speaker, rng)
    if kind == "refused":
        columns = [c.name for c in world.lexicon.table(table).columns if not world.lexicon.is_key(table, c.name)]
        if not columns or not entity:
            return None
        column = speaker.say_column(table, rng.choice(columns), rng)
        question = language.word(
            rng, "refused.write", rows=rows, entity=entity, column=column, value=rng.randint(1, 500),
            percent=rng.choice((3, 5, 10)),
        )  # fmt: skip
        return language.finish(question), f"-- refused: {language.word(rng, 'refused.reason')}"
    if rng.random() < 0.3 or not entity:
        question = language.word(rng, "unanswerable.general", rows=rows)
        return language.finish(question), f"-- unanswerable: {language.word(rng, 'unanswerable.general_reason')}"
    topic = _topic(world, language, rng)
    question = language.word(
        rng, "unanswerable.topic", topic=topic, rows=rows, entity=entity, year=rng.randint(2021, 2026)
    )  # fmt: skip
    return language.finish(question), f"-- unanswerable: {language.word(rng, 'unanswerable.topic_reason', topic=topic)}"


def _topic(world: World, language: Language, rng: random.Random) -> str:
    """Draw what the database does not hold: by its word in the language, and in English, which the schema may be in."""
    known = {
        word
        for said in (*world.lexicon.words.values(), *world.lexicon.nouns.values())
        for phrase in said
        for word in re.findall(r"\w+", phrase.casefold())
    }
    topics = language.every("unanswerable.topics")
    absent = [topic for topic in topics if known.isdisjoint(re.findall(r"\w+", topic.casefold()))]
    return rng.choice(absent or list(topics)).partition(" / ")[0]


def _entity(world: World, speaker: Speaker, rng: random.Random) -> str:
    """Say one row by its name; empty where no rows have names."""
    state, world.rng = world.rng, rng
    try:
        for _ in range(8):
            table = rng.choice([table.name for table in world.lexicon.schema.tables])
            found = draw_entity(world, table, table)
            if found and found.value and found.column == (table, world.lexicon.labels.get(table)):
                return speaker.say_named(table, found.value, rng)
    finally:
        world.rng = state
    return ""
