"""Carry expressions: operators, CASE, casts and functions, from the leaves up.

In: an expression whose columns are resolved. Out: the expression in the target dialect, tagged with its kind. A node
that has no rule is refused by name, so that nothing is carried over by chance. Must not know clauses: what GROUP BY,
ORDER BY and DISTINCT need is in `evaluation.carrying.clauses`.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from evaluation.carrying.comparisons import compare
from evaluation.carrying.conversions import as_condition, as_number, unify
from evaluation.carrying.formats import write_format, write_time
from evaluation.carrying.kinds import (
    MOMENTS,
    Kind,
    Way,
    cannot,
    common_form,
    fit,
    is_text_literal,
    kind_of,
    tag,
)
from evaluation.carrying.moments import as_date, as_datetime, step
from evaluation.carrying.rules import RULES, carry_like
from evaluation.carrying.shifts import modify, shift

_SQLITE_DATES = frozenset({"DATE", "DATETIME", "TIME", "JULIANDAY", "UNIXEPOCH", "STRFTIME"})
_LEAVES = (exp.Star, exp.Var, exp.DataType, exp.Identifier, exp.WindowSpec)


class Expressions:
    """Carries the expressions of one statement."""

    def __init__(
        self, way: Way, column: Callable[[exp.Column], exp.Expr], outputs: Callable[[exp.Expr], list[Kind]]
    ) -> None:
        """Take what expressions cannot know themselves.

        Args:
            way: From which dialect to which.
            column: Gives a column with its kind, in the target's spelling.
            outputs: Gives the kinds of the result columns of a query that has been carried.
        """
        self._way = way
        self._column = column
        self._outputs = outputs

    def carry(self, node: exp.Expr) -> exp.Expr:
        """Carry one expression.

        Raises:
            DataError: Something in it has no counterpart; names it.
        """
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Query):
            outputs = self._outputs(node)
            return tag(node, outputs[0] if outputs else "unknown")
        if self._way.source == "sqlite" and (call := _sqlite_date(node)):
            return self._date(*call)
        if isinstance(node, exp.Escape) and isinstance(node.this, (exp.Like, exp.ILike)):
            self._carry_parts(node.this)
            return carry_like(node.this, node.expression.name, self._way)
        if isinstance(node, exp.Case):
            return self._case(node)
        if isinstance(node, (exp.Add, exp.Sub)) and isinstance(node.expression, exp.Interval):
            return self._shift(node.this, node.expression, is_negative=isinstance(node, exp.Sub))
        if isinstance(node, _LEAVES):
            return node
        rule = RULES.get(type(node))
        if rule is None:
            raise cannot(node.sql(self._way.source)[:80], self._way)
        self._carry_parts(node)
        if not isinstance(node, (exp.Paren, exp.Alias, exp.Extract)) and any(
            kind_of(part) == "interval" for part in node.iter_expressions()
        ):
            raise cannot(f"the interval in {node.sql(self._way.target)[:80]}", self._way)
        return rule(node, self._way)

    def _carry_parts(self, node: exp.Expr) -> None:
        for part, value in list(node.args.items()):
            if isinstance(value, exp.Expr):
                node.set(part, self.carry(value))
            elif isinstance(value, list):
                node.set(part, [self.carry(item) if isinstance(item, exp.Expr) else item for item in value])

    def _shift(self, base: exp.Expr, interval: exp.Interval, *, is_negative: bool) -> exp.Expr:
        way = self._way
        amount, unit = interval.this, interval.args.get("unit")
        moment = self.carry(base)
        if unit is None or kind_of(moment) not in (*MOMENTS, "text", "unknown"):
            raise cannot(f"the interval {interval.sql(way.source)}", way)
        count = self.carry(amount)
        count = as_number(count, way) if is_text_literal(count) else count
        if is_negative:
            count = tag(exp.Neg(this=fit(count, exp.Neg)), kind_of(count))
        if way.source == "postgres" and kind_of(moment) == "date":
            moment = as_datetime(moment, way)  # a timestamp comes of it there; MySQL leaves a date a date
        return shift(moment, count, unit.name, way)

    def _case(self, node: exp.Expr) -> exp.Expr:
        way = self._way
        subject = self.carry(node.this) if node.this is not None else None
        branches = []
        for each in node.args["ifs"]:
            test, value = self.carry(each.this), self.carry(each.args["true"])
            branches.append(
                (as_condition(test, way) if subject is None else compare(exp.EQ, subject.copy(), test, way), value)
            )
        default = self.carry(node.args["default"]) if node.args.get("default") is not None else None
        values, kind = unify([value for _, value in branches] + ([default] if default is not None else []), way)
        ifs = [exp.If(this=test, true=value) for (test, _), value in zip(branches, values, strict=False)]
        found = exp.Case(ifs=ifs, default=values[-1] if default is not None else None)
        return tag(found, kind, form=common_form(values))

    # -- dates of SQLite -----------------------------------------------------------------------------------------------

    def _date(self, name: str, arguments: list[exp.Expr]) -> exp.Expr:
        way = self._way
        form = ""
        if name == "STRFTIME":
            if not is_text_literal(arguments[0]):
                raise cannot("a format of strftime() that is not written out", way)
            form, arguments = arguments[0].name, arguments[1:]
        carried = [self._modifier(item) if i else self.carry(item) for i, item in enumerate(arguments)]
        moment = modify(name.lower(), carried, way)
        if name == "STRFTIME":
            return write_format(moment, form, way)
        if name == "TIME":
            return write_time(moment, way)
        if name in ("JULIANDAY", "UNIXEPOCH"):
            return step("julian" if name == "JULIANDAY" else "epoch", way, x=as_datetime(moment, way))
        return as_date(moment, way) if name == "DATE" else as_datetime(moment, way)

    def _modifier(self, item: exp.Expr) -> exp.Expr:
        """Carry what a modifier is put together from, and leave it apart so that it can be read."""
        if isinstance(item, exp.DPipe):
            for leaf in list(item.flatten()):
                if not is_text_literal(leaf):
                    leaf.replace(self.carry(leaf.copy()))
        return item


def _sqlite_date(node: exp.Expr) -> tuple[str, list[exp.Expr]] | None:
    """Read a call of one of SQLite's date functions, in whichever shape sqlglot keeps it."""
    if isinstance(node, exp.Anonymous) and node.name.upper() in _SQLITE_DATES:
        return node.name.upper(), list(node.expressions)
    if isinstance(node, exp.Date):
        return "DATE", [node.this, *node.expressions] if node.this is not None else []
    if isinstance(node, exp.TimeToStr):
        inner = node.this.this if isinstance(node.this, exp.TsOrDsToTimestamp) else node.this
        return "STRFTIME", [node.args["format"]] + ([] if isinstance(inner, exp.CurrentTimestamp) else [inner])
    if isinstance(node, exp.CurrentDate):
        return "DATE", []
    return ("DATETIME", []) if isinstance(node, exp.CurrentTimestamp) else None
