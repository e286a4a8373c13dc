"""When two spellings are the same name, and what to say of a name that is none.

In: identifiers of a tree and the names there are. Out: the name that is meant, as the database spells it; or a hint
with the nearest names. SQLite and MySQL ignore case; PostgreSQL lowers what is not quoted and takes literally what is.

Must not know where a name may be used; that is the subject of `names`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from rapidfuzz import fuzz, process
from sqlglot import exp

from assistant.types import Rejection, SchemaContext, Table

MAX_LISTED = 20
"""Most names a hint lists."""
NEAREST_SCORE = 60
"""Similarity, 0 to 100, from which a name is offered as what may have been meant."""

_SYSTEM = re.compile(
    r"(sqlite_|pg_|pragma_).*|information_schema|mysql|performance_schema|sys|dbstat|sqlite", re.IGNORECASE
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# PostgreSQL reads these as functions unless they are quoted: a column of that name would silently become one.
_POSTGRES_VALUES = frozenset(
    {"user", "current_user", "session_user", "current_role", "current_catalog", "current_schema"}
)
_V = TypeVar("_V")


class Refused(Exception):
    """A name has no meaning here, or two."""

    def __init__(self, rule: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.rejection = Rejection(stage="guard", rule=rule, message=message, hint=hint)


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return the names most like `name`, best first."""
    choices = {key: key.lower() for key in known}
    # Short names are part of almost everything: compare them as a whole.
    scorer = fuzz.WRatio if len(name) > 3 else fuzz.ratio
    found = process.extract(name.lower(), choices, scorer=scorer, limit=limit, score_cutoff=NEAREST_SCORE)
    return [key for _, _, key in found]


def is_system(name: str) -> bool:
    """Tell whether a table or schema of this name belongs to the database system."""
    return _SYSTEM.fullmatch(name) is not None


class Spelling:
    """How names compare in one dialect, and which names one context holds."""

    def __init__(self, context: SchemaContext) -> None:
        self.context = context
        self.is_postgres = context.dialect == "postgres"
        self.tables: dict[str, Table] = {self.fold(table.name): table for table in context.tables}

    def fold(self, name: str) -> str:
        """Return the form in which equal names are equal texts."""
        return name if self.is_postgres else name.lower()

    def declared(self, identifier: exp.Expr) -> str:
        """Return the name that an identifier declares: PostgreSQL lowers it unless it is quoted."""
        is_literal = not self.is_postgres or identifier.args.get("quoted")
        return identifier.name if is_literal else identifier.name.lower()

    def find(self, names: Mapping[str, _V], identifier: exp.Expr) -> _V | None:
        """Look an identifier up among folded names."""
        key = self.fold(self.declared(identifier))
        if key not in names and self.is_postgres and not identifier.args.get("quoted"):
            # A mixed-case name needs quotes in PostgreSQL; what was meant is plain if one name differs in case alone.
            close = [name for name in names if name.lower() == key]
            key = close[0] if len(close) == 1 else key
        return names.get(key)

    def find_once(self, columns: list[str], identifier: exp.Expr) -> str | None:
        """Look a column up; two of that name are refused."""
        found = self.find({self.fold(column): column for column in columns if column}, identifier)
        if found is not None and sum(self.fold(column) == self.fold(found) for column in columns) > 1:
            raise Refused("ambiguous-column", f"'{found}' stands for two columns.", "Give each an alias of its own.")
        return found

    def spell(self, identifier: exp.Expr, spelled: str) -> None:
        """Give an identifier of the tree the database's own spelling, quoted where PostgreSQL needs it."""
        if identifier.args["this"] != spelled:
            identifier.set("this", str(spelled))  # never a subclass: trees are compared and written
        if self.is_postgres and (not _PLAIN.fullmatch(spelled) or spelled in _POSTGRES_VALUES):
            identifier.set("quoted", True)

    def table_hint(self, name: str) -> str:
        """Say which tables could have been meant by an unknown name."""
        tables = [table.name for table in self.context.tables]
        if any(self.fold(omitted) == self.fold(name) for omitted in self.context.omitted_tables):
            return f"It exists but is not among the tables for this question: {listed(tables)}."
        if close := nearest(name, tables):
            return f"Did you mean {' or '.join(close)}?"
        return f"The tables are {listed(tables)}."

    def column_hint(self, identifier: exp.Expr, columns: Iterable[str]) -> str:
        """Say what could have been meant by an unknown column, given the columns that can be seen where it stands."""
        name = identifier.name
        columns = [column for column in columns if column]
        owners = [
            table.name
            for table in self.context.tables
            if any(self.fold(column.name) == self.fold(name) for column in table.columns)
        ]
        close = nearest(name, columns)
        parts = []
        if owners:
            parts.append(f"Column {name} is in {listed(owners)}.")
        elif identifier.args.get("quoted") and self.context.dialect != "mysql":
            parts.append(f"If it is a text, write it in single quotes: {exp.Literal.string(name).sql()}.")
        if close and not owners:
            parts.append(f"Did you mean {' or '.join(close)}?")
        if columns:
            parts.append(f"The columns are {listed(columns)}.")
        return " ".join(parts)


def listed(names: Iterable[str]) -> str:
    """Join names for a hint, each once, a long list cut."""
    unique = list(dict.fromkeys(name for name in names if name))
    return ", ".join(unique[:MAX_LISTED]) + (" ..." if len(unique) > MAX_LISTED else "")
