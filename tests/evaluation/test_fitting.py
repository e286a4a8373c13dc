"""The table of a model's confidence, fitted on judged answers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from assistant.confidence import ConfidenceTable, table_path
from assistant.errors import DataError, UsageError
from assistant.files import digest_file
from assistant.types import Status
from evaluation.calibration import calibrate
from evaluation.fitting import MIN_BLOCK, collect, fit, fit_model, main
from evaluation.metrics import measure
from evaluation.records import Score
from tests.evaluation.scored import FACTS, score


def judged(count: int, *, seed: int) -> list[tuple[float, bool]]:
    """Answers of a model that is right far less often than it thinks."""
    dice = random.Random(seed)
    raws = [dice.uniform(0.5, 1.0) for _ in range(count)]
    return [(raw, dice.random() < (raw - 0.4) ** 2 * 2) for raw in raws]


def answer(number: int, raw: float | None, *, is_correct: bool, status: Status = "answered") -> Score:
    made = score(str(number), status, is_correct=is_correct)
    return made.model_copy(update={"prediction": made.prediction.model_copy(update={"raw_confidence": raw})})


def test_fitted_shares_never_fall_and_stand_on_enough_answers() -> None:
    points = fit(judged(300, seed=1))
    assert len(points) >= 3
    assert [point.share for point in points] == sorted(point.share for point in points)
    assert [point.raw for point in points] == sorted(point.raw for point in points)
    assert all(point.n >= MIN_BLOCK for point in points)
    assert sum(point.n for point in points) == 300


def test_a_table_makes_other_answers_of_the_same_model_believable() -> None:
    table = ConfidenceTable(model="m", size_bytes=1, points=fit(judged(300, seed=1)))
    other = judged(300, seed=2)
    before, after = calibrate(other), calibrate([(table.look_up(raw), is_right) for raw, is_right in other])
    assert before is not None
    assert after is not None
    assert before.expected_error > 0.3
    assert after.expected_error < 0.08


def test_answers_that_are_all_right_do_not_make_certain() -> None:
    (point,) = fit([(0.9, True)] * 20 + [(0.8, True)] * 5 + [(0.8, False)] * 5)[-1:]
    assert 0.9 < point.share < 1


def test_only_answers_that_ran_are_counted() -> None:
    scores = [
        answer(1, 0.9, is_correct=True),
        answer(2, 0.5, is_correct=True, status="unanswerable"),
        answer(3, None, is_correct=True),
    ]
    assert collect(scores) == [(0.9, True)]


def test_a_run_of_another_file_or_with_few_answers_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    scores = [answer(number, 0.5 + number / 100, is_correct=number > 15) for number in range(40)]
    metrics = measure(scores, FACTS)
    with pytest.raises(UsageError, match="not of this file"):
        fit_model(metrics, scores, model)
    same = metrics.model_copy(update={"run": FACTS.model_copy(update={"model_sha256": digest_file(model)})})
    with pytest.raises(DataError, match="3 answers"):
        fit_model(same, scores[:3], model)
    with pytest.raises(UsageError, match="no model file"):
        fit_model(same, scores, tmp_path / "other.gguf")
    table = fit_model(same, scores, model)
    assert table.size_bytes == 4
    assert table.look_up(0.5) < 0.2 < 0.8 < table.look_up(0.89)


def test_the_command_writes_the_table_beside_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, run = tmp_path / "m.gguf", tmp_path / "run"
    model.write_bytes(b"GGUF")
    run.mkdir()
    scores = [answer(number, 0.5 + number / 100, is_correct=number > 15) for number in range(40)]
    metrics = measure(scores, FACTS.model_copy(update={"model_sha256": digest_file(model)}))
    (run / "metrics.json").write_text(metrics.model_dump_json())
    (run / "scores.jsonl").write_text("".join(score.model_dump_json() + "\n" for score in scores))
    assert main([str(run), "--model", str(model)]) == 0
    table = ConfidenceTable.model_validate_json(table_path(model).read_bytes())
    assert sum(point.n for point in table.points) == 40
    assert "40 answers" in capsys.readouterr().out
