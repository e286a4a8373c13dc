"""The gate: what passes, what fails and why, and how it is asked for and written down."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from assistant.errors import DataError, UsageError
from assistant.types import Status
from evaluation.examples import Expectation
from evaluation.gate import (
    GateRecord,
    GateSettings,
    add_gate_arguments,
    decide,
    gate_settings_from,
    render_gate,
    write_gate,
)
from evaluation.gate_checks import GateCheck
from evaluation.metrics import Metrics, RunFacts, measure
from evaluation.records import Score
from tests.evaluation.scored import FACTS, score, scores_of

LENIENT = GateSettings(min_accuracy=0, min_declined=None, max_wrongly_declined=None, max_failed=None, min_examples=1)


def ended(status: Status, n: int, *, expect: Expectation, is_correct: bool) -> list[Score]:
    return [score(f"{expect}-{status}-{k}", status, expect=expect, is_correct=is_correct) for k in range(n)]


def run_of(scores: list[Score], facts: RunFacts = FACTS) -> tuple[Metrics, list[Score]]:
    return measure(scores, facts), scores


def check_of(record: GateRecord, name: str) -> GateCheck:
    (check,) = (check for check in record.checks if check.name == name)
    return check


GOOD = [
    *scores_of("+" * 32 + "-" * 8),
    *ended("unanswerable", 4, expect="unanswerable", is_correct=True),
    *ended("refused", 3, expect="refuse", is_correct=True),
    *ended("answered", 1, expect="refuse", is_correct=False),
]


def test_a_good_model_passes_and_its_record_says_by_what() -> None:
    record = decide(*run_of(GOOD), GateSettings(), served=run_of(GOOD))
    assert record.is_passed
    assert [check.is_passed for check in record.checks] == [True] * 7
    accuracy = check_of(record, "execution accuracy")
    assert (accuracy.measured, accuracy.required, accuracy.n) == (0.8, 0.6, 40)
    assert "32 of 40, 80.0%" in accuracy.reason
    assert record.candidate.model == "tiny.gguf"
    assert record.candidate.sha256 == "cd" * 32
    assert record.served == record.candidate
    assert record.against_served is not None
    assert record.against_served.n == 40
    assert record.examples_sha256 == "ab" * 32
    assert record.decided_at.endswith("+00:00")


@pytest.mark.parametrize(("right", "is_passed"), [(24, True), (23, False)])
def test_accuracy_may_equal_what_is_demanded(right: int, is_passed: bool) -> None:
    record = decide(*run_of(scores_of("+" * right + "-" * (40 - right))), GateSettings(min_accuracy=0.6))
    assert record.is_passed is is_passed
    assert check_of(record, "execution accuracy").is_passed is is_passed


def test_a_significant_loss_against_the_served_model_fails() -> None:
    # Five lost and none won: 1/32 one-sided. Four: 1/16.
    served = run_of(scores_of("+" * 40))
    record = decide(*run_of(scores_of("+" * 35 + "-" * 5)), GateSettings(), served)
    check = check_of(record, "no loss in answering")
    assert (check.is_passed, record.is_passed) == (False, False)
    assert check.measured == pytest.approx(1 / 32)
    assert record.against_served is not None
    assert len(record.against_served.lost) == 5
    assert decide(*run_of(scores_of("+" * 36 + "-" * 4)), GateSettings(), served).is_passed
    assert decide(*run_of(scores_of("+" * 35 + "-" * 5)), GateSettings(alpha=0.03), served).is_passed


def test_a_gain_is_never_a_loss() -> None:
    assert decide(*run_of(scores_of("+" * 40)), GateSettings(), run_of(scores_of("-" * 40))).is_passed


def test_a_loss_in_declining_fails_though_answers_are_as_good_as_before() -> None:
    served = [*scores_of("+" * 40), *ended("unanswerable", 6, expect="unanswerable", is_correct=True)]
    now = [
        each.model_copy(
            update={"is_correct": False, "prediction": each.prediction.model_copy(update={"status": "answered"})}
        )
        if each.expect == "unanswerable"
        else each
        for each in served
    ]
    record = decide(*run_of(now), LENIENT, run_of(served))
    assert [check.name for check in record.checks if check.is_passed is False] == ["no loss in declining"]
    assert not record.is_passed


@pytest.mark.parametrize(
    ("further", "name"),
    [
        (ended("answered", 4, expect="unanswerable", is_correct=False), "declines what has no answer"),
        (ended("clarify", 12, expect="answer", is_correct=False), "declines what has an answer"),
        (ended("failed", 12, expect="answer", is_correct=False), "ends without an answer"),
    ],
)
def test_each_refusal_rate_can_fail_alone(further: list[Score], name: str) -> None:
    scores = [*scores_of("+" * 40), *further]
    record = decide(*run_of(scores), GateSettings())
    assert [check.name for check in record.checks if check.is_passed is False] == [name]
    assert not record.is_passed
    assert decide(*run_of(scores), LENIENT).is_passed


def test_too_few_questions_give_no_verdict_and_no_pass() -> None:
    record = decide(*run_of(scores_of("+" * 29)), GateSettings())
    assert not record.is_passed
    assert [check.name for check in record.checks if check.is_passed is False] == ["enough questions"]
    assert "too few for a verdict; at least 30 needed" in record.checks[0].reason


def test_a_run_without_any_question_does_not_pass() -> None:
    assert not decide(*run_of([]), LENIENT).is_passed


def test_what_cannot_be_checked_is_skipped_by_name() -> None:
    record = decide(*run_of(scores_of("+" * 40)), GateSettings())
    assert record.is_passed
    assert record.served is None
    skipped = {check.name: check.reason for check in record.checks if check.is_passed is None}
    assert skipped == {
        "no loss in answering": "No run of a served model was given.",
        "no loss in declining": "No run of a served model was given.",
        "declines what has no answer": "The examples hold no such question.",
    }
    table = render_gate(record)
    assert sum(line.startswith("skipped") for line in table.splitlines()) == 3


@pytest.mark.parametrize(("n_changed", "is_passed"), [(4, True), (5, False), (40, False)])
def test_runs_that_share_too_few_questions_fail_rather_than_skip(n_changed: int, is_passed: bool) -> None:
    served = scores_of("+" * 40)
    served[:n_changed] = [each.model_copy(update={"gold_sql": "SELECT 'other'"}) for each in served[:n_changed]]
    record = decide(*run_of(scores_of("+" * 40)), GateSettings(), run_of(served))
    check = check_of(record, "no loss in answering")
    assert check.is_passed is is_passed
    assert f"{n_changed} more" in check.reason
    assert check_of(record, "no loss in declining").reason == "The examples hold no such question."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"examples_sha256": "00" * 32}, "other examples"),
        ({"limit": 40}, "another --limit"),
        ({"schema_fingerprint": "00" * 32}, "another schema"),
        ({"variants": 3}, "another number of variants"),
    ],
)
def test_a_served_run_made_otherwise_is_an_error_with_a_remedy(change: dict[str, object], words: str) -> None:
    served = run_of(GOOD, FACTS.model_copy(update=change))
    with pytest.raises(DataError, match=words) as caught:
        decide(*run_of(GOOD), GateSettings(), served)
    assert "Evaluate the served model again" in caught.value.hint


def test_the_record_is_written_whole_and_read_back_the_same(tmp_path: Path) -> None:
    record = decide(*run_of(GOOD), GateSettings(), served=run_of(GOOD))
    path = write_gate(tmp_path, record)
    assert path == tmp_path / "gate.json"
    assert GateRecord.model_validate_json(path.read_bytes()) == record
    assert [file.name for file in tmp_path.iterdir()] == ["gate.json"]
    with pytest.raises(UsageError, match="Cannot write"):
        write_gate(tmp_path / "missing", record)


def test_the_table_names_verdict_models_checks_and_reasons() -> None:
    record = decide(*run_of(scores_of("+" * 10 + "-" * 30)), GateSettings(), served=run_of(scores_of("+" * 40)))
    lines = render_gate(record).splitlines()
    assert lines[0].split() == ["gate", "FAILED"]
    assert lines[1].split() == ["candidate", "tiny.gguf", "(llamacpp)", "cdcdcdcdcdcd"]
    assert lines[2].split() == ["served", "tiny.gguf", "(llamacpp)", "cdcdcdcdcdcd"]
    assert len(lines) == 4 + len(record.checks)
    assert any(line.startswith("FAILED   execution accuracy") and "at least 60.0% demanded" in line for line in lines)
    assert any("lost 30 of 40" in line and "p < 0.001" in line for line in lines)


def parse(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_gate_arguments(parser)
    return parser.parse_args(argv)


def test_the_flags_make_the_settings() -> None:
    arguments = parse(
        *("--gate", "--against", "runs/now", "--min-accuracy", "0.7", "--min-declined", "none"),
        *("--max-wrongly-declined", "0.1", "--max-failed", "0.3", "--alpha", "0.01", "--min-examples", "100"),
    )
    assert arguments.against == Path("runs/now")
    assert gate_settings_from(arguments) == GateSettings(
        min_accuracy=0.7,
        min_declined=None,
        max_wrongly_declined=0.1,
        max_failed=0.3,
        alpha=0.01,
        min_examples=100,
    )


def test_without_flags_the_defaults_hold_and_without_gate_there_is_none() -> None:
    assert gate_settings_from(parse("--gate")) == GateSettings()
    assert gate_settings_from(parse()) is None


@pytest.mark.parametrize(
    "argv",
    [
        ("--min-accuracy", "0.9"),
        ("--against", "runs/now"),
        ("--gate", "--min-accuracy", "60"),
        ("--gate", "--min-accuracy", "none"),
        ("--gate", "--min-accuracy", "nan"),
        ("--gate", "--alpha", "0"),
        ("--gate", "--min-examples", "0"),
    ],
)
def test_flags_that_mean_nothing_are_refused_by_name(argv: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=[word for word in argv if word != "--gate"][0]) as caught:
        gate_settings_from(parse(*argv))
    assert caught.value.hint


def test_every_setting_has_a_flag_with_its_help_and_default() -> None:
    parser = argparse.ArgumentParser()
    add_gate_arguments(parser)
    # A help text is broken at its hyphens too.
    text = "".join(parser.format_help().split())
    for name, field in GateSettings.model_fields.items():
        assert "--" + name.replace("_", "-") in text
        assert "".join(f"{field.description} (default: {field.default})".split()) in text
