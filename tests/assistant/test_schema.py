"""Which tables, columns and terms a question is given: in the demo shop, and in a database of a thousand tables."""

from __future__ import annotations

import random
import time

import pytest

from assistant.database import Database
from assistant.schema import link_schema
from assistant.schema_index import index_schema
from assistant.types import (
    Column,
    ColumnKind,
    DatabaseSchema,
    ForeignKey,
    GlossaryEntry,
    MatchedValue,
    Question,
    SchemaContext,
    Table,
    Turn,
)

NOUNS = """invoice shipment vendor warehouse batch machine sensor reading shift plant defect audit policy claim broker
premium campaign click visit session course exam grade student teacher room booking hotel guest flight crew airport
gate"""
THINGS = NOUNS.split()


def column(name: str, kind: ColumnKind = "integer", comment: str = "", samples: tuple[str, ...] = ()) -> Column:
    sql_type = {"integer": "INTEGER", "text": "VARCHAR(40)", "date": "DATE"}.get(kind, "DECIMAL(10,2)")
    return Column(name=name, sql_type=sql_type, kind=kind, comment=comment, samples=samples)


def key(name: str, table: str) -> ForeignKey:
    return ForeignKey(columns=(name,), ref_table=table, ref_columns=("id",))


def schema_of(*tables: Table, glossary: tuple[GlossaryEntry, ...] = (), fingerprint: str = "made-up") -> DatabaseSchema:
    return DatabaseSchema(db_id="made_up", dialect="sqlite", tables=tables, fingerprint=fingerprint, glossary=glossary)


def names(context: SchemaContext) -> list[str]:
    return [table.name for table in context.tables]


def value(table: str, column_name: str, text: str) -> MatchedValue:
    return MatchedValue(table=table, column=column_name, value=text, mention=text, score=100.0)


@pytest.fixture(scope="module")
def large_schema() -> DatabaseSchema:
    """A thousand tables of twenty columns that say little, with a small clinic among them."""
    dice = random.Random(11)
    tables: list[Table] = []
    for number in range(995):
        first, second = dice.sample(THINGS, 2)
        columns = [column("id"), column("parent_id")]
        columns += [column(f"{dice.choice(THINGS)}_{dice.choice(THINGS)}_{n}", "text") for n in range(18)]
        parents = (key("parent_id", dice.choice(tables).name),) if tables else ()
        tables.append(
            Table(name=f"{first}_{second}_{number}", columns=tuple(columns), primary_key=("id",), foreign_keys=parents)
        )
    tables += [
        Table(name="patient", columns=(column("id"), column("surname", "text"), column("dateofbirth", "date"))),
        Table(
            name="treatment",
            columns=(column("id"), column("patient_id"), column("physician_id"), column("given_on", "date")),
            primary_key=("id",),
            foreign_keys=(key("patient_id", "patient"), key("physician_id", "physician")),
        ),
        Table(name="physician", columns=(column("id"), column("ward_id"), column("speciality", "text")),
              primary_key=("id",), foreign_keys=(key("ward_id", "ward"),)),
        Table(name="ward", columns=(column("id"), column("title", "text", samples=("Oncology", "Surgery")))),
        Table(name="rx", columns=(column("id"), column("qty"), column("drg", "text", "medicine that was prescribed"))),
    ]  # fmt: skip
    return schema_of(*sorted(tables, key=lambda table: table.name), fingerprint="large")


def test_a_schema_that_fits_is_linked_whole_and_in_its_order(shop_db: Database) -> None:
    schema = shop_db.schema()

    context = link_schema(Question(text="anything at all"), schema, ())

    assert context.tables == schema.tables
    assert context.omitted_tables == ()
    assert (context.db_id, context.dialect) == (schema.db_id, "sqlite")


def test_values_are_passed_on_in_their_order(shop_db: Database) -> None:
    values = (value("address", "country", "Spain"), value("sales_order", "channel", "web"))

    assert link_schema(Question(text="web orders from Spain"), shop_db.schema(), values).values == values


