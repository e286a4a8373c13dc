"""A query in plain words: what it shows, from where, which rows, in groups, in which order.

In: a GuardedQuery, and the schema. Out: sentences made from the query's tree; what has no words comes out as its SQL,
never as a guess. Sees no result: `assistant.describing` puts that into words.
"""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.phrasing import Phrases, unqualified
from assistant.types import DatabaseSchema, Dialect, GlossaryEntry, GuardedQuery
from assistant.writing import humanise, is_label_number, join_words, plural


def explain_query(query: GuardedQuery, schema: DatabaseSchema) -> str:
    """Say in plain words what a query does: what it shows, from where, which rows, in groups, in which order.

    Args:
        query: The query.
        schema: Names the columns that need their table's name, and the business terms; the query is not checked
            against it.
    """
    tree = parse_query(query)
    if tree is None:
        return f"Reads {join_words([plural(humanise(name)) for name in query.tables])}."
    sentences = []
    with_ = tree.args.get("with_")
    for part in with_.expressions if with_ is not None else ():
        sentences.append(f"First works out “{humanise(part.alias)}”: {_summary(part.this, query, schema)}")
    sentences.append(_summary(tree, query, schema))
    return " ".join(sentence if sentence.endswith(".") else f"{sentence}." for sentence in sentences)


def parse_query(query: GuardedQuery) -> exp.Query | None:
    """Read a query as a tree; None where its dialect has something that cannot be read."""
    try:
        tree = sqlglot.parse_one(query.sql, read=query.dialect)
    except SqlglotError:
        return None
    return tree if isinstance(tree, exp.Query) else None


def find_phrases(tree: exp.Expr, schema: DatabaseSchema | None) -> Phrases:
    """Make ready the words for the parts of a query; without a schema, no business terms are among them."""
    inner = frozenset(part.alias.lower() for part in tree.find_all(exp.CTE))
    tables: dict[str, str] = {}
    for table in tree.find_all(exp.Table):
        tables[table.alias_or_name.lower()] = table.name
    for derived in tree.find_all(exp.Subquery):
        if derived.alias:
            tables[derived.alias.lower()] = derived.alias
    if schema is not None:
        used = {name.lower() for name in tables.values()} - inner
        owners = [table for table in schema.tables if table.name.lower() in used]
        columns = [column.name.lower() for table in owners for column in table.columns]
        kinds = {column.name.lower(): column.kind for table in owners for column in table.columns}
        shared = frozenset(name for name in columns if columns.count(name) > 1)
        return Phrases(
            tables, shared, kinds=kinds, terms=_business_terms(schema.glossary, schema.dialect), inner_names=inner
        )
    return Phrases(tables, inner_names=inner)


@lru_cache(maxsize=8)
def _business_terms(glossary: tuple[GlossaryEntry, ...], dialect: Dialect) -> dict[str, str]:
    """List the terms of the glossary that are a computation, by their SQL; the condition of a measure is left out."""
    terms: dict[str, str] = {}
    for entry in glossary:
        try:
            tree = sqlglot.parse_one(entry.sql, read=dialect) if entry.sql else None
        except SqlglotError:
            continue
        if isinstance(tree, exp.Filter):
            tree = tree.this
        if isinstance(tree, exp.AggFunc | exp.Binary | exp.Neg) and not isinstance(tree, exp.Predicate | exp.Connector):
            terms.setdefault(unqualified(tree), entry.term)
    return terms


def _summary(tree: exp.Expr, query: GuardedQuery, schema: DatabaseSchema) -> str:
    """Summarise one select, or several that are combined."""
    if isinstance(tree, exp.Subquery):
        return _summary(tree.this, query, schema)
    if isinstance(tree, exp.SetOperation):
        combined = {exp.Union: "together with", exp.Intersect: "as far as also in", exp.Except: "without"}
        word = next(text for kind, text in combined.items() if isinstance(tree, kind))
        first, second = _summary(tree.this, query, schema), _summary(tree.expression, query, schema)
        return f"{first} {word.capitalize()}: {second}"
    if not isinstance(tree, exp.Select):
        return f"Reads {join_words([plural(humanise(name)) for name in query.tables])}."
    phrases = find_phrases(tree, schema)
    shown = "all columns" if tree.is_star else join_words([f"the {phrases.of(part)}" for part in tree.expressions])
    if tree.args.get("distinct") is not None:
        shown = f"each different combination of {shown}" if len(tree.expressions) > 1 else f"each different {shown[4:]}"
    group = tree.args.get("group")
    groups = [] if group is None else [_resolved(part, tree) for part in group.expressions]
    # A key beside a name only keeps apart what has the same name.
    named = [part for part in groups if not (isinstance(part, exp.Column) and is_label_number(part.name))]
    groups = named or groups
    if groups:
        figures = [part for part in tree.expressions if part.unalias().find(exp.AggFunc) is not None]
        if figures:
            shown = join_words([f"the {phrases.of(part)}" for part in figures])
        shown += f" for each {join_words([phrases.of(part) for part in groups])}"
    tables = phrases.tables_of(tree)
    sentence = f"Shows {shown}" + (f", from {join_words(tables)}" if tables else "")
    filters = phrases.filters_of(tree)
    having = tree.args.get("having")
    sentences = [sentence]
    if filters:
        sentences.append(f"Only where {filters}")
    if having is not None:
        sentences.append(f"Only groups where {phrases.condition(_with_aliases(having.this, tree))}")
    if any(join.side == "LEFT" for join in tree.args.get("joins") or ()):
        sentences.append(f"{tables[0].capitalize()} without a match are kept")
    sentences += _order_and_limit(tree, phrases, query)
    return ". ".join(sentences) + "."


def _order_and_limit(tree: exp.Select, phrases: Phrases, query: GuardedQuery) -> list[str]:
    sentences = []
    order = tree.args.get("order")
    if order is not None:
        parts = []
        for part in order.expressions:
            key = _resolved(part.this, tree)
            parts.append(f"{phrases.of(key)}, {phrases.order_of(key, is_falling=bool(part.args.get('desc')))}")
        sentences.append(f"Sorted by {', then by '.join(parts)}")
    limit = tree.args.get("limit")
    size = limit.expression if isinstance(limit, exp.Limit) else None
    # The guard's own row limit is no part of what was asked.
    if isinstance(size, exp.Literal) and size.name.isdigit() and int(size.name) < query.max_rows:
        count = int(size.name)
        sentences.append("Only the first row" if count == 1 else f"Only the first {count:,} rows")
    return sentences


def _resolved(part: exp.Expr, tree: exp.Select) -> exp.Expr:
    """Follow a number or alias in GROUP BY or ORDER BY to what it stands for."""
    found: exp.Expr
    if isinstance(part, exp.Literal) and part.name.isdigit() and 0 < int(part.name) <= len(tree.expressions):
        found = tree.expressions[int(part.name) - 1].unalias()
        return found
    if isinstance(part, exp.Column) and not part.table:
        for shown in tree.expressions:
            if isinstance(shown, exp.Alias) and shown.alias.lower() == part.name.lower():
                found = shown.this
                return found
    return part


def _with_aliases(condition: exp.Expr, tree: exp.Select) -> exp.Expr:
    return condition.copy().transform(lambda node: _resolved(node, tree) if isinstance(node, exp.Column) else node)
