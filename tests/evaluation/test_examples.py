"""Files of examples: what is read, and what is said about a line that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from assistant.errors import DataError, UsageError
from evaluation.examples import Example, list_asks, read_examples

DATA = Path(__file__).parent / "data" / "shop.jsonl"


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_every_line_is_read_in_order() -> None:
    examples = read_examples(DATA)
    assert [example.id for example in examples] == [f"s-{number:02d}" for number in range(1, 11)]
    assert [example.expect for example in examples].count("answer") == 7
    assert examples[2].is_ordered
    assert examples[8].clarify_about == "long in time or in text"
    assert examples[4].turns == ()


def test_a_conversation_is_asked_turn_by_turn_and_its_first_line_not_twice() -> None:
    asks = list_asks(read_examples(DATA)[-1])
    assert [(ask.turn, ask.is_ordered) for ask in asks] == [(1, False), (2, False), (3, True)]
    assert asks[0].name == "s-10 turn 1"
    assert asks[2].key == ("s-10", 3)


def test_gold_is_left_out_where_no_answer_is_expected(tmp_path: Path) -> None:
    line = {"id": "a", "question": "Q?", "gold_sql": "SELECT 1", "expect": "clarify"}
    assert list_asks(read_examples(write(tmp_path / "e.jsonl", line))[0])[0].gold_sql is None


def test_the_least_a_line_needs_is_id_question_and_gold(tmp_path: Path) -> None:
    example = read_examples(write(tmp_path / "e.jsonl", {"id": 7, "question": "Q?", "gold_sql": "SELECT 1"}))[0]
    assert (example.id, example.expect, example.is_ordered, example.turns) == ("7", "answer", None, ())


def test_unknown_fields_empty_lines_and_a_byte_order_mark_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    line = json.dumps({"id": "a", "question": "Is\u2028this one line?", "gold_sql": "SELECT 1", "author": {"x": 1}})
    path.write_text(f"\ufeff\n{line}\r\n\n", encoding="utf-8")
    assert [example.question for example in read_examples(path)] == ["Is\u2028this one line?"]


def test_examples_cannot_be_changed() -> None:
    example: Example = read_examples(DATA)[0]
    with pytest.raises(ValidationError, match="frozen"):
        example.gold_sql = "SELECT 2"


GOOD = {"id": "a", "question": "Q?", "gold_sql": "SELECT 1"}
TURN = {"question": "Q?", "gold_sql": "SELECT 1"}


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('{"id": "b", "question"', "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ({"question": "Q?", "gold_sql": "SELECT 1"}, "id"),
        ({**GOOD, "id": ""}, "id"),
        ({**GOOD, "id": None}, "id"),
        ({**GOOD, "id": "b", "question": ""}, "question"),
        ({**GOOD, "id": "b", "question": 5}, "question"),
        ({"id": "b", "gold_sql": "SELECT 1"}, "question"),
        ({**GOOD, "id": "b", "gold_sql": None}, "gold_sql"),
        ({**GOOD, "id": "b", "gold_sql": " "}, "gold_sql"),
        ({"id": "b", "question": "Q?"}, "gold_sql"),
        ({**GOOD, "id": "b", "gold_sql": ["SELECT 1"]}, "gold_sql"),
        ({**GOOD, "id": "b", "expect": "answered"}, "expect"),
        ({**GOOD, "id": "b", "ordered": "yes"}, "ordered"),
        ({**GOOD, "id": "b", "turns": "none"}, "turns"),
        ({**GOOD, "id": "b", "turns": [TURN, {"question": "And?"}]}, "turns.1.gold_sql"),
        ({**GOOD, "id": "b", "turns": [{**TURN, "ordered": 3}]}, "turns.0.ordered"),
        ({**GOOD, "id": "b", "expect": "clarify", "turns": [TURN]}, "expect"),
        ({**GOOD, "id": "a"}, "id"),
    ],
)
def test_a_malformed_line_is_named_by_file_line_and_field(tmp_path: Path, line: object, field: str) -> None:
    path = write(tmp_path / "bad.jsonl", GOOD, "", line)
    with pytest.raises(DataError) as caught:
        read_examples(path)
    assert f"'{path}', line 3: {field}" in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_an_id_used_twice_names_both_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: id: 'a' was used in line 1"):
        read_examples(write(tmp_path / "e.jsonl", GOOD, GOOD))


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no examples"):
        read_examples(write(tmp_path / "e.jsonl", ""))


def test_a_missing_file_is_an_error_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read examples"):
        read_examples(tmp_path / "none.jsonl")


def test_a_file_that_is_not_text_is_an_error_of_usage(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        read_examples(tmp_path / "e.jsonl")
