"""Make a question sound like a person wrote it: polite, terse, hurried, not a native speaker, with typos.

In: a plain question. Out: the same question in another style. The SQL never changes, so nothing here may touch a
number, a date or a quoted value.
"""

from __future__ import annotations

import random
import re

from training.datagen.patterns import say

STYLES = {"plain": 50, "polite": 14, "typo": 13, "lower": 12, "terse": 6, "nonnative": 3, "shout": 2}
"""How often each style is drawn."""

_OPENERS = re.compile(
    r"^(Show me|Show us|Show|Give me|List|What is|What are|What was|What's|Tell me|Which|How many|Find|Get me|Count"
    r"|Display)\b",
    re.IGNORECASE,
)
_DROPPED_OPENERS = frozenset(
    ("show", "show me", "show us", "give me", "list", "tell me", "find", "get me", "display", "what is", "what are",
     "what was", "what's")
)  # fmt: skip
"""Openers that a polite phrase takes the place of."""
_FILLERS = re.compile(r"\b(the|all|of all|are there|do we have|please|is there)\b")
_MISTAKES = (
    (r"\bHow many (\w+) are there\b", r"How much \1 there are"),
    (r"\bthe ", ""),
    (r"\bWhich (\w+) have\b", r"Which \1 they have"),
    (r"\bShow\b", "Show to me"),
    (r"\bwho\b", "which"),
    (r"\bdo we have\b", "we have"),
    (r"\bwithout\b", "with no"),
    (r"\bGive me\b", "Give me please"),
)
"""What people write who learn English."""
_WORD = re.compile(r"[A-Za-z]{4,}")
_NEIGHBOURS = {
    "a": "sq", "e": "wr", "i": "uo", "o": "ip", "u": "yi", "r": "et", "t": "ry", "s": "ad", "n": "bm", "l": "k",
    "d": "sf", "c": "xv",
}  # fmt: skip
"""Letters beside a letter on a keyboard."""


def restyle(rng: random.Random, question: str) -> tuple[str, str]:
    """Draw a style and write the question in it; returns the question and the style."""
    style = rng.choices(list(STYLES), list(STYLES.values()))[0]
    text = question.strip()
    if style == "polite":
        text = _polite(rng, text)
    elif style == "typo":
        text = add_typos(rng, text)
        if rng.random() < 0.5:
            text = text.lower()
    elif style == "lower":
        text = text.lower().rstrip("?." if rng.random() < 0.5 else "")
    elif style == "terse":
        text = _terse(text)
    elif style == "nonnative":
        text = _nonnative(rng, text)
    elif style == "shout":
        text = text.upper() if rng.random() < 0.3 else _shout_word(rng, text)
    return _finish(rng, text, style), style


def _finish(rng: random.Random, text: str, style: str) -> str:
    """Tidy spaces and marks; a plain question mostly begins with a capital and may end with a full stop."""
    text = re.sub(r"\s+", " ", text).replace(" ,", ",").replace("??", "?").replace("?.", "?").strip()
    if style == "plain":
        text = text[:1].upper() + text[1:] if rng.random() < 0.75 else text
        if text[-1:] not in "?.!" and rng.random() < 0.35:
            text += "."
    return text


def _polite(rng: random.Random, text: str) -> str:
    """Put a polite phrase before a question, and now and then one behind it."""
    opener = _OPENERS.match(text)
    body = text.rstrip("?.")
    if opener:
        first = opener.group(1).lower()
        rest = body[opener.end() :].strip()
        body = rest if first in _DROPPED_OPENERS else f"{first} {rest}"
    elif not body[:2].isupper():
        body = body[:1].lower() + body[1:]
    ending = rng.choice(("?", "?", ".", say(rng, "polite.after")))
    return f"{say(rng, 'polite.before')} {body}{ending}"


def _terse(text: str) -> str:
    """Leave out what a hurried person leaves out."""
    text = _OPENERS.sub(lambda m: "how many" if m.group(1).lower() == "how many" else "", text).strip().rstrip("?.")
    return re.sub(r"\s+", " ", _FILLERS.sub("", text)).strip().lower() or "all"


def _nonnative(rng: random.Random, text: str) -> str:
    """Make some mistakes of people who learn English."""
    for pattern, replacement in rng.sample(_MISTAKES, 3):
        text = re.sub(pattern, replacement, text, count=2)
    return text


def _shout_word(rng: random.Random, text: str) -> str:
    """Write one word in capitals."""
    words = list(_WORD.finditer(text))
    if not words:
        return text
    chosen = rng.choice(words)
    return text[: chosen.start()] + chosen.group().upper() + text[chosen.end() :]


def add_typos(rng: random.Random, text: str) -> str:
    """Misspell one to three words: letters swapped, dropped, doubled, or hit beside the key."""
    for _ in range(rng.choices((1, 2, 3), (45, 40, 15))[0]):
        words = list(_WORD.finditer(text))
        if not words:
            return text
        chosen = rng.choice(words)
        text = text[: chosen.start()] + _misspell(rng, chosen.group()) + text[chosen.end() :]
    return text


def _misspell(rng: random.Random, word: str) -> str:
    """Misspell a word somewhere behind its first letter."""
    at = rng.randrange(1, len(word) - 1)
    kind = rng.choices(("swap", "drop", "double", "near"), (40, 32, 15, 13))[0]
    if kind == "swap":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "drop":
        return word[:at] + word[at + 1 :]
    if kind == "double":
        return word[: at + 1] + word[at:]
    near = _NEIGHBOURS.get(word[at].lower())
    return word[:at] + (rng.choice(near) if near else word[at + 1 : at + 2]) + word[at + 1 :]
