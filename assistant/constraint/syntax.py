"""Where in a SELECT we are, and what may come next.

In: the lexemes of a statement, one after the other. Out: nothing, or `Unfit` when a lexeme cannot stand there. Covers
the order of clauses, values and operators taking turns, parentheses, and which words, tables, columns and functions may
stand where. Does not cover types, the number of arguments, or GROUP BY: what it lets pass, the guard still judges.
"""

from __future__ import annotations

import re
from typing import Any, Self

from assistant.constraint import words as w
from assistant.constraint.scope import (
    NO_NAMES,
    Columns,
    Conflict,
    Contradiction,
    Frame,
    Names,
    Pending,
    Source,
    Unfit,
    Visible,
    columns_of,
    missing,
    result_names,
    settle,
    use,
    visible,
)
from assistant.types import Dialect

ANY_ROWS = frozenset({f"column{n}" for n in range(1, 31)} | {f"column_{n}" for n in range(30)})
"""What databases call the columns of VALUES."""
_QUERY = frozenset({"select", "with", "values"})
_DISTINCT = re.compile(r"\A(?:distinct|all)\s+", re.IGNORECASE)
_STAR = re.compile(r"(?:[\"`\[]?([\w$]+)[\"`\]]?\s*\.\s*)?\*")
_COLUMN = re.compile(r"(?:[\"`\[]?[\w$]+[\"`\]]?\s*\.\s*)?[\"`\[]?([\w$]+)[\"`\]]?")


class Syntax:
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
        for slot in Syntax.__slots__:
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

    # -- what may come ---------------------------------------------------------------------------------------------

    def seen(self) -> Visible:
        """Return what names mean here."""
        return visible(self.frames, result_names(self.frames[self._query_index()], self.dialect))

    def expected(self, start: int) -> tuple[bool, tuple[Columns, ...]]:
        """Say which words may come: whether any name may, and the sets of those that may.

        Args:
            start: Where the word begins in the text.
        """
        found = self._expected(start)
        limit = self.limits.get(start)
        if limit is not None and self.expect in ("operand", "distinct", "dot"):
            return (False, (limit,)) if self.expect == "dot" else (False, (limit, *found[1][2:]))
        return found

    def _expected(self, start: int) -> tuple[bool, tuple[Columns, ...]]:
        expect, names = self.expect, self.names
        if expect == "name":
            trial = self.copy()
            trial.leave_name()
            return trial.expected(start)
        if expect == "operand":
            return self._expected_operand()
        if expect == "dot":
            columns = columns_of(self.frames, self.name[0])
            return (True, ()) if columns is None else (False, (columns,))
        if expect in w.AFTER:
            return self._expected_operator()
        if expect in ("start", "table_paren"):
            extra = names.plain_tables | self._cte_names() if expect == "table_paren" else NO_NAMES
            queries = _QUERY - {"values"} if self.top.role == "top" else _QUERY
            return False, (queries, frozenset({"all", "distinct"}) if self.top.outputs else NO_NAMES, extra)
        if expect in ("table", "lateral"):
            tables = names.plain_tables | names.schemas | self._cte_names() if expect == "table" else NO_NAMES
            lateral = NO_NAMES if self.dialect == "sqlite" or expect == "lateral" else frozenset({"lateral"})
            return False, (tables, frozenset(names.table_functions), lateral)
        if expect == "table_part":
            prefix = f"{self.name[1]}."
            return False, (frozenset(t.removeprefix(prefix) for t in names.tables if t.startswith(prefix)),)
        if expect == "not":
            return False, (w.AFTER_NOT[self.dialect],)
        if expect == "distinct":
            found = self._expected_operand()
            return found[0], (*found[1], frozenset({"on"}))
        if expect == "type":
            return False, (w.TYPES[self.dialect],)
        if expect == "using":
            return False, (self.shared_columns(),)
        if expect in w.NEW_NAMES:
            return True, (w.NEW_NAMES[expect],)
        return False, (w.FIXED.get(expect, NO_NAMES),)

    def _expected_operand(self) -> tuple[bool, tuple[Columns, ...]]:
        top = self.top
        names = self.names
        extra = NO_NAMES
        if self.value_start:
            if top.kind == "query" and top.clause == "select":
                extra = frozenset({"distinct", "all"})
            elif top.kind == "paren":
                extra = _QUERY if not top.role else frozenset({"distinct"})
                if top.role in w.UNIT_FIRST:
                    extra |= w.UNITS
                elif top.role == "trim":
                    extra |= {"both", "leading", "trailing"}
                elif top.role in ("any", "all", "some", "array"):
                    extra |= {"select", "with"}
            elif top.kind == "case":
                extra = frozenset({"when"})
        if self.after_is:
            extra |= {"distinct", "not"}
        if top.clause == "limit" and top.kind == "query":
            return False, (frozenset({"all"}), w.VALUES[self.dialect], names.functions, extra)
        if top.clause == "group" and self.dialect == "postgres":
            extra |= {"rollup", "cube", "grouping"}
        seen = self.seen()
        return seen.is_open, (seen.columns, seen.qualifiers, w.VALUES[self.dialect], names.functions, extra)

    def _expected_operator(self) -> tuple[bool, tuple[Columns, ...]]:
        top, expect = self.top, self.expect
        groups: list[Columns] = []
        is_free = False
        is_value = expect in ("operator", "whole", "type_more")
        if is_value:
            groups.append(w.OPERATORS[self.dialect])
            if expect == "type_more":
                groups.append(w.TYPE_MORE)
            if self.unit_comes:
                groups.append(w.UNITS)
            if self.text.rstrip().endswith(")"):
                groups.append(frozenset({"over", "filter", "within"}))
        if top.clause == "order":
            groups.append(frozenset({"asc", "desc", "nulls"}))
        if top.kind == "query":
            if top.clause == "select" and is_value:
                is_free = True
                groups.append(frozenset({"as"}))
            if top.clause == "from":
                groups.append(w.JOINS)
                if not is_value:
                    groups.append(frozenset({"on", "using"}))
            if top.role == "top" and top.clause == "select" and not self.has_table:
                groups.append(w.WITHOUT_TABLE)
            elif not self._misses():
                groups.append(w.ENDERS.get(top.clause, NO_NAMES))
                if self.dialect == "postgres" and top.clause in w.FETCHING:
                    groups.append(frozenset({"fetch"}))
            if top.clause == "offset":
                groups.append(frozenset({"row", "rows"}))
            if top.clause == "group" and self.dialect == "mysql":
                groups.append(frozenset({"with"}))
        elif top.kind == "tables":
            groups.append(w.JOINS | {"on", "using"})
        elif top.kind == "case":
            groups.append(w.IN_CASE[top.clause])
        elif top.kind == "over":
            groups.append(frozenset({"order", "rows", "range", "groups"}))
        elif top.role:
            groups.append(w.IN_CALL.get(top.role, frozenset({"order"})))
        if expect == "after_table":
            is_free = True
            groups.append(frozenset({"as"}))
        return is_free, tuple(groups)

    def shared_columns(self) -> Columns:
        """Return the columns that the last table in FROM has in common with those before it."""
        *before, last = self.frames[self._query_index()].sources
        return last.columns & frozenset().union(*(source.columns for source in before))

    def _misses(self) -> bool:
        """Tell whether FROM must go on, because a qualifier of the select list has no table yet."""
        top = self.top
        if not top.pendings or top.clause != "from":
            return False
        known = (*self.names.tables.values(), *(cte.columns for cte in self._ctes()))
        return bool(missing(self.frames, len(self.frames) - 1, known))

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
