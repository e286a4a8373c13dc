"""Say a Spec as a question.

In: a World and a Spec. Out: text; the wordings are in `conversations.toml`. Writes no SQL.
"""

from __future__ import annotations

from assistant.writing import plural
from training.datagen.filters import noun_phrase, verb_phrase
from training.datagen.fitting import draws, each_period, money_question
from training.datagen.lexicon import Measure
from training.datagen.phrases import say_number
from training.datagen.qualities import find_done
from training.datagen.relation_filters import DEED
from training.datagen.specs import Spec
from training.datagen.world import World

_SINGULARS = {
    "were": "was", "are": "is", "have": "has", "work": "works", "live": "lives", "earn": "earns", "come": "comes",
    "make": "makes",
}  # fmt: skip
"""Verbs of one person."""


def ask(world: World, spec: Spec) -> str:
    """Say a spec as a question, now and then with a word on what the default filter of measures leaves out."""
    text = _ask_measure(world, spec, spec.measure) if spec.measure else _ask_rows(world, spec)
    remark = _remark(world, spec)
    if not remark:
        return text
    if text.endswith("?"):
        return world.word("remark.in_question", question=text, stem=text[:-1], remark=remark)
    return world.word("remark.in_request", question=text, remark=remark)


def _remark(world: World, spec: Spec) -> str:
    """Say that the default filter is waived, or that it holds; empty for nothing."""
    rng = world.rng
    for measure in world.lexicon.measures:
        if not _is_near(world, spec, measure):
            continue
        table, column = measure.filter_column or ("", "")
        value = measure.default_filter.split("<> '")[1].rstrip("'")
        word, many = world.say(table, column), world.noun(table)
        # Counts and lists have no default filter, so there the remark only says what holds anyway.
        is_waived = spec.measure is None or spec.is_open
        if spec.measure is not None and spec.measure.filter_column != measure.filter_column:
            return ""
        if not spec.is_open and rng.random() >= (0.09 if spec.measure is None else 0.1):
            return ""
        if is_waived:
            return world.word("remark.waived", value=value, rows=many, column=word, columns=plural(word))
        return world.word("remark.kept", value=value, rows=many)
    return ""


def _is_near(world: World, spec: Spec, measure: Measure) -> bool:
    """Tell whether a measure leaves out rows that the question could be about."""
    if not measure.filter_column or "<> '" not in measure.default_filter:
        return False
    if any(f.column == measure.filter_column for f in spec.filters):
        return False
    table = measure.filter_column[0]
    return table == spec.table or any(path and path[-1].target == table for path in world.paths(spec.table, 1))


def _ask_measure(world: World, spec: Spec, measure: Measure) -> str:
    """Ask for a measure: alone, per group, or for the groups where it is highest."""
    said = list(spec.said)
    world.rng.shuffle(said)
    if spec.form == "measure":
        if draws(world) and (text := money_question(world, spec.table, measure.sql, spec.filters)):
            return text
        return world.word("ask_measure.one", figure=" ".join([spec.word, *said]))
    if spec.form == "group":
        return _ask_group(world, spec, spec.word, " ".join(spec.said))
    return _ask_top_measure(world, spec)


def _ask_rows(world: World, spec: Spec) -> str:
    """Ask about rows: a list, their number, or their number per group."""
    noun = noun_phrase(world.noun(spec.table), spec.filters)
    if spec.form in ("count", "list") and world.rng.random() < 0.4:
        verbal = _ask_doing(world, spec)
        if verbal:
            return verbal
    if spec.form == "count":
        return world.word("ask_count.rows", rows=noun)
    if spec.form == "list":
        return ask_list(world, spec, noun)
    figure = world.word("ask_count.figure", rows=noun)
    if spec.form == "top":
        return _ask_top_done(world, spec) or _ask_top_count(world, spec, noun)
    if len(spec.dimensions) == 1 and draws(world, 0.5) and (text := _ask_each_period(world, spec)):
        return text
    if world.rng.random() < 0.35:
        by, order = say_by(world, spec), say_order(world, spec)
        return world.word("ask_count.group", rows=noun, by=by, order=order)
    return _ask_group(world, spec, figure, "")


