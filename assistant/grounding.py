"""Whether a text about a result says only what is in it: each number, each name, and nothing but plain words.

In: a text that a model wrote, the question, the result and the text that is grounded by construction. Out: what is
wrong, in words; nothing where nothing is. Where in doubt the text is wrong: there is always the other one.

Covers: numbers, also in words, with percent and currency signs; names, quoted words, markup, links, SQL, and a part
that is told as the whole. Does not cover: a figure of the result given to the wrong name of it, names in small letters,
or plain words that turn the meaning around.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from assistant.types import QueryResult, Question
from assistant.words import QUESTION_WORDS, STOP_WORDS, word_set
from assistant.writing import MONTHS, humanise

MAX_CHARS = 800

_MARKUP = re.compile(r"[<>{}\[\]`|\\*#_~^=@;]|https?:|www\.|^\s*[-•]\s", re.MULTILINE)
_SQL = re.compile(r"\bselect\b.+\bfrom\b|\b(?:insert into|delete from|drop table|update \w+ set)\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\d.,])(?:(?<![\w-])[-−])?\d[\d,.]*")  # noqa: RUF001 -- the sign of minus is read too
_PLAIN_NUMBER = re.compile(r"-?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_QUOTED = re.compile(r"[\"“”]([^\"“”]*)[\"“”]|(?<!\w)['‘]([^'’]+)['’](?!\w)")
_SIGNS = {
    "%": r"%|percent|\bpct\b|share|\brate\b|ratio",
    "$": r"\$|dollar|\busd\b",
    "€": "€|euro|\\beur\\b",
    "£": "£|pound|\\bgbp\\b",
}
_SIGN_WORDS = {
    "percent": "%",
    "percentage": "%",
    "dollars": "$",
    "dollar": "$",
    "euros": "€",
    "euro": "€",
    "pounds": "£",
}
_DAY = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?(?!\d)")
_COUNT_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_NUMBER_WORDS = {word: float(number) for number, word in enumerate(_COUNT_WORDS) if word != "one"}
"""Number words, but "one": "the one with the most orders" counts nothing."""
_VAGUE_NUMBERS = word_set(
    "thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million millions billion "
    "billions dozen dozens half third quarter twice double doubled triple tripled thrice majority minority"
)
"""Words that claim an amount which nobody can look up in the result."""
_OPENERS = word_set(
    "here overall together altogether additionally also however while based according result results answer following "
    "there these those next finally similarly meanwhile note both none nobody nothing i it its"
    " first last total average most"
)


def find_fault(text: str, question: Question, result: QueryResult, grounded: str) -> str:
    """Say the first thing in a text that the result does not bear out; empty when all is borne out.

    Args:
        text: What a model wrote.
        question: Its words and numbers may be said again.
        result: All rows that the person sees.
        grounded: The text that was made of the result without a model.
    """
    if not text.strip():
        return "it is empty"
    if len(text) > MAX_CHARS:
        return f"it has more than {MAX_CHARS} characters"
    if not text.replace("\n", " ").isprintable():
        return "it has characters that are not seen"
    cells = {cell for row in result.rows for cell in row if isinstance(cell, str) and cell.strip()}
    headings = [name for column in result.columns for name in (column.name, humanise(column.name))]
    rest = _without(text, {spoken for cell in cells for spoken in _spoken(cell)})
    if found := _MARKUP.search(rest) or _SQL.search(rest):
        return f"it has markup or SQL: '{found.group().strip()[:20]}'"
    known_text = " ".join((question.text, question.evidence, *headings, grounded)).lower()
    for said in (a or b for a, b in _QUOTED.findall(rest)):
        if said.strip() and said.strip().lower() not in known_text:
            return f"it quotes '{said[:40]}', which is not in the result"
    return (
        _find_number(rest, question, result, headings)
        or _find_sign(rest, known_text, cells)
        or _find_name(rest, known_text, cells)
        or _find_whole(rest, result)
    )


def _find_number(rest: str, question: Question, result: QueryResult, headings: Iterable[str]) -> str:
    figures = [float(c) for row in result.rows for c in row if isinstance(c, int | float) and not isinstance(c, bool)]
    figures.append(float(len(result.rows)))
    asked = " ".join((question.text, question.evidence, *headings))
    given = {float(found.replace(",", "")) for found in _PLAIN_NUMBER.findall(asked)}
    words = set(re.findall(r"\w+", asked.lower()))
    for match in _NUMBER.finditer(rest):
        written = match.group().rstrip(".,").replace("−", "-")  # noqa: RUF001
        after = rest[match.end() : match.end() + 1]
        if not _PLAIN_NUMBER.fullmatch(written) or after.isalpha():
            return f"it has the number '{written}{after}', which cannot be read"
        value, decimals = float(written.replace(",", "")), len(written.partition(".")[2])
        if value not in given and not any(_stands_for(value, decimals, figure) for figure in figures):
            return f"it has the number {written}, which is not in the result"
    for word in re.findall(r"[a-z]+", rest.lower()):
        if word in words:
            continue
        if word in _VAGUE_NUMBERS or (word in _NUMBER_WORDS and _NUMBER_WORDS[word] not in {*figures, *given}):
            return f"it says '{word}', which is not in the result"
    return ""


def _stands_for(value: float, decimals: int, figure: float) -> bool:
    """Tell whether a number is a figure, or that rounded to two decimals or more."""
    if value == figure:
        return True
    return decimals != 1 and abs(value - figure) <= 0.5 * 10.0 ** -max(2, decimals) + 1e-12 * abs(figure)


def _find_sign(rest: str, known_text: str, cells: Iterable[str]) -> str:
    known = " ".join((known_text, *cells)).lower()
    said = [sign for sign in _SIGNS if sign in rest]
    said += [sign for word, sign in _SIGN_WORDS.items() if re.search(rf"\b{word}\b", rest, re.IGNORECASE)]
    for sign in said:
        if not re.search(_SIGNS[sign], known):
            return f"it says '{sign}', which neither the question nor the result does"
    return ""


def _find_name(rest: str, known_text: str, cells: Iterable[str]) -> str:
    known = {word.lower() for text in (known_text, *cells) for word in _WORD.findall(text)}
    plain = STOP_WORDS | QUESTION_WORDS | _OPENERS
    for match in _WORD.finditer(rest):
        word = match.group()
        lower = re.sub(r"['’]s$", "", word.lower())
        if word == word.lower() or lower in known or lower == "i":
            continue
        is_first = not rest[: match.start()].strip() or rest[: match.start()].rstrip()[-1] in ".!?:"
        if not (is_first and lower in plain):
            return f"it names '{word[:40]}', which is not in the result"
    return ""


def _find_whole(rest: str, result: QueryResult) -> str:
    """Look for the count of a cut result told as if it were all there is."""
    if result.is_truncated and not re.search(r"\b(?:first|more|at least|shown)\b", rest, re.IGNORECASE):
        return "it does not say that there are more rows"
    return ""


def _spoken(cell: str) -> tuple[str, ...]:
    """List how a cell may be written: as it stands, and of a day its parts and its name."""
    found = [cell]
    day = _DAY.match(cell)
    if day:
        year, month = int(day[1]), int(day[2])
        if 1 <= month <= 12:
            name = MONTHS[month - 1]
            found += [day.group(), f"{name} {year}", f"{day[1]}-{day[2]}", day[1]]
            if day[3]:
                try:
                    number = date(year, month, int(day[3])).day
                except ValueError:
                    return tuple(found)
                found += [f"{number} {name} {year}", f"{name} {number}, {year}", f"{name} {number}", f"{number} {name}"]
    return tuple(found)


def _without(text: str, known: Iterable[str]) -> str:
    """Take out what stands in cells word for word, the longest first, as one may be a part of another."""
    parts = sorted((part for part in known if part.lower() in text.lower()), key=len, reverse=True)
    if not parts:
        return text
    pattern = "|".join(rf"(?<![\w.,]){re.escape(part)}(?!\w)(?![.,]\d)" for part in parts)
    return re.sub(pattern, "…", text, flags=re.IGNORECASE)
