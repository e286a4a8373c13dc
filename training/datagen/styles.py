"""Make a question sound like a person wrote it: polite, terse, hurried, not a native speaker, with typos.

In: a plain question. Out: the same question in another style. The SQL never changes, so nothing here may touch a
number, a date or a quoted value.
"""

from __future__ import annotations

import random
import re

from training.datagen.patterns import say

STYLES = {
    "plain": 45, "polite": 14, "typo": 12, "lower": 11, "terse": 6, "wordy": 8, "jargon": 6, "nonnative": 3, "shout": 2,
}  # fmt: skip
"""How often each style is drawn."""

_OPENERS = re.compile(
    r"^(Show me|Show us|Show|Give me|Give|List|What is|What are|What was|What's|Tell me|Which|How many|Find out|Find"
    r"|Get me|Count|Display|Return|Compute|Calculate|Work out|Name|Report|I need to know|I need|I want to see|I want"
    r"|Let me see|Let me know|Pull up|Look up|Bring up|Get|Pull)\b",
    re.IGNORECASE,
)
_DROPPED_OPENERS = frozenset(
    ("show", "show me", "show us", "give me", "list", "tell me", "find", "get me", "display", "what is", "what are",
     "what was", "what's", "give", "find out", "return", "compute", "calculate", "work out", "name", "report",
     "i need to know", "i need", "i want to see", "i want", "let me see", "let me know", "pull up", "look up",
     "bring up",
     "get", "pull")
)  # fmt: skip
"""Openers that a polite phrase takes the place of."""
_IS_POLITE = re.compile(
    r"^(can|could|would|please|i'd|i wonder|i am|i'm|so|any|is there|are there|do you|do we|do any|looking|one of)"
    r"\b",
    re.IGNORECASE,
)
"""Beginnings that bear nothing polite before them."""
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
_ARTICLE = re.compile(r"\ba (?=[aeio]|u(?!s[aeiu]|ni))(?!one\b|eur)")
_DOUBLED = re.compile(r"\b(total|average|number of)(?: \1)+\b", re.IGNORECASE)
"""A word that a pattern and a name both bring along."""
_SHORT_FORMS = (
    (r"\baverage\b", "avg"), (r"\bnumber of\b", "no. of"), (r"\bnumber of\b", "#"), (r"\bquantity\b", "qty"),
    (r"\bamount\b", "amt"), (r"\bwithout\b", "w/o"), (r"\bwith\b", "w/"), (r"\bplease\b", "pls"),
    (r"\bthanks\b", "thx"), (r"\bpercentage\b", "pct"), (r"\bpercent\b", "%"), (r"\b(highest|maximum)\b", "max"),
    (r"\b(lowest|minimum)\b", "min"), (r"\b(more|greater|higher) than\b", ">"), (r"\b(less|fewer|lower) than\b", "<"),
    (r"\bat least\b", ">="), (r"\bat most\b", "<="), (r"\bbetween (\S+) and\b", r"\1 -"), (r"\bversus\b", "vs"),
    (r"\bdepartment\b", "dept"), (r"\btotal\b", "tot."), (r"\b(for each|for every)\b", "per"), (r"\band\b", "&"),
    (r"^(Show me|Show|Give me|List|Find|Tell me|What is|What are|Get) (the |all )?", ""), (r"\?$", ""),
    (r"^How many\b", "# of"), (r" are there\b", ""), (r" do we have\b", ""), (r"\binformation\b", "info"),
)  # fmt: skip
"""How people write who are in a hurry and among their own."""
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
    elif style == "wordy":
        text = _wordy(rng, text)
    elif style == "jargon":
        text = _jargon(rng, text)
    elif style == "shout":
        text = text.upper() if rng.random() < 0.3 else _shout_word(rng, text)
    return _finish(rng, text, style), style


def _finish(rng: random.Random, text: str, style: str) -> str:
    """Tidy spaces and marks; a plain question mostly begins with a capital and may end with a full stop."""
    text = _DOUBLED.sub(r"\1", _ARTICLE.sub("an ", re.sub(r"\s+", " ", text)))
    text = text.replace(" ,", ",").replace("??", "?").replace("?.", "?").strip()
    if style == "plain":
        text = text[:1].upper() + text[1:] if rng.random() < 0.75 else text
        if text[-1:] not in "?.!" and rng.random() < 0.35:
            text += "."
    return text


def _polite(rng: random.Random, text: str) -> str:
    """Put a polite phrase before a question, and now and then one behind it."""
    ending = rng.choice(("?", "?", ".", say(rng, "polite.after")))
    if _IS_POLITE.match(text):
        return f"{text.rstrip('?.')}{ending}"
    opener = _OPENERS.match(text)
    body = text.rstrip("?.")
    if opener:
        first = opener.group(1).lower()
        rest = body[opener.end() :].strip()
        body = rest if first in _DROPPED_OPENERS else f"{first} {rest}"
    elif not body[:2].isupper():
        body = body[:1].lower() + body[1:]
    return f"{say(rng, 'polite.before')} {body}{ending}"


def _wordy(rng: random.Random, text: str) -> str:
    """Put sentences around a question that say why it is asked, or nothing at all."""
    body = text if text[-1:] in "?." else f"{text}{rng.choice(('.', '.', '?'))}"
    body = body[:1].upper() + body[1:]
    before = say(rng, "wordy.before") if rng.random() < 0.8 else ""
    after = say(rng, "wordy.after") if not before or rng.random() < 0.4 else ""
    return f"{before} {body} {after}".strip()


def _jargon(rng: random.Random, text: str) -> str:
    """Shorten what can be shortened, most of it."""
    for pattern, short in _SHORT_FORMS:
        if rng.random() < 0.7:
            text = re.sub(pattern, short, text, count=2, flags=re.IGNORECASE)
    return text.strip().lower() if rng.random() < 0.5 else text.strip()


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
