"""Several drafts of one question: which agree, which is believed, when the person is asked, and what they chose."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.backends.scripted import ScriptedBackend
from assistant.candidates import Candidate, group, is_doubtful, is_settled, needs_choice, says_nothing
from assistant.database import Database, connect
from assistant.errors import BackendError, BackendGone, UsageError
from assistant.guard import check
from assistant.settings import Settings
from assistant.types import Answer, Cell, Completion, QueryResult, Question, ResultColumn, SchemaContext, SqlDraft
from tests.tiny_gguf import write_tiny_gguf

PIECES = ("SELECT", " count(*)", " FROM", " boats")
SURE, UNSURE = math.log(0.99), math.log(0.8)
BERGEN = "SELECT count(*) FROM boats WHERE home_port = 'Bergen'"
BERGEN_TOO = "SELECT count(boat_id) FROM boats WHERE home_port = 'Bergen'"
ALL = "SELECT count(*) FROM boats"
LONG = "SELECT count(*) FROM boats WHERE length_m > 9"
NONE = "SELECT name FROM boats WHERE home_port = 'Oslo'"
NAMES = "SELECT name FROM boats WHERE home_port = 'Bergen'"
LONGEST = "SELECT max(length_m) FROM boats"
UNKNOWN = "SELECT count(*) FROM ships"


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "harbour.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE boats (boat_id INTEGER PRIMARY KEY, name TEXT NOT NULL, home_port TEXT, length_m REAL);
        INSERT INTO boats VALUES (1, 'Alma', 'Bergen', 9.5), (2, 'Berit', 'Bergen', 12.0), (3, 'Cora', 'Narvik', 7.25),
                                 (4, 'Dina', 'Narvik', 14.0);
        """
    )
    connection.close()
    database = connect(str(path))
    yield database
    database.close()


def result(*rows: tuple[Cell, ...], width: int = 1) -> QueryResult:
    columns = tuple(ResultColumn(name=f"c{place}", kind="text") for place in range(width))
    return QueryResult(columns=columns, rows=rows, is_truncated=False, elapsed_ms=1)


def candidate(
    database: Database, found: QueryResult, sql: str = ALL, log_probability: float | None = -1.0
) -> Candidate:
    completion = Completion(text=sql, model="m", completion_tokens=10, log_probability=log_probability)
    draft = SqlDraft(sql=sql, attempt=1, completion=completion)
    schema = database.schema()
    query = check(draft, SchemaContext(db_id="h", dialect="sqlite", tables=schema.tables), max_rows=10)
    return Candidate(draft, query, found)  # type: ignore[arg-type]  # these statements all pass


def ask(database: Database, *replies: str | BackendError, token: float | None = UNSURE, **changes: object) -> Answer:
    backend = ScriptedBackend(replies, token_log_probability=token)
    # The drafts say things that the question does not: here only their results are to count.
    with Assistant(
        Settings.model_validate({"check_fidelity": False, **changes}), backend=backend, database=database
    ) as assistant:
        return assistant.ask("How many boats?")


@pytest.mark.parametrize(
    ("change", "doubtful"),
    [
        ({"log_probability": math.log(0.31)}, False),
        ({"log_probability": math.log(0.29)}, True),
        ({"log_probability": None}, False),
        ({"log_probability": 10 * SURE, "rejected_tokens": 1}, True),
        ({"log_probability": 10 * SURE, "unconstrained_reason": "No token fits."}, True),
    ],
)
def test_doubt_shows_in_probability_and_in_what_the_constraint_refused(
    change: dict[str, object], doubtful: bool
) -> None:
    completion = Completion.model_validate({"text": ALL, "model": "m", "completion_tokens": 10, **change})
    assert is_doubtful(completion, result((1,))) is doubtful


