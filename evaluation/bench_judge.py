"""The 1,000 pairs of `queryforge bench judge`: ten small databases, 20 gold queries each, five predictions each.

In: a folder. Out: the databases as files, and Asks with Predictions as an evaluation of five models would have them:
the gold text itself, the same in other words from two models, and two ways to be wrong. Measures nothing.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from evaluation.examples import Ask, Example, list_asks
from evaluation.records import Prediction

N_DATABASES = 10
N_LOANS = 12_000
"""As many rows as the largest table of the demo database, about."""
BRANCHES = ("North", "South", "East", "West", "Harbour", "Station")
GENRES = ("novel", "poetry", "history", "science", "travel", "children")

SCHEMA = """
CREATE TABLE branch (branch_id INTEGER PRIMARY KEY, branch_name TEXT NOT NULL, opened DATE NOT NULL);
CREATE TABLE book (book_id INTEGER PRIMARY KEY, title TEXT NOT NULL, genre TEXT NOT NULL, pages INTEGER, price REAL);
CREATE TABLE member (
  member_id INTEGER PRIMARY KEY, full_name TEXT NOT NULL, joined DATE NOT NULL, email TEXT,
  branch_id INTEGER NOT NULL REFERENCES branch (branch_id)
);
CREATE TABLE loan (
  loan_id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL REFERENCES member (member_id),
  book_id INTEGER NOT NULL REFERENCES book (book_id), taken DATE NOT NULL, returned DATE, fee REAL NOT NULL
);
CREATE INDEX loan_member ON loan (member_id);
CREATE INDEX loan_book ON loan (book_id);
"""

QUERIES = (
    (
        "SELECT COUNT(*) FROM loan WHERE taken >= '{year}-01-01'",
        "SELECT COUNT(l.loan_id) AS n FROM loan AS l WHERE l.taken >= '{year}-01-01'",
        "SELECT COUNT(*) FROM loan WHERE taken > '{year}-06-01'",
        "SELECT COUNT(DISTINCT member_id) FROM loan WHERE taken >= '{year}-01-01'",
    ),
    (
        "SELECT b.genre, SUM(l.fee) FROM loan l JOIN book b ON b.book_id = l.book_id WHERE l.taken >= '{year}-01-01' "
        "GROUP BY b.genre",
        "SELECT SUM(loan.fee) AS total, book.genre FROM book JOIN loan ON loan.book_id = book.book_id "
        "WHERE loan.taken >= '{year}-01-01' GROUP BY book.genre",
        "SELECT b.genre, AVG(l.fee) FROM loan l JOIN book b ON b.book_id = l.book_id WHERE l.taken >= '{year}-01-01' "
        "GROUP BY b.genre",
        "SELECT b.genre, COUNT(*) FROM loan l JOIN book b ON b.book_id = l.book_id GROUP BY b.genre",
    ),
    (
        "SELECT m.full_name, COUNT(*) AS n FROM loan l JOIN member m ON m.member_id = l.member_id "
        "WHERE l.taken >= '{year}-01-01' GROUP BY m.member_id, m.full_name ORDER BY n DESC, m.full_name LIMIT 10",
        "SELECT m.full_name, COUNT(l.loan_id) AS loans FROM member m JOIN loan l ON l.member_id = m.member_id "
        "WHERE l.taken >= '{year}-01-01' GROUP BY m.member_id, m.full_name ORDER BY loans DESC, full_name LIMIT 10",
        "SELECT m.full_name, COUNT(*) AS n FROM loan l JOIN member m ON m.member_id = l.member_id "
        "WHERE l.taken >= '{year}-01-01' GROUP BY m.member_id, m.full_name ORDER BY n ASC, m.full_name LIMIT 10",
        "SELECT m.full_name FROM member m ORDER BY m.full_name LIMIT 10",
    ),
    (
        "SELECT m.member_id, m.full_name FROM member m JOIN branch b ON b.branch_id = m.branch_id "
        "WHERE b.branch_name = '{branch}' AND m.joined < '{year}-01-01'",
        "SELECT full_name, member_id FROM member WHERE joined < '{year}-01-01' AND branch_id IN "
        "(SELECT branch_id FROM branch WHERE branch_name = '{branch}')",
        "SELECT m.member_id, m.full_name FROM member m JOIN branch b ON b.branch_id = m.branch_id "
        "WHERE b.branch_name = '{branch}'",
        "SELECT m.full_name FROM member m WHERE m.joined < '{year}-01-01'",
    ),
    (
        "SELECT title FROM book WHERE book_id NOT IN (SELECT book_id FROM loan WHERE taken >= '{year}-07-01')",
        "SELECT b.title FROM book b LEFT JOIN loan l ON l.book_id = b.book_id AND l.taken >= '{year}-07-01' "
        "WHERE l.loan_id IS NULL",
        "SELECT title FROM book WHERE book_id IN (SELECT book_id FROM loan WHERE taken >= '{year}-07-01')",
        "SELECT title FROM book",
    ),
)
"""Gold SQL, the same in other words, and two that are wrong."""

MODELS = (0, 1, 1, 2, 3)
"""Which of a row each of five models writes: models trained on the same data often write the same."""

YEARS = (2021, 2022, 2023, 2024)


def make_pairs(folder: Path) -> tuple[dict[str, str], list[tuple[Ask, Prediction]]]:
    """Make the databases and the pairs.

    Args:
        folder: Empty folder for the files.

    Returns:
        `db_id` -> path, and what is judged.
    """
    urls: dict[str, str] = {}
    pairs: list[tuple[Ask, Prediction]] = []
    for number in range(N_DATABASES):
        name = f"library{number}"
        chance = random.Random(number)
        _write_database(folder / f"{name}.sqlite", chance)
        urls[name] = str(folder / f"{name}.sqlite")
        pairs += _list_pairs(name, chance)
    return urls, pairs


def _list_pairs(name: str, chance: random.Random) -> Iterator[tuple[Ask, Prediction]]:
    for kind, queries in enumerate(QUERIES):
        for year in YEARS:
            words = {"year": year, "branch": chance.choice(BRANCHES)}
            texts = [query.format(**words) for query in queries]
            for model, place in enumerate(MODELS):
                example = Example(id=f"{name}-{kind}-{year}-{model}", question="-", gold_sql=texts[0], db_id=name)
                prediction = Prediction(id=example.id, sql=texts[place], status="answered", latency_ms=0.0)
                yield list_asks(example)[0], prediction


def _write_database(path: Path, chance: random.Random) -> None:
    def day() -> str:
        return f"{chance.choice((2020, *YEARS))}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"

    branches = [(i, name, day()) for i, name in enumerate(BRANCHES, start=1)]
    books = [
        (i, f"Book {chance.randint(1, 900)}", chance.choice(GENRES), chance.randint(60, 900), chance.random() * 40)
        for i in range(1, 501)
    ]
    members = [
        (i, f"Member {chance.randint(1, 900)}", day(), f"m{i}@example.org" if i % 5 else None, chance.randint(1, 6))
        for i in range(1, 401)
    ]
    loans = [
        (i, chance.randint(1, 400), chance.randint(1, 450), day(), day() if i % 7 else None, chance.random() * 5)
        for i in range(1, N_LOANS + 1)
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        for table, rows in (("branch", branches), ("book", books), ("member", members), ("loan", loans)):
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
