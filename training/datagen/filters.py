"""A restriction on rows: how it is said and what it means.

In: patterns and SQL made elsewhere (`column_filters`, `relation_filters`). Out: Filters, the noun phrases and verb
phrases they make, and queries restricted by them. Draws nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from training.datagen.lexicon import Key
from training.datagen.query import Query
from training.datagen.spoken import plural_noun
from training.datagen.world import Path

NOUN = "{}"
"""Where the noun goes in the pattern of a filter."""

_VERBS = {
    "with": "have", "without": "have no", "w/o": "have no", "having": "have", "that": "", "who": "", "which": "",
    "costing": "cost", "living": "live", "containing": "contain", "earning": "earn", "lacking": "lack",
    "coming": "come", "lasting": "last", "weighing": "weigh", "working": "work",
}  # fmt: skip
_PAST = r"\w+ed|born|sent|made|sold|paid|taken|brought"
_STATES = (
    "going|based|located|in|from|of|by|via|through|for|on|about|concerning|regarding|still|no longer|not|never"
    r"|(?:more|less) expensive than|[a-z]+er than"
)  # fmt: skip
_IS_PAST = re.compile(rf"^({_PAST})\b")
_IS_STATE = re.compile(rf"^({_PAST}|{_STATES})\b")


@dataclass(frozen=True)
class Filter:
    """One restriction: `pattern` with {} for the noun, and what it means."""

    pattern: str
    sql: str
    path: Path = ()
    column: Key | None = None
    needs_alias: bool = False
    target: str = ""
    """The column in SQL, of a filter that another day or value can be put into."""
    value: str | None = None
    """The text that the column must be equal to, where it is one."""
    noun: str = ""
    """What one of the rows is called, where the value itself says that: "surgeon"."""
    bare: str = ""
    """The pattern for the rows themselves, where `pattern` is made to stand behind the name of a measure."""

    @property
    def is_before(self) -> bool:
        """Whether the words stand before the noun."""
        return self.pattern.endswith(NOUN)

    @property
    def words(self) -> str:
        """The words without the noun."""
        return self.pattern.replace(f"{NOUN} ", "").replace(f" {NOUN}", "")

    @property
    def for_rows(self) -> Filter:
        """The same, to be said of the rows and not of a measure."""
        return replace(self, pattern=self.bare) if self.bare else self

    @property
    def is_date(self) -> bool:
        """Whether it is a span of time."""
        return bool(self.target) and self.value is None


def noun_phrase(noun: str, filters: Iterable[Filter], *, is_plural: bool = True) -> str:
    """Put the words of filters around a noun: those before it inside, those after it behind.

    The first filter that has a noun of its own replaces the given one: "active surgeons", not "active surgeon staff".

    Args:
        noun: What the rows are called.
        filters: What is said of them.
        is_plural: Whether the noun is in the plural.
    """
    left = list(filters)
    text = noun
    own = next((chosen for chosen in left if chosen.noun), None)
    if own:
        left.remove(own)
        text = plural_noun(own.noun) if is_plural else own.noun
    for chosen in sorted(left, key=lambda f: not f.is_before):
        text = chosen.pattern.replace(NOUN, text, 1)
    return text


def verb_phrase(found: Filter) -> str | None:
    """Turn the words of a filter into what the rows do; None when they do not bend.

    Example:
        >>> verb_phrase(Filter("{} that have a phone", ""))
        'have a phone'
        >>> verb_phrase(Filter("{} shipped in May", ""))
        'were shipped in May'
    """
    if found.noun:
        return f"are {plural_noun(found.noun)}"
    if found.is_before:
        words = found.pattern.removesuffix(f" {NOUN}")
        return f"are {words}" if " " not in words else None
    words = found.pattern.removeprefix(f"{NOUN} ").strip()
    first, _, rest = words.partition(" ")
    if first in _VERBS:
        rest = re.sub(r"^(any|an?) ", "", rest) if first == "without" else rest
        return f"{_VERBS[first]} {rest}".strip()
    if first in ("whose", "where", "we", "nobody") or not _IS_STATE.match(words):
        return None
    return f"{'were' if _IS_PAST.match(words) else 'are'} {words}"


def restrict(query: Query, filters: Iterable[Filter]) -> Query:
    """Add filters to a query, joining what they need."""
    for chosen in filters:
        query.follow(chosen.path)
        query.filter(chosen.sql)
        query.needs_alias |= chosen.needs_alias
    return query
