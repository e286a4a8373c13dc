"""The expressions and conditions of a query in plain English.

In: one part of a query's sqlglot tree. Out: a phrase to put into a sentence. A part that has no phrase here comes out
as its SQL, never as a guess. Writes no sentence: `assistant.explain` and `assistant.describing` do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

from sqlglot import exp

from assistant.types import ColumnKind
from assistant.words import split_name
from assistant.writing import (
    ISO_DATE,
    format_number,
    humanise,
    join_words,
    plural,
    spoken_day,
    spoken_period,
    spoken_span,
)

_END_OF_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})[ T]23:59(?::59(?:\.\d+)?)?")
_AGO = re.compile(r"-\s*(\d+)\s+(day|month|year|hour|week)s?")
_PERIODS = {"%Y": "year", "%Y-%m": "month", "%m": "calendar month", "%Y-%m-%d": "day", "%d": "day of the month"}
_PERIODS |= {"%w": "weekday", "%u": "weekday", "%W": "week", "%V": "week", "%H": "hour", "%Y-%W": "week"}
_SIGNS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "−", exp.Mul: "×", exp.Div: "÷", exp.Mod: "modulo"}
_COMPARISONS: dict[type[exp.Expr], tuple[str, str]] = {
    exp.EQ: ("is", "is"),
    exp.NEQ: ("is not", "is not"),
    exp.NullSafeEQ: ("is", "is"),
    exp.NullSafeNEQ: ("is not", "is not"),
    exp.GT: ("is more than", "is after"),
    exp.GTE: ("is at least", "is on or after"),
    exp.LT: ("is less than", "is before"),
    exp.LTE: ("is at most", "is on or before"),
}
_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}
_WRAPPERS = (
    exp.Paren, exp.Cast, exp.TryCast, exp.Round, exp.Date, exp.Datetime, exp.TsOrDsToDate, exp.TsOrDsToTimestamp,
    exp.Lower, exp.Upper, exp.Trim,
)  # fmt: skip
_TRUTHS = (exp.Predicate, exp.Connector, exp.Not)


class Phrases:
    """The words for the parts of one query."""

    def __init__(
        self,
        tables: Mapping[str, str],
        shared_columns: frozenset[str] = frozenset(),
        *,
        kinds: Mapping[str, ColumnKind] | None = None,
        terms: Mapping[str, str] | None = None,
        inner_names: frozenset[str] = frozenset(),
    ) -> None:
        """Prepare the words.

        Args:
            tables: Each alias or name in the query, to the table it stands for; an alias that says something itself
                (of a common table expression) stands for itself.
            shared_columns: Column names of more than one of the tables, in lower case: these get the table's name.
            kinds: What the values of a column are, by its name in lower case, where no two tables differ about it.
            terms: Business terms by their SQL without table names, as `unqualified` writes it.
            inner_names: Names of common table expressions, in lower case.
        """
        self._tables = tables
        self._shared = shared_columns
        self._kinds = kinds or {}
        self._terms = terms or {}
        self._inner_names = inner_names

    def of(self, node: exp.Expr) -> str:
        """Put an expression into words."""
        term = self._terms.get(unqualified(node)) if not isinstance(node, exp.Column | exp.Literal) else None
        if term is not None:
            return term
        if isinstance(node, exp.Alias):
            is_renamed = isinstance(node.this, exp.Column) and humanise(node.alias) not in self.of(node.this)
            return f"{self.of(node.this)} as {humanise(node.alias)}" if is_renamed else self.of(node.this)
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Literal):
            return _literal(node)
        if isinstance(node, exp.AggFunc):
            return self._aggregate(node)
        if isinstance(node, exp.Filter):
            return f"{self.of(node.this)} where {self.condition(node.expression.this)}"
        if isinstance(node, exp.Window):
            return self._window(node)
        moment = self._moment(node)
        if moment:
            return moment
        if isinstance(node, _WRAPPERS):
            return self.of(node.this)
        if isinstance(node, exp.Coalesce):
            return self.of(node.this)
        if isinstance(node, exp.Nullif):
            return self.of(node.this)
        if isinstance(node, exp.Neg):
            return f"minus {self.of(node.this)}"
        sign = _SIGNS.get(type(node))
        if sign is not None and isinstance(node, exp.Binary):
            return f"{self._operand(node.this, node)} {sign} {self._operand(node.expression, node)}"
        if isinstance(node, exp.DPipe):
            return f"{self.of(node.this)} followed by {self.of(node.expression)}"
        if isinstance(node, exp.Case):
            return self._case(node)
        if isinstance(node, exp.Subquery | exp.Select):
            return self.subquery(node)
        if isinstance(node, exp.Boolean):
            return "true" if node.this else "false"
        if isinstance(node, exp.Null):
            return "nothing"
        if isinstance(node, _TRUTHS):
            return f"whether {self.condition(node)}"
        return node.sql()

    def condition(self, node: exp.Expr) -> str:
        """Put a condition into words; date bounds that make a period become that period."""
        if isinstance(node, exp.And):
            return join_words(self._conditions(_and_parts(node)))
        if isinstance(node, exp.Or):
            return join_words([self.condition(part) for part in node.flatten(unnest=False)], "or")
        if isinstance(node, exp.Paren):
            inner = self.condition(node.this)
            return f"({inner})" if isinstance(node.this, exp.Or) else inner
        if isinstance(node, exp.Not):
            return self._negated(node.this)
        if isinstance(node, exp.Is):
            return self._is(node, is_negated=False)
        if isinstance(node, exp.Between):
            return self._between(node)
        if isinstance(node, exp.In):
            return self._in(node, is_negated=bool(node.args.get("negate")))
        if isinstance(node, exp.Like | exp.ILike):
            return self._like(node, is_negated=bool(node.args.get("negate")))
        if isinstance(node, exp.Exists):
            return f"there is {self._existing(node)}"
        if type(node) in _COMPARISONS and isinstance(node, exp.Binary):
            return self._comparison(node)
        if isinstance(node, exp.Column):
            return self._flag(node, True)
        # Of a rare kind of condition neither knows words.
        return node.sql() if isinstance(node, _TRUTHS) else self.of(node)

    def tables_of(self, select: exp.Select) -> list[str]:
        """Name what a select reads, in the plural and in its order."""
        source = select.args.get("from_")
        nodes = [source.this] if source is not None else []
        nodes += [join.this for join in select.args.get("joins") or ()]
        names = []
        for node in nodes:
            if isinstance(node, exp.Table):
                is_inner = node.name.lower() in self._inner_names
                names.append(f"“{humanise(node.name)}”" if is_inner else plural(humanise(node.name)))
            elif isinstance(node, exp.Subquery):
                names.append(f"a list of {self.subquery(node)}")
        return list(dict.fromkeys(names))

    def subquery(self, node: exp.Expr) -> str:
        """Put a select within another one into words, short."""
        inner = node.unnest() if isinstance(node, exp.Subquery) else node
        if not isinstance(inner, exp.Select):
            return "a combined list"
        shown = "everything" if inner.is_star else join_words([self.of(part) for part in inner.expressions])
        tables = join_words(self.tables_of(inner))
        phrase = f"the {shown} of {tables}" if tables else shown
        filters = self.filters_of(inner)
        group = inner.args.get("group")
        if filters:
            phrase += f" where {filters}"
        if group is not None and group.expressions:
            phrase += f" per {join_words([self.of(part) for part in group.expressions])}"
        return phrase

    def filters_of(self, select: exp.Select) -> str:
        """Put the conditions of a select into words, keys that join tables left out."""
        where = select.args.get("where")
        parts = _and_parts(where.this) if where is not None else []
        for join in select.args.get("joins") or ():
            on = join.args.get("on")
            parts += _and_parts(on) if on is not None else []
        parts = [part for part in parts if not _joins_tables(part)]
        return join_words(self._conditions(parts)) if parts else ""

    def _column(self, node: exp.Column) -> str:
        name = humanise(node.name)
        if node.name.lower() in self._shared and node.table:
            table = humanise(self._tables.get(node.table.lower(), node.table))
            # `customer_key` of `customer` says whose it is.
            return name if name.startswith(table.split()[-1]) else f"{table} {name}"
        return name

    def _subject(self, node: exp.Expr) -> str:
        words = self.of(node)
        return words if isinstance(node, exp.Literal) or words.startswith(("the ", "whether ")) else f"the {words}"

    def order_of(self, node: exp.Expr, *, is_falling: bool) -> str:
        """Say in which order values come: highest, latest or Z first, or the other way round."""
        bare = _bare(node)
        kind = self._kinds.get(bare.name.lower()) if isinstance(bare, exp.Column) else None
        if kind == "text":
            return "from Z to A" if is_falling else "from A to Z"
        if kind in ("date", "datetime") or self._is_moment(bare) or isinstance(bare, exp.TimeToStr):
            return "latest first" if is_falling else "earliest first"
        return "highest first" if is_falling else "lowest first"

    def _operand(self, node: exp.Expr, parent: exp.Expr) -> str:
        words = self.of(node)
        inner = node.unnest() if isinstance(node, exp.Paren) else node
        needs_parens = isinstance(node, exp.Paren) and type(inner) in _SIGNS
        return f"({words})" if needs_parens and self._terms.get(unqualified(inner)) is None else words

    def _aggregate(self, node: exp.AggFunc) -> str:
        inner = node.this
        if isinstance(node, exp.Count):
            return self._count(inner)
        if not isinstance(inner, exp.Expr):
            return node.sql()
        if isinstance(node, exp.Sum) and isinstance(inner.unnest(), exp.Case):
            case = inner.unnest()
            branches = case.args["ifs"]
            if len(branches) == 1 and branches[0].args["true"].sql() == "1":
                return f"number of rows where {self.condition(branches[0].this)}"
        if isinstance(inner, exp.Distinct):
            inner = inner.expressions[0]
        words = self.of(inner)
        if isinstance(node, exp.Sum):
            return f"total {words}"
        if isinstance(node, exp.Avg):
            return f"average {words}"
        if isinstance(node, exp.Min | exp.Max):
            first, last = ("earliest", "latest") if self._is_moment(inner) else ("lowest", "highest")
            return f"{first if isinstance(node, exp.Min) else last} {words}"
        if isinstance(node, exp.GroupConcat | exp.ArrayAgg):
            return f"list of {words}"
        return node.sql()

    def _count(self, inner: object) -> str:
        if isinstance(inner, exp.Distinct):
            return f"number of different {plural(_without_key(self.of(inner.expressions[0])))}"
        if isinstance(inner, exp.Column):
            return f"number of {plural(_without_key(self.of(inner)))}"
        if isinstance(inner, exp.Case):
            return f"number of rows where {self.condition(inner.args['ifs'][0].this)}"
        tables = set(self._tables.values())
        return f"number of {plural(humanise(tables.pop()))}" if len(tables) == 1 else "number of rows"

    def _window(self, node: exp.Window) -> str:
        base = node.this
        order = node.args.get("order")
        by = ""
        if order is not None:
            parts = [
                self.of(part.this) + (" (highest first)" if part.args.get("desc") else "") for part in order.expressions
            ]
            by = f" by {join_words(parts)}"
        within = ""
        if node.args.get("partition_by"):
            within = f" within each {join_words([self.of(part) for part in node.args['partition_by']])}"
        if isinstance(base, exp.Lag | exp.Lead):
            place = "previous" if isinstance(base, exp.Lag) else "next"
            return f"{self.of(base.this)} of the {place} row{by}{within}"
        if isinstance(base, exp.AggFunc):
            running = "running " if order is not None else ""
            return f"{running}{self.of(base)}{within}"
        return f"rank{by}{within}"

    def _moment(self, node: exp.Expr) -> str:
        """Put a date function into words; empty for anything else."""
        if isinstance(node, exp.TimeToStr):
            period = _PERIODS.get(node.text("format"))
            return f"{period} of {self.of(node.this)}" if period else ""
        if isinstance(node, exp.Extract | exp.TimestampTrunc | exp.DateTrunc):
            unit = node.this if isinstance(node, exp.Extract) else node.args.get("unit")
            inner = node.expression if isinstance(node, exp.Extract) else node.this
            return f"{str(unit).strip(chr(39)).lower()} of {self.of(inner)}"
        if isinstance(node, exp.Year | exp.Month | exp.Day | exp.Week | exp.Quarter):
            return f"{type(node).__name__.lower()} of {self.of(node.this)}"
        if isinstance(node, exp.CurrentDate | exp.CurrentTimestamp | exp.CurrentDatetime):
            return "today"
        if isinstance(node, exp.DateDiff):
            return f"number of days from {self.of(node.expression)} to {self.of(node.this)}"
        if isinstance(node, exp.Sub):
            first, second = _julian_day(node.this), _julian_day(node.expression)
            if first is not None and second is not None:
                return f"number of days from {self.of(second)} to {self.of(first)}"
            if isinstance(node.expression, exp.Interval):
                return (
                    f"{node.expression.text('this')} {node.expression.text('unit').lower()} before {self.of(node.this)}"
                )
        if isinstance(node, exp.Anonymous | exp.Date | exp.Datetime):
            is_named = not isinstance(node, exp.Anonymous)
            arguments = [node.this, *node.expressions] if is_named else list(node.expressions)
            arguments = [argument for argument in arguments if isinstance(argument, exp.Expr)]
            known = is_named or str(node.this).lower() in ("date", "datetime", "julianday")
            if known and arguments:
                return self._moved(arguments)
        return ""

    def _moved(self, arguments: list[exp.Expr]) -> str:
        """Put SQLite's `date('now', '-30 days')` into words."""
        start = self.of(arguments[0])
        words = "today" if arguments[0].name == "now" else start
        for argument in arguments[1:]:
            shift = _AGO.fullmatch(argument.name)
            if shift:
                words = f"{shift.group(1)} {shift.group(2)}{'s' if shift.group(1) != '1' else ''} before {words}"
            elif argument.name.startswith("start of"):
                words = f"the {argument.name} of {words}"
            else:
                words = f"{words} {argument.name}"
        return words

    def _case(self, node: exp.Case) -> str:
        branches = node.args["ifs"]
        if len(branches) == 1 and branches[0].args["true"].sql() == "1":
            return f"whether {self.condition(branches[0].this)}"
        parts = [f"{self.of(branch.args['true'])} where {self.condition(branch.this)}" for branch in branches]
        default = node.args.get("default")
        if default is not None and not isinstance(default, exp.Null):
            parts.append(f"else {self.of(default)}")
        return ", ".join(parts)

    def _is_moment(self, node: exp.Expr) -> bool:
        name = split_name(node.name) if isinstance(node, exp.Column) else ()
        if name and (name[-1] in ("date", "time", "at", "on", "day") or "date" in name[0]):
            return True
        return bool(isinstance(node, exp.Literal) and ISO_DATE.match(node.name))

    def _flag(self, node: exp.Column, is_true: bool) -> str:
        words = split_name(node.name)
        if words[0] in ("is", "has"):
            table = self._tables.get(node.table.lower()) if node.table else None
            if table is None and len(set(self._tables.values())) == 1:
                table = next(iter(self._tables.values()))
            subject = f"the {humanise(table)}" if table else "it"
            verb = words[0] if is_true else f"{words[0]} not"
            return f"{subject} {verb} {' '.join(words[1:])}"
        return f"{self._subject(node)} is {'true' if is_true else 'false'}"

    def _comparison(self, node: exp.Binary) -> str:
        left, right = node.this, node.expression
        kind: type[exp.Expr] = type(node)
        if isinstance(left, exp.Literal) and not isinstance(right, exp.Literal):
            left, right, kind = right, left, _MIRRORED.get(kind, kind)
        if isinstance(left, exp.Column) and split_name(left.name)[:1] in (("is",), ("has",)):
            value = right.sql().lower()
            if value in ("0", "1", "true", "false") and kind in (exp.EQ, exp.NEQ):
                return self._flag(left, (value in ("1", "true")) == (kind is exp.EQ))
        period = left.unnest() if isinstance(left, exp.Paren) else left
        inner = _bare(period) if isinstance(period, exp.Cast) else period
        if (
            kind is exp.EQ
            and isinstance(right, exp.Literal)
            and isinstance(inner, exp.TimeToStr | exp.Year | exp.Extract)
        ):
            named = spoken_period(right.name)
            shape = inner.text("format") if isinstance(inner, exp.TimeToStr) else "%Y"
            is_year = not isinstance(inner, exp.Extract) or str(inner.this).lower() == "year"
            if named and shape in ("%Y", "%Y-%m", "%Y-%m-%d") and is_year:
                subject = inner.expression if isinstance(inner, exp.Extract) else inner.this
                return f"{self._subject(subject)} is {named}"
        is_moment = self._is_moment(_bare(left)) or self._is_moment(_bare(right))
        verb = _COMPARISONS[kind][is_moment]
        return f"{self._subject(left)} {verb} {self.of(right)}"

    def _conditions(self, parts: list[exp.Expr]) -> list[str]:
        """Put several conditions into words, two bounds of one date together."""
        lower: dict[str, tuple[int, date]] = {}
        merged: dict[int, str] = {}
        dropped: set[int] = set()
        for place, part in enumerate(parts):
            bound = _bound(part)
            if bound is None:
                continue
            side, day, is_lower = bound
            key = side.sql()
            if is_lower:
                lower[key] = (place, day)
            elif key in lower and lower[key][1] <= day:
                merged[lower[key][0]] = f"{self._subject(side)} is {spoken_span(lower[key][1], day)}"
                dropped.add(place)
        return [merged.get(place) or self.condition(part) for place, part in enumerate(parts) if place not in dropped]

    def _between(self, node: exp.Between) -> str:
        low, high = node.args["low"], node.args["high"]
        first, last = _day(low), _day(high)
        if first is not None and last is not None:
            return f"{self._subject(node.this)} is {spoken_span(first, last + timedelta(days=1))}"
        return f"{self.of(node.this)} is between {self.of(low)} and {self.of(high)}"

    def _in(self, node: exp.In, *, is_negated: bool) -> str:
        verb = "is not" if is_negated else "is"
        query = node.args.get("query")
        if query is not None:
            return f"{self._subject(node.this)} {verb} among {self.subquery(query)}"
        values = [self.of(part) for part in node.expressions]
        return f"{self._subject(node.this)} {verb} {join_words(values, 'or')}"

    def _like(self, node: exp.Like | exp.ILike, *, is_negated: bool) -> str:
        pattern = node.expression.name
        text = pattern.strip("%")
        verbs = {(True, True): ("contains", "does not contain"), (False, True): ("starts with", "does not start with")}
        verbs[True, False] = ("ends with", "does not end with")
        verbs[False, False] = ("is", "is not")
        verb = verbs[pattern.startswith("%"), pattern.endswith("%")][is_negated]
        return f"{self._subject(node.this)} {verb} '{text}'"

    def _is(self, node: exp.Is, *, is_negated: bool) -> str:
        if isinstance(node.expression, exp.Null):
            return f"{self._subject(node.this)} is {'known' if is_negated else 'missing'}"
        is_true = bool(getattr(node.expression, "this", None)) != is_negated
        if isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Boolean):
            return self._flag(node.this, is_true)
        return f"{self._subject(node.this)} is {'not ' if is_negated else ''}{self.of(node.expression)}"

    def _negated(self, node: exp.Expr) -> str:
        inner = node.unnest() if isinstance(node, exp.Paren) else node
        if isinstance(inner, exp.Is):
            return self._is(inner, is_negated=True)
        if isinstance(inner, exp.In):
            return self._in(inner, is_negated=True)
        if isinstance(inner, exp.Like | exp.ILike):
            return self._like(inner, is_negated=True)
        if isinstance(inner, exp.Exists):
            return f"there is no {self._existing(inner).removeprefix('a ').removeprefix('an ')}"
        if isinstance(inner, exp.Column):
            return self._flag(inner, False)
        return f"not ({self.condition(inner)})"

    def _existing(self, node: exp.Exists) -> str:
        inner = node.this
        source = inner.args.get("from_") if isinstance(inner, exp.Select) else None
        if source is None or not isinstance(source.this, exp.Table):
            return "a matching row"
        noun = humanise(source.this.name)
        filters = self.filters_of(inner)
        return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun} that belongs to it" + (
            f" where {filters}" if filters else ""
        )


