"""A prompt fits the model by the model's own count, whatever the estimate said."""

from __future__ import annotations

import pytest

from assistant.budget import MAX_KNOWN_TOKENS, link_within
from assistant.prompts import render_prompt
from assistant.schema import link_schema
from assistant.types import Column, DatabaseSchema, KnownPair, PromptLayout, Question, SchemaContext, Table
from evaluation.bench_company import make_schema

SCHEMA, ASKED = make_schema(200)
QUESTION = Question(text=ASKED[0].text)
PAIR = KnownPair(question="How many?", sql="SELECT 1", source="generated")


def wordy(text: str) -> int:
    """Count as a vocabulary does that knows few words: two letters a token."""
    return len(text) // 2


def link(room: int, *examples: KnownPair, layout: str = "full") -> SchemaContext:
    return link_within(
        QUESTION,
        SCHEMA,
        (),
        examples,
        layout=layout,
        max_prompt_tokens=room,
        count_tokens=wordy,  # type: ignore[arg-type]
    )


def size(context: SchemaContext) -> int:
    return wordy(render_prompt(QUESTION, context, "full").text)


@pytest.mark.parametrize("room", [900, 1200, 2000])
def test_tables_are_left_out_until_the_prompt_fits(room: int) -> None:
    context = link(room)
    assert size(link_schema(QUESTION, SCHEMA, ())) > room
    assert size(context) <= room
    assert size(context) > room / 2
    assert ASKED[0].tables <= {table.name for table in context.tables}


def test_what_fits_is_linked_as_ever() -> None:
    assert link(100_000, PAIR) == link_schema(QUESTION, SCHEMA, (), examples=(PAIR,))


def test_a_compact_prompt_is_not_counted() -> None:
    assert link(1, layout="compact") == link_schema(QUESTION, SCHEMA, (), max_tokens=MAX_KNOWN_TOKENS)


def test_examples_go_before_tables() -> None:
    fits = size(link_schema(QUESTION, SCHEMA, ()))
    context = link(fits, PAIR, PAIR)
    assert context.examples == ()
    assert context == link_schema(QUESTION, SCHEMA, ())
    one = size(link_schema(QUESTION, SCHEMA, (), examples=(PAIR,)))
    assert link(one, PAIR, PAIR).examples == (PAIR,)


def test_one_table_is_linked_even_where_there_is_no_room() -> None:
    assert len(link(10).tables) == 1


def test_a_model_that_is_not_shown_the_schema_may_write_all_of_it_and_is_shown_a_listing_of_little() -> None:
    columns = tuple(Column(name=f"part_{n}", sql_type="INTEGER", kind="integer") for n in range(12))
    tables = tuple(Table(name="harbour" if n == 41 else f"thing_{n}", columns=columns) for n in range(60))
    schema = DatabaseSchema(db_id="d", dialect="sqlite", tables=tables, fingerprint="sixty")
    question = Question(text="How many harbours?")

    def link(layout: PromptLayout) -> SchemaContext:
        return link_within(question, schema, (), layout=layout, max_prompt_tokens=500, count_tokens=len)

    assert len(link("full").tables) < 20
    assert link("compact").tables == tables
    listed = link("listed")
    assert listed.tables == tables
    assert [table.name for table in listed.listing][:1] == ["harbour"]
    assert len(listed.listing) < 10
