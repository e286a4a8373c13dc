"""Similar questions in the prompts of training: as in use, never the answer itself, not always the right shape."""

from __future__ import annotations

from assistant.examples import ExampleIndex, make_key, mask_literals
from assistant.prompts import render_prompt
from assistant.types import KnownPair, Question, SchemaContext, Turn
from tests.training.toy import make_triple
from training.datagen.triples import Triple
from training.neighbours import BARE_SHARE, STRANGE_SHARE, Neighbours

COUNTRIES = ("Spain", "Italy", "France", "Poland", "Norway", "Greece", "Malta", "Cyprus", "Latvia", "Ireland")


def in_country(country: str) -> tuple[str, str]:
    return f"how many customers from {country}", f"SELECT COUNT(*) FROM customer WHERE country = '{country}'"


def ordered(country: str) -> tuple[str, str]:
    return f"names of customers from {country}", f"SELECT name FROM customer WHERE country = '{country}'"


BANK = tuple(
    KnownPair(question=question, sql=sql, source="generated")
    for question, sql in (in_country("Spain"), in_country("Italy"), ordered("Spain"), ("total", "SELECT SUM(n) FROM t"))
)


def example(question: str, sql: str) -> Triple:
    context = SchemaContext(db_id="toy", dialect="sqlite", tables=())
    messages = render_prompt(Question(text=question), context, "compact").messages
    return make_triple(question, sql).model_copy(update={"messages": messages})


def shown(triple: Triple, count: int = 2) -> list[str]:
    """Questions that the prompt shows."""
    system = Neighbours(BANK, count).show(triple)[0].content
    return [line.removeprefix("-- ") for line in system.splitlines() if line.startswith("-- ")]


def test_the_prompt_is_the_one_in_use() -> None:
    question, sql = next(in_country(c) for c in COUNTRIES if shown(example(*in_country(c))))
    pairs = tuple(pair for pair in BANK if pair.question in shown(example(question, sql)))
    context = SchemaContext(db_id="toy", dialect="sqlite", tables=(), examples=pairs)
    expected = render_prompt(Question(text=question), context, "compact").messages
    assert sorted(Neighbours(BANK, 2).show(example(question, sql))[0].content.splitlines()) == sorted(
        expected[0].content.splitlines()
    )
    assert Neighbours(BANK, 2).show(example(question, sql))[1:] == expected[1:]


def test_no_example_sees_itself() -> None:
    for pair in BANK:
        assert make_key(pair.question) not in map(make_key, shown(example(pair.question.upper(), pair.sql), count=4))


def test_some_see_none_some_only_other_shapes_and_some_their_own() -> None:
    kinds = {"none": 0, "strange": 0, "own": 0}
    for number in range(600):
        question, sql = f"{in_country('Peru')[0]} {number}", in_country("Peru")[1]
        names = shown(example(question, sql))
        shapes = {mask_literals(pair.sql) for pair in BANK if pair.question in names}
        kinds["none" if not names else "own" if mask_literals(sql) in shapes else "strange"] += 1
    assert abs(kinds["none"] / 600 - BARE_SHARE) < 0.06
    assert abs(kinds["strange"] / 600 - STRANGE_SHARE) < 0.08


def test_follow_ups_and_repairs_are_left_as_they_are() -> None:
    turn = Turn(question="customers", sql="SELECT name FROM customer")
    for number in range(20):
        plain = example(f"how many customers from Spain {number}", in_country("Spain")[1])
        for changes in ({"history": (turn,)}, {"kind": "repair"}):
            triple = plain.model_copy(update=changes)
            assert Neighbours(BANK, 2).show(triple) == triple.messages


def test_the_same_pairs_are_found_as_for_the_question_with_its_values_matched() -> None:
    index = ExampleIndex(BANK)
    question, sql = in_country("Norway")
    assert [found.pair for found in index.find_for(question, sql, limit=2)] == [BANK[0], BANK[2]]
