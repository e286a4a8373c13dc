"""Questions of people made into training rows: under new names, with a listing as the linker makes it.

In: what `preparing` read of a corpus, and chance. Out: rows for `training.dataset`. The prompt is
`assistant.prompts.render_prompt`'s, with the tables that the linker finds and the values that an index of values would
find, so that the model sees in training what it sees in use: with a value missing now and then, or one too many.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.drivers.introspection import fingerprint
from assistant.prompts import render_prompt
from assistant.schema import link_schema, list_tables
from assistant.types import Column, DatabaseSchema, MatchedValue, Message, PromptLayout, Question, SchemaContext, Table
from assistant.words import split_name
from training.corpus.preparing import PreparedQuestion, PreparedSchema
from training.corpus.renaming import Renaming, draw_renaming, draw_words, keep_names, make_up_word

LAYOUT: PromptLayout = "listed"
"""How the prompt is laid out."""

MISSING_VALUE_SHARE = 0.08
DISTRACTOR_SHARE = 0.15
UNLISTED_SHARE = 0.05
"""Of the questions for which the listing lacks a name of their SQL, those that are kept: nothing can be copied."""

GROUP = 16
"""Most questions that share one set of new names."""

_REPLACED_SHARES = (0.0, 0.0, 0.3, 0.6, 1.0)
_LEAST_GROUP = 3


@dataclass(frozen=True)
class TrainingRow:
    """One example, as `training.dataset.TrainingExample` reads it."""

    messages: tuple[Message, ...]
    """What the model sees."""
    reply: str
    """What it should write."""
    kind: str
    """`human_spider`, `human_syn` or `human_wikisql`."""
    question: str
    """The question alone, under the new names."""
    db_id: str
    """Database of the corpus."""

    def line(self) -> str:
        """Write it as a line of JSON, without the line break."""
        messages = [{"role": message.role, "content": message.content} for message in self.messages]
        row = {
            "messages": messages,
            "reply": self.reply,
            "kind": self.kind,
            "question": self.question,
            "sql": self.reply,
            "schema": self.db_id,
        }
        return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def link(question: Question, schema: DatabaseSchema, values: tuple[MatchedValue, ...]) -> SchemaContext:
    """Find what the assistant would show of a schema for a question."""
    context = link_schema(question, schema, values)
    return context.model_copy(update={"listing": list_tables(question, schema, values)})


def human_examples(
    prepared: PreparedSchema,
    words: Sequence[str],
    rng: random.Random,
    counts: Counter[str] | None = None,
    *,
    is_renamed: bool = True,
) -> Iterator[TrainingRow]:
    """Make one row of each question about a database, under names drawn anew for every few of them.

    Args:
        prepared: The database and its questions.
        words: What new words are drawn from; see `renaming.collect_words`.
        rng: Where chance comes from. The same state gives the same rows.
        counts: Is told how many questions became rows, and how many did not and why.
        is_renamed: False leaves the names as they are, every value in its place and every question in, to measure by.
    """
    if not is_renamed:
        renaming = keep_names(prepared.schema)
        yield from _write_group(prepared, prepared.questions, renaming, rng, counts, is_exact=True)
        return
    waiting = list(prepared.questions)
    rng.shuffle(waiting)
    while waiting:
        share = rng.choice(_REPLACED_SHARES)
        replaced = [word for word in sorted(prepared.words) if rng.random() < share]
        is_replaced = frozenset(replaced)
        fitting = [question for question in waiting if not question.unsaid & is_replaced][:GROUP]
        if len(fitting) < min(_LEAST_GROUP, len(waiting)):
            fitting, replaced = waiting[:GROUP], []
        chosen = {id(question) for question in fitting}
        waiting = [question for question in waiting if id(question) not in chosen]
        taken = prepared.words.union(*(question.words for question in fitting))
        new_words = draw_words(replaced, taken, words, rng)
        renaming = draw_renaming(prepared.schema, rng, new_words, is_titled=prepared.is_titled)
        yield from _write_group(prepared, fitting, renaming, rng, counts)


def wikisql_examples(
    tables: Sequence[PreparedSchema], words: Sequence[str], rng: random.Random, counts: Counter[str] | None = None
) -> Iterator[TrainingRow]:
    """Make one row of each question about tables that stand alone, half of them among tables of others.

    Args:
        tables: One table each, with its questions.
        words: What new words are drawn from.
        rng: Where chance comes from.
        counts: Is told how many questions became rows, and how many did not and why.
    """
    order = list(tables)
    rng.shuffle(order)
    for prepared in order:
        others = rng.sample(order, min(rng.randint(1, 3), len(order))) if rng.random() < 0.5 else []
        asked = {column for question in prepared.questions for _, column in question.query.asked}
        # A question that two tables could answer alike has no right answer.
        others = [other for other in others if asked.isdisjoint(c.name for c in other.schema.tables[0].columns)]
        composed = compose(prepared, others, words, rng)
        yield from human_examples(composed, words, rng, counts)


def compose(
    prepared: PreparedSchema, others: Sequence[PreparedSchema], words: Sequence[str], rng: random.Random
) -> PreparedSchema:
    """Give a table without a name one, shuffle its columns and put other tables beside it."""
    tables: list[Table] = []
    taken: set[str] = set()
    for source in (prepared, *others):
        (table,) = source.schema.tables
        columns = list(table.columns)
        rng.shuffle(columns)
        title = _draw_title(columns, words, rng)
        while title in taken:
            title = make_up_word(rng)
        taken.add(title)
        # Statements know a table by the name it was read with; the comment is what the new name is made of.
        tables.append(Table(name=table.name, columns=tuple(columns), comment=title))
    schema = DatabaseSchema(db_id="main", dialect="sqlite", tables=tuple(tables), fingerprint=fingerprint(tables))
    return PreparedSchema(schema, prepared.questions, prepared.words, is_titled=True)


def _draw_title(columns: Sequence[Column], words: Sequence[str], rng: random.Random) -> str:
    """Draw a name for a table: a noun or two, of its columns or of any."""
    own = [word for column in columns for word in split_name(column.name) if len(word) > 3 and word.isalpha()]
    drawn = [
        rng.choice(own) if own and rng.random() < 0.5 else (rng.choice(words) if words else make_up_word(rng))
        for _ in range(rng.choice((1, 1, 2)))
    ]
    return " ".join(dict.fromkeys(drawn))


def _write_group(
    prepared: PreparedSchema,
    questions: Sequence[PreparedQuestion],
    renaming: Renaming,
    rng: random.Random,
    counts: Counter[str] | None,
    *,
    is_exact: bool = False,
) -> Iterator[TrainingRow]:
    schema = renaming.schema(prepared.schema)
    names = renaming.names
    for asked in questions:
        text = renaming.question(asked.text, asked.mentions)
        found = list(asked.values) if is_exact else _draw_values(prepared, asked, rng)
        values = tuple(renaming.value(match) for match in found)
        question = Question(text=text, db_id=schema.db_id)
        context = link(question, schema, values)
        shown = {(table.name, column.name) for table in context.listing for column in table.columns}
        listed = {table.name for table in context.listing}
        needed = {(names.tables[table], names.columns[table, column]) for table, column in asked.query.columns}
        is_listed = needed <= shown and {names.tables[table] for table in asked.query.tables} <= listed
        if not is_listed and not is_exact and rng.random() >= UNLISTED_SHARE:
            _count(counts, f"{asked.kind}: not listed")
            continue
        _count(counts, f"{asked.kind}: row" if is_listed else f"{asked.kind}: row, not listed")
        prompt = render_prompt(question, context, LAYOUT)
        yield TrainingRow(prompt.messages, renaming.sql(asked.query), asked.kind, text, prepared.schema.db_id)


def _count(counts: Counter[str] | None, what: str) -> None:
    if counts is not None:
        counts[what] += 1


def _draw_values(prepared: PreparedSchema, asked: PreparedQuestion, rng: random.Random) -> list[MatchedValue]:
    """Draw what an index of values would find: what the SQL needs, less now and then, or more."""
    found = [match for match in asked.values if rng.random() >= MISSING_VALUE_SHARE]
    if rng.random() < DISTRACTOR_SHARE:
        known = {(match.table, match.column, match.value) for match in asked.values}
        options = [match for match in asked.sampled if (match.table, match.column, match.value) not in known]
        if found and (not options or rng.random() < 0.5):
            match = rng.choice(found)
            texts = [
                (table.name, column.name)
                for table in prepared.schema.tables
                for column in table.columns
                if column.kind == "text" and (table.name, column.name) != (match.table, match.column)
            ]
            if texts:
                table, column = rng.choice(texts)
                options = [match.model_copy(update={"table": table, "column": column})]
        if options:
            found.insert(rng.randint(0, len(found)), rng.choice(options))
    return found
