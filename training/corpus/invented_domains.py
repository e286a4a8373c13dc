"""Read the domains that invented schemas are drawn from.

In: `invented_domains.toml`, whose head tells its form. Out: a Library of domains with their entities, all attributes
known and all references resolved. Draws nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from assistant.errors import DataError

DOMAINS_FILE = Path(__file__).with_name("invented_domains.toml")
TYPES = frozenset({"text", "note", "date", "datetime", "time", "flag", "year", "int", "real", "money", "category"})
_HINT = "Restore the file as the project ships it, or keep to the form that its head tells."


class Attribute(NamedTuple):
    """What is known of each row of an entity."""

    name: str
    """Words joined by underscores."""
    type: str
    """One of TYPES."""
    low: float = 0
    """Lowest usual number."""
    high: float = 0
    """Highest usual number."""
    values: tuple[str, ...] = ()
    """Values of a category, or names of the rows."""


class Reference(NamedTuple):
    """An entity that each row of another one belongs to."""

    role: str
    """What the target is to the row; the target's own name where nothing else is said."""
    target: str
    """Name of the entity; never `self`."""
    is_optional: bool


class Entity(NamedTuple):
    """What becomes a table."""

    name: str
    """In the singular, words joined by underscores."""
    sort: str
    """What it is: person, organisation, place, thing, event, transaction, document, record, code or link."""
    attributes: tuple[Attribute, ...]
    references: tuple[Reference, ...]
    names: tuple[str, ...]
    """What some rows are called; empty where rows have no name."""


class Library(NamedTuple):
    """All that schemas are drawn from."""

    sorts: Mapping[str, tuple[Attribute, ...]]
    """What every entity of a sort may have."""
    shared: Mapping[str, Entity]
    """Entities that fit any domain, by name."""
    domains: Mapping[str, Mapping[str, Entity]]
    """Entities by domain and name."""


@lru_cache(maxsize=1)
def read_library() -> Library:
    """Read the file.

    Raises:
        DataError: It is missing, or something in it cannot be understood.
    """
    try:
        raw = tomllib.loads(DOMAINS_FILE.read_text(encoding="utf-8"))
        known = {name: _read_type(name, text) for name, text in raw["attributes"].items()}
        sorts = {sort: _read_attributes(text, known) for sort, text in raw["sorts"].items()}
        shared = {name: _read_entity(name, text, known, sorts) for name, text in raw["shared"].items()}
        domains = {
            domain: {name: _read_entity(name, text, known, sorts) for name, text in entities.items()}
            for domain, entities in raw["domains"].items()
        }
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"Cannot read {DOMAINS_FILE}: {error}.", _HINT) from error
    for domain, entities in {"shared": shared, **domains}.items():
        for entity in entities.values():
            for reference in entity.references:
                if reference.target not in entities and reference.target not in shared:
                    raise DataError(f"'{domain}.{entity.name}' refers to '{reference.target}', which is none.", _HINT)
    return Library(sorts, shared, domains)


def _read_entity(
    name: str, text: str, known: Mapping[str, Attribute], sorts: Mapping[str, tuple[Attribute, ...]]
) -> Entity:
    sort, attributes, references, names, *rest = [*(part.strip() for part in text.split("|")), "", "", ""]
    if sort not in sorts or any(rest[:-1]):
        raise ValueError(f"the sort '{sort}' of '{name}' is none, or it has too many parts")
    found = []
    for part in references.split(","):
        if each := part.strip():
            role, _, target = each.removesuffix("?").rpartition(">")
            target = name if target == "self" else target
            found.append(Reference(role or target, target, each.endswith("?")))
    rows = tuple(each.strip() for each in names.split("/") if each.strip())
    return Entity(name, sort, _read_attributes(attributes, known), tuple(found), rows)


def _read_attributes(text: str, known: Mapping[str, Attribute]) -> tuple[Attribute, ...]:
    return tuple(_read_attribute(part.strip(), known) for part in text.split(",") if part.strip())


def _read_attribute(text: str, known: Mapping[str, Attribute]) -> Attribute:
    if "=" in text:
        name, _, values = text.partition("=")
        return _read_type(name, values)
    name, _, kind = text.partition(":")
    if not kind and name not in known:
        raise ValueError(f"the attribute '{name}' has no type")
    return _read_type(name, kind) if kind else known[name]


def _read_type(name: str, text: str) -> Attribute:
    if "/" in text:
        return Attribute(name, "category", values=tuple(text.split("/")))
    kind, *numbers = text.split()
    is_number = kind in ("int", "real", "money")
    if kind not in TYPES or len(numbers) != 2 * is_number:
        raise ValueError(f"'{text}' is no type for the attribute '{name}'")
    low, high = (float(number) for number in numbers) if is_number else (0.0, 0.0)
    return Attribute(name, kind, low, high)
