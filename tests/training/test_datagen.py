"""Generated examples of the demo database: verified, rendered as in use, divided without leaks, free of the questions
that judge the product."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant.database import Database
from assistant.errors import DataError
from assistant.guard import check
from assistant.prompts import TURN_END, TURN_START, parse_reply, render_prompt, render_rejection
from assistant.types import Completion, GuardedQuery, Question, Rejection, SchemaContext, SqlDraft
from assistant.values import ValueIndex
from evaluation.cache import Execution
from evaluation.difficulty import measure_difficulty
from evaluation.execution import Executor
from training.datagen.bench import bench_datagen
from training.datagen.coverage import CoverageReport
from training.datagen.data_copy import DataCopy
from training.datagen.drafts import BatchRequest, Draft
from training.datagen.generate import DEMO_QUESTIONS, DatagenConfig, generate, read_excluded
from training.datagen.grammar import Grammar
from training.datagen.join_paths import list_paths
from training.datagen.keeping import FLAW_SHARES
from training.datagen.results import digest_result
from training.datagen.slices import read_triples
from training.datagen.statement import StatementReader
from training.datagen.summary import DatagenSummary
from training.datagen.triples import Dropped, Triple
from training.datagen.validation import MAX_ROWS, Bench, Validator, normalise
from training.dataset import read_examples

COUNT = 1200


def draft(sql: str) -> SqlDraft:
    return SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model="test"))


@pytest.fixture(scope="module")
def out(shop_db_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of one run on the demo database."""
    folder = tmp_path_factory.mktemp("data")
    generate(DatagenConfig(database_url=str(shop_db_path), out=folder, count=COUNT))
    return folder


@pytest.fixture(scope="module")
def train(out: Path) -> list[Triple]:
    return list(read_triples(out / "train.jsonl"))


@pytest.fixture(scope="module")
def held(out: Path) -> list[Triple]:
    return list(read_triples(out / "eval.jsonl"))


@pytest.fixture(scope="module")
def examples(train: list[Triple], held: list[Triple]) -> list[Triple]:
    return train + held


@pytest.fixture(scope="module")
def data(shop_db_path: Path, _open_shop: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataCopy]:
    with closing(DataCopy(shop_db_path, tmp_path_factory.mktemp("copy"), _open_shop.schema().tables)) as copy:
        yield copy


@pytest.fixture
def context(shop_db: Database) -> SchemaContext:
    schema = shop_db.schema()
    return SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)


@pytest.fixture
def validator(data: DataCopy, _open_shop: Database) -> Iterator[Validator]:
    with closing(Validator(Bench(_open_shop.schema(), str(data.path)))) as found:
        yield found


def test_every_statement_passes_the_guard_runs_and_gave_what_is_written_of_it(
    examples: list[Triple], data: DataCopy, shop_db: Database, context: SchemaContext
) -> None:
    by_sql = {triple.sql: triple for triple in examples if triple.sql}
    assert len(by_sql) >= 250
    reader = StatementReader(shop_db.schema())
    with closing(Executor(str(data.path), timeout_s=10, max_rows=MAX_ROWS)) as executor:
        for sql, triple in by_sql.items():
            query = check(draft(sql), context, max_rows=MAX_ROWS)
            assert isinstance(query, GuardedQuery), (sql, query)
            assert triple.tables == tuple(sorted(query.tables))
            found = executor.run(sql)
            assert isinstance(found, Execution)
            assert (triple.n_rows, triple.is_truncated) == (len(found.result.rows), found.result.is_truncated)
            assert triple.result_digest == digest_result(found)
            statement = reader.read(sql)
            assert (triple.columns, triple.paths, triple.shape) == (statement.columns, statement.paths, statement.shape)
            assert triple.difficulty == measure_difficulty(sql, "sqlite")
            assert triple.fingerprint == shop_db.schema().fingerprint


