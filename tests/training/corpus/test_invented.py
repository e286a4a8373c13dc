"""Invented schemas: valid, varied, the same from the same chance, and the generator can ask about them."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from assistant.database import connect, load_glossary
from assistant.drivers.introspection import fingerprint
from assistant.types import DatabaseSchema
from training.corpus.invented import TABLE_COUNTS, draw_schema
from training.corpus.invented_domains import read_library
from training.corpus.rows import build_database
from training.datagen.drafts import BatchRequest
from training.datagen.glossary import build_lexicon
from training.datagen.opening import open_subject
from training.stale_terms import write_glossary

DRAWS = 300


@pytest.fixture(scope="module")
def schemas() -> list[DatabaseSchema]:
    return [draw_schema(random.Random(seed)) for seed in range(DRAWS)]


def test_there_are_enough_domains_with_enough_entities() -> None:
    domains = read_library().domains
    assert len(domains) >= 25
    assert all(6 <= len(entities) <= 12 for entities in domains.values())


def test_no_name_stands_twice_and_every_key_leads_somewhere(schemas: list[DatabaseSchema]) -> None:
    for schema in schemas:
        tables = {table.name: {column.name for column in table.columns} for table in schema.tables}
        assert len({name.casefold() for name in tables}) == len(schema.tables), schema.db_id
        for table in schema.tables:
            assert len({column.name.casefold() for column in table.columns}) == len(table.columns), schema.db_id
            assert set(table.primary_key) <= tables[table.name]
            assert table.primary_key
            for key in table.foreign_keys:
                assert set(key.columns) <= tables[table.name], schema.db_id
                target = next(other for other in schema.tables if other.name == key.ref_table)
                assert key.ref_columns == target.primary_key, schema.db_id


def test_schemas_are_varied(schemas: list[DatabaseSchema]) -> None:
    assert {len(schema.tables) for schema in schemas} <= set(TABLE_COUNTS)
    assert len({len(schema.tables) for schema in schemas}) >= 7
    assert len({schema.db_id.rpartition("_")[0] for schema in schemas}) >= 25
    assert len({schema.fingerprint for schema in schemas}) == DRAWS
    names = [column.name for schema in schemas for table in schema.tables for column in table.columns]
    assert len(set(names)) > 2000
    styles = Counter(
        "upper" if name.isupper() else "lower" if name.islower() else "camel" if name[0].islower() else "capitals"
        for name in names
    )
    assert all(styles[style] > len(names) * 0.03 for style in ("upper", "lower", "camel", "capitals")), styles
    keys = [(table, key) for schema in schemas for table in schema.tables for key in table.foreign_keys]
    assert sum(key.ref_table == table.name for table, key in keys) > 20
    pairs = Counter((id(table), key.ref_table) for table, key in keys)
    assert sum(count > 1 for count in pairs.values()) > 20  # two keys to one table
    assert sum(len(table.primary_key) > 1 for schema in schemas for table in schema.tables) > 20
    assert sum(bool(column.comment) for s in schemas for table in s.tables for column in table.columns) > 100


def test_most_tables_hang_together(schemas: list[DatabaseSchema]) -> None:
    tables = [(schema, table) for schema in schemas for table in schema.tables]
    referred = {(schema.db_id, key.ref_table) for schema, table in tables for key in table.foreign_keys}
    alone = [table for schema, table in tables if not table.foreign_keys and (schema.db_id, table.name) not in referred]
    assert len(alone) < 0.02 * len(tables)


def test_the_same_chance_draws_the_same_schema() -> None:
    assert draw_schema(random.Random(5)) == draw_schema(random.Random(5))
    assert draw_schema(random.Random(5)) != draw_schema(random.Random(6))


def test_glossaries_are_read_by_the_generator(schemas: list[DatabaseSchema], tmp_path: Path) -> None:
    with_terms = [schema for schema in schemas if schema.glossary]
    assert 0.2 * DRAWS < len(with_terms) < 0.5 * DRAWS
    lexicons = [build_lexicon(schema) for schema in with_terms]  # raises where a term names what is not there
    assert sum(len(lexicon.measures) for lexicon in lexicons) > 10
    assert sum(len(found) for lexicon in lexicons for found in lexicon.conditions.values()) > 10
    assert sum(len(found) for lexicon in lexicons for found in lexicon.figures.values()) > 5
    for schema in with_terms[:20]:
        path = tmp_path / "some.glossary.toml"
        write_glossary(path, schema.glossary)
        assert load_glossary(path) == schema.glossary


def test_a_file_of_a_schema_is_the_schema_and_can_be_asked_about(schemas: list[DatabaseSchema], tmp_path: Path) -> None:
    for number, schema in enumerate(schemas[:10]):
        path = tmp_path / f"{schema.db_id}.sqlite"
        build_database(schema, path, random.Random(number))
        if schema.glossary:
            write_glossary(path.with_suffix(".glossary.toml"), schema.glossary)
        with closing(connect(str(path))) as database:
            found = database.schema()
        assert found.fingerprint == schema.fingerprint == fingerprint(schema.tables)
        assert found.glossary == schema.glossary
    with open_subject(str(path), tmp_path / "work", has_variants=False) as subject:
        drafts = list(subject.grammar.draw(BatchRequest(seed="1", drafts=80)))
    assert len({draft.question for draft in drafts}) > 50
    assert len({draft.kind for draft in drafts}) > 8
