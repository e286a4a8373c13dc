"""Similar questions: which of many known pairs are most like a question.

In: pairs of a question and its SQL once, then a question at a time with the values matched in it. Out: the most similar
pairs, best first, and always the same for the same question. Lexical (BM25 over stems), so that it needs no model.

What a question asks counts, not whom it asks about: names of values are replaced by their column, and numbers by a
sign, so that "customers from Spain" is like "customers from Italy". Of pairs whose SQL differs in its values alone only
one is given. Knows neither where pairs come from nor what they are used for, and never judges them.

BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3; k1 and b are
the usual ones. Of the rarity of a word its root is taken: all questions are about one database, whose commonest words
name what it is about. On 400 generated questions whose SQL shapes are not among 3,000 pairs, the best of three pairs
shares 0.77 of its tokens (F1) with the right SQL, with the rarity itself 0.74, by chance 0.43.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from assistant.types import KnownPair, MatchedValue
from assistant.words import STOP_WORDS, Token, stem, tokenize, word_set

K1, B = 1.2, 0.75
LEAST_SCORE = 0.3
"""How like a pair must be to be given: the share of the question's own score that it reaches."""
APPROVED_BONUS = 1.15
"""What a person approved comes before what was generated, where both are about as like."""
SMALLEST = 200
"""A few pairs say little about how common a word is: they are counted as if there were so many."""
MAX_RERANKED = 30
"""Pairs that are put in order by embeddings, where there are any."""

