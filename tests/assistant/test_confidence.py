"""Confidence: how probability and agreement are joined, what a table makes of it, and which table is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from assistant.confidence import (
    WORDS,
    ConfidenceTable,
    Point,
    describe_confidence,
    mix,
    read_table,
    table_path,
)
from assistant.types import Answer, ModelInfo, Question

TABLE = ConfidenceTable(
    model="a.gguf",
    size_bytes=5,
    points=(Point(raw=0.4, share=0.1, n=20), Point(raw=0.8, share=0.5, n=20), Point(raw=0.9, share=0.5, n=20)),
)


@pytest.mark.parametrize(
    ("raw", "share"), [(0.0, 0.1), (0.4, 0.1), (0.6, 0.3), (0.8, 0.5), (0.85, 0.5), (0.9, 0.5), (1.0, 0.5)]
)
def test_a_table_is_read_on_straight_lines_between_its_points(raw: float, share: float) -> None:
    assert TABLE.look_up(raw) == pytest.approx(share)


def test_a_table_that_falls_is_no_table() -> None:
    points = (Point(raw=0.4, share=0.5, n=20), Point(raw=0.8, share=0.4, n=20))
    with pytest.raises(ValidationError, match="must rise"):
        ConfidenceTable(model="a.gguf", size_bytes=5, points=points)


def test_the_table_beside_a_model_is_read_and_only_for_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    info = ModelInfo(name="a.gguf", backend="llamacpp", path=path, size_bytes=5)
    assert read_table(info) is None
    table_path(path).write_text(TABLE.model_dump_json())
    assert read_table(info) == TABLE
    assert read_table(info.model_copy(update={"size_bytes": 6})) is None
    assert read_table(info.model_copy(update={"path": None})) is None
    table_path(path).write_text("{")
    assert read_table(info) is None


def test_drafts_that_go_apart_take_up_to_half_of_the_probability() -> None:
    assert mix(0.8, None) == 0.8
    assert mix(0.8, 1.0) == 0.8
    assert mix(0.8, 0.5) == pytest.approx(0.6)
    assert mix(None, 0.5) == 0.5
    assert mix(None, None) is None


def answer(**fields: object) -> Answer:
    return Answer.model_validate({"question": Question(text="Q?"), "status": "answered", "text": "A.", **fields})


def test_there_are_words_for_every_share_of_right_answers() -> None:
    said = [describe_confidence(answer(confidence=least, is_calibrated=True)) for least, _ in WORDS]
    assert said == [words for _, words in WORDS]
    assert describe_confidence(answer(confidence=1.0, is_calibrated=True)) == "very sure"
    assert describe_confidence(answer(confidence=0.69, is_calibrated=True)) == "not sure"


@pytest.mark.parametrize(
    ("agreement", "words"), [(None, "no sign of doubt"), (0.75, "some doubt"), (0.5, "in doubt"), (0.0, "in doubt")]
)
def test_nothing_is_promised_where_nothing_was_measured(agreement: float | None, words: str) -> None:
    assert describe_confidence(answer(confidence=0.99, agreement=agreement)) == words


def test_nothing_is_said_where_nothing_is_known_or_nothing_was_answered() -> None:
    assert describe_confidence(answer()) == ""
    assert describe_confidence(answer(status="unanswerable", confidence=0.9)) == ""
