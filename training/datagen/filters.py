"""Choose which rows a question is about, and say it.

In: a World (lexicon, the values that columns hold, a random generator). Out: Filters: a pattern with {} for the noun,
the SQL that means it, and the relations that must be joined. Also noun phrases: a noun with its filters around it.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from datetime import date

from training.datagen.lexicon import Key, Lexicon, Relation, pluralise, ref
from training.datagen.phrases import comparison, date_range
from training.datagen.query import Query, exists

Path = tuple[Relation, ...]


@dataclass
class World:
    """What a sampler needs to know: words, values and chance."""

    lexicon: Lexicon
    rng: random.Random
    texts: dict[Key, list[str]] = field(default_factory=dict)
    numbers: dict[Key, list[float]] = field(default_factory=dict)
    days: dict[Key, tuple[date, date]] = field(default_factory=dict)
    nullable: set[Key] = field(default_factory=set)
    """Columns in which a NULL really occurs."""

    def categories(self, table: str) -> list[str]:
        """List the text columns of a table with few values, each used often."""
        found = []
        for column in self.lexicon.table(table).columns:
            values = self.texts.get((table, column.name), [])
            if column.kind == "text" and 1 < len(values) <= 60 and column.name != self.lexicon.labels.get(table):
                found.append(column.name)
        return found

    def figures(self, table: str) -> list[str]:
        """List the numeric columns of a table that are no keys and no flags."""
        return [
            column.name
            for column in self.lexicon.table(table).columns
            if (table, column.name) in self.numbers and not self.lexicon.is_key(table, column.name)
        ]

    def dates(self, table: str) -> list[str]:
        """List the date columns of a table."""
        return [column.name for column in self.lexicon.table(table).columns if (table, column.name) in self.days]

    def say(self, table: str, column: str) -> str:
        """Draw a word for a column, the usual one most often."""
        words = self.lexicon.words[(table, column)]
        return self.rng.choices(words, [max(1, len(words))] + [1] * (len(words) - 1))[0]

    def noun(self, table: str, *, plural: bool = True) -> str:
        """Draw a noun for the rows of a table, the usual one most often."""
        nouns = self.lexicon.nouns[table]
        noun = self.rng.choices(nouns, [2 * len(nouns) + 2] + [1] * (len(nouns) - 1))[0]
        return pluralise(noun) if plural else noun

    def paths(self, table: str, depth: int = 3) -> list[Path]:
        """List the ways up from a table, the empty one first."""
        found: list[Path] = [()]
        frontier: list[tuple[str, Path]] = [(table, ())]
        for _ in range(depth):
            following = []
            for at, path in frontier:
                if path and "#" in path[-1].instance:
                    continue  # nobody speaks of what lies beyond a second road
                for relation in self.lexicon.relations.get(at, []):
                    if relation.target not in {table, *(r.target for r in path)}:
                        following.append((relation.target, (*path, relation)))
            found += [path for _, path in following]
            frontier = following
        return found

    def event_date(self, table: str) -> tuple[Path, str] | None:
        """Find the date that "in 2025" means for rows of a table: their own main date, else that of the nearest parent.

        A date that may be missing, or that says when a record was made, is no event.
        """
        for path in self.paths(table, 1):
            at = path[-1].target if path else table
            for column in self.dates(at):
                if (at, column) not in self.nullable and (not path or path[-1].child_columns):
                    return path, column
        return None

    def weights(self, tables: list[str]) -> list[float]:
        """Weigh tables by how much people ask about them: many rows, many relations, a name."""
        found = []
        for table in tables:
            links = len(self.lexicon.relations.get(table, [])) + len(self.children(table))
            named = table in self.lexicon.labels or any(key[0] == table for key in self.lexicon.named_keys)
            found.append((1 + links) * (2.5 if named else 1) * (1.6 if self.dates(table) else 1))
        return found

    def children(self, table: str) -> list[Relation]:
        """List the relations by which rows of other tables point at a table."""
        return [
            relation
            for relations in self.lexicon.relations.values()
            for relation in relations
            if relation.target == table and relation.child_columns
        ]

    def label(self, table: str) -> str | None:
        """Name the column that a list of the table shows: its label, else its key."""
        return self.lexicon.labels.get(table) or self.lexicon.key_of(table)


@dataclass(frozen=True)
class Filter:
    """One restriction: `pattern` with {} for the noun, and what it means."""

    pattern: str
    sql: str
    path: Path = ()
    column: Key | None = None
    needs_alias: bool = False

    @property
    def is_before(self) -> bool:
        """Whether the words stand before the noun."""
        return self.pattern.endswith("{}")


def noun_phrase(noun: str, filters: list[Filter]) -> str:
    """Put the words of filters around a noun: those before it inside, those after it behind."""
    text = noun
    for chosen in sorted(filters, key=lambda f: not f.is_before):
        text = chosen.pattern.replace("{}", text, 1)
    return text


_VERBS = {
    "with": "have", "without": "have no", "w/o": "have no", "having": "have", "that": "", "who": "", "which": "", "costing": "cost", "living": "live",
    "containing": "contain", "earning": "earn", "lacking": "lack", "coming": "come",
}  # fmt: skip
_PARTICIPLES = re.compile(
    r"^(\w+ed|born|sent|made|sold|paid|taken|brought|going|based|located|in|from|of|by|via|through|for|on|about|concerning|regarding|still|no longer|not)\b"
)


def verb_phrase(found: Filter) -> str | None:
    """Turn the words of a filter into what the rows do: "that have a phone" -> "have a phone", "shipped in May" -> "were shipped in May"."""
    if found.is_before:
        words = found.pattern.removesuffix(" {}")
        return f"are {words}" if " " not in words else None
    words = found.pattern.removeprefix("{} ").strip()
    first, _, rest = words.partition(" ")
    if first in _VERBS:
        rest = re.sub(r"^(any|an?) ", "", rest) if first == "without" else rest
        return f"{_VERBS[first]} {rest}".strip()
    if first in ("whose", "where", "we", "nobody"):
        return None
    if _PARTICIPLES.match(words):
        past = re.match(r"^(\w+ed|born|sent|made|sold|paid|taken|brought)\b", words)
        return f"{'were' if past else 'are'} {words}"
    return None


def apply(query: Query, filters: list[Filter]) -> Query:
    """Add filters to a query, joining what they need."""
    for chosen in filters:
        query.follow(chosen.path)
        query.filter(chosen.sql)
        query.needs_alias |= chosen.needs_alias
    return query


def draw_filters(world: World, table: str, count: int, *, avoid: tuple[Key, ...] = (), depth: int = 3) -> list[Filter]:
    """Draw up to `count` filters on different columns."""
    chosen: list[Filter] = []
    for _ in range(count * 4):
        if len(chosen) == count:
            break
        found = draw_filter(world, table, depth=depth)
        used = {f.column for f in chosen}
        # Two roads to one table in a single question would be hard to say, so only one is taken.
        ends = {f.path[-1].target for f in chosen if f.path}
        if found is None or found.column in used or found.column in avoid:
            continue
        if found.path and found.path[-1].target in ends:
            continue
        chosen.append(found)
    return chosen


def draw_filter(world: World, table: str, *, depth: int = 3) -> Filter | None:
    """Draw one filter on the rows of a table: on their own columns, their parents' or their children."""
    weights = {"own": 50, "condition": 16, "parent": 26, "child": 8}
    kind = world.rng.choices(list(weights), list(weights.values()))[0]
    if kind == "own":
        return own_filter(world, table, table)
    if kind == "condition":
        return condition_filter(world, table, table)
    if kind == "parent":
        return parent_filter(world, table, depth=depth)
    return child_filter(world, table)


