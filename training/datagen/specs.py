"""The questions that can be continued: a Spec says what is asked, and can be asked again with one thing changed.

In: a World. Out: a question in words with its SQL, and follow-up turns ("only in Spain", "the same per channel", "how many
are there?"). Forms: list, count, measure, group, top.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from training.datagen.filters import Filter, Path, World, apply, draw_filters, entity_words, noun_phrase, verb_phrase
from training.datagen.lexicon import Key, Measure, pluralise, ref
from training.datagen.phrases import date_range, say_number
from training.datagen.query import Query

Form = Literal["list", "count", "measure", "group", "top"]


@dataclass(frozen=True)
class Dimension:
    """What rows are grouped by."""

    words: str
    select: tuple[str, ...]
    group: tuple[str, ...]
    path: Path = ()
    key: Key = ("", "")


@dataclass(frozen=True)
class Spec:
    """What is asked. `said` holds the words of a measure's filters, in the order of `filters`."""

    form: Form
    table: str
    filters: tuple[Filter, ...] = ()
    said: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    measure: Measure | None = None
    word: str = ""
    limit: int | None = None
    descending: bool = True
    is_sorted: bool = False
    is_open: bool = False
    """Whether the question waives the measure's default filter."""


@dataclass(frozen=True)
class Asked:
    """A question with its SQL."""

    kind: str
    question: str
    sql: str


def dimension(
    world: World,
    table: str,
    *,
    depth: int = 3,
    kinds: tuple[str, ...] = ("label", "category", "date"),
    event: tuple[Path, str] | None = None,
) -> Dimension | None:
    """Draw something to group the rows of a table by: a parent's name, a category, a period."""
    rng = world.rng
    options: list[Dimension] = []
    event = event or world.event_date(table)
    for path in world.paths(table, depth):
        target = path[-1].target if path else table
        instance = path[-1].instance if path else table
        label, key = world.lexicon.labels.get(target), world.lexicon.key_of(target)
        if label and key and path and "label" in kinds:
            noun = world.noun(target, plural=False)
            name = ref(instance, label)
            options += [Dimension(noun, (name,), (ref(instance, key), name), path, (target, label))] * 2
        if "category" in kinds:
            for column in world.categories(target):
                word = world.say(target, column)
                if instance != target:
                    word = f"{path[-1].words[0].split()[0]} {word}" if path[-1].words else word
                expression = ref(instance, column)
                options.append(Dimension(word, (expression,), (expression,), path, (target, column)))
        if "date" in kinds and len(path) <= 1:
            for column in world.dates(target):
                main = event == (path, column)
                options += [_period(world, target, instance, column, path, is_main=main)] * (6 if main else 1)
    return rng.choice(options) if options else None


def _period(world: World, table: str, instance: str, column: str, path: Path, *, is_main: bool) -> Dimension:
    rng = world.rng
    target = ref(instance, column)
    kind = rng.choices(("year", "month", "month_of_year", "quarter", "day"), (60, 45, 8, 16, 5))[0]
    expression = {
        "year": f"strftime('%Y', {target})",
        "month": f"strftime('%Y-%m', {target})",
        "month_of_year": f"strftime('%m', {target})",
        "quarter": f"(CAST(strftime('%m', {target}) AS INTEGER) + 2) / 3",
        "day": f"date({target})",
    }[kind]
    word = {"year": "year", "month": "month", "month_of_year": "calendar month", "quarter": "quarter", "day": "day"}[
        kind
    ]
    if not is_main or rng.random() < 0.15:
        said = world.say(table, column).removesuffix(" date").removeprefix("date of ")
        word = rng.choice(
            (f"{said} {word}", f"{word} of the {world.say(table, column)}", f"{word} (by {world.say(table, column)})")
        )
    return Dimension(word, (expression,), (expression,), path, (table, column))


def measure_base(world: World, measure: Measure) -> str | None:
    """Find the table from whose rows every table of a measure can be reached upwards."""
    for table in measure.tables:
        reachable = {path[-1].target for path in world.paths(table) if path} | {table}
        if set(measure.tables) <= reachable:
            return table
    return None


