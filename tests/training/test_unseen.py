"""Questions of a person about two databases that no model has seen: to judge a retraining by, not to learn from."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from evaluation.examples import read_examples
from tests.training.unseen import build_hospital, build_odd_names

QUESTIONS = Path(__file__).parent / "questions"


@pytest.mark.parametrize(
    ("name", "build", "count"), [("hospital", build_hospital, 30), ("odd_names", build_odd_names, 20)]
)
def test_the_gold_sql_of_every_question_gives_rows(
    name: str, build: Callable[[Path], None], count: int, tmp_path: Path
) -> None:
    build(tmp_path / "db.sqlite")
    examples = read_examples(QUESTIONS / f"{name}.jsonl")
    with closing(sqlite3.connect(tmp_path / "db.sqlite")) as database:
        found = [example for example in examples if database.execute(example.gold_sql).fetchone() is not None]
    assert len(found) == len(examples) == count