def own_filter(world: World, table: str, instance: str) -> Filter | None:
    """Draw a filter on one of the table's own columns."""
    rng = world.rng
    options = (
        [("category", c) for c in world.categories(table)] * 3
        + [("number", c) for c in world.figures(table)] * 2
        + [("date", c) for c in world.dates(table)] * 3
        + [("null", c) for t, c in world.nullable if t == table]
        + [("like", c) for c in _likeable(world, table)]
        + [("figure", f.words[0]) for f in world.lexicon.figures.get(table, [])]
    )
    options = [o for o in options if (table, o[1]) not in _hidden(world, table)]
    if not options:
        return None
    kind, column = rng.choice(sorted(options))
    if kind == "figure":
        return _figure_filter(world, table, instance, column)
    target = ref(instance, column)
    key = (table, column)
    word = world.say(table, column)
    patterns = [p for p in world.lexicon.patterns.get(key, [])]
    if kind == "category":
        return _category_filter(world, key, target, word, patterns)
    if kind == "number":
        words, sql = comparison(rng, world.numbers[key], unit=_unit(world, key))
        said = [
            f"{{}} with a {word} of {words}",
            f"{{}} with {word} {words}",
            f"{{}} whose {word} is {words}",
            f"{{}} where the {word} is {words}",
        ]
        return Filter(_pattern(rng, patterns, words, said), f"{target} {sql}", column=key)
    if kind == "date":
        low, high = world.days[key]
        span = date_range(rng, low, high)
        said = [f"{{}} with {word} {span.words}", f"{{}} whose {word} is {span.words}"]
        return Filter(_pattern(rng, patterns, span.words, said, keep=0.85), span.sql(target), column=key)
    if kind == "null":
        if rng.random() < 0.62:
            pattern = rng.choice(
                (
                    f"{{}} without {_a(word)}",
                    f"{{}} without {word}",
                    f"{{}} with no {word}",
                    f"{{}} that have no {word}",
                    f"{{}} whose {word} is missing",
                    f"{{}} with missing {word}",
                    f"{{}} lacking a {word}",
                    f"{{}} w/o {word}",
                    f"{{}} where the {word} is not known",
                )
            )
            return Filter(pattern, f"{target} IS NULL", column=key)
        pattern = rng.choice(
            (
                f"{{}} with {_a(word)}",
                f"{{}} that have {_a(word)}",
                f"{{}} whose {word} is known",
                f"{{}} with a known {word}",
                f"{{}} where we know the {word}",
            )
        )
        return Filter(pattern, f"{target} IS NOT NULL", column=key)
    return _like_filter(world, key, target, word)


