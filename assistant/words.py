"""Words: how a text is cut into them, and which of them say the same.

In: a question, a value or a name of the schema. Out: tokens in lower case without accents, and their stems. English
only, and plain on purpose: the same rules hold in training and in use. Knows no schema, no value and no question.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

_WORD = re.compile(r"&|[^\W_]+(?:['’][^\W_]+)*")
_NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")
_VOWEL = re.compile(r"[aeiouy]")
_UNACCENTED = {"ß": "ss", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "æ": "ae", "Æ": "ae", "œ": "oe", "đ": "d"}


def word_set(text: str) -> frozenset[str]:
    """Read the words of a text, parted by blanks."""
    return frozenset(text.split())


STOP_WORDS = word_set(
    """a about after again all also always am among an and any are as at be because been before being between both but
    by can could did do does doing don done during each either else ever every few for from get give given go got had
    has have having he her here hers him his how i if in into is it its itself just let like list many may me might
    more most much must my neither no nor not of off on once one only or our ours out over own per please same shall
    she should show since so some such tell than that the their theirs them then there these they this those through
    to together too under until up upon us very was we were what when where which while who whom whose why will with
    within without would yes yet you your yours"""
)
"""Words that carry the sentence, not its subject. They are never a value."""

COMMON_WORDS = word_set(
    """active app average basic best big book call cheap check clear close closed complete current custom daily day days
    draft east empty event express false female final first free full general gold good group half hard high home hot
    hour hours inactive item items january february march april june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec last late left light live local long low main major male manual
    medium minor monday tuesday wednesday thursday friday saturday sunday month months monthly negative new next none
    normal north null old open other others pack paid part phone plus positive premium primary private public quarter
    quick rate ready red regular return right sale second set share short silver simple single size small south special
    standard start started still stop summer super test third top total trial true turn type unknown unit used valid
    view vip week weeks weekly west white winter work year years yearly yes young"""
)
"""Everyday words that may be values too, where the question also speaks of their column or table."""

VAGUE_WORDS = word_set("all any best first full good last new next none null old other others part set total unknown")
"""The vaguest of them: values only where the question speaks of their column."""

QUESTION_WORDS = word_set(
    """ago amount amounts annual article articles average bought break brings buyer buyers buying category choose cities
    city client clients companies company compare compared cost costs count counts countries country customer customers
    data database date dates detail details different distinct down earn earned earning earnings employee employees
    example exist exists figure figures find found general generate generated greater grew group grouped grow growth
    head higher highest history increase information kind large larger largest latest lead leads least less likes
    listed live lives living longer longest looks lower lowest made mail make makes making margin mean means median
    member members million missing money name named names number numbers order ordered orders overall pairs parts
    people percent percentage person persons place placed places point points popular prices product products profit
    profits question questions range reason recent record records region regions remain report request requests result
    results revenue rows sales score scores sell seller sellers selling sells sent separate share shares shipping sold
    sort sorted spend spending spends spent staff state states stock story sum table tables taken team thing things
    thousand ticket tickets time times turnover user users value values volume want ways went word words worked workers
    world worse worst worth write"""
)
"""Words of questions that look like a mistyped value more often than they are one."""

EVERYDAY_NAMES: dict[str, str] = {
    word: name
    for name, words in {
        "united kingdom": "uk, britain, great britain, british, england",
        "united states": "usa, america, american",
        "netherlands": "holland, dutch",
        "germany": "german",
        "france": "french",
        "spain": "spanish, spaniard",
        "italy": "italian",
        "austria": "austrian",
        "switzerland": "swiss",
        "belgium": "belgian",
        "denmark": "danish",
        "sweden": "swedish",
        "norway": "norwegian",
        "finland": "finnish",
        "poland": "polish",
        "portugal": "portuguese",
        "ireland": "irish",
        "greece": "greek",
        "turkey": "turkish",
        "hungary": "hungarian",
        "romania": "romanian",
        "czech republic": "czech",
        "russia": "russian",
        "ukraine": "ukrainian",
        "canada": "canadian",
        "mexico": "mexican",
        "brazil": "brazilian",
        "argentina": "argentinian",
        "japan": "japanese",
        "china": "chinese",
        "india": "indian",
        "south korea": "korean",
        "australia": "australian",
        "female": "woman, women",
        "male": "man, men",
    }.items()
    for word in words.split(", ")
}
"""What people say, to the value that many databases hold for it."""


class Token(NamedTuple):
    """One word of a text."""

    text: str
    """In lower case, without accents and possessive s."""
    start: int
    """First character in the text."""
    end: int
    """One past the last character."""


@lru_cache(maxsize=200_000)
def fold(word: str) -> str:
    """Put a word in lower case without accents, apostrophes and possessive s; `&` becomes `and`."""
    folded = _without_accents(word).lower()
    if folded == "&":
        return "and"
    return folded.removesuffix("'s").replace("'", "")


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    mapped = "".join(_UNACCENTED.get(char, char) for char in text.replace("’", "'"))
    return "".join(char for char in unicodedata.normalize("NFKD", mapped) if not unicodedata.combining(char))


def tokenize(text: str) -> list[Token]:
    """Cut a text into its words. Underscores, hyphens and other signs part words; digits do not."""
    return [Token(fold(match.group()), match.start(), match.end()) for match in _WORD.finditer(text)]


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Cut the ending of an English word, so that `orders`, `order` and `ordered` are one.

    Works on a folded word. It is no dictionary: it may cut too much (`united` and `unit` are one), never more than the
    ending of a plural, past tense, present participle or `-ation`.
    """
    if len(word) <= 3 or not word.isalpha():
        return word
    base = word
    if base.endswith("ies") and len(base) > 4:
        base = base[:-3] + "y"
    elif base.endswith(("sses", "xes", "ches", "shes", "zes")):
        base = base[:-2]
    elif base.endswith("s") and not base.endswith(("ss", "us", "is")):
        base = base[:-1]
    for ending in ("ation", "ied", "ing", "ed"):
        rest = base[: -len(ending)]
        if base.endswith(ending) and len(rest) >= 3 and _VOWEL.search(rest):
            base = rest + ("y" if ending == "ied" else "")
            break
    if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "aeiousz":
        base = base[:-1]
    if len(base) > 3 and base.endswith("e"):
        base = base[:-1]
    return base


@lru_cache(maxsize=50_000)
def split_name(name: str) -> tuple[str, ...]:
    """Cut a name of a schema into words: `salesOrder_ID` gives `sales`, `order`, `id`."""
    return tuple(fold(part) for part in _NAME_PART.findall(_without_accents(name)))
