"""Other names for the tables and columns of a schema, so that a model learns to read names and not to remember them.

In: a schema, and words to draw from. Out: a Renaming, which writes the schema, statements that were read with it, and
questions. Two things change, at random and for the whole schema alike: how names are spelled (capitals, prefixes,
abbreviations, plurals), of which questions know nothing, and what things are called (a singer becomes a fox), of which
questions speak, so that their words change too. Values never change, neither in SQL nor in questions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from assistant.drivers.introspection import fingerprint
from assistant.naming import aliases
from assistant.types import Column, DatabaseSchema, ForeignKey, MatchedValue, Table
from assistant.words import STOP_WORDS, split_name, word_set
from assistant.writing import plural
from training.corpus.styled import Names, StyledQuery
from training.datagen.spoken import singular

MADE_UP_SHARE = 1 / 3
"""Of the words that come new into a schema, how many nobody has ever heard."""

KEPT_SHARE = 0.12
"""How often names stay spelled as they are, where no words are replaced."""

KEPT_WORDS = STOP_WORDS | word_set(
    """
    id ids key name date year month day week hour minute second time number count total average avg sum max min maximum
    minimum first last order ordered sort list find return state different distinct value high highest low lowest large
    largest small smallest long longest short shortest old oldest young youngest new top least most each record records
    ascending descending alphabetical alphabetically greater fewer equal common number numbers percent percentage not
    """
)
"""Words that carry a question, or mean the same in every database; nothing else is put for them."""

_SHORT_FORMS: dict[str, str] = dict(
    re.findall(
        r"(\w+):(\w+)",
        """
    account:acct address:addr amount:amt average:avg category:cat country:ctry customer:cust date:dt department:dept
    description:desc document:doc employee:emp first:f invoice:inv location:loc manager:mgr maximum:max minimum:min
    message:msg number:no order:ord organization:org percentage:pct phone:tel price:prc product:prod quantity:qty
    reference:ref revenue:rev salary:sal student:stu supplier:supp total:tot transaction:txn value:val vendor:vend
    year:yr professor:prof temperature:temp university:univ university:uni instructor:instr
    """,
    )
)
"""What people put for words in names."""

_ONSETS = tuple(
    sorted(
        word_set("b bl br c ch cl cr d dr f fl fr g gl gr h j k kl l m n p pl pr qu r s sh sk sl sp st t th tr v w z")
    )
)
_VOWELS = tuple(sorted(word_set("a e i o u ai ee oo ou")))
_CODAS = tuple(sorted(word_set("b ck d g l ll m n nd ng nt p r rd rk rn sk st t x")))
_LETTERS = re.compile(r"[a-z]+")
_MIN_WORD = 3


@dataclass(frozen=True)
class Renaming:
    """New names for one schema."""

    names: Names
    """What its tables and columns are called now."""
    words: Mapping[str, str]
    """What is put for words of questions, by the word in small letters; singular and plural each."""
    db_id: str
    """What the database is called now."""
    comments: Mapping[tuple[str, str], str]
    """What is said of columns, and of tables (the column is empty then), where anything is."""

    def schema(self, schema: DatabaseSchema) -> DatabaseSchema:
        """Write the schema."""
        tables = tuple(sorted((self._table(table) for table in schema.tables), key=lambda table: table.name))
        return DatabaseSchema(db_id=self.db_id, dialect=schema.dialect, tables=tables, fingerprint=fingerprint(tables))

    def sql(self, query: StyledQuery) -> str:
        """Write a statement that was read with the schema."""
        return query.write(self.names)

    def value(self, match: MatchedValue) -> MatchedValue:
        """Write where a value was matched."""
        column = self.names.columns[match.table, match.column]
        return match.model_copy(update={"table": self.names.tables[match.table], "column": column})

    def question(self, text: str, values: Iterable[str] = ()) -> str:
        """Put the new words into a question.

        Args:
            text: The question.
            values: What must stay as it is, wherever it stands in the question.
        """
        if not self.words:
            return text
        kept = [re.escape(value) for value in values if value]
        pattern = "|".join([*sorted(kept, key=len, reverse=True), "(?P<word>[A-Za-z]+)"])

        def put(match: re.Match[str]) -> str:
            word = match.group("word")
            new = self.words.get(word.lower()) if word else None
            return match.group() if new is None or word is None else _cased_like(word, new)

        return re.sub(pattern, put, text, flags=re.IGNORECASE)

    def _table(self, table: Table) -> Table:
        columns = self.names.columns
        return Table(
            name=self.names.tables[table.name],
            columns=tuple(
                Column(
                    name=columns[table.name, column.name],
                    sql_type=column.sql_type,
                    kind=column.kind,
                    is_nullable=column.is_nullable,
                    comment=self.comments.get((table.name, column.name), ""),
                    samples=column.samples,
                )
                for column in table.columns
            ),
            primary_key=tuple(columns[table.name, name] for name in table.primary_key),
            foreign_keys=tuple(
                ForeignKey(
                    columns=tuple(columns[table.name, name] for name in key.columns),
                    ref_table=self.names.tables[key.ref_table],
                    ref_columns=tuple(columns[key.ref_table, name] for name in key.ref_columns),
                )
                for key in table.foreign_keys
            ),
            comment=self.comments.get((table.name, ""), ""),
            row_estimate=table.row_estimate,
        )


def find_words(schema: DatabaseSchema) -> frozenset[str]:
    """List the words of a schema, in the singular, for which others can be put."""
    found = {word for table in schema.tables for word in _words_of(table)}
    return frozenset(word for word in found if is_replaceable(word))


def is_replaceable(word: str) -> bool:
    """Tell whether another word can be put for one, which is in the singular."""
    if len(word) < _MIN_WORD or not _LETTERS.fullmatch(word):
        return False
    return word not in KEPT_WORDS and plural(word) not in KEPT_WORDS


def name_forms(name: str, comment: str) -> frozenset[str]:
    """List the words of a name and of its comment, in the singular."""
    return frozenset(singular(word) for word in (*split_name(name), *split_name(comment)))


def collect_words(names: Iterable[str]) -> tuple[str, ...]:
    """Make a list of words to draw from, out of names as they stand in schemas."""
    found = {singular(word) for name in names for word in split_name(name)}
    return tuple(sorted(word for word in found if 3 < len(word) < 13 and is_replaceable(word)))


def make_up_word(rng: random.Random) -> str:
    """Make a word up that can be spoken."""
    count = rng.choice((1, 2, 2, 2, 3))
    syllables = (rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(count))
    return "".join(syllables) + rng.choice(_CODAS)


def draw_words(
    replaced: Iterable[str], taken: frozenset[str], words: Sequence[str], rng: random.Random
) -> dict[str, str]:
    """Draw a new word for each of some.

    Args:
        replaced: Words in the singular, from `find_words`.
        taken: Words that must not come in, because they mean something already.
        words: What to draw from; a third is made up.
        rng: Where chance comes from.
    """
    drawn: dict[str, str] = {}
    used = set(taken)
    for word in replaced:
        new = word
        for _ in range(20):
            is_made_up = not words or rng.random() < MADE_UP_SHARE
            new = make_up_word(rng) if is_made_up else rng.choice(words)
            if new not in used and plural(new) not in used and is_replaceable(new):
                used |= {new, plural(new)}
                drawn[word] = new
                break
    return drawn


def keep_names(schema: DatabaseSchema) -> Renaming:
    """Leave every name of a schema as it is."""
    comments = {(t.name, c.name): c.comment for t in schema.tables for c in t.columns if c.comment}
    comments |= {(table.name, ""): table.comment for table in schema.tables if table.comment}
    return Renaming(Names.of(schema), {}, schema.db_id, comments)


def draw_renaming(
    schema: DatabaseSchema,
    rng: random.Random,
    new_words: Mapping[str, str] | None = None,
    *,
    is_titled: bool = False,
) -> Renaming:
    """Draw names for a schema.

    Args:
        schema: The schema.
        rng: Where chance comes from.
        new_words: What is put for words of its names, in the singular, as `draw_words` draws it.
        is_titled: Whether tables are called what their comments say; their names then say nothing.
    """
    new_words = new_words or {}
    if not new_words and not is_titled and rng.random() < KEPT_SHARE:
        return keep_names(schema)
    return _Namer(schema, rng, new_words, is_titled).draw()


class _Namer:
    """One style of spelling, used for a whole schema."""

    def __init__(
        self, schema: DatabaseSchema, rng: random.Random, new_words: Mapping[str, str], is_titled: bool
    ) -> None:
        self.schema = schema
        self.rng = rng
        self.new_words = new_words
        self.join = rng.choices(_JOINS, _JOIN_WEIGHTS)[0]
        self.table_prefix = rng.choices(("", "tbl", "t", "app"), (88, 5, 4, 3))[0]
        self.table_number = rng.choices(("keep", "plural", "singular"), (40, 30, 30))[0]
        self.column_prefix = rng.choices(("keep", "remove", "table", "initial"), (56, 24, 13, 7))[0]
        self.id_word = rng.choices(("id", "key", "no", "code", "nr", "num"), (74, 9, 6, 4, 3, 4))[0]
        self.is_short = rng.random() < 0.3
        self.reads_comments = rng.random() < 0.6 or is_titled
        self.shows_comments = rng.random() < 0.8
        self.short: dict[str, str] = {}
        self.comments: dict[tuple[str, str], str] = {}

    def draw(self) -> Renaming:
        tables: dict[str, str] = {}
        columns: dict[tuple[str, str], str] = {}
        taken_tables: set[str] = set()
        for table in self.schema.tables:
            words = self._words(table.name, table.comment, (table.name, ""))
            if self.table_number != "keep" and words:
                last = singular(words[-1])
                words = [*words[:-1], plural(last) if self.table_number == "plural" else last]
            prefix = [self.table_prefix] if self.table_prefix else []
            tables[table.name] = _unique(self.join([*prefix, *map(self._shorten, words)]), taken_tables)
            taken: set[str] = set()
            for column in table.columns:
                name = self.join(self._column(column, [singular(word) for word in words], table))
                columns[table.name, column.name] = _unique(name, taken)
        forms: dict[str, str] = {}
        for word, new in self.new_words.items():
            forms |= {word: new, plural(word): plural(new)}
        db_id = (split_name(self.rng.choice(list(tables.values()))) or ("main",))[-1]
        return Renaming(Names(tables, columns, aliases(tuple(tables.values()))), forms, db_id, self.comments)

    def _column(self, column: Column, table_words: list[str], table: Table) -> list[str]:
        words = self._words(column.name, column.comment, (table.name, column.name))
        is_key = any(column.name in key.columns for key in table.foreign_keys)
        size = len(table_words)
        starts_with_table = words[:size] == table_words and len(words) > size
        if self.column_prefix == "remove" and starts_with_table and not is_key:
            words = words[size:]
        elif self.column_prefix == "table" and not starts_with_table and not is_key:
            words = [*table_words, *words]
        elif self.column_prefix == "initial" and not is_key and table_words and len(words) < 3:
            words = [table_words[0][0], *words]
        return [self._shorten(word) for word in words]

    def _words(self, name: str, comment: str, place: tuple[str, str]) -> list[str]:
        """Choose the words of a name: its own, or those of what is said of it, where that says more."""
        spelled = split_name(name) or ("x",)
        if comment:
            told = split_name(comment)
            if self.reads_comments and 0 < len(told) <= 5:
                spelled = told
            elif self.shows_comments:
                self.comments[place] = re.sub("[A-Za-z]+", lambda match: self._put(match.group()), comment)
        words = [self._put(word) for word in spelled]
        return [self.id_word if word == "id" else word for word in words]

    def _put(self, word: str) -> str:
        folded = word.lower()
        new = self.new_words.get(folded)
        if new is None:
            one = singular(folded)
            new = plural(self.new_words[one]) if one != folded and one in self.new_words else None
        return word if new is None else new

    def _shorten(self, word: str) -> str:
        if not self.is_short or len(word) < 5 or not word.isascii():
            return word
        if word not in self.short:
            self.short[word] = self._short_form(word) if self.rng.random() < 0.4 else word
        return self.short[word]

    def _short_form(self, word: str) -> str:
        if known := _SHORT_FORMS.get(singular(word)):
            return known
        if self.rng.random() < 0.5:
            return word[: self.rng.choice((3, 4, 4, 5))]
        bare = word[0] + re.sub("[aeiouy]", "", word[1:])
        return bare[:6] if len(bare) >= 3 else word


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


_JOINS: tuple[Callable[[Sequence[str]], str], ...] = (
    lambda words: "_".join(words),
    lambda words: words[0] + "".join(map(_capital, words[1:])),
    lambda words: "".join(map(_capital, words)),
    lambda words: "_".join(words).upper(),
    lambda words: "_".join(map(_capital, words)),
    lambda words: "".join(words),
)
_JOIN_WEIGHTS = (56, 11, 13, 7, 9, 4)


def _unique(name: str, taken: set[str]) -> str:
    """Give a name that no other of its kind has; systems do not tell capitals apart."""
    if name[:1].isdigit():
        name = f"n{name}"
    found, number = name, 2
    while found.lower() in taken:
        found, number = f"{name}{number}", number + 1
    taken.add(found.lower())
    return found


def _cased_like(word: str, new: str) -> str:
    if len(word) > 1 and word.isupper():
        return new.upper()
    return _capital(new) if word[0].isupper() else new


def _words_of(table: Table) -> set[str]:
    found = set(name_forms(table.name, table.comment))
    for column in table.columns:
        found |= name_forms(column.name, column.comment)
    return found
