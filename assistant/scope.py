"""Decide, before a model is asked, whether a question can be one for this database.

In: a Question, the DatabaseSchema and the values matched in the question. Out: a Reply that declines or asks back, with
a sentence on what is missing and what the database does have; or nothing, and the question goes on to the model. Runs
no SQL and knows no model. A small model declines badly, so what can be told without it is told here; wherever there is
doubt the question goes on, because a good question that is turned away is worse than an answer too many.

Covers: orders to change data, attempts to steer the model, system tables (all in `requests`); things that databases
often hold and this one does not ("rating", "warehouse", in `topics`); what is averaged, sorted or grouped by and is not
there; questions without any word of the schema; "top customers" without a figure, "new customers" without a date, a
follow-up that follows nothing.
Does not cover: most things that are on no list, where the question also has words of the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from assistant.asked import NEUTRAL, VAGUE, Case
from assistant.conversation import is_follow_up
from assistant.requests import (
    INTERNALS,
    STEERS,
    WRITES,
    asks_for_internals,
    asks_for_secrets,
    asks_to_write,
    asks_why,
    off_topic,
    steers_the_model,
)
from assistant.topics import ABSENT, ASKING_WORDS, PHRASES
from assistant.types import DatabaseSchema, MatchedValue, Question, Reply
from assistant.words import COMMON_WORDS, QUESTION_WORDS, STOP_WORDS, fold, split_name, stem, tokenize, word_set
from assistant.writing import join_words, plural

_SECRETS = word_set("password passwords passwd credential credentials token tokens secret")
_RECENT = re.compile(r"\brecent\b", re.IGNORECASE)
_SUPERLATIVE_OF_TIME = re.compile(r"\bmost recent\b|\d", re.IGNORECASE)
_STATE_OF_THINGS = re.compile(
    r"(?:so |and |well )*how (?:are|is|were|was|did|do|have|has) (?:we|things|business|it|everything|the (?:business|"
    r"company|shop|hospital|team))\b(?: (?:doing|going|been|do|go|perform(?:ing)?|look(?:ing)?|develop(?:ing)?))*"
    r"(?: (?:today|now|lately|so far|this (?:year|month|week|quarter)|last (?:year|month|week|quarter)))*\W*",
    re.IGNORECASE,
)
_MEASURED = re.compile(
    r"\b(?:by|per|number of|count|least|according|based|measured|terms|rate|share|percent\w*)\b"
    r"|\bmost\b(?! (?:important|valuable|interesting|relevant|promising|critical|successful))",
    re.IGNORECASE,
)
_DOING = re.compile(r"\bhow (?:is|are|was|were|did)\b.*\b(?:doing|going|performing|do|perform)\b", re.IGNORECASE)
_COMPARES = re.compile(r"\b(?:compare|versus|vs|better|or)\b", re.IGNORECASE)
_GOES_ON = re.compile(
    r"(?:and|same|also|now|only|but|then|what about|how about|the same)\b.*|how (?:many|much)(?: (?:are there|is it|"
    r"is that))?\W*|(?:which|what) ones?\W*|(?:sort|order|group|split|show|list) (?:it|them|that|those|these)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_SEARCHED_TEXT = re.compile(
    r"""\b(?:contain\w*|called|named|titled|mention\w*|includ\w+|word|words|phrase|text|about|concerning|regarding|"""
    r"""subject|starts? with|ends? with)\b.*|["'“‘][^"'”’]+["'”’]""",
    re.IGNORECASE | re.DOTALL,
)
_HEAD = re.compile(
    r"\b(?:how many|how much|number of|which|what|list|show|average|total|count|find)\s+"
    r"(?:(?:me|us|the|all|our|of|is|are|a|an|every|each|different)\s+)*([^\W\d]+)",
    re.IGNORECASE,
)
_GROUP = re.compile(
    r"\b(?:new|old|inactive|regular|frequent|key|big|small|large|high-value|low-value|heavy|light)\b", re.IGNORECASE
)
"""What a thing is said to be, and only a definition tells which are."""
_WHEN = re.compile(
    r"\d|\b(?:since|before|after|today|yesterday|month|year|week|quarter|days?|last|this)\b", re.IGNORECASE
)
_WORD = r"(?-i:([a-z]{3,}))"  # a capital letter opens a name, which may be a value that the index does not hold
_END = (
    r"(?=\s+(?:of|per|by|for|in|do|does|did|is|are|was|were|has|have|had|and|or|we|our|the|each|this|last|since|on)\b"
    r"|\W*$)"
)
_SLOTS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(rf"\b{before}\s+(?:(?:the|our|their|each|all|a|an|of)\s+)*{_WORD}(?:[ -]{_WORD})?{_END}", re.IGNORECASE)
    for before in (
        "(?:average|mean|median|total|highest|lowest|maximum|minimum|max|min|avg|sum of)",
        "(?:sorted|grouped|ordered|ranked|broken down|split) by",
        "(?:per|for each|for every)",
        "(?:have|has|own|owns) an?",
    )
) + (
    re.compile(
        rf"\b(?:the|an?|our|their|show|list|get|what's)\s+{_WORD}(?:[ -]{_WORD})?\s+(?:of|per|for each)\b",
        re.IGNORECASE,
    ),
)
"""Where a question names what must be in the schema: what is averaged, sorted or grouped by, or belongs to a thing.

