"""What a schema says itself, where no glossary does: words for columns, measures, ages, units.

In: a Lexicon that has the glossary's words and the nouns of all tables. Out: the same Lexicon, filled up. What is
derived from names is a guess and is made only where nobody wrote down what holds.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from assistant.types import Table
from assistant.words import word_set
from assistant.writing import plural
from training.datagen.lexicon import Figure, Lexicon, Measure, ref
from training.datagen.spoken import name_words, past_verb, plural_noun, say_column

AGE_WORDS = ("age", "age in years")
AGES = ("aged {}", "who are {} years old", "{} years old", "{} years of age")
_ADDED_UP = word_set("amount total quantity cost costs hours revenue sales units paid fee fees turnover sum")
"""Words of columns that may be added up over rows."""
_NOT_ADDED_UP = word_set("price unit average standard rate percent limit minimum maximum low high per min max target")
"""Words of columns that are not, whatever else they are called."""
_UNIT = re.compile(
    r"\b(euro|dollar|pound|franc|kilogram|kilometre|kilometer|metre|meter|litre|minute|hour|day)s?\b", re.IGNORECASE
)
"""Units that people say beside a number."""


def name_columns(lexicon: Lexicon, table: Table) -> None:
    """Name the columns that no glossary entry speaks of, and what was done at their dates."""
    noun = lexicon.nouns[table.name][0]
    for column in table.columns:
        key = table.name, column.name
        if unit := find_unit(column.comment):
            lexicon.units.setdefault(key, unit)
        if key in lexicon.words:
            continue
        taken = frozenset(name_words(other.name) for other in table.columns if other is not column)
        lexicon.words[key] = say_column(column.name, column.comment, noun, taken)
        verb = past_verb(column.name)
        if verb and column.kind in ("date", "datetime"):
            lexicon.patterns.setdefault(key, []).append(f"{verb} {{}}")
        if "birth" in name_words(column.name).split() and column.kind in ("date", "datetime"):
            lexicon.patterns.setdefault(key, []).append("born {}")


def add_measures(lexicon: Lexicon) -> None:
    """Make measures of what numbers of unspoken tables are called; a word for two measures is for none."""
    tables = [table for table in lexicon.schema.tables if table.name not in lexicon.spoken]
    derived = [measure for table in tables for measure in _derive_measures(lexicon, table)]
    used = Counter(word for measure in (*lexicon.measures, *derived) for word in measure.words)
    told_apart = (replace(m, words=tuple(word for word in m.words if used[word] == 1)) for m in derived)
    lexicon.measures += [measure for measure in told_apart if measure.words]


def add_ages(lexicon: Lexicon) -> None:
    """Make an age of each date of birth in unspoken tables."""
    for table in lexicon.schema.tables:
        if table.name not in lexicon.spoken:
            _derive_ages(lexicon, table)


def _derive_measures(lexicon: Lexicon, table: Table) -> list[Measure]:
    """Make measures of what a table's numbers are called: amounts are added up."""
    found = []
    for column in table.columns:
        if column.kind not in ("integer", "float") or lexicon.is_key(table.name, column.name):
            continue
        words = lexicon.words[table.name, column.name]
        parts = set(words[0].split())
        if _ADDED_UP.isdisjoint(parts) or not _NOT_ADDED_UP.isdisjoint(parts):
            continue
        rows = plural_noun(lexicon.nouns[table.name][0])
        bare = words[0] if words[0].startswith("total") else f"total {words[0]}"
        said = (f"{bare} of {rows}", f"{lexicon.nouns[table.name][0]} {words[0]}", bare)
        unit = lexicon.units.get((table.name, column.name), "")
        found.append(Measure(said, f"SUM({ref(table.name, column.name)})", (table.name,), unit=unit))
    return found


def _derive_ages(lexicon: Lexicon, table: Table) -> None:
    for column in table.columns:
        if column.kind == "date" and "birth" in name_words(column.name).split():
            born = ref(table.name, column.name)
            years = f"CAST(strftime('%Y', 'now') AS INTEGER) - CAST(strftime('%Y', {born}) AS INTEGER)"
            age = Figure(
                table.name, AGE_WORDS, f"{years} - (strftime('%m-%d', 'now') < strftime('%m-%d', {born}))", AGES
            )
            lexicon.figures.setdefault(table.name, []).append(age)


def find_unit(text: str) -> str:
    """Find what a number is counted in, in a comment or a meaning: "Price in euros." gives "euros"."""
    found = _UNIT.search(text)
    return plural(found.group(1).lower()) if found else ""
