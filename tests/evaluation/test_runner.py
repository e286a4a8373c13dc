"""The whole evaluation, with a scripted model on the demo database."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from assistant.backends.scripted import ScriptedBackend
from assistant.errors import BackendError, DataError, UsageError
from assistant.settings import Settings
from evaluation.asking import MAX_BREAKAGES
from evaluation.examples import Example, list_asks, read_examples
from evaluation.runner import EvalConfig, main, run

DATA = Path(__file__).parent / "data" / "shop.jsonl"
DECLINE = {
    "unanswerable": "-- unanswerable: there is no such data",
    "refuse": "-- refused: data is only read",
    "clarify": "-- clarify: what is meant?",
}
WRONG = "SELECT 'wrong'"


def gold_replies(examples: Sequence[Example]) -> list[str | BackendError]:
    return [ask.gold_sql or DECLINE[example.expect] for example in examples for ask in list_asks(example)]


def config_for(path: Path, out: Path, *, examples: Path = DATA, **changes: object) -> EvalConfig:
    settings = Settings(
        database_url=str(path),
        backend="scripted",
        max_candidates=0,  # one reply for each question, an empty result or not
        query_timeout_s=5,
        cache_path=out.parent / "cache",
    )
    config = EvalConfig(examples=examples, out=out, settings=settings, variants=0, command="queryforge eval")
    return config.model_copy(update=changes)


def read_lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_examples(path: Path, *examples: Mapping[str, object]) -> Path:
    path.write_text("".join(json.dumps(example) + "\n" for example in examples))
    return path


def test_gold_judged_against_itself_is_all_right(shop_db_path: Path, tmp_path: Path) -> None:
    backend = ScriptedBackend(gold_replies(read_examples(DATA)))
    metrics = run(config_for(shop_db_path, tmp_path / "out"), backend=backend)
    assert (metrics.n_examples, metrics.n_asks) == (10, 12)
    assert (metrics.accuracy.hits, metrics.accuracy.n) == (9, 9)
    assert (metrics.accuracy_single.n, metrics.accuracy_turns.n, metrics.accuracy_conversations.n) == (6, 3, 1)
    assert (metrics.declined_as_expected.rate, metrics.no_query_run.rate, metrics.clarified.rate) == (1.0, 1.0, 1.0)
    assert metrics.empty_gold == 1
    assert metrics.prompt_tokens > metrics.completion_tokens > 0
    assert metrics.latency.p50_ms is not None
    assert metrics.run.database == "shop"
    assert metrics.run.examples_sha256 == hashlib.sha256(DATA.read_bytes()).hexdigest()


def test_the_files_have_the_agreed_form(shop_db_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    metrics = run(config_for(shop_db_path, out), backend=ScriptedBackend(gold_replies(read_examples(DATA))))
    predictions = read_lines(out / "predictions.jsonl")
    assert len(predictions) == 12
    assert all({"id", "sql", "status", "latency_ms"} <= set(line) for line in predictions)
    assert [line["turn"] for line in predictions if line["id"] == "s-10"] == [1, 2, 3]
    assert all("turn" not in line for line in predictions if line["id"] != "s-10")
    assert predictions[0]["sql"] == "SELECT COUNT(*) FROM category"
    assert {line["id"]: (line["status"], line["sql"]) for line in predictions if line["id"] in ("s-07", "s-08")} == {
        "s-07": ("unanswerable", ""),
        "s-08": ("refused", ""),
    }
    scores = read_lines(out / "scores.jsonl")
    assert len(scores) == 12
    assert all(line["reason"] for line in scores)
    assert json.loads((out / "metrics.json").read_text()) == json.loads(metrics.model_dump_json())


def test_every_answer_wrong_gives_zero(shop_db_path: Path, tmp_path: Path) -> None:
    metrics = run(config_for(shop_db_path, tmp_path / "out"), backend=ScriptedBackend([WRONG]))
    assert (metrics.accuracy.hits, metrics.accuracy.n) == (0, 9)
    assert metrics.valid_sql.rate == 1.0
    assert (metrics.declined.hits, metrics.no_query_run.hits, metrics.clarified.hits) == (0, 0, 0)


def test_declining_everything_is_not_rewarded(shop_db_path: Path, tmp_path: Path) -> None:
    metrics = run(config_for(shop_db_path, tmp_path / "out"), backend=ScriptedBackend([DECLINE["unanswerable"]]))
    assert (metrics.accuracy.hits, metrics.wrongly_declined.rate) == (0, 1.0)
    assert (metrics.declined.hits, metrics.declined_as_expected.hits) == (2, 1)


def test_a_draft_that_is_never_valid_is_a_failure_with_its_sql_kept_apart(shop_db_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    drafts = [f"SELECT nothing_{i} FROM nowhere" for i in range(3)]
    metrics = run(config_for(shop_db_path, out, limit=1), backend=ScriptedBackend(list(drafts)))
    line = read_lines(out / "predictions.jsonl")[0]
    assert (line["status"], line["sql"], line["rejected_sql"], line["attempts"]) == ("failed", "", drafts[2], 3)
    assert (metrics.valid_sql.hits, metrics.failed.hits, metrics.mean_attempts) == (0, 1, 3)


def test_the_history_of_a_turn_is_the_assistants_own_sql(shop_db_path: Path, tmp_path: Path) -> None:
    own = "SELECT COUNT(*) FROM support_ticket"
    turns = [turn.gold_sql for turn in read_examples(DATA)[-1].turns]
    path = write_examples(tmp_path / "e.jsonl", json.loads(DATA.read_text().splitlines()[-1]))
    backend = ScriptedBackend([own, DECLINE["clarify"], turns[2]])
    run(config_for(shop_db_path, tmp_path / "out", examples=path), backend=backend)
    seen = [[message.content for message in prompt.messages] for prompt in backend.prompts]
    assert len(seen) == 3
    assert own not in seen[0]
    assert own in seen[1]
    assert turns[0] not in seen[1]
    # A turn that was not answered leaves nothing to go on from.
    assert own in seen[2]
    assert DECLINE["clarify"] not in seen[2]


def test_a_limit_takes_the_first_examples_and_a_later_call_the_rest(shop_db_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    replies = gold_replies(read_examples(DATA))
    assert run(config_for(shop_db_path, out, limit=4), backend=ScriptedBackend(replies)).n_asks == 4
    rest = ScriptedBackend(replies[4:])
    metrics = run(config_for(shop_db_path, out), backend=rest)
    assert (metrics.n_asks, metrics.accuracy.rate, len(rest.prompts)) == (12, 1.0, 8)


def test_a_run_goes_on_after_its_last_whole_line(shop_db_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    replies = gold_replies(read_examples(DATA))
    run(config_for(shop_db_path, out), backend=ScriptedBackend(replies))
    file = out / "predictions.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    # Killed in the middle of the second turn's line: the third turn has to see both earlier ones again.
    file.write_text("".join(lines[:10]) + lines[10][:25])
    rest = ScriptedBackend(replies[10:])
    metrics = run(config_for(shop_db_path, out, is_resume=True), backend=rest)
    assert (metrics.accuracy.rate, len(rest.prompts)) == (1.0, 2)
    assert replies[9] in [message.content for message in rest.prompts[0].messages]
    assert [line["id"] for line in read_lines(file)] == [json.loads(line)["id"] for line in lines]


def test_a_finished_run_is_only_judged_again(shop_db_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(config_for(shop_db_path, out), backend=ScriptedBackend(gold_replies(read_examples(DATA))))
    silent = ScriptedBackend([WRONG])
    again = run(config_for(shop_db_path, out), backend=silent)
    assert silent.prompts == []
    assert (again.accuracy, again.latency) == (first.accuracy, first.latency)


@pytest.mark.parametrize("changed", ["settings", "examples"])
def test_a_folder_belongs_to_one_run(shop_db_path: Path, tmp_path: Path, changed: str) -> None:
    config = config_for(shop_db_path, tmp_path / "out", limit=1)
    run(config, backend=ScriptedBackend([WRONG]))
    other = (
        config.model_copy(update={"settings": config.settings.model_copy(update={"max_attempts": 2})})
        if changed == "settings"
        else config.model_copy(
            update={"examples": write_examples(tmp_path / "e.jsonl", json.loads(DATA.read_text().splitlines()[0]))}
        )
    )
    with pytest.raises(UsageError, match="max_attempts was 3, is 2" if changed == "settings" else "examples_sha256"):
        run(other, backend=ScriptedBackend([WRONG]))


def test_predictions_of_an_unknown_run_are_not_built_upon(shop_db_path: Path, tmp_path: Path) -> None:
    (tmp_path / "predictions.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="unknown run"):
        run(config_for(shop_db_path, tmp_path), backend=ScriptedBackend([WRONG]))


def test_resume_without_a_run_is_an_error_of_usage(shop_db_path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        run(config_for(shop_db_path, tmp_path / "out", is_resume=True), backend=ScriptedBackend([WRONG]))


@pytest.mark.parametrize(
    ("gold_sql", "words"),
    [
        ("DELETE FROM payment", "rejected by the guard"),
        ("SELECT nothing FROM customer", "rejected by"),
        ("SELECT FROM WHERE", "rejected by the guard"),
        ("SELECT a.order_key FROM sales_order a JOIN sales_order b ON a.status = b.status", "more than 100,000 rows"),
        (
            "SELECT COUNT(*) FROM order_line a JOIN order_line b ON a.quantity < b.quantity "
            "JOIN order_line c ON b.quantity < c.quantity + a.discount",
            "failed",
        ),
    ],
    ids=["writes", "unknown column", "no SQL", "too many rows", "too slow"],
)
def test_gold_that_does_not_work_stops_the_run_before_a_question_is_asked(
    shop_db_path: Path, tmp_path: Path, gold_sql: str, words: str
) -> None:
    before = hashlib.sha256(shop_db_path.read_bytes()).hexdigest()
    good: dict[str, object] = {"id": "good-1", "question": "Q?", "gold_sql": "SELECT 1"}
    path = write_examples(tmp_path / "e.jsonl", good, {"id": "bad-1", "question": "Q?", "gold_sql": gold_sql})
    config = config_for(shop_db_path, tmp_path / "out", examples=path)
    quick = config.settings.model_copy(update={"query_timeout_s": 0.25})
    backend = ScriptedBackend([WRONG])
    with pytest.raises(DataError, match=words) as caught:
        run(config.model_copy(update={"settings": quick}), backend=backend)
    assert "'bad-1'" in caught.value.message
    assert backend.prompts == []
    assert not (tmp_path / "out").exists()
    assert hashlib.sha256(shop_db_path.read_bytes()).hexdigest() == before


def test_one_question_that_breaks_is_a_failure_and_asked_again_next_time(shop_db_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    replies = gold_replies(read_examples(DATA))
    broken = [*replies[:2], BackendError("The reply was cut."), *replies[3:]]
    metrics = run(config_for(shop_db_path, out), backend=ScriptedBackend(broken))
    assert (metrics.accuracy.hits, metrics.errors, metrics.failed.hits) == (8, 1, 1)
    assert read_lines(out / "predictions.jsonl")[2]["error"] == "The reply was cut."
    again = ScriptedBackend(replies[2:3])
    assert run(config_for(shop_db_path, out), backend=again).accuracy.rate == 1.0
    assert len(again.prompts) == 1


def test_a_model_that_is_gone_stops_the_run(shop_db_path: Path, tmp_path: Path) -> None:
    backend = ScriptedBackend([BackendError("The server is gone.")])
    with pytest.raises(BackendError, match="gone"):
        run(config_for(shop_db_path, tmp_path / "out"), backend=backend)
    assert len(backend.prompts) == MAX_BREAKAGES


def test_the_command_prints_the_table_on_stdout_and_the_rest_on_stderr(
    shop_db_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text("".join(json.dumps(reply) + "\n" for reply in gold_replies(read_examples(DATA))))
    monkeypatch.setenv("QUERYFORGE_SCRIPT_PATH", str(script))
    words = ["--examples", str(DATA), "--db", str(shop_db_path), "--out", str(tmp_path / "out"), "--variants", "0"]
    assert main([*words, "--backend", "scripted"]) == 0
    shown = capsys.readouterr()
    assert "execution accuracy, all" in shown.out
    assert "100.0%     9/9" in shown.out
    assert "gold queries work" in shown.err
    assert "12/12 answered" in shown.err
    assert "gold queries" not in shown.out


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_is_stopped_keeps_its_answers_and_goes_on(
    shop_db_path: Path, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    count = 60
    path = write_examples(
        tmp_path / "e.jsonl",
        *({"id": f"n-{i}", "question": f"A question{' more' * i}?", "gold_sql": "SELECT 1"} for i in range(count)),
    )
    script = tmp_path / "replies.jsonl"
    script.write_text('"SELECT 1"\n')
    out = tmp_path / "out"
    words = ["--examples", str(path), "--db", str(shop_db_path), "--out", str(out), "--variants", "0"]
    words += ["--backend", "scripted"]
    start = "import sys; from evaluation.runner import main; sys.exit(main(sys.argv[1:]))"
    environment = {
        **os.environ,
        "QUERYFORGE_SCRIPT_PATH": str(script),
        "QUERYFORGE_CACHE_PATH": str(tmp_path / "cache"),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", start, *words],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (out / "predictions.jsonl").exists() or (out / "predictions.jsonl").stat().st_size < 300:
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(sent)
        printed, narrated = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, narrated
    assert printed == ""
    assert "Traceback" not in narrated
    kept = (out / "predictions.jsonl").read_text().count("\n")
    assert 0 < kept < count
    settings = Settings(
        database_url=str(shop_db_path), backend="scripted", script_path=script, cache_path=tmp_path / "cache"
    )
    backend = ScriptedBackend(["SELECT 1"])
    metrics = run(EvalConfig(examples=path, out=out, settings=settings, variants=0, is_resume=True), backend=backend)
    assert (metrics.accuracy.hits, metrics.n_asks) == (count, count)
    assert len(backend.prompts) == count - kept
    assert len({line["id"] for line in read_lines(out / "predictions.jsonl")}) == count
