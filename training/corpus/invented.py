"""Invented schemas, as users have them: tables of a business domain, spelled as one company would.

In: chance. Out: a DatabaseSchema of 2 to 9 tables with keys, types, comments on cryptic names, samples that `rows`
makes values of, and now and then a glossary. What there is to draw from stands in `invented_domains.toml`.
Writes no rows.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assistant.drivers.introspection import fingerprint, kind_of_sqlite_type
from assistant.types import Column, DatabaseSchema, ForeignKey, Table
from assistant.words import word_set
from training.corpus.invented_domains import Attribute, Entity, Library, Reference, read_library
from training.corpus.invented_glossary import MOST_TERMS, draw_glossary
from training.corpus.invented_spelling import CODED_NAMES, READ_BACK, SHORT_FORMS, UNITS, Spelling, draw_spelling
from training.corpus.row_values import read_pools, vary_code

TABLE_COUNTS = {2: 8, 3: 14, 4: 18, 5: 18, 6: 15, 7: 12, 8: 9, 9: 6}
"""How often a schema has so many tables."""
SECOND_DOMAIN = 0.15
GLOSSARIES = 0.34
_CODED = word_set("number code tag isbn barcode sku id version ticker msisdn badge")
"""Last words of attributes that hold codes."""


class Drawn(NamedTuple):
    """A table as it was drawn, with what its names mean."""

    entity: Entity
    table: Table
    columns: Mapping[str, str]
    """Names of the columns by plain words."""
    attributes: tuple[Attribute, ...]
    """What the columns are that are no keys."""


def draw_schema(rng: random.Random) -> DatabaseSchema:
    """Draw a schema; the same chance gives the same one.

    Raises:
        DataError: The file of domains cannot be read.
    """
    library = read_library()
    domain = rng.choice(sorted(library.domains))
    pool = {**library.shared, **library.domains[domain]}
    if rng.random() < SECOND_DOMAIN:
        pool = {**library.domains[rng.choice(sorted(library.domains))], **pool}
        pool = {name: entity for name, entity in pool.items() if _is_whole(entity, pool)}
    own = [pool[name] for name in library.domains[domain]]
    entities = _choose(pool, own, rng.choices(list(TABLE_COUNTS), list(TABLE_COUNTS.values()))[0], rng)
    spelling = draw_spelling(rng)
    drawn = _spell_tables(entities, library, spelling, rng)
    tables = tuple(sorted((each.table for each in drawn), key=lambda table: table.name))
    glossary = draw_glossary(drawn, rng, most=rng.randint(1, MOST_TERMS) if rng.random() < GLOSSARIES else 0)
    return DatabaseSchema(
        db_id=f"{domain}_{rng.getrandbits(24):06x}",
        dialect="sqlite",
        tables=tables,
        fingerprint=fingerprint(tables),
        glossary=glossary,
    )


def _is_whole(entity: Entity, pool: Mapping[str, Entity]) -> bool:
    return all(reference.target in pool for reference in entity.references)


def _choose(pool: Mapping[str, Entity], own: Sequence[Entity], count: int, rng: random.Random) -> list[Entity]:
    """Choose entities that hang together, most of them of the domain."""
    names = {entity.name for entity in own}
    starts = [entity for entity in own if entity.references] or list(own)
    chosen = {entity.name: entity for entity in [rng.choice(starts)]}
    while len(chosen) < count:
        weights: dict[str, float] = {}
        for entity in pool.values():
            targets = [reference.target for reference in entity.references]
            if entity.name not in chosen and not chosen.keys().isdisjoint(targets):
                has_both = entity.sort != "link" or {*targets[:2]} <= chosen.keys()
                weights[entity.name] = (2.0 if entity.name in names else 0.4) * (2.0 if has_both else 0.1)
        for entity in chosen.values():
            for reference in entity.references:
                if reference.target not in chosen:
                    weight = 1.2 if reference.is_optional else 5.0
                    weights[reference.target] = weight * (1.0 if reference.target in names else 0.5)
        if not weights:
            break
        name = rng.choices(list(weights), list(weights.values()))[0]
        chosen[name] = pool[name]
    # A table that joins two others says nothing where one of them is missing.
    for entity in list(chosen.values()):
        missing = [r.target for r in entity.references[:2] if entity.sort == "link" and r.target not in chosen]
        for target in missing:
            chosen[target] = pool[target]
    while len(chosen) > max(TABLE_COUNTS):
        needed = {r.target for e in chosen.values() if e.sort == "link" for r in e.references[:2]}
        chosen.pop(next(name for name in reversed(chosen) if name not in needed))
    if len(chosen) == 1:  # nothing refers to it and it refers to nothing
        other = rng.choice([entity for entity in own if entity.name not in chosen and entity.sort != "link"])
        chosen[other.name] = other
    return list(chosen.values())


def _spell_tables(entities: Sequence[Entity], library: Library, spelling: Spelling, rng: random.Random) -> list[Drawn]:
    names: dict[str, str] = {}
    keys: dict[str, str] = {}
    for entity in entities:
        has_figures = entity.sort in ("transaction", "record", "event", "link")
        name = spelling.table(entity.name, has_figures=has_figures, rng=rng)
        if name.casefold() in {other.casefold() for other in names.values()}:
            name = f"{name}_2"
        names[entity.name] = name
        keys[entity.name] = spelling.key_of(entity.name, rng)
    person_names = rng.choices((("full_name",), ("first_name", "last_name"), ("name",)), (40, 40, 20))[0]
    with_noun = spelling.key != "id" and rng.random() < 0.5
    has_codes = rng.random() < 0.06
    referred = {reference.target for entity in entities for reference in entity.references}
    found = []
    for entity in entities:
        attributes = _draw_attributes(entity, library, person_names, with_noun, rng)
        references = [reference for reference in entity.references if reference.target in names]
        found.append(
            _spell_table(
                entity,
                attributes,
                references,
                names,
                keys,
                spelling,
                rng,
                has_codes=has_codes,
                is_referred=entity.name in referred,
            )
        )
    return found


def _draw_attributes(
    entity: Entity, library: Library, person_names: tuple[str, ...], with_noun: bool, rng: random.Random
) -> tuple[Attribute, ...]:
    """Draw the columns of a table that are no keys: its names first."""
    own = [each for each in entity.attributes if rng.random() < 0.82]
    named = next((each for each in entity.attributes if each.name in ("name", "title") or "_name" in each.name), None)
    labels: list[Attribute] = []
    if entity.sort == "person":
        labels = [Attribute(name, "text") for name in person_names]
    elif named is not None and entity.names:
        own = [each for each in own if each is not named]
        labels = [named._replace(values=entity.names)]
    elif entity.names or entity.sort == "organisation":
        name = f"{entity.name}_name" if with_noun else "name"
        labels = [Attribute(name, "text", values=entity.names or _company_names(rng))]
    if len(own) < 2:
        own = list(entity.attributes[:2])
    usual = [each for each in library.sorts[entity.sort] if each.name not in {other.name for other in own}]
    count = rng.choices((0, 1, 2, 3, 4), (20, 30, 25, 15, 10))[0]
    if entity.sort in ("link", "record"):
        count = min(count, 1)
    rest = [*own, *rng.sample(usual, min(count, len(usual)))]
    if rng.random() < 0.4:
        rng.shuffle(rest)
    return (*labels, *rest)


def _company_names(rng: random.Random) -> tuple[str, ...]:
    words = read_pools().words
    return tuple(f"{rng.choice(words['company_names'])} {rng.choice(words['company_ends'])}" for _ in range(12))


def _spell_table(
    entity: Entity,
    attributes: Sequence[Attribute],
    references: Sequence[Reference],
    names: Mapping[str, str],
    keys: Mapping[str, str],
    spelling: Spelling,
    rng: random.Random,
    *,
    has_codes: bool,
    is_referred: bool,
) -> Drawn:
    key = Column(name=keys[entity.name], sql_type=spelling.key_type(), kind="integer", is_nullable=False)
    columns: dict[str, Column] = {}
    foreign: list[ForeignKey] = []
    taken = {key.name.casefold()}
    for reference in references:
        name = spelling.reference(reference.role, rng)
        if name.casefold() in taken:
            name = f"{name}_2"
        taken.add(name.casefold())
        is_nullable = reference.is_optional or reference.target == entity.name or rng.random() < 0.3
        columns[f"{reference.role} id"] = Column(
            name=name, sql_type=spelling.key_type(), kind="integer", is_nullable=is_nullable
        )
        foreign.append(
            ForeignKey(columns=(name,), ref_table=names[reference.target], ref_columns=(keys[reference.target],))
        )
    kept = []
    plain: dict[str, Column] = {}
    for place, attribute in enumerate(attributes):
        column = _spell_column(attribute, entity, spelling, rng, place if has_codes and rng.random() < 0.3 else 0)
        if column.name.casefold() not in taken:
            taken.add(column.name.casefold())
            plain[attribute.name] = column
            kept.append(attribute)
    primary: tuple[str, ...] = (key.name,)
    own: dict[str, Column] = {"id": key}
    order = [own, columns, plain] if rng.random() < 0.6 else [own, plain, columns]
    if entity.sort == "link" and len(foreign) >= 2 and not is_referred and rng.random() < 0.7:
        primary = (foreign[0].columns[0], foreign[1].columns[0])
        order = [columns, plain]
    parts = {words: column for group in order for words, column in group.items()}
    parts = {
        words: column.model_copy(update={"is_nullable": False}) if column.name in primary else column
        for words, column in parts.items()
    }
    table = Table(
        name=names[entity.name],
        columns=tuple(parts.values()),
        primary_key=primary,
        foreign_keys=tuple(sorted(foreign, key=lambda each: (each.columns, each.ref_table))),
        comment=_say(entity.name, names[entity.name], rng),
    )
    return Drawn(entity, table, {words: column.name for words, column in parts.items()}, tuple(kept))


def _spell_column(attribute: Attribute, entity: Entity, spelling: Spelling, rng: random.Random, code: int) -> Column:
    words, _, unit = attribute.name.rpartition("_")
    is_bare = unit in UNITS and words not in ("", "salary") and rng.random() < 0.6
    words = words if is_bare else attribute.name
    name = spelling.column(words, entity.name, rng)
    comment = _say(words, name, rng)
    if is_bare and not comment and rng.random() < 0.5:
        comment = f"in {UNITS[unit]}"
    if code and attribute.type not in ("flag", "text"):
        name = spelling.column(f"{rng.choice(CODED_NAMES)}_{code}", entity.name, rng)
        comment = attribute.name.replace("_", " ")
    elif not comment and attribute.type == "money" and rng.random() < 0.12:
        comment = "in euros"
    sql_type = spelling.type_of(attribute)
    if attribute.type == "flag" and attribute.name.startswith(("is_", "has_")) and rng.random() < 0.3:
        sql_type = spelling.key_type()
    is_named = attribute.name.endswith(("name", "title"))
    return Column(
        name=name,
        sql_type=sql_type,
        kind=kind_of_sqlite_type(sql_type),
        is_nullable=rng.random() > (0.6 if is_named else 0.25),
        comment=comment,
        samples=_samples(attribute, rng),
    )


def _say(words: str, name: str, rng: random.Random) -> str:
    """Say what a cut name means, mostly; the plain words would be guessed from other names."""
    lower = name.lower()
    if lower == name and words.count("_") == 1 and words.replace("_", "") in lower:
        return words.replace("_", " ") if rng.random() < 0.7 else ""  # nobody sees where one word ends
    cut = [SHORT_FORMS[part] for part in words.split("_") if part in SHORT_FORMS and part not in lower]
    if not cut:
        return ""
    is_clear = all(part in READ_BACK for part in cut)
    return words.replace("_", " ") if rng.random() < (0.25 if is_clear else 0.85) else ""


def _samples(attribute: Attribute, rng: random.Random) -> tuple[str, ...]:
    low, high = attribute.low, attribute.high
    if attribute.type == "int":
        return tuple(str(int(number)) for number in (low, (low + high) / 2, high))
    if attribute.type in ("real", "money"):
        return (f"{low:.2f}", f"{low + (high - low) * 0.37:.2f}", f"{high * 0.999:.2f}")
    if attribute.type == "year":
        return ("1958", "1991", "2024") if "birth" not in attribute.name else ("1921", "1958", "1996")
    if attribute.type == "time":
        return ("08:00", "12:30", "17:45")
    if attribute.type == "text" and not attribute.values and attribute.name.rpartition("_")[2] in _CODED:
        start = "".join(part[0] for part in attribute.name.split("_")).upper()
        pattern = rng.choice((f"{start}-000", f"{start}00000", "000000", f"{start[0]}000-00", f"{start[:2]} 0000"))
        return tuple(vary_code(pattern.replace(" ", "-"), rng) for _ in range(5))
    return attribute.values