def draw_spec(world: World, form: Form | None = None) -> Spec | None:
    """Draw what to ask."""
    rng = world.rng
    form = form or rng.choices(("list", "count", "measure", "group", "top"), (30, 22, 18, 18, 12))[0]
    lexicon = world.lexicon
    measures = [(m, base) for m in lexicon.measures if (base := measure_base(world, m))]
    if form == "measure" or (form in ("group", "top") and measures and rng.random() < 0.6):
        if not measures:
            return None
        weights = [3 if i < 2 else 1 for i in range(len(measures))]
        measure, base = rng.choices(measures, weights)[0]
        count = rng.choices((0, 1, 2, 3), (12, 48, 30, 10))[0]
        filters, said = measure_filters(world, base, measure, count)
        dimensions = _dimensions(world, base, form, filters, event=measure_event(world, base, measure))
        if form != "measure" and not dimensions:
            return None
        spec = Spec(
            form,
            base,
            filters,
            said,
            (),
            dimensions,
            measure,
            rng.choices(measure.words, [len(measure.words) + 1] + [1] * (len(measure.words) - 1))[0],
        )
    else:
        table = _table(world)
        filters_list = draw_filters(
            world, table, rng.choices((0, 1, 2, 3), (8, 52, 32, 8) if form != "group" else (40, 45, 12, 3))[0]
        )
        spec = Spec(form, table, tuple(filters_list))
        if form == "list":
            spec = replace(spec, columns=_columns(world, table))
        if form in ("group", "top"):
            spec = replace(spec, dimensions=_dimensions(world, table, form, spec.filters))
            if not spec.dimensions:
                return None
    if spec.measure and spec.measure.default_filter and rng.random() < 0.06:
        spec = replace(spec, is_open=True)
    if form == "top":
        spec = replace(
            spec,
            limit=rng.choice((1, 1, 2, 3, 3, 5, 5, 5, 10, 10, 20, rng.randint(1, 30))),
            descending=rng.random() < 0.86,
            is_sorted=True,
        )
    elif form == "group" and rng.random() < 0.25:
        spec = replace(spec, is_sorted=True, descending=rng.random() < 0.8)
    return spec


def _table(world: World) -> str:
    names = [t.name for t in world.lexicon.schema.tables if t.columns]
    return world.rng.choices(names, world.weights(names))[0]


def _columns(world: World, table: str) -> tuple[str, ...]:
    rng = world.rng
    names = [
        c.name
        for c in world.lexicon.table(table).columns
        if not (world.lexicon.is_key(table, c.name) and c.name != world.lexicon.key_of(table)) and c.kind != "boolean"
    ]
    label = world.label(table)
    if rng.random() < (0.35 if world.lexicon.labels.get(table) else 0.2) and label:
        return ()
    count = rng.choices((1, 2, 3, 4), (25, 45, 22, 8))[0]
    drawn = rng.sample(names, min(count, len(names)))
    if label and label not in drawn and rng.random() < 0.55:
        drawn = [label, *drawn[: max(0, count - 1)]]
    return tuple(drawn)


def _dimensions(
    world: World, table: str, form: Form, filters: tuple[Filter, ...], *, event: tuple[Path, str] | None = None
) -> tuple[Dimension, ...]:
    if form not in ("group", "top"):
        return ()
    kinds: tuple[str, ...] = ("label", "category") if form == "top" else ("label", "category", "date")
    first = dimension(world, table, kinds=kinds, event=event)
    if first is None:
        return ()
    if form == "group" and world.rng.random() < 0.14:
        second = dimension(world, table, event=event)
        if second and second.key != first.key and not _clash(first, second):
            return (first, second)
    return (first,)


def _clash(a: Dimension, b: Dimension) -> bool:
    ends = {r.target: r.instance for r in a.path}
    return any(ends.get(r.target, r.instance) != r.instance for r in b.path)


def measure_event(world: World, base: str, measure: Measure) -> tuple[Path, str] | None:
    """Find the date a measure goes by: that of the table its default filter is on, else of its rows."""
    if measure.filter_column and measure.filter_column[0] != base:
        table = measure.filter_column[0]
        path = next((p for p in world.paths(base) if p and p[-1].target == table), None)
        found = world.event_date(table)
        if path and found and not found[0]:
            return path, found[1]
    return world.event_date(base)


