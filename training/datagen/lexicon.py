r"""What people call the things of a schema.

In: what `glossary.build_lexicon` read. Out: a Lexicon: nouns for tables, words for columns, and the named conditions,
measures, figures and relations. Makes no questions.

Inside the SQL fragments kept here, a column is written `\x01instance\x02column`; `query.py` turns that into the alias.
An instance is a table, or a table once more: then with `\x03` and a number behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from assistant.naming import write_name
from assistant.types import Column, DatabaseSchema, Table
from assistant.words import word_set
from training.datagen.spoken import name_words

REF_OPEN, REF_CLOSE, AGAIN = "\x01", "\x02", "\x03"
Key = tuple[str, str]
"""Table and column."""
PEOPLE = word_set(
    """person customer client employee patient student teacher user member author actor player driver doctor nurse
    staff guest worker manager agent artist singer pilot professor instructor applicant candidate donor voter"""
)
"""Nouns of which one asks "who"."""


def ref(instance: str, column: str) -> str:
    """Write a column of a table instance, to be resolved to an alias by the query that uses it."""
    return f"{REF_OPEN}{instance}{REF_CLOSE}{write_name(column) if column else ''}"


def name_instance(table: str, number: int) -> str:
    """Name one use of a table in a query: the first has the table's own name."""
    return f"{table}{AGAIN}{number}" if number else table


def name_role(columns: tuple[str, ...]) -> str:
    """Name what a foreign key points at by its columns: `home_team_id` is the home team."""
    words = name_words(columns[0] if len(columns) == 1 else "_".join(columns))
    return re.sub(r" (key|id|no|nr|number|code)$", "", words)


@dataclass(frozen=True)
class Condition:
    """A named kind of rows of one table; `patterns` hold {} where the noun goes."""

    table: str
    column: str
    """The first column that it is about."""
    sql: str
    patterns: tuple[str, ...]
    nouns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """An aggregate with a name. `default_filter` holds unless the question says otherwise."""

    words: tuple[str, ...]
    sql: str
    tables: tuple[str, ...]
    default_filter: str = ""
    filter_column: Key | None = None
    unit: str = ""
    """What it is counted in, such as "euros"."""


@dataclass(frozen=True)
class Figure:
    """A named expression over one row of a table."""

    table: str
    words: tuple[str, ...]
    sql: str
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relation:
    """From each row of `table` to at most one row of `target`, which is known as `instance` in a query."""

    table: str
    target: str
    instance: str
    on: str
    patterns: tuple[str, ...]
    words: tuple[str, ...] = ()
    child_columns: tuple[str, ...] = ()
    parent_columns: tuple[str, ...] = ()
    is_role: bool = False
    """Whether the words name what the target is to the row, such as "lead surgeon"."""

    @property
    def prefix(self) -> str:
        """What stands before a column of the target, to tell it from the same column by another road."""
        if not self.words:
            return ""
        return self.words[0] if self.is_role else self.words[0].split()[0]


@dataclass
class Lexicon:
    """All words for one schema."""

    schema: DatabaseSchema
    nouns: dict[str, list[str]] = field(default_factory=dict)
    words: dict[Key, list[str]] = field(default_factory=dict)
    patterns: dict[Key, list[str]] = field(default_factory=dict)
    conditions: dict[str, list[Condition]] = field(default_factory=dict)
    measures: list[Measure] = field(default_factory=list)
    figures: dict[str, list[Figure]] = field(default_factory=dict)
    relations: dict[str, list[Relation]] = field(default_factory=dict)
    self_keys: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    spoken: set[str] = field(default_factory=set)
    """Tables of which the glossary says something; of the others, what is called what is guessed."""
    units: dict[Key, str] = field(default_factory=dict)
    """What a column is counted in, where comment or glossary say so."""
    named_keys: set[Key] = field(default_factory=set)
    """Keys that people speak of, such as an order number."""
    qualities: dict[Key, str] = field(default_factory=dict)
    """What columns measure, as far as it was asked for; see `qualities.find_quality`."""

    def table(self, name: str) -> Table:
        """Look a table up by name."""
        return next(table for table in self.schema.tables if table.name == name)

    def column(self, table: str, name: str) -> Column:
        """Look a column up by table and name."""
        return next(column for column in self.table(table).columns if column.name == name)

    def key_of(self, table: str) -> str | None:
        """Name the single-column primary key, if there is one."""
        key = self.table(table).primary_key
        return key[0] if len(key) == 1 else None

    def is_detail(self, table: str) -> bool:
        """Tell whether rows of a table are mere details of another's: they have no name and no number spoken of."""
        return table not in self.labels and (table, self.key_of(table) or "") not in self.named_keys

    def is_key(self, table: str, column: str) -> bool:
        """Tell whether a column only serves to identify or to join."""
        owner = self.table(table)
        return column in owner.primary_key or any(column in fk.columns for fk in owner.foreign_keys)

    def names_people(self, table: str) -> bool:
        """Tell whether rows of a table are people: "who", not "which"."""
        label = self.labels.get(table, "")
        return label in ("full_name", "last_name") or self.nouns[table][0] in PEOPLE
