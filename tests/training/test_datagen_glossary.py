"""The glossary: each form of SQL becomes words of its kind, and a mistake is named with its term."""

from __future__ import annotations

import pytest

from assistant import writing
from assistant.errors import UsageError
from assistant.types import Column, DatabaseSchema, ForeignKey, GlossaryEntry, Table
from training.datagen.english import in_words, with_article, year_in_words
from training.datagen.glossary import build_lexicon
from training.datagen.lexicon import Lexicon, ref
from training.datagen.query import Query, aliases

TABLES = (
    Table(
        name="client",
        columns=(
            Column(name="id", sql_type="INTEGER", kind="integer"),
            Column(name="full_name", sql_type="TEXT", kind="text"),
            Column(name="city", sql_type="TEXT", kind="text"),
        ),
        primary_key=("id",),
    ),
    Table(
        name="bill",
        columns=(
            Column(name="bill_no", sql_type="INTEGER", kind="integer"),
            Column(name="client_id", sql_type="INTEGER", kind="integer"),
            Column(name="payer_id", sql_type="INTEGER", kind="integer"),
            Column(name="amount", sql_type="REAL", kind="float"),
            Column(name="state", sql_type="TEXT", kind="text"),
            Column(name="sent", sql_type="DATE", kind="date"),
        ),
        primary_key=("bill_no",),
        foreign_keys=(ForeignKey(columns=("client_id",), ref_table="client", ref_columns=("id",)),),
    ),
)


def lexicon(*entries: tuple[str, str]) -> Lexicon:
    """Build a lexicon from terms (synonyms after a bar) and their SQL."""
    glossary = tuple(
        GlossaryEntry(term=names[0], synonyms=tuple(names[1:]), meaning="m", sql=sql)
        for text, sql in entries
        for names in [text.split("|")]
    )
    return build_lexicon(DatabaseSchema(db_id="d", dialect="sqlite", tables=TABLES, fingerprint="f", glossary=glossary))


def test_a_table_gives_nouns_and_a_column_words_and_patterns() -> None:
    found = lexicon(("customer|buyer", "client"), ("town|living in {}", "client.city"), ("bill number", "bill.bill_no"))
    assert found.nouns["client"] == ["customer", "buyer"]
    assert found.words["client", "city"] == ["town"]
    assert found.patterns["client", "city"] == ["living in {}"]
    assert found.named_keys == {("bill", "bill_no")}


def test_without_a_glossary_words_are_made_from_names() -> None:
    found = lexicon()
    assert found.nouns["bill"] == ["bill"]
    assert found.words["client", "full_name"] == ["full name"]
    assert found.labels == {"client": "full_name"}
    assert [relation.target for relation in found.relations["bill"]] == ["client"]


def test_conditions_figures_and_measures_are_told_apart() -> None:
    found = lexicon(
        ("open|open {}", "bill.state = 'open'"),
        ("age in days", "julianday('now') - julianday(bill.sent)"),
        ("turnover|income", "SUM(bill.amount) FILTER (WHERE bill.state <> 'void')"),
    )
    assert [condition.patterns for condition in found.conditions["bill"]] == [("open {}",)]
    assert [figure.words for figure in found.figures["bill"]] == [("age in days",)]
    (measure,) = found.measures
    assert measure.words == ("turnover", "income")
    assert measure.sql == f"SUM({ref('bill', 'amount')})"
    assert measure.default_filter == f"{ref('bill', 'state')} <> 'void'"
    assert measure.filter_column == ("bill", "state")


def test_a_second_road_to_a_table_can_be_used_beside_the_first() -> None:
    found = lexicon(
        ("client of a bill|of {}", "bill JOIN client"),
        ("payer|paid by {}", "bill JOIN client ON client.id = bill.payer_id"),
    )
    first, second = found.relations["bill"]
    query = Query(found, "bill", select=["COUNT(*)"])
    query.follow((first,))
    query.follow((second,))
    assert query.sql() == (
        "SELECT COUNT(*) FROM bill b JOIN client c ON c.id = b.client_id JOIN client c2 ON c2.id = b.payer_id"
    )


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("bill.amount +", "cannot be read"),
        ("SUM(bill.amount", "cannot be read"),
        ("bill.state = 'open", "cannot be read"),
        ("bill.total", "no column 'bill.total'"),
        ("SUM(amount)", "no column 'amount'"),
        ("COUNT(*)", "names no column"),
        ("bill JOIN vendor", "no table 'vendor'"),
        ("client JOIN bill", "'client' has no foreign key to 'bill'"),
        ("bill JOIN client ON client.nr = bill.payer_id", "no column 'client.nr'"),
        ("bill JOIN client ON", "names no column"),
    ],
)
def test_a_mistake_is_named_with_its_term(sql: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        lexicon(("secret sauce", sql))
    assert "'secret sauce'" in caught.value.message
    assert told in caught.value.message
    assert caught.value.hint


def test_aliases_are_unique_and_no_keywords() -> None:
    given = aliases(("customer", "contact", "sales_order", "Invoice", "item_state"))
    assert len(set(given.values())) == 5
    assert given["contact"] == "c"  # the first by name, whatever the order they come in
    assert given["item_state"] != "is"


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("order", "orders"),
        ("sales category", "sales categories"),
        ("box", "boxes"),
        ("day", "days"),
        ("staff", "staff"),
    ],
)
def test_plurals(noun: str, plural: str) -> None:
    assert writing.plural(noun) == plural


def test_numbers_names_and_articles_in_words() -> None:
    assert in_words(5250) == "five thousand two hundred fifty"
    assert in_words(42) == "forty-two"
    assert year_in_words(2024) == "twenty twenty-four"
    assert writing.humanise("salesOrder_key") == "sales order key"
    assert [with_article("order"), with_article("client")] == ["an order", "a client"]
