"""Read the names and the glossary of a schema into a Lexicon.

In: a DatabaseSchema with its glossary. Out: a Lexicon. What an entry's SQL is decides how its term is used; the forms
are listed in the head of a glossary file. Where the glossary is silent, words are made from names.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.errors import UsageError
from assistant.naming import write_name
from assistant.types import DatabaseSchema, Table
from assistant.words import split_name, word_set
from training.datagen.derived import add_ages, add_measures, find_unit, name_columns
from training.datagen.lexicon import Condition, Figure, Lexicon, Measure, Relation, name_instance, name_role, ref
from training.datagen.masks import drop_masked
from training.datagen.qualities import WORKERS
from training.datagen.spoken import name_words, say_table, singular, split_words

_PLACES = word_set(
    """ward department room city country region state district building branch store shop office warehouse site location
    category group team class course school league library area zone section floor depot plant clinic continent"""
)
"""Nouns of what things are in."""
_PREPOSITIONS = word_set("from to by via for with at of in on through")
"""Names of columns that are no roles alone."""
PLAIN_RELATION = ("of {}", "of {}", "for {}", "for {}", "belonging to {}", "with {}")
PLACE_RELATION = ("in {}", "in {}", "in {}", "of {}", "from {}", "belonging to {}")
WORK_RELATION = (*PLACE_RELATION, "working in {}", "who work in {}")
"""How a relation without a glossary entry is spoken of."""


def build_lexicon(schema: DatabaseSchema) -> Lexicon:
    """Read the names and the glossary of a schema.

    Raises:
        UsageError: A glossary entry's SQL cannot be read, or names what the schema does not have.
    """
    lexicon = Lexicon(schema)
    for table in schema.tables:
        label = _label(table)
        if label:
            lexicon.labels[table.name] = label
    for entry in schema.glossary:
        if entry.sql:
            _read_entry(lexicon, entry.sql, (entry.term, *entry.synonyms), find_unit(entry.meaning))
    lexicon.spoken = {
        *lexicon.nouns, *(table for table, _ in lexicon.words), *lexicon.conditions, *lexicon.figures,
        *lexicon.relations, *(table for measure in lexicon.measures for table in measure.tables),
    }  # fmt: skip
    if not lexicon.named_keys:
        keys = ((table.name, lexicon.key_of(table.name)) for table in schema.tables)
        lexicon.named_keys = {(table, key) for table, key in keys if key}
    for table in schema.tables:
        if table.name not in lexicon.nouns:
            taken = frozenset(name_words(other.name) for other in schema.tables if other is not table)
            lexicon.nouns[table.name] = say_table(table.name, table.comment, taken)
        name_columns(lexicon, table)
        _add_foreign_keys(lexicon, table)
    add_measures(lexicon)
    add_ages(lexicon)
    drop_masked(lexicon)
    return lexicon


def _label(table: Table) -> str | None:
    """Choose the column that a list shows: a name or title, else nothing (then the key is shown)."""
    texts = [column.name for column in table.columns if column.kind == "text" and not column.is_masked]
    own = "_".join(split_name(table.name))
    wanted = (f"{own}_name", "full_name", "name", "title", f"{own}name", "last_name", "lastname", "surname", "label")
    for each in wanted:
        for name in texts:
            if name.lower() == each:
                return name
    named = [name for name in texts if split_name(name)[-1:] == ("name",) and split_name(name)[:1] != ("first",)]
    return named[0] if len(named) == 1 else None


def _read_entry(lexicon: Lexicon, sql: str, names: tuple[str, ...], unit: str) -> None:
    """Read one glossary entry by the form of its SQL."""
    plain = tuple(name for name in names if "{}" not in name)
    patterns = tuple(name for name in names if "{}" in name)
    for table in lexicon.schema.tables:
        if sql in (table.name, write_name(table.name)):
            lexicon.nouns[table.name] = list(plain)
            return
    if re.search(r"\sJOIN\s", sql, re.IGNORECASE):
        _read_relation(lexicon, sql, names[0], patterns)
        return
    tree = _parse(lexicon, sql, names[0])
    used = _tables_used(lexicon, tree, names[0])
    if isinstance(tree, exp.Column):
        key = (tree.table, tree.name)
        if unit:
            lexicon.units[key] = unit
        if tree.name == lexicon.key_of(tree.table):
            lexicon.named_keys.add(key)
        lexicon.words[key] = [*lexicon.words.get(key, []), *plain]
        lexicon.patterns[key] = [*lexicon.patterns.get(key, []), *patterns]
    elif tree.find(exp.AggFunc):
        lexicon.measures.append(replace(_read_measure(lexicon, tree, used, plain), unit=unit))
    elif isinstance(tree, exp.Predicate | exp.And | exp.Or | exp.Not):
        column = next(tree.find_all(exp.Column)).name
        condition = Condition(used[0], column, _marked(tree, lexicon.schema.dialect), patterns, plain)
        lexicon.conditions.setdefault(used[0], []).append(condition)
    else:
        figure = Figure(used[0], plain, _marked(tree, lexicon.schema.dialect), patterns)
        lexicon.figures.setdefault(used[0], []).append(figure)


def _parse(lexicon: Lexicon, sql: str, term: str) -> exp.Expr:
    """Read SQL as a tree."""
    try:
        return sqlglot.parse_one(sql, read=lexicon.schema.dialect)
    except SqlglotError as error:
        raise UsageError(f"Glossary term '{term}': its SQL cannot be read: {sql!r}.", "Correct it.") from error


def _tables_used(lexicon: Lexicon, tree: exp.Expr, term: str) -> tuple[str, ...]:
    """List the tables of a tree's columns, every one of which must exist."""
    columns = list(tree.find_all(exp.Column))
    known = {(table.name, column.name) for table in lexicon.schema.tables for column in table.columns}
    for column in columns:
        if (column.table, column.name) not in known:
            raise UsageError(
                f"Glossary term '{term}': there is no column '{column.sql()}'.", "Write columns as table.column."
            )
    if not columns:
        raise UsageError(f"Glossary term '{term}': its SQL names no column.", "Write columns as table.column.")
    return tuple(dict.fromkeys(column.table for column in columns))