def _figure_filter(world: World, table: str, instance: str, name: str) -> Filter:
    figure = next(f for f in world.lexicon.figures[table] if f.words[0] == name)
    words, sql = comparison(
        world.rng, [18, 25, 30, 40, 50, 65] if "'now'" in figure.sql else [1, 3, 7, 14, 20, 30, 60, 100]
    )
    word = world.rng.choice(figure.words)
    pattern = _pattern(
        world.rng,
        list(figure.patterns),
        words,
        [f"{{}} with {_a(word)} of {words}", f"{{}} whose {word} is {words}"],
        keep=0.7,
    )
    return Filter(pattern, f"{figure.sql} {sql}".replace(ref(table, ""), ref(instance, "")), column=(table, name))


def _hidden(world: World, table: str) -> set[Key]:
    """Name the columns whose NULL is spoken of as a named condition or a link, not as a missing value."""
    return {
        (table, column.name)
        for column in world.lexicon.table(table).columns
        if world.lexicon.is_key(table, column.name)
    }


def _category_filter(world: World, key: Key, target: str, word: str, patterns: list[str]) -> Filter:
    rng = world.rng
    values = world.texts[key]
    value = rng.choice(values)
    quoted = _quote(value)
    before = f"{value} {{}}"
    plain = [
        f"{{}} with {word} {value}",
        f"{{}} whose {word} is {value}",
        f'{{}} with the {word} "{value}"',
        f"{{}} of {word} {value}",
        f"{{}} where the {word} is {value}",
    ]
    draw = rng.random()
    if draw < 0.1:
        pattern = rng.choice(
            (
                f"{{}} that are not {value}",
                f"{{}} with any {word} but {value}",
                f"{{}} whose {word} is not {value}",
                f"{{}} with a {word} other than {value}",
                f"non-{value} {{}}",
            )
        )
        return Filter(pattern, f"{target} <> {quoted}", column=key)
    if draw < 0.2 and len(values) > 2:
        other = rng.choice([v for v in values if v != value])
        both = rng.choice(
            (
                f"{value} or {other}",
                f"{value} and {other}",
                f"either {value} or {other}",
                f"{value}/{other}",
                f"{value} + {other}",
            )
        )
        # The tuple is sorted so that the same question has one SQL.
        pair = ", ".join(sorted((quoted, _quote(other))))
        return Filter(
            _pattern(rng, patterns, both, [f"{{}} with {word} {both}", f"{{}} whose {word} is {both}"]),
            f"{target} IN ({pair})",
            column=key,
        )
    adjective = value.islower() and " " not in value
    if adjective and draw < 0.62:
        return Filter(before, f"{target} = {quoted}", column=key)
    return Filter(_pattern(rng, patterns, value, plain, keep=0.65), f"{target} = {quoted}", column=key)


