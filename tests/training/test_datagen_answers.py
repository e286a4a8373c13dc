"""Kinds of questions whose SQL is held against answers that are worked out here, from the rows of a tiny cellar."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from assistant.database import connect
from training.datagen.glossary import build_lexicon
from training.datagen.kinds.absence import existence_through, not_of_parent
from training.datagen.kinds.aggregates import aggregate, two_columns
from training.datagen.kinds.choices import either_column, either_range, either_value
from training.datagen.kinds.rivals import compared_with
from training.datagen.kinds.sets import names_of
from training.datagen.kinds.tops import names_of_top, top_by_figure, value_of_top, values_by_count
from training.datagen.query import Asked
from training.datagen.reading import read_world
from training.datagen.world import World


class Wine(NamedTuple):
    name: str
    winery: str
    year: int
    price: int
    score: int
    grape: str | None
    cellar: str
    bottled: str


GRAPES = {"Merlot": "red", "Riesling": "white", "Syrah": "red"}
CELLARS = ("North", "South")
WINES = (
    Wine("Alba", "Rosenhof", 2004, 10, 80, "Merlot", "North", "2005-02-01"),
    Wine("Alba", "Rosenhof", 2005, 12, 82, "Merlot", "North", "2006-02-01"),
    Wine("Brise", "Rosenhof", 2006, 30, 95, "Syrah", "North", "2007-05-01"),
    Wine("Cielo", "Rosenhof", 2007, 50, 93, "Syrah", "North", "2008-03-01"),
    Wine("Cielo", "Talmann", 2008, 55, 91, "Syrah", "North", "2009-09-01"),
    Wine("Dorn", "Talmann", 2009, 8, 70, "Riesling", "South", "2010-02-01"),
    Wine("Eiche", "Talmann", 2009, 9, 75, "Riesling", "South", "2010-02-02"),
    Wine("Fels", "Ulmer", 2010, 20, 85, "Merlot", "South", "2011-02-01"),
    Wine("Fels", "Ulmer", 2012, 22, 86, None, "South", "2013-02-01"),
    Wine("Gold", "Rosenhof", 2012, 90, 99, "Merlot", "South", "2013-07-01"),
)
SCRIPT = """
CREATE TABLE grape (id INTEGER PRIMARY KEY, name TEXT NOT NULL, colour TEXT NOT NULL);
CREATE TABLE cellar (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE wine (id INTEGER PRIMARY KEY, name TEXT NOT NULL, winery TEXT NOT NULL, year INTEGER NOT NULL,
    price INTEGER NOT NULL, score INTEGER NOT NULL, grape_id INTEGER REFERENCES grape (id),
    cellar_id INTEGER NOT NULL REFERENCES cellar (id));
"""
COUNT = 6000
ENOUGH = 2
Rows = Counter[tuple[object, ...]]


@pytest.fixture(scope="module")
def cellar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cellar") / "cellar.sqlite"
    grapes, cellars = list(GRAPES), list(CELLARS)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
        connection.executemany("INSERT INTO grape (name, colour) VALUES (?, ?)", GRAPES.items())
        connection.executemany("INSERT INTO cellar (name) VALUES (?)", [(name,) for name in CELLARS])
        for wine in WINES:
            grape = grapes.index(wine.grape) + 1 if wine.grape else None
            row = (wine.name, wine.winery, wine.year, wine.price, wine.score, grape, cellars.index(wine.cellar) + 1)
            connection.execute(
                "INSERT INTO wine (name, winery, year, price, score, grape_id, cellar_id) VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        connection.commit()
    return path


@pytest.fixture(scope="module")
def data(cellar: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(cellar)) as connection:
        yield connection


@pytest.fixture(scope="module")
def world(cellar: Path, data: sqlite3.Connection) -> World:
    with closing(connect(str(cellar))) as database:
        schema = database.schema()
    return read_world(build_lexicon(schema), data, random.Random(11))


def anything(sql: str) -> bool:
    return bool(sql)


def names_or_number(sql: str) -> bool:
    """Tell whether a statement shows names or a number, of rows that one thing alone is said of."""
    return bool(re.match(r"SELECT (COUNT\(\*\)|(\w+\.)?name) FROM", sql)) and " AND " not in re.sub(
        r"EXISTS.*", "", sql
    )


def names_alone(sql: str) -> bool:
    return " AND " not in sql


def draw(
    world: World, maker: Callable[[World], Asked | None], said: str, is_plain: Callable[[str], bool] = anything
) -> list[tuple[re.Match[str], Asked]]:
    """Draw questions until some say a certain thing."""
    found = []
    for _ in range(COUNT):
        asked = maker(world)
        matched = re.fullmatch(said, asked.question.rstrip("?."), re.IGNORECASE) if asked else None
        if asked and matched and is_plain(asked.sql):
            found.append((matched, asked))
            if len(found) == ENOUGH:
                return found
    raise AssertionError(f"drawn {len(found)} times: {said}")


def ask(data: sqlite3.Connection, sql: str) -> Rows:
    return Counter(data.execute(sql).fetchall())


def answer(data: sqlite3.Connection, asked: Asked, wines: list[Wine]) -> None:
    """Check a list of names or a number of rows."""
    wanted: Rows = Counter((wine.name,) for wine in wines)
    if asked.sql.startswith("SELECT COUNT(*)"):
        wanted = Counter([(len(wines),)])
    assert ask(data, asked.sql) == wanted, asked


def mean(values: list[int]) -> float:
    return sum(values) / len(values)


def test_figures_of_two_columns(world: World, data: sqlite3.Connection) -> None:
    pair = r"(average|avg|mean|maximum|highest|minimum|lowest) (price|score) and (?:the )?(?:\1 )?(price|score)"
    for matched, asked in draw(world, two_columns, rf"(?:what (?:are|is) the )?{pair} of wines"):
        fold = {"a": mean, "m": max, "h": max, "l": min}[matched[1][0].lower()]
        fold = {"mean": mean, "minimum": min}.get(matched[1].lower(), fold)
        figures = tuple(fold([getattr(wine, name.lower()) for wine in WINES]) for name in matched.groups()[1:])
        assert ask(data, asked.sql) == Counter([figures]), asked


def test_figures_of_two_columns_for_each_group(world: World, data: sqlite3.Connection) -> None:
    for matched, asked in draw(
        world, two_columns, r".*(?:average|avg|mean) (price|score) and (price|score) of wines .*winery"
    ):
        wanted: Rows = Counter()
        for winery in {wine.winery for wine in WINES}:
            rows = [wine for wine in WINES if wine.winery == winery]
            wanted[winery, *(mean([getattr(row, name.lower()) for row in rows]) for name in matched.groups())] += 1
        assert ask(data, asked.sql) == wanted, asked


def test_three_figures_of_one_column(world: World, data: sqlite3.Connection) -> None:
    said = r"(?:what are the )?(\w+), (\w+),? and (?:the )?(\w+) price of wines"
    folds = dict.fromkeys(("average", "mean"), mean) | dict.fromkeys(("minimum", "lowest", "smallest"), min)
    prices = [wine.price for wine in WINES]
    for matched, asked in draw(world, aggregate, said):
        wanted = tuple(folds.get(word.lower(), max)(prices) for word in matched.groups())
        assert ask(data, asked.sql) == Counter([wanted]), asked


def test_below_one_limit_or_above_another(world: World, data: sqlite3.Connection) -> None:
    said = (
        r".*wines (?:cheaper than|that cost less than|priced below) (\d+)"
        r" or (?:more expensive|more|above)(?: than)? (\d+)"
    )
    for matched, asked in draw(world, either_range, said, names_or_number):
        low, high = map(int, matched.groups())
        answer(data, asked, [wine for wine in WINES if wine.price < low or wine.price > high])


def test_before_one_year_or_after_another(world: World, data: sqlite3.Connection) -> None:
    for matched, asked in draw(
        world, either_range, r".*wines (?:from|made) before (\d+) or after (\d+)", names_or_number
    ):
        low, high = map(int, matched.groups())
        answer(data, asked, [wine for wine in WINES if wine.year < low or wine.year > high])


def test_one_of_some_values(world: World, data: sqlite3.Connection) -> None:
    for matched, asked in draw(
        world, either_value, r".*wines (?:with|having) winery (?:either )?(\w+) or (\w+)", names_or_number
    ):
        wineries = {word.casefold() for word in matched.groups()}
        answer(data, asked, [wine for wine in WINES if wine.winery.casefold() in wineries])


def test_one_thing_or_another(world: World, data: sqlite3.Connection) -> None:
    said = r".*wines whose (?:winery is '?(\w+)'? or whose price is (?:above|over|more than) (\d+))"
    for matched, asked in draw(world, either_column, said, names_or_number):
        rows = [wine for wine in WINES if wine.winery == matched[1] or wine.price > int(matched[2])]
        answer(data, asked, rows)


@pytest.mark.parametrize(("whom", "fold"), [("all|each|every one", max), ("at least one|some|one or more", min)])
def test_compared_with_others(
    world: World, data: sqlite3.Connection, whom: str, fold: Callable[[list[int]], int]
) -> None:
    more = "(?:are more expensive|are dearer|cost more|have a (?:higher|greater|larger) price)"
    said = rf".*wines (?:that )?{more} than (?:{whom})(?: of)?(?: the)? wines (?!bef|aft|sin)[a-z ]+ (\d{{4}})"
    for matched, asked in draw(world, compared_with, said, lambda sql: names_or_number(sql) and "year =" in sql):
        limit = fold([wine.price for wine in WINES if wine.year == int(matched[1])] or [1000])
        answer(data, asked, [wine for wine in WINES if wine.price > limit])


def test_values_that_occur_so_many_times(world: World, data: sqlite3.Connection) -> None:
    times = r"(at least|more than|exactly) (\d+) (?:wines|times among wines)"
    said = rf"(?:which )?(winery|wineries|names) (?:that )?(?:have|occur) {times}"
    for matched, asked in draw(world, values_by_count, said):
        column = "name" if matched[1].lower() == "names" else "winery"
        number = int(matched[3])
        counted = Counter(getattr(wine, column) for wine in WINES)
        fits = {
            "at least": lambda n, number=number: n >= number,
            "more than": lambda n, number=number: n > number,
            "exactly": lambda n, number=number: n == number,
        }[matched[2].lower()]
        shows = "COUNT(*) FROM" in asked.sql
        wanted = Counter((value, n) if shows else (value,) for value, n in counted.items() if fits(n))
        assert ask(data, asked.sql) == wanted, asked


def test_rows_without_a_parent_do_not_belong_to_it_either(world: World, data: sqlite3.Connection) -> None:
    said = r".*wines (?:that )?(?:do not belong to the grape|are not of|are not of the grape) (Merlot|Syrah|Riesling)"
    for matched, asked in draw(world, not_of_parent, said, names_or_number):
        answer(data, asked, [wine for wine in WINES if wine.grape != matched[1]])


def test_without_children_of_another_parent(world: World, data: sqlite3.Connection) -> None:
    said = r".*grapes (?:without any|with no|without) wines? (?:of|for|with)(?: the)?(?: cellar)? (North|South)"
    for matched, asked in draw(world, existence_through, said, names_or_number):
        held = {wine.grape for wine in WINES if wine.cellar == matched[1]}
        grapes = [grape for grape in GRAPES if grape not in held]
        is_count = asked.sql.startswith("SELECT COUNT")
        wanted: Rows = Counter([(len(grapes),)]) if is_count else Counter((grape,) for grape in grapes)
        assert ask(data, asked.sql) == wanted, asked


def test_the_group_with_the_highest_figure_and_details_of_it(world: World, data: sqlite3.Connection) -> None:
    prices = {
        grape: mean([wine.price for wine in WINES if wine.grape == grape]) for grape in GRAPES
    }  # of the wines of each grape
    best = max(prices, key=lambda grape: prices[grape])
    figure = r"(?:highest|largest|greatest|biggest) (?:average|mean|avg) price"
    for _, asked in draw(world, top_by_figure, rf"(?:which grape has|grape with) the {figure} of wines"):
        assert ask(data, asked.sql) == Counter([(best,)]), asked
    for _, asked in draw(
        world, value_of_top, rf".*colou?r of the grape (?:whose wines have|with) the {figure}(?: of wines)?"
    ):
        wanted = (best, GRAPES[best]) if "g.name, g.colour" in asked.sql.split(" FROM ")[0] else (GRAPES[best],)
        assert ask(data, asked.sql) == Counter([wanted]), asked


def test_only_the_names_of_the_first_few(world: World, data: sqlite3.Connection) -> None:
    said = r"which (?:2|two) wineries have the most wines\? Just the wineries"
    for _, asked in draw(world, names_of_top, said):
        assert data.execute(asked.sql).fetchall() == [("Rosenhof",), ("Talmann",)], asked


@pytest.mark.parametrize("different", ["different", ""])
def test_names_are_given_once_only_where_that_is_asked(world: World, data: sqlite3.Connection, different: str) -> None:
    which = r"(?:different|distinct|unique) " if different else r"(?:the |all |(?=names))"
    said = rf"(?:(?!different|distinct|unique).)*{which}names of (?:all )?wines (?:with|having|of) winery (\w+)"
    for matched, asked in draw(world, names_of, said, names_alone):
        names = [wine.name for wine in WINES if wine.winery.casefold() == matched[1].casefold()]
        assert ask(data, asked.sql) == Counter((name,) for name in (set(names) if different else names)), asked
        assert asked.kind == ("names_distinct" if different else "names_plain")
