"""What a conversation hands on, and text that must show itself."""

from __future__ import annotations

import string
from typing import cast

import pytest

from app.conversation import turns_of
from app.literal import literal
from assistant.types import Answer, Completion, GuardedQuery, Question, SqlDraft, Status


def answer(text: str, status: str, sql: str) -> Answer:
    draft = SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model="m"))
    query = GuardedQuery(sql=f"{sql} LIMIT 1001", dialect="sqlite", tables=("t",), is_ordered=False, max_rows=1000)
    return Answer(
        question=Question(text=text),
        status=cast(Status, status),
        text="",
        query=query if status == "answered" else None,
        drafts=(draft,),
    )


def test_turns_are_the_answered_questions_with_the_sql_of_the_model() -> None:
    answers = [("one", "answered", "SELECT 1"), ("two", "refused", "-- no"), ("three", "answered", "SELECT 3")]
    turns = turns_of(answer(text, status, sql) for text, status, sql in answers)
    assert [(turn.question, turn.sql) for turn in turns] == [("one", "SELECT 1"), ("three", "SELECT 3")]


@pytest.mark.parametrize(
    "text", ["**b**", "`c`", "[a](b)", "<script>", "$x$", ":red[x]", "# h", "- l", "1. l", "a_b_c", "~~s~~"]
)
def test_every_sign_of_markdown_is_escaped(text: str) -> None:
    shown = literal(text)
    signs = [(before, ch) for before, ch in zip(f" {shown}", shown, strict=False) if ch in string.punctuation]
    plain = [ch for before, ch in signs if ch != "\\" and before != "\\"]
    assert len(signs) > 0
    assert plain == []


@pytest.mark.parametrize("text", [":material/home:", ":+1:", "->", "https://a.example", "www.a.example", "a@b.example"])
def test_what_is_replaced_after_the_markdown_is_broken_up(text: str) -> None:
    assert text not in literal(text).replace("\\", "")


def test_literal_text_stays_on_one_line() -> None:
    assert "\n" not in literal("one\n\n# two")
