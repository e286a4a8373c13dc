"""Answers in the words of a chat model: used when the result bears them out, and never at the answer's cost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import privacy
from assistant import wording
from assistant.agent import Assistant
from assistant.backends.scripted import ScriptedBackend
from assistant.database import Database, connect
from assistant.describing import describe_result
from assistant.grounding import find_fault
from assistant.prompts import MAX_SHOWN_ROWS, render_wording
from assistant.settings import Settings
from assistant.types import Answer, ColumnKind, GuardedQuery, ModelInfo, QueryResult, Question, ResultColumn, StepEvent
from tests.chat_double import OpenAIDouble
from tests.ollama_double import OllamaDouble

SQL = "SELECT home_port, count(*) AS boats FROM boats GROUP BY home_port ORDER BY boats DESC"
GOOD = "Bergen has the most boats: 2. Narvik has 1."
QUESTION = "How many boats does each home port have?"


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "harbour.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE boats (boat_id INTEGER PRIMARY KEY, name TEXT NOT NULL, home_port TEXT, owner TEXT);
        INSERT INTO boats VALUES (1, 'Alma', 'Bergen', 'Secret Sven'), (2, 'Berit', 'Bergen', 'Hidden Hilde'),
            (3, 'Cora', 'Narvik', 'Veiled Vera');
        """
    )
    connection.close()
    database = connect(str(path), masked=("boats.owner",))
    yield database
    database.close()


def ask(harbour: Database, sql: str = SQL, question: str = QUESTION, **changes: object) -> Answer:
    settings = Settings.model_validate({"answer_timeout_s": 5, **changes})
    with Assistant(settings, backend=ScriptedBackend([sql]), database=harbour) as assistant:
        return assistant.ask(question)


def ask_ollama(harbour: Database, double: OllamaDouble, **changes: object) -> Answer:
    sql, question = str(changes.pop("sql", SQL)), str(changes.pop("question", QUESTION))
    return ask(harbour, sql, question, **{"answer_model": "chatty", "ollama_host": double.host, **changes})


def grounded(harbour: Database) -> str:
    return ask(harbour).text


def test_borne_out_words_are_used_and_their_cost_is_told(harbour: Database) -> None:
    with OllamaDouble(GOOD, model="chatty:latest") as double:
        answer = ask_ollama(harbour, double)
    assert answer.text == GOOD
    assert answer.notices == ()
    assert answer.wording is not None
    assert answer.wording.model == "chatty"
    assert answer.wording.completion_tokens > 0
    assert answer.timings[-1].step == "phrase_answer"
    assert answer.timings[-1].elapsed_ms > 0
    system, user = (message["content"] for message in double.chats()[0]["messages"])
    assert "compute nothing" in system
    assert QUESTION in user
    assert "Bergen | 2" in user


def test_a_server_of_openais_protocol_does_it_too(harbour: Database) -> None:
    with OpenAIDouble(GOOD, models=({"id": "chatty", "max_model_len": 4096},), key="k") as double:
        answer = ask(harbour, answer_model="chatty", answer_backend="openai", openai_url=double.url, openai_api_key="k")
    assert answer.text == GOOD
    assert [body["model"] for body in double.chats()] == ["chatty"]


HOSTILE = [
    "Bergen has 3 boats.",
    "Bergen has 2 boats and Narvik has 1, 66.7% in Bergen.",
    "Bergen has twice as many boats as Narvik.",
    "Bergen has 2 boats and Oslo has 1.",
    "Oslo has 2 boats.",
    "SELECT home_port FROM boats",
    "Bergen has 2. <script>alert(1)</script>",
    "Bergen has **2** boats.",
    "See https://evil.example for Bergen.",
    "![x](http://evil.example/2)",
    "| Bergen | 2 |",
    "As an AI language model, I cannot answer that.",
    "Bergen has $2.",
    "Bergen has 2 boats, nearly a dozen.",
    "Bergen has 2\x1b[31m boats.",
    "The port 'Trondheim' has 2.",
    "Bergen " * 150,
    " ",
]