@pytest.mark.parametrize("rows", [(), ((None,),), ((None,), (None,))])
def test_a_result_without_a_value_is_in_doubt_however_sure_the_model_was(rows: tuple[tuple[Cell, ...], ...]) -> None:
    sure = Completion(text=ALL, model="m", completion_tokens=10, log_probability=10 * SURE)
    assert is_doubtful(sure, result(*rows))
    assert not says_nothing(result((None,), (0,)))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (result((1,), (2,)), result((2,), (1,)), True),
        (result(("a", 1), ("b", 2), width=2), result((2, "b"), (1, "a"), width=2), True),
        (result((3,)), result((3.0,)), True),
        (result((True,)), result((1,)), True),
        (result((0.1 + 0.2,)), result((0.3,)), True),
        (result((1,), (1,)), result((1,)), False),
        (result(("1",)), result((1,)), False),
        (result((None,)), result((0,)), False),
        (result((None,)), result(("",)), False),
        (result((100.0,)), result((100.1,)), False),
        (result(("a", 1), ("b", 2), width=2), result(("a", 2), ("b", 1), width=2), False),
        (result(), result(width=2), False),
    ],
)
def test_drafts_agree_when_their_results_hold_the_same_rows(
    harbour: Database, one: QueryResult, other: QueryResult, same: bool
) -> None:
    groups = group([candidate(harbour, one), candidate(harbour, other, LONG)], 2)
    assert (len(groups) == 1) is same


def test_the_likeliest_result_comes_first_and_a_draft_drawn_twice_counts_once(harbour: Database) -> None:
    drawn_often = [candidate(harbour, result((1,)), ALL, -3.0)] * 3
    together = [candidate(harbour, result((2,)), BERGEN, -2.0), candidate(harbour, result((2,)), BERGEN_TOO, -2.5)]
    groups = group([*drawn_often, *together], 6)
    assert [found.best.draft.sql for found in groups] == [BERGEN, ALL]
    assert groups[0].weight == pytest.approx(math.exp(-2) + math.exp(-2.5))
    assert [found.agreement for found in groups] == [pytest.approx(2 / 6), pytest.approx(3 / 6)]


def test_where_no_probability_is_told_the_most_drafts_win(harbour: Database) -> None:
    drafts = [candidate(harbour, result((n,)), ALL, None) for n in (1, 2, 2)]
    assert group(drafts, 3)[0].best.result.rows == ((2,),)


def test_the_drawing_ends_when_nothing_can_change_any_more(harbour: Database) -> None:
    one, two = candidate(harbour, result((1,))), candidate(harbour, result((2,)))
    assert is_settled([one, one, one], 2)
    assert not is_settled([one, one], 3)
    assert is_settled([one, one, two, one], 1)
    assert not is_settled([one, two, one], 2)


def test_a_person_is_asked_only_when_no_two_drafts_agree(harbour: Database) -> None:
    apart = [candidate(harbour, result((n,))) for n in range(4)]
    assert needs_choice(group(apart, 4))
    assert not needs_choice(group(apart[:3], 3))
    assert not needs_choice(group([*apart, apart[0]], 5))
    empty = [
        candidate(harbour, result()),
        candidate(harbour, result((None,))),
        candidate(harbour, result((None, None))),
    ]
    assert not needs_choice(group([*empty, apart[0]], 4))


def test_a_sure_draft_is_answered_without_others(harbour: Database) -> None:
    answer = ask(harbour, ALL, LONG, token=SURE)
    assert (answer.status, len(answer.drafts), answer.candidates, answer.agreement) == ("answered", 1, (), None)
    assert "compare_drafts" not in [timing.step for timing in answer.timings]


def test_a_draft_in_doubt_is_outvoted_by_those_that_agree(harbour: Database) -> None:
    # The scripted model finds longer statements less likely.
    answer = ask(harbour, NAMES + " AND length_m > 10 AND boat_id < 9", BERGEN, BERGEN_TOO, BERGEN, BERGEN)
    assert answer.status == "answered"
    assert answer.result is not None
    assert answer.result.rows == ((2,),)
    assert answer.drafts[-1].sql == BERGEN
    every = (*answer.drafts, *answer.candidates)
    assert [(draft.attempt, draft.is_drawn) for draft in every] == [(1, False), (2, True), (3, True), (4, True)]
    assert answer.agreement == pytest.approx(3 / 4)
    together = 0.8 ** answer.drafts[-1].completion.completion_tokens + 0.8**13
    assert answer.confidence == pytest.approx(together * (1 + 3 / 4) / 2)
    assert "2" in answer.text


