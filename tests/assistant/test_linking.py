"""What a question is given, with linking and without."""

from __future__ import annotations

import pytest

from assistant.linking import prepare_context
from assistant.prompts import render_prompt
from assistant.settings import Settings
from assistant.types import Column, DatabaseSchema, GlossaryEntry, KnownPair, Question, SchemaContext, Table

NAMES = tuple(f"table_{number:02}" for number in range(60))
SCHEMA = DatabaseSchema(
    db_id="many",
    dialect="sqlite",
    tables=tuple(
        Table(
            name=name,
            columns=tuple(Column(name=f"{name}_column_{n}", sql_type="TEXT", kind="text") for n in range(12)),
        )
        for name in NAMES
    ),
    fingerprint="f",
    glossary=(GlossaryEntry(term="turnover", meaning="All of table 58.", sql="SUM(table_58.table_58_column_1)"),),
)
QUESTION = Question(text="What is the turnover of table 58?")


def prepare(*, link_tables: bool, context_tokens: int = 1200, layout: str = "full", sql: str = "") -> SchemaContext:
    examples = (KnownPair(question="?", sql=sql, source="generated"),) if sql else ()
    return prepare_context(
        QUESTION,
        SCHEMA,
        (),
        examples,
        settings=Settings(link_tables=link_tables),
        layout="full" if layout == "full" else "compact",
        context_tokens=context_tokens,
        count_tokens=lambda text: len(text) // 3,
    )


def test_with_linking_the_tables_of_the_question_come() -> None:
    linked = prepare(link_tables=True)
    assert "table_58" in [table.name for table in linked.tables]
    assert [entry.term for entry in linked.glossary] == ["turnover"]


def test_without_linking_the_schema_comes_in_its_order_as_far_as_it_fits() -> None:
    context = prepare(link_tables=False)
    names = [table.name for table in context.tables]
    assert names == list(NAMES[: len(names)])
    assert 1 < len(names) < 58
    assert context.omitted_tables == NAMES[len(names) :]
    assert context.glossary == ()
    room = 1200 - 1200 // 3
    assert len(render_prompt(QUESTION, context, "full").text) // 3 <= room
    more = context.model_copy(update={"tables": SCHEMA.tables[: len(names) + 1]})
    assert len(render_prompt(QUESTION, more, "full").text) // 3 > room


def test_a_large_context_takes_all_and_a_tiny_one_the_first_table() -> None:
    assert len(prepare(link_tables=False, context_tokens=10**6).tables) == len(NAMES)
    assert len(prepare(link_tables=False, context_tokens=60).tables) == 1


def test_a_model_that_knows_the_schema_by_heart_may_use_all_of_it() -> None:
    assert len(prepare(link_tables=False, layout="compact").tables) == len(NAMES)


@pytest.mark.parametrize("link_tables", [True, False])
def test_examples_that_name_what_is_not_shown_are_left_out(link_tables: bool) -> None:
    kept = "SELECT table_58_column_1 FROM table_58" if link_tables else "SELECT table_01_column_1 FROM table_01"
    gone = "SELECT x FROM elsewhere"
    assert [pair.sql for pair in prepare(link_tables=link_tables, sql=kept, context_tokens=10**5).examples] == [kept]
    assert prepare(link_tables=link_tables, sql=gone, context_tokens=10**5).examples == ()
