"""Decide whether a question goes on from the turns before it, or changes the subject.

In: a Question with its history, and the schema. Out: the turns that the model should see: all of them for a follow-up
such as "and in Spain?", none for a question that stands by itself, so that an old subject cannot colour a new one.
English only, by rule: how a question opens, and whether a pronoun comes before anything of the schema is named. Knows
no model; what a follow-up means is the model's part.
"""

from __future__ import annotations

import re
from functools import lru_cache

from assistant.types import DatabaseSchema, Question, Turn
from assistant.words import STOP_WORDS, split_name, stem, tokenize, word_set

SHORT = 5
"""Most words of a question that is a follow-up because it opens with a preposition: "per channel", "in March 2025"."""

_COURTESY = re.compile(
    r"^(?:(?:thanks|thank you|ok|okay|great|good|fine|nice|perfect|please)\b[\s,.!;:-]*)+", re.IGNORECASE
)
_OPENING = re.compile(
    r"(?:and|but|or|also|now|then|only|just|same|sorry|no|instead|actually|again)\b"
    r"|the (?:same|other|rest|top \d+|first \d+|last \d+)\b[^,]{0,12}$"
    r"|the same\b"
    r"|(?:what|how) about\b"
    r"|(?:which|how many|how much|what|who) of (?:these|those|them|that)\b"
    r"|how many(?: (?:are there|are that|is that|are they))?\W*$"
    r"|(?:which|what) ones?\b"
    r"|(?:show|list|count|sort|order|split|break|group|limit|restrict|filter|give me|get) "
    r"(?:me )?(?:it|them|that|these|those|their|this)\b",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"(?:by|per|for|in|as|with|without|on|from|since|before|after|until|sorted|excluding|including|top|broken)\b",
    re.IGNORECASE,
)
_PRONOUNS = word_set("it its they their them he she his her him those these ones this")


def relevant_history(question: Question, schema: DatabaseSchema) -> tuple[Turn, ...]:
    """Choose the earlier turns that a question goes on from: all of them, or none."""
    return question.history if question.history and is_follow_up(question.text, schema) else ()


def is_follow_up(text: str, schema: DatabaseSchema) -> bool:
    """Tell whether a question needs the one before it to be understood.

    Example:
        >>> is_follow_up("And in 2024?", shop), is_follow_up("In which cities do customers live?", shop)
        (True, False)
    """
    asked = _COURTESY.sub("", text.strip())
    if _OPENING.match(asked):
        return True
    words = [token.text for token in tokenize(asked)]
    if len(words) <= SHORT and _PREPOSITION.match(asked):
        return True
    named = _subjects(schema)
    for word in words:
        if word in _PRONOUNS:
            return True
        if stem(word) in named:
            return False
    return False


@lru_cache(maxsize=8)
def _subjects(schema: DatabaseSchema) -> frozenset[str]:
    """Collect the stems of what a question can be about: tables, columns, terms."""
    names = [table.name for table in schema.tables]
    names += [column.name for table in schema.tables for column in table.columns]
    parts = [part for name in names for part in split_name(name)]
    terms = [
        token.text for entry in schema.glossary for term in (entry.term, *entry.synonyms) for token in tokenize(term)
    ]
    return frozenset(stem(part) for part in (*parts, *terms) if part not in STOP_WORDS | _PRONOUNS)
