"""A corpus of three databases and a few tables, in the format of the public ones, with rows to run statements on."""

from __future__ import annotations

import json
import lzma
import sqlite3
from pathlib import Path
from typing import Any

from assistant.naming import quote_name
from assistant.types import DatabaseSchema


def column(name: str, kind: str = "text", label: str = "", samples: tuple[Any, ...] = ()) -> dict[str, Any]:
    sql_type = {"text": "VARCHAR(20)", "number": "INTEGER"}[kind]
    return {
        "name": name,
        "label": label or name.replace("_", " ").lower(),
        "type": kind,
        "sql_type": sql_type,
        "samples": list(samples),
    }


SHIPS: dict[str, Any] = {
    "tables": [
        {
            "name": "Ship",
            "label": "ship",
            "rows": 4,
            "primary_key": ["Ship_ID"],
            "columns": [
                column("Ship_ID", "number", samples=(1, 2)),
                column("Name", samples=("Orion", "Vega")),
                column("Tonnage", "number", samples=(100, 250)),
                column("hp", label="home port", samples=("Bergen", "Oslo")),
            ],
        },
        {
            "name": "captain",
            "label": "captain",
            "rows": 4,
            "primary_key": ["id"],
            "columns": [
                column("id", "number"),
                column("ship", "number"),
                column("Name", samples=("Ana", "Bo")),
                column("rank", samples=("junior", "senior")),
                column("mentor", "number"),
            ],
        },
    ],
    "foreign_keys": [
        {"table": "captain", "column": "ship", "ref_table": "Ship", "ref_column": "Ship_ID"},
        {"table": "captain", "column": "mentor", "ref_table": "captain", "ref_column": "id"},
    ],
}
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "Ship": [(1, "Orion", 100, "Oslo"), (2, "Vega", 250, "Bergen"), (3, "Lyra", 250, "Oslo"), (4, "Pyxis", 90, None)],
    "captain": [
        (1, 1, "Ana", "senior", None),
        (2, 2, "Bo", "junior", 1),
        (3, 2, "Cem", "senior", 1),
        (4, None, "Dee", "junior", 3),
        (5, 3, "Bo", "senior", 2),
    ],
}
PLAIN: dict[str, Any] = {
    "tables": [
        {"name": "film", "label": "film", "rows": 1, "primary_key": ["id"], "columns": [column("id", "number")]}
    ],
    "foreign_keys": [],
}
QUESTIONS = [
    ("How many ships are there with home port in Oslo?", "SELECT count(*) FROM Ship WHERE hp = 'Oslo'"),
    (
        "Show the names of captains and of their ships, by tonnage.",
        "SELECT T2.Name, T1.Name FROM Ship AS T1 JOIN captain AS T2 ON T1.Ship_ID = T2.ship ORDER BY T1.Tonnage ASC",
    ),
    (
        "Which ships have \n more than 1 captain?",
        "SELECT T1.Name FROM Ship AS T1 JOIN captain AS T2 ON T1.Ship_ID = T2.ship"
        " GROUP BY T2.ship HAVING count(*) > 1",
    ),
    (
        "Show the names of ships without a captain.",
        "SELECT Name FROM Ship WHERE Ship_ID NOT IN (SELECT ship FROM captain)",
    ),
    ("List all captains of rank Senior", "SELECT Name FROM captain WHERE rank = 'senior'"),
]  # fmt: skip
WIKI = [
    {
        "question": "What is the venue for Rovers on may 5?",
        "sql": "SELECT venue FROM table_1_77_2 WHERE \"date\" = 'may 5' AND home_team = 'rovers'",
        "table": "table_1_77_2",
        "columns": ["venue", "date", "home_team", "crowd_(total)"],
        "types": ["text", "text", "text", "real"],
    },
    {
        "question": "How many venues had a crowd of 1,200?",
        "sql": 'SELECT COUNT(venue) FROM table_1_77_2 WHERE "crowd_(total)" = 1200',
        "table": "table_1_77_2",
        "columns": ["venue", "date", "home_team", "crowd_(total)"],
        "types": ["text", "text", "text", "real"],
    },
    {
        "question": "Which album came first?",
        "sql": "SELECT album FROM table_2_5_1 WHERE place = 'never said'",
        "table": "table_2_5_1",
        "columns": ["album", "place"],
        "types": ["text", "text"],
    },
    {
        "question": "Which label released Dust?",
        "sql": "SELECT label FROM table_2_6_1 WHERE album = 'dust'",
        "table": "table_2_6_1",
        "columns": ["album", "label"],
        "types": ["text", "text"],
    },
]


def write_corpus(folder: Path) -> Path:
    """Write the files, all questions about ships; one database is a held-out one."""
    folder.mkdir(exist_ok=True)
    with lzma.open(folder / "spider_schemas.json.xz", "wt", encoding="utf-8") as file:
        json.dump({"ships": SHIPS, "film_rank": PLAIN}, file)
    asked = [{"db": "ships", "question": q, "sql": sql, "difficulty": "easy"} for q, sql in QUESTIONS]
    held = {"db": "film_rank", "question": "How many films are there?", "sql": "SELECT count(*) FROM film"}
    reworded = {
        "db": "ships",
        "question": "How many vessels are based in Oslo?",
        "original": QUESTIONS[0][0],
        "sql": QUESTIONS[0][1],
    }
    for name, rows in (
        ("spider_train", [*asked, held]),
        ("spider_paraphrases", [reworded]),
        ("wikisql_train", WIKI),
    ):
        with lzma.open(folder / f"{name}.jsonl.xz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def fill(schema: DatabaseSchema, table_names: dict[str, str] | None = None) -> sqlite3.Connection:
    """Make the database of ships, under the names that the schema has now; columns are in the same order."""
    connection = sqlite3.connect(":memory:")
    named = {name: name for name in ROWS} if table_names is None else table_names
    by_name = {table.name: table for table in schema.tables}
    for old, rows in ROWS.items():
        columns = ", ".join(f"{quote_name(c.name)} {c.sql_type}" for c in by_name[named[old]].columns)
        connection.execute(f"CREATE TABLE {quote_name(named[old])} ({columns})")
        signs = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {quote_name(named[old])} VALUES ({signs})", rows)
    return connection
