"""What `queryforge bench link` is measured on: a schema of a thousand tables, questions about it, a million values.

In: how large, and a seed. Out: a DatabaseSchema, questions with the tables that they need, and values of columns;
always the same for the same seed. Also the alternatives that linking and matching are held against. Measures nothing.

Tables are called as in companies: by area and subject (`logistics_order`), written short (`logi_ord`), or by a number,
with a comment that says what they hold. The same subjects occur in many areas, so that one word is never enough.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from assistant.schema_index import index_schema
from assistant.types import Column, DatabaseSchema, ForeignKey, MatchedValue, Table
from assistant.words import split_name

QuestionKind = Literal["named", "short names", "comments only", "through a table between", "by a value"]
Style = Literal["words", "short", "number"]
KINDS: dict[Style, QuestionKind] = {"words": "named", "short": "short names", "number": "comments only"}
"""How the table of a question is called -> what kind of question that makes it."""
N_COLUMNS = 20


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


AREAS = _words(
    """sales purchasing logistics warehouse payroll recruiting training marketing campaign loyalty pricing billing
    treasury tax audit legal compliance insurance claims facility maintenance fleet travel energy production
    quality laboratory research clinic pharmacy catering library membership ticketing broadcast publishing
    mining forestry fishery farming brewery textile furniture optics rail harbour airport hotel museum stadium"""
)
SUBJECTS = {
    "customer": "cust", "order": "ord", "invoice": "inv", "payment": "pmt", "employee": "emp", "contract": "cntr",
    "supplier": "supp", "product": "prod", "delivery": "dlv", "complaint": "cmpl", "machine": "mach", "project": "proj",
    "budget": "bdg", "location": "loc", "reservation": "resv", "inspection": "insp", "document": "doc",
    "vehicle": "vehi", "session": "sess", "category": "cat",
}  # fmt: skip
"""Subjects of tables, with the way they are written short."""
ATTRIBUTES = _words(
    """status amount total weight colour priority rating score currency country city language channel owner
    reviewer reason comment reference version batch region grade level volume width height depth temperature
    pressure speed duration capacity quantity discount fee penalty deposit balance limit target forecast margin
    cost price rate share"""
)
MOMENTS = ("created", "updated", "approved", "cancelled", "opened", "closed", "delivered", "paid", "signed", "expired")
LABELS = (
    "Amber",
    "Birch",
    "Cedar",
    "Delta",
    "Ember",
    "Fjord",
    "Granite",
    "Hazel",
    "Indigo",
    "Juniper",
    "Kelp",
    "Larch",
)
SYLLABLES = _words(
    """ba be bi bo bra bre da de di dor el fa fen gar gol har hin ka kel kor la len lin lo mar mel mi nor ol pa per
    ra ren ro sa sel sten ta tor tur va vel vin wa wes zan zel"""
)


class LinkQuestion(NamedTuple):
    """A question and what it needs."""

    kind: QuestionKind
    text: str
    tables: frozenset[str]
    values: tuple[MatchedValue, ...] = ()


class _Plan(NamedTuple):
    """What a table is about, whatever it is called."""

    area: str
    subject: str
    style: Style
    table: Table
    parent: str
    """Table that its second column points at; empty for the first of an area."""


def make_schema(n_tables: int = 1000, *, seed: int = 1) -> tuple[DatabaseSchema, tuple[LinkQuestion, ...]]:
    """Make a schema of `n_tables` tables with 20 columns each, and a question of a kind for every third table.

    The subjects of an area form a chain of foreign keys: orders belong to customers, invoices to orders, and so on.
    """
    chance = random.Random(seed)
    plans: list[_Plan] = []
    for number in range(n_tables):
        area, place = AREAS[number // len(SUBJECTS) % len(AREAS)], number % len(SUBJECTS)
        # More tables than areas and subjects give: a second company, as it were.
        area += "" if number < len(AREAS) * len(SUBJECTS) else f"{number // (len(AREAS) * len(SUBJECTS)) + 1}"
        parent = plans[-1].table.name if place else ""
        plans.append(_plan(chance, number, area, list(SUBJECTS)[place], parent))
    tables = tuple(sorted((plan.table for plan in plans), key=lambda table: table.name))
    schema = DatabaseSchema(db_id="company", dialect="postgres", tables=tables, fingerprint=f"bench{n_tables}-{seed}")
    return schema, tuple(_ask(chance, plans))


def make_values(n_values: int = 1_000_000, *, seed: int = 1) -> dict[tuple[str, str], list[str]]:
    """Make so many distinct values, in columns of at most 50,000: names of people, companies, places and goods."""
    chance = random.Random(seed)
    seen: set[str] = set()
    columns: dict[tuple[str, str], list[str]] = {}
    tails = (" Ltd", " & Sons", " Holding", "", "", " Works", " Street", " Set")
    while len(seen) < n_values:
        column = columns.setdefault((f"register_{len(columns) + 1}", "label"), [])
        while len(column) < min(50_000, n_values) and len(seen) < n_values:
            words = ("".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(2))
            value = " ".join(word.capitalize() for word in words) + chance.choice(tails)
            if value not in seen:
                seen.add(value)
                column.append(value)
    return columns


def mention_values(
    values: Mapping[tuple[str, str], Sequence[str]], count: int, *, seed: int = 1
) -> tuple[tuple[str, str], ...]:
    """Make questions that name a value as it is written, in small letters, with a letter left out, or none at all.

    Returns:
        Each question with the value as it is stored; the empty text for none.
    """
    chance = random.Random(seed)
    columns = list(values.values())
    questions = []
    for number in range(count):
        stored = value = chance.choice(chance.choice(columns))
        if number % 4 == 1:
            value = value.lower()
        elif number % 4 == 2:
            place = chance.randrange(1, len(value) - 1)
            value = value[:place] + value[place + 1 :]
        elif number % 4 == 3:
            stored, value = "", "each region of the north"
        questions.append((f"How many deliveries went to {value} in the last quarter, and what did they cost?", stored))
    return tuple(questions)


def link_by_names(question: str, schema: DatabaseSchema, *, max_tokens: int) -> frozenset[str]:
    """Choose tables as one would without an index: those whose names share most words with the question."""
    words = set(question.lower().replace("?", " ").replace(",", " ").split())
    scored = []
    for number, table in enumerate(schema.tables):
        names = [part for name in (table.name, *(c.name for c in table.columns)) for part in split_name(name)]
        scored.append((-len(words.intersection(names)), number))
    sizes = index_schema(schema).tokens
    chosen, used = set(), 0
    for _, number in sorted(scored):
        if used + sizes[number] > max_tokens:
            break
        used += sizes[number]
        chosen.add(schema.tables[number].name)
    return frozenset(chosen)


def match_one_by_one(question: str, values: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    """Find values as one would without an index: each is looked for in the question, whatever its case."""
    text = question.casefold()
    return [value for column in values.values() for value in column if value.casefold() in text]


def _plan(chance: random.Random, number: int, area: str, subject: str, parent: str) -> _Plan:
    style: Style = chance.choices(("words", "short", "number"), (60, 30, 10))[0]
    key = f"{subject}_id" if style != "short" else f"{SUBJECTS[subject]}_id"
    name = {"words": f"{area}_{subject}", "short": f"{area[:4]}_{SUBJECTS[subject]}", "number": f"t{number:04}"}[style]
    comment = f"{_plural(subject).capitalize()} of {area}" if style != "words" else ""
    columns = [Column(name=key, sql_type="BIGINT", kind="integer")]
    columns.append(Column(name=f"parent_{chance.randint(1, 9)}_id", sql_type="BIGINT", kind="integer"))
    chosen = chance.sample(ATTRIBUTES, N_COLUMNS - 5)
    columns += [Column(name=word, sql_type="VARCHAR(40)", kind="text") for word in chosen]
    columns += [Column(name=f"{word}_at", sql_type="TIMESTAMP", kind="datetime") for word in chance.sample(MOMENTS, 3)]
    keys = (ForeignKey(columns=(columns[1].name,), ref_table=parent, ref_columns=("id",)),) if parent else ()
    table = Table(name=name, columns=tuple(columns), primary_key=(key,), foreign_keys=keys, comment=comment)
    return _Plan(area, subject, style, table, parent)


def _ask(chance: random.Random, plans: Sequence[_Plan]) -> Iterator[LinkQuestion]:
    by_name = {plan.table.name: plan for plan in plans}
    for number, plan in enumerate(plans):
        if number % 3:
            continue
        what = chance.choice(plan.table.columns[2 : N_COLUMNS - 3]).name
        when = chance.choice(plan.table.columns[-3:]).name.removesuffix("_at")
        subject, area = _plural(plan.subject), plan.area
        own = frozenset({plan.table.name})
        kind = KINDS[plan.style]
        parent = by_name.get(plan.parent)
        above = by_name.get(parent.parent) if parent else None
        match chance.randrange(5):
            case 0:
                text = f"How many {subject} of {area} were {when} in 2024 for each {what}?"
                yield LinkQuestion(kind, text, own)
            case 1:
                yield LinkQuestion(kind, f"What is the average {what} of {area} {subject} {when} last month?", own)
            case 2 if parent:
                text = f"Which {area} {_plural(parent.subject)} have the {subject} with the highest {what}?"
                yield LinkQuestion(kind, text, own | {parent.table.name})
            case 3 if parent and above:
                text = f"List the {area} {_plural(above.subject)} together with the {what} of their {subject}."
                tables = own | {parent.table.name, above.table.name}
                yield LinkQuestion("through a table between", text, tables)
            case _:
                label = chance.choice(LABELS)
                match_ = MatchedValue(table=plan.table.name, column=what, value=label, mention=label, score=100.0)
                yield LinkQuestion("by a value", f"Show all {subject} with {label} since March.", own, (match_,))


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
