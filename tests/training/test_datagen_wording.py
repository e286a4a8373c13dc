"""Words that fit what a column is about: they are said of the right column, and nowhere where two could be meant."""

from __future__ import annotations

import random
import re
import sqlite3
from contextlib import closing

import pytest

from assistant.database import connect
from assistant.types import Column, DatabaseSchema, ForeignKey, Table
from tests.training.unseen import build_hospital
from training.datagen.asking import ask
from training.datagen.dimensions import draw_dimension
from training.datagen.filters import Filter, noun_phrase, verb_phrase
from training.datagen.fitting import extreme_question, money_question, number_pattern, value_filter
from training.datagen.glossary import build_lexicon
from training.datagen.kinds.aggregates import aggregate
from training.datagen.kinds.existence import existence
from training.datagen.kinds.lookups import lookup
from training.datagen.kinds.ranking import extreme_rows, sorted_list
from training.datagen.lexicon import Lexicon, ref
from training.datagen.qualities import find_done, find_money, find_quality, find_value_class
from training.datagen.reading import read_world
from training.datagen.specs import Spec, build, draw_spec
from training.datagen.world import Focus, World

TABLES = {
    "drug": 2000, "staff": 1500, "patient": 700, "payment": 700, "invoice": 1000, "surgery": 500, "equipment": 400,
    "admission": 500, "lab_result": 300, "prescription": 1500,
}  # fmt: skip
"""Tables that are asked about, with how often."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Questions about some tables of the hospital, with their SQL."""
    path = tmp_path_factory.mktemp("wording") / "hospital.sqlite"
    build_hospital(path)
    with closing(connect(str(path))) as database:
        schema = database.schema()
    with closing(sqlite3.connect(path)) as connection:
        world = read_world(build_lexicon(schema), connection, random.Random(3))
    found = []
    for table, count in TABLES.items():
        world.focus = Focus(table)
        for number in range(count):
            if spec := draw_spec(world):
                found.append((ask(world, spec), build(world, spec)))
            dimension = draw_dimension(world, table, depth=1, kinds=("label",)) if number < 200 else None
            if dimension:
                spec = Spec("top", table, dimensions=(dimension,), limit=5, is_sorted=True, is_bare=True)
                found.append((ask(world, spec), build(world, spec)))
            maker = (extreme_rows, lookup, existence, aggregate, sorted_list)[number % 5]
            if drawn := maker(world):
                found.append((drawn.question, drawn.sql))
    return found


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (r"(?:most expensive|priciest|dearest) (?:drug|equip)", r"ORDER BY (?:\w+\.)?(?:price_amt|cost_amt) DESC"),
        (r"(?:cheapest|least expensive) (?:drug|equip)", r"ORDER BY (?:\w+\.)?(?:price_amt|cost_amt)(?! DESC)"),
        (r"(?:best|highest)[- ]paid", r"ORDER BY (?:\w+\.)?salary_amt"),
        (r"(?:cheaper than|costing less than) [\d,.]+", r"(?:price|cost)_amt < "),
        (r"earn(?:ing)? more than", r"salary_amt > "),
        (r"fewer than [\w ]+ in stock", r"stock_qty < "),
        (r"longer than (?:(?!than).)+ minutes", r"(?:duration_min|avg_dur_min) > "),
        (r"longest surger(?:y|ies)", r"ORDER BY (?:\w+\.)?duration_min DESC"),
        (r"younger than \d", r"'now'.* < \d"),
        (r"born in (?:\w+ )?(?:19|20)\d\d\b(?! or)", r"birth_dt >= '(?:19|20)\d\d-"),
        (r"(?<!lead )\bsurgeons\b", r"\"role\" (?:= 'surgeon'|<> |IN )"),
        (r"(?<!-)\bactive (?:surgeon|nurse|doctor|clerk)s\b", r"is_active = 1"),
        (r"patients (?:from|in) (?:Colmar|Basel|Lahr)", r"city (?:= '(?:Colmar|Basel|Lahr)'|IN )"),
        (r"payments (?:paid |made )?by card", r"method = 'card'"),
        (r"works? in Cardiology", r"\w+\.name = 'Cardiology'"),
        (r"[Hh]ow much money (?:is|do we have) .*invoices", r"SELECT SUM\((?:\w+\.)?(?:total_)?amt\)"),
        (r"spend on .*equipment", r"SELECT SUM\((?:\w+\.)?cost_amt\) FROM equipment"),
        (r"did we get paid", r"SELECT SUM\((?:\w+\.)?amt\) FROM payment"),
        (r"patients (?:without an|with no|that have no) insurer\b", r"insurer_id IS NULL"),
        (r"without a technician", r"technician_id IS NULL"),
        (r"never (?:been )?prescribed", r"NOT EXISTS \(SELECT 1 FROM prescription"),
        (r"prescribed most often|most often prescribed|most prescribed", r"ORDER BY COUNT\(\*\) DESC LIMIT"),
        (r"(?:each|per|every) month of 20\d\d", r"strftime\('%Y-%m', .*-01-01'"),
        (r"first and last name", r"first_name, (?:\w+\.)?last_name"),
        (r"does [A-Z]\w+ cost|how (?:much|expensive) is [A-Z]\w+\?", r"SELECT price_amt FROM drug"),
        (r"(?:does|is) [A-Z]\w+ [A-Z]\w+ (?:earn|paid)\?", r"SELECT salary_amt FROM staff"),
    ],
)  # fmt: skip
def test_fitting_words_are_said_and_mean_their_column(asked: list[tuple[str, str]], said: str, meant: str) -> None:
    found = [(question, sql) for question, sql in asked if re.search(said, question)]
    assert found
    assert [(question, sql) for question, sql in found if not re.search(meant, sql)] == []


