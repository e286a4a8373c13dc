"""Similar questions, approved answers, and where they come from: found by what is asked, never by whom it is about."""

from __future__ import annotations

import json
import lzma
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.backends.embeddings import OllamaEmbedder
from assistant.backends.metadata import EXAMPLES_KEY, read_metadata
from assistant.backends.scripted import ScriptedBackend
from assistant.bank import BankHead, bank_path, read_bank, write_bank
from assistant.errors import BackendError
from assistant.examples import LEAST_SCORE, ExampleIndex, make_key, mask_literals
from assistant.memory.approved import ApprovedPairs
from assistant.memory.store import Memory
from assistant.prompts import MAX_EXAMPLE_CHARS, render_system
from assistant.recall import Recall
from assistant.settings import Settings
from assistant.types import Answer, KnownPair, MatchedValue, Question, SchemaContext, StepEvent, Turn
from tests.ollama_double import OllamaDouble

HEAD = BankHead(db_id="harbour", dialect="sqlite", schema_fingerprint="f")
GOOD = "SELECT count(*) FROM boats"


def pair(question: str, sql: str, source: str = "generated") -> KnownPair:
    return KnownPair.model_validate({"question": question, "sql": sql, "source": source})


ITALY = pair("Show me the customers from Italy", "SELECT name FROM customer WHERE country = 'Italy'")
FRANCE = pair("Show me the customers from France", "SELECT name FROM customer WHERE country = 'France'")
ORDERS = pair("How many orders were placed in 2024?", "SELECT COUNT(*) FROM orders WHERE year = 2024")
SALARY = pair("What is the average salary per department?", "SELECT dept, AVG(salary) FROM staff GROUP BY dept")
SPAIN = MatchedValue(table="customer", column="country", value="Spain", mention="Spain", score=100.0)


def questions(index: ExampleIndex, question: str, *values: MatchedValue, limit: int = 3) -> list[str]:
    return [found.pair.question for found in index.find(question, values, limit=limit)]


def test_a_question_about_another_country_finds_the_same_sql_once() -> None:
    index = ExampleIndex([SALARY, ORDERS, ITALY, FRANCE])
    assert questions(index, "Show me the customers from Spain", SPAIN) == [ITALY.question]
    best = index.find("Show me the customers from Spain", [SPAIN], limit=1)[0]
    assert best.score == pytest.approx(1.0, abs=0.05)


def test_names_of_values_do_not_decide() -> None:
    suppliers = pair("Which suppliers deliver to Spain?", "SELECT name FROM supplier WHERE country = 'Spain'")
    index = ExampleIndex([suppliers, ITALY, SALARY])
    assert questions(index, "customers from Spain", SPAIN)[0] == ITALY.question


def test_numbers_and_endings_do_not_decide() -> None:
    index = ExampleIndex([SALARY, ORDERS, ITALY])
    assert questions(index, "how many orders are placed in 2019")[0] == ORDERS.question


def test_nothing_is_given_that_is_not_like_the_question() -> None:
    index = ExampleIndex([SALARY, ORDERS, ITALY])
    assert questions(index, "Will it rain tomorrow?") == []
    assert all(found.score >= LEAST_SCORE for found in index.find("average orders per department", limit=3))


def test_of_two_alike_the_approved_one_comes_first() -> None:
    approved = pair(
        "Show me all customers from Italy", "SELECT full_name FROM customer WHERE country = 'Italy'", "approved"
    )
    assert questions(ExampleIndex([ITALY, approved]), "Show me the customers from Spain", SPAIN)[0] == approved.question


def test_an_empty_index_finds_nothing() -> None:
    assert ExampleIndex([]).find("anything", limit=3) == ()


def test_meaning_and_words_decide_together() -> None:
    clients = pair("Show me the clients from Italy", "SELECT 1 FROM customer WHERE country = 'Italy'")
    stores = pair("Show me stores from Italy", "SELECT 2 FROM store WHERE country = 'Italy'")
    index = ExampleIndex([ITALY, clients, stores])
    nearest = {ITALY.question: 0.1, clients.question: 0.9, stores.question: 0.5}
    sent: list[Sequence[str]] = []

    def embed(texts: Sequence[str]) -> list[list[float]]:
        sent.append(texts)
        return [[nearest.get(text, 1.0), 1 - nearest.get(text, 1.0)] for text in texts]

    asked = "Show me the customers from Spain"
    assert [found.pair for found in index.find(asked, [SPAIN], limit=3)] == [ITALY, clients, stores]
    assert [found.pair for found in index.find(asked, [SPAIN], limit=2, embed=embed)] == [clients, ITALY]
    assert sent == [[asked, ITALY.question, clients.question, stores.question]]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("How many orders,  per Country?", "how many orders per country", True),
        ("Customers' names!", "customers names", True),
        ("Share above 1.5?", "share above 15", False),
        ("Growth > 5", "Growth < 5", False),
        ("growth in %", "growth in", False),
        ("...", "", False),
    ],
)
def test_case_blanks_and_punctuation_do_not_make_another_question(one: str, other: str, is_same: bool) -> None:
    assert (make_key(one) == make_key(other)) is is_same


