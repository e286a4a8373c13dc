"""Predictions from elsewhere: read whole or refused with the line that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.errors import DataError, UsageError
from evaluation.examples import Example, ExampleTurn, list_asks
from evaluation.submitted import read_predictions

TALK = Example(
    id="talk",
    question="Q?",
    turns=(ExampleTurn(question="A?", gold_sql="SELECT 1"), ExampleTurn(question="B?", gold_sql="SELECT 2")),
)
ASKS = [*list_asks(Example(id="7", question="Q?", gold_sql="SELECT 1")), *list_asks(TALK)]
LINES: list[dict[str, object]] = [
    {"id": "talk", "turn": 2, "sql": "SELECT 2", "latency_ms": 12.5, "model": "whatever"},
    {"id": 7, "sql": None},
    {"id": "talk", "turn": 1, "sql": "SELECT 1"},
    {"id": "another", "sql": "SELECT 9"},
]


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_lines_are_found_by_id_and_turn(tmp_path: Path) -> None:
    found = read_predictions(write(tmp_path / "p.jsonl", *LINES), ASKS)
    assert [(p.id, p.turn, p.sql, p.status, p.latency_ms) for p in found] == [
        ("7", None, "", "failed", 0.0),
        ("talk", 1, "SELECT 1", "answered", 0.0),
        ("talk", 2, "SELECT 2", "answered", 12.5),
    ]


def test_a_declined_question_keeps_its_status(tmp_path: Path) -> None:
    lines = [{"id": "7", "sql": "", "status": "unanswerable"}, *LINES[2:3], LINES[0]]
    assert read_predictions(write(tmp_path / "p.jsonl", *lines), ASKS)[0].status == "unanswerable"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*LINES[:1], "{oops"], "line 2: not JSON"),
        (["[1]"], "line 1: not a JSON object"),
        ([{"sql": "SELECT 1"}], "line 1: id"),
        ([{"id": "7", "sql": "SELECT 1", "status": "fine"}], "line 1: status"),
        ([{"id": "7", "sql": 5}], "line 1: sql"),
        ([*LINES, LINES[0]], "line 5: a second prediction for 'talk'"),
        (LINES[:2], "no prediction for talk turn 1"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path: Path, lines: list[object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_predictions(write(tmp_path / "p.jsonl", *lines), ASKS)


def test_a_missing_file_is_an_error_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read predictions"):
        read_predictions(tmp_path / "none.jsonl", ASKS)
