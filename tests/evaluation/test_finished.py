"""Finished runs read back, and every way in which a folder is not one."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.errors import DataError, QueryForgeError, UsageError
from evaluation.finished import read_metrics, read_run, read_scores
from evaluation.metrics import measure
from tests.evaluation.scored import FACTS, score, scores_of

SCORES = [*scores_of("+-+"), score("c", "answered", is_correct=True, turn=1), score("c", "failed", is_correct=False)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "scores.jsonl").write_text("".join(each.model_dump_json() + "\n" for each in SCORES))
    (tmp_path / "metrics.json").write_text(measure(SCORES, FACTS).model_dump_json())
    return tmp_path


def test_a_finished_run_is_read_as_it_was_written(folder: Path) -> None:
    metrics, scores = read_run(folder)
    assert scores == tuple(SCORES)
    assert metrics == measure(SCORES, FACTS)
    assert (read_metrics(folder), read_scores(folder)) == (metrics, scores)


def test_text_with_odd_line_ends_stays_in_its_line(folder: Path) -> None:
    odd = score("odd", "answered", is_correct=True, question="one\u2028two\x85three\rfour")
    (folder / "scores.jsonl").write_text(odd.model_dump_json() + "\n", encoding="utf-8")
    assert read_scores(folder) == (odd,)


def break_off(folder: Path) -> None:
    path = folder / "scores.jsonl"
    path.write_bytes(path.read_bytes()[:-40])


def tear_second_line(folder: Path) -> None:
    path = folder / "scores.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1][:50] + "\n", *lines[2:]]))


def repeat_first_line(folder: Path) -> None:
    path = folder / "scores.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[0])


def drop_last_line(folder: Path) -> None:
    path = folder / "scores.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def tear_metrics(folder: Path) -> None:
    path = folder / "metrics.json"
    path.write_bytes(path.read_bytes()[:100])


def replace_metrics(folder: Path) -> None:
    (folder / "metrics.json").write_text('{"accuracy": 1}')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (break_off, "breaks off in line 5"),
        (tear_second_line, "line 2: not a score"),
        (repeat_first_line, "line 6: 'q0' was scored before"),
        (drop_last_line, "has 4 scores, but metrics of 5"),
        (tear_metrics, "does not hold the metrics of a run"),
        (replace_metrics, "does not hold the metrics of a run: run: Field required"),
    ],
)
def test_a_damaged_run_is_not_taken_for_a_whole_one(folder: Path, damage: object, words: str) -> None:
    assert callable(damage)
    damage(folder)
    with pytest.raises(DataError, match=words) as caught:
        read_run(folder)
    assert "again" in caught.value.hint


@pytest.mark.parametrize("name", ["metrics.json", "scores.jsonl"])
def test_an_unfinished_run_is_named_as_one(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UsageError, match=f"is not finished: there is no {name}") as caught:
        read_run(folder)
    assert "--out" in caught.value.hint


def test_a_folder_without_a_run_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no evaluation"):
        read_run(tmp_path)
    with pytest.raises(UsageError, match="There is no folder"):
        read_run(tmp_path / "missing")


def test_a_file_in_place_of_the_folder_is_an_error_with_a_remedy(folder: Path) -> None:
    with pytest.raises(QueryForgeError) as caught:
        read_run(folder / "run.json")
    assert caught.value.hint
