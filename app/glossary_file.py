"""The file beside a database that people may write: its terms, descriptions of tables and columns, masked columns.

In: the path of a TOML file, and what a person changed. Out: the same file, written whole or not at all, in one form;
the masked columns in it are kept as they are. What cannot be read back is not written.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from assistant.errors import UsageError
from assistant.files import write_whole
from assistant.types import GlossaryEntry, Record

Descriptions = Mapping[tuple[str, str], str]
"""Table and column, the column empty for the table itself -> text."""


class GlossaryFile(Record):
    """Content of the file."""

    terms: tuple[GlossaryEntry, ...] = ()
    """Domain terms."""
    descriptions: dict[tuple[str, str], str] = {}
    """What tables and columns mean, their names in lower case."""
    masked: tuple[str, ...] = ()
    """Patterns of columns that nobody may see."""


def read_glossary_file(path: Path) -> GlossaryFile:
    """Read the file; what is not there is empty.

    Raises:
        UsageError: It cannot be read or used.
    """
    from assistant.database import load_descriptions, load_glossary, load_masked

    if not path.is_file():
        return GlossaryFile()
    return GlossaryFile(terms=load_glossary(path), descriptions=load_descriptions(path), masked=load_masked(path))


def write_glossary_file(path: Path, content: GlossaryFile) -> None:
    """Write the file, and make its folder where there is none.

    Raises:
        UsageError: A term does not fit, or the file cannot be written; the old content stays.
    """
    text = _render(content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / "draft.toml"
            draft.write_text(text, encoding="utf-8")
            if read_glossary_file(draft) != content:
                raise UsageError("These terms cannot be written.", "Leave out signs that are no text.")
        write_whole(path, text)
    except (OSError, UnicodeEncodeError) as error:
        raise UsageError(f"Cannot write '{path}': {error}.", "Check that its folder can be written.") from error


def make_terms(rows: Sequence[Mapping[str, object]]) -> tuple[GlossaryEntry, ...]:
    """Make terms of the rows of a table; rows without a term are left out.

    Raises:
        UsageError: A term has no meaning, or stands there twice.
    """
    terms: dict[str, GlossaryEntry] = {}
    for row in rows:
        term, meaning = _cell(row, "term"), _cell(row, "meaning")
        if not term:
            continue
        if not meaning:
            raise UsageError(f"The term '{term}' has no meaning.", "Say in a sentence what it means.")
        if term.casefold() in terms:
            raise UsageError(f"The term '{term}' stands there twice.", "Keep one of the two.")
        synonyms = tuple(part.strip() for part in _cell(row, "synonyms").split(",") if part.strip())
        terms[term.casefold()] = GlossaryEntry(term=term, synonyms=synonyms, meaning=meaning, sql=_cell(row, "sql"))
    return tuple(terms.values())


def _cell(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _render(content: GlossaryFile) -> str:
    lines = []
    if content.masked:
        lines += [f"masked = {json.dumps(list(content.masked))}", ""]
    for term in content.terms:
        lines += ["[[term]]", f"term = {_text(term.term)}"]
        lines += [f"synonyms = [{', '.join(map(_text, term.synonyms))}]"] if term.synonyms else []
        lines += [f"meaning = {_text(term.meaning)}"]
        lines += [f"sql = {_text(term.sql)}"] if term.sql else []
        lines.append("")
    for (table, column), text in sorted(content.descriptions.items()):
        lines += ["[[description]]", f"table = {_text(table)}"]
        lines += [f"column = {_text(column)}"] if column else []
        lines += [f"text = {_text(text)}", ""]
    return "\n".join(lines)


def _text(value: str) -> str:
    # A basic string of TOML takes what JSON writes, save for DEL, which it wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
