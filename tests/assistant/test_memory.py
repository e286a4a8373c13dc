"""What is remembered is there again: in SQLite, PostgreSQL and MariaDB, and whatever other processes do meanwhile."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, make_url, text

from assistant.drivers.engines import parse_url
from assistant.errors import DatabaseError, DataError, QueryForgeError, UsageError
from assistant.memory import opening, store, tables
from assistant.memory.records import FeedbackEntry, Imported, Pair, normalise_question
from assistant.memory.store import Memory
from assistant.memory.tables import FEEDBACK, METADATA
from assistant.memory.transfer import export_pairs, read_pairs
from assistant.settings import Settings
from assistant.types import Turn
from tests.servers import PASSWORD, ServerMissing, mysql_server

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = [
    pytest.param("sqlite"),
    pytest.param("postgres", marks=pytest.mark.postgres),
]
EVERY = [*SHARED, pytest.param("mysql", marks=pytest.mark.mysql)]
TURN = Turn(question="Revenue in 2025?", sql="SELECT 1")
AWKWARD = "Größe – „naïve“ 🙂 'x'; DROP TABLE queryforge_pair; -- %s %(a)s :b \\ \u2028 line\nbreak"


@pytest.fixture(scope="session")
def empty_mysql_url() -> Iterator[str]:
    """A MariaDB of its own: the user of the shared one may not make a second database."""
    context = mysql_server()
    try:
        url = context.__enter__()
    except ServerMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, and CI must not skip")
        pytest.skip(str(missing))
    yield url
    context.__exit__(None, None, None)


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where memory may be kept, and nothing is kept yet."""
    if request.param == "sqlite":
        return str(tmp_path / "data" / "memory.sqlite")
    if request.param == "postgres":
        url = make_url(request.getfixturevalue("postgres_url"))
        name = f"memory_{uuid.uuid4().hex}"
        administer(url.render_as_string(hide_password=False), f"CREATE DATABASE {name}")
        return url.set(database=name).render_as_string(hide_password=False)
    found = str(request.getfixturevalue("empty_mysql_url"))
    engine = create_engine(parse_url(found)[0])
    METADATA.drop_all(engine)
    engine.dispose()
    return found


@pytest.fixture
def memory(address: str) -> Iterator[Memory]:
    with Memory(address) as opened:
        yield opened


