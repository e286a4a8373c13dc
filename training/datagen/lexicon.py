"""What people call the things of a schema.

In: a DatabaseSchema with its glossary. Out: a Lexicon: nouns for tables, words for columns, and the glossary's conditions,
measures, figures and relations, read from the SQL each entry carries (the forms are listed in the head of a glossary
file). Where the glossary is silent, words are made from names. Makes no questions.

Inside the SQL fragments kept here, a column is written `\\x01table\\x02column`; `query.py` turns that into the alias.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from assistant.errors import UsageError
from assistant.types import Column, DatabaseSchema, Table

REF_OPEN, REF_CLOSE = "\x01", "\x02"
Key = tuple[str, str]
"""Table and column."""


def ref(instance: str, column: str) -> str:
    """Write a column of a table instance, to be resolved to an alias by the query that uses it."""
    return f"{REF_OPEN}{instance}{REF_CLOSE}{column}"


def humanise(name: str) -> str:
    """Turn `sales_order`, `salesOrder` or `SALES-ORDER` into "sales order"."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.sub(r"[_\-\s]+", " ", spaced).strip().lower()


def pluralise(noun: str) -> str:
    """Give the regular English plural of the last word; words that are plural already stay."""
    head, _, last = noun.rpartition(" ")
    lower = last.lower()
    if lower in {"people", "data", "news", "staff"}:
        plural = last
    elif lower.endswith(("s", "x", "z", "ch", "sh")):
        plural = last + "es"
    elif lower.endswith("y") and lower[-2:-1] not in set("aeiou"):
        plural = last[:-1] + "ies"
    elif lower == "person":
        plural = "people"
    else:
        plural = last + "s"
    return f"{head} {plural}".strip()


@dataclass(frozen=True)
class Condition:
    """A named kind of rows of one table; `patterns` hold {} where the noun goes."""

    table: str
    sql: str
    patterns: tuple[str, ...]
    nouns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """An aggregate with a name. `default_filter` holds unless the question says otherwise."""

    words: tuple[str, ...]
    sql: str
    tables: tuple[str, ...]
    default_filter: str = ""
    filter_column: Key | None = None


@dataclass(frozen=True)
class Figure:
    """A named expression over one row of a table."""

    table: str
    words: tuple[str, ...]
    sql: str
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relation:
    """From each row of `table` to at most one row of `target`, which is known as `instance` in a query."""

    table: str
    target: str
    instance: str
    on: str
    patterns: tuple[str, ...]
    words: tuple[str, ...] = ()
    child_columns: tuple[str, ...] = ()
    parent_columns: tuple[str, ...] = ()


@dataclass
class Lexicon:
    """All words for one schema."""

    schema: DatabaseSchema
    nouns: dict[str, list[str]] = field(default_factory=dict)
    words: dict[Key, list[str]] = field(default_factory=dict)
    patterns: dict[Key, list[str]] = field(default_factory=dict)
    conditions: dict[str, list[Condition]] = field(default_factory=dict)
    measures: list[Measure] = field(default_factory=list)
    figures: dict[str, list[Figure]] = field(default_factory=dict)
    relations: dict[str, list[Relation]] = field(default_factory=dict)
    self_keys: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    named_keys: set[Key] = field(default_factory=set)
    """Keys that people speak of, such as an order number."""

    def table(self, name: str) -> Table:
        """Look a table up by name."""
        return next(table for table in self.schema.tables if table.name == name)

    def column(self, table: str, name: str) -> Column:
        """Look a column up by table and name."""
        return next(column for column in self.table(table).columns if column.name == name)

    def key_of(self, table: str) -> str | None:
        """Name the single-column primary key, if there is one."""
        key = self.table(table).primary_key
        return key[0] if len(key) == 1 else None

    def is_detail(self, table: str) -> bool:
        """Tell whether rows of a table are details of another's, not things people count: no name, no number spoken of."""
        return table not in self.labels and (table, self.key_of(table) or "") not in self.named_keys

    def is_key(self, table: str, column: str) -> bool:
        """Tell whether a column only serves to identify or to join."""
        owner = self.table(table)
        return column in owner.primary_key or any(column in fk.columns for fk in owner.foreign_keys)


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
            _read_entry(lexicon, entry.sql, (entry.term, *entry.synonyms))
    if not lexicon.named_keys:
        keys = ((table.name, lexicon.key_of(table.name)) for table in schema.tables)
        lexicon.named_keys = {(table, key) for table, key in keys if key}
    for table in schema.tables:
        lexicon.nouns.setdefault(table.name, [humanise(table.name)])
        for column in table.columns:
            lexicon.words.setdefault((table.name, column.name), [humanise(column.name)])
        _add_foreign_keys(lexicon, table)
    return lexicon


def _label(table: Table) -> str | None:
    """Choose the column that a list shows: a name or title, else nothing (then the key is shown)."""
    texts = [column.name for column in table.columns if column.kind == "text"]
    own = humanise(table.name).replace(" ", "_")
    for wanted in (f"{own}_name", "full_name", "name", "title", f"{own}name"):
        for name in texts:
            if name.lower() == wanted:
                return name
    return None


