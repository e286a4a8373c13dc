"""Which terms of a glossary still hold on the schema as it is now, and what to do with those that do not.

In: a schema with its glossary, and guessed renames. Out: a glossary in which every term holds, and what a person should
correct. A term whose SQL names what was renamed gets the new names; one whose SQL cannot be read any more keeps its
words and loses its SQL. Changes no file: the glossary is the maintainer's. Of databases on servers nothing is checked
here: their glossary is carried over term by term when examples are made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from assistant.errors import UsageError
from assistant.types import DatabaseSchema, GlossaryEntry, Table
from training.datagen.glossary import build_lexicon
from training.datagen.slices import writing_to
from training.schema_changes import Rename


def mend_glossary(
    schema: DatabaseSchema, renames: Sequence[Rename]
) -> tuple[tuple[GlossaryEntry, ...], tuple[str, ...]]:
    """Give a glossary that holds, and a line on each term that did not."""
    if schema.dialect != "sqlite":
        return schema.glossary, ()
    mended: list[GlossaryEntry] = []
    told: list[str] = []
    for entry in schema.glossary:
        fault = _find_fault(schema, entry)
        if not fault:
            mended.append(entry)
            continue
        renamed = entry.model_copy(update={"sql": _rename(entry.sql, renames)})
        if renamed.sql != entry.sql and not _find_fault(schema, renamed):
            mended.append(renamed)
            told.append(f"{fault} It is taken as {renamed.sql!r}, by a guessed rename; correct the glossary.")
        else:
            mended.append(entry.model_copy(update={"sql": ""}))
            told.append(f"{fault} The term is not used; correct the glossary.")
    return tuple(mended), tuple(told)


def write_glossary(path: Path, entries: Iterable[GlossaryEntry], tables: Iterable[Table] = ()) -> None:
    """Write a glossary file.

    Args:
        path: The file.
        entries: Its terms.
        tables: Tables whose comments are to stand in it as descriptions.

    Raises:
        UsageError: It cannot be written.
    """
    lines: list[str] = []
    for table in tables:
        for column, comment in (("", table.comment), *((column.name, column.comment) for column in table.columns)):
            if comment:
                lines += ["[[description]]", f"table = {_quote(table.name)}", f"text = {_quote(comment)}"]
                lines += [f"column = {_quote(column)}"] if column else []
    for entry in entries:
        lines.append("[[term]]")
        lines += [f"{name} = {_quote(value)}" for name, value in entry.model_dump().items()]
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _quote(value: object) -> str:
    """Write text, or a list of texts; what JSON writes of them is TOML as well, but for one sign."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _find_fault(schema: DatabaseSchema, entry: GlossaryEntry) -> str:
    """Say what is wrong with a term; empty when nothing is."""
    try:
        build_lexicon(schema.model_copy(update={"glossary": (entry,)}))
    except UsageError as error:
        return error.message
    return ""


def _rename(sql: str, renames: Sequence[Rename]) -> str:
    """Write SQL of a glossary, which names columns as table.column, with the new names."""
    for rename in renames:
        if rename.column:
            sql = _replace(sql, f"{rename.table}.{rename.column}", f"{rename.table}.{rename.new_column}")
    for rename in renames:
        if not rename.column:
            sql = _replace(sql, rename.table, rename.new_table)
    return sql


def _replace(sql: str, old: str, new: str) -> str:
    return re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", lambda _: new, sql)
