"""The graph, driven with scripted replies on a real database: which steps run, and what comes out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.backends.scripted import ScriptedBackend
from assistant.database import Database, connect
from assistant.errors import BackendError, DatabaseError
from assistant.graph import build_graph
from assistant.prompts import render_prompt
from assistant.schema import link_schema
from assistant.settings import Settings
from assistant.types import Answer, Question, StepEvent, Turn
from assistant.values import ValueIndex

GOOD = "SELECT count(*) FROM boats"
UNKNOWN_TABLE = "SELECT count(*) FROM ships"
OVERFLOWS = "SELECT sum(serial) FROM engines"
ALL_STEPS = ["link_schema", "check_scope", "generate_sql", "guard_sql", "execute_sql", "write_answer"]


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "harbour.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE boats (boat_id INTEGER PRIMARY KEY, name TEXT NOT NULL, home_port TEXT, length_m REAL);
        INSERT INTO boats VALUES (1, 'Alma', 'Bergen', 9.5), (2, 'Berit', 'Bergen', 12.0), (3, 'Cora', 'Narvik', 7.25);
        CREATE TABLE engines (engine_id INTEGER PRIMARY KEY, boat_id INTEGER REFERENCES boats, serial INTEGER);
        INSERT INTO engines VALUES (1, 1, 9223372036854775807), (2, 2, 9223372036854775807);
        """
    )
    connection.close()
    database = connect(str(path))
    yield database
    database.close()


Ask = Callable[..., tuple[Answer, ScriptedBackend]]


@pytest.fixture
def ask(harbour: Database) -> Ask:
    def play(
        *replies: str | BackendError, question: Question | str = "How many boats?", **changes: object
    ) -> tuple[Answer, ScriptedBackend]:
        backend = ScriptedBackend(replies)
        with Assistant(Settings.model_validate(changes), backend=backend, database=harbour) as assistant:
            return assistant.ask(question), backend

    return play


def steps_of(answer: Answer) -> list[str]:
    return [timing.step for timing in answer.timings]


def test_a_good_first_draft_is_run_and_answered(ask: Ask) -> None:
    answer, backend = ask(GOOD)
    assert answer.status == "answered"
    assert answer.result is not None
    assert answer.result.rows == ((3,),)
    assert "3" in answer.text
    assert answer.explanation
    assert answer.query is not None
    assert steps_of(answer) == ALL_STEPS
    assert [draft.attempt for draft in answer.drafts] == [1]
    assert answer.rejections == ()
    assert len(backend.prompts) == 1


def test_a_rejected_draft_goes_back_to_the_model_with_the_reason(ask: Ask) -> None:
    answer, backend = ask(UNKNOWN_TABLE, GOOD)
    assert answer.status == "answered"
    assert steps_of(answer) == ["link_schema", "check_scope", "generate_sql", "guard_sql", *ALL_STEPS[2:]]
    (rejection,) = answer.rejections
    assert rejection.stage == "guard"
    assert backend.prompts[1].messages[-2].content == UNKNOWN_TABLE
    assert rejection.message in backend.prompts[1].messages[-1].content
    assert [draft.attempt for draft in answer.drafts] == [1, 2]


def test_an_error_of_the_database_goes_back_to_the_model_with_the_reason(ask: Ask) -> None:
    answer, backend = ask(OVERFLOWS, GOOD)
    assert answer.status == "answered"
    assert steps_of(answer) == [*ALL_STEPS[:5], *ALL_STEPS[2:]]
    (rejection,) = answer.rejections
    assert rejection.stage == "database"
    assert rejection.message in backend.prompts[1].messages[-1].content


def test_drafts_that_are_always_rejected_end_as_failed(ask: Ask) -> None:
    answer, backend = ask(
        "SELECT a FROM x", "SELECT b FROM y", "SELECT c FROM z", GOOD, max_attempts=3, max_candidates=0
    )
    assert answer.status == "failed"
    assert len(backend.prompts) == 3
    assert len(answer.drafts) == len(answer.rejections) == 3
    assert answer.rejections[-1].message in answer.text
    assert (answer.query, answer.result, answer.chart) == (None, None, None)
    assert steps_of(answer) == ["link_schema", "check_scope", *["generate_sql", "guard_sql"] * 3, "write_answer"]


def test_errors_of_the_database_end_as_failed_without_a_query(ask: Ask) -> None:
    answer, _ = ask(OVERFLOWS, max_attempts=1)
    assert answer.status == "failed"
    assert (answer.query, answer.result) == (None, None)
    assert "overflow" in answer.text


def test_as_many_attempts_as_are_allowed_are_made(ask: Ask) -> None:
    answer, _ = ask(*(f"SELECT serial + {n}, sum(serial) FROM engines" for n in range(10)), max_attempts=10)
    assert answer.status == "failed"
    assert len(answer.rejections) == 10


