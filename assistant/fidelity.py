"""Whether a draft says what its question says: what it leaves out, and what nobody asked for.

In: a Question, what was linked for it, and the SQL of a draft. Out: the doubts, each as a sentence that the model is
told and the person can read; none for most drafts. Runs nothing and asks no model. It reads literals, not meanings: a
value that was found in the question and is not in the statement, a number or year in one of both only, a text in the
statement that nobody wrote, a value compared with a column that does not have it, a condition or column that stands
twice. What could be right is let through: of 4,000 generated statements about the shop, all of them right, one is
doubted, of the 142 public ones none.

Does not cover: the wrong column or figure, and whatever else is not written down in words or digits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.numerals import read_digits, read_numbers
from assistant.types import GlossaryEntry, MatchedValue, Question, Rejection, SchemaContext
from assistant.words import fold, split_name, stem, tokenize

SURE_MATCH = 95.0
"""Score from which a value is taken to be meant."""
EVERYDAY_NUMBERS = frozenset({0.0, 1.0, 2.0, 3.0, 4.0, 7.0, 10.0, 12.0, 24.0, 60.0, 100.0, 365.0, 365.25, 1000.0})
"""Numbers that statements need for themselves: halves and quarters of a year, percent, days of a year."""

_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}).*)?)?\s*", re.DOTALL)
_RELATIVE = re.compile(
    r"\b(?:today|now|this|last|latest|previous|past|recent\w*|current\w*|next|ago|yesterday|same|year\w*|old\w*|young\w*|"
    r"aged?|before|after|since|until|week\w*|month\w*|days?|heute|letzte\w*|dieses?|jahr\w*|ann[ée]e\w*|dernier\w*|"
    r"a[ñn]o\w*|[úu]ltim\w*)\b",
    re.IGNORECASE,
)
_ALL_THE_SAME = re.compile(
    r"\b(?:too|incl\w*|even|also|as well|regardless|whether|either|whatever|no matter|auch|aussi|tambi[ée]n)\b",
    re.IGNORECASE,
)
"""Words with which a value may be named to say that it does not matter: "cancelled ones included"."""
_COMPARISONS = (exp.EQ, exp.NEQ, exp.In, exp.Like, exp.ILike)
_RANGES = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)


def find_doubts(
    question: Question, linked: SchemaContext, sql: str, glossary: Sequence[GlossaryEntry] = ()
) -> tuple[str, ...]:
    """Say what of a question a statement leaves out, and what it has that the question does not.

    Args:
        question: With the turns that it goes on from: what they say may be said again, and need not be.
        linked: Values and terms that were found for it.
        sql: The statement, in the dialect of the database.
        glossary: All terms of the database: a measure brings its conditions along, whatever words ask for it.

    Returns:
        The doubts, one sentence each; empty for a statement that cannot be read.
    """
    try:
        tree = sqlglot.parse_one(sql, read=linked.dialect)
    except SqlglotError:
        return ()
    said = " ".join([*_said(question), *(entry.sql for entry in (*linked.glossary, *glossary))])
    doubts = list(_repeated(tree))
    if not _ALL_THE_SAME.search(question.text):
        doubts += _values_left_out(tree, linked)
    doubts += _unknown_texts(tree, said, linked)
    doubts += _numbers_apart(tree, question.text, said)
    return tuple(dict.fromkeys(doubts))


def as_rejection(doubts: Sequence[str]) -> Rejection:
    """Put doubts as what is told to the model that wrote the draft."""
    return Rejection(stage="question", rule="left-out", message=" ".join(doubts))


def _repeated(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.And):
        if not isinstance(node.parent, exp.And):
            for text in _twice(part.sql() for part in node.flatten()):
                yield f"The condition {text} stands twice."
    for select in tree.find_all(exp.Select):
        for text in _twice(part.sql() for part in select.expressions):
            yield f"The column {text} stands twice."
    for choice in tree.find_all(exp.In):
        for text in _twice(part.sql() for part in choice.expressions):
            yield f"The value {text} stands twice."
    for equal in tree.find_all(exp.EQ):
        if equal.this.sql() == equal.expression.sql():
            yield f"The condition {equal.sql()} says nothing."


def _twice(texts: Iterable[str]) -> list[str]:
    return [text for text, count in Counter(texts).items() if count > 1]


def _values_left_out(tree: exp.Expr, linked: SchemaContext) -> Iterator[str]:
    texts = [_letters(literal.this) for literal in tree.find_all(exp.Literal)]
    names = {stem(part) for name in tree.find_all(exp.Identifier) for part in split_name(name.name)}
    terms = {
        stem(token.text)
        for entry in linked.glossary
        for name in (entry.term, *entry.synonyms)
        for token in tokenize(name)
    }
    by_mention: dict[str, list[MatchedValue]] = {}
    for match in linked.values:
        by_mention.setdefault(match.mention, []).append(match)
    for mention, matches in by_mention.items():
        words = [stem(token.text) for token in tokenize(mention)]
        if max(match.score for match in matches) < SURE_MATCH or read_numbers(mention):
            continue
        # A name, or a term's own words, may be what was meant.
        if not words or any(word in names or word in terms for word in words):
            continue
        values = [_letters(match.value) for match in matches]
        if not any(_overlap(text, value) for text in texts for value in values):
            yield f"The question names '{matches[0].value}', and the statement does not."


def _letters(text: str) -> str:
    """Reduce a text to what is left of it in an e-mail address or a code."""
    return re.sub(r"[\W_]+", "", fold(text))


def _overlap(text: str, value: str) -> bool:
    return value in text or (len(text) > 2 and text in value)


def _unknown_texts(tree: exp.Expr, said: str, linked: SchemaContext) -> Iterator[str]:
    said = fold(said)
    said_stems = {stem(token.text) for token in tokenize(said)}
    columns: dict[str, set[str]] = {}
    for match in linked.values:
        columns.setdefault(fold(match.value), set()).add(match.column.casefold())
    for comparison, literal in _compared_texts(tree):
        text = fold(literal.this.strip("%_ "))
        if text in columns:
            column = comparison.find(exp.Column)
            if column is not None and column.name.casefold() not in columns[text]:
                yield f"'{literal.this}' is a value of {', '.join(sorted(columns[text]))}, not of {column.name}."
            continue
        if text in said or not re.search(r"[^\W\d]", text):
            continue
        words = [token.text for token in tokenize(text)]
        if words and not any(_is_like(word, said_stems) for word in words):
            yield f"The question does not name '{literal.this}'."


def _compared_texts(tree: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Literal]]:
    for literal in tree.find_all(exp.Literal):
        if literal.is_string and isinstance(literal.parent, _COMPARISONS):
            yield literal.parent, literal


def _is_like(word: str, stems: set[str]) -> bool:
    """Tell whether a word begins as one that was written: "USA" for "US", a typo at the end."""
    own = stem(word)
    return any(own[:4] == other[:4] or (len(other) > 2 and own.startswith(other)) for other in stems if own and other)


def _numbers_apart(tree: exp.Expr, question: str, said: str) -> Iterator[str]:
    asked = read_numbers(said)
    plain: set[float] = set()
    in_texts: set[float] = set()
    for literal in tree.find_all(exp.Literal):
        if literal.is_string:
            in_texts.update(read_digits(literal.this))
        elif (number := _number(literal)) is not None:
            plain.add(number)
    written = plain | in_texts
    for number in _asked_plainly(question):
        # Percent, "more than 5" as "at least 6", two digits of a year, thousands.
        near = {number, number / 100, number - 1, number + 1, number - 2000, number + 2000, number * 1000}
        if number > 1 and not any(abs(value - other) < 1e-9 for value in near for other in written):
            yield f"The question says {number:g}, and the statement does not."
    for literal in tree.find_all(exp.Literal):
        if literal.is_string:
            yield from _invented_year(literal, asked, said)
            continue
        value = _number(literal)
        if value is None:
            continue
        is_limit = isinstance(literal.parent, exp.Limit)
        if value == 1.0 or (not is_limit and value in EVERYDAY_NUMBERS):
            continue
        if is_limit and (value > 1000 or asked - {0.0, 1.0} or not _is_english(question)):
            continue
        if not {value, round(value * 100, 6), value - 1, value + 1} & asked and (is_limit or value > 20):
            yield f"The question does not say {value:g}."


def _number(literal: exp.Literal) -> float | None:
    """Read a number; None for what begins as one, such as `2E`."""
    try:
        return float(literal.this)
    except ValueError:
        return None


def _asked_plainly(text: str) -> list[float]:
    """List the numbers in digits that stand for themselves: no part of a name, a day or an e-mail address."""
    found = re.findall(r"(?<!quarter )(?<![\w.,/:+#-])\d[\d,]*(?:\.\d+)?(?=%|[€$£]|[.,;:?!)]*(?:\s|$))", text)
    return [float(number.replace(",", "")) for number in found if number.replace(",", "").replace(".", "").isdigit()]


def _invented_year(literal: exp.Literal, asked: frozenset[float], said: str) -> Iterator[str]:
    day = _DAY.fullmatch(literal.this)
    if day is None or not isinstance(literal.parent, _RANGES) or _RELATIVE.search(said):
        return
    year = float(day.group(1))
    if not {year, year - 1, year - 2000, year - 2001} & asked:
        yield f"The question does not speak of {year:g}."


def _is_english(text: str) -> bool:
    return bool({"the", "of", "which", "what", "show", "list", "how", "who", "are"} & set(text.casefold().split()))


def _said(question: Question) -> Sequence[str]:
    turns = (part for turn in question.history for part in (turn.question, turn.sql))
    return (question.text, question.evidence, *turns)
