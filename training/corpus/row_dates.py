"""Made-up dates of the rows of one table, as ISO text.

In: a table. Out: which of its columns hold dates or times of day, and their values. What the type or the name says
counts, in whatever form the samples are. Within a row, what comes later in life comes later: an end after its start.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from assistant.types import Column
from assistant.words import word_set
from training.datagen.spoken import name_words, past_verb

_DATED = word_set("date datetime timestamp birthday dob")
_LATER = word_set(
    """end ended closed to until due completed completion delivered delivery left return returned paid payment expiry
    expires expired updated last settled settlement arrival discharge checkout departed finished resolved shipped
    cancelled received destroyed destruction disposed valid modified actual termination"""
)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE_LIKE = re.compile(
    rf"\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}|\d{{1,2}}[- ]?({_MONTHS})|({_MONTHS})\w*\.? \d{{1,2}}", re.IGNORECASE
)
_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


def is_date(column: Column) -> bool:
    """Tell whether a column holds days or moments, by its type, its samples or its name."""
    if column.kind in ("date", "datetime"):
        return True
    if column.kind != "text":
        return False
    if column.samples:
        like = sum(bool(_DATE_LIKE.search(sample)) for sample in column.samples)
        years = all(sample.isdigit() for sample in column.samples)
        is_named = not _DATED.isdisjoint(name_words(column.name).split())
        return like * 2 > len(column.samples) and (is_named or not is_time_of_day(column)) or (is_named and not years)
    return not _DATED.isdisjoint(name_words(column.name).split()) or bool(past_verb(column.name))


def is_time_of_day(column: Column) -> bool:
    """Tell whether a column holds times of day, such as 08:30."""
    if column.kind != "text":
        return False
    if column.samples:
        return all(_TIME_OF_DAY.fullmatch(sample) for sample in column.samples)
    return column.sql_type.upper() == "TIME"


def make_times(count: int, rng: random.Random) -> list[str]:
    """Make times of day, most of them in working hours."""
    return [
        f"{int(rng.triangular(6, 23, 11)):02}:{rng.choice((0, 10, 15, 20, 30, 40, 45, 50)):02}" for _ in range(count)
    ]


def make_dates(
    columns: Sequence[Column], count: int, rng: random.Random, *, is_person: bool = True
) -> dict[str, list[str]]:
    """Make the dates of all rows of a table.

    Args:
        columns: Its columns that hold dates, in their order.
        count: How many rows.
        rng: Chance.
        is_person: Whether those that were born are people, not animals.

    Returns:
        The values by the name of the column.
    """
    first = date(rng.randint(2018, 2022), rng.choice((1, 1, 4, 7)), 1)
    days = (date(rng.randint(first.year + 2, 2025), rng.choice((6, 12, 12, 12)), 28) - first).days
    bases = [first + timedelta(int(rng.triangular(0, days, days * 0.7))) for _ in range(count)]
    latest = list(bases)
    gap = rng.choice((3, 8, 20, 60))
    made: dict[str, list[str]] = {}
    for column in sorted(columns, key=_is_later):
        words = set(name_words(column.name).split())
        if words & {"birth", "birthday", "dob", "born"}:
            found = [
                date(rng.randint(*((1948, 2005) if is_person else (2012, 2023))), 1, 1) + timedelta(rng.randrange(365))
                for _ in range(count)
            ]
        elif _is_later(column):
            latest = [day + timedelta(1 + int(rng.expovariate(1 / gap))) for day in latest]
            found = latest
        elif made:
            found = [day - timedelta(int(rng.expovariate(1 / gap))) for day in bases]
        else:
            found = bases
        made[column.name] = [_write(day, column, rng) for day in found]
    return made


def _is_later(column: Column) -> bool:
    return not _LATER.isdisjoint(name_words(column.name).split())


def _write(day: date, column: Column, rng: random.Random) -> str:
    if column.kind != "datetime" and not {"datetime", "timestamp"} & set(name_words(column.name).split()):
        return day.isoformat()
    return str(datetime(day.year, day.month, day.day, rng.randint(6, 21), rng.randrange(60), rng.choice((0, 0, 30))))