def test_drafts_that_agree_at_once_save_the_others(harbour: Database) -> None:
    answer = ask(harbour, BERGEN, BERGEN_TOO, BERGEN, ALL, LONG)
    assert (len(answer.candidates), answer.agreement) == (2, 1.0)
    assert [draft.sql for draft in answer.drafts] == [BERGEN]


def test_a_result_without_rows_gives_way_to_one_with_rows(harbour: Database) -> None:
    answer = ask(harbour, NONE, NAMES, NAMES, NONE, NAMES, token=SURE)
    assert answer.result is not None
    assert answer.result.rows == (("Alma",), ("Berit",))


def test_drafts_that_are_refused_cut_or_decline_lower_the_confidence_and_harm_nothing(harbour: Database) -> None:
    cut = BackendError("The model's reply was cut.", "")
    answer = ask(harbour, ALL, UNKNOWN, cut, "-- unanswerable: no", "DROP TABLE boats")
    assert answer.status == "answered"
    assert answer.result is not None
    assert answer.result.rows == ((4,),)
    assert answer.agreement == pytest.approx(1 / 4)
    assert answer.rejections == ()


def test_a_server_that_goes_away_meanwhile_does_not_take_the_answer_with_it(harbour: Database) -> None:
    answer = ask(harbour, ALL, BackendGone("Gone.", ""), LONG, LONG)
    assert answer.result is not None
    assert (answer.result.rows, answer.candidates) == (((4,),), ())


NO_CREWS = "-- unanswerable: there are no crews"


def test_a_model_that_declines_unsurely_is_outvoted_by_drafts_that_run(harbour: Database) -> None:
    answer = ask(harbour, NO_CREWS, BERGEN, BERGEN_TOO, NO_CREWS, BERGEN)
    assert answer.status == "answered"
    assert answer.result is not None
    assert answer.result.rows == ((2,),)
    assert answer.agreement == pytest.approx(3 / 5)
    assert [draft.sql for draft in answer.drafts] == [NO_CREWS, BERGEN]


def test_a_model_that_mostly_declines_is_taken_at_its_word(harbour: Database) -> None:
    answer = ask(harbour, NO_CREWS, BERGEN, NO_CREWS, UNKNOWN, BERGEN)
    assert (answer.status, answer.query, answer.result) == ("unanswerable", None, None)
    assert "there are no crews" in answer.text.lower()
    assert len(answer.candidates) == 4


@pytest.mark.parametrize("token", [SURE, None])
def test_a_model_that_declines_surely_or_does_not_say_how_surely_is_not_asked_again(
    harbour: Database, token: float | None
) -> None:
    answer = ask(harbour, NO_CREWS, BERGEN, BERGEN, BERGEN, BERGEN, token=token)
    assert (answer.status, answer.candidates) == ("unanswerable", ())


def test_drafts_are_drawn_where_all_attempts_were_refused(harbour: Database) -> None:
    answer = ask(harbour, UNKNOWN, UNKNOWN, UNKNOWN, BERGEN, NO_CREWS, BERGEN_TOO)
    assert answer.status == "answered"
    assert answer.result is not None
    assert answer.result.rows == ((2,),)
    assert len(answer.rejections) == 1


def test_no_further_draft_is_drawn_when_that_is_switched_off(harbour: Database) -> None:
    answer = ask(harbour, ALL, LONG, max_candidates=0)
    assert (answer.agreement, answer.candidates, answer.confidence) == (None, (), pytest.approx(0.8**7))


def test_drafts_that_all_disagree_are_offered_as_readings_with_their_first_rows(harbour: Database) -> None:
    answer = ask(harbour, ALL, LONG, BERGEN, NAMES, LONGEST)
    assert answer.status == "clarify"
    assert (answer.query, answer.result, answer.explanation) == (None, None, "")
    assert "more than one way" in answer.text
    assert len(answer.alternatives) == 3
    assert len({reading.text for reading in answer.alternatives}) == 3
    first = answer.alternatives[0]
    assert (first.sql, first.preview.rows, first.share) == (ALL, ((4,),), pytest.approx(1 / 5))
    assert Answer.model_validate_json(answer.model_dump_json()) == answer


