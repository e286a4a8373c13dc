"""The teacher: what it writes is kept after a round trip only, nothing leaves that should not, and no fault is fatal.

The chat model is a stand-in behind a real HTTP server that speaks like Ollama. It knows SQL by heart from what it is
asked to reword, says every third wording wrongly, and plays the faults of a server and of a bad model.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import BackendError, UsageError
from assistant.settings import Settings
from tests.ollama_double import OllamaDouble
from tests.training.leagues import make_database
from training.datagen import teacher_model
from training.datagen.drafts import BatchRequest, Draft, Item, Target
from training.datagen.generate import DatagenConfig, build_parser, generate, main
from training.datagen.opening import Subject, open_subject
from training.datagen.slices import read_triples
from training.datagen.teacher import FREE_KIND, STYLE, Teacher
from training.datagen.teacher_masks import mask
from training.datagen.teacher_model import MAX_BROKEN_IN_A_ROW, open_chat_model
from training.datagen.teacher_opening import open_teacher
from training.datagen.validation import normalise

WAYS = ("Tell me, {}", "I want to know: {}", "{} Please, not that", "{} Thanks!")
"""What the stand-in makes of a question; the third way it takes for something else."""
WRONG = 2
FREE = (
    ("How many teams has each city?", "SELECT city, COUNT(*) FROM team GROUP BY city"),
    ("Which person has the most pay?", "SELECT nothing FROM person"),
    ("How many games were there?", "SELECT COUNT(*) FROM game"),
)
"""What it thinks of itself: a question whose SQL it finds again, one with bad SQL, one that it answers otherwise."""


class TeacherDouble(OllamaDouble):
    """A server whose model answers what a teacher is asked."""

    def __init__(self) -> None:
        super().__init__(model="wise:7b")
        self.known = {normalise(FREE[0][0]): FREE[0][1], normalise(FREE[2][0]): "SELECT COUNT(*) FROM team"}
        self.faults: dict[int, str] = {}
        """Number of a chat request -> what goes wrong with it; 0 is every request."""
        double = self

        class Handler(self._server.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def _chat(self, body: dict[str, Any], _reply: str) -> None:
                fault = double.faults.get(0) or double.faults.get(len(double.chats()), "none")
                reply = SPOILED.get(fault, lambda text: text)(double.answer(body["messages"][-1]["content"]))
                double.fault = "none" if fault in SPOILED else fault  # type: ignore[assignment]
                super()._chat(body, reply)

            def _stream(self, body: dict[str, Any], reply: str, fault: str) -> None:
                # Few and long pieces: there is a wait after each.
                text = reply if fault != "none" else re.sub(r"\s", "\ue000", reply)
                super()._stream(body, text, fault)

            def _send_line(self, body: dict[str, Any], fields: dict[str, Any]) -> None:
                if content := fields.get("message", {}).get("content"):
                    fields["message"]["content"] = content.replace("\ue000", " ")
                super()._send_line(body, fields)

        self._server.RequestHandlerClass = Handler

    def answer(self, user: str) -> str:
        """Write what is asked for, with something around it as models do."""
        if "Think of" in user:
            return json.dumps([{"question": question, "sql": sql} for question, sql in FREE])
        if "SQL: " in user:
            pairs = re.findall(r"^\d+\. (.*)\n   SQL: (.*)$", user, re.MULTILINE)
            for question, sql in pairs:
                for number, way in enumerate(WAYS):
                    wrong = "SELECT 12345.5"
                    self.known[normalise(way.format(question))] = wrong if number == WRONG else f"{sql};"
            return "Sure!\n```json\n" + json.dumps([[way.format(question) for way in WAYS] for question, _ in pairs])
        questions = re.findall(r"^\d+\. (.*)$", user, re.MULTILINE)
        return json.dumps([self.known.get(normalise(question), "-- unanswerable: who knows") for question in questions])

    def sent(self) -> str:
        """All that came, as text."""
        return "\n".join(message["content"] for body in self.chats() for message in body["messages"])


SPOILED: dict[str, Callable[[str], str]] = {
    "prose": lambda text: "I would rather not say.",
    "half": lambda text: text[: len(text) // 2],
    "one too few": lambda text: json.dumps(json.loads(text[text.index("[") :])[:-1]),
    "an object": lambda text: '{"answer": "yes"}',
    "nonsense": lambda text: json.dumps([["", "12", "SELECT a FROM b"] for _ in json.loads(text[text.index("[") :])]),
}
"""What a bad model makes of its reply."""


FORTY = BatchRequest("1:1", 40)


@pytest.fixture(scope="module")
def league(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_database(tmp_path_factory.mktemp("db") / "league.sqlite")


@pytest.fixture(scope="module")
def subject(league: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    with open_subject(str(league), tmp_path_factory.mktemp("subject")) as opened:
        yield opened


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TeacherDouble]:
    monkeypatch.setattr(teacher_model, "PAUSES_S", (0.0,) * MAX_BROKEN_IN_A_ROW)
    with TeacherDouble() as double:
        monkeypatch.setenv("QUERYFORGE_OLLAMA_HOST", double.host)
        yield double


def hire(
    subject: Subject, folder: Path, *, has_values: bool = True, stop: threading.Event | None = None
) -> AbstractContextManager[Teacher]:
    return open_teacher("ollama:wise:7b", folder, subject, has_values=has_values, stop=stop or threading.Event())


def draw(subject: Subject, folder: Path, request: BatchRequest = FORTY, **more: bool) -> list[Draft]:
    with hire(subject, folder, **more) as teacher:
        return list(teacher.draw(request))


def test_a_wording_is_kept_only_when_its_sql_comes_back(
    server: TeacherDouble, subject: Subject, tmp_path: Path
) -> None:
    with hire(subject, tmp_path) as teacher:
        drafts = list(teacher.draw(BatchRequest("1:1", 40)))
        report = teacher.say_report()
    written = [draft for draft in drafts if draft.style == STYLE and draft.kind != FREE_KIND]
    assert len(written) >= 15
    assert not any("Please, not that" in draft.question for draft in written)
    assert {way.partition("{}")[0] for way in WAYS[:2]} == {"Tell me, ", "I want to know: "}
    by_reply = {draft.reply for draft in drafts if draft.style != STYLE}
    assert {draft.reply for draft in written} <= by_reply
    assert teacher.kept == len([draft for draft in drafts if draft.style == STYLE])
    assert teacher.dropped["regenerated SQL: another result"] >= 5
    assert f"{len(server.chats())} requests" in report
    tokens = re.search(r"([\d,]+) tokens read and ([\d,]+) written", report)
    assert tokens is not None
    assert int(tokens.group(1).replace(",", "")) == 120 * len(server.chats())


def test_the_sql_is_written_from_the_question_and_the_schema_alone(
    server: TeacherDouble, subject: Subject, tmp_path: Path
) -> None:
    replies = {draft.reply for draft in draw(subject, tmp_path)}
    asked = [body["messages"] for body in server.chats() if "of these" in body["messages"][-1]["content"]]
    assert len(asked) >= 4
    for system, user in asked:
        assert "CREATE TABLE team" in system["content"]
        assert "FOREIGN KEY (home_team_id)" in system["content"]
        questions = re.findall(r"^\d+\. (.*)$", user["content"], re.MULTILINE)
        assert questions
        assert not any(reply in f"{system}{user}" for reply in replies if len(reply) > 12)
        cores = [re.sub(r"^(Tell me, |I want to know: )| Please, not that$| Thanks!$", "", q) for q in questions]
        assert len(set(cores)) == len(cores), "no two wordings of one statement side by side"


def test_what_has_no_single_sql_comes_from_the_grammar(server: TeacherDouble, subject: Subject, tmp_path: Path) -> None:
    kinds = ("repair", "refused", "follow_up")
    targets = tuple(Target(Item("kind", kind), 2) for kind in kinds)
    drafts = draw(subject, tmp_path, BatchRequest("1:1", 0, targets))
    assert {draft.aim.name for draft in drafts if draft.aim} >= set(kinds)
    others = [draft for draft in drafts if draft.history or draft.kind == "repair" or draft.reply.startswith("--")]
    assert len(others) >= len(kinds)
    assert not any(draft.style == STYLE for draft in others)


def test_questions_of_its_own_are_kept_when_its_sql_comes_back(
    server: TeacherDouble, subject: Subject, tmp_path: Path
) -> None:
    targets = (Target(Item("kind", FREE_KIND), 1),)
    with hire(subject, tmp_path) as teacher:
        drafts = [draft for draft in teacher.draw(BatchRequest("1:1", 0, targets)) if draft.kind == FREE_KIND]
    assert [(draft.question, draft.reply) for draft in drafts] == [FREE[0]]
    assert drafts[0].aim == targets[0].item
    assert teacher.dropped == {"its own SQL: guard: unknown-column": 1, "regenerated SQL: another result": 1}
    about = (Target(Item("table", "shelf"), 1),)
    draw(subject, tmp_path / "other", BatchRequest("1:2", 30, about))
    assert "- the table shelf" in server.sent()


def test_no_value_of_the_data_is_sent_unless_allowed(
    server: TeacherDouble, subject: Subject, league: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ("team.name", "team.city", "region.name", "person.full_name", "site.title", "person.pay")
    queries = [f"SELECT {column} FROM {column.partition('.')[0]}" for column in columns]
    with closing(sqlite3.connect(league)) as connection:
        values = {str(row[0]) for query in queries for row in connection.execute(query)} - {"Team T"}  # FROM team t
    assert len(values) > 100

    def leaked() -> set[str]:
        words = server.sent()
        return {value for value in values if re.search(rf"(?<![\w.]){re.escape(value)}(?!\w)", words, re.IGNORECASE)}

    request = BatchRequest("1:1", 150)
    drafts = draw(subject, tmp_path / "without", request, has_values=False)
    assert "no values of the data" in capsys.readouterr().err
    assert leaked() == set()
    mine = [draft for draft in drafts if draft.style == STYLE]
    restored = [draft for draft in mine if any(value in draft.question for value in values)]
    assert len(restored) >= 5, "questions with values were reworded all the same, and have their values back"
    draw(subject, tmp_path / "with", request)
    assert "values of the data too" in capsys.readouterr().err
    assert len(leaked()) > 5


def test_what_is_sent_is_told_once_before_anything_is(
    server: TeacherDouble, subject: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hire(subject, tmp_path) as teacher:
        assert capsys.readouterr().err == ""
        assert server.requests == []
        list(teacher.draw(BatchRequest("1:1", 30)))
    assert capsys.readouterr().err.count("is sent, of 'league': names and types of tables") == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("server_error", "refused by the server"),
        ("busy", "refused by the server"),
        ("broken", "connection broke off"),
        ("no_done", "connection broke off"),
        ("error_line", "refused by the server"),
        ("not_json", "not the provider's protocol"),
        ("length", "reply cut at its token limit"),
        ("prose", "not JSON"),
        ("half", "not JSON"),
        ("one too few", "wrong count"),
        ("an object", "not what was asked for"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_broken_batch_is_skipped_and_counted(
    server: TeacherDouble, subject: Subject, tmp_path: Path, fault: str, reason: str
) -> None:
    server.faults = {1: fault}
    with hire(subject, tmp_path) as teacher:
        drafts = list(teacher.draw(BatchRequest("1:1", 40)))
    assert teacher._chat.broken == {reason: 1}
    assert f"Requests skipped: {reason} (1)" in teacher.say_report()
    assert any(draft.style == STYLE for draft in drafts)


def test_a_slow_reply_is_given_up(
    server: TeacherDouble, subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUERYFORGE_BACKEND_TIMEOUT_S", "0.5")
    server.faults = {1: "slow"}
    with hire(subject, tmp_path) as teacher:
        drafts = list(teacher.draw(BatchRequest("1:1", 40)))
    assert teacher._chat.broken == {"timeout": 1}
    assert any(draft.style == STYLE for draft in drafts)


def test_questions_whose_sql_does_not_come_are_dropped(server: TeacherDouble, subject: Subject, tmp_path: Path) -> None:
    server.faults = {2: "one too few"}
    with hire(subject, tmp_path) as teacher:
        list(teacher.draw(BatchRequest("1:1", 40)))
    assert teacher._chat.broken == {"wrong count": 1}
    assert teacher.dropped["no SQL came back"] == 5


@pytest.mark.parametrize("fault", ["server_error", "prose"])
def test_a_teacher_that_is_never_of_use_is_told(
    server: TeacherDouble, subject: Subject, tmp_path: Path, fault: str
) -> None:
    server.faults = {0: fault}
    with pytest.raises(BackendError, match=f"nothing usable {MAX_BROKEN_IN_A_ROW} times in a row") as caught:
        draw(subject, tmp_path, BatchRequest("1:1", 200))
    assert "the engine has stopped" in caught.value.message or "rather not say" in caught.value.message
    assert "goes on" in caught.value.hint
    assert len(server.chats()) == MAX_BROKEN_IN_A_ROW


def test_no_server_is_told(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_model, "PAUSES_S", (0.0,) * MAX_BROKEN_IN_A_ROW)
    with TeacherDouble() as double:
        monkeypatch.setenv("QUERYFORGE_OLLAMA_HOST", double.host)
    with pytest.raises(BackendError, match="no connection"):
        draw(subject, tmp_path, BatchRequest("1:1", 200))


def test_stopping_ends_the_round_early(server: TeacherDouble, subject: Subject, tmp_path: Path) -> None:
    stop = threading.Event()
    with hire(subject, tmp_path, stop=stop) as teacher:
        drafts = teacher.draw(BatchRequest("1:1", 200))
        assert next(draft for draft in drafts if draft.style == STYLE)
        stop.set()
        asked = len(server.chats())
        list(drafts)
    assert len(server.chats()) == asked
    assert teacher._chat.broken == {}


def test_the_workflow_takes_the_teacher_and_a_rerun_asks_nothing_twice(
    server: TeacherDouble, league: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = DatagenConfig(database_url=str(league), out=tmp_path / "out", count=120, teacher="ollama:wise:7b")
    server.faults = {number: "server_error" for number in range(12, 12 + MAX_BROKEN_IN_A_ROW)}
    with pytest.raises(BackendError):
        generate(config)
    prompts = [json.dumps(body["messages"]) for body in server.chats()[:11]]
    assert len(set(prompts)) == 11
    server.requests.clear()
    server.faults = {}
    summary = generate(config)
    again = {json.dumps(body["messages"]) for body in server.chats()}
    assert again
    assert again.isdisjoint(prompts)
    assert "questions stood the round trip" in capsys.readouterr().err
    triples = [t for name in ("train.jsonl", "eval.jsonl") for t in read_triples(tmp_path / "out" / name)]
    assert {t.generator for t in triples} == {"teacher"}
    mine = [t for t in triples if t.style == STYLE]
    assert len(mine) > 0.3 * len(triples)
    assert FREE[0][0] in {t.question for t in triples if t.kind == FREE_KIND}
    assert summary.identity is not None
    assert "ollama:wise:7b" in summary.identity.generator
    server.requests.clear()
    assert generate(config) == summary
    assert server.requests == []


def test_wordings_are_asked_for_in_other_languages_when_wanted(
    server: TeacherDouble, league: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--db", str(league), "--count", "20", "--languages", "German and French"]
    assert main([*flags, "--out", str(tmp_path / "out"), "--teacher", "ollama:wise:7b"]) == 0
    asked = [body["messages"][-1]["content"] for body in server.chats()]
    reworded = [text for text in asked if "other ways to ask" in text]
    assert reworded
    assert all("Write them in German and French" in text for text in reworded)
    assert "in German and French" in capsys.readouterr().out


def test_without_the_flag_no_teacher_is_asked(server: TeacherDouble, league: Path, tmp_path: Path) -> None:
    summary = generate(DatagenConfig(database_url=str(league), out=tmp_path / "out", count=30))
    assert server.requests == []
    assert summary.identity is not None
    assert summary.identity.generator == "grammar"


@pytest.mark.parametrize(
    ("spec", "module", "told"),
    [
        ("bedrock:some.model-v1:0", "langchain_aws", "langchain_aws"),
        ("openai:gpt", "langchain.chat_models", "langchain"),
    ],
)
def test_a_missing_package_is_told_with_the_command(
    monkeypatch: pytest.MonkeyPatch, spec: str, module: str, told: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=f"needs a package that is not installed: .*{told}") as caught:
        open_chat_model(spec, Settings.load())
    assert "pip install 'queryforge[teacher]'" in caught.value.hint


@pytest.mark.parametrize("spec", ["ollama", "ollama:", ":wise"])
def test_a_name_that_names_no_teacher_is_told_before_anything_is_made(league: Path, tmp_path: Path, spec: str) -> None:
    with pytest.raises(UsageError, match="does not name a teacher") as caught:
        generate(DatagenConfig(database_url=str(league), out=tmp_path / "out", count=30, teacher=spec))
    assert "PROVIDER:MODEL" in caught.value.hint


def test_help_says_what_is_sent() -> None:
    text = " ".join(build_parser().format_help().split())
    assert "--teacher PROVIDER:MODEL" in text
    assert "--teacher-values" in text
    assert "nothing is sent" in text


@pytest.mark.parametrize(
    ("question", "sql", "is_sent"),
    [
        ("Teams in Berlin", "SELECT name FROM team WHERE city = 'Berlin'", True),
        ("Teams in berlin", "SELECT name FROM team WHERE city = 'Berlin'", False),
        ("Teams like Ber", "SELECT name FROM team WHERE city LIKE 'Ber%'", True),
        ("Pay above 2500.50", "SELECT full_name FROM person WHERE pay > 2500.50", True),
        ("Pay above two thousand", "SELECT full_name FROM person WHERE pay > 2000", False),
        ("Games in March 2025", "SELECT id FROM game WHERE played >= '2025-03-01' AND played < '2025-04-01'", True),
        ("Games on 2025-03-09", "SELECT id FROM game WHERE played = '2025-03-09'", False),
        ("Teams of O'Hara", "SELECT name FROM team WHERE city = 'O''Hara'", True),
    ],
)
def test_values_are_taken_out_and_put_back(question: str, sql: str, is_sent: bool) -> None:
    masked = mask(question, sql, "sqlite")
    assert (masked is not None) == is_sent
    if masked is not None:
        assert masked.restore(masked.question) == question
        assert masked.restore_sql(masked.sql) == sql
        for _, value in masked.swaps:
            assert value not in masked.question
            assert value.replace("'", "''") not in masked.sql
        assert masked.swaps or "2025" in sql
        assert not masked.swaps or masked.restore("Which ones?") is None
