"""Link a schema so that the prompt fits the model, counted by the model's own tokenizer.

In: a Question, the schema, what was matched and recalled, and how many tokens a prompt may have. Out: a SchemaContext.
Linking itself estimates tokens from characters; vocabularies differ by a factor of two, and some servers cut what does
not fit without a word. So what was linked is rendered and counted, and where it is too much, examples go first and then
tables. A schema that fits is linked as ever.
"""

from __future__ import annotations

from collections.abc import Callable

from assistant.prompts import render_prompt
from assistant.schema import MAX_TABLE_TOKENS, link_schema, with_listing
from assistant.schema_index import index_schema
from assistant.types import DatabaseSchema, KnownPair, MatchedValue, PromptLayout, Question, SchemaContext

MAX_KNOWN_TOKENS = 20_000
"""Up to this size as DDL, a schema is open as a whole to a model whose prompt does not hold it."""
MAX_ROUNDS = 4
"""How often tables are left out: each time as many as the last count says, and some more."""


def link_within(
    question: Question,
    schema: DatabaseSchema,
    values: tuple[MatchedValue, ...],
    examples: tuple[KnownPair, ...] = (),
    *,
    layout: PromptLayout,
    max_prompt_tokens: int,
    count_tokens: Callable[[str], int],
) -> SchemaContext:
    """Choose what a question needs and what a prompt has room for.

    Args:
        question: The question, with the turns before it.
        schema: The whole database.
        values: Values matched in the question, best first.
        examples: Similar questions, most similar first.
        layout: The layout of the prompt. A compact one holds no tables and a listed one few; neither is counted.
        max_prompt_tokens: Most tokens of the whole prompt. One table is linked even if it has more.
        count_tokens: Counts those of a text as the model does.
    """
    if layout != "full":
        # The weights know more tables than the prompt names: of what may be written, none costs a token.
        known = link_schema(question, schema, values, max_tokens=MAX_KNOWN_TOKENS, examples=examples)
        return with_listing(known, question, schema) if layout == "listed" else known
    linked = link_schema(question, schema, values, examples=examples)
    tokens = count_prompt(question, linked, max_prompt_tokens, count_tokens)
    while tokens > max_prompt_tokens and linked.examples:
        linked = linked.model_copy(update={"examples": linked.examples[:-1]})
        tokens = count_prompt(question, linked, max_prompt_tokens, count_tokens)
    most = min(MAX_TABLE_TOKENS, index_schema(schema).total_tokens)
    for _ in range(MAX_ROUNDS):
        if tokens <= max_prompt_tokens or len(linked.tables) <= 1:
            break
        most = int(most * 0.9 * max_prompt_tokens / tokens)
        linked = link_schema(question, schema, values, max_tokens=most)
        tokens = count_prompt(question, linked, max_prompt_tokens, count_tokens)
    return linked


def count_prompt(question: Question, linked: SchemaContext, enough: int, count_tokens: Callable[[str], int]) -> int:
    """Count the tokens of a full prompt; where its bytes are no more than `enough`, give those: no token is shorter."""
    text = render_prompt(question, linked, "full").text
    size_bytes = len(text.encode(errors="replace"))
    # Most small schemas need no counting.
    return size_bytes if size_bytes <= enough else count_tokens(text)
