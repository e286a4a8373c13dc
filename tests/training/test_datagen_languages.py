"""Questions in German, French and Spanish: what the SQL asks, said whole, with the names of the schema."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant.database import connect
from assistant.errors import UsageError
from tests.training.unseen import build_hospital
from training.datagen.data_copy import DataCopy
from training.datagen.drafts import BatchRequest, Draft
from training.datagen.generate import DatagenConfig, generate, main
from training.datagen.grammar import Grammar
from training.datagen.languages.language import open_language
from training.datagen.languages.multilingual import LANGUAGES, Multilingual, language_of, read_languages
from training.datagen.languages.names import Names
from training.datagen.languages.reading_sql import SqlReader
from training.datagen.languages.wording import Speaker
from training.datagen.patterns import FOLDER, load_wordings
from training.datagen.slices import read_triples
from training.datagen.triples import Triple
from training.retrain import build_parser
from training.retrain_config import RetrainConfig

OTHERS = ("de", "fr", "es")
ENGLISH_WORDS = re.compile(
    r"\b(the|of|how|many|which|what|with|without|show|give|there|are|between|than|have|does|were)\b"
)
SHOP = (
    (
        "SELECT COUNT(*) FROM sales_order WHERE order_date >= '2025-03-01' AND order_date < '2025-04-01'",
        ("März", "mars", "marzo"),
    ),
    (
        "SELECT COUNT(*) FROM sales_order WHERE order_date >= '2025-07-01' AND order_date < '2025-10-01'",
        ("Quartal|Q3", "trimestre|T3", "trimestre|T3"),
    ),
    (
        "SELECT COUNT(*) FROM sales_order WHERE status = 'shipped' AND channel IN ('app', 'web')",
        (" oder ", " ou ", " o "),
    ),
    (
        "SELECT channel, COUNT(*) FROM sales_order GROUP BY channel ORDER BY COUNT(*) DESC LIMIT 3",
        ("meisten", "le plus", "más"),
    ),
    (
        "SELECT AVG(unit_price) FROM product WHERE unit_price > 100",
        ("Durchschnitt|Mittelwert", "moyenne", "promedio|media|medio"),
    ),
    (
        "SELECT product_name FROM product ORDER BY unit_price DESC LIMIT 5",
        ("höchst|größt", "grandes|élevées", "mayores|altos"),
    ),
    (
        "SELECT cu.full_name FROM customer cu WHERE NOT EXISTS "
        "(SELECT 1 FROM sales_order so WHERE so.customer_key = cu.customer_key)",
        ("keine|ohne", "sans|pas", "sin|no tienen"),
    ),
    (
        "SELECT ROUND(100.0 * SUM(status = 'cancelled') / COUNT(*), 1) FROM sales_order",
        ("Prozent", "ourcentage", "orcentaje"),
    ),
    (
        "SELECT c.category_name, COUNT(*) FROM product pr JOIN category c ON c.category_key = pr.category_key "
        "GROUP BY c.category_key, c.category_name HAVING COUNT(*) >= 7",
        ("mindestens", "au moins", "al menos"),
    ),
    (
        "SELECT SUM(ol.quantity * ol.unit_price * (1 - ol.discount)) FROM order_line ol JOIN sales_order so "
        "ON so.order_key = ol.order_key WHERE so.status <> 'cancelled' AND so.order_date >= '2024-01-01' "
        "AND so.order_date < '2025-01-01'",
        ("2024", "2024", "2024"),
    ),
)
"""Statements on the demo database, and what the German, the French and the Spanish question must say."""


@pytest.fixture(scope="module")
def grammar(shop_db_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grammar]:
    with closing(connect(str(shop_db_path))) as database:
        schema = database.schema()
    with closing(DataCopy(shop_db_path, tmp_path_factory.mktemp("copy"), schema.tables)) as data:
        yield Grammar(schema, data)


@pytest.fixture(scope="module")
def drafts(grammar: Grammar) -> list[Draft]:
    """What is drawn in four languages."""
    return list(Multilingual(grammar, ("en", *OTHERS)).draw(BatchRequest("3:1", 1000)))


@pytest.fixture(scope="module")
def german(shop_db_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data in English and German."""
    out = tmp_path_factory.mktemp("german")
    generate(DatagenConfig(database_url=str(shop_db_path), out=out, count=250, languages="en,de"))
    return out