def measure_filters(
    world: World, base: str, measure: Measure, count: int
) -> tuple[tuple[Filter, ...], tuple[str, ...]]:
    """Draw filters for a measure, with words that stand after its name: "in 2025", "from web orders"."""
    rng = world.rng
    chosen: list[Filter] = []
    said: list[str] = []
    paths = world.paths(base)
    event = measure_event(world, base, measure)
    for _ in range(count * 3):
        if len(chosen) == count:
            break
        used = {f.column for f in chosen}
        if event and rng.random() < 0.5:
            path, column = event
            target = path[-1].target if path else base
            if (target, column) in used:
                continue
            span = date_range(rng, *world.days[(target, column)])
            chosen.append(
                Filter(
                    "{} " + span.words,
                    span.sql(ref(path[-1].instance if path else base, column)),
                    path,
                    (target, column),
                )
            )
            said.append(span.words)
            continue
        path = rng.choice(paths)
        if (
            path
            and chosen
            and {f.path[-1].target for f in chosen if f.path} & {path[-1].target}
            and chosen[0].path[-1:] != path[-1:]
        ):
            continue
        target = path[-1].target if path else base
        instance = path[-1].instance if path else base
        found = entity_words(world, target, instance)
        if found is None or found[2] in used:
            continue
        words, sql, key, is_value = found
        label = world.lexicon.labels.get(target)
        if is_value and not path:
            phrase = f"with {world.say(*key)} {words}"
        elif is_value:
            near = path[-1].table
            patterns = path[-1].patterns
            link = rng.choice(patterns).format(words)
            phrase = f"from {world.noun(near)} {link}" if near != base and rng.random() < 0.6 else link
        elif key == (target, label):
            phrase = rng.choice(("for {}", "of {}", "from {}", "with {}")).format(words)
        else:
            phrase = rng.choice(("from {}", "of {}", "for {}", "with {}", "on {}")).format(words)
        if (
            world.lexicon.patterns.get(key)
            and not is_value
            and key[1] in world.categories(key[0])
            and rng.random() < 0.5
            and " = '" in sql
        ):
            value = sql.split(" = ")[1].strip("'").replace("''", "'")
            phrase = rng.choice(world.lexicon.patterns[key]).format(value)
        chosen.append(Filter("{} " + phrase, sql, path, key))
        said.append(phrase)
    return tuple(chosen), tuple(said)


def build(world: World, spec: Spec) -> str:
    """Write the SQL of a spec."""
    lexicon = world.lexicon
    query = Query(lexicon, spec.table)
    figure = "COUNT(*)"
    if spec.measure:
        for table in spec.measure.tables:
            if table != spec.table:
                query.follow(next(p for p in world.paths(spec.table) if p and p[-1].target == table))
        figure = spec.measure.sql
        if not spec.is_open and not any(f.column == spec.measure.filter_column for f in spec.filters):
            query.filter(spec.measure.default_filter)
    apply(query, list(spec.filters))
    if spec.form == "list":
        columns = spec.columns or ((world.label(spec.table),) if world.label(spec.table) else ())
        query.select = [ref(spec.table, c) for c in columns if c] or ["*"]
        return query.sql()
    for chosen in spec.dimensions:
        query.follow(chosen.path)
        query.select += chosen.select
        query.group += chosen.group
    query.select.append(figure)
    if spec.is_sorted:
        query.order = [f"{figure}{' DESC' if spec.descending else ''}"]
    query.limit = spec.limit
    return query.sql()


def ask(world: World, spec: Spec) -> str:
    """Say a spec as a question, now and then with a word on what the default filter of measures leaves out."""
    text = _ask(world, spec)
    remark = _remark(world, spec)
    if not remark:
        return text
    if text.endswith("?"):
        return world.rng.choice(
            (f"{text[:-1]}, {remark}?", f"{text} {remark.capitalize()}.", f"{text[:-1]} ({remark})?")
        )
    return world.rng.choice((f"{text}, {remark}", f"{text} ({remark})", f"{text}; {remark}"))


