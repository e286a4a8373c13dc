"""Read the comments of a SQLite table from the text that created it.

SQLite has no COMMENT, but keeps the CREATE TABLE statement as it was typed, `-- ...` at the ends of lines included. In:
that text. Out: comments by column. Never fails: what it cannot read has no comment.
"""

from __future__ import annotations

import re

_QUOTED = r"'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]"
# Possessive: read one way only, or a long line of quoted names takes for ever.
_LINE = re.compile(rf"^(?P<code>(?:{_QUOTED}|(?!--).)*+)--+\s*(?P<comment>.*)$")
_NAME = re.compile(r"^[\s,(]*(?:\"(?P<double>[^\"]+)\"|`(?P<back>[^`]+)`|\[(?P<square>[^\]]+)\]|(?P<plain>\w+))\s")
_NOT_COLUMNS = {"constraint", "primary", "foreign", "unique", "check", "references", "create"}


def column_comments(create_text: str) -> dict[str, str]:
    """Map the name of each commented column, in lower case, to the comment at the end of its line."""
    found: dict[str, str] = {}
    for line in create_text.splitlines()[1:]:
        split = _LINE.match(line)
        name = _NAME.match(split.group("code")) if split else None
        if split is None or name is None:
            continue
        plain = name.group("plain")
        if plain is not None and plain.casefold() in _NOT_COLUMNS:
            continue
        found[next(part for part in name.groups() if part).casefold()] = split.group("comment").strip()
    return found


def table_comment(create_text: str) -> str:
    """Return the comment behind the opening line of CREATE TABLE; empty when there is none."""
    lines = create_text.splitlines()
    split = _LINE.match(lines[0]) if lines else None
    return split.group("comment").strip() if split else ""
