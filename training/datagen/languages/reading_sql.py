"""Read from a statement of the grammar what it asks.

In: SQL in SQLite's dialect and the World that it was drawn from. Out: a Meaning, or nothing where a part of the
statement has no place in one: what is not understood whole is not said in part. Knows no language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import SqlglotError

from training.datagen.languages.meaning import Condition, Figure, Form, Meaning, Rows, Term, Use
from training.datagen.languages.reading_dates import Bounds, any_year, read_bound
from training.datagen.languages.reading_joins import Joins, Unread, written
from training.datagen.lexicon import REF_CLOSE, REF_OPEN
from training.datagen.statement import read_tree
from training.datagen.world import World

_MARK = re.compile(f"{REF_OPEN}([^{REF_CLOSE}]+){REF_CLOSE}")
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.GT: "over", exp.GTE: "at_least", exp.LT: "under", exp.LTE: "at_most", exp.EQ: "exactly",
}  # fmt: skip
_FUNCTIONS = ("AVG", "SUM", "MIN", "MAX")
_PERIODS = {"%Y": "year", "%Y-%m": "month", "%m": "month_of_year"}
_KNOWN_PARTS = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "order", "limit", "distinct", "with_", "kind"}
)


class SqlReader:
    """Reads statements about one database."""

    def __init__(self, world: World) -> None:
        """Prepare the names that the glossary gives to expressions."""
        self._world = world
        self._joins = Joins(world.lexicon)
        lexicon = world.lexicon
        # Names that the glossary gives; those made up for a table it does not speak of are English.
        self._figures = {
            text: (table, figure.words)
            for table, figures in lexicon.figures.items()
            if table in lexicon.spoken
            for figure in figures
            if (text := _canonical(figure.sql))
        }
        measures = [measure for measure in lexicon.measures if measure.tables[0] in lexicon.spoken]
        self._measures = {text: measure for measure in measures if (text := _canonical(measure.sql))}
        self._filters = {id(m): _canonical(m.default_filter) for m in lexicon.measures if m.default_filter}

    def read(self, sql: str) -> Meaning | None:
        """Read a statement; None where it cannot be said whole."""
        try:
            tree = read_tree(sql, "sqlite")
            return self._select(tree) if isinstance(tree, exp.Select) else None
        except (SqlglotError, Unread):
            return None

    def _select(self, tree: exp.Select) -> Meaning:
        if any(value for name, value in tree.args.items() if name not in _KNOWN_PARTS) or tree.args.get("with_"):
            raise Unread
        scope = self._joins.scope(tree)
        limit = tree.args.get("limit")
        number = int(limit.expression.name) if limit is not None else None
        items = list(tree.expressions)
        order, is_falling = self._order(tree, scope)
        if share := self._share(tree, items, scope):
            return share
        figures = [figure for item in items if (figure := self._figure(item, scope))]
        shown = [self._term(item, scope) for item in items if not self._figure(item, scope)]
        measure = self._measure_of([*items, *_order_items(tree), *_having_sides(tree)], scope)
        conditions = self._conditions(tree, scope, measure, order)
        rows = Rows(scope[""].table, conditions)
        if tree.args.get("group") is None:
            return self._ungrouped(tree, rows, shown, figures, order, is_falling, number)
        if tree.args.get("distinct") or not shown or not self._is_grouped_by(tree, items, scope):
            raise Unread
        having = self._having(tree, scope, figures)
        ranked = order if isinstance(order, Figure) else None
        if order is not None and (ranked is None or (figures and figures != [ranked])):
            raise Unread
        if having is not None:
            if order is not None or number is not None or len(shown) > 1:
                raise Unread
            figure, condition = having
            kept = tuple(figures)
            return Meaning("having", rows, groups=tuple(shown), figures=kept, order=figure, having=condition)
        if number is not None and ranked is None:
            raise Unread
        if not figures and ranked is None:
            raise Unread
        form: Form = "group" if number is None else "top"
        return Meaning(
            form, rows, groups=tuple(shown), figures=tuple(figures), order=ranked, is_falling=is_falling, limit=number
        )

    def _ungrouped(
        self, tree: exp.Select, rows: Rows, shown: list[Term], figures: list[Figure],
        order: Term | Figure | None, is_falling: bool, limit: int | None,
    ) -> Meaning:  # fmt: skip
        if tree.args.get("having") is not None or isinstance(order, Figure):
            raise Unread
        if figures:
            if shown or order is not None or limit is not None or tree.args.get("distinct"):
                raise Unread
            is_count = figures == [Figure("COUNT")]
            return Meaning("count" if is_count else "figures", rows, figures=tuple(figures))
        if tree.args.get("distinct"):
            if len(shown) != 1 or order is not None or limit is not None:
                raise Unread
            return Meaning("distinct", rows, shown=tuple(shown))
        if limit is not None and order is None:
            raise Unread
        form: Form = "list" if limit is None else "extreme"
        return Meaning(form, rows, shown=tuple(shown), order=order, is_falling=is_falling, limit=limit)

    # ---- what is shown

    def _term(self, node: exp.Expr, scope: dict[str, Use]) -> Term:
        """Read a column, a named expression or a period of a date."""
        if isinstance(node, exp.Column):
            use = scope[node.table]
            return Term(use, node.name, is_date=(use.table, node.name) in self._world.days)
        if found := self._figures.get(_plain(node, scope)):
            use = next(scope[column.table] for column in node.find_all(exp.Column))
            if use.table == found[0]:
                return Term(use, words=found[1])
        if isinstance(node, exp.Anonymous) and node.name.lower() in ("strftime", "date") and node.expressions:
            target = node.expressions[-1]
            period = "day" if node.name.lower() == "date" else _PERIODS.get(node.expressions[0].name, "")
            if period and isinstance(target, exp.Column) and len(node.expressions) == (1 if period == "day" else 2):
                use = scope[target.table]
                return Term(use, target.name, period=period, is_date=True)
        if isinstance(node, exp.Div) and (columns := list(node.find_all(exp.Column))) and len(columns) == 1:
            use = scope[columns[0].table]
            quarter = f"(CAST(strftime('%m', {written(columns[0])}) AS INTEGER) + 2) / 3"
            if written(node) == written(read_tree(f"SELECT {quarter}", "sqlite").expressions[0]):
                return Term(use, columns[0].name, period="quarter", is_date=True)
        raise Unread

    def _figure(self, node: exp.Expr, scope: dict[str, Use]) -> Figure | None:
        """Read an aggregate; None for anything else."""
        if measure := self._measures.get(_plain(node, scope)):
            return Figure("MEASURE", words=measure.words)
        if not isinstance(node, exp.Anonymous) or len(node.expressions) != 1:
            return None
        (inside,), name = node.expressions, node.name.upper()
        if name == "COUNT":
            if isinstance(inside, exp.Star):
                return Figure("COUNT")
            if isinstance(inside, exp.Distinct) and len(inside.expressions) == 1:
                return Figure("DIFFERENT", self._term(inside.expressions[0], scope))
            raise Unread
        return Figure(name, self._term(inside, scope)) if name in _FUNCTIONS else None

    def _measure_of(self, nodes: Iterable[exp.Expr], scope: dict[str, Use]) -> str | None:
        """Give the default filter of the measure that is asked for: empty for none; None without a measure."""
        for node in nodes:
            if measure := self._measures.get(_plain(node, scope)):
                return self._filters.get(id(measure), "")
        return None

    def _order(self, tree: exp.Select, scope: dict[str, Use]) -> tuple[Term | Figure | None, bool]:
        items = _order_items(tree)
        if not items:
            return None, False
        if len(items) > 1:
            raise Unread
        ordered = tree.args["order"].expressions[0]
        return self._figure(items[0], scope) or self._term(items[0], scope), bool(ordered.args.get("desc"))

    def _is_grouped_by(self, tree: exp.Select, items: list[exp.Expr], scope: dict[str, Use]) -> bool:
        """Tell whether rows are grouped by what is shown, and at most by the keys of that."""
        keys = [written(node) for node in tree.args["group"].expressions]
        plain = [item for item in items if not self._figure(item, scope)]
        shown = [written(item) for item in plain]
        own = {written(exp.column(self._world.lexicon.key_of(scope[item.table].table) or "", item.table or None))
               for item in plain if isinstance(item, exp.Column)}  # fmt: skip
        return set(shown) <= set(keys) <= {*shown, *own}

    def _having(
        self, tree: exp.Select, scope: dict[str, Use], figures: list[Figure]
    ) -> tuple[Figure, Condition] | None:
        clause = tree.args.get("having")
        if clause is None:
            return None
        node = clause.this
        figure = self._figure(node.this, scope)
        if figure is None or (figures and figures != [figure]):
            raise Unread
        if isinstance(node, exp.Between):
            return figure, Condition("between", values=(_number(node.args["low"]), _number(node.args["high"])))
        if type(node) not in _COMPARISONS:
            raise Unread
        return figure, Condition(_COMPARISONS[type(node)], values=(_number(node.expression),))

    def _share(self, tree: exp.Select, items: list[exp.Expr], scope: dict[str, Use]) -> Meaning | None:
        """Read `100.0 * SUM(condition) / COUNT(*)`, alone or for each group."""
        node, digits = items[-1], None
        if isinstance(node, exp.Anonymous) and node.name.upper() == "ROUND" and len(node.expressions) == 2:
            digits, node = int(node.expressions[1].name), node.expressions[0]
        if (
            not isinstance(node, exp.Div)
            or written(node.expression) != "COUNT(*)"
            or not isinstance(node.this, exp.Mul)
        ):
            return None
        factor, total = node.this.this, node.this.expression
        if not isinstance(total, exp.Anonymous) or total.name.upper() != "SUM" or factor.name not in ("100.0", "1.0"):
            return None
        if tree.args.get("having") or tree.args.get("order") or tree.args.get("limit") or len(items) > 2:
            raise Unread
        groups = [self._term(item, scope) for item in items[:-1]]
        if groups and not (tree.args.get("group") and self._is_grouped_by(tree, items[:-1], scope)):
            raise Unread
        (part,) = self._read_all([total.expressions[0]], scope) or (None,)
        rows = Rows(scope[""].table, self._conditions(tree, scope, None, None))
        return Meaning(
            "share", rows, groups=tuple(groups), part=part, digits=digits, is_fraction=factor.name == "1.0"
        )  # fmt: skip

    # ---- which rows

    def _conditions(
        self, tree: exp.Select, scope: dict[str, Use], measure: str | None, order: Term | Figure | None
    ) -> tuple[Condition, ...]:
        """Read the WHERE, but for what a measure brings along and what only makes room for an order."""
        where = tree.args.get("where")
        nodes = list(_flatten(where.this)) if where is not None else []
        if measure:
            kept = [node for node in nodes if _plain(node, scope) != measure]
            columns = {column.sql().lower() for column in read_tree(f"SELECT {measure}", "sqlite").find_all(exp.Column)}
            if len(kept) == len(nodes) and not any(_plain(c, scope) in columns for n in nodes for c in _columns(n)):
                raise Unread  # the question waives what the measure leaves out
            nodes = kept
        found = self._read_all(nodes, scope)
        return tuple(c for c in found if not (c.kind == "known" and isinstance(order, Term) and c.term == order))

    def _read_all(self, nodes: list[exp.Expr], scope: dict[str, Use]) -> tuple[Condition, ...]:
        """Read conditions that hold together; the two ends of a span of time make one."""
        found: list[Condition] = []
        bounds: dict[Term, Bounds] = {}
        for node in nodes:
            if type(node) in (exp.GTE, exp.LT) and (bound := read_bound(node.expression)):
                term = self._term(node.this, scope)
                bounds.setdefault(term, Bounds()).add(bound, is_first=isinstance(node, exp.GTE))
            else:
                found.append(self._condition(node, scope))
        return (*found, *(Condition("span", term, span=bound.span()) for term, bound in bounds.items()))

    def _condition(self, node: exp.Expr, scope: dict[str, Use]) -> Condition:
        is_not = isinstance(node, exp.Not)
        inside = node.this if is_not else node
        if isinstance(inside, exp.Exists):
            return self._exists(inside.this, scope, is_negated=is_not)
        if isinstance(inside, exp.Is) and isinstance(inside.expression, exp.Null):
            return Condition("known" if is_not else "missing", self._term(inside.this, scope))
        if is_not:
            raise Unread
        if span := any_year(node):
            return Condition("span", self._term(span[0], scope), span=span[1])
        term = self._term(node.this, scope)
        if isinstance(node, exp.Between):
            return Condition("between", term, (_number(node.args["low"]), _number(node.args["high"])))
        if isinstance(node, exp.In) and len(node.expressions) == 2 and all(_is_text(e) for e in node.expressions):
            return Condition("either", term, (node.expressions[0].name, node.expressions[1].name))
        value = node.expression
        if isinstance(node, exp.Like) and _is_text(value):
            return _like(term, value.name)
        if isinstance(value, exp.Subquery):
            return _average(node, term, value, scope)
        if term.is_date or term.period or not isinstance(node, (exp.NEQ, *_COMPARISONS)):
            raise Unread
        if _is_text(value):
            if not isinstance(node, (exp.EQ, exp.NEQ)) or not value.name.strip():
                raise Unread
            return Condition("is" if isinstance(node, exp.EQ) else "is_not", term, (value.name,))
        if isinstance(node, exp.NEQ):
            raise Unread
        number = _number(value)
        if isinstance(node, exp.EQ) and self._is_flag(term):
            return Condition("yes" if number == "1" else "no", term)
        if isinstance(node, exp.EQ) and not term.words and self._world.lexicon.is_key(term.use.table, term.column):
            return Condition("is", term, (number,))
        return Condition(_COMPARISONS[type(node)], term, (number,))

    def _is_flag(self, term: Term) -> bool:
        if term.words:
            return False
        key = (term.use.table, term.column)
        return key in self._world.flags or self._world.lexicon.column(*key).kind == "boolean"

    def _exists(self, inner: exp.Expr, scope: dict[str, Use], *, is_negated: bool) -> Condition:
        """Read rows of another table that point here."""
        if not isinstance(inner, exp.Select) or inner.args.get("joins"):
            raise Unread
        nodes = list(_flatten(inner.args["where"].this))
        table, alias, rest = self._joins.child(inner, nodes, scope)
        conditions = self._read_all(rest, {alias: Use(table), "": Use(table)})
        return Condition("without" if is_negated else "with", rows=Rows(table, conditions))


def _like(term: Term, pattern: str) -> Condition:
    part = pattern.strip("%")
    if not part.strip() or "%" in part:
        raise Unread
    if pattern == f"%{part}%":
        return Condition("contains", term, (part,))
    return Condition("starts" if pattern.endswith("%") else "ends", term, (part,))


def _average(node: exp.Expr, term: Term, value: exp.Subquery, scope: dict[str, Use]) -> Condition:
    """Read `price > (SELECT AVG(price) FROM product)`, the average of all rows."""
    wanted = f"SELECT AVG({written(exp.column(term.column))}) FROM {written(exp.to_table(scope[''].table))}"
    is_whole = written(value.this).replace('"', "").lower() == wanted.replace('"', "").lower()
    if type(node) not in (exp.GT, exp.LT) or not is_whole or term.use.speaker:
        raise Unread
    return Condition("above_average" if isinstance(node, exp.GT) else "below_average", term)


@lru_cache(maxsize=500)
def _canonical(marked: str) -> str:
    """Write an expression of the lexicon with the names of tables before its columns; empty where it has no such."""
    try:
        (item,) = read_tree(f"SELECT {_MARK.sub(lambda m: m.group(1) + '.', marked)}", "sqlite").expressions
    except (SqlglotError, ValueError):
        return ""
    return str(item.sql(dialect="sqlite").lower())


def _plain(node: exp.Expr, scope: dict[str, Use]) -> str:
    """Write an expression of a statement in the same way."""
    copied = node.copy()
    for column in [copied] if isinstance(copied, exp.Column) else list(copied.find_all(exp.Column)):
        use = scope.get(column.table)
        if use is not None:
            column.set("table", exp.to_identifier(use.table))
    return str(copied.sql(dialect="sqlite").lower())


def _columns(node: exp.Expr) -> list[exp.Column]:
    return list(node.find_all(exp.Column))


def _flatten(node: exp.Expr) -> Iterable[exp.Expr]:
    """Take an AND apart."""
    if isinstance(node, exp.And):
        yield from _flatten(node.this)
        yield from _flatten(node.expression)
    else:
        yield node.unnest()


def _order_items(tree: exp.Select) -> list[exp.Expr]:
    order = tree.args.get("order")
    return [item.this for item in order.expressions] if order is not None else []


def _having_sides(tree: exp.Select) -> list[exp.Expr]:
    having = tree.args.get("having")
    return [having.this.this] if having is not None and isinstance(having.this.this, exp.Expr) else []


def _is_text(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_string)


def _number(node: exp.Expr) -> str:
    sign, inside = ("-", node.this) if isinstance(node, exp.Neg) else ("", node)
    if not isinstance(inside, exp.Literal) or inside.is_string:
        raise Unread
    return f"{sign}{inside.name}"
