"""Read which tables a statement uses, and what each is to the rows that are asked for.

In: the FROM and the joins of a statement, and the relations that people speak of. Out: the Use behind each alias. A
join along anything else is not read.
"""

from __future__ import annotations

from sqlglot import exp

from assistant.words import word_set
from training.datagen.languages.meaning import Use
from training.datagen.lexicon import AGAIN, Lexicon, Relation, ref
from training.datagen.statement import read_tree

_ENGLISH = word_set("a an the of for by in on at to with from")


class Unread(Exception):
    """A part of a statement has no place in a Meaning."""


def written(node: exp.Expr) -> str:
    """Write a tree in one way, to compare it."""
    return str(node.sql(dialect="sqlite"))


class Joins:
    """Knows the relations of one database."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._known: dict[tuple[str, str, str], str] = {}

    def scope(self, tree: exp.Select) -> dict[str, Use]:
        """Read the use behind each alias; "" is the table of the rows.

        Raises:
            Unread: A join goes along no relation, or one with no words in other languages.
        """
        source = tree.args.get("from_")
        if source is None or not isinstance(source.this, exp.Table):
            raise Unread
        base = Use(self._table(source.this))
        scope = {"": base, source.this.alias or source.this.name: base}
        taken: dict[str, tuple[str, str]] = {}
        for join in tree.args.get("joins") or []:
            if any(join.args.get(name) for name in ("side", "kind", "using", "method")):
                raise Unread
            table, alias = self._table(join.this), join.this.alias or join.this.name
            use, road = self._join(scope, table, alias, join.args.get("on"))
            # Two ways to one table under one name could not be told apart in words.
            is_clear = taken.setdefault(f"{use.speaker}|{table}", road) == road
            if not is_clear or (not use.speaker and use.table == base.table):
                raise Unread
            scope[alias] = use
        return scope

    def _table(self, node: exp.Expr) -> str:
        names = {table.name for table in self._lexicon.schema.tables}
        if not isinstance(node, exp.Table) or node.name not in names:
            raise Unread
        return node.name

    def _join(self, scope: dict[str, Use], table: str, alias: str, on: exp.Expr | None) -> tuple[Use, tuple[str, str]]:
        if on is None:
            raise Unread
        text = _bare(on)
        for source, use in scope.items():
            if not source:
                continue
            for relation in self._lexicon.relations.get(use.table, []):
                if relation.target == table and self._expected(relation, source, alias) == text:
                    return self._name(relation, use, scope[""]), (source, text)
        raise Unread

    def _expected(self, relation: Relation, source: str, alias: str) -> str:
        key = (relation.on, source, alias)
        if key not in self._known:
            on = relation.on.replace(ref(relation.instance, ""), f'"{alias}".')
            on = on.replace(ref(relation.table, ""), f'"{source}".')
            self._known[key] = _bare(read_tree(f"SELECT 1 FROM x WHERE {on}", "sqlite").args["where"].this)
        return self._known[key]

    def _name(self, relation: Relation, source: Use, base: Use) -> Use:
        """Say what the target is to the rows: its role, its own name, or, where that is English, part of its source."""
        if not relation.words:
            return Use(relation.target, relation.target)
        role = relation.words[0]
        if _ENGLISH.isdisjoint(role.lower().split()):
            return Use(relation.target, role, is_role=True)
        others = [r for r in self._lexicon.relations.get(source.table, []) if r.target == relation.target]
        if len(others) > 1:
            raise Unread
        return Use(relation.target, "" if source == base else source.speaker, source.is_role)

    def child(self, inner: exp.Select, nodes: list[exp.Expr], scope: dict[str, Use]) -> tuple[str, str, list[exp.Expr]]:
        """Find by which foreign key rows of another table point at those that are asked for.

        Returns:
            The table, its alias, and the conditions beside the foreign key.

        Raises:
            Unread: They do not, or in several ways.
        """
        source = inner.args.get("from_")
        if source is None:
            raise Unread
        table, alias = self._table(source.this), source.this.alias or source.this.name
        outer = scope[""]
        relations = [r for r in self._lexicon.relations.get(table, []) if r.target == outer.table and r.child_columns]
        if len(relations) != 1 or AGAIN in relations[0].instance:
            raise Unread
        pairs = set(zip(relations[0].child_columns, relations[0].parent_columns, strict=True))
        rest = []
        for node in nodes:
            pair = _pair(node, alias, scope, outer)
            if pair in pairs:
                pairs.discard(pair)
            else:
                rest.append(node)
        if pairs:
            raise Unread
        return table, alias, rest


def _bare(node: exp.Expr) -> str:
    """Write a condition without quotes around its names."""
    return written(node).replace('"', "")


def _pair(node: exp.Expr, alias: str, scope: dict[str, Use], outer: Use) -> tuple[str, str] | None:
    """Read `child.column = parent.column`."""
    left, right = node.this, node.args.get("expression")
    if not (isinstance(node, exp.EQ) and isinstance(left, exp.Column) and isinstance(right, exp.Column)):
        return None
    is_link = left.table == alias and right.table != alias and scope.get(right.table) == outer
    return (left.name, right.name) if is_link else None