def _remark(world: World, spec: Spec) -> str:
    rng = world.rng
    for measure in world.lexicon.measures:
        if not measure.filter_column or "<> '" not in measure.default_filter:
            continue
        table, column = measure.filter_column
        reaches = table == spec.table or any(p and p[-1].target == table for p in world.paths(spec.table, 1))
        if not reaches or any(f.column == (table, column) for f in spec.filters):
            continue
        value = measure.default_filter.split("<> '")[1].rstrip("'")
        word, many = world.say(table, column), world.noun(table)
        waived = (
            f"{value} ones included",
            f"including {value} {many}",
            f"whatever the {word}",
            f"all {pluralise(word)}",
            f"{value} {many} too",
            f"of any {word}",
            f"regardless of {word}",
            f"every {word} counts",
        )
        kept = (
            f"{value} {many} excluded",
            f"no {value} {many}",
            f"without {value} {many}",
            f"{value} ones do not count",
            f"not counting {value} {many}",
        )
        if spec.measure is not None:
            if spec.measure.filter_column != measure.filter_column:
                return ""
            if spec.is_open:
                return rng.choice(waived)
            return rng.choice(kept) if rng.random() < 0.1 else ""
        # Counts and lists have no default filter, so the remark only says what holds anyway.
        return rng.choice(waived) if rng.random() < 0.09 else ""
    return ""


def _ask(world: World, spec: Spec) -> str:
    rng = world.rng
    if spec.measure:
        subject = spec.word + ("" if not spec.said else " " + " ".join(_shuffled(world, list(spec.said))))
        if spec.form == "measure":
            return rng.choice(MEASURE).format(m=subject)
        if spec.form == "group":
            return _group_words(world, spec, spec.word, " ".join(spec.said))
        return _top_words(world, spec, spec.word, " ".join(spec.said))
    noun = noun_phrase(world.noun(spec.table), list(spec.filters))
    verbal = _verbal(world, spec) if spec.form in ("count", "list") and rng.random() < 0.4 else None
    if verbal:
        return verbal
    if spec.form == "count":
        return rng.choices(COUNT, [5, 5, 3, 3] + [1] * (len(COUNT) - 4))[0].format(n=noun)
    if spec.form == "list":
        return _list_words(world, spec, noun)
    counted = rng.choice((f"number of {noun}", f"count of {noun}", f"number of {noun}"))
    if spec.form == "group":
        if rng.random() < 0.35:
            dims = _by(world, spec)
            end = _order_words(world, spec)
            return rng.choice(
                (
                    f"How many {noun} are there {dims}{end}?",
                    f"How many {noun} do we have {dims}{end}?",
                    f"Count the {noun} {dims}{end}",
                    f"{noun} {dims}{end}",
                )
            )
        return _group_words(world, spec, counted, "")
    return _top_words(world, spec, noun, "", is_count=True)


MEASURE = (
    "What is the {m}?",
    "What is our {m}?",
    "What was the {m}?",
    "What was our {m}?",
    "How much {m} did we have?",
    "How much {m} did we make?",
    "{m}",
    "Show me the {m}",
    "total {m}",
    "What is the total {m}?",
    "Give me the {m}",
    "Calculate the {m}",
    "How high was the {m}?",
    "our {m}, please",
)
COUNT = (
    "How many {n} are there?",
    "How many {n} do we have?",
    "number of {n}",
    "How many {n}?",
    "Count the {n}",
    "What is the number of {n}?",
    "Give me the number of {n}",
    "count {n}",
    "How many {n} have we got?",
    "Tell me how many {n} there are",
    "total number of {n}",
    "how many {n} exist?",
    "{n}: how many?",
    "{n}, how many are there?",
    "The number of {n}, please",
    "I need the count of {n}",
)
LIST = (
    "Show {n}",
    "Show me all {n}",
    "List the {n}",
    "List all {n}",
    "Which {n} are there?",
    "Give me all {n}",
    "{n}",
    "What are the {n}?",
    "Which {n} do we have?",
    "Find the {n}",
    "all {n}",
    "Get me the {n}",
    "I need the {n}",
    "Which are the {n}?",
    "Display {n}",
    "Show us the {n}",
    "I search the {n}",
    "Find all {n}",
    "Who are the {n}?",
)


def _verbal(world: World, spec: Spec) -> str | None:
    """Say the last filter as a verb: "How many customers live in Austria?", "Which orders were shipped in May?"."""
    for i, found in enumerate(spec.filters):
        verb = verb_phrase(found)
        if not verb:
            continue
        noun = noun_phrase(world.noun(spec.table), [f for j, f in enumerate(spec.filters) if j != i])
        if spec.form == "count":
            return f"How many {noun} {verb}?"
        tail = ""
        if spec.columns:
            words = join_words(world, [world.say(spec.table, c) for c in spec.columns])
            tail = world.rng.choice(
                (
                    f" Show {words}.",
                    f" {words.capitalize()}.",
                    f" Give me the {words}.",
                    f" {words.capitalize()}, please.",
                )
            )
        is_person = world.lexicon.labels.get(spec.table) == "full_name" and len(spec.filters) == 1
        singular = re.sub(r"^were\b", "was", re.sub(r"^are\b", "is", re.sub(r"^have\b", "has", verb)))
        if is_person and singular != verb and world.rng.random() < 0.2:
            return f"Who {singular}?{tail}"
        return f"Which {noun} {verb}?{tail}"
    return None


