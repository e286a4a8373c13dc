"""What a sampler knows of a database: its words, the values of its columns, and a source of chance.

In: a lexicon, and what `reading` found in the data. Out: a World, which draws tables, columns, words and wordings.
Makes no SQL of its own.

Words are drawn from `voice`, everything else from `rng`: with the same `rng` and another voice the same thing is said
in other words. A Focus narrows what may be drawn, so that a question is about a certain table, column or path.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

from assistant.naming import quote_name as quote_name
from training.datagen.lexicon import AGAIN, Key, Lexicon, Relation, name_instance, ref
from training.datagen.patterns import Slot, choose, say
from training.datagen.spoken import plural_noun

Path = tuple[Relation, ...]
"""Relations followed upwards, the first one first; empty for the table itself."""

MAX_CATEGORIES = 60
"""A text column with at most this many different values is a category."""
REPEATED = 1.25
"""Rows for each different text of a column, from which on the texts are worth counting."""
_SHARED_ENDS = frozenset(("name", "date"))
"""Words that are said once for two columns."""
MIN_LIKEABLE = 30
"""A text column with more different values than this can be searched by a part of them."""


@dataclass(frozen=True)
class Focus:
    """What the next question should be about."""

    table: str
    column: str = ""
    path: Path = ()
    """Relations to follow from the table."""


@dataclass
class World:
    """What a sampler needs to know: words, values and chance."""

    lexicon: Lexicon
    rng: random.Random
    texts: dict[Key, list[str]] = field(default_factory=dict)
    numbers: dict[Key, list[float]] = field(default_factory=dict)
    days: dict[Key, tuple[date, date]] = field(default_factory=dict)
    nullable: set[Key] = field(default_factory=set)
    """Columns in which a NULL really occurs."""
    flags: set[Key] = field(default_factory=set)
    """Columns that hold 0 and 1, as yes and no."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows of each table."""
    distinct: dict[Key, int] = field(default_factory=dict)
    """Different texts of a column, those that are too long to be said included."""
    owners: dict[str, int] = field(default_factory=dict)
    """Columns that hold a text, by the text in lower case."""
    voice: random.Random | None = None
    """Draws the words; None for the same chance as everything else."""
    focus: Focus | None = None
    _name_parts: dict[Key, Counter[str]] = field(default_factory=dict)
    _paths: dict[tuple[str, int], list[Path]] = field(default_factory=dict)

    def categories(self, table: str) -> list[str]:
        """List the text columns of a table with few values, each used often."""
        found = []
        for column in self.lexicon.table(table).columns:
            values = self.texts.get((table, column.name), [])
            is_label = column.name == self.lexicon.labels.get(table)
            is_used_often = 2 * len(values) <= self.rows.get(table, 2 * len(values))
            if column.kind == "text" and 1 < len(values) <= MAX_CATEGORIES and not is_label and is_used_often:
                found.append(column.name)
        return self._narrowed(table, found)

    def likeable(self, table: str) -> list[str]:
        """List the text columns of a table with so many values that people search for a part of one."""
        found = [
            column.name
            for column in self.lexicon.table(table).columns
            if column.kind == "text" and len(self.texts.get((table, column.name), [])) > MIN_LIKEABLE
        ]
        return self._narrowed(table, found)

    def figures(self, table: str) -> list[str]:
        """List the numeric columns of a table that are no keys and no flags."""
        return self._narrowed(table, self.all_figures(table))

    def all_figures(self, table: str) -> list[str]:
        """List the same, whatever is in focus: for questions about two columns."""
        return [
            column.name
            for column in self.lexicon.table(table).columns
            if (table, column.name) in self.numbers and not self.lexicon.is_key(table, column.name)
        ]

    def repeated(self, table: str) -> list[str]:
        """List the columns of texts that say something of every row, and of some rows the same."""
        found = [
            column.name
            for column in self.lexicon.table(table).columns
            if column.kind == "text"
            and (table, column.name) not in self.nullable
            and not self.lexicon.words[table, column.name][0].startswith(("is ", "has "))
            and 1 < self.distinct.get((table, column.name), 0) == len(self.texts.get((table, column.name), ()))
            and REPEATED * self.distinct[table, column.name] <= self.rows.get(table, 0)
        ]
        return self._narrowed(table, found)

    def same_values(self, table: str, column: str) -> set[Key]:
        """Name a column, and what it points at: a condition on one decides the values of the other."""
        ends = {
            (key.ref_table, key.ref_columns[0])
            for key in self.lexicon.table(table).foreign_keys
            if key.columns == (column,)
        }
        return {(table, column), *ends}

    def dates(self, table: str) -> list[str]:
        """List the date columns of a table."""
        found = [column.name for column in self.lexicon.table(table).columns if (table, column.name) in self.days]
        return self._narrowed(table, found)

    def flag_columns(self, table: str) -> list[str]:
        """List the columns that say yes or no, but those that the glossary has its own words for."""
        said = {condition.column for condition in self.lexicon.conditions.get(table, [])}
        columns = (column.name for column in self.lexicon.table(table).columns)
        found = [column for column in columns if (table, column) in self.flags and column not in said]
        return self._narrowed(table, found)

    def shown_columns(self, table: str) -> list[str]:
        """List the columns of a table that people ask to see: no flags, and of the keys only the table's own."""
        own_key = self.lexicon.key_of(table)
        found = [
            column.name
            for column in self.lexicon.table(table).columns
            if column.kind != "boolean" and (column.name == own_key or not self.lexicon.is_key(table, column.name))
        ]
        return self._narrowed(table, found)

    def label(self, table: str) -> str | None:
        """Name the column that a list of the table shows: its label, else its key."""
        return self.lexicon.labels.get(table) or self.lexicon.key_of(table)

    def paths(self, table: str, depth: int = 3) -> list[Path]:
        """List the ways up from a table, the empty one first."""
        found = self._all_paths(table, depth)
        if self.focus and self.focus.path and self.focus.table == table:
            wanted = self.focus.path
            return [path for path in found if path == wanted[: len(path)]]
        return found

    def _all_paths(self, table: str, depth: int) -> list[Path]:
        if (table, depth) in self._paths:
            return self._paths[table, depth]
        found: list[Path] = [()]
        # Where several ways lead to one table under one name, people mean the shortest.
        named = {(table, "")}
        instances: dict[str, tuple[str, Relation]] = {table: ("", Relation("", table, table, "", ()))}
        frontier: list[tuple[str, Path]] = [(table, ())]
        for _ in range(depth):
            following: list[tuple[str, Path]] = []
            reached: set[tuple[str, str]] = set()
            for at, path in frontier:
                if path and AGAIN in path[-1].instance:
                    continue  # nobody speaks of what lies beyond a second road
                for relation in sorted(self.lexicon.relations.get(at, []), key=lambda each: each.is_role):
                    name = (relation.target, relation.words[0] if relation.words else "")
                    if relation.target not in {table, *(r.target for r in path)} and name not in named | reached:
                        following.append((relation.target, (*path, relation)))
                        reached.add(name)
            named |= reached
            following = [(at, self._with_own_instances(path, instances)) for at, path in following]
            found += [path for _, path in following]
            frontier = following
        self._paths[table, depth] = found
        return found

    def _with_own_instances(self, path: Path, known: dict[str, tuple[str, Relation]]) -> Path:
        """Give the last relation of a path an instance that no other way from the same table has.

        Args:
            path: All but its last relation have theirs.
            known: Instances so far, with where they are reached from and by which relation of the lexicon.
        """
        *before, last = path
        source = before[-1].instance if before else last.table
        instance = last.instance
        while known.setdefault(instance, (source, last)) != (source, last):
            instance = name_instance(last.target, int(instance.partition(AGAIN)[2] or 0) + 1)
        on = last.on.replace(ref(last.instance, ""), ref(instance, "")).replace(ref(last.table, ""), ref(source, ""))
        return (*before, replace(last, instance=instance, on=on))

    def path_to(self, table: str, target: str) -> Path:
        """Give the first way up from a table to another one; empty when it is the same."""
        return next((path for path in self._all_paths(table, 3) if path and path[-1].target == target), ())

    def children(self, table: str) -> list[Relation]:
        """List the relations by which rows of other tables point at a table."""
        return [
            relation
            for relations in self.lexicon.relations.values()
            for relation in relations
            if relation.target == table and relation.child_columns
        ]

    def nickname(self, table: str, column: str, value: str) -> str:
        """Draw a part of a name that means it alone: "Berg" for Anna Berg; empty when there is none."""
        key = (table, column)
        if key not in self._name_parts:
            parts = Counter(part for other in self.texts[key] for part in set(other.casefold().split()))
            self._name_parts[key] = parts
        known = self._name_parts[key]
        options = [p for p in value.split() if len(p) > 3 and known[p.casefold()] == 1 and p.isalpha()]
        return self.rng.choice(options) if len(value.split()) > 1 and options else ""

    def is_plain_value(self, value: str) -> bool:
        """Tell whether a text alone says which column is meant."""
        return self.owners.get(value.casefold(), 1) == 1

    def event_date(self, table: str) -> tuple[Path, str] | None:
        """Find the date that "in 2025" means for rows of a table: their own main date, else that of the nearest parent.

        A date that may be missing, or that says when a record was made, is no event.
        """
        labels = self.lexicon.labels
        for path in self.paths(table, 1):
            at = path[-1].target if path else table
            if path and (table in labels or at in labels):
                continue  # what has a name is a thing, not something that happens: "in 2025" says nothing of it
            for column in self.dates(at):
                if (at, column) not in self.nullable and (not path or path[-1].child_columns):
                    return path, column
        return None

    def draw_table(self, fits: Callable[[str], bool]) -> str | None:
        """Draw a table that fits, those that people ask about most often."""
        names = [table.name for table in self.lexicon.schema.tables if fits(table.name)]
        if self.focus and self.focus.table in names:
            return self.focus.table
        return self.rng.choices(names, [self._weight(name) for name in names])[0] if names else None

    def _narrowed(self, table: str, columns: list[str]) -> list[str]:
        """Leave the column in focus alone, where it is among them."""
        focus = self.focus
        return [focus.column] if focus and focus.table == table and focus.column in columns else columns

    def _weight(self, table: str) -> float:
        """Weigh a table by how much people ask about it: many relations, a name, dates."""
        links = len(self.lexicon.relations.get(table, [])) + len(self.children(table))
        named = table in self.lexicon.labels or any(key[0] == table for key in self.lexicon.named_keys)
        return (1 + links) * (2.5 if named else 1) * (1.6 if self.dates(table) else 1)

    def draw_details(self, table: str) -> list[str]:
        """Draw one to four columns that people ask to see."""
        names = self.shown_columns(table)
        count = self.rng.choices((1, 2, 3, 4), (45, 28, 18, 9))[0]
        return self.with_both_names(table, self.rng.sample(names, min(len(names), count)))

    def with_both_names(self, table: str, columns: list[str]) -> list[str]:
        """Add the last name to a first name and the other way round, as often as not."""
        words = {column: self.lexicon.words[table, column][0] for column in self.shown_columns(table)}
        both = [column for column, word in words.items() if word in ("first name", "last name")]
        if len(both) != 2 or len(set(both) & set(columns)) != 1 or len(columns) > 2 or self.rng.random() < 0.5:
            return columns
        return [*both, *(column for column in columns if column not in both)]

    def draw_figure(self, table: str) -> tuple[str, str] | None:
        """Draw a numeric column or named figure of a table: its words and its SQL."""
        options = [(self.say(table, column), ref(table, column)) for column in self.figures(table)]
        options += [(self.rng.choice(f.words), f.sql) for f in self.lexicon.figures.get(table, [])]
        return self.rng.choice(options) if options else None

    def say(self, table: str, column: str) -> str:
        """Draw a word for a column, the usual one most often."""
        words = self.lexicon.words[(table, column)]
        return (self.voice or self.rng).choices(words, [max(1, len(words))] + [1] * (len(words) - 1))[0]

    def saying(self, table: str, column: str) -> Callable[[], str]:
        """Give a slot that draws a word for a column anew in each pattern."""
        return partial(self.say, table, column)

    def noun(self, table: str, *, plural: bool = True) -> str:
        """Draw a noun for the rows of a table, the usual one most often."""
        nouns = self.lexicon.nouns[table]
        noun = (self.voice or self.rng).choices(nouns, [2 * len(nouns) + 2] + [1] * (len(nouns) - 1))[0]
        return plural_noun(noun) if plural else noun

    def parent_noun(self, relation: Relation, *, plural: bool = False) -> str:
        """Draw a noun for what a relation leads to: its role, where that is named."""
        if not relation.is_role:
            return self.noun(relation.target, plural=plural)
        return plural_noun(relation.words[0]) if plural else relation.words[0]

    def as_role(self, relation: Relation, phrase: str) -> str:
        """Say as what rows belong to the target, where they can in several ways: "surgeries as lead surgeon"."""
        same = [r for r in self.lexicon.relations[relation.table] if r.target == relation.target and r.child_columns]
        return f"{phrase} as {relation.words[0]}" if len(same) > 1 and relation.is_role else phrase

    def join_words(self, words: list[str]) -> str:
        """Join words as people do: "a, b and c", "a + b", "a, b, c"."""
        if len(words) == 1:
            return words[0]
        words = self._shortened(words)
        if len(words) == 1:
            return words[0]
        style = (self.voice or self.rng).choices(("and", "comma", "plus", "slash"), (14, 3, 2, 1))[0]
        if style == "and":
            return self.word("join.last", first=", ".join(words[:-1]), last=words[-1])
        return {"comma": ", ", "plus": " + ", "slash": "/"}[style].join(words)

    def _shortened(self, words: list[str]) -> list[str]:
        """Say two neighbours that end alike at once, now and then: "first and last name"."""
        for at, (one, two) in enumerate(itertools.pairwise(words)):
            (first, _, end), (second, _, other) = one.rpartition(" "), two.rpartition(" ")
            if end == other and first and second and end in _SHARED_ENDS and (self.voice or self.rng).random() < 0.4:
                return [*words[:at], f"{first} and {two}", *words[at + 2 :]]
        return words

    def word(self, *names: str, **slots: Slot) -> str:
        """Draw a wording and fill it, see `patterns.say`."""
        return say(self.voice or self.rng, *names, **slots)

    def pattern(self, *names: str) -> str:
        """Draw a wording to be filled later, see `patterns.choose`."""
        return choose(self.voice or self.rng, *names)