def test_usual_wordings_are_still_said(asked: list[tuple[str, str]]) -> None:
    dear = [question for question, sql in asked if sql.startswith("SELECT name FROM drug ORDER BY price_amt")]
    fitting = [question for question in dear if re.search("expensive|cheap|priciest|dearest|cost", question)]
    assert 0.1 * len(dear) < len(fitting) < 0.7 * len(dear)


# ---- where two columns could be meant


def make_table(name: str, columns: str, *keys: ForeignKey) -> Table:
    pairs = [column.split(":") for column in columns.split()]
    made = tuple(Column(name=each, sql_type=kind.upper(), kind=kind) for each, kind in pairs)  # type: ignore[arg-type]
    return Table(name=name, columns=made, primary_key=(pairs[0][0],), foreign_keys=keys)


def key(column: str, table: str) -> ForeignKey:
    return ForeignKey(columns=(column,), ref_table=table, ref_columns=("id",))


def make_lexicon(*tables: Table) -> Lexicon:
    return build_lexicon(DatabaseSchema(db_id="d", dialect="sqlite", tables=tables, fingerprint="f"))


STORE = (
    make_table(
        "product", "id:integer name:text list_price:float purchase_price:float weight_kg:float stock_qty:integer"
    ),
    make_table("customer", "id:integer full_name:text city:text birth_city:text age:integer"),
    make_table("branch", "id:integer name:text country:text floor_area:float"),
    make_table(
        "employee", "id:integer full_name:text job_title:text wage:float branch_id:integer", key("branch_id", "branch")
    ),
    make_table(
        "sale",
        "id:integer customer_id:integer branch_id:integer product_id:integer sold_on:date total_amt:float tax_amt:float"
        " payment_method:text status:text delivery_status:text",
        key("customer_id", "customer"),
        key("branch_id", "branch"),
        key("product_id", "product"),
    ),
    make_table("expense", "id:integer paid_on:date amount:float kind:text"),
    make_table("film", "id:integer title:text release_year:integer run_len:integer duration:integer rating:float"),
)


@pytest.fixture
def store() -> World:
    lexicon = make_lexicon(*STORE)
    with closing(sqlite3.connect(":memory:")) as connection:
        for table in STORE:
            connection.execute(f"CREATE TABLE {table.name} ({', '.join(column.name for column in table.columns)})")
        rows = [
            ("open", "open", "card"), ("closed", "late", "cash"), ("open", "sent", "card"), ("closed", "sent", "card"),
        ]  # fmt: skip
        for number, (status, delivery, method) in enumerate(rows * 3):
            values = (number, number, 1, number, "2025-01-01", 5.0, 1.0, method, status, delivery)
            connection.execute(f"INSERT INTO sale VALUES ({', '.join('?' * 10)})", values)
        for number, (home, birth) in enumerate([("Bern", "Bern"), ("Genf", "Bern"), ("Chur", "Ulm")] * 3):
            connection.execute("INSERT INTO customer VALUES (?, ?, ?, ?, ?)", (number, f"A{number} B", home, birth, 30))
        for number, job in enumerate(["Sales Manager", "Cashier", "IT"] * 3):
            connection.execute("INSERT INTO employee VALUES (?, ?, ?, ?, ?)", (number, f"C{number} D", job, 9.5, 1))
        return read_world(lexicon, connection, random.Random(4))