def _read_entry(lexicon: Lexicon, sql: str, names: tuple[str, ...]) -> None:
    dialect = lexicon.schema.dialect
    tables = {table.name for table in lexicon.schema.tables}
    plain = tuple(name for name in names if "{}" not in name)
    patterns = tuple(name for name in names if "{}" in name)
    if sql in tables:
        lexicon.nouns[sql] = list(plain)
        return
    try:
        if " JOIN " in sql.upper():
            _read_relation(lexicon, sql, names[0], patterns)
            return
        tree = sqlglot.parse_one(sql, read=dialect)
    except sqlglot.errors.ParseError as error:
        raise UsageError(f"Glossary term '{names[0]}': its SQL cannot be read: {sql!r}.", "Correct it.") from error
    columns = list(tree.find_all(exp.Column))
    for column in columns:
        known = any(
            t.name == column.table and any(c.name == column.name for c in t.columns) for t in lexicon.schema.tables
        )
        if not known:
            raise UsageError(
                f"Glossary term '{names[0]}': there is no column '{column.sql()}'.", "Write columns as table.column."
            )
    used = tuple(dict.fromkeys(column.table for column in columns))
    if isinstance(tree, exp.Column):
        key = (tree.table, tree.name)
        if tree.name == lexicon.key_of(tree.table):
            lexicon.named_keys.add(key)
        lexicon.words[key] = [*lexicon.words.get(key, []), *plain]
        lexicon.patterns[key] = [*lexicon.patterns.get(key, []), *patterns]
    elif tree.find(exp.AggFunc):
        body, where = tree, None
        for found in list(tree.find_all(exp.Filter)):
            where = found.expression.this
            if found is body:
                body = found.this
            else:
                found.replace(found.this)
        filter_column = next(iter(where.find_all(exp.Column)), None) if where is not None else None
        if filter_column is not None and filter_column.table not in used:
            used = (*used, filter_column.table)
        lexicon.measures.append(
            Measure(
                words=plain,
                sql=_marked(body, dialect),
                tables=used,
                default_filter=_marked(where, dialect) if where is not None else "",
                filter_column=(filter_column.table, filter_column.name) if filter_column is not None else None,
            )
        )
    elif isinstance(tree, exp.Predicate | exp.And | exp.Or | exp.Not):
        condition = Condition(used[0], _marked(tree, dialect), patterns, plain)
        lexicon.conditions.setdefault(used[0], []).append(condition)
    else:
        lexicon.figures.setdefault(used[0], []).append(Figure(used[0], plain, _marked(tree, dialect), patterns))


def _marked(tree: exp.Expression, dialect: str) -> str:
    """Write a tree as SQL with marked columns."""
    sql = tree.sql(dialect=dialect, normalize_functions=False)
    sql = re.sub(r"\bNOT (\S+) IS NULL", r"\1 IS NOT NULL", sql)
    for column in {c.sql(dialect=dialect): c for c in tree.find_all(exp.Column)}.values():
        sql = re.sub(
            rf"(?<![\w.\x02]){re.escape(column.sql(dialect=dialect))}(?!\w)", ref(column.table, column.name), sql
        )
    # One spelling for each function: that of the rest of the grammar.
    return sql.replace("STRFTIME(", "strftime(").replace("CURRENT_DATE", "'now'") if dialect == "sqlite" else sql


def _read_relation(lexicon: Lexicon, sql: str, term: str, patterns: tuple[str, ...]) -> None:
    dialect = lexicon.schema.dialect
    if " ON " in sql.upper():
        tree = sqlglot.parse_one(f"SELECT 1 FROM {sql}", read=dialect)
        join = next(iter(tree.find_all(exp.Join)))
        table, target = tree.find(exp.From).this.name, join.this.name
        on = _marked(join.args["on"], dialect)
        fk_columns = [c.name for c in join.args["on"].find_all(exp.Column) if c.table == table]
        is_key = any(
            set(fk.columns) == set(fk_columns) and fk.ref_table == target for fk in lexicon.table(table).foreign_keys
        )
        # A second road to the same table gets an instance of its own, so that both can be used in one query.
        roads = [r for known in lexicon.relations.values() for r in known if r.target == target]
        instance = target if not roads else f"{target}#{len(roads)}"
        on = on.replace(ref(target, ""), ref(instance, ""))
        child = tuple(fk_columns) if is_key else ()
        parent = tuple(c.name for c in join.args["on"].find_all(exp.Column) if c.table == target) if is_key else ()
        words = (term,)
        relation = Relation(table, target, instance, on, patterns, words, child, parent)
        lexicon.relations.setdefault(table, []).append(relation)
        return
    table, target = (part.strip() for part in re.split(r"\s+JOIN\s+", sql, flags=re.IGNORECASE))
    for fk in lexicon.table(table).foreign_keys:
        if fk.ref_table == target:
            lexicon.relations.setdefault(table, []).append(
                _key_relation(table, fk.columns, target, fk.ref_columns, patterns)
            )
            return
    raise UsageError(
        f"Glossary term '{term}': '{table}' has no foreign key to '{target}'.", "Add ON and its condition."
    )


def _key_relation(
    table: str, columns: tuple[str, ...], target: str, ref_columns: tuple[str, ...], patterns: tuple[str, ...]
) -> Relation:
    on = " AND ".join(f"{ref(target, b)} = {ref(table, a)}" for a, b in zip(columns, ref_columns, strict=True))
    return Relation(table, target, target, on, patterns, (), columns, ref_columns)


def _add_foreign_keys(lexicon: Lexicon, table: Table) -> None:
    known = {r.child_columns for r in lexicon.relations.get(table.name, [])}
    for fk in table.foreign_keys:
        if fk.ref_table == table.name:
            if len(fk.columns) == 1:
                role = lexicon.words.get((table.name, fk.columns[0])) or [humanise(fk.columns[0]).removesuffix(" key")]
                lexicon.self_keys[table.name] = (fk.columns[0], role)
        elif fk.columns not in known:
            patterns = ("of {}", "for {}", "belonging to {}")
            relation = _key_relation(table.name, fk.columns, fk.ref_table, fk.ref_columns, patterns)
            lexicon.relations.setdefault(table.name, []).append(relation)