def administer(url: str, *statements: str) -> None:
    engine = create_engine(parse_url(url)[0], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def propose(memory: Memory, question: str = "How many orders?", sql: str = "SELECT 1", **more: Any) -> Pair:
    fields: dict[str, Any] = {"db_id": "shop", "schema_fingerprint": "f1", "source": "correction", **more}
    return memory.propose_pair(question, sql, **fields)


def approve(memory: Memory, question: str = "How many orders?", sql: str = "SELECT 1", **more: Any) -> Pair:
    pair = propose(memory, question, sql, **more)
    return memory.approve(pair.pair_id, schema_fingerprint="f1", reviewer="rita")


def thumb(memory: Memory, **more: Any) -> FeedbackEntry:
    fields: dict[str, Any] = {"question": "How many?", "db_id": "shop", "status": "answered", **more}
    return memory.feedback.add(fields.pop("verdict", "up"), **fields)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_everything_comes_back_as_it_was_given(address: str) -> None:
    with Memory(address) as memory:
        entry = thumb(
            memory,
            verdict="down",
            question=AWKWARD,
            status="failed",
            sql=AWKWARD,
            history=(TURN, Turn(question=AWKWARD, sql=AWKWARD)),
            schema_fingerprint="f1",
            model="queryforge-shop-q8_0.gguf",
            reason=AWKWARD,
            author="Zoë",
        )
        pair = propose(memory, AWKWARD, AWKWARD, history=(TURN,), weight=2.25, author="Zoë", note=AWKWARD)
        saved = memory.saved.save("Q1 🙂", AWKWARD, AWKWARD, db_id="shop", author="Zoë")
    with Memory(address) as again:
        assert again.feedback.list() == (entry,)
        assert again.list_pairs() == (pair,)
        assert again.saved.list() == (saved,)
    assert entry.created_at.tzinfo is UTC
    assert abs(entry.created_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert (entry.reason, pair.sql, pair.state, pair.weight) == (AWKWARD, AWKWARD, "pending", 2.25)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_feedback_is_listed_latest_first_and_by_database_and_thumb(memory: Memory) -> None:
    first, second = thumb(memory), thumb(memory, verdict="down", reason="wrong year")
    other = thumb(memory, db_id="Shop")
    assert memory.feedback.list() == (other, second, first)
    assert memory.feedback.list("shop") == (second, first)
    assert memory.feedback.list("shop", verdict="up") == (first,)
    assert memory.feedback.list(limit=1) == (other,)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_a_pair_is_found_only_while_it_is_approved(memory: Memory) -> None:
    pair = propose(memory)
    assert memory.find_exact("How many orders?", "shop") is None
    approved = memory.approve(pair.pair_id, schema_fingerprint="f2", reviewer="rita", note="as agreed", weight=3)
    assert memory.find_exact("How many orders?", "shop") == approved
    assert (approved.state, approved.schema_fingerprint, approved.weight) == ("approved", "f2", 3)
    assert (approved.reviewer, approved.note, approved.sql) == ("rita", "as agreed", pair.sql)
    rejected = memory.reject(pair.pair_id[:8], reviewer="otto")
    assert (rejected.state, rejected.reviewer, rejected.note) == ("rejected", "otto", "as agreed")
    assert memory.find_exact("How many orders?", "shop") is None
    assert memory.list_pairs() == (rejected,)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_pairs_are_listed_by_database_and_state(memory: Memory) -> None:
    first, second, third = propose(memory, "a"), propose(memory, "b"), propose(memory, "c", db_id="crm")
    approved = memory.approve(second.pair_id, schema_fingerprint="f1")
    assert memory.list_pairs() == (first, approved, third)
    assert memory.list_pairs("shop", "approved") == (approved,)
    assert memory.list_pairs(state="pending") == (first, third)
    assert memory.list_pairs("SHOP") == ()


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_the_stamp_changes_with_the_pairs_of_its_database_and_with_nothing_else(memory: Memory) -> None:
    stamps = [memory.stamp("shop")]

    def has_changed() -> bool:
        stamps.append(memory.stamp("shop"))
        assert memory.stamp("shop") == stamps[-1]
        return stamps[-1] != stamps[-2]

    pair = propose(memory)
    assert has_changed()
    memory.approve(pair.pair_id, schema_fingerprint="f1")
    assert has_changed()
    approve(memory, sql="SELECT 2")
    assert has_changed()
    memory.reject(pair.pair_id)
    assert has_changed()
    approve(memory, db_id="crm")
    thumb(memory)
    assert not has_changed()
    assert len(set(stamps)) == 5


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_a_pair_proposed_twice_is_one_and_stays_as_it_was_reviewed(memory: Memory) -> None:
    pair = propose(memory, author="ana")
    rejected = memory.reject(pair.pair_id, note="counts returns")
    assert propose(memory, "how many  ORDERS", "SELECT 1 ;", author="ben") == rejected
    assert memory.list_pairs() == (rejected,)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_a_question_has_one_approved_sql_and_the_last_approval_wins(memory: Memory) -> None:
    old, new = approve(memory, sql="SELECT 1"), approve(memory, "how many orders", sql="SELECT 2")
    elsewhere = approve(memory, sql="SELECT 3", db_id="crm")
    assert memory.find_exact("How many orders?", "shop") == new
    assert memory.list_pairs(state="approved") == (new, elsewhere)
    replaced = memory.read_pair(old.pair_id)
    assert (replaced.state, replaced.note) == ("rejected", f"Replaced by {new.pair_id[:12]}.")
    assert memory.approve(old.pair_id, schema_fingerprint="f1").state == "approved"
    assert memory.read_pair(new.pair_id).state == "rejected"


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_a_saved_question_is_replaced_under_its_name_and_deleted_once(memory: Memory) -> None:
    first = memory.saved.save("Revenue", "Revenue?", "SELECT 1", db_id="shop", author="ana")
    second = memory.saved.save(" Revenue ", "Revenue this year?", "SELECT 2;", db_id="shop", author="ana")
    other = memory.saved.save("revenue", "Revenue?", "SELECT 3", db_id="shop", author="ben")
    assert (second.saved_id, second.created_at, second.sql) == (first.saved_id, first.created_at, "SELECT 2")
    assert second.changed_at > first.changed_at
    assert memory.saved.list("shop") == (second, other)
    assert memory.saved.list(author="ben") == (other,)
    assert memory.saved.list("crm") == ()
    assert memory.saved.delete(first.saved_id)
    assert not memory.saved.delete(first.saved_id)
    assert memory.saved.list() == (other,)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_pairs_travel_to_another_machine_and_back(memory: Memory, tmp_path: Path) -> None:
    approve(memory, AWKWARD, AWKWARD, history=(TURN,), weight=2.5)
    propose(memory, "Which ones?", "SELECT 2")
    memory.reject(propose(memory, "Why?", "SELECT 3").pair_id, note="no data")
    file = io.StringIO("".join(export_pairs(memory.list_pairs())))
    with Memory(str(tmp_path / "there.sqlite")) as there:
        pairs = read_pairs(file, source="pairs.jsonl")
        assert there.import_pairs(pairs) == Imported(added=3, updated=0, unchanged=0)
        assert there.list_pairs() == memory.list_pairs()
        assert there.import_pairs(pairs) == Imported(added=0, updated=0, unchanged=3)
        there.approve(pairs[1].pair_id, schema_fingerprint="f9", reviewer="theo")
        assert memory.import_pairs(there.list_pairs()) == Imported(added=0, updated=1, unchanged=2)
        assert memory.list_pairs() == there.list_pairs()


def test_of_two_machines_that_approved_different_sql_the_later_wins_on_both(tmp_path: Path) -> None:
    with Memory(str(tmp_path / "a.sqlite")) as here, Memory(str(tmp_path / "b.sqlite")) as there:
        approve(here, sql="SELECT 1")
        later = approve(there, sql="SELECT 2")
        mine, theirs = here.list_pairs(), there.list_pairs()
        here.import_pairs(theirs)
        there.import_pairs(mine)
        assert here.list_pairs(state="approved") == there.list_pairs(state="approved") == (later,)
        assert here.list_pairs() == there.list_pairs()


def test_an_import_gives_a_pair_the_identifier_of_its_content(tmp_path: Path) -> None:
    with Memory(str(tmp_path / "a.sqlite")) as memory:
        pair = propose(memory)
        forged = pair.model_copy(update={"sql": "SELECT 666", "note": "same identifier, other SQL"})
        assert memory.import_pairs([forged]).added == 1
        assert memory.read_pair(pair.pair_id) == pair
        assert [found.sql for found in memory.list_pairs()] == ["SELECT 1", "SELECT 666"]


def test_an_import_in_several_transactions_takes_over_everything_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BATCH_PAIRS", 2)
    with Memory(str(tmp_path / "a.sqlite")) as memory, Memory(str(tmp_path / "b.sqlite")) as there:
        pairs = [propose(there, f"Question {number}") for number in range(5)]
        assert memory.import_pairs([*pairs, pairs[0]]) == Imported(added=5, updated=0, unchanged=1)
        assert memory.list_pairs() == tuple(pairs)
        assert memory.import_pairs([]) == Imported(added=0, updated=0, unchanged=0)


@pytest.mark.parametrize(
    ("asked", "is_same"),
    [
        ("How many orders last month?", True),
        ("  how many ORDERS\tlast\n month ", True),
        ("How many orders last month ?!", True),
        ("How many orders last month...", True),
        ("How many orders last month？", True),
        ("How many orders last month %", False),
        ("How many orders in the last month?", False),
        ("How many orders, last month?", False),
        ("How many orders last months?", False),
        ("", False),
    ],
)
def test_case_white_space_and_final_punctuation_do_not_count(tmp_path: Path, asked: str, is_same: bool) -> None:
    with Memory(str(tmp_path / "a.sqlite")) as memory:
        pair = approve(memory, "How many orders last month?")
        assert memory.find_exact(asked, "shop") == (pair if is_same else None)
        assert memory.find_exact(asked, "crm") is None


def test_accents_count_however_they_are_typed() -> None:
    assert normalise_question("Cafe\u0301s?") == normalise_question("CAFÉS") != normalise_question("Cafes")


def test_a_question_that_is_punctuation_alone_keeps_it() -> None:
    assert (normalise_question("??"), normalise_question(" ! ")) == ("??", "!")


def test_a_follow_up_is_found_only_after_the_same_turns(tmp_path: Path) -> None:
    with Memory(str(tmp_path / "a.sqlite")) as memory:
        pair = approve(memory, "And in Spain?", history=(TURN,))
        assert memory.find_exact("and in spain", "shop") is None
        assert memory.find_exact("and in spain", "shop", (TURN, TURN)) is None
        assert memory.find_exact("and in spain", "shop", (Turn(question="revenue in 2025", sql="SELECT 1"),)) == pair


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"question": "  "}, "question"),
        ({"sql": " ; "}, "sql"),
        ({"db_id": ""}, "db_id"),
        ({"db_id": "x" * 256}, "db_id"),
        ({"note": "a\x00b"}, "note"),
        ({"question": "half a character \ud83d"}, "question"),
        ({"history": (Turn(question="a\x00", sql=""),)}, "history"),
        ({"weight": 0.0}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"weight": 101.0}, "weight"),
        ({"source": "model"}, "source"),
    ],
)
def test_what_cannot_be_remembered_is_named_and_nothing_is_kept(
    tmp_path: Path, wrong: dict[str, Any], named: str
) -> None:
    with Memory(str(tmp_path / "a.sqlite")) as memory:
        with pytest.raises(UsageError, match=f"this {named}"):
            propose(memory, **wrong)
        assert memory.list_pairs() == ()


