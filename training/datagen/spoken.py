"""What people call things of which nothing is known but the name in the schema.

In: the name of a table or column, and its comment. Out: words, the usual ones first: `hire_dt` is the "hire date",
`tbl_Customers` holds "customers". Used where the glossary is silent. Knows English habits of naming and no domain;
whoever wants better words writes a glossary.
"""

from __future__ import annotations

import re
from functools import lru_cache

from assistant.words import word_set
from assistant.writing import humanise, plural

_LONG_FORMS: dict[str, str] = {
    short: word
    for word, forms in {
        "account": "acct accnt", "address": "addr", "amount": "amt", "average": "avg", "balance": "bal",
        "category": "categ ctgy", "count": "cnt", "country": "ctry cntry", "currency": "curr ccy",
        "customer": "cust", "date": "dt", "department": "dept", "description": "desc descr",
        "date of birth": "dob birthdate birthdt", "discount": "disc", "document": "doc", "duration": "dur",
        "employee": "emp", "equipment": "equip", "estimated": "est", "first name": "fname", "hours": "hrs",
        "identifier": "ident", "invoice": "inv", "last name": "lname surname", "location": "loc",
        "manager": "mgr", "manufacturer": "mfr mfg", "maximum": "max", "message": "msg", "minimum": "min",
        "number": "no nr nbr num", "order": "ord", "organisation": "org", "percent": "pct perc", "phone": "phn tel",
        "price": "prc", "product": "prod", "quantity": "qty quant", "reference": "ref", "revenue": "rev",
        "salary": "sal", "seconds": "secs", "sequence": "seq", "standard": "std", "supplier": "suppl",
        "temperature": "temp", "time": "ts", "total": "tot", "transaction": "trx txn", "user": "usr",
        "value": "val", "vendor": "vend", "warehouse": "whse", "weight": "wgt wt", "year": "yr",
    }.items()
    for short in forms.split()
}  # fmt: skip
"""Abbreviations in names of schemas, to the word."""
_OTHER_WORDS: dict[str, tuple[str, ...]] = {
    "birth date": ("date of birth", "birthday"), "date of birth": ("birth date", "birthday"),
    "description": ("text",), "email": ("e-mail", "e-mail address"), "employee": ("staff member", "worker"),
    "customer": ("client",), "supplier": ("vendor",), "product": ("item", "article"), "invoice": ("bill",),
    "quantity": ("units",), "phone": ("phone number", "telephone number"), "salary": ("pay",),
    "postal code": ("postcode", "zip code"), "zip": ("postal code", "zip code"), "surname": ("last name",),
    "last name": ("surname", "family name"), "first name": ("given name",), "amount": ("sum",),
    "created at": ("creation date", "date of creation"), "hire date": ("hiring date", "date of hire"),
    "start date": ("start",), "end date": ("end",), "due date": ("deadline",), "movie": ("film",),
    "film": ("movie",), "author": ("writer",), "teacher": ("instructor",), "company": ("firm",),
}  # fmt: skip
"""What people say as often; left out where the schema means something else by it."""
_NO_NOUNS = word_set("tbl table t dim fact fct vw view v dbo stg mst")
"""Beginnings of the names of tables that say nothing of what is in them."""
_SAME = word_set("status series species news data sales staff address analysis basis bus gas lens process business")
_MEASURED = word_set("amount quantity value minutes hours days seconds")
"""Ends of names that are left out as often as not: the salary amount is the salary."""
_MOMENTS = word_set("at on date dt ts time day")
_PAST_VERBS = word_set("born bought built given held made paid sent shown sold taken won written begun left")
_UNCOUNTED = word_set("equipment staff information feedback inventory personnel furniture luggage software hardware")
_PARTS = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W_A-Z\d])|[_\W]+")
_CODED = re.compile(r"[a-z]{1,2}\d+|\d+\w{1,2}")
_MAX_COMMENT_WORDS = 4


@lru_cache(maxsize=20_000)
def split_words(name: str) -> tuple[str, ...]:
    """Cut a name into words, accents kept: `lineNo_2` gives `line`, `no`, `2`."""
    spelled = name.replace("#", " number ").replace("%", " percent ")
    return tuple(part.lower() for part in _PARTS.split(spelled) if part)