def _like_filter(world: World, key: Key, target: str, word: str) -> Filter:
    rng = world.rng
    value = rng.choice(world.texts[key])
    tokens = [token for token in value.replace("'", " ").split() if len(token) > 2]
    kind = rng.choice(("starts", "starts", "contains", "contains", "ends"))
    if kind == "starts":
        part = value[: rng.randint(1, 4)].replace("'", "").strip() or "a"
        words = (
            f"{{}} whose {word} starts with {part}",
            f"{{}} with a {word} beginning with {part}",
            f"{{}} whose {word} begins with '{part}'",
            f"{{}} with {word} starting with {part}",
            f"{{}} where the {word} starts with {part}",
        )
        return Filter(rng.choice(words), f"{target} LIKE '{part}%'", column=key)
    if kind == "ends" and len(value) > 4:
        part = value[-rng.randint(2, 4) :].replace("'", "").strip()
        words = (
            f"{{}} whose {word} ends with {part}",
            f"{{}} with a {word} ending in {part}",
            f"{{}} whose {word} ends in '{part}'",
        )
        return Filter(rng.choice(words), f"{target} LIKE '%{part}'", column=key)
    part = rng.choice(tokens) if tokens else value.replace("'", "")
    if rng.random() < 0.3:
        part = part.lower()
    words = (
        f"{{}} whose {word} contains {part}",
        f'{{}} with "{part}" in the {word}',
        f"{{}} with {part} in their {word}",
        f"{{}} that have '{part}' in the {word}",
        f"{{}} whose {word} includes {part}",
    )
    return Filter(rng.choice(words), f"{target} LIKE '%{part}%'", column=key)


def condition_filter(world: World, table: str, instance: str) -> Filter | None:
    """Draw one of the glossary's named kinds of rows."""
    found = [c for c in world.lexicon.conditions.get(table, []) if c.patterns]
    if not found:
        return None
    chosen = world.rng.choice(found)
    sql = chosen.sql.replace(ref(table, ""), ref(instance, ""))
    column = sql.split("\x02")[1].split(" ")[0]
    return Filter(world.rng.choice(chosen.patterns), sql, column=(table, column))


def parent_filter(world: World, table: str, *, depth: int = 3) -> Filter | None:
    """Draw a filter on a row that the table's rows point at, one to three relations away."""
    rng = world.rng
    paths = [path for path in world.paths(table, depth) if path]
    if not paths:
        return None
    path = rng.choices(paths, [1 / len(p) for p in paths])[0]
    end = path[-1]
    found = entity_words(world, end.target, end.instance)
    if found is None:
        return None
    phrase, sql, key, is_value = found
    for relation in reversed(path[1:]):
        phrase = _attach(world, relation, world.noun(relation.table), phrase, is_value=is_value)
        is_value = False
    pattern = "{} " + _link(world, path[0], phrase, is_value=is_value).lstrip()
    return Filter(pattern, sql, path=path, column=key)


def entity_words(world: World, table: str, instance: str) -> tuple[str, str, Key, bool] | None:
    """Say which rows of a table are meant: one by its name or number, or those of a kind.

    Returns:
        The words, the SQL, the column it is about, and whether the words are a bare value (such as a country).
    """
    rng = world.rng
    label = world.lexicon.labels.get(table)
    names = world.texts.get((table, label), []) if label else []
    if names and rng.random() < 0.55:
        value = rng.choice(names)
        noun = world.noun(table, plural=False)
        said = rng.choices((value, f"the {noun} {value}", f"{noun} {value}", f'"{value}"'), (10, 2, 1, 1))[0]
        return said, f"{ref(instance, label or '')} = {_quote(value)}", (table, label or ""), False
    key = world.lexicon.key_of(table)
    if not label and (table, key) in world.lexicon.named_keys and (table, key) in world.numbers and rng.random() < 0.5:
        number = _key_number(world, table, key or "")
        noun = world.noun(table, plural=False)
        said = rng.choice(
            (
                f"{noun} {number}",
                f"{noun} number {number}",
                f"{noun} no. {number}",
                f"{noun} #{number}",
                f"the {noun} {number}",
            )
        )
        return said, f"{ref(instance, key or '')} = {number}", (table, key or ""), False
    places = [c for c in world.categories(table)]
    if not label and places:
        column = rng.choice(places)
        value = rng.choice(world.texts[(table, column)])
        return value, f"{ref(instance, column)} = {_quote(value)}", (table, column), True
    found = own_filter(world, table, instance) if rng.random() < 0.7 else condition_filter(world, table, instance)
    if found is None:
        return None
    return noun_phrase(world.noun(table), [found]), found.sql, found.column or (table, ""), False


