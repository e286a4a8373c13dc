"""What is written to a teacher, and how its replies are read. The schema is rendered as for every model (`prompts`).

In: statements, questions, targets. Out: Requests. Sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TypeGuard

from assistant.prompts import DIALECT_NAMES, render_system
from assistant.types import DatabaseSchema, SchemaContext, Table
from training.datagen.drafts import Item, Target
from training.datagen.teacher_masks import Masked
from training.datagen.teacher_model import Broken, Request
from training.datagen.validation import MAX_QUESTION_CHARS, normalise

MAX_SCHEMA_CHARS = 24_000
"""Of a larger schema, the tables that are needed are shown, and as many others as there is room for."""
_SQL = re.compile(r"\bselect\b.+\bfrom\b|```|;\s*$", re.IGNORECASE | re.DOTALL)
_TEXT = {"type": "string"}

REPHRASE = (
    "You write the questions that people at work ask about the data of their company. They ask in many ways: in full "
    "sentences, in a few words, politely, as an order, in everyday language. Never change what is asked."
)
FREE = (
    "You think of questions that people at work ask about the database below, and answer each with one "
    "{dialect} SELECT statement.\n\n{schema}"
)
_ONLY_JSON = "Reply with JSON alone: "


def ask_rephrasings(masked: Sequence[Masked], count: int, languages: str = "") -> Request[list[list[str]]]:
    """Ask for other wordings of questions; each list has those that can be used.

    Args:
        masked: The questions, with their SQL.
        count: Wordings of each.
        languages: What to write them in, such as `German and French`; empty for the language of the questions.
    """
    listed = "\n\n".join(f"{i}. {pair.question}\n   SQL: {pair.sql}" for i, pair in enumerate(masked, 1))
    user = (
        f"For each question, write {count} other ways to ask exactly the same; the SQL shows what is meant. Keep every "
        f"name, number and date as it is written. Do not mention tables, columns or SQL."
        f"{f' Write them in {languages}, some in each.' if languages else ''}\n\n{listed}\n\n"
        f"{_ONLY_JSON}a list of {len(masked)} lists, each of {count} strings."
    )

    def read(found: object) -> list[list[str]] | Broken:
        if not isinstance(found, list) or not all(_is_texts(texts) for texts in found):
            return Broken("not what was asked for")
        if len(found) != len(masked):
            return Broken("wrong count", f"{len(found)} lists instead of {len(masked)}")
        usable = [_choose(texts, pair.question)[:count] for texts, pair in zip(found, masked, strict=True)]
        return usable if any(usable) else Broken("nonsense", f"it wrote: {str(found)[:120]}")

    shape = _list_of(_list_of(_TEXT, count), len(masked))
    return Request(REPHRASE, user, shape, read)


def ask_statements(questions: Sequence[str], schema: DatabaseSchema, tables: Collection[str]) -> Request[list[str]]:
    """Ask for the SQL of questions, with nothing but the schema to go by."""
    system = render_system(_context(schema, tables), "full")
    listed = "\n".join(f"{i}. {' '.join(question.split())}" for i, question in enumerate(questions, 1))
    user = (
        f"Answer each of these {len(questions)} questions alone; they do not belong together.\n\n{listed}\n\n"
        f"{_ONLY_JSON}a list of {len(questions)} strings, for each question what you write for it."
    )

    def read(found: object) -> list[str] | Broken:
        if not _is_texts(found):
            return Broken("not what was asked for")
        if len(found) != len(questions):
            return Broken("wrong count", f"{len(found)} statements instead of {len(questions)}")
        return found

    return Request(system, user, _list_of(_TEXT, len(questions)), read)


def ask_freely(
    targets: Sequence[Target], count: int, schema: DatabaseSchema, tables: Collection[str], seed: str
) -> Request[list[tuple[str, str]]]:
    """Ask for questions with their SQL."""
    context = render_system(_context(schema, tables), "full").partition("\n\n")[2]  # without the instruction
    system = FREE.format(dialect=DIALECT_NAMES[schema.dialect], schema=context)
    about = "\n".join(f"- {_say(target.item)}" for target in targets)
    user = (
        f"Think of {count} questions, each of another kind, whose result has rows."
        + (f" Between them they should have to do with:\n{about}\n" if about else " ")
        + f'{_ONLY_JSON}a list of {count} objects {{"question": ..., "sql": ...}}. (Batch {seed}.)'
    )

    def read(found: object) -> list[tuple[str, str]] | Broken:
        if not isinstance(found, list) or not found:
            return Broken("not what was asked for")
        pairs = [(pair.get("question"), pair.get("sql")) for pair in found if isinstance(pair, dict)]
        usable = [(q, s) for q, s in pairs if isinstance(q, str) and isinstance(s, str) and s and _choose([q], "")]
        if len(pairs) != len(found):
            return Broken("not what was asked for")
        if len(pairs) > count:
            return Broken("wrong count", f"{len(pairs)} questions instead of {count}")
        return usable or Broken("nonsense", f"it wrote: {str(found)[:120]}")

    pair: dict[str, object] = {
        "type": "object",
        "properties": {"question": _TEXT, "sql": _TEXT},
        "required": ["question", "sql"],
    }
    return Request(system, user, _list_of(pair, count), read)


def _choose(texts: Sequence[str], source: str) -> list[str]:
    """Choose the wordings that can be questions: short, no SQL, none twice, none as the source has it."""
    seen = {normalise(source)}
    found = []
    for text in (" ".join(text.split()) for text in texts):
        plain = normalise(text)
        if not plain or plain in seen or len(text) > MAX_QUESTION_CHARS or _SQL.search(text) or plain.isdigit():
            continue
        seen.add(plain)
        found.append(text)
    return found


def _context(schema: DatabaseSchema, needed: Collection[str]) -> SchemaContext:
    """Show all tables, or of a large schema those that are needed and others, in the order of the schema."""
    context = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables, glossary=schema.glossary)
    if len(render_system(context, "full")) <= MAX_SCHEMA_CHARS:
        return context
    shown: set[str] = set()
    room = MAX_SCHEMA_CHARS
    for table in sorted(schema.tables, key=lambda table: table.name not in needed):
        room -= _size(table)
        if room > 0 or table.name in needed:
            shown.add(table.name)
    return context.model_copy(update={"tables": tuple(t for t in schema.tables if t.name in shown)})


def _size(table: Table) -> int:
    return sum(len(c.name) + len(c.sql_type) + len(c.comment) + sum(map(len, c.samples)) + 12 for c in table.columns)


def _say(item: Item) -> str:
    return {"path": "the joins ", "difficulty": "a question whose SQL is "}.get(
        item.aspect, f"the {item.aspect} "
    ) + item.name


def _is_texts(found: object) -> TypeGuard[list[str]]:
    return isinstance(found, list) and all(isinstance(text, str) for text in found)


def _list_of(item: Mapping[str, object], count: int) -> dict[str, object]:
    return {"type": "array", "items": item, "minItems": count, "maxItems": count}