def read_all(out: Path) -> list[Triple]:
    return [triple for name in ("train", "eval") for triple in read_triples(out / f"{name}.jsonl")]


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize(("sql", "wanted"), SHOP)
def test_a_statement_is_said_in_each_language(grammar: Grammar, sql: str, wanted: tuple[str, ...], code: str) -> None:
    speaker = Speaker(grammar.world, Names(grammar.world), open_language(code))
    meaning = SqlReader(grammar.world).read(sql)
    assert meaning is not None
    said = [speaker.say(meaning, random.Random(seed)) for seed in range(25)]
    assert len(set(said)) > 5
    for text in said:
        assert text
        assert re.search(wanted[OTHERS.index(code)], text), text
        assert "{" not in text
        assert "\x04" not in text
        assert not ENGLISH_WORDS.search(text.lower()), text


def test_every_value_and_number_of_the_sql_is_in_the_question(drafts: list[Draft]) -> None:
    compared = 0
    for draft in drafts:
        if language_of(draft.style) == "en" or draft.style.endswith("typo") or draft.reply.startswith("--"):
            continue
        asked = draft.question.casefold()
        for value in re.findall(r"(?:<>|(?<![<>])=) '((?:[^']|'')+)'", draft.reply):
            # The default filter of a measure goes without saying, and a month of any year is said by its name.
            if value != "cancelled" and not re.fullmatch(r"\d\d(-\d\d)?", value):
                assert value.replace("''", "'").casefold() in asked, draft
                compared += 1
        for year in re.findall(r">= '(20\d\d)-01-01'", draft.reply):
            assert year in asked, draft
            compared += 1
    assert compared > 100


def test_no_sentence_is_half_english(drafts: list[Draft]) -> None:
    others = [draft for draft in drafts if language_of(draft.style) != "en" and not draft.style.endswith("typo")]
    assert Counter(language_of(draft.style) for draft in others).keys() == set(OTHERS)
    assert len(others) > 350
    for draft in others:
        values = [v.replace("''", "'") for v in re.findall(r"'((?:[^']|'')+)'", draft.reply)]
        text = draft.question.casefold()
        for value in sorted((value.strip("%").casefold() for value in values), key=len, reverse=True):
            text = text.replace(value, "") if value else text
        if draft.kind not in ("unanswerable", "refused"):  # which may name any row of any table
            assert not ENGLISH_WORDS.search(text), draft


def test_a_kind_without_words_stays_english(drafts: list[Draft]) -> None:
    spoken = {kind: {language_of(d.style) for d in drafts if d.kind == kind} for kind in {d.kind for d in drafts}}
    assert spoken["follow_up"] == {"en"}
    assert {"en", *OTHERS} <= spoken["spec_count"]
    assert {"en", *OTHERS} <= spoken["unanswerable"] | spoken["refused"]
    assert sum(codes > {"en"} for codes in spoken.values()) >= 20


def test_where_english_is_not_wanted_there_is_none(grammar: Grammar) -> None:
    drawn = list(Multilingual(grammar, ("fr",)).draw(BatchRequest("4:1", 400)))
    assert len(drawn) > 150
    assert {language_of(draft.style) for draft in drawn} == {"fr"}


def test_the_reason_of_a_declined_question_is_in_its_language(drafts: list[Draft]) -> None:
    reasons = {d.reply for d in drafts if d.kind == "refused" and language_of(d.style) == "de"}
    assert reasons == {"-- refused: hier kann nur gelesen werden"}


def test_with_english_alone_nothing_changes(grammar: Grammar, shop_db_path: Path, tmp_path: Path) -> None:
    request = BatchRequest("5:1", 300)
    assert list(Multilingual(grammar, ("en",)).draw(request)) == list(grammar.draw(request))
    for name, languages in (("none", ""), ("english", "English")):
        generate(DatagenConfig(database_url=str(shop_db_path), out=tmp_path / name, count=120, languages=languages))
    for file in ("train.jsonl", "eval.jsonl", "train.json", "coverage.json", "coverage.md"):
        assert (tmp_path / "none" / file).read_bytes() == (tmp_path / "english" / file).read_bytes()
    assert {language_of(triple.style) for triple in read_all(tmp_path / "none")} == {"en"}