def test_poor_results_are_a_small_share(examples: list[Triple], data: DataCopy) -> None:
    statements = [triple for triple in examples if triple.sql]
    flaws = Counter(triple.flaw for triple in statements if triple.flaw)
    assert flaws["empty result"] >= 1
    for flaw, share in FLAW_SHARES.items():
        assert flaws[flaw] <= share * len(examples) + 1
    rows = {triple.sql: data.connection.execute(triple.sql).fetchmany(20) for triple in statements}
    empty = sum(all(cell is None for row in rows[triple.sql] for cell in row) for triple in statements)
    assert empty <= 0.05 * len(statements)


def test_the_prompt_is_the_one_that_is_used_in_chat(
    examples: list[Triple], shop_db: Database, context: SchemaContext
) -> None:
    values = ValueIndex.build(shop_db, shop_db.schema())
    compared = with_values = 0
    for triple in (t for t in examples if t.kind != "repair"):
        question = Question(text=triple.question, history=triple.history)
        matched = context.model_copy(update={"values": values.match(triple.question)})
        plain, full = (render_prompt(question, shown, "compact").messages for shown in (context, matched))
        assert triple.messages in (plain, full)
        compared += 1
        with_values += full != plain and triple.messages == full
    assert compared >= 1000
    assert with_values >= 200


def test_follow_ups_carry_their_history(examples: list[Triple]) -> None:
    later = [t for t in examples if t.kind in ("follow_up", "new_subject")]
    assert len(later) >= 80
    for triple in later:
        roles = [message.role for message in triple.messages]
        assert roles in (["system", "user", "assistant", "user"], ["system", *["user", "assistant"] * 2, "user"])
        assert [turn.sql for turn in triple.history][-2:] == [m.content for m in triple.messages[2:-1:2]]
        if triple.kind == "follow_up":
            assert triple.history[-1].sql != triple.reply
    alone = [t for t in examples if t.kind not in ("follow_up", "new_subject", "repair")]
    assert all(len(t.messages) == 2 and not t.history for t in alone)


def test_repairs_show_the_refused_draft_and_why(examples: list[Triple], data: DataCopy) -> None:
    repairs = [t for t in examples if t.kind == "repair"]
    assert len(repairs) >= 5
    n_doubted = 0
    with closing(Executor(str(data.path), timeout_s=10, max_rows=MAX_ROWS)) as executor:
        for triple in repairs:
            assert [m.role for m in triple.messages] == ["system", "user", "assistant", "user"]
            refused, reason = triple.messages[2].content, triple.messages[3].content
            assert refused != triple.reply
            verdict = executor.run(refused)
            if isinstance(verdict, Rejection):
                assert reason == render_rejection(verdict)
            else:  # it runs, and does not say what the question says
                n_doubted += 1
                assert reason.endswith(("does not.", "twice.", "nothing.")) or reason.startswith(("The question", "'"))
    assert 0 < n_doubted < len(repairs)


def test_declined_examples_are_read_as_their_kind(examples: list[Triple]) -> None:
    declined = [t for t in examples if t.kind in ("unanswerable", "refused", "clarify")]
    assert {t.kind for t in declined} == {"unanswerable", "refused", "clarify"}
    for triple in declined:
        reply = parse_reply(triple.reply)
        assert reply.kind == triple.kind
        assert reply.text
        assert (triple.sql, triple.tables, triple.difficulty) == ("", (), None)
    assert all(parse_reply(t.reply).kind == "sql" for t in examples if t not in declined)


def test_no_question_is_asked_twice_of_the_same_history(examples: list[Triple]) -> None:
    asked = [(normalise(t.question), t.history) for t in examples if t.kind != "repair"]
    assert len(set(asked)) == len(asked)


def test_a_statement_is_asked_for_in_several_ways(examples: list[Triple]) -> None:
    ways = Counter(t.sql for t in examples if t.sql and not t.history)
    assert 2 <= sum(ways.values()) / len(ways) <= 5


def test_no_example_opens_a_turn_of_its_own(examples: list[Triple]) -> None:
    for triple in examples:
        for text in (triple.reply, *(message.content for message in triple.messages)):
            assert TURN_START not in text
            assert TURN_END not in text