def test_a_model_that_repeats_itself_is_not_asked_again(ask: Ask) -> None:
    answer, backend = ask(UNKNOWN_TABLE, f"  {UNKNOWN_TABLE} ;", GOOD, max_attempts=5, max_candidates=0)
    assert answer.status == "failed"
    assert len(backend.prompts) == 2
    assert steps_of(answer) == [
        "link_schema",
        "check_scope",
        "generate_sql",
        "guard_sql",
        "generate_sql",
        "write_answer",
    ]


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        ("-- unanswerable: nothing is known about crews", "unanswerable", "Nothing is known about crews."),
        ("-- refused: boats would be deleted", "refused", "I can only read this database"),
        ("-- clarify: By length or by age?", "clarify", "By length or by age?"),
        ("-- unanswerable:", "unanswerable", "I can't answer that from this database."),
        ("-- refused", "refused", "I can only read this database"),
        ("-- clarify:", "clarify", "more than one way"),
    ],
)
def test_a_model_that_declines_is_taken_at_its_word(ask: Ask, reply: str, status: str, words: str) -> None:
    answer, backend = ask(reply, GOOD)
    assert answer.status == status
    assert words in answer.text
    assert steps_of(answer) == ["link_schema", "check_scope", "generate_sql", "write_answer"]
    assert answer.query is None
    assert len(backend.prompts) == 1


def test_a_model_may_decline_after_a_rejection(ask: Ask) -> None:
    answer, _ = ask(UNKNOWN_TABLE, "-- unanswerable: there are no ships")
    assert answer.status == "unanswerable"
    assert len(answer.rejections) == 1


@pytest.mark.parametrize("reply", ["", "DROP TABLE boats", "DELETE FROM boats", "I think there are 3.", "```sql\n```"])
def test_whatever_is_no_read_is_never_run(ask: Ask, harbour: Database, reply: str) -> None:
    answer, _ = ask(reply, max_attempts=1)
    assert answer.status == "failed"
    assert ask(GOOD)[0].result.rows == ((3,),)  # type: ignore[union-attr]


def test_two_questions_in_a_row_share_nothing(harbour: Database) -> None:
    backend = ScriptedBackend([GOOD, "SELECT a FROM x", "SELECT b FROM y", "SELECT c FROM z"])
    with Assistant(Settings(max_candidates=0), backend=backend, database=harbour) as assistant:
        first = assistant.ask("How many boats?")
        second = assistant.ask("How many ships?")
    assert first.status == "answered"
    assert second.status == "failed"
    assert (second.query, second.result, second.chart, second.explanation) == (None, None, None, "")
    assert [draft.attempt for draft in second.drafts] == [1, 2, 3]
    assert len(second.rejections) == 3
    assert "boats?" not in backend.prompts[1].text


def test_the_prompt_is_what_the_prompts_module_renders(ask: Ask, harbour: Database) -> None:
    question = Question(
        text="And in Narvik?", history=(Turn(question="How many boats in Bergen?", sql="SELECT count(*) FROM boats"),)
    )
    _, backend = ask(GOOD, question=question)
    values = ValueIndex.build(harbour, harbour.schema()).match("And in Narvik?")
    context = link_schema(question, harbour.schema(), values)
    assert backend.prompts[0] == render_prompt(question, context, "full")


def test_the_layout_is_the_one_the_model_was_trained_with(harbour: Database) -> None:
    backend = ScriptedBackend([GOOD], prompt_layout="compact")
    with Assistant(Settings(), backend=backend, database=harbour) as assistant:
        assistant.ask("How many boats?")
    assert backend.prompts[0].messages[0].content == "sqlite harbour"


def test_an_old_subject_does_not_colour_what_is_linked_for_a_new_one(harbour: Database) -> None:
    def prompt_after(*history: Turn) -> str:
        backend = ScriptedBackend([GOOD], prompt_layout="listed")
        with Assistant(Settings(check_fidelity=False), backend=backend, database=harbour) as assistant:
            assistant.ask(Question(text="How many boats are there?", history=history))
        return backend.prompts[0].text

    other = harbour.schema().tables[-1]
    turn = Turn(question=f"all {other.name}", sql=f"SELECT {other.columns[-1].name} FROM {other.name}")
    assert prompt_after(turn) == prompt_after()


def test_confidence_is_the_probability_of_the_draft(harbour: Database) -> None:
    import math

    backend = ScriptedBackend([GOOD], token_log_probability=math.log(0.97))
    with Assistant(Settings(), backend=backend, database=harbour) as assistant:
        assert assistant.ask("How many boats?").confidence == pytest.approx(0.97**7)


def test_confidence_is_none_when_the_backend_does_not_tell(ask: Ask) -> None:
    assert ask(GOOD)[0].confidence is None


def test_a_broken_model_reaches_the_person_as_its_own_error(ask: Ask) -> None:
    with pytest.raises(BackendError, match="gone") as caught:
        ask(BackendError("The model is gone.", "Bring it back."))
    assert caught.value.hint == "Bring it back."