def _key_number(world: World, table: str, key: str) -> int:
    values = world.numbers[(table, key)]
    return world.rng.randint(int(values[0]), int(values[-1]))


def _link(world: World, relation: Relation, phrase: str, *, is_value: bool) -> str:
    patterns = [p for p in relation.patterns]
    if not is_value:
        # "in the {} category" wants the bare name of a category, not "the category Garden".
        patterns = [p for p in patterns if not ("category" in p and "category" in phrase)] or ["of {}"]
        if not phrase[0].isupper():
            patterns = [p for p in patterns if "category" not in p] or ["of {}"]
    return world.rng.choice(patterns).format(phrase)


def _attach(world: World, relation: Relation, noun: str, phrase: str, *, is_value: bool) -> str:
    return f"{noun} {_link(world, relation, phrase, is_value=is_value)}"


def child_filter(world: World, table: str, *, negated: bool | None = None) -> Filter | None:
    """Draw a filter on whether rows of another table point here: "with at least one ...", "without any ..."."""
    rng = world.rng
    children = world.children(table)
    if not children:
        return None
    relation = rng.choice(children)
    missing = [
        c
        for t, c in sorted(world.nullable)
        if t == relation.table
        and world.lexicon.is_detail(t)
        and c not in world.dates(t)
        and not world.lexicon.is_key(t, c)
    ]
    if missing and rng.random() < 0.7:
        return _detail_filter(world, table, relation, rng.choice(missing), negated)
    inner = [f for f in [own_filter(world, relation.table, relation.table) if rng.random() < 0.6 else None] if f]
    if rng.random() < 0.2 and not inner:
        inner = [f for f in [condition_filter(world, relation.table, relation.table)] if f]
    conditions = [f.sql for f in inner]
    is_negated = rng.random() < 0.5 if negated is None else negated
    one = noun_phrase(world.noun(relation.table, plural=False), inner)
    many = noun_phrase(world.noun(relation.table), inner)
    if is_negated:
        words = (
            f"{{}} without any {many}",
            f"{{}} that have no {many}",
            f"{{}} who have never had {_a(one)}",
            f"{{}} with no {many}",
            f"{{}} without {_a(one)}",
            f"{{}} that do not have any {many}",
            f"{{}} with zero {many}",
        )
    else:
        words = (
            f"{{}} with at least one {one}",
            f"{{}} that have {many}",
            f"{{}} with {many}",
            f"{{}} having at least one {one}",
            f"{{}} that have at least one {one}",
        )
    sql = exists(world.lexicon, relation, table, conditions, negated=is_negated)
    return Filter(rng.choice(words), sql, column=(relation.table, "*"), needs_alias=True)


def _detail_filter(world: World, table: str, relation: Relation, column: str, negated: bool | None) -> Filter:
    """Speak of a detail as if it were the row's own: "customers without an e-mail address"."""
    rng = world.rng
    word = world.say(relation.table, column)
    is_negated = rng.random() < 0.6 if negated is None else negated
    if is_negated:
        words = (
            f"{{}} without {_a(word)}",
            f"{{}} without {_a(word)}",
            f"{{}} without {word}",
            f"{{}} with no {word}",
            f"{{}} that have no {word}",
            f"{{}} whose {word} is missing",
            f"{{}} w/o {word}",
            f"{{}} for whom we have no {word}",
            f"{{}} lacking {_a(word)}",
        )
    else:
        words = (
            f"{{}} with {_a(word)}",
            f"{{}} that have {_a(word)}",
            f"{{}} whose {word} we know",
            f"{{}} with a known {word}",
        )
    sql = exists(world.lexicon, relation, table, [f"{ref(relation.table, column)} IS NOT NULL"], negated=is_negated)
    return Filter(rng.choice(words), sql, column=(relation.table, column), needs_alias=True)


def _pattern(rng: random.Random, patterns: list[str], words: str, plain: list[str], *, keep: float = 0.6) -> str:
    """Choose between the glossary's way to speak of a value and the plain ones; returns a pattern for the noun."""
    if patterns and rng.random() < keep:
        chosen = rng.choice(patterns)
        return "{} " + chosen.replace("{}", words)
    return rng.choice(plain)


def _likeable(world: World, table: str) -> list[str]:
    return [
        c.name
        for c in world.lexicon.table(table).columns
        if c.kind == "text" and len(world.texts.get((table, c.name), [])) > 30
    ]


def _unit(world: World, key: Key) -> str:
    comment = world.lexicon.column(*key).comment.lower()
    return "euros" if "euro" in comment else ""


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
