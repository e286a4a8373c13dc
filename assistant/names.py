"""Find out what every name in a tree means: which table, which column, which alias.

In: the tree of one query and the SchemaContext. Out: the tables it reads, as the database spells them; on the way each
name in the tree gets the database's own spelling. Names are looked up as the dialect does it: common table expressions,
subqueries, correlated references, USING, NATURAL, LATERAL, aliases in ORDER BY. Only what the context holds is known:
`rowid`, `ctid` and tables that were not linked are not.

Masked columns are followed on the way, through aliases, subqueries and common table expressions; what may be done with
one is in `lineage`.

Must not judge what else a query does; that is the guard's. A name with no meaning, or with two, raises `Refused`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlglot import exp

from assistant.functions import TABLE_FUNCTIONS
from assistant.grammar import write
from assistant.lineage import Lineage, Masked, is_counted, refuse_masked, refuse_places, refuse_set, renamed, reveals
from assistant.spelling import Refused, Spelling, is_system, listed
from assistant.types import SchemaContext


class Meaning(NamedTuple):
    """What the names of a query came to."""

    tables: tuple[str, ...]
    """Tables it reads, as the database spells them, in order."""
    masked: tuple[int, ...]
    """Places (from 0) of the result columns whose cells must be covered."""
    width: int
    """How many columns the result has."""


@dataclass
class _Source:
    """A table, subquery or function in FROM: the name it goes by and its columns, in order ("" for one without)."""

    alias: str
    columns: list[str]
    table: str = ""


@dataclass
class _Scope:
    """What names can mean inside one SELECT; `parent` is the query around it."""

    parent: _Scope | None = None
    sources: list[_Source] = field(default_factory=list)
    merged: set[str] = field(default_factory=set)

    def chain(self) -> Iterator[_Scope]:
        scope: _Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def reachable(self) -> list[_Source]:
        return [source for level in self.chain() for source in level.sources]


_Ctes = Mapping[str, _Source]
_Names = Mapping[str, str]
_NONE: _Names = {}


def resolve(tree: exp.Expr, context: SchemaContext) -> Meaning:
    """Give every name in `tree` its meaning and the database's spelling.

    Raises:
        Refused: The first name that is unknown, ambiguous, belongs to the database system, or would reveal a masked
            column.
    """
    resolver = _Resolver(context)
    outputs = resolver.query(tree, None, {})
    # Fail closed: a name in a place that the walk does not know has not been looked at.
    for node in tree.find_all(exp.Column, exp.Table):
        if id(node) not in resolver.seen:
            raise Refused("node-not-allowed", f"'{write(node, context.dialect)}' stands where no name may stand.")
    masked = tuple(place for place, name in enumerate(outputs) if isinstance(name, Masked))
    return Meaning(tuple(resolver.tables), masked, len(outputs))


class _Resolver:
    """One walk over one tree. Methods take the scope a part stands in and the common table expressions it can see."""

    def __init__(self, context: SchemaContext) -> None:
        self.spelling = Spelling(context)
        self.has_masked = any(column.is_masked for table in context.tables for column in table.columns)
        self.dialect = context.dialect
        self.tables: dict[str, None] = {}
        self.seen: set[int] = set()
        self.lineage = Lineage()

    def query(self, node: exp.Expr, parent: _Scope | None, ctes: _Ctes) -> list[str]:
        """Resolve a query and return the names of its columns, "" for one without a name."""
        ctes = self._with(node.args.get("with_"), parent, ctes)
        if isinstance(node, exp.Select):
            return self._select(node, parent, ctes)
        if isinstance(node, exp.Values):
            return self._values(node, _Scope(parent), ctes)
        if not isinstance(node, (exp.SetOperation, exp.Subquery)):
            raise Refused("node-not-allowed", f"'{node.key}' stands where a SELECT should.")
        outputs = self.query(node.this, parent, ctes)
        if isinstance(node, exp.SetOperation):
            refuse_set(node, outputs, self.query(node.expression, parent, ctes))
        refuse_places(node.args.get("order"), outputs)
        self._expressions([node.args.get("order")], _Scope(parent, [_Source("", outputs)]), ctes)
        self._limits(node, ctes)
        return outputs

    def _with(self, node: exp.Expr | None, parent: _Scope | None, ctes: _Ctes) -> _Ctes:
        if node is None:
            return ctes
        visible = dict(ctes)
        for cte in node.expressions:
            alias = cte.args["alias"]
            name = self.spelling.declared(alias.this)
            if is_system(name):
                raise Refused("system-table", f"'{name}' is the name of a system table.", "Choose another name.")
            columns = [self.spelling.declared(column) for column in alias.args.get("columns") or ()]
            inside = dict(visible)
            if isinstance(cte.this, exp.SetOperation) and (node.args.get("recursive") or self.dialect == "sqlite"):
                # A recursive part sees the columns of the part it starts from.
                start = cte.this.this
                while isinstance(start, (exp.SetOperation, exp.Subquery)):
                    start = start.this
                is_named = columns and not self.has_masked  # then there is nothing to learn from the start
                outputs = columns if is_named else renamed(columns, self.query(start, parent, visible))
                inside[self.spelling.fold(name)] = _Source(name, outputs)
            outputs = self.query(cte.this, parent, inside)
            visible[self.spelling.fold(name)] = _Source(name, renamed(columns, outputs))
        return visible

    def _select(self, node: exp.Select, parent: _Scope | None, ctes: _Ctes) -> list[str]:
        scope = _Scope(parent)
        late: list[exp.Expr] = []
        if source := node.args.get("from_"):
            self._source(source.this, scope, ctes)
        for join in node.args.get("joins") or ():
            self._join(join, scope, ctes, late)
        for lateral in node.args.get("laterals") or ():
            self._source(lateral, scope, ctes)
        self._expressions([*late, *node.expressions, *(node.args.get("windows") or ())], scope, ctes)
        outputs = self._outputs(node, scope)

        fold = self.spelling.fold
        aliases = {
            fold(name): self.lineage.tagged(name, item) for item in node.expressions if (name := self._alias(item))
        }
        # PostgreSQL knows a result column only where it stands alone; the others know it inside expressions too.
        is_postgres = self.dialect == "postgres"
        results = {fold(name): name for name in outputs if name}
        bare = results if is_postgres else aliases
        anywhere = _NONE if is_postgres else aliases
        self._expressions([node.args.get("where")], scope, ctes, aliases if self.dialect == "sqlite" else _NONE)
        self._expressions([node.args.get("having")], scope, ctes, anywhere)
        for part in ("group", "distinct"):
            if found := node.args.get(part):
                refuse_places(found, outputs)
                self._expressions(found.iter_expressions(), scope, ctes, anywhere, bare=bare)
        if order := node.args.get("order"):
            refuse_places(order, outputs)
            terms = [term.this for term in order.expressions]
            known = aliases if self.dialect == "sqlite" else results
            self._expressions(terms, scope, ctes, anywhere, bare=known, is_bare_first=True)
        self._limits(node, ctes)
        return outputs

    def _values(self, node: exp.Values, scope: _Scope, ctes: _Ctes) -> list[str]:
        self._expressions(node.expressions, scope, ctes)
        width = len(node.expressions[0].expressions) if node.expressions else 0
        return [f"column_{i}" if self.dialect == "mysql" else f"column{i + 1}" for i in range(width)]

    def _limits(self, node: exp.Expr, ctes: _Ctes) -> None:
        self._expressions([node.args.get("limit"), node.args.get("offset")], _Scope(), ctes)

    # -- FROM ------------------------------------------------------------------------------------------------------

    def _source(self, node: exp.Expr, scope: _Scope, ctes: _Ctes) -> None:
        """Add what stands in FROM or after JOIN to `scope`."""
        self.seen.add(id(node))
        alias = node.args.get("alias")
        source = self._read_source(node, scope, ctes)
        if source is not None:
            if alias is not None:
                source.alias = self.spelling.declared(alias.this) if alias.this else source.alias
                names = [self.spelling.declared(column) for column in alias.args.get("columns") or ()]
                source.columns = renamed(names, source.columns)
            if isinstance(node, exp.Unnest) or isinstance(node.this, exp.Anonymous):
                # The one column of a function is called like the function, or like its alias.
                source.columns = [column or source.alias for column in source.columns]
            fold = self.spelling.fold
            if source.alias and any(fold(other.alias) == fold(source.alias) for other in scope.sources):
                message = f"Two tables of one FROM are called '{source.alias}'."
                raise Refused("ambiguous-column", message, "Give each an alias of its own, such as a and b.")
            scope.sources.append(source)
        for join in (node.args.get("joins") or ()) if isinstance(node, exp.Table) else ():
            self._join(join, scope, ctes, None)

    def _read_source(self, node: exp.Expr, scope: _Scope, ctes: _Ctes) -> _Source | None:
        if isinstance(node.this, exp.Anonymous):
            return self._function(node.this, scope, ctes)
        if isinstance(node, exp.Table):
            return self._table(node, ctes)
        if isinstance(node, exp.Unnest):
            self._expressions(node.expressions, scope, ctes)
            return _Source("unnest", [""])
        if isinstance(node, exp.Lateral):
            return _Source("", self.query(node.this, scope, ctes))
        if isinstance(node, exp.Subquery) and _holds_tables(node):
            # Joined tables in parentheses: seen one by one, or through the alias of the whole.
            inner = _Scope(scope.parent) if node.args.get("alias") else scope
            self._source(node.this, inner, ctes)
            return _Source("", self._star(inner)) if inner is not scope else None
        return _Source("", self.query(node, scope.parent, ctes))

    def _table(self, node: exp.Table, ctes: _Ctes) -> _Source:
        spelling = self.spelling
        written, name = ".".join(part.name for part in node.parts), node.name
        is_qualified = bool(node.args.get("db"))
        if not is_qualified and (cte := spelling.find(ctes, node.this)) is not None:
            spelling.spell(node.this, cte.alias)
            return _Source(cte.alias, list(cte.columns))
        table = (
            spelling.tables.get(spelling.fold(".".join(spelling.declared(part) for part in node.parts)))
            if is_qualified
            else spelling.find(spelling.tables, node.this)
        )
        if table is not None:
            for part, spelled in zip(node.parts, table.name.split(".") if is_qualified else [table.name], strict=True):
                spelling.spell(part, spelled)
            self.tables[table.name] = None
            alias = table.name.rpartition(".")[2] if is_qualified else table.name
            columns = [Masked(column.name) if column.is_masked else column.name for column in table.columns]
            return _Source(alias, columns, table.name)
        if any(is_system(part.name) for part in node.parts):
            hint = f"The tables are {listed(table.name for table in spelling.context.tables)}."
            raise Refused("system-table", f"'{written}' belongs to the database system.", hint)
        if is_qualified and spelling.fold(name) in spelling.tables:
            raise Refused("unknown-table", f"There is no table '{written}'.", f"Write {name} alone.")
        raise Refused("unknown-table", f"There is no table '{written}'.", spelling.table_hint(name))

    def _function(self, node: exp.Anonymous, scope: _Scope, ctes: _Ctes) -> _Source:
        name = node.name.lower()
        columns = TABLE_FUNCTIONS[self.dialect][name]
        self._expressions(node.expressions, scope, ctes)
        return _Source(name, list(columns) or [""])

    def _join(self, node: exp.Join, scope: _Scope, ctes: _Ctes, late: list[exp.Expr] | None) -> None:
        before = len(scope.sources)
        self._source(node.this, scope, ctes)
        fold = self.spelling.fold
        left = {fold(column): column for source in scope.sources[:before] for column in source.columns}
        right = {fold(column): column for source in scope.sources[before:] for column in source.columns}
        if node.args.get("method") == "NATURAL":
            common = left.keys() & right.keys()
            for name in sorted(common):
                for side in (left, right):
                    if isinstance(side[name], Masked):
                        raise reveals(side[name])
            scope.merged |= common
        for identifier in node.args.get("using") or ():
            for side in (left, right):
                found = self.spelling.find(side, identifier)
                if not found:
                    message = f"USING needs a column '{identifier.name}' on both sides of the join."
                    raise Refused("unknown-column", message, self.spelling.column_hint(identifier, side.values()))
                if isinstance(found, Masked):
                    raise reveals(found)
                self.spelling.spell(identifier, found)
            scope.merged.add(fold(identifier.name))
        if condition := node.args.get("on"):
            if self.dialect == "sqlite" and late is not None:
                late.append(condition)  # SQLite lets a condition name tables that are joined later.
            else:
                self._expressions([condition], scope, ctes)

    # -- expressions -----------------------------------------------------------------------------------------------

    def _expressions(
        self,
        nodes: Iterable[exp.Expr | None],
        scope: _Scope,
        ctes: _Ctes,
        aliases: _Names = _NONE,
        *,
        bare: _Names = _NONE,
        is_bare_first: bool = False,
    ) -> None:
        """Resolve the columns below `nodes`.

        Args:
            nodes: Expressions of one clause.
            scope: What is in FROM, here and around.
            ctes: Common table expressions that can be seen.
            aliases: Names of the select list that count wherever no column has that name.
            bare: Names of the select list that count for a term that is a name and nothing else.
            is_bare_first: Whether `bare` is looked at before the columns, as in ORDER BY.
        """
        stack = [node for node in nodes if node is not None]
        terms = {id(node) for node in stack} if bare else set()
        while stack:
            node = stack.pop()
            if isinstance(node, exp.Column):
                self.seen.add(id(node))
                if id(node) not in terms or node.args.get("table"):
                    self._column(node, scope, aliases)
                elif is_bare_first and (found := self.spelling.find(bare, node.this)) is not None:
                    self._spell(node, found)
                else:
                    self._column(node, scope, bare)
            elif isinstance(node, (exp.Select, exp.SetOperation, exp.Subquery)):
                outputs = self.query(node, scope, ctes)
                if not isinstance(node.parent, exp.Exists):
                    refuse_masked(outputs)
            elif isinstance(node, exp.Star) and not isinstance(node.parent, exp.Select) and not is_counted(node):
                refuse_masked(column for source in scope.reachable() for column in source.columns)
            else:
                stack.extend(node.iter_expressions())

    def _column(self, node: exp.Column, scope: _Scope, aliases: _Names) -> None:
        spelling = self.spelling
        if node.args.get("db"):
            written = write(node, self.dialect)
            raise Refused("unknown-column", f"'{written}' has too many parts.", "Write table.column or alias.column.")
        if qualifier := node.args.get("table"):
            source = self._qualified(qualifier, scope)
            if isinstance(node.this, exp.Star):
                if not isinstance(node.parent, exp.Select) and not is_counted(node):
                    refuse_masked(source.columns)
                return
            found = spelling.find_once(source.columns, node.this)
            if found is None:
                owner = f"Table {source.table}" if source.table else f"'{source.alias}'"
                message = f"{owner} has no column '{node.name}'."
                raise Refused("unknown-column", message, spelling.column_hint(node.this, source.columns))
            self._spell(node, found)
            return
        for level in scope.chain():
            having = [
                (s, found) for s in level.sources if (found := spelling.find_once(s.columns, node.this)) is not None
            ]
            if len(having) > 1 and spelling.fold(having[0][1]) not in level.merged:
                choices = " or ".join(f"{source.alias}.{found}" for source, found in having)
                raise Refused("ambiguous-column", f"'{node.name}' is in several tables.", f"Write {choices}.")
            meant = having[0][1] if having else spelling.find(aliases, node.this) if level is scope else None
            if meant is not None:
                self._spell(node, meant)
                return
        columns = [column for source in scope.reachable() for column in source.columns]
        message = f"No table of this query has a column '{node.name}'."
        raise Refused("unknown-column", message, spelling.column_hint(node.this, columns))

    def _qualified(self, qualifier: exp.Expr, scope: _Scope) -> _Source:
        """Find the source that `qualifier` in `qualifier.column` stands for."""
        fold = self.spelling.fold
        for level in scope.chain():
            names = {fold(source.alias): source for source in level.sources if source.alias}
            if (source := self.spelling.find(names, qualifier)) is not None:
                self.spelling.spell(qualifier, source.alias)
                return source
        name, reachable = qualifier.name, scope.reachable()
        for source in reachable:
            if source.table and fold(source.table) == fold(name):
                message = f"Table {source.table} goes by '{source.alias}' in this query."
                raise Refused("unknown-table", message, f"Write {source.alias} instead of {name}.")
        if fold(name) in self.spelling.tables:
            raise Refused("unknown-table", f"Table {name} is not in FROM here.", f"Join {name} first.")
        aliases = listed(source.alias for source in reachable)
        hint = f"The names here are {aliases}." if aliases else self.spelling.table_hint(name)
        raise Refused("unknown-table", f"There is no table or alias '{name}' in this query.", hint)

    # -- names of the result ---------------------------------------------------------------------------------------

    def _outputs(self, node: exp.Select, scope: _Scope) -> list[str]:
        outputs: list[str] = []
        for item in node.expressions:
            if isinstance(item, exp.Star):
                outputs += self._star(scope)
            elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
                outputs += self._qualified(item.args["table"], scope).columns
            else:
                outputs.append(self.lineage.tagged(self._alias(item) or self._implicit(item), item))
        return outputs

    def _star(self, scope: _Scope) -> list[str]:
        if scope.merged and any(isinstance(column, Masked) for source in scope.sources for column in source.columns):
            # Databases differ in the order they give columns in that a join has merged.
            raise Refused("masked-column", "'*' is not clear here: a column is masked.", "Name the columns to show.")
        columns: list[str] = []
        done: set[str] = set()
        for column in (column for source in scope.sources for column in source.columns):
            key = self.spelling.fold(column)
            if key not in scope.merged or key not in done:
                columns.append(column)
            done.add(key)
        return columns

    def _spell(self, node: exp.Column, meant: str) -> None:
        self.spelling.spell(node.this, meant)
        self.lineage.use(node, meant)

    def _alias(self, node: exp.Expr) -> str:
        return self.spelling.declared(node.args["alias"]) if isinstance(node, exp.Alias) else ""

    def _implicit(self, node: exp.Expr) -> str:
        """Return the name a database gives to an expression without alias."""
        if isinstance(node, exp.Column):
            return node.name
        if self.dialect != "postgres":
            return write(node, self.dialect)
        while isinstance(node, (exp.Window, exp.Filter, exp.WithinGroup, exp.Cast, exp.Paren)):
            node = node.this
        if isinstance(node, exp.Anonymous):
            return node.name.lower()
        return node.name if isinstance(node, exp.Column) else node.key if isinstance(node, exp.Case) else ""


def _holds_tables(node: exp.Expr) -> bool:
    """Tell joined tables in parentheses from a subquery."""
    while isinstance(node, exp.Subquery) and not node.args.get("with_"):
        node = node.this
    return isinstance(node, exp.Table)