@lru_cache(maxsize=20_000)
def name_words(name: str) -> str:
    """Put a name into the words that people use most.

    Example:
        >>> name_words("hire_dt"), name_words("LoginName"), name_words("dur_min"), name_words("Größe")
        ('hire date', 'login name', 'duration minutes', 'größe')
    """
    parts = split_words(name)
    words = []
    for place, part in enumerate(parts):
        if place and part == "min":
            words.append("minutes")
        elif part in _LONG_FORMS:
            words.append(_LONG_FORMS[part])
        elif part.isascii() and part.isalpha():
            words.append(humanise(part))
        else:
            words.append(part)
    return " ".join(words) or name


def say_column(name: str, comment: str, noun: str, taken: frozenset[str]) -> list[str]:
    """Give the words for a column, the usual one first.

    Args:
        name: Its name.
        comment: What the database says of it.
        noun: What a row of its table is called.
        taken: Words that mean another column of the table.
    """
    usual = name_words(name)
    found = []
    if verb := past_verb(name):
        found = [f"date {verb}", f"{verb} date"]
    head, _, last = usual.rpartition(" ")
    if head and last == "count":
        found.append(f"number of {plural(head)}")
    if not verb:
        found.append(usual)
    if head and last in _MEASURED and head not in taken:
        found.append(head)
    found += [other for other in _OTHER_WORDS.get(usual, ()) if other not in taken]
    bare = usual.removeprefix(f"{noun} ")
    if bare not in taken and bare not in ("id", "key", "number", "code"):
        found.append(bare)
    if (said := _short_comment(comment)) and said not in taken:
        found.append(said)
    plain = " ".join(split_words(name))
    if plain != usual and not verb:
        found.append(plain)
    return list(dict.fromkeys(found))


def past_verb(name: str) -> str:
    """Find what was done at a date, by the name of its column: `issued_on` gives "issued"; empty for others."""
    words = split_words(name)
    if len(words) == 2 and words[1] in _MOMENTS and (words[0] in _PAST_VERBS or words[0].endswith("ed")):
        return words[0]
    return ""


def say_table(name: str, comment: str, taken: frozenset[str]) -> list[str]:
    """Give the nouns for a row of a table, the usual one first; `taken` are those of other tables."""
    parts = [part for part in split_words(name) if part not in _NO_NOUNS] or list(split_words(name))
    usual = singular(name_words("_".join(parts))) or name
    found = [usual, *(other for other in _OTHER_WORDS.get(usual, ()) if other not in taken)]
    if (said := _short_comment(comment)) and singular(said) not in taken:
        found.append(singular(said))
    return list(dict.fromkeys(found))


def plain_name(name: str) -> str:
    """Put the name of a table into words as it is, without a beginning that says nothing: `tblKunden` is "kunden"."""
    return " ".join([part for part in split_words(name) if part not in _NO_NOUNS] or split_words(name)) or name


def singular(noun: str) -> str:
    """Put the last word of a noun phrase into the singular: `order items` becomes `order item`."""
    head, _, last = noun.rpartition(" ")
    if last in _SAME or len(last) < 4 or _CODED.fullmatch(last):
        return noun
    if last == "people":
        last = "person"
    elif last.endswith("ies") and last not in ("movies", "cookies"):
        last = f"{last[:-3]}y"
    elif last.endswith(("sses", "xes", "ches", "shes", "zes")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")):
        last = last[:-1]
    return f"{head} {last}".strip()


def plural_noun(noun: str) -> str:
    """Put a noun for rows into the plural; words that are not counted stay."""
    last = noun.rpartition(" ")[2]
    if last in _UNCOUNTED:
        return noun
    return f"{noun[:-2]}es" if last.endswith("sis") else plural(noun)


def _short_comment(comment: str) -> str:
    """Take the first part of a comment as a name, where it is short enough to be one."""
    first = re.split(r"[.,;:(\n]", comment.strip(), maxsplit=1)[0].strip()
    words = first.split()
    if not words or len(words) > _MAX_COMMENT_WORDS or not all(word.isalpha() for word in words):
        return ""
    return " ".join(word if word.isupper() else word.lower() for word in words).removeprefix("the ")
