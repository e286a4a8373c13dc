"""Masked columns: no value of one gets into an example, and prompts show them as the assistant does."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from assistant.database import connect, connect_as_set
from assistant.masking import masked_columns
from assistant.prompts import render_prompt
from assistant.schema import with_listing
from assistant.settings import Settings
from assistant.types import DatabaseSchema, GlossaryEntry, Question, SchemaContext
from assistant.values import ValueIndex
from training.datagen.data_copy import DataCopy
from training.datagen.drafts import Draft
from training.datagen.generate import DatagenConfig, generate, main
from training.datagen.glossary import build_lexicon
from training.datagen.grammar import Grammar
from training.datagen.opening import open_subject
from training.datagen.slices import read_triples
from training.datagen.triples import Dropped, Triple
from training.datagen.validation import Bench, Validator
from training.example_bank import choose_bank
from training.retrain_config import RetrainConfig
from training.retrain_data import fill_pool, read_pool
from training.schema_changes import SchemaChanges
from training.situation import look_around

MASKED = ("person.email", "*.salary", "visit.secret_note")
SECRETS = ("geheim", "zeta-", "7654", "8765")
"""A part of every masked value."""


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which masked columns would be asked about: few values, a name, an amount."""
    path = tmp_path_factory.mktemp("clinic") / "clinic.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """CREATE TABLE person (person_id INTEGER PRIMARY KEY, email TEXT NOT NULL, city TEXT, salary REAL);
            CREATE TABLE visit (visit_id INTEGER PRIMARY KEY, person_id INTEGER REFERENCES person(person_id),
            visited_on DATE NOT NULL, secret_note TEXT, kind TEXT);"""
        )
        for i in range(1, 61):
            person = (i, f"p{i}@geheim{i}.example", ("Wien", "Graz", "Linz")[i % 3], (7654.25, 8765.75)[i % 2])
            connection.execute("INSERT INTO person VALUES (?, ?, ?, ?)", person)
        for i in range(1, 241):
            note = ("zeta-flu", "zeta-burn", None)[i % 3]
            visit = (i, 1 + i * 7 % 60, f"202{2 + i % 4}-0{1 + i % 9}-{10 + i % 17}", note, ("first", "later")[i % 2])
            connection.execute("INSERT INTO visit VALUES (?, ?, ?, ?, ?)", visit)
        connection.commit()
    return path


@pytest.fixture(scope="module")
def out(clinic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masked")
    generate(
        DatagenConfig(
            database_url=str(clinic), out=folder, count=400, masked=MASKED, layout="listed", languages="en,de"
        )
    )
    return folder


def read_all(out: Path) -> list[Triple]:
    return [triple for name in ("train", "eval") for triple in read_triples(out / f"{name}.jsonl")]


def test_without_masks_the_values_are_asked_about(clinic: Path, tmp_path: Path) -> None:
    generate(DatagenConfig(database_url=str(clinic), out=tmp_path, count=150))
    text = (tmp_path / "train.jsonl").read_text()
    assert "zeta-" in text
    assert "geheim" in text


def test_no_file_holds_a_masked_value(out: Path) -> None:
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) >= 7
    for path in files:
        text = path.read_text().casefold()
        assert not [secret for secret in SECRETS if secret in text], path


def test_masked_columns_are_asked_for_as_the_assistant_answers(out: Path, clinic: Path) -> None:
    triples = read_all(out)
    named = [triple for triple in triples if {"person.email", "visit.secret_note"} & set(triple.columns)]
    assert len(named) > 10
    with closing(connect(str(clinic), masked=MASKED)) as database:
        schema = database.schema()
    with closing(Validator(Bench(schema, str(clinic)))) as validator:
        for triple in named:
            facts = validator.examine(triple.sql)
            assert not isinstance(facts, str), (triple.sql, facts)
            assert facts.result_digest == triple.result_digest  # of covered cells


def test_the_prompt_shows_them_as_the_assistant_does(out: Path, clinic: Path) -> None:
    settings = Settings(database_url=str(clinic), masked_columns=", ".join(MASKED))
    with closing(connect_as_set(settings)) as database:
        schema = database.schema()
        values = ValueIndex.build(database, schema)
    bare = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)
    compared = 0
    for triple in (t for t in read_all(out) if t.kind != "repair"):
        question = Question(text=triple.question, history=triple.history)
        full = bare.model_copy(update={"values": values.match(triple.question)})
        shown = [
            render_prompt(question, context, "listed").messages
            for plain in (bare, full)
            for context in (plain, with_listing(plain, question, schema))
        ]
        assert triple.messages in shown, triple.question
        compared += 1
    assert compared > 300
    lines = json.loads((out / "train.json").read_text())
    assert any("masked" in line["instruction"] for line in lines)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM person WHERE email = 'p1@geheim1.example'",
        "SELECT AVG(salary) FROM person",
        "SELECT secret_note, COUNT(*) FROM visit GROUP BY secret_note",
        "SELECT person_id FROM person ORDER BY salary DESC LIMIT 1",
    ],
)
def test_a_statement_that_tells_of_a_masked_value_is_dropped(clinic: Path, sql: str) -> None:
    with closing(connect(str(clinic), masked=MASKED)) as database:
        schema = database.schema()
    with closing(Validator(Bench(schema, str(clinic)))) as validator:
        (verdict,) = validator.validate([Draft(kind="x", question="Who is it?", reply=sql)], "1:1")
    assert isinstance(verdict, Dropped)
    assert verdict.reason == "guard: masked-column"


def test_the_grammar_knows_no_masked_value_and_no_name_by_one(clinic: Path, tmp_path: Path) -> None:
    with closing(connect(str(clinic), masked=MASKED)) as database:
        schema = database.schema()
    assert masked_columns(schema) == ("person.email", "person.salary", "visit.secret_note")
    with open_subject(str(clinic), tmp_path, has_variants=False) as plain:
        assert ("person", "email") in plain.grammar.world.texts
    entry = GlossaryEntry(term="pay bill", meaning="Salaries added up.", sql="SUM(person.salary)")
    assert build_lexicon(plain.schema.model_copy(update={"glossary": (entry,)})).measures
    assert not build_lexicon(schema.model_copy(update={"glossary": (entry,)})).measures
    with closing(DataCopy(clinic, tmp_path / "copy", schema.tables)) as data:
        world = Grammar(schema, data).world
        with closing(connect(str(data.path))) as copied:
            assert masked_columns(copied.schema()) == masked_columns(schema)
    for found in (world.texts, world.numbers):
        assert not [key for key in found if f"{key[0]}.{key[1]}" in masked_columns(schema)]
    assert "person" not in world.lexicon.labels


def test_masks_of_the_settings_and_of_the_glossary_file_hold_on_the_command_line(
    clinic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.toml").write_text('masked = ["visit.secret_note"]\n')
    monkeypatch.setenv("QUERYFORGE_MASKED_COLUMNS", "*.email, person.salary, *.no_such")
    flags = ["--db", str(clinic), "--out", str(tmp_path / "out"), "--count", "120"]
    assert main([*flags, "--glossary", str(tmp_path / "words.toml")]) == 0
    assert "No column of 'clinic' is masked by '*.no_such'." in capsys.readouterr().err
    text = (tmp_path / "out" / "train.jsonl").read_text().casefold()
    assert not [secret for secret in SECRETS if secret in text]


def test_other_masks_make_other_data(clinic: Path, tmp_path: Path) -> None:
    first = generate(DatagenConfig(database_url=str(clinic), out=tmp_path, count=60))
    second = generate(DatagenConfig(database_url=str(clinic), out=tmp_path, count=60, masked=MASKED))
    assert first.identity != second.identity
    assert "zeta-" not in (tmp_path / "train.jsonl").read_text()


def test_retraining_forgets_what_was_masked_since(clinic: Path, tmp_path: Path) -> None:
    generate(DatagenConfig(database_url=str(clinic), out=tmp_path / "before", count=150))
    old = read_all(tmp_path / "before")
    settings = Settings(
        database_url=str(clinic),
        masked_columns=", ".join(MASKED),
        memory_url=str(tmp_path / "memory.sqlite"),
        models_path=tmp_path / "models",
    )
    config = RetrainConfig(settings=settings, runs=tmp_path / "runs")
    schema = look_around(config).schema
    assert masked_columns(schema) == ("person.email", "person.salary", "visit.secret_note")
    unmasked = look_around(config.model_copy(update={"settings": settings.model_copy(update={"masked_columns": ""})}))
    assert config.digest(schema, ()) != config.digest(unmasked.schema, ())

    def fill(name: str, before: Path | None, triples: list[Triple], shown: DatabaseSchema) -> Path:
        fill_pool(
            tmp_path / name, triples, database_url=str(clinic), schema=shown, changes=SchemaChanges(),
            before=before, most_kept=500, pairs=(), excluded=frozenset(), stop=threading.Event(),
        )  # fmt: skip
        return tmp_path / name

    earlier = fill("pool-1.jsonl", None, old, unmasked.schema)
    assert "zeta-" in earlier.read_text()
    pool = fill("pool-2.jsonl", earlier, [], schema)
    kept = [line.triple for line in read_pool(pool)]
    assert len(kept) > 30
    text = pool.read_text().casefold() + "".join(pair.question + pair.sql for pair in choose_bank(kept))
    assert not [secret for secret in SECRETS if secret in text]
