"""The workflow: it covers what can be covered, says why the rest is not, goes on after a kill, and says what is wrong.

The database is a made-up league with two keys to one table, a table that points at itself, a composite key, an empty
table, a column without values and a broken view.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from assistant.errors import DatabaseError, DataError, QueryForgeError, UsageError
from assistant.settings import PROJECT_ROOT
from tests.training.leagues import make_database
from training.datagen.coverage import CoverageReport, least_hits
from training.datagen.drafts import BatchRequest, Draft
from training.datagen.generate import FILES, DatagenConfig, build_parser, generate, main
from training.datagen.opening import open_subject
from training.datagen.slices import Identity, WorkFolder, read_triples
from training.datagen.summary import DatagenSummary
from training.datagen.validation import Validator
from training.datagen.workflow import Job, run_workflow

COUNT = 1750
"""Some slices."""


@pytest.fixture(scope="module")
def league(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_database(tmp_path_factory.mktemp("db") / "league.sqlite")


@pytest.fixture(scope="module")
def whole(league: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole")
    generate(DatagenConfig(database_url=str(league), out=out, count=COUNT))
    return out


def read_report(out: Path) -> CoverageReport:
    return CoverageReport.model_validate_json((out / "coverage.json").read_text())


def command(league: Path, out: Path, *more: str) -> list[str]:
    words = ["datagen", "--db", str(league), "--out", str(out), "--count", str(COUNT), *more]
    return [sys.executable, "-m", "app.cli", *words]


def start(words: list[str], seed: str = "5") -> subprocess.Popen[str]:
    """Start a command in a process group of its own, with another order of sets than ours."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        words, cwd=PROJECT_ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def wait_for_slices(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many slices are noted in the manifest."""
    manifest = out / "work" / "manifest.jsonl"
    for _ in range(1200):
        if manifest.exists() and manifest.read_bytes().count(b"\n") > count:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    pytest.fail("no slice came")


def is_whole(summary: DatagenSummary) -> bool:
    """Tell whether as many were made as asked for; the split leaves a few out."""
    return summary.kept + summary.dropped.get("held-out statement in an earlier turn", 0) >= COUNT


def assert_same(one: Path, other: Path) -> None:
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    summaries = [DatagenSummary.model_validate_json((out / "summary.json").read_bytes()) for out in (one, other)]
    assert summaries[0].model_copy(update={"elapsed_s": 0.0}) == summaries[1].model_copy(update={"elapsed_s": 0.0})
    assert not (other / "work").exists()


def test_every_column_and_path_is_hit_or_named_with_the_reason(whole: Path) -> None:
    report = read_report(whole)
    missing = {i.name: i.reason for i in report.uncovered if i.aspect != "kind"}
    # What is not there may be asked about all the same: which games have no prize, how many have no note.
    explained = {
        "broken": "the view cannot be read: no such table: main.gone",
        "game.note": "every value is NULL",
        "prize.id": "its table has no rows",
        "prize.title": "its table has no rows",
        "prize.game_id": "its table has no rows",
        **{
            name: "prize has no value in game_id"
            for name in (i.name for i in report.items)
            if name.startswith("prize.game_id -> ")
        },
    }
    assert {name: explained.get(name) for name in missing} == missing
    assert "broken" in missing
    assert sum(name.startswith("prize.game_id -> ") for name in explained) == 7
    hit = {i.name for i in report.items if i.examples}
    assert {
        "game.home_team_id -> team",
        "game.away_team_id -> team.region_id -> region",
        "person.mentor_id -> person.mentor_id -> person.mentor_id -> person",
        "game.referee_id -> person.mentor_id -> person",
        "shelf.(site_no, code) -> site",
        "team.crest",
        "team.is_active",
        "margin.above_par",
    } <= hit
    assert "prize" in hit, "one can ask how many rows an empty table has"


def test_a_kind_that_the_schema_does_not_allow_is_explained(whole: Path) -> None:
    reasons = {i.name: i.reason for i in read_report(whole).uncovered if i.aspect == "kind"}
    assert reasons["measure_share"].startswith("no question could be made; it needs a measure in the glossary")
    assert "self_grand" not in reasons
    text = (whole / "coverage.md").read_text()
    assert f"| measure_share | 0 | 0 | {reasons['measure_share']} |" in text


def test_two_keys_to_one_table_are_told_apart_in_words_and_joined_apart(whole: Path) -> None:
    triples = list(read_triples(whole / "train.jsonl"))
    both = [t for t in triples if {"game.home_team_id -> team", "game.away_team_id -> team"} <= set(t.paths)]
    assert len(both) >= 3
    joined = [t for t in both if "EXISTS" not in t.sql]  # "without an away game of 2024" follows a key within
    assert joined
    for triple in joined:
        assert triple.sql.count("JOIN team ") == 2
    one_road = [t for t in triples if t.kind.startswith("path_") and "game.home_team_id -> team" in t.paths]
    assert one_road
    assert all("JOIN team" in t.sql for t in one_road)
    plain = [t for t in one_road if t.style == "plain"]
    assert all("home team" in t.question.lower() for t in plain)