def _list_words(world: World, spec: Spec, noun: str) -> str:
    rng = world.rng
    if not spec.columns:
        templates = [
            t for t in LIST if not (t.startswith("Who") and world.lexicon.labels.get(spec.table) != "full_name")
        ]
        suffix = (
            rng.choices(("", ", names only", ": just the names", " by name", ", only the name"), (9, 1, 1, 1, 1))[0]
            if world.lexicon.labels.get(spec.table)
            else rng.choices(("", ", numbers only", ": just the number"), (6, 1, 1))[0]
        )
        chosen = rng.choice(templates).format(n=noun)
        return f"{chosen.rstrip('?')}{suffix}" if suffix else chosen
    words = [world.say(spec.table, c) for c in spec.columns]
    if len(set(words)) < len(words):
        words = [world.lexicon.words[(spec.table, c)][0] for c in spec.columns]
    joined = join_words(world, words)
    the = rng.choice(("the ", "the ", ""))
    return rng.choice(
        (
            f"Show {the}{joined} of {noun}", f"What are the {joined} of {noun}?", f"List {noun} with {joined}", f"{noun}: {joined}",
            f"Give me {the}{joined} of all {noun}", f"Show {noun} with their {joined}", f"{joined} of {noun}", f"{noun}, {joined}",
            f"Which {noun} are there? Show {joined}.", f"Which {noun} are there? {joined.capitalize()}, please.", f"List the {joined} of all {noun}",
            f"List {noun} and show {joined}", f"For all {noun}, show {the}{joined}", f"I'd like {the}{joined} for {noun}", f"{noun} ({joined})",
            f"Find {noun} and show {joined}", f"Which {noun} do we have? Give {joined}.",
        )
    )  # fmt: skip


def join_words(world: World, words: list[str]) -> str:
    """Join words as people do: "a, b and c", "a + b", "a, b, c"."""
    if len(words) == 1:
        return words[0]
    style = world.rng.choices(("and", "comma", "plus", "slash"), (14, 3, 2, 1))[0]
    if style == "and":
        return ", ".join(words[:-1]) + f" and {words[-1]}"
    return {"comma": ", ", "plus": " + ", "slash": "/"}[style].join(words)


def _shuffled(world: World, items: list[str]) -> list[str]:
    world.rng.shuffle(items)
    return items


def _by(world: World, spec: Spec) -> str:
    rng = world.rng
    words = [d.words for d in spec.dimensions]
    if len(words) == 2:
        a, b = words
        return rng.choice(
            (
                f"by {a} and {b}",
                f"per {a} and {b}",
                f"for each {a} and {b}",
                f"by {a} x {b}",
                f"per {a}, split by {b}",
                f"by {a} and by {b}",
                f"for every combination of {a} and {b}",
            )
        )
    return rng.choices(
        (
            f"per {words[0]}",
            f"by {words[0]}",
            f"for each {words[0]}",
            f"in each {words[0]}",
            f"for every {words[0]}",
            f"broken down by {words[0]}",
            f"grouped by {words[0]}",
            f"split by {words[0]}",
        ),
        (6, 6, 5, 2, 2, 1, 1, 1),
    )[0]


def _order_words(world: World, spec: Spec) -> str:
    if not spec.is_sorted:
        return ""
    if spec.descending:
        return world.rng.choice(
            (
                ", highest first",
                ", largest first",
                " from highest to lowest",
                ", sorted descending",
                ", most first",
                " in descending order",
                ", biggest first",
                " from the highest to the lowest",
            )
        )
    return world.rng.choice(
        (
            ", lowest first",
            ", smallest first",
            " from lowest to highest",
            ", sorted ascending",
            ", fewest first",
            " in ascending order",
            " from the lowest to the highest",
        )
    )


