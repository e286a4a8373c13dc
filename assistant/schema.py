"""Schema linking: which tables and columns a question is about.

In: a Question, the DatabaseSchema and the values matched in the question. Out: the SchemaContext that the model and the
guard get to see. A schema that fits the token budget is linked whole, in its own order; of a larger one the tables are
scored by the words they share with the question, joined along their keys and cut to the columns that matter. Lexical
only: no model, no network, and the same question always gets the same tables.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from assistant.types import (
    Column,
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
from assistant.words import STOP_WORDS, split_name, stem, tokenize, word_set

CHARS_PER_TOKEN = 3.5
"""Characters of DDL per token, on the low side of what byte-pair vocabularies of code models give."""
MAX_TABLE_TOKENS = 1500
MAX_TABLES = 16
MAX_TERMS = 10
MAX_PATH_TABLES = 3
MAX_LISTED_TABLES = 5
LISTED_COLUMNS = (8, 6, 4)
"""Columns listed of the table that a question is most likely about, of the next, and of each further one.

Its keys to the tables that are listed come on top."""
_WIDE_TABLE_COLUMNS = 24
_CACHED_SCHEMAS = 8
_CACHED_WORDS = 20_000

_TABLE_NAME, _COLUMN_NAME, _SAMPLE, _COMMENT, _GLOSSARY, _VALUE = 3.0, 2.0, 1.5, 0.7, 3.0, 6.0
_TITLE, _TITLE_WORDS = 2.7, 5  # a comment on a table of so few words is its name in plain words
_HINT = 0.3  # less than any name: it decides among columns that nothing else tells apart
_VALUE_LIKE_NAME = 1.5  # "drugs" is a description of invoices, and more likely the table `drug`
_SIMILAR = 2.0  # the question in hand may be about something else
_HISTORY, _RELATED = 0.4, 0.5  # share of the weight for a word of an earlier turn, and for an abbreviation or synonym

_SHORT_FORMS: dict[str, str] = {
    short: word
    for word, forms in {
        "account": "acct",
        "address": "addr",
        "amount": "amt",
        "average": "avg",
        "balance": "bal",
        "birth": "dob",
        "category": "cat",
        "count": "cnt",
        "country": "ctry",
        "currency": "curr",
        "customer": "cust",
        "date": "dt",
        "department": "dept",
        "description": "desc descr",
        "employee": "emp",
        "invoice": "inv",
        "location": "loc",
        "manager": "mgr",
        "manufacturer": "mfr",
        "message": "msg",
        "name": "nm fname lname",
        "number": "nbr no num",
        "order": "ord",
        "organization": "org",
        "percent": "pct",
        "phone": "phn tel",
        "price": "prc",
        "product": "prod",
        "quantity": "qty",
        "revenue": "rev",
        "salary": "sal",
        "status": "stat",
        "supplier": "supp",
        "total": "tot",
        "transaction": "trx txn",
        "user": "usr",
        "value": "val",
        "vendor": "vend",
        "warehouse": "wh",
        "year": "yr",
    }.items()
    for short in forms.split()
}
"""Abbreviations in names of schemas, to the word."""

_RELATED_WORDS: dict[str, str] = {
    word: meaning
    for meaning, words in {
        "customer": "client buyer shopper",
        "employee": "staff worker colleague",
        "product": "article item goods",
        "order": "purchase bought buy sale",
        "salary": "pay wage earn",
        "invoice": "bill billing",
        "supplier": "vendor",
        "date": "when day month year",
        "address": "where live lives living",
        "quantity": "units pieces",
        "birth": "born age old",
    }.items()
    for word in words.split()
}
_NAME_WORDS = word_set(
    """account address amount birth city code count country customer date day email first group id key last line month
    name number of order phone price product status time total type unit user value year"""
)
"""Words that names of schemas are run together from, beside those of the schema itself."""


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
_SKELETON = re.compile(r"[a-z][b-df-hj-np-tv-z]{2,4}")
_PLAIN_NAME = re.compile(r"\w+(?:\.\w+)?")


class _Posting(NamedTuple):
    table: int
    column: int  # -1 for the table itself
    weight: float


class SchemaIndex:
    """A schema made ready for linking: words to tables and columns, keys to paths, sizes in tokens."""

    def __init__(self, schema: DatabaseSchema) -> None:
        self.schema = schema
        self.tokens = [_table_tokens(table) for table in schema.tables]
        self.total_tokens = sum(self.tokens)
        self.numbers = {table.name.lower(): number for number, table in enumerate(schema.tables)}
        self.terms = [(entry, tuple(_term_stems(entry))) for entry in schema.glossary]
        self.neighbours = _neighbours(schema, self.numbers)
        self.owners: dict[str, set[int]] = defaultdict(set)
        self._postings: dict[str, list[_Posting]] = defaultdict(list)
        self._by_prefix: dict[str, list[str]] = defaultdict(list)
        self._skeletons: dict[str, list[str]] = defaultdict(list)
        self._read: dict[str, list[tuple[str, float]]] = {}
        self._titles: list[tuple[tuple[frozenset[str], ...], frozenset[str]]] = []
        vocabulary = {part for table in schema.tables for part in _parts_of(table)} | _NAME_WORDS
        for number, table in enumerate(schema.tables):
            self._add(number, -1, _name_stems(table.name, vocabulary), _TABLE_NAME)
            title = frozenset(_text_stems(table.comment))
            is_title = 0 < len(title) <= _TITLE_WORDS
            self._add(number, -1, sorted(title), _TITLE if is_title else _COMMENT)
            parts = tuple(frozenset(_name_stems(part, vocabulary)) for part in split_name(table.name))
            self._titles.append((tuple(filter(None, parts)), title if is_title else frozenset()))
            for place, column in enumerate(table.columns):
                self.owners[column.name.lower()].add(number)
                self._add(number, place, _name_stems(column.name, vocabulary), _COLUMN_NAME)
                self._add(number, place, _text_stems(column.comment), _COMMENT)
                self._add(number, place, _text_stems(" ".join(column.samples)), _SAMPLE)
        for word in self._postings:
            self._by_prefix[word[:3]].append(word)
            if _SKELETON.fullmatch(word):
                self._skeletons[word[0]].append(word)

    def _add(self, table: int, column: int, stems: Iterable[str], weight: float) -> None:
        for word in dict.fromkeys(stems):
            self._postings[word].append(_Posting(table, column, weight))

    def score(self, words: Mapping[str, float]) -> tuple[list[float], dict[tuple[int, int], float]]:
        """Score every table, and each column that shares a word, for the weighted stems of a question."""
        tables = [0.0] * len(self.schema.tables)
        columns: dict[tuple[int, int], float] = defaultdict(float)
        hits: dict[int, set[str]] = defaultdict(set)
        for word, share in words.items():
            best: dict[tuple[int, int], float] = {}
            for found, factor in self._readings(word):
                postings = self._postings[found]
                # A word that half the schema knows says little about where to look.
                rarity = 1 / (1 + len({posting.table for posting in postings}) ** 0.5 / 4)
                for posting in postings:
                    place = (posting.table, posting.column)
                    if posting.column < 0:
                        hits[posting.table].add(found)
                    best[place] = max(best.get(place, 0.0), posting.weight * share * factor * rarity)
            by_table: dict[int, float] = defaultdict(float)
            for (table, column), weight in best.items():
                if column >= 0:
                    columns[table, column] += weight
                # One word counts once for a table, however many of its columns have it.
                by_table[table] = max(by_table[table], weight)
            for table, weight in by_table.items():
                tables[table] += weight
        for number, (parts, title) in enumerate(self._titles):
            if tables[number]:
                hit = hits.get(number, set())
                named = sum(not part.isdisjoint(hit) for part in parts) / len(parts) if parts else 0.0
                told = len(title & hit) / len(title) if title else 0.0
                # `order` is meant before `order_status_history_archive` when a question says "order".
                tables[number] *= 0.75 + 0.5 * max(named, told)
        return tables, columns

    def _readings(self, word: str) -> list[tuple[str, float]]:
        """List the words of the schema that a stem of a question may stand for, and how surely; read once each."""
        known = self._read.get(word)
        if known is None:
            if len(self._read) >= _CACHED_WORDS:
                self._read.clear()
            known = self._read[word] = self._look_up(word)
        return known

    def _look_up(self, word: str) -> list[tuple[str, float]]:
        readings = [(word, 1.0)] if word in self._postings else []
        related = _RELATED_WORDS.get(word)
        if related is not None and stem(related) in self._postings:
            readings.append((stem(related), _RELATED))
        # `cust` for customer: the start of a word, written short in a name of the schema.
        short = (other for other in self._by_prefix.get(word[:3], ()) if other != word and word.startswith(other))
        readings += [(other, _RELATED) for other in short if len(word) >= 5]
        # `pmt` for payment: letters of the word in their order, its first among them and no vowel behind it.
        if len(word) >= 5 and word.isalpha():
            bare = (other for other in self._skeletons.get(word[0], ()) if _is_within(other, word))
            readings += [(other, _RELATED) for other in bare if not word.startswith(other)]
        return readings

    def is_name(self, text: str) -> bool:
        """Tell whether every word of a text is a word of a table's or column's name."""
        words = [stem(token.text) for token in tokenize(text)]
        return bool(words) and all(
            any(posting.weight >= _COLUMN_NAME for posting in self._postings.get(word, ())) for word in words
        )

    def path(self, start: int, goals: set[int]) -> list[int] | None:
        """Find the fewest tables that join `start` to any of `goals`, both ends left out; None when there are none."""
        before: dict[int, int] = {start: start}
        queue = deque([(start, 0)])
        while queue:
            table, steps = queue.popleft()
            for other in self.neighbours[table]:
                if other in before:
                    continue
                before[other] = table
                if other in goals:
                    between = []
                    while (other := before[other]) != start:
                        between.append(other)
                    return between
                if steps < MAX_PATH_TABLES:
                    queue.append((other, steps + 1))
        return None


_indexes: dict[str, SchemaIndex] = {}


def index_schema(schema: DatabaseSchema) -> SchemaIndex:
    """Give the index of a schema, built once as long as nothing in the schema changes."""
    known = _indexes.get(schema.fingerprint)
    # The fingerprint leaves out comments, samples and the glossary, which linking reads too.
    if known is not None and (known.schema is schema or known.schema == schema):
        return known
    if len(_indexes) >= _CACHED_SCHEMAS:
        _indexes.clear()
    index = SchemaIndex(schema)
    _indexes[schema.fingerprint] = index
    return index


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
        max_tokens: Most tokens the tables may take, estimated at `CHARS_PER_TOKEN`. One table is linked even if it is
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
            sizes[number] = _table_tokens(_cut(index, number, shown, columns, _linked_columns(index, number)))
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
    floor = min(0.2 * scores[wanted[0]], 0.3 * _TABLE_NAME)
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
            spelled = _SHORT_FORMS.get(token.text, token.text)
            if (spelled not in STOP_WORDS or spelled in _RELATED_WORDS) and not spelled.isdigit():
                # A related word is looked up as it is written: "when" has no stem that says more.
                words[spelled if spelled in _RELATED_WORDS else stem(spelled)] = share
                if spelled in _RELATED_WORDS and spelled not in STOP_WORDS:
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


def _term_stems(entry: GlossaryEntry) -> Iterable[str]:
    for name in (entry.term, *entry.synonyms):
        # A pattern such as "handled by {}" is found by its longer side, which must say something: "in {}" does not.
        words = max(([token.text for token in tokenize(part)] for part in name.split("{}")), key=len)
        if any(word not in STOP_WORDS for word in words):
            yield " ".join(stem(word) for word in words)


def _add_named(index: SchemaIndex, scores: list[float], statements: Iterable[str], weight: float) -> None:
    """Add to the tables that SQL names, once each; half as much to those that have a column it names."""
    names = {name.lower() for sql in statements for name in re.findall(r"[^\W\d]\w*", sql)}
    tables = {index.numbers[name] for name in names if name in index.numbers}
    for number in tables:
        scores[number] += weight
    for number in {owner for name in names for owner in index.owners.get(name, ())} - tables:
        scores[number] += weight / 2


def _neighbours(schema: DatabaseSchema, numbers: Mapping[str, int]) -> list[list[int]]:
    """List the tables each table can be joined to: by foreign keys, else by a column named like another's key."""
    found: list[set[int]] = [set() for _ in schema.tables]
    owners: dict[str, list[int]] = defaultdict(list)
    for number, table in enumerate(schema.tables):
        if len(table.primary_key) == 1:
            key = table.primary_key[0].lower()
            named = (
                key if len(split_name(key)) > 1 else f"{'_'.join(stem(part) for part in split_name(table.name))}_{key}"
            )
            owners[named].append(number)
    for number, table in enumerate(schema.tables):
        others = {numbers[key.ref_table.lower()] for key in table.foreign_keys if key.ref_table.lower() in numbers}
        if not table.foreign_keys:
            for column in table.columns:
                parts = split_name(column.name)
                spelled = "_".join((*(stem(part) for part in parts[:-1]), *parts[-1:]))
                for named in {column.name.lower(), spelled}:
                    others.update(owners[named] if len(owners.get(named, ())) == 1 else ())
        for other in others - {number}:
            found[number].add(other)
            found[other].add(number)
    return [sorted(others) for others in found]