What is counted or listed is left out: people have too many words for their tables ("ships" for boats).
"""
_ASKS_FOR_ROWS = re.compile(
    r"\W*(?:who|whose|whom|which|where|when|list|show|find|give|did|does|is|are)\b", re.IGNORECASE
)
"""How questions open whose unknown words are as likely values that the index does not hold."""
_ABOUT_THE_ANSWER = re.compile(
    r"\b(?:ones?|it|that|them|these|those|columns?|lists?|results?|rows?|table|chart|previous|above|again)\b",
    re.IGNORECASE,
)


def check_scope(question: Question, schema: DatabaseSchema, values: Sequence[MatchedValue]) -> Reply | None:
    """Apply RULES in order and return the first reason not to write a query, or None when a model may try.

    Args:
        question: The question with its earlier turns.
        schema: The whole database, not only what was linked.
        values: Values matched in the question.

    Example:
        >>> check_scope(Question(text="Cancel order 12"), shop, ()).kind
        'refused'
    """
    case = Case(question, schema, values)
    return next((reply for rule in RULES if (reply := rule(case)) is not None), None)


def _no_steering(case: Case) -> Reply | None:
    if steers_the_model(case.text):
        return Reply(kind="refused", text=f"{STEERS} {case.offer()}")
    if asks_for_internals(case.text) or (
        asks_for_secrets(case.text) and not any(map(case.known.has_exactly, _SECRETS))
    ):
        return Reply(kind="refused", text=f"{INTERNALS} {case.offer()}")
    return None


def _no_writing(case: Case) -> Reply | None:
    # "remove the cancelled ones" stands by itself for `relevant_history`.
    goes_on = bool(case.history) or (bool(case.question.history) and _ABOUT_THE_ANSWER.search(case.text) is not None)
    if asks_to_write(case.text, is_follow_up=goes_on):
        return Reply(kind="refused", text=f"{WRITES} {case.offer()}")
    return None


def _no_talk(case: Case) -> Reply | None:
    reason = off_topic(case.text)
    if reason is None:
        reason = None if case.known.has_exactly("reason") or case.known.has_exactly("cause") else asks_why(case.text)
    about = [token.text for token in tokenize(reason.about if reason else "") if token.text not in STOP_WORDS]
    if reason is None or (about and all(map(case.known.has_exactly, about))):
        return None
    return Reply(kind="unanswerable", text=f"{reason.reason} {case.offer()}")


def _nothing_absent(case: Case) -> Reply | None:
    """Decline what is on the list of things that databases hold, and is not here."""
    if case.question.evidence:
        return None
    text = _SEARCHED_TEXT.sub(" ", case.text)
    named = [(token.text, token.text) for token in tokenize(text)]
    named += [(found.group().lower(), name) for phrase, name in PHRASES for found in phrase.finditer(text)]
    for mention, name in named:
        group = ABSENT.get(name)
        if group is None or mention in case.mentioned or any(map(case.known.has_exactly, group)):
            continue
        return case.missing([mention])
    return None


def _something_known(case: Case) -> Reply | None:
    """Decline when no word of the question has to do with the schema, and some word should."""
    if case.question.history or case.values or not case.can_miss:
        return None
    if any(word in QUESTION_WORDS and word not in NEUTRAL for word in case.words) or any(map(case.links, case.words)):
        return None
    # A verb has many ways to mean a table: "who operated" is about surgeries.
    unknown = [w for w in case.carrying if w not in COMMON_WORDS and not w.endswith(("ed", "ing")) and len(w) > 2]
    if any(word in ASKING_WORDS for word in unknown):
        return None
    heads = {match.group(1).lower() for match in _HEAD.finditer(case.text)}
    # One word alone may be another word for a table: "ships" for boats.
    if len(unknown) >= 2 and (heads.intersection(unknown) or not _ASKS_FOR_ROWS.match(case.text)):
        return case.missing(unknown)
    return None


def _each_figure_known(case: Case) -> Reply | None:
    """Decline when a question sorts, groups or averages by what is not in the schema: "credit score"."""
    if not case.can_miss:
        return None
    text = _SEARCHED_TEXT.sub(" ", case.text)
    for match in (found for slot in _SLOTS for found in slot.finditer(text)):
        words = [fold(word) for word in match.groups() if word]
        if words and not any(case.is_expected(word) for word in words):
            return case.missing([" ".join(words)])
    return None


def _something_to_go_on_from(case: Case) -> Reply | None:
    """Ask back where a follow-up follows nothing, or a value stands alone."""
    if case.question.history or case.question.evidence:
        return None
    rest = [word for word in case.carrying if word not in case.mentioned and word not in COMMON_WORDS]
    if _GOES_ON.fullmatch(case.text) and is_follow_up(case.text, case.schema) and not rest:
        return Reply(
            kind="clarify", text=f"That seems to go on from another question: what should I show? {case.offer()}"
        )
    names = sorted({match.value for match in case.values})
    tokens = [token.text for token in tokenize(case.text) if token.text not in ("the", "in", "from", "for")]
    is_bare = len(tokens) <= 3 and all(word in case.mentioned for word in tokens)
    if names and (
        is_bare or (not rest and ((len(names) > 1 and _COMPARES.search(case.text)) or _DOING.search(case.text)))
    ):
        return Reply(kind="clarify", text=f"What should I show for {join_words(names[:3])}{case.figures()}?")
    if _STATE_OF_THINGS.fullmatch(case.text):
        return Reply(kind="clarify", text=f"Which figure do you mean, and for which period{case.figures()}?")
    return None


def _a_figure_to_rank_by(case: Case) -> Reply | None:
    """Ask back for "top customers": nothing says by what."""
    if case.history or case.question.evidence or _MEASURED.search(case.text):
        return None
    rest = [word for word in case.carrying if word not in case.mentioned and word != "recent"]
    nouns = [word for word in case.words if stem(word) in case.known.rows or word in case.mentioned]
    if not nouns or len({stem(word) for word in rest}) > 1 or any(stem(word) not in case.known.rows for word in rest):
        return None
    what = plural(rest[0].removesuffix("s")) if rest else "them"
    vague = VAGUE.search(case.text)
    if vague and not case.known.has(vague.group().lower()):
        return Reply(kind="clarify", text=f"By which figure should I compare {what}{case.figures()}?")
    if rest and _RECENT.search(case.text) and not _SUPERLATIVE_OF_TIME.search(case.text):
        return Reply(kind="clarify", text=f"Since when are {what} recent: this month, this year, or another date?")
    return None


def _a_meaning_of_the_group(case: Case) -> Reply | None:
    """Ask back for "regular customers": the schema does not say which they are."""
    found = _GROUP.search(case.text)
    if case.history or case.question.evidence or found is None or _MEASURED.search(case.text):
        return None
    adjective = found.group().lower()
    said = {token.text for token in tokenize(adjective)}
    rest = [word for word in case.carrying if word not in case.mentioned and word not in said]
    tables = [
        table
        for table in case.schema.tables
        if len(rest) == 1 and stem(rest[0]) in map(stem, case.known.tables[table.name].split())
    ]
    if not tables or _WHEN.search(case.text):
        return None
    roots = {word.removeprefix("in") for word in said}
    named = [column.name for table in tables for column in table.columns]
    about = [entry for entry in case.schema.glossary if any(table.name in entry.sql for table in tables)]
    # "new {}" needs a date in the place of the braces: it does not say what is new.
    named += [term for entry in about for term in (entry.term, *entry.synonyms) if "{" not in term]
    if any(roots.issubset(split_name(name)) for name in named):
        return None
    return Reply(kind="clarify", text=f"Which {rest[0]} are {adjective}: by which figure or date, and from where on?")


RULES: tuple[Callable[[Case], Reply | None], ...] = (
    _no_steering,
    _no_writing,
    _no_talk,
    _nothing_absent,
    _something_known,
    _each_figure_known,
    _something_to_go_on_from,
    _a_figure_to_rank_by,
    _a_meaning_of_the_group,
)
"""What is asked of a question, in this order: the first that is not met answers."""
