"""`queryforge pairs`: nothing is approved that does not work, and pairs travel between machines."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from app import cli
from assistant.memory.records import Pair
from assistant.memory.store import Memory
from assistant.types import Rejection, Turn

QUESTION, SQL = "How many customers?", "SELECT count(*) FROM customer"


@pytest.fixture
def memory_path(tmp_path: Path, shop_db_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A memory with nothing in it, beside the demo database."""
    path = tmp_path / "memory.sqlite"
    monkeypatch.setenv("QUERYFORGE_MEMORY_URL", str(path))
    monkeypatch.setenv("QUERYFORGE_DATABASE_URL", str(shop_db_path))
    return path


def kept(path: Path) -> list[tuple[str, str]]:
    with Memory(str(path)) as memory:
        return [(pair.question, pair.state) for pair in memory.list_pairs()]


def propose(path: Path, *pairs: tuple[str, str], db_id: str = "shop", history: Sequence[Turn] = ()) -> list[str]:
    with Memory(str(path)) as memory:
        return [
            memory.propose_pair(
                question, sql, db_id=db_id, schema_fingerprint="old", source="correction", history=history
            ).pair_id
            for question, sql in pairs
        ]


def test_a_pair_is_added_as_pending_and_approved_at_once_only_when_asked(
    memory_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pairs", "add", QUESTION, f"{SQL};", "--by", "ana", "--note", "all of them"]) == 0
    assert kept(memory_path) == [(QUESTION, "pending")]
    assert "returns 1 row." in capsys.readouterr().err
    assert cli.main(["pairs", "add", QUESTION, SQL, "--approve", "--by", "rita", "--weight", "2", "--json"]) == 0
    pair = Pair.model_validate_json(capsys.readouterr().out)
    assert (pair.state, pair.author, pair.reviewer, pair.weight) == ("approved", "ana", "rita", 2.0)
    assert (pair.sql, pair.source, pair.note, len(pair.schema_fingerprint)) == (SQL, "written", "all of them", 64)


def test_sql_may_come_through_a_pipe(memory_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SQL))
    assert cli.main(["pairs", "add", QUESTION]) == 0
    assert kept(memory_path) == [(QUESTION, "pending")]


@pytest.mark.parametrize(
    ("sql", "rule", "named"),
    [
        ("DELETE FROM customer", "read-only", "DELETE"),
        ("SELECT count(*) FROM customr", "unknown-table", "customer"),
        ("SELECT count(*) FROM customer; SELECT 1", "one-statement", "more than one"),
        ("SELECT json_extract('{', '$') FROM customer", "", ""),
    ],
)
def test_a_pair_whose_sql_is_refused_is_not_kept_and_the_reason_is_told(
    memory_path: Path, capsys: pytest.CaptureFixture[str], sql: str, rule: str, named: str
) -> None:
    assert cli.main(["pairs", "add", QUESTION, sql, "--approve", "--json"]) == 1
    printed = capsys.readouterr()
    rejection = Rejection.model_validate_json(printed.out)
    assert rejection.rule == rule or not rule
    assert named in printed.err
    assert kept(memory_path) == []


