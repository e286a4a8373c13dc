"""Read the questions of a corpus once, so that rows can be made of them many times.

In: schemas and questions as `reading` gives them. Out: for each database its questions with the statement in the house
style, the values in them, and the words for which no others may be put because the question does not say them. Draws
nothing at random and writes no rows.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from assistant.types import DatabaseSchema, MatchedValue, Table
from assistant.words import stem
from assistant.writing import plural
from training.corpus.house_style import NotInStyleError, read_styled
from training.corpus.reading import HumanQuestion, WikiQuestion, read_questions, read_schemas, read_wikisql
from training.corpus.renaming import find_words, is_replaceable, name_forms
from training.corpus.styled import Literal, StyledQuery
from training.datagen.spoken import singular

LEAST_WORDS = 3
"""A question of fewer is none."""

MAX_MATCHES = 6
_MAX_SAMPLE_CHARS = 60
_KINDS = {"spider": "human_spider", "spider_syn": "human_syn", "wikisql": "human_wikisql"}


@dataclass(frozen=True, eq=False)
class PreparedQuestion:
    """A question with all that its rows need and that never changes."""

    kind: str
    """Kind of its rows."""
    text: str
    """The question."""
    query: StyledQuery
    """Its SQL."""
    values: tuple[MatchedValue, ...]
    """Texts of its SQL that stand in it, with their columns."""
    sampled: tuple[MatchedValue, ...]
    """Samples of any column that stand in it."""
    mentions: tuple[str, ...]
    """What of it must stay as it is."""
    words: frozenset[str]
    """Its words, in the singular too."""
    unsaid: frozenset[str]
    """Words of the names in its SQL that it does not say: other words put for them could not be guessed."""


@dataclass(frozen=True, eq=False)
class PreparedSchema:
    """A database with its questions."""

    schema: DatabaseSchema
    """The database, with samples of texts only, as the assistant reads them."""
    questions: tuple[PreparedQuestion, ...]
    """In the order of the corpus."""
    words: frozenset[str]
    """Words of its names for which others can be put."""
    is_titled: bool = False
    """Whether the comments of its tables are all that is to be known of their names."""


def prepare_spider(
    folder: Path, held_out: bool = False, counts: Counter[str] | None = None
) -> dict[str, PreparedSchema]:
    """Read Spider and Spider-Syn, by database.

    Args:
        folder: Where the corpora are.
        held_out: Read only the databases in `reading.HELD_OUT`, which else are left out.
        counts: Is told how many questions were read, kept, and left out for what reason.

    Raises:
        DataError: A file is missing or not what it should be.
    """
    schemas = read_schemas(folder)
    questions: dict[str, list[HumanQuestion]] = defaultdict(list)
    for question in read_questions(folder, held_out):
        questions[question.db_id].append(question)
    return {name: prepare(schemas[name], asked, counts) for name, asked in questions.items()}


def prepare(
    schema: DatabaseSchema, questions: Iterable[HumanQuestion], counts: Counter[str] | None = None
) -> PreparedSchema:
    """Read the questions about one database."""
    counts = Counter() if counts is None else counts
    schema = _with_text_samples(schema)
    samples: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for table in schema.tables:
        for column in table.columns:
            for sample in column.samples:
                if 2 < len(sample) <= _MAX_SAMPLE_CHARS and not sample.isdigit():
                    samples[sample.casefold()].append((table.name, column.name, sample))
    known: dict[str, StyledQuery | None] = {}
    tables = {table.name: table for table in schema.tables}
    words = find_words(schema)
    kept = []
    for question in questions:
        kind = _KINDS[question.source]
        counts[f"{kind}: read"] += 1
        if question.sql not in known:
            try:
                known[question.sql] = read_styled(question.sql, schema)
            except NotInStyleError:
                known[question.sql] = None
        query = known[question.sql]
        if query is None:
            counts[f"{kind}: not in style"] += 1
        elif len(question.question.split()) < LEAST_WORDS:
            counts[f"{kind}: too short"] += 1
        elif question.source == "wikisql" and not _says_all(question.question, query.literals):
            counts[f"{kind}: literal not said"] += 1
        else:
            counts[f"{kind}: prepared"] += 1
            text = " ".join(question.question.split())  # some are broken into lines
            kept.append(_prepare_question(kind, text, query, tables, words, samples))
    return PreparedSchema(schema, tuple(kept), words)


def prepare_wikisql(
    folder: Path, counts: Counter[str] | None = None, *, first: int = 0, step: int = 1
) -> list[PreparedSchema]:
    """Read WikiSQL, by table.

    Args:
        folder: Where the corpora are.
        counts: Is told how many questions were read, kept, and left out for what reason.
        first: Table to begin with, from 0.
        step: Read every so many-th table from there on.

    Raises:
        DataError: The file is missing or not what it should be.
    """
    by_table: dict[str, list[WikiQuestion]] = defaultdict(list)
    for row in read_wikisql(folder):
        by_table[row.schema.db_id].append(row)
    found = []
    for table_id, rows in list(by_table.items())[first::step]:
        asked = (HumanQuestion(source="wikisql", db_id=table_id, question=r.question, sql=r.sql) for r in rows)
        prepared = prepare(rows[0].schema, asked, counts)
        if prepared.questions:
            found.append(prepared)
    return found


def _prepare_question(
    kind: str,
    text: str,
    query: StyledQuery,
    tables: Mapping[str, Table],
    replaceable: frozenset[str],
    samples: Mapping[str, list[tuple[str, str, str]]],
) -> PreparedQuestion:
    values, mentions = [], []
    for literal in query.literals:
        sought = literal.text.strip("%") if literal.is_pattern else literal.text
        mention = _find(sought, text)
        if not mention:
            continue
        mentions.append(mention)
        if not literal.is_number and not literal.is_pattern:
            values.append(_match(literal.table, literal.column, literal.text, mention))
    sampled = []
    for key, mention in _phrases(text, samples):
        for table, column, sample in samples[key][:MAX_MATCHES]:
            sampled.append(_match(table, column, sample, mention))
    said = frozenset(re.findall("[a-z]+", text.lower()))
    forms = said | {singular(word) for word in said}
    unsaid = _unsaid(query, tables, replaceable, said)
    return PreparedQuestion(
        kind, text, query, tuple(values), tuple(sampled), tuple(dict.fromkeys(mentions)), forms, unsaid
    )


def _unsaid(
    query: StyledQuery, tables: Mapping[str, Table], replaceable: frozenset[str], said: frozenset[str]
) -> frozenset[str]:
    """Find the words that must stay, because the question speaks of them otherwise or not at all."""
    needed: set[str] = set()
    columns = {(table.name, column.name): column for table in tables.values() for column in table.columns}
    for key in query.asked:
        needed |= name_forms(key[1], columns[key].comment)
    asked_tables = {table for table, _ in query.asked} or query.tables
    for name in asked_tables if len(query.tables) > 1 else query.tables:
        needed |= name_forms(name, tables[name].comment)
    unsaid = {word for word in needed if is_replaceable(word) and not said & {word, plural(word)}}
    # "ordered" cannot be put into other words with "order".
    stems = {stem(word) for word in said}
    inflected = {stem(word): word for word in replaceable if stem(word) in stems}
    for word in said:
        other = inflected.get(stem(word))
        if other is not None and word not in (other, plural(other)):
            unsaid.add(other)
    return frozenset(unsaid)


def _with_text_samples(schema: DatabaseSchema) -> DatabaseSchema:
    """Leave out samples of numbers and dates and of long texts, which the assistant never shows either."""
    tables = []
    for table in schema.tables:
        columns = tuple(
            column
            if column.kind == "text" and all(len(s) <= _MAX_SAMPLE_CHARS for s in column.samples)
            else column.model_copy(update={"samples": ()})
            for column in table.columns
        )
        tables.append(table.model_copy(update={"columns": columns}))
    return schema.model_copy(update={"tables": tuple(tables)})


def _says_all(text: str, literals: Iterable[Literal]) -> bool:
    return all(_find(literal.text.strip("%") if literal.is_pattern else literal.text, text) for literal in literals)


def _find(value: str, text: str) -> str:
    """Give the words of a text that say a value, as they stand there; empty when there are none."""
    folded, sought = text.lower(), value.lower().strip()
    if not sought:
        return ""
    for spelled in (sought, f"{int(sought):,}" if sought.isdigit() else sought):
        match = re.search(rf"(?<![^\W_]){re.escape(spelled)}(?![^\W_])", folded)
        if match:
            # Some capitals get longer in small letters; then places differ.
            return text[match.start() : match.end()] if len(folded) == len(text) else spelled
    return ""


def _phrases(text: str, samples: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    """List the runs of words of a text that are samples."""
    if not samples:
        return
    spans = [match.span() for match in re.finditer(r"[^\W_]+", text)]
    for first, (start, _) in enumerate(spans):
        for _, end in spans[first : first + 5]:
            if (key := text[start:end].casefold()) in samples:
                yield key, text[start:end]


def _match(table: str, column: str, value: str, mention: str) -> MatchedValue:
    return MatchedValue(table=table, column=column, value=value, mention=mention, score=100.0)
