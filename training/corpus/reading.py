"""Read public corpora of questions with SQL: Spider, Spider-Syn, WikiSQL.

In: a folder with `spider_schemas.json.xz`, `spider_train.jsonl.xz`, `spider_paraphrases.jsonl.xz` and
`wikisql_train.jsonl.xz`. Out: schemas as the project knows them, and questions with their SQL as the corpus writes it.
The databases themselves are not there, only samples of their values. Changes no SQL but the name of WikiSQL's table.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from assistant.drivers.introspection import fingerprint, kind_of_sqlite_type
from assistant.errors import DataError
from assistant.naming import write_name
from assistant.types import Column, DatabaseSchema, ForeignKey, Record, Table
from assistant.words import split_name

SCHEMAS_FILE = "spider_schemas.json.xz"
SPIDER_FILE = "spider_train.jsonl.xz"
PARAPHRASES_FILE = "spider_paraphrases.jsonl.xz"
WIKISQL_FILE = "wikisql_train.jsonl.xz"

HELD_OUT = frozenset(
    {
        "apartment_rentals",
        "tracking_orders",
        "wine_1",
        "insurance_policies",
        "film_rank",
        "university_basketball",
        "store_product",
        "department_management",
    }
)
"""Databases of Spider that no model is ever trained on, so that it can be measured on them."""

_PLAIN_TYPES = {"text": "TEXT", "number": "INTEGER", "real": "REAL", "time": "DATETIME", "boolean": "BOOLEAN"}
"""Types for columns of which the corpus only tells what they roughly hold."""

TableNamer = Callable[[str, Sequence[str]], str]
"""Gives WikiSQL's table a name, from its id and its columns."""


class HumanQuestion(Record):
    """A question that a person wrote, with the SQL that answers it."""

    source: Literal["spider", "spider_syn", "wikisql"]
    """The corpus it comes from."""
    db_id: str
    """Database it is about; for WikiSQL, the id of its table."""
    question: str
    """The question in the person's own words."""
    sql: str
    """SQL as the corpus writes it."""


class WikiQuestion(NamedTuple):
    """A question about a table of its own."""

    schema: DatabaseSchema
    """One table, with the columns that some question uses."""
    question: str
    """The question in the person's own words."""
    sql: str
    """SQL as the corpus writes it, with the name that the table was given."""


def read_schemas(folder: Path) -> dict[str, DatabaseSchema]:
    """Read the schemas of Spider's databases, by name.

    Raises:
        DataError: The file is missing or not what it should be.
    """
    path = folder / SCHEMAS_FILE
    try:
        with lzma.open(path, "rt", encoding="utf-8") as file:
            found = json.load(file)
        return {name: _read_schema(name, facts) for name, facts in found.items()}
    except (OSError, ValueError, KeyError, lzma.LZMAError) as error:
        raise _unreadable(path, error) from error


def read_questions(folder: Path, held_out: bool = False) -> Iterator[HumanQuestion]:
    """Read the questions of Spider and of Spider-Syn.

    Args:
        folder: Where the corpora are.
        held_out: Read only those about the databases in `HELD_OUT`, which else are left out.

    Raises:
        DataError: A file is missing or not what it should be.
    """
    sources: tuple[tuple[Literal["spider", "spider_syn"], str], ...] = (
        ("spider", SPIDER_FILE),
        ("spider_syn", PARAPHRASES_FILE),
    )
    for source, file in sources:
        for row in _read_lines(folder / file, ("db", "question", "sql")):
            if (row["db"] in HELD_OUT) == held_out:
                yield HumanQuestion(source=source, db_id=row["db"], question=row["question"], sql=row["sql"])


def read_wikisql(folder: Path, name_table: TableNamer | None = None) -> Iterator[WikiQuestion]:
    """Read the questions of WikiSQL, each with the schema of its one table.

    Args:
        folder: Where the corpora are.
        name_table: Gives the table a name that says something; the corpus's ids, such as `table_1_10015132_11`, teach
            nothing. Called for each question. Without it the ids stay.

    Raises:
        DataError: The file is missing or not what it should be.
    """
    for row in _read_lines(folder / WIKISQL_FILE, ("question", "sql", "table", "columns", "types")):
        table_id: str = row["table"]
        name = name_table(table_id, row["columns"]) if name_table else table_id
        columns = tuple(
            Column(name=column, sql_type=_PLAIN_TYPES[kind], kind="float" if kind == "real" else "text")
            for column, kind in zip(row["columns"], row["types"], strict=True)
        )
        tables = (Table(name=name, columns=columns),)
        schema = DatabaseSchema(db_id=table_id, dialect="sqlite", tables=tables, fingerprint=fingerprint(tables))
        sql = row["sql"].replace(f" FROM {table_id}", f" FROM {write_name(name)}", 1)
        yield WikiQuestion(schema, row["question"], sql)


def _read_lines(path: Path, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    try:
        with lzma.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                if missing := [field for field in fields if field not in row]:
                    raise ValueError(f"a row has no field '{missing[0]}'")
                yield row
    except (OSError, ValueError, lzma.LZMAError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"Cannot read {path}: {error}", "Give the folder that holds the corpora, with their files whole.")


def _read_schema(name: str, facts: dict[str, Any]) -> DatabaseSchema:
    keys: dict[str, list[ForeignKey]] = {}
    for key in facts["foreign_keys"]:
        found = ForeignKey(columns=(key["column"],), ref_table=key["ref_table"], ref_columns=(key["ref_column"],))
        keys.setdefault(key["table"], []).append(found)
    tables = tuple(
        Table(
            name=table["name"],
            columns=tuple(_read_column(column) for column in table["columns"]),
            primary_key=tuple(table["primary_key"]),
            foreign_keys=tuple(sorted(keys.get(table["name"], ()), key=lambda key: (key.columns, key.ref_table))),
            comment=_comment(table["name"], table["label"]),
            row_estimate=table.get("rows"),
        )
        for table in sorted(facts["tables"], key=lambda table: str(table["name"]))
    )
    return DatabaseSchema(db_id=name, dialect="sqlite", tables=tables, fingerprint=fingerprint(tables))


def _read_column(facts: dict[str, Any]) -> Column:
    sql_type = facts.get("sql_type") or _PLAIN_TYPES.get(facts["type"], "TEXT")
    return Column(
        name=facts["name"],
        sql_type=sql_type,
        kind=kind_of_sqlite_type(sql_type),
        comment=_comment(facts["name"], facts["label"]),
        samples=tuple(str(sample) for sample in facts.get("samples", ())),
    )


def _comment(name: str, label: str) -> str:
    """Keep a label where its words are not those of the name: `fname` is the first name."""
    return label if "".join(split_name(label)) != "".join(split_name(name)) else ""