def unqualified(node: exp.Expr) -> str:
    """Write an expression without names of tables, in one spelling, to compare it with a business term."""
    copy = node.copy()
    while isinstance(copy, exp.Paren | exp.Alias):
        copy = copy.this
    for column in copy.find_all(exp.Column):
        column.set("table", None)
    return str(copy.sql(normalize=True, comments=False)).lower()


def _bare(node: exp.Expr) -> exp.Expr:
    while isinstance(node, _WRAPPERS) and isinstance(node.this, exp.Expr):
        node = node.this
    return node


def _and_parts(node: exp.Expr) -> list[exp.Expr]:
    return list(node.flatten(unnest=False)) if isinstance(node, exp.And) else [node]


def _joins_tables(node: exp.Expr) -> bool:
    both = isinstance(node, exp.EQ) and isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Column)
    return bool(both and node.this.table != node.expression.table)


def _without_key(words: str) -> str:
    return re.sub(r" (?:key|id)$", "", words)


def _julian_day(node: exp.Expr) -> exp.Expr | None:
    node = node.unnest() if isinstance(node, exp.Paren) else node
    if isinstance(node, exp.Anonymous) and str(node.this).lower() == "julianday" and len(node.expressions) == 1:
        found: exp.Expr = node.expressions[0]
        return found
    return None


def _literal(node: exp.Literal) -> str:
    if not node.is_string:
        return format_number(int(node.name) if node.name.isdigit() else float(node.name))
    if node.name == "now":
        return "today"
    day = _day(node)
    return spoken_day(day) if day is not None else f"'{node.name}'"


def _day(node: exp.Expr) -> date | None:
    literal = _bare(node)
    if not (isinstance(literal, exp.Literal) and literal.is_string):
        return None
    end = _END_OF_DAY.fullmatch(literal.name)
    text = end.group(1) if end else literal.name
    if not ISO_DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _bound(node: exp.Expr) -> tuple[exp.Expr, date, bool] | None:
    """Read one bound of a date range: the expression, the day, and whether it is the lower one; the upper excludes."""
    if not isinstance(node, exp.GTE | exp.LT | exp.LTE) or isinstance(node.this, exp.Literal):
        return None
    day = _day(node.expression)
    if day is None:
        return None
    if isinstance(node, exp.LTE):
        day += timedelta(days=1)
    return node.this, day, isinstance(node, exp.GTE)