def test_no_question_of_the_demo_is_in_any_file(out: Path) -> None:
    public = read_excluded(DEMO_QUESTIONS)
    assert len(public) >= 150
    for name in ("train.jsonl", "eval.jsonl"):
        triples = list(read_triples(out / name))
        said = [m.content.split("\n")[0] for t in triples for m in t.messages if m.role == "user"]
        said += [turn.question for t in triples for turn in t.history] + [t.question for t in triples]
        assert len(said) >= 3
        assert {normalise(text) for text in said} & public == set()
    for name in ("train.json", "eval.json"):
        pairs = json.loads((out / name).read_text())
        assert {normalise(pair["input"]) for pair in pairs} & public == set()


def test_no_shape_of_an_evaluation_statement_is_in_training(
    train: list[Triple], held: list[Triple], out: Path, shop_db: Database
) -> None:
    reader = StatementReader(shop_db.schema())
    ours = {sql for t in train for sql in (t.sql, *(turn.sql for turn in t.history)) if sql}
    theirs = {t.sql for t in held}
    assert len(theirs) >= 1
    assert {reader.read(sql).shape for sql in ours} & {reader.read(sql).shape for sql in theirs} == set()
    pairs = {name: json.loads((out / f"{name}.json").read_text()) for name in ("train", "eval")}
    shapes = {name: {reader.read(pair["output"]).shape for pair in found} for name, found in pairs.items()}
    assert shapes["train"] & shapes["eval"] == set()


def test_the_article_s_form_has_only_the_tables_needed(out: Path, train: list[Triple], context: SchemaContext) -> None:
    pairs = json.loads((out / "train.json").read_text())
    alone = [t for t in train if t.sql and len(t.messages) == 2]
    assert len(pairs) == len(alone) >= 600
    for pair, triple in zip(pairs, alone, strict=True):
        assert list(pair) == ["instruction", "input", "output"]
        assert (pair["input"], pair["output"]) == (triple.question, triple.sql)
        assert re.findall(r"CREATE TABLE (\w+) \(", pair["instruction"]) == list(triple.tables)


def test_the_coverage_lists_everything_and_counts_what_is_in_training(
    out: Path, train: list[Triple], held: list[Triple], shop_db: Database
) -> None:
    report = CoverageReport.model_validate_json((out / "coverage.json").read_text())
    schema = shop_db.schema()
    listed = {aspect: {i.name for i in report.items if i.aspect == aspect} for aspect in report.hit}
    assert listed["table"] == {table.name for table in schema.tables}
    assert listed["column"] == {f"{table.name}.{column.name}" for table in schema.tables for column in table.columns}
    assert listed["path"] == set(list_paths(schema))
    assert len(listed["path"]) >= 20
    assert len(listed["kind"]) >= 60
    assert listed["difficulty"] == {"easy", "medium", "hard", "extra"}
    train_hits, held_hits = (Counter(i for t in side for i in t.items) for side in (train, held))
    for item in report.items:
        key = (item.aspect, item.name)
        assert (item.examples, item.held_out) == (train_hits[key], held_hits[key])
    assert {i.name for i in report.uncovered} == set()
    assert all(item.examples for item in report.items), "what is hit at all is hit in training"
    text = (out / "coverage.md").read_text()
    assert "| employee.manager_key -> employee.manager_key -> employee |" in text
    assert "Nothing: every item is hit." in text


def test_the_summary_says_what_was_made(out: Path, examples: list[Triple], held: list[Triple]) -> None:
    summary = DatagenSummary.model_validate_json((out / "summary.json").read_text())
    assert (summary.kept, summary.held_out) == (len(examples), len(held))
    assert COUNT - 30 <= summary.kept <= COUNT + 60
    assert summary.kinds == Counter(t.kind for t in examples)
    assert sorted(path.name for path in out.iterdir()) == [
        "coverage.json", "coverage.md", "eval.json", "eval.jsonl", "summary.json", "train.json", "train.jsonl",
    ]  # fmt: skip


def test_training_can_read_the_files(out: Path, examples: list[Triple]) -> None:
    read = [e for name in ("train.jsonl", "eval.jsonl") for e in read_examples(out / name)]
    assert [(e.messages, e.reply, e.kind) for e in read] == [(t.messages, t.reply, t.kind) for t in examples]


