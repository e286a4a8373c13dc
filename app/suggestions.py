"""Questions that a database can answer, made from its schema alone, each tried before it is offered.

In: the Assistant of a database. Out: questions with SQL that passed the guard, ran, and returned rows that say
something. No model takes part, so they work on a database that no model knows; which columns are worth a question is
told by keys, kinds and names. Masked columns are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.audit import WatchedAssistant
from assistant.errors import QueryForgeError
from assistant.types import Answer, Column, Question, Record, Table

if TYPE_CHECKING:
    from assistant.agent import Assistant

MOST = 12
"""Questions that are offered."""
TRIED = 40
"""Questions that are tried at most: each is a query."""
_AMOUNTS = (
    "amount",
    "price",
    "total",
    "revenue",
    "cost",
    "value",
    "quantity",
    "salary",
    "sales",
    "budget",
    "stock",
    "score",
)
_QUOTES = {"mysql": "`"}


class Suggestion(Record):
    """A question that works."""

    question: str
    """The question."""
    sql: str
    """SQL that was seen to answer it."""


def suggest_questions(assistant: Assistant, *, most: int = MOST) -> tuple[Suggestion, ...]:
    """Make questions and keep those that return rows, of different kinds and tables first.

    Raises:
        DatabaseError: The schema cannot be read.
    """
    if isinstance(assistant, WatchedAssistant):
        assistant = assistant.unwatched  # what the page tries by itself, nobody has run
    schema = assistant.schema()
    tables = sorted(schema.tables, key=lambda table: (-len(table.foreign_keys), -(table.row_estimate or 0), table.name))
    kinds = [list(_questions_about(table, _QUOTES.get(schema.dialect, '"'), schema.dialect)) for table in tables]
    # First the best of each table, then the next of each.
    depth = max((len(found) for found in kinds), default=0)
    in_turn = [found[place] for place in range(depth) for found in kinds if place < len(found)]
    kept: list[Suggestion] = []
    for suggestion in in_turn[:TRIED]:
        if len(kept) < most and _works(suggestion, assistant):
            kept.append(suggestion)
    return tuple(kept)


def _works(suggestion: Suggestion, assistant: Assistant) -> bool:
    try:
        found = assistant.run_sql(Question(text=suggestion.question), suggestion.sql)
    except QueryForgeError:
        return False
    return (
        isinstance(found, Answer)
        and found.result is not None
        and any(cell not in (None, 0) for row in found.result.rows for cell in row)
    )


def _questions_about(table: Table, quote: str, dialect: str) -> Iterator[Suggestion]:
    def name(text: str) -> str:
        return quote + text.replace(quote, quote * 2) + quote

    keys = {*table.primary_key, *(column for key in table.foreign_keys for column in key.columns)}
    free = [column for column in table.columns if column.name not in keys and not column.is_masked]
    source, words = name(table.name), _words(table.name)
    groups = [column for column in free if column.kind in ("text", "boolean") and len(column.samples) >= 2]
    if groups:
        by = name(groups[0].name)
        yield Suggestion(
            question=f"How many {words} rows are there per {_words(groups[0].name)}?",
            sql=f"SELECT {by}, COUNT(*) AS {name('rows')} FROM {source} GROUP BY {by} ORDER BY COUNT(*) DESC",
        )
    amounts = [column for column in free if column.kind in ("integer", "float") and _is_amount(column)]
    label = next((column for column in free if column.kind == "text"), None)
    if amounts and label is not None:
        best, shown = name(amounts[0].name), name(label.name)
        yield Suggestion(
            question=f"Which 5 {words} rows have the highest {_words(amounts[0].name)}?",
            sql=f"SELECT {shown}, {best} FROM {source} WHERE {best} IS NOT NULL ORDER BY {best} DESC LIMIT 5",
        )
    days = [column for column in free if column.kind in ("date", "datetime")]
    if days:
        day = name(days[0].name)
        year = {"sqlite": f"strftime('%Y', {day})", "postgres": f"EXTRACT(YEAR FROM {day})"}.get(
            dialect, f"YEAR({day})"
        )
        yield Suggestion(
            question=f"How many {words} rows are there per year of {_words(days[0].name)}?",
            sql=f"SELECT {year} AS {name('year')}, COUNT(*) AS {name('rows')} FROM {source} "
            f"WHERE {day} IS NOT NULL GROUP BY {year} ORDER BY {year}",
        )
    if amounts:
        mean = name(amounts[0].name)
        yield Suggestion(
            question=f"What is the average {_words(amounts[0].name)} in {words}?",
            sql=f"SELECT AVG({mean}) AS {name('average')} FROM {source}",
        )
    yield Suggestion(
        question=f"How many rows does {words} have?", sql=f"SELECT COUNT(*) AS {name('rows')} FROM {source}"
    )


def _is_amount(column: Column) -> bool:
    lowered = column.name.lower()
    if lowered.endswith(("_id", "_key", "_code", "_no", "number", "year")) or lowered in ("id", "zip"):
        return False
    return column.kind == "float" or any(word in lowered for word in _AMOUNTS)


def _words(name: str) -> str:
    return " ".join(name.replace("_", " ").split())
