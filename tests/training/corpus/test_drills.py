"""Drills ask for many names at once; their SQL runs, and what it names is listed."""

from __future__ import annotations

import random
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from training.corpus.drills import drill
from training.corpus.invented import draw_schema
from training.corpus.rows import build_database


@pytest.mark.parametrize("seed", range(4))
def test_the_sql_of_every_drill_runs_and_its_names_are_listed(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    schema = draw_schema(rng)
    path = tmp_path / "drilled.sqlite"
    build_database(schema, path, rng)
    rows = list(drill(schema, 60, rng))
    assert len(rows) > 30
    with closing(sqlite3.connect(path)) as connection:
        for row in rows:
            connection.execute(row.reply).fetchone()
            said, *listed = row.messages[-1].content.splitlines()
            assert said == row.question
            shown = set(re.findall(r"\w+", " ".join(listed)))
            bare = re.sub(r"'[^']*'|\b(?:SELECT|FROM|JOIN|ON|WHERE|AND|IS|NULL|ORDER|BY|DESC|\d+)\b", " ", row.reply)
            assert set(re.findall(r"\w+", bare)) <= shown


def test_drills_ask_for_more_names_than_questions_do_and_now_and_then_join() -> None:
    rng = random.Random(1)
    rows = [row for _ in range(10) for row in drill(draw_schema(rng), 30, rng)]
    names = [row.reply.partition(" FROM ")[0].count(",") + 1 for row in rows]
    assert sum(names) / len(names) > 4
    joined = sum(" JOIN " in row.reply for row in rows)
    assert 0.1 < joined / len(rows) < 0.6


def test_the_same_state_of_chance_gives_the_same_drills() -> None:
    schema = draw_schema(random.Random(3))
    first, second = (list(drill(schema, 20, random.Random(5))) for _ in range(2))
    assert [row.line() for row in first] == [row.line() for row in second]