def _ask_doing(world: World, spec: Spec) -> str | None:
    """Say a filter as a verb: "How many customers live in Austria?", "Which orders were shipped in May?"."""
    for i, found in enumerate(spec.filters):
        verb = verb_phrase(found)
        if not verb:
            continue
        noun = noun_phrase(world.noun(spec.table), [f for j, f in enumerate(spec.filters) if j != i])
        if spec.form == "count":
            return world.word("ask_count.doing", rows=noun, verb=verb)
        tail = ""
        if spec.columns:
            columns = world.join_words([world.say(spec.table, column) for column in spec.columns])
            tail = world.word("ask_list.doing_tail", columns=columns)
        is_person = world.lexicon.names_people(spec.table) and len(spec.filters) == 1
        first, _, rest = verb.partition(" ")
        singular = f"{_SINGULARS.get(first, first)} {rest}"
        if is_person and singular != verb and world.rng.random() < 0.2:
            return world.word("ask_list.person_doing", verb=singular, tail=tail)
        return world.word("ask_list.doing", rows=noun, verb=verb, tail=tail)
    return None


def ask_list(world: World, spec: Spec, noun: str) -> str:
    """Ask for a list, with its columns or only the names."""
    if not spec.columns:
        is_named = bool(world.lexicon.labels.get(spec.table))
        suffix = world.word("ask_list.names_only" if is_named else "ask_list.numbers_only")
        people = ["ask_list.people"] if world.lexicon.names_people(spec.table) else []
        chosen = world.word("ask_list.rows", *people, rows=noun)
        label = world.lexicon.labels.get(spec.table)
        if label and draws(world, 0.15):
            stop = "" if chosen.endswith("?") else "."
            return f"{chosen}{stop} {world.word('each_of.names', label=world.lexicon.words[spec.table, label][0])}"
        return f"{chosen.rstrip('?')}{suffix}" if suffix else chosen
    words = [world.say(spec.table, column) for column in spec.columns]
    if len(set(words)) < len(words):
        words = [world.lexicon.words[(spec.table, column)][0] for column in spec.columns]
    columns, the = world.join_words(words), world.word("ask_list.the")
    return world.word("ask_list.columns", rows=noun, columns=columns, the=the)


def say_by(world: World, spec: Spec) -> str:
    """Say what a spec is grouped by: "per country"."""
    words = [dimension.words for dimension in spec.dimensions]
    if len(words) == 2:
        return world.word("ask_group.by_two", group=words[0], other=words[1])
    return world.word("ask_group.by", group=words[0])


def say_order(world: World, spec: Spec) -> str:
    """Say how groups are sorted: ", highest first"; empty when they are not."""
    if not spec.is_sorted:
        return ""
    return world.word("ask_group.highest_first" if spec.descending else "ask_group.lowest_first")


def _ask_group(world: World, spec: Spec, figure: str, said: str) -> str:
    """Ask for a figure per group."""
    by, order = say_by(world, spec), say_order(world, spec)
    group = spec.dimensions[0].words
    names = ["ask_group.figure"]
    if len(spec.dimensions) == 1:
        is_falling = spec.is_sorted and spec.descending
        names += ["ask_group.each", "ask_group.falling" if is_falling else "ask_group.how_high"]
    tail = f" {said}" if said else ""
    return world.word(*names, figure=figure, by=by, tail=tail, order=order, group=group, groups=plural(group))


def _ask_each_period(world: World, spec: Spec) -> str | None:
    """Say a period and its year as one: "How many admissions did we have each month of 2025?"; None for others."""
    group = spec.dimensions[0].select[0]
    period = "month" if group.startswith("strftime('%Y-%m'") else "quarter" if group.endswith("/ 3") else ""
    found = each_period(world, period, group, spec.filters) if period else None
    if found is None:
        return None
    rows = noun_phrase(world.noun(spec.table), found[1])
    return world.word("ask_count.group", rows=rows, by=found[0], order=say_order(world, spec))