@pytest.mark.parametrize(
    ("question", "needed"),
    [
        ("average salary of each title", {"employee"}),
        ("which products belong to the category Books", {"product", "category"}),
        ("how many tickets does each employee handle", {"support_ticket", "employee"}),
        ("customers without an e-mail address", {"customer", "contact"}),
        ("total amount by payment method", {"payment"}),
        ("discounts on order lines by product", {"order_line", "product"}),
    ],
)
def test_a_small_budget_keeps_the_tables_that_are_needed(shop_db: Database, question: str, needed: set[str]) -> None:
    schema = shop_db.schema()

    context = link_schema(Question(text=question), schema, (), max_tokens=500)

    assert needed <= set(names(context))
    assert len(context.tables) < len(schema.tables)
    assert sorted((*names(context), *context.omitted_tables)) == sorted(table.name for table in schema.tables)


def test_tables_between_two_chosen_ones_are_added(shop_db: Database) -> None:
    context = link_schema(Question(text="payment methods by customer gender"), shop_db.schema(), (), max_tokens=560)

    assert {"payment", "sales_order", "customer"} <= set(names(context))


def test_a_key_to_a_table_that_is_not_shown_is_left_out(shop_db: Database) -> None:
    context = link_schema(Question(text="amount by payment method"), shop_db.schema(), (), max_tokens=120)

    assert names(context) == ["payment"]
    assert context.tables[0].foreign_keys == ()


@pytest.mark.parametrize(
    ("question", "needed"),
    [
        ("How many patients were born before 1960?", {"patient"}),
        ("patients by speciality of the physician", {"patient", "treatment", "physician"}),
        ("treatments per ward", {"treatment", "physician", "ward"}),
        ("which medicines were prescribed most", {"rx"}),
        ("total quantity by drg", {"rx"}),
        ("staff of Oncology", {"ward"}),
    ],
)
def test_a_thousand_tables_are_cut_to_those_that_are_needed(
    large_schema: DatabaseSchema, question: str, needed: set[str]
) -> None:
    context = link_schema(Question(text=question), large_schema, ())

    assert needed <= set(names(context))
    assert len(context.tables) <= 16


def test_a_matched_value_brings_its_table(large_schema: DatabaseSchema) -> None:
    context = link_schema(
        Question(text="everybody called Ibsen"), large_schema, (value("patient", "surname", "Ibsen"),)
    )

    assert "patient" in names(context)
    assert [match.value for match in context.values] == ["Ibsen"]


def test_the_earlier_turn_brings_its_tables(large_schema: DatabaseSchema) -> None:
    turn = Turn(question="How many treatments were there?", sql="SELECT COUNT(*) FROM treatment")

    context = link_schema(Question(text="And in May?", history=(turn,)), large_schema, ())

    assert "treatment" in names(context)


def test_evidence_counts_as_part_of_the_question(large_schema: DatabaseSchema) -> None:
    question = Question(text="How many are there?", evidence="they are counted in ward")

    assert "ward" in names(link_schema(question, large_schema, ()))


def test_the_budget_holds_whatever_is_asked(large_schema: DatabaseSchema) -> None:
    index = index_schema(large_schema)
    for question in ("invoice vendor sensor batch plant", "hotel guest room booking flight", "nothing known here"):
        for max_tokens in (300, 1500):
            context = link_schema(Question(text=question), large_schema, (), max_tokens=max_tokens)

            used = sum(index.tokens[index.numbers[name]] for name in names(context))
            assert context.tables
            assert used <= max_tokens or len(context.tables) == 1


def test_linking_is_repeatable_and_ordered(large_schema: DatabaseSchema) -> None:
    question = Question(text="hotel bookings and flights of each guest")

    contexts = [link_schema(question, large_schema, ()) for _ in range(3)]

    assert contexts[0] == contexts[1] == contexts[2]
    assert names(contexts[0]) == sorted(names(contexts[0]))


def test_a_thousand_tables_are_searched_within_50_ms(large_schema: DatabaseSchema) -> None:
    index_schema(large_schema)
    questions = [Question(text=f"{first} per {second}") for first, second in zip(THINGS, THINGS[1:], strict=False)]

    started = time.process_time()
    for question in questions:
        link_schema(question, large_schema, ())
    elapsed_s = time.process_time() - started

    assert elapsed_s / len(questions) < 0.05


