from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from assistant.types import MatchedValue
from tests.training.corpus.tiny_corpus import QUESTIONS, fill, write_corpus
from training.corpus.house_style import read_styled
from training.corpus.human import TrainingRow, human_examples, wikisql_examples
from training.corpus.preparing import prepare_spider, prepare_wikisql
from training.corpus.reading import read_schemas
from training.corpus.renaming import collect_words, draw_renaming, draw_words, find_words, make_up_word
from training.corpus.styled import Names
from training.dataset import TrainingExample

WORDS = ("gasket", "fox", "lantern", "berry", "pillar")


@pytest.mark.parametrize("seed", range(25))
def test_renamed_statements_mean_the_same_on_the_renamed_database(seed: int, tmp_path: Path) -> None:
    schema = read_schemas(write_corpus(tmp_path))["ships"]
    rng = random.Random(seed)
    words = find_words(schema)
    renaming = draw_renaming(schema, rng, draw_words(sorted(words), words, WORDS, rng))
    renamed = renaming.schema(schema)
    old, new = fill(schema), fill(renamed, dict(renaming.names.tables))
    for _, sql in QUESTIONS:
        query = read_styled(sql, schema)
        assert new.execute(renaming.sql(query)).fetchall() == old.execute(query.write(Names.of(schema))).fetchall()
    old.close()
    new.close()
    names = [name.lower() for table in renamed.tables for name in (table.name, *(c.name for c in table.columns))]
    assert not any("ship" in name or "captain" in name or "tonnage" in name for name in names)
    assert renamed.fingerprint != schema.fingerprint


def test_new_words_stand_in_questions_but_not_in_values(tmp_path: Path) -> None:
    schema = read_schemas(write_corpus(tmp_path))["ships"]
    renaming = draw_renaming(schema, random.Random(1), {"ship": "fox", "captain": "berry"})
    text = "SHIPS and Ships: which ship has captains on 'Ship of Fools'? shipping"
    put = renaming.question(text, ["ship of fools"])
    assert put == "FOXES and Foxes: which fox has berries on 'Ship of Fools'? shipping"
    match = MatchedValue(table="Ship", column="hp", value="ship", mention="ship", score=100)
    moved = renaming.value(match)
    assert (moved.table, moved.column) == (renaming.names.tables["Ship"], renaming.names.columns["Ship", "hp"])
    assert (moved.value, moved.mention) == ("ship", "ship")


def test_words_to_draw_from_leave_out_what_carries_a_question() -> None:
    assert collect_words(["number_of_Ships", "first_name", "SHIP", "x_99", "Tonnages"]) == ("ship", "tonnage")
    made = {make_up_word(random.Random(seed)) for seed in range(50)}
    assert len(made) > 45
    assert all(word.isalpha() and word.islower() for word in made)


def test_rows_of_people_are_training_examples_with_what_they_need_in_the_prompt(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    (prepared,) = prepare_spider(write_corpus(tmp_path), counts=counts).values()
    assert counts == {
        "human_spider: read": 5, "human_spider: prepared": 5, "human_syn: read": 1, "human_syn: prepared": 1,
    }  # fmt: skip
    rows = [row for seed in range(40) for row in human_examples(prepared, WORDS, random.Random(seed))]
    assert rows == [row for seed in range(40) for row in human_examples(prepared, WORDS, random.Random(seed))]
    assert {row.kind for row in rows} == {"human_spider", "human_syn"}
    replies = {row.reply for row in rows}
    assert len(replies) > 100
    with_oslo = [row for row in rows if "Oslo" in row.question]
    shown = [row for row in with_oslo if "= 'Oslo'" in row.messages[-1].content]
    assert 0.8 < len(shown) / len(with_oslo) < 1
    for row in rows:
        example = TrainingExample.model_validate_json(row.line())
        assert example.reply == json.loads(row.line())["sql"] == row.reply
        assert example.messages[-1].content.startswith(row.question)
        _assert_copied(row)


def _assert_copied(row: TrainingRow) -> None:
    """Every name of the reply stands in the listing."""
    listing = row.messages[-1].content.removeprefix(row.question)
    keywords = set(
        "SELECT FROM JOIN ON WHERE AND NOT IN GROUP BY HAVING ORDER COUNT MIN MAX DESC LIMIT".split()  # noqa: SIM905
    )
    text = "".join(part for place, part in enumerate(row.reply.split("'")) if place % 2 == 0)
    for sign in '().,"*<>=;':
        text = text.replace(sign, " ")
    for word in text.split():
        assert word in keywords or word.isdigit() or word in listing.replace(":", " ")


def test_words_that_a_question_does_not_say_are_not_replaced(tmp_path: Path) -> None:
    (prepared,) = prepare_spider(write_corpus(tmp_path)).values()
    by_text = {question.text: question for question in prepared.questions}
    assert "home" not in by_text[QUESTIONS[0][0]].unsaid
    assert {"home", "port", "ship"} <= by_text["How many vessels are based in Oslo?"].unsaid
    rows = [row for seed in range(60) for row in human_examples(prepared, WORDS, random.Random(seed))]
    assert all(row.question == "How many vessels are based in Oslo?" for row in rows if row.kind == "human_syn")
    assert any("ship" not in row.question.lower() for row in rows if row.kind == "human_spider")


def test_rows_to_measure_by_keep_their_names(tmp_path: Path) -> None:
    (prepared,) = prepare_spider(write_corpus(tmp_path)).values()
    rows = list(human_examples(prepared, WORDS, random.Random(1), is_renamed=False))
    assert [row.question for row in rows[:5]] == [" ".join(question.split()) for question, _ in QUESTIONS]
    assert rows[0].reply == "SELECT COUNT(*) FROM \"Ship\" WHERE hp = 'Oslo'"


def test_tables_of_wikisql_get_names_and_neighbours(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    tables = prepare_wikisql(write_corpus(tmp_path), counts)
    assert counts["human_wikisql: literal not said"] == 1
    assert counts["human_wikisql: prepared"] == 3
    rows = [row for seed in range(30) for row in wikisql_examples(tables, WORDS, random.Random(seed))]
    assert not any("table_" in row.reply.lower() for row in rows)
    assert any(len(row.messages[-1].content.splitlines()) > 3 for row in rows)
    assert any("'rovers'" in row.reply and "Rovers" in row.question for row in rows)
    assert [table.schema.db_id for table in prepare_wikisql(tmp_path, first=2, step=3)] == ["table_2_6_1"]