def test_a_review_that_fails_leaves_the_pair_as_it_was(tmp_path: Path) -> None:
    with Memory(str(tmp_path / "a.sqlite")) as memory:
        pair = propose(memory)
        with pytest.raises(UsageError, match="weight"):
            memory.approve(pair.pair_id, schema_fingerprint="f1", weight=-1)
        assert memory.read_pair(pair.pair_id) == pair


@pytest.mark.parametrize("identifier", ["", "abc", "%%%%%%", "______", "0" * 32, "zzzzzz", "'; --"])
def test_a_pair_that_is_not_there_is_a_usage_error(tmp_path: Path, identifier: str) -> None:
    with Memory(str(tmp_path / "a.sqlite")) as memory:
        propose(memory)
        for verb in (memory.read_pair, memory.reject):
            with pytest.raises(UsageError, match="queryforge pairs list"):
                verb(identifier)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ('{"question": "a"}', "pair_id: Field required"),
        ("GOOD", ""),
        ('"weight":1.0=>"weight":-1', "weight"),
        ('"state":"pending"=>"state":"approved"', "reviewed_at"),
        ('"note":""=>"note":"\\u0000"', "note"),
        ('"note":""=>"note":"","extra":1', "extra"),
        ('Z"=>"', "created_at"),
    ],
)
def test_a_line_that_is_no_pair_is_named_by_its_number(tmp_path: Path, line: str, reason: str) -> None:
    with Memory(str(tmp_path / "a.sqlite")) as memory:
        good = next(export_pairs([propose(memory)]))
    before, changes, after = line.partition("=>")
    line = good if line == "GOOD" else good.replace(before, after) if changes else line
    if not reason:
        assert len(read_pairs([good, "\n", line], source="f")) == 2
        return
    with pytest.raises(DataError, match=r"'f', line 3: ") as raised:
        read_pairs([good, "\n", line], source="f")
    assert reason in raised.value.message


