"""Names of tables and columns: how they are written in SQL, and what people call the things they stand for."""

from __future__ import annotations

import random
import sqlite3
from datetime import date

import pytest
from sqlalchemy.dialects.mysql.reserved_words import RESERVED_WORDS_MARIADB, RESERVED_WORDS_MYSQL
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS as RESERVED_WORDS_POSTGRES
from sqlalchemy.dialects.sqlite.base import SQLiteIdentifierPreparer

from assistant.database import Database
from assistant.naming import aliases, quote_name, write_name
from assistant.types import Column, DatabaseSchema, ForeignKey, GlossaryEntry, Table
from training.datagen.derived import find_unit
from training.datagen.english import with_article
from training.datagen.filters import Filter
from training.datagen.glossary import build_lexicon
from training.datagen.lexicon import Lexicon, name_role, ref
from training.datagen.phrases import RELATIVE, date_range
from training.datagen.query import Query
from training.datagen.reading import read_world
from training.datagen.relation_filters import child_filter
from training.datagen.spoken import name_words, past_verb, plural_noun, say_column, say_table, singular
from training.datagen.styles import restyle


def make_table(name: str, columns: str, *keys: ForeignKey, comment: str = "") -> Table:
    """Make a table of columns written as "name:kind"; the first is its key."""
    pairs = [column.split(":") for column in columns.split()]
    made = tuple(Column(name=each, sql_type=kind.upper(), kind=kind) for each, kind in pairs)  # type: ignore[arg-type]
    return Table(name=name, columns=made, primary_key=(pairs[0][0],), foreign_keys=keys, comment=comment)


def key(column: str, table: str) -> ForeignKey:
    return ForeignKey(columns=(column,), ref_table=table, ref_columns=("id",))


def make_lexicon(*tables: Table) -> Lexicon:
    return build_lexicon(DatabaseSchema(db_id="d", dialect="sqlite", tables=tables, fingerprint="f"))


FLEET = make_lexicon(
    make_table("vehicle", "id:integer name:text bought_on:date"),
    make_table("person", "id:integer full_name:text birth_dt:date"),
    make_table(
        "trip",
        "id:integer vehicle_id:integer driver_id:integer co_driver_id:integer fuel_amt:float unit_price:float",
        key("vehicle_id", "vehicle"),
        key("driver_id", "person"),
        key("co_driver_id", "person"),
    ),
)


# ---- in SQL


def test_every_word_that_a_system_reserves_is_quoted() -> None:
    reserved = {
        *RESERVED_WORDS_MYSQL, *RESERVED_WORDS_MARIADB, *RESERVED_WORDS_POSTGRES,
        *SQLiteIdentifierPreparer.reserved_words,
    }  # fmt: skip
    words = {word.lower() for word in reserved if word.isidentifier()}
    assert len(words) >= 300
    assert {word for word in words if write_name(word) != f'"{word}"'} == set()


@pytest.mark.parametrize("name", ["Order", "order line", "2024_targets", "Größe", "Total$", "a.b", "it's", "group", ""])
def test_an_awkward_name_is_quoted(name: str) -> None:
    assert write_name(name) == f'"{name}"'


def test_a_quote_in_a_name_is_doubled() -> None:
    assert write_name('we"ird') == quote_name('we"ird') == '"we""ird"'


def test_names_of_the_demo_stand_bare(shop_db: Database) -> None:
    names = {n for table in shop_db.schema().tables for n in (table.name, *(c.name for c in table.columns))}
    assert len(names) >= 30
    assert {name for name in names if write_name(name) != name} == set()


def test_aliases_are_plain_whatever_the_tables_are_called() -> None:
    tables = ("Order", "2024_targets", "Übung", "as", "o", "select", "OrderItem", "order item", "ßß")
    given = aliases(tables)
    assert len(set(given.values())) == len(tables)
    assert all(write_name(alias) == alias for alias in given.values())
    assert not {alias for alias in given.values() if alias in tables}


def test_a_table_is_quoted_wherever_it_stands() -> None:
    table = make_table(
        "User",
        "ID:integer group:text Boss:integer",
        ForeignKey(columns=("Boss",), ref_table="User", ref_columns=("ID",)),
    )
    query = Query(make_lexicon(table), "User", select=[ref("User", "group")], needs_alias=True)
    assert query.sql() == 'SELECT u."group" FROM "User" u'
    query.needs_alias = False
    assert query.sql() == 'SELECT "group" FROM "User"'


# ---- in words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hire_dt", "hire date"),
        ("LoginName", "login name"),
        ("custAddr", "customer address"),
        ("avg_dur_min", "average duration minutes"),
        ("min_price", "minimum price"),
        ("Größe", "größe"),
        ("Line#", "line number"),
        ("disc %", "discount percent"),
        ("m085", "m085"),
        ("2nd Contact", "2nd contact"),
        ("dateofbirth", "date of birth"),
    ],
)
def test_a_name_is_put_into_words(name: str, words: str) -> None:
    assert name_words(name) == words


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("order items", "order item"), ("categories", "category"), ("addresses", "address"), ("boxes", "box"),
        ("status", "status"), ("people", "person"), ("news", "news"), ("bus", "bus"), ("analysis", "analysis"),
    ],
)  # fmt: skip
def test_singulars(many: str, one: str) -> None:
    assert singular(many) == one


def test_nouns_that_are_not_counted_stay() -> None:
    assert [plural_noun(noun) for noun in ("equipment", "diagnosis", "ward")] == ["equipment", "diagnoses", "wards"]


