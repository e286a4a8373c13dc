from __future__ import annotations

from pathlib import Path

import pytest

from assistant.drivers.introspection import fingerprint
from assistant.errors import DataError
from tests.training.corpus.tiny_corpus import QUESTIONS, WIKI, write_corpus
from training.corpus.reading import HELD_OUT, read_questions, read_schemas, read_wikisql


def test_schemas_are_read_as_the_project_knows_them(tmp_path: Path) -> None:
    schema = read_schemas(write_corpus(tmp_path))["ships"]
    ship, captain = schema.tables
    assert (ship.name, ship.primary_key, ship.row_estimate) == ("Ship", ("Ship_ID",), 4)
    assert [(key.columns, key.ref_table, key.ref_columns) for key in captain.foreign_keys] == [
        (("mentor",), "captain", ("id",)),
        (("ship",), "Ship", ("Ship_ID",)),
    ]
    assert [column.kind for column in ship.columns] == ["integer", "text", "integer", "text"]
    assert [column.comment for column in ship.columns] == ["", "", "", "home port"]
    assert ship.columns[2].samples == ("100", "250")
    assert schema.fingerprint == fingerprint(schema.tables)


def test_held_out_databases_are_read_only_when_asked_for(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path)
    trained, held_out = list(read_questions(folder)), list(read_questions(folder, held_out=True))
    assert [row.source for row in trained] == ["spider"] * len(QUESTIONS) + ["spider_syn"]
    assert {row.db_id for row in held_out} == {"film_rank"}
    assert not HELD_OUT & {row.db_id for row in trained}


def test_tables_of_wikisql_get_the_name_they_are_given(tmp_path: Path) -> None:
    rows = list(read_wikisql(write_corpus(tmp_path), lambda table_id, columns: f"My {columns[0]}"))
    assert len(rows) == len(WIKI)
    assert rows[1].sql == 'SELECT COUNT(venue) FROM "My venue" WHERE "crowd_(total)" = 1200'
    assert [table.name for table in rows[1].schema.tables] == ["My venue"]
    assert next(read_wikisql(tmp_path)).sql == WIKI[0]["sql"]


def test_a_corpus_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"spider_schemas\.json\.xz"):
        read_schemas(tmp_path)
    (tmp_path / "wikisql_train.jsonl.xz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"wikisql_train\.jsonl\.xz"):
        list(read_wikisql(tmp_path))