def _read_measure(lexicon: Lexicon, tree: exp.Expr, used: tuple[str, ...], words: tuple[str, ...]) -> Measure:
    """Take an aggregate apart: the figure, and the FILTER that holds unless a question says otherwise."""
    dialect = lexicon.schema.dialect
    body, where = tree, None
    for found in list(tree.find_all(exp.Filter)):
        where = found.expression.this
        if found is body:
            body = found.this
        else:
            found.replace(found.this)
    column = next(iter(where.find_all(exp.Column)), None) if where is not None else None
    if column is not None and column.table not in used:
        used = (*used, column.table)
    return Measure(
        words=words,
        sql=_marked(body, dialect),
        tables=used,
        default_filter=_marked(where, dialect) if where is not None else "",
        filter_column=(column.table, column.name) if column is not None else None,
    )


def _marked(tree: exp.Expr, dialect: str) -> str:
    """Write a tree as SQL with marked columns."""
    sql = tree.sql(dialect=dialect, normalize_functions=False)
    sql = re.sub(r"\bNOT (\S+) IS NULL", r"\1 IS NOT NULL", sql)
    for column in {c.sql(dialect=dialect): c for c in tree.find_all(exp.Column)}.values():
        written = re.escape(column.sql(dialect=dialect))
        marked = ref(column.table, column.name).replace("\\", "\\\\")
        sql = re.sub(rf"(?<![\w.\x02]){written}(?!\w)", marked, sql)
    # One spelling for each function: that of the rest of the grammar.
    return sql.replace("STRFTIME(", "strftime(").replace("CURRENT_DATE", "'now'") if dialect == "sqlite" else sql


def _read_relation(lexicon: Lexicon, sql: str, term: str, patterns: tuple[str, ...]) -> None:
    """Read `A JOIN B`, which goes by the foreign key, or `A JOIN B ON condition`."""
    tree = _parse(lexicon, f"SELECT 1 FROM {sql}", term)
    source, join = tree.find(exp.From), tree.find(exp.Join)
    if source is None or join is None:
        raise UsageError(f"Glossary term '{term}': its SQL cannot be read: {sql!r}.", "Write it as A JOIN B [ON ...].")
    table, target = source.this.name, join.this.name
    for name in (table, target):
        if all(name != known.name for known in lexicon.schema.tables):
            raise UsageError(f"Glossary term '{term}': there is no table '{name}'.", "Write it as A JOIN B [ON ...].")
    if re.search(r"\sON\b", sql, re.IGNORECASE):
        condition = join.args["on"]
        _tables_used(lexicon, condition, term)
        relation = _road(lexicon, table, target, condition, term, patterns)
    else:
        keys = [key for key in lexicon.table(table).foreign_keys if key.ref_table == target]
        if not keys:
            raise UsageError(
                f"Glossary term '{term}': '{table}' has no foreign key to '{target}'.", "Add ON and its condition."
            )
        relation = _key_relation(table, keys[0].columns, target, keys[0].ref_columns, patterns)
    lexicon.relations.setdefault(table, []).append(relation)