@pytest.mark.parametrize("reply", HOSTILE)
def test_words_that_are_not_borne_out_are_not_used(harbour: Database, reply: str) -> None:
    backend = ScriptedBackend([SQL])
    with Assistant(Settings(), backend=backend, database=harbour) as assistant:
        plain = assistant.ask(QUESTION)
    worded = wording.word_answer(plain, ScriptedBackend([reply]))
    assert worded.text == plain.text
    assert (worded.result, worded.query, worded.status) == (plain.result, plain.query, "answered")
    assert "were not used" in worded.notices[-1]
    assert worded.wording is not None
    assert worded.wording.text == reply


@pytest.mark.parametrize("fault", ["no_model", "server_error", "busy", "broken", "no_done", "not_json", "slow"])
def test_a_model_that_fails_costs_its_words_and_nothing_else(harbour: Database, fault: str) -> None:
    plain = grounded(harbour)
    with OllamaDouble(GOOD, model="chatty:latest", fault=fault) as double:  # type: ignore[arg-type]
        answer = ask_ollama(harbour, double, answer_timeout_s=0.4)
    assert (answer.status, answer.text) == ("answered", plain)
    assert "The answer model did not answer" in answer.notices[-1]
    assert answer.result is not None


def test_a_server_that_is_not_there_costs_the_words_alone(harbour: Database) -> None:
    answer = ask(harbour, answer_model="chatty", ollama_host="http://127.0.0.1:9")
    assert (answer.status, answer.text) == ("answered", grounded(harbour))
    assert len(answer.notices) == 1


def test_where_no_row_may_reach_a_model_none_does(harbour: Database) -> None:
    with OllamaDouble(GOOD, model="chatty:latest") as double:
        answer = ask_ollama(harbour, double, send_values=False)
    assert answer.text == grounded(harbour)
    assert answer.wording is None
    assert double.requests == []


def test_masked_columns_stay_masked(harbour: Database) -> None:
    with OllamaDouble("Nothing to say.", model="chatty:latest") as double:
        answer = ask_ollama(harbour, double, sql="SELECT name, owner FROM boats", question="Who owns the boats?")
    assert answer.status == "answered"
    sent = str(double.requests)
    assert "Alma" in sent
    assert not any(name in sent for name in ("Sven", "Hilde", "Vera"))


def test_what_has_no_rows_is_not_sent(harbour: Database) -> None:
    with OllamaDouble(GOOD, model="chatty:latest") as double:
        none = ask_ollama(harbour, double, sql="SELECT name FROM boats WHERE boat_id = 9")
        declined = ask_ollama(harbour, double, sql="-- unanswerable: no")
    assert (none.status, declined.status) == ("answered", "unanswerable")
    assert double.chats() == []


def test_only_the_first_rows_are_sent(harbour: Database) -> None:
    counting = "WITH RECURSIVE t(n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM t WHERE n < 1099)"
    sql = f"{counting} SELECT n FROM t, boats LIMIT 90"
    answer = ask(harbour, sql=sql)
    assert answer.result is not None
    assert len(answer.result.rows) == 90
    user = render_wording(answer).messages[-1].content
    assert "Rows: 90, the first 20 are" in user
    assert len(user.splitlines()) == 4 + MAX_SHOWN_ROWS
    assert privacy.MAX_SHOWN_ROWS == MAX_SHOWN_ROWS


def test_a_streamed_answer_tells_of_the_step(harbour: Database) -> None:
    with OllamaDouble(GOOD, model="chatty:latest") as double:
        settings = Settings(answer_model="chatty", ollama_host=double.host)
        with Assistant(settings, backend=ScriptedBackend([SQL]), database=harbour) as assistant:
            events = list(assistant.stream(QUESTION))
    assert [event.step for event in events if isinstance(event, StepEvent)][-1] == "phrase_answer"
    assert isinstance(events[-1], Answer)
    assert events[-1].text == GOOD