def test_a_column_has_its_abbreviation_its_comment_and_other_words_beside_the_usual_one() -> None:
    found = say_column("salary_amt", "Yearly pay. Before tax.", "person", frozenset())
    assert found[:2] == ["salary amount", "salary"]
    assert {"yearly pay", "salary amt"} <= set(found)
    assert say_column("birth_dt", "", "person", frozenset({"birthday"})) == ["birth date", "date of birth", "birth dt"]
    assert "name" in say_column("person_name", "", "person", frozenset())
    assert "name" not in say_column("person_name", "", "person", frozenset({"name"}))


def test_a_table_is_called_by_one_of_its_rows() -> None:
    assert say_table("tbl_Customers", "", frozenset()) == ["customer", "client"]
    assert say_table("cust", "Clients of ours", frozenset({"client"})) == ["customer", "clients of our"]


@pytest.mark.parametrize(("name", "verb"), [("issued_on", "issued"), ("paidAt", "paid"), ("due_on", ""), ("paid", "")])
def test_what_was_done_at_a_date(name: str, verb: str) -> None:
    assert past_verb(name) == verb


def test_units_are_read_from_comments() -> None:
    assert [find_unit(text) for text in ("Price in euros.", "Length in minutes", "Pieces", "dayshift")] == [
        "euros", "minutes", "", "",
    ]  # fmt: skip


def test_articles() -> None:
    assert [with_article(noun) for noun in ("order", "client", "hours", "status")] == [
        "an order", "a client", "hours", "a status",
    ]  # fmt: skip


# ---- what a schema gives without a glossary


def test_two_keys_to_one_table_are_told_apart_by_their_roles() -> None:
    roles = [relation.words for relation in FLEET.relations["trip"] if relation.target == "person"]
    assert roles == [("driver",), ("co driver",)]
    assert name_role(("co_driver_id",)) == "co driver"
    (vehicle,) = (relation for relation in FLEET.relations["trip"] if relation.target == "vehicle")
    assert vehicle.words == ()


def test_amounts_are_added_up_and_prices_are_not() -> None:
    assert [measure.words[0] for measure in FLEET.measures] == ["total fuel amount of trips"]
    assert FLEET.measures[0].sql == f"SUM({ref('trip', 'fuel_amt')})"


def test_a_date_of_birth_gives_an_age() -> None:
    (age,) = FLEET.figures["person"]
    assert age.words[0] == "age"
    with sqlite3.connect(":memory:") as connection:
        sql = age.sql.replace(ref("person", "birth_dt"), "date('now', '-30 years', '-1 day')")
        assert connection.execute(f"SELECT {sql}").fetchone() == (30,)


def test_the_role_is_said_where_rows_are_tied_to_others_in_two_ways() -> None:
    with sqlite3.connect(":memory:") as connection:
        for table in FLEET.schema.tables:
            connection.execute(f"CREATE TABLE {table.name} ({', '.join(column.name for column in table.columns)})")
        world = read_world(FLEET, connection, random.Random(1))
    found = [f for _ in range(60) if (f := child_filter(world, "person"))]
    assert len(found) >= 30
    for chosen in found:
        role = "co driver" if "co_driver_id" in chosen.sql else "driver"
        assert chosen.pattern.endswith(f" as {role}") or f" as {role} " in f"{chosen.pattern} "


def test_spans_reckoned_from_today_are_what_they_say() -> None:
    rng = random.Random(2)
    said: dict[str, str] = {}
    while len(said) < len(RELATIVE):
        span = date_range(rng, date(2020, 1, 1), date(2025, 12, 31))
        if span.is_relative:
            said[span.sql("d")] = span.words
    assert any("last month" in words or "previous month" in words or "month before" in words for words in said.values())
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (d)")
        connection.execute("INSERT INTO t VALUES (date('now', 'start of month', '-1 day'))")
        counts = {sql: connection.execute(f"SELECT COUNT(*) FROM t WHERE {sql}").fetchone()[0] for sql in said}
        inside = {said[sql]: count for sql, count in counts.items()}
    for words, count in inside.items():
        if "month" in words:
            assert count == int("last" in words or "previous" in words or "before" in words), words


def test_a_question_gets_one_article_and_no_doubled_word() -> None:
    rng = random.Random(5)
    written = [restyle(rng, "What is the total total amount of a order with a unit and a user?") for _ in range(100)]
    plain = {text.lower() for text, style in written if style == "plain"}
    assert plain == {"what is the total amount of an order with a unit and a user?"}


def test_a_polite_question_gets_nothing_more_before_it() -> None:
    rng = random.Random(6)
    texts = {
        text for _ in range(300) for text, style in [restyle(rng, "Can you count the trips?")] if style == "polite"
    }
    assert texts
    assert {text for text in texts if not text.startswith("Can you count the trips")} == set()


def test_only_filters_that_can_be_changed_say_so() -> None:
    assert Filter("{} in 2024", "x >= '2024-01-01'", target="x").is_date
    assert not Filter("{} from Austria", "x = 'Austria'", target="x", value="Austria").is_date
    assert not Filter("{} over 3", "x > 3").is_date


def test_a_table_that_the_glossary_leaves_out_is_guessed_and_the_others_are_not() -> None:
    entry = GlossaryEntry(term="fuel", meaning="m", sql="SUM(trip.fuel_amt)")
    tables = (*FLEET.schema.tables, make_table("toll", "id:integer paid_amt:float"))
    found = build_lexicon(FLEET.schema.model_copy(update={"tables": tables, "glossary": (entry,)}))
    assert found.spoken == {"trip"}
    assert [measure.words[0] for measure in found.measures] == ["fuel", "total paid amount of tolls"]