def test_a_wide_table_keeps_keys_and_what_is_asked_for() -> None:
    wide = Table(
        name="measurement",
        columns=(column("id"), *(column(f"reading_{n}") for n in range(80)), column("humidity"), column("site_id")),
        primary_key=("id",),
        foreign_keys=(key("site_id", "site"),),
    )
    site = Table(name="site", columns=(column("id"), column("town", "text")), primary_key=("id",))

    context = link_schema(Question(text="humidity by town of the site"), schema_of(wide, site), (), max_tokens=300)

    assert names(context) == ["measurement", "site"]
    kept = [found.name for found in context.tables[0].columns]
    assert {"id", "humidity", "site_id"} <= set(kept)
    assert len(kept) < 30


def test_camel_case_and_short_forms_are_read() -> None:
    padding = [Table(name=f"Filler{n}", columns=tuple(column(f"padding{m}") for m in range(20))) for n in range(20)]
    orders = Table(name="tblCustOrd", columns=(column("OrdNo"), column("CustNm", "text"), column("QtyShipped")))

    for question in ("customers by name", "shipped quantity", "number of the order"):
        context = link_schema(Question(text=question), schema_of(*padding, orders), (), max_tokens=400)

        assert "tblCustOrd" in names(context)


def test_tables_without_foreign_keys_are_joined_by_the_names_of_columns() -> None:
    author = Table(name="author", columns=(column("author_id"), column("surname", "text")), primary_key=("author_id",))
    novel = Table(
        name="novel",
        columns=(column("novel_id"), column("author_id"), column("publisher_id")),
        primary_key=("novel_id",),
    )
    publisher = Table(
        name="publisher", columns=(column("publisher_id"), column("city", "text")), primary_key=("publisher_id",)
    )
    fillers = [Table(name=f"zz{n}", columns=tuple(column(f"c{n}_{m}") for m in range(20))) for n in range(10)]

    context = link_schema(
        Question(text="surname by publisher city"), schema_of(author, novel, publisher, *fillers), (), max_tokens=300
    )

    assert names(context) == ["author", "novel", "publisher"]


def test_terms_the_question_touches_are_given(shop_db: Database) -> None:
    context = link_schema(Question(text="What turnover did we make in Garden?"), shop_db.schema(), ())

    assert "revenue" in [entry.term for entry in context.glossary]


def test_terms_are_found_by_their_synonyms_in_any_form() -> None:
    churn = GlossaryEntry(term="churn", synonyms=("lost client", "who left {}"), meaning="Gone.")
    other = GlossaryEntry(term="uptake", meaning="Come.", synonyms=("in {}",))
    schema = schema_of(Table(name="client", columns=(column("id"),)), glossary=(churn, other))

    for text in ("how much CHURN", "all lost clients", "people who left us"):
        assert link_schema(Question(text=text), schema, ()).glossary == (churn,)
    assert link_schema(Question(text="clients in Rome"), schema, ()).glossary == ()


def test_a_touched_term_brings_the_tables_of_its_sql() -> None:
    fillers = [Table(name=f"f{n}", columns=tuple(column(f"c{n}_{m}") for m in range(20))) for n in range(10)]
    ledger = Table(name="ledger", columns=(column("id"), column("booked")))
    term = GlossaryEntry(term="turnover", meaning="Money.", sql="SUM(ledger.booked)")

    schema = schema_of(*fillers, ledger, glossary=(term,))

    assert "ledger" in names(link_schema(Question(text="our turnover"), schema, (), max_tokens=200))


def test_the_index_is_built_once_and_again_when_comments_change() -> None:
    first = schema_of(Table(name="client", columns=(column("id"),)))
    changed = schema_of(Table(name="client", columns=(column("id", comment="number of the client"),)))

    assert index_schema(first) is index_schema(first)
    assert index_schema(first) is index_schema(first.model_copy())
    assert index_schema(changed) is not index_schema(first)