def _group_words(world: World, spec: Spec, figure: str, said: str) -> str:
    rng = world.rng
    by, end = _by(world, spec), _order_words(world, spec)
    tail = f" {said}" if said else ""
    first = spec.dimensions[0].words
    options = [
        f"{figure} {by}{tail}{end}", f"{figure}{tail} {by}{end}", f"What is the {figure} {by}{tail}{end}?", f"Show the {figure}{tail} {by}{end}",
        f"Show me {figure} {by}{tail}{end}", f"What was the {figure}{tail} {by}{end}?", f"Give me the {figure} {by}{tail}{end}",
    ]  # fmt: skip
    if len(spec.dimensions) == 1:
        options += [
            f"For each {first}, what is the {figure}{tail}{end}?",
            f"For each {first}, show the {figure}{tail}{end}",
            f"{pluralise(first)} with their {figure}{tail}{end}",
            f"Show each {first} with the {figure}{tail}{end}",
            f"List all {pluralise(first)} by {figure}{tail}"
            if spec.is_sorted and spec.descending
            else f"How high is the {figure} {by}{tail}{end}?",
        ]
    return rng.choice(options)


def _top_words(world: World, spec: Spec, figure: str, said: str, *, is_count: bool = False) -> str:
    rng = world.rng
    thing = spec.dimensions[0].words
    tail = f" {said}" if said else ""
    many = pluralise(thing)
    most = "most" if spec.descending else rng.choice(("fewest", "least"))
    high = (
        rng.choice(("highest", "highest", "most", "largest", "biggest"))
        if spec.descending
        else rng.choice(("lowest", "least", "smallest"))
    )
    number = say_number(rng, spec.limit or 1)
    top = "top" if spec.descending else "bottom"
    named = "" if is_count else "the "
    if spec.limit == 1:
        if is_count:
            return rng.choice(
                (
                    f"Which {thing} has the {most} {figure}? Show the number too.",
                    f"{thing} with the {most} {figure} and how many",
                    f"Which {thing} has the {most} {figure}, and how many?",
                    f"Which {thing} has the {most} {figure}? {thing.capitalize()} and number.",
                )
            )
        return rng.choice(
            (
                f"Which {thing} has the {high} {figure}{tail}? Show the {figure} too.",
                f"Which {thing} brought in the {high} {figure}{tail}, and how much?",
                f"{thing} with the {high} {figure}{tail} and the amount",
                f"top {thing} by {figure}{tail}",
                f"the {thing} with {high} {figure}{tail}: {thing} and {figure}",
            )
        )
    if is_count:
        return rng.choice(
            (
                f"{top} {number} {many} by number of {figure}",
                f"Which {number} {many} have the {most} {figure}?",
                f"the {number} {many} with the {most} {figure}",
                f"Show the {number} {many} with the {most} {figure}",
                f"{top.capitalize()} {number} {many} by {figure}",
                f"{number} {many} with {most} {figure}",
            )
        )
    return rng.choice(
        (
            f"{top} {number} {many} by {figure}{tail}",
            f"Which {number} {many} brought in {named}{high} {figure}{tail}?",
            f"Which {number} {many} have {named}{high} {figure}{tail}?",
            f"the {number} {many} with the {high} {figure}{tail}",
            f"Show the {top} {number} {many} by {figure}{tail}",
            f"{number} {'best' if spec.descending else 'worst'} {many} by {figure}{tail}",
            f"What are the {number} {many} with the {high} {figure}{tail}?",
            f"{top} {number} {many} by {figure}{tail}",
            f"Which {number} {many} made the {high} {figure}{tail}?",
        )
    )


def follow_up(world: World, spec: Spec) -> tuple[Spec, str] | None:
    """Change one thing of a spec and say only that."""
    rng = world.rng
    options: list[str] = ["narrow", "narrow"]
    if spec.form in ("list",):
        options += ["count", "count", "columns"]
    if spec.form == "count":
        options += ["list", "list", "group", "group"]
    if spec.measure:
        options += ["swap_measure", "swap_measure"]
    if spec.form == "measure":
        options += ["group", "group", "group"]
    if spec.form in ("group",):
        options += ["sort", "limit", "swap_dimension"]
    if spec.form == "top":
        options += ["limit", "reverse"]
    if any(" >= '" in f.sql or " < '" in f.sql for f in spec.filters):
        options += ["date", "date", "date"]
    if any(" = '" in f.sql for f in spec.filters):
        options += ["value", "value"]
    choice = rng.choice(options)
    return _CHANGES[choice](world, spec)


