"""What is open at one place of a half-written statement: parentheses, clauses, tables in FROM, names still to be found.

In: names as they are written. Out: whether they have a meaning yet. Everything is a value: a frame that changes is
a changed copy, so that a token can be tried and thrown away.

Names are compared without regard to case, in every dialect: the guard knows the finer rules and spells them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from assistant.constraint import words as w
from assistant.functions import FUNCTIONS, TABLE_FUNCTIONS
from assistant.types import Dialect, SchemaContext

Columns = frozenset[str]
NO_NAMES: Columns = frozenset()


class Source(NamedTuple):
    """A table, subquery or function in FROM."""

    alias: str
    columns: Columns


class Pending(NamedTuple):
    """A name of the select list, written before FROM says what it means."""

    start: int
    """Where the name begins, its qualifier left out, as an offset in the text."""
    qualifier_start: int
    """Where its qualifier begins; the same as `start` without one."""
    qualifier: str
    name: str


@dataclass(frozen=True)
class Conflict:
    """A name that was let pass turns out to have no meaning: what must stand there instead."""

    start: int
    allowed: Columns


class Unfit(Exception):
    """The next lexeme cannot stand here."""


class Contradiction(Unfit):
    """The next lexeme could stand here if an earlier name were another."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__()
        self.conflict = conflict


class Names:
    """What one context knows, in the form in which names are compared."""

    def __init__(self, context: SchemaContext) -> None:
        self.dialect: Dialect = context.dialect
        self.tables: dict[str, Columns] = {
            table.name.lower(): frozenset(column.name.lower() for column in table.columns) for table in context.tables
        }
        self.schemas = frozenset(name.partition(".")[0] for name in self.tables if "." in name)
        self.functions = FUNCTIONS[self.dialect] | w.OWN_SYNTAX[self.dialect]
        self.table_functions = TABLE_FUNCTIONS[self.dialect]
        self.plain_tables = frozenset(name for name in self.tables if "." not in name)


@dataclass(frozen=True, slots=True)
class Frame:
    """One pair of parentheses, CASE, or query."""

    kind: Literal["query", "paren", "case", "over", "tables", "names"]
    role: str = ""
    """Function that is called, or what a query is for: top, scalar, derived, lateral, cte, arm."""
    clause: str = ""
    sources: tuple[Source, ...] = ()
    pendings: tuple[Pending, ...] = ()
    outputs: Columns = NO_NAMES
    """Names of the result, as far as they are known."""
    stars: tuple[str, ...] = ()
    """Qualifiers of `x.*` in the select list, "" for `*`."""
    aliases: Columns = NO_NAMES
    item_start: int = 0
    merged: Columns = NO_NAMES
    """Columns that USING or NATURAL made one of."""
    is_compound: bool = False
    """Whether the result comes from several queries, so that ORDER BY knows its columns alone."""
    is_recursive: bool = False
    ctes: tuple[Source, ...] = ()
    names: tuple[str, ...] = ()
    """Names in parentheses: of a common table expression's columns."""
    declared: str = ""
    """Name of the common table expression that is being written."""

    def but(self, **changes: Any) -> Frame:
        """Return a changed copy."""
        return replace(self, **changes)

    @property
    def is_known(self) -> bool:
        """Whether FROM has been read, so that names must have a meaning."""
        return self.kind == "query" and self.clause not in ("start", "with", "select")


@dataclass(frozen=True)
class Visible:
    """What names can mean at one place."""

    columns: Columns = NO_NAMES
    qualifiers: Columns = NO_NAMES
    is_open: bool = False
    """Whether a FROM that is not written yet may give meaning to any name."""
    levels: tuple[Frame, ...] = field(default=(), repr=False)


def visible_levels(frames: tuple[Frame, ...]) -> list[int]:
    """Return the indexes of the queries whose tables can be seen from the innermost one, it first."""
    found = []
    is_hidden = False
    for index in range(len(frames) - 1, -1, -1):
        frame = frames[index]
        if frame.kind != "query":
            continue
        if not is_hidden:
            found.append(index)
        # A subquery in FROM does not see its neighbours, nor a common table expression the query it belongs to.
        is_hidden = frame.role in ("derived", "cte", "arm")
    return found