@pytest.mark.parametrize(
    ("table", "column", "quality"),
    [
        ("product", "list_price", ""), ("product", "purchase_price", ""), ("product", "weight_kg", "weight"),
        ("product", "stock_qty", "stock"), ("customer", "age", "age"), ("employee", "wage", "pay"),
        ("sale", "total_amt", ""), ("sale", "tax_amt", ""), ("expense", "amount", "amount"),
        ("film", "release_year", "year"), ("film", "duration", "length"), ("film", "rating", "rating"),
        ("branch", "floor_area", ""), ("film", "title", ""),
    ],
)  # fmt: skip
def test_a_column_has_adjectives_where_they_mean_it_alone(table: str, column: str, quality: str) -> None:
    assert find_quality(make_lexicon(*STORE), table, column) == quality


def test_money_is_not_named_where_there_is_one_kind_of_it_only(store: World) -> None:
    lexicon = store.lexicon
    assert find_money(lexicon, "expense") == ("amount", "spent")
    assert [find_money(lexicon, table) for table in ("sale", "product", "employee", "film")] == [("", "")] * 4
    text = money_question(store, "expense", ref("expense", "amount"), (Filter("rent {}", "kind = 'rent'"),))
    assert text
    assert "rent expenses" in text
    assert money_question(store, "sale", ref("sale", "total_amt"), ()) is None
    assert money_question(store, "expense", ref("expense", "id"), ()) is None


def test_a_value_stands_alone_where_one_column_has_it(store: World) -> None:
    def say(table: str, column: str, value: str) -> set[str]:
        drawn = (value_filter(store, (table, column), ref(table, column), value) for _ in range(60))
        return {noun_phrase(store.lexicon.nouns[table][0] + "s", [found]) for found in drawn if found}

    assert say("sale", "status", "open") == set()  # the delivery may be open as well
    assert "closed sales" in say("sale", "status", "closed")
    assert say("sale", "delivery_status", "late") == set()  # a late sale is none whose delivery is late
    assert "sales paid by card" in say("sale", "payment_method", "card")
    assert say("customer", "city", "Bern") == set()  # some were born there
    assert {"customers from Genf", "customers in Genf"} <= say("customer", "city", "Genf")
    assert say("customer", "birth_city", "Ulm") == set()
    assert {"sales managers", "employees working as sales managers"} <= say("employee", "job_title", "Sales Manager")
    assert say("employee", "job_title", "IT") == set()


def test_what_was_done_is_said_of_what_it_was_done_to(store: World) -> None:
    lexicon = store.lexicon
    done = {relation.target: find_done(lexicon, relation) for relation in lexicon.relations["sale"]}
    assert done == {"customer": "", "branch": "", "product": "sold"}
    shipper = make_table("shipper", "id:integer name:text")
    two = make_table(
        "order",
        "id:integer product_id:integer shipper_id:integer",
        key("product_id", "product"),
        key("shipper_id", "shipper"),
    )
    lexicon = make_lexicon(STORE[0], shipper, two)
    assert {find_done(lexicon, relation) for relation in lexicon.relations["order"]} == {""}  # one of two things


def test_a_noun_of_its_own_is_put_into_the_number_of_the_rows() -> None:
    surgeon = Filter("surgeon {}", "role = 'surgeon'", noun="surgeon")
    active = Filter("active {}", "is_active = 1")
    assert noun_phrase("staff", [active, surgeon]) == "active surgeons"
    assert noun_phrase("staff", [surgeon, active], is_plural=False) == "active surgeon"
    assert verb_phrase(surgeon) == "are surgeons"
    assert verb_phrase(Filter("{} longer than 5 minutes", "x > 5")) == "are longer than 5 minutes"


def test_comparisons_keep_their_number_and_its_unit(store: World) -> None:
    said = {number_pattern(store, ("product", "weight_kg"), "more than 12", "> 12") for _ in range(80)}
    assert "{} heavier than 12 kg" in said
    assert {words for words in said if words is None or not re.search(r"(?:12|twelve) kg$", words)} == set()
    assert number_pattern(store, ("product", "list_price"), "more than 12", "> 12") is None
    slots = {"row": "film", "rows": "films", "number": "3", "tail": ""}
    first = {extreme_question(store, "film", "duration", is_top=True, count=3, slots=slots) for _ in range(40)}
    assert "the 3 longest films" in first
    assert extreme_question(store, "product", "list_price", is_top=True, count=1, slots=slots) is None


@pytest.mark.parametrize(
    ("table", "column", "name"),
    [
        ("customer", "city", "home"), ("customer", "birth_city", ""), ("branch", "country", "place"),
        ("sale", "payment_method", "payment"), ("sale", "status", "kind"), ("sale", "delivery_status", ""),
        ("employee", "job_title", "role"), ("expense", "kind", "kind"),
    ],
)  # fmt: skip
def test_what_a_text_says_of_its_rows(table: str, column: str, name: str) -> None:
    assert find_value_class(make_lexicon(*STORE), table, column) == name