def test_a_query_without_rows_is_asked_about(memory_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pairs", "add", "Nobody?", "SELECT full_name FROM customer WHERE 1 = 0"]) == 0
    assert "no rows; is that right?" in capsys.readouterr().err


def test_approving_tries_each_pair_and_approves_those_that_work(
    memory_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = propose(memory_path, (QUESTION, SQL), ("Who is gone?", "SELECT gone FROM customer"))
    assert cli.main(["pairs", "approve", good[:8], bad, "--by", "rita"]) == 1
    printed = capsys.readouterr()
    assert f"{bad[:12]} is refused (unknown-column)" in printed.err
    assert "reviewed by rita" in printed.out
    assert kept(memory_path) == [(QUESTION, "approved"), ("Who is gone?", "pending")]
    with Memory(str(memory_path)) as memory:
        assert memory.read_pair(good).schema_fingerprint != "old"


def test_a_pair_about_another_database_is_not_approved_on_this_one(
    memory_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (other,) = propose(memory_path, (QUESTION, SQL), db_id="crm")
    assert cli.main(["pairs", "approve", other]) == 2
    assert "'crm'" in capsys.readouterr().err
    assert kept(memory_path) == [(QUESTION, "pending")]


def test_rejecting_needs_no_database(memory_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pair,) = propose(memory_path, (QUESTION, SQL))
    monkeypatch.setenv("QUERYFORGE_DATABASE_URL", "/nowhere.sqlite")
    assert cli.main(["pairs", "reject", pair, "--note", "counts the deleted too"]) == 0
    assert kept(memory_path) == [(QUESTION, "rejected")]


def test_an_unknown_pair_is_a_usage_error_and_none_of_the_others_is_touched(
    memory_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pair,) = propose(memory_path, (QUESTION, SQL))
    assert cli.main(["pairs", "reject", pair, "0123456789"]) == 2
    assert "no pair '0123456789'" in capsys.readouterr().err
    assert kept(memory_path) == [(QUESTION, "pending")]


def test_the_list_shows_question_sql_and_review_and_hides_what_a_terminal_would_obey(
    memory_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    propose(memory_path, ("And \x1b[31min red?", "SELECT 'red'"), history=(Turn(question="Colours?", sql="SELECT 1"),))
    propose(memory_path, (QUESTION, SQL), db_id="crm")
    assert cli.main(["pairs", "list", "--db-id", "shop"]) == 0
    printed = capsys.readouterr()
    assert "And \\x1b[31min red?" in printed.out
    assert "after: Colours?" in printed.out
    assert "SELECT 'red'" in printed.out
    assert QUESTION not in printed.out
    assert printed.err == "1 pair.\n"
    assert cli.main(["pairs", "list", "--json", "--state", "pending"]) == 0
    assert [json.loads(line)["db_id"] for line in capsys.readouterr().out.splitlines()] == ["shop", "crm"]


def test_exported_pairs_are_tried_before_they_are_approved_elsewhere(
    memory_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = propose(memory_path, (QUESTION, SQL), ("Who\u2028is gone?", "SELECT gone FROM customer"))
    (other,) = propose(memory_path, ("Leads?", "SELECT 1"), db_id="crm")
    with Memory(str(memory_path)) as memory:
        for pair in (good, bad, other):
            memory.approve(pair, schema_fingerprint="old", reviewer="rita")
    file, there = tmp_path / "pairs.jsonl", tmp_path / "there.sqlite"
    assert cli.main(["pairs", "export", str(file), "--state", "approved"]) == 0
    capsys.readouterr()
    assert cli.main(["pairs", "import", str(file), "--memory", str(there), "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"added": 3, "updated": 0, "unchanged": 0}
    assert "unknown-column" in printed.err
    assert "'crm'" in printed.err
    assert kept(there) == [(QUESTION, "approved"), ("Who\u2028is gone?", "pending"), ("Leads?", "pending")]
    with Memory(str(there)) as memory:
        assert memory.read_pair(good).schema_fingerprint != "old"
        assert memory.read_pair(good).reviewer == "rita"


def test_pending_pairs_are_imported_without_a_database(
    memory_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    propose(memory_path, (QUESTION, SQL))
    assert cli.main(["pairs", "export"]) == 0
    file = tmp_path / "pairs.jsonl"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    monkeypatch.setenv("QUERYFORGE_DATABASE_URL", "/nowhere.sqlite")
    assert cli.main(["pairs", "import", str(file), "--memory", str(tmp_path / "there.sqlite")]) == 0
    assert kept(tmp_path / "there.sqlite") == [(QUESTION, "pending")]


def test_a_broken_file_is_named_with_its_line_and_nothing_is_imported(
    memory_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    propose(memory_path, (QUESTION, SQL))
    file, there = tmp_path / "pairs.jsonl", tmp_path / "there.sqlite"
    cli.main(["pairs", "export", str(file)])
    file.write_text(file.read_text(encoding="utf-8") + "{broken\n", encoding="utf-8")
    assert cli.main(["pairs", "import", str(file), "--memory", str(there)]) == 2
    assert "line 2" in capsys.readouterr().err
    assert kept(there) == []
    assert cli.main(["pairs", "import", str(tmp_path / "none.jsonl")]) == 2


def test_a_memory_that_cannot_be_reached_is_told_without_its_password(
    memory_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pairs", "list", "--memory", "postgresql://me:s3cret@127.0.0.1:1/memory"]) == 4
    printed = capsys.readouterr()
    assert "QUERYFORGE_MEMORY_URL" in printed.err
    assert "s3cret" not in printed.out + printed.err


def test_an_action_is_needed(memory_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["pairs"])
    assert left.value.code == 2