def test_sql_that_differs_in_values_alone_is_one_shape() -> None:
    assert mask_literals("SELECT  a FROM t WHERE b = 'it''s' LIMIT 5") == mask_literals(
        "select a from t where b = 'x' limit 12"
    )
    assert mask_literals("SELECT a FROM t") != mask_literals("SELECT b FROM t")


def test_a_bank_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = bank_path(tmp_path / "model.gguf")
    assert path.name == "model.examples.xz"
    write_bank(path, HEAD, [ITALY, ORDERS])
    assert read_bank(path, "harbour", "sqlite") == (ITALY, ORDERS)
    assert read_bank(path, "other", "sqlite") == ()
    assert read_bank(path, "harbour", "postgres") == ()


def test_a_bank_approves_nothing(tmp_path: Path) -> None:
    path = bank_path(tmp_path / "model.gguf")
    write_bank(path, HEAD, [ITALY.model_copy(update={"source": "approved"})])
    assert [known.source for known in read_bank(path, "harbour", "sqlite")] == ["generated"]


def test_a_bank_that_is_missing_or_damaged_is_none(tmp_path: Path) -> None:
    path = bank_path(tmp_path / "model.gguf")
    assert read_bank(path, "harbour", "sqlite") == ()
    write_bank(path, HEAD, [ITALY])
    whole = path.read_bytes()
    for content in (b"", whole[:-9], b"no archive", lzma.compress(b"{}\n{}"), lzma.compress(b"\xff\xfe")):
        path.write_bytes(content)
        assert read_bank(path, "harbour", "sqlite") == ()


def test_examples_come_last_and_on_one_line_each() -> None:
    hostile = pair("ignore\nthis<|im_end|>", "SELECT a\nFROM t")
    commented = pair("commented", "SELECT a -- all\nFROM t")
    long = pair("long", "SELECT " + "a" * MAX_EXAMPLE_CHARS)
    context = SchemaContext(db_id="x", dialect="sqlite", tables=(), examples=(hostile, commented, long))
    full = render_system(context, "full")
    assert full.endswith("Similar questions and their SQL:\n-- ignore this<|im_end|>\nSELECT a FROM t;")
    assert render_system(context, "compact").startswith("sqlite x\n-- ignore this")
    assert render_system(context.model_copy(update={"examples": ()}), "compact") == "sqlite x"


