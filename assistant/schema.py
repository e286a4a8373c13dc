"""Schema linking: which tables and columns a question is about.

In: a Question, the DatabaseSchema and the values matched in the question. Out: the SchemaContext that the model and the
guard get to see. A schema that fits the token budget is linked whole, in its own order; of a larger one the tables are
scored by the words they share with the question, joined along their keys and cut to the columns that matter. Lexical
only: no model, no network, and the same question always gets the same tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from assistant.schema_index import TABLE_NAME_WEIGHT, SchemaIndex, index_schema, table_tokens
from assistant.synonyms import RELATED_WORDS, SHORT_FORMS
from assistant.types import (
    ColumnKind,
    DatabaseSchema,
    ForeignKey,
    GlossaryEntry,
    KnownPair,
    MatchedValue,
    Question,
    SchemaContext,
    Table,
)
from assistant.words import STOP_WORDS, split_name, stem, tokenize

MAX_TABLE_TOKENS = 1500
MAX_TABLES = 16
MAX_TERMS = 10
MAX_LISTED_TABLES = 5
LISTED_COLUMNS = (8, 6, 4)
"""Columns listed of the table that a question is most likely about, of the next, and of each further one.

Its keys to the tables that are listed come on top."""
_WIDE_TABLE_COLUMNS = 24

_GLOSSARY, _VALUE = 3.0, 6.0  # in proportion to TABLE_NAME_WEIGHT, as all below
_HINT = 0.3  # less than any name: it decides among columns that nothing else tells apart
_VALUE_LIKE_NAME = 1.5  # "drugs" is a description of invoices, and more likely the table `drug`
_SIMILAR = 2.0  # the question in hand may be about something else
_HISTORY = 0.4  # share of the weight for a word of an earlier turn

_KIND_HINTS: tuple[tuple[tuple[ColumnKind, ...], re.Pattern[str]], ...] = (
    (
        ("date", "datetime"),
        re.compile(
            r"\b(?:19|20)\d\d\b|\b(?:when|since|until|ago|today|yesterday|(?:this|last|next|per|each|every|by) "
            r"(?:day|week|month|quarter|year)|monthly|yearly|daily|weekly|latest|newest|oldest|recent|first|last|earliest"
            r"|january|february|march|april|june|july|august|september|october|november|december)\b",
            re.IGNORECASE,
        ),
    ),
    (
        ("float",),
        re.compile(
            r"\b(?:how much|total|sum|average|mean|money|worth|cost|spend|spent|value|amount|expensive|cheap\w*"
            r"|highest|lowest|more than|less than|at least|above|below|over|under)\b",
            re.IGNORECASE,
        ),
    ),
)
"""Words that ask for a column of some kind, whatever it is called."""
_PLAIN_NAME = re.compile(r"\w+(?:\.\w+)?")


def link_schema(
    question: Question,
    schema: DatabaseSchema,
    values: tuple[MatchedValue, ...],
    *,
    max_tokens: int = MAX_TABLE_TOKENS,
    examples: tuple[KnownPair, ...] = (),
) -> SchemaContext:
    """Choose the tables, columns and glossary terms that a question needs.

    Args:
        question: The question; its earlier turns and evidence count too.
        schema: The whole database.
        values: Values matched in the question, best first.
        max_tokens: Most tokens the tables may take, estimated as `table_tokens` does. One table is linked even if it is
            larger.
        examples: Similar questions; the tables of their SQL are likely to be needed too.
    """
    context = _link(question, schema, values, max_tokens, [pair.sql for pair in examples])
    return context.model_copy(update={"examples": examples}) if examples else context


def with_listing(context: SchemaContext, question: Question, schema: DatabaseSchema) -> SchemaContext:
    """Add what a model of the `listed` layout is shown; the whole context stays what the guard lets through."""
    return context.model_copy(update={"listing": list_tables(question, schema, context.values)})


def list_tables(question: Question, schema: DatabaseSchema, values: tuple[MatchedValue, ...]) -> tuple[Table, ...]:
    """Choose the few tables and columns that a question is likely to need, most likely table first.

    A table comes with its key, its keys to the other tables that are chosen, what the question, a value, a term or the
    last turn names, and, for what is left of its share, with its first columns.

    Args:
        question: The question; its earlier turns and evidence count too.
        schema: The whole database.
        values: Values matched in the question, best first.
    """
    index = index_schema(schema)
    glossary = _touched_terms(index, question)
    tables, columns = _score(index, question, values, glossary, ())
    chosen = _choose(index, tables, MAX_LISTED_TABLES, lambda number: 1)
    order = sorted(chosen, key=lambda number: (-tables[number], number))
    statements = (*(entry.sql for entry in glossary), *(turn.sql for turn in question.history[-1:]))
    named = {name.lower() for sql in statements for name in re.findall(r"[^\W\d]\w*", sql)}
    hints = [(kinds, pattern.search(question.text) is not None) for kinds, pattern in _KIND_HINTS]
    kept = []
    for rank, number in enumerate(order):
        for place, column in enumerate(schema.tables[number].columns):
            if column.name.lower() in named:
                columns[number, place] += _GLOSSARY
            elif any(is_hinted and column.kind in kinds for kinds, is_hinted in hints):
                columns[number, place] += _HINT
        share = LISTED_COLUMNS[min(rank, len(LISTED_COLUMNS) - 1)] + len(_key_columns(index, number, chosen))
        kept.append(_cut(index, number, chosen, columns, share))
    return tuple(kept)


def _linked_columns(index: SchemaIndex, number: int) -> int:
    """Give the most columns a table is linked with; behind `*` the guard must know them all if one is masked."""
    columns = index.schema.tables[number].columns
    return len(columns) if any(column.is_masked for column in columns) else _WIDE_TABLE_COLUMNS


def _link(
    question: Question,
    schema: DatabaseSchema,
    values: tuple[MatchedValue, ...],
    max_tokens: int,
    similar: Sequence[str],
) -> SchemaContext:
    index = index_schema(schema)
    glossary = _touched_terms(index, question)
    if index.total_tokens <= max_tokens:
        return _context(schema, schema.tables, values, glossary)
    tables, columns = _score(index, question, values, glossary, similar)
    sizes: dict[int, int] = {}

    def size(number: int) -> int:
        if len(index.schema.tables[number].columns) <= _WIDE_TABLE_COLUMNS:
            return index.tokens[number]
        if number not in sizes:
            shown = {number, *index.neighbours[number]}
            sizes[number] = table_tokens(_cut(index, number, shown, columns, _linked_columns(index, number)))
        return sizes[number]

    chosen = _choose(index, tables, max_tokens, size)
    kept = [_cut(index, number, chosen, columns, _linked_columns(index, number)) for number in sorted(chosen)]
    return _context(schema, tuple(kept), values, glossary)


def _score(
    index: SchemaIndex,
    question: Question,
    values: tuple[MatchedValue, ...],
    glossary: tuple[GlossaryEntry, ...],
    similar: Sequence[str],
) -> tuple[list[float], dict[tuple[int, int], float]]:
    """Score tables and columns by words, values, terms, and the SQL of the last turn and of similar questions."""
    schema = index.schema
    tables, columns = index.score(_weighted_words(question))
    for match in values:
        number = index.numbers.get(match.table.lower())
        if number is not None:
            weight = _VALUE_LIKE_NAME if index.is_name(match.mention) else _VALUE
            tables[number] += weight * match.score / 100
            names = [column.name for column in schema.tables[number].columns]
            if match.column in names:
                columns[number, names.index(match.column)] += weight
    _add_named(index, tables, [entry.sql for entry in glossary], _GLOSSARY)
    _add_named(index, tables, [turn.sql for turn in question.history[-1:]], _GLOSSARY)
    _add_named(index, tables, similar, _SIMILAR)
    return tables, columns


def _choose(
    index: SchemaIndex,
    scores: Sequence[float],
    budget: int,
    size: Callable[[int], int],
) -> set[int]:
    """Take tables by score until the budget is spent, each with the tables that join it to those taken before."""
    by_score = sorted(range(len(scores)), key=lambda n: (-scores[n], -len(index.neighbours[n]), n))
    # Beyond these few nothing fits any more, and each costs a search for a path.
    wanted = ([number for number in by_score if scores[number] > 0] or by_score)[: 2 * MAX_TABLES]
    # A matched value lifts one table far above the others, which the question may need as much.
    floor = min(0.2 * scores[wanted[0]], 0.3 * TABLE_NAME_WEIGHT)
    chosen: set[int] = {wanted[0]}
    used = size(wanted[0])
    for number in wanted[1:]:
        if len(chosen) >= MAX_TABLES or scores[number] < floor:
            break
        if number in chosen:
            continue
        between = index.path(number, chosen) or []
        added = {number, *between} - chosen
        cost = sum(size(other) for other in added)
        if used + cost > budget:
            continue
        chosen |= added
        used += cost
    return chosen


def _cut(
    index: SchemaIndex, number: int, chosen: set[int], columns: Mapping[tuple[int, int], float], max_columns: int
) -> Table:
    """Leave out keys to tables that are not shown and, of a wide table, the columns that share nothing."""
    table = index.schema.tables[number]
    kept = table.columns
    if len(kept) > max_columns:
        needed = _key_columns(index, number, chosen)

        def rank(place: int) -> tuple[bool, float, bool, int]:
            name = kept[place].name
            # What a row is called is what lists show, asked for or not.
            is_label = split_name(name)[-1:] in (("name",), ("title",))
            return name not in needed, -columns.get((number, place), 0.0), not is_label, place

        order = sorted(range(len(kept)), key=rank)
        kept = tuple(table.columns[place] for place in sorted(order[: max(max_columns, len(needed))]))
    return table.model_copy(update={"columns": kept, "foreign_keys": _shown_keys(index, number, chosen)})


def _shown_keys(index: SchemaIndex, number: int, chosen: set[int]) -> tuple[ForeignKey, ...]:
    shown = {index.schema.tables[other].name.lower() for other in chosen}
    return tuple(key for key in index.schema.tables[number].foreign_keys if key.ref_table.lower() in shown)


def _key_columns(index: SchemaIndex, number: int, chosen: set[int]) -> set[str]:
    foreign = (name for key in _shown_keys(index, number, chosen) for name in key.columns)
    return {*index.schema.tables[number].primary_key, *foreign}


def _context(
    schema: DatabaseSchema,
    tables: tuple[Table, ...],
    values: tuple[MatchedValue, ...],
    glossary: tuple[GlossaryEntry, ...],
) -> SchemaContext:
    shown = {table.name: {column.name for column in table.columns} for table in tables}
    return SchemaContext(
        db_id=schema.db_id,
        dialect=schema.dialect,
        tables=tables,
        values=tuple(match for match in values if match.column in shown.get(match.table, ())),
        glossary=glossary,
        omitted_tables=tuple(table.name for table in schema.tables if table.name not in shown),
    )


def _weighted_words(question: Question) -> dict[str, float]:
    words: dict[str, float] = {}
    for text, share in [
        *((turn.question, _HISTORY) for turn in question.history[-2:]),
        (f"{question.text} {question.evidence}", 1.0),
    ]:
        for token in tokenize(text):
            spelled = SHORT_FORMS.get(token.text, token.text)
            if (spelled not in STOP_WORDS or spelled in RELATED_WORDS) and not spelled.isdigit():
                # A related word is looked up as it is written: "when" has no stem that says more.
                words[spelled if spelled in RELATED_WORDS else stem(spelled)] = share
                if spelled in RELATED_WORDS and spelled not in STOP_WORDS:
                    words[stem(spelled)] = share
    return words


def _touched_terms(index: SchemaIndex, question: Question) -> tuple[GlossaryEntry, ...]:
    """Find the terms a question uses, in the order of the glossary.

    Of more than `MAX_TERMS`, those stay that say more than the name of a table or column, then those of longer names.
    """
    if not index.terms:
        return ()
    turns = [turn.question for turn in question.history[-1:]]
    text = " ".join((*turns, question.text, question.evidence))
    stems = f" {' '.join(stem(token.text) for token in tokenize(text))} "
    found = []
    for place, (entry, names) in enumerate(index.terms):
        longest = max((len(name) for name in names if f" {name} " in stems), default=0)
        if longest:
            found.append((_PLAIN_NAME.fullmatch(entry.sql) is not None, -longest, place, entry))
    found.sort(key=lambda item: item[:3])
    return tuple(entry for *_, entry in sorted(found[:MAX_TERMS], key=lambda item: item[2]))


def _add_named(index: SchemaIndex, scores: list[float], statements: Iterable[str], weight: float) -> None:
    """Add to the tables that SQL names, once each; half as much to those that have a column it names."""
    names = {name.lower() for sql in statements for name in re.findall(r"[^\W\d]\w*", sql)}
    tables = {index.numbers[name] for name in names if name in index.numbers}
    for number in tables:
        scores[number] += weight
    for number in {owner for name in names for owner in index.owners.get(name, ())} - tables:
        scores[number] += weight / 2