_SHAPE_WORDS = word_set(
    "how many much most more less least each every per between before after since until no not never without than "
    "only or all both same where when who other"
)
"""Words that carry no subject, but the shape of an answer."""
_LITERAL = re.compile(r"(?:(\w+)[`\"\]]?(?:\s*\)+)?\s*(?:=|<>|!=|LIKE|IN\s*\()\s*)?'((?:[^']|'')*)'", re.IGNORECASE)
_NUMBER = re.compile(r"\b\d+(?:\.\d+)?\b")
_INNER_MARKS = re.compile(r"(?<!\d)[.,](?!\d)|(?<=\d)[.,](?!\d)|[?!;:\"“”„‘’'`。？！]")

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Gives a vector for each text."""


class Found(NamedTuple):
    """A pair and how like the question it is."""

    pair: KnownPair
    score: float
    """1 for the same words, 0 for none in common; a little more for what was approved."""


class ExampleIndex:
    """Pairs made ready for finding the similar ones. Never changes."""

    def __init__(self, pairs: Iterable[KnownPair]) -> None:
        self._pairs = tuple(pairs)
        self._shapes = [mask_literals(pair.sql) for pair in self._pairs]
        terms = [Counter(_terms(pair.question, _literals(pair.sql))) for pair in self._pairs]
        lengths = np.array([sum(counts.values()) for counts in terms], dtype=np.float64)
        mean = float(lengths.mean()) if len(lengths) else 1.0
        self._norms = K1 * (1 - B + B * lengths / max(mean, 1.0))
        self._mean = max(mean, 1.0)
        places: dict[str, list[int]] = {}
        counted: dict[str, list[int]] = {}
        for place, counts in enumerate(terms):
            for term, count in counts.items():
                places.setdefault(term, []).append(place)
                counted.setdefault(term, []).append(count)
        self._postings: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {
            term: (np.array(found, dtype=np.int64), np.array(counted[term], dtype=np.float64))
            for term, found in places.items()
        }
        self._bonus = np.array([APPROVED_BONUS if pair.source == "approved" else 1.0 for pair in self._pairs])

    def __len__(self) -> int:
        return len(self._pairs)

    def find(
        self, question: str, values: Sequence[MatchedValue] = (), *, limit: int, embed: Embed | None = None
    ) -> tuple[Found, ...]:
        """Find the pairs that are most like a question.

        Args:
            question: Its text.
            values: The values that were matched in it.
            limit: At most so many.
            embed: Puts the best by words in order by meaning; its exceptions are the caller's.
        """
        return self._find(question, {match.mention: match.column for match in values}, limit, embed)

    def find_for(self, question: str, sql: str, *, limit: int) -> tuple[Found, ...]:
        """Find the pairs that are most like one whose SQL is known, which says what values the question names."""
        return self._find(question, _literals(sql), limit, None)

    def _find(self, question: str, mentions: Mapping[str, str], limit: int, embed: Embed | None) -> tuple[Found, ...]:
        if not self._pairs or limit < 1:
            return ()
        terms = Counter(_terms(question, mentions))
        scores = np.zeros(len(self._pairs))
        length = sum(terms.values())
        n_pairs = max(len(self._pairs), SMALLEST)
        own = 0.0
        for term, count in terms.items():
            found = self._postings.get(term)
            n_with = 0 if found is None else len(found[0])
            weight = math.sqrt(math.log(1 + (n_pairs - n_with + 0.5) / (n_with + 0.5)))
            norm = K1 * (1 - B + B * length / self._mean)
            own += weight * count * (K1 + 1) / (count + norm)
            if found is not None:
                places, counts = found
                counts = np.minimum(counts, count)
                scores[places] += weight * counts * (K1 + 1) / (counts + self._norms[places])
        scores = np.minimum(scores / max(own, 1e-9), 1.0) * self._bonus
        most = max(limit, MAX_RERANKED) if embed else limit
        chosen = self._choose(scores, most)
        if embed and len(chosen) > 1:
            chosen = _rerank(question, chosen, embed)
        return tuple(chosen[:limit])

    def _choose(self, scores: NDArray[np.float64], limit: int) -> list[Found]:
        chosen: list[Found] = []
        shapes: set[str] = set()
        for place in np.argsort(-scores, kind="stable"):
            score = float(scores[place])
            if score < LEAST_SCORE or len(chosen) >= limit:
                break
            if self._shapes[place] not in shapes:
                shapes.add(self._shapes[place])
                chosen.append(Found(self._pairs[place], round(score, 4)))
        return chosen


def make_key(question: str) -> str:
    """Return what is left of a question when case, white space and punctuation do not count; signs such as % do.

    Example:
        >>> make_key("How many orders,  per Country?") == make_key("how many orders per country")
        True
    """
    folded = unicodedata.normalize("NFKC", question).casefold()
    return " ".join(_INNER_MARKS.sub("", folded).split()) or folded.strip()


def mask_literals(sql: str) -> str:
    """Give SQL without its values, in one case and spacing: equal for statements that differ in values alone."""
    masked = _NUMBER.sub("#", re.sub(r"'(?:[^']|'')*'", "'#'", sql))
    return " ".join(masked.casefold().split())


def _literals(sql: str) -> dict[str, str]:
    """List the texts that SQL compares with, each with the column it is compared with, if that stands before it."""
    found: dict[str, str] = {}
    for match in _LITERAL.finditer(sql):
        text = match.group(2).replace("''", "'").strip("%")
        if text.strip():
            found[text] = match.group(1) or ""
    return found


def _terms(question: str, mentions: Mapping[str, str]) -> list[str]:
    """Cut a question into terms: stems, and signs for what it names."""
    tokens = tokenize(question)
    texts = [token.text for token in tokens]
    masked: dict[int, str] = {}
    for mention, column in sorted(mentions.items(), key=lambda item: -len(item[0])):
        _mask(texts, [token.text for token in tokenize(mention)], column, masked)
    return [term for place, token in enumerate(tokens) for term in _read(place, token, masked)]


def _mask(texts: Sequence[str], words: Sequence[str], column: str, masked: dict[int, str]) -> None:
    """Mark where a question names a value: its first word stands for its column, the others for nothing."""
    stems = [stem(word) for word in words]
    for start in range(len(texts) - len(words) + 1 if words else 0):
        places = range(start, start + len(words))
        if not masked.keys() & set(places) and [stem(texts[place]) for place in places] == stems:
            masked |= dict.fromkeys(places, "")
            masked[start] = column.casefold() or "?"


def _read(place: int, token: Token, masked: Mapping[int, str]) -> list[str]:
    if place in masked:
        return ["=", f"={masked[place]}"] if masked[place] else []
    if token.text.isdigit():
        return ["#"]
    if token.text in STOP_WORDS and token.text not in _SHAPE_WORDS:
        return []
    return [stem(token.text)]


def _rerank(question: str, chosen: Sequence[Found], embed: Embed) -> list[Found]:
    """Order pairs by the mean of both ranks' reciprocals, so that neither words nor meaning decide alone."""
    vectors = np.asarray(embed([question, *(found.pair.question for found in chosen)]), dtype=np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    likeness = vectors[1:] @ vectors[0]
    ranks = np.empty(len(chosen))
    ranks[np.argsort(-likeness, kind="stable")] = np.arange(len(chosen))
    order = sorted(range(len(chosen)), key=lambda place: -(1 / (10 + place) + 1 / (10 + ranks[place])))
    return [chosen[place] for place in order]
