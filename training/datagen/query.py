"""Put a SELECT together piece by piece.

In: marked fragments (see `lexicon.ref`) and relations to follow. Out: one statement as text, in one fixed style:
aliases are the initials of the table, a query over one table has none, ranges are half open. One style means that the
model has one way to say each thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from assistant.naming import aliases, write_name
from training.datagen.lexicon import AGAIN, REF_CLOSE, REF_OPEN, Lexicon, Relation, ref

_MARK = re.compile(f"{REF_OPEN}([^{REF_CLOSE}]+){REF_CLOSE}")


def quote(value: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True)
class Asked:
    """A question with its SQL."""

    kind: str
    question: str
    sql: str


@dataclass
class Query:
    """A SELECT under construction over `base` and the instances joined to it."""

    lexicon: Lexicon
    base: str
    select: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    having: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    joins: dict[str, Relation] = field(default_factory=dict)
    limit: int | None = None
    is_distinct: bool = False
    left: set[str] = field(default_factory=set)
    needs_alias: bool = False

    def follow(self, path: tuple[Relation, ...]) -> str:
        """Join along a path of relations and return the instance at its end."""
        instance = self.base
        for relation in path:
            self.joins.setdefault(relation.instance, relation)
            instance = relation.instance
        return instance

    def filter(self, *conditions: str) -> Query:
        """Add conditions, each once."""
        for condition in conditions:
            if condition and condition not in self.where:
                self.where.append(condition)
        return self

    def sql(self) -> str:
        """Write the statement."""
        names = self._names()
        distinct = "DISTINCT " if self.is_distinct else ""
        parts = [f"SELECT {distinct}{', '.join(self.select)}", f"FROM {self._source(self.base, names)}"]
        for instance, relation in self.joins.items():
            word = "LEFT JOIN" if instance in self.left else "JOIN"
            parts.append(f"{word} {self._source(instance, names)} ON {relation.on}")
        if self.where:
            parts.append("WHERE " + " AND ".join(self.where))
        if self.group:
            parts.append("GROUP BY " + ", ".join(self.group))
        if self.having:
            parts.append("HAVING " + " AND ".join(self.having))
        if self.order:
            parts.append("ORDER BY " + ", ".join(self.order))
        if self.limit is not None:
            parts.append(f"LIMIT {self.limit}")
        return _MARK.sub(lambda m: names.get(m.group(1), m.group(1) + "."), " ".join(parts))

    def _names(self) -> dict[str, str]:
        """Give each instance the alias that stands before its columns, with a dot; none in a query over one table."""
        if not self.joins and not self.needs_alias:
            return {self.base: ""}
        by_table = aliases(tuple(table.name for table in self.lexicon.schema.tables))
        names = {}
        for instance in (self.base, *self.joins):
            table, _, number = instance.partition(AGAIN)
            names[instance] = f"{by_table[table]}{int(number) + 1 if number else ''}."
        return names

    def _source(self, instance: str, names: dict[str, str]) -> str:
        """Write a table with its alias."""
        table = write_name(instance.partition(AGAIN)[0])
        alias = names[instance].rstrip(".")
        return f"{table} {alias}" if alias else table


def exists(
    lexicon: Lexicon, relation: Relation, outer: str, conditions: list[str], *, negated: bool = False,
    path: tuple[Relation, ...] = (),
) -> str:  # fmt: skip
    """Write an EXISTS over the rows of `relation.table` that point at `outer`, joined along a path of theirs.

    The outer query must carry aliases (`needs_alias`).
    """
    inner = Query(lexicon, relation.table, select=["1"], needs_alias=True)
    inner.follow(path)
    pairs = zip(relation.child_columns, relation.parent_columns, strict=True)
    inner.where = [f"{ref(relation.table, a)} = {ref(f'^{outer}', b)}" for a, b in pairs] + conditions
    text = inner.sql().replace(f"^{outer}.", ref(outer, ""))
    return f"{'NOT ' if negated else ''}EXISTS ({text})"


def not_exists_above(lexicon: Lexicon, path: tuple[Relation, ...], condition: str) -> str:
    """Write a NOT EXISTS over the one row that a path leads to from the rows of an outer query.

    It holds for rows without a parent, too. The outer query must carry aliases (`needs_alias`).
    """
    first, outer = path[0], path[0].table
    inner = Query(lexicon, first.instance, select=["1"], needs_alias=True)
    inner.follow(path[1:])
    inner.where = [first.on.replace(ref(outer, ""), ref(f"^{outer}", "")), condition]
    return f"NOT EXISTS ({inner.sql().replace(f'^{outer}.', ref(outer, ''))})"
