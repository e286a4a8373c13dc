"""What may come next in a SELECT.

In: a place in a statement. Out: the words that may stand there. Covers the order of clauses, values and operators
taking turns, and which words, tables, columns and functions may stand where. Does not cover types, the number of
arguments, or GROUP BY: what it lets pass, the guard still judges.
"""

from __future__ import annotations

from assistant.constraint import words as w
from assistant.constraint.place import Place
from assistant.constraint.scope import NO_NAMES, Columns, columns_of, missing

_QUERY = frozenset({"select", "with", "values"})


class Syntax(Place):
    """A place in a statement that knows what may come."""

    __slots__ = ()

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