def test_a_chosen_reading_is_run_and_remembered_for_that_question(harbour: Database) -> None:
    backend = ScriptedBackend([ALL, LONG, BERGEN, NAMES, LONGEST], token_log_probability=UNSURE)
    with Assistant(Settings(), backend=backend, database=harbour) as assistant:
        asked = assistant.ask("How many boats?")
        place = [reading.sql for reading in asked.alternatives].index(LONGEST)
        chosen = assistant.choose(asked, place)
        again = assistant.ask(Question(text="How many boats?"))
        calls = len(backend.prompts)
        other = assistant.ask("How many boats are there?")
    for answer in (chosen, again):
        assert answer.status == "answered"
        assert answer.result is not None
        assert answer.result.rows == ((14.0,),)
        assert answer.confidence is None
    assert calls == 5
    assert other.question.chosen_sql == ""
    assert len(backend.prompts) > calls


@pytest.mark.parametrize("index", [-1, 3, 99])
def test_a_reading_that_is_not_offered_cannot_be_chosen(harbour: Database, index: int) -> None:
    backend = ScriptedBackend([ALL, LONG, BERGEN, NAMES, LONGEST], token_log_probability=UNSURE)
    with Assistant(Settings(), backend=backend, database=harbour) as assistant:
        asked = assistant.ask("How many boats?")
        with pytest.raises(UsageError, match="no reading"):
            assistant.choose(asked, index)


def test_a_choice_that_would_change_data_is_not_run(harbour: Database) -> None:
    backend = ScriptedBackend(["-- refused: I only read."])
    with Assistant(Settings(), backend=backend, database=harbour) as assistant:
        answer = assistant.ask(Question(text="How many boats?", chosen_sql="DELETE FROM boats"))
        left = assistant.ask(Question(text="How many boats?", chosen_sql=ALL))
    assert (answer.status, answer.rejections[0].stage) == ("refused", "guard")
    assert left.result is not None
    assert left.result.rows == ((4,),)


def test_an_answer_is_as_sure_as_the_model_was_measured_to_be(harbour: Database) -> None:
    from assistant.confidence import ConfidenceTable, Point
    from assistant.graph import answer_question, build_graph
    from assistant.steps import AgentContext

    def context(table: ConfidenceTable | None) -> AgentContext:
        return AgentContext(
            backend=ScriptedBackend([ALL], token_log_probability=SURE),
            database=harbour,
            schema=harbour.schema(),
            match_values=lambda text: (),
            prompt_layout="full",
            settings=Settings(),
            confidence_table=table,
        )

    table = ConfidenceTable(model="m", size_bytes=1, points=(Point(raw=0.9, share=0.7, n=30),))
    plain, measured = (
        answer_question(build_graph(), Question(text="How many boats?"), context(t)) for t in (None, table)
    )
    assert (plain.is_calibrated, plain.confidence) == (False, pytest.approx(0.99**7))
    assert (measured.is_calibrated, measured.confidence, measured.raw_confidence) == (True, 0.7, pytest.approx(0.99**7))


def test_a_stream_tells_that_drafts_are_compared_and_shows_no_other_sql(harbour: Database) -> None:
    backend = ScriptedBackend([ALL, LONG, ALL, LONG, ALL], token_log_probability=UNSURE)
    with Assistant(Settings(), backend=backend, database=harbour) as assistant:
        *events, answer = assistant.stream("How many boats?")
    assert isinstance(answer, Answer)
    steps = [event.step for event in events if not isinstance(event, Answer) and not event.is_partial]
    assert steps[-2:] == ["compare_drafts", "write_answer"]
    assert not [event for event in events if not isinstance(event, Answer) and event.is_partial and "9" in event.detail]


def test_the_table_that_lies_beside_the_model_is_used(harbour: Database, tmp_path: Path) -> None:
    from assistant.confidence import ConfidenceTable, Point, table_path

    model = write_tiny_gguf(tmp_path / "tiny.gguf", PIECES)
    points = (Point(raw=0.5, share=0.25, n=30),)
    table = ConfidenceTable(model=model.name, size_bytes=model.stat().st_size, points=points)
    table_path(model).write_text(table.model_dump_json())
    with Assistant(Settings(backend="llamacpp", model_path=model, threads=1), database=harbour) as assistant:
        answer = assistant.ask("How many boats?")
    assert (answer.status, answer.is_calibrated, answer.confidence) == ("answered", True, 0.25)