def test_the_same_request_gives_the_same_drafts_whatever_was_asked_before(shop_db: Database, data: DataCopy) -> None:
    grammar, other = Grammar(shop_db.schema(), data), Grammar(shop_db.schema(), data)
    first = list(grammar.draw(BatchRequest("1:1", 60)))
    assert list(grammar.draw(BatchRequest("1:2", 60))) != first
    assert list(other.draw(BatchRequest("1:1", 60))) == first


@pytest.mark.parametrize("is_turn", [False, True], ids=["a question", "a turn of a conversation"])
def test_an_excluded_question_is_left_out_wherever_it_is_said(
    shop_db: Database, data: DataCopy, tmp_path: Path, is_turn: bool
) -> None:
    drafts = list(Grammar(shop_db.schema(), data).draw(BatchRequest("1:1", 120)))
    opening = next(d.history[0].question for d in drafts if d.history)
    asked = {"question": f"  {opening.upper()} ?"}
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps({"question": "x", "turns": [asked]} if is_turn else {**asked, "turns": None}) + "\n\n")
    with closing(Validator(Bench(shop_db.schema(), str(data.path), excluded=read_excluded(file)))) as validator:
        verdicts = validator.validate(drafts, "1:1")
    hit = [normalise(opening) in {normalise(d.question), *(normalise(t.question) for t in d.history)} for d in drafts]
    assert sum(hit) >= 2
    for verdict, is_hit in zip(verdicts, hit, strict=True):
        assert (verdict == Dropped("evaluation question")) is is_hit


def test_what_is_wrong_with_a_draft_is_said(validator: Validator) -> None:
    def verdict(reply: str, **fields: object) -> str:
        (found,) = validator.validate(
            [Draft.model_validate({"kind": "x", "question": "q", "reply": reply} | fields)], "1"
        )
        return found.reason if isinstance(found, Dropped) else f"kept {found.flaw}".strip()

    assert verdict("SELECT COUNT(*) FROM customer") == "kept"
    assert verdict("DELETE FROM customer") == "guard: read-only"
    assert verdict("SELECT nothing FROM customer") == "guard: unknown-column"
    assert verdict("SELECT full_name FROM customer WHERE full_name = 'Nobody'") == "kept empty result"
    assert verdict("SELECT MAX(salary) FROM employee WHERE full_name = 'Nobody'") == "kept empty result"
    assert verdict("SELECT country = 'x' FROM address") == "kept constant result"
    assert verdict("SELECT COUNT(*) FROM customer", question="?!") == "no words"
    assert verdict("SELECT COUNT(*) FROM customer", question="x " * 200) == "too long"
    assert verdict("-- refused: only reading is possible") == "kept"
    history = [{"question": "first", "sql": "SELECT nothing FROM customer"}]
    assert verdict("SELECT COUNT(*) FROM customer", history=history) == "earlier turn: guard: unknown-column"
    good = "SELECT COUNT(*) FROM category"
    repair = {"kind": "repair", "question": "how many categories"}
    assert verdict(good, **repair, refused_sql="SELECT COUNT(*) FROM product") == "the wrong draft is not refused"
    assert verdict(good, **repair, refused_sql="SELECT COUNT(*) FROM products") == "kept"


@pytest.mark.parametrize("text", ["{", '{"id": 1}\n', "[1]\n", '{"question": 3}\n'])
def test_an_unreadable_evaluation_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=r"questions\.jsonl"):
        read_excluded(file)
    with pytest.raises(DataError, match=r"missing\.jsonl"):
        read_excluded(tmp_path / "missing.jsonl")


def test_the_benchmark_compares_with_verifying_every_question_alone(shop_db_path: Path) -> None:
    lines = bench_datagen(str(shop_db_path), count=60, rounds=1).splitlines()
    assert len(lines) == 4
    rates = [int(line.split(" triples/s")[0].split()[-1].replace(",", "")) for line in lines[1:]]
    assert all(rate > 0 for rate in rates)
    assert lines[1].endswith("1.00 x")
