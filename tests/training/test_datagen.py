"""Generated examples: verified, repeatable, rendered as in use, and free of the evaluation questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.database import Database
from assistant.errors import DataError
from assistant.guard import check
from assistant.prompts import TURN_END, TURN_START, parse_reply, render_prompt, render_rejection
from assistant.types import Completion, GuardedQuery, Question, Rejection, SchemaContext, SqlDraft, Turn
from assistant.values import ValueIndex
from training.datagen.data_copy import DataCopy
from training.datagen.generate import DatagenSummary, main, read_excluded
from training.datagen.sampler import Example, Sampler, normalise
from training.dataset import read_examples

EVALUATION = Path(__file__).resolve().parents[2] / "scripts" / "demo" / "questions.jsonl"


def draw(database: Path, count: int, *, seed: int = 1, excluded: frozenset[str] = frozenset()) -> list[Example]:
    sampler = Sampler(str(database), seed, excluded)
    found = list(sampler.examples(count))
    sampler.close()
    return found


def draft(sql: str) -> SqlDraft:
    return SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model="test"))


@pytest.fixture(scope="module")
def examples(shop_db_path: Path) -> list[Example]:
    """Some hundred examples of the demo database, drawn without the evaluation questions."""
    return draw(shop_db_path, 500, excluded=read_excluded(EVALUATION))


@pytest.fixture(scope="module")
def data(shop_db_path: Path, _open_shop: Database) -> Iterator[DataCopy]:
    copy = DataCopy(shop_db_path, _open_shop.schema().tables)
    yield copy
    copy.close()


@pytest.fixture
def context(shop_db: Database) -> SchemaContext:
    schema = shop_db.schema()
    return SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)


def test_every_statement_passes_the_guard_and_runs(
    examples: list[Example], data: DataCopy, context: SchemaContext
) -> None:
    statements = {e.reply for e in examples if parse_reply(e.reply).kind == "sql"}
    assert len(statements) >= 300
    empty = 0
    for sql in sorted(statements):
        query = check(draft(sql), context, max_rows=1000)
        assert isinstance(query, GuardedQuery), (sql, query)
        empty += all(cell is None for row in data.run(query.sql) for cell in row)
    assert 0 < empty <= len(statements) / 10


def test_the_prompt_is_the_one_that_is_used_in_chat(
    examples: list[Example], shop_db: Database, context: SchemaContext
) -> None:
    values = ValueIndex.build(shop_db, shop_db.schema())
    compared = with_values = 0
    for example in (e for e in examples if e.kind != "repair"):
        earlier = example.messages[1:-1]
        pairs = zip(earlier[::2], earlier[1::2], strict=True)
        history = tuple(Turn(question=asked.content, sql=answer.content) for asked, answer in pairs)
        question = Question(text=example.question, history=history)
        matched = context.model_copy(update={"values": values.match(example.question)})
        plain, full = (render_prompt(question, shown, "compact").messages for shown in (context, matched))
        assert example.messages in (plain, full)
        compared += 1
        with_values += full != plain and example.messages == full
    assert compared >= 400
    assert with_values >= 100


def test_follow_ups_carry_their_history(examples: list[Example]) -> None:
    later = [e for e in examples if e.kind in ("follow_up", "new_subject")]
    assert len(later) >= 40
    for example in later:
        roles = [message.role for message in example.messages]
        assert roles in (["system", "user", "assistant", "user"], ["system", *["user", "assistant"] * 2, "user"])
        assert parse_reply(example.messages[-2].content).kind == "sql"
        if example.kind == "follow_up":
            assert example.messages[-2].content != example.reply
    alone = [e for e in examples if e.kind not in ("follow_up", "new_subject", "repair")]
    assert all(len(e.messages) == 2 for e in alone)


def test_repairs_show_the_refused_draft_and_why(examples: list[Example], context: SchemaContext) -> None:
    repairs = [e for e in examples if e.kind == "repair"]
    assert len(repairs) >= 4
    for example in repairs:
        assert [m.role for m in example.messages] == ["system", "user", "assistant", "user"]
        refused, reason = example.messages[2].content, example.messages[3].content
        assert refused != example.reply
        verdict = check(draft(refused), context, max_rows=1000)
        assert isinstance(verdict, Rejection)
        assert reason == render_rejection(verdict)


def test_declined_examples_are_read_as_their_kind(examples: list[Example]) -> None:
    declined = [e for e in examples if e.kind in ("unanswerable", "refused", "clarify")]
    assert {e.kind for e in declined} == {"unanswerable", "refused", "clarify"}
    for example in declined:
        reply = parse_reply(example.reply)
        assert reply.kind == example.kind
        assert reply.text
    assert all(parse_reply(e.reply).kind == "sql" for e in examples if e not in declined)


def test_no_question_is_asked_twice_of_the_same_history(examples: list[Example]) -> None:
    asked = [(normalise(e.question), e.messages[1:-1]) for e in examples if e.kind != "repair"]
    assert len(set(asked)) == len(asked)


def test_no_example_opens_a_turn_of_its_own(examples: list[Example]) -> None:
    for example in examples:
        for text in (example.reply, *(message.content for message in example.messages)):
            assert TURN_START not in text
            assert TURN_END not in text


def test_no_evaluation_question_is_generated(examples: list[Example]) -> None:
    excluded = read_excluded(EVALUATION)
    assert len(excluded) >= 100
    assert {normalise(e.question) for e in examples} & excluded == set()


@pytest.mark.parametrize("is_turn", [False, True], ids=["a question", "a turn of a conversation"])
def test_an_excluded_question_that_would_be_generated_is_left_out(
    shop_db_path: Path, tmp_path: Path, is_turn: bool
) -> None:
    unwanted = draw(shop_db_path, 1)[0].question
    asked = {"question": f"  {unwanted.upper()} ?"}
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps({"question": "x", "turns": [asked]} if is_turn else {**asked, "turns": None}) + "\n\n")
    sampler = Sampler(str(shop_db_path), 1, read_excluded(file))
    found = {normalise(e.question) for e in sampler.examples(40)}
    sampler.close()
    assert normalise(unwanted) not in found
    assert sampler.dropped["evaluation question"] >= 1


@pytest.mark.parametrize("text", ["{", '{"id": 1}\n', "[1]\n", '{"question": 3}\n'])
def test_an_unreadable_evaluation_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=r"questions\.jsonl"):
        read_excluded(file)
    with pytest.raises(DataError, match=r"missing\.jsonl"):
        read_excluded(tmp_path / "missing.jsonl")


def test_the_same_seed_gives_the_same_examples(shop_db_path: Path, examples: list[Example]) -> None:
    first, again, other = draw(shop_db_path, 60), draw(shop_db_path, 60), draw(shop_db_path, 60, seed=2)
    assert first == again
    assert {e.question for e in first} != {e.question for e in other}


def test_the_command_writes_files_that_training_can_read(
    shop_db_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "data"
    words = ["--db", str(shop_db_path), "--out", str(out), "--count", "301", "--workers", "2", "--seed", "3"]
    assert main([*words, "--exclude", str(EVALUATION)]) == 0
    summary = DatagenSummary.model_validate_json(capsys.readouterr().out)
    assert summary == DatagenSummary.model_validate_json((out / "summary.json").read_text())
    train, held = (list(read_examples(out / name)) for name in ("train.jsonl", "eval.jsonl"))
    assert sorted(path.name for path in out.iterdir()) == ["eval.jsonl", "summary.json", "train.jsonl"]
    assert len(train) + len(held) == summary.kept
    assert 280 <= summary.kept <= 305
    assert sum(summary.kinds.values()) == summary.kept
    assert {e.reply for e in train} & {e.reply for e in held} == set()
    assert all(parse_reply(e.reply).kind == "sql" for e in held)