def test_each_item_is_hit_as_often_as_planned_where_it_can(league: Path, whole: Path) -> None:
    report = read_report(whole)
    assert report.least == least_hits(COUNT) == 1
    assert [least_hits(count) for count in (1, 20_000, 1_000_000)] == [1, 10, 50]


def test_more_than_asked_for_is_made_only_where_the_plan_needs_it(league: Path, tmp_path: Path) -> None:
    summary = generate(DatagenConfig(database_url=str(league), out=tmp_path / "few", count=5))
    report = read_report(tmp_path / "few")
    assert "broken" in {i.name for i in report.uncovered}
    assert report.hit["path"][0] == len([i for i in report.items if i.aspect == "path" and not i.reason])
    items = sum(n for _, n in report.hit.values())
    assert 40 <= summary.kept <= items


def test_killed_at_any_point_the_same_command_writes_the_same_files(league: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    for slices in (1, 2):
        process = start(command(league, out))
        wait_for_slices(out, slices, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert (out / "work").exists()
        assert not (out / "train.jsonl").exists()
    process = start(command(league, out))
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "Going on after " in stderr
    assert is_whole(DatagenSummary.model_validate_json(stdout))
    assert_same(whole, out)


def test_the_files_do_not_depend_on_the_number_of_processes(league: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "parallel"
    generate(DatagenConfig(database_url=str(league), out=out, count=COUNT, workers=2))
    assert_same(whole, out)


def test_ctrl_c_stops_cleanly_and_processes_end_with_the_one_that_is_killed(league: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    process = start(command(league, out, "--workers", "2"))
    wait_for_slices(out, 1, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "The same command goes on from here." in stderr
    assert "Traceback" not in stderr
    process = start(command(league, out, "--workers", "2"))
    wait_for_slices(out, 2, process)
    process.kill()
    process.communicate(timeout=60)
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("processes went on alone")


def test_a_torn_note_and_a_damaged_slice_are_made_again(league: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "torn"
    config = DatagenConfig(database_url=str(league), out=out, count=COUNT)
    process = start(command(league, out))
    wait_for_slices(out, 2, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    second = out / "work" / "slice-00002.jsonl"
    second.write_bytes(second.read_bytes()[:-20])
    with (out / "work" / "manifest.jsonl").open("ab") as manifest:
        manifest.write(b'{"number": 4, "dra')
    generate(config)
    assert_same(whole, out)


def test_the_same_command_has_nothing_left_to_do(league: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir()}
    assert main(["--db", str(league), "--out", str(whole), "--count", str(COUNT)]) == 0
    captured = capsys.readouterr()
    assert "is complete" in captured.err
    assert is_whole(DatagenSummary.model_validate_json(captured.out))
    assert {path: path.stat().st_mtime_ns for path in whole.iterdir()} == before


def test_the_beginnings_of_other_data_are_not_gone_on_with(tmp_path: Path) -> None:
    fields = dict.fromkeys(("database", "fingerprint", "generator", "excluded", "code"), "x")
    identity = Identity.model_validate({**fields, "count": 5, "seed": 1})
    WorkFolder(tmp_path, identity).close()
    with pytest.raises(UsageError, match="another count, seed") as caught:
        WorkFolder(tmp_path, identity.model_copy(update={"count": 6, "seed": 2}))
    assert "Delete" in caught.value.hint
    (tmp_path / "work" / "manifest.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="not the manifest"):
        WorkFolder(tmp_path, identity)


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    fields = dict.fromkeys(("database", "fingerprint", "generator", "excluded", "code"), "x")
    identity = Identity.model_validate({**fields, "count": 5, "seed": 1})
    with closing(WorkFolder(tmp_path, identity)), pytest.raises(UsageError, match="Another process"):
        WorkFolder(tmp_path, identity)
    WorkFolder(tmp_path, identity).close()


class Listed:
    """A generator that gives what it was given, once."""

    name = "teacher"
    kinds: Mapping[str, str] = {"asked": ""}

    def __init__(self, drafts: Iterable[Draft]) -> None:
        self._drafts = tuple(drafts)
        self.requests: list[BatchRequest] = []

    def draw(self, request: BatchRequest) -> Iterable[Draft]:
        self.requests.append(request)
        return self._drafts

    def close(self) -> None:
        pass


def test_another_generator_fits_the_same_interface(league: Path, tmp_path: Path) -> None:
    replies = ["SELECT COUNT(*) FROM team", "SELECT nothing FROM team", "DROP TABLE team", "SELECT name FROM region"]
    drafts = [Draft(kind="asked", question=f"Question {i}?", reply=reply) for i, reply in enumerate(replies)]
    generator = Listed(drafts)
    fields = dict.fromkeys(("database", "fingerprint", "generator", "excluded", "code"), "x")
    work = WorkFolder(tmp_path, Identity.model_validate({**fields, "count": 10, "seed": 1}))
    with open_subject(str(league), work.path, has_variants=False) as subject:
        bench = subject.bench._replace(generator=generator.name)
        with closing(Validator(bench)) as validator:
            job = Job(tmp_path, 10, 1, subject.schema, subject.readable, generator, validator.validate, work)
            summary = run_workflow(job)
    triples = [t for name in ("train.jsonl", "eval.jsonl") for t in read_triples(tmp_path / name)]
    assert sorted(t.sql for t in triples) == ["SELECT COUNT(*) FROM team", "SELECT name FROM region"]
    assert {t.generator for t in triples} == {"teacher"}
    assert summary.dropped["guard: unknown-column"] == summary.dropped["guard: read-only"] == len(generator.requests)
    assert summary.dropped["asked before"] == 2 * (len(generator.requests) - 1)
    first = {target.item.name for target in generator.requests[0].targets}
    second = {target.item.name for target in generator.requests[1].targets}
    assert {"region", "team", "region.name"} <= first
    assert {"region", "team", "region.name"} & second == set()


def test_a_stopped_job_says_so(league: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        generate(DatagenConfig(database_url=str(league), out=tmp_path / "out", count=COUNT), stop=stop)


@pytest.mark.parametrize(
    ("script", "error", "told"),
    [
        ("", DatabaseError, "no tables"),
        ("CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT, made DATE)", DataError, "'bad' has no rows"),
        ("CREATE VIEW v AS SELECT * FROM gone", DatabaseError, "no such table: main.gone"),
    ],
    ids=["no tables", "no rows", "nothing but a broken view"],
)
def test_a_database_that_gives_nothing_is_told(
    tmp_path: Path, script: str, error: type[QueryForgeError], told: str
) -> None:
    path = make_database(tmp_path / "bad.sqlite", script)
    with pytest.raises(error, match=told) as caught:
        generate(DatagenConfig(database_url=str(path), out=tmp_path / "out", count=10))
    assert caught.value.hint


def test_a_database_without_keys_is_covered_all_the_same(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE ball (size INTEGER, weight REAL, colour TEXT);"
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)"
        " INSERT INTO ball SELECT i % 13, i * 0.7, substr('red  greenblue ', 1 + i % 3 * 5, 5) FROM n;"
    )
    path = make_database(tmp_path / "ball.sqlite", script)
    generate(DatagenConfig(database_url=str(path), out=tmp_path / "out", count=200))
    report = read_report(tmp_path / "out")
    assert report.hit["column"] == (3, 3)
    assert report.hit["path"] == (0, 0)
    assert "There are none." in (tmp_path / "out" / "coverage.md").read_text()


def test_too_small_a_database_gives_what_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_database(tmp_path / "tiny.sqlite", "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2)")
    summary = generate(DatagenConfig(database_url=str(path), out=tmp_path / "out", count=100_000))
    assert 0 < summary.kept < 100_000
    assert "the database gives no more different questions" in capsys.readouterr().err


def test_a_database_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="missing"):
        generate(DatagenConfig(database_url=str(tmp_path / "missing.sqlite"), out=tmp_path / "out"))
    with pytest.raises(UsageError, match="Unknown kind of database 'oracle'"):
        generate(DatagenConfig(database_url="oracle://somebody@localhost/shop", out=tmp_path / "out"))
    with pytest.raises(DatabaseError, match="Cannot open the database") as caught:
        generate(DatagenConfig(database_url="postgresql://somebody@127.0.0.1:9/shop", out=tmp_path / "out"))
    assert caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told(league: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot write to") as caught:
        generate(DatagenConfig(database_url=str(league), out=tmp_path / "file" / "out", count=10))
    assert "--out" in caught.value.hint


def test_a_full_disk_is_told_and_the_work_goes_on_once_there_is_room(league: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "full"
    limit = 700_000  # more than the copy of the data, less than all examples

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        command(league, out), cwd=PROJECT_ROOT, preexec_fn=little_room, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert "Cannot write to" in done.stderr
    assert "Free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (out / "train.jsonl").exists()
    generate(DatagenConfig(database_url=str(league), out=out, count=COUNT))
    assert_same(whole, out)


@pytest.mark.parametrize("flag", ["--count", "--workers"])
def test_impossible_numbers_are_told(league: Path, tmp_path: Path, flag: str) -> None:
    with pytest.raises(UsageError, match=flag):
        main(["--db", str(league), "--out", str(tmp_path), flag, "0"])


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    text = build_parser().format_help()
    for word in ("train.jsonl", "coverage.md", "goes on", "--exclude", "glossary", "examples:"):
        assert word in text
    with pytest.raises(SystemExit):
        main([])
    assert "--out" in capsys.readouterr().err
