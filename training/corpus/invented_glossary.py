"""Business terms for an invented schema, in the forms that `training.datagen.glossary` reads.

In: the drawn tables with what their columns mean. Out: a few terms: measures, kinds of rows, figures of a row, and
other words for rows. Column names that say nothing always get their words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from assistant.naming import write_name
from assistant.types import GlossaryEntry, Table
from assistant.writing import plural
from training.corpus.invented_domains import Attribute, Entity
from training.corpus.invented_spelling import CODED_NAMES
from training.datagen.spoken import split_words

MOST_TERMS = 4
_CODES = frozenset(CODED_NAMES)
_INCOME = ("revenue", "turnover", "takings", "sales volume")
_STATES = ("status", "state", "stage")
_SPANS = (
    ("start_date", "end_date"), ("opened_on", "closed_on"), ("shipped_date", "delivered_date"),
    ("check_in", "check_out"),
    ("departure_time", "arrival_time"), ("admitted_on", "discharged_on"), ("started_on", "finished_on"),
    ("planted_on", "harvested_on"), ("lent_on", "returned_on"), ("listed_on", "sold_on"), ("started_at", "ended_at"),
    ("opened_at", "closed_at"), ("departed_on", "arrived_on"), ("reported_on", "settled_on"),
    ("filed_on", "answered_on"),
)  # fmt: skip
_OTHER_NOUNS = {
    "client": ("customer", "buyer"), "article": ("product", "item"), "pupil": ("student",), "physician": ("doctor",),
    "eatery": ("restaurant",), "vessel": ("ship",), "athlete": ("player",), "fixture": ("match", "game"),
    "parcel": ("package",), "employee": ("staff member", "worker"), "purchase": ("order",), "lending": ("loan",),
    "reservation": ("booking",), "viewer": ("subscriber",), "realtor": ("estate agent",), "attorney": ("lawyer",),
    "drug": ("medicine", "medication"), "app_user": ("user",), "policyholder": ("insured person", "customer"),
    "movie_title": ("film", "movie"), "song": ("track",), "bus_line": ("route",), "gym_member": ("member",),
}  # fmt: skip


class DrawnTable(Protocol):
    """What is known of a table that was drawn."""

    @property
    def entity(self) -> Entity:
        """What it is."""

    @property
    def table(self) -> Table:
        """As it is spelled."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Names of the columns by plain words."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the columns are that are no keys."""


def draw_glossary(drawn: Sequence[DrawnTable], rng: random.Random, *, most: int) -> tuple[GlossaryEntry, ...]:
    """Draw terms, each word for one thing only.

    Args:
        drawn: The tables.
        rng: Chance.
        most: How many terms at most, beside the words for columns whose names are mere codes.
    """
    options = [entry for each in drawn for entry in _terms(each, rng)]
    rng.shuffle(options)
    found = [entry for each in drawn for entry in _code_words(each)]
    used = {entry.term for entry in found}
    for entry in options[:most]:
        if used.isdisjoint({entry.term, *entry.synonyms}):
            found.append(entry)
            used |= {entry.term, *entry.synonyms}
    return tuple(found)


def _code_words(drawn: DrawnTable) -> Iterator[GlossaryEntry]:
    """Say what columns such as `fld_3` are."""
    for words, name in drawn.columns.items():
        if split_words(name)[-1].isdigit() and not _CODES.isdisjoint(split_words(name)):
            said = words.replace("_", " ")
            sql = f"{write_name(drawn.table.name)}.{write_name(name)}"
            yield GlossaryEntry(term=said, meaning=f"The {said} of a row.", sql=sql)


def _terms(drawn: DrawnTable, rng: random.Random) -> Iterator[GlossaryEntry]:
    """Make all terms that a table gives."""
    entity, names = drawn.entity, drawn.columns
    noun = entity.name.replace("_", " ")

    def sql(words: str) -> str:
        return f"{write_name(drawn.table.name)}.{write_name(names[words])}"

    known = {attribute.name: attribute for attribute in drawn.attributes}
    if {"quantity", "unit_price"} <= known.keys():
        less = f" * (1 - {sql('discount')})" if "discount" in known else ""
        term, other = rng.sample(_INCOME, 2)
        yield GlossaryEntry(
            term=term,
            synonyms=(other,),
            meaning=f"What {plural(noun)} bring in, in euros.",
            sql=f"SUM({sql('quantity')} * {sql('unit_price')}{less})",
        )
    for amount in ("total_amount", "total_price", "amount"):
        if amount in known and entity.sort == "transaction":
            term, other = rng.sample(_INCOME, 2)
            yield GlossaryEntry(
                term=f"{noun} {term}" if rng.random() < 0.5 else term,
                synonyms=(f"{other} of {plural(noun)}",),
                meaning=f"Sum of all {plural(noun)}, in euros.",
                sql=f"SUM({sql(amount)})",
            )
    if {"unit_price", "unit_cost"} <= known.keys():
        yield GlossaryEntry(
            term="unit margin",
            synonyms=("margin per piece", "profit per piece"),
            meaning="What is left of the price after the cost, in euros.",
            sql=f"{sql('unit_price')} - {sql('unit_cost')}",
        )
    for attribute in drawn.attributes:
        if attribute.type == "category" and attribute.name.rpartition("_")[2] in _STATES:
            value = rng.choice([value for value in attribute.values if value.replace(" ", "").isalpha()] or ["open"])
            yield GlossaryEntry(
                term=f"{value} {{}}",
                synonyms=(f"{{}} that are {value}",) if rng.random() < 0.6 else (),
                meaning=f"The {attribute.name.replace('_', ' ')} is {value}.",
                sql=f"{sql(attribute.name)} = '{value}'",
            )
        if attribute.name == "is_active":
            yield GlossaryEntry(
                term="active {}",
                synonyms=("current {}", "{} that are active"),
                meaning=f"{plural(noun).capitalize()} in use today.",
                sql=f"{sql('is_active')} = 1",
            )
    for first, last in _SPANS:
        if {first, last} <= known.keys():
            yield GlossaryEntry(
                term=f"{noun} duration",
                synonyms=("duration in days", f"days from {first.split('_')[0]} to {last.split('_')[0]}"),
                meaning="Days from the first date to the last.",
                sql=f"julianday({sql(last)}) - julianday({sql(first)})",
            )
    if entity.name in _OTHER_NOUNS:
        yield GlossaryEntry(
            term=noun, synonyms=_OTHER_NOUNS[entity.name], meaning=f"One {noun}.", sql=write_name(drawn.table.name)
        )
