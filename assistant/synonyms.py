"""What names of schemas abbreviate, and words that ask for the same thing as a name does.

In: nothing. Out: two tables that the index of a schema and the reading of a question share, so that both spell a word
alike. English only; what a database calls its own things is in its glossary, not here.
"""

from __future__ import annotations

SHORT_FORMS: dict[str, str] = {
    short: word
    for word, forms in {
        "account": "acct",
        "address": "addr",
        "amount": "amt",
        "average": "avg",
        "balance": "bal",
        "birth": "dob",
        "category": "cat",
        "count": "cnt",
        "country": "ctry",
        "currency": "curr",
        "customer": "cust",
        "date": "dt",
        "department": "dept",
        "description": "desc descr",
        "employee": "emp",
        "invoice": "inv",
        "location": "loc",
        "manager": "mgr",
        "manufacturer": "mfr",
        "message": "msg",
        "name": "nm fname lname",
        "number": "nbr no num",
        "order": "ord",
        "organization": "org",
        "percent": "pct",
        "phone": "phn tel",
        "price": "prc",
        "product": "prod",
        "quantity": "qty",
        "revenue": "rev",
        "salary": "sal",
        "status": "stat",
        "supplier": "supp",
        "total": "tot",
        "transaction": "trx txn",
        "user": "usr",
        "value": "val",
        "vendor": "vend",
        "warehouse": "wh",
        "year": "yr",
    }.items()
    for short in forms.split()
}
"""Abbreviations in names of schemas, to the word."""

RELATED_WORDS: dict[str, str] = {
    word: meaning
    for meaning, words in {
        "customer": "client buyer shopper",
        "employee": "staff worker colleague",
        "product": "article item goods",
        "order": "purchase bought buy sale",
        "salary": "pay wage earn",
        "invoice": "bill billing",
        "supplier": "vendor",
        "date": "when day month year",
        "address": "where live lives living",
        "quantity": "units pieces",
        "birth": "born age old",
    }.items()
    for word in words.split()
}
"""Words of questions, to the word that names of schemas have for it."""