def table(
    kind: ColumnKind, name: str, *rows: tuple[str | float | None, ...], is_truncated: bool = False
) -> QueryResult:
    columns = (ResultColumn(name="item", kind="text"), ResultColumn(name=name, kind=kind))
    return QueryResult(columns=columns, rows=rows, is_truncated=is_truncated, elapsed_ms=0)


SALES = table("float", "revenue", ("4K Monitor 27", 1234.567), ("2025-03-01", 12.4), ("O'Brien & Co", None))


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("4K Monitor 27 brought in 1,234.57.", True),
        ("4K Monitor 27 brought in 1234.567, O'Brien & Co nothing.", True),
        ("On 1 March 2025 it was 12.40.", True),
        ("In March 2025 the revenue was 12.4.", True),
        ("There are three rows in all.", True),
        ("In 2024 there were 3 items.", True),
        ("5K Monitor 27 brought in 1,234.57.", False),
        ("4K Monitor 27 brought in 1,234.6.", False),
        ("4K Monitor 27 brought in about 1,235.", False),
        ("4K Monitor 27 brought in 1.234,57.", False),
        ("4K Monitor 27 brought in 1,234.57k.", False),
        ("4K Monitor 27 brought in 1.23 million.", False),
        ("In April 2025 it was 12.40.", False),
        ("It fell by -12.40.", False),
        ("It was 12.40 percent.", False),
        ("It was €12.40.", False),
        ("Four items.", False),
        ("West has 12.40.", False),
    ],
)
def test_each_number_and_name_is_looked_up(text: str, is_right: bool) -> None:
    fault = find_fault(text, Question(text="What was the revenue in 2024?"), SALES, "")
    assert (fault == "") is is_right, fault


def test_signs_and_parts_may_be_said_where_the_result_says_them() -> None:
    share = table("float", "share", ("Graz", 12.5))
    assert find_fault("Graz has 12.5%.", Question(text="?"), share, "") == ""
    assert find_fault("Graz has 0.125%.", Question(text="?"), share, "") != ""
    cut = table("integer", "n", ("Graz", 1), ("Linz", 2), is_truncated=True)
    assert find_fault("There are 2 cities.", Question(text="?"), cut, "") == "it does not say that there are more rows"
    assert find_fault("These are the first 2 cities.", Question(text="cities?"), cut, "") == ""


def test_the_text_made_without_a_model_always_passes() -> None:
    query = GuardedQuery(sql="SELECT item, n FROM t", dialect="sqlite", tables=("t",), is_ordered=False, max_rows=9)
    for result in (SALES, table("integer", "n", ("Graz", 1), ("Linz", 2)), table("integer", "n", ("Graz", 1))):
        text = describe_result(Question(text="?"), query, result)
        assert find_fault(text, Question(text="?"), result, text) == ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"answer_model": "chatty", "ollama_host": "gpu.example"},
            "Sent to the Ollama server at gpu.example, to be put",
        ),
        ({"answer_model": "c", "answer_backend": "openai", "openai_url": "https://api.example/v1"}, "first 20 rows"),
        ({"answer_model": "gpt-oss:120b-cloud"}, "Ollama's cloud"),
        ({"answer_model": "chatty", "ollama_host": "gpu.example", "send_values": "false"}, ""),
        ({"answer_model": "chatty"}, ""),
        ({"ollama_host": "gpu.example"}, ""),
    ],
)
def test_the_privacy_line_says_where_rows_go(changes: dict[str, str], told: str) -> None:
    settings = Settings.model_validate(changes)
    said = privacy.describe_sending(settings, ModelInfo(name="m", backend="llamacpp"))
    assert told in said
    assert bool(said) is bool(told)


def test_rows_are_not_said_to_stay_when_they_are_sent() -> None:
    both = {"ollama_host": "gpu.example", "answer_model": "chatty"}
    info = ModelInfo(name="m", backend="ollama")
    assert "Rows of results are not." in privacy.describe_sending(Settings(ollama_host="gpu.example"), info)
    assert "Rows of results are not." not in privacy.describe_sending(Settings.model_validate(both), info)