def _narrow(world: World, spec: Spec) -> tuple[Spec, str] | None:
    used = {f.column for f in spec.filters}
    if spec.measure:
        filters, said = measure_filters(world, spec.table, spec.measure, 1)
        if not filters or filters[0].column in used or _ends(spec) & _path_ends(filters[0]):
            return None
        changed = replace(spec, filters=spec.filters + filters, said=spec.said + said)
        return changed, world.rng.choice(
            (
                "and only {}",
                "only {}",
                "just {}",
                "And {}?",
                "now only {}",
                "restrict that to {}",
                "the same but {}",
                "limit it to {}",
            )
        ).format(said[0])
    found = draw_filters(world, spec.table, 1, avoid=tuple(c for c in used if c))
    if not found or _ends(spec) & _path_ends(found[0]):
        return None
    words = found[0].pattern
    short = words.replace("{} ", "").replace(" {}", " ones")
    text = world.rng.choice(
        (
            "only those {}",
            "only the {}",
            "and only {}",
            "Just the ones {}",
            "only {}",
            "of these, only the ones {}",
            "which of them are {}?",
            "now only {}",
        )
    ).format(short)
    if spec.form == "count":
        text = world.rng.choice(
            ("and how many of them are {}?", "how many of those {}?", "and only {}?", "and {}?", "only {}?")
        ).format(short)
    return replace(spec, filters=(*spec.filters, found[0])), text


def _ends(spec: Spec) -> set[str]:
    return {r.target for f in spec.filters for r in f.path}


def _path_ends(found: Filter) -> set[str]:
    return {r.target for r in found.path}


def _to_count(world: World, spec: Spec) -> tuple[Spec, str]:
    return replace(spec, form="count", columns=()), world.rng.choice(
        (
            "How many are there?",
            "how many are that?",
            "And how many are there?",
            "how many?",
            "Count them",
            "What is their number?",
            "How many of them are there?",
        )
    )


def _to_list(world: World, spec: Spec) -> tuple[Spec, str]:
    columns = _columns(world, spec.table)
    if not columns:
        return replace(spec, form="list"), world.rng.choice(
            (
                "Which ones?",
                "List them",
                "Show them",
                "which ones are they?",
                "Show me the list",
                "Who are they?" if world.lexicon.labels.get(spec.table) == "full_name" else "show me these",
            )
        )
    words = join_words(world, [world.say(spec.table, c) for c in columns])
    return replace(spec, form="list", columns=columns), world.rng.choice(
        ("Show their {}", "List them with {}", "which ones? {}", "Give me the {}", "Show them: {}")
    ).format(words)


def _change_columns(world: World, spec: Spec) -> tuple[Spec, str] | None:
    columns = _columns(world, spec.table)
    if not columns or columns == spec.columns:
        return None
    words = join_words(world, [world.say(spec.table, c) for c in columns])
    return replace(spec, columns=columns), world.rng.choice(
        ("Now show the {} instead", "and their {}?", "And the {}?", "Show {} instead", "with {} please")
    ).format(words)


def _to_group(world: World, spec: Spec) -> tuple[Spec, str] | None:
    event = measure_event(world, spec.table, spec.measure) if spec.measure else None
    dimensions = _dimensions(world, spec.table, "group", spec.filters, event=event)
    if not dimensions or {r.instance for d in dimensions for r in d.path} & {f"{e}#1" for e in _ends(spec)}:
        return None
    changed = replace(spec, form="group", dimensions=dimensions)
    by = _by(world, changed)
    return changed, world.rng.choice(
        (
            "Same thing {}",
            "and {}?",
            "now {}",
            "split that {}",
            "The same {}",
            "{}",
            "Show it {}",
            "break it down {}",
            "And {}, please",
        )
    ).format(by)


def _swap_dimension(world: World, spec: Spec) -> tuple[Spec, str] | None:
    found = _to_group(world, replace(spec, dimensions=()))
    if found is None or found[0].dimensions == spec.dimensions:
        return None
    by = _by(world, found[0])
    return found[0], world.rng.choice(
        ("the same {} instead", "now {} instead", "and {}?", "{} instead", "and the same {}?")
    ).format(by)