WORK = """
import sys
from assistant.memory.store import Memory
name, address = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
memory = Memory(address)
for i in range(15):
    memory.feedback.add("up", question=f"q{i}", db_id="shop", status="answered", reason=f"{name} {i}")
    common = dict(db_id="shop", schema_fingerprint="f", source="thumb")
    memory.propose_pair(f"common {i}", "SELECT 1", **common)
    own = memory.propose_pair(f"disputed {i % 3}", f"SELECT '{name}'", **common)
    memory.approve(own.pair_id, schema_fingerprint="f", reviewer=name)
    memory.saved.save(f"saved {i}", "q", "SELECT 1", db_id="shop")
"""


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_processes_that_open_and_write_at_once_lose_nothing(address: str) -> None:
    names = ["ana", "ben"]
    workers = [start(WORK, name, address) for name in names]
    for worker in workers:
        assert next_line(worker) == "ready"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
    with Memory(address) as memory:
        found = [entry.reason for entry in memory.feedback.list()]
        assert sorted(found) == sorted(f"{name} {i}" for name in names for i in range(15))
        questions = [pair.question for pair in memory.list_pairs() if pair.question.startswith("common")]
        assert sorted(questions) == sorted(f"common {i}" for i in range(15))
        approved = [pair.question for pair in memory.list_pairs("shop", "approved")]
        assert sorted(approved) == ["disputed 0", "disputed 1", "disputed 2"]
        assert len(memory.saved.list()) == 15


