"""How one database spells its names and types.

In: plain words, such as `customer` and `order_date`. Out: names as a certain company would have them: `tblCustomers`,
`ORD_DT`. A Spelling is drawn once for a schema and used throughout, with the lapses that real schemas have.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from assistant.words import word_set
from assistant.writing import plural
from training.corpus.invented_domains import Attribute

SHORT_FORMS = {
    "quantity": "qty", "amount": "amt", "date": "dt", "description": "desc", "name": "nm", "address": "addr",
    "number": "no", "customer": "cust", "employee": "emp", "department": "dept", "account": "acct", "average": "avg",
    "category": "cat", "country": "ctry", "currency": "curr", "document": "doc", "duration": "dur", "invoice": "inv",
    "location": "loc", "manager": "mgr", "maximum": "max", "minimum": "min", "order": "ord", "organization": "org",
    "percent": "pct", "phone": "tel", "price": "prc", "product": "prod", "reference": "ref", "salary": "sal",
    "transaction": "txn", "supplier": "suppl", "temperature": "temp", "total": "tot", "value": "val", "weight": "wgt",
    "warehouse": "whse", "year": "yr", "status": "stat", "payment": "pmt", "purchase": "purch", "number_of": "num",
    "appointment": "appt", "contract": "contr", "vehicle": "veh", "patient": "pat", "project": "proj", "count": "cnt",
    "length": "len", "discount": "disc", "code": "cd", "type": "typ", "member": "mbr", "station": "stn", "group": "grp",
}  # fmt: skip
"""What words are cut to."""
READ_BACK = word_set(
    """qty amt dt desc addr no cust emp dept acct avg ctry curr doc dur inv loc mgr max min ord org pct tel prc prod ref
    sal txn suppl temp tot val wgt whse yr cnt disc"""
)
"""Short forms that are understood without a comment."""

UNITS = {
    "kg": "kilograms", "g": "grams", "t": "tonnes", "m": "metres", "cm": "centimetres", "km": "kilometres",
    "km2": "square kilometres", "sqm": "square metres", "ha": "hectares", "l": "litres", "ml": "millilitres",
    "mg": "milligrams", "sec": "seconds", "min": "minutes", "gb": "gigabytes", "mwh": "megawatt hours",
    "mw": "megawatts", "c": "degrees", "ms": "milliseconds", "ppb": "parts per billion", "kw": "kilowatts",
}  # fmt: skip
"""Ends of names that say what is counted in; as often left out, and said in a comment or nowhere."""

CODED_NAMES = ("fld", "attr", "val", "zz")
"""What stands for a word in columns that nobody named: `fld_3`."""

_CASES = {"snake": 50, "pascal": 17, "camel": 11, "upper": 10, "title": 7, "joined": 2}
_KEYS = {"id": 34, "table_id": 34, "table_key": 9, "tableID": 8, "table_no": 8, "table_code": 3}
_TABLE_PREFIXES = {"": 76, "tbl": 9, "t": 4, "dim": 7, "app": 4}
_TYPES = {
    "sqlite": {
        "text": "TEXT", "int": "INTEGER", "real": "REAL", "money": "REAL", "date": "DATE", "datetime": "DATETIME",
        "flag": "BOOLEAN", "short": "TEXT",
    },
    "ansi": {
        "text": "VARCHAR(120)", "int": "INT", "real": "DOUBLE", "money": "DECIMAL(10,2)", "date": "DATE",
        "datetime": "TIMESTAMP", "flag": "BOOLEAN", "short": "VARCHAR(30)",
    },
    "legacy": {
        "text": "NVARCHAR(160)", "int": "INTEGER", "real": "NUMERIC(12,3)", "money": "NUMERIC(10,2)", "date": "DATE",
        "datetime": "DATETIME", "flag": "BOOLEAN", "short": "CHAR(20)",
    },
    "plain": {
        "text": "TEXT", "int": "INTEGER", "real": "REAL", "money": "REAL", "date": "TEXT", "datetime": "TEXT",
        "flag": "BOOLEAN", "short": "TEXT",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Spelling:
    """The habits of one database."""

    case: str
    """snake, pascal, camel, upper, title (Order_Date) or joined (orderdate)."""
    key: str
    """How primary keys are called: `table_id` is customer_id."""
    is_plural: bool
    """Whether tables are in the plural."""
    table_prefix: str
    """What stands before tables; `dim` means dim and fact by what they hold."""
    column_prefix: int
    """Letters of the table's name before its columns; 0 for none, 99 for all."""
    shortening: float
    """How often a word is cut."""
    types: str
    """Which names types have."""

    def table(self, words: str, *, has_figures: bool, rng: random.Random) -> str:
        """Spell the name of a table."""
        *head, last = self._cut(words, rng).split("_")
        last = plural(last) if self.is_plural and last not in SHORT_FORMS.values() else last
        prefix = ("fact" if has_figures else "dim") if self.table_prefix == "dim" else self.table_prefix
        return self._join([*([prefix] if prefix else []), *head, last])

    def column(self, words: str, table: str, rng: random.Random) -> str:
        """Spell the name of a column; `table` in plain words."""
        prefix = table.replace("_", "")[: self.column_prefix]
        if self.column_prefix == 99:
            prefix = table
        parts = self._cut(words, rng).split("_")
        return self._join([*prefix.split("_"), *parts] if prefix and not words.startswith(table) else parts)

    def key_of(self, words: str, rng: random.Random) -> str:
        """Spell the primary key of a table."""
        if self.key == "id":
            return self._join(["id"])
        return self.reference(words, rng)

    def reference(self, role: str, rng: random.Random) -> str:
        """Spell a column that refers to a table, or to the one in a role."""
        said = self._cut(role, rng)
        if self.key == "tableID":
            return f"{self._join(said.split('_'))}{'_' if self.case in ('upper', 'title') else ''}ID"
        end = {"id": "id", "table_id": "id", "table_key": "key", "table_no": "no", "table_code": "code"}[self.key]
        return self._join([*said.split("_"), end])

    def type_of(self, attribute: Attribute) -> str:
        """Spell the type of an attribute."""
        known = {"note": "text", "category": "short", "year": "int", "time": "short"}
        return _TYPES[self.types][known.get(attribute.type, attribute.type)]

    def key_type(self) -> str:
        """Spell the type of keys."""
        return _TYPES[self.types]["int"]

    def _cut(self, words: str, rng: random.Random) -> str:
        if not self.shortening:
            return words
        parts = words.replace("number_of", "number").split("_")
        return "_".join(SHORT_FORMS[p] if p in SHORT_FORMS and rng.random() < self.shortening else p for p in parts)

    def _join(self, parts: list[str]) -> str:
        if self.case == "pascal":
            return "".join(part[:1].upper() + part[1:] for part in parts)
        if self.case == "camel":
            return parts[0] + "".join(part[:1].upper() + part[1:] for part in parts[1:])
        if self.case == "title":
            return "_".join(part[:1].upper() + part[1:] for part in parts)
        joined = ("" if self.case == "joined" and len(parts) < 3 else "_").join(parts)
        return joined.upper() if self.case == "upper" else joined


def draw_spelling(rng: random.Random) -> Spelling:
    """Draw the habits of a database."""
    return Spelling(
        case=_draw(_CASES, rng),
        key=_draw(_KEYS, rng),
        is_plural=rng.random() < 0.5,
        table_prefix=_draw(_TABLE_PREFIXES, rng),
        column_prefix=rng.choices((0, 99, 4, 3), (88, 8, 3, 1))[0],
        shortening=rng.choices((0.0, 0.4, 0.95), (66, 22, 12))[0],
        types=rng.choices(("sqlite", "ansi", "legacy", "plain"), (40, 34, 16, 10))[0],
    )


def _draw(options: dict[str, int], rng: random.Random) -> str:
    return rng.choices(list(options), list(options.values()))[0]