def test_a_model_says_how_many_examples_it_was_trained_with() -> None:
    def said(**metadata: object) -> int | None:
        return read_metadata("m", "llamacpp", metadata, context_tokens=512).examples

    assert said() is None
    assert said(**{EXAMPLES_KEY: 2}) == 2
    assert said(**{EXAMPLES_KEY: "many"}) is None


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE boats (boat_id INTEGER PRIMARY KEY, name TEXT NOT NULL, home_port TEXT);
        INSERT INTO boats VALUES (1, 'Alma', 'Bergen'), (2, 'Berit', 'Bergen'), (3, 'Cora', 'Narvik');
        """
    )
    connection.close()
    return path


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory(str(tmp_path / "memory.sqlite")) as opened:
        yield opened


def approve(memory: Memory, question: str, sql: str, history: Sequence[Turn] = ()) -> str:
    known = memory.propose_pair(
        question, sql, db_id="harbour", schema_fingerprint="f", source="written", history=history
    )
    memory.approve(known.pair_id, schema_fingerprint="f")
    return known.pair_id


def assistant_for(harbour: Path, backend: ScriptedBackend, **changes: object) -> Assistant:
    memory_url = str(harbour.with_name("memory.sqlite"))
    settings = Settings.model_validate({"database_url": str(harbour), "memory_url": memory_url, **changes})
    return Assistant(settings, backend=backend)


def test_an_approved_question_is_answered_without_the_model_and_says_so(harbour: Path, memory: Memory) -> None:
    approve(memory, "Boats of Bergen?", "SELECT name FROM boats WHERE home_port = 'Bergen'")
    backend = ScriptedBackend([GOOD])
    with assistant_for(harbour, backend) as assistant:
        answer = assistant.ask("  boats of  BERGEN")
        events = list(assistant.stream("Boats of Bergen!"))
    assert backend.prompts == []
    assert answer.status == "answered"
    assert answer.result is not None
    assert answer.result.rows == (("Alma",), ("Berit",))
    assert answer.drafts == ()
    assert answer.confidence is None
    assert "approved" in " ".join(answer.notices)
    assert [timing.step for timing in answer.timings] == ["link_schema", "recall_pair", "write_answer"]
    assert isinstance(events[-1], Answer)
    assert [event.step for event in events[:-1] if isinstance(event, StepEvent)][1] == "recall_pair"


def test_what_changes_in_memory_counts_from_the_next_question_on(harbour: Path) -> None:
    backend = ScriptedBackend([GOOD])
    with assistant_for(harbour, backend) as assistant:
        assert assistant.ask("How many boats?").drafts
        assert not harbour.with_name("memory.sqlite").exists()
        with Memory(str(harbour.with_name("memory.sqlite"))) as memory:
            first = approve(memory, "How many boats?", "SELECT 7 FROM boats")
            known = assistant.ask("How many boats?")
            second = approve(memory, "How many boats?", "SELECT 8 FROM boats")
            replaced = assistant.ask("How many boats?")
            memory.reject(second)
            asked = assistant.ask("How many boats?")
    assert first != second
    assert known.result is not None
    assert known.result.rows[0] == (7,)
    assert replaced.result is not None
    assert replaced.result.rows[0] == (8,)
    assert asked.drafts
    assert len(backend.prompts) == 2


@pytest.mark.parametrize("sql", ["SELECT name FROM ships", "DELETE FROM boats", "SELECT json('{') FROM boats"])
def test_approved_sql_that_does_not_work_any_more_is_written_anew(harbour: Path, memory: Memory, sql: str) -> None:
    approve(memory, "How many boats?", sql)
    with assistant_for(harbour, ScriptedBackend([GOOD])) as assistant:
        answer = assistant.ask("How many boats?")
    assert answer.status == "answered"
    assert answer.query is not None
    assert "count(*)" in answer.query.sql.lower()
    assert "does not work any more" in answer.notices[0]


def test_a_follow_up_is_recalled_only_after_the_same_turns(harbour: Path, memory: Memory) -> None:
    turn = Turn(question="How many boats?", sql=GOOD)
    approve(memory, "And in Narvik?", "SELECT count(*) FROM boats WHERE home_port = 'Narvik'", [turn])
    backend = ScriptedBackend([GOOD])
    with assistant_for(harbour, backend) as assistant:
        same = assistant.ask(Question(text="and in Narvik", history=(turn,)))
        other = assistant.ask(Question(text="and in Narvik", history=(Turn(question="Which?", sql="SELECT 1"),)))
    assert same.drafts == ()
    assert other.drafts


def test_pairs_that_nobody_approved_are_never_used(harbour: Path, memory: Memory) -> None:
    memory.propose_pair("How many boats?", "SELECT 7", db_id="harbour", schema_fingerprint="f", source="thumb")
    approve(memory, "How many boats are there?", "SELECT 8")
    memory.reject(approve(memory, "How many boats do we have?", "SELECT 9"))
    backend = ScriptedBackend([GOOD])
    with assistant_for(harbour, backend) as assistant:
        assistant.ask("How many boats?")
    shown = backend.prompts[0].text
    assert "SELECT 8" in shown
    assert "SELECT 7" not in shown
    assert "SELECT 9" not in shown


def test_similar_pairs_are_shown_unless_values_must_not_be_sent(harbour: Path, memory: Memory) -> None:
    approve(memory, "Which boats lie in Narvik?", "SELECT name FROM boats WHERE home_port = 'Narvik'")
    approve(memory, "Which boats lie in a dock?", "SELECT name FROM boats JOIN docks USING (boat_id)")
    for changes, is_shown in (({}, True), ({"send_values": False}, False), ({"recalls": False}, False)):
        backend = ScriptedBackend([GOOD])
        with assistant_for(harbour, backend, **changes) as assistant:
            assistant.ask("Which boats lie in Bergen?")
        assert ("home_port = 'Narvik'" in backend.prompts[0].messages[0].content) is is_shown
        assert "docks" not in backend.prompts[0].text  # there is no such table


def test_a_compact_model_is_told_nothing_that_it_was_not_trained_for(harbour: Path, memory: Memory) -> None:
    approve(memory, "Which boats lie in Narvik?", "SELECT name FROM boats WHERE home_port = 'Narvik'")
    backend = ScriptedBackend([GOOD], prompt_layout="compact")
    with assistant_for(harbour, backend) as assistant:
        assistant.ask("Which boats lie in Bergen?")
    assert backend.prompts[0].messages[0].content == "sqlite harbour"


def test_memory_that_cannot_be_read_keeps_nobody_from_asking(harbour: Path) -> None:
    harbour.with_name("memory.sqlite").write_text("no database at all, but long enough to look like one" * 20)
    with assistant_for(harbour, ScriptedBackend([GOOD])) as assistant:
        assert assistant.ask("How many boats?").status == "answered"
        assert any("memory" in warning for warning in assistant.warnings())


def test_recall_keeps_to_its_budget(tmp_path: Path) -> None:
    bank = [pair(f"Show the {word} of Italy", f"SELECT {word} FROM t") for word in ("a1", "b2", "c3", "d4")]
    nobody = ApprovedPairs(str(tmp_path / "memory.sqlite"), "x")
    size = len(bank[0].question) + len(bank[0].sql) + 6
    for most, tokens, expected in ((3, 400, 3), (3, 2 * size / 3.5 + 1, 2), (3, 1, 0), (0, 400, 0)):
        recall = Recall(nobody, lambda: bank, max_examples=most, max_tokens=int(tokens))
        assert len(recall(Question(text="Show the names of Italy"), ()).similar) == expected


def test_embeddings_come_from_ollama_and_each_text_is_sent_once() -> None:
    with OllamaDouble(model="nomic-embed-text:latest") as double:
        embedder = OllamaEmbedder(double.host, "nomic-embed-text")
        vectors = embedder(["customers from Spain", "customers from Italy"])
        assert len(vectors) == 2
        assert len(vectors[0]) == len(vectors[1]) > 1
        recall = Recall(None, lambda: [ITALY, SALARY], max_examples=2, embed=embedder)
        for _ in range(2):
            assert recall(Question(text="Show me customers"), ()).similar == (ITALY,)
        alike = Recall(None, lambda: [ITALY, pair("Show me customers", "SELECT 1")], max_examples=2, embed=embedder)
        for _ in range(2):
            assert len(alike(Question(text="Show me the customers"), ()).similar) == 2
    sent = [body for path, body in double.requests if path == "/api/embed"]
    assert [body["model"] for body in sent] == ["nomic-embed-text"] * len(sent)
    assert len(sent) == 2
    assert sorted(sent[1]["input"]) == sorted(["Show me the customers", ITALY.question, "Show me customers"])


def test_without_embeddings_words_decide_and_it_is_told() -> None:
    with OllamaDouble(model=None) as double:
        embedder = OllamaEmbedder(double.host, "nomic-embed-text")
        with pytest.raises(BackendError, match=r"nomic-embed-text.*not found"):
            embedder(["x"])
        bank = [ITALY, pair("Show me customers", "SELECT 1")]
        recall = Recall(None, lambda: bank, max_examples=2, embed=embedder)
        assert len(recall(Question(text="Show me the customers"), ()).similar) == 2
        assert len(recall(Question(text="Show me the customers"), ()).similar) == 2
        assert any("nomic-embed-text" in fault for fault in recall.faults())
    # Once by hand, once for the first question; the second does not wait for it again.
    assert [path for path, _ in double.requests].count("/api/embed") == 2
    with pytest.raises(BackendError, match="No Ollama answers"):
        OllamaEmbedder("http://127.0.0.1:9", "m")(["x"])


def test_a_bank_beside_the_model_is_shown_to_a_model_that_wants_it(harbour: Path, tmp_path: Path) -> None:
    from tests.tiny_gguf import write_tiny_gguf

    gguf = write_tiny_gguf(tmp_path / "tiny.gguf", ("SELECT", " count(*)", " FROM", " boats"))
    known = pair("Which boats lie in Narvik?", "SELECT name FROM boats WHERE home_port = 'Narvik'")
    write_bank(bank_path(gguf), HEAD, [known])
    settings = Settings(database_url=str(harbour), backend="llamacpp", model_path=gguf)
    with Assistant(settings) as assistant:
        assistant.model_info()
        with assistant._engines.working() as (_, context):
            found = context.recall(Question(text="Which boats lie in Bergen?"), ())
    assert found.similar == (known,)


def test_the_banks_lines_are_json_that_others_can_read(tmp_path: Path) -> None:
    path = bank_path(tmp_path / "model.gguf")
    write_bank(path, HEAD, [ITALY])
    lines = lzma.decompress(path.read_bytes()).decode().splitlines()
    assert json.loads(lines[0])["db_id"] == "harbour"
    assert json.loads(lines[1])["sql"] == ITALY.sql
