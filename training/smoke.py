"""One question before a model serves: does it write a query at all?

In: a model, and the schema if it is known. Out: its reply, or a TrainingError with what it wrote instead. Whether the
query is the right one is the gate's to judge; nothing is run here.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.backends.base import Backend
from assistant.errors import TrainingError, UsageError
from assistant.prompts import parse_reply, render_prompt
from assistant.schema import link_schema, with_listing
from assistant.types import DatabaseSchema, Dialect, Question, SchemaContext
from assistant.writing import humanise, plural
from training.modelfile import GgufFacts


def smoke_question(schema: DatabaseSchema | None) -> str:
    """Think of a question that every model of a database should have something to say to."""
    if schema is None:
        return "How many rows are there?"
    return f"How many {plural(humanise(schema.tables[0].name))} are there?"


def check_reply(reply: str, question: str, dialect: Dialect) -> None:
    """Demand that a reply is one query, or declines.

    Raises:
        TrainingError: It is neither.
    """
    read = parse_reply(reply)
    if read.kind != "sql":
        return
    try:
        statements = sqlglot.parse(read.text, dialect=dialect)
    except (SqlglotError, RecursionError):
        statements = []
    statement = statements[0] if len(statements) == 1 else None
    if not isinstance(statement, exp.Query) or not statement.selects:
        shown = " ".join(reply.split())[:200]
        raise TrainingError(
            f"Asked '{question}', the model wrote no query: '{shown}'.",
            "It does not serve. Train it longer, or export it again.",
        )


def ask_model(
    backend: Backend, question: str, facts: GgufFacts, schema: DatabaseSchema | None, *, max_tokens: int
) -> str:
    """Ask as the chat does, and give the reply.

    Raises:
        BackendError: The model cannot be loaded, or failed.
        UsageError: It has to be told the schema, and that is not known.
    """
    asked = Question(text=question)
    if schema is not None:
        context = link_schema(asked, schema, ())
        if facts.prompt_layout == "listed":
            context = with_listing(context, asked, schema)
    elif facts.prompt_layout != "full":
        context = SchemaContext(db_id=facts.db_id, dialect=facts.dialect, tables=())
    else:
        raise UsageError("The model has to be told the schema.", "Name the database with --db.")
    prompt = render_prompt(asked, context, facts.prompt_layout)
    return backend.complete(prompt, max_tokens=max_tokens).text
