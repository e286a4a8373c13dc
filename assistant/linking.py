"""What a question is given before the model writes: the tables, terms and examples it may use, within its room.

In: a Question, the schema, what was matched and recalled, and the settings. Out: a SchemaContext. Chooses nothing
itself: `budget` does, or nobody where linking is switched off. Then the schema stands as it is: a model that is told
of tables gets as many as it can read, from the first on; one that knows the schema by heart may use all of it.
"""

from __future__ import annotations

from collections.abc import Callable

from assistant.budget import count_prompt, link_within
from assistant.guard import check
from assistant.recall import as_draft
from assistant.settings import Settings
from assistant.types import (
    DatabaseSchema,
    GuardedQuery,
    KnownPair,
    MatchedValue,
    PromptLayout,
    Question,
    SchemaContext,
)


def prepare_context(
    question: Question,
    schema: DatabaseSchema,
    values: tuple[MatchedValue, ...],
    examples: tuple[KnownPair, ...] = (),
    *,
    settings: Settings,
    layout: PromptLayout,
    context_tokens: int,
    count_tokens: Callable[[str], int],
) -> SchemaContext:
    """Say what the model and the guard get to see of the schema for one question.

    Args:
        question: The question, with the turns before it.
        schema: The whole database.
        values: Values matched in the question, best first.
        examples: Similar questions, most similar first.
        settings: Whether tables are chosen, how long replies are and how many rows there may be.
        layout: The layout of the prompt.
        context_tokens: Longest prompt and reply of the model together.
        count_tokens: Counts the tokens of a text as the model does.
    """
    # Room is kept for a refused draft with its reason, and for the next one.
    most = context_tokens - min(2 * settings.max_reply_tokens, context_tokens // 3)
    if settings.link_tables:
        linked = link_within(
            question, schema, values, examples, layout=layout, max_prompt_tokens=most, count_tokens=count_tokens
        )
    else:
        whole = SchemaContext(
            db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables, values=values, examples=examples
        )
        linked = _cut(whole, question, most, count_tokens) if layout == "full" else whole
    return _without_unknown(linked, settings.max_rows)


def _cut(
    whole: SchemaContext, question: Question, max_prompt_tokens: int, count_tokens: Callable[[str], int]
) -> SchemaContext:
    """Keep as many tables as a prompt has room for, from the first on, and at least one."""

    def keep(number: int) -> SchemaContext:
        omitted = tuple(table.name for table in whole.tables[number:])
        return whole.model_copy(update={"tables": whole.tables[:number], "omitted_tables": omitted})

    def fits(number: int) -> bool:
        return count_prompt(question, keep(number), max_prompt_tokens, count_tokens) <= max_prompt_tokens

    least, most = 1, len(whole.tables)
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(middle) else (least, middle - 1)
    return keep(least)


def _without_unknown(linked: SchemaContext, max_rows: int) -> SchemaContext:
    """Leave out similar questions whose SQL names what is not shown: it would teach to name it too."""
    if not linked.examples:
        return linked
    kept = tuple(p for p in linked.examples if isinstance(check(as_draft(p), linked, max_rows=max_rows), GuardedQuery))
    return linked.model_copy(update={"examples": kept})
