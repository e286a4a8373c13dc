"""How a statement goes on: what each word changes.

In: lexemes, one after the other. Out: the place behind them, or `Unfit`. `syntax` says what may come; this module says
what it means: which parenthesis it opens or closes, which clause, table or name it begins.
"""

from __future__ import annotations

from assistant.constraint import words as w
from assistant.constraint.scope import NO_NAMES, Frame, Source, Unfit
from assistant.constraint.sources import Sources

ANY_ROWS = frozenset({f"column{n}" for n in range(1, 31)} | {f"column_{n}" for n in range(30)})
"""What databases call the columns of VALUES."""


class Statement(Sources):
    """A place in a statement that can be moved forward by one lexeme."""

    __slots__ = ()

    def word(self, word: str, start: int, *, is_quoted: bool = False) -> None:
        """Read a word or a quoted name, both in lower case.

        Args:
            word: The word, or what stands between the quotes.
            start: Where it begins in the text.
            is_quoted: Whether it is a quoted name.
        """
        if self.expect == "name":
            self.leave_name()
        is_free, groups = self.expected(start)
        is_listed = any(word in group for group in groups)
        if not is_listed and (not is_free or (word in w.RESERVED and not is_quoted)):
            raise Unfit
        expect = self.expect
        if is_quoted and expect not in _NAMED:
            raise Unfit
        if expect == "distinct" and word == "on" and not is_quoted:
            self.go("distinct_on")
        elif expect in ("operand", "distinct"):
            self._value_word(word, start, is_quoted)
        elif expect in w.AFTER:
            if is_quoted and not is_free:
                raise Unfit
            if is_quoted or not is_listed:
                self._alias(word)
            else:
                self._operator_word(word)
        elif expect == "dot":
            self.name = (self.name[0], word, self.name[2], start)
            self.leave_name()
        elif expect in ("start", "table_paren"):
            self._start_word(word, start)
        elif expect in ("table", "lateral"):
            self._table_word(word, start)
        elif expect == "table_part":
            self.has_table = True
            self._add_source(Source(word, self.names.tables[f"{self.name[1]}.{word}"]))
        elif expect == "type":
            self.go("type_more")
        elif expect == "using":
            self._merge(frozenset({word}))
            self.go("using_more")
        elif expect == "names":
            self.change(names=(*self.top.names, word))
            self.go("names_more")
        elif expect == "alias":
            self._alias(word)
        elif expect == "over":
            self.go("operator")
        elif expect == "window":
            self.go("window_as")
        elif expect == "cte_name" and word == "recursive" and not self.top.is_recursive and not is_quoted:
            self.change(is_recursive=True)
        elif expect == "cte_name":
            self.change(declared=word, names=())
            self.go("cte_after")
        else:
            self._fixed_word(word)

    # -- values ----------------------------------------------------------------------------------------------------

    def _value_word(self, word: str, start: int, is_quoted: bool) -> None:
        top = self.top
        was_start, was_is = self.value_start, self.after_is
        if is_quoted:
            self._name(word, start)
        elif word in ("select", "with", "values") and was_start and top.kind == "paren":
            self.frames = (*self.frames[:-1], Frame("query", "scalar", "start"))
            self._start_word(word, start)
        elif word == "when" and top.kind == "case" and was_start:
            self.change(clause="when")
            self.operand()
        elif word == "distinct" and was_is:
            self.go("distinct_from")
        elif word in ("distinct", "all") and was_start:
            self.operand(is_start=top.kind == "paren")
            if word == "distinct" and top.kind == "query" and self.dialect == "postgres":
                self.go("distinct")
        elif word in ("both", "leading", "trailing") and top.role == "trim":
            self.operand()
        elif word in w.UNITS and top.role in w.UNIT_FIRST and was_start:
            self.go("operator")
        elif word == "case":
            self.push(Frame("case", clause="case"), "operand")
            self.value_start = True
        elif word == "not":
            self.after_is = was_is
            self.expect = "operand"
        elif word in ("rollup", "cube") and top.clause == "group":
            self._name(word, start)
        elif word == "grouping" and top.clause == "group":
            self.go("sets")
        elif word == "interval" and word in w.VALUES[self.dialect]:
            self.operand()
            self.unit_comes = True
        elif word in w.WHOLE and word in w.VALUES[self.dialect] and word not in self.seen().columns:
            self.go("operator")
            if word.startswith(("current_", "local")):
                self.expect = "whole"
        else:
            self._name(word, start)

    def _name(self, word: str, start: int) -> None:
        self.name = ("", word, start, start)
        self.go("name")

    def _operator_word(self, word: str) -> None:
        top = self.top
        if self.unit_comes and word in w.UNITS:
            self.unit_comes = False
            self.go("operator")
        elif word in ("over", "filter", "within"):
            self.go({"over": "over", "filter": "filter", "within": "group"}[word])
        elif word == "not":
            self.go("not")
        elif word == "is":
            self.operand()
            self.after_is = True
        elif word in ("isnull", "notnull"):
            self.go("operator")
        elif word == "collate":
            self.go("over")  # any name
        elif word == "at":
            self.go("time")
        elif word == "similar":
            self.go("to")
        elif word in ("asc", "desc"):
            self.go("operator")
        elif word == "nulls":
            self.go("nulls")
        elif top.kind == "case":
            self._case_word(word)
        elif word in w.COMPARED and word != "group":
            self.operand()
        elif self.expect == "type_more" and word in w.TYPE_MORE:
            self.go("type_more")
        elif top.kind in ("query", "tables"):
            self._clause_word(word)
        elif word == "as":
            self.go("type")
        elif word == "order":
            self.change(clause="order")
            self.go("by")
        elif word in ("rows", "range", "groups"):
            self.go("bounds")
        else:  # FROM, FOR, PLACING between the arguments of a function
            self.operand()

    def _case_word(self, word: str) -> None:
        if word in ("and", "or") or word in w.COMPARED - {"when", "then", "else"}:
            self.operand()
        elif word == "end":
            self.frames = self.frames[:-1]
            self.go("operator")
        else:
            self.change(clause=word)
            self.operand()

    # -- clauses ---------------------------------------------------------------------------------------------------

    def _start_word(self, word: str, start: int) -> None:
        top = self.top
        if word in ("all", "distinct"):
            self.go("start")
            return
        if word == "values" and top.role == "top":
            raise Unfit  # a query that reads nothing
        if top.kind == "tables" and word not in ("select", "with", "values"):
            self._table_word(word, start)
            return
        if top.kind == "tables":
            self.frames = (*self.frames[:-1], Frame("query", top.role or "derived", "start"))
        if word == "with":
            self.change(clause="with")
            self.go("cte_name")
        elif word == "values":
            self.change(clause="values", outputs=self.top.outputs | ANY_ROWS)
            self.go("values")
        else:
            self.change(clause="select", sources=(), pendings=(), stars=(), aliases=NO_NAMES, merged=NO_NAMES)
            self.change(item_start=start + len("select"))
            self.operand(is_start=True)

    def _clause_word(self, word: str) -> None:
        if word == "as":
            self.go("alias")
        elif word == "on":
            self.operand()
        elif word == "using":
            self.go("using_paren")
        elif word in w.JOINS:
            self._join_word(word)
        elif word in ("union", "except", "intersect"):
            outputs = self.finish_query()
            self.change(clause="start", outputs=outputs, is_compound=True)
            self.go("start")
        elif word == "with":
            self.go("rollup")
        elif word in ("row", "rows"):
            self.go("operator")
        elif word == "fetch":
            self.leave_clause("limit")
            self.go("fetch")
        else:
            self.leave_clause(word)
            if word == "from":
                self.go("table")
            elif word in ("group", "order"):
                self.go("by")
            elif word == "window":
                self.go("window")
            else:
                self.operand()

    def _fixed_word(self, word: str) -> None:
        expect = self.expect
        if expect.startswith("join "):
            self._join_word(word)
        elif expect == "not":
            self.go("operator") if word == "null" else self.operand()
        elif expect == "within_order":
            self.change(clause="order")
            self.go("by")
        elif expect == "over_start":
            self._over_word(word)
        elif expect == "after_cte":
            self._start_word(word, len(self.text))
        else:
            following = _NEXT[expect]
            if following == "operand":
                self.operand()
            else:
                self.go(following)

    def _over_word(self, word: str) -> None:
        if word in ("rows", "range", "groups"):
            self.go("bounds")
        else:
            if word == "order":
                self.change(clause="order")
            self.go("by")


_NAMED = frozenset({"operand", "distinct", "dot", "table", "table_part", "table_paren", "names", "using"}) | {
    *("alias", "over", "window", "cte_name", *w.AFTER),
}
"""Places where a quoted name may stand."""
_NEXT = {
    "by": "operand",
    "nulls": "operator",
    "group": "within",
    "rollup": "operator",
    "sets": "operand",
    "time": "zone",
    "zone": "operand",
    "to": "operand",
    "distinct_from": "operand",
    "cte_after": "cte_as",
    "cte_as": "cte_as",
    "materialized": "cte_as",
    "filter_where": "operand",
    "bounds": "bounds",
    "fetch": "fetch",
    "window_as": "over",
}
"""Place -> the place behind its one word."""