def _road(
    lexicon: Lexicon, table: str, target: str, condition: exp.Expr, term: str, patterns: tuple[str, ...]
) -> Relation:
    """Make a relation of a written condition.

    A second road to a table gets an instance of its own, so that one query can use both.
    """
    columns = list(condition.find_all(exp.Column))
    own = tuple(column.name for column in columns if column.table == table)
    theirs = tuple(column.name for column in columns if column.table == target)
    keys = lexicon.table(table).foreign_keys
    is_key = any(set(key.columns) == set(own) and key.ref_table == target for key in keys)
    roads = [r for relations in lexicon.relations.values() for r in relations if r.target == target]
    instance = name_instance(target, len(roads))
    on = _marked(condition, lexicon.schema.dialect).replace(ref(target, ""), ref(instance, ""))
    return Relation(table, target, instance, on, patterns, (term,), own if is_key else (), theirs if is_key else ())


def _key_relation(
    table: str, columns: tuple[str, ...], target: str, ref_columns: tuple[str, ...], patterns: tuple[str, ...]
) -> Relation:
    """Make a relation of a foreign key."""
    on = " AND ".join(f"{ref(target, b)} = {ref(table, a)}" for a, b in zip(columns, ref_columns, strict=True))
    return Relation(table, target, target, on, patterns, (), columns, ref_columns)


def _add_foreign_keys(lexicon: Lexicon, table: Table) -> None:
    """Add the foreign keys that no glossary entry spoke of; one to the table itself makes a hierarchy."""
    known = {relation.child_columns for relation in lexicon.relations.get(table.name, [])}
    roads = Counter(key.ref_table for key in table.foreign_keys)
    for key in table.foreign_keys:
        if key.ref_table == table.name:
            if len(key.columns) == 1:
                roles = lexicon.words[table.name, key.columns[0]]
                if roles[0] == name_words(key.columns[0]):  # no glossary names it: "supervisor", not "supervisor id"
                    roles = [name_role(key.columns)]
                lexicon.self_keys[table.name] = (key.columns[0], roles)
        elif key.columns not in known:
            noun = lexicon.nouns.get(key.ref_table, [singular(name_words(key.ref_table))])[0]
            is_place, works = noun.split()[-1] in _PLACES, lexicon.nouns[table.name][0].split()[-1] in WORKERS
            patterns: tuple[str, ...] = PLAIN_RELATION
            if is_place:
                patterns = WORK_RELATION if works else PLACE_RELATION
            relation = _key_relation(table.name, key.columns, key.ref_table, key.ref_columns, patterns)
            if roads[key.ref_table] > 1 or _has_role(relation, noun):
                relation = _in_a_role(lexicon, relation)
            lexicon.relations.setdefault(table.name, []).append(relation)


def _has_role(relation: Relation, noun: str) -> bool:
    """Tell whether a foreign key names a role, as `prescriber_id` does, and not just the table it points at."""
    column, role = relation.child_columns[0], name_role(relation.child_columns)
    is_named = split_words(column)[-1] in ("id", "key", "by") and len(role) > 3
    return len(relation.child_columns) == 1 and is_named and role not in noun and noun not in role


def _in_a_role(lexicon: Lexicon, relation: Relation) -> Relation:
    """Tell one of several foreign keys to a table from the others: by its role in words, and as an instance of its own.

    The first may keep the table's own name, so that one query can use them all.
    """
    role, target = name_role(relation.child_columns), relation.target
    if role in _PREPOSITIONS:
        role = f"{role} {name_words(target)}"
    own = [known for known in lexicon.relations.get(relation.table, []) if known.target == target]
    instance = name_instance(target, len(own))
    on = relation.on.replace(ref(target, ""), ref(instance, ""))
    patterns = (f"with {{}} as {role}", f"whose {role} is {{}}")
    return replace(relation, instance=instance, on=on, patterns=patterns, words=(role,), is_role=True)
