"""The words of a schema: names, comments, samples and terms, and whether a word of a question is one of them.

In: a DatabaseSchema. Out: a Vocabulary, made once for a schema. Reads no rows and knows no question; what follows from
a word that is missing is decided in `scope`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rapidfuzz import process
from rapidfuzz.distance import OSA

from assistant.schema_index import index_schema
from assistant.types import DatabaseSchema, Table
from assistant.words import COMMON_WORDS, QUESTION_WORDS, STOP_WORDS, split_name, stem, tokenize
from assistant.writing import humanise, join_words, plural

MAX_NAMED = 6
"""Most tables that `Vocabulary.offer` names."""
_CACHED_SCHEMAS = 8
_CACHED_WORDS = 20_000
_AGGREGATE = re.compile(r"\W*(?:sum|avg|count)\b", re.IGNORECASE)


class Vocabulary:
    """The words of a schema: names, comments, samples and terms."""

    def __init__(self, schema: DatabaseSchema) -> None:
        self.schema = schema
        self._index = index_schema(schema)
        terms = [name for entry in schema.glossary for name in (entry.term, *entry.synonyms, entry.meaning)]
        notes = [note for table in schema.tables for note in _notes(table)]
        parts = [
            [*split_name(t.name), *(part for c in t.columns for part in split_name(c.name))] for t in schema.tables
        ]
        spelled = {token.text for text in (*terms, *notes) for token in tokenize(text)}
        self._spelled = frozenset(spelled.union(*parts))
        self._stems = frozenset(map(stem, self._spelled))
        self._long = sorted(word for word in self._spelled | self._stems if len(word) >= 4)
        self._seen: dict[str, bool] = {}
        entries = {entry.sql.lower(): entry for entry in schema.glossary}
        self.tables: dict[str, str] = {}
        """What a row of each table is called."""
        rows: set[str] = set()
        for table in schema.tables:
            entry = entries.get(table.name.lower())
            self.tables[table.name] = entry.term if entry else humanise(table.name)
            rows.update((self.tables[table.name], *(entry.synonyms if entry else ())))
        self.rows = frozenset(stem(token.text) for name in rows for token in tokenize(name))
        """Stems of the names for rows."""
        self.figures = tuple(entry.term for entry in schema.glossary if _AGGREGATE.match(entry.sql))
        """Names of the aggregates in the glossary."""
        english = STOP_WORDS | COMMON_WORDS | QUESTION_WORDS | {"id", "code", "key", "no"}
        self.is_readable = all(any(part in english for part in found) for found in parts)
        """Whether each table has a name or column in plain English: else unknown words of a question say nothing."""
        self.offer = self._describe()
        """A sentence on what the database has: the tables that most others belong to."""

    def has(self, word: str) -> bool:
        """Tell whether the schema has a word, in another form or with a typo."""
        known = self._seen.get(word)
        if known is None:
            if len(self._seen) > _CACHED_WORDS:
                self._seen.clear()
            known = self._seen[word] = self._find(word)
        return known

    def has_exactly(self, word: str) -> bool:
        """Tell whether the schema has a word as it is or in the plural: `rating` is neither `rate` nor `region`."""
        return word in self._spelled or (
            len(word) >= 5 and stem(word) in (word, word[:-1]) and stem(word) in self._stems
        )

    def _describe(self) -> str:
        weights = {table.name: len(table.foreign_keys) for table in self.schema.tables}
        for key in (key for table in self.schema.tables for key in table.foreign_keys):
            weights[key.ref_table] = weights.get(key.ref_table, 0) + 2
        ranked = sorted(self.tables, key=lambda name: -weights[name])
        names = list(dict.fromkeys(plural(self.tables[name]) for name in ranked))
        more = ["more"] if len(names) > MAX_NAMED else []
        return f"I can tell you about {join_words([*names[:MAX_NAMED], *more])}." if names else ""

    def _find(self, word: str) -> bool:
        if word in self._spelled or any(self._index.score({word: 1.0, stem(word): 1.0})[0]):
            return True
        if len(word) < 4:
            return False
        limit = 2 if len(word) >= 8 else 1
        near = process.extract(word, self._long, scorer=OSA.distance, score_cutoff=limit, limit=5)
        near += process.extract(stem(word), self._long, scorer=OSA.distance, score_cutoff=1, limit=5)
        return any(found[0] == word[0] for found, _, _ in near)


def _notes(table: Table) -> Iterator[str]:
    yield table.comment
    for column in table.columns:
        yield column.comment
        yield from column.samples


_vocabularies: dict[str, Vocabulary] = {}


def vocabulary_of(schema: DatabaseSchema) -> Vocabulary:
    """Give the words of a schema, collected once as long as nothing in the schema changes."""
    known = _vocabularies.get(schema.fingerprint)
    # The fingerprint leaves out comments, samples and the glossary.
    if known is not None and (known.schema is schema or known.schema == schema):
        return known
    if len(_vocabularies) >= _CACHED_SCHEMAS:
        _vocabularies.clear()
    return _vocabularies.setdefault(schema.fingerprint, Vocabulary(schema))
