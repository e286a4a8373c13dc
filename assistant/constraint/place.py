"""Where in a statement we are: the queries and parentheses that are open, and what names mean in them.

In: what `syntax`, `statement` and `signs` make of the lexemes. Out: the place, changed; or `Unfit` and `Contradiction`
where a name cannot have a meaning. Does not know which lexeme may come next.
"""

from __future__ import annotations

import re
from typing import Any, Self

from assistant.constraint import words as w
from assistant.constraint.scope import (
    Columns,
    Conflict,
    Contradiction,
    Frame,
    Names,
    Pending,
    Source,
    Unfit,
    Visible,
    missing,
    result_names,
    settle,
    use,
    visible,
)
from assistant.types import Dialect

_DISTINCT = re.compile(r"\A(?:distinct|all)\s+", re.IGNORECASE)
_STAR = re.compile(r"(?:[\"`\[]?([\w$]+)[\"`\]]?\s*\.\s*)?\*")
_COLUMN = re.compile(r"(?:[\"`\[]?[\w$]+[\"`\]]?\s*\.\s*)?[\"`\[]?([\w$]+)[\"`\]]?")


class Place:
    """A place in a statement. Mutable: copy it before trying a lexeme."""

    __slots__ = (
        "after_is",
        "expect",
        "frames",
        "has_table",
        "limits",
        "name",
        "names",
        "text",
        "unit_comes",
        "value_start",
    )

    def __init__(self, names: Names) -> None:
        self.names = names
        self.frames: tuple[Frame, ...] = (Frame("query", "top", "start"),)
        self.expect = "start"
        self.has_table = False
        """Whether a table has been named: a query that reads none answers nothing."""
        self.name = ("", "", 0, 0)
        """Name just read: qualifier, name, where the qualifier begins, where the name begins."""
        self.text = ""
        self.unit_comes = False
        """Whether INTERVAL waits for its unit."""
        self.value_start = False
        """Whether nothing stands before the value, so that a query, DISTINCT or a star may come."""
        self.after_is = False
        """Whether IS was just read."""
        self.limits: dict[int, Columns] = {}
        """Where a name begins -> what it must be, learnt from a contradiction."""

    @property
    def dialect(self) -> Dialect:
        """SQL flavour."""
        return self.names.dialect

    def copy(self) -> Self:
        """Return a copy that can be changed."""
        made = object.__new__(type(self))
        for slot in Place.__slots__:
            setattr(made, slot, getattr(self, slot))
        return made

    # -- frames ----------------------------------------------------------------------------------------------------

    @property
    def top(self) -> Frame:
        """The innermost frame."""
        return self.frames[-1]

    def change(self, **changes: Any) -> None:
        """Change the innermost frame."""
        self.frames = (*self.frames[:-1], self.frames[-1].but(**changes))

    def push(self, frame: Frame, expect: str) -> None:
        """Open a frame."""
        self.frames = (*self.frames, frame)
        self.go(expect)

    def go(self, expect: str) -> None:
        """Say what comes next."""
        self.expect = expect
        self.value_start = False
        self.after_is = False

    def operand(self, *, is_start: bool = False) -> None:
        """Say that a value comes next."""
        self.go("operand")
        self.value_start = is_start

    def _query_index(self) -> int:
        for index in range(len(self.frames) - 1, -1, -1):
            if self.frames[index].kind == "query":
                return index
        raise Unfit

    def seen(self) -> Visible:
        """Return what names mean here."""
        return visible(self.frames, result_names(self.frames[self._query_index()], self.dialect))

    def _ctes(self) -> list[Source]:
        found: list[Source] = []
        for index, frame in enumerate(self.frames):
            found += frame.ctes
            if frame.declared and index + 1 < len(self.frames) and (frame.is_recursive or self.dialect == "sqlite"):
                found.append(Source(frame.declared, frozenset(frame.names) or self.frames[index + 1].outputs))
        return found

    def _cte_names(self) -> Columns:
        return frozenset(cte.alias for cte in self._ctes())

    # -- names -----------------------------------------------------------------------------------------------------

    def leave_name(self) -> None:
        """Take the name just read for a column, as no parenthesis or dot follows it."""
        qualifier, name, qualifier_start, start = self.name
        self.name = ("", "", 0, 0)
        self.go("operator")
        aliases = result_names(self.frames[self._query_index()], self.dialect)
        limit = self.limits.get(start)
        if limit is not None and name not in limit and name != "*":
            raise Unfit
        frames = use(self.frames, Pending(start, qualifier_start, qualifier, name), aliases)
        if frames is None:
            raise Unfit
        self.frames = frames

    def settle(self, index: int) -> None:
        """Give the names of a select list their meaning, its FROM being complete."""
        if not self.frames[index].pendings:
            return
        known = (*self.names.tables.values(), *(cte.columns for cte in self._ctes()))
        if missing(self.frames, index, known):
            raise Unfit
        settled = settle(self.frames, index)
        if isinstance(settled, Conflict):
            raise Contradiction(settled)
        self.frames = settled

    def end_item(self) -> None:
        """Note the name that the select list's last item has in the result."""
        top = self.top
        if top.kind != "query" or top.clause != "select" or top.item_start < 0:
            return
        raw = _DISTINCT.sub("", self.text[top.item_start :].strip(), count=1)
        if star := _STAR.fullmatch(raw):
            self.change(stars=(*top.stars, (star.group(1) or "").lower()))
            return
        column = _COLUMN.fullmatch(raw)
        outputs = {column.group(1).lower() if column else raw.lower()}
        if column is None and self.dialect == "postgres":
            outputs |= set(re.findall(r"\w+", raw.lower())[:2])
        self.change(outputs=top.outputs | outputs)

    def leave_clause(self, clause: str) -> None:
        """Go from one clause of the innermost query to a later one."""
        index = len(self.frames) - 1
        top = self.top
        if top.clause == "select":
            self.end_item()
        if top.clause in ("select", "from") and clause != "from":
            self.settle(index)
            top = self.top
            outputs = set(top.outputs)
            for star in top.stars:
                for source in top.sources:
                    if star in ("", source.alias):
                        outputs |= source.columns
            self.change(outputs=frozenset(outputs), stars=(), clause=clause)
        if self.top.is_compound and clause == "order":
            self.change(sources=())
        self.change(clause=clause)

    def finish_query(self) -> Columns:
        """End the innermost query and return the names of its result."""
        top = self.top
        if top.kind != "query" or self.expect not in w.AFTER or top.clause in ("start", "with"):
            raise Unfit
        if top.clause in ("select", "from"):
            self.leave_clause("done")
        return self.top.outputs