ADD_FOREVER = """
import itertools, sys
from assistant.memory.store import Memory
memory = Memory(sys.argv[1])
for i in itertools.count():
    entry = memory.feedback.add("up", question="q", db_id="shop", status="answered", reason=str(i))
    print(entry.feedback_id, flush=True)
"""


@pytest.mark.parametrize("address", SHARED, indirect=True)
def test_what_was_remembered_before_a_kill_is_there_after_it(address: str) -> None:
    worker = start(ADD_FOREVER, address)
    told = [next_line(worker) for _ in range(20)]
    worker.send_signal(signal.SIGKILL)
    told += worker.communicate(timeout=30)[0].split()
    with Memory(address) as memory:
        kept = {entry.feedback_id for entry in memory.feedback.list()}
        assert len(set(told)) >= 20
        assert set(told) - kept == set()
        assert len(kept) <= len(told) + 1
        thumb(memory)
        assert len(memory.feedback.list()) == len(kept) + 1


HOLD = """
import sys, time
from assistant.memory.opening import Store
from assistant.memory.tables import PAIRS
with Store(sys.argv[1]).writing() as connection:
    connection.execute(PAIRS.delete())
    print("holding", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_a_writer_killed_in_the_middle_leaves_nothing_half_done(address: str) -> None:
    with Memory(address) as memory:
        pair = propose(memory)
        worker = start(HOLD, address)
        assert next_line(worker) == "holding"
        assert memory.list_pairs() == (pair,)
        worker.send_signal(signal.SIGKILL)
        worker.communicate(timeout=30)
        assert memory.reject(pair.pair_id).state == "rejected"


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_a_writer_that_waits_too_long_says_so(address: str, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "WAIT_S", 0.6)
    worker = start(HOLD, address)
    assert next_line(worker) == "holding"
    try:
        with pytest.raises(DatabaseError, match="write to memory") as raised:
            propose(memory)
        assert "try again" in raised.value.hint
    finally:
        worker.kill()
        worker.communicate(timeout=30)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_a_creation_that_was_cut_off_is_finished(address: str) -> None:
    engine = create_engine(parse_url(address)[0]) if "://" in address else None
    if engine is None:
        Path(address).parent.mkdir()
        engine = create_engine(f"sqlite:///{address}")
    with engine.begin() as connection:
        FEEDBACK.create(connection)
    engine.dispose()
    with Memory(address) as memory:
        assert memory.list_pairs("shop") == ()
        thumb(memory)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_older_tables_are_renewed_and_keep_what_they_hold(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Memory(address) as memory:
        pair = propose(memory)

        def add_mood(connection: Connection) -> None:
            connection.execute(text("ALTER TABLE queryforge_feedback ADD COLUMN mood VARCHAR(16)"))

        newer = tables.VERSION + 1
        monkeypatch.setattr(tables, "STEPS", {newer: add_mood})
        for module in (tables, opening):
            monkeypatch.setattr(module, "VERSION", newer)
        for _ in range(2):
            with Memory(address) as renewed:
                assert renewed.list_pairs() == (pair,)
                with renewed._store.writing() as connection:
                    connection.execute(text("UPDATE queryforge_feedback SET mood = 'calm'"))
        monkeypatch.setattr(opening, "VERSION", newer - 1)
        with pytest.raises(DatabaseError, match=f"have become version {newer}"):
            propose(memory)


@pytest.mark.parametrize("address", EVERY, indirect=True)
def test_tables_of_a_newer_version_are_left_alone(address: str) -> None:
    with Memory(address) as memory, memory._store.writing() as connection:
        connection.execute(text("UPDATE queryforge_version SET version = 99"))
    with pytest.raises(DatabaseError, match="newer QueryForge") as raised:
        Memory(address)
    assert "Update" in raised.value.hint


def test_the_asked_database_is_never_written_to(shop_db_path: Path) -> None:
    before = shop_db_path.read_bytes(), sorted(shop_db_path.parent.iterdir())
    with pytest.raises(DatabaseError, match="holds something else") as raised:
        Memory(str(shop_db_path))
    assert "QUERYFORGE_MEMORY_URL" in raised.value.hint
    assert (shop_db_path.read_bytes(), sorted(shop_db_path.parent.iterdir())) == before


@pytest.mark.postgres
def test_the_asked_server_database_is_never_written_to(postgres_url: str) -> None:
    with pytest.raises(DatabaseError, match="holds something else"):
        Memory(postgres_url)


def test_the_file_is_made_with_its_folder_and_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "memory.sqlite"
    with Memory(f"sqlite:///{path}") as memory:
        thumb(memory)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def break_nothing(path: Path) -> None:
    path.write_text("no database at all, but a text that is long enough to be looked at\n" * 20)


def break_folder(path: Path) -> None:
    path.mkdir()


def break_parent(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("a file where a folder should be")


@pytest.mark.parametrize("spoil", [break_nothing, break_folder, break_parent])
def test_a_place_where_nothing_can_be_kept_is_named_with_a_remedy(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "data" / "memory.sqlite"
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(DatabaseError, match=r"memory\.sqlite") as raised:
        Memory(str(path))
    assert "QUERYFORGE_MEMORY_URL" in raised.value.hint


@pytest.mark.parametrize("url", ["", "sqlite://", "foo://x/y", "postgresql://user:secret-one@host"])
def test_an_address_that_cannot_be_used_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        Memory(url)
    assert "QUERYFORGE_MEMORY_URL" in raised.value.hint
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "change", [{"password": "secret-two"}, {"port": 1}, {"database": "nowhere"}, {"query": {"password": "secret-two"}}]
)
@pytest.mark.postgres
def test_a_server_that_does_not_let_us_in_is_told_without_the_password(
    postgres_url: str, change: dict[str, Any]
) -> None:
    url = make_url(postgres_url).set(**change)
    with pytest.raises(QueryForgeError) as raised:
        Memory(url.render_as_string(hide_password=False))
    assert isinstance(raised.value, DatabaseError)
    assert "QUERYFORGE_MEMORY_URL" in raised.value.hint
    assert "secret" not in str(raised.value)
    assert PASSWORD not in str(raised.value)


@pytest.mark.postgres
@pytest.mark.parametrize("address", [pytest.param("postgres")], indirect=True)
def test_a_server_that_drops_connections_is_reached_again(address: str) -> None:
    with Memory(address) as memory:
        thumb(memory)
        administer(
            address,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        thumb(memory)
        assert len(memory.feedback.list()) == 2


FULL_DISK = """
import resource, signal, sys
from assistant.errors import DatabaseError
from assistant.memory.store import Memory
memory = Memory(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    memory.feedback.add("up", question="q", db_id="shop", status="answered", reason="x" * 1_000_000)
except DatabaseError as error:
    print(error)
"""


def test_a_full_disk_is_told_and_harms_nothing(tmp_path: Path) -> None:
    address = str(tmp_path / "memory.sqlite")
    with Memory(address) as memory:
        thumb(memory)
        worker = start(FULL_DISK, address)
        told, errors = worker.communicate(timeout=60)
        assert "Make room on the disk" in told, errors
        thumb(memory)
        assert len(memory.feedback.list()) == 2


def test_a_row_that_another_program_spoiled_is_named(tmp_path: Path) -> None:
    address = str(tmp_path / "memory.sqlite")
    with Memory(address) as memory:
        entry = thumb(memory)
        administer(address, "UPDATE queryforge_feedback SET verdict = 'sideways'")
        with pytest.raises(DatabaseError, match=f"{entry.feedback_id}, verdict"):
            memory.feedback.list()


def test_memory_is_kept_in_the_users_data_folder_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert Settings().memory_url == "sqlite:////srv/data/queryforge/memory.sqlite"
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert Settings().memory_url == "sqlite:///~/.local/share/queryforge/memory.sqlite"
    monkeypatch.setenv("QUERYFORGE_MEMORY_URL", "postgresql://u:secret@h/m")
    assert "secret" not in repr(Settings.load())


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        process.kill()
        pytest.fail(f"The process ended: {process.communicate(timeout=30)[1]}")
    return line
