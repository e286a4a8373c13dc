"""Constrained decoding with real models: the shipped one over names it was not trained on, and tiny ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assistant import prompts
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.backends.scripted import ScriptedBackend
from assistant.backends.writing import END, MAX_STEPS_BACK, GaveUp, Writing
from assistant.constraint.draft import SqlConstraint
from assistant.database import Database
from assistant.guard import check
from assistant.settings import SHIPPED_MODEL, Settings
from assistant.types import Column, Completion, Message, Prompt, Question, Rejection, SchemaContext, SqlDraft, Table
from tests.tiny_gguf import write_tiny_gguf

ORDERS = SchemaContext(
    db_id="shop",
    dialect="sqlite",
    tables=(Table(name="orders", columns=(Column(name="total", sql_type="REAL", kind="float"),)),),
)
QUESTIONS = (
    "How many customers come from Austria?",
    "List the names and phone numbers of all female customers.",
    "Which product brought the most revenue last year?",
    "What is the average salary by title?",
    "Show all open support tickets with the customer's email.",
    "Total refunds per payment method",
    "Who manages Paula Schulz?",
    "Number of orders per month in 2024",
)


def prompt_of(text: str) -> Prompt:
    messages = (Message(role="system", content="sqlite shop"), Message(role="user", content=text))
    return Prompt(messages=messages, text=prompts.render_text(messages))


NEW_NAMES = {"full_name": "name", "unit_price": "price", "status": "state", "gender": "sex", "title": "position"}
LEFT_OUT = {"salary", "phone", "amount"}


def changed(shop_db: Database) -> SchemaContext:
    """The demo schema with other columns: some that the shipped model has learnt by heart do not exist."""
    tables = tuple(
        table.model_copy(
            update={
                "columns": tuple(
                    column.model_copy(update={"name": NEW_NAMES.get(column.name, column.name)})
                    for column in table.columns
                    if column.name not in LEFT_OUT
                )
            }
        )
        for table in shop_db.schema().tables
    )
    return SchemaContext(db_id="shop", dialect="sqlite", tables=tables)


@pytest.mark.model
def test_no_name_is_invented_over_a_schema_the_model_does_not_know(shop_db: Database) -> None:
    context = changed(shop_db)
    backend = LlamaCppBackend(Settings(model_path=SHIPPED_MODEL, threads=1))
    constrained = rejected = 0
    for text in QUESTIONS:
        prompt = prompts.render_prompt(Question(text=text), context, backend.info().prompt_layout)
        completion = backend.complete(prompt, max_tokens=200, constraint=SqlConstraint(context))
        free = backend.complete(prompt, max_tokens=200)
        assert free.rejected_tokens == 0
        if completion.unconstrained_reason:
            assert completion.text == free.text
            continue
        constrained += 1
        if prompts.parse_reply(completion.text).kind == "sql":
            rejected += completion.rejected_tokens
            draft = SqlDraft(sql=completion.text, attempt=1, completion=completion)
            checked = check(draft, context, max_rows=10)
            assert not (isinstance(checked, Rejection) and checked.rule.startswith(("unknown", "ambiguous"))), checked
    backend.close()
    assert constrained >= 3
    assert rejected > 0


@pytest.mark.model
def test_a_draft_that_keeps_the_rules_is_the_same_as_without_them(shop_db: Database) -> None:
    context = SchemaContext(db_id="shop", dialect="sqlite", tables=shop_db.schema().tables)
    backend = LlamaCppBackend(Settings(model_path=SHIPPED_MODEL, threads=1))
    prompt = prompts.render_prompt(Question(text="How many customers are there?"), context, "compact")
    held = backend.complete(prompt, max_tokens=200, constraint=SqlConstraint(context))
    free = backend.complete(prompt, max_tokens=200)
    backend.close()
    assert (held.text, held.completion_tokens, held.rejected_tokens) == (free.text, free.completion_tokens, 0)
    assert held.log_probability == pytest.approx(free.log_probability, abs=1e-3)


def test_a_reply_that_cannot_keep_the_rules_is_written_without_them_and_says_why(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "talk.gguf", ("Hello", " there", " you"))
    backend = LlamaCppBackend(Settings(model_path=path))
    completion = backend.complete(prompt_of("Hi"), max_tokens=40, constraint=SqlConstraint(ORDERS))
    backend.close()
    assert completion.text == "Hello there you"
    assert completion.unconstrained_reason
    assert completion.rejected_tokens > 0


def test_backends_that_do_not_choose_tokens_leave_a_constraint_aside() -> None:
    backend = ScriptedBackend(["Hello"])
    assert backend.complete(prompt_of("Hi"), max_tokens=9, constraint=SqlConstraint(ORDERS)).text == "Hello"


VOCABULARY = ["SELECT", " cost", " total", " FROM", " orders", " o", ".total", "Hello", "\x00"]
"""The last one ends the reply."""


def spell(token: int) -> bytes | None:
    return None if VOCABULARY[token] == "\x00" else VOCABULARY[token].encode()


def logits(*wanted: str) -> np.ndarray:
    """Give the wanted pieces a high logit, the first the highest."""
    values = np.zeros(len(VOCABULARY), dtype=np.float32)
    for rank, piece in enumerate(wanted):
        values[VOCABULARY.index(piece)] = 20 - rank
    return values


def write(writing: Writing, *steps: np.ndarray) -> list[int | None]:
    return [writing.choose(step, spell) for step in steps]


def test_the_likeliest_token_that_fits_is_taken() -> None:
    writing = Writing(SqlConstraint(ORDERS))
    write(writing, logits("Hello", "SELECT"), logits(" total"), logits(" FROM"), logits(" cost", " orders"))
    assert writing.text() == "SELECT total FROM orders"
    assert writing.rejected == 2
    assert write(writing, logits("\x00")) == [END]
    assert writing.count == 5


def test_without_a_constraint_the_likeliest_token_is_taken() -> None:
    writing = Writing(None)
    write(writing, logits("Hello"), logits("Hello"))
    assert writing.text() == "HelloHello"
    assert writing.rejected == 0


def test_a_name_without_meaning_is_taken_back_once_from_tells() -> None:
    writing = Writing(SqlConstraint(ORDERS))
    write(writing, logits("SELECT"), logits(" cost"), logits(" FROM"), logits(" orders"))
    assert write(writing, logits("\x00")) == [None]
    assert writing.text() == "SELECT"
    write(writing, logits(" cost", " total"), logits(" FROM"), logits(" orders"), logits("\x00"))
    assert writing.text() == "SELECT total FROM orders"
    assert writing.rejected == 2
    assert writing.count == 5


def test_steps_back_come_to_an_end() -> None:
    writing = Writing(SqlConstraint(ORDERS))

    def go_on() -> None:
        for _ in range(10 * MAX_STEPS_BACK):
            write(writing, logits(" cost") if writing.tokens else logits("SELECT"))

    with pytest.raises(GaveUp):
        go_on()


def test_a_completion_says_by_default_that_nothing_was_rejected() -> None:
    completion = Completion(text="SELECT 1", model="any")
    assert (completion.rejected_tokens, completion.unconstrained_reason) == (0, "")
