"""The wordings of questions: read from the TOML files beside this module, drawn and filled.

In: the name of a list of patterns, such as `having_count.rows`, and the words for its slots. Out: text. What the files
may hold is written at the head of `questions.toml`; they are checked once, when the first wording is asked for. Knows
no tables and no SQL.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter

from assistant.errors import UsageError

Slot = str | int | Callable[[], str]
"""What stands in a slot. A function is called where the pattern that is drawn has the slot, for each time anew."""

FOLDER = Path(__file__).parent
_KEY = re.compile(r"(\w+)(?:\((\w+(?:, \w+)*)\))?")
_HINT = "See the head of training/datagen/questions.toml for how wordings are written."


@dataclass(frozen=True)
class Wording:
    """Ways to say one thing."""

    patterns: tuple[str, ...]
    weights: tuple[int, ...]
    """How often each pattern is drawn, relative to the others."""
    slots: frozenset[str] = frozenset()
    """What the patterns may name in braces."""


class _Filling(dict[str, Slot]):
    """Looks slots up: {rows} as given, {Rows} with a capital."""

    def __getitem__(self, name: str) -> str:
        if name in self:
            found = super().__getitem__(name)
            return found() if callable(found) else str(found)
        given = _given_name(name)
        if given == name or given not in self:
            raise KeyError(name)
        return self[given].capitalize()


def load_wordings(folder: Path = FOLDER) -> dict[str, Wording]:
    """Read and check every TOML file of a folder; the names are `table.list`.

    Raises:
        UsageError: A file cannot be read, a table occurs twice, or a pattern is malformed or has an unknown slot.
    """
    found: dict[str, Wording] = {}
    owners: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"Cannot read the wordings '{path}': {error}.", _HINT) from error
        for table, lists in tables.items():
            if table in owners or not isinstance(lists, dict):
                place = f"'{path.name}' and '{owners.get(table, path.name)}'"
                raise UsageError(f"The wordings [{table}] must be one table, in one file; see {place}.", _HINT)
            owners[table] = path.name
            for key, patterns in lists.items():
                place = f"{path.name}: [{table}] {key}"
                name, wording = _read_wording(place, key, patterns)
                if f"{table}.{name}" in found:
                    raise UsageError(f"{place}: there is another list '{name}' in this table.", _HINT)
                found[f"{table}.{name}"] = wording
    return found


def choose(rng: random.Random, *names: str) -> str:
    """Draw one pattern from the named lists taken together; a single pattern is taken without drawing.

    Raises:
        UsageError: A name is unknown.
    """
    wordings = [_wording(name) for name in names]
    patterns = [pattern for wording in wordings for pattern in wording.patterns]
    return _draw(rng, patterns, [weight for wording in wordings for weight in wording.weights])


def fill(pattern: str, **slots: Slot) -> str:
    """Put words into the slots of a pattern.

    Raises:
        UsageError: The pattern names a slot that is not given.
    """
    try:
        return pattern.format_map(_Filling(slots))
    except KeyError as error:
        raise UsageError(
            f"Wording {pattern!r}: nothing is given for {{{error.args[0]}}}, only for {', '.join(sorted(slots))}.",
            _HINT,
        ) from error


def say(rng: random.Random, *names: str, **slots: Slot) -> str:
    """Draw a pattern from the named lists and fill it.

    Raises:
        UsageError: A name is unknown, or a list declares a slot that is not given.
    """
    wordings = [_wording(name) for name in names]
    for name, wording in zip(names, wordings, strict=True):
        if not wording.slots <= slots.keys():
            missing = ", ".join(sorted(wording.slots - slots.keys()))
            raise UsageError(f"Wording '{name}' declares {missing}, which the program does not give.", _HINT)
    return fill(choose(rng, *names), **slots)


def split(text: str, count: int) -> list[str]:
    """Take apart a text that names several things, with " | " between them.

    Raises:
        UsageError: It does not name `count` things.
    """
    parts = text.split(" | ")
    if len(parts) != count:
        raise UsageError(f"Wording {text!r}: must name {count} things with ' | ' between them.", _HINT)
    return parts


def every(name: str) -> tuple[str, ...]:
    """List all patterns of a name, in the order of the file.

    Raises:
        UsageError: The name is unknown.
    """
    return _wording(name).patterns


def knows(name: str) -> bool:
    """Tell whether there is a list of that name."""
    return name in _wordings()


@cache
def _wordings() -> dict[str, Wording]:
    """Load the project's own wordings, once a process."""
    return load_wordings()


def _wording(name: str) -> Wording:
    """Look a list of patterns up."""
    try:
        return _wordings()[name]
    except KeyError as error:
        raise UsageError(f"There is no wording '{name}' in the TOML files of '{FOLDER}'.", _HINT) from error


def _draw(rng: random.Random, texts: list[str], weights: list[int]) -> str:
    """Draw one of some texts; without weights each is as likely."""
    if len(texts) == 1:
        return texts[0]
    return rng.choice(texts) if set(weights) == {1} else rng.choices(texts, weights)[0]


def _read_wording(place: str, key: str, entries: object) -> tuple[str, Wording]:
    """Read one list, written `name = [...]` or `"name(slot, slot)" = [...]`."""
    matched = _KEY.fullmatch(key)
    if not matched:
        raise UsageError(f"{place}: a list is called 'name' or 'name(slot, slot)'.", _HINT)
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{place}: must be a list of patterns with at least one in it.", _HINT)
    name, declared = matched.groups()
    slots = frozenset(declared.split(", ")) if declared else frozenset()
    pairs = [entry if isinstance(entry, list) else [entry, 1] for entry in entries]
    for pair in pairs:
        match pair:
            case [str(pattern), int(weight)] if weight > 0:
                _check_slots(place, pattern, slots)
            case _:
                raise UsageError(f"{place}: {pair!r} is neither a pattern nor [pattern, weight].", _HINT)
    return name, Wording(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs), slots)


def _check_slots(place: str, pattern: str, slots: frozenset[str]) -> None:
    """Refuse braces that do not fit and slots that are not declared."""
    try:
        fields = list(Formatter().parse(pattern))
    except ValueError as error:
        raise UsageError(f"{place}: the braces of {pattern!r} do not fit: {error}.", _HINT) from error
    for _, name, spec, conversion in fields:
        if name is None:
            continue
        if spec or conversion or not {name, _given_name(name)} & slots:
            allowed = ", ".join(f"{{{slot}}}" for slot in sorted(slots)) or "no slots"
            raise UsageError(f"{place}: {pattern!r} has the unknown slot {{{name}}}; it may have {allowed}.", _HINT)


def _given_name(name: str) -> str:
    """Turn the name of a capitalised slot into that of the slot: {Rows} is {rows}, begun with a capital."""
    return name[:1].lower() + name[1:]
