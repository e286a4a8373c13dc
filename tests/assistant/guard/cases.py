"""Read the guard's case files: statements separated by blank lines.

A line `-- dialect: NAME` above a statement says whose SQL it is (SQLite when there is none); a line `-- rule: NAME`
below it says which rule refuses it. A block without a statement is a remark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from assistant.types import Dialect

_DIALECT = re.compile(r"\A-- dialect: (\w+)\n")
_RULE = re.compile(r"\n-- rule: ([\w-]+)\Z")


@dataclass(frozen=True)
class Case:
    """One statement; `rule` is empty for one that is accepted."""

    sql: str
    dialect: Dialect
    rule: str
    line: int


def read_cases(name: Literal["accept", "reject"]) -> list[Case]:
    """Read `accept.sql` or `reject.sql`."""
    text = (Path(__file__).with_name(f"{name}.sql")).read_text(encoding="utf-8")
    cases = []
    for block in re.finditer(r"\S.*?(?=\n\s*\n|\s*\Z)", text, re.DOTALL):
        sql, dialect, rule = block.group(), "sqlite", ""
        if found := _DIALECT.search(sql):
            dialect, sql = found.group(1), sql[found.end() :]
        if found := _RULE.search(sql):
            rule, sql = found.group(1), sql[: found.start()]
        if all(line.startswith("--") for line in sql.splitlines()):
            continue
        cases.append(Case(sql, cast(Dialect, dialect), rule, text.count("\n", 0, block.start()) + 1))
    return cases