def _ask_top_done(world: World, spec: Spec) -> str | None:
    """Ask what was done most often: "Which 5 drugs are prescribed most often?"; None where nothing says so."""
    dimension = spec.dimensions[0]
    if len(dimension.path) != 1 or spec.filters or dimension.key[1] != world.lexicon.labels.get(dimension.key[0]):
        return None
    verb = find_done(world.lexicon, dimension.path[0])
    if not verb or not draws(world, 0.6):
        return None
    often = world.word("top_done.most" if spec.descending else "top_done.least")
    how = "" if spec.is_bare else world.word("top_done.how")
    number, group = say_number(world.rng, spec.limit or 1), dimension.words
    name = "top_done.one" if spec.limit == 1 else "top_done.several"
    return world.word(name, number=number, group=group, groups=plural(group), verb=verb, often=often, how=how)


def _ask_top_count(world: World, spec: Spec, noun: str) -> str:
    """Ask for the groups with the most or fewest rows."""
    group = spec.dimensions[0].words
    most, _, number = _extremes(world, spec)
    if spec.limit == 1:
        if not spec.is_bare:
            return world.word("ask_top.one_count", group=group, most=most, rows=noun)
        verb = deed(world, spec)
        names = ["ask_top.one_count_bare", *(["ask_top.one_deed"] if verb else [])]
        if verb and world.lexicon.names_people(spec.dimensions[0].key[0]):
            names += ["ask_top.person_deed"] * 2
        return world.word(*names, group=group, most=most, rows=noun, verb=verb)
    top = world.word("ask_top.top" if spec.descending else "ask_top.bottom")
    text = world.word("ask_top.count", top=top, number=number, groups=plural(group), most=most, rows=noun)
    return _with_bare(world, spec, text, group)


def _with_bare(world: World, spec: Spec, text: str, group: str) -> str:
    """Say that the groups are enough, where the figure is not shown."""
    if not spec.is_bare:
        return text
    return world.word("ask_top.bare", stem=text.rstrip("?"), group=group, groups=plural(group))


def deed(world: World, spec: Spec) -> str:
    """Say what a group does to its rows, by "placed by {}" it "placed" them; empty when it does not bend."""
    path = spec.dimensions[0].path
    deeds = [found.group(1) for p in path[0].patterns if (found := DEED.fullmatch(p))] if len(path) == 1 else []
    is_named = spec.dimensions[0].key[1] == world.lexicon.labels.get(spec.dimensions[0].key[0])
    return (world.voice or world.rng).choice(deeds) if deeds and is_named else ""


def names_people(world: World, spec: Spec) -> bool:
    """Tell whether the groups are people, the only ones that the rows belong to: else nobody knows who "who" is."""
    people = [path for path in world.paths(spec.table) if path and world.lexicon.names_people(path[-1].target)]
    return people == [spec.dimensions[0].path]


def _ask_top_measure(world: World, spec: Spec) -> str:
    """Ask for the groups with the highest or lowest measure."""
    group = spec.dimensions[0].words
    tail = " ".join(["", *spec.said])
    _, high, number = _extremes(world, spec)
    if spec.limit == 1 and spec.is_bare:
        names = ["ask_top.one_measure_bare", *(["ask_top.person_measure"] if names_people(world, spec) else [])]
        return world.word(*names, group=group, high=high, figure=spec.word, tail=tail)
    if spec.limit == 1:
        return world.word("ask_top.one_measure", group=group, high=high, figure=spec.word, tail=tail)
    top = world.word("ask_top.top" if spec.descending else "ask_top.bottom")
    best = world.word("ask_top.best" if spec.descending else "ask_top.worst")
    groups = plural(group)
    text = world.word(
        "ask_top.measure", top=top, best=best, number=number, groups=groups, high=high, figure=spec.word, tail=tail
    )
    return _with_bare(world, spec, text, group)


def _extremes(world: World, spec: Spec) -> tuple[str, str, str]:
    """Draw the words of a top list: "most" for numbers of rows, "highest" for measures, and how many."""
    most = world.word("ask_top.most" if spec.descending else "ask_top.least")
    high = world.word("ask_top.highest" if spec.descending else "ask_top.lowest")
    return most, high, say_number(world.rng, spec.limit or 1)