def _swap_measure(world: World, spec: Spec) -> tuple[Spec, str] | None:
    others = [m for m in world.lexicon.measures if m is not spec.measure and measure_base(world, m) == spec.table]
    if not others:
        return None
    chosen = world.rng.choice(others)
    word = world.rng.choice(chosen.words)
    return replace(spec, measure=chosen, word=word), world.rng.choice(
        (
            "now by {}",
            "and the {}?",
            "the same for {}",
            "and what about {}?",
            "Now the {} instead",
            "same with {}",
            "by {} instead",
            "And {}?",
        )
    ).format(word)


def _sort(world: World, spec: Spec) -> tuple[Spec, str] | None:
    if spec.is_sorted:
        return None
    changed = replace(spec, is_sorted=True, descending=world.rng.random() < 0.8)
    return changed, world.rng.choice(("sort it{}", "sort that{}", "Now sorted{}", "order them{}")).format(
        _order_words(world, changed)
    )


def _limit(world: World, spec: Spec) -> tuple[Spec, str]:
    number = world.rng.choice((3, 5, 10, 2, world.rng.randint(2, 20)))
    changed = replace(spec, limit=number, is_sorted=True, descending=True if not spec.is_sorted else spec.descending)
    said = say_number(world.rng, number)
    word = "top" if changed.descending else "lowest"
    return changed, world.rng.choice(
        ("only the {w} {n}", "just the {w} {n}", "{w} {n} only", "show only the {w} {n}", "and the {w} {n}?")
    ).format(w=word, n=said)


def _reverse(world: World, spec: Spec) -> tuple[Spec, str]:
    changed = replace(spec, descending=not spec.descending)
    word = (
        world.rng.choice(("most", "highest", "top"))
        if changed.descending
        else world.rng.choice(("fewest", "lowest", "least"))
    )
    return changed, world.rng.choice(
        ("and the ones with the {}?", "And which have the {}?", "and the {}?", "now the {}")
    ).format(word)


def _other_date(world: World, spec: Spec) -> tuple[Spec, str] | None:
    for i, old in enumerate(spec.filters):
        if old.column in world.days and old.column is not None and (" >= '" in old.sql or " < '" in old.sql):
            span = date_range(world.rng, *world.days[old.column])
            target = old.sql.split(" ")[0]
            changed = list(spec.filters)
            changed[i] = replace(old, sql=span.sql(target), pattern="{} " + span.words)
            said = list(spec.said)
            if i < len(said):
                said[i] = span.words
            text = world.rng.choice(
                (
                    "and {}?",
                    "And {}?",
                    "what about {}?",
                    "the same {}",
                    "And what about {}?",
                    "now {}",
                    "same for {}",
                    "how about {}?",
                )
            ).format(span.words.removeprefix("in ") if world.rng.random() < 0.4 else span.words)
            return replace(spec, filters=tuple(changed), said=tuple(said)), text
    return None


def _other_value(world: World, spec: Spec) -> tuple[Spec, str] | None:
    for i, old in enumerate(spec.filters):
        if old.column in world.texts and old.column is not None and " = '" in old.sql and not old.needs_alias:
            values = world.texts[old.column]
            before = old.sql.split(" = ")[1].strip("'").replace("''", "'")
            value = world.rng.choice(values)
            if value == before or before not in old.pattern:
                return None
            target = old.sql.split(" = ")[0]
            changed = list(spec.filters)
            changed[i] = replace(
                old, sql=f"{target} = '" + value.replace("'", "''") + "'", pattern=old.pattern.replace(before, value)
            )
            said = [s.replace(before, value) for s in spec.said]
            text = world.rng.choice(
                (
                    "and {}?",
                    "And {}?",
                    "what about {}?",
                    "the same for {}",
                    "now for {}",
                    "Same for {}, please",
                    "and for {}?",
                    "how about {}?",
                    "Sorry, I meant {}",
                    "And those with {}?",
                )
            ).format(value)
            return replace(spec, filters=tuple(changed), said=tuple(said)), text
    return None


_CHANGES = {
    "narrow": _narrow, "count": _to_count, "list": _to_list, "columns": _change_columns, "group": _to_group,
    "swap_dimension": _swap_dimension, "swap_measure": _swap_measure, "sort": _sort, "limit": _limit, "reverse": _reverse,
    "date": _other_date, "value": _other_value,
}  # fmt: skip
