"""A question with what the rules of `scope` need to know of it: its words, and what of them is in the schema.

In: a Question, the DatabaseSchema and the values matched in the question. Out: sets of its words, and sentences on what
the database does have. Decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz import process
from rapidfuzz.distance import OSA

from assistant.conversation import relevant_history
from assistant.topics import ASKING_WORDS
from assistant.types import DatabaseSchema, MatchedValue, Question, Reply, Turn
from assistant.vocabulary import Vocabulary, vocabulary_of
from assistant.words import COMMON_WORDS, QUESTION_WORDS, STOP_WORDS, tokenize, word_set
from assistant.writing import join_words

MAX_FIGURES = 3
"""Most figures that a reply offers."""

NEUTRAL = word_set(
    """show list give tell display print see view find fetch count number numbers many much top best worst please want
    need know look like figure info information detail details data question ask kind kinds type types different
    distinct various overall currently today now hi hello ok okay thing things stuff everything anything something
    someone anyone everybody somebody good bad nice great really actually quick quickly what's whats who's compare
    compared comparison versus vs better another doing rank ranking ranked sorted sort order ordered three five ten
    twenty"""
)
"""Words that say how to answer, not about what."""

VAGUE = re.compile(
    r"\b(?:best|top|worst|greatest|important|valuable|interesting|good|bad|strong|weak|loyal|critical|successful|poor|"
    r"problematic|relevant|promising|excellent)\b",
    re.IGNORECASE,
)
"""Words by which things are judged, without a figure."""
_EVERYDAY = STOP_WORDS | COMMON_WORDS | QUESTION_WORDS | ASKING_WORDS | NEUTRAL
_NO_NOUNS = ("ed", "ing", "ly", "est", "ive", "able", "al", "ful", "ous")
"""Endings of verbs and adjectives, which say how a thing of the schema is."""
_FOREIGN = word_set(
    """wie viele welche welcher der die das und ist sind wir haben von mit für im zeige combien quels quelles est sont
    les des une nous avons cuántos cuantos cuáles cuales qué que los las una tenemos quanti quali sono il gli abbiamo
    hoeveel welke het een zijn quantos quais"""
)
"""Words by which a question in another language is told: nothing is said of what its words mean."""


@dataclass(frozen=True)
class Case:
    """A question with what the rules need to know of it."""

    question: Question
    schema: DatabaseSchema
    values: Sequence[MatchedValue]

    @property
    def text(self) -> str:
        """What was typed."""
        return self.question.text.strip()

    @cached_property
    def history(self) -> tuple[Turn, ...]:
        """Earlier turns that the question goes on from."""
        return relevant_history(self.question, self.schema)

    @cached_property
    def known(self) -> Vocabulary:
        """Words of the schema."""
        return vocabulary_of(self.schema)

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """Words that are values in the database."""
        return frozenset(token.text for match in self.values for token in tokenize(match.mention))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Words that may carry the question: no stop words, no numbers."""
        found = (token.text for token in tokenize(self.text))
        return tuple(word for word in found if word not in STOP_WORDS and not word[0].isdigit())

    @cached_property
    def carrying(self) -> tuple[str, ...]:
        """Words that carry the question: not those either that only say how to answer."""
        return tuple(word for word in self.words if word not in NEUTRAL and not VAGUE.fullmatch(word))

    def offer(self) -> str:
        """Say what the database does have."""
        return self.known.offer

    def figures(self) -> str:
        """Name some figures of the glossary, to choose from."""
        named = self.known.figures[:MAX_FIGURES]
        return f": {join_words([*named, 'another one'], 'or')}" if named else ""

    def missing(self, words: Sequence[str]) -> Reply:
        """Decline, naming what is missing."""
        named = join_words(list(dict.fromkeys(words))[:3], "or")
        return Reply(kind="unanswerable", text=f"I find nothing about {named} here. {self.offer()}")

    @cached_property
    def can_miss(self) -> bool:
        """Whether a word that is not in the schema says anything."""
        words = [token.text for token in tokenize(self.text)]
        is_english = not any(word in _FOREIGN or not word.isascii() for word in words)
        return is_english and self.known.is_readable and not self.question.evidence

    def is_expected(self, word: str) -> bool:
        """Tell whether a word needs no explanation: it links, is everyday, or is a verb or number."""
        if word in _EVERYDAY or word.removesuffix("s") in _EVERYDAY or word.endswith(_NO_NOUNS):
            return True
        return self.links(word) or bool(process.extract(word, _EVERYDAY, scorer=OSA.distance, score_cutoff=1, limit=1))

    def links(self, word: str) -> bool:
        """Tell whether a word is a value or shares something with the schema, a typo allowed."""
        return word in self.mentioned or self.known.has(word)
