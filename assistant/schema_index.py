"""The index of a schema: which words lead to which tables and columns, how tables join, how long they are.

In: a DatabaseSchema, its comments, samples and glossary included. Out: a SchemaIndex, built once as long as nothing in
the schema changes, that scores tables for weighted words and finds the way from one table to another. Reads no question
and chooses nothing: `assistant.schema` does.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from assistant.synonyms import RELATED_WORDS, SHORT_FORMS
from assistant.types import Column, DatabaseSchema, GlossaryEntry, Table
from assistant.words import STOP_WORDS, split_name, stem, tokenize, word_set

CHARS_PER_TOKEN = 3.5
"""Characters of DDL per token, on the low side of what byte-pair vocabularies of code models give."""
MAX_PATH_TABLES = 3
TABLE_NAME_WEIGHT = 3.0
"""What a word counts that is in the name of a table; all others are in proportion to it."""
_COLUMN_NAME, _SAMPLE, _COMMENT = 2.0, 1.5, 0.7
_TITLE, _TITLE_WORDS = 2.7, 5  # a comment on a table of so few words is its name in plain words
_RELATED = 0.5  # share of the weight for an abbreviation or synonym
_CACHED_SCHEMAS = 8
_CACHED_WORDS = 20_000

_NAME_WORDS = word_set(
    """account address amount birth city code count country customer date day email first group id key last line month
    name number of order phone price product status time total type unit user value year"""
)
"""Words that names of schemas are run together from, beside those of the schema itself."""
_SKELETON = re.compile(r"[a-z][b-df-hj-np-tv-z]{2,4}")


class _Posting(NamedTuple):
    table: int
    column: int  # -1 for the table itself
    weight: float


class SchemaIndex:
    """A schema made ready for linking: words to tables and columns, keys to paths, sizes in tokens."""

    def __init__(self, schema: DatabaseSchema) -> None:
        self.schema = schema
        self.tokens = [table_tokens(table) for table in schema.tables]
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
            self._add(number, -1, _name_stems(table.name, vocabulary), TABLE_NAME_WEIGHT)
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
        related = RELATED_WORDS.get(word)
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


def _term_stems(entry: GlossaryEntry) -> Iterable[str]:
    for name in (entry.term, *entry.synonyms):
        # A pattern such as "handled by {}" is found by its longer side, which must say something: "in {}" does not.
        words = max(([token.text for token in tokenize(part)] for part in name.split("{}")), key=len)
        if any(word not in STOP_WORDS for word in words):
            yield " ".join(stem(word) for word in words)


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
        spelled = SHORT_FORMS.get(part, part)
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


def table_tokens(table: Table) -> int:
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