def _is_within(short: str, word: str) -> bool:
    """Tell whether the letters of `short` are in `word`, in their order."""
    letters = iter(word)
    return all(letter in letters for letter in short)


def _parts_of(table: Table) -> set[str]:
    names = (table.name, *(column.name for column in table.columns))
    return {part for name in names for part in split_name(name) if 3 <= len(part) <= 12}


def _name_stems(name: str, vocabulary: set[str]) -> list[str]:
    stems = []
    for part in split_name(name):
        spelled = _SHORT_FORMS.get(part, part)
        stems += [stem(spelled), stem(part)]
        if len(part) >= 7:
            stems += [stem(piece) for piece in _pieces(part, vocabulary)]
    return [word for word in stems if word not in STOP_WORDS and not word.isdigit()]


def _pieces(word: str, vocabulary: set[str]) -> list[str]:
    """Cut words run together: `dateofbirth` into `date`, `of`, `birth`; nothing unless it cuts without remainder."""
    reached: dict[int, list[str]] = {0: []}
    for end in range(2, len(word) + 1):
        for start in sorted(reached, key=lambda s: len(reached[s])):
            piece = word[start:end]
            if piece in vocabulary and piece != word and end not in reached:
                reached[end] = [*reached[start], piece]
    return reached.get(len(word), [])


def _text_stems(text: str) -> list[str]:
    if not text:
        return []
    return [stem(token.text) for token in tokenize(text) if token.text not in STOP_WORDS and not token.text.isdigit()]


def _table_tokens(table: Table) -> int:
    """Estimate the tokens of a table's DDL, with comments or samples behind the columns."""
    chars = len(table.name) + 20 + sum(_column_chars(column) for column in table.columns)
    if table.primary_key:
        chars += 18 + sum(len(name) + 2 for name in table.primary_key)
    for key in table.foreign_keys:
        chars += 32 + len(key.ref_table) + sum(len(name) + 2 for name in (*key.columns, *key.ref_columns))
    return int(chars / CHARS_PER_TOKEN) + 1


def _column_chars(column: Column) -> int:
    note = column.comment or (f"such as {', '.join(column.samples)}" if column.samples else "")
    return len(column.name) + len(column.sql_type) + 5 + (len(note) + 4 if note else 0)
