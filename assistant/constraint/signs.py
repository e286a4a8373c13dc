"""How a statement goes on behind a sign: parentheses, commas, dots, operators, texts and numbers.

In: the signs of a statement, one after the other, between the words that `statement` reads. Out: the place behind
them, or `Unfit`.
"""

from __future__ import annotations

from assistant.constraint import words as w
from assistant.constraint.scope import Conflict, Contradiction, Frame, Source, Unfit, columns_of
from assistant.constraint.statement import Statement


class Signs(Statement):
    """A place in a statement that can be moved forward by any lexeme."""

    __slots__ = ()

    def number(self) -> None:
        """Read a number."""
        self._leave("operand", "distinct", "bounds", "fetch", "type_size")
        if self.expect in ("operand", "distinct"):
            self.go("operator")

    def string(self) -> None:
        """Read a text in single quotes."""
        if self.expect == "name" and self.name[1] in w.TYPED and self.dialect != "sqlite" and not self.name[0]:
            self.go("operator")
            return
        self._leave("operand", "distinct", "bounds")
        if self.expect != "bounds":
            self.go("operator")

    def symbol(self, symbol: str) -> None:
        """Read an operator, or a star for all columns."""
        if symbol == "*" and self.may_be_star():
            if self.expect == "dot":
                self.name = (self.name[0], "*", self.name[2], len(self.text))
                self.leave_name()
            self.go("after_item" if self.top.kind == "query" else "operator")
            return
        if self.expect in ("operand", "distinct", "bounds"):
            if symbol not in ("-", "+", "~", "@", "!"):
                raise Unfit
            self.value_start = False
            return
        self._leave("operator", "type_more", "whole")
        if symbol == "::":
            self.go("type")
        else:
            self.operand()

    def may_be_star(self) -> bool:
        """Tell whether `*` means all columns here."""
        top = self.top
        if self.expect == "dot":
            return top.kind == "query" and top.clause == "select"
        if self.expect not in ("operand", "distinct"):
            return False
        if top.kind == "query" and top.clause == "select":
            # Behind a comma or SELECT.
            return self.text.rstrip().lower().endswith((",", "select", "distinct", "all"))
        return top.kind == "paren" and bool(top.role) and self.value_start

    def fits_symbol(self, symbol: str) -> bool:
        """Tell whether a text that begins with `symbol` may come."""
        if self.expect in ("operand", "distinct", "dot", "bounds"):
            return symbol in ("-", "+", "~", "@", "!", "--", "/*", "/", "#") or (symbol == "*" and self.may_be_star())
        return self.expect in ("operator", "type_more", "name", "whole") or symbol in ("-", "--", "/", "/*", "#")

    def dot(self) -> None:
        """Read the dot between a qualifier and a column."""
        if self.expect == "schema":
            self.go("table_part")
            return
        qualifier, name, _, start = self.name
        if self.expect != "name" or qualifier:
            raise Unfit
        limit = self.limits.get(start)
        if limit is not None and name not in limit:
            raise Unfit
        columns = columns_of(self.frames, name)
        if columns is not None and not columns:
            raise Unfit
        self.name = (name, "", start, start)
        self.go("dot")

    def comma(self) -> None:
        """Read a comma."""
        expect, top = self.expect, self.top
        if expect == "names_more":
            self.go("names")
            return
        if expect == "using_more":
            self.go("using")
            return
        if expect == "after_cte":
            self.go("cte_name")
            return
        if expect == "values_after" and top.clause == "values":
            self.go("values")
            return
        if expect == "type_size":
            return
        self._leave(*w.AFTER)
        if top.kind == "query":
            self._comma_in_query()
        elif top.kind == "tables":
            self.go("table")
        elif top.kind == "case":
            raise Unfit
        elif top.role == "convert":
            self.go("type")
        else:
            self.operand()

    def _comma_in_query(self) -> None:
        top = self.top
        if top.clause == "select":
            if top.item_start >= 0:
                self.end_item()
            self.change(item_start=len(self.text) + 1)
            self.operand()
        elif top.clause == "from":
            self.go("table")
        elif top.clause == "window":
            self.go("window")
        elif top.clause in ("group", "order") or (top.clause == "limit" and self.dialect != "postgres"):
            self.operand()
        else:
            raise Unfit

    def open(self) -> None:
        """Read an opening parenthesis."""
        expect, top = self.expect, self.top
        if expect == "name":
            self._open_call()
        elif expect == "whole":
            self.push(Frame("paren", "whole"), "operand")
            self.value_start = True
        elif expect in ("operand", "distinct"):
            self.push(Frame("paren"), "operand")
            self.value_start = True
        elif expect == "distinct_on":
            self.push(Frame("paren", "distinct on"), "operand")
        elif expect == "start":
            self.push(Frame("query", "arm", "start"), "start")
        elif expect == "after_cte":
            self.change(clause="start")
            self.push(Frame("query", "arm", "start"), "start")
        elif expect in ("table", "table_paren"):
            self.push(Frame("tables"), "table_paren")
        elif expect == "lateral":
            self.push(Frame("tables", "lateral"), "table_paren")
        elif expect == "table_function":
            self._open_table_function()
        elif expect == "cte_as":
            self.push(Frame("query", "cte", "start"), "start")
        elif expect == "cte_after" or (expect == "after_alias" and top.kind == "query" and top.clause == "from"):
            self.push(Frame("names"), "names")
        elif expect == "using_paren":
            self.push(Frame("names", "using"), "using")
        elif expect == "type_more":
            self.push(Frame("paren", "size"), "type_size")
        elif expect == "over":
            self.push(Frame("over"), "over_start")
        elif expect == "filter":
            self.push(Frame("paren", "filter"), "filter_where")
        elif expect == "within":
            self.push(Frame("paren", "within"), "within_order")
        elif expect == "values":
            self.push(Frame("paren", "row"), "operand")
        else:
            raise Unfit

    def _open_call(self) -> None:
        qualifier, name, start, _ = self.name
        top = self.top
        is_grouping = top.clause == "group" and name in ("rollup", "cube", "grouping")
        allowed = self.names.functions | {"exists"}
        if qualifier or not (name in allowed or is_grouping):
            if not qualifier and start not in self.limits and self.seen().is_open:
                known = frozenset().union(*self.names.tables.values()) | self.names.functions
                raise Contradiction(Conflict(start, known))
            raise Unfit
        self.name = ("", "", 0, 0)
        self.push(Frame("paren", "" if name in ("exists",) or is_grouping else name), "operand")
        self.value_start = True

    def _open_table_function(self) -> None:
        name = self.name[1]
        columns = frozenset(self.names.table_functions[name]) or frozenset({"", name})
        self._add_source(Source(name, columns))
        self.push(Frame("paren", "table function"), "operand")
        self.value_start = True

    def close(self) -> None:
        """Read a closing parenthesis."""
        if self.expect == "name":
            self.leave_name()
        top, expect = self.top, self.expect
        if len(self.frames) == 1:
            raise Unfit
        if top.kind == "query":
            self._close_query()
            return
        if top.kind == "names":
            self._close_names()
            return
        if top.kind == "over":
            if expect not in ("operator", "over_start", "bounds"):
                raise Unfit
        elif top.kind == "case":
            raise Unfit
        elif top.role == "size":
            if expect != "type_size":
                raise Unfit
        elif expect == "operand":
            # Only a call may have nothing in its parentheses.
            if not (self.value_start and top.role):
                raise Unfit
        elif expect not in w.AFTER:
            raise Unfit
        self.frames = self.frames[:-1]
        if top.kind == "tables":
            self.go("after_alias")
        elif top.role == "table function":
            self.go("after_table")
        elif top.role == "distinct on":
            self.change(item_start=len(self.text) + 1)
            self.operand()
        elif top.role == "row":
            self.go("values_after")
        else:
            self.go("type_more" if top.role == "size" else "operator")

    def _close_query(self) -> None:
        outputs = self.finish_query()
        role = self.top.role
        self.frames = self.frames[:-1]
        if role in ("derived", "lateral"):
            self._add_source(Source("", outputs))
        elif role == "cte":
            top = self.top
            cte = Source(top.declared, frozenset(top.names) or outputs)
            self.change(ctes=(*top.ctes, cte), declared="", names=())
            self.go("after_cte")
        elif role == "arm":
            self.change(clause="arm", outputs=self.top.outputs | outputs, is_compound=True)
            self.go("after_item")
        else:
            self.go("operator")

    def _close_names(self) -> None:
        top = self.top
        if self.expect not in ("names_more", "using_more"):
            raise Unfit
        self.frames = self.frames[:-1]
        if top.role == "using":
            self.go("after_alias")
        elif self.top.clause == "with":
            self.change(names=top.names)
            self.go("cte_after")
        else:
            source = self.top.sources[-1]
            self._rename_source(source.alias, frozenset(top.names) | source.columns - {""})
            self.go("after_item" if self.top.clause != "from" else "after_alias")

    def open_bracket(self) -> None:
        """Read PostgreSQL's `[`: an array's values or its index."""
        if self.dialect != "postgres":
            raise Unfit
        if self.expect == "name" and self.name[1] == "array":
            self.go("operator")
        elif self.expect == "type":
            raise Unfit
        else:
            self._leave("operator", "type_more", "whole")
        self.push(Frame("paren", "[" if self.expect != "type_more" else "[]"), "operand")
        self.value_start = True

    def close_bracket(self) -> None:
        """Read `]`."""
        if self.expect == "name":
            self.leave_name()
        if self.top.role not in ("[", "[]") or not (self.expect in w.AFTER or self.value_start):
            raise Unfit
        self.frames = self.frames[:-1]
        self.go("operator")

    def end(self) -> None:
        """Read the end of the statement."""
        if self.expect == "name":
            self.leave_name()
        if len(self.frames) > 1 or not self.has_table:
            raise Unfit
        if self.expect == "fetch":
            return
        self.finish_query()

    def _leave(self, *places: str) -> None:
        """Settle a name or word that may have gone on, then insist on one of `places`."""
        if self.expect == "name":
            self.leave_name()
        elif self.expect == "whole":
            self.go("operator")
        if self.expect not in places:
            raise Unfit