def test_data_in_two_languages_are_verified_and_counted(german: Path, shop_db_path: Path) -> None:
    triples = read_all(german)
    counts = Counter(language_of(triple.style) for triple in triples)
    assert counts.keys() == {"en", "de"}
    assert counts["de"] >= 0.25 * len(triples)
    report = (german / "coverage.md").read_text()
    assert f"| de | {counts['de']} |" in report
    summary = generate(DatagenConfig(database_url=str(shop_db_path), out=german, count=250, languages="German,English"))
    assert summary.languages == counts  # named in another way, it is the same command, and already done
    for triple in (t for t in triples if t.sql and language_of(t.style) == "de"):
        assert any(triple.question in message.content for message in triple.messages)


def test_german_names_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "laden.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """CREATE TABLE kunden (kunden_id INTEGER PRIMARY KEY, name TEXT NOT NULL, ort TEXT, geburtsdatum DATE);
            CREATE TABLE bestellungen (bestell_id INTEGER PRIMARY KEY, kunden_id INTEGER REFERENCES kunden(kunden_id),
            bestelldatum DATE NOT NULL, status TEXT, menge INTEGER);"""
        )
        for i in range(1, 41):
            row = (i, f"Kundin Nr{i}", ("Wien", "Köln", "Bern")[i % 3], f"19{50 + i}-0{1 + i % 9}-11")
            connection.execute("INSERT INTO kunden VALUES (?, ?, ?, ?)", row)
            order = (i, 1 + i % 7, f"2024-0{1 + i % 9}-02", ("offen", "bezahlt")[i % 2], i % 11)
            connection.execute("INSERT INTO bestellungen VALUES (?, ?, ?, ?, ?)", order)
        connection.commit()
    with closing(connect(str(path))) as database:
        schema = database.schema()
    with closing(DataCopy(path, tmp_path / "copy", schema.tables)) as data:
        drawn = list(Multilingual(Grammar(schema, data), ("de",)).draw(BatchRequest("1:1", 500)))
    asked = [draft.question.casefold() for draft in drawn if draft.reply.startswith("SELECT")]
    assert len(asked) > 200
    assert sum("bestellungen" in text for text in asked) > 60
    assert not [text for text in asked if re.search(r"bestellungens|kundens|bestelldatums|total ", text)]


def test_a_schema_that_nobody_speaks_of_is_asked_about_too(tmp_path: Path) -> None:
    build_hospital(tmp_path / "hospital.sqlite")
    with closing(connect(str(tmp_path / "hospital.sqlite"))) as database:
        schema = database.schema()
    with closing(DataCopy(tmp_path / "hospital.sqlite", tmp_path / "copy", schema.tables)) as data:
        drawn = list(Multilingual(Grammar(schema, data), ("es",)).draw(BatchRequest("1:1", 600)))
    assert len({draft.reply for draft in drawn}) > 60
    assert all(language_of(draft.style) == "es" for draft in drawn)


def test_all_languages_have_the_same_lists_with_the_same_slots() -> None:
    german, *others = (load_wordings(FOLDER / "languages" / code) for code in LANGUAGES if code != "en")
    assert len(others) == 2
    for wordings in others:
        assert {name: w.slots for name, w in wordings.items()} == {name: w.slots for name, w in german.items()}


def test_languages_are_read_by_code_and_by_name() -> None:
    assert read_languages("") == ()
    assert read_languages("en, de") == ("en", "de")
    assert read_languages("German and français") == ("de", "fr")
    with pytest.raises(UsageError, match="no questions in 'klingon'"):
        read_languages("en,klingon")


def test_an_unknown_language_is_refused_before_any_work(shop_db_path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no questions in 'dutch'") as caught:
        main(["--db", str(shop_db_path), "--out", str(tmp_path / "out"), "--languages", "en,dutch"])
    assert "de (German)" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_retrain_takes_languages_and_only_then_is_it_another_command(shop_db_path: Path) -> None:
    assert build_parser().parse_args(["--languages", "en,de"]).languages == "en,de"
    from assistant.settings import Settings

    with closing(connect(str(shop_db_path))) as database:
        schema = database.schema()
    settings = Settings(database_url=str(shop_db_path))
    plain, german = RetrainConfig(settings=settings), RetrainConfig(settings=settings, languages="en,de")
    assert plain.digest(schema, ()) != german.digest(schema, ())
