"""Every number in every answer text of the public questions is found in its result.

The reading of numbers here shares nothing with `assistant.explain`: what that module overlooks must be seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.database import Database
from assistant.describing import describe_result, label_columns
from assistant.guard import check
from assistant.settings import SHIPPED_MODEL, Settings
from assistant.types import (
    Cell,
    Completion,
    GuardedQuery,
    QueryResult,
    Question,
    ResultColumn,
    SchemaContext,
    SqlDraft,
    Turn,
)
from evaluation.examples import Ask, list_asks, read_examples

QUESTIONS = Path(__file__).resolve().parents[2] / "scripts" / "demo" / "questions.jsonl"
ASKS = tuple(ask for example in read_examples(QUESTIONS) for ask in list_asks(example))
NUMBER = re.compile(r"(?<![\d.,])(?:(?<![\w-])-)?\d[\d,]*(?:\.\d+)?")
COUNT = re.compile(r"(?:^There are|the first|^The figures run over|^All|The list has) ([\d,]+)\b")


def unfounded(text: str, question: str, result: QueryResult) -> list[str]:
    """List the numbers of a text that are in no cell, no heading, not in the question and not the count of the rows."""
    rest = text
    # Text of cells stands as it is, or cut to the day; the longest first, as one may be a part of another.
    texts = {part for row in result.rows for cell in row if isinstance(cell, str) for part in (cell, cell[:10])}
    for part in sorted((part for part in texts if any(map(str.isdigit, part))), key=len, reverse=True):
        rest = re.sub(rf"(?<![\w.]){re.escape(part)}(?![\w])", " ", rest)
    given = {digits for name in (question, *(c.name for c in result.columns)) for digits in re.findall(r"\d+", name)}
    cells = [float(c) for row in result.rows for c in row if isinstance(c, int | float) and not isinstance(c, bool)]
    found = []
    for match in NUMBER.finditer(rest):
        written = match.group().rstrip(",")
        if not re.fullmatch(r"-?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?", written):
            found.append(written)
            continue
        value, decimals = float(written.replace(",", "")), len(written.partition(".")[2])
        is_count = value == len(result.rows)
        is_cell = any(_is_rounded(cell, value, decimals) for cell in cells)
        if not (is_count or is_cell or written in given):
            found.append(written)
    return found


def _is_rounded(cell: float, value: float, decimals: int) -> bool:
    if cell == value:
        return True
    # A whole number may stand for itself and .00 alone: 12.4 is not 12.
    least = 2 if decimals == 0 else decimals
    return decimals != 1 and math.isclose(cell, value, rel_tol=0, abs_tol=0.5 * 10**-least + 1e-9 * abs(cell))


def run_gold(database: Database, max_rows: int) -> Iterator[tuple[Ask, GuardedQuery, QueryResult]]:
    schema = database.schema()
    whole = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)
    for ask in ASKS:
        if ask.gold_sql:
            draft = SqlDraft(sql=ask.gold_sql, attempt=1, completion=Completion(text="", model=""))
            query = check(draft, whole, max_rows=max_rows)
            assert isinstance(query, GuardedQuery)
            result = database.run(query, timeout_s=30)
            assert isinstance(result, QueryResult)
            yield ask, query, result


@pytest.mark.parametrize("max_rows", [1000, 7])
def test_every_number_about_a_gold_result_is_in_it(shop_db: Database, max_rows: int) -> None:
    texts = {
        ask.name: (text, wrong)
        for ask, query, result in run_gold(shop_db, max_rows)
        for text in [describe_result(Question(text=ask.question), query, result)]
        for wrong in [unfounded(text, ask.question, result)]
    }
    assert len(texts) >= 140
    assert sum(bool(re.search(r"\d", text)) for text, _ in texts.values()) >= 120
    assert {name: found for name, found in texts.items() if found[1]} == {}


@pytest.mark.parametrize("max_rows", [1000, 7])
def test_what_is_counted_is_the_rows_or_a_cell(shop_db: Database, max_rows: int) -> None:
    counted = 0
    for ask, query, result in run_gold(shop_db, max_rows):
        text = describe_result(Question(text=ask.question), query, result)
        if len(result.rows) <= 1 or not (found := COUNT.search(text)):
            continue
        counted += 1
        assert int(found[1].replace(",", "")) == len(result.rows), text
        assert ("there are more" in text) == result.is_truncated, text
    assert counted >= 60


@pytest.mark.model
def test_every_number_in_the_assistants_own_answers_is_in_their_result(shop_db_path: Path) -> None:
    settings = Settings(
        database_url=str(shop_db_path), backend="llamacpp", model_path=SHIPPED_MODEL, recalls=False, threads=1
    )
    answered, wrong = 0, {}
    with Assistant(settings) as assistant:
        history: tuple[Turn, ...] = ()
        for ask in ASKS:
            history = history if (ask.turn or 1) > 1 else ()
            answer = assistant.ask(Question(text=ask.question, history=history))
            if answer.query is not None and answer.result is not None:
                answered += 1
                history = (*history, Turn(question=ask.question, sql=answer.query.sql))
                if found := unfounded(answer.text, ask.question, answer.result):
                    wrong[ask.name] = (answer.text, found)
            for reading in answer.alternatives:
                assert not unfounded(reading.text, f"{ask.question} {reading.sql}", reading.preview), reading.text
    assert answered >= 120
    assert wrong == {}


QUERY = GuardedQuery(sql="SELECT name, amount FROM t", dialect="sqlite", tables=("t",), is_ordered=False, max_rows=1000)


@pytest.mark.parametrize(
    "cells",
    [
        (0.1 + 0.2, 1e22, -0.0),
        (0.005, -0.00449, 123456.785),
        (1234567, -1234567.891, 0.999),
        (2.675, 1.005, -2.5),
        (1e-9, -1e-17, 12.0),
        (99.995, 999.999, 0.0095),
        (9007199254740993, 1e15 + 0.3, 7),
        (None, 3.14159, 2),
    ],
)
@pytest.mark.parametrize("name", ["amount", "top_3_share", "customer_key", "percent"])
def test_awkward_figures_are_written_as_they_are(cells: tuple[Cell, ...], name: str) -> None:
    columns = (ResultColumn(name="name", kind="text"), ResultColumn(name=name, kind="float"))
    rows = tuple((f"Item {place} 4K, 50%", cell) for place, cell in enumerate(cells))
    for result in (
        QueryResult(columns=columns, rows=rows, is_truncated=False, elapsed_ms=0),
        QueryResult(columns=columns, rows=rows, is_truncated=True, elapsed_ms=0),
        QueryResult(columns=columns[1:], rows=tuple(row[1:] for row in rows), is_truncated=False, elapsed_ms=0),
        *(QueryResult(columns=columns, rows=(row,), is_truncated=False, elapsed_ms=0) for row in rows),
    ):
        for shown in (result, label_columns(QUERY, result)):
            text = describe_result(Question(text="What?"), QUERY, shown)
            assert unfounded(text, "What?", shown) == [], text


def test_this_test_sees_what_is_wrong() -> None:
    columns = (ResultColumn(name="item", kind="text"), ResultColumn(name="top_3", kind="float"))
    result = QueryResult(
        columns=columns, rows=(("4K Monitor 27", 1234.567), ("B 2", 12.4)), is_truncated=False, elapsed_ms=0
    )
    right = "There are 2 rows: 4K Monitor 27 (1,234.57) and B 2 (12.40); the top 3 of 2024."
    assert unfounded(right, "In 2024?", result) == []
    for text, numbers in {
        "1,234.58": ["1,234.58"],
        "12": ["12"],
        "12.4%": [],
        "50%": ["50"],
        "3 rows of 4": ["4"],
        "5K Monitor": ["5"],
        "1.234,57": ["1.234"],
        "12,34.57": ["12,34.57"],
        "-12.40": ["-12.40"],
    }.items():
        assert unfounded(text, "", result) == numbers, text