def visible(frames: tuple[Frame, ...], aliases: Columns = NO_NAMES) -> Visible:
    """Collect the names that mean something at the top of `frames`, `aliases` of the select list among them."""
    columns: set[str] = set()
    qualifiers: set[str] = set()
    is_open = False
    for depth, index in enumerate(visible_levels(frames)):
        frame = frames[index]
        if not frame.is_known:
            is_open = True
            continue
        columns |= unambiguous(frame)
        if depth == 0:
            columns |= aliases
        qualifiers.update(source.alias for source in frame.sources)
    return Visible(frozenset(columns), frozenset(qualifiers), is_open)


def unambiguous(frame: Frame) -> set[str]:
    """Return the columns that one source alone has, or that USING or NATURAL made one of."""
    once: set[str] = set()
    twice: set[str] = set()
    for source in frame.sources:
        twice |= once & source.columns
        once |= source.columns
    return once - (twice - frame.merged)


def result_names(frame: Frame, dialect: Dialect) -> Columns:
    """Return the names of the select list that the clause being written may use."""
    if frame.is_compound and frame.clause == "order":
        return frame.outputs
    if dialect == "sqlite":
        return frame.aliases if frame.clause in ("where", "group", "having", "window", "order") else NO_NAMES
    clauses = ("group", "order") if dialect == "postgres" else ("group", "having", "order")
    return frame.outputs if frame.clause in clauses else NO_NAMES


def columns_of(frames: tuple[Frame, ...], qualifier: str) -> Columns | None:
    """Return the columns that may follow `qualifier.`; None when any may, because its FROM is not written yet."""
    for index in visible_levels(frames):
        frame = frames[index]
        if not frame.is_known:
            return None
        for source in frame.sources:
            if source.alias == qualifier:
                return source.columns
    return NO_NAMES


def use(frames: tuple[Frame, ...], pending: Pending, aliases: Columns) -> tuple[Frame, ...] | None:
    """Give a name its meaning, or note that it needs one; None when it can have none."""
    for index in visible_levels(frames):
        frame = frames[index]
        if not frame.is_known:
            return (*frames[:index], frame.but(pendings=(*frame.pendings, pending)), *frames[index + 1 :])
        if pending.qualifier:
            for source in frame.sources:
                if source.alias == pending.qualifier:
                    return frames if pending.name == "*" or pending.name in source.columns else None
        elif pending.name in aliases or pending.name in unambiguous(frame):
            return frames
        elif any(pending.name in source.columns for source in frame.sources):
            return None
        aliases = NO_NAMES
    return None


def missing(frames: tuple[Frame, ...], index: int, tables: tuple[Columns, ...]) -> Columns:
    """Return the qualifiers of the select list that FROM still has to declare, and could."""
    frame = frames[index]
    if not frame.pendings or len(frame.sources) > MAX_WAITING_SOURCES:
        return NO_NAMES
    declared = {source.alias for source in frame.sources}
    wanted: dict[str, set[str]] = {}
    for pending in frame.pendings:
        if pending.qualifier and pending.qualifier not in declared:
            wanted.setdefault(pending.qualifier, set()).add(pending.name)
    for outer in visible_levels(frames[: index + 1])[1:]:
        if not frames[outer].is_known:
            return NO_NAMES
        for source in frames[outer].sources:
            wanted.pop(source.alias, None)
    return frozenset(name for name, columns in wanted.items() if any(columns - {"*"} <= table for table in tables))


MAX_WAITING_SOURCES = 6
"""Sources after which FROM is no longer kept open for a qualifier that it does not declare."""


def settle(frames: tuple[Frame, ...], index: int) -> tuple[Frame, ...] | Conflict:
    """Look up the names of a select list once its FROM is written."""
    frame = frames[index].but(clause="from", pendings=())
    waiting = frames[index].pendings
    frames = (*frames[:index], frame, *frames[index + 1 :])
    below = frames[: index + 1]
    for pending in waiting:
        used = use(below, pending, NO_NAMES)
        if used is None:
            known = visible(below)
            if not pending.qualifier:
                return Conflict(pending.start, known.columns | known.qualifiers)
            if columns := columns_of(below, pending.qualifier):
                return Conflict(pending.start, columns)
            return Conflict(pending.qualifier_start, known.columns | known.qualifiers)
        below = used
    return (*below, *frames[index + 1 :])