def test_a_broken_database_reaches_the_person_as_its_own_error(ask: Ask) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
    with pytest.raises(DatabaseError):
        ask(endless, query_timeout_s=0.2)


def test_the_drawn_graph_is_the_one_that_is_described() -> None:
    drawn = build_graph().get_graph()
    edges = {(edge.source, edge.target) for edge in drawn.edges}
    assert edges == {
        ("__start__", "link_schema"),
        ("link_schema", "check_scope"),
        ("link_schema", "recall_pair"),
        ("recall_pair", "check_scope"),
        ("recall_pair", "write_answer"),
        ("check_scope", "generate_sql"),
        ("check_scope", "write_answer"),
        ("generate_sql", "guard_sql"),
        ("generate_sql", "compare_drafts"),
        ("generate_sql", "write_answer"),
        ("guard_sql", "compare_drafts"),
        ("guard_sql", "execute_sql"),
        ("guard_sql", "generate_sql"),
        ("guard_sql", "write_answer"),
        ("execute_sql", "generate_sql"),
        ("execute_sql", "compare_drafts"),
        ("execute_sql", "write_answer"),
        ("compare_drafts", "write_answer"),
        ("write_answer", "phrase_answer"),
        ("write_answer", "__end__"),
        ("phrase_answer", "__end__"),
    }


def test_a_stream_tells_each_step_and_ends_with_the_answer(harbour: Database) -> None:
    backend = ScriptedBackend([UNKNOWN_TABLE, GOOD])
    with Assistant(Settings(), backend=backend, database=harbour) as assistant:
        *events, answer = assistant.stream("How many boats?")
        asked = assistant.ask("How many boats?")
    assert isinstance(answer, Answer)
    assert answer.status == asked.status
    steps = [event for event in events if isinstance(event, StepEvent) and not event.is_partial]
    assert [event.step for event in steps] == steps_of(answer)
    assert all(event.detail and event.elapsed_ms > 0 for event in steps)
    assert "boats" in steps[0].detail


def test_a_stream_shows_the_sql_while_it_is_written(harbour: Database) -> None:
    with Assistant(Settings(), backend=ScriptedBackend([GOOD]), database=harbour) as assistant:
        events = [event for event in assistant.stream("How many boats?") if isinstance(event, StepEvent)]
    partial = [event.detail for event in events if event.is_partial]
    assert partial[0] == "SELECT"
    assert partial[-1] == GOOD
    assert partial == sorted(partial, key=len)
    finished = [event.step for event in events].index("guard_sql")
    assert not any(event.is_partial for event in events[finished:])


def test_closing_a_stream_stops_the_model(harbour: Database) -> None:
    written: list[str] = []

    class Watched(ScriptedBackend):
        def complete(self, prompt, *, max_tokens, on_text=None, constraint=None):  # type: ignore[no-untyped-def]
            def show(text: str) -> None:
                on_text(text)
                written.append(text)

            return super().complete(prompt, max_tokens=max_tokens, on_text=show)

    backend = Watched(["SELECT 1 " + "+ 1 " * 100_000])
    with Assistant(Settings(max_reply_tokens=1_000_000), backend=backend, database=harbour) as assistant:
        stream = assistant.stream("How many boats?")
        for event in stream:
            if isinstance(event, StepEvent) and event.is_partial:
                break
        stream.close()
        shown = len(written)
    assert shown < 150_000
    assert len(written) == shown


def test_an_error_ends_a_stream_as_itself(harbour: Database) -> None:
    backend = ScriptedBackend([BackendError("The model is gone.", "Bring it back.")])
    with Assistant(Settings(), backend=backend, database=harbour) as assistant:
        stream = assistant.stream("How many boats?")
        with pytest.raises(BackendError, match="gone"):
            list(stream)


def test_without_scope_rules_the_model_alone_decides(ask: Ask) -> None:
    text = "Drop all the boats."
    assert ask(GOOD, question=text)[0].status == "refused"
    answer, backend = ask("-- refused: no", question=text, check_scope=False)
    assert (answer.status, len(backend.prompts)) == ("refused", 1)
    assert ask(GOOD, question=text, check_scope=False)[0].status == "answered"


def test_without_matching_the_model_is_told_no_value(ask: Ask) -> None:
    text = "How many boats are in Narvik?"
    told = ask(GOOD, question=text)[1].prompts[0].messages[-1].content
    assert told.splitlines() == [text, "boats.home_port = 'Narvik'"]
    bare = ask(GOOD, question=text, match_values=False)[1].prompts[0].messages
    assert bare[-1].content == text
    assert "CREATE TABLE boats" in bare[0].content


def test_without_repair_one_draft_is_all_there_is(ask: Ask) -> None:
    answer, backend = ask(UNKNOWN_TABLE, GOOD, max_attempts=1, max_candidates=0)
    assert (answer.status, len(backend.prompts)) == ("failed", 1)
