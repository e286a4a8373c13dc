"""Read what a sampler needs from a database: which values its columns hold.

In: a SQLite connection to a copy of the data and its schema. Out: a World.
"""

from __future__ import annotations

import random
import sqlite3
from datetime import date

from training.datagen.filters import World
from training.datagen.lexicon import Lexicon

MAX_TEXTS = 2000
MAX_NUMBERS = 400


def read_world(lexicon: Lexicon, connection: sqlite3.Connection, rng: random.Random) -> World:
    """Read the values of each column: texts as they are, a sample of numbers, the first and last day."""
    world = World(lexicon, rng)
    for table in lexicon.schema.tables:
        for column in table.columns:
            key = (table.name, column.name)
            name = f'"{column.name}"'
            source = f'"{table.name}"'
            if connection.execute(f"SELECT 1 FROM {source} WHERE {name} IS NULL LIMIT 1").fetchone():
                world.nullable.add(key)
            if column.kind == "text":
                found = connection.execute(
                    f"SELECT DISTINCT {name} FROM {source} WHERE {name} IS NOT NULL ORDER BY 1 LIMIT {MAX_TEXTS}"
                )
                world.texts[key] = [str(row[0]) for row in found]
            elif column.kind in ("integer", "float"):
                found = connection.execute(f"SELECT {name} FROM {source} WHERE {name} IS NOT NULL ORDER BY {name}")
                values = [float(row[0]) for row in found]
                world.numbers[key] = values[:: max(1, len(values) // MAX_NUMBERS)]
            elif column.kind in ("date", "datetime"):
                low, high = connection.execute(f"SELECT MIN(date({name})), MAX(date({name})) FROM {source}").fetchone()
                if low and high:
                    world.days[key] = (date.fromisoformat(low), date.fromisoformat(high))
    world.texts = {key: values for key, values in world.texts.items() if values}
    world.numbers = {key: values for key, values in world.numbers.items() if values}
    return world
